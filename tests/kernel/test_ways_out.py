"""What a diagnosis in a notebook can be asked for besides the report: waiting, and a bundle."""

from __future__ import annotations

import json
import zipfile

ACCOUNT = "DU1234567"


def test_waiting_until_the_gateway_is_well(notebook, gateway):
    """`--wait` goes on after a failure, shows that it does, and ends with a healthy report."""
    gateway.set_faults(["stall-ready"])
    notebook.run("%load_ext ibnb")
    sent = notebook.send(f"%ibdiag {gateway.port} --timeout 0.5 --wait 60")
    assert gateway.wait_for(lambda: gateway.connections_accepted == 1, 30)
    gateway.set_faults([])
    [run] = notebook.collect([sent])
    assert run.status == "ok", run.everything
    assert "verdict healthy" in run.text
    assert gateway.connections_accepted <= 3
    assert gateway.open_clients == ()


def test_a_bundle_of_an_open_session(notebook, gateway, library, tmp_path):
    """The zip holds report, history and journal of the session, redacted; its list is printed."""
    notebook.run(f"%load_ext ibnb\n%ibconnect {gateway.port} --library {library}")
    unknown = f"from {library} import Stock\nib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))"
    notebook.run(unknown)
    path = tmp_path / "support bundle.zip"
    run = notebook.run(f'%ibdiag --static --bundle "{path}"')
    assert run.status == "ok", run.everything
    assert "journal.json" in run.stdout
    with zipfile.ZipFile(path) as bundle:
        files = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert not any(ACCOUNT in text for text in files.values())
    journal = json.loads(files["journal.json"])
    assert 200 in {notice["code"] for notice in journal["notices"]}
    assert "reqContractDetails" in {request["method"] for request in journal["requests"]}
    assert json.loads(files["session.json"])["health"]["state"] == "ready"
    assert gateway.connections_accepted == 1


def test_a_bundle_that_cannot_be_written(notebook, gateway, tmp_path):
    """One line says why, before anything is looked at, and the connection is still there."""
    notebook.run(f"%load_ext ibnb\n%ibconnect {gateway.port}")
    run = notebook.run(f'%ibdiag --bundle "{tmp_path}"')
    assert "is a folder: give a file in it" in run.everything
    assert "Traceback" not in run.everything
    assert notebook.value("ib.isConnected()") == "True"


def test_a_bundle_is_judged_beside_a_session(notebook, gateway, tmp_path):
    """The report is that of the bundle; the session of here has no part in it, nor is it asked."""
    gateway.set_faults(["closed-after-start"])
    path = tmp_path / "support bundle.zip"
    notebook.run(f'%load_ext ibnb\n%ibdiag {gateway.port} --static --bundle "{path}"')
    gateway.set_faults([])
    notebook.run(f"%ibconnect {gateway.port}")
    before = gateway.connections_accepted
    run = notebook.run(f'%ibdiag --from "{path}"')
    assert run.status == "ok", run.everything
    assert "verdict closed-after-start" in run.text
    assert "Judged from a bundle" in run.text
    told = json.loads(notebook.run(f'%ibdiag --from "{path}" --json').stdout)
    assert told["verdict"]["id"] == "closed-after-start"
    run = notebook.run(f'%ibdiag 4002 --from "{path}"')
    assert "leave out target" in run.everything
    assert "Traceback" not in run.everything
    assert gateway.connections_accepted == before
    assert notebook.value("ib.isConnected()") == "True"


def test_without_a_target_what_failed_last_is_diagnosed(notebook, gateway):
    """After a failed %ibconnect, %ibdiag alone looks at the same gateway."""
    gateway.set_faults(["closed-after-start"])
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port}")
    run = notebook.run("%ibdiag --static")
    assert "verdict closed-after-start" in run.text
    assert gateway.connections_accepted == 2


def test_a_stale_ib_at_hand_is_the_verdict(notebook, gateway):
    """An `ib` of an earlier run in the user's hands is named, although the connection works."""
    notebook.run(f"%load_ext ibnb\n%ibconnect {gateway.port}\nkept = ib")
    notebook.run(f"%ibconnect {gateway.port}")
    notebook.run("ib = kept")
    run = notebook.run("%ibdiag --static")
    assert "verdict stale-connection" in run.text

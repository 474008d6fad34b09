"""`%ibconnect` in a real kernel: targets, options, and what a failed opening leaves behind."""

from __future__ import annotations

import re
import socket

import pytest
from kernels import Notebook

from ibnb.simulator import SimulatedGateway


def client_ids(run):
    """Return the client IDs that a run names, in its line or in a badge."""
    return set(re.findall(r"\bID (\d+)", run.text))


def test_connects_and_binds_ib(notebook, gateway, library):
    """The badge says what is open, the object is bound to `ib`, and requests work at once."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {gateway.port} --library {library}")
    assert run.status == "ok", run.everything
    assert f"● Ready · PAPER · DU•••567 · 127.0.0.1:{gateway.port} · ID" in run.text
    assert notebook.value("type(ib).__module__") == f"'{library}.ib'"
    assert notebook.value("len(ib.positions()) > 0") == "True"
    assert notebook.value("len(ib.reqContractDetails(ib.positions()[0].contract))") == "1"


def test_a_line_says_what_is_open_if_no_badge_follows(notebook, gateway, library):
    """Whatever else keeps the value of the magic from showing itself, nothing is left unsaid."""
    notebook.run("%load_ext ibnb")
    connect = f"%ibconnect {gateway.port} --library {library}"
    said = f"Connected to 127.0.0.1:{gateway.port}: paper DU•••567, client ID "
    for cell in (
        f"{connect};",
        f"same = {connect}",
        f"{connect}\nlen(ib.positions())",
        f"if True:\n    {connect}",
        f"%time {connect}",
        f"get_ipython().run_cell('{connect};')\npass",
    ):
        run = notebook.run(cell)
        assert run.status == "ok", run.everything
        assert said in run.stdout, cell


@pytest.mark.parametrize("above", ["", "# said\n", "pass\n", "%load_ext ibnb\n"])
def test_a_line_says_nothing_that_the_badge_below_it_says(notebook, gateway, above):
    """The first time there is none; a rerun says what it closed, and no more."""
    connect = f"{above}%ibconnect {gateway.port} --client-id 41"
    if "load_ext" not in above:
        notebook.run("%load_ext ibnb")
    assert notebook.run(connect).stdout == ""
    run = notebook.run(connect)
    # IPython says of its own that an extension is loaded already.
    assert run.stdout.splitlines()[2 if "load_ext" in above else 0 :] == [
        f"Closed 127.0.0.1:{gateway.port} as client ID 41."
    ]
    assert f"● Ready · PAPER · DU•••567 · 127.0.0.1:{gateway.port} · ID 41" in run.text


def test_returns_ib_and_binds_another_name(notebook, gateway):
    """`--name` binds to another name, and the magic's value is the `IB` object itself."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"same = %ibconnect {gateway.port} --name gate")
    assert run.status == "ok", run.everything
    assert notebook.value("same is gate and gate.isConnected()") == "True"
    assert notebook.value("'ib' in globals()") == "False"


def test_host_and_port(notebook, gateway):
    """HOST:PORT is a target; --client-id and --timeout are taken."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect localhost:{gateway.port} --client-id 77 --timeout 9")
    assert run.status == "ok", run.everything
    assert gateway.open_clients == (77,)


def test_readonly_fetches_no_orders(notebook, gateway):
    """With --readonly neither open nor completed orders are requested."""
    notebook.run("%load_ext ibnb")
    assert notebook.run(f"%ibconnect {gateway.port} --readonly").status == "ok"
    requested = {fields[0] for _, fields in gateway.messages}
    assert "61" in requested
    assert not {"5", "99"} & requested


def test_sim_starts_a_gateway_of_its_own(notebook):
    """`%ibconnect sim` needs nothing else on the machine."""
    notebook.run("%load_ext ibnb")
    run = notebook.run("%ibconnect sim")
    assert run.status == "ok", run.everything
    assert "● Ready · SIM · DU•••567" in run.text
    again = notebook.run("%ibconnect sim")
    assert client_ids(again) == client_ids(run)


def test_the_simulated_gateway_can_be_broken_and_healed(notebook):
    """A rerun with other faults is another gateway, and the same ones are the same gateway."""
    notebook.run("%load_ext ibnb")
    assert notebook.run("%ibconnect sim --fault not-subscribed:10089").status == "ok"
    port = notebook.value("ib.client.port")
    asked = notebook.run(
        "codes = []\n"
        "ib.errorEvent += lambda _req_id, code, *_: codes.append(code)\n"
        "from importlib import import_module\n"
        "library = import_module(type(ib).__module__.partition('.')[0])\n"
        "stock = library.Stock('AAPL', 'SMART', 'USD', conId=265598)\n"
        "_ = ib.reqMktData(stock)\n"
        "for _ in range(100):\n"
        "    codes or ib.sleep(0.1)"
    )
    assert asked.status == "ok", asked.everything
    assert notebook.value("codes") == "[10089]"
    assert notebook.run("%ibconnect sim --fault not-subscribed:10089").status == "ok"
    assert notebook.value("ib.client.port") == port
    assert "healthy" in notebook.run("r = %ibdiag sim --static\nprint(r.verdict.id)").everything
    assert notebook.value("ib.client.port") == port
    assert notebook.run("%ibconnect sim").status == "ok"
    assert notebook.value("ib.client.port") != port


def test_same_notebook_same_client_id_after_a_restart(notebook, gateway):
    """The client ID is the notebook's own: the same in every run and after a kernel restart."""
    notebook.run("%load_ext ibnb")
    first = client_ids(notebook.run(f"%ibconnect {gateway.port}"))
    notebook.restart()
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {gateway.port}")
    assert run.status == "ok", run.everything
    assert client_ids(run) == first
    assert 1000 <= int(first.pop()) <= 9999


def test_two_notebooks_have_two_client_ids(tmp_path, gateway):
    """Notebooks of different paths can be connected side by side."""
    books = [Notebook(tmp_path, path=str(tmp_path / name)) for name in ("a.ipynb", "b.ipynb")]
    try:
        for book in books:
            book.run("%load_ext ibnb")
            assert book.run(f"%ibconnect {gateway.port}").status == "ok"
        assert len(gateway.open_clients) == 2
    finally:
        for book in books:
            book.close()


def test_environment_config_and_option_in_that_order(tmp_path, gateway):
    """IBNB_CLIENT_ID is beaten by %config, and both by --client-id."""
    book = Notebook(tmp_path, IBNB_CLIENT_ID="31")
    try:
        book.run("%load_ext ibnb")
        assert book.run(f"%ibconnect {gateway.port}").status == "ok"
        assert gateway.open_clients == (31,)
        book.run("%config IbMagics.client_id = '32'")
        assert book.run(f"%ibconnect {gateway.port}").status == "ok"
        assert gateway.wait_for(lambda: gateway.open_clients == (32,))
        assert book.run(f"%ibconnect {gateway.port} --client-id 33").status == "ok"
        assert gateway.wait_for(lambda: gateway.open_clients == (33,))
    finally:
        book.close()


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [
        ("silent", "handshake-silent"),
        ("close", "closed-before-version"),
        ("garbage", "not-a-gateway"),
        ("stall-ready", "not-ready"),
        ("no-accounts", "no-accounts"),
        ("disclaimer", "paper-disclaimer"),
        ("closed-after-start", "closed-after-start"),
        ("old-version", "version-too-old"),
        ("id-held", "client-id-in-use"),
    ],
)
def test_failed_opening_is_explained_and_stops_run_all(notebook, gateway, library, fault, verdict):
    """The one cause is the error, the library's misleading lines are kept back, Run All stops."""
    gateway.set_faults([fault])
    notebook.run("%load_ext ibnb")
    connect = f"%ibconnect {gateway.port} --library {library} --timeout 1 --wait 0"
    failed, after = notebook.run_all([connect, "print('went on')"])
    assert failed.status == "error"
    assert after.status == "aborted"
    assert f"[{verdict}]" in failed.error
    assert "Traceback" not in failed.error
    assert len([d for d in failed.displays if "text/html" in d]) == 1
    printed = failed.stdout + failed.stderr
    assert "already in use?" not in printed
    assert "API connection failed" not in printed
    assert notebook.value("'ib' in globals()") == "False"
    tasks = "[task for task in __import__('asyncio').all_tasks() if 'onnect' in repr(task)]"
    assert notebook.value(f"len({tasks})") == "0"
    assert gateway.wait_for(lambda: gateway.open_clients == ())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_refused_is_explained(notebook, host):
    """A port that nothing listens on is named as the cause, with where to look."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        notebook.run("%load_ext ibnb")
        run = notebook.run(f"%ibconnect {host}:{port}")
    assert "[connection-refused]" in run.error
    assert "net.port" in run.html or "Nothing listens on port" in run.html


def test_expectation_is_enforced(notebook):
    """A live account where paper was expected is closed again and explained."""
    with SimulatedGateway(faults=["live-account"]) as gateway:
        notebook.run("%load_ext ibnb")
        run = notebook.run(f"%ibconnect {gateway.port} --expect paper")
        assert "[wrong-environment]" in run.error
        assert "U1234567" not in run.everything
        assert gateway.wait_for(lambda: gateway.open_clients == ())


def test_connectivity_lost_leaves_a_degraded_session(notebook):
    """A gateway without its link to IBKR can be used, and the badge says what is missing."""
    with SimulatedGateway(faults=["connectivity-lost"]) as gateway:
        notebook.run("%load_ext ibnb")
        run = notebook.run(f"%ibconnect {gateway.port}")
        assert run.status == "ok", run.everything
        health = notebook.run("%ibhealth")
        assert "Degraded" in health.text
        assert "link to IBKR" in health.text


def test_held_id_is_asked_for_again_without_showing_a_326(notebook):
    """Where the gateway holds the ID a second more, a rerun waits and the user sees no error."""
    with SimulatedGateway(release_after=1.0) as gateway:
        notebook.run("%load_ext ibnb")
        connect = f"%ibconnect {gateway.port}"
        runs = [notebook.run(connect, "same-cell") for _ in range(3)]
        assert [run.status for run in runs] == ["ok"] * 3
        # As a word: a port may have these digits.
        assert not any(re.search(r"\b326\b", run.everything) for run in runs)
        assert gateway.refused_326 > 0
        assert len({one for run in runs for one in client_ids(run)}) == 1
        assert gateway.max_open_clients == 1


def test_held_id_is_explained_after_the_wait(notebook, gateway):
    """An ID that stays held is waited for as long as asked, then explained by name."""
    gateway.set_faults(["id-held"])
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {gateway.port} --wait 1")
    assert "[client-id-in-use]" in run.error
    assert gateway.refused_326 >= 2


def test_python_api_connects_and_raises_explained_errors(notebook, gateway):
    """`ibnb.connect` returns the `IB`; a failure has verdict and explanation, and gets its card."""
    source = f"import ibnb; ib = ibnb.connect('{gateway.port}'); print(ib.isConnected())"
    assert notebook.run(source).stdout.strip() == "True"
    notebook.run("%load_ext ibnb")
    run = notebook.run("ibnb.connect('127.0.0.1:1')")
    assert "[connection-refused]" in run.error
    assert "Nothing listens" in run.html


async def test_interrupted_opening_leaves_nothing(notebook, gateway):
    """The stop button in the middle of an opening leaves no socket, and the next one works."""
    gateway.set_faults(["silent"])
    notebook.run("%load_ext ibnb")
    sent = notebook.send(f"%ibconnect {gateway.port} --timeout 60")
    assert gateway.wait_for(lambda: gateway.connections_accepted == 1)
    run = notebook.stop(sent)
    assert run.error_name == "KeyboardInterrupt"
    gateway.set_faults([])
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"
    assert len(gateway.open_clients) == 1


def test_a_rerun_that_fails_says_what_it_closed(notebook, gateway):
    """The old connection is gone then, and the error alone would not tell."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port}")
    gateway.set_faults(["closed-after-start"])
    run = notebook.run(f"%ibconnect {gateway.port}")
    assert "[closed-after-start]" in run.error
    assert run.stdout.startswith(f"Closed 127.0.0.1:{gateway.port} as client ID"), run.everything


def test_what_was_lost_is_not_said_to_be_closed_now(notebook, gateway):
    """A rerun after a loss replaces what was closed already."""
    notebook.run("%load_ext ibnb\n%config IbMagics.auto_resume = False")
    notebook.run(f"%ibconnect {gateway.port}")
    gateway.drop_clients()
    notebook.run("import asyncio\nwhile ib.isConnected(): await asyncio.sleep(0.01)")
    run = notebook.run(f"%ibconnect {gateway.port}")
    assert run.stdout.startswith(f"Replaced 127.0.0.1:{gateway.port}"), run.everything
    assert "(already closed)." in run.stdout


def test_the_python_api_shows_its_waiting_too(notebook, gateway):
    """`ibnb.connect` counts down as `%ibconnect` does."""
    gateway.set_faults(["id-held"])
    notebook.run("%load_ext ibnb\nimport ibnb")
    run = notebook.run(f"ibnb.connect({gateway.port}, wait=4)")
    assert "[client-id-in-use]" in run.error
    assert "is still in use" in run.text

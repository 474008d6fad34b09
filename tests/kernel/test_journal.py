"""The journal in a notebook: requests of any connection, and an `ib` as it was after unloading."""

from __future__ import annotations

import pytest

SESSION = "session = get_ipython()._ibnb.app.session"
CONNECT = "from {library} import IB, Stock\nib = IB(); ib.connect('127.0.0.1', {port}, 7)"


@pytest.fixture
def connected(notebook, gateway, library):
    """A notebook with the extension loaded, whose own code has connected."""
    notebook.run(f"%load_ext ibnb\n{SESSION}")
    run = notebook.run(CONNECT.format(library=library, port=gateway.port), "connecting")
    assert run.status == "ok", run.everything
    return notebook


def test_requests_of_a_raw_connection_are_journalled(connected):
    """What the user's own connection asks is in the journal, from its synchronisation on."""
    run = connected.run(
        "ib.qualifyContracts(Stock('AAPL', 'SMART', 'USD'))\n"
        "asked = session.journal.requests.all()\n"
        "print([one.method for one in asked if one.method in "
        "('startApi', 'reqPositions', 'reqContractDetails')], {one.client_id for one in asked})\n"
        "print(asked[-1].contract.symbol, asked[-1].parameters['reqId'] == asked[-1].req_id)\n"
    )
    assert run.stdout == ("['reqPositions', 'reqContractDetails'] {7}\nAAPL True\n"), run.everything


def test_a_notice_of_a_raw_connection_leads_to_its_request(connected):
    """The error's reqId is looked up among the requests of the same connection."""
    run = connected.run(
        "ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))\n"
        "notice = [one for one in session.journal.since(0) if one.code == 200][-1]\n"
        "print(session.journal.request_of(notice).contract.symbol)"
    )
    assert "NOSUCH\n" in run.stdout, run.everything


def test_a_rerun_journals_on(connected, gateway, library):
    """After a rerun the new connection is journalled, and the old `ib` tells its fate."""
    connected.run("old = ib")
    run = connected.run(CONNECT.format(library=library, port=gateway.port), "connecting")
    assert run.status == "ok", run.everything
    run = connected.run(
        "ib.reqPositions()\n"
        "print({one.connection for one in session.journal.requests.all()})\n"
        "told = session.disconnect_reason\n"
        "print(told(ib), 'was replaced at' in told(old), session.losses)"
    )
    assert run.stdout == "{1, 2}\nNone True ()\n", run.everything


def test_a_lost_connection_is_told(connected, gateway):
    """The gateway goes: the user's own `ib` was lost, with the time."""
    gateway.drop_clients()
    run = connected.run(
        "import asyncio\n"
        "async def lost():\n"
        "    while session.disconnect_reason(ib) is None:\n"
        "        await asyncio.sleep(0.01)\n"
        "await asyncio.wait_for(lost(), 20)\n"
        "print(len(session.losses), session.disconnect_reason(ib))"
    )
    assert "1 The connection of this `ib` to 127.0.0.1:" in run.stdout, run.everything
    assert " as client ID 7 was lost at " in run.stdout


@pytest.mark.parametrize("connecting", [CONNECT, "ib = %ibconnect {port} --library {library}"])
def test_unload_restores_the_object(notebook, gateway, library, connecting):
    """Nothing of ibnb is left on an `ib` but its order lock, which stays for good."""
    notebook.run("%load_ext ibnb")
    notebook.run(connecting.format(library=library, port=gateway.port), "connecting")
    parts = "(ib.client, ib.client.conn, ib.wrapper)"
    layers = "for name, value in vars(part).items() if hasattr(value, 'ibnb_layer')"
    mine = f"[name for part in {parts} {layers}]"
    assert "'startReq'" in notebook.value(mine)
    notebook.run("%unload_ext ibnb")
    lock = ["sendMsg"] if "%" in connecting else []
    assert notebook.value(mine) == str(lock)
    notebook.run(f"import {library}; fresh = {library}.IB()")
    fresh = parts.replace("ib.", "fresh.")
    more = f"[sorted(vars(a).keys() - vars(b).keys()) for a, b in zip({parts}, {fresh})]"
    left = notebook.value(more)
    assert left == str([lock, ["door", "order_lock"] if lock else [], []]), left
    assert notebook.value("type(ib.client) is type(fresh.client)") == "True"


def test_a_pulse_in_a_notebook(notebook, gateway, library):
    """The session's pulse is taken in the kernel's own loop, and is there at once."""
    notebook.run(f"%load_ext ibnb\n{SESSION}")
    notebook.run(f"%ibconnect {gateway.port} --library {library}")
    run = notebook.run("pulse = await session.pulse(); print(pulse.status, pulse.round_trip < 5)")
    assert run.stdout == "answered True\n", run.everything

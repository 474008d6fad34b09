"""Resuming in a notebook: after a loss the same `ib` goes on, and the user is told."""

from __future__ import annotations

import pytest

LOST = "import asyncio\nwhile ib.isConnected(): await asyncio.sleep(0.01)"
BACK = "import asyncio\nwhile not ib.isConnected(): await asyncio.sleep(0.01)"
FEW_SECONDS = (
    "import ibnb.session.reconnect.reconnector as r; r.DELAYS = (0.05,); r.LATER_DELAY = 0.1"
)
SUBSCRIBED = (
    "contract = Stock('AAPL', 'SMART', 'USD'); ib.qualifyContracts(contract)\n"
    "ticker = ib.reqMktData(contract); heard = []\n"
    "ticker.updateEvent += heard.append\n"
    "import asyncio\n"
    "while not heard: await asyncio.sleep(0.01)"
)


@pytest.fixture
def by_hand(connected):
    """A connected notebook that does not resume by itself."""
    connected.run("%config IbMagics.auto_resume = False\nmine = ib")
    return connected


def test_resume_brings_the_same_ib_back(by_hand, gateway, library):
    """`%ibconnect --resume` says what was resumed; the ticker and its handler go on."""
    assert by_hand.run(SUBSCRIBED).status == "ok"
    gateway.drop_clients()
    by_hand.run(LOST)
    assert "Lost" in by_hand.run("%ibhealth").text
    run = by_hand.run(f"%ibconnect {gateway.port} --library {library} --resume")
    assert run.status == "ok", run.everything
    assert run.stdout.startswith("Resumed 127.0.0.1:"), run.stdout
    assert "market data AAPL" in run.stdout
    assert by_hand.value("ib is mine and ib.isConnected()") == "True"
    again = by_hand.run(
        "heard.clear()\nwhile not heard: await asyncio.sleep(0.01)\n"
        "print({id(one) for one in heard} == {id(ticker)})"
    )
    assert again.stdout == "True\n", again.everything
    assert gateway.max_open_clients == 1
    assert "Ready" in by_hand.run("%ibhealth").text


def test_resume_without_a_target_means_the_session(by_hand, gateway):
    """The session's own address, whatever the default target is."""
    gateway.drop_clients()
    by_hand.run(LOST)
    run = by_hand.run("%ibconnect --resume")
    assert run.stdout.startswith("Resumed 127.0.0.1:"), run.everything
    assert by_hand.value("ib is mine and ib.isConnected()") == "True"


def test_resume_on_an_open_connection_changes_nothing(by_hand, gateway):
    """It says so; handlers of an earlier run of the cell may still send orders."""
    for _ in range(2):
        run = by_hand.run("%ibconnect --resume", "connecting")
        assert run.stdout.startswith("Nothing to resume: "), run.everything
    assert by_hand.value("ib is mine") == "True"
    assert gateway.connections_accepted == 1
    placed = by_hand.run(
        "contract = Stock('AAPL', 'SMART', 'USD'); ib.qualifyContracts(contract)\n"
        "ib.errorEvent += lambda *_: ib.placeOrder(contract, LimitOrder('BUY', 1, 1.0))\n"
        "came = asyncio.Event() if 'asyncio' in globals() else __import__('asyncio').Event()\n"
        "ib.errorEvent += lambda *_: came.set()"
    )
    assert placed.status == "ok", placed.everything
    gateway.send_notice(2104, "OK:usfarm")
    by_hand.run("await came.wait()")
    assert gateway.wait_for(lambda: len(gateway.orders) == 1)


def test_resume_with_nothing_to_resume_opens_afresh(notebook, gateway):
    """As the first connect of a notebook, or after `%ibdisconnect`; the line says so."""
    notebook.run("%load_ext ibnb")
    for _ in range(2):
        run = notebook.run(f"%ibconnect {gateway.port} --resume")
        assert run.status == "ok", run.everything
        assert "There was no lost connection to resume." in run.stdout
        notebook.run("%ibdisconnect")
    assert gateway.connections_accepted == 2


def test_a_lost_connection_is_resumed_by_itself(connected, gateway):
    """The line appears, `ib` works again, and after `%ibdisconnect` nothing comes back."""
    connected.run(f"{FEW_SECONDS}\nmine = ib")
    connected.run(SUBSCRIBED)
    gateway.drop_clients()
    connected.run(LOST)
    waited = connected.run(f"{BACK}\nprint(ib is mine, len(ib.reqPositions()) > 0)")
    # The line on the resume comes when all of it is over, which may be after the cell's own.
    assert "True True" in waited.stdout.splitlines(), waited.everything
    gateway.set_faults(["closed-after-start"])
    gateway.drop_clients()
    tries = gateway.connections_accepted
    assert gateway.wait_for(lambda: gateway.connections_accepted >= tries + 2)
    connected.run("%ibdisconnect")
    gateway.set_faults([])
    assert connected.value("ib.isConnected()") == "False"
    tasks = "[t for t in __import__('asyncio').all_tasks() if 'resume' in repr(t)]"
    assert connected.value(tasks) == "[]"


def test_unloading_ends_the_resuming(connected, gateway):
    """Nothing of ibnb is left that could connect later."""
    connected.run(FEW_SECONDS)
    gateway.set_faults(["closed-after-start"])
    gateway.drop_clients()
    assert gateway.wait_for(lambda: gateway.connections_accepted >= 3)
    connected.run("%unload_ext ibnb")
    gateway.set_faults([])
    tasks = "[t for t in __import__('asyncio').all_tasks() if 'resume' in repr(t)]"
    assert connected.value(tasks) == "[]"
    assert connected.value("ib.isConnected()") == "False"

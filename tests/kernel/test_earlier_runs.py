"""What an earlier run left running: it cannot send an order over the connection of a later one."""

from __future__ import annotations

import pytest

from ibnb.simulator import SimulatedGateway

PREPARE = (
    "import asyncio\n"
    "contract = Stock('AAPL', 'SMART', 'USD'); ib.qualifyContracts(contract)\n"
    "armed, refused = asyncio.Event(), asyncio.Event()"
)
STRATEGY = (
    "async def strategy():\n"
    "    await armed.wait()\n"
    "    try:\n"
    "        ib.placeOrder(contract, LimitOrder('BUY', 1, 1.0))\n"
    "    except Exception as error:\n"
    "        said = f'{type(error).__name__}: {error}'\n"
    "        globals().update(said=said)\n"
    "        refused.set()\n"
    "task = asyncio.ensure_future(strategy())"
)
"""A background task as people write them: it finds its connection under the global name."""
CONNECTS = {
    "magic": "%ibconnect {port} --library {library} {options}",
    "raw": "ib = IB(); ib.connect('127.0.0.1', {port}, 7)",
}


@pytest.mark.parametrize("how", CONNECTS)
def test_a_task_of_an_earlier_run_cannot_order_on_the_new_connection(
    connected, gateway, library, how
):
    """It finds the new `ib` under the old name; its order raises StaleConnection."""
    connect = CONNECTS[how].format(port=gateway.port, library=library, options="")
    connected.run(connect, "connecting")
    connected.run(PREPARE, "preparing")
    connected.run(STRATEGY, "trading")
    assert connected.run(connect, "connecting").status == "ok"
    run = connected.run("armed.set(); await asyncio.wait_for(refused.wait(), 20)\nprint(said)")
    assert run.stdout.startswith("StaleConnection"), run.everything
    assert "This code was started for a connection that 127.0.0.1" in run.stdout
    assert gateway.orders == ()
    # What is started afresh goes on.
    connected.run(PREPARE, "preparing")
    connected.run(STRATEGY, "trading")
    connected.run("armed.set(); await task")
    assert gateway.wait_for(lambda: len(gateway.orders) == 1)


def test_a_task_of_the_paper_session_never_orders_on_the_live_one(connected, gateway, library):
    """Not even where live trading was unlocked."""
    connected.run(PREPARE)
    connected.run(STRATEGY)
    with SimulatedGateway(faults=["live-account"]) as live:
        connect = CONNECTS["magic"].format(
            port=live.port, library=library, options="--expect live --trade"
        )
        assert connected.run(connect).status == "ok"
        run = connected.run("armed.set(); await asyncio.wait_for(refused.wait(), 20)\nprint(said)")
        assert run.stdout.startswith("StaleConnection"), run.everything
        assert live.orders == ()
    assert gateway.orders == ()


def test_a_task_that_was_started_for_this_connection_goes_on(connected, gateway):
    """Whatever other cells run meanwhile, and also after the socket was lost and resumed."""
    connected.run(PREPARE)
    connected.run(STRATEGY)
    connected.run("1 + 1")
    gateway.drop_clients()
    connected.run("while ib.isConnected(): await asyncio.sleep(0.01)")
    assert connected.run("%ibconnect --resume").status == "ok"
    run = connected.run("armed.set(); await task\nprint('said' in globals())")
    assert run.stdout == "False\n", run.everything
    assert gateway.wait_for(lambda: len(gateway.orders) == 1)


def test_what_waits_for_the_first_connection_may_use_it(notebook, gateway, library):
    """With no connection before it there is no earlier run whose work could go on."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import *\nimport asyncio")
    notebook.run(
        "contract = Stock(conId=265598, exchange='SMART')\n"
        "armed, refused = asyncio.Event(), asyncio.Event()"
    )
    notebook.run(STRATEGY)
    notebook.run(f"%ibconnect {gateway.port} --library {library}")
    run = notebook.run("armed.set(); await task\nprint('said' in globals())")
    assert run.stdout == "False\n", run.everything
    assert gateway.wait_for(lambda: len(gateway.orders) == 1)

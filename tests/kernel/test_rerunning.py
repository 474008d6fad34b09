"""Rerunning the `%ibconnect` cell: a clean slate, every time."""

from __future__ import annotations

import re

import pytest

TWENTY = 20


def test_twenty_runs_of_run_all(notebook, gateway, library):
    """Twenty times Run All: always connected, always the same ID, one socket, never a 326."""
    cells = [
        "%load_ext ibnb",
        f"%ibconnect {gateway.port} --library {library}",
        "print(ib.isConnected(), ib.client.clientId)",
    ]
    seen = set()
    for _ in range(TWENTY):
        runs = notebook.run_all(cells)
        assert [run.status for run in runs] == ["ok"] * 3, runs[1].everything
        seen.add(runs[2].stdout)
    assert len(seen) == 1
    assert seen.pop().startswith("True")
    assert gateway.max_open_clients == 1
    assert gateway.refused_326 == 0
    assert gateway.connections_accepted == TWENTY
    assert gateway.handshakes_unfinished == 0


def test_says_in_one_line_what_was_closed(notebook, gateway, library):
    """The line of a rerun names the handlers and subscriptions that the old connection had."""
    notebook.run("%load_ext ibnb")
    connect = f"%ibconnect {gateway.port} --library {library}"
    notebook.run(connect)
    notebook.run(
        f"from {library} import Stock\n"
        "ib.pendingTickersEvent += lambda tickers: None\n"
        "ticker = ib.reqMktData(ib.qualifyContracts(Stock('AAPL', 'SMART', 'USD'))[0])"
    )
    line = notebook.run(connect).stdout
    assert line.count("\n") == 1
    assert re.search(r"Closed 127\.0\.0\.1:\d+ as client ID \d+, which still had ", line)
    assert "1 handler on pendingTickersEvent" in line
    assert "market data AAPL" in line


def test_nothing_of_an_earlier_run_acts(notebook, gateway, library):
    """Handlers, tickers and tasks of an earlier run do nothing; their `ib` is stale."""
    notebook.run("%load_ext ibnb")
    connect = f"%ibconnect {gateway.port} --library {library}"
    notebook.run(connect)
    prepared = notebook.run(
        f"from {library} import MarketOrder, Stock, Forex\n"
        "import asyncio\n"
        "old, fired, refused = ib, [], []\n"
        "contract = ib.qualifyContracts(Stock('AAPL', 'SMART', 'USD'))[0]\n"
        "ticker = ib.reqMktData(contract)\n"
        "ticker.updateEvent += lambda t: fired.append('ticker')\n"
        "old.pendingTickersEvent += lambda t: fired.append('pending')\n"
        "old.errorEvent += lambda *a: fired.append('error')\n"
        "old.disconnectedEvent += lambda: fired.append('disconnected')\n"
        "async def trade(ib):\n"
        "    while len(refused) < 5:\n"
        "        await asyncio.sleep(0.01)\n"
        "        if armed:\n"
        "            try:\n"
        "                ib.placeOrder(contract, MarketOrder('BUY', 1))\n"
        "            except Exception as error:\n"
        "                refused.append(error)\n"
        "armed = False\n"
        "task = asyncio.ensure_future(trade(ib))"
    )
    assert prepared.status == "ok", prepared.everything
    assert notebook.run(connect).status == "ok"
    notebook.run("fired.clear(); armed = True")
    gateway.send_notice(2104, "Market data farm connection is OK:usfarm")
    waited = notebook.run(
        "ib.reqMktData(contract); await asyncio.wait_for(asyncio.shield(task), 20)\n"
        "print(fired, {type(error).__name__ for error in refused})"
    )
    assert waited.stdout.strip() == "[] {'StaleConnection'}", waited.everything
    assert gateway.orders == ()
    message = notebook.value("str(refused[0])")
    assert "replaced at" in message
    assert "by cell [" in message


@pytest.mark.parametrize(
    "call",
    [
        "old.reqCurrentTime()",
        "old.connect('127.0.0.1', {port}, 5)",
        "await old.connectAsync('127.0.0.1', {port}, 5)",
        "old.client.connect('127.0.0.1', {port}, 5)",
        "old.reqPositions()",
        "old.waitOnUpdate()",
        "old.cancelOrder(__import__('{library}').Order(orderId=3))",
    ],
)
def test_stale_ib_refuses_with_an_explanation(notebook, gateway, library, call):
    """A request or a connect on the stale object is an explained error, and opens nothing."""
    notebook.run("%load_ext ibnb")
    connect = f"%ibconnect {gateway.port} --library {library}"
    notebook.run(connect)
    notebook.run("old = ib")
    notebook.run(connect)
    run = notebook.run(call.format(port=gateway.port, library=library))
    assert run.error_name == "StaleConnection", run.everything
    assert "replaced at" in run.error
    assert len(gateway.open_clients) == 1


def test_stale_ib_shows_itself_as_stale(notebook, gateway):
    """The badge of a replaced `ib` says so."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port}")
    notebook.run("old = ib")
    notebook.run(f"%ibconnect {gateway.port}")
    assert "replaced at" in " ".join(notebook.run("old").text.split())


def test_pending_request_of_the_old_ib_fails_at_once(notebook, gateway, library):
    """A request that still waits when the connection is replaced fails with StaleConnection."""
    notebook.run("%load_ext ibnb")
    connect = f"%ibconnect {gateway.port} --library {library}"
    notebook.run(connect)
    notebook.run("waiting = ib.wrapper.startReq('never answered')")
    notebook.run(connect)
    run = notebook.run("await waiting")
    assert run.error_name == "StaleConnection"


def test_another_target_closes_the_old_one_only_when_ready(notebook, gateway):
    """Where the new target fails, the connection to the old one is still there and works."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port}")
    failed = notebook.run("%ibconnect 127.0.0.1:1")
    assert failed.status == "error"
    assert notebook.value("ib.isConnected() and len(ib.reqPositions()) > 0") == "True"


def test_another_client_id_replaces_the_connection(notebook, gateway):
    """With another client ID the old connection is closed when the new one is ready."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port} --client-id 41")
    notebook.run("old = ib")
    run = notebook.run(f"%ibconnect {gateway.port} --client-id 42")
    assert run.stdout.startswith("Closed ")
    assert gateway.wait_for(lambda: gateway.open_clients == (42,))
    assert notebook.run("old.reqPositions()").error_name == "StaleConnection"


def test_disconnect_closes_for_real(notebook, gateway):
    """`%ibdisconnect` says what was closed, and the gateway has no client any more."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port}")
    run = notebook.run("%ibdisconnect")
    assert run.stdout.startswith("Closed ")
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    assert notebook.run("%ibdisconnect").stdout.strip() == "No connection was open."
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"


def test_disconnect_by_the_users_code_is_no_loss(notebook, gateway, library):
    """After `ib.disconnect()` the health says closed, and blames nobody."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port} --library {library}")
    notebook.run("ib.disconnect()")
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    health = notebook.run("%ibhealth").text
    assert "Closed" in health
    assert "other side" not in health
    line = notebook.run(f"%ibconnect {gateway.port} --library {library}").stdout
    assert "handler" not in line


def test_lost_socket_is_told_and_reconnects(notebook, gateway):
    """When the gateway closes, the health says lost, and the next `%ibconnect` works."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port}")
    gateway.drop_clients()
    notebook.run("import asyncio\nwhile ib.isConnected(): await asyncio.sleep(0.01)")
    assert "Lost" in notebook.run("%ibhealth").text
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"

"""The order lock: nothing goes to a live account that was not opened for trading."""

from __future__ import annotations

import re

import pytest
from bare_gateway import BareGateway

from ibnb.simulator import SimulatedGateway

PREPARE = (
    "from {library} import LimitOrder, MarketOrder, Option, Stock\n"
    "contract = ib.qualifyContracts(Stock('AAPL', 'SMART', 'USD'))[0]"
)


@pytest.fixture
def live():
    """A simulated gateway with a live account."""
    with SimulatedGateway(faults=["live-account"]) as gateway:
        yield gateway


def connect(notebook, gateway, library, *options):
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {gateway.port} --library {library} {' '.join(options)}")
    assert run.status == "ok", run.everything
    assert notebook.run(PREPARE.format(library=library)).status == "ok"
    return run


@pytest.mark.parametrize(
    "call",
    [
        "ib.placeOrder(contract, MarketOrder('BUY', 1))",
        "ib.client.placeOrder(99, contract, MarketOrder('BUY', 1))",
        "type(ib).placeOrder(ib, contract, MarketOrder('BUY', 1))",
        "ib.exerciseOptions(contract, 1, 1, 'U1234567', 0)",
        "[ib.placeOrder(contract, o) for o in ib.bracketOrder('BUY', 1, 10, 12, 9)]",
    ],
)
def test_orders_are_locked_on_a_live_account(notebook, live, library, call):
    """Every order-sending call raises OrdersLocked, and nothing reaches the gateway."""
    run = connect(notebook, live, library)
    assert "LIVE" in run.text
    assert "Orders are locked" in run.stdout
    ordered = notebook.run(call)
    assert ordered.error_name == "OrdersLocked", ordered.everything
    assert "--trade" in ordered.error
    sent = {fields[0] for _, fields in live.messages}
    assert not {"3", "21"} & sent


def test_badge_of_a_live_account_says_live(notebook, live, library):
    """The badge says LIVE and that orders are locked, in words."""
    connect(notebook, live, library)
    badge = notebook.run("ib")
    assert "LIVE" in badge.text
    assert "locked" in badge.text
    assert "U1234567" not in badge.everything


def test_what_if_orders_and_cancelling_pass(notebook, live, library):
    """Asking for the margin of an order, and cancelling, are not order-sending calls."""
    connect(notebook, live, library)
    asked = notebook.run("print(ib.whatIfOrder(contract, MarketOrder('BUY', 1)))")
    assert asked.status == "ok", asked.everything
    cancelled = notebook.run("ib.reqGlobalCancel()")
    assert cancelled.status == "ok", cancelled.everything
    assert live.wait_for(lambda: any(fields[0] == "58" for _, fields in live.messages))


def test_trade_opens_the_lock(notebook, live, library):
    """With --trade orders go to the live account."""
    run = connect(notebook, live, library, "--trade")
    assert "Orders are locked" not in run.stdout
    placed = notebook.run("trade = ib.placeOrder(contract, LimitOrder('BUY', 1, 1.0))")
    assert placed.status == "ok", placed.everything
    assert live.wait_for(lambda: len(live.orders) == 1)


def test_reconnecting_does_not_open_the_lock(notebook, live, library):
    """A handler that connects a locked `ib` again leaves its orders locked."""
    connect(notebook, live, library)
    notebook.run(f"ib.connect('127.0.0.1', {live.port}, 55)")
    assert notebook.value("ib.isConnected()") == "True"
    ordered = notebook.run("ib.placeOrder(contract, MarketOrder('BUY', 1))")
    assert ordered.error_name == "OrdersLocked", ordered.everything
    assert "orders locked" in notebook.run("ib").text
    assert live.orders == ()


def test_users_own_live_connection_says_not_locked(notebook, live, library):
    """What the user's own code connects is not locked, and its badge says so in words."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"from {library} import IB\nib = IB(); ib.connect('127.0.0.1', {live.port}, 55)")
    shown = notebook.run("ib").text
    assert "LIVE" in shown
    assert "orders not locked" in shown


def test_rerun_without_trade_locks_again(notebook, live, library):
    """A rerun without --trade locks the new `ib`, and the old one is stale."""
    connect(notebook, live, library, "--trade")
    notebook.run("old = ib")
    connect(notebook, live, library)
    for name, error in (("ib", "OrdersLocked"), ("old", "StaleConnection")):
        run = notebook.run(f"{name}.placeOrder(contract, MarketOrder('BUY', 1))")
        assert run.error_name == error
    assert live.orders == ()


def test_paper_is_not_locked(notebook, gateway, library):
    """Orders on a paper account pass without --trade."""
    connect(notebook, gateway, library)
    placed = notebook.run("trade = ib.placeOrder(contract, LimitOrder('BUY', 1, 1.0))")
    assert placed.status == "ok", placed.everything
    assert gateway.wait_for(lambda: len(gateway.orders) == 1)


def test_live_after_paper_leaves_no_way_back(notebook, gateway, live, library):
    """The paper `ib` that other objects hold can never place an order on the live account."""
    connect(notebook, gateway, library)
    notebook.run("class Bot: pass\nbot = Bot(); bot.ib = ib")
    connect(notebook, live, library, "--trade")
    run = notebook.run("bot.ib.placeOrder(contract, MarketOrder('BUY', 1))")
    assert run.error_name == "StaleConnection"
    assert live.orders == ()
    assert gateway.orders == ()


# From here on with a gateway that has no code of ibnb, and counts frames.

ORDER = """
import asyncio, struct
from {library} import LimitOrder, MarketOrder, Stock
contract = Stock('AAPL', 'SMART', 'USD', conId=265598)
order = LimitOrder('BUY', 1, 1.0)
text = '\\0'.join(['3', '77', '265598', 'AAPL', 'STK']) + '\\0'
frame = struct.pack('>I', len(text)) + text.encode()
"""
WAYS = (
    "ib.placeOrder(contract, order)",
    "type(ib.client).placeOrder(ib.client, 77, contract, order)",
    "ib.client.send(*text.split('\\0')[:-1])",
    "type(ib.client).sendMsg(ib.client, text)",
    "ib.client.conn.sendMsg(frame)",
    "ib.client.conn.transport.write(frame)",
    "type(ib.client.conn.transport).write(ib.client.conn.transport, frame)",
)
BOTS = """
placed = []
def bot(*_):
    if ib.isConnected() and not ib.positions():
        {way}
async def task():
    while True:
        await asyncio.sleep(0.01)
        try:
            bot()
        except Exception as error:
            placed.append(type(error).__name__)
running = asyncio.ensure_future(task())
ib.connectedEvent += bot
ib.updateEvent += bot
"""


@pytest.fixture
def bare_live():
    """A gateway with a live account, without code of ibnb."""
    with BareGateway(accounts="U1234567") as gateway:
        yield gateway


@pytest.fixture
def bare_paper():
    """A gateway with a paper account, without code of ibnb."""
    with BareGateway(accounts="DU1234567") as gateway:
        yield gateway


def open_session(notebook, gateway, library, *options):
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {gateway.port} --library {library} {' '.join(options)}")
    assert run.status == "ok", run.everything
    assert notebook.run(ORDER.format(library=library)).status == "ok"


def assert_locked(notebook, gateway):
    """Try each way, and see that a request which follows them arrives, and none of them."""
    for way in WAYS:
        run = notebook.run(way)
        assert run.error_name == "OrdersLocked", run.everything
        same = r"(?:--(?:library|client-id) \w+ )*"
        unlocks = rf"%ibconnect {gateway.port} {same}--expect live --trade"
        assert re.search(unlocks, run.error), run.error
    before = len(gateway.frames(58))
    assert notebook.run("ib.reqGlobalCancel()").status == "ok"
    gateway.wait_for_frames(58, before + 1)
    assert gateway.orders == []


@pytest.mark.parametrize(
    "between",
    [
        "%reload_ext ibnb",
        "%unload_ext ibnb",
        "%unload_ext ibnb\n%load_ext ibnb",
        "%ibdisconnect",
        "%ibdisconnect\n%reload_ext ibnb\n%reload_ext ibnb",
        "%config IbMagics.guard = False\nib.disconnect()",
    ],
)
def test_the_lock_stays_on_the_object(notebook, bare_live, library, between):
    """Whatever becomes of ibnb: the user's own code connects it again, and no order passes."""
    open_session(notebook, bare_live, library)
    assert notebook.run(between).status == "ok"
    run = notebook.run(f"ib.connect('127.0.0.1', {bare_live.port}, 55)")
    assert run.status == "ok", run.everything
    assert_locked(notebook, bare_live)
    if "%load_ext" in between or "%unload_ext" not in between:
        assert "orders locked" in notebook.run("ib").text


@pytest.mark.parametrize("way", WAYS)
def test_no_order_slips_through_a_resume(notebook, bare_live, library, way):
    """Bots that buy whenever they see no position find no moment in which they can."""
    open_session(notebook, bare_live, library)
    notebook.run(BOTS.format(way=way))
    for opened in (2, 3):
        bare_live.drop()
        bare_live.wait_for(lambda opened=opened: bare_live.opened == opened)
        notebook.run(
            "async with asyncio.timeout(20):\n"
            "    while not ib.isConnected(): await asyncio.sleep(0.01)\n"
            "placed.clear()\n"
            "async with asyncio.timeout(20):\n"
            "    while 'OrdersLocked' not in placed: await asyncio.sleep(0.01)"
        )
    notebook.run("running.cancel(); ib.connectedEvent.clear(); ib.updateEvent.clear()")
    assert_locked(notebook, bare_live)


def test_what_is_opened_for_trading_trades_after_a_resume(notebook, bare_live, library):
    """A rerun with --trade opens a fresh object without a lock, and a resume puts none on."""
    open_session(notebook, bare_live, library)
    notebook.run("locked = ib")
    open_session(notebook, bare_live, library, "--trade")
    assert notebook.run("ib.placeOrder(contract, order)").status == "ok"
    bare_live.wait_for_orders(1)
    bare_live.drop()
    assert notebook.run("%ibconnect --resume").status == "ok"
    assert notebook.run("ib.placeOrder(contract, LimitOrder('BUY', 1, 2.0))").status == "ok"
    bare_live.wait_for_orders(2)
    run = notebook.run("locked.placeOrder(contract, LimitOrder('BUY', 1, 3.0))")
    assert run.error_name == "StaleConnection"
    assert len(bare_live.orders) == 2


def test_a_true_what_if_and_cancels_pass_after_reloading(notebook, bare_live, library):
    """What sends no order is not held back, with or without a session."""
    open_session(notebook, bare_live, library)
    notebook.run("%reload_ext ibnb")
    notebook.run(f"ib.connect('127.0.0.1', {bare_live.port}, 55)")
    asked = notebook.run("print(ib.whatIfOrder(contract, MarketOrder('BUY', 1)).initMarginChange)")
    assert "100" in asked.stdout, asked.everything
    order = "MarketOrder('BUY', 1, whatIf=True)"
    assert notebook.run(f"ib.client.placeOrder(99, contract, {order})").status == "ok"
    assert notebook.run("ib.cancelOrder(LimitOrder('BUY', 1, 1.0, orderId=99))").status == "ok"
    bare_live.wait_for_frames(4)
    assert [order.what_if for order in bare_live.orders] == [True, True]


@pytest.mark.parametrize("how", ["lost", "%ibdisconnect", "%unload_ext ibnb"])
def test_not_connected_is_not_called_live(notebook, bare_paper, library, how):
    """Changing an order or placing one without a connection raises what the library raises."""
    notebook.run("%load_ext ibnb\n%config IbMagics.auto_resume = False")
    open_session(notebook, bare_paper, library)
    assert notebook.run("trade = ib.placeOrder(contract, order)").status == "ok"
    bare_paper.wait_for_orders(1)
    if how == "lost":
        bare_paper.drop()
        notebook.run(
            "async with asyncio.timeout(20):\n    while ib.isConnected(): await asyncio.sleep(0.01)"
        )
    else:
        assert notebook.run(how).status == "ok"
    for call in (
        "trade.order.lmtPrice = 2; ib.placeOrder(contract, trade.order)",
        "ib.placeOrder(contract, LimitOrder('BUY', 1, 1.0))",
        "ib.client.placeOrder(99, contract, order)",
    ):
        run = notebook.run(call)
        assert run.error_name == "ConnectionError", run.everything
        assert "Not connected" in run.error
    assert len(bare_paper.orders) == 1


def test_a_refused_order_of_a_task_is_seen(notebook, bare_live, library):
    """Nobody awaits the task; the cell that it fails in says so all the same."""
    open_session(notebook, bare_live, library)
    run = notebook.run(
        "async def bot(): ib.placeOrder(contract, order)\n"
        "task = asyncio.ensure_future(bot())\n"
        "await asyncio.wait([task])"
    )
    assert run.status == "ok"
    assert "Orders are locked" in run.text
    assert bare_live.orders == []

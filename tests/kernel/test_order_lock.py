"""The order lock: nothing goes to a live account that was not opened for trading."""

from __future__ import annotations

import pytest

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
    assert "LIVE" in run.stdout
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
    """Asking for the margin of an order, and cancelling, are no order-sending calls."""
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

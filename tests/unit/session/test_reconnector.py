"""Resuming after a loss: the same object, with what the user attached to it, over a new socket."""

import asyncio
import dataclasses
import itertools

import pytest
import servers
from leftovers import others, sockets_to
from servers import ACCOUNTS, NEXT_VALID_ID, Server, encode

from ibnb.session import ConnectFailed, OrdersLocked
from ibnb.session.connection import Resumed
from ibnb.session.opening.failed import OpeningFailedError
from ibnb.session.reconnect import reconnector
from ibnb.simulator import SimulatedGateway
from ibnb.tws.notices import Notice

SOON = 10.0
CLIENT = 41


@pytest.fixture
def gateway():
    """A healthy simulated gateway."""
    with SimulatedGateway() as running:
        yield running


@pytest.fixture
def lost(session, gateway):
    """Make the gateway close every connection, and wait until the session knows."""

    async def lost():
        gone = asyncio.Event()
        session.listeners.append(gone.set)
        await asyncio.to_thread(gateway.drop_clients)
        while session.health().state != "lost":
            await asyncio.wait_for(gone.wait(), SOON)
            gone.clear()
        session.listeners.remove(gone.set)

    return lost


@pytest.fixture
def resume(session):
    """Resume the session's connection, waiting for no held client ID."""

    async def resume():
        address = session.connection.address
        return await session.resume(address, wait=lambda _address: 0.0)

    return resume


@pytest.fixture
def again(lost, resume):
    """Lose the connection, and resume it."""

    async def again():
        await lost()
        return await resume()

    return again


@pytest.fixture
def stock(module):
    """A contract that the gateway knows."""
    return module.Stock("AAPL", "SMART", "USD")


@pytest.fixture
def limit_order(module):
    """Make an order that stays open."""
    return lambda quantity: module.LimitOrder("BUY", quantity, 1.0)


@pytest.fixture
async def ib(connect, gateway, stock):
    """The session's open `IB` object; the contract is qualified."""
    ib = (await connect(gateway.port)).connection.ib
    await ib.qualifyContractsAsync(stock)
    return ib


async def updated(event):
    """Wait for the next time an event is emitted; return with what."""
    return await asyncio.wait_for(event, SOON)


def sent(gateway, message_id):
    """Return the messages of a kind that the gateway received, as their fields."""
    return [fields for _, fields in gateway.messages if fields[0] == str(message_id)]


async def test_the_same_object_is_open_again(connect, session, gateway, lost, resume):
    """Same `ib`, same client ID, one socket; the object's state is the gateway's again."""
    ib = (await connect(gateway.port)).connection.ib
    await lost()
    assert not ib.isConnected()
    opened = await resume()
    assert opened.how == "resumed"
    assert opened.connection.ib is ib
    assert ib.isConnected()
    assert gateway.open_clients == (CLIENT,)
    assert gateway.max_open_clients == 1
    assert sockets_to(gateway.port) == 1
    assert len(ib.positions()) > 0
    assert session.health().state == "ready"
    assert [loss.address[2] for loss in session.losses] == [CLIENT]


async def test_an_open_connection_is_left_as_it_is(connect, session, gateway, resume):
    """Nothing is opened or closed, and the answer says so."""
    ib = (await connect(gateway.port)).connection.ib
    opened = await resume()
    assert (opened.how, opened.connection.ib) == ("left", ib)
    assert gateway.connections_accepted == 1
    assert session.health().state == "ready"


async def test_what_was_closed_on_purpose_is_not_resumed(connect, session, gateway):
    """There is nothing to go on with after `%ibdisconnect`, or at another address."""
    connection = (await connect(gateway.port)).connection
    assert await session.resume(("127.0.0.1", gateway.port, CLIENT + 1)) is None
    await session.disconnect()
    assert await session.resume(connection.address) is None
    assert gateway.connections_accepted == 1


async def test_a_ticker_goes_on(ib, gateway, stock, module, again):
    """The ticker in hand is updated again, its handler fires once per update, asked as before."""
    ib.reqMarketDataType(3)
    ticker = ib.reqMktData(stock, "233,236")
    other = module.Forex("EURUSD")
    await ib.qualifyContractsAsync(other)
    cancelled = ib.reqMktData(other)
    ib.cancelMktData(other)
    await updated(ticker.updateEvent)
    heard = []
    ticker.updateEvent += heard.append
    opened = await again()
    assert opened.resumed.again == ("market data AAPL",)
    heard.clear()
    updates = []
    ib.pendingTickersEvent += updates.append
    await updated(ticker.updateEvent)
    assert set(map(id, heard)) == {id(ticker)}
    assert len(heard) == sum(ticker in found for found in updates)
    assert ib.tickers() == [ticker, cancelled]
    assert ib.ticker(stock) is ticker
    first, again = (fields for fields in sent(gateway, 1) if "233,236" in fields)
    assert first == again
    assert [fields[-1] for fields in sent(gateway, 59)] == ["3", "3"]
    ib.cancelMktData(stock)
    assert await asyncio.to_thread(gateway.wait_for, lambda: len(sent(gateway, 2)) == 2)


async def test_a_contract_that_was_changed_keeps_its_ticker(ib, stock, again):
    """ib_async finds a ticker by what stands in its contract: it is found all the same."""
    ticker = ib.reqMktData(stock)
    await updated(ticker.updateEvent)
    before, stock.conId = stock.conId, 272093
    await again()
    await updated(ticker.updateEvent)
    assert set(map(id, ib.wrapper.tickers.values())) == {id(ticker)}
    stock.conId = before
    ib.cancelMktData(stock)
    assert ib.wrapper.ticker2ReqId["mktData"] == {}


async def test_bars_go_on_in_the_same_list(ib, gateway, lost, resume, stock):
    """Bars that are kept up to date are asked for anew: no gap, no double bar, same list."""
    bars = await ib.reqHistoricalDataAsync(
        stock, "", "60 S", "5 secs", "TRADES", useRTH=False, keepUpToDate=True
    )
    once = await ib.reqHistoricalDataAsync(stock, "", "60 S", "5 secs", "TRADES", useRTH=False)
    if not bars:
        pytest.skip("the simulated market is closed")
    del bars[-3:]
    await lost()
    opened = await resume()
    assert opened.resumed.again == ("BarDataList AAPL",)
    await updated(bars.updateEvent)
    dates = [bar.date for bar in bars]
    assert dates == sorted(set(dates))
    steps = {(after - before).total_seconds() for before, after in itertools.pairwise(dates)}
    assert steps == {5.0}
    assert len(sent(gateway, 20)) == 3
    assert ib.realtimeBars() == [bars]
    assert once


async def test_no_new_request_gets_the_number_of_one_that_goes_on(ib, lost, resume, stock):
    """The gateway counts from its last order on: below the numbers that are in use."""
    for _ in range(20):
        ib.client.getReqId()
    ticker = ib.reqMktData(stock)
    number = ib.wrapper.ticker2ReqId["mktData"][ticker]
    await lost()
    await resume()
    assert ib.client.getReqId() > number


async def test_handlers_stay_and_hear_each_event_once(connect, gateway, lost, resume):
    """Those of the object itself: nothing is attached twice."""
    ib = (await connect(gateway.port)).connection.ib
    heard = []
    ib.errorEvent += lambda _, code, *__: heard.append(code)
    ib.disconnectedEvent += lambda: heard.append("lost")
    ib.connectedEvent += lambda: heard.append("open")
    for _ in range(3):
        await lost()
        await resume()
    assert [one for one in heard if isinstance(one, str)] == ["lost", "open"] * 3
    heard.clear()
    came = asyncio.Event()
    ib.errorEvent += lambda *_: came.set()
    gateway.send_notice(2104, "OK:usfarm")
    await asyncio.wait_for(came.wait(), SOON)
    assert heard == [2104]


async def test_the_journal_and_the_watch_go_on_once(connect, session, gateway, lost, resume):
    """After resumes each request and each notice is taken down once, and a loss is one loss."""
    ib = (await connect(gateway.port)).connection.ib
    for _ in range(2):
        await lost()
        await resume()
    assert len(session.losses) == 2
    before, notices = len(session.journal.requests.all()), session.journal.count
    await ib.reqCurrentTimeAsync()
    assert len(session.journal.requests.all()) == before + 1
    came = asyncio.Event()
    ib.errorEvent += lambda *_: came.set()
    gateway.send_notice(2104, "OK:usfarm")
    await asyncio.wait_for(came.wait(), SOON)
    assert session.journal.count == notices + 1


async def test_pending_requests_fail_at_once_and_are_not_sent_again(connect, gateway, lost, resume):
    """Who waits for an answer learns of the loss; what he asked is not asked again."""
    ib = (await connect(gateway.port)).connection.ib
    waiting = ib.wrapper.startReq("never")
    await lost()
    with pytest.raises(ConnectionError):
        await waiting
    before = len(gateway.messages)
    await resume()
    again = {fields[0] for _, fields in gateway.messages[before:]}
    assert again <= {"API", "71", "61", "5", "99", "6", "76", "7"}


async def test_orders_are_never_sent_again(ib, gateway, stock, limit_order, again):
    """An open order goes on as the same trade; the gateway hears of it once."""
    trade = ib.placeOrder(stock, limit_order(10))
    while trade.orderStatus.status != "Submitted":
        await updated(trade.statusEvent)
    heard = []
    trade.statusEvent += lambda one: heard.append(one.orderStatus.status)
    opened = await again()
    assert opened.resumed.changed == ()
    assert ib.openTrades() == [trade]
    assert ib.openTrades()[0] is trade
    ib.cancelOrder(trade.order)
    while not trade.isDone():
        await updated(trade.statusEvent)
    assert heard[-1] == "Cancelled"
    assert len(set(heard)) == len(heard)
    assert len(sent(gateway, 3)) == 1


async def test_what_happened_to_an_order_meanwhile_is_told(ib, stock, module, lost, resume):
    """The trade in hand says what the gateway says; no handler is called for the past."""
    trade = ib.placeOrder(stock, module.LimitOrder("BUY", 10, 1.0))
    while trade.orderStatus.status != "Submitted":
        await updated(trade.statusEvent)
    heard = []
    trade.statusEvent += lambda _: heard.append("status")
    trade.fillEvent += lambda *_: heard.append("fill")
    ib.execDetailsEvent += lambda *_: heard.append("execution")
    filled = ib.placeOrder(stock, module.MarketOrder("BUY", 3))
    gone = ib.placeOrder(stock, module.LimitOrder("BUY", 7, 1.0))
    while not filled.isDone() or gone.orderStatus.status != "Submitted":
        await updated(ib.orderStatusEvent)
    await lost()
    # As if it had come while there was no connection: the user's object knows less.
    filled.orderStatus.status, filled.orderStatus.filled = "Submitted", 0
    filled.fills.clear()
    gone.order.orderId, gone.order.permId = 999, 999
    heard.clear()
    opened = await resume()
    number = filled.order.orderId
    assert set(opened.resumed.changed) == {
        f"order {number} (BUY 3 AAPL) is Filled now",
        "order 999 (BUY 7 AAPL) is not among the gateway's orders any more",
    }
    assert heard == []
    assert filled.isDone()
    assert (filled.orderStatus.filled, filled.orderStatus.remaining) == (3, 0)
    assert sum(fill.execution.shares for fill in filled.fills) == 3
    assert gone not in ib.trades()
    assert trade in ib.openTrades()


async def test_a_resume_that_fails_can_be_tried_again(ib, gateway, lost, resume, stock):
    """It says its cause, leaves no socket and no task, and keeps what there is to resume."""
    ticker = ib.reqMktData(stock)
    await lost()
    gateway.set_faults(["closed-after-start"])
    with pytest.raises(ConnectFailed) as caught:
        await resume()
    assert caught.value.verdict == "closed-after-start"
    assert not ib.isConnected()
    assert sockets_to(gateway.port) == 0
    assert others() == set()
    gateway.set_faults([])
    opened = await resume()
    assert opened.connection.ib is ib
    await updated(ticker.updateEvent)


async def test_a_resume_that_is_given_up_leaves_the_connection_lost(
    connect, session, gateway, lost, resume
):
    """Cancelled in the middle: no socket, no task, and the next one works."""
    await connect(gateway.port)
    await lost()
    gateway.set_faults(["stall-ready"])
    trying = asyncio.ensure_future(resume())
    assert await asyncio.to_thread(gateway.wait_for, lambda: gateway.connections_accepted == 2)
    trying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trying
    assert session.health().state == "lost"
    assert sockets_to(gateway.port) == 0
    assert others() == set()
    gateway.set_faults([])
    assert (await resume()).how == "resumed"


async def test_a_gateway_that_fell_silent_counts_as_lost(connect, session, gateway, resume):
    """An open socket with nobody behind it is given up, and the object opened again."""
    ib = (await connect(gateway.port)).connection.ib
    gateway.set_faults(["half-open"])
    session.connection.plan = dataclasses.replace(session.connection.plan, timeout=1.0)
    session.pulse = lambda one, take=session.pulse: take(one, apart=0.2)
    waiting = ib.wrapper.startReq("never")
    trying = asyncio.ensure_future(resume())
    with pytest.raises(ConnectionError):
        await asyncio.wait_for(waiting, SOON)
    gateway.set_faults([])
    assert (await asyncio.wait_for(trying, SOON)).how == "resumed"
    assert ib.isConnected()
    assert "stopped responding" in session.losses[-1].reason


LIVE = encode(15, 1, "U1234567")
OTHER_PAPER = encode(15, 1, "DU7654321")


@pytest.mark.parametrize("accounts", [LIVE, OTHER_PAPER], ids=["live", "another"])
async def test_another_account_is_not_resumed(connect, session, resume, accounts):
    """Handlers that were made for a paper account never meet a live one, nor another's."""
    sessions = iter([ACCOUNTS, accounts])

    def script(client):
        client.read_greeting()
        client.send(encode(servers.VERSION, servers.ZONE))
        client.read_message()
        client.send(next(sessions), NEXT_VALID_ID)
        while True:
            client.read_message()
            if client.messages[-1][0] == "49":
                return

    with Server(script) as server:
        ib = (await connect(server.port, expects=None, timeout=0.3)).connection.ib
        gone = asyncio.Event()
        ib.disconnectedEvent += gone.set
        ib.client.reqCurrentTime()
        await asyncio.wait_for(gone.wait(), SOON)
        with pytest.raises(ConnectFailed) as caught:
            await resume()
        assert caught.value.verdict == "wrong-environment"
        assert sockets_to(server.port) == 0
    assert session.health().state == "lost"


async def test_a_live_account_stays_locked(connect, resume, stock, module):
    """The lock is there while it is resumed, and afterwards."""
    with SimulatedGateway(faults=["live-account"]) as live:
        ib = (await connect(live.port, expects="live")).connection.ib
        gone = asyncio.Event()
        ib.disconnectedEvent += gone.set
        ib.connectedEvent += lambda: ib.placeOrder(stock, module.MarketOrder("BUY", 1))
        await asyncio.to_thread(live.drop_clients)
        await asyncio.wait_for(gone.wait(), SOON)
        assert (await resume()).how == "resumed"
        with pytest.raises(OrdersLocked):
            ib.placeOrder(stock, module.MarketOrder("BUY", 1))
        assert sent(live, 3) == []


@pytest.fixture
def auto_resume_enabled(session, monkeypatch):
    """Let the session resume by itself, soon; return what it announces."""
    monkeypatch.setattr(reconnector, "DELAYS", (0.01,))
    monkeypatch.setattr(reconnector, "LATER_DELAY", 0.05)
    told = asyncio.Queue()
    session.use(
        auto_resume=lambda: True, resumed=lambda _connection, outcome: told.put_nowait(outcome)
    )
    return told


async def test_it_resumes_by_itself(connect, session, gateway, auto_resume_enabled):
    """As often as the gateway has to be asked, and says so once."""
    ib = (await connect(gateway.port)).connection.ib
    gateway.set_faults(["closed-after-start"])
    await asyncio.to_thread(gateway.drop_clients)
    assert await asyncio.to_thread(gateway.wait_for, lambda: gateway.connections_accepted >= 4)
    assert session.health().state in {"lost", "resuming"}
    gateway.set_faults([])
    outcome = await asyncio.wait_for(auto_resume_enabled.get(), SOON)
    assert outcome == Resumed()
    assert ib.isConnected()
    assert auto_resume_enabled.empty()
    assert gateway.open_clients == (CLIENT,)
    assert others() == set()


async def test_a_lost_link_to_ibkr_is_waited_for(connect, gateway, auto_resume_enabled):
    """A gateway that answers with 1100 in place of an order ID will have its link back."""
    connection = (await connect(gateway.port)).connection
    resume, tries = connection.resume, itertools.count()
    linkless = dataclasses.replace(
        connection.attempt, ending="timeout", next_valid_id=None, notices=(Notice(1100, "lost"),)
    )

    async def refused_once():
        if next(tries) == 0:
            raise OpeningFailedError(linkless)
        return await resume()

    connection.resume = refused_once
    await asyncio.to_thread(gateway.drop_clients)
    assert await asyncio.wait_for(auto_resume_enabled.get(), SOON) == Resumed()


async def test_it_gives_up_where_a_person_is_needed(connect, session, gateway, auto_resume_enabled):
    """A cause that no restart ends is told, and not asked about again."""
    await connect(gateway.port)
    gateway.set_faults(["disclaimer"])
    await asyncio.to_thread(gateway.drop_clients)
    outcome = await asyncio.wait_for(auto_resume_enabled.get(), SOON)
    assert outcome.verdict == "paper-disclaimer"
    assert gateway.connections_accepted == 2
    assert session.health().state == "lost"
    assert others() == set()


@pytest.mark.usefixtures("auto_resume_enabled")
@pytest.mark.parametrize("how", ["rerun", "disconnect"])
async def test_what_the_user_does_ends_it(connect, session, gateway, how):
    """After a rerun or a disconnect nothing comes back by itself."""
    ib = (await connect(gateway.port)).connection.ib
    gateway.set_faults(["closed-after-start"])
    await asyncio.to_thread(gateway.drop_clients)
    assert await asyncio.to_thread(gateway.wait_for, lambda: gateway.connections_accepted >= 3)
    gateway.set_faults([])
    if how == "rerun":
        fresh = (await connect(gateway.port)).connection.ib
        assert fresh is not ib
    else:
        fresh = None
        await session.disconnect()
    # The task that waited for its turn ends in it.
    async with session.turn():
        await asyncio.sleep(0)
    assert others() == set()
    assert not ib.isConnected()
    held = (CLIENT,) if fresh else ()
    assert await asyncio.to_thread(gateway.wait_for, lambda: gateway.open_clients == held)


async def test_a_connect_elsewhere_that_fails_leaves_it_to_come_back(
    connect, session, gateway, auto_resume_enabled
):
    """The user tried another gateway meanwhile: the lost one is still resumed."""
    ib = (await connect(gateway.port)).connection.ib
    gateway.set_faults(["closed-after-start"])
    await asyncio.to_thread(gateway.drop_clients)
    assert await asyncio.to_thread(gateway.wait_for, lambda: gateway.connections_accepted >= 3)
    with SimulatedGateway(faults=["close"]) as broken, pytest.raises(ConnectFailed):
        await connect(broken.port)
    gateway.set_faults([])
    assert await asyncio.wait_for(auto_resume_enabled.get(), SOON) == Resumed()
    assert session.connection.ib is ib
    assert ib.isConnected()


async def test_what_the_user_connected_again_unguarded_is_left_alone(
    connect, session, gateway, lost, resume
):
    """With the guard off nobody tells the session; it does not break what works."""
    ib = (await connect(gateway.port)).connection.ib
    await lost()
    await ib.connectAsync("127.0.0.1", gateway.port, CLIENT + 1)
    assert (await resume()).how == "left"
    assert session.health().state == "ready"
    assert ib.isConnected()
    assert gateway.open_clients == (CLIENT + 1,)
    ib.disconnect()


@pytest.mark.usefixtures("guard", "auto_resume_enabled")
async def test_an_object_that_reconnects_itself_is_left_to_its_owner(connect, gateway):
    """A handler of the user's that connects again has it: one socket, and no fight for the ID."""
    ib = (await connect(gateway.port)).connection.ib
    again = asyncio.Queue()

    def reconnect():
        ib.disconnectedEvent -= reconnect
        again.put_nowait(ib.connectAsync("127.0.0.1", gateway.port, CLIENT))

    ib.disconnectedEvent += reconnect
    await asyncio.to_thread(gateway.drop_clients)
    await asyncio.wait_for(await again.get(), SOON)
    assert ib.isConnected()
    assert gateway.max_open_clients == 1
    assert gateway.refused_326 == 0


async def test_what_cannot_be_requested_again_is_told(ib, module, again, monkeypatch, stock):
    """Code around a method that hides its arguments: the line says so."""
    kind = module.client.Client
    plain, asked = kind.reqMktData, []

    def counted(*args):
        asked.append(args)
        return plain(*args)

    monkeypatch.setattr(kind, "reqMktData", counted)
    ib.reqMktData(stock)
    opened = await again()
    told = opened.resumed.changed
    assert told == (
        "reqMktData cannot be requested again: the code around it hides what it was called with",
    )
    assert len(asked) == 1

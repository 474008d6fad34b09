"""The journal of requests: what was asked, by name, and which notice belongs to which request."""

import asyncio
import functools
import gc
import importlib
import inspect
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import servers
from servers import Server

from ibnb.session import ConnectFailed, OrdersLocked
from ibnb.session.library import instrument, order_lock
from ibnb.session.library.noting import requesting
from ibnb.session.records.journal import Journal
from ibnb.session.records.requests import KEPT, RequestJournal
from ibnb.simulator import SimulatedGateway
from ibnb.tws.notices import Notice

SOON = 10.0


@pytest.fixture
async def ib(connect, gateway):
    """The session's `IB` object, connected."""
    return (await connect(gateway.port)).connection.ib


@pytest.fixture
def requests(session):
    """The session's journal of requests."""
    return session.journal.requests


async def came(session, code):
    """Wait until a notice with this code is in the journal; return it."""
    arrived = asyncio.Event()
    session.journal.listeners.append(lambda notice: notice.code == code and arrived.set())
    if all(notice.code != code for notice in session.journal.since(0)):
        await asyncio.wait_for(arrived.wait(), SOON)
    return next(notice for notice in session.journal.since(0) if notice.code == code)


async def test_a_request_is_journalled_with_its_names(ib, requests, module):
    """Its method, its arguments by name, its contract, its reqId, and when and by whom."""
    before = time.time()
    bars = await ib.reqHistoricalDataAsync(
        module.Stock("AAPL", "SMART", "USD"), "", "1 D", "5 mins", "TRADES", useRTH=True
    )
    request = requests.all()[-1]
    assert request.method == "reqHistoricalData"
    assert request.req_id == bars.reqId
    assert request.contract.symbol == "AAPL"
    assert type(request.contract) is module.Stock
    assert request.parameters["barSizeSetting"] == "5 mins"
    assert request.parameters["useRTH"] is True
    assert request.parameters["contract"] is request.contract
    assert "self" not in request.parameters
    assert before <= request.time <= time.time()
    assert request.client_id == 41
    assert requests.request(bars.reqId) == request


async def test_a_contract_is_kept_as_it_was_sent(ib, requests, module):
    """What a user does to a contract or an order afterwards does not change what was asked."""
    contract = (await ib.qualifyContractsAsync(module.Stock("AAPL", "SMART", "USD")))[0]
    order = module.LimitOrder("BUY", 5, 1.0)
    trade = ib.placeOrder(contract, order)
    contract.symbol, order.lmtPrice = "MSFT", 99.0
    request = requests.request(trade.order.orderId)
    assert (request.method, request.contract.symbol) == ("placeOrder", "AAPL")
    assert request.parameters["order"].lmtPrice == 1.0
    assert request.parameters["order"].totalQuantity == 5


async def test_a_notice_leads_to_its_request(session, ib, module):
    """An error that names a reqId is matched with what was asked under it."""
    await ib.reqContractDetailsAsync(module.Stock("NOSUCH", "SMART", "USD"))
    notice = await came(session, 200)
    request = session.journal.request_of(notice)
    assert (request.method, request.contract.symbol) == ("reqContractDetails", "NOSUCH")
    assert request.req_id == notice.req_id
    assert session.journal.request_of(Notice(2104, "OK:usfarm")) is None
    assert session.journal.request_of(Notice(200, "", 987654)) is None


async def test_req_ids_repeat_on_another_connection(connect, session, gateway, module):
    """Of two requests with one reqId, a notice leads to the one of its own connection."""
    first = (await connect(gateway.port)).connection
    await first.ib.reqContractDetailsAsync(module.Stock("NOSUCH", "SMART", "USD"))
    notice = await came(session, 200)
    second = (await connect(gateway.port)).connection
    second.ib.client.reqContractDetails(notice.req_id, module.Stock("AAPL", "SMART", "USD"))
    assert session.journal.request(notice.req_id).contract.symbol == "AAPL"
    assert session.journal.request_of(notice).contract.symbol == "NOSUCH"
    assert {one.connection for one in session.journal.requests.all()} == {
        first.number,
        second.number,
    }


async def test_a_cancel_leads_to_what_it_cancels(ib, requests, module):
    """The request is what explains a notice; the cancel is shown only where nothing else is."""
    contract = (await ib.qualifyContractsAsync(module.Stock("AAPL", "SMART", "USD")))[0]
    ib.reqMktData(contract)
    asked = requests.all()[-1]
    ib.cancelMktData(contract)
    assert requests.all()[-1].is_cancel
    assert requests.request(asked.req_id) == asked
    ib.client.cancelOrder(77, "")
    assert requests.request(77).method == "cancelOrder"


@pytest.fixture
def placed(ib, module):
    """Place an order of 100 that rests, as the libraries do."""

    def placed(symbol="AAPL"):
        order = module.LimitOrder("BUY", 100, 1.0)
        contract = module.Stock(symbol, "SMART", "USD", conId=1)
        return ib.placeOrder(contract, order).order

    return placed


def answers(session, code, req_id):
    """Return the method of the request that a notice of now would be said to answer."""
    request = session.journal.request_of(Notice(code, "", req_id, time.time()))
    return request.method if request is not None else None


@pytest.mark.parametrize("code", [135, 136, 137, 161, 202, 10147, 10148, 10149])
async def test_what_answers_a_cancel_belongs_to_it(session, ib, placed, code):
    """A cancel that failed, or worked, is not an answer to the order; other codes still are."""
    order = placed()
    ib.cancelOrder(order)
    assert answers(session, code, order.orderId) == "cancelOrder"
    assert answers(session, 201, order.orderId) == "placeOrder"
    request = session.journal.request_of(Notice(code, "", order.orderId, time.time()))
    assert request.contract.symbol == "AAPL"


async def test_an_order_that_nobody_here_cancelled(session, ib, placed):
    """What the exchange cancelled answers the order, also if another one was cancelled here."""
    other, order = placed(), placed("MSFT")
    ib.cancelOrder(other)
    assert answers(session, 202, order.orderId) == "placeOrder"
    assert answers(session, 10147, 987654) is None


async def test_a_change_after_a_cancel(session, ib, placed, module):
    """A cancel that came too late is told as that; a 202 that follows a change is not."""
    order = placed()
    ib.client.cancelOrder(order.orderId, "")
    ib.client.placeOrder(order.orderId, module.Stock("AAPL", "SMART", "USD", conId=1), order)
    assert answers(session, 161, order.orderId) == "cancelOrder"
    assert answers(session, 202, order.orderId) == "placeOrder"


async def test_a_cancel_of_all(session, ib, placed):
    """It takes back what was placed before it, and nothing that was placed since."""
    before = placed()
    ib.reqGlobalCancel()
    since = placed("MSFT")
    assert answers(session, 202, before.orderId) == "reqGlobalCancel"
    assert answers(session, 202, since.orderId) == "placeOrder"


async def test_a_cancel_of_another_connection(session, connect, gateway, module):
    """Order IDs repeat: a notice leads to the cancel of its own connection alone."""
    first = (await connect(gateway.port)).connection
    first.ib.client.cancelOrder(77, "")
    second = (await connect(gateway.port, 42)).connection
    order = module.LimitOrder("BUY", 100, 1.0)
    second.ib.client.placeOrder(77, module.Stock("AAPL", "SMART", "USD", conId=1), order)
    notice = Notice(202, "", 77, time.time(), second.number)
    assert session.journal.request_of(notice).method == "placeOrder"


@pytest.mark.parametrize(
    ("code", "cancel"),
    [
        (300, "cancelMktData"),
        (310, "cancelMktDepth"),
        (365, "cancelScannerSubscription"),
        (366, "cancelHistoricalData"),
    ],
)
async def test_a_cancel_of_data(session, ib, module, code, cancel):
    """What is not found to be cancelled is told of the cancel, and not of the request."""
    ib.client.reqContractDetails(9001, module.Stock("AAPL", "SMART", "USD"))
    arguments = (9001, False) if cancel == "cancelMktDepth" else (9001,)
    getattr(ib.client, cancel)(*arguments)
    assert answers(session, code, 9001) == cancel
    assert answers(session, 200, 9001) == "reqContractDetails"


async def test_every_request_is_found(library):
    """All methods of the libraries that send are found, and none that does not, or calls another.

    If this fails with a new version of a library, the verbs by which requests are known, or what
    is not one, have to be looked at.
    """
    client = type(importlib.import_module(library).IB().client)
    sending = {
        name
        for name, function in inspect.getmembers(client, inspect.isfunction)
        if "send" in function.__code__.co_names and not name.startswith("_")
    }
    found = set(requesting(client))
    # By which a session begins: it is not a request.
    assert found == sending - {"startApi"}
    for name in found:
        assert not found & set(getattr(client, name).__code__.co_names), name


async def test_the_id_of_every_request_is_found(library):
    """Each method whose first argument is a number that answers refer to, whatever its name."""
    client = type(importlib.import_module(library).IB().client)
    methods = (inspect.signature(getattr(client, name)).parameters for name in requesting(client))
    first = {[*parameters][1] for parameters in methods if len(parameters) > 1}
    assert {name for name in first if name.endswith("Id")} - {"marketRuleId"} == {
        "reqId",
        "orderId",
        "tickerId",
    }


async def test_a_client_that_notes_is_the_same_to_whoever_looks(ib, module):
    """Its class has the name, the methods and the help of the library's."""
    client, plain = ib.client, module.IB().client
    assert isinstance(client, type(plain))
    assert repr(type(client)) == repr(type(plain))
    for name in requesting(type(plain)):
        ours, theirs = getattr(client, name), getattr(plain, name)
        assert inspect.signature(ours) == inspect.signature(theirs)
        assert ours.__doc__ == theirs.__doc__


async def test_a_decorated_method_is_taken_down(ib, requests, monkeypatch, module):
    """With its names behind a decorator that tells them; one that hides them is said to be so."""
    kind = type(module.IB().client)

    def hidden(function):
        def decorated(*args, **kwargs):
            return function(*args, **kwargs)

        return decorated

    def told(function):
        return functools.wraps(function)(hidden(function))

    contract = module.Stock("AAPL", "SMART", "USD")
    for number, around, symbols in ((71, told, ["AAPL"]), (72, hidden, [])):
        monkeypatch.setattr(kind, "reqMktData", around(kind.reqMktData))
        ib.client.reqMktData(number, contract, "", False, False, [])
        request = requests.all()[-1]
        assert request.method == "reqMktData"
        assert [one.symbol for one in (request.contract,) if one is not None] == symbols
        assert request.is_complete is bool(symbols)


async def test_what_users_put_around_a_request_does_not_hide_it(ib, requests, module):
    """A function over a method of the client, or over its sending."""
    client, seen = ib.client, []
    inner, sending = client.reqContractDetails, client.send
    client.reqContractDetails = lambda *args: seen.append("asked") or inner(*args)
    client.send = lambda *fields: seen.append("sent") or sending(*fields)
    client.reqContractDetails(71, module.Stock("AAPL", "SMART", "USD"))
    assert seen == ["asked", "sent"]
    request = requests.request(71)
    assert (request.method, request.contract.symbol) == ("reqContractDetails", "AAPL")


async def test_a_patched_method_is_taken_down(connect, requests, gateway, monkeypatch, module):
    """Under the client's name for it, from the next opening on, with what it has of parameters."""
    client = module.client.Client

    def patched(self, number, contract, ticks, *rest):
        message = (1, 11, number, contract, ticks, False, False, "")
        del ticks, rest
        self.send(*message)

    monkeypatch.setattr(client, "reqMktData", patched)
    ib = (await connect(gateway.port)).connection.ib
    contract = (await ib.qualifyContractsAsync(module.Stock("AAPL", "SMART", "USD")))[0]
    ib.reqMktData(contract)
    request = requests.all()[-1]
    assert (request.method, request.contract.symbol) == ("reqMktData", "AAPL")
    assert request in requests.standing(request.connection)


async def test_what_is_sent_by_hand_is_no_request(ib, requests):
    """A message that no method of the library makes goes out, counts, and has no name."""
    before, messages = requests.all(), len(requests.sent)
    ib.client.send(49, 1)
    assert requests.all() == before
    assert len(requests.sent) == messages + 1


async def test_what_is_wrong_with_a_request_is_raised_as_ever(ib, requests):
    """A wrong call raises what the library raises, and is not a request."""
    before = requests.all()
    with pytest.raises(TypeError):
        ib.client.reqPnL("too", "few")
    with pytest.raises(AttributeError):
        ib.client.reqContractDetails(1, None)
    assert requests.all() == before


async def test_what_is_not_sent_is_no_request(connect, session, gateway):
    """Without a connection the library refuses; a refused order is not journalled either."""
    ib = (await connect(gateway.port)).connection.ib
    await session.disconnect()
    before = session.journal.requests.all()
    with pytest.raises(ConnectionError):
        ib.reqCurrentTime()
    assert session.journal.requests.all() == before


async def test_a_refused_order_is_no_request(connect, session, module):
    """The order lock stands beneath the journal, whichever came first; a what-if order passes."""
    contract = module.Stock("AAPL", "SMART", "USD")
    with SimulatedGateway(faults=["live-account"]) as gateway:
        ib = (await connect(gateway.port, expects=None)).connection.ib
        for _ in range(2):
            with pytest.raises(OrdersLocked):
                ib.placeOrder(contract, module.MarketOrder("BUY", 1))
            assert "placeOrder" not in {one.method for one in session.journal.requests.all()}
            # Once more with the journal put on after the lock.
            session.journal.requests.detach(ib, 1)
            session.journal.requests.attach(ib, 9, 41)
        assert order_lock.orders_locked(ib)
        ib.client.placeOrder(5, contract, module.MarketOrder("BUY", 1, whatIf=True))
        assert session.journal.requests.all()[-1].method == "placeOrder"
        assert session.journal.requests.request(5).connection == 9


async def test_closing_restores_the_object(connect, session, gateway, module):
    """Of an `ib` that is handed back, client, wrapper and socket are as the library made them.

    The order lock alone stays, of an object that was not opened for trading.
    """
    fresh = module.IB()
    for trade in (False, True):
        ib = (await connect(gateway.port, trade=trade)).connection.ib
        assert type(ib.client) is not type(fresh.client)
        await session.disconnect()
        lock = (set(), set()) if trade else ({"sendMsg"}, {order_lock.LOCK, order_lock.DOOR})
        assert vars(ib.client).keys() - vars(fresh.client).keys() == lock[0]
        assert type(ib.client) is type(fresh.client)
        assert vars(ib.wrapper).keys() == vars(fresh.wrapper).keys()
        assert vars(ib.client.conn).keys() - vars(fresh.client.conn).keys() == lock[1]
        assert instrument.handler_counts(ib) == instrument.handler_counts(fresh)


async def test_a_failed_connect_of_the_users_leaves_nothing(guard, module):  # noqa: ARG001 - acts
    """What the guard put on an object whose opening failed is off again."""
    fresh, ib = module.IB(), module.IB()
    with Server(servers.closing) as server, pytest.raises(ConnectFailed):
        await ib.connectAsync(servers.LOOPBACK, server.port, 7)
    for own, other in ((ib.client, fresh.client), (ib.client.conn, fresh.client.conn)):
        assert vars(own).keys() == vars(other).keys()


async def test_it_is_bounded_and_keeps_nothing_alive(library):
    """Only the last requests are kept, and neither the contract of the user's nor the `ib`."""
    module = importlib.import_module(library)
    journal = RequestJournal()

    class Mine(module.Stock):
        """A contract class of the user's."""

    with Server(servers.answering()) as server:
        ib = module.IB()
        await ib.connectAsync(servers.LOOPBACK, server.port, 41, timeout=SOON)
        ib.client.MaxRequests = 0
        journal.attach(ib, 1, 41)
        contract = Mine("AAPL", "SMART", "USD")
        for number in range(KEPT + 5):
            ib.client.reqContractDetails(number, contract)
        kept = journal.all()
        assert [one.req_id for one in kept] == list(range(5, KEPT + 5))
        assert not journal.reaches_back(kept[0].time)
        assert journal.reaches_back(kept[1].time)
        assert len(journal.sent) == KEPT + 5
        gone = [weakref.ref(one) for one in (contract, ib)]
        journal.detach(ib, 1)
        ib.disconnect()
        del contract, ib, kept
        # A collection that runs on another thread already turns this one into nothing.
        async with asyncio.timeout(SOON):
            while any(one() is not None for one in gone):
                gc.collect()
                await asyncio.sleep(0.01)


async def test_messages_count_when_they_are_sent(ib, requests):
    """What the library holds back, so as not to be too fast, is not a message yet."""
    before = len(requests.sent)
    for _ in range(60):
        ib.client.reqManagedAccts()
    assert len(requests.sent) - before <= ib.client.MaxRequests
    assert [one.method for one in requests.all()[-60:]] == ["reqManagedAccts"] * 60


def test_threads_that_connect_at_the_same_time_share_one(monkeypatch):
    """It is made when it is first needed, and then once: connections are numbered in it."""

    class Slow(RequestJournal):
        def __init__(self):
            time.sleep(0.05)
            super().__init__()

    monkeypatch.setattr("ibnb.session.records.requests.RequestJournal", Slow)
    journal = Journal()
    together = threading.Barrier(8)

    def number(_):
        together.wait()
        return journal.requests.new_connection()

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(number, range(8))) == [1, 2, 3, 4, 5, 6, 7, 8]

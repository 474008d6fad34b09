"""The one connection over its life: open, replaced, lost, closed."""

import asyncio
import gc
import importlib

import pytest
from leftovers import others, sockets_to

from ibnb.session import ConnectFailed, OrdersLocked, StaleConnection
from ibnb.session.library.instrument import handler_counts
from ibnb.simulator import SimulatedGateway

SOON = 10.0


@pytest.fixture
def gateway():
    """A healthy simulated gateway."""
    with SimulatedGateway() as running:
        yield running


def freed(gateway):
    """Wait until the gateway has no client; return whether that came about."""
    return gateway.wait_for(lambda: gateway.open_clients == ())


async def test_open_and_close_leave_no_socket_and_no_task(connect, session, gateway):
    """When `disconnect` returns, the socket is closed and the gateway has its ID back."""
    await connect(gateway.port)
    assert sockets_to(gateway.port) == 1
    assert gateway.open_clients == (41,)
    assert await session.disconnect() == ()
    assert sockets_to(gateway.port) == 0
    assert others() == set()
    assert await asyncio.to_thread(freed, gateway)
    assert session.health().state == "closed"


async def test_closing_what_is_not_open_says_so(session, connect, gateway):
    """None stands for: there was nothing to close."""
    assert await session.disconnect() is None
    await connect(gateway.port)
    assert await session.disconnect() == ()
    assert await session.disconnect() is None


async def test_a_rerun_gives_a_fresh_ib_with_the_same_id(connect, session, gateway):
    """No error 326, one socket, and the old object stays disconnected."""
    first = (await connect(gateway.port)).connection.ib
    opened = await connect(gateway.port)
    second = opened.connection.ib
    assert second is not first
    assert (second.isConnected(), first.isConnected()) == (True, False)
    assert opened.closed_where
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1
    assert sockets_to(gateway.port) == 1
    assert session.health().client_id == 41


async def test_many_reruns_do_not_grow(connect, session, gateway):
    """Twenty reruns: one socket, no more tasks and handlers than after the first one."""
    opened = await connect(gateway.port)
    handlers, tasks = handler_counts(opened.connection.ib), len(others())
    for _ in range(20):
        opened = await connect(gateway.port)
    assert handler_counts(opened.connection.ib) == handlers
    assert len(others()) == tasks
    assert sockets_to(gateway.port) == 1
    assert gateway.connections_accepted == 21
    await session.disconnect()
    assert others() == set()


async def test_what_was_closed_is_told_by_name(connect, gateway, library):
    """Handlers and subscriptions of the user's are listed when they end with their `ib`."""
    ib = (await connect(gateway.port)).connection.ib
    ib.orderStatusEvent += print
    ib.orderStatusEvent += repr
    ib.errorEvent += print
    contract = importlib.import_module(library).Stock("AAPL", "SMART", "USD")
    await ib.qualifyContractsAsync(contract)
    ib.reqMktData(contract)
    closed = (await connect(gateway.port)).closed
    assert set(closed) == {
        "1 handler on errorEvent",
        "2 handlers on orderStatusEvent",
        "market data AAPL",
    }
    assert len(closed) == 3


async def test_no_handler_of_an_earlier_run_runs_any_more(connect, gateway):
    """Not for the closing itself, and not for what comes later."""
    heard = []
    ib = (await connect(gateway.port)).connection.ib
    ib.disconnectedEvent += lambda: heard.append("disconnected")
    ib.errorEvent += lambda *_: heard.append("error")
    fresh = (await connect(gateway.port)).connection.ib
    came = asyncio.Event()
    fresh.errorEvent += lambda *_: came.set()
    gateway.send_notice(2104, "OK:usfarm")
    await asyncio.wait_for(came.wait(), SOON)
    ib.disconnectedEvent.emit()
    assert heard == []


async def test_another_address_is_closed_only_when_the_new_one_is_ready(connect, gateway):
    """A connect elsewhere that fails leaves the open connection as it is."""
    ib = (await connect(gateway.port)).connection.ib
    with SimulatedGateway(faults=["close"]) as broken, pytest.raises(ConnectFailed):
        await connect(broken.port)
    assert ib.isConnected()
    with SimulatedGateway() as other:
        assert (await connect(other.port)).closed_where
        assert not ib.isConnected()
        assert other.open_clients == (41,)
        assert await asyncio.to_thread(freed, gateway)


def stale_uses(module):
    """Return the ways of using an `ib` that a stale one refuses, by name."""
    contract = module.Stock("AAPL", "SMART", "USD")
    return {
        "request": lambda ib: ib.client.reqCurrentTime(),
        "market data": lambda ib: ib.reqMktData(contract),
        "order": lambda ib: ib.placeOrder(contract, module.MarketOrder("BUY", 1)),
        "connect": lambda ib: ib.connect("127.0.0.1", 1, 1),
        "connectAsync": lambda ib: ib.connectAsync("127.0.0.1", 1, 1),
    }


@pytest.mark.parametrize("use", ["request", "market data", "order", "connect", "connectAsync"])
async def test_a_stale_ib_says_by_what_it_was_replaced(connect, gateway, library, use):
    """Each use of it raises an explained error that is a ConnectionError, too."""
    old = (await connect(gateway.port)).connection.ib
    await connect(gateway.port)
    attempt = stale_uses(importlib.import_module(library))[use]
    with pytest.raises(StaleConnection) as caught:
        await asyncio.ensure_future(attempt(old))
    error = caught.value
    assert isinstance(error, ConnectionError)
    assert error.verdict == "stale-connection"
    assert error.explanation.entry.id == "stale-connection"
    fact = " ".join(error.explanation.facts)
    assert f"127.0.0.1:{gateway.port} as client ID 41" in fact
    assert gateway.connections_accepted == 2


async def test_a_stale_ib_shows_itself_as_stale(connect, session, gateway):
    """Its health is not the session's: closed, with what replaced it."""
    old = (await connect(gateway.port)).connection.ib
    new = (await connect(gateway.port)).connection.ib
    assert session.health(old).state == "closed"
    assert "replaced" in session.health(old).stale
    assert (session.health(new).state, session.health(new).stale) == ("ready", "")


async def test_a_request_that_waits_fails_when_its_ib_is_replaced(connect, gateway, library):
    """Who awaits an answer of the old connection is told at once and does not wait for ever."""
    ib = (await connect(gateway.port)).connection.ib
    gateway.set_faults(["stall-ready"])
    contract = importlib.import_module(library).Stock("AAPL", "SMART", "USD")
    waiting = asyncio.ensure_future(ib.reqContractDetailsAsync(contract))

    def asked():
        return any(fields[0] == "9" for _, fields in gateway.messages)

    assert await asyncio.to_thread(gateway.wait_for, asked)
    gateway.set_faults([])
    await connect(gateway.port)
    with pytest.raises(StaleConnection):
        await asyncio.wait_for(waiting, SOON)


async def test_a_replaced_connection_is_not_kept_alive(connect, session, gateway):
    """The session holds no reference to an `ib` that the user has let go of."""
    await connect(gateway.port)
    old = id(session.connection.ib)
    kind = type(session.connection.ib)
    await connect(gateway.port)
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    assert old not in {id(one) for one in gc.get_objects() if type(one) is kind}


async def test_a_lost_socket_is_a_lost_session(connect, session, gateway):
    """The health says lost, and a connect afterwards works."""
    await connect(gateway.port)
    changed = asyncio.Event()
    session.listeners.append(lambda: session.health().state == "lost" and changed.set())
    gateway.drop_clients()
    await asyncio.wait_for(changed.wait(), SOON)
    assert session.health().state == "lost"
    assert session.health().reason
    await connect(gateway.port)
    assert session.health().state == "ready"


async def test_notices_are_in_the_journal_from_the_first_one(connect, session, gateway):
    """Those of the opening and those that come later, each once, in their order."""
    await connect(gateway.port)
    opening = session.journal.since(0)
    assert {one.code for one in opening} == {2104, 2106, 2158}
    assert len({one.text for one in opening}) == len(opening)
    came = asyncio.Event()
    session.journal.listeners.append(lambda _: came.set())
    gateway.send_notice(1100, "lost")
    await asyncio.wait_for(came.wait(), SOON)
    assert [one.code for one in session.journal.since(len(opening))] == [1100]
    health = session.health()
    assert (health.state, health.link.lost_by.code) == ("degraded", 1100)


async def test_two_connects_at_once_end_with_one_connection(connect, session, gateway):
    """They take turns: the later one replaces the earlier one, and nothing is left over."""
    await asyncio.gather(connect(gateway.port), connect(gateway.port))
    assert gateway.open_clients == (41,)
    assert gateway.max_open_clients == 1
    assert sockets_to(gateway.port) == 1
    assert session.health().state == "ready"


async def test_orders_on_a_live_account_are_locked(connect, library):
    """An order raises an explained error and is not sent; opened with `trade` it is sent."""
    module = importlib.import_module(library)
    contract = module.Stock("AAPL", "SMART", "USD")
    with SimulatedGateway(faults=["live-account"]) as gateway:
        ib = (await connect(gateway.port, expects=None)).connection.ib
        with pytest.raises(OrdersLocked) as caught:
            ib.placeOrder(contract, module.MarketOrder("BUY", 1))
        assert caught.value.verdict == "orders-locked"
        assert gateway.orders == ()
        ib = (await connect(gateway.port, expects=None, trade=True)).connection.ib
        await ib.qualifyContractsAsync(contract)
        ib.placeOrder(contract, module.MarketOrder("BUY", 1))
        assert await asyncio.to_thread(gateway.wait_for, lambda: gateway.orders != ())

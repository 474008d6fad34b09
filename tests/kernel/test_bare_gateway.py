"""The gateway of the comparisons, with the plain libraries: what it is asked it answers."""

from __future__ import annotations

import asyncio
import importlib
import logging

import bare_messages as messages
import pytest
from bare_gateway import BareGateway


@pytest.fixture
def api(library):
    """The API library's module."""
    return importlib.import_module(library)


@pytest.fixture
def gateway():
    """A gateway that answers everything."""
    with BareGateway() as gateway:
        yield gateway


@pytest.fixture
async def connect(api, gateway):
    """Connect clients, and disconnect them at the end."""
    clients = []

    async def connect(client_id=7, **options):
        ib = api.IB()
        clients.append(ib)
        await ib.connectAsync("127.0.0.1", gateway.port, client_id, **options)
        return ib

    yield connect
    for ib in clients:
        ib.disconnect()


async def until(condition):
    """Let the loop run until a condition holds."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 -- what the libraries keep up to date has no event
            await asyncio.sleep(0.005)


async def test_a_session_is_synchronised_and_asked(api, connect, gateway):
    """Each request of a session's beginning is answered; so are details, ticks, bars and time."""
    ib = await connect(timeout=2)
    assert ib.isConnected()
    spy = api.Stock("SPY", "SMART", "USD")
    assert (await ib.qualifyContractsAsync(spy))[0].conId == gateway.known["SPY"]
    ticker = ib.reqMktData(spy)
    await until(lambda: ticker.last > 0)
    before = ticker.last
    gateway.tick("SPY")
    await until(lambda: ticker.last > before)
    bars = await ib.reqHistoricalDataAsync(spy, "", "1 D", "1 hour", "TRADES", useRTH=True)
    assert [bar.close for bar in bars] == [100.5, 100.5]
    assert await ib.reqCurrentTimeAsync()
    assert len(gateway.frames(messages.EXECUTIONS)) == 1
    assert (gateway.connections, gateway.opened, gateway.open_clients) == (1, 1, (7,))


async def test_orders_live_and_end(api, connect, gateway):
    """An order is submitted, found again by its client ID, and cancelled; a what-if has margins."""
    ib = await connect()
    tsla = api.Stock("TSLA", "SMART", "USD", conId=1)
    trade = ib.placeOrder(tsla, api.LimitOrder("BUY", 3, 100))
    await until(lambda: trade.orderStatus.status == "Submitted")
    [order] = gateway.orders
    assert (order.client_id, order.order_id, order.symbol) == (7, trade.order.orderId, "TSLA")
    assert (order.action, order.quantity, order.what_if) == ("BUY", 3.0, False)
    state = await ib.whatIfOrderAsync(tsla, api.LimitOrder("SELL", 1, 100))
    assert float(state.initMarginChange) == 100.0
    assert [one.what_if for one in gateway.orders] == [False, True]
    ib.disconnect()
    gateway.wait_for_clients()
    ib = await connect()
    [trade] = ib.openTrades()
    assert trade.contract.symbol == "TSLA"
    ib.cancelOrder(trade.order)
    await until(lambda: trade.orderStatus.status == "Cancelled")
    assert gateway.codes_told() == [202]


async def test_refusals(api, connect, gateway, caplog):
    """A rejected order, a cancel of an unknown order, a symbol nobody knows and no data."""
    ib = await connect()
    tsla = api.Stock("TSLA", "SMART", "USD", conId=1)
    gateway.orders_mode, gateway.delay = "reject", 0.05
    trade = ib.placeOrder(tsla, api.LimitOrder("BUY", 1, 100))
    await until(lambda: trade.orderStatus.status == "Cancelled")
    gateway.data = (354, "Requested market data is not subscribed.")
    ib.reqMktData(tsla)
    await asyncio.to_thread(gateway.wait_for_told, 354)
    gateway.delay = 0
    ib.cancelOrder(trade.order)
    await asyncio.to_thread(gateway.wait_for_told, 10147)
    nope = api.Stock("NOPE", "SMART", "USD")
    assert not any(await ib.qualifyContractsAsync(nope))
    gateway.unknown = "end"
    assert not any(await ib.qualifyContractsAsync(nope))
    assert gateway.codes_told() == [201, 354, 10147, 200]
    assert "Unknown contract" in caplog.text


async def test_an_id_in_use_is_refused_and_free_when_its_socket_is_closed(connect, gateway):
    """The holder stays and the newcomer gets 326; after the holder's close the ID can be had."""
    holder = await connect(7)
    await connect(8)
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        await connect(7, timeout=0.3)
    assert holder.isConnected()
    assert (gateway.refused_326, gateway.open_clients, gateway.most_open) == (1, (7, 8), 2)
    holder.disconnect()
    assert (await connect(7)).isConnected()
    assert (gateway.opened, gateway.most_open) == (3, 2)


async def test_losses_and_restarts(connect, gateway):
    """All sockets are lost, connections refused while it is stopped, and accepted afterwards."""
    ib = await connect()
    gateway.drop()
    await until(lambda: not ib.isConnected())
    await connect()
    gateway.stop()
    with pytest.raises(ConnectionRefusedError):
        await connect(9)
    gateway.start()
    assert (await connect(9)).isConnected()
    gateway.wait_for_clients(9)


async def test_what_is_not_answered(connect, gateway, caplog):
    """A request that gets no answer runs into the library's time-out; time comes sparingly."""
    gateway.unanswered = {messages.POSITIONS}
    gateway.time_gap = 60.0
    with caplog.at_level(logging.ERROR):
        ib = await connect(timeout=0.3)
    assert "positions request timed out" in caplog.text
    assert await ib.reqCurrentTimeAsync()
    with pytest.raises((TimeoutError, asyncio.TimeoutError)):
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.2)
    assert len(gateway.frames(messages.CURRENT_TIME)) == 2


async def test_notices_reach_whom_they_are_meant_for(connect, gateway):
    """A notice goes to all clients, or to the one that is named."""
    heard = []
    for client_id in (7, 8):
        ib = await connect(client_id)
        ib.errorEvent += lambda _, code, *__, who=client_id: heard.append((who, code))
    gateway.notice(1100, "Connectivity between IBKR and TWS has been lost.")
    await until(lambda: len(heard) == 2)
    gateway.notice(1102, "Connectivity is back.", client_id=8)
    await until(lambda: len(heard) == 3)
    assert sorted(heard) == [(7, 1100), (8, 1100), (8, 1102)]

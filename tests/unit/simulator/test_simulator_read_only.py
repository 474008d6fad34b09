"""The simulated gateway with its Read-Only API on."""

import asyncio
import logging

import pytest

ENDING = "Read-Only mode."


@pytest.fixture
def client(broken, dial):
    """A session on a gateway with its Read-Only API on, all of its opening read."""
    client = dial(broken("read-only"))
    client.open()
    for _ in range(5):
        client.read()
    return client


@pytest.mark.parametrize(
    ("request_", "req_id"),
    [
        ((3, 9, "", "an order"), "9"),
        ((4, 1, 9, ""), "9"),
        ((5, 1), "-1"),
        ((15, 1, 1), "-1"),
        ((16, 1), "-1"),
        ((58, 1), "-1"),
        ((99, 1), "-1"),
    ],
)
def test_whatever_concerns_orders_is_refused(client, request_, req_id):
    """Placing, cancelling and lists of orders get 321, under their own reqId if they have one."""
    client.send(*request_)
    refusal = client.read()
    assert refusal[:4] == ["4", "2", req_id, "321"]
    assert refusal[4].startswith("Error validating request.-'")
    assert " : cause - " in refusal[4]
    assert refusal[4].endswith(ENDING)
    client.send(49, 1)
    assert client.read()[0] == "49"


def test_executions_are_answered(client):
    """Without an answer to these no library would ever connect, and they do."""
    client.send(7, 3, 12, 0, "", "", "", "", "", "")
    assert client.read() == ["55", "1", "12"]


def test_an_order_without_its_id_is_unreadable(client):
    """A request for which 321 has no reqId to name gets 320, as ever."""
    client.send(3)
    assert client.read()[3] == "320"


async def test_the_library_connects_after_its_time_limit(library, gateway, caplog):
    """The refused lists of orders are waited for in vain, and the session is usable then."""
    caplog.set_level(logging.ERROR)
    gateway.set_faults(["read-only"])
    ib = library.IB()
    notices = []
    ib.errorEvent += lambda *notice: notices.append(notice)
    try:
        await ib.connectAsync("127.0.0.1", gateway.port, 7, timeout=3)
        assert ib.isConnected()
        assert len(ib.positions()) == 2
    finally:
        ib.disconnect()
    refused = [notice[0] for notice in notices if notice[1] == 321 and notice[2].endswith(ENDING)]
    assert refused == [-1, -1]
    said = [record.getMessage() for record in caplog.records]
    assert {"open orders request timed out", "completed orders request timed out"} <= set(said)


async def test_the_library_connects_at_once_with_readonly(connect, library, gateway, until):
    """Nothing is refused in its opening; an order is, and is neither sent on nor filled."""
    gateway.set_faults(["read-only"])
    ib = await connect(readonly=True)
    notices = []
    ib.errorEvent += lambda *notice: notices.append(notice)
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
    # What a refused order is called differs between the libraries.
    await until(lambda: trade.orderStatus.status in {"Cancelled", "ValidationError"})
    assert [notice[:2] for notice in notices] == [(trade.order.orderId, 321)]
    assert gateway.orders == ()
    assert await asyncio.wait_for(ib.reqExecutionsAsync(), 20) == []


async def test_orders_work_again_when_it_is_switched_off(connect, library, gateway, until):
    """The setting holds for the next request, without a new connection."""
    gateway.set_faults(["read-only"])
    ib = await connect(readonly=True)
    gateway.set_faults([])
    stock = library.Stock("AAPL", "SMART", "USD")
    trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
    await until(lambda: trade.orderStatus.status == "Filled")

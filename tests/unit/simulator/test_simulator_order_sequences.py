"""What an order's client is told, message by message, as captures of a real gateway show it."""

import asyncio

import pytest

from ibnb.simulator import SimulatedGateway

WAIT = 20


@pytest.fixture
async def desk(connect, library):
    """A session, and what it hears of its orders, one line for each message."""
    ib = await connect()
    heard = []
    hear(
        ib, "openOrder", lambda _id, _contract, _order, state: heard.append(f"order {state.status}")
    )
    hear(
        ib,
        "orderStatus",
        lambda _id, status, filled, remaining, *rest: heard.append(
            " ".join([status, f"{filled:g}/{remaining:g}", rest[5]]).strip()
        ),
    )
    hear(ib, "execDetails", lambda _id, _contract, fill: heard.append(f"fill {fill.shares:g}"))
    hear(ib, "commissionReport", lambda _report: heard.append("fee"))
    hear(
        ib,
        "error",
        lambda _id, code, *_: None if 2100 <= code < 2200 else heard.append(f"notice {code}"),
    )
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    (ticker,) = await ib.reqTickersAsync(stock)
    return Desk(ib, library, stock, round(ticker.last, 2), heard)


def hear(ib, name, note):
    """Note each call of a method of the wrapper before it is made."""
    whole = getattr(ib.wrapper, name)

    def noted(*arguments):
        note(*arguments)
        whole(*arguments)

    setattr(ib.wrapper, name, noted)


class Desk:
    """Places orders in one stock, whose price at the beginning is known."""

    def __init__(self, ib, api, stock, price, heard):
        self.ib, self.api, self.stock, self.price, self.heard = ib, api, stock, price, heard

    def place(self, action, kind, quantity=1, **values):
        """Send an order; return it."""
        order = self.api.Order(
            action=action, orderType=kind, totalQuantity=quantity, **{"tif": "DAY", **values}
        )
        self.ib.placeOrder(self.stock, order)
        return order

    async def told(self):
        """Return what was told since the last time, once the gateway has answered all of it."""
        await asyncio.wait_for(self.ib.reqCurrentTimeAsync(), WAIT)
        told = self.heard[:]
        self.heard.clear()
        return told


async def test_a_limit_order_that_rests_and_is_cancelled(desk):
    """It comes in, works, and is cancelled with all of it remaining; then 202."""
    order = desk.place("BUY", "LMT", lmtPrice=10)
    assert await desk.told() == [
        *("order PreSubmitted", "PreSubmitted 0/1"),
        *("order Submitted", "Submitted 0/1"),
    ]
    desk.ib.cancelOrder(order)
    assert await desk.told() == ["PendingCancel 0/1", "Cancelled 0/1", "notice 202"]


async def test_a_market_order(desk):
    """It comes in, is filled, is done; what it cost is told last."""
    desk.place("BUY", "MKT")
    assert await desk.told() == [
        *("order PreSubmitted", "PreSubmitted 0/1"),
        *("fill 1", "order Filled", "Filled 1/0", "fee"),
    ]


async def test_a_stop_is_held_changed_and_cancelled(desk):
    """It is held for its trigger, told twice each time, and is cancelled without PendingCancel."""
    held = ["order PreSubmitted", "PreSubmitted 0/1 trigger"] * 2
    order = desk.place("SELL", "STP", auxPrice=13.13)
    assert await desk.told() == held
    order.auxPrice = 14.13
    desk.ib.placeOrder(desk.stock, order)
    assert await desk.told() == held
    desk.ib.cancelOrder(order)
    assert await desk.told() == ["Cancelled 0/1", "notice 202"]


@pytest.mark.parametrize(
    ("tif", "factor", "ending"),
    [
        ("IOC", 1.25, ["PendingCancel 0/1", "Cancelled 0/1"]),
        ("IOC", 0.5, ["PendingCancel 0/1", "Cancelled 0/1"]),
        ("FOK", 1.25, ["Inactive 0/1"]),
        ("FOK", 0.5, ["Inactive 0/1"]),
    ],
)
async def test_what_cannot_be_filled_at_once(desk, tif, factor, ending):
    """The order is told, then how it ended; there is no notice."""
    desk.place("BUY", "LMT", lmtPrice=round(desk.price * factor, 2), tif=tif)
    assert await desk.told() == ["order PreSubmitted", *ending]


async def test_an_order_that_is_transmitted_later(desk):
    """Nothing is told until it is transmitted; then it works at once."""
    order = desk.place("BUY", "LMT", quantity=10, lmtPrice=13.26, transmit=False)
    assert await desk.told() == []
    order.transmit = True
    desk.ib.placeOrder(desk.stock, order)
    assert await desk.told() == ["order Submitted", "Submitted 0/10"]


async def test_an_order_names_its_account_where_there_are_several(library):
    """With two accounts an order without one is 435, and one that names its account works."""
    with SimulatedGateway(accounts=["DU1111111", "DU2222222"]) as gateway:
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", gateway.port, 1, timeout=WAIT)
        codes = []
        ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
        stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
        ib.placeOrder(stock, library.LimitOrder("BUY", 1, 10.0))
        named = ib.placeOrder(stock, library.LimitOrder("BUY", 1, 10.0, account="DU2222222"))
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), WAIT)
        assert codes == [435]
        assert named.orderStatus.status == "Submitted"
        assert [order.account for order in gateway.orders] == ["DU2222222"]
        ib.disconnect()


async def test_nothing_fills_while_the_link_is_lost(desk, gateway, until):
    """Without its link to IBKR the gateway sends no ticks and fills no order; with it, both."""
    await asyncio.to_thread(gateway.set_faults, ["connectivity-lost"])
    desk.place("BUY", "MKT")
    ticker = desk.ib.reqMktData(desk.api.Stock("MSFT", "SMART", "USD", conId=272093))
    assert await desk.told() == [
        *("notice 1100", "order PreSubmitted", "PreSubmitted 0/1"),
        *("order Submitted", "Submitted 0/1"),
    ]
    assert ticker.bid != ticker.bid
    await asyncio.to_thread(gateway.set_faults, [])
    await until(lambda: "Filled 1/0" in desk.heard and ticker.bid > 0)
    assert desk.heard[0] == "notice 1102"


async def test_an_id_is_not_used_again(desk):
    """A new order under the ID of one that was cancelled is refused with 103."""
    order = desk.place("BUY", "LMT", lmtPrice=10)
    desk.ib.cancelOrder(order)
    await desk.told()
    again = desk.api.LimitOrder("BUY", 1, 10.0)
    desk.ib.client.placeOrder(order.orderId, desk.stock, again)
    assert await desk.told() == ["notice 103"]


async def test_the_defaults_of_an_order_come_back(desk, connect):
    """What a client left out comes back as gateways fill it in."""
    desk.place("BUY", "LMT", lmtPrice=10)
    await desk.told()
    # Another client reads it anew, where the first one keeps its own object.
    (trade,) = await (await connect(client_id=8)).reqAllOpenOrdersAsync()
    order = trade.order
    unset = 1.7976931348623157e308
    assert (order.openClose, order.displaySize, order.ocaType) == ("", 2147483647, 3)
    assert (order.clearingIntent, order.adjustedOrderType) == ("IB", "None")
    assert {order.triggerPrice, order.adjustedStopPrice, order.lmtPriceOffset} == {unset}


@pytest.mark.parametrize("values", [{"lmtPrice": "-inf"}, {"parentId": "-1"}])
async def test_an_order_with_an_impossible_number_is_unreadable(desk, values, gateway):
    """It is refused with 320 and kept out of the book, where it would trouble everybody."""
    desk.place("BUY", "LMT", **{"lmtPrice": 10, **values})
    assert "notice 320" in await desk.told()
    assert gateway.orders == ()


@pytest.mark.parametrize(
    ("values", "code"),
    [({"lmtPrice": 10.005}, 110), ({"lmtPrice": 10, "totalQuantity": 10_000_000}, 201)],
)
async def test_an_order_that_is_refused(desk, values, code, gateway):
    """A price between two steps is 110, and more than the account can carry 201; none is kept."""
    desk.place("BUY", "LMT", **{"quantity": values.pop("totalQuantity", 1), **values})
    assert await desk.told() == [f"notice {code}"]
    assert gateway.orders == ()

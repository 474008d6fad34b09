"""The Python API libraries on the simulated gateway: none can tell it from a real one."""

import asyncio
import datetime as dt

import pytest

from ibnb.simulator.protocol.tickets import read_ticket

VERSIONS = range(157, 179)
MAX_WAIT = 20
SENT = (
    "action totalQuantity lmtPrice algoStrategy algoParams conditions conditionsIgnoreRth "
    "scaleInitLevelSize scalePriceIncrement scaleRandomPercent hedgeType hedgeParam outsideRth "
    "goodTillDate discretionaryAmt triggerMethod"
)


async def until(condition):
    """Wait for a condition that the library's own loop brings about."""
    async with asyncio.timeout(MAX_WAIT):
        # What the libraries know changes without an event that is common to all of it.
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def notices_of(ib, act):
    """Return the error events of an action up to the first one that is not about farms."""
    seen = []

    def note(req_id, code, text, _contract):
        if not 2100 <= code < 2200:
            seen.append((req_id, code, text))

    ib.errorEvent += note
    act()
    await until(lambda: seen)
    return seen


async def test_connecting_synchronises_everything(connect, misread):
    """Accounts, positions, values and portfolio are there, and no request timed out."""
    ib = await connect()
    assert ib.managedAccounts() == ["DU1234567"]
    assert {held.contract.symbol: held.position for held in ib.positions()} == {
        "AAPL": 100,
        "MSFT": 50,
    }
    values = {(value.tag, value.currency): value.value for value in ib.accountValues()}
    assert float(values["NetLiquidation", "USD"]) > 1_000_000
    assert values["AccountType", ""] == "INDIVIDUAL"
    assert {item.contract.conId for item in ib.portfolio()} == {265598, 272093}
    assert ib.openTrades() == []
    assert ib.fills() == []
    assert misread() == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_version_is_read_without_an_error(connect, library, misread, version):
    """A whole conversation decodes on each server version that the library speaks."""
    if version > library.client.Client.MaxClientVersion:
        pytest.skip("this library does not speak it")
    ib = await connect(max_version=version)
    assert ib.client.serverVersion() == version
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    (details,) = await ib.reqContractDetailsAsync(stock)
    assert (details.longName, details.stockType, details.minTick) == ("APPLE INC", "COMMON", 0.01)
    assert details.secIdList[0].value == "US0378331005"
    assert details.minSize == (0.0001 if version >= 164 else 0.0)
    (future,) = await ib.reqContractDetailsAsync(library.ContFuture("ES", exchange="CME"))
    assert future.contract.multiplier == "50"
    assert future.contract.lastTradeDateOrContractMonth == future.realExpirationDate
    assert future.lastTradeTime.startswith("08:30")

    order = library.LimitOrder("BUY", 3, 100.5, orderRef="here", tif="GTC", account="DU1234567")
    resting = ib.placeOrder(stock, order)
    await until(lambda: resting.orderStatus.status == "Submitted")
    assert (await ib.reqOpenOrdersAsync())[0] is resting
    state = await ib.whatIfOrderAsync(stock, library.MarketOrder("BUY", 10))
    assert float(state.initMarginAfter) > float(state.initMarginBefore) > 0
    assert state.commission == 1.0
    filled = ib.placeOrder(stock, library.MarketOrder("SELL", 10))
    await until(lambda: filled.fills and filled.fills[0].commissionReport.realizedPNL)
    assert filled.orderStatus.status == "Filled"
    execution = filled.fills[0].execution
    assert (execution.side, execution.shares, execution.clientId) == ("SLD", 10, 7)
    assert abs(dt.datetime.now(dt.UTC) - execution.time) < dt.timedelta(minutes=1)
    ib.cancelOrder(resting.order)
    await until(lambda: resting.orderStatus.status == "Cancelled")
    completed = await ib.reqCompletedOrdersAsync(False)
    assert {trade.orderStatus.status for trade in completed} == {"Filled", "Cancelled"}
    cancelled = next(trade for trade in completed if trade.orderStatus.status == "Cancelled")
    assert (cancelled.order.orderRef, cancelled.order.lmtPrice) == ("here", 100.5)
    assert len(await ib.reqExecutionsAsync()) == 1

    (ticker,) = await ib.reqTickersAsync(stock)
    assert ticker.bid < ticker.last < ticker.ask
    bars = await ib.reqHistoricalDataAsync(stock, "", "2 D", "1 hour", "TRADES", useRTH=False)
    assert len(bars) >= 1
    assert misread() == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", ["LMT", "PEG BEST", "PEG MID", "PEG BENCH"])
async def test_an_order_is_read_to_its_last_field(connect, library, gateway, version, kind):
    """On each version the order ends where its reader thinks: without its last field it is cut."""
    if version > library.client.Client.MaxClientVersion:
        pytest.skip("this library does not speak it")
    ib = await connect(max_version=version)
    order = library.Order(
        action="BUY", totalQuantity=1, orderType=kind, lmtPrice=1.0, referenceContractId=1
    )
    ib.client.placeOrder(900, library.Stock("AAPL", "SMART", "USD"), order)
    await until(lambda: gateway.messages[-1][1][:2] == ("3", "900"))
    sent = gateway.messages[-1][1]
    assert read_ticket(sent, version).order_type == kind
    with pytest.raises(ValueError, match="incomplete"):
        read_ticket(sent[:-1], version)


async def test_order_fields_come_back_as_they_were_sent(connect, library, misread, gateway):
    """Algorithms, conditions, scales and hedges survive the way there and back."""
    ib = await connect()
    (stock,) = await ib.qualifyContractsAsync(library.Stock("SPY", "SMART", "USD"))
    order = library.LimitOrder(
        "SELL",
        7.5,
        700.25,
        algoStrategy="Adaptive",
        algoParams=[library.TagValue("adaptivePriority", "Normal")],
        conditions=[
            library.PriceCondition(price=500.0, conId=756733, exch="SMART", isMore=True),
            library.TimeCondition(isMore=True, time="20301231 23:59:59"),
        ],
        conditionsIgnoreRth=True,
        scaleInitLevelSize=2,
        scalePriceIncrement=0.1,
        scaleRandomPercent=True,
        hedgeType="D",
        hedgeParam="0.5",
        outsideRth=True,
        goodTillDate="20301231 23:59:59",
        discretionaryAmt=0.25,
        triggerMethod=2,
    )
    ib.placeOrder(stock, order)
    assert await asyncio.to_thread(gateway.wait_for, lambda: len(gateway.orders) == 1, MAX_WAIT)
    # Another client reads it anew, where the first one keeps its own object.
    other = await connect(client_id=8)
    (trade,) = await other.reqAllOpenOrdersAsync()
    for name in SENT.split():
        assert getattr(trade.order, name) == getattr(order, name), name
    assert trade.order.clientId == 7
    assert trade.contract.conId == 756733
    assert misread() == []


async def test_a_market_order_fills_and_moves_the_position(connect, library, misread):
    """The fill, its commission, the new position and the portfolio reach the client."""
    ib = await connect()
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    trade = ib.placeOrder(stock, library.MarketOrder("BUY", 20))
    await until(lambda: any(held.position == 120 for held in ib.positions()))
    await until(lambda: any(item.position == 120 for item in ib.portfolio()))
    assert trade.isDone()
    assert trade.filled() == 20
    assert trade.fills[0].commissionReport.commission == 1.0
    assert ib.fills() == trade.fills
    assert misread() == []


async def test_closing_a_position_removes_it(connect, library):
    """A position of which everything is sold is gone, and the fill realized something."""
    ib = await connect()
    (stock,) = await ib.qualifyContractsAsync(library.Stock("MSFT", "SMART", "USD"))
    trade = ib.placeOrder(stock, library.MarketOrder("SELL", 50))
    await until(lambda: len(ib.positions()) == 1)
    await until(lambda: trade.fills[0].commissionReport.commission)
    price = trade.fills[0].execution.price
    assert trade.fills[0].commissionReport.realizedPNL == pytest.approx((price - 418) * 50 - 1)


async def test_an_order_can_be_changed(connect, library, gateway):
    """The same order ID with another price changes the order and makes no second one."""
    ib = await connect()
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    order = library.LimitOrder("BUY", 1, 10.0)
    trade = ib.placeOrder(stock, order)
    await until(lambda: trade.orderStatus.status == "Submitted")
    order.lmtPrice = 11.0
    ib.placeOrder(stock, order)
    await until(lambda: trade.log[-1].message == "Modified")
    (kept,) = gateway.orders
    assert kept.ticket.number("lmtPrice") == 11.0


async def test_orders_belong_to_the_client_that_placed_them(connect, library):
    """Another client sees an order only among all orders, and cancelling it gives 10147."""
    ib, other = await connect(1), await connect(2)
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    trade = ib.placeOrder(stock, library.LimitOrder("BUY", 1, 10.0))
    await until(lambda: trade.orderStatus.status == "Submitted")
    assert await other.reqOpenOrdersAsync() == []
    assert len(await other.reqAllOpenOrdersAsync()) == 1
    order_id = trade.order.orderId
    (notice,) = await notices_of(other, lambda: other.client.cancelOrder(order_id))
    assert notice[:2] == (order_id, 10147)
    other.reqGlobalCancel()
    await until(lambda: trade.orderStatus.status == "Cancelled")


async def test_order_ids_go_on_after_a_reconnect(connect, library):
    """The next session of a client ID gets a higher order ID, and finds its open order."""
    ib = await connect(3)
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    trade = ib.placeOrder(stock, library.LimitOrder("BUY", 1, 10.0))
    await until(lambda: trade.orderStatus.status == "Submitted")
    ib.disconnect()
    again = await connect(3)
    assert again.client.getReqId() > trade.order.orderId
    assert [found.order.orderId for found in again.openTrades()] == [trade.order.orderId]


async def test_a_bracket_waits_for_its_last_order(connect, library):
    """Parent and children are held until the last one is sent; the children wait for the parent."""
    ib = await connect()
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    bracket = ib.bracketOrder("BUY", 1, 10.0, 20.0, 5.0)
    trades = [ib.placeOrder(stock, order) for order in bracket]
    await until(lambda: trades[0].orderStatus.status == "Submitted")
    await until(lambda: trades[2].orderStatus.whyHeld == "child,trigger")
    ib.cancelOrder(trades[0].order)
    await until(lambda: all(trade.orderStatus.status == "Cancelled" for trade in trades))


async def test_market_data_moves(connect, library, misread):
    """A subscription delivers a quote and changes of it, until it is cancelled."""
    ib = await connect()
    (pair,) = await ib.qualifyContractsAsync(library.Forex("EURUSD"))
    ticker = ib.reqMktData(pair)
    await until(lambda: ticker.bid > 0 and ticker.ask > ticker.bid)
    updates = []
    ticker.updateEvent += updates.append
    await until(lambda: len(updates) >= 2)
    ib.cancelMktData(pair)
    assert misread() == []


async def test_bars_can_be_kept_up_to_date(connect, library, misread):
    """A request with keepUpToDate delivers updates of the newest bar."""
    ib = await connect()
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    bars = await ib.reqHistoricalDataAsync(
        stock, "", "1 D", "1 min", "TRADES", useRTH=False, keepUpToDate=True, formatDate=2
    )
    # At a weekend there are no bars of the last day, and the libraries then take no updates.
    if bars:
        count = []
        bars.updateEvent += lambda *_: count.append(1)
        await until(lambda: len(count) >= 2)
    ib.cancelHistoricalData(bars)
    assert misread() == []


async def test_bars_agree_with_each_other(connect, library):
    """The same bars asked for twice are the same; daily ones have dates and no weekends."""
    ib = await connect()
    (stock,) = await ib.qualifyContractsAsync(library.Stock("AAPL", "SMART", "USD"))
    ask = (stock, "20250614 00:00:00 UTC", "10 D", "1 day", "TRADES")
    first = await ib.reqHistoricalDataAsync(*ask, useRTH=True)
    again = await ib.reqHistoricalDataAsync(*ask, useRTH=True)
    assert list(first) == list(again)
    assert [bar.date.weekday() for bar in first] == [0, 1, 2, 3, 4] * 2
    assert first[-1].date == dt.date(2025, 6, 13)
    assert all(bar.low <= bar.open <= bar.high for bar in first)


async def test_the_account_summary_has_what_was_asked_for(connect):
    """The libraries' own list of tags is answered, with the ledger."""
    ib = await connect()
    await ib.reqAccountSummaryAsync()
    summary = {(value.tag, value.currency) for value in ib.wrapper.acctSummary.values()}
    assert ("NetLiquidation", "USD") in summary
    assert ("CashBalance", "BASE") in summary


async def test_the_time_is_told(connect):
    """A request for the current time is answered with now."""
    ib = await connect()
    told = await ib.reqCurrentTimeAsync()
    assert abs(dt.datetime.now(dt.UTC) - told) < dt.timedelta(seconds=20)


async def test_an_unknown_contract_is_200(connect, library):
    """A symbol that nobody trades gives notice 200 under the request's id, and no details."""
    ib = await connect()
    found = []
    ib.errorEvent += lambda req_id, code, *_: found.append((req_id > 0, code))
    assert await ib.reqContractDetailsAsync(library.Stock("NOSUCH", "SMART", "USD")) == []
    assert (True, 200) in found


@pytest.mark.parametrize(
    "contract",
    [{"symbol": "", "secType": "STK"}, {"symbol": "AAPL", "secType": "SHARE"}],
    ids=["no symbol", "unknown secType"],
)
async def test_an_invalid_contract_is_321(connect, library, contract):
    """Notice 321 comes in its real shape, with the cause at the end."""
    ib = await connect()
    request = library.Contract(**contract)
    ((req_id, code, text),) = await notices_of(
        ib, lambda: ib.client.reqContractDetails(77, request)
    )
    assert (req_id, code) == (77, 321)
    assert text.startswith("Error validating request.-'bN' : cause - Please enter ")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("aap", [(265598, "AAPL", "STK", "NASDAQ")]),
        ("apple", [(265598, "AAPL", "STK", "NASDAQ")]),
        ("European", [(12087792, "EUR", "CASH", "IDEALPRO")]),
        ("SPY", [(756733, "SPY", "STK", "ARCA")]),
        ("ABCDE", [(1021993690, "ABCDE", "STK", "NYSE")]),
        ("NOSUCH", []),
        (" ", []),
    ],
)
async def test_symbols_are_found_by_a_part(connect, pattern, found):
    """As the page on error 200 advises: by the beginning of a symbol, or of a name's word."""
    ib = await connect()
    samples = await ib.reqMatchingSymbolsAsync(pattern)
    contracts = [one.contract for one in samples]
    assert found == [(one.conId, one.symbol, one.secType, one.primaryExchange) for one in contracts]
    assert all(
        ("OPT" in one.derivativeSecTypes) == (one.contract.secType == "STK") for one in samples
    )


async def test_data_and_orders_need_an_exchange(connect, library, gateway):
    """A conId does not replace it, as people learn who trade what `ib.positions()` names."""
    ib = await connect()
    apple = library.Contract(conId=265598)
    history = (78, apple, "", "1 D", "1 min", "TRADES", True, 1, False, [])
    order = library.Order(orderId=500, action="BUY", totalQuantity=1, orderType="MKT")
    asked = [
        (lambda: ib.client.reqHistoricalData(*history), 78, "Please enter exchange"),
        (lambda: ib.client.reqMktData(79, apple, "", False, False, []), 79, "enter exchange"),
        (lambda: ib.placeOrder(apple, order), 500, "Missing order exchange"),
    ]
    for ask, number, cause in asked:
        ((req_id, code, text),) = await notices_of(ib, ask)
        assert (req_id, code) == (number, 321)
        assert cause in text
    assert gateway.orders == ()
    (details,) = await ib.reqContractDetailsAsync(apple)
    assert details.contract.symbol == "AAPL"


@pytest.mark.parametrize(
    ("duration", "bar_size", "code"),
    [
        *(("1 D", "7 mins", 321), ("1 fortnight", "1 min", 321), ("2 Y", "1 secs", 162)),
        *(("400 D", "1 day", 321), ("90000 S", "1 min", 321)),
    ],
)
async def test_an_invalid_history_request_is_refused(connect, library, duration, bar_size, code):
    """A bar size or duration that does not exist is 321, too many bars are 162."""
    ib = await connect()
    stock = library.Stock("AAPL", "SMART", "USD")
    arguments = (78, stock, "", duration, bar_size, "TRADES", True, 1, False, [])
    (notice,) = await notices_of(ib, lambda: ib.client.reqHistoricalData(*arguments))
    assert notice[:2] == (78, code)


async def test_a_continuous_future_has_no_end_date(connect, library):
    """Its history goes up to now: an end is refused with 10339, and without one there are bars."""
    ib = await connect()
    future = library.ContFuture("ES", "CME")
    arguments = (78, future, "20250606 12:00:00 UTC", "1 D", "1 hour", "TRADES", True, 1, False, [])
    (notice,) = await notices_of(ib, lambda: ib.client.reqHistoricalData(*arguments))
    assert notice[:2] == (78, 10339)
    assert await ib.reqHistoricalDataAsync(future, "", "1 D", "1 hour", "TRADES", True)


async def test_a_continuous_future_stays_one_when_it_is_qualified(connect, library):
    """It has the conId of the future that is traded now, and still no end date."""
    ib = await connect()
    (future,) = await ib.qualifyContractsAsync(library.ContFuture("ES", "CME"))
    months = await ib.reqContractDetailsAsync(library.Future("ES", exchange="CME"))
    first = min(months, key=lambda one: one.contract.lastTradeDateOrContractMonth).contract
    assert (future.secType, future.conId) == ("CONTFUT", first.conId)
    assert first.secType == "FUT"
    arguments = (78, future, "20250606 12:00:00 UTC", "1 D", "1 hour", "TRADES", True, 1, False, [])
    (notice,) = await notices_of(ib, lambda: ib.client.reqHistoricalData(*arguments))
    assert notice[:2] == (78, 10339)
    assert await ib.reqHistoricalDataAsync(future, "", "1 D", "1 hour", "TRADES", True)


async def test_a_snapshot_has_no_generic_ticks(connect, library):
    """Both together are refused, as on a real gateway."""
    ib = await connect()
    stock = library.Stock("AAPL", "SMART", "USD")
    (notice,) = await notices_of(
        ib, lambda: ib.client.reqMktData(79, stock, "233", True, False, [])
    )
    assert notice[:2] == (79, 321)


@pytest.mark.parametrize(
    ("order", "cause"),
    [
        ({"action": "BUY", "totalQuantity": 0, "orderType": "MKT"}, "quantity"),
        ({"action": "BUY", "totalQuantity": 1, "orderType": "LMT"}, "limit price"),
        ({"action": "HOLD", "totalQuantity": 1, "orderType": "MKT"}, "action"),
        ({"action": "BUY", "totalQuantity": 1, "orderType": "HOPE"}, "order type"),
        ({"action": "BUY", "totalQuantity": 1, "orderType": "MKT", "account": "DU9"}, "account"),
    ],
)
async def test_an_invalid_order_is_321_and_not_placed(connect, library, gateway, order, cause):
    """What no market could take is refused under its order ID, and leaves no order behind."""
    ib = await connect()
    stock = library.Stock("AAPL", "SMART", "USD")
    request = library.Order(orderId=500, **order)
    ((order_id, code, text),) = await notices_of(ib, lambda: ib.placeOrder(stock, request))
    assert (order_id, code) == (500, 321)
    assert cause in text
    assert gateway.orders == ()


async def test_an_order_id_is_used_once(connect, library):
    """A filled order cannot be changed: another one under its ID is refused with 104."""
    ib = await connect()
    stock = library.Stock("AAPL", "SMART", "USD")
    trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
    await until(trade.isDone)
    order_id = trade.order.orderId
    again = library.MarketOrder("BUY", 1)
    (notice,) = await notices_of(ib, lambda: ib.client.placeOrder(order_id, stock, again))
    assert notice[:2] == (order_id, 104)


async def test_a_done_order_is_not_cancelled(connect, library):
    """Cancelling a filled order gives 10148 and leaves it filled."""
    ib = await connect()
    trade = ib.placeOrder(library.Stock("AAPL", "SMART", "USD"), library.MarketOrder("BUY", 1))
    await until(trade.isDone)
    (notice,) = await notices_of(ib, lambda: ib.client.cancelOrder(trade.order.orderId))
    assert notice[:2] == (trade.order.orderId, 10148)
    assert trade.orderStatus.status == "Filled"


async def test_client_0_may_bind_manual_orders(connect, misread):
    """Client ID 0 synchronises as any other; its request to bind orders is taken."""
    ib = await connect(0)
    assert ib.isConnected()
    assert misread() == []


async def test_a_dropped_client_notices_and_may_return(connect, gateway):
    """drop_clients closes the socket; the port stays open for the next session."""
    ib = await connect()
    gone = []
    ib.disconnectedEvent += lambda: gone.append(1)
    await asyncio.to_thread(gateway.drop_clients)
    await until(lambda: gone)
    assert not ib.isConnected()
    assert (await connect()).isConnected()


async def test_a_notice_can_be_sent_to_one_client(connect, gateway):
    """send_notice reaches the client it names and no other; without a name it reaches all."""
    first, second = await connect(1), await connect(2)
    seen = {1: [], 2: []}
    first.errorEvent += lambda _req_id, code, *_: seen[1].append(code)
    second.errorEvent += lambda _req_id, code, *_: seen[2].append(code)
    await asyncio.to_thread(gateway.send_notice, 10197, "No market data", -1, 1)
    await asyncio.to_thread(gateway.send_notice, 1100, "Lost")
    await until(lambda: 1100 in seen[1] and 1100 in seen[2])
    assert 10197 in seen[1]
    assert 10197 not in seen[2]

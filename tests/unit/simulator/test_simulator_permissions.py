"""Market data that a login may not have, and a market that is closed, as the libraries see them."""

import math

import pytest

from ibnb.simulator import FAULTS, UnknownFaultError


@pytest.fixture
async def session(library, gateway, connect):
    """Return how to connect with faults in force: a session, its stock, and the codes that come."""

    async def session(*faults):
        gateway.faults(faults)
        ib = await connect()
        codes = []
        ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
        return ib, library.Stock("AAPL", "SMART", "USD", conId=265598), codes

    return session


@pytest.mark.parametrize("code", [354, 10089, 10168, 10186])
async def test_market_data_without_a_subscription_is_refused(session, until, code):
    """With the code that was asked for, and no tick comes."""
    fault = "not-subscribed" if code == 354 else f"not-subscribed:{code}"
    ib, stock, codes = await session(fault)
    ticker = ib.reqMktData(stock)
    await until(lambda: codes == [code])
    assert math.isnan(ticker.bid)
    assert math.isnan(ticker.close)


@pytest.mark.parametrize("code", [354, 10089])
async def test_delayed_data_comes_to_whom_asks_for_it(session, gateway, until, code):
    """10167, and then delayed ticks: of a quarter of an hour ago, and marked as that."""
    ib, stock, codes = await session(f"not-subscribed:{code}")
    gateway.set_quote("AAPL", bid=1.0, ask=1.1)
    ib.reqMarketDataType(3)
    ticker = ib.reqMktData(stock)
    await until(lambda: ticker.bid > 0)
    assert codes == [10167]
    assert ticker.marketDataType == 3
    assert ticker.bid > 1.1


async def test_delayed_data_that_is_not_enabled_is_refused(session, until):
    """Whatever the program asks for."""
    ib, stock, codes = await session("not-subscribed:10168")
    ib.reqMarketDataType(3)
    ib.reqMktData(stock)
    await until(lambda: codes == [10168])


async def test_bars_ticks_and_history_need_a_subscription(session, until):
    """Each is refused with its own code."""
    ib, stock, codes = await session("not-subscribed")
    ib.reqRealTimeBars(stock, 5, "TRADES", useRTH=False)
    await until(lambda: codes == [420])
    ib.reqTickByTickData(stock, "Last")
    await until(lambda: codes == [420, 10189])
    assert not await ib.reqHistoricalDataAsync(stock, "", "1 D", "1 hour", "TRADES", useRTH=False)
    assert codes == [420, 10189, 162]


async def test_a_part_needs_no_subscription(session, until):
    """10090, and of the quote nothing but the last close."""
    ib, stock, codes = await session("partly-subscribed")
    ticker = ib.reqMktData(stock)
    await until(lambda: ticker.close > 0)
    assert codes == [10090]
    assert math.isnan(ticker.bid)


async def test_a_competing_session_takes_the_data_and_gives_it_back(session, gateway, until):
    """10197 for what is subscribed and what is asked for; the ticks go on when it is over."""
    ib, stock, codes = await session()
    ticker = ib.reqMktData(stock)
    await until(lambda: ticker.bid > 0)
    gateway.faults(["competing-session"])
    await until(lambda: codes == [10197])
    gateway.set_quote("AAPL", bid=1.0, ask=1.1)
    assert not await ib.reqHistoricalDataAsync(stock, "", "1 D", "1 hour", "TRADES", useRTH=False)
    assert codes == [10197, 162]
    assert ticker.bid > 1.1
    gateway.faults([])
    await until(lambda: ticker.bid == 1.0)


async def test_without_news_there_is_none(session):
    """10276 ends the request."""
    ib, _, codes = await session("no-news")
    assert not await ib.reqHistoricalNewsAsync(265598, "BRFG", "", "", 5)
    assert codes == [10276]


async def test_a_closed_market_shows_its_last_quote_and_keeps_orders(
    library, session, gateway, until
):
    """Ticks once and no more; an order gets 399 and is filled when the market opens."""
    ib, stock, codes = await session("market-closed")
    first = ib.reqMktData(stock)
    await until(lambda: first.bid > 0)
    shown = first.bid
    trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
    await until(lambda: codes == [399])
    gateway.set_quote("AAPL", bid=1.0, ask=1.1)
    await ib.reqCurrentTimeAsync()
    assert (first.bid, trade.orderStatus.filled) == (shown, 0)
    gateway.faults([])
    await until(lambda: trade.orderStatus.status == "Filled" and first.bid == 1.0)
    assert trade.orderStatus.avgFillPrice == 1.1


def test_a_code_that_a_subscription_cannot_lack(gateway):
    """The error names those there are."""
    with pytest.raises(UnknownFaultError, match="names '200': give one of 354, 10089, 10168"):
        gateway.faults(["not-subscribed:200"])


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("not-subscribed", "354 10089 10168 10186 10167 420 10189 162"),
        ("partly-subscribed", "10090"),
        ("competing-session", "10197 162"),
        ("no-news", "10276"),
        ("market-closed", "399"),
    ],
)
def test_a_permission_is_found_by_its_codes(name, codes):
    """Its line in the list names them."""
    assert all(code in FAULTS[name] for code in codes.split())

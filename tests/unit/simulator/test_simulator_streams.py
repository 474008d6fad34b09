"""Subscriptions deliver what changes, and agree with each other, on every server version."""

import asyncio

import pytest

from ibnb.simulator import SimulatedGateway

VERSIONS = [157, 163, 164, 174, 176, 178]
WAIT = 20


@pytest.fixture
async def stock(library):
    """A stock that is known, with its conId."""
    return library.Stock("AAPL", "SMART", "USD", conId=265598)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_finer_data_is_read_on_each_version(connect, library, misread, version, until):
    """Options with greeks, bonds, depth and single ticks decode."""
    if version > library.client.Client.MaxClientVersion:
        pytest.skip("this library does not speak it")
    ib = await connect(max_version=version)
    (bond,) = await ib.reqContractDetailsAsync(library.Bond(symbol="US-T", exchange="SMART"))
    assert (bond.bondType, bond.contract.conId) == ("GOVT", 147554578)
    (index,) = await ib.qualifyContractsAsync(library.Index("SPX", "CBOE"))
    chain = (await ib.reqSecDefOptParamsAsync("SPX", "", "IND", index.conId))[0]
    option = library.Option("SPX", chain.expirations[4], 6000.0, "P", "SMART")
    (option,) = await ib.qualifyContractsAsync(option)
    assert (option.strike, option.right, option.multiplier) == (6000.0, "P", "100")
    (ticker,) = await ib.reqTickersAsync(option)
    assert -1 < ticker.modelGreeks.delta < 0
    assert ticker.bid < ticker.last < ticker.ask
    pair = library.Forex("EURUSD", conId=12087792)
    depth = ib.reqMktDepth(pair)
    ticks = ib.reqTickByTickData(pair, "BidAsk")
    await until(lambda: len(depth.domBids) == len(depth.domAsks) == 5)
    await until(lambda: ticks.tickByTicks)
    assert depth.domBids[0].price < depth.domAsks[0].price
    assert misread() == []


async def test_bars_of_five_seconds_come_when_they_are_complete(connect, stock, until, misread):
    """Each begins at a full five seconds, and the next one where it ended."""
    ib = await connect()
    bars = ib.reqRealTimeBars(stock, 5, "TRADES", False)
    await until(lambda: bars)
    assert bars[0].time.second % 5 == 0
    assert bars[0].low <= bars[0].close <= bars[0].high
    assert bars[0].volume >= bars[0].count > 0
    assert misread() == []


async def test_profits_follow_positions(connect, library, stock, until, misread):
    """The profit of a position and that of the account change with a fill and the market."""
    ib = await connect()
    account = ib.managedAccounts()[0]
    whole, single = ib.reqPnL(account), ib.reqPnLSingle(account, "", stock.conId)
    await until(lambda: single.position == 100 and whole.dailyPnL == whole.dailyPnL)
    before = single.value
    ib.placeOrder(stock, library.MarketOrder("SELL", 40))
    await until(lambda: single.position == 60 and single.realizedPnL)
    assert single.value < before
    ib.cancelPnL(account)
    ib.cancelPnLSingle(account, "", stock.conId)
    assert misread() == []


async def test_a_long_history_holds_up_nobody(connect, stock):
    """Another client's request is answered before a history of thousands of bars is made."""
    long, short = await connect(1), await connect(2)
    asked = asyncio.ensure_future(
        long.reqHistoricalDataAsync(stock, "", "40 D", "1 min", "TRADES", useRTH=True)
    )
    await asyncio.sleep(0)
    await asyncio.wait_for(short.reqCurrentTimeAsync(), WAIT)
    assert not asked.done()
    assert len(await asyncio.wait_for(asked, WAIT)) > 15_000


async def test_a_cancelled_subscription_is_silent(connect, stock, until, gateway):
    """After its cancel nothing of a subscription comes any more."""
    ib = await connect()
    ticker = ib.reqTickByTickData(stock, "AllLast")
    await until(lambda: ticker.tickByTicks)
    ib.cancelTickByTickData(stock, "AllLast")
    await asyncio.wait_for(ib.reqCurrentTimeAsync(), WAIT)
    quote = ib.reqMktData(stock)
    await until(lambda: quote.bid > 0)
    seen = []
    ib.pendingTickersEvent += lambda tickers: seen.extend(
        tick for one in tickers for tick in one.tickByTicks
    )
    updates = []
    ib.updateEvent += lambda: updates.append(1)
    await until(lambda: len(updates) >= 3)
    assert seen == []
    assert await asyncio.to_thread(lambda: len(gateway.open_clients)) == 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"instrument": "STK", "locationCode": "STK.US", "scanCode": "TOP_PERC_GAIN"}, None),
        ({"instrument": "FUT.US", "locationCode": "FUT.CME", "scanCode": "TOP_PERC_GAIN"}, 90001),
        ({"instrument": "STK", "locationCode": "STK.US", "scanCode": "LOW_PE_RATIO"}, 90001),
    ],
)
async def test_a_scanner_ends(connect, library, values, code):
    """What is scanned has rows in order, and what is not simulated ends with its own code."""
    ib = await connect()
    codes = []
    ib.errorEvent += lambda _req_id, number, *_: codes.append(number)
    scan = library.ScannerSubscription(numberOfRows=5, **values)
    rows = await asyncio.wait_for(ib.reqScannerDataAsync(scan), WAIT)
    assert len(rows) == (0 if code else 5)
    assert [number for number in codes if number != 162] == ([code] if code else [])
    assert [row.rank for row in rows] == list(range(len(rows)))


async def test_a_scanner_keeps_to_its_filters(connect, library):
    """The limits of the subscription and those of its filter options hold for every row."""
    ib = await connect()
    scan = library.ScannerSubscription(
        instrument="STK", locationCode="STK.US.MAJOR", scanCode="MOST_ACTIVE", abovePrice=100
    )
    rows = await ib.reqScannerDataAsync(scan, [], [library.TagValue("priceBelow", "300")])
    assert rows
    tickers = await ib.reqTickersAsync(*[row.contractDetails.contract for row in rows])
    assert all(90 < ticker.last < 310 for ticker in tickers)


async def test_a_combination_is_quoted_and_traded(connect, library, misread, until):
    """There is a quote of it, its order comes back with its legs, and each leg is a fill."""
    ib = await connect()
    legs = [
        library.ComboLeg(conId=265598, ratio=1, action="BUY", exchange="SMART"),
        library.ComboLeg(conId=272093, ratio=1, action="SELL", exchange="SMART"),
    ]
    bag = library.Contract(
        secType="BAG", symbol="AAPL", exchange="SMART", currency="USD", comboLegs=legs
    )
    ticker = ib.reqMktData(bag)
    await until(lambda: ticker.bid == ticker.bid and ticker.ask == ticker.ask)
    assert ticker.bid < ticker.ask < 0
    resting = ib.placeOrder(bag, library.LimitOrder("BUY", 1, -900.0))
    await until(lambda: resting.orderStatus.status == "Submitted")
    (trade,) = await (await connect(client_id=8)).reqAllOpenOrdersAsync()
    assert [(leg.conId, leg.action) for leg in trade.contract.comboLegs] == [
        *((265598, "BUY"), (272093, "SELL")),
    ]
    filled = ib.placeOrder(bag, library.MarketOrder("BUY", 5))
    await until(lambda: len(filled.fills) == 3 and len(ib.positions()) == 2)
    await until(lambda: {held.position for held in ib.positions()} == {105, 45})
    assert {fill.contract.secType for fill in filled.fills} == {"BAG", "STK"}
    state = await ib.whatIfOrderAsync(bag, library.MarketOrder("BUY", 1))
    assert float(state.commission) == 2.0
    assert misread() == []


async def test_a_bond_is_found_by_its_isin(connect, library):
    """A contract may name an ISIN instead of a symbol, as notebooks do."""
    ib = await connect()
    bond = library.Bond(secIdType="ISIN", secId="US912828C574")
    (details,) = await ib.reqContractDetailsAsync(bond)
    assert details.contract.secType == "BOND"


async def test_the_seed_decides_the_prices(library, stock):
    """Two gateways with one seed have the same bars, and one with another seed has others."""
    found = []
    for seed in (5, 5, 6):
        with SimulatedGateway(seed=seed) as gateway:
            ib = library.IB()
            await ib.connectAsync("127.0.0.1", gateway.port, 1, timeout=WAIT)
            bars = await ib.reqHistoricalDataAsync(
                stock, "20250606 23:59:59 UTC", "5 D", "1 hour", "TRADES", useRTH=True
            )
            found.append([(bar.date, bar.close, bar.volume) for bar in bars])
            ib.disconnect()
    same, again, other = found
    assert same == again
    assert same != other

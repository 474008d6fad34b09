"""Options are exercised and lapse; combinations have bars; what only some worlds have is found."""

import asyncio

import pytest

WAIT = 20
EXERCISE, LAPSE = 1, 2


class Desk:
    """A session that buys options."""

    def __init__(self, ib, api, until):
        self.ib, self.api, self.until = ib, api, until

    def holding(self, con_id):
        """Return what is held of a contract."""
        return sum(one.position for one in self.ib.positions() if one.contract.conId == con_id)

    async def bought(self, contract, quantity=2):
        """Buy a contract, and return it as the gateway knows it."""
        (known,) = await self.ib.qualifyContractsAsync(contract)
        trade = self.ib.placeOrder(known, self.api.MarketOrder("BUY", quantity))
        await self.until(lambda: self.holding(known.conId) == quantity and trade.isDone())
        return known

    async def option(self, symbol, moneyness, right):
        """Buy two options whose strike is so far from the price, and return them."""
        kind, con_id = {"AAPL": ("STK", 265598), "SPX": ("IND", 416904)}[symbol]
        chain = (await self.ib.reqSecDefOptParamsAsync(symbol, "", kind, con_id))[0]
        middle = sorted(chain.strikes)[len(chain.strikes) // 2]
        strike = min(chain.strikes, key=lambda one: abs(one - middle * moneyness))
        expiry = max(chain.expirations)
        return await self.bought(
            self.api.Option(symbol, expiry, strike, right, "SMART", "100", "USD")
        )


@pytest.fixture
async def desk(connect, library, until):
    """A session that buys options."""
    return Desk(await connect(), library, until)


@pytest.mark.parametrize(("right", "moneyness", "sign"), [("C", 0.8, 1), ("P", 1.2, -1)])
async def test_an_option_on_a_stock_delivers_it(desk, right, moneyness, sign):
    """The options go for nothing, and the stock comes or goes at the strike."""
    ib = desk.ib
    option = await desk.option("AAPL", moneyness, right)
    ib.exerciseOptions(option, EXERCISE, 1, "DU1234567", 0)
    await desk.until(lambda: desk.holding(265598) == 100 + 100 * sign)
    assert desk.holding(option.conId) == 1
    fills = [fill for fill in ib.fills() if fill.execution.orderId != ib.trades()[0].order.orderId]
    assert {(one.contract.secType, one.execution.side, one.execution.price) for one in fills} == {
        ("OPT", "SLD", 0.0),
        ("STK", "BOT" if sign > 0 else "SLD", option.strike),
    }


async def test_an_option_on_an_index_pays_the_difference(desk):
    """There is nothing to deliver: what the option is in the money comes in as cash."""
    ib = desk.ib
    option = await desk.option("SPX", 0.8, "C")
    ib.exerciseOptions(option, EXERCISE, 2, "DU1234567", 0)
    await desk.until(lambda: desk.holding(option.conId) == 0)
    (paid,) = [one.execution for one in ib.fills() if one.execution.side == "SLD"]
    assert paid.price > 500
    assert {one.contract.symbol for one in ib.positions()} == {"AAPL", "MSFT"}


async def test_an_option_on_a_future_delivers_the_future(desk):
    """The future is held at the strike; the option's parameters name its exchange."""
    ib = desk.ib
    (future,) = await ib.qualifyContractsAsync(desk.api.ContFuture("ES", exchange="CME"))
    (chain,) = await ib.reqSecDefOptParamsAsync("ES", "CME", "FUT", future.conId)
    assert chain.exchange == "CME"
    option = desk.api.FuturesOption("ES", max(chain.expirations), 5000.0, "C", "CME", "50", "USD")
    option = await desk.bought(option)
    ib.exerciseOptions(option, EXERCISE, 1, "DU1234567", 1)
    await desk.until(lambda: desk.holding(future.conId) == 1)
    (held,) = [one for one in ib.positions() if one.contract.conId == future.conId]
    assert held.avgCost == 5000.0 * 50


async def test_options_lapse(desk):
    """They go, and nothing comes."""
    ib = desk.ib
    option = await desk.option("AAPL", 0.8, "C")
    ib.exerciseOptions(option, LAPSE, 2, "DU1234567", 0)
    await desk.until(lambda: desk.holding(option.conId) == 0)
    assert desk.holding(265598) == 100


@pytest.mark.parametrize(
    ("quantity", "moneyness", "override", "code"),
    [(3, 0.8, 0, 322), (1, 1.2, 0, 10333), (1, 1.2, 1, None), (0, 0.8, 0, 321)],
    ids=["more than is held", "out of the money", "overridden", "nothing"],
)
async def test_what_cannot_be_exercised_is_refused(desk, quantity, moneyness, override, code):
    """The refusal comes under the request's id, and positions stay."""
    ib = desk.ib
    option = await desk.option("AAPL", moneyness, "C")
    told = []
    ib.errorEvent += lambda _req_id, code, *_: told.append(code)
    ib.exerciseOptions(option, EXERCISE, quantity, "DU1234567", override)
    await asyncio.wait_for(ib.reqCurrentTimeAsync(), WAIT)
    assert [one for one in told if not 2100 <= one < 2200] == ([] if code is None else [code])
    assert desk.holding(265598) == (200 if code is None else 100)


async def test_a_stock_is_not_exercised(desk):
    """Only what has a right can be."""
    ib = desk.ib
    told = []
    ib.errorEvent += lambda _req_id, code, *_: told.append(code)
    stock = desk.api.Stock("AAPL", "SMART", "USD", conId=265598)
    ib.exerciseOptions(stock, EXERCISE, 1, "DU1234567", 1)
    await asyncio.wait_for(ib.reqCurrentTimeAsync(), WAIT)
    assert told[-1] == 321


async def test_a_combination_has_bars_and_a_quote(desk, misread):
    """Its bars are what its legs cost together, and so is its quote."""
    ib = desk.ib
    legs = [
        desk.api.ComboLeg(265598, 1, "BUY", "SMART"),
        desk.api.ComboLeg(272093, 1, "SELL", "SMART"),
    ]
    bag = desk.api.Contract(
        secType="BAG", symbol="AAPL", exchange="SMART", currency="USD", comboLegs=legs
    )
    ask = ("20250605 23:59:59 UTC", "3600 S", "1 min", "TRADES", False)
    found = await ib.reqHistoricalDataAsync(bag, *ask)
    first, second = [
        await ib.reqHistoricalDataAsync(desk.api.Stock(symbol, "SMART", "USD", conId=con_id), *ask)
        for symbol, con_id in (("AAPL", 265598), ("MSFT", 272093))
    ]
    assert len(found) == 60
    for whole, one, other in zip(found, first, second, strict=True):
        assert whole.open == pytest.approx(one.open - other.open)
        assert whole.close == pytest.approx(one.close - other.close)
        assert one.low - other.high - 1e-6 <= whole.low
        assert whole.high <= one.high - other.low + 1e-6
    ticker = ib.reqMktData(bag)
    await desk.until(lambda: ticker.bid < ticker.ask < 0)
    assert misread() == []


@pytest.mark.parametrize(
    "values",
    [
        {"secType": "WAR", "symbol": "DAX", "exchange": "SWB", "currency": "EUR"},
        {"secType": "FUND", "symbol": "VFIAX", "exchange": "FUNDSERV", "currency": "USD"},
    ],
    ids=["warrant", "fund"],
)
async def test_warrants_and_funds_are_traded(desk, misread, values):
    """They have details, a quote, and orders that fill."""
    ib = desk.ib
    details = (await ib.reqContractDetailsAsync(desk.api.Contract(**values)))[0]
    contract = details.contract
    assert (contract.secType, contract.currency) == (values["secType"], values["currency"])
    ticker = ib.reqMktData(contract)
    await desk.until(lambda: 0 < ticker.bid <= ticker.ask)
    trade = ib.placeOrder(contract, desk.api.MarketOrder("BUY", 1))
    await desk.until(lambda: desk.holding(contract.conId) == 1)
    assert trade.orderStatus.status == "Filled"
    ask = (contract, "", "20250606 15:00:00 UTC", 10, "MIDPOINT", True)
    found = await asyncio.wait_for(ib.reqHistoricalTicksAsync(*ask), WAIT)
    # A fund has one price a day, and none between.
    assert len(found) == (10 if contract.secType == "WAR" else 0)
    assert misread() == []

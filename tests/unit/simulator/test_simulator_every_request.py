"""Every request, by a Python library and by the official client: what they decode agrees.

With the current official client, which takes the place of the older one, it runs in an environment
of its own; how stands in CONTRIBUTING.
"""

import datetime as dt
import functools
import itertools
import logging
import zoneinfo
from dataclasses import dataclass, field

import pytest
from parties import OfficialParty, library_party

from ibnb.simulator import SimulatedGateway
from ibnb.simulator.trading.account import account_values
from ibnb.simulator.world.history import BarRequest, bars_for
from ibnb.simulator.world.instruments import ContractSpec
from ibnb.simulator.world.market import depth_at, price_at, quote_at, trades_between
from ibnb.simulator.world.options import greeks, years_left
from ibnb.simulator.world.universe import Universe

pytest.importorskip("ibapi", reason="the official client is not installed")

NIGHT = "2026-07-01T22:00:00 America/New_York"
"""The stock market is closed then, so that all who ask are told the same."""
NOW = dt.datetime(2026, 7, 1, 22, tzinfo=zoneinfo.ZoneInfo("America/New_York")).timestamp()
OPEN = "2026-07-01T11:00:00 America/New_York"
WORLD = Universe(day=dt.date(2026, 7, 2), keeps_hours=True)
ACCOUNT = "DU1234567"
END = "20260630 16:00:00 US/Eastern"
STOCK = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}
OPTION = {
    "symbol": "AAPL",
    "secType": "OPT",
    "exchange": "SMART",
    "currency": "USD",
    "lastTradeDateOrContractMonth": "20260717",
    "strike": 230.0,
    "right": "C",
}
FUTURE = {"symbol": "ES", "secType": "CONTFUT", "exchange": "CME", "currency": "USD"}
PAIR = {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}
BOND = {"symbol": "US-T", "secType": "BOND", "exchange": "SMART", "currency": "USD"}
UNKNOWN = {**STOCK, "symbol": "XXX"}
SCAN = {"instrument": "STK", "locationCode": "STK.US.MAJOR", "scanCode": "TOP_PERC_GAIN"}
BOND_HOURS = {"timeZoneId", "tradingHours", "liquidHours"}
"""What is told of bonds since server version 188, which only the current official client speaks."""
NOTHING = (None, "", 0.0, -1.0, -2.0, [])
"""What stands for a value that there is not, in one client or another."""


@dataclass
class Step:
    """One request; `arguments` may be dictionaries, of which each client makes its contract."""

    method: str
    arguments: tuple
    ends: tuple
    contract: dict | None = None
    then: tuple = ()
    known: list = field(default_factory=list)


def bars(number, contract, *rest):
    """Return a request for history."""
    return Step("reqHistoricalData", (number, *rest, False, []), ("historicalDataEnd",), contract)


def ticks(number, contract, kind, ending):
    """Return a request for ticks of the past."""
    rest = ("", END, 20, kind, 1, False, [])
    return Step("reqHistoricalTicks", (number, *rest), (ending,), contract)


def details(number, contract, ending="contractDetailsEnd"):
    """Return a request for contract details."""
    return Step("reqContractDetails", (number,), (ending,), contract)


STEPS = (
    details(1, STOCK),
    details(2, OPTION),
    details(3, FUTURE),
    details(4, PAIR),
    details(5, BOND),
    details(6, UNKNOWN, "error"),
    Step("reqMatchingSymbols", (7, "APP"), ("symbolSamples",)),
    Step(
        "reqSecDefOptParams",
        (8, "AAPL", "", "STK", 265598),
        ("securityDefinitionOptionParameterEnd",),
    ),
    bars(9, STOCK, END, "5 D", "1 hour", "TRADES", 1, 2),
    bars(10, STOCK, END, "1 M", "1 day", "TRADES", 1, 1),
    bars(11, PAIR, END, "3600 S", "5 mins", "MIDPOINT", 0, 2),
    bars(12, OPTION, END, "1 D", "15 mins", "TRADES", 1, 2),
    ticks(13, STOCK, "TRADES", "historicalTicksLast"),
    ticks(14, STOCK, "BID_ASK", "historicalTicksBidAsk"),
    ticks(15, STOCK, "MIDPOINT", "historicalTicks"),
    Step("reqHeadTimeStamp", (16, "TRADES", 1, 2), ("headTimestamp",), STOCK),
    Step("reqHistogramData", (17, True, "1 week"), ("histogramData",), STOCK),
    Step("reqMktData", (18, "", True, False, []), ("tickSnapshotEnd",), STOCK),
    Step("reqMktData", (19, "", True, False, []), ("tickSnapshotEnd",), OPTION),
    Step(
        "reqMktDepth",
        (20, 3, True, []),
        ("updateMktDepthL2",) * 6,
        STOCK,
        ("cancelMktDepth", 20, True),
    ),
    Step("calculateImpliedVolatility", (21, 10.0, 230.0, []), ("tickOptionComputation",), OPTION),
    Step("calculateOptionPrice", (22, 0.25, 230.0, []), ("tickOptionComputation",), OPTION),
    Step("reqMarketRule", (239,), ("marketRule",)),
    Step("reqMktDepthExchanges", (), ("mktDepthExchanges",)),
    Step("reqSmartComponents", (23, "9c0001"), ("smartComponents",)),
    Step("reqNewsProviders", (), ("newsProviders",)),
    Step(
        "reqHistoricalNews",
        (24, 265598, "BRFG", "", "2026-06-30 23:59:59.0", 3, []),
        ("historicalNewsEnd",),
    ),
    Step("reqScannerParameters", (), ("scannerParameters",)),
    Step("reqSoftDollarTiers", (25,), ("softDollarTiers",)),
    Step("reqFamilyCodes", (), ("familyCodes",)),
    Step("queryDisplayGroups", (26,), ("displayGroupList",)),
    Step("subscribeToGroupEvents", (27, 1), ("displayGroupUpdated",)),
    Step("reqPositions", (), ("positionEnd",), then=("cancelPositions",)),
    Step("reqPositionsMulti", (28, ACCOUNT, ""), ("positionMultiEnd",)),
    Step("reqAccountSummary", (29, "All", "NetLiquidation,TotalCashValue"), ("accountSummaryEnd",)),
    Step(
        "reqAccountUpdates",
        (True, ACCOUNT),
        ("accountDownloadEnd",),
        then=("reqAccountUpdates", False, ACCOUNT),
    ),
    Step("reqAccountUpdatesMulti", (30, ACCOUNT, "", False), ("accountUpdateMultiEnd",)),
    Step("reqPnL", (31, ACCOUNT, ""), ("pnl",), then=("cancelPnL", 31)),
    Step("reqPnLSingle", (32, ACCOUNT, "", 265598), ("pnlSingle",), then=("cancelPnLSingle", 32)),
    Step("reqManagedAccts", (), ("managedAccounts",)),
    Step("reqIds", (1,), ("nextValidId",)),
    Step("reqOpenOrders", (), ("openOrderEnd",)),
    Step("reqAllOpenOrders", (), ("openOrderEnd",)),
    Step("reqCompletedOrders", (False,), ("completedOrdersEnd",)),
    Step("requestFA", (1,), ("error",)),
    Step("reqFundamentalData", (33, "ReportSnapshot", []), ("error",), STOCK),
)


@pytest.fixture
def trouble(caplog):
    """Return what any of the clients complains of in its log, but notices."""
    caplog.set_level(logging.WARNING)

    def trouble():
        return [
            record.getMessage()
            for record in caplog.records
            if record.levelno >= logging.ERROR
            and record.name.startswith(("ib", "root"))
            and not record.getMessage().startswith(("Error ", "Warning ", "ERROR "))
        ]

    return trouble


async def both(library, gateway, until):
    """Return a library's client and the official one, both ready."""
    parties = [
        await library_party(library, gateway.port, 1),
        OfficialParty(gateway.port, 2),
    ]
    for party in parties:
        await until(lambda party=party: "nextValidId" in [name for name, _ in party.calls])
        await until(lambda party=party: ["error", [-1, 2158]] in map(list, party.calls))
    return parties


async def told(party, step, until):
    """Send one request; return what was told up to its end."""
    party.calls.clear()
    arguments = list(step.arguments)
    if step.contract is not None:
        arguments.insert(1, party.make("Contract", **step.contract))
    party.send(step.method, *arguments)

    def is_done():
        names = [name for name, _ in list(party.calls)]
        return all(names.count(name) >= step.ends.count(name) for name in step.ends)

    await until(is_done)
    answer = list(party.calls)
    if step.then:
        party.send(*step.then)
    return answer


def heard(found):
    """Return what a library was told, without the hours of bonds if its version has none."""
    told = []
    for name, values in found:
        if name == "bondContractDetails":
            req_id, details = values
            known = {key: value for key, value in details.items() if value or key not in BOND_HOURS}
            values = [req_id, known]  # noqa: PLW2901
        told.append((name, values))
    return told


def differences(one, other, where=""):
    """Return where two decoded values differ, of objects in what both of them have."""
    if isinstance(one, dict) and isinstance(other, dict):
        pairs = [(f"{where}.{name}", one[name], other[name]) for name in one if name in other]
        return (
            [found for at, a, b in pairs for found in differences(a, b, at)] if pairs else [where]
        )
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        if len(one) != len(other):
            return [(where, one, other)]
        pairs = zip(one, other, strict=True)
        return [
            found
            for number, (a, b) in enumerate(pairs)
            for found in differences(a, b, f"{where}[{number}]")
        ]
    same = one == other or (one in NOTHING and other in NOTHING)
    if isinstance(one, float) and isinstance(other, float):
        same = same or one == pytest.approx(other, abs=1e-6)
    return [] if same else [(where, one, other)]


def instrument(contract):
    """Return the instrument that a contract means."""
    names = {"lastTradeDateOrContractMonth": "expiry", "secType": "sec_type"}
    values = {names.get(name, name): str(value) for name, value in contract.items()}
    return WORLD.find(ContractSpec(**values))[0]


async def test_every_request_is_decoded_alike(library, until, trouble):
    """Each callback has the same values for both, and those of prices are the world's."""
    answers = {}
    with SimulatedGateway(clock=NIGHT) as gateway:
        one, other = await both(library, gateway, until)
        for number, step in enumerate(STEPS):
            if not (one.has(step.method) and other.has(step.method)):
                continue
            first, second = await told(one, step, until), await told(other, step, until)
            names = [[name for name, _ in found] for found in (first, second)]
            assert names[0] == names[1], step
            assert differences(heard(first), second, step.method) == []
            answers[number + 1] = first
        book = gateway._state.book
        values = {
            (value.tag, value.currency): value.value for value in account_values(book, ACCOUNT, NOW)
        }
        one.close()
        other.close()
    assert trouble() == []
    assert len(answers) >= len(STEPS) - 1
    agrees_with_the_world(answers, values)


def agrees_with_the_world(answers, values):
    """Check bars, ticks, quotes, depth, greeks and the account against the world itself."""
    stock, option = instrument(STOCK), instrument(OPTION)
    for number, one, request in (
        (9, stock, BarRequest(END, "1 hour", "5 D", True, "TRADES", 2, False)),
        (10, stock, BarRequest(END, "1 day", "1 M", True, "TRADES", 1, False)),
        (11, instrument(PAIR), BarRequest(END, "5 mins", "3600 S", False, "MIDPOINT", 2, False)),
        (12, option, BarRequest(END, "15 mins", "1 D", True, "TRADES", 2, False)),
    ):
        got = [values[1] for name, values in answers[number] if name == "historicalData"]
        world = bars_for(one, request, NOW)
        assert [[bar[key] for key in ("open", "high", "low", "close")] for bar in got] == [
            [bar.open, bar.high, bar.low, bar.close] for bar in world
        ]
    (_, found), *_ = [one for one in answers[13] if one[0] == "historicalTicksLast"]
    ends = dt.datetime(2026, 6, 30, 16, tzinfo=zoneinfo.ZoneInfo("America/New_York")).timestamp()
    assert [one["price"] for one in found[1]] == [
        one.price for one in trades_between(stock, ends - 60, ends)[-20:]
    ]
    for number, one in ((18, stock), (19, option)):
        quote = quote_at(one, NOW)
        prices = {rest[1]: rest[2] for name, rest in answers[number] if name == "tickPrice"}
        assert (prices[1], prices[2], prices[4]) == (quote.bid, quote.ask, quote.last)
    rows = [rest for name, rest in answers[20] if name == "updateMktDepthL2"]
    levels = itertools.chain(*depth_at(stock, NOW, 3))
    assert sorted((row[5], row[6]) for row in rows) == sorted(
        (level.price, level.size) for level in levels
    )
    (_, worth) = next(one for one in answers[22] if one[0] == "tickOptionComputation")
    priced = greeks("C", 230.0, 230.0, years_left(option, NOW), 0.25)
    assert worth[4] == pytest.approx(priced.price)
    summary = {rest[2]: rest[3] for name, rest in answers[35] if name == "accountSummary"}
    assert summary["NetLiquidation"] == pytest.approx(
        float(values["NetLiquidation", "USD"]), abs=0.01
    )
    portfolio = [rest for name, rest in answers[36] if name == "updatePortfolio"]
    assert {rest[0]["symbol"]: rest[2] for rest in portfolio} == {
        "AAPL": price_at(stock, NOW),
        "MSFT": price_at(instrument({**STOCK, "symbol": "MSFT"}), NOW),
    }


STREAMS = (
    ("reqMktData", (51, "", False, False, []), OPTION, ("cancelMktData", 51), "tickPrice"),
    ("reqMktDepth", (52, 5, True, []), STOCK, ("cancelMktDepth", 52, True), "updateMktDepthL2"),
    ("reqRealTimeBars", (53, 5, "TRADES", 0, []), STOCK, ("cancelRealTimeBars", 53), "realtimeBar"),
    (
        "reqTickByTickData",
        (54, "Last", 0, False),
        STOCK,
        ("cancelTickByTickData", 54),
        "tickByTickAllLast",
    ),
    (
        "reqTickByTickData",
        (55, "BidAsk", 0, False),
        PAIR,
        ("cancelTickByTickData", 55),
        "tickByTickBidAsk",
    ),
    (
        "reqTickByTickData",
        (56, "MidPoint", 0, False),
        PAIR,
        ("cancelTickByTickData", 56),
        "tickByTickMidPoint",
    ),
    (
        "reqHistoricalData",
        (57, "", "1800 S", "1 min", "TRADES", 0, 2, True, []),
        STOCK,
        ("cancelHistoricalData", 57),
        "historicalDataUpdate",
    ),
)
"""Requests that go on; how they end, and what they bring."""


async def test_every_stream_is_decoded_alike(library, until, trouble):
    """Both get what streams, of the same form, and the trades and bars are the world's."""
    with SimulatedGateway(clock=OPEN + " x20") as gateway:
        parties = await both(library, gateway, until)
        for method, arguments, contract, ending, brings in STREAMS:
            forms = []
            for party in parties:
                party.calls.clear()
                party.send(method, arguments[0], party.make("Contract", **contract), *arguments[1:])
                await until(
                    lambda party=party, brings=brings: (
                        [name for name, _ in list(party.calls)].count(brings) >= 3
                    )
                )
                party.send(*ending)
                found = [rest for name, rest in list(party.calls) if name == brings]
                forms.append([type(one).__name__ for one in found[0]])
                if brings == "tickByTickAllLast":
                    from_the_world(found)
            assert forms[0] == forms[1], method
        for party in parties:
            party.close()
    assert trouble() == []


def from_the_world(found):
    """Check that single trades are those of the world, at their time."""
    for _, _, time, price, *_ in found:
        second = trades_between(instrument(STOCK), time, time + 1)
        assert price in [trade.price for trade in second]


ORDERS = (
    ("rest", {"orderType": "LMT", "lmtPrice": 10.0, "tif": "GTC"}, "orderStatus", "Submitted"),
    ("fill", {"orderType": "MKT", "tif": "DAY"}, "commissionReport", None),
    ("held", {"orderType": "STP", "auxPrice": 13.0, "tif": "DAY"}, "orderStatus", "PreSubmitted"),
    ("kill", {"orderType": "LMT", "lmtPrice": 10.0, "tif": "FOK"}, "orderStatus", "Inactive"),
)


async def test_orders_are_decoded_alike(library, until, trouble):
    """An order that rests, one that fills, one that is held and one that cannot be filled."""
    noted = []
    for make in (functools.partial(library_party, library), made):
        with SimulatedGateway(clock=OPEN) as gateway:
            party = await make(gateway.port, 3)
            await until(lambda party=party: "nextValidId" in [name for name, _ in party.calls])
            await until(lambda party=party: ["error", [-1, 2158]] in map(list, party.calls))
            party.calls.clear()
            contract = party.make("Contract", **STOCK)
            for number, (_, values, name, status) in enumerate(ORDERS, start=1):
                action = "SELL" if values["orderType"] == "STP" else "BUY"
                order = party.make("Order", action=action, totalQuantity=5, **values)
                # Attributes of old exchanges, which gateways refuse today.
                order.eTradeOnly = order.firmQuoteOnly = False
                party.send("placeOrder", number, contract, order)
                await until(
                    lambda party=party, name=name, status=status: any(
                        one == name and (status is None or status in rest)
                        for one, rest in list(party.calls)
                    )
                )
            party.send("cancelOrder", 1)
            await until(lambda party=party: ["error", [1, 202]] in map(list, party.calls))
            party.send("reqGlobalCancel")
            await until(lambda party=party: ["error", [3, 202]] in map(list, party.calls))
            option = party.make("Contract", **{**OPTION, "exchange": "CBOE"})
            party.send("exerciseOptions", 90, option, 1, 1, ACCOUNT, 0)
            await until(lambda party=party: ["error", [90, 322]] in map(list, party.calls))
            noted.append([essential(*one) for one in party.calls])
            held = gateway._state.book.position(ACCOUNT, gateway._state.world.by_con_id(265598))
            assert held.size == 105
            party.close()
    assert noted[0] == noted[1]
    assert trouble() == []


async def made(port, client_id):
    """Return the official client, which connects at once."""
    return OfficialParty(port, client_id)


def essential(name, rest):
    """Return what does not depend on the moment: not prices of fills, nor the time."""
    match name:
        case "orderStatus":
            return name, *rest[:4], rest[9]
        case "openOrder":
            kept = ("action", "totalQuantity", "orderType", "lmtPrice", "auxPrice", "tif")
            return name, rest[0], *(rest[2][one] for one in kept), rest[3]["status"]
        case "execDetails":
            return name, rest[2]["side"], rest[2]["shares"], rest[2]["cumQty"]
        case "commissionReport":
            return name, rest[0]["commission"]
    return name, rest

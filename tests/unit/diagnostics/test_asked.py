"""Requests as they were sent: what is marked as wrong, what is not, and calls that work."""

import ast
import math
from decimal import Decimal

import pytest
from asking import BARS, TICKS

from ibnb.diagnostics.explain.request_details import EXAMPLES, NAMED, asked, shown
from ibnb.session.notebook.event_loop import patch_loop

SAID = {
    "reqFundamentalData": "Fundamentals data is not allowed",
    "reqScannerSubscription": "API scanner subscription cancelled",
}
"""What the gateway says of a request that is in order: it has no such data, or was asked to end."""


@pytest.fixture
def stock(api):
    """A contract that leaves nothing open but its conId."""
    return api.Stock("AAPL", "SMART", "USD")


@pytest.fixture
def marked(session, ib):
    """Send a request with the library's client; return what is marked of it, by parameter."""

    def marked(method, *args, refusal="", **kwargs):
        getattr(ib.client, method)(9001, *args, **kwargs)
        request = session.journal.requests.all()[-1]
        assert request.method == method
        rows = asked(request, refusal).parameters
        return {row.name: row.problem for row in rows if row.problem}

    return marked


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        (
            "durationStr",
            ["1 D", "1800 S", "13 W", "6 M", "10 Y", "3600"],
            ["1 day", "2 weeks", "D 1", "", "1.5 D", None],
        ),
        (
            "barSizeSetting",
            ["1 secs", "30 secs", "1 min", "20 mins", "1 hour", "8 hours", "1 day", "1W", "1 week"],
            ["5 minutes", "1 sec", "5min", "7 mins", "1 mins", "", 60],
        ),
        (
            "whatToShow",
            ["TRADES", "ADJUSTED_LAST", "FEE_RATE", "SCHEDULE", "AGGTRADES", "YIELD_LAST"],
            ["PRICES", "", None, "BIDASK"],
        ),
        (
            "endDateTime",
            [
                "",
                "20260102 15:00:00",
                "20260102-15:00:00",
                "20260102 15:00:00 US/Eastern",
                "20260102 15:00:00 America/Argentina/Buenos_Aires",
                "20260102 15:00:00 EST5EDT",
                "20260102  15:00:00",
                "20260102 15:00 UTC",
                "15:59:00 US/Eastern",
                "20260102",
            ],
            ["2026-01-02", "2026-01-02 15:00:00", "01/02/2026", "now"],
        ),
        ("useRTH", [True, False, 0, 1], ["yes", None, 2]),
        ("formatDate", [1, 2, "1"], [0, -1, "text"]),
    ],
)
async def test_bars(marked, stock, name, good, bad):
    """Of a request for bars, what a gateway takes is not marked, and what it refuses is."""
    for value in good:
        assert marked("reqHistoricalData", stock, **{**BARS, name: value}) == {}, value
    for value in bad:
        assert set(marked("reqHistoricalData", stock, **{**BARS, name: value})) == {name}, value


async def test_bars_kept_up_to_date_have_no_end(marked, stock):
    """An end time is right on its own, and wrong where bars are kept up to date."""
    both = {**BARS, "endDateTime": "20260102 15:00:00", "keepUpToDate": True}
    assert "kept up to date" in marked("reqHistoricalData", stock, **both)["endDateTime"]


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("numberOfTicks", [1, 1000], [0, 1001, "many"]),
        ("whatToShow", ["Bid_Ask", "TRADES", "MIDPOINT"], ["ASK", "LAST"]),
        ("startDateTime", ["", "20260102-15:00:00"], ["2026-01-02"]),
        ("useRth", [True, 0], ["no"]),
    ],
)
async def test_ticks(marked, stock, name, good, bad):
    """Of a request for historical ticks, what a gateway takes is not marked, the rest is."""
    for value in good:
        assert marked("reqHistoricalTicks", stock, **{**TICKS, name: value}) == {}, value
    for value in bad:
        assert set(marked("reqHistoricalTicks", stock, **{**TICKS, name: value})) == {name}, value


async def test_generic_ticks(marked, stock):
    """Numbers with commas, news providers and `mdoff` are not mistake; names are."""
    for ticks in ("", "233", "233,236", "233, 236", "mdoff,292:BRFG+DJNL", "mdoff,292:BRFG", 233):
        assert marked("reqMktData", stock, ticks, False, False, []) == {}, ticks
    for ticks in ("RTVolume", "233;236", "233 236"):
        assert set(marked("reqMktData", stock, ticks, False, False, [])) == {"genericTickList"}


async def test_other_requests(marked, stock, api):
    """The same name has another meaning elsewhere, and is judged by that request's own rules."""
    assert set(marked("reqRealTimeBars", stock, 5, "BID_ASK", False, [])) == {"whatToShow"}
    assert marked("reqRealTimeBars", stock, 5, "MIDPOINT", False, []) == {}
    assert set(marked("reqHeadTimeStamp", stock, "PRICES", 1, 0)) == {"whatToShow", "formatDate"}
    assert marked("reqHeadTimeStamp", stock, "TRADES", True, 2) == {}
    assert marked("reqTickByTickData", stock, "AllLast", 0, False) == {}
    assert set(marked("reqTickByTickData", stock, "Trades", 0, False)) == {"tickType"}
    assert marked("reqSecDefOptParams", "AAPL", "", "STK", 265598) == {}
    assert set(marked("reqSecDefOptParams", "AAPL", "", "STK", 0)) == {"underlyingConId"}
    assert marked("reqHistoricalNews", 265598, "BRFG", "2026-01-02 15:00:00.0", "", 5, []) == {}
    assert marked("reqMktData", api.Index("SPX", "CBOE"), "", False, False, []) == {}


async def test_what_a_contract_lacks(marked, api):
    """A contract that is not one contract is marked, but not where all that match are asked for."""

    def details(contract):
        return set(marked("reqContractDetails", contract))

    def data(contract):
        return set(marked("reqMktData", contract, "", False, False, []))

    contract = api.Contract
    assert data(contract(symbol="AAPL", exchange="SMART", currency="USD")) == {"contract.secType"}
    assert data(api.Stock("AAPL")) == {"contract.exchange"}
    assert data(contract(conId=265598)) == {"contract.exchange"}
    assert data(api.Stock("", "SMART", "USD")) == {"contract.symbol"}
    assert data(api.Option("AAPL", exchange="SMART")) == {
        "contract.lastTradeDateOrContractMonth",
        "contract.strike",
        "contract.right",
    }
    assert data(api.Future("ES", exchange="CME")) == {"contract.lastTradeDateOrContractMonth"}
    for whole in (
        contract(conId=265598, exchange="SMART"),
        contract(secIdType="FIGI", secId="BBG000B9XRY4", exchange="SMART"),
        api.Stock("AAPL", "SMART"),
        api.Future(localSymbol="ESH6", exchange="CME"),
        api.ContFuture("ES", "CME"),
        api.Option("AAPL", "20261218", 200.0, "C", "SMART"),
        api.Forex("EURUSD"),
        api.Bag(symbol="SPY", exchange="SMART", currency="USD"),
    ):
        assert data(whole) == set(), whole
    for vague in (
        api.Stock("AAPL"),
        api.Option("AAPL", "20261218", exchange="SMART"),
        api.Future("ES"),
        contract(conId=265598),
        contract(secType="BOND", issuerId="e1453318"),
    ):
        assert details(vague) == set(), vague
    assert details(contract()) == {"contract.secType", "contract.symbol"}


async def test_what_an_order_lacks(marked, stock, api):
    """Action, quantity and the prices that a type needs; what need not be there is not missed."""

    def order(**fields):
        stated = {"action": "BUY", "totalQuantity": 1, "orderType": "LMT", "lmtPrice": 100.0}
        return set(marked("placeOrder", stock, api.Order(**{**stated, **fields, "whatIf": True})))

    unset = api.util.UNSET_DOUBLE
    assert order() == set()
    assert order(action="HOLD") == {"order.action"}
    assert order(action="") == {"order.action"}
    assert order(totalQuantity=0) == {"order.totalQuantity"}
    assert order(totalQuantity=-5) == {"order.totalQuantity"}
    assert order(orderType="") == {"order.orderType"}
    assert order(lmtPrice=unset) == {"order.lmtPrice"}
    assert order(lmtPrice=math.nan) == {"order.lmtPrice"}
    assert order(lmtPrice="cheap") == {"order.lmtPrice"}
    assert order(orderType="STP", lmtPrice=unset) == {"order.auxPrice"}
    assert order(orderType="STP LMT", lmtPrice=unset) == {"order.auxPrice", "order.lmtPrice"}
    for whole in (
        {"lmtPrice": 0.0},
        {"lmtPrice": -1},
        {"lmtPrice": Decimal("100.5")},
        {"orderType": "MKT", "lmtPrice": unset},
        {"orderType": "STP", "lmtPrice": unset, "auxPrice": 99.0},
        {"orderType": "MOC", "lmtPrice": unset, "totalQuantity": Decimal(3)},
        {"totalQuantity": 0, "cashQty": 1000.0},
        {"totalQuantity": 0, "hedgeType": "F"},
        {"action": "SSHORT"},
    ):
        assert order(**whole) == set(), whole


@pytest.mark.parametrize(
    ("refusal", "name"),
    [
        ("Historical data bar size setting is invalid. Legal ones are: 1 secs", "barSizeSetting"),
        ("What to show field is missing or incorrect.", "whatToShow"),
        ("Date formatting selection of 5 rejected", "formatDate"),
        ("Please enter a valid security type", "contract.secType"),
        ("Invalid destination exchange specified", "contract.exchange"),
    ],
)
async def test_what_the_gateway_names_is_marked(marked, stock, refusal, name):
    """Where no rule knows better, the words of the refusal lead to the parameter."""
    text = f"Error validating request.-'bN' : cause - {refusal}"
    assert marked("reqHistoricalData", stock, **BARS, refusal=text) == {name: NAMED}


async def test_a_rule_says_more_than_the_gateway(marked, stock):
    """What a rule says of a parameter is not replaced by the bare hint."""
    text = "Error validating request.-'bN' : cause - Historical data bar size setting is invalid."
    wrong = {**BARS, "barSizeSetting": "5 minutes"}
    assert "5 mins" in marked("reqHistoricalData", stock, **wrong, refusal=text)["barSizeSetting"]


async def test_every_value_is_shown(session, ib, stock):
    """The request has a row for each parameter and for each field of its contract that is set."""
    ib.client.reqHistoricalData(9001, stock, **BARS)
    shown = {row.name: row.value for row in asked(session.journal.requests.all()[-1]).parameters}
    assert set(BARS) < set(shown)
    assert shown["contract.symbol"] == "'AAPL'"
    assert shown["durationStr"] == "'1 D'"
    assert "reqId" not in shown


@pytest.mark.parametrize("method", EXAMPLES)
async def test_an_example_is_answered(session, ib, api, method):
    """Each call sends its own request and is answered; no parameter of it is marked."""
    patch_loop()
    eval(compile(EXAMPLES[method], method, "eval"), {**vars(api), "ib": ib})  # noqa: S307 - ours
    await ib.reqCurrentTimeAsync()
    sent = next(one for one in reversed(session.journal.requests.all()) if one.method == method)
    assert not any(row.problem for row in asked(sent).parameters), asked(sent)
    answers = [one.text for one in session.journal.since(0) if one.req_id == sent.req_id]
    assert len(answers) == (method in SAID)
    assert all(SAID[method] in text for text in answers)


@pytest.mark.parametrize("method", EXAMPLES)
async def test_no_example_sends_an_order(gateway, ib, api, method):
    """Whatever the example, the gateway has no order of it, and nothing is cancelled by it."""
    patch_loop()
    eval(compile(EXAMPLES[method], method, "eval"), {**vars(api), "ib": ib})  # noqa: S307 - ours
    assert gateway.orders == ()
    calls = {node.attr for node in ast.walk(ast.parse(EXAMPLES[method])) if hasattr(node, "attr")}
    assert "placeOrder" not in calls


def test_no_part_of_an_account_is_left_where_a_value_is_cut():
    """Of a part nobody could tell that it is to be masked."""
    for size in range(100, 125):
        assert "DU12" not in shown(["x" * size, "DU1234567"]).replace("DU1234567", "")

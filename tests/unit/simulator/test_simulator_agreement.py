"""One scenario by two libraries: what they decode agrees with each other, and with the world."""

import asyncio
import datetime as dt
import logging
import queue
import threading

import pytest

from ibnb.simulator.world.history import BarRequest, bars_for
from ibnb.simulator.world.instruments import ContractSpec
from ibnb.simulator.world.universe import Universe

pytest.importorskip("ibapi", reason="the official library is not installed")

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

WAIT = 20
END = "20250606 23:59:59 UTC"
ENDINGS = {
    *("contractDetailsEnd", "historicalDataEnd", "securityDefinitionOptionParameterEnd"),
    *("mktDepthExchanges", "headTimestamp", "histogramData", "historicalTicksLast", "marketRule"),
    *("smartComponents", "newsProviders", "historicalNewsEnd", "scannerDataEnd", "positionEnd"),
    *("accountSummaryEnd", "familyCodes", "symbolSamples", "nextValidId", "scannerParameters"),
}
COMPARED = ("longName", "minTick", "timeZoneId", "tradingHours", "liquidHours", "validExchanges")
RECORDED = ENDINGS | {
    *("contractDetails", "historicalData", "securityDefinitionOptionParameter", "position"),
    *("historicalNews", "scannerData", "accountSummary", "error"),
}


class App(EWrapper, EClient):
    """The official client; what it is told goes into a queue."""

    def __init__(self):
        EClient.__init__(self, self)
        self.calls = queue.Queue()

    def ask(self, request, *arguments):
        """Send a request; return what was told until its end, by the name of the callback."""
        getattr(self, request)(*arguments)
        told = {}
        while not ENDINGS & set(told):
            name, values = self.calls.get(timeout=WAIT)
            if name != "error":
                told.setdefault(name, []).append(values)
        return told


def recorder(name):
    """Return a callback that records its calls."""

    def record(self, *values):
        self.calls.put((name, values))

    return record


for _name in RECORDED:
    setattr(App, _name, recorder(_name))


@pytest.fixture
def official(gateway, caplog):
    """The official client, connected; nothing of what it was told is misread."""
    caplog.set_level(logging.WARNING)
    app = App()
    app.connect("127.0.0.1", gateway.port, 9)
    reader = threading.Thread(target=app.run, daemon=True)
    reader.start()
    while app.calls.get(timeout=WAIT)[0] != "nextValidId":
        pass
    yield app
    app.disconnect()
    reader.join(WAIT)
    errors = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert [one.getMessage() for one in errors if one.name.startswith("ibapi")] == []


@pytest.fixture
def stock():
    """A stock as the official client describes it."""
    contract = Contract()
    contract.symbol, contract.secType = "AAPL", "STK"
    contract.exchange, contract.currency = "SMART", "USD"
    return contract


async def asked(official, request, *arguments):
    """Ask by the official client, without holding up the library's loop."""
    return await asyncio.to_thread(official.ask, request, *arguments)


async def test_two_libraries_are_told_the_same(official, stock, connect, library, misread):
    """Contracts, options, bars, ticks and all kinds of reference data agree, one by one."""
    ib = await connect()
    theirs = library.Stock("AAPL", "SMART", "USD", conId=265598)

    (details,) = await ib.reqContractDetailsAsync(theirs)
    ((_, other),) = (await asked(official, "reqContractDetails", 1, stock))["contractDetails"]
    for name in (
        "longName",
        "minTick",
        "timeZoneId",
        "tradingHours",
        "liquidHours",
        "validExchanges",
    ):
        assert getattr(details, name) == getattr(other, name), name
    assert details.contract.conId == other.contract.conId

    chains = await ib.reqSecDefOptParamsAsync("AAPL", "", "STK", 265598)
    told = await asked(official, "reqSecDefOptParams", 2, "AAPL", "", "STK", 265598)
    others = told["securityDefinitionOptionParameter"]
    assert {
        (one.exchange, frozenset(one.expirations), frozenset(one.strikes)) for one in chains
    } == {(one[1], frozenset(one[5]), frozenset(one[6])) for one in others}

    history = (END, "5 D", "1 hour", "TRADES")
    bars = await ib.reqHistoricalDataAsync(theirs, *history, useRTH=True, formatDate=2)
    told = await asked(
        official, "reqHistoricalData", 3, stock, END, "5 D", "1 hour", "TRADES", 1, 2, False, []
    )
    plain = [
        (int(bar.date.timestamp()), bar.open, bar.high, bar.low, bar.close, bar.volume)
        for bar in bars
    ]
    assert plain == [
        (int(bar.date), bar.open, bar.high, bar.low, bar.close, bar.volume)
        for _, bar in told["historicalData"]
    ]
    (instrument,) = Universe().find(ContractSpec(con_id=265598))
    request = BarRequest(END, "1 hour", "5 D", True, "TRADES", 2, False)
    world = bars_for(instrument, request, dt.datetime.now(dt.UTC).timestamp())
    assert plain == [
        (bar.time, bar.open, bar.high, bar.low, bar.close, bar.volume) for bar in world
    ]

    ticks = await ib.reqHistoricalTicksAsync(theirs, "", END, 50, "TRADES", useRth=True)
    told = await asked(
        official, "reqHistoricalTicks", 4, stock, "", END, 50, "TRADES", 1, False, []
    )
    ((_, others, _),) = told["historicalTicksLast"]
    assert [(one.price, one.size) for one in ticks] == [(one.price, one.size) for one in others]

    histogram = await ib.reqHistogramDataAsync(theirs, True, "1 week")
    ((_, others),) = (await asked(official, "reqHistogramData", 5, stock, True, "1 week"))[
        "histogramData"
    ]
    assert min(len(histogram), len(others)) > 10
    assert misread() == []


async def test_reference_data_agrees(official, connect, misread):
    """Rules, exchanges, news and scanners are the same for both."""
    ib = await connect()
    rule = await ib.reqMarketRuleAsync(239)
    ((_, others),) = (await asked(official, "reqMarketRule", 239))["marketRule"]
    assert [(one.lowEdge, one.increment) for one in rule] == [(0, 0.00005)]
    assert [(one.lowEdge, one.increment) for one in others] == [(0, 0.00005)]

    exchanges = await ib.reqMktDepthExchangesAsync()
    ((others,),) = (await asked(official, "reqMktDepthExchanges"))["mktDepthExchanges"]
    assert [(one.exchange, one.secType) for one in exchanges] == [
        (one.exchange, one.secType) for one in others
    ]

    components = await ib.reqSmartComponentsAsync("9c0001")
    ((_, others),) = (await asked(official, "reqSmartComponents", 6, "9c0001"))["smartComponents"]
    assert [one.exchangeLetter for one in components] == [one.exchangeLetter for one in others]

    providers = await ib.reqNewsProvidersAsync()
    ((others,),) = (await asked(official, "reqNewsProviders"))["newsProviders"]
    assert [one.code for one in providers] == [one.code for one in others]

    news = await ib.reqHistoricalNewsAsync(265598, "BRFG", "", END, 3)
    told = await asked(official, "reqHistoricalNews", 7, 265598, "BRFG", "", END, 3, [])
    assert [one.headline for one in news] == [one[4] for one in told["historicalNews"]]
    assert len(news) == 3
    article = await ib.reqNewsArticleAsync("BRFG", news[0].articleId)
    assert news[0].headline in article.articleText

    held = await ib.reqPositionsAsync()
    told = await asked(official, "reqPositions")
    assert {(one.contract.symbol, one.position, one.avgCost) for one in held} == {
        (one[1].symbol, one[2], one[3]) for one in told["position"]
    }
    xml = await ib.reqScannerParametersAsync()
    ((other,),) = (await asked(official, "reqScannerParameters"))["scannerParameters"]
    assert xml == other
    assert misread() == []

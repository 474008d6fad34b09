"""Nobody waits in vain: every request of the libraries ends, served or refused."""

import asyncio
import inspect
import threading

import pytest

from ibnb.simulator.answers import KNOWN_REQUESTS

SOON = 15.0
NOT_REQUESTS = {"connectAsync", "timeRangeAsync"}
NEWEST_REQUEST = 105
"""The highest message id of a request that a client can send below server version 201."""


def stock(api):
    """Return a stock that is known."""
    return api.Stock("AAPL", "SMART", "USD", conId=265598)


async def qualified_option(ib, api):
    """Return one option that is traded."""
    chain = (await ib.reqSecDefOptParamsAsync("SPX", "", "IND", 416904))[0]
    return api.Option("SPX", sorted(chain.expirations)[2], 6000.0, "C", "SMART", "100", "USD")


async def implied(ib, api):
    """Ask for the volatility that a price means."""
    return await ib.calculateImpliedVolatilityAsync(await qualified_option(ib, api), 100.0, 6000.0)


async def priced(ib, api):
    """Ask for the price that a volatility means."""
    return await ib.calculateOptionPriceAsync(await qualified_option(ib, api), 0.2, 6000.0)


async def article(ib, _api):
    """Ask for the text of a headline."""
    (headline,) = await ib.reqHistoricalNewsAsync(265598, "BRFG", "", "", 1)
    return await ib.reqNewsArticleAsync(headline.providerCode, headline.articleId)


SCAN = {"instrument": "STK", "locationCode": "STK.US.MAJOR", "scanCode": "TOP_PERC_GAIN"}
HISTORY = ("", "1 D", "1 hour", "TRADES", True)
CALLS = {
    "accountSummaryAsync": lambda ib, _api: ib.accountSummaryAsync(),
    "calculateImpliedVolatilityAsync": implied,
    "calculateOptionPriceAsync": priced,
    "getWshEventDataAsync": lambda ib, api: ib.getWshEventDataAsync(api.WshEventData(8314)),
    "getWshMetaDataAsync": lambda ib, _api: ib.getWshMetaDataAsync(),
    "qualifyContractsAsync": lambda ib, api: ib.qualifyContractsAsync(stock(api)),
    "reqAccountSummaryAsync": lambda ib, _api: ib.reqAccountSummaryAsync(),
    "reqAccountUpdatesAsync": lambda ib, _api: ib.reqAccountUpdatesAsync(""),
    "reqAccountUpdatesMultiAsync": lambda ib, _api: ib.reqAccountUpdatesMultiAsync(""),
    "reqAllOpenOrdersAsync": lambda ib, _api: ib.reqAllOpenOrdersAsync(),
    "reqCompletedOrdersAsync": lambda ib, _api: ib.reqCompletedOrdersAsync(False),
    "reqContractDetailsAsync": lambda ib, api: ib.reqContractDetailsAsync(stock(api)),
    "reqCurrentTimeAsync": lambda ib, _api: ib.reqCurrentTimeAsync(),
    "reqExecutionsAsync": lambda ib, _api: ib.reqExecutionsAsync(),
    "reqFundamentalDataAsync": lambda ib, api: ib.reqFundamentalDataAsync(stock(api), "ReportSnap"),
    "reqHeadTimeStampAsync": lambda ib, api: ib.reqHeadTimeStampAsync(
        stock(api), "TRADES", True, 1
    ),
    "reqHistogramDataAsync": lambda ib, api: ib.reqHistogramDataAsync(stock(api), True, "1 day"),
    "reqHistoricalDataAsync": lambda ib, api: ib.reqHistoricalDataAsync(stock(api), *HISTORY),
    "reqHistoricalNewsAsync": lambda ib, _api: ib.reqHistoricalNewsAsync(
        265598, "BRFG+DJNL", "", "", 5
    ),
    "reqHistoricalScheduleAsync": lambda ib, api: ib.reqHistoricalScheduleAsync(stock(api), 5),
    "reqHistoricalTicksAsync": lambda ib, api: ib.reqHistoricalTicksAsync(
        stock(api), "", "20250606 19:00:00 UTC", 100, "TRADES", True
    ),
    "reqMarketRuleAsync": lambda ib, _api: ib.reqMarketRuleAsync(26),
    "reqMatchingSymbolsAsync": lambda ib, _api: ib.reqMatchingSymbolsAsync("AAPL"),
    "reqMktDepthExchangesAsync": lambda ib, _api: ib.reqMktDepthExchangesAsync(),
    "reqNewsArticleAsync": article,
    "reqNewsProvidersAsync": lambda ib, _api: ib.reqNewsProvidersAsync(),
    "reqOpenOrdersAsync": lambda ib, _api: ib.reqOpenOrdersAsync(),
    "reqPositionsAsync": lambda ib, _api: ib.reqPositionsAsync(),
    "reqScannerDataAsync": lambda ib, api: ib.reqScannerDataAsync(api.ScannerSubscription(**SCAN)),
    "reqScannerParametersAsync": lambda ib, _api: ib.reqScannerParametersAsync(),
    "reqSecDefOptParamsAsync": lambda ib, _api: ib.reqSecDefOptParamsAsync(
        "AAPL", "", "STK", 265598
    ),
    "reqSmartComponentsAsync": lambda ib, _api: ib.reqSmartComponentsAsync("9c0001"),
    "reqTickersAsync": lambda ib, api: ib.reqTickersAsync(stock(api)),
    "reqUserInfoAsync": lambda ib, _api: ib.reqUserInfoAsync(),
    "requestFAAsync": lambda ib, _api: ib.requestFAAsync(1),
    "whatIfOrderAsync": lambda ib, api: ib.whatIfOrderAsync(stock(api), api.MarketOrder("BUY", 1)),
}
SERVED = sorted(
    set(CALLS)
    - {"getWshEventDataAsync", "getWshMetaDataAsync", "reqFundamentalDataAsync"}
    - {"reqUserInfoAsync", "requestFAAsync"}
    # What is empty in a world in which nothing was ordered.
    - {"reqAllOpenOrdersAsync", "reqOpenOrdersAsync", "reqCompletedOrdersAsync"}
    - {"reqExecutionsAsync", "reqAccountSummaryAsync", "reqAccountUpdatesMultiAsync"}
    - {"reqAccountUpdatesAsync"}
)
"""What brings something; the others are refused, or have nothing to bring."""


def test_every_call_that_waits_is_tried(library):
    """Whatever public method of the library waits is in the list above; a new one is noticed."""
    waiting = {
        name
        for name in dir(library.IB)
        if name.endswith("Async") and not name.startswith("_") and name not in NOT_REQUESTS
    }
    assert waiting == set(CALLS)


@pytest.mark.parametrize("name", sorted(CALLS))
async def test_each_call_that_waits_ends(connect, library, misread, name):
    """It brings something, or is refused: in either case the library goes on, and understands."""
    ib = await connect()
    result = await asyncio.wait_for(CALLS[name](ib, library), SOON)
    if name in SERVED:
        assert result
    assert [text for text in misread() if "Timeout" not in text] == []


@pytest.mark.parametrize("day", ["1", "a9f5d", "7fffffff", "f" * 30, "-1", "x"])
async def test_an_article_of_no_day_of_trading_is_refused(connect, until, day):
    """Before there were zones or prices, after today, or no number; the gateway goes on."""
    ib = await connect()
    codes = []
    ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
    # One of the libraries goes on waiting for what was refused with 321.
    ask = asyncio.ensure_future(ib.reqNewsArticleAsync("BRFG", f"BRFG$40d7e-{day}"))
    await until(lambda: codes == [321])
    ask.cancel()
    assert await asyncio.wait_for(ib.reqNewsProvidersAsync(), SOON)


@pytest.mark.parametrize("volatility", [1e308, 1e200, float("inf"), float("nan"), -1.0])
async def test_an_option_without_a_price_ends_the_wait(connect, library, volatility):
    """Whatever is asked for, something comes, and the gateway goes on."""
    ib = await connect()
    option = await qualified_option(ib, library)
    asked = ib.calculateOptionPriceAsync(option, volatility, 6000.0)
    await asyncio.wait_for(asked, SOON)
    assert await asyncio.wait_for(ib.reqNewsProvidersAsync(), SOON)


async def test_what_cannot_name_legs_ends_the_wait(connect, library):
    """Ticks of a combination end at once in either library: their request has no legs."""
    ib = await connect()
    codes = []
    ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
    legs = [
        library.ComboLeg(265598, 1, "BUY", "SMART"),
        library.ComboLeg(272093, 1, "SELL", "SMART"),
    ]
    bag = library.Contract(
        secType="BAG", symbol="AAPL", exchange="SMART", currency="USD", comboLegs=legs
    )
    ask = ib.reqHistoricalTicksAsync(bag, "", "20250606 19:00:00 UTC", 100, "TRADES", True)
    assert not await asyncio.wait_for(ask, SOON)
    assert codes == [200]


def test_every_request_of_the_wire_is_known():
    """Each message id that the official client can send is answered, ended or refused."""
    message = pytest.importorskip("ibapi.message")
    sent = {
        number
        for name, number in vars(message.OUT).items()
        if name.isupper() and isinstance(number, int)
    }
    assert sent | set(range(99, NEWEST_REQUEST + 1)) <= set(KNOWN_REQUESTS)


PARAMETERS = {
    **dict.fromkeys(("reqId", "tickerId", "orderId"), 77),
    **dict.fromkeys(("genericTickList", "apiData", "apiName", "xyzResponse"), ""),
    **dict.fromkeys(("apiVersion", "opaqueIsvKey", "contractInfo", "modelCode", "cxml"), ""),
    **dict.fromkeys(("account", "acctCode", "futFopExchange", "startDateTime"), ""),
    **dict.fromkeys(("snapshot", "regulatorySnapshot", "isSmartDepth", "ignoreSize"), False),
    **dict.fromkeys(("bAutoBind", "apiOnly", "allMsgs", "keepUpToDate", "ledgerAndNLV"), False),
    **dict.fromkeys(("subscribe", "useRTH"), True),
    **dict.fromkeys(("marketDataType", "logLevel", "numIds", "faData", "override"), 1),
    **dict.fromkeys(("exerciseAction", "exerciseQuantity", "groupId", "formatDate"), 1),
    **{name: [] for name in ("mktDataOptions", "mktDepthOptions", "chartOptions", "miscOptions")},
    **{name: [] for name in ("implVolOptions", "optPrcOptions", "realTimeBarsOptions")},
    **{name: [] for name in ("fundamentalDataOptions", "newsArticleOptions")},
    **{name: [] for name in ("historicalNewsOptions", "scannerSubscriptionOptions")},
    "scannerSubscriptionFilterOptions": [],
    "bboExchange": "9c0001",
    "marketRuleId": 26,
    "tickType": "Last",
    "numberOfTicks": 10,
    "optionPrice": 10.0,
    "underPrice": 230.0,
    "volatility": 0.2,
    "groupName": "All",
    "tags": "NetLiquidation",
    "conid": 265598,
    "conId": 265598,
    "numRows": 5,
    "endDateTime": "20250606 19:00:00 UTC",
    "durationStr": "1 D",
    "barSizeSetting": "1 hour",
    "whatToShow": "TRADES",
    "timePeriod": "1 day",
    "useRth": True,
    "barSize": 5,
    "reportType": "ReportSnapshot",
    "providerCode": "BRFG",
    "articleId": "BRFG$1-1",
    "providerCodes": "BRFG",
    "totalResults": 5,
    "underlyingSymbol": "AAPL",
    "underlyingSecType": "STK",
    "underlyingConId": 265598,
    "pattern": "AAPL",
}
LOCAL = {"keyboardInterrupt", "keyboardInterruptHard", "logRequest", "sendMsg", "setConnState"} | {
    *("connect", "disconnect", "isConnected", "run", "reset", "serverVersion", "startApi"),
    *("setConnectionOptions", "twsConnectionTime", "msgLoopRec", "msgLoopTmo"),
    *("verifyAndAuthRequest", "verifyRequest", "verifyAndAuthMessage", "verifyMessage"),
}
"""What sends nothing, or what the client itself forbids."""


def official_requests():
    """Return every public request of the official client."""
    client = pytest.importorskip("ibapi.client")
    found = inspect.getmembers(client.EClient, inspect.isfunction)
    return {name: call for name, call in found if not name.startswith("_") and name not in LOCAL}


def test_every_request_of_the_official_client_is_understood(gateway):
    """Each public method sends what is understood: none is unknown, and none unreadable."""
    requests = official_requests()
    from ibapi.client import EClient
    from ibapi.contract import Contract
    from ibapi.execution import ExecutionFilter
    from ibapi.order import Order
    from ibapi.scanner import ScannerSubscription
    from ibapi.wrapper import EWrapper

    told, came = [], threading.Event()

    class App(EWrapper, EClient):
        def __init__(self):
            EClient.__init__(self, self)

        def error(self, reqId, errorCode, errorString):  # noqa: N803, ARG002 - its signature
            told.append((errorCode, errorString))

        def currentTime(self, time):  # noqa: N802, ARG002 - its signature
            came.set()

    contract = Contract()
    contract.symbol, contract.secType = "AAPL", "STK"
    contract.exchange, contract.currency = "SMART", "USD"
    order = Order()
    order.action, order.orderType, order.totalQuantity, order.lmtPrice = "BUY", "LMT", 1, 1.0
    values = {
        **PARAMETERS,
        "contract": contract,
        "order": order,
        "execFilter": ExecutionFilter(),
        "subscription": ScannerSubscription(),
    }
    app = App()
    app.connect("127.0.0.1", gateway.port, 5)
    reader = threading.Thread(target=app.run, daemon=True)
    reader.start()
    for name, call in sorted(requests.items()):
        names = list(inspect.signature(call).parameters)[1:]
        assert set(names) <= set(values), f"{name} has new parameters"
        call(app, *(values[one] for one in names))
    came.clear()
    app.reqCurrentTime()
    assert came.wait(SOON)
    app.disconnect()
    reader.join(SOON)
    assert [one for one in told if one[0] in {320, 505, 506, 509}] == []

"""A request as it was sent, parameter by parameter, with what is known to be wrong marked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ibnb.knowledge import Asked, Parameter
from ibnb.session.records.requests import ID_NAMES, Request

from .mending import mended
from .parameter_rules import contract_objection, is_unset, objection, order_objection

LONGEST_VALUE = 120
_BEGUN = re.compile(r"[^\W_]*$")
SHOWN_OF_CONTRACT = (
    *("conId", "secType", "symbol", "localSymbol", "lastTradeDateOrContractMonth", "strike"),
    *("right", "multiplier", "exchange", "primaryExchange", "currency", "tradingClass"),
    *("secIdType", "secId", "comboLegs"),
)
SHOWN_OF_ORDER = (
    *("action", "totalQuantity", "cashQty", "orderType", "lmtPrice", "auxPrice", "tif"),
    *("outsideRth", "account", "whatIf", "transmit", "parentId", "ocaGroup"),
)

_STOCK = 'Stock("AAPL", "SMART", "USD")'
_ACCOUNT = "ib.managedAccounts()[0]"
_QUALIFIED = f"*ib.qualifyContracts({_STOCK})"
# ib_async cannot keep the ticker of a contract that is not qualified.
EXAMPLES: Mapping[str, str] = {
    "reqHistoricalData": (
        f'ib.reqHistoricalData({_STOCK}, endDateTime="", durationStr="1 D", '
        'barSizeSetting="1 hour", whatToShow="TRADES", useRTH=True)'
    ),
    "reqContractDetails": f"ib.reqContractDetails({_STOCK})",
    "reqMktData": f'ib.reqMktData({_QUALIFIED}, "", False, False)',
    "reqHeadTimeStamp": f'ib.reqHeadTimeStamp({_STOCK}, "TRADES", True, 1)',
    "reqHistoricalTicks": (
        f'ib.reqHistoricalTicks({_STOCK}, "", "20260102 15:00:00 US/Eastern", 100, "TRADES", True)'
    ),
    "reqRealTimeBars": f'ib.reqRealTimeBars({_STOCK}, 5, "TRADES", False)',
    "reqTickByTickData": f'ib.reqTickByTickData({_QUALIFIED}, "AllLast")',
    "reqMktDepth": f"ib.reqMktDepth({_QUALIFIED})",
    "reqSecDefOptParams": 'ib.reqSecDefOptParams("AAPL", "", "STK", 265598)',
    "reqMatchingSymbols": 'ib.reqMatchingSymbols("AAPL")',
    "reqAccountUpdates": f"ib.reqAccountUpdates({_ACCOUNT})",
    "reqAccountUpdatesMulti": f"ib.reqAccountUpdatesMulti({_ACCOUNT})",
    "reqAccountSummary": "ib.accountSummary()",
    "reqPnL": f"ib.reqPnL({_ACCOUNT})",
    "reqPnLSingle": f'ib.reqPnLSingle({_ACCOUNT}, "", 265598)',
    "reqScannerSubscription": (
        'ib.reqScannerData(ScannerSubscription(instrument="STK", locationCode="STK.US.MAJOR", '
        'scanCode="TOP_PERC_GAIN"))'
    ),
    "reqFundamentalData": f'ib.reqFundamentalData({_QUALIFIED}, "ReportSnapshot")',
    "reqHistogramData": f'ib.reqHistogramData({_QUALIFIED}, True, "1 week")',
    "reqHistoricalNews": 'ib.reqHistoricalNews(265598, "BRFG", "", "", 10)',
    "placeOrder": f'ib.whatIfOrder({_QUALIFIED}, LimitOrder("BUY", 1, 100.0))',
}
"""Calls to start from, as users of the libraries write them. None of them sends an order: a what-if
order is answered with its margin and goes no further."""

CANCELS: Mapping[str, str] = {
    "cancelOrder": "ib.cancelOrder(trade.order)  # trade: one of ib.openTrades()",
    "cancelMktData": "ib.cancelMktData(ticker.contract)  # ticker: what ib.reqMktData returned",
    "cancelMktDepth": "ib.cancelMktDepth(ticker.contract)  # ticker: from ib.reqMktDepth",
    "cancelHistoricalData": "ib.cancelHistoricalData(bars)  # bars: from ib.reqHistoricalData",
}
"""The same for what takes a request back, which has to name that request."""

NAMED = "the gateway's answer names it"
_NAMING: tuple[tuple[str, tuple[str, ...]], ...] = (
    (r"bar size", ("barSizeSetting",)),
    (r"duration", ("durationStr",)),
    (r"what ?to ?show", ("whatToShow",)),
    (r"date format", ("formatDate",)),
    (r"end date|date, time", ("endDateTime",)),
    (r"generic tick", ("genericTickList",)),
    (r"security type", ("contract.secType",)),
    (r"exchange", ("contract.exchange",)),
    (r"side field", ("order.action",)),
    (r"account code", ("account", "acctCode")),
)
"""What a refusal speaks of, by the words that it uses, and the parameters of that name."""
_CAUSE = re.compile(r"(?:cause|case) - (.*?)(?:\.\s|$)", re.DOTALL)
"""The first sentence of the cause: in the next a gateway lists what it would have taken."""


def asked(request: Request, refusal: str = "") -> Asked:
    """Return a request parameter by parameter, and what is missing or of the wrong kind.

    Args:
        request: the request as it was journalled.
        refusal: the text of the notice by which a gateway refused it as invalid, if it did. What
            it speaks of is marked where no rule says more.
    """
    rows: list[Parameter] = []
    for name, value in request.parameters.items():
        if name == "contract":
            rows += _contract(request.method, value)
        elif name == "order":
            rows += _order(value)
        elif name not in ID_NAMES:
            problem = objection(request.method, name, value, request.parameters)
            rows.append(Parameter(name, shown(value), problem))
    spoken_of = _named(refusal)
    rows = [
        replace(row, problem=NAMED) if row.name in spoken_of and not row.problem else row
        for row in rows
    ]
    example = EXAMPLES.get(request.method) or CANCELS.get(request.method, "")
    own = mended(request.method, request.parameters)
    return Asked(request.method, tuple(rows), example, own)


def is_qualified(contract: Any) -> bool:
    """Say whether a contract has the number that only the gateway can give it."""
    return bool(getattr(contract, "conId", 0))


def shown(value: Any) -> str:
    """Return a value as it may be shown, shortened."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - an object of the user's own making
        text = f"a {type(value).__name__}"
    if len(text) <= LONGEST_VALUE:
        return text
    # Of a part of an account nobody could tell that it is to be masked.
    return f"{_BEGUN.sub('', text[:LONGEST_VALUE])}…"


def _named(refusal: str) -> frozenset[str]:
    cause = _CAUSE.search(refusal)
    if cause is None:
        return frozenset()
    found = [names for words, names in _NAMING if re.search(words, cause[1], re.IGNORECASE)]
    return frozenset(name for names in found for name in names)


def _contract(method: str, contract: Any) -> Iterator[Parameter]:
    for name in SHOWN_OF_CONTRACT:
        value = getattr(contract, name, "")
        problem = contract_objection(method, name, contract)
        if value or problem:
            yield Parameter(f"contract.{name}", shown(value), problem)


def _order(order: Any) -> Iterator[Parameter]:
    for name in SHOWN_OF_ORDER:
        value = getattr(order, name, "")
        unset = is_unset(value)
        problem = order_objection(name, order)
        if problem or not (unset or value in ("", False, 0, None)):
            yield Parameter(f"order.{name}", "not set" if unset else shown(value), problem)

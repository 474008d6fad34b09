"""What is known to be wrong with a parameter of a request.

Every rule rests on what the documentation of the requests says, or on what gateways answered. What
is not known to be wrong is not objected to: a wrong objection costs the reader more than none.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

Rule = Callable[[Any, Mapping[str, Any]], str]
"""Takes a parameter's value and all parameters; returns what is wrong with it, empty for nothing.
"""

DURATION = re.compile(r"\s*\d+\s*[SDWMY]?\s*", re.IGNORECASE)
"""Without a unit a gateway takes it for seconds."""
BAR_SIZES = frozenset(
    {
        *(f"{number} secs" for number in (1, 5, 10, 15, 30)),
        *("1 min", "1 hour", "1 day", "1 week", "1 month", "1W", "1M"),
        *(f"{number} mins" for number in (2, 3, 5, 10, 15, 20, 30)),
        *(f"{number} hours" for number in (2, 3, 4, 8)),
    }
)
"""As gateways list them where they refuse another, and as the documentation does."""
BARS_SHOW = (
    *("TRADES", "MIDPOINT", "BID", "ASK", "BID_ASK", "ADJUSTED_LAST", "HISTORICAL_VOLATILITY"),
    *("OPTION_IMPLIED_VOLATILITY", "FEE_RATE", "REBATE_RATE", "YIELD_BID", "YIELD_ASK"),
    *("YIELD_BID_ASK", "YIELD_LAST", "SCHEDULE", "AGGTRADES"),
)
REAL_TIME_BARS_SHOW = ("TRADES", "MIDPOINT", "BID", "ASK")
TICKS_SHOW = ("TRADES", "MIDPOINT", "BID_ASK")
TICK_TYPES = ("Last", "AllLast", "BidAsk", "MidPoint")
TIME = re.compile(r"\s*(\d{8}|(\d{8}[ -]+)?\d{1,2}:\d{2}(:\d{2})?(\s+\S+)?)\s*")
"""The date may be left out, and so may the zone; a dash before the time means UTC."""
GENERIC_TICKS = re.compile(r"\s*((mdoff|\d+)(:[\w+-]+)?)?\s*", re.IGNORECASE)
MOST_TICKS = 1000
PRICED = ("LMT", "STP LMT", "LIT", "LOC")
TRIGGERED = ("STP", "STP LMT", "MIT", "LIT")
ACTIONS = ("BUY", "SELL", "SSHORT", "SLONG")
UNSET = 1e300
"""The libraries' word for a price that nobody gave is the largest number that there is."""
NARROWING: Mapping[str, tuple[str, ...]] = {
    "FUT": ("lastTradeDateOrContractMonth",),
    "OPT": ("lastTradeDateOrContractMonth", "strike", "right"),
    "FOP": ("lastTradeDateOrContractMonth", "strike", "right"),
}
"""By kind of contract, what makes one contract of many."""
LOOKING_UP = frozenset({"reqContractDetails"})
"""Requests that a half-described contract is good for: they ask for all that match it."""
ROUTED = frozenset(
    {
        *("reqMktData", "reqHistoricalData", "reqRealTimeBars", "reqTickByTickData"),
        *("reqMktDepth", "reqHistoricalTicks", "placeOrder"),
    }
)
"""Requests that a gateway refuses without an exchange, for a contract with its conId too."""


def objection(method: str, name: str, value: Any, others: Mapping[str, Any]) -> str:
    """Return what is known to be wrong with one parameter of a request, empty for nothing."""
    rule = _RULES.get(method, {}).get(name)
    return rule(value, others) if rule is not None else ""


def contract_objection(method: str, name: str, contract: Any) -> str:
    """Return what is known to be wrong with one field of a request's contract."""
    if getattr(contract, name, ""):
        return ""
    if name == "exchange":
        return "is missing" if method in ROUTED else ""
    if _has(contract, "conId", "secId", "issuerId"):
        return ""
    if name == "secType":
        return "is missing"
    kind = getattr(contract, "secType", "")
    if name == "symbol":
        named = kind == "BAG" or _has(contract, "localSymbol", "tradingClass")
        return "" if named else "is missing, and so is localSymbol"
    narrowing = name in NARROWING.get(kind, ()) and not _has(contract, "localSymbol")
    is_ambiguous = narrowing and method not in LOOKING_UP
    return "is missing; the contract is ambiguous without it" if is_ambiguous else ""


def order_objection(name: str, order: Any) -> str:
    """Return what is known to be wrong with one field of an order."""
    value = getattr(order, name, "")
    kind = str(getattr(order, "orderType", "")).upper()
    if name == "action" and str(value).upper() not in ACTIONS:
        return "is neither BUY nor SELL"
    if name == "orderType" and not value:
        return "is missing"
    # By an amount of money, by an advisor's profile or as a hedge, orders have no quantity.
    sized = _has(order, "faGroup", "faProfile", "faMethod", "hedgeType") or _given(
        getattr(order, "cashQty", None)
    )
    if name == "totalQuantity" and not sized and not (_number(value) or 0) > 0:
        return "is not a positive quantity"
    if name == "lmtPrice" and kind in PRICED and not _has(order, "orderComboLegs"):
        return _price(value, kind)
    if name == "auxPrice" and kind in TRIGGERED:
        return _price(value, kind)
    return ""


def is_unset(value: Any) -> bool:
    """Say whether a number stands for one that nobody gave."""
    number = _number(value)
    return number is not None and abs(number) > UNSET


def _has(thing: Any, *names: str) -> bool:
    return any(getattr(thing, name, None) for name in names)


def _given(value: Any) -> bool:
    number = _number(value)
    return number is not None and 0 < number < UNSET


def _number(value: Any) -> float | None:
    """Return what a library would send as a number: of any numeric type, and of text."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _price(value: Any, kind: str) -> str:
    if value is None or value == "" or is_unset(value):
        return f"is missing: an order of type {kind} needs it"
    number = _number(value)
    return "" if number is not None and math.isfinite(number) else "is not a price"


def _one_of(known: tuple[str, ...]) -> Rule:
    # Whether case matters differs from one request to another.
    folded = {name.casefold() for name in known}

    def look(value: Any, _others: Mapping[str, Any]) -> str:
        right = isinstance(value, str) and value.strip().casefold() in folded
        return "" if right else f"is not one of {', '.join(known)}"

    return look


def _bar_size(value: Any, _others: Mapping[str, Any]) -> str:
    return "" if value in BAR_SIZES else 'is not a bar size such as "1 secs", "5 mins" or "1 day"'


def _duration(value: Any, _others: Mapping[str, Any]) -> str:
    if DURATION.fullmatch(str(value)):
        return ""
    return 'must be a number and a unit (S, D, W, M or Y), as in "1 D"'


def _time(value: Any, others: Mapping[str, Any]) -> str:
    if value and others.get("keepUpToDate"):
        return "must be empty where bars are kept up to date"
    if not value or TIME.fullmatch(str(value)):
        return ""
    return 'is not a time such as "20260102 15:00:00 US/Eastern"'


def _regular_hours(value: Any, _others: Mapping[str, Any]) -> str:
    return "" if str(value) in {"True", "False", "0", "1"} else "is neither True nor False"


def _date_format(value: Any, _others: Mapping[str, Any]) -> str:
    right = (_number(value) or 0) >= 1
    return "" if right else "must be 1 for dates as text, or 2 for seconds since 1970"


def _tick_count(value: Any, _others: Mapping[str, Any]) -> str:
    right = 1 <= (_number(value) or 0) <= MOST_TICKS
    return "" if right else f"must be a number from 1 to {MOST_TICKS}"


def _generic_ticks(value: Any, _others: Mapping[str, Any]) -> str:
    right = all(GENERIC_TICKS.fullmatch(one) for one in str(value).split(","))
    return "" if right else "must be numbers with commas between them"


def _contract_id(value: Any, _others: Mapping[str, Any]) -> str:
    right = (_number(value) or 0) > 0
    return "" if right else "is not a conId: ib.qualifyContracts(contract) finds it"


_RULES: Mapping[str, Mapping[str, Rule]] = {
    "reqHistoricalData": {
        "endDateTime": _time,
        "durationStr": _duration,
        "barSizeSetting": _bar_size,
        "whatToShow": _one_of(BARS_SHOW),
        "useRTH": _regular_hours,
        "formatDate": _date_format,
    },
    "reqHeadTimeStamp": {
        "whatToShow": _one_of(BARS_SHOW),
        "useRTH": _regular_hours,
        "formatDate": _date_format,
    },
    "reqHistoricalTicks": {
        "startDateTime": _time,
        "endDateTime": _time,
        "numberOfTicks": _tick_count,
        "whatToShow": _one_of(TICKS_SHOW),
        "useRth": _regular_hours,
    },
    "reqRealTimeBars": {"whatToShow": _one_of(REAL_TIME_BARS_SHOW), "useRTH": _regular_hours},
    "reqTickByTickData": {"tickType": _one_of(TICK_TYPES)},
    "reqMktData": {"genericTickList": _generic_ticks},
    "reqSecDefOptParams": {"underlyingConId": _contract_id},
}
"""By method and parameter: the same name means different things in different requests."""

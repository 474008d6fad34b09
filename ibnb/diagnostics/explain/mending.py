"""The user's own call, mended: the same request with what was wrong with it put right.

What cannot be put right for certain, such as a price, is left alone: then there is no such call.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from .parameter_rules import (
    BAR_SIZES,
    BARS_SHOW,
    DURATION,
    GENERIC_TICKS,
    MOST_TICKS,
    REAL_TIME_BARS_SHOW,
    TICK_TYPES,
    TICKS_SHOW,
    contract_objection,
    objection,
)

Mend = Callable[[Any, Mapping[str, Any]], Any]
"""Takes a parameter's value and all parameters; returns what to give instead, None for unknown."""

LONGEST_CALL = 600
SMART = "SMART"
ON_SMART = frozenset({"STK", "OPT", "WAR", "BAG", "CFD"})
"""Kinds of contracts that are routed by IBKR unless an exchange is named."""
CALLS: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "reqHistoricalData": (
        *((name, ...) for name in ("endDateTime", "durationStr", "barSizeSetting", "whatToShow")),
        *(("useRTH", ...), ("formatDate", 1), ("keepUpToDate", False)),
    ),
    "reqHeadTimeStamp": (("whatToShow", ...), ("useRTH", ...), ("formatDate", 1)),
    "reqHistoricalTicks": (
        *((name, ...) for name in ("startDateTime", "endDateTime", "numberOfTicks", "whatToShow")),
        *(("useRth", ...), ("ignoreSize", False)),
    ),
    "reqRealTimeBars": (("barSize", ...), ("whatToShow", ...), ("useRTH", ...)),
    "reqTickByTickData": (("tickType", ...), ("numberOfTicks", 0), ("ignoreSize", False)),
    "reqMktData": (("genericTickList", ""), ("snapshot", False), ("regulatorySnapshot", False)),
    "reqMktDepth": (("numRows", 5), ("isSmartDepth", False)),
}
"""By request what its call takes besides the contract; the value with which it can be left out."""

SECONDS: Mapping[str, int] = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600),
    **dict.fromkeys(("d", "day", "days"), 86_400),
    **dict.fromkeys(("w", "week", "weeks"), 604_800),
    **dict.fromkeys(("m", "mo", "month", "months"), 2_592_000),
    **dict.fromkeys(("y", "yr", "year", "years"), 31_536_000),
}
LETTERS: Mapping[int, str] = {86_400: "D", 604_800: "W", 2_592_000: "M", 31_536_000: "Y"}
_SPAN = re.compile(r"\s*(\d{1,6})\s*([A-Za-z]+)\s*")


def mended(method: str, parameters: Mapping[str, Any]) -> str:
    """Return a user's call with what is wrong with it put right.

    It is empty if nothing is known to be wrong, or if not all of it can be put right.
    """
    if method not in CALLS:
        return ""
    contract = parameters.get("contract")
    fixed = _contract(method, contract)
    if contract is None or fixed is None:
        return ""
    changed = fixed is not contract
    words = [repr(fixed)]
    for name, usual in CALLS[method]:
        value = parameters.get(name)
        if objection(method, name, value, parameters):
            value = _put_right(method, name, value, parameters)
            if value is None or objection(method, name, value, parameters):
                return ""
            changed = True
        if usual is ... or value != usual:
            words.append(f"{name}={value!r}")
    call = f"ib.{method}({', '.join(words)})"
    return call if changed and len(call) <= LONGEST_CALL else ""


def _put_right(method: str, name: str, value: Any, others: Mapping[str, Any]) -> Any:
    mend = _MENDS.get((method, name)) or _MENDS.get(name)
    return mend(value, others) if mend is not None else None


def _contract(method: str, contract: Any) -> Any:
    """Return a contract that nothing is wrong with: itself, or a copy; None for unknown."""
    names = ("secType", "symbol", "exchange", "lastTradeDateOrContractMonth", "strike", "right")
    wrong = [name for name in names if contract_objection(method, name, contract)]
    if not wrong:
        return contract
    if wrong != ["exchange"] or getattr(contract, "secType", "") not in ON_SMART:
        return None
    fixed = copy.copy(contract)
    fixed.exchange = SMART
    return fixed


def _seconds(text: Any) -> int | None:
    said = _SPAN.fullmatch(str(text))
    unit = SECONDS.get(said[2].lower()) if said else None
    return int(said[1]) * unit if said and unit else None


def _bar_size(value: Any, _others: Mapping[str, Any]) -> str | None:
    wanted = _seconds(value)
    if not wanted:
        return None
    known = {size: _seconds(size) or 0 for size in sorted(BAR_SIZES) if size not in {"1M", "1W"}}
    return min(known, key=lambda size: (abs(known[size] - wanted), known[size]))


def _duration(value: Any, _others: Mapping[str, Any]) -> str | None:
    seconds = _seconds(value)
    if not seconds:
        return None
    unit = max((one for one in LETTERS if seconds % one == 0), default=1)
    text = f"{seconds // unit} {LETTERS.get(unit, 'S')}"
    return text if DURATION.fullmatch(text) else None


def _nearest(known: tuple[str, ...], usual: str) -> Mend:
    def mend(value: Any, others: Mapping[str, Any]) -> str:
        near = get_close_matches(str(value).strip().upper(), [one.upper() for one in known], n=1)
        if near:
            return next(one for one in known if one.upper() == near[0])
        # Currencies have no trades.
        is_cash = getattr(others.get("contract"), "secType", "") == "CASH"
        return "MIDPOINT" if is_cash and "MIDPOINT" in known else usual

    return mend


def _end(_value: Any, others: Mapping[str, Any]) -> str | None:
    return "" if others.get("keepUpToDate") else None


def _true(value: Any, _others: Mapping[str, Any]) -> bool:
    return str(value).strip().lower() not in {"no", "off", "false", "n", "f", "none", ""}


def _generic_ticks(value: Any, _others: Mapping[str, Any]) -> str:
    kept = [one.strip() for one in str(value).split(",") if GENERIC_TICKS.fullmatch(one)]
    return ",".join(kept)


_MENDS: Mapping[str | tuple[str, str], Mend] = {
    "barSizeSetting": _bar_size,
    "durationStr": _duration,
    "endDateTime": _end,
    "useRTH": _true,
    "useRth": _true,
    "formatDate": lambda _value, _others: 1,
    "numberOfTicks": lambda _value, _others: MOST_TICKS,
    "tickType": _nearest(TICK_TYPES, "AllLast"),
    "genericTickList": _generic_ticks,
    ("reqHistoricalData", "whatToShow"): _nearest(BARS_SHOW, "TRADES"),
    ("reqHeadTimeStamp", "whatToShow"): _nearest(BARS_SHOW, "TRADES"),
    ("reqHistoricalTicks", "whatToShow"): _nearest(TICKS_SHOW, "TRADES"),
    ("reqRealTimeBars", "whatToShow"): _nearest(REAL_TIME_BARS_SHOW, "TRADES"),
}
"""What to give instead, by parameter, or by method and parameter where the method decides."""

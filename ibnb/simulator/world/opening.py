"""When the market of an instrument is open, in a world whose market hours are real."""

from __future__ import annotations

from functools import lru_cache

from .calendars import Hours, day_of, session, trades_on
from .instruments import Instrument
from .paths import TRADES_A_SECOND

_ONLY_REGULAR = frozenset({"OPT", "WAR", "IOPT", "BOND", "IND", "FUND"})
"""What is not traded before and after regular hours."""
_REGULAR_UNLESS_ASKED = frozenset({"STK", "CFD"})
"""What is traded then, but by orders only that ask for it."""
_MOST_DAYS_CLOSED = 14
LAST_LOOK = 1 / TRADES_A_SECOND
"""How long before the end of trading the last trade is."""


def is_open(instrument: Instrument, time: float, *, outside: bool = True) -> bool:
    """Say whether an instrument is traded at a time.

    `outside` says whether trading before and after regular hours counts.
    """
    if not instrument.keeps_hours:
        return True
    if instrument.legs:
        return all(is_open(leg, time, outside=outside) for leg, _ in instrument.legs)
    hours = instrument.hours
    found = _session(hours, day_of(hours.zone, time), _regular(instrument, outside=outside))
    return found is not None and found[0] <= time < found[1]


def trades_early(instrument: Instrument) -> bool:
    """Say whether there is trading before and after regular hours, as far as hours are kept."""
    return not (instrument.keeps_hours and _regular(instrument, outside=True))


def shown(instrument: Instrument, time: float) -> float:
    """Return the time whose prices the market shows: that of the last trade while it is closed.

    A quote that somebody set shows at any hour.
    """
    if not instrument.keeps_hours or instrument.is_valued_daily or is_open(instrument, time):
        return time
    if instrument.is_pinned_at(time):
        return time
    hours = instrument.hours
    today = day_of(hours.zone, time)
    for day in range(today, today - _MOST_DAYS_CLOSED, -1):
        found = _session(hours, day, _regular(instrument, outside=True))
        if found is not None and found[1] <= time:
            return found[1] - LAST_LOOK
    return time


def open_parts(instrument: Instrument, start: float, end: float) -> list[tuple[float, float]]:
    """Return when between two times an instrument is traded."""
    hours, regular = instrument.hours, _regular(instrument, outside=True)
    parts = []
    for day in range(day_of(hours.zone, start), day_of(hours.zone, end) + 1):
        found = _session(hours, day, regular)
        if found is not None and max(found[0], start) < min(found[1], end):
            parts.append((max(found[0], start), min(found[1], end)))
    return parts


def opens_after(instrument: Instrument, time: float, *, outside: bool) -> float:
    """Return when an instrument that is not traded at a time will be."""
    return max(_next(leg, time, outside=outside, closing=False) for leg in _parts_of(instrument))


def closes_after(instrument: Instrument, time: float, *, outside: bool) -> float:
    """Return when the trading ends that goes on at a time, or that comes next."""
    return min(_next(leg, time, outside=outside, closing=True) for leg in _parts_of(instrument))


def session_begun(instrument: Instrument, time: float, *, outside: bool) -> float:
    """Return when the trading began that goes on at a time; 0 without hours."""
    if not instrument.keeps_hours:
        return 0.0
    begun = 0.0
    for leg in _parts_of(instrument):
        found = _session(leg.hours, day_of(leg.hours.zone, time), _regular(leg, outside=outside))
        begun = max(begun, found[0] if found is not None and found[0] <= time else 0.0)
    return begun


def _parts_of(instrument: Instrument) -> list[Instrument]:
    return [leg for leg, _ in instrument.legs] or [instrument]


def _next(instrument: Instrument, time: float, *, outside: bool, closing: bool) -> float:
    hours = instrument.hours
    today = day_of(hours.zone, time)
    for day in range(today, today + _MOST_DAYS_CLOSED):
        found = _session(hours, day, _regular(instrument, outside=outside))
        if found is not None and found[closing] > time:
            return float(found[closing])
    return time


def _regular(instrument: Instrument, *, outside: bool) -> bool:
    kind = instrument.sec_type
    return kind in _ONLY_REGULAR or (kind in _REGULAR_UNLESS_ASKED and not outside)


@lru_cache(maxsize=4096)
def _session(hours: Hours, day: int, regular: bool) -> tuple[int, int] | None:
    """When trading begins and ends on a day; None on one without."""
    return session(hours, day, regular=regular) if trades_on(hours, day) else None

"""When exchanges trade: their zones, their hours, and the days on which they are closed."""

from __future__ import annotations

import contextlib
import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

DAY = 86_400
_HOUR = 3600
_SATURDAY = 5


@dataclass(frozen=True)
class Hours:
    """An exchange's day, in seconds after midnight of its zone.

    Attributes:
        zone: as gateways write it, such as ``US/Eastern``.
        opens: when regular trading begins; `closes` when it ends.
        early: when trading before regular hours begins; `late` when trading after them ends.
        weekends: whether it trades on every day of the year.
        calendar: the exchange's code in the calendar library; empty where there are no holidays.
    """

    zone: str
    opens: int = 0
    closes: int = DAY
    early: int = 0
    late: int = DAY
    weekends: bool = False
    calendar: str = ""

    @property
    def boundaries(self) -> tuple[int, ...]:
        """Where one part of a day ends and the next begins, midnights included."""
        return tuple(sorted({0, self.early, self.opens, self.closes, self.late, DAY}))


US = Hours("US/Eastern", 9 * _HOUR + 1800, 16 * _HOUR, 4 * _HOUR, 20 * _HOUR, calendar="XNYS")
EUROPE = Hours("MET", 9 * _HOUR, 17 * _HOUR + 1800, 9 * _HOUR, 17 * _HOUR + 1800, calendar="XETR")
LONDON = Hours("GB", 8 * _HOUR, 16 * _HOUR + 1800, 8 * _HOUR, 16 * _HOUR + 1800, calendar="XLON")
TOKYO = Hours("Japan", 9 * _HOUR, 15 * _HOUR, 9 * _HOUR, 15 * _HOUR, calendar="XTKS")
HONG_KONG = Hours(
    "Hongkong", 9 * _HOUR + 1800, 16 * _HOUR, 9 * _HOUR + 1800, 16 * _HOUR, calendar="XHKG"
)
CHICAGO = Hours("US/Central", 8 * _HOUR + 1800, 15 * _HOUR, 0, DAY, calendar="CMES")
CURRENCIES = Hours("US/Eastern")
CRYPTO = Hours("Etc/UTC", weekends=True)


# The names that gateways use are old ones, which some systems keep in a package of their own.
_MODERN = {
    "US/Eastern": "America/New_York",
    "US/Central": "America/Chicago",
    "MET": "Europe/Berlin",
    "GB": "Europe/London",
    "Japan": "Asia/Tokyo",
    "Hongkong": "Asia/Hong_Kong",
}


@lru_cache(maxsize=256)
def known_zone(name: str) -> zoneinfo.ZoneInfo | None:
    """Return a zone by its name, or by the one that took its place; None if there is none."""
    for one in filter(None, (name, _MODERN.get(name))):
        with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            return zoneinfo.ZoneInfo(one)
    return None


def zone_of(name: str) -> dt.tzinfo:
    """Return a zone by its name; UTC where this machine has no time-zone database."""
    return known_zone(name) or dt.UTC


def zone_name(name: str) -> str:
    """Return the name under which times of a zone are told: one that this machine knows."""
    zone = known_zone(name)
    return zone.key if zone else "UTC"


@lru_cache(maxsize=65_536)
def midnight(zone: str, day: int) -> int:
    """Return when a day (a proleptic ordinal) begins in a zone, in seconds since the epoch."""
    date = dt.date.fromordinal(day)
    return int(dt.datetime.combine(date, dt.time(), zone_of(zone)).timestamp())


@lru_cache(maxsize=65_536)
def moment(zone: str, day: int, second: int) -> int:
    """Return when a clock in a zone shows so many seconds after midnight on a day."""
    if second >= DAY:
        return midnight(zone, day + 1)
    clock = dt.time(second // _HOUR, second // 60 % 60, second % 60)
    date = dt.date.fromordinal(day)
    return int(dt.datetime.combine(date, clock, zone_of(zone)).timestamp())


def day_of(zone: str, time: float) -> int:
    """Return the day (a proleptic ordinal) that a zone has at a time."""
    return dt.datetime.fromtimestamp(time, zone_of(zone)).date().toordinal()


def trades_on(hours: Hours, day: int) -> bool:
    """Say whether an exchange trades on a day."""
    if hours.weekends:
        return True
    return (
        dt.date.fromordinal(day).weekday() < _SATURDAY
        and day not in _known(hours.calendar).holidays
    )


def session(hours: Hours, day: int, *, regular: bool) -> tuple[int, int]:
    """Return when trading begins and ends on a day, in seconds since the epoch."""
    begins, ends = (hours.opens, hours.closes) if regular else (hours.early, hours.late)
    closed = moment(hours.zone, day, ends)
    if regular and hours.calendar:
        closed = min(closed, _known(hours.calendar).early_closes.get(day, closed))
    return moment(hours.zone, day, begins), closed


def last_session(hours: Hours, time: float, *, regular: bool) -> int:
    """Return the last day whose trading has begun at a time."""
    day = day_of(hours.zone, time)
    while not trades_on(hours, day) or session(hours, day, regular=regular)[0] > time:
        day -= 1
    return day


@dataclass(frozen=True)
class _Known:
    """What the calendar library knows of an exchange; days are ordinals.

    `holidays` are the weekdays on which it is closed, `early_closes` the days on which it closes
    early, and when, in seconds since the epoch.
    """

    holidays: frozenset[int] = frozenset()
    early_closes: Mapping[int, int] = field(default_factory=dict)


@lru_cache(maxsize=16)
def _known(calendar: str) -> _Known:
    """Return what is known of an exchange: nothing without the calendar library."""
    if not calendar:
        return _Known()
    try:
        import exchange_calendars
    except ImportError:
        return _Known()
    found = exchange_calendars.get_calendar(calendar)
    open_days = {stamp.date().toordinal() for stamp in found.sessions}
    first, last = min(open_days), max(open_days)
    closed = frozenset(
        day
        for day in range(first, last + 1)
        if day not in open_days and dt.date.fromordinal(day).weekday() < _SATURDAY
    )
    early = {
        stamp.date().toordinal(): int(found.session_close(stamp).timestamp())
        for stamp in found.early_closes
    }
    return _Known(closed, early)

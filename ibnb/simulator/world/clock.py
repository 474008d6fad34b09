"""The world's clock: this machine's, or one that starts at a moment and runs faster."""

from __future__ import annotations

import datetime as dt
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from .calendars import known_zone

_SPEED = re.compile(r"x(\d{1,6}(?:\.\d{1,3})?)")
_NOW, _OFF = "now", "off"
_YEARS = range(1971, 2038)
"""Before them zones are not known, and after them seconds do not fit where clients keep them."""


class BadClockError(ValueError):
    """A clock was asked for that cannot be. One line."""


@dataclass(frozen=True)
class ClockSetting:
    """When a world begins or goes on, and how many of its seconds pass in one of this machine's.

    `start` is in seconds since the epoch; None is this machine's time. A `speed` of None is the
    one that there is.
    """

    start: float | None = None
    speed: float | None = None


def parse_clock(given: str | float) -> ClockSetting | None:
    """Return what ``TIME [ZONE] [xSPEED]`` asks for; None for ``off``, no clock of its own.

    TIME is ``now`` or written as in ``2026-07-01T09:29:55``, in UTC if no zone is named. A number
    is in seconds since 1970.

    Raises:
        BadClockError: the time, the zone or the speed makes no sense.
    """
    if not isinstance(given, str):
        return ClockSetting(_checked(given, given))
    words = given.split()
    if words == [_OFF]:
        return None
    speed = None
    if len(words) > 1 and (found := _SPEED.fullmatch(words[-1])):
        speed = float(found[1])
        words.pop()
    if speed == 0:
        raise _bad(given)
    if words == [_NOW]:
        return ClockSetting(None, speed)
    if len(words) > 1 and words[1][:1].isdigit():
        # The date and the time with a blank between them.
        words[:2] = [f"{words[0]}T{words[1]}"]
    moment, *zones = words or [""]
    return ClockSetting(_checked(_moment(moment, zones), given), speed)


def _bad(given: str | float) -> BadClockError:
    return BadClockError(
        f"clock {given!r}: write a time, a zone and a speed, as in '2026-07-01T09:29:55 "
        "America/New_York x60', or 'now', or 'off' for none, or seconds since 1970"
    )


def _checked(start: float | None, given: str | float) -> float:
    if start is None or not math.isfinite(start):
        raise _bad(given)
    try:
        year = dt.datetime.fromtimestamp(start, dt.UTC).year
    except (OverflowError, OSError, ValueError):
        year = 0
    if year not in _YEARS:
        raise BadClockError(
            f"clock {given!r} is out of range: give a time from {_YEARS[0]} to {_YEARS[-1]}"
        )
    return float(start)


def _moment(text: str, zones: list[str]) -> float | None:
    zone = known_zone(zones[0]) if zones else dt.UTC
    if len(zones) > 1 or zone is None:
        return None
    try:
        at = dt.datetime.fromisoformat(text)
        if at.tzinfo is not None and zones:
            return None
        return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp()
    except (OverflowError, ValueError):
        return None


class WorldClock:
    """Tells the time of a world; `keeps_hours` says whether its markets have their hours.

    Args:
        setting: when it begins and how fast it is; None goes with this machine's clock.
        monotonic: what it is measured by.
    """

    def __init__(
        self, setting: ClockSetting | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._begins: float | None = None
        self._since = 0.0
        self.follow(setting)

    def follow(self, setting: ClockSetting | None) -> None:
        """Go on as a setting has it, with hours; None goes on with this machine's clock, without.

        Without a speed it goes on as fast as it was.
        """
        self.keeps_hours = setting is not None
        if setting is None or self._begins is None:
            self.speed = 1.0
        if setting is None:
            self._begins = None
            return
        self.speed = setting.speed or self.speed
        self._begins = time.time() if setting.start is None else setting.start
        self._since = self._monotonic()

    @property
    def now(self) -> float:
        """The time of the world, in seconds since the epoch."""
        if self._begins is None:
            return time.time()
        return self._begins + (self._monotonic() - self._since) * self.speed

    @property
    def day(self) -> dt.date:
        """The day that the world has now, in UTC."""
        return dt.datetime.fromtimestamp(self.now, dt.UTC).date()

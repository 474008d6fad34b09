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
_NOW = "now"


class BadClockError(ValueError):
    """A clock was asked for that cannot be. One line."""


@dataclass(frozen=True)
class ClockSetting:
    """When a world begins, and how many of its seconds pass in one of this machine's.

    `start` is in seconds since the epoch; None begins at this machine's time.
    """

    start: float | None = None
    speed: float = 1.0


def parse_clock(text: str) -> ClockSetting:
    """Return what ``TIME [ZONE] [xSPEED]`` asks for.

    TIME is ``now`` or written as in ``2026-07-01T09:29:55``; it is in UTC if no zone is named.

    Raises:
        BadClockError: the time, the zone or the speed makes no sense.
    """
    words = text.split()
    speed = 1.0
    if len(words) > 1 and (found := _SPEED.fullmatch(words[-1])):
        speed = float(found[1])
        words.pop()
    moment, *zones = words or [""]
    start = None if moment == _NOW and not zones else _moment(moment, zones)
    if (start is None and words != [_NOW]) or not speed or not math.isfinite(speed):
        raise BadClockError(
            f"clock {text!r}: write a time, a zone and a speed, "
            "as in '2026-07-01T09:29:55 America/New_York x60', or 'now'"
        )
    return ClockSetting(start, speed)


def _moment(text: str, zones: list[str]) -> float | None:
    zone = known_zone(zones[0]) if zones else dt.UTC
    if len(zones) > 1 or zone is None:
        return None
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if at.tzinfo is not None and zones:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=zone)).timestamp()


class WorldClock:
    """Tells the time of a world; `keeps_hours` says whether its markets have their hours.

    Args:
        setting: when it begins and how fast it is; None goes with this machine's clock.
        monotonic: what it is measured by.
    """

    def __init__(
        self, setting: ClockSetting | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.keeps_hours = setting is not None
        self.speed = setting.speed if setting else 1.0
        self._monotonic = monotonic
        self._begins: float | None = None
        self._since = 0.0
        if setting is not None:
            self.set(time.time() if setting.start is None else setting.start)

    @property
    def now(self) -> float:
        """The time of the world, in seconds since the epoch."""
        if self._begins is None:
            return time.time()
        return self._begins + (self._monotonic() - self._since) * self.speed

    def set(self, moment: float) -> None:
        """Let the time be a moment (seconds since the epoch), and go on from there as fast."""
        self._begins, self._since = moment, self._monotonic()

    @property
    def day(self) -> dt.date:
        """The day that the world has now, in UTC."""
        return dt.datetime.fromtimestamp(self.now, dt.UTC).date()

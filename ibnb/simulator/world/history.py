"""Historical bars of the simulated market, made from the same prices as its quotes."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from ibnb.simulator.words import words

from .instruments import Instrument
from .market import price_at, utc

_DAY = 86_400
_SATURDAY = 5
_SAMPLES = 8
_WORD_SECONDS = {"sec": 1, "secs": 1, "min": 60, "mins": 60, "hour": 3600, "hours": 3600}
_LONG_SECONDS = {"1 day": _DAY, "1 week": 7 * _DAY, "1W": 7 * _DAY, "1 month": 30 * _DAY}
_LEGAL = (
    "1 secs, 5 secs, 10 secs, 15 secs, 30 secs, 1 min, 2 mins, 3 mins, 5 mins, 10 mins, 15 mins, "
    "20 mins, 30 mins, 1 hour, 2 hours, 3 hours, 4 hours, 8 hours, 1 day, 1W, 1M"
)
_BAR_SECONDS = {
    **{
        text: int(text.split()[0]) * _WORD_SECONDS[text.split()[1]]
        for text in _LEGAL.split(", ")
        if text.split()[-1] in _WORD_SECONDS
    },
    "1 sec": 1,
    **_LONG_SECONDS,
    "1M": 30 * _DAY,
}
_DURATION_SECONDS = {"S": 1, "D": _DAY, "W": 7 * _DAY, "M": 30 * _DAY, "Y": 365 * _DAY}
_DURATION = re.compile(r"(\d{1,6}) ([SDWMY])")
_TIME = re.compile(r"(\d{8})(?:[ -]+(\d\d:\d\d:\d\d)(?: .*)?)?")
_KINDS = frozenset(
    words(
        "TRADES MIDPOINT BID ASK BID_ASK ADJUSTED_LAST HISTORICAL_VOLATILITY "
        "OPTION_IMPLIED_VOLATILITY SCHEDULE AGGTRADES"
    )
)
_REGULAR = (14 * 3600 + 1800, 21 * 3600)
"""When regular trading opens and closes, in seconds after midnight UTC."""
MAX_BARS = 20_000
"""No answer has more bars; a longer one is refused, as the real gateway limits its own."""


@dataclass(frozen=True)
class Bar:
    """One bar. `time` is its beginning, in seconds since the epoch."""

    time: float
    open: float
    high: float
    low: float
    close: float
    volume: int
    average: float
    count: int


@dataclass(frozen=True)
class BarRequest:
    """A historical data request as a client sent it, but for its contract."""

    end: str
    bar_size: str
    duration: str
    regular_hours: bool
    kind: str
    date_format: int
    keep_up_to_date: bool

    @property
    def objection(self) -> str | None:
        """Why a gateway would not answer this request, or None."""
        if self.bar_size not in _BAR_SECONDS:
            return f"Historical data bar size setting is invalid. Legal ones are: {_LEGAL}"
        if not _DURATION.fullmatch(self.duration):
            return "Invalid duration format. Use an integer, a space, and one of S D W M Y"
        if self.kind not in _KINDS:
            return f"Historical data query has an unknown whatToShow: {self.kind}"
        if self.end and parse_time(self.end) is None:
            return "Invalid date, time, or time-zone. Use yyyymmdd hh:mm:ss, optionally with a zone"
        if self.end and self.keep_up_to_date:
            return "End date not supported with keepUpToDate"
        return None

    @property
    def bar_seconds(self) -> int:
        """How long one bar is."""
        return _BAR_SECONDS[self.bar_size]

    @property
    def duration_seconds(self) -> int:
        """How far back the request reaches."""
        number, unit = self.duration.split()
        return int(number) * _DURATION_SECONDS[unit]

    @property
    def is_daily(self) -> bool:
        """Whether bars are dated by day and not by time."""
        return self.bar_seconds >= _DAY

    @property
    def too_long(self) -> bool:
        """Whether the answer would have more than `MAX_BARS` bars."""
        return self.duration_seconds / self.bar_seconds > MAX_BARS

    def end_time(self, now: float) -> float:
        """Return when the last bar ends, in seconds since the epoch; read as UTC."""
        asked = parse_time(self.end)
        return now if asked is None else min(asked, now)


def bars_for(instrument: Instrument, request: BarRequest, now: float) -> list[Bar]:
    """Return the bars that a request asks for, oldest first; weekends have none."""
    end = request.end_time(now)
    step = request.bar_seconds
    first = (end - request.duration_seconds) // step * step
    starts = [first + step * index for index in range(1, int((end - first) // step) + 1)]
    return [
        bar_at(instrument, start, step, end)
        for start in starts
        if start < end and _is_open(instrument, start, step, regular=request.regular_hours)
    ]


def bar_at(instrument: Instrument, start: float, seconds: int, until: float) -> Bar:
    """Return the bar that begins at `start`, as far as it is known at `until`."""
    end = min(start + seconds, until)
    prices = [
        price_at(instrument, start + (end - start) * part / _SAMPLES)
        for part in range(_SAMPLES + 1)
    ]
    volume = 0 if instrument.sec_type == "CASH" else int(10 * (end - start)) + 1
    average = round(sum(prices) / len(prices), instrument.decimals + 2)
    return Bar(
        start, prices[0], max(prices), min(prices), prices[-1], volume, average, volume // 5 + 1
    )


def bar_date(bar: Bar, request: BarRequest, *, zoned: bool) -> str:
    """Return a bar's date as the request's date format has it.

    `zoned` says whether the agreed server version puts a zone behind a time.
    """
    moment = utc(bar.time)
    if request.is_daily:
        return f"{moment:%Y%m%d}"
    if request.date_format != 1:
        return str(int(bar.time))
    return clock_text(bar.time, zoned=zoned)


def clock_text(time: float, *, zoned: bool) -> str:
    """Return a time as messages write it: with its zone, or with two blanks and no zone."""
    moment = utc(time)
    return f"{moment:%Y%m%d %H:%M:%S} UTC" if zoned else f"{moment:%Y%m%d  %H:%M:%S}"


def parse_time(text: str) -> float | None:
    """Return a time as requests write it, in seconds since the epoch; read as UTC.

    None where it is no such time.
    """
    found = _TIME.fullmatch(text)
    if not found:
        return None
    day, clock = found.groups()
    moment = dt.datetime.strptime(f"{day} {clock or '00:00:00'} +0000", "%Y%m%d %H:%M:%S %z")
    return moment.timestamp()


def _is_open(instrument: Instrument, start: float, seconds: int, *, regular: bool) -> bool:
    if seconds > _DAY:
        return True
    if utc(start).weekday() >= _SATURDAY:
        return False
    if seconds == _DAY or not regular or instrument.sec_type != "STK":
        return True
    return _REGULAR[0] <= start % _DAY < _REGULAR[1]

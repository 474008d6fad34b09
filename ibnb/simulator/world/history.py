"""Historical bars of the simulated market, made from the same prices as its quotes."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ibnb.simulator.words import words

from .calendars import (
    DAY,
    day_of,
    known_zone,
    last_session,
    midnight,
    session,
    trades_on,
    zone_name,
    zone_of,
)
from .instruments import Instrument
from .market import prices_between, utc
from .opening import LAST_LOOK, shown, trades_early

_WORD_SECONDS = {"sec": 1, "secs": 1, "min": 60, "mins": 60, "hour": 3600, "hours": 3600}
_WEEKS = frozenset(("1 week", "1W"))
_MONTHS = frozenset(("1 month", "1M"))
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
    "1 day": DAY,
    **dict.fromkeys(_WEEKS, 7 * DAY),
    **dict.fromkeys(_MONTHS, 30 * DAY),
}
_UNIT_DAYS = {"W": 7, "M": 30, "Y": 365}
_DURATION = re.compile(r"(\d{1,6})(?: ([SDWMY]))?")
_LONGER = "Historical data requests for durations longer than"
_MOST_SECONDS, _MOST_DAYS = 86_400, 365
_TIME = re.compile(r"(\d{8})(?:(-|[ -]+)(\d\d:\d\d:\d\d)(?: +(\S.*))?)?")
_KINDS = frozenset(
    words(
        "TRADES MIDPOINT BID ASK BID_ASK ADJUSTED_LAST HISTORICAL_VOLATILITY "
        "OPTION_IMPLIED_VOLATILITY FEE_RATE REBATE_RATE YIELD_BID YIELD_ASK YIELD_BID_ASK "
        "YIELD_LAST SCHEDULE AGGTRADES"
    )
)
_OF_TRADES = frozenset(("TRADES", "ADJUSTED_LAST", "AGGTRADES"))
_YIELDS = frozenset(("YIELD_BID", "YIELD_ASK", "YIELD_BID_ASK", "YIELD_LAST"))
_AT_HOME = {
    **dict.fromkeys(("HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY"), 0.2),
    **dict.fromkeys(_YIELDS, 3.0),
    "FEE_RATE": 0.25,
    "REBATE_RATE": 4.0,
}
"""What is not a price, and how much it is where the price is at home; it rises when that falls."""
_FIRST_YEAR = "1900"
"""Of times that may be asked for: before it, days cannot be counted in every zone."""
_FIRST_DAY = dt.date(1990, 1, 2).toordinal()
_STARTS_OVER = 5000
_MOST_ENDED = 200
_JUST_BEFORE = 0.001
MAX_BARS = 20_000
"""No answer has more bars; a longer one is refused, as the real gateway limits its own."""


@dataclass(frozen=True)
class Bar:
    """One bar. `time` is its beginning, in seconds since the epoch; `day` its day, an ordinal."""

    time: float
    open: float
    high: float
    low: float
    close: float
    volume: int
    average: float
    count: int
    day: int = 0


@dataclass(frozen=True)
class Session:
    """The trading of one day: its ordinal, and when it begins and ends."""

    day: int
    begins: int
    ends: int


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
        objections = (
            (
                self.bar_size not in _BAR_SECONDS,
                f"Historical data bar size setting is invalid. Legal ones are: {_LEGAL}",
            ),
            (
                not _DURATION.fullmatch(self.duration),
                "Invalid duration format. Use an integer, a space, and one of S D W M Y",
            ),
            (
                self.reach[1] == "S" and self.reach[0] > _MOST_SECONDS,
                f"{_LONGER} 86400 seconds must be made in days.",
            ),
            (
                self.reach[1] == "D" and self.reach[0] > _MOST_DAYS,
                f"{_LONGER} 365 days must be made in years.",
            ),
            (
                self.kind not in _KINDS,
                f"Historical data query has an unknown whatToShow: {self.kind}",
            ),
            (
                bool(self.end) and parse_time(self.end) is None,
                "Invalid date, time, or time-zone. Use yyyymmdd hh:mm:ss, optionally with a zone",
            ),
            (
                bool(self.end) and self.keep_up_to_date,
                "End date not supported with keepUpToDate",
            ),
            (
                bool(self.end) and self.kind == "ADJUSTED_LAST",
                "End date not supported with adjusted last",
            ),
        )
        return next((cause for applies, cause in objections if applies), None)

    @property
    def reach(self) -> tuple[int, str]:
        """How far back it reaches: a number, and a unit, which is seconds if none is named."""
        found = _DURATION.fullmatch(self.duration)
        return (int(found[1]), found[2] or "S") if found else (0, "")

    @property
    def bar_seconds(self) -> int:
        """How long one bar is."""
        return _BAR_SECONDS[self.bar_size]

    @property
    def is_daily(self) -> bool:
        """Whether bars are dated by day and not by time."""
        return self.bar_seconds >= DAY

    @property
    def is_of_trades(self) -> bool:
        """Whether it asks for what was traded, and not for what was offered."""
        return self.kind in _OF_TRADES

    def is_of(self, instrument: Instrument) -> bool:
        """Say whether an instrument has what is asked for."""
        if self.is_of_trades:
            return instrument.has_trades
        if self.kind in _YIELDS:
            return instrument.sec_type == "BOND"
        return not instrument.legs or self.kind not in _AT_HOME

    def end_time(self, now: float) -> float:
        """Return when the last bar ends, in seconds since the epoch."""
        asked = parse_time(self.end)
        return now if asked is None else min(asked, now)


def sessions_for(instrument: Instrument, request: BarRequest, now: float) -> list[Session]:
    """Return the trading that a request reaches back to, oldest first, up to its end."""
    end = request.end_time(now)
    hours = instrument.hours
    regular = request.regular_hours or not trades_early(instrument)
    left, unit = request.reach
    if unit == "S" and not regular and not request.end and not instrument.keeps_hours:
        # The market shows prices at any hour, and what is asked for is the time until now.
        begins = _aligned(int(end) - left, request.bar_seconds)
        return [Session(day_of(hours.zone, end), begins, int(end))]
    # Nothing has been traded yet of a day that begins at this very time.
    day = last_session(hours, end - LAST_LOOK, regular=regular)
    found: list[Session] = []
    earliest = day_of(hours.zone, end) - left * _UNIT_DAYS.get(unit, 0)
    first = first_day(instrument)
    while left > 0 and day >= first:
        if unit in _UNIT_DAYS and day <= earliest:
            break
        if trades_on(hours, day):
            begins, ends = session(hours, day, regular=regular)
            ends = min(ends, int(end))
            if unit == "S":
                begins = max(begins, _aligned(ends - left, request.bar_seconds))
                left -= ends - begins
            elif unit == "D":
                left -= 1
            found.append(Session(day, begins, ends))
        day -= 1
    return found[::-1]


def schedule_for(instrument: Instrument, request: BarRequest, now: float) -> list[Session]:
    """Return when trading begins and ends, by the calendar, on the days that a request reaches."""
    regular = request.regular_hours or not trades_early(instrument)
    return [
        Session(one.day, *session(instrument.hours, one.day, regular=regular))
        for one in sessions_for(instrument, request, now)
    ]


def bar_count(sessions: list[Session], request: BarRequest) -> int:
    """Return how many bars an answer has, about."""
    if request.is_daily:
        return len(sessions) * DAY // request.bar_seconds
    return sum((one.ends - one.begins) // request.bar_seconds for one in sessions)


def bars_for(instrument: Instrument, request: BarRequest, now: float) -> list[Bar]:
    """Return the bars that a request asks for, oldest first."""
    return list(each_bar(instrument, request, now))


def each_bar(instrument: Instrument, request: BarRequest, now: float) -> Iterator[Bar]:
    """Make the bars that a request asks for, oldest first, one by one."""
    sessions = sessions_for(instrument, request, now)
    end = request.end_time(now)
    days: list[Bar] = []
    for one in sessions:
        if not request.is_daily:
            for begins, ends in _cuts(instrument, request.bar_seconds, one):
                if begins < end:
                    yield _bar(instrument, request, begins, min(ends, end), one.day)
            continue
        day = _bar(instrument, request, one.begins, min(one.ends, end), one.day)
        if days and _group(days[0], request) != _group(day, request):
            yield _merged(days)
            days = []
        days.append(day)
    if days:
        yield _merged(days)


def running_bar(instrument: Instrument, request: BarRequest, now: float) -> Bar:
    """Return the bar that is under way, as far as it is known."""
    zone = instrument.hours.zone
    last = shown(instrument, now)
    now = now if last == now else last + LAST_LOOK
    day = day_of(zone, last)
    regular = request.regular_hours or not trades_early(instrument)
    begins, ends = session(instrument.hours, day, regular=regular)
    start = midnight(zone, day)
    if not request.is_daily:
        start += int(last - start) // request.bar_seconds * request.bar_seconds
    if begins <= last < ends:
        start = max(start, begins)
    return _bar(instrument, request, start, now, day)


def bars_ended(
    instrument: Instrument, request: BarRequest, since: float, until: float
) -> list[Bar]:
    """Return the bars that have ended, from the one that began at a time to that of another."""
    zone, step = instrument.hours.zone, request.bar_seconds
    found: list[Bar] = []
    end = since
    while end < until and len(found) < _MOST_ENDED:
        start = midnight(zone, day_of(zone, end))
        following = start + (int(end - start) // step + 1) * step
        end = until if request.is_daily else min(following, until)
        bar = running_bar(instrument, request, end - _JUST_BEFORE)
        if found and bar.time <= found[-1].time:
            # The market was closed since then.
            break
        found.append(bar)
    return found


def bar_date(bar: Bar, request: BarRequest, instrument: Instrument, *, zoned: bool) -> str:
    """Return a bar's date as the request's date format has it.

    `zoned` says whether the agreed server version puts a zone behind a time.
    """
    if request.is_daily:
        return f"{dt.date.fromordinal(bar.day):%Y%m%d}"
    if request.date_format != 1:
        return str(int(bar.time))
    return local_text(bar.time, instrument, zoned=zoned)


def local_text(time: float, instrument: Instrument, *, zoned: bool) -> str:
    """Return a time on the clock of an instrument's exchange, or of the gateway without zones."""
    if not zoned:
        return clock_text(time, zoned=False)
    zone = instrument.hours.zone
    return f"{dt.datetime.fromtimestamp(time, zone_of(zone)):%Y%m%d %H:%M:%S} {zone_name(zone)}"


def clock_text(time: float, *, zoned: bool) -> str:
    """Return a time on the gateway's clock: with its zone, or with two blanks and no zone."""
    at = utc(time)
    return f"{at:%Y%m%d %H:%M:%S} UTC" if zoned else f"{at:%Y%m%d  %H:%M:%S}"


def parse_time(text: str) -> float | None:
    """Return a time as requests write it, in seconds since the epoch.

    Without a zone it is on the gateway's own clock, which is UTC. None if it is not such a time.
    """
    found = _TIME.fullmatch(text.strip())
    if not found:
        return None
    day, _, clock, zone = found.groups()
    known = known_zone(zone) if zone and zone != "UTC" else dt.UTC
    if known is None or day < _FIRST_YEAR:
        return None
    try:
        at = dt.datetime.strptime(f"{day} {clock or '00:00:00'}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007
        return at.replace(tzinfo=known).timestamp()
    except (OverflowError, ValueError):
        return None


def lacks_zone(text: str) -> bool:
    """Say whether a time is written so that its zone has to be guessed."""
    found = _TIME.fullmatch(text.strip())
    return bool(found and found[3] and not found[4] and found[2] != "-")


def first_day(instrument: Instrument) -> int:
    """Return the first day (an ordinal) of which there are prices."""
    source = instrument.underlying or instrument
    return _FIRST_DAY + source.con_id % _STARTS_OVER


def _aligned(time: int, step: int) -> int:
    """The first full step of the clock that is not before a time."""
    return -(-time // step) * step


def _cuts(instrument: Instrument, step: int, one: Session) -> Iterator[tuple[int, int]]:
    """Where the bars of a session begin and end: on the full minute or hour of its own clock."""
    start = midnight(instrument.hours.zone, one.day)
    at = one.begins
    while at < one.ends:
        following = min(start + ((at - start) // step + 1) * step, one.ends)
        yield at, following
        at = following


def _bar(instrument: Instrument, request: BarRequest, start: float, end: float, day: int) -> Bar:
    was = prices_between(instrument, start, end, request.kind)
    bar = Bar(
        start, was.open, was.high, was.low, was.close, was.volume, was.average, was.count, day
    )
    if request.is_of_trades or request.kind == "SCHEDULE":
        return bar
    if request.kind in _AT_HOME:
        whole = _AT_HOME[request.kind] * instrument.price
        values = [round(whole / price, 6) for price in (bar.open, bar.low, bar.high, bar.close)]
        opened, high, low, closed = values
        bar = replace(bar, open=opened, high=high, low=low, close=closed)
    return replace(bar, volume=-1, average=-1.0, count=-1)


def _group(bar: Bar, request: BarRequest) -> int:
    """Which bar of the request a day belongs to."""
    if request.bar_size in _WEEKS:
        return (bar.day - 1) // 7
    date = dt.date.fromordinal(bar.day)
    return date.year * 12 + date.month if request.bar_size in _MONTHS else bar.day


def _merged(bars: list[Bar]) -> Bar:
    """One bar that covers several days; it is dated as the last of them."""
    if len(bars) == 1:
        return bars[0]
    volume = sum(bar.volume for bar in bars) if bars[0].volume >= 0 else -1
    average = sum(bar.average for bar in bars) / len(bars)
    return Bar(
        bars[0].time,
        bars[0].open,
        max(bar.high for bar in bars),
        min(bar.low for bar in bars),
        bars[-1].close,
        volume,
        round(average, 4),
        sum(bar.count for bar in bars) if bars[0].count >= 0 else -1,
        bars[-1].day,
    )

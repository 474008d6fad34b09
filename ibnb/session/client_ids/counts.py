"""What the sessions at one gateway use together: history requests, market data lines, messages.

A gateway has one login, and IBKR counts by login: what is counted here by gateway is so, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

HISTORY_LIMIT = 60
HISTORY_SECONDS = 600.0
IDENTICAL_SECONDS = 15.0
BURST_LIMIT = 5
"""For one contract, exchange and kind of tick within `BURST_SECONDS`: six are one too many."""
BURST_SECONDS = 2.0
OPEN_LIMIT = 50
"""How many historical requests may be open at once, whatever the size of their bars."""
MESSAGE_LIMIT = 50
MESSAGES_KEPT_SECONDS = 60.0


@dataclass(frozen=True)
class HistoryRequest:
    """A historical request, `age` seconds ago: how often it counts, and what makes it the same.

    `series` is its contract, exchange and kind of tick. One with no `weight` has no limits but
    that of what is open at once.
    """

    age: float
    weight: int
    what: str
    series: str = ""


Row = tuple[float, int, str, str]
"""A historical request as a store has it: when it was, its weight, what it was, its series."""


@dataclass(frozen=True)
class Used:
    """What one session has used since it last said so.

    `lines` are all contracts that it streams, and `messages` how many it sent so many whole
    seconds ago. `opened` are its historical requests that are open, by any name, and `ended` those
    that were. `session` tells it from others.
    """

    session: str
    history: tuple[HistoryRequest, ...] = ()
    lines: frozenset[str] = frozenset()
    messages: Mapping[int, int] | None = None
    opened: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()


Limit = Literal["identical", "burst", "history"]
"""The same again, too many of one series, or too many in ten minutes."""


@dataclass(frozen=True)
class Turn:
    """When it is a historical request's turn: now, if it is neither early nor one too many.

    `seconds` is for how long it is too early, by which `limit`; `is_full` says that it has to wait
    for another to end, however long that takes.
    """

    seconds: float = 0.0
    limit: Limit | None = None
    is_full: bool = False

    @property
    def has_come(self) -> bool:
        """Whether the request goes now."""
        return not self.seconds and not self.is_full


@dataclass(frozen=True)
class Counts:
    """What all sessions at a gateway use.

    Attributes:
        history: historical requests that count in the last ten minutes, one for BID_ASK as two.
        identical: those of them that repeated another within 15 seconds.
        burst: those that were the sixth or a later one of their series within two seconds.
        open: historical requests that wait for their answer, or go on, at this moment.
        next_in: seconds until another one is within the limit; 0 if it is now.
        lines: contracts of which market data streams, each once however many stream it.
        messages_last_second: messages that went out in the last whole second.
        messages_peak: the most within one second of the last minute.
    """

    history: int = 0
    identical: int = 0
    next_in: float = 0.0
    lines: int = 0
    messages_last_second: int = 0
    messages_peak: int = 0
    burst: int = 0
    open: int = 0
    history_limit: int = HISTORY_LIMIT
    message_limit: int = MESSAGE_LIMIT
    open_limit: int = OPEN_LIMIT

    @property
    def is_early(self) -> bool:
        """Whether requests came too soon after others like them."""
        return bool(self.identical or self.burst)

    @property
    def is_over(self) -> bool:
        """Whether a limit is passed, or one more request would pass that of open ones."""
        return (
            self.history > self.history_limit
            or self.messages_peak > self.message_limit
            or self.open >= self.open_limit
            or self.is_early
        )


def turn_of(now: float, history: Iterable[Row], opened: int, request: HistoryRequest) -> Turn:
    """Return when a request is within the limits, after those of the history."""
    is_full = opened >= OPEN_LIMIT
    if not request.weight:
        return Turn(is_full=is_full)
    recent = sorted(one for one in history if one[0] > now - HISTORY_SECONDS)
    same = [when for when, _, what, _ in recent if what == request.what]
    together = [one for one in recent if one[3] == request.series]
    waits: dict[Limit, float] = {
        "identical": same[-1] + IDENTICAL_SECONDS - now if same else 0.0,
        "burst": _until_room(now, together, request.weight, BURST_LIMIT, BURST_SECONDS),
        "history": _until_room(now, recent, request.weight, HISTORY_LIMIT, HISTORY_SECONDS),
    }
    limit = max(waits, key=lambda one: waits[one])
    is_early = waits[limit] > 0
    return Turn(waits[limit], limit, is_full) if is_early else Turn(is_full=is_full)


def _until_room(now: float, rows: list[Row], weight: int, limit: int, seconds: float) -> float:
    """Return when so much more than some requests is within a limit for some seconds."""
    recent = [one for one in rows if one[0] > now - seconds]
    used, wait = sum(one[1] for one in recent) + weight, 0.0
    for when, each, *_ in recent:
        if used <= limit:
            break
        used -= each
        wait = when + seconds - now
    return wait


def _apart(before: float, after: float) -> float:
    """Return how many seconds lie between, to the millisecond: so exactly are turns given."""
    return round(after - before, 3)


def tally(
    now: float,
    history: Iterable[Row],
    lines: Iterable[str],
    messages: Mapping[int, int],
    opened: int,
) -> Counts:
    """Count what a store has: its history, what streams, messages by second, and what is open."""
    recent = sorted(one for one in history if one[0] > now - HISTORY_SECONDS)
    last: dict[str, float] = {}
    together: dict[str, list[Row]] = {}
    identical = burst = 0
    for row in recent:
        when, _, what, series = row
        identical += what in last and _apart(last[what], when) < IDENTICAL_SECONDS
        last[what] = when
        before = [one for one in together.get(series, []) if _apart(one[0], when) < BURST_SECONDS]
        together[series] = [*before, row]
        burst += sum(one[1] for one in together[series]) > BURST_LIMIT
    second = int(now)
    in_time = {at: n for at, n in messages.items() if second - MESSAGES_KEPT_SECONDS < at <= second}
    return Counts(
        history=sum(weight for _, weight, *_ in recent),
        identical=identical,
        next_in=max(_until_room(now, recent, 1, HISTORY_LIMIT, HISTORY_SECONDS), 0.0),
        lines=len(set(lines)),
        messages_last_second=in_time.get(second - 1, 0),
        messages_peak=max(in_time.values(), default=0),
        burst=burst,
        open=opened,
    )

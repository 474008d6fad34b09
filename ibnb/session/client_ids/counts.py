"""What the sessions at one gateway use together: history requests, market data lines, messages.

A gateway has one login, and IBKR counts by login: what is counted here by gateway is so, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

HISTORY_LIMIT = 60
HISTORY_SECONDS = 600.0
IDENTICAL_SECONDS = 15.0
MESSAGE_LIMIT = 50
MESSAGES_KEPT_SECONDS = 60.0


@dataclass(frozen=True)
class HistoryRequest:
    """A historical request, `age` seconds ago: how often it counts, and what makes it the same."""

    age: float
    weight: int
    what: str


@dataclass(frozen=True)
class Used:
    """What one session has used since it last said so.

    `lines` are all contracts that it streams, and `messages` how many it sent so many whole
    seconds ago. `session` tells it from others.
    """

    session: str
    history: tuple[HistoryRequest, ...] = ()
    lines: frozenset[str] = frozenset()
    messages: Mapping[int, int] | None = None


@dataclass(frozen=True)
class Counts:
    """What all sessions at a gateway use.

    Attributes:
        history: historical requests that count in the last ten minutes, one for BID_ASK as two.
        identical: those of them that repeated another within 15 seconds.
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
    history_limit: int = HISTORY_LIMIT
    message_limit: int = MESSAGE_LIMIT


def seconds_until_turn(
    now: float, history: Iterable[tuple[float, int, str]], weight: int, what: str
) -> float:
    """Return in how many seconds a request is within the limits, 0 if it is now."""
    recent = sorted(one for one in history if one[0] > now - HISTORY_SECONDS)
    same = [when for when, _, one in recent if one == what]
    wait = same[-1] + IDENTICAL_SECONDS - now if same else 0.0
    used = sum(each for _, each, _ in recent) + weight
    for when, each, _ in recent:
        if used <= HISTORY_LIMIT:
            break
        used -= each
        wait = max(wait, when + HISTORY_SECONDS - now)
    return max(wait, 0.0)


def tally(
    now: float,
    history: Iterable[tuple[float, int, str]],
    lines: Iterable[str],
    messages: Mapping[int, int],
) -> Counts:
    """Count what a store has: history by time, weight and what, and messages by second."""
    recent = sorted(one for one in history if one[0] > now - HISTORY_SECONDS)
    used = sum(weight for _, weight, _ in recent)
    last: dict[str, float] = {}
    identical = 0
    for when, _, what in recent:
        identical += when - last.get(what, -IDENTICAL_SECONDS) < IDENTICAL_SECONDS
        last[what] = when
    free, next_in = used, 0.0
    for when, weight, _ in recent:
        if free < HISTORY_LIMIT:
            break
        free -= weight
        next_in = when + HISTORY_SECONDS - now
    second = int(now)
    in_time = {at: n for at, n in messages.items() if second - MESSAGES_KEPT_SECONDS < at <= second}
    return Counts(
        history=used,
        identical=identical,
        next_in=max(next_in, 0.0),
        lines=len(set(lines)),
        messages_last_second=in_time.get(second - 1, 0),
        messages_peak=max(in_time.values(), default=0),
    )

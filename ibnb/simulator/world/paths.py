"""Price paths: one per instrument, made from a seed, and looked at as closely as anyone likes.

A path is a tree. A day has parts (night, early, regular and late trading), a part has blocks of
half an hour, a block has minutes, a minute seconds, and a second four trades. Each node is made
from its parent and the seed alone, and its children together are exactly what it is: they begin
and end where it does, one of them has its high, one its low, and their volumes add up. So bars of
any size agree with each other and with the ticks, and nothing has to be remembered.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from .calendars import DAY, Hours, day_of, moment
from .recent import Recent

BLOCK = 1800
MINUTE = 60
TRADES_A_SECOND = 4
_OCTAVES = ((0.25, 0.003), (1, 0.005), (4, 0.01), (16, 0.018), (64, 0.03), (256, 0.04))
"""Of each wave of the slow movement: its length in days, and how much of the price it moves."""
_MASK = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Span:
    """What happened between two times; prices in ticks, the smallest steps of the price."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    count: int

    @property
    def average(self) -> float:
        """The average price."""
        return (self.open + self.high + self.low + self.close) / 4


@dataclass(frozen=True)
class Path:
    """How one instrument's price moves.

    Attributes:
        seed: what makes it this path and no other.
        ticks: where it is at home, in ticks.
        hours: when its exchange trades.
        volatility: how far it moves, 1 being a stock's way.
        volume: of a usual day; at least one for each trade is added.
    """

    seed: int
    ticks: int
    hours: Hours
    volatility: float = 1.0
    volume: int = 3_000_000

    def __hash__(self) -> int:
        """Return the seed, which is one path's alone: paths are looked up at every tick."""
        return self.seed

    def span(self, start: float, end: float) -> Span:
        """Return what happens from `start` up to but without `end` (seconds since the epoch)."""
        whole = int(end)
        nodes = list(self._nodes(int(start), whole)) if whole > int(start) else []
        # A second that is under way has only some of its trades.
        under_way = self.trades(whole) if end > whole or not nodes else []
        under_way = [trade for trade in under_way if trade[0] < end] or under_way[:1]
        prices = [price for _, price, _ in under_way]
        return Span(
            nodes[0].open if nodes else prices[0],
            max([*(node.high for node in nodes), *prices]),
            min([*(node.low for node in nodes), *prices]),
            prices[-1] if prices else nodes[-1].close,
            sum(node.volume for node in nodes) + sum(size for _, _, size in under_way),
            sum(node.count for node in nodes) + len(under_way),
        )

    def price(self, time: float) -> int:
        """Return the price of the last trade at a time, in ticks."""
        second = int(time)
        trades = self.trades(second)
        return trades[min(int((time - second) * TRADES_A_SECOND), TRADES_A_SECOND - 1)][1]

    def trades(self, second: int) -> Sequence[tuple[float, int, int]]:
        """Return the trades of one second: time, price in ticks, and size."""
        return _trades((self, second))

    def _nodes(self, start: int, end: int) -> Iterator[Span]:
        """The largest nodes that together are exactly what lies between two seconds."""
        at = start
        while at < end:
            begins, ends = _part_around(self.hours, at)
            if at == begins and ends <= end:
                yield _part(self, begins, ends)
                at = ends
                continue
            stop = min(end, ends)
            while at < stop:
                within = at - begins
                if within % BLOCK == 0 and at + BLOCK <= stop:
                    yield _blocks(self, begins, ends)[within // BLOCK]
                    at += BLOCK
                elif within % MINUTE == 0 and at + MINUTE <= stop:
                    block = at - within % BLOCK
                    last = min((stop - block) // MINUTE, BLOCK // MINUTE)
                    yield from _minutes(self, block)[(at - block) // MINUTE : last]
                    at = block + last * MINUTE
                else:
                    minute = at - within % MINUTE
                    last = min(stop - minute, MINUTE)
                    yield from _seconds((self, minute))[at - minute : last]
                    at = minute + last


def _part_around(hours: Hours, time: int) -> tuple[int, int]:
    """When the part of a day begins and ends that holds a time."""
    # Parts begin and end on the half hour, in every zone and when its clocks change.
    return _part_of(hours, time // BLOCK * BLOCK)


@lru_cache(maxsize=4096)
def _part_of(hours: Hours, time: int) -> tuple[int, int]:
    day = day_of(hours.zone, time)
    for first, second in pairwise(hours.boundaries):
        ends = moment(hours.zone, day, second)
        if time < ends:
            return moment(hours.zone, day, first), ends
    raise AssertionError("a day holds each of its times")


def _make_trades(key: tuple[Path, int]) -> Sequence[tuple[float, int, int]]:
    path, second = key
    node = _second(path, second)
    first_up = _mixed(path.seed, 7, second) & 1
    middle = (node.high, node.low) if first_up else (node.low, node.high)
    size, rest = divmod(node.volume, TRADES_A_SECOND)
    return [
        (second + index / TRADES_A_SECOND, price, size + (rest if index == 0 else 0))
        for index, price in enumerate((node.open, *middle, node.close))
    ]


@lru_cache(maxsize=4096)
def _part(path: Path, begins: int, ends: int) -> Span:
    opened, closed = _level(path, begins), _level(path, ends)
    seconds = ends - begins
    spread = path.ticks * path.volatility * 0.008 * math.sqrt(seconds / DAY)
    luck = random.Random(_mixed(path.seed, 1, begins))  # noqa: S311 - prices are no secret
    high = max(opened, closed) + int(luck.expovariate(1) * spread)
    low = max(min(opened, closed) - int(luck.expovariate(1) * spread), 1)
    traded = int(path.volume * luck.uniform(0.6, 1.4) * _share(path, begins))
    count = TRADES_A_SECOND * seconds
    return Span(opened, high, low, closed, traded + count, count)


def _share(path: Path, begins: int) -> float:
    """How much of a day's volume is traded in a part of it."""
    hours = path.hours
    regular = moment(hours.zone, day_of(hours.zone, begins), hours.opens) == begins
    return 1.0 if regular else 0.03


@lru_cache(maxsize=8192)
def _blocks(path: Path, begins: int, ends: int) -> list[Span]:
    return _split(_part(path, begins, ends), (ends - begins) // BLOCK, BLOCK, path.seed, begins)


def _block(path: Path, at: int) -> Span:
    begins, ends = _part_around(path.hours, at)
    return _blocks(path, begins, ends)[(at - begins) // BLOCK]


@lru_cache(maxsize=16_384)
def _minutes(path: Path, block: int) -> list[Span]:
    return _split(_block(path, block), BLOCK // MINUTE, MINUTE, path.seed, block)


def _minute(path: Path, at: int) -> Span:
    begins, _ = _part_around(path.hours, at)
    within = (at - begins) % BLOCK
    return _minutes(path, at - within)[within // MINUTE]


def _make_seconds(key: tuple[Path, int]) -> list[Span]:
    path, minute = key
    return _split(_minute(path, minute), MINUTE, 1, path.seed, minute)


# They are by far the most, and those of a time that has passed are hardly ever looked at again.
_trades = Recent(_make_trades, 16_384)
_seconds = Recent(_make_seconds, 4096)


def _second(path: Path, at: int) -> Span:
    begins, _ = _part_around(path.hours, at)
    within = (at - begins) % MINUTE
    return _seconds((path, at - within))[within]


def _split(parent: Span, parts: int, seconds: int, seed: int, at: int) -> list[Span]:
    """Return the children of a node, each of so many seconds."""
    luck = random.Random(_mixed(seed, seconds, at))  # noqa: S311 - prices are no secret
    steps = [luck.gauss(0, 1) for _ in range(parts)]
    drift = sum(steps) / parts
    scale = (parent.high - parent.low) * 0.6 / math.sqrt(parts)
    points, walked = [parent.open], 0.0
    for index in range(1, parts):
        walked += (steps[index - 1] - drift) * scale
        straight = parent.open + (parent.close - parent.open) * index / parts
        points.append(_folded(round(straight + walked), parent.low, parent.high))
    points.append(parent.close)
    top = min(points.index(max(points)), parts - 1)
    bottom = min(points.index(min(points)), parts - 1)
    smallest = TRADES_A_SECOND * seconds
    extra = parent.volume - smallest * parts
    weights = [luck.uniform(0.5, 1.5) for _ in range(parts)]
    whole, before, given = sum(weights), 0.0, 0
    children = []
    for index, (opened, closed) in enumerate(pairwise(points)):
        before += weights[index]
        upto = extra if index == parts - 1 else int(extra * before / whole)
        high = parent.high if index == top else max(opened, closed)
        low = parent.low if index == bottom else min(opened, closed)
        wiggle = int(luck.expovariate(2) * scale)
        high, low = min(high + wiggle, parent.high), max(low - wiggle, parent.low)
        children.append(Span(opened, high, low, closed, smallest + upto - given, smallest))
        given = upto
    return children


def _folded(value: int, low: int, high: int) -> int:
    """A value that is thrown back where it would leave its bounds."""
    width = high - low
    if not width:
        return low
    beyond = (value - low) % (2 * width)
    return low + min(beyond, 2 * width - beyond)


@lru_cache(maxsize=16_384)
def _level(path: Path, time: int) -> int:
    """Where the slow movement is at a time, in ticks."""
    days = time / DAY
    swing = 0.0
    for octave, (length, size) in enumerate(_OCTAVES):
        step, part = divmod(days / length, 1.0)
        first = _signed(path.seed, octave, int(step))
        second = _signed(path.seed, octave, int(step) + 1)
        swing += size * (first + (second - first) * part)
    return max(round(path.ticks * math.exp(swing * path.volatility)), 2)


def _signed(seed: int, octave: int, step: int) -> float:
    return _mixed(seed, 100 + octave, step) / (_MASK / 2) - 1.0


def _mixed(seed: int, kind: int, number: int) -> int:
    """A number of 64 bits that looks random, the same each time (the mixer of splitmix64)."""
    value = (seed * 0x9E3779B97F4A7C15 + kind * 0xBF58476D1CE4E5B9 + number) & _MASK
    value = (value + 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)

"""Quotes that somebody set: an instrument stays at one until it is set again, or let go."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from .paths import TRADES_A_SECOND


@dataclass(frozen=True)
class Pin:
    """A quote that holds from `since` up to but without `until` (seconds since the epoch).

    A size that is None is whatever the market shows otherwise.
    """

    bid: float
    ask: float
    last: float
    bid_size: int | None = None
    ask_size: int | None = None
    since: float = 0.0
    until: float = math.inf


class Pins:
    """The quotes that were set of one instrument, those of the past too: bars have to agree."""

    def __init__(self) -> None:
        self._pins: list[Pin] = []

    def __bool__(self) -> bool:
        """Say whether a quote was ever set."""
        return bool(self._pins)

    def at(self, time: float) -> Pin | None:
        """Return what was set for a time, or None."""
        if not self._pins:
            return None
        return next((pin for pin in reversed(self._pins) if pin.since <= time < pin.until), None)

    def hold(self, pin: Pin, time: float) -> None:
        """Hold a quote from a time on, in place of the one that holds now."""
        self.release(time)
        self._pins.append(replace(pin, since=_turn(time)))

    def release(self, time: float) -> None:
        """Let the price go on by itself from a time on."""
        turn = _turn(time)
        self._pins = [
            replace(pin, until=turn) if pin.since < turn < pin.until else pin
            for pin in self._pins
            if pin.since < turn
        ]

    @property
    def edges(self) -> set[float]:
        """When a quote begins or ends to hold."""
        return {edge for pin in self._pins for edge in (pin.since, pin.until)}


def pieces(several: Iterable[Pins], start: float, end: float) -> Iterator[tuple[float, float]]:
    """Cut the time between two times wherever a quote of any of several begins or ends to hold."""
    edges = {edge for pins in several for edge in pins.edges}
    points = [start, *sorted(edge for edge in edges if start < edge < end), end]
    return pairwise(points)


def _turn(time: float) -> float:
    """When the trade before a time was: a quote holds from there, so that it shows at once."""
    return math.floor(time * TRADES_A_SECOND) / TRADES_A_SECOND

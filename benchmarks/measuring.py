"""What every measurement is made of: both sides in turn, medians, and a row against its budget."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table; `within` is None where there is no budget, only a comparison."""

    name: str
    measured: str
    budget: str = ""
    within: bool | None = None


class MeasuringFailedError(RuntimeError):
    """A measurement did not come about, or measured something else than it says."""


def in_turn(
    times: int, *sides: Callable[[], float], warm_up: int = 1
) -> tuple[tuple[float, ...], ...]:
    """Measure all sides `times` times, A, B, then B, A, and so on; return each one's seconds.

    Each side goes first equally often, so that neither profits from what the other warmed up.
    The first `warm_up` rounds are not counted.
    """
    measured: list[list[float]] = [[] for _ in sides]
    for number in range(-warm_up, times):
        order = range(len(sides)) if number % 2 else reversed(range(len(sides)))
        for side in order:
            seconds = sides[side]()
            if number >= 0:
                measured[side].append(seconds)
    return tuple(map(tuple, measured))


def against(
    name: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    *,
    most: float,
    more: float = 0.0,
) -> Row:
    """Compare two medians: ours may be `most` times theirs, or theirs and `more` seconds."""
    mine, other = statistics.median(ours), statistics.median(theirs)
    budget = f"at most {most:g}" + (f", or {shown(more)} more" if more else "")
    limit = max(most * other, other + more) if more else most * other
    return Row(
        name,
        f"{mine / other:.2f} ({shown(mine)} against {shown(other)}, {len(ours)} each)",
        budget,
        mine <= limit,
    )


def shown(seconds: float) -> str:
    """Return seconds for people."""
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.3g} ms"

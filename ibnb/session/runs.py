"""Runs: which run of which cell a piece of code belongs to, also when it runs much later.

Tasks and callbacks carry the context they were made in, so a background task of an earlier run is
known as such for as long as it lives.
"""

from __future__ import annotations

import contextvars
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """One run of one cell.

    `cell` is the frontend's id of the cell, or None where it sends none: then nothing is known of
    earlier runs of the same cell. `number` grows with every run; `label` is for people.
    """

    cell: str | None
    number: int
    label: str

    def is_earlier_run_of(self, other: Run) -> bool:
        """Whether this is an earlier run of the very same cell."""
        return self.cell is not None and self.cell == other.cell and self.number < other.number


_current: contextvars.ContextVar[Run | None] = contextvars.ContextVar("ibnb_run", default=None)


class Runs:
    """Counts the runs of one shell's cells, and knows the latest of each."""

    def __init__(self) -> None:
        self._count = 0
        self._latest: dict[str, int] = {}

    def begin(self, cell: str | None, label: str) -> Run:
        """Take note that a cell begins to run now, in this context and what it starts."""
        self._count += 1
        run = Run(cell, self._count, label)
        if cell is not None:
            self._latest[cell] = self._count
        _current.set(run)
        return run

    def is_over(self, run: Run) -> bool:
        """Whether the same cell was run again since."""
        return run.cell is not None and self._latest.get(run.cell, run.number) > run.number


def current_run() -> Run | None:
    """Return the run that the code at hand belongs to, or None outside any cell."""
    return _current.get()

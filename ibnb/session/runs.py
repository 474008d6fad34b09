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

    `cell` is the frontend's id of the cell, or what stands for it; None if nothing is known of it.
    `number` grows with every run; `label` is for people.
    """

    cell: str | None
    number: int
    label: str

    def is_earlier_run_of(self, other: Run) -> bool:
        """Whether this is an earlier run of the very same cell."""
        return self.cell is not None and self.cell == other.cell and self.number < other.number


_current: contextvars.ContextVar[Run | None] = contextvars.ContextVar("ibnb_run", default=None)
_called_by: contextvars.ContextVar[int | None] = contextvars.ContextVar(
    "ibnb_called_by", default=None
)


class Runs:
    """Counts the runs of one shell's cells."""

    def __init__(self) -> None:
        self.count = 0

    def begin(self, cell: str | None, label: str) -> Run:
        """Take note that a cell begins to run now, in this context and what it starts."""
        self.count += 1
        run = Run(cell, self.count, label)
        _current.set(run)
        _called_by.set(None)
        return run


def current_run() -> Run | None:
    """Return the run that the code at hand belongs to, or None outside any cell."""
    return _current.get()


def caller() -> int | None:
    """Return the connection whose data called the code at hand, or started it; None without one."""
    return _called_by.get()


def context_of(connection: int | None) -> contextvars.Context:
    """Return a context for what a connection calls: a copy of this one that knows its number."""
    context = contextvars.copy_context()
    if connection is not None:
        context.run(_called_by.set, connection)
    return context

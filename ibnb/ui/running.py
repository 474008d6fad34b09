"""The cell that runs now, and how something gets into its output from anywhere."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any


class RunningCell:
    """Knows whether a cell of the shell runs, and shows things in it.

    What a timer or a socket's callback shows belongs, to a frontend, to the cell in which that
    timer or socket was made. A notebook that is executed without a frontend loses it, since that
    cell is over. Within the context of the cell that runs now it is shown there.
    """

    def __init__(self) -> None:
        self._context: contextvars.Context | None = None

    @property
    def is_running(self) -> bool:
        """Whether a cell runs."""
        return self._context is not None

    def begin(self) -> None:
        """Take note that a cell begins to run, in this context."""
        self._context = contextvars.copy_context()

    def end(self) -> None:
        """Take note that it is over."""
        self._context = None

    def within(self, function: Callable[..., Any], *args: Any) -> Any:
        """Call a function as the cell that runs would; without one, as whoever calls this."""
        if self._context is None:
            return function(*args)
        # A copy: one context cannot be entered twice.
        return self._context.copy().run(function, *args)

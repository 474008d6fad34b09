"""Runs: which run of which cell a piece of code comes from, also when it runs much later.

Tasks and callbacks carry the context they were made in, so a background task of an earlier run is
known as such for as long as it lives. Threads carry none: where they come from is noted as they
start.
"""

from __future__ import annotations

import contextvars
import functools
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import CodeType, FrameType
from typing import Any
from weakref import WeakKeyDictionary


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


@dataclass(frozen=True)
class Origin:
    """Where code comes from: the run that started it, and the connection whose data called it."""

    run: Run | None = None
    called_by: int | None = None


MOST_ATTACHED = 1000
EARLY = Origin(Run(None, 0, "code that was started before ibnb was loaded"))
"""Where code comes from that was under way before anybody looked."""
_origin: contextvars.ContextVar[Origin | None] = contextvars.ContextVar("ibnb_run", default=None)


class Runs:
    """Counts the runs of one shell's cells, and knows where its threads come from."""

    def __init__(self) -> None:
        self.count = 0
        self._start: Any = None
        self._threads: WeakKeyDictionary[threading.Thread, Origin | None] = WeakKeyDictionary()
        self._attached: dict[int, tuple[CodeType, Origin]] = {}

    def begin(self, cell: str | None, label: str) -> Run:
        """Take note that a cell begins to run now, in this context and what it starts."""
        self.count += 1
        run = Run(cell, self.count, label)
        _origin.set(Origin(run))
        return run

    def begin_anew(self, label: str) -> None:
        """Take note that a user starts something beside the cells, as by a click."""
        _origin.set(Origin(Run(None, self.count, label)))

    def note_thread(self, thread: threading.Thread, origin: Origin | None = None) -> None:
        """Take note of a thread that is about to start: it comes from where this code does."""
        self._threads[thread] = origin or self.origin()

    def noting(self, start: Callable[[threading.Thread], None]) -> Callable[..., None]:
        """Return what notes each thread that it starts, for the place of `Thread.start`.

        As long as it is there, a thread whose start was not noted is older.
        """

        def noting_start(thread: threading.Thread) -> None:
            self.note_thread(thread)
            start(thread)

        self._start = noting_start
        return noting_start

    def note_attached(self, listener: Any, origin: Origin | None) -> None:
        """Take note that a handler comes from where the code does that attached it.

        With None that is forgotten: the connection whose data calls the handler decides.
        """
        code = _code_of(listener)
        if code is None:
            return
        if origin is None:
            self._attached.pop(id(code), None)
        elif len(self._attached) < MOST_ATTACHED:
            # With the code itself, so that no other gets its identity.
            self._attached[id(code)] = code, origin

    def adopt(self, connection: int) -> None:
        """Let background code that has opened a connection belong to it from now on."""
        own = _origin.get()
        if own is None or own.run is None or own.run.number < self.count:
            called_by(connection)

    def origin(self) -> Origin | None:
        """Return where the code at hand comes from; None if that cannot be told.

        It cannot of a pool's worker, which serves whoever asks, and of a signal handler.
        """
        own = _origin.get()
        if own is not None:
            attached = self._attached and own.called_by is not None
            return (self._attached_by(sys._getframe(1)) if attached else None) or own  # noqa: SLF001 - handlers run in the context of their connection
        thread = threading.current_thread()
        # asyncio.to_thread hands its context over; what else a pool runs does not say whose it is.
        pools = sys.modules.get("concurrent.futures.thread")
        is_worker = thread in getattr(pools, "_threads_queues", ())
        if is_worker:
            return None
        return self._threads[thread] if thread in self._threads else self._unseen(thread)

    def _unseen(self, thread: threading.Thread) -> Origin | None:
        """Return where a thread comes from whose start was not noted: from before, if all are."""
        is_noting = threading.Thread.start is self._start
        by_python = thread is not threading.main_thread() and not isinstance(
            thread,
            threading._DummyThread,  # noqa: SLF001 - stands for one that Python did not start
        )
        return EARLY if is_noting and by_python else None

    def _attached_by(self, frame: FrameType | None) -> Origin | None:
        """Return where a handler was attached that is at work beneath a frame, if that is noted."""
        while frame is not None:
            noted = self._attached.get(id(frame.f_code))
            if noted is not None:
                return noted[1]
            frame = frame.f_back
        return None


def _code_of(listener: Any) -> CodeType | None:
    if isinstance(listener, functools.partial):
        return _code_of(listener.func)
    function = getattr(listener, "__func__", listener)
    called = vars(type(listener)).get("__call__")
    code = getattr(function, "__code__", None) or getattr(called, "__code__", None)
    return code if isinstance(code, CodeType) else None


def current_run() -> Run | None:
    """Return the run that the code at hand comes from, or None outside any cell."""
    origin = _origin.get()
    return origin.run if origin is not None else None


def is_unmarked(context: contextvars.Context) -> bool:
    """Say whether nothing is known of the code that runs in a context."""
    return context.get(_origin) is None


def mark(context: contextvars.Context, origin: Origin) -> None:
    """Take note of where the code that runs in a context comes from, and what it starts."""
    context.run(_origin.set, origin)


def called_by(connection: int) -> None:
    """Let the code at hand, and what it starts from now on, belong to a connection."""
    _origin.set(replace(_origin.get() or Origin(), called_by=connection))


def context_of(connection: int | None) -> contextvars.Context:
    """Return a context for what a connection calls: a copy of this one that knows its number."""
    context = contextvars.copy_context()
    if connection is not None:
        context.run(called_by, connection)
    return context


def context_from(origin: Origin) -> contextvars.Context:
    """Return a copy of this context for code that comes from elsewhere."""
    context = contextvars.copy_context()
    mark(context, origin)
    return context

"""Taking note of where code comes from, where Python itself does not: threads and handlers.

A thread starts with no context, and a handler runs in that of the connection whose data calls it.
So that code of an earlier run is known as such there too, it is noted who starts a thread, and
what code attaches that belongs to a replaced connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
from collections.abc import Iterator
from contextvars import Context, copy_context
from types import ModuleType
from typing import Any

from ibnb.session.library import libraries
from ibnb.session.library.patches import Patches

from .cell_runs import EARLY, context_from, is_unmarked, mark
from .frames import Modules, frames_of
from .succession import Succession


class Origins:
    """Notes who starts threads and attaches handlers, between `enter` and `leave`.

    Args:
        succession: knows the runs, and which connection took the place of which.
        loop: the notebook's loop, which other threads call; None outside a notebook.
    """

    def __init__(self, succession: Succession, loop: asyncio.AbstractEventLoop | None) -> None:
        self._succession = succession
        self._loop = loop
        self._patches = Patches((libraries.EMITTER,), self._wrap_events)

    def enter(self) -> None:
        """Begin; what is under way already comes from before."""
        # Other threads go on: what begins is watched before what is under way is looked at.
        self._put(threading.Thread, "start", self._succession.runs.noting)
        if self._loop is not None:
            self._put(self._loop, "call_soon_threadsafe", self._calling)
        self._patches.install()
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                self._succession.runs.note_thread(thread, EARLY)
        if self._loop is not None:
            for context in _contexts_under_way(self._loop):
                if is_unmarked(context):
                    with contextlib.suppress(RuntimeError):
                        # It is entered: that is the code which loads ibnb.
                        mark(context, EARLY)

    def leave(self) -> None:
        """Restore what was wrapped; where somebody wrapped it again, that stays."""
        self._patches.remove()

    def _put(self, owner: Any, name: str, around: Any) -> None:
        original = getattr(owner, name)
        self._patches.put(owner, name, functools.wraps(original)(around(original)))

    def _calling(self, original: Any) -> Any:
        runs = self._succession.runs

        def call_soon_threadsafe(callback: Any, *args: Any, context: Context | None = None) -> Any:
            if context is None and is_unmarked(copy_context()):
                origin = runs.origin()
                context = context_from(origin) if origin is not None else None
            return original(callback, *args, context=context)

        return call_soon_threadsafe

    def _wrap_events(self, module: ModuleType) -> None:
        for name in ("connect", "__iadd__"):
            self._put(module.Event, name, self._attaching)

    def _attaching(self, original: Any) -> Any:
        succession = self._succession

        def connect(event: Any, listener: Any, *args: Any, **kwargs: Any) -> Any:
            origin = succession.runs.origin()
            outdated = succession.is_outdated(origin)
            succession.runs.note_attached(listener, origin if outdated else None)
            return original(event, listener, *args, **kwargs)

        return connect


def _contexts_under_way(loop: asyncio.AbstractEventLoop) -> Iterator[Context]:
    """Yield the contexts of the user's tasks and timers on a loop."""
    modules = Modules()
    for task in asyncio.all_tasks(loop):
        names = [frame.f_globals.get("__name__", "") for frame in frames_of(task.get_coro())]
        # What an API library or its events run, somebody of the user's has started.
        users = any(modules.is_users(one) or one.startswith(libraries.PACKAGES) for one in names)
        # Python 3.11 does not hand out the context of a task.
        if users and hasattr(task, "get_context"):
            yield task.get_context()
    # asyncio has no public way to ask for its timers; all of its loops have these.
    for handle in (*getattr(loop, "_scheduled", ()), *getattr(loop, "_ready", ())):
        callback = getattr(handle, "_callback", None)
        if modules.is_users(getattr(callback, "__module__", None)):
            yield handle._context  # noqa: SLF001 - as above

"""Blocking requests that nobody could answer: refused with an explanation, instead of hanging.

A handler runs while the socket's reader is at work, and until it returns nothing more is read from
that socket. A blocking request that is made there waits for an answer that cannot come, for ever.
One that is made on another thread than that of the connection's loop hangs as well, once the loop
is patched: the answer is read on the loop's own thread, and wakes nobody on the other. If that
thread runs a loop of its own, as a subshell does, it fails with an error about futures and loops.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from types import FrameType, ModuleType
from typing import Any

from ibnb.session.errors import BlockingInHandler, BlockingOnThread, IbnbError
from ibnb.session.notebook import event_loop

from . import libraries
from .listening import WAITING
from .patches import MethodPatch, Patches, install_patch, remove_patch
from .protocols import Ib

KIND = "handlers"
READER = "data_received"
"""What asyncio calls on a library's connection when bytes came; handlers run within it."""

Refused = Callable[[BlockingInHandler], None]
"""Is told of every refusal: a library only logs what a handler raises."""


@dataclass(frozen=True)
class _Watched:
    """A connection, the loop that reads from it, and who is told of a refusal in a handler."""

    connection: Any
    loop: asyncio.AbstractEventLoop
    refused: Refused

    def check(self, reading: tuple[Any, ...]) -> None:
        """Raise where a blocking call that is made now could get no answer.

        `reading` are the connections whose reader waits until the call is over.
        """
        if any(held is self.connection for held in reading):
            raise _handler_error(self.refused)
        if event_loop.runs_elsewhere(self.loop):
            raise _thread_error()


_asked: weakref.WeakKeyDictionary[asyncio.Future[Any], _Watched] = weakref.WeakKeyDictionary()
"""The connection that each request's future waits for."""
_held_up: ContextVar[tuple[Any, ...] | None] = ContextVar("ibnb_held_up", default=None)
"""Of a task that a blocking call waits for, the connections whose reader waits with it."""


class BlockingCalls:
    """Wraps the libraries' blocking `run`, so that tasks know whose reader they hold up.

    A loop's own `run_until_complete` is wrapped too: with it, people block by hand.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop
        self._patches = Patches(libraries.MODULES, self._wrap)

    def enter(self) -> None:
        """Begin: libraries that are imported already, and those that will be."""
        self._patches.install()
        if self._loop is not None:
            # On this one loop, over the method of its class.
            noted = _noting(self._loop.run_until_complete)
            self._patches.put(self._loop, "run_until_complete", noted)

    def leave(self) -> None:
        """Restore what was wrapped; where somebody wrapped it again, that stays."""
        self._patches.remove()

    def _wrap(self, module: ModuleType) -> None:
        # The library's own blocking requests look `run` up in `util`; users call `IB.run`.
        noted = _noting(module.util.run)
        for owner, ours in ((module.util, noted), (module.IB, staticmethod(noted))):
            self._patches.put(owner, "run", ours)


def watch_handlers(ib: Ib, refused: Refused = lambda _error: None) -> None:
    """Refuse the blocking requests of an `IB` object in its own handlers, and on other threads.

    Called on the loop that it is connected on. Requests that are awaited are not refused, and
    neither are those of other connections.
    """
    watched = _Watched(ib.client.conn, asyncio.get_running_loop(), refused)

    def start(layer: MethodPatch) -> Any:
        def start_request(*args: Any, **kwargs: Any) -> Any:
            reading = _held_up.get()
            if reading is not None:
                watched.check(reading)
            future = layer.inner(*args, **kwargs)
            _asked[future] = watched
            return future

        return start_request

    def wait(layer: MethodPatch) -> Any:
        def wait_on_update(timeout: float = 0) -> Any:
            if not timeout:
                watched.check(tuple(_being_read(_caller())))
            return layer.inner(timeout)

        return wait_on_update

    install_patch(ib.wrapper, WAITING, KIND, start)
    install_patch(ib, "waitOnUpdate", KIND, wait)


def unwatch_handlers(ib: Ib) -> None:
    """Undo `watch_handlers`."""
    remove_patch(ib.wrapper, WAITING, KIND)
    remove_patch(ib, "waitOnUpdate", KIND)


def _noting(run: Any) -> Any:
    @functools.wraps(run)
    def run_noted(*awaitables: Any, **kwargs: Any) -> Any:
        reading = tuple(_being_read(_caller()))
        for awaitable in awaitables:
            asked = _asked.get(awaitable) if isinstance(awaitable, asyncio.Future) else None
            if asked is not None:
                try:
                    asked.check(reading)
                except IbnbError:
                    awaitable.cancel()
                    raise
        token = _held_up.set(reading)
        try:
            return run(*awaitables, **kwargs)
        finally:
            _held_up.reset(token)

    return run_noted


def _caller() -> FrameType | None:
    return sys._getframe(1)  # noqa: SLF001 - the stack has no other way in that is as cheap


def _being_read(frame: FrameType | None) -> Iterator[Any]:
    """Yield the connections whose reader is at work beneath a frame, by looking at the stack."""
    while frame is not None:
        if frame.f_code.co_name == READER:
            reader = frame.f_locals.get("self")
            if isinstance(reader, asyncio.Protocol):
                yield reader
        frame = frame.f_back


def _handler(frame: FrameType | None) -> str:
    """Return the name of the handler beneath a frame, and its line; empty without one."""
    while frame is not None and frame.f_back is not None:
        if frame.f_back.f_globals.get("__name__") == libraries.EMITTER:
            code = frame.f_code
            return f"{code.co_name} (its line {frame.f_lineno - code.co_firstlineno + 1})"
        frame = frame.f_back
    return ""


def _handler_error(refused: Refused) -> BlockingInHandler:
    handler = _handler(_caller())
    fact = (
        f"A blocking request was made inside an event handler{handler and f', {handler}'}. No "
        "answer could have been read before the handler's end, so it would have hung for ever."
    )
    error = BlockingInHandler("blocking-in-handler", (fact,))
    refused(error)
    return error


def _thread_error() -> BlockingOnThread:
    fact = (
        f"A blocking request was made on the thread {threading.current_thread().name!r}. Answers "
        "are read by the event loop of another thread: none would have come to this one."
    )
    return BlockingOnThread("blocking-on-thread", (fact,))

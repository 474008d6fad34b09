"""The event loop of a notebook: the patch that blocking calls need, and waiting on it safely."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
import time
import warnings
from collections import deque
from collections.abc import Coroutine
from types import FrameType, TracebackType
from typing import Any, Literal, Self, TypeVar

T = TypeVar("T")
CLEANING_SECONDS = 5.0
"""How long what was cancelled may take to clean up before it is not waited for."""
_FLAG = "_nest_patched"

Patch = Literal["nest_asyncio2", "nest_asyncio", "none"]


def active_patch() -> Patch:
    """Return which patch of asyncio is active, if any."""
    if not hasattr(asyncio, _FLAG):
        return "none"
    return "nest_asyncio2" if hasattr(asyncio, "_nest_asyncio2") else "nest_asyncio"


def current_loop() -> asyncio.AbstractEventLoop:
    """Return this thread's event loop, making one where a plain terminal has none yet."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    with warnings.catch_warnings(), contextlib.suppress(RuntimeError):
        # Some versions warn that they make the loop that others refuse to make.
        warnings.simplefilter("ignore", DeprecationWarning)
        loop = asyncio.get_event_loop()
        if not loop.is_closed():
            return loop
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def patch_loop() -> bool:
    """Let blocking calls run inside the running loop; return True if a bad patch was repaired.

    The original nest_asyncio makes queued cells vanish on ipykernel 7. Its flags are taken off, so
    that nest-asyncio2 can be applied over it. There is no undo for either.
    """
    import nest_asyncio2

    loop = current_loop()
    repaired = active_patch() == "nest_asyncio"
    if repaired:
        for owner in (asyncio, *type(loop).__mro__):
            if _FLAG in vars(owner):
                delattr(owner, _FLAG)
    nest_asyncio2.apply(loop)
    _let_its_turn_end(loop)
    return repaired


class _Ready(deque[asyncio.Handle]):
    """What a loop has to run; where there is nothing, a handle that does nothing."""

    def __init__(self, nothing: asyncio.Handle) -> None:
        super().__init__()
        self._nothing = nothing

    def popleft(self) -> asyncio.Handle:
        return super().popleft() if self else self._nothing


def _let_its_turn_end(loop: Any) -> None:
    """Let a loop that runs end the turn in which it was patched.

    asyncio's own turn counts beforehand what it has to run. What a blocking call in the same turn
    runs in its place is missing at its end, and the error would end the whole kernel.
    """
    before = getattr(loop, "_ready", None)
    if not loop.is_running() or type(before) is not deque:
        return
    nothing = asyncio.Handle(lambda: None, (), loop)
    nothing.cancel()
    # Other threads add to whichever of the two the loop has: none of that may be lost.
    loop._ready = _Ready(nothing)  # noqa: SLF001 - asyncio has no public way to it
    loop._ready.extendleft(reversed(before))  # noqa: SLF001
    # A patched turn that is under way goes on with the old one, and would run all of it again.
    before.clear()


class Interrupt:
    """Makes the stop button cancel a task in good order, for as long as its context lasts.

    Python raises an interrupt between any two instructions, those of the loop and of a library
    included, and whatever was under way there is lost: a step of a task, half a message. Here it
    cancels the task at the loop's next turn, and KeyboardInterrupt is raised when the context ends.
    Who asks again more than `CLEANING_SECONDS` later gets it at once.

    Only on the main thread, where Python delivers interrupts; elsewhere the context does nothing.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._came_at: float | None = None
        self._before: Any = None
        self._over = False

    def cancels(self, task: asyncio.Task[Any]) -> None:
        """Name the task that an interrupt cancels: one that came already, or one that will."""
        if self._over:
            return
        self._task = task
        if self._came_at is not None:
            task.cancel()

    def __enter__(self) -> Self:
        """Take interrupts over, where Python code would get them."""
        if threading.current_thread() is threading.main_thread():
            before = signal.getsignal(signal.SIGINT)
            if callable(before):
                self._before = before
                signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give interrupts back, and raise the one that came."""
        self._over = True
        if self._before is None:
            return
        # Equal and not identical: every look at a method makes a new one.
        if signal.getsignal(signal.SIGINT) == self._on_interrupt:
            signal.signal(signal.SIGINT, self._before)
        if self._came_at is not None:
            if self._before is not signal.default_int_handler:
                self._before(signal.SIGINT, None)
            raise KeyboardInterrupt from None

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._over or (self._came_at is not None and now - self._came_at > CLEANING_SECONDS):
            self._before(number, frame)
        elif self._came_at is None:
            self._came_at = now
            if self._task is not None:
                self._task.get_loop().call_soon_threadsafe(self._task.cancel)


def run(coroutine: Coroutine[Any, Any, T], home: asyncio.AbstractEventLoop | None = None) -> T:
    """Run a coroutine to its end from synchronous code, on the loop that owns the connection.

    On the loop's own thread this waits inside the loop, so everything else keeps going. From
    another thread (a widget callback on a subshell) it is handed over to `home`. An interrupt
    cancels the coroutine and waits until it has cleaned up before it is raised.
    """
    loop = home if home is not None and not home.is_closed() else current_loop()
    if runs_elsewhere(loop):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result()
    with Interrupt() as interrupt:
        task = loop.create_task(coroutine)
        interrupt.cancels(task)
        try:
            return loop.run_until_complete(task)
        except BaseException:
            if not task.done():
                task.cancel()
                # Not for ever: an interrupt that was asked for twice may have hit the loop just as
                # it took the task's next step from its queue, and that step never comes.
                loop.run_until_complete(asyncio.wait({task}, timeout=CLEANING_SECONDS))
            raise


def runs_elsewhere(loop: asyncio.AbstractEventLoop) -> bool:
    """Say whether a loop runs on another thread than this."""
    if not loop.is_running():
        return False
    try:
        return asyncio.get_running_loop() is not loop
    except RuntimeError:
        return True

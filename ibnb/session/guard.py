"""The guard: notebook code that makes its own connections can be rerun without a collision.

It wraps `IB.connectAsync` (and `IB.connect`, for the stop button) of both libraries, whenever they
are imported, and acts only when notebook code connects. It first closes what an earlier run of the
same cell opened, and what has the same host, port and client ID and nobody holds any more. It
refuses nobody: an ID that is held is the gateway's to refuse.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine, Iterable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .address import Address, address_of
from .library import libraries
from .library.patches import Patches
from .notebook import event_loop
from .notebook.cell_runs import Run, current_run
from .opening.failed import OpeningFailedError
from .opening.log_filters import Hush

if TYPE_CHECKING:
    from ibnb.tws.attempt import Attempt

    from .notebook.reach import Root
    from .opening.retry import OnWait
    from .session import Session
    from .tracked import TrackedConnection


class Guard:
    """Wraps the libraries' connecting for one session.

    Args:
        session: the session of this kernel.
        enabled: is asked at every connect whether to act.
        wait: is asked how many seconds to wait for a client ID that is still held.
        waiting: makes what shows such a wait, for as long as its context lasts.
        reachable: returns what the notebook's code can reach, its variables above all.
    """

    def __init__(
        self,
        session: Session,
        *,
        enabled: Callable[[], bool],
        wait: Callable[[Address], float],
        waiting: Callable[[], AbstractContextManager[OnWait]],
        reachable: Callable[[], Iterable[Root]],
    ) -> None:
        self._session = session
        self._enabled = enabled
        self._wait = wait
        self._waiting = waiting
        self._reachable = reachable
        self._active = False
        self._patches = Patches(libraries.MODULES, self._wrap)
        self._undo: Callable[[], None] = lambda: None
        self._interrupts: WeakKeyDictionary[Any, event_loop.Interrupt] = WeakKeyDictionary()

    def __repr__(self) -> str:
        """Say whether it acts."""
        acts = "active" if self._active and self._enabled() else "not active"
        return f"<Guard: {acts}, {self._session.registry}>"

    def enter(self) -> None:
        """Begin to guard: libraries that are imported already, and those that will be."""
        self._active = True
        self._undo = self._session.use(guarding=self._enabled, reachable=self._reachable)
        self._patches.install()
        self._adopt()

    def leave(self) -> None:
        """Restore what was wrapped; where somebody wrapped it again, ours passes through."""
        self._active = False
        self._undo()
        self._patches.remove()
        for held in self._session.registry.all():
            held.unwatch()

    async def abandon(self, run: Run) -> None:
        """Cancel the openings under way that a run began, and wait until they are closed."""
        for held in self._session.registry.all():
            if held.run == run and held.is_opening:
                await held.close()

    def after(self, run: Run) -> None:
        """Close what earlier runs of a cell opened and nobody has any more, now that it is over."""
        registry = self._session.registry
        if self._active and registry.outlived == run:
            event_loop.run(self._clear_after(run), self._session.home)

    async def _clear_after(self, run: Run) -> None:
        async with self._session.turn():
            await self._session.registry.clear_after(run)

    def _adopt(self) -> None:
        """Look after what was connected before there was a guard, where it is found."""
        session, home = self._session, self._session.home
        if not self._enabled() or home is None or not libraries.any_is_imported():
            return
        session.registry.look_around(session.hold)
        for held in session.registry.all():
            if not held.is_watched and held.is_ready_on(home):
                held.note_opened()
                self._watch(held)
                held.hear()

    def _watch(self, held: TrackedConnection) -> None:
        held.watch(lambda: self._session.registry.others_open(held.tracked_ib))

    def _wrap(self, module: ModuleType) -> None:
        for name, make in (("connectAsync", self._guarded), ("connect", self._interruptible)):
            original = vars(module.IB)[name]
            self._patches.put(module.IB, name, make(original))

    def _guarded(self, original: Any) -> Any:
        signature = inspect.signature(original)

        @functools.wraps(original)
        async def connect_guarded(ib: Any, *args: Any, **kwargs: Any) -> Any:
            self._session.registry.meet(ib)
            interrupt, task = self._interrupts.get(ib), asyncio.current_task()
            if interrupt is not None and task is not None:
                interrupt.cancels(task)
            if not (self._active and self._enabled() and self._is_home()):
                return await original(ib, *args, **kwargs)
            bound = signature.bind(ib, *args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
            address = address_of(str(given["host"]), int(given["port"]), int(given["clientId"]))
            wait = self._wait_of(address, given.get("timeout"))
            await self._connect(ib, address, lambda: original(ib, *args, **kwargs), wait)
            return ib

        return connect_guarded

    def _interruptible(self, original: Any) -> Any:
        @functools.wraps(original)
        def connect(ib: Any, *args: Any, **kwargs: Any) -> Any:
            if not (self._active and self._enabled()):
                return original(ib, *args, **kwargs)
            with event_loop.Interrupt() as interrupt:
                self._interrupts[ib] = interrupt
                try:
                    return original(ib, *args, **kwargs)
                except BaseException:
                    held = self._session.registry.of(ib)
                    if held is not None and held.is_opening:
                        # The library's own opening goes on running: it would connect later.
                        event_loop.run(held.close(), self._session.home)
                    raise
                finally:
                    self._interrupts.pop(ib, None)

        return connect

    def _is_home(self) -> bool:
        """Whether this is the session's own loop: what connects on others is not looked after."""
        running = asyncio.get_running_loop()
        home = self._session.home
        if home is None or home.is_closed():
            self._session.home = home = running
        return running is home

    def _wait_of(self, address: Address, timeout: Any) -> Callable[[], float]:
        """Return what says how long an ID that is in use is asked for: no longer than the connect.

        Without ibnb its time-out is the end of it. After a crash of this notebook's kernel the
        gateway needs longer, and what this kernel itself holds is not freed by waiting.
        """

        def wait() -> float:
            session = self._session
            if session.registry.keeper(address) is not None:
                return 0.0
            seconds = self._wait(address)
            if not timeout or session.notebook_leases.crashed_with(address):
                return seconds
            return min(seconds, float(timeout))

        return wait

    async def _connect(
        self,
        ib: Any,
        address: Address,
        connect: Callable[[], Coroutine[Any, Any, Any]],
        wait: Callable[[], float],
    ) -> None:
        session, run = self._session, current_run()
        async with session.turn():
            session.registry.look_around(session.hold)
            await session.registry.clear(address, run, ib)
            before = session.registry.of(ib)
            held = session.hold(ib, address, run)
            if before is not None:
                # An object that connects again itself is reopened in good order, not replaced.
                await before.close()
                before.unwatch()
                session.let_go(before)
                held.lineage = before.lineage
                held.follows(before)
            held.attend()
            session.registry.add(ib, held)
            stillness = libraries.Stillness(ib)
            opening = asyncio.ensure_future(self._open(ib, held, connect, wait, stillness))
            held.opening = opening
        try:
            await _outcome(held, opening)
        finally:
            # Whoever connects goes on a few turns of the loop after the library has: a loss in
            # between would be told before he could attach a handler, and so to nobody.
            asyncio.get_running_loop().call_soon(stillness.end)

    async def _open(
        self,
        ib: Any,
        held: TrackedConnection,
        connect: Callable[[], Coroutine[Any, Any, Any]],
        wait: Callable[[], float],
        stillness: libraries.Stillness,
    ) -> None:
        async def connect_then_still() -> None:
            await connect()
            stillness.begin()

        session = self._session
        try:
            attempt = await self._opened(ib, held, connect_then_still, wait)
            session.failed = None
            if not self._active:
                # Unloaded meanwhile: the connection is the user's own, and nothing is put on it.
                return
            held.note_opened()
            self._watch(held)
        except BaseException:
            stillness.end()
            held.unwatch()
            await libraries.close(ib)
            session.tell()
            raise
        session.notebook_leases.acquired(held.address)
        held.came_up(attempt)

    async def _opened(
        self,
        ib: Any,
        held: TrackedConnection,
        connect: Callable[[], Coroutine[Any, Any, Any]],
        wait: Callable[[], float],
    ) -> Attempt:
        from ibnb.tws.target import Target

        from .opening.retry import retry_while_id_in_use
        from .opening.supervise import watch_opening
        from .opening.synchronising import synchronising

        host, port, client_id = held.address
        target = Target(host, port)
        library = libraries.find_library(libraries.library_name(ib))
        journal = self._session.journal
        try:
            with self._waiting() as on_wait, synchronising(ib, held.request) as asked:
                return await retry_while_id_in_use(
                    lambda: watch_opening(
                        *(ib, library, target, client_id, connect()),
                        number=held.lineage,
                        missing=asked.missing,
                        hush=Hush(journal.will_tell, wanted=journal.is_told),
                        on_ready=held.hear,
                    ),
                    client_id,
                    target,
                    wait,
                    on_wait,
                )
        except OpeningFailedError as failure:
            self._session.failed = failure.attempt
            held.gave_up(failure.attempt)
            error = await self._session.explained(failure)
            raise journal.fail(error, failure.attempt) from None


async def _outcome(held: TrackedConnection, opening: asyncio.Future[None]) -> None:
    """Wait for an opening; whoever gives up waiting takes the opening with him."""
    try:
        await asyncio.wait({opening})
    except asyncio.CancelledError:
        opening.cancel()
        await asyncio.wait({opening}, timeout=event_loop.CLEANING_SECONDS)
        raise
    if opening.cancelled():
        if held.stale_because:
            raise held.stale_error()
        raise asyncio.CancelledError
    opening.result()

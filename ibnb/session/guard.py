"""The guard: notebook code that makes its own connections can be rerun without a collision.

It wraps `IB.connectAsync` (and `IB.connect`, for the stop button) of both libraries, whenever they
are imported, and acts only when notebook code connects. It first closes what an earlier run of the
same cell opened, and whatever in this kernel still has the same host, port and client ID.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import weakref
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

from ibnb.tws.attempt import Attempt
from ibnb.tws.target import Target

from . import libraries, loops
from .errors import StaleConnection
from .held import Address, Held, address_of
from .imports import ImportHook
from .opening import OpeningFailedError, watch_opening
from .patience import OnWait, patiently
from .runs import Run, current_run
from .session import Session

MODULES = tuple(f"{name}.ib" for name in libraries.NAMES)


class Guard:
    """Wraps the libraries' connecting for one session.

    Args:
        session: the session of this kernel.
        enabled: is asked at every connect whether to act.
        wait: is asked how many seconds to wait for a client ID that is still held.
        waiting: makes what shows such a wait, for as long as its context lasts.
    """

    def __init__(
        self,
        session: Session,
        *,
        enabled: Callable[[], bool],
        wait: Callable[[Address], float],
        waiting: Callable[[], AbstractContextManager[OnWait]],
    ) -> None:
        self._session = session
        self._enabled = enabled
        self._wait = wait
        self._waiting = waiting
        self._active = False
        self._hook = ImportHook(MODULES, self._wrap)
        self._wrapped: list[tuple[Any, str, Any, Any]] = []
        self._interrupts: weakref.WeakKeyDictionary[Any, loops.Interrupt]
        self._interrupts = weakref.WeakKeyDictionary()

    def enter(self) -> None:
        """Begin to guard: libraries that are imported already, and those that will be."""
        self._active = True
        self._session.holdings.ask_guard = self._enabled
        self._hook.install()

    def leave(self) -> None:
        """Restore what was wrapped; where somebody wrapped it again, ours passes through."""
        self._active = False
        self._session.holdings.ask_guard = lambda: None
        self._hook.remove()
        for cls, name, original, ours in self._wrapped:
            if vars(cls).get(name) is ours:
                setattr(cls, name, original)
        self._wrapped.clear()
        for held in self._session.holdings.all():
            held.unwatch()

    async def abandon(self, run: Run) -> None:
        """Cancel the openings under way that a run began, and wait until they are closed."""
        for held in self._session.holdings.all():
            if held.run == run and held.is_opening:
                await held.close()

    def _wrap(self, module: ModuleType) -> None:
        for name, make in (("connectAsync", self._guarded), ("connect", self._interruptible)):
            original = vars(module.IB)[name]
            ours = make(original)
            setattr(module.IB, name, ours)
            self._wrapped.append((module.IB, name, original, ours))

    def _guarded(self, original: Any) -> Any:
        signature = inspect.signature(original)

        @functools.wraps(original)
        async def connect_guarded(ib: Any, *args: Any, **kwargs: Any) -> Any:
            interrupt, task = self._interrupts.get(ib), asyncio.current_task()
            if interrupt is not None and task is not None:
                interrupt.cancels(task)
            if not (self._active and self._enabled() and self._is_home()):
                return await original(ib, *args, **kwargs)
            bound = signature.bind(ib, *args, **kwargs)
            bound.apply_defaults()
            given = bound.arguments
            address = address_of(str(given["host"]), int(given["port"]), int(given["clientId"]))
            await self._connect(ib, address, lambda: original(ib, *args, **kwargs))
            return ib

        return connect_guarded

    def _interruptible(self, original: Any) -> Any:
        @functools.wraps(original)
        def connect(ib: Any, *args: Any, **kwargs: Any) -> Any:
            if not (self._active and self._enabled()):
                return original(ib, *args, **kwargs)
            with loops.Interrupt() as interrupt:
                self._interrupts[ib] = interrupt
                try:
                    return original(ib, *args, **kwargs)
                except BaseException:
                    held = self._session.holdings.of(ib)
                    if held is not None and held.is_opening:
                        # The library's own opening goes on running: it would connect later.
                        loops.run(held.close(), self._session.home)
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

    async def _connect(
        self, ib: Any, address: Address, connect: Callable[[], Coroutine[Any, Any, Any]]
    ) -> None:
        session, run = self._session, current_run()
        if run is not None and session.holdings.runs.is_over(run):
            fact = f"This code belongs to an earlier run of {run.label}, which was run again since."
            raise StaleConnection("stale-connection", (fact,))
        async with session.turn():
            session.holdings.look_back(session.journal)
            await session.holdings.clear(address, run, ib)
            before = session.holdings.of(ib)
            if before is not None:
                # An object that connects again itself is reopened in good order, not replaced.
                await before.close()
                before.unwatch()
                session.let_go(before)
            held = Held(ib, address, run, session.journal)
            held.ended = session.note_end
            held.since = before.since if before is not None else None
            held.note_requests()
            session.holdings.add(ib, held)
            opening = asyncio.ensure_future(self._open(ib, held, connect, is_fresh=before is None))
            held.opening = opening
        await _outcome(held, opening)

    async def _open(
        self,
        ib: Any,
        held: Held,
        connect: Callable[[], Coroutine[Any, Any, Any]],
        *,
        is_fresh: bool,
    ) -> None:
        session = self._session
        try:
            attempt = await self._opened(ib, held, connect)
            session.failed = None
            if not self._active:
                # Unloaded meanwhile: the connection is the user's own, and nothing is put on it.
                return
            if session.holdings.note_opened(held) and is_fresh:
                held.since = held.run
            held.watch(lambda: session.holdings.others_open(held.held_ib))
        except BaseException:
            held.unwatch()
            await libraries.close(ib)
            raise
        session.tenant.took(held.address)
        held.add_notices(attempt.notices)

    async def _opened(
        self, ib: Any, held: Held, connect: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Attempt:
        host, port, client_id = held.address
        target = Target(host, port)
        library = libraries.find_library(libraries.library_name(ib))
        try:
            with self._waiting() as on_wait:
                return await patiently(
                    lambda: watch_opening(ib, library, target, client_id, connect()),
                    client_id,
                    target,
                    lambda: self._wait(held.address),
                    on_wait,
                )
        except OpeningFailedError as failure:
            self._session.failed = failure.attempt
            raise await self._session.explained(failure) from None


async def _outcome(held: Held, opening: asyncio.Future[None]) -> None:
    """Wait for an opening; whoever gives up waiting takes the opening with him."""
    try:
        await asyncio.wait({opening})
    except asyncio.CancelledError:
        opening.cancel()
        await asyncio.wait({opening}, timeout=loops.CLEANING_SECONDS)
        raise
    if opening.cancelled():
        if held.stale_because:
            raise held.stale_error()
        raise asyncio.CancelledError
    opening.result()

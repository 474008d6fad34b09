"""A simulated gateway: its server, its thread, and what a test may ask or do while it runs."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.simulated import known_here
from ibnb.tws.target import HIGHEST_PORT

from .faults import parse_faults
from .handle import Handle
from .hosting import Hosted
from .naming import account_names
from .requests import Request
from .serving import Serving
from .state import State
from .trading.orders import OrderRecord
from .world.clock import parse_clock
from .world.universe import DEFAULT_SEED

_T = TypeVar("_T")


class SimulatedGateway(Hosted, Handle):
    """A gateway in a box, on a real port of this machine's loopback.

    It serves in a thread of its own, so that it works in a script, a test and a notebook alike,
    whatever the caller's event loop does. Use it as a context manager, plain or ``async``, or call
    `start` and `stop`. After `stop` it can be started again: on the same port, with the same
    orders and positions. What can be done to it while it runs are its verbs, see `Handle`.

    Args:
        port: where to listen; 0 for any free port.
        faults: how it is broken, each ``NAME`` or ``NAME:SECONDS``; see `FAULTS`.
        strict: whether it keeps a real gateway's limits, as the fault ``strict`` has it.
        accounts: the accounts of every session; one paper account by default.
        release_after: seconds for which a client ID stays held once its connection is closed.
        seed: what its prices are made from; the same seed is the same world.
        clock: the world's time at the beginning, with its zone and how fast it passes, such as
            ``2026-07-01T09:29:55 America/New_York x60``. Market hours are real then; without it
            it is now, and every market is open at any hour; the verb `clock` takes the same.
        latency: how many seconds of the world an order or a cancel is about on its way to the
            market; how many exactly, the seed decides.
        heard: is called with every request, on the gateway's own thread, from which the gateway
            cannot be steered.

    Raises:
        UnknownFaultError: there is no such fault, or its seconds make no sense.
        BadClockError: the clock cannot be.
        ValueError: the port, `release_after` or `latency` is out of range, or an account's name
            cannot be one.
    """

    what = "this simulated gateway"

    def __init__(
        self,
        port: int = 0,
        *,
        faults: str | Iterable[str] = (),
        strict: bool = False,
        accounts: str | Sequence[str] | None = None,
        release_after: float = 0.0,
        seed: int = DEFAULT_SEED,
        clock: str | float | None = None,
        latency: float = 0.0,
        heard: Callable[[Request], None] | None = None,
    ) -> None:
        if not 0 <= port <= HIGHEST_PORT:
            raise ValueError(f"port {port} is out of range: give one from 0 to {HIGHEST_PORT}")
        if not release_after >= 0:
            raise ValueError(f"release_after is {release_after}: give 0 or more seconds")
        if not latency >= 0:
            raise ValueError(f"latency is {latency}: give 0 or more seconds")
        super().__init__(port)
        given = (faults,) if isinstance(faults, str) else tuple(faults)
        self._fault_texts = self._first_faults = (*given, *(["strict"] if strict else []))
        self._state = State(
            parse_faults(self._fault_texts, time.monotonic()),
            account_names(accounts) if accounts is not None else None,
            release_after,
            seed,
            clock=parse_clock(clock) if clock is not None else None,
            latency=latency,
            heard=heard,
        )
        self._serving: Serving | None = None

    @property
    def is_listening(self) -> bool:
        """Whether it accepts connections now; neither before `start` nor while it restarts."""
        return self._serving is not None and self._serving.is_listening

    @property
    def connections_accepted(self) -> int:
        """How many TCP connections there have been, without those that ``max-clients`` makes."""
        return self._state.counters.accepted

    @property
    def handshakes_completed(self) -> int:
        """How many sessions have been told an order ID and accounts, even none."""
        return self._state.counters.completed

    @property
    def handshakes_unfinished(self) -> int:
        """How many connections their client closed before it had started a session."""
        return self._state.counters.unfinished

    @property
    def refused_326(self) -> int:
        """How many sessions were refused because of their client ID."""
        return self._state.counters.refused

    @property
    def open_clients(self) -> tuple[int, ...]:
        """The client IDs that are connected now, in ascending order."""
        return self._state.clients.held

    @property
    def max_open_clients(self) -> int:
        """The most clients that were ever connected at once."""
        return self._state.counters.max_open

    @property
    def messages(self) -> list[tuple[int | None, tuple[str, ...]]]:
        """What clients have sent, oldest first, as client ID (None before its session) and fields.

        Only the newest 20,000 are kept.
        """
        return self._on_loop(self._state.messages)

    @property
    def orders(self) -> tuple[OrderRecord, ...]:
        """Every order ever placed, as it stands now, oldest first."""
        return self._on_loop(lambda: self._state.book.orders)

    def set_faults(self, faults: Iterable[str]) -> None:
        """Replace the faults, for connections that come and, where it can be told, for those open.

        Clients that are connected are told of the link's and the farms' loss and return by
        notices, as a real gateway tells them. An ``id-held:SECONDS`` counts from now; those of
        ``drop-after`` and ``half-open`` count from when each session became ready, so that older
        ones are closed or fall silent at once. ``restart`` happens now, and again whenever it is
        set again; a list without it ends a restart that is under way. ``max-clients`` takes the
        places that are free, and whoever is connected stays. All of it has been done on return.

        Raises:
            UnknownFaultError: there is no such fault, or its seconds make no sense; nothing
                changes then.
        """
        given = tuple(faults)
        now = parse_faults(given, time.monotonic())
        self._fault_texts = given
        serving = self._serving
        if serving is None:
            self._state.faults = now
        else:
            self._wait_for(serving.change_faults(now))

    def send_notice(
        self, code: int, text: str, req_id: int = NO_REQUEST, client_id: int | None = None
    ) -> None:
        """Send a notice to every client, or only to the one with `client_id` if it is connected."""
        self.notice(code, text, req_id, client_id)

    def drop_clients(self) -> None:
        """Close every connection, as a gateway does that restarts; the port stays open."""
        self.drop()

    def wait_for(self, predicate: Callable[[], bool], timeout: float = 10.0) -> bool:
        """Wait until something holds that a client brings about; return whether it does.

        The predicate is asked again whenever a connection comes or goes or a message arrives.

        Args:
            predicate: what to wait for.
            timeout: for how long, in seconds.
        """
        return self._state.wait_for(predicate, timeout)

    def _close_clients(self, client_id: int | None = None) -> None:
        serving = self._serving
        if serving is not None:
            self._on_loop(lambda: serving.drop_clients(client_id))

    def _start_again(self, seconds: float) -> None:
        if self._serving is not None:
            self._wait_for(self._serving.restart(seconds))

    def _forget(self, seed: int | None) -> None:
        self._fault_texts = self._first_faults
        faults = parse_faults(self._first_faults, time.monotonic())
        serving = self._serving
        if serving is None:
            self._state.begin_anew(seed)
            self._state.faults = faults
        else:
            self._wait_for(serving.begin_anew(faults, seed))

    def _wait_for(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something be done on the gateway's thread; return when it is."""
        loop = self._loop
        if loop is not None:
            asyncio.run_coroutine_threadsafe(work, loop).result()

    async def _begin(self, listener: socket.socket) -> None:
        self._state.faults = parse_faults(self._fault_texts, time.monotonic())
        serving = Serving(self._state, listener)
        try:
            await serving.begin()
        except BaseException:
            await serving.end()
            raise
        self._serving = serving
        known_here(self._port, runs=True)

    async def _end(self) -> None:
        known_here(self._port, runs=False)
        serving, self._serving = self._serving, None
        if serving is not None:
            await serving.end()

    def _on_loop(self, work: Callable[[], _T]) -> _T:
        """Do something on the gateway's thread, where nothing else changes meanwhile."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None or thread is threading.current_thread():
            return work()
        done: Future[_T] = Future()

        def run() -> None:
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001 - whatever it is, the caller gets it
                done.set_exception(error)

        loop.call_soon_threadsafe(run)
        return done.result()

"""What goes on in a simulated gateway's thread while it runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from .actions import let_arrive, pass_night, take_turn
from .answers import answer
from .client import Client
from .door import Door
from .faults import Faults
from .interception import Interception
from .links import Links
from .state import State
from .waiting import WaitingRequests

_TICK_SECONDS = 0.5
_ARRIVAL_SECONDS = 0.02
_CLOSING_SECONDS = 1.0
_CLOSING_TURN_SECONDS = 0.01
_REOPEN_SECONDS = 0.2
ONCE = frozenset({"restart", "nightly-restart", "data-lost"})
"""What happens once, and after a session became ready if it was set from the start."""
RESTART_SECONDS = 1.0
"""How long after the first session became ready."""


class Serving:
    """A gateway's port and connections, from one start to the next stop.

    To be used on the thread of the gateway's loop only.

    Args:
        state: what the connections share; it outlives the serving.
        listener: the gateway's listening socket; it is closed in the end.
    """

    def __init__(self, state: State, listener: socket.socket) -> None:
        self._state = state
        self._door = Door(listener, self._connect)
        self._waiting = WaitingRequests(answer)
        self._links = Links(state.links, lambda: list(state.clients), self._waiting.answer_all)
        self._interception = Interception(state, self._links, self._waiting)
        self._connections: set[Client] = set()
        self._due = bool(ONCE & set(state.faults.active))
        self._happening: asyncio.TimerHandle | None = None
        self._login: asyncio.TimerHandle | None = None
        self._reopening: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False
        # The door, the places and the faults change together, and each change has to wait.
        self._changing = asyncio.Lock()

    @property
    def is_listening(self) -> bool:
        """Whether connections are accepted."""
        return self._door.is_open

    async def begin(self) -> None:
        """Listen, and send what changes in the market from now on.

        Raises:
            OSError: the port cannot be used.
        """
        self._links.begin(self._state.faults)
        self._state.closed_at = self._state.now
        await self._open()
        self._tick()
        if self._state.latency:
            self._let_arrive()

    async def end(self) -> None:
        """Close every connection and the port."""
        self._ending = True
        self._links.stop()
        self._waiting.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        async with self._changing:
            self._door.close()
            self._state.places.vacate()
        self.drop_clients()
        # A connection whose peer reads nothing would keep its last bytes, and us, for ever.
        for _ in range(round(_CLOSING_SECONDS / _CLOSING_TURN_SECONDS)):
            if not self._connections:
                break
            await asyncio.sleep(_CLOSING_TURN_SECONDS)
        _abort(tuple(self._connections))
        # One turn, in which the transports close their sockets.
        await asyncio.sleep(0)

    async def change_faults(self, now: Faults) -> None:
        """Put other faults in force, and bring about what they do to clients that are there."""
        async with self._changing:
            before, self._state.faults = self._state.faults, now
            if self._ending:
                return
            self._due = False
            if self._happening is not None:
                self._happening.cancel()
            self._log_in()
            self._links.follow(before, now)
            self._follow_market(before, now)
            for client in self._state.clients:
                client.follow_faults()
            if "max-clients" not in now:
                self._state.places.vacate()
            if "restart" in now:
                self._restart(now.seconds("restart") or 0.0)
            elif "nightly-restart" in now:
                self._restart_overnight(now.seconds("nightly-restart") or 0.0)
            else:
                await self._open()

    def drop_clients(self, client_id: int | None = None) -> None:
        """Close every connection, or that of one client ID, once everything sent has left."""
        for client in list(self._connections):
            if client_id in (None, client.client_id):
                client.close()

    async def restart(self, seconds: float) -> None:
        """Close all, and be back after some seconds."""
        async with self._changing:
            if not self._ending:
                self._restart(seconds)

    async def begin_anew(self, faults: Faults, seed: int | None) -> None:
        """Close all, and let the world, the orders and the faults be as at the beginning."""
        async with self._changing:
            self.drop_clients()
            self._state.clients.forget()
            self._state.begin_anew(seed)
        await self.change_faults(faults)

    def _follow_market(self, before: Faults, now: Faults) -> None:
        if "market-closed" in now and "market-closed" not in before:
            self._state.closed_at = self._state.now
        if "competing-session" in now and "competing-session" not in before:
            for client in self._state.clients:
                client.lose_market_data()

    def _connect(self) -> Client:
        client = Client(
            self._state, self._interception.ask, ready=self._one_is_ready, gone=self._one_is_gone
        )
        self._connections.add(client)
        return client

    def _one_is_ready(self) -> None:
        if self._due:
            self._due = False
            loop = asyncio.get_running_loop()
            self._happening = loop.call_later(
                RESTART_SECONDS, self._spawn, self._let_happen_when_free
            )

    def _one_is_gone(self, client: Client) -> None:
        self._connections.discard(client)
        if "max-clients" in self._state.faults and self._state.places.free and self.is_listening:
            self._spawn(self._refill)

    async def _let_happen_when_free(self) -> None:
        async with self._changing:
            if "data-lost" in self._state.faults:
                self._links.lose_data(self._state.faults)
            seconds = self._state.faults.seconds("restart")
            if seconds is not None:
                self._restart(seconds)
            night = self._state.faults.seconds("nightly-restart")
            if night is not None:
                self._restart_overnight(night)

    async def _refill(self) -> None:
        async with self._changing:
            if self._door.is_open:
                await self._fill()
                self._state.changed()

    def _restart(self, seconds: float) -> None:
        """Close all and shut the door; it opens again by itself."""
        self._door.shut()
        self._state.places.vacate()
        self.drop_clients()
        # Whatever held an ID, a gateway that starts anew does not know of it.
        self._state.clients.forget()
        closing = tuple(self._connections)
        asyncio.get_running_loop().call_later(_CLOSING_SECONDS, _abort, closing)
        self._reopen_after(seconds)
        self._state.changed()

    def _restart_overnight(self, seconds: float) -> None:
        """Restart, log in after it, and come back to orders that have changed meanwhile."""
        self._restart(seconds)
        self._state.is_logging_in = True
        pass_night(self._state)
        self._login = asyncio.get_running_loop().call_later(2 * seconds, self._log_in)

    def _log_in(self) -> None:
        if self._login is not None:
            self._login.cancel()
            self._login = None
        self._state.is_logging_in = False
        self._state.changed()

    def _reopen_after(self, seconds: float) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
        loop = asyncio.get_running_loop()
        self._reopening = loop.call_later(seconds, self._spawn, self._reopen)

    async def _reopen(self) -> None:
        async with self._changing:
            try:
                await self._open()
            except OSError:
                # Another program has the port, or connections that are still closing do.
                self._reopen_after(_REOPEN_SECONDS)

    async def _open(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        await self._door.open()
        await self._fill()
        self._state.changed()

    async def _fill(self) -> None:
        if "max-clients" in self._state.faults:
            await self._state.places.fill(self._door.port)

    def _tick(self) -> None:
        # First of all, so that the market goes on whatever happens to one order.
        asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)
        take_turn(self._state)

    def _let_arrive(self) -> None:
        asyncio.get_running_loop().call_later(_ARRIVAL_SECONDS, self._let_arrive)
        if self._state.is_linked:
            let_arrive(self._state)

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._ending:
            return
        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _abort(clients: Iterable[Client]) -> None:
    for client in clients:
        client.abort()

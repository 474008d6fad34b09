"""What goes on in a simulated gateway's thread while it runs."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from .answers import answer
from .answers.orders import tell
from .client import Client
from .door import Door
from .faults import Faults
from .protocol import texts
from .state import State

_TICK_SECONDS = 0.5
_ARRIVAL_SECONDS = 0.02
_CLOSING_SECONDS = 1.0
_CLOSING_TURN_SECONDS = 0.01
_REOPEN_SECONDS = 0.2
RESTART_SECONDS = 1.0
"""How long after the first session became ready a gateway restarts whose fault that is."""


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
        self._connections: set[Client] = set()
        self._restart_due = "restart" in state.faults
        self._restarting: asyncio.TimerHandle | None = None
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
        await self._open()
        self._tick()
        if self._state.latency:
            self._let_arrive()

    async def end(self) -> None:
        """Close every connection and the port."""
        self._ending = True
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
            self._restart_due = False
            if self._restarting is not None:
                self._restarting.cancel()
            self._tell_links(before, now)
            for client in self._state.clients:
                client.follow_faults()
            if "max-clients" not in now:
                self._state.places.vacate()
            if "restart" in now:
                self._restart()
            else:
                await self._open()

    def drop_clients(self) -> None:
        """Close every connection of a client once everything sent has left."""
        for client in list(self._connections):
            client.close()

    def _connect(self) -> Client:
        client = Client(self._state, answer, ready=self._one_is_ready, gone=self._one_is_gone)
        self._connections.add(client)
        return client

    def _one_is_ready(self) -> None:
        if self._restart_due:
            self._restart_due = False
            loop = asyncio.get_running_loop()
            self._restarting = loop.call_later(
                RESTART_SECONDS, self._spawn, self._restart_when_free
            )

    def _one_is_gone(self, client: Client) -> None:
        self._connections.discard(client)
        if "max-clients" in self._state.faults and self._state.places.free and self.is_listening:
            self._spawn(self._refill)

    async def _restart_when_free(self) -> None:
        async with self._changing:
            if "restart" in self._state.faults:
                self._restart()

    async def _refill(self) -> None:
        async with self._changing:
            if self._door.is_open:
                await self._fill()
                self._state.changed()

    def _restart(self) -> None:
        """Close all and shut the door; it opens again by itself."""
        self._door.shut()
        self._state.places.vacate()
        self.drop_clients()
        # Whatever held an ID, a gateway that starts anew does not know of it.
        self._state.clients.forget()
        closing = tuple(self._connections)
        asyncio.get_running_loop().call_later(_CLOSING_SECONDS, _abort, closing)
        self._reopen_after(self._state.faults.seconds("restart") or 0.0)
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

    def _tell_links(self, before: Faults, now: Faults) -> None:
        told: list[texts.Text] = []
        for name, lost, back in (
            ("connectivity-lost", (texts.LINK_LOST,), (texts.LINK_RESTORED,)),
            ("farms-down", texts.FARMS_BROKEN, texts.FARMS_OK),
        ):
            if (name in now) != (name in before):
                told += lost if name in now else back
        for client in self._state.clients:
            for text in told:
                client.notify(text)

    def _tick(self) -> None:
        # First of all, so that the market goes on whatever happens to one order.
        asyncio.get_running_loop().call_later(_TICK_SECONDS, self._tick)
        tell(self._state, self._state.book.match(self._state.now))
        for client in self._state.clients:
            client.tick()

    def _let_arrive(self) -> None:
        asyncio.get_running_loop().call_later(_ARRIVAL_SECONDS, self._let_arrive)
        if self._state.is_linked:
            tell(self._state, self._state.book.arrive(self._state.now))

    def _spawn(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._ending:
            return
        task = asyncio.get_running_loop().create_task(work())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _abort(clients: Iterable[Client]) -> None:
    for client in clients:
        client.abort()

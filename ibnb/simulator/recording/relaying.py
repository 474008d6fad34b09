"""What a recorder and a replayed gateway share: a port, and the connections that come to it."""

from __future__ import annotations

import asyncio
import socket

from ibnb.simulator.door import Door
from ibnb.simulator.hosting import Hosted


class Relaying(Hosted):
    """What has a protocol for each connection that comes to its port.

    Args:
        port: where to listen; 0 for any free port.
    """

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self._door: Door | None = None
        self._transports: set[asyncio.Transport] = set()

    def joined(self, transport: asyncio.Transport) -> None:
        """Take note of a connection, so that it is closed in the end."""
        self._transports.add(transport)

    def left(self, transport: asyncio.Transport) -> None:
        """Forget a connection that is closed."""
        self._transports.discard(transport)

    def _accept(self) -> asyncio.BaseProtocol:
        """Return the protocol of the next connection."""
        raise NotImplementedError

    async def _begin(self, listener: socket.socket) -> None:
        self._door = Door(listener, self._accept)
        try:
            await self._door.open()
        except BaseException:
            self._door.close()
            raise

    async def _end(self) -> None:
        if self._door is not None:
            self._door.close()
        for transport in tuple(self._transports):
            transport.abort()
        # Two turns, in which the transports close their sockets and say so.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

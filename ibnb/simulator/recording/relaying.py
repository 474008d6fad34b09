"""What a recorder and a replayed gateway share: a port, and the connections that come to it."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

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


class Connection(asyncio.Protocol):
    """One of the connections.

    Args:
        relaying: closes it in the end.
    """

    def __init__(self, relaying: Relaying) -> None:
        self._relaying = relaying
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take note of it."""
        # asyncio makes no other kind for TCP.
        self._transport = cast("asyncio.Transport", transport)
        self._relaying.joined(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Forget it."""
        if self._transport is not None:
            self._relaying.left(self._transport)

    def send(self, data: bytes) -> None:
        """Send something; nothing happens where it is closing."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close it once everything sent has left."""
        if self._transport is not None:
            self._transport.close()

    def hold(self, *, on: bool) -> None:
        """Read nothing as long as whoever is sent it does not take what is there."""
        if self._transport is None or self._transport.is_closing():
            return
        if on:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

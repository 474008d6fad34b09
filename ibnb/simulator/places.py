"""How many API clients a gateway lets in, and the connections that take up all of it."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field
from typing import Any

from ibnb.tws.own import LOOPBACK

MAX_CLIENTS = 32
"""How many API clients TWS and Gateway serve at once, as IBKR documents it for one instance."""


@dataclass
class _Filler:
    """A connection of the gateway to itself: `accepted` once its other end was accepted."""

    sock: socket.socket
    accepted: asyncio.Event = field(default_factory=asyncio.Event)
    other_end: asyncio.Transport | None = None


class Places:
    """The places for API clients. To be used on the gateway's thread only.

    Every open connection takes a place, whether its session has started or not. What a real
    gateway does with one too many is not known from the wire; that it is accepted and closed
    without a version reply is inferred.
    """

    def __init__(self) -> None:
        self._taken: set[object] = set()
        self._fillers: dict[Any, _Filler] = {}
        self._kept_full = False

    @property
    def free(self) -> int:
        """How many more clients are let in."""
        return max(MAX_CLIENTS - len(self._taken) - len(self._fillers), 0)

    def take(self, client: object) -> bool:
        """Give a client a place; False when there is none left."""
        if self._kept_full or not self.free:
            return False
        self._taken.add(client)
        return True

    def leave(self, client: object) -> None:
        """Take the place of a client back, if it has one."""
        self._taken.discard(client)

    async def fill(self, port: int) -> None:
        """Take all free places by connections to our own port; return when all are accepted.

        From now on nobody gets in, also where a client leaves its place, until `vacate`.
        """
        self._kept_full = True
        new = []
        for _ in range(self.free):
            sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            sock.setblocking(False)
            sock.bind((LOOPBACK, 0))
            # Known before it is connected, so that its other end is recognised, and the place is
            # gone for whoever is accepted meanwhile.
            self._fillers[sock.getsockname()] = filler = _Filler(sock)
            new.append(filler)
        loop = asyncio.get_running_loop()
        for filler in new:
            await loop.sock_connect(filler.sock, (LOOPBACK, port))
        for filler in new:
            await filler.accepted.wait()

    def settle(self, transport: asyncio.Transport) -> bool:
        """Say whether a connection that was accepted is one of our own, and keep it then."""
        filler = self._fillers.get(transport.get_extra_info("peername"))
        if filler is None:
            return False
        transport.set_protocol(asyncio.Protocol())
        filler.other_end = transport
        filler.accepted.set()
        return True

    def vacate(self) -> None:
        """Close our own connections, and let clients in again."""
        self._kept_full = False
        fillers, self._fillers = self._fillers, {}
        for filler in fillers.values():
            filler.sock.close()
            filler.accepted.set()
            if filler.other_end is not None:
                filler.other_end.abort()

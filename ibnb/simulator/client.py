"""One connection to a simulated gateway, from the greeting to the close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import cast

from ibnb.tws import wire
from ibnb.tws.notices import NO_REQUEST
from ibnb.tws.wire import OutgoingId

from .late import LateBytes
from .protocol import messages, texts
from .protocol.greeting import ForeignGreetingError, read_greeting
from .state import State
from .streams import Stream

LOWEST_VERSION = 151
HIGHEST_VERSION = 200
"""The server versions that the simulated gateway speaks; from 201 on, the wire is another."""
OLD_VERSION = 151
"""What it agrees on when its fault says so: ib_insync and ib_async begin at 157."""

GARBAGE = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_MAX_UNSENT = 4 * 1024 * 1024
_START_FIELDS = 3
_DONE = object()


class Client(asyncio.Protocol):
    """The gateway's side of one connection.

    `version` is the agreed server version; `client_id` None until the session has started.
    """

    def __init__(
        self,
        state: State,
        answer: Callable[[Client, tuple[str, ...]], None],
        ready: Callable[[], None],
        gone: Callable[[Client], None],
    ) -> None:
        self.state = state
        self.version = HIGHEST_VERSION
        self.client_id: int | None = None
        self.wants_positions = False
        self.wants_account: str | None = None
        self.streams: dict[tuple[int, int], Stream] = {}
        self._answer = answer
        self._ready = ready
        self._gone = gone
        self._ready_at: float | None = None
        self._drop: asyncio.TimerHandle | None = None
        self._late = LateBytes(self._read)
        self._transport: asyncio.Transport | None = None
        self._greeted = False
        self._started = False
        self._deaf = False
        self._closed_by_us = False
        self._buffer = b""
        self._reader = wire.FrameReader()

    @property
    def id(self) -> int:
        """The client ID of a session that has started."""
        return cast("int", self.client_id)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or treat it as the faults want."""
        # asyncio's TCP servers make no other kind.
        self._transport = cast("asyncio.Transport", transport)
        if self.state.places.settle(self._transport):
            self._gone(self)
            return
        self.state.counters.accepted += 1
        if "close" in self.state.faults or not self.state.places.take(self):
            self.close()
        self._deaf = "silent" in self.state.faults
        self.state.changed()

    def data_received(self, data: bytes) -> None:
        """Take bytes: the greeting first, then frames."""
        self._late.put(data, self.state.faults.seconds("slow") or 0.0)

    def _read(self, data: bytes) -> None:
        if self._deaf or self._closed_by_us:
            return
        if not self._greeted:
            data = self._greet(self._buffer + data)
        if not self._greeted or self._is_closing():
            return
        try:
            payloads = self._reader.feed(data)
        except wire.ImpossibleFrameError:
            self.close()
            return
        for payload in payloads:
            if self._is_closing():
                return
            self._take(wire.split_fields(payload))

    def eof_received(self) -> None:
        """Free the client ID as soon as the client has closed, and not after our last byte."""
        self._release()
        self.state.changed()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Free the client ID, whoever closed and however."""
        if not self._started and not self._closed_by_us:
            self.state.counters.unfinished += 1
        if self._drop is not None:
            self._drop.cancel()
        self._release()
        self.streams.clear()
        self._gone(self)
        self.state.changed()

    def send(self, data: bytes) -> None:
        """Send complete frames; nothing happens on a connection that is closing or half-open."""
        if self._transport is None or self._transport.is_closing() or self._is_half_open():
            return
        if data:
            self._transport.write(data)

    def notify(self, text: texts.Text, req_id: int = NO_REQUEST) -> None:
        """Send a notice."""
        self.send(messages.notice(text, self.version, req_id, self.state.clock))

    def close(self) -> None:
        """Close the connection once everything sent has left."""
        self._closed_by_us = True
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once, whatever is still unsent."""
        self._closed_by_us = True
        if self._transport is not None:
            self._transport.abort()

    def follow_faults(self) -> None:
        """Close a ready session when ``drop-after`` wants it, as the faults in force now have it.

        The seconds count from when the session became ready: one that is older is closed at once.
        """
        if self._drop is not None:
            self._drop.cancel()
            self._drop = None
        seconds = self.state.faults.seconds("drop-after")
        if seconds is not None and self._ready_at is not None:
            left = self._ready_at + seconds - time.monotonic()
            self._drop = asyncio.get_running_loop().call_later(max(left, 0.0), self.close)

    def tick(self) -> None:
        """Send what has changed in the market since the last time."""
        if self._transport is None or self._transport.get_write_buffer_size() > _MAX_UNSENT:
            return
        if self._is_half_open() or not self.state.is_linked:
            return
        now = self.state.now
        for stream in tuple(self.streams.values()):
            self.send(stream.update(now, self.version))

    def subscribe(self, message_id: int, req_id: int, stream: Stream) -> None:
        """Begin a subscription, in place of one with the same kind and reqId."""
        self.streams[message_id, req_id] = stream
        if self.state.is_linked:
            self.send(stream.update(self.state.now, self.version))

    def work_off(self, steps: Iterator[None]) -> None:
        """Do a long piece of work step by step, and serve the other clients between two steps."""
        if self._is_closing() or next(steps, _DONE) is _DONE:
            return
        asyncio.get_running_loop().call_soon(self.work_off, steps)

    def unsubscribe(self, message_id: int, req_id: int) -> bool:
        """End a subscription that this kind of request began; say whether there was one."""
        return self.streams.pop((message_id, req_id), None) is not None

    def _release(self) -> None:
        self._late.drop()
        self.state.places.leave(self)
        if self.client_id is not None:
            self.state.clients.release(self.client_id, self)

    def _is_half_open(self) -> bool:
        seconds = self.state.faults.seconds("half-open")
        if seconds is None or self._ready_at is None:
            return False
        return time.monotonic() >= self._ready_at + seconds

    def _is_closing(self) -> bool:
        return self._closed_by_us

    def _greet(self, data: bytes) -> bytes:
        """Take the greeting if it is complete; return the bytes that follow it."""
        if "garbage" in self.state.faults:
            self.send(GARBAGE)
            self.close()
            return b""
        self._buffer = data
        try:
            greeting = read_greeting(data)
        except ForeignGreetingError:
            self.close()
            return b""
        if greeting is None:
            return b""
        agreed = greeting.agreed(LOWEST_VERSION, HIGHEST_VERSION)
        if agreed is None:
            self.close()
            return b""
        self._greeted = True
        self._buffer = b""
        self.version = OLD_VERSION if "old-version" in self.state.faults else agreed
        self.send(messages.version_reply(self.version, self.state.clock))
        return greeting.rest

    def _take(self, fields: tuple[str, ...]) -> None:
        try:
            message_id = int(fields[0]) if fields else -1
        except ValueError:
            message_id = -1
        if message_id < 0:
            self.close()
            return
        self.state.received.append((self.client_id, fields))
        if self.client_id is not None:
            if "stall-ready" not in self.state.faults and not self._is_half_open():
                self._answer(self, fields)
        elif message_id == OutgoingId.START_API:
            self._start(fields)
        self.state.changed()

    def _start(self, fields: tuple[str, ...]) -> None:
        try:
            client_id = int(fields[_START_FIELDS - 1])
        except (IndexError, ValueError):
            self.close()
            return
        faults = self.state.faults
        self._started = True
        if "closed-after-start" in faults:
            self.close()
        elif "disclaimer" in faults:
            self.notify(texts.DISCLAIMER)
            self.close()
        elif faults.ids_held(time.monotonic()) or not self.state.clients.claim(client_id, self):
            self.state.counters.refused += 1
            self.notify(texts.ID_IN_USE)
            self.close()
        else:
            self.client_id = client_id
            counters = self.state.counters
            counters.max_open = max(counters.max_open, len(self.state.clients))
            if "stall-ready" not in faults:
                counters.completed += 1
                self._become_ready(client_id)

    def _become_ready(self, client_id: int) -> None:
        self.send(messages.managed_accounts(self.state.accounts))
        self.send(messages.next_valid_id(self.state.book.next_order_id(client_id)))
        self._ready_at = time.monotonic()
        self._tell_links()
        self.follow_faults()
        self._ready()

    def _tell_links(self) -> None:
        faults = self.state.faults
        if "connectivity-lost" in faults:
            self.notify(texts.LINK_LOST)
            return
        for text in texts.FARMS_BROKEN if "farms-down" in faults else texts.FARMS_OK:
            self.notify(text)

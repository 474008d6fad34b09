"""One connection to a simulated gateway, from the greeting to the close."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import cast

from ibnb.tws import wire
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.wire import OutgoingId

from .delivery import Delivery
from .late import LateBytes
from .links import farm_of
from .protocol import messages, texts
from .protocol.greeting import ForeignGreetingError, read_greeting
from .protocol.languages import translated
from .state import State
from .streams import Stream, skip_to

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

    `version` is the agreed server version; `client_id` None until the session has started;
    `data_type` what kind of market data it wants, 1 being live and 3 delayed.
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
        self.data_type = 1
        self.wants_positions = False
        self.wants_account: str | None = None
        self.streams: dict[tuple[int, int], Stream] = {}
        self._begun: dict[tuple[int, int], float] = {}
        self._answer = answer
        self._ready = ready
        self._gone = gone
        self._ready_at: float | None = None
        self._ends: list[asyncio.TimerHandle] = []
        self._late = LateBytes(self._read)
        self._delivery: Delivery | None = None
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

    @property
    def is_open(self) -> bool:
        """Whether it can still be told something."""
        return self._delivery is not None and not self._delivery.is_closing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, or treat it as the faults want."""
        # asyncio's TCP servers make no other kind.
        accepted = cast("asyncio.Transport", transport)
        self._delivery = Delivery(accepted, lambda: self.state.faults, self.state.seed)
        if self.state.places.settle(accepted):
            self._gone(self)
            return
        self.state.counters.accepted += 1
        if "close" in self.state.faults or not self.state.places.take(self):
            self.close()
        self._deaf = "silent" in self.state.faults or self.state.is_logging_in
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
        self._cancel_ends()
        if self._delivery is not None:
            self._delivery.drop()
        self._release()
        self.streams.clear()
        self._gone(self)
        self.state.changed()

    def send(self, data: bytes) -> None:
        """Send complete frames; nothing happens on a connection that is closing or half-open."""
        if self._delivery is None or not data or self._is_half_open():
            return
        self._delivery.send(data)

    def notify(self, text: texts.Text, req_id: int = NO_REQUEST) -> None:
        """Send a notice, in the gateway's language."""
        for language in self.state.faults.words("language"):
            text = translated(text, language)
        self.send(messages.notice(text, self.version, req_id, self.state.clock))

    def close(self) -> None:
        """Close the connection once everything sent has left."""
        self._closed_by_us = True
        if self._delivery is not None:
            self._delivery.close()

    def abort(self) -> None:
        """Close the connection at once, whatever is still unsent."""
        self._closed_by_us = True
        if self._delivery is not None:
            self._delivery.abort()

    def follow_faults(self) -> None:
        """End a ready session when ``drop-after`` or ``cut-frame`` wants it, as it is in force now.

        The seconds count from when the session became ready: one that is older is ended at once.
        """
        self._cancel_ends()
        for fault, end in (("drop-after", self.close), ("cut-frame", self._break_off)):
            seconds = self.state.faults.seconds(fault)
            if seconds is not None and self._ready_at is not None:
                left = self._ready_at + seconds - time.monotonic()
                loop = asyncio.get_running_loop()
                self._ends.append(loop.call_later(max(left, 0.0), end))

    def _cancel_ends(self) -> None:
        for timer in self._ends:
            timer.cancel()
        self._ends.clear()

    def _break_off(self) -> None:
        self._closed_by_us = True
        if self._delivery is not None:
            self._delivery.cut(messages.current_time(self.state.clock))

    def tick(self) -> None:
        """Send what has changed in the market since the last time."""
        if self._delivery is None or self._delivery.unsent > _MAX_UNSENT or self._is_half_open():
            return
        now = self.state.now
        for key, stream in tuple(self.streams.items()):
            if self._flows(stream) and not self._has_fallen_silent(key, stream):
                self.send(stream.update(now, self.version))

    def skip_to(self, now: float) -> None:
        """Let every subscription go on at a time to which the clock was set."""
        for stream in self.streams.values():
            skip_to(stream, now)

    def subscribe(self, message_id: int, req_id: int, stream: Stream) -> None:
        """Begin a subscription, in place of one with the same kind and reqId."""
        self.streams[message_id, req_id] = stream
        self._begun[message_id, req_id] = time.monotonic()
        # What a market showed last is told, too, while it is closed.
        if self._flows(stream, closed=False):
            self.send(stream.update(self.state.market_time, self.version))

    def lose_subscriptions(self) -> None:
        """Forget every subscription, as a gateway does that has lost its data."""
        self.streams.clear()
        self._begun.clear()
        self.wants_positions = False
        self.wants_account = None

    def lose_market_data(self) -> None:
        """Tell of every market data subscription that another session has its data now."""
        for (message_id, req_id), stream in self.streams.items():
            if message_id == OutgoingId.MARKET_DATA and farm_of(stream) is not None:
                self.notify(texts.COMPETING_SESSION, req_id)

    def lose_live_bars(self) -> None:
        """End every subscription to historical bars, whose farm is lost, and tell so."""
        for message_id, req_id in list(self.streams):
            if message_id == OutgoingId.HISTORICAL_DATA:
                self.unsubscribe(message_id, req_id)
                self.notify(texts.LIVE_BARS_ENDED, req_id)

    def work_off(self, steps: Iterator[None]) -> None:
        """Do a long piece of work step by step, and serve the other clients between two steps."""
        if self._is_closing() or next(steps, _DONE) is _DONE:
            return
        asyncio.get_running_loop().call_soon(self.work_off, steps)

    def unsubscribe(self, message_id: int, req_id: int) -> bool:
        """End a subscription that this kind of request began; say whether there was one."""
        self._begun.pop((message_id, req_id), None)
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
        self.state.hear(self.client_id, fields, self.version)
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
        links = self.state.links
        for text in links.farm_notices if links.is_up else [texts.LINK_LOST]:
            self.notify(text)
        self.follow_faults()
        self._ready()

    def _has_fallen_silent(self, key: tuple[int, int], stream: Stream) -> bool:
        seconds = self.state.faults.seconds("silent-stream")
        if seconds is None or farm_of(stream) is None:
            return False
        return time.monotonic() >= self._begun.get(key, 0.0) + seconds

    def _flows(self, stream: Stream, *, closed: bool = True) -> bool:
        """Say whether there may be anything new for a subscription; `closed` counts as a reason."""
        farm = farm_of(stream)
        stops = {"competing-session", "market-closed"} if closed else {"competing-session"}
        if farm is not None and any(name in self.state.faults for name in stops):
            return False
        return self.state.is_linked and self.state.links.serves(farm)

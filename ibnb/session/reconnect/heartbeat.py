"""The pulse of a connection: does the gateway at its other end still answer?

A socket that is open says little: after a suspend, a pulled cable or a hung gateway it stays open
for hours with nobody behind it. So a heartbeat is sent, and any byte that comes is life.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ibnb.session.library import listening, reading
from ibnb.session.library.patches import MethodPatch
from ibnb.session.library.time_requests import send_raw, time_requests

APART = 5.0
"""Seconds between heartbeats: recent gateways answer a request for the time every 1 to 4 s."""
BEATS = 2
"""So many heartbeats must bring nothing: one silence is no death."""
PATIENCE = 1.0
"""Seconds for which the gateway's time is waited for once any byte came."""
LOOK = 0.25
BLOCKED = 0.5
"""A loop that wakes this many seconds late was busy: bytes may have come that nobody read."""
KIND = "pulse"


@dataclass(frozen=True)
class Pulse:
    """What a heartbeat came to.

    Attributes:
        status: ``answered``: bytes came. ``silent``: the socket is open and the kernel had time to
            read, and two heartbeats in a row, 5 s or more from each other, brought nothing.
            ``busy``: none was read, but the kernel was held up or has bytes waiting, so that says
            nothing of the gateway. ``closed``: there is no open connection.
        round_trip: seconds until the gateway's time came, or None where other bytes showed life.
        heard_ago: seconds since the last byte came; None if there is no open connection.
        gateway_time: the gateway's clock, in whole seconds since the epoch, or None.
        local_time: this machine's clock when the gateway's time came, or None.
    """

    status: Literal["answered", "silent", "busy", "closed"]
    round_trip: float | None = None
    heard_ago: float | None = None
    gateway_time: float | None = None
    local_time: float | None = None


class Pulses:
    """Takes the pulses of connections: one at a time of each, however many ask for it."""

    def __init__(self) -> None:
        self._known: weakref.WeakKeyDictionary[Any, _Known] = weakref.WeakKeyDictionary()

    async def take(self, ib: Any, *, apart: float = APART, beats: int = BEATS) -> Pulse:
        """Return the pulse of an `IB` object's connection, on the loop that it runs on.

        An answer that is younger than `apart` seconds is returned again. Who asks while a pulse is
        being taken gets what it comes to.
        """
        known = self._known.setdefault(ib, _Known())
        if known.taking is None or known.taking.done():
            if (recent := known.recent(ib, apart)) is not None:
                return recent
            known.begin(asyncio.ensure_future(take_pulse(ib, apart=apart, beats=beats)))
        return await known.shared()

    async def take_on(
        self,
        home: asyncio.AbstractEventLoop | None,
        ib: Any,
        *,
        apart: float = APART,
        beats: float = BEATS,
    ) -> Pulse:
        """Do as `take`, from whatever loop; `home` is that of the connection."""
        longest = beats * apart + PATIENCE + BLOCKED
        return await on_loop(home, lambda: self.take(ib, apart=apart, beats=int(beats)), longest)


@dataclass
class _Known:
    """The last pulse of a connection, and the one that is being taken."""

    taking: asyncio.Future[Pulse] | None = None
    waiting: int = 0
    begun: float = 0.0
    last: Pulse | None = None

    def recent(self, ib: Any, apart: float) -> Pulse | None:
        young = time.monotonic() - self.begun < apart
        if self.last is None or self.last.status != "answered":
            return None
        if not (young and reading.is_usable(ib)):
            return None
        return replace(self.last, heard_ago=reading.heard_ago(ib))

    def begin(self, taking: asyncio.Future[Pulse]) -> None:
        self.taking, self.waiting, self.begun = taking, 0, time.monotonic()

    async def shared(self) -> Pulse:
        taking = self.taking
        assert taking is not None  # noqa: S101 - for the type checker: one was begun
        self.waiting += 1
        try:
            self.last = await asyncio.shield(taking)
        finally:
            self.waiting -= 1
            if not self.waiting and not taking.done():
                # Nobody waits for it any more.
                self.taking = None
                taking.cancel()
        return self.last


async def on_loop(
    home: asyncio.AbstractEventLoop | None,
    take: Callable[[], Coroutine[Any, Any, Pulse]],
    longest: float,
) -> Pulse:
    """Take a pulse on the loop of its connection, from whatever loop.

    Where that loop does not get to it at once, or not to its end within `longest` seconds, what
    runs there is in the way: the pulse is ``busy``.
    """
    here = asyncio.get_running_loop()
    if home is None or home is here:
        return await take()
    if not home.is_running():
        return Pulse("busy")
    begun = asyncio.Event()

    async def there() -> Pulse:
        here.call_soon_threadsafe(begun.set)
        return await take()

    asked = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), home))
    try:
        await asyncio.wait_for(begun.wait(), BLOCKED)
        return await asyncio.wait_for(asked, longest)
    except TimeoutError:
        return Pulse("busy")
    finally:
        asked.cancel()


async def take_pulse(ib: Any, *, apart: float, beats: int) -> Pulse:
    """Send heartbeats to the gateway of an `IB` object, until anything comes; return what came.

    An open connection that answers is known after milliseconds, a silent one after `beats` times
    `apart` seconds.
    """
    if not reading.is_usable(ib):
        return Pulse("closed")
    with _listening(ib) as ear:
        for _ in range(beats):
            begun = time.perf_counter()
            with contextlib.suppress(ConnectionError):
                begun = await _send(ib, ear) or begun
            await ear.wait(ear.heard, apart)
            if ear.heard.is_set():
                break
        if ear.heard.is_set():
            await ear.wait(ear.told, PATIENCE)
        if ear.closed or not reading.is_usable(ib):
            return Pulse("closed")
        if ear.local_time is not None:
            times = ear.gateway_time, ear.local_time
            return Pulse("answered", ear.told_at - begun, reading.heard_ago(ib), *times)
        if ear.heard.is_set():
            return Pulse("answered", heard_ago=reading.heard_ago(ib))
        busy = ear.held_up or reading.has_unread(ib)
        return Pulse("busy" if busy else "silent", heard_ago=reading.heard_ago(ib))


async def _send(ib: Any, ear: _Ear) -> float | None:
    """Send a heartbeat and return when, by the performance counter; None if none was needed.

    While the user is asking for the time, his answer shows life as well.
    """
    asked = time_requests(ib)
    if asked is not None and not asked.is_asking:
        await ear.wait(ear.told, asked.pause)
    if ear.told.is_set() or (asked is not None and asked.is_asking):
        return None
    begun = time.perf_counter()
    if asked is not None:
        asked.send()
    else:
        send_raw(ib)
    return begun


@dataclass
class _Ear:
    """What comes over one connection while its pulse is taken."""

    heard: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    told_at: float = 0.0
    gateway_time: float | None = None
    local_time: float | None = None
    closed: bool = False
    held_up: bool = False

    def on_data(self, _data: bytes) -> None:
        self.heard.set()

    def on_closed(self, _reason: str) -> None:
        self.closed = True
        self.heard.set()
        self.told.set()

    def on_time(self, layer: MethodPatch) -> Any:
        def told(seconds: int) -> Any:
            if not self.told.is_set():
                self.gateway_time, self.local_time = float(seconds), time.time()
                self.told_at = time.perf_counter()
                self.told.set()
            return layer.inner(seconds)

        return told

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for an event, and take note where the loop could not run meanwhile."""
        end = time.monotonic() + seconds
        while not event.is_set() and (left := end - time.monotonic()) > 0:
            due = time.monotonic() + min(left, LOOK)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(event.wait(), min(left, LOOK))
            if time.monotonic() - due > BLOCKED:
                self.held_up = True
                # What came meanwhile is read in the loop's next turn.
                await asyncio.sleep(0)


@contextlib.contextmanager
def _listening(ib: Any) -> Iterator[_Ear]:
    ear = _Ear()
    with listening.socket_heard(ib, ear.on_data, ear.on_closed):
        listening.stand_around(ib, listening.TIME, KIND, ear.on_time)
        try:
            yield ear
        finally:
            listening.stand_around_no_more(ib, listening.TIME, KIND)

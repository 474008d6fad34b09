"""How the bytes of a gateway reach a client: at once, or as a bad line brings them."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator

from ibnb.tws.wire import LENGTH_BYTES

from .faults import ALL_ENDS, ENDS, Faults

_PIECE_SECONDS = 0.001
"""Between two pieces of a message, so that its reader sees them one by one."""
_FIRST_PIECE = 3
"""Less than a length takes."""


class Delivery:
    """Writes to one connection, in order, as the faults in force let it.

    Args:
        transport: the connection.
        faults: returns the faults in force.
        seed: what the delays of a jitter are made from.
    """

    def __init__(
        self, transport: asyncio.Transport, faults: Callable[[], Faults], seed: int
    ) -> None:
        self._transport = transport
        self._faults = faults
        self._luck = random.Random(seed)  # noqa: S311 - it is no secret
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._last_due = 0.0
        self._closing = False

    @property
    def is_closing(self) -> bool:
        """Whether nothing more can be sent."""
        return self._closing or self._transport.is_closing()

    @property
    def unsent(self) -> int:
        """How many bytes have not left."""
        return self._transport.get_write_buffer_size() + sum(len(one) for _, one in self._waiting)

    def send(self, data: bytes) -> None:
        """Send complete frames."""
        faults = self._faults()
        if not faults.active and not self._waiting:
            if data and not self.is_closing:
                self._transport.write(data)
            return
        if "lost-end" in faults:
            data = b"".join(_kept(data, faults.words("lost-end")))
        if not data or self.is_closing:
            return
        pieces = list(_pieces(data)) if "split-frames" in faults else [data]
        for piece in pieces:
            self._put(piece, faults)

    def cut(self, data: bytes) -> None:
        """Send the first half of a frame, and close."""
        if not self.is_closing:
            self._put(data[: len(data) // 2], self._faults())
            self.close()

    def close(self) -> None:
        """Close the connection once everything sent has left."""
        self._closing = True
        if not self._waiting:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self.drop()
        self._transport.abort()

    def drop(self) -> None:
        """Forget what has not left: there is no connection any more."""
        self._closing = True
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _put(self, data: bytes, faults: Faults) -> None:
        now = asyncio.get_running_loop().time()
        due = max(now + self._luck.uniform(0.0, faults.seconds("jitter") or 0.0), self._last_due)
        rate = faults.count("bandwidth")
        if rate is not None:
            due = max(now, self._last_due) + len(data) / rate
        elif "split-frames" in faults:
            due = max(due, self._last_due + _PIECE_SECONDS)
        if due <= now and not self._waiting:
            self._transport.write(data)
            return
        self._last_due = due
        self._waiting.append((due, data))
        if self._timer is None:
            self._wait()

    def _wait(self) -> None:
        due, _ = self._waiting[0]
        self._timer = asyncio.get_running_loop().call_at(due, self._write_next)

    def _write_next(self) -> None:
        self._timer = None
        _, data = self._waiting.popleft()
        self._transport.write(data)
        if self._waiting:
            self._wait()
        elif self._closing:
            self._transport.close()


def _frames(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        end = at + LENGTH_BYTES + int.from_bytes(data[at : at + LENGTH_BYTES], "big")
        yield data[at:end]
        at = end


def _kept(data: bytes, lost: tuple[str, ...]) -> Iterator[bytes]:
    """The frames of what is sent, but for the ends that are lost."""
    names = ENDS if ALL_ENDS in lost else lost
    ids = {b"%d" % ENDS[name] for name in names}
    for frame in _frames(data):
        if frame[LENGTH_BYTES:].partition(b"\0")[0] not in ids:
            yield frame


def _pieces(data: bytes) -> Iterator[bytes]:
    for frame in _frames(data):
        middle = max(len(frame) // 2, _FIRST_PIECE + 1)
        yield from (frame[:_FIRST_PIECE], frame[_FIRST_PIECE:middle], frame[middle:])

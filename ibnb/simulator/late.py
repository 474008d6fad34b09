"""Bytes that are looked at later than they came: how a slow gateway reads."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable


class LateBytes:
    """Hands bytes on in the order in which they came, each a while after it came.

    To be used on the thread of a running loop.
    """

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._waiting: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def put(self, data: bytes, seconds: float) -> None:
        """Hand these bytes on `seconds` from now, but never before those that came earlier."""
        if seconds <= 0 and not self._waiting:
            self._take(data)
            return
        self._waiting.append((time.monotonic() + seconds, data))
        if self._timer is None:
            self._wait()

    def drop(self) -> None:
        """Forget what waits: nobody is there any more to be answered."""
        self._waiting.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        due, _ = self._waiting[0]
        left = max(due - time.monotonic(), 0.0)
        self._timer = asyncio.get_running_loop().call_later(left, self._hand_on)

    def _hand_on(self) -> None:
        self._timer = None
        _, data = self._waiting.popleft()
        self._take(data)
        if self._waiting:
            self._wait()

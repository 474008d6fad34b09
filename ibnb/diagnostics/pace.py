"""Keeping probes of one gateway apart: gateways wedge under bursts of connections."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import AsyncIterator

from ibnb.tws.target import LOOPBACK, Target

PAUSE_SECONDS = 2.0
"""Between the end of one probe of a gateway and the beginning of the next."""
LOOK_SECONDS = 0.1
"""How often a waiting diagnosis looks whether the probe before it is over."""


class Pace:
    """Lets one probe of a gateway happen at a time, and none sooner than a pause after it.

    Diagnoses run on loops and threads of their own, so this belongs to none of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._free_at: dict[tuple[str, int], float] = {}

    @contextlib.asynccontextmanager
    async def turn(self, target: Target) -> AsyncIterator[None]:
        """Wait until the target may be probed; nobody else gets a turn until this one is over."""
        address = (LOOPBACK if target.is_local else target.address[0], target.port)
        # The turn before this one may end on another thread's loop: no event reaches across.
        while (left := self._claim(address)) > 0:  # noqa: ASYNC110 - see above
            await asyncio.sleep(min(left, LOOK_SECONDS))
        try:
            yield
        finally:
            with self._lock:
                self._free_at[address] = time.monotonic() + PAUSE_SECONDS

    def _claim(self, address: tuple[str, int]) -> float:
        """Take the turn and return 0, or return the seconds until there may be one."""
        with self._lock:
            left = self._free_at.get(address, 0.0) - time.monotonic()
            if left > 0:
                return left
            self._free_at[address] = math.inf
            return 0.0

"""Keeping probes and resumes apart at one gateway: gateways wedge under bursts of connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path

from ibnb.tws.files import head, private
from ibnb.tws.own import LOOPBACK
from ibnb.tws.target import Target

PAUSE_SECONDS = 2.0
"""Between the end of one probe of a gateway and the beginning of the next."""
LOOK_SECONDS = 0.1
"""How often a waiting diagnosis looks whether the probe before it is over."""
FILE = "probes.json"
MOST_BYTES = 10_000
"""What is larger is not ours; a pause for each of some gateways is far less."""

Address = tuple[str, int]


class Throttle:
    """Lets one probe of a gateway happen at a time, and none sooner than a pause after it.

    Diagnoses run on loops and threads of their own, so this belongs to none of them. Other
    processes are told through a file in `folder`; where it cannot be used, nothing is the worse.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._free_at: dict[Address, float] = {}
        self._others = None if folder is None else _Elsewhere(folder / FILE)

    def __repr__(self) -> str:
        """Name the gateways that were tried lately."""
        tried = ", ".join(f"{host}:{port}" for host, port in self._free_at)
        return f"<Throttle: {tried or 'nothing tried'}>"

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
                self._tell(address)

    def _claim(self, address: Address) -> float:
        """Take the turn and return 0, or return the seconds until there may be one."""
        with self._lock:
            left = self._free_at.get(address, 0.0) - time.monotonic()
            if left <= 0 and self._others is not None:
                left = self._others.left(address)
            if left > 0:
                return left
            self._free_at[address] = math.inf
            self._tell(address)
            return 0.0

    def _tell(self, address: Address) -> None:
        if self._others is not None:
            self._others.note(address)


class _Elsewhere:
    """When the processes of this user last probed each gateway, in a small file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def left(self, address: Address) -> float:
        """Return the seconds until this gateway may be probed, by what the file says."""
        last = self._recent().get(_key(address))
        return 0.0 if last is None else last + PAUSE_SECONDS - time.time()

    def note(self, address: Address) -> None:
        """Write that this gateway is being probed now."""
        recent = {**self._recent(), _key(address): time.time()}
        with contextlib.suppress(OSError):
            made = private(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            with os.fdopen(made, "w", encoding="utf-8") as file:
                file.write(json.dumps(recent))

    def _recent(self) -> dict[str, float]:
        """Return the probes of the last moments; a broken file, or a clock set back, has none."""
        data = head(self._path, MOST_BYTES)
        try:
            told = json.loads(data) if data is not None else {}
            items = told.items() if isinstance(told, dict) else ()
            now = time.time()
            return {key: float(at) for key, at in items if 0 <= now - float(at) < PAUSE_SECONDS}
        except (ValueError, TypeError, RecursionError):
            return {}


def _key(address: Address) -> str:
    return f"{address[0]}:{address[1]}"

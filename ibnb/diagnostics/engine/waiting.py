"""Repeating a diagnosis, gently, until the gateway is healthy or the time is up."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from ibnb.diagnostics.model import Report

from .runner import Observer

PAUSE_SECONDS = 5.0
"""Between the end of one diagnosis and the next: gateways wedge under bursts of connections."""


async def until_healthy(
    once: Callable[[], Awaitable[Report]],
    seconds: float,
    observers: Sequence[Observer],
    stopped: asyncio.Event,
) -> Report:
    """Diagnose until the verdict is not an error, `seconds` are over or `stopped` is set.

    Returns the last report. Observers hear of every diagnosis, and between two of them how long
    it goes on.
    """
    deadline = time.monotonic() + seconds
    tries = 0
    while True:
        report = await once()
        tries += 1
        left = deadline - time.monotonic()
        if report.exit_status == 0 or left <= 0 or stopped.is_set():
            return report
        for observer in observers:
            observer.on_wait(left, tries, report)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), min(PAUSE_SECONDS, left))
        if stopped.is_set():
            return report

"""What the event loop of a thread is like, found out without changing anything."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from .event_loop import Patch, active_patch


@dataclass(frozen=True)
class LoopFacts:
    """The event loop as found: whether it runs, its class, and which patch is active."""

    running: bool
    kind: str
    patch: Patch


def inspect_loop() -> LoopFacts:
    """Say which loop and which patch this thread has, changing nothing."""
    try:
        loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
    except RuntimeError:
        loop = None
    kind = f"{type(loop).__module__}.{type(loop).__qualname__}" if loop is not None else "none"
    return LoopFacts(loop is not None, kind, active_patch())

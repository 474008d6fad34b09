"""Looks that several checks share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Something that is looked at when first asked for, and never twice.

    It raises for whoever asks what the look raised.
    """

    def __init__(self, look: Callable[[], Awaitable[T]]) -> None:
        self._look = look
        self._task: asyncio.Future[T] | None = None

    async def get(self) -> T:
        """Return what was seen."""
        if self._task is None:
            self._task = asyncio.ensure_future(self._look())
        return await asyncio.shield(self._task)

    def seen(self) -> T | None:
        """Return what was seen by now, or None; looks at nothing."""
        task = self._task
        if task is None or not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()


class Once(Shared[T]):
    """Something slow that is looked at in a thread."""

    def __init__(self, look: Callable[[], T]) -> None:
        super().__init__(lambda: asyncio.to_thread(look))

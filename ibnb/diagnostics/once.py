"""A look at the machine that several checks share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Something slow that is looked at when first asked for, in a thread, and never twice.

    It raises for whoever asks what the look raised.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._task: asyncio.Task[T] | None = None

    async def get(self) -> T:
        """Return what was seen."""
        if self._task is None:
            self._task = asyncio.ensure_future(asyncio.to_thread(self._look))
        return await asyncio.shield(self._task)

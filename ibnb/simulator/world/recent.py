"""A memory of what was made lately, which does not keep what nobody has asked for since."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

Key = TypeVar("Key")
Made = TypeVar("Made")


class Recent(Generic[Key, Made]):
    """Makes things, and remembers them while they are asked for.

    What was not asked for in one generation is forgotten with it. So a market's minutes go as time
    passes, where `functools.lru_cache` keeps them until there are too many.

    Args:
        make: makes what is not remembered.
        most: a generation ends when it has so many.
        seconds: or when it is so old.
        monotonic: what its age is measured by.
    """

    def __init__(
        self,
        make: Callable[[Key], Made],
        most: int,
        seconds: float = 20.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._most = most
        self._seconds = seconds
        self._monotonic = monotonic
        self._young: dict[Key, Made] = {}
        self._old: dict[Key, Made] = {}
        self._since = monotonic()

    def __len__(self) -> int:
        """Return how many it remembers."""
        return len(self._young.keys() | self._old.keys())

    def __call__(self, key: Key) -> Made:
        """Return what belongs to a key."""
        found = self._young.get(key)
        if found is not None:
            return found
        now = self._monotonic()
        if len(self._young) >= self._most or now - self._since >= self._seconds:
            self._young, self._old, self._since = {}, self._young, now
        found = self._old.get(key)
        if found is None:
            found = self._make(key)
        self._young[key] = found
        return found

"""Succession: which connection a piece of code belongs to, and which one took its place.

Code belongs to the connection whose data called it, else to the one that was opened last when the
code was started. It may not send orders over a connection that took the place of its own.
"""

from __future__ import annotations

import bisect
from collections.abc import Hashable

from .runs import Runs, caller, current_run

SESSION = "the session"
"""The place of what `%ibconnect` opens, whatever its address."""

Places = frozenset[Hashable]
"""What only one connection has at a time: the session, an address, what one cell connects."""


class Succession:
    """Remembers which connection was opened when, and which one took the place of which.

    Connections are known by number. One that an `IB` object opens again after a loss keeps its
    number: it is the same to the user's code.
    """

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._opened: list[tuple[int, int]] = []
        self._heirs: dict[int, set[int]] = {}
        self._vacant: dict[int, Places] = {}

    def opened(self, connection: int, places: Places) -> None:
        """Take note that a connection is open, in the place of those that left one of `places`."""
        self._opened.append((self._runs.count, connection))
        for left, had in tuple(self._vacant.items()):
            taken = had & places
            if not taken:
                continue
            if left != connection:
                self._heirs.setdefault(left, set()).add(connection)
            # The address of one may be taken by another than what its cell connects now.
            self._vacant[left] = had - taken
            if not self._vacant[left]:
                del self._vacant[left]

    def left(self, connection: int, places: Places) -> None:
        """Take note that a connection was closed for good, to make room for another."""
        self._vacant[connection] = places

    def bars(self, connection: int) -> bool:
        """Say whether a connection took the place of the one that the code at hand belongs to."""
        own = self._own() if self._heirs else None
        if own is None or own == connection:
            return False
        following, seen = [own], {own}
        while following:
            for heir in self._heirs.get(following.pop(), set()) - seen:
                if heir == connection:
                    return True
                seen.add(heir)
                following.append(heir)
        return False

    def _own(self) -> int | None:
        """Return the connection that the code at hand belongs to; None if that is not known."""
        called_by, run = caller(), current_run()
        if called_by is not None or run is None:
            return called_by
        place = bisect.bisect_right(self._opened, (run.number, float("inf")))
        return self._opened[place - 1][1] if place else None

"""Succession: which connection a piece of code belongs to, and which one took its place.

Code belongs to the connection whose data called it, else to the one that was opened last when the
code was started. It may not send orders over a connection that took the place of its own.
"""

from __future__ import annotations

import bisect
from collections.abc import Hashable
from typing import Any, Literal
from weakref import WeakKeyDictionary

from .cell_runs import Origin, Runs

SESSION = "the session"
"""The place of what `%ibconnect` opens, whatever its address."""

Places = frozenset[Hashable]
"""What only one connection has at a time: the session, an address, a name, what a cell connects."""
Judgement = Literal["passes", "barred", "unknown"]
"""``unknown``: where the code comes from cannot be told, and some connection was replaced."""


class Succession:
    """Remembers which connection was opened when, and which one took the place of which.

    Connections are known by number. One that an `IB` object opens again after a loss keeps its
    number: it is the same to the user's code.

    Attributes:
        runs: the runs of this kernel's cells.
    """

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._lineages = 0
        self._numbers: WeakKeyDictionary[Any, int] = WeakKeyDictionary()
        self._renumbered: dict[int, int] = {}
        self._opened: list[tuple[int, int]] = []
        self._heirs: dict[int, set[int]] = {}
        self._vacant: dict[int, Places] = {}

    def new_lineage(self, ib: Any = None) -> int:
        """Return a number that no connection of this shell had yet.

        An `IB` object that had one, as before a reload, is known by the new one from now on.
        """
        self._lineages += 1
        if ib is not None:
            before = self._numbers.get(ib)
            if before is not None:
                self._renumbered[before] = self._lineages
            self._numbers[ib] = self._lineages
        return self._lineages

    def opened(self, connection: int, places: Places) -> None:
        """Take note that a connection is open, in the place of those that left one of `places`."""
        self._opened.append((self.runs.count, connection))
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

    def judge(self, connection: int) -> Judgement:
        """Say whether the code at hand may send orders over a connection."""
        origin = self.runs.origin()
        if origin is None:
            return "unknown" if self._heirs else "passes"
        own = self._own(origin)
        if own == connection:
            return "passes"
        if own is None:
            # It is older than every connection here, and so than what this one replaced.
            older = any(connection in heirs for heirs in self._heirs.values())
            return "barred" if older and origin.run is not None else "passes"
        following, seen = [own], {own}
        while following:
            for heir in self._heirs.get(following.pop(), set()) - seen:
                if heir == connection:
                    return "barred"
                seen.add(heir)
                following.append(heir)
        return "passes"

    def is_outdated(self, origin: Origin | None) -> bool:
        """Say whether code belongs to a connection whose place another one took, or to none yet."""
        if not self._heirs or origin is None:
            return False
        own = self._own(origin)
        return own is None or own in self._heirs

    def _own(self, origin: Origin) -> int | None:
        """Return the connection that code from somewhere belongs to; None if it has none."""
        own = origin.called_by
        if own is None and origin.run is not None:
            place = bisect.bisect_right(self._opened, (origin.run.number, float("inf")))
            own = self._opened[place - 1][1] if place else None
        while own in self._renumbered:
            own = self._renumbered[own]
        return own

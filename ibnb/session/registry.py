"""Every connection of this kernel that ibnb knows: its own, and those of the user's code."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ibnb.tws.accounts import know
from ibnb.tws.clock import clock
from ibnb.tws.escaping import visible

from .address import Address, address_of, where
from .hooks import Hooks
from .library import libraries, reading
from .notebook.cell_runs import Run, Runs
from .notebook.succession import Succession

if TYPE_CHECKING:
    from .kept import Keeper
    from .notebook.reach import Outcome
    from .tracked import TrackedConnection


class ConnectionRegistry:
    """Knows who holds which address, and closes what is in the way of a new connection.

    Args:
        home: returns the loop of the notebook's connections, None while there is none.
        succession: what is known of earlier connections, where ibnb was loaded before.
        hooks: returns what the session asks and tells.
        retired: is called with what was closed for good.

    Attributes:
        runs: the runs of this kernel's cells.
        succession: which connection took the place of which.
        outlived: the run which found that earlier ones of its cell have connections that are held.
    """

    def __init__(
        self,
        home: Callable[[], asyncio.AbstractEventLoop | None],
        succession: Succession | None,
        hooks: Callable[[], Hooks],
        retired: Callable[[TrackedConnection], None],
    ) -> None:
        self._home = home
        self._hooks = hooks
        self._retired = retired
        self.succession = succession or Succession(Runs())
        self.runs = self.succession.runs
        self._held: weakref.WeakKeyDictionary[Any, TrackedConnection] = weakref.WeakKeyDictionary()
        self._met: weakref.WeakSet[Any] = weakref.WeakSet()
        self.outlived: Run | None = None

    def __repr__(self) -> str:
        """Name the connections that it knows."""
        return f"<ConnectionRegistry: {', '.join(map(repr, self.all())) or 'no connections'}>"

    @property
    def guarding(self) -> bool | None:
        """Whether a guard acts on the user's own connects; None if there is no guard."""
        return self._hooks().guarding()

    def meet(self, ib: Any) -> None:
        """Take note of an `IB` object that connects, looked after or not."""
        self._met.add(ib)

    def look_around(self, hold: Callable[[Any, Address, Run | None], TrackedConnection]) -> None:
        """Find what was connected before anybody looked after it, without a scan of the heap.

        That is what a variable of the user's is, or what has a transport on the notebook's loop.
        """
        for ib in self._connected():
            if self.of(ib) is None:
                self.add(ib, hold(ib, reading.address(ib), None))

    def of(self, ib: Any) -> TrackedConnection | None:
        """Return what is known of an `IB` object, or None."""
        return self._held.get(ib)

    def all(self) -> tuple[TrackedConnection, ...]:
        """Return everything that is known."""
        # A diagnosis asks from a thread of its own: the references are copied in one step.
        known = (ref() for ref in self._held.keyrefs())
        return tuple(self._held[ib] for ib in known if ib is not None and ib in self._held)

    def add(self, ib: Any, held: TrackedConnection) -> None:
        """Take an `IB` object into account from now on."""
        self._held[ib] = held
        # Of one that was connected before anybody looked after it, no opening told them.
        know(reading.accounts(ib))

    def drop(self, ib: Any) -> None:
        """Forget an `IB` object."""
        self._held.pop(ib, None)

    def others_open(self, ib: Any) -> bool:
        """Say whether another connection than this object's is open."""
        return any(held.tracked_ib is not ib and held.has_socket for held in self.all())

    def keeper(self, address: Address) -> Keeper | None:
        """Return who has what is open at this address in this kernel; None if nothing is.

        What is only being opened has no ID yet.
        """
        for held in self.all():
            if held.address == address and held.has_socket and not held.is_opening:
                return self._keeper(held.tracked_ib, held.run)
        known = {id(held.tracked_ib) for held in self.all()}
        for ib in self._connected():
            if id(ib) not in known and reading.is_connected(ib) and reading.address(ib) == address:
                return self._keeper(ib, None)
        return self._official(address)

    def hand_over(self, name: str) -> None:
        """Take note that the connection of a variable loses its name to the one that opens now."""
        reachable = self._hooks().reachable
        if reachable is None or not name:
            return
        values = (root.value for root in reachable() if root.name == name)
        held = next((self.of(value) for value in values if libraries.is_ib(value)), None)
        if held is not None:
            self.succession.left(held.lineage, frozenset({("name", name)}))

    def sockets_at(self, host: str, port: int) -> int:
        """Return how many sockets of this kernel's `IB` objects go to a gateway."""
        known = {id(held.tracked_ib): held.tracked_ib for held in self.all()}
        known |= {id(ib): ib for ib in tuple(self._met)}
        return sum(
            libraries.has_socket(ib) and reading.address(ib)[:2] == (host, port)
            for ib in known.values()
            if ib is not None
        )

    async def clear(
        self, address: Address, run: Run | None, keep: Any = None, *, taking: str = ""
    ) -> None:
        """Close what an earlier run of the same cell opened, and what has the address unheld.

        What an earlier run opened at another address goes when nobody has it any more: now, or as
        `clear_after` finds when the run is over. What this very run opened is left alone, and so is
        the object `keep`, the one that connects. `taking` is the variable that is about to be
        bound to the new connection: it holds no old one.
        """
        for held in self.all():
            ib = held.tracked_ib
            if ib is None or ib is keep or not held.has_socket:
                continue
            earlier = run is not None and held.run is not None and held.run.is_earlier_run_of(run)
            in_the_way = held.address == address and (run is None or held.run != run)
            if not (earlier or in_the_way):
                continue
            if (earlier and in_the_way) or self._is_free(ib, taking):
                await self._retire_aloud(held, address, run, earlier=earlier)
            elif earlier:
                self.outlived = run

    async def clear_after(self, run: Run) -> None:
        """Close what earlier runs of a cell opened, and what nobody has any more after this one."""
        self.outlived = None
        for held in self.all():
            ib = held.tracked_ib
            earlier = held.run is not None and held.run.is_earlier_run_of(run)
            if ib is not None and earlier and held.has_socket and self._is_free(ib, ""):
                await self._retire_aloud(held, held.address, run, earlier=True)

    async def retire(self, held: TrackedConnection, address: Address, run: Run | None) -> None:
        """Close one for good, for the address that takes its place."""
        ib = held.tracked_ib
        self.succession.left(held.lineage, held.places)
        await held.retire(_because(held, address, run))
        self.drop(ib)
        self._retired(held)

    async def _retire_aloud(
        self, held: TrackedConnection, address: Address, run: Run | None, *, earlier: bool
    ) -> None:
        left = held.leftovers()
        await self.retire(held, address, run)
        self._hooks().announce(closed_line(held, left, earlier=earlier))

    def _connected(self) -> tuple[Any, ...]:
        """Return all `IB` objects that are found to have a socket, known or not."""
        known = tuple(self._held)
        return libraries.connected_objects(self._home(), (*known, *self._candidates()), known)

    def _candidates(self) -> Iterator[Any]:
        yield from tuple(self._met)
        reachable = self._hooks().reachable
        for root in reachable() if reachable is not None else ():
            yield root.value

    def _search(self, wanted: Callable[[Any], bool], taking: str = "") -> Outcome:
        from .notebook.reach import Outcome, running_code, search

        reachable = self._hooks().reachable
        if reachable is None:
            return Outcome(None, complete=False)
        variables = [root for root in reachable() if root.name != taking]
        return search((*variables, *running_code(self._home())), wanted)

    def _is_free(self, ib: Any, taking: str) -> bool:
        """Say whether it is certain that no code of the user's has an object any more."""
        outcome = self._search(lambda one: one is ib, taking)
        return outcome.found is None and outcome.complete

    def _keeper(self, ib: Any, run: Run | None) -> Keeper:
        from .kept import described

        return described(self._search(lambda one: one is ib).found, _opened_by(run))

    def _official(self, address: Address) -> Keeper | None:
        """Return who has the address through IBKR's own client, if a reachable one does."""
        if not libraries.official_is_imported():
            return None

        def has_it(one: Any) -> bool:
            found = libraries.official_address(one)
            return found is not None and address_of(*found) == address

        from .kept import described

        found = self._search(has_it).found
        return described(found, "with ibapi") if found is not None else None


def closed_line(held: TrackedConnection, left: tuple[str, ...], *, earlier: bool) -> str:
    """Say in one line what was closed, who had opened it, and what it still had."""
    opened = "by an earlier run of this cell" if earlier else _opened_by(held.run)
    still = f", which still had {', '.join(left)}" if left else ""
    return visible(f"Closed {where(held.address)}, opened {opened}{still}.")


def _opened_by(run: Run | None) -> str:
    return f"by {run.label}" if run is not None and run.label else "earlier in this kernel"


def _because(held: TrackedConnection, address: Address, run: Run | None) -> str:
    by = f" by {run.label}" if run is not None and run.label else ""
    return (
        f"This `ib` was connected to {where(held.address)}; it was replaced at "
        f"{clock(time.time())}{by} ({where(address)}) and stays disconnected."
    )

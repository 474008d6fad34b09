"""Every connection of this kernel that ibnb knows: its own, and those of the user's code."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from typing import Any

from . import libraries
from .held import Address, Held, address_of
from .journal import Journal
from .losses import where
from .runs import Run, Runs


class Holdings:
    """Knows who holds which address, and closes what is in the way of a new connection.

    Attributes:
        runs: the runs of this kernel's cells.
        announce: is called with one line for everything that is closed.
        retired: is called with what was closed for good.
        ask_guard: answers `guarding`.
    """

    def __init__(self) -> None:
        self.runs = Runs()
        self.announce: Callable[[str], None] = lambda _line: None
        self.retired: Callable[[Held], None] = lambda _held: None
        self.ask_guard: Callable[[], bool | None] = lambda: None
        self._looked_back = False
        self._opened: set[tuple[str, int]] = set()
        self._held: weakref.WeakKeyDictionary[Any, Held] = weakref.WeakKeyDictionary()

    @property
    def guarding(self) -> bool | None:
        """Whether a guard acts on the user's own connects; None where there is no guard."""
        return self.ask_guard()

    def look_back(self, journal: Journal) -> None:
        """Find, once, what was connected before anybody looked after it."""
        if self._looked_back:
            return
        self._looked_back = True
        for ib in libraries.connected_objects():
            if self.of(ib) is None:
                address = address_of(ib.client.host, ib.client.port, ib.client.clientId)
                held = Held(ib, address, None, journal)
                self.add(ib, held)
                self.note_opened(held)

    def of(self, ib: Any) -> Held | None:
        """Return what is known of an `IB` object, or None."""
        return self._held.get(ib)

    def all(self) -> tuple[Held, ...]:
        """Return everything that is known."""
        return tuple(self._held.values())

    def add(self, ib: Any, held: Held) -> None:
        """Take an `IB` object into account from now on."""
        self._held[ib] = held

    def note_opened(self, held: Held) -> bool:
        """Take note that a connection is open; say whether its gateway had one here before."""
        gateway = held.address[:2]
        before = gateway in self._opened
        self._opened.add(gateway)
        return before

    def drop(self, ib: Any) -> None:
        """Forget an `IB` object."""
        self._held.pop(ib, None)

    def others_open(self, ib: Any) -> bool:
        """Say whether another connection than this object's is open."""
        return any(held.held_ib is not ib and held.has_socket for held in self.all())

    async def clear(self, address: Address, run: Run | None, keep: Any = None) -> None:
        """Close what an earlier run of the same cell opened, and what has the same address.

        The object `keep` is left alone: it is the one that connects. So is what a user keeps on
        purpose, from other cells and with other IDs.
        """
        for held in self.all():
            ib = held.held_ib
            if ib is None or ib is keep or not held.has_socket:
                continue
            earlier = run is not None and held.run is not None and held.run.is_earlier_run_of(run)
            if earlier or held.address == address:
                left = held.leftovers()
                await self.retire(held, address, run)
                self.announce(closed_line(held, left, earlier=earlier))

    async def retire(self, held: Held, address: Address, run: Run | None) -> None:
        """Close one for good, for the address that takes its place."""
        ib = held.held_ib
        await held.retire(_because(held, address, run))
        self.drop(ib)
        self.retired(held)


def closed_line(held: Held, left: tuple[str, ...], *, earlier: bool) -> str:
    """Say in one line what was closed, who had opened it, and what it still had."""
    opened = "by an earlier run of this cell" if earlier else _opened_by(held.run)
    still = f", which still had {', '.join(left)}" if left else ""
    return f"Closed {where(held.address)}, opened {opened}{still}."


def _opened_by(run: Run | None) -> str:
    return f"by {run.label}" if run is not None and run.label else "earlier in this kernel"


def _because(held: Held, address: Address, run: Run | None) -> str:
    by = f" by {run.label}" if run is not None and run.label else ""
    return (
        f"This `ib` was connected to {where(held.address)}; it was replaced at "
        f"{time.strftime('%H:%M:%S')}{by} ({where(address)}) and stays disconnected."
    )

"""One notebook's client IDs, leases and rights, in whichever store they are kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from ibnb.made_once import made_once

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from .grants import Refusal
    from .lease import Lease
    from .leases import Gateway, LeaseStore
    from .shared_leases import SharedLeases
    from .trading_right import TradingRight

WRITING_AFTER = 0.05
"""So many seconds after a connect its lease is written: not while its cell is at work."""


class NotebookLeases:
    """One notebook's dealings with a lease store; without a store they come to nothing."""

    def __init__(
        self,
        notebook: Callable[[], str] = str,
        open_store: Callable[[], LeaseStore | None] = lambda: None,
    ) -> None:
        self.notebook = notebook
        self._open_store = open_store
        self._ids: dict[tuple[str, Gateway | None], int] = {}
        self._entering: tuple[str, int, int] | None = None
        self._closing = threading.Event()

    @made_once
    def store(self) -> LeaseStore | None:
        """The store, opened when it is first wanted."""
        return self._open_store()

    @made_once
    def _writer(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        return ThreadPoolExecutor(1, thread_name_prefix="ibnb-leases")

    def prepare(self) -> None:
        """Let start what a first connect would wait for; which store it is to be is not asked."""
        from .ids import stable_client_id
        from .leases import prepare

        prepare()
        # Whose notebook it is, and on which machine, the system tells faster the second time.
        stable_client_id(self.notebook())
        # A thread starts with the first thing that it has to do.
        self._writer.submit(int)

    def __repr__(self) -> str:
        """Name the notebook, and the store if it was opened."""
        return f"<NotebookLeases of {self.notebook()} in {vars(self).get('store')}>"

    @property
    def shared(self) -> SharedLeases | None:
        """The store, if several machines share it."""
        if self.store is None or not self.store.is_shared:
            return None
        return cast("SharedLeases", self.store)

    @made_once
    def right(self) -> TradingRight | None:
        """This session's right to trade; None without a store that several machines share."""
        if self.shared is None:
            return None
        from .trading_right import TradingRight

        return TradingRight(self.shared.keeper)

    def claim_trading(self, address: tuple[str, int, int], accounts: Sequence[str]) -> str:
        """Ask for the right to trade accounts, and give back that for others.

        Returns:
            Why orders may not go, in a sentence; empty if they may.
        """
        if self.right is None:
            return ""
        from .lease import new_lease

        return self.right.claim(accounts, new_lease(*address, self.notebook()))

    def stop_trading(self) -> None:
        """Give the right to trade back; written a moment later."""
        right = vars(self).get("right")
        if right is not None:
            self._later(right.drop)

    def client_id(self, preferred: int, number: int = 1, gateway: Gateway | None = None) -> int:
        """Return this notebook's client ID; `preferred` becomes it when it has none yet.

        `number` above 1 asks for a further ID of this notebook's own. In a store that several
        machines share, each `gateway` has IDs of its own.
        """
        if self.store is None:
            return preferred
        notebook = self.notebook()
        name = f"{notebook}#{number}" if number > 1 else notebook
        key = name, gateway
        known = self._ids.get(key) or self.store.client_id(name, preferred, gateway)
        if known is None:
            # Not kept: once the store answers again, what it remembers is right.
            return self.store.provisional_id(name, preferred)
        self._ids[key] = known
        return known

    def entering(self, address: tuple[str, int, int] | None) -> None:
        """Take note of what is about to connect, or that nothing is any more.

        What it holds already, as in a rerun, it keeps meanwhile.
        """
        before, self._entering = self._entering, None
        if before is not None and before != address:
            self.released(before)
        self._entering = address if self.shared is not None else None

    def enter(self) -> Refusal | None:
        """Ask for the client ID that is about to connect, and for a seat at its gateway.

        None if nothing is known against it. The gateway decides.
        """
        if self.shared is None or self._entering is None:
            return None
        from .lease import new_lease

        return self.shared.enter(new_lease(*self._entering, self.notebook()))

    def acquired(self, address: tuple[str, int, int]) -> None:
        """Remember that this process has an ID at a gateway; written a moment later."""
        if self._entering == address:
            self._entering = None
        if self.store is not None:
            self._write(self.store.take, address)

    def released(self, address: tuple[str, int, int]) -> None:
        """Forget that this process has an ID at a gateway; written a moment later."""
        # A rerun keeps what it has: somebody who waits for a seat would get it otherwise.
        if self.store is not None and address != self._entering:
            self._write(self.store.give_back, address)

    def close(self) -> None:
        """Wait until all is written."""
        writer = vars(self).pop("_writer", None)
        if writer is not None:
            self._closing.set()
            writer.shutdown()
            self._closing.clear()
        store = vars(self).get("store")
        if store is not None and store.is_shared:
            store.close()

    def _write(self, work: Callable[[Lease], None], address: tuple[str, int, int]) -> None:
        from .lease import new_lease

        notebook, since = self.notebook(), time.time()
        self._later(lambda: work(new_lease(*address, notebook, since)))

    def _later(self, write: Callable[[], None]) -> None:
        """Write on a thread of its own, in order: a connect need not wait for a disk."""
        due = time.monotonic() + WRITING_AFTER

        def write_later() -> None:
            self._closing.wait(max(0.0, due - time.monotonic()))
            write()

        try:
            self._writer.submit(write_later)
        except RuntimeError:
            # The interpreter is shutting down, and takes no more work for threads.
            write()

    def crashed_with(self, address: tuple[str, int, int]) -> bool:
        """Say whether an earlier kernel of this notebook had this ID there and died with it.

        Of one on a machine with another name that is not known; a container has another one each
        time, so it may have.
        """
        if self.store is None:
            return False
        from .lease import user_name

        here = self.notebook(), user_name()
        return any(
            (lease.notebook, lease.user) == here and lease.may_be_dead
            for lease in self.store.find(*address)
        )

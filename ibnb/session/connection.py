"""One `IB` object that ibnb opened, from its first byte until another replaces it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ibnb.tws.accounts import is_paper
from ibnb.tws.attempt import Attempt
from ibnb.tws.target import Target

from . import harness, libraries
from .errors import OrdersLocked
from .health import State
from .held import Address, Held, address_of
from .journal import Journal
from .libraries import Library
from .losses import Loss
from .opening import open_ib
from .runs import current_run


@dataclass(frozen=True)
class Plan:
    """One address to open, and how; `timeout` is in seconds.

    `move_on`: take the next client ID where this one is held, and wait for none.
    """

    target: Target
    client_id: int
    library: Library
    timeout: float = 5.0
    readonly: bool = False
    account: str = ""
    trade: bool = False
    move_on: bool = False

    @property
    def address(self) -> Address:
        """What a gateway can hold only one connection of: host, port and client ID."""
        return address_of(self.target.host, self.target.port, self.client_id)


class Connection(Held):
    """An open `IB` with what ibnb put on it; `attempt` tells how its opening went.

    Attributes:
        ib: the library's own object, as the user has it.
        state: ``ready``, ``degraded``, ``lost`` or ``closed``.
        missing: what the synchronisation after ready did not bring.
        first_notice: how many notices the journal had before this connection.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        on_change: Callable[[], None],
        others_open: Callable[[Any], bool] = lambda _ib: False,
    ) -> None:
        self.ib: Any = plan.library.new_ib()
        super().__init__(self.ib, plan.address, current_run(), journal)
        self.plan = plan
        self.attempt: Attempt | None = None
        self.state: State = "opening"
        self.missing: tuple[str, ...] = ()
        self.changed_at = time.time()
        self.first_notice = journal.count
        self._on_change = on_change
        self._others_open = others_open

    @property
    def kind_is_live(self) -> bool:
        """Whether an account of this connection is live."""
        accounts = self.attempt.accounts if self.attempt is not None else None
        return bool(accounts) and not is_paper(accounts or ())

    @property
    def orders_locked(self) -> bool:
        """Whether order-sending calls raise `OrdersLocked`."""
        return self.kind_is_live and not self.plan.trade

    @property
    def is_open(self) -> bool:
        """Whether its socket is open and ready."""
        return self.state in {"ready", "degraded"} and bool(self.ib.isConnected())

    async def open(self) -> None:
        """Open it, lock its orders where the account is live, and synchronise.

        Raises:
            OpeningFailedError: it did not become ready.
            ConnectionError: the socket was lost during the synchronisation.
        """
        plan = self.plan
        self.ib.wrapper.clientId = plan.client_id
        harness.lock_orders(self.ib, self._orders_locked)
        self.watch(lambda: self._others_open(self.ib))
        try:
            self.attempt = await open_ib(
                self.ib, plan.library, plan.target, plan.client_id, plan.timeout
            )
            self.add_notices(self.attempt.notices)
            self.missing = await libraries.synchronise(
                self.ib, plan.account, readonly=plan.readonly, timeout=plan.timeout
            )
            self._still_connected()
        except BaseException:
            await self.close()
            raise
        if not self.orders_locked:
            harness.unlock_orders(self.ib)
        self.opened_at = time.time()
        self._become("degraded" if self.missing else "ready")
        self.ib.connectedEvent.emit()

    async def close(self, because: str = "The connection was closed.") -> None:
        """Close it as `Held.close` does, and hand the `ib` back as the library made it."""
        await super().close(because)
        self.unwatch()
        harness.unlock_orders(self.ib)
        if self.state != "closed":
            self._become("closed")

    def _still_connected(self) -> None:
        if not self.ib.isConnected():
            raise ConnectionError("the socket was lost during the synchronisation")

    def _become(self, state: State) -> None:
        self.state = state
        self.changed_at = time.time()
        self._on_change()

    def _end(self, loss: Loss | None) -> None:
        # What is lost before it was ready is a failed opening, and told as that.
        if self.state in {"ready", "degraded"}:
            super()._end(loss)
            self._become("lost" if loss is not None else "closed")

    def _on_notice(self, req_id: int, code: int, text: str, *contract: Any) -> None:
        # What comes before ready is in the attempt, which hears of it from the wire.
        if self.attempt is not None:
            super()._on_notice(req_id, code, text, *contract)
            self._on_change()

    def _orders_locked(self) -> OrdersLocked:
        where = f"{self.plan.target} is a live account, opened without --trade."
        return OrdersLocked("orders-locked", (where,))

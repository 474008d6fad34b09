"""One `IB` object that ibnb opened, from its first byte until another replaces it.

It may lose its socket on the way, and be resumed: then it is the same object, over another socket.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ibnb.tws.accounts import is_paper, mask
from ibnb.tws.attempt import Attempt
from ibnb.tws.codes import Code
from ibnb.tws.target import Target

from .address import Address, address_of, where
from .errors import ConnectFailed, OrdersLocked
from .library import instrument, libraries, reading
from .library.history import let_history_go
from .library.libraries import Library
from .library.order_lock import lock_orders, orders_locked
from .library.shadow import shadowed
from .library.snapshot import (
    ORDERS,
    Snapshot,
    cancel_twin,
    capture,
    keep_cancels,
    keep_events,
    keep_no_cancels,
    keep_no_events,
    keep_state,
    next_number,
    request_again,
    superseded,
    take_over,
)
from .notebook.cell_runs import current_run
from .notebook.succession import SESSION, Places, Succession
from .opening.failed import OpeningFailedError
from .opening.log_filters import Hush
from .opening.supervise import open_ib
from .reconnect.disconnects import Loss
from .records.journal import Journal
from .records.requests import DATA, Request, cancel_key, what_is_asked, what_of
from .state import OPEN
from .tracked import TrackedConnection

if TYPE_CHECKING:
    from .client_ids.trading_right import TradingRight

PATIENCE = 30.0
"""Seconds for which a resume waits for what the gateway knows: after its restart it is slow."""


@dataclass(frozen=True)
class Plan:
    """One address to open, and how; `timeout` is in seconds.

    `move_on`: take the next client ID where this one is held, and wait for none. `is_own_id`: the
    ID is this notebook's own, which at another gateway may be another one. `name` is the variable
    that the connection will be bound to, empty if that is not known.
    """

    target: Target
    client_id: int
    library: Library
    timeout: float = 5.0
    readonly: bool = False
    account: str = ""
    trade: bool = False
    move_on: bool = False
    is_own_id: bool = False
    name: str = ""

    @property
    def address(self) -> Address:
        """What a gateway can hold only one connection of: host, port and client ID."""
        return address_of(self.target.host, self.target.port, self.client_id)


@dataclass(frozen=True)
class Resumed:
    """What a resume did: what was asked for again, and what had changed meanwhile, for people."""

    again: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()


class Connection(TrackedConnection):
    """An open `IB` with what ibnb put on it; `attempt` tells how its opening went.

    Attributes:
        ib: the library's own object, as the user has it.
        kept: what the `IB` object had when it lost its socket, until it is resumed.
        known_at: as of when it shows what a resume did not bring; 0 if it brought all.
        is_silent: whether its gateway left heartbeats without an answer, and is not heard since.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        on_change: Callable[[], None],
        others_open: Callable[[Any], bool],
        succession: Succession,
        *,
        right: TradingRight | None,
    ) -> None:
        self.ib: Any = plan.library.new_ib()
        super().__init__(
            self.ib,
            plan.address,
            current_run(),
            journal,
            on_change=on_change,
            succession=succession,
        )
        self.plan = plan
        self.state = "opening"
        self.kept: Snapshot | None = None
        self.is_silent = False
        self.known_at = 0.0
        self._again: dict[tuple[Any, ...], Request] = {}
        self._lost_because = ""
        self._others_open = others_open
        self._right = right if plan.trade else None

    @property
    def places(self) -> Places:
        """What only one connection has at a time: this one is the session's, too."""
        name = {("name", self.plan.name)} if self.plan.name else set()
        return super().places | {SESSION} | name

    @property
    def target(self) -> Target:
        """Where it is, or was, connected, as it was asked for."""
        return self.plan.target

    @property
    def refuses_unknown(self) -> bool:
        """Whether it takes no orders of code of which nothing is known: if money is at stake."""
        return self.kind_is_live

    @property
    def kind_is_live(self) -> bool:
        """Whether an account of this connection is live."""
        accounts = self.attempt.accounts if self.attempt is not None else None
        return bool(accounts) and not is_paper(accounts or ())

    @property
    def orders_locked(self) -> bool:
        """Whether orders raise `OrdersLocked`."""
        return self.kind_is_live and orders_locked(self.ib)

    async def open(self) -> None:
        """Open it, lock its orders where the account is live, and synchronise.

        Raises:
            OpeningFailedError: it did not become ready, or the socket was lost right after that.
        """
        if not self.plan.trade:
            lock_orders(self.ib, partial(_refuse_order, self.journal))
        elif self._right is not None:
            refusal = partial(_refuse_without_right, self.journal, self._right)
            lock_orders(self.ib, refusal, self._right)
        self.watch(lambda: self._others_open(self.ib))
        keep_events(self.ib, lambda: self.kept is not None)
        keep_cancels(self.ib, self._is_cancelled_now)
        try:
            await self._bring_up(self.plan.target)
        except BaseException:
            await self.close()
            raise
        self._mark_ready()

    async def resume(self) -> Resumed:
        """Open it again after its socket was lost: the same object, with what it had.

        Raises:
            OpeningFailedError: it did not become ready, or the socket was lost right after that.
                It is as lost as before, and can be resumed later.
            ConnectFailed: another account is logged in now, which this object was not opened for.
        """
        kept, before = self.kept or Snapshot(), self.attempt
        self._set_state("resuming")
        expected = replace(self.plan.target, expects="live" if self.kind_is_live else "paper")
        try:
            with shadowed(self.ib) as fresh:
                await self._bring_up(expected, kept, fresh)
            kept = self.kept or kept
            # A synchronisation that was not to fetch any orders tells nothing of them.
            unknown = (*self.missing, *(ORDERS if self.plan.readonly else ()))
            changed = take_over(self.ib, fresh, kept, unknown)
        except BaseException:
            self.attempt = before
            self._fail_pending("The connection was lost, and could not be resumed.")
            await libraries.close(self.ib)
            self._set_state("lost")
            raise
        self.kept = None
        since = self.lost.time if self.lost is not None else 0.0
        self.known_at = (self.known_at or since) if self.missing else 0.0
        self._mark_ready()
        # A handler of the user's that subscribes when it is connected has done so by now.
        anew = superseded(kept, self.journal.requests.standing(self.number))
        for one in anew:
            if one.req_id is not None:
                self.journal.requests.end(self.number, one.req_id)
        again = request_again(self.ib, kept, anew)
        self._again = {what_is_asked(one): one for one in kept.requests}
        hidden = tuple(
            f"{method} cannot be requested again: the code around it hides what it was called with"
            for method in kept.unknown
        )
        return Resumed(again, (*changed, *hidden))

    def _began(self, request: Request) -> None:
        # As a handler does that waits for something before it subscribes: one of both is enough.
        twin = self._again.pop(what_is_asked(request), None) if self._again else None
        if twin is not None and twin.req_id != request.req_id and self.is_open:
            standing = {one.req_id for one in self.journal.requests.standing(self.number)}
            if twin.req_id in standing:
                cancel_twin(self.ib, twin)

    def _order_objection(self) -> Exception | None:
        if self.state != "resuming":
            return super()._order_objection()
        fact = (
            f"The connection to {where(self.address)} was lost and is being opened again. Orders "
            "wait until positions and open orders are known: nothing was sent. Try again in a "
            "moment."
        )
        return ConnectFailed("not-connected", (fact,))

    async def close(self, because: str = "The connection was closed.") -> None:
        """Close it as the base class does, and hand the `ib` back as the library made it.

        All but its order lock: whatever connects it again, it was opened without ``--trade``.
        """
        await super().close(because)
        self.unwatch()
        keep_no_events(self.ib)
        keep_no_cancels(self.ib)
        let_history_go(self.ib)
        if self.kept is not None:
            self.kept.end()
            self.kept = None
            instrument.forget(self.ib)

    async def drop(self, reason: str) -> None:
        """Give up a socket at whose other end nobody answers: it is lost then, and not closed."""
        self._lost_because = reason
        await libraries.abort(self.ib)

    async def _bring_up(
        self, target: Target, kept: Snapshot | None = None, fresh: Any = None
    ) -> Attempt:
        """Take the `IB` object from nothing to where it is synchronised.

        In a resume it is `fresh`, and not the user's object, that is told what the gateway knows,
        and `kept` is what the user's had.
        """
        plan, ib, before = self.plan, self.ib, self.attempt
        instrument.give_client_id(ib, plan.client_id)
        # What comes before ready is in the attempt, which hears of it from the wire.
        self._hears = False
        attempt = await open_ib(
            *(ib, plan.library, target, plan.client_id),
            timeout=plan.timeout,
            number=self.lineage,
            on_ready=self.hear,
            hush=Hush(self.journal.will_tell),
        )
        self.attempt = attempt = replace(attempt, target=plan.target)
        timeout = plan.timeout
        if kept is not None:
            _same_account(before, attempt)
            next_number(ib, kept)
            timeout = max(timeout, PATIENCE)
        try:
            self.missing = await libraries.synchronise(
                ib if fresh is None else fresh,
                (kept.account if kept is not None else "") or plan.account,
                readonly=plan.readonly,
                timeout=timeout,
                summary=kept is not None and kept.summary,
            )
            self._still_connected()
        except ConnectionError as error:
            lost = replace(attempt, ending="closed", detail=str(error))
            raise OpeningFailedError(lost) from error
        return attempt

    def _mark_ready(self) -> None:
        self.opened_at = time.time()
        self.lost, self.closed_because, self.is_silent = None, "", False
        self._set_state("degraded" if self.missing else "ready")
        instrument.tell_connected(self.ib)

    def answers_not(self) -> None:
        """Take note that two heartbeats brought nothing."""
        if not self.is_silent:
            self.is_silent = True
            self._on_change()

    def answers_again(self) -> None:
        """Take note that something came."""
        if self.is_silent:
            self.is_silent = False
            self._on_change()

    def _on_notice(self, req_id: int, code: int, text: str, *rest: Any) -> None:
        super()._on_notice(req_id, code, text, *rest)
        if code == Code.LINK_RESTORED_DATA_LOST and self.state in OPEN and self._hears:
            # The socket was never lost.
            standing = self.journal.requests.standing(self.number)
            lost = tuple(one for one in standing if one.method in DATA)
            request_again(self.ib, capture(self.ib, lost))

    def _still_connected(self) -> None:
        if not reading.is_connected(self.ib):
            raise ConnectionError("the socket was lost during the synchronisation")

    def _on_loss(self) -> Callable[[], None]:
        super()._on_loss()
        if self.state in OPEN:
            # The library forgets all of it in a moment.
            self._again.clear()
            self.kept = capture(self.ib, self.journal.requests.standing(self.number))
        return keep_state(self.ib)

    def _is_cancelled_now(self, asked: int | str) -> bool:
        """Take note of a cancel while there is no connection; say whether it was one."""
        kept = self.kept
        if kept is None or not any(
            asked in {one.req_id, what_of(one.method)} for one in kept.requests
        ):
            return False
        self.journal.requests.end(self.number, asked)
        others = tuple(one for one in kept.requests if cancel_key(one) != asked)
        self.kept = replace(kept, requests=others)
        return True

    def _end(self, loss: Loss | None) -> None:
        # What is lost before it was ready is a failed opening, and told as that.
        if self.state in OPEN:
            if loss is not None and self._lost_because:
                loss, self._lost_because = replace(loss, reason=self._lost_because), ""
            super()._end(loss)


def _refuse_order(journal: Journal, _accounts: Sequence[str], host: str, port: int) -> OrdersLocked:
    target = Target(host, port, "live")
    fact = (
        f"{target} has a live account, and this `ib` was opened without --trade. The order was not "
        "sent."
    )
    error = OrdersLocked("orders-locked", (fact,), target)
    journal.refuse(error)
    return error


def _refuse_without_right(
    journal: Journal, right: TradingRight, accounts: Sequence[str], host: str, port: int
) -> OrdersLocked:
    why = right.objection(accounts) or right.expired
    error = OrdersLocked(
        "trading-right", (f"{why} The order was not sent.",), Target(host, port, "live")
    )
    journal.refuse(error)
    return error


def _same_account(before: Attempt | None, after: Attempt) -> None:
    if before is not None and not set(before.accounts or ()) & set(after.accounts or ()):
        accounts = ", ".join(mask(name) for name in after.accounts or ())
        fact = (
            f"{after.target} holds {accounts} now, another account than this `ib` was opened for. "
            "It was not resumed: %ibconnect opens a fresh one."
        )
        raise ConnectFailed("wrong-environment", (fact,), after.target)

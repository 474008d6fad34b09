"""The session: the notebook's one API connection."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ibnb.made_once import made_once

from .address import Address, address_of, where
from .client_ids.ids import next_client_id
from .hooks import Hooks
from .library import instrument, libraries, reading
from .notebook.cell_runs import Run, current_run
from .notebook.succession import Succession
from .opening.failed import OpeningFailedError
from .reconnect.reconnector import SILENT, Reconnector
from .records.journal import Journal
from .registry import ConnectionRegistry, closed_line

if TYPE_CHECKING:
    from ibnb.tws.attempt import Attempt
    from ibnb.tws.target import Target

    from .client_ids.notebook_leases import NotebookLeases
    from .connection import Connection, Plan, Resumed
    from .errors import ConnectFailed
    from .health import Health
    from .opening.retry import OnWait
    from .reconnect.disconnects import DisconnectLog, End, Loss
    from .reconnect.heartbeat import Pulse, Pulses
    from .results import Closed, Opened
    from .tracked import TrackedConnection

Wait = Callable[[Address], float]
USUAL_WAIT = 10.0
MOST_IDS = 10
"""How many client IDs are tried when moving on from one that is held."""


class Session:
    """Owns one connection: opens it, replaces it, closes it, and knows its health.

    Args:
        succession: what is known of earlier connections, where ibnb was loaded before.

    Attributes:
        journal: the notices of this notebook.
        registry: every connection of this kernel, the user's own too.
        hooks: what it asks of those who use it, and tells them.
        listeners: called without arguments whenever the health may have changed.
        failed_at: when what `failed` is failed, in seconds since the epoch.
        reconnector: brings the connection back after it was lost.
    """

    def __init__(self, succession: Succession | None = None) -> None:
        self.journal = Journal()
        self.hooks = Hooks()
        self.registry = ConnectionRegistry(
            lambda: self.home, succession, lambda: self.hooks, self._forget
        )
        self.listeners: list[Callable[[], None]] = []
        self.connection: Connection | None = None
        self.home: asyncio.AbstractEventLoop | None = None
        self._failed: Attempt | None = None
        self.failed_at = 0.0
        self._opening: Plan | None = None
        self._ended: weakref.WeakKeyDictionary[Any, Health] = weakref.WeakKeyDictionary()
        self._last: Health | None = None
        self._turn: asyncio.Lock | None = None
        self._pulses: Pulses | None = None
        self.reconnector = Reconnector(
            current=lambda: self.connection,
            turn=self.turn,
            resume=self._resume,
            pulse=self.pulse,
            failed=lambda: self.failed,
            tell=self.tell,
            hooks=lambda: self.hooks,
        )

    def __repr__(self) -> str:
        """Say what is open, or how the last connection ended."""
        shown = self.connection or self._opening or "nothing open"
        return f"<Session: {shown}, {self.journal.count} notices, {len(self.losses)} losses>"

    @made_once
    def _endings(self) -> DisconnectLog:
        from .reconnect.disconnects import DisconnectLog

        return DisconnectLog()

    @property
    def notebook_leases(self) -> NotebookLeases:
        """This notebook's client IDs and their leases."""
        return self.hooks.leases

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's signature
        """Return how it looks, by MIME type."""
        from ibnb.knowledge.showing import bundle_of

        return bundle_of(self)

    def use(self, **changes: Any) -> Callable[[], None]:
        """Put other hooks in the place of some; return what puts those of before back."""
        before = {name: getattr(self.hooks, name) for name in changes}
        self.hooks = replace(self.hooks, **changes)

        def undo() -> None:
            self.hooks = replace(self.hooks, **before)

        return undo

    @property
    def failed(self) -> Attempt | None:
        """The last attempt that came to nothing, until a later one succeeds."""
        return self._failed

    @failed.setter
    def failed(self, attempt: Attempt | None) -> None:
        self._failed, self.failed_at = attempt, time.time()

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The sockets that were lost, of connections of any origin that are watched, oldest first.

        What a rerun replaced, or what was closed on purpose, is not a loss.
        """
        return self._endings.losses

    def disconnect_reason(self, ib: Any) -> str | None:
        """Return one sentence on when and why an `IB` object's connection ended, accounts masked.

        None while it is open, and where nothing is known.
        """
        return self._endings.disconnect_reason(ib)

    def end_of(self, ib: Any) -> End | None:
        """Return how an `IB` object's connection ended; None as with `disconnect_reason`."""
        return self._endings.end(ib)

    def note_end(self, held: TrackedConnection, loss: Loss | None) -> None:
        """Take note of an end that ibnb did not ask for: a loss, or the user's own disconnect."""
        from .reconnect.disconnects import OWN_CODE

        ib = held.tracked_ib
        if loss is not None:
            self._endings.lost(ib, loss)
            if held is self.connection:
                self.reconnector.begin(self.connection)
        else:
            self._endings.closed(ib, held.address, OWN_CODE)
        self.notebook_leases.released(held.address)
        self.tell()

    async def connect(
        self,
        plan: Plan,
        candidates: tuple[Target, ...],
        *,
        wait: Wait = lambda _address: USUAL_WAIT,
        on_wait: OnWait | None = None,
    ) -> Opened:
        """Open a connection in place of the one that is open, if any.

        `candidates` are tried in order, a later one only where the one before refused. A client ID
        that is still held is asked for again for as many seconds as `wait` says for its address.

        Raises:
            ConnectFailed: none became usable. What was open at another address is still open.
        """
        self.reconnector.stop()
        async with self.turn():
            self.registry.look_around(self.hold)
            try:
                return await self._connect(plan, candidates, wait, on_wait)
            finally:
                self._opening = None
                self.notebook_leases.entering(None)
                # What was lost and is not replaced may still come back.
                self.reconnector.begin(self.connection)
                self.tell()

    async def resume(
        self,
        address: Address,
        *,
        wait: Wait = lambda _address: USUAL_WAIT,
        on_wait: OnWait | None = None,
    ) -> Opened | None:
        """Resume the connection of this address after its socket was lost.

        One that is open, and whose gateway answers, is left as it is. None if the session has
        no connection of this address that could be resumed: it was closed on purpose, or never was.

        Raises:
            ConnectFailed: it did not work. The connection is as lost as before.
        """
        from .results import Opened

        self.reconnector.stop()
        async with self.turn():
            connection = self.connection
            if connection is None or connection.address != address or connection.state == "closed":
                return None
            self.home = asyncio.get_running_loop()
            try:
                resumed = await self._resume(connection, wait, on_wait, asked=True)
            finally:
                self.reconnector.begin(connection)
                self.tell()
            return Opened(
                connection,
                asked_id=connection.plan.client_id,
                how="resumed" if resumed is not None else "left",
                resumed=resumed,
            )

    async def _resume(
        self,
        connection: Connection,
        wait: Wait = lambda _address: 0.0,
        on_wait: OnWait | None = None,
        *,
        asked: bool = False,
    ) -> Resumed | None:
        """Resume a connection whose turn it is; None if it is open, and somebody answers.

        Unless a user `asked` for it, the outcome of all tries is announced and not each of them.

        Raises:
            ConnectFailed: it did not work. The connection is as lost as before.
        """
        from .opening.retry import retry_while_id_in_use

        if connection.is_open:
            if (await self.pulse(connection.ib)).status != "silent":
                return None
            await connection.drop(SILENT)
        elif libraries.has_socket(connection.ib):
            # The user's own code connected it again, and no guard saw it.
            return None
        await self.registry.clear(connection.address, current_run(), connection.ib)
        try:
            resumed = await retry_while_id_in_use(
                connection.resume,
                connection.plan.client_id,
                connection.plan.target,
                lambda: wait(connection.address),
                on_wait,
            )
        except OpeningFailedError as failure:
            self.failed = failure.attempt
            error = await self.explained(failure)
            raise self.journal.fail(error, failure.attempt) if asked else error from None
        self.failed = None
        self.notebook_leases.acquired(connection.address)
        return resumed

    async def disconnect(
        self, because: str = "The connection was closed."
    ) -> tuple[str, ...] | None:
        """Close the connection; return what it still had, or None if none was open."""
        self.reconnector.stop()
        async with self.turn():
            connection, self.connection = self.connection, None
            if connection is None or connection.state == "closed":
                return None
            was_open = connection.is_open
            left = connection.leftovers()
            await connection.close(because)
            if was_open:
                self._endings.closed(connection.ib, connection.address, "%ibdisconnect")
            self._last = self._keep_health(connection)
            self.registry.succession.left(connection.lineage, connection.places)
            self.registry.drop(connection.ib)
            self.notebook_leases.released(connection.address)
            self.notebook_leases.stop_trading()
            self.tell()
            return left if was_open else None

    async def disconnect_users(self, ib: Any, because: str) -> Closed:
        """Close a connection of the user's own, as `disconnect` closes the session's."""
        from .results import Closed

        async with self.turn():
            held = self.registry.of(ib) or self.hold(ib, reading.address(ib), None)
            closed = Closed(held.address, held.leftovers())
            await held.close(because)
            held.unwatch()
            self._endings.closed(ib, held.address, "%ibdisconnect")
            self.registry.succession.left(held.lineage, held.places)
            self._keep_health(held)
            self.registry.drop(ib)
            self.notebook_leases.released(held.address)
            self.tell()
            return closed

    def close_at_exit(self) -> None:
        """Close every socket as the process ends, when no loop runs any more.

        The library's own disconnect then still sends the end of the stream, so that the gateway
        frees the client IDs at once.
        """
        for held in self.registry.all():
            ib = held.tracked_ib
            if ib is not None and libraries.has_socket(ib):
                instrument.silence(ib)
                libraries.start_closing(ib)
                self.notebook_leases.released(held.address)
        self.notebook_leases.stop_trading()

    def turn(self) -> asyncio.Lock:
        """Return the lock of whoever opens or closes: one at a time."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        return self._turn

    def hold(self, ib: Any, address: Address, run: Run | None) -> TrackedConnection:
        """Return what looks after an `IB` object that the user's own code connects."""
        from .tracked import TrackedConnection

        succession = self.registry.succession
        held = TrackedConnection(
            ib, address, run, self.journal, on_change=self.tell, succession=succession
        )
        held.ended = self.note_end
        return held

    def let_go(self, held: TrackedConnection) -> None:
        """Take note that a connection is the user's own from now on, where it was the session's."""
        if held is self.connection:
            self.connection = None

    async def explained(
        self, failure: OpeningFailedError, before: Attempt | None = None
    ) -> ConnectFailed:
        """Return what the user is told of a failed opening, of one before it, and of a holder."""
        from ibnb.tws.attempt import cause
        from ibnb.tws.story import tell

        from .errors import ConnectFailed, ConnectRefused
        from .opening.synchronising import ways_out

        attempt = failure.attempt
        verdict, known = cause(attempt) or "closed-after-start", {}
        facts = [tell(before)] if before is not None else []
        facts.append(tell(attempt))
        if verdict == "client-id-in-use":
            from .client_ids.owners import find_holders, tell_holders

            target, client_id = attempt.target, attempt.client_id
            address = address_of(target.host, target.port, client_id)
            keeper, sockets = self.registry.keeper(address), self.registry.sockets_at(*address[:2])
            holders = await asyncio.to_thread(
                find_holders, target, client_id, self.notebook_leases.store, keeper, sockets
            )
            facts += tell_holders(target, client_id, holders)
            known = {"holder": holders.kind}
        elif verdict == "sync-incomplete":
            facts += ways_out(attempt)[:1]
        kind = ConnectRefused if attempt.ending == "refused" else ConnectFailed
        return kind(verdict, tuple(facts), attempt.target, **known)

    def health(self, ib: Any = None) -> Health:
        """Return the health of the session, or of an `IB` object of any origin."""
        from .health import Health, foreign_health, health_of

        held = self.registry.of(ib) if ib is not None else self.connection
        if held is not None:
            return health_of(held)
        if ib is not None:
            ended = self._ended.get(ib)
            return foreign_health(ib) if ended is None or reading.is_connected(ib) else ended
        if self._opening is not None:
            plan = self._opening
            return Health("opening", plan.target, plan.client_id, plan.library.name)
        if self.failed is not None:
            from ibnb.tws.story import tell

            return Health("closed", reason=tell(self.failed))
        return self._last or Health("closed")

    async def pulse(self, ib: Any = None, **timing: float) -> Pulse:
        """Return whether the gateway behind the session, or behind an `IB` object, still answers.

        It does at once where all is well. A silent one is known after two heartbeats, 5 seconds
        after each other, unless `apart` and `beats` say otherwise. May be awaited on any loop; one
        that is not the connection's learns in any case, and soon, that the connection's loop is
        held up: ``busy``.
        """
        from .reconnect import heartbeat as pulses

        if ib is None:
            ib = self.connection.ib if self.connection is not None else None
        if ib is None:
            return pulses.Pulse("closed")
        if self._pulses is None:
            self._pulses = pulses.Pulses()
        return await self._pulses.take_on(self.home, ib, **timing)

    async def _connect(
        self, plan: Plan, candidates: tuple[Target, ...], wait: Wait, on_wait: OnWait | None
    ) -> Opened:
        from .results import Opened

        self.home = asyncio.get_running_loop()
        asked = plan.client_id
        plan = self._as_before(plan, candidates)
        refused: Attempt | None = None
        for target in candidates:
            plan = replace(plan, target=target)
            if plan.is_own_id and target != candidates[0]:
                own = self.notebook_leases.client_id(plan.client_id, gateway=target.address)
                plan = replace(plan, client_id=own)
                asked = own
            self._opening = plan
            self.notebook_leases.entering(plan.address)
            old = self.connection
            was_open = old is not None and old.is_open
            left: tuple[str, ...] = ()
            replaced = old is not None and old.plan.address == plan.address
            if old is not None and replaced:
                left = await self._retire(old, plan)
            kept = old.ib if old is not None and not replaced else None
            await self.registry.clear(plan.address, current_run(), kept, taking=plan.name)
            try:
                fresh = await self._open_patiently(plan, wait, on_wait)
            except OpeningFailedError as failure:
                self.failed = failure.attempt
                if failure.attempt.ending == "refused" and target != candidates[-1]:
                    refused = failure.attempt
                    continue
                if old is not None and replaced and was_open:
                    # Nobody else says it: there is no line of what is open now.
                    self.hooks.announce(closed_line(old, left, earlier=False))
                error = await self.explained(failure, refused)
                raise self.journal.fail(error, failure.attempt) from None
            # Owned first of all: an interrupt may come while the old one is closed.
            self.connection = fresh
            self.failed = None
            self.registry.add(fresh.ib, fresh)
            self.notebook_leases.acquired(fresh.address)
            if old is not None and not replaced:
                left = await self._retire(old, plan)
            objection = await self._claim_trading(fresh)
            self.hooks.opened(fresh)
            self.registry.hand_over(plan.name)
            fresh.note_opened()
            self.registry.runs.adopt(fresh.lineage)
            closed = where(old.plan.address) if old is not None else ""
            return Opened(fresh, left, closed, was_open, asked, trading_objection=objection)
        raise AssertionError("a target names at least one address")

    async def _claim_trading(self, fresh: Connection) -> str:
        """Ask for the right to trade if that is meant; return why it was not granted, if so."""
        leases, attempt = self.notebook_leases, fresh.attempt
        if leases.shared is None:
            return ""
        if not (fresh.plan.trade and fresh.kind_is_live and attempt is not None):
            leases.stop_trading()
            return ""
        accounts = attempt.accounts or ()
        return await asyncio.to_thread(leases.claim_trading, fresh.address, accounts)

    def _as_before(self, plan: Plan, candidates: tuple[Target, ...]) -> Plan:
        """Keep the ID that a rerun had moved on to: orders belong to the ID that placed them."""
        old = self.connection
        if plan.move_on and old is not None and old.plan.move_on and old.plan.target in candidates:
            return replace(plan, client_id=old.plan.client_id)
        return plan

    async def _open_patiently(self, plan: Plan, wait: Wait, on_wait: OnWait | None) -> Connection:
        """Open it, waiting for a held client ID, or moving on to another where the plan says so."""
        from ibnb.tws.attempt import cause

        asked, leases = plan.client_id, self.notebook_leases
        if leases.shared is not None:
            from .client_ids.seats import take_a_seat

            await take_a_seat(leases.enter, asked, plan.target, lambda: wait(plan.address), on_wait)
        for number in range(1, MOST_IDS + 1):
            try:
                return await self._open_waiting(plan, wait, on_wait)
            except OpeningFailedError as failure:
                held = cause(failure.attempt) == "client-id-in-use"
                if not (plan.move_on and held and number < MOST_IDS):
                    raise
            another = leases.client_id(
                next_client_id(asked + number - 1), number + 1, plan.target.address
            )
            plan = replace(plan, client_id=another)
            leases.entering(plan.address)
        raise AssertionError("the last try either returns or raises")

    async def _open_waiting(self, plan: Plan, wait: Wait, on_wait: OnWait | None) -> Connection:
        from .opening.retry import retry_while_id_in_use

        def seconds() -> float:
            # What this kernel holds itself stays open: no waiting frees it.
            ours = self.registry.keeper(plan.address) is not None
            return 0.0 if plan.move_on or ours else wait(plan.address)

        return await retry_while_id_in_use(
            lambda: self._open(plan), plan.client_id, plan.target, seconds, on_wait
        )

    async def _retire(self, old: Connection, plan: Plan) -> tuple[str, ...]:
        left = old.leftovers()
        await self.registry.retire(old, plan.address, current_run())
        return left

    async def _open(self, plan: Plan) -> Connection:
        from .connection import Connection

        fresh = Connection(
            *(plan, self.journal, self.tell, self.registry.others_open, self.registry.succession),
            right=self.notebook_leases.right,
        )
        fresh.ended = self.note_end
        await fresh.open()
        return fresh

    def _forget(self, held: TrackedConnection) -> None:
        """Keep of what was closed for good only how it is shown."""
        self.notebook_leases.released(held.address)
        ib = held.tracked_ib
        self._endings.replaced(ib, held.stale_because)
        if ib is not None:
            self._keep_health(held)
        if held is self.connection:
            self.reconnector.stop()
            self.connection = None
        self.tell()

    def _keep_health(self, held: TrackedConnection) -> Health:
        """Keep how a connection was at its end, for as long as its object is there."""
        from .health import health_of

        health = self._ended[held.tracked_ib] = health_of(held)
        return health

    def tell(self) -> None:
        """Let the listeners know that the health may have changed."""
        for listener in tuple(self.listeners):
            listener()

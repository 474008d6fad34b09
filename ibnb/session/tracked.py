"""What ibnb knows of an `IB` object, and how it ends it: for its own and for the user's."""

from __future__ import annotations

import asyncio
import logging
import time
import weakref
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ibnb.tws.clock import clock
from ibnb.tws.codes import Code
from ibnb.tws.notices import LinkFollower, Notice
from ibnb.tws.simulated import is_simulated
from ibnb.tws.target import Target

from .address import Address, where
from .errors import ConnectFailed, StaleConnection
from .library import instrument, libraries, reading
from .library.blocking_calls import unwatch_handlers, watch_handlers
from .library.time_requests import unwatch_time, watch_time
from .notebook.cell_runs import Run, Runs
from .notebook.event_loop import CLEANING_SECONDS
from .notebook.succession import Places, Succession
from .opening import log_filters
from .reconnect.disconnects import CLOSED, OWN_CODE, Loss
from .state import OPEN, State
from .subjects import subject

if TYPE_CHECKING:
    from ibnb.tws.attempt import Attempt

    from .records.journal import Journal
    from .records.requests import Request

LOG = logging.getLogger("ibnb")


class TrackedConnection:
    """An `IB` object with what it waits for, and the run of the cell that connected it.

    Attributes:
        address: where it is or was connected, and as which client ID.
        run: the run whose code connected it; None if none is known.
        number: which connection of this kernel it is, in the journal's requests and notices.
        link: the state of the gateway's own link, as the notices of this connection told it.
        opened_at: since when it is open, in seconds since the epoch; 0 while that is not known.
        stale_because: why it was replaced; empty while it was not.
        lineage: what the succession knows it by; that of the connection which the same `IB` object
            had before, if there was one.
        ended: is told how the socket ended, when that was not asked for by ibnb: with the loss,
            or with None if the user's own code closed it.
        state: ``ready``, ``degraded``, ``lost`` or ``closed``, and of the session also ``opening``
            or ``resuming``.
        changed_at: when it came to this state, in seconds since the epoch.
        attempt: how its opening went; None if nobody saw that.
        missing: what the synchronisation after ready did not bring.
        lost: how it lost its socket, until it is open again; None if it did not.
        closed_because: what closed it on purpose, as a sentence; empty if nothing did.
        is_watched: whether its requests, its notices and its end are taken note of.
        is_simulated: whether the gateway that it was opened to last is a simulated one.
    """

    def __init__(
        self,
        ib: Any,
        address: Address,
        run: Run | None,
        journal: Journal,
        *,
        on_change: Callable[[], None] = lambda: None,
        succession: Succession | None = None,
    ) -> None:
        self._ib = weakref.ref(ib)
        self.address = address
        self.run = run
        self.number = journal.requests.new_connection()
        self.link = LinkFollower()
        self.opened_at = 0.0
        self.stale_because = ""
        self._succession = succession or Succession(Runs())
        self.lineage = self._succession.new_lineage(ib)
        self.ended: Callable[[TrackedConnection, Loss | None], None] = lambda _held, _loss: None
        self.opening: asyncio.Future[Any] | None = None
        self.state: State = "closed"
        self.changed_at = time.time()
        self.attempt: Attempt | None = None
        self.missing: tuple[str, ...] = ()
        self.lost: Loss | None = None
        self.closed_because = ""
        self.is_watched = False
        self.is_simulated = False
        self._was_lost = False
        self._is_closing = False
        self._hears = False
        self._on_change = on_change
        self.journal = journal
        self._pending = instrument.Pending()
        self._own_handlers: list[str] = []

    def __repr__(self) -> str:
        """Say where it leads, in what state, and since when."""
        since = clock(self.changed_at)
        return f"<{type(self).__name__} {where(self.address)}: {self.state} since {since}>"

    @property
    def tracked_ib(self) -> Any:
        """The `IB` object, or None if nobody has it any more."""
        return self._ib()

    @property
    def target(self) -> Target:
        """Where it is, or was, connected."""
        return Target(*self.address[:2])

    @property
    def refuses_unknown(self) -> bool:
        """Whether it takes no orders of code of which nothing is known."""
        return False

    @property
    def places(self) -> Places:
        """What only one connection has at a time: its address, and what its cell connects."""
        cell = self.run.cell if self.run is not None else None
        return frozenset({self.address} if cell is None else {self.address, ("cell", cell)})

    @property
    def has_socket(self) -> bool:
        """Whether a socket is open, or on its way."""
        ib = self.tracked_ib
        return ib is not None and (libraries.has_socket(ib) or self.is_opening)

    def is_ready_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Say whether it is connected, through this very loop."""
        ib = self.tracked_ib
        return ib is not None and reading.is_connected(ib) and libraries.loop_of(ib) is loop

    @property
    def awaited(self) -> frozenset[Any]:
        """The numbers of its requests to which an answer is still to come."""
        ib = self.tracked_ib
        return reading.awaited(ib) if ib is not None else frozenset()

    @property
    def is_opening(self) -> bool:
        """Whether an opening is under way."""
        return self.opening is not None and not self.opening.done()

    @property
    def is_open(self) -> bool:
        """Whether its socket is open and ready."""
        ib = self.tracked_ib
        return ib is not None and self.state in OPEN and reading.is_connected(ib)

    def came_up(self, attempt: Attempt) -> None:
        """Take note that it is open, and of what its opening showed."""
        self.attempt, self.missing = attempt, attempt.missing
        self.lost, self.closed_because = None, ""
        self._set_state("degraded" if self.missing else "ready")

    def gave_up(self, attempt: Attempt) -> None:
        """Take note that it could not be opened: what was lost before is still lost."""
        self.attempt = attempt
        self._become_gone()

    def follows(self, before: TrackedConnection) -> None:
        """Take over what the same object had before: what was lost is, until this is open."""
        self.lost = before.lost
        self._become_gone()

    def request(self, req_id: int) -> Request | None:
        """Return the request that was sent over it with a number, or None."""
        return self.journal.requests.request(req_id, self.number)

    def attend(self) -> None:
        """Begin to take down what is requested over it, and its notices from `hear` on.

        Before it opens, or any time later; a second time changes nothing.
        """
        ib = self.tracked_ib
        self.journal.requests.attach(
            *(ib, self.number, self.address[2], self._began),
            lambda req_id: req_id in self._pending.given_up,
        )
        log_filters.attend(ib)
        instrument.hear_notices(ib, self._on_notice)
        self._own_handlers = ["errorEvent"]

    def hear(self, notices: Iterable[Notice] = ()) -> None:
        """Take its notices into the journal from now on, and those that came before first."""
        self._hears = True
        for notice in notices:
            about = subject(None, notice.req_id, notice.code, notice.text)
            self._add(replace(notice, connection=self.number, about=about))

    def watch(self, others_open: Callable[[], bool]) -> None:
        """Begin to take note of its requests, its notices and its end, and contain its loss."""
        ib = self.tracked_ib
        self.is_watched = True
        self.attend()
        self._pending = instrument.track_requests(ib)
        watch_handlers(ib, self.journal.refuse)
        watch_time(ib, self._pending)
        instrument.contain_loss(ib, self._pending, others_open, self._on_loss)
        instrument.check_orders(ib, self._order_objection)
        instrument.watch_end(ib, self._on_socket_closed)
        self.opened_at = time.time()
        if reading.is_connected(ib):
            self._set_state("ready")

    def unwatch(self) -> None:
        """Undo `watch`."""
        self.is_watched = False
        ib = self.tracked_ib
        if ib is not None:
            self.journal.requests.detach(ib, self.number)
            log_filters.attend_no_more(ib)
            unwatch_handlers(ib)
            unwatch_time(ib)
            instrument.check_no_orders(ib)
            instrument.untrack(ib)
            instrument.unwatch_end(ib, self._on_socket_closed)
            instrument.hear_no_notices(ib, self._on_notice)

    def leftovers(self) -> tuple[str, ...]:
        """Return what the user attached and left running, by name: handlers and subscriptions."""
        ib = self.tracked_ib
        if ib is None:
            return ()
        found = []
        # Not of the object's own class: a user's may connect as soon as it is made.
        library_has = instrument.own_handler_counts(libraries.ib_class(ib))
        for name, count in instrument.handler_counts(ib).items():
            own = library_has.get(name, 0) + self._own_handlers.count(name)
            if count > own:
                found.append(f"{count - own} handler{'s' * (count - own > 1)} on {name}")
        return (*found, *instrument.subscriptions(ib))

    async def close(self, because: str = "The connection was closed.") -> None:
        """Fail what waits for an answer, close the socket and wait until it is closed.

        No handler of the user's runs for the closing. A request that waits fails with `because`.
        """
        self._is_closing = True
        await self._cancel_opening()
        ib = self.tracked_ib
        if ib is None:
            # Whoever drops an `IB` closes it; its socket goes when the loop next runs.
            await asyncio.sleep(0)
            return
        self._fail_pending(because)
        await libraries.close(ib)
        if self.state != "closed":
            self.closed_because = because
            self._set_state("closed")

    async def retire(self, because: str) -> None:
        """Close it for good: its `ib` raises `StaleConnection` from now on, with `because`."""
        self.stale_because = because
        ib = self.tracked_ib
        if ib is not None:
            # First of all, so that no background task can send anything in between.
            instrument.refuse(ib, self.stale_error)
            instrument.silence(ib)
        await self.close(because)
        self.unwatch()

    def stale_error(self) -> StaleConnection:
        """Return what a use of the replaced `ib` raises."""
        return StaleConnection("stale-connection", (self.stale_because,))

    def note_opened(self) -> None:
        """Take note that it is open, in the place of what was closed for it."""
        self._succession.opened(self.lineage, self.places)

    def _order_objection(self) -> Exception | None:
        """Return what an order raises whose code belongs to a connection that this one replaced.

        A forgotten background task finds the new connection under the old name.
        """
        judgement = self._succession.judge(self.lineage)
        if judgement == "passes" or (judgement == "unknown" and not self.refuses_unknown):
            return None
        whose = (
            f"This code was started for a connection that {where(self.address)} replaced since."
            if judgement == "barred"
            else "It cannot be told for which connection this code was started, and "
            f"{where(self.address)} is live and replaced another one."
        )
        fact = f"{whose} The order was not sent: start the code again if you still need it."
        error = StaleConnection("stale-connection", (fact,))
        LOG.warning("An order was not sent. %s", whose)
        self.journal.refuse(error)
        return error

    async def _cancel_opening(self) -> None:
        opening = self.opening
        if opening is not None and not opening.done():
            opening.cancel()
            await asyncio.wait({opening}, timeout=CLEANING_SECONDS)

    def _fail_pending(self, because: str) -> None:
        error = StaleConnection if self.stale_because else ConnectFailed
        verdict = "stale-connection" if self.stale_because else "not-connected"
        for future in tuple(self._pending):
            if not future.done():
                future.set_exception(error(verdict, (because,)))
                # Marked as seen: a request that nobody waits for any more is no news.
                future.exception()

    def _on_notice(self, req_id: int, code: int, text: str, *rest: Any) -> None:
        if not self._hears:
            # What comes before ready is seen on the wire.
            return
        ib, contract = self.tracked_ib, rest[0] if rest else None
        about = subject(ib, req_id, code, text, contract)
        self._add(Notice(code, text, req_id, time.time(), self.number, about), contract)
        log_filters.note_heard()
        self._on_change()
        if code == Code.VALIDATION:
            instrument.end_refused(ib, self._pending, req_id, code, text)

    def _add(self, notice: Notice, contract: Any = None) -> None:
        self.link.add(self.journal.add(notice, contract))

    def _began(self, request: Request) -> None:
        """Take note of a request that goes on until it is cancelled."""

    def _on_loss(self) -> Callable[[], None]:
        """Take note of a loss; return what is to be done when the library has forgotten all."""
        self._was_lost = True
        return lambda: None

    def _on_socket_closed(self, reason: str) -> None:
        was_lost, self._was_lost = self._was_lost, False
        if was_lost:
            last = self.journal.latest(self.number)
            self._end(Loss(time.time(), self.address, self.opened_at, reason or CLOSED, last))
        elif not self._is_closing:
            self._end(None)

    def _end(self, loss: Loss | None) -> None:
        self.lost = loss
        self.closed_because = "" if loss is not None else f"{OWN_CODE} closed the connection."
        self._become_gone()
        self.ended(self, loss)

    def _become_gone(self) -> None:
        if self.lost is not None:
            self._set_state("lost", self.lost.time)
        else:
            self._set_state("closed")

    def _set_state(self, state: State, since: float | None = None) -> None:
        LOG.info("%s: %s, after %s", where(self.address), state, self.state)
        if state in OPEN and self.state not in OPEN:
            self.is_simulated = is_simulated(*self.address[:2])
        self.state = state
        self.changed_at = time.time() if since is None else since
        self._on_change()

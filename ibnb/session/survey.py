"""Which of this kernel's connections is meant, and what a diagnosis sees through an open one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .library import libraries, reading

if TYPE_CHECKING:
    from ibnb.tws.attempt import Attempt
    from ibnb.tws.target import Target

    from .health import Health
    from .session import Session
    from .tracked import TrackedConnection

BROKEN = frozenset({"lost", "resuming"})


def take_in(session: Session, ib: Any) -> TrackedConnection | None:
    """Return what is known of what the user's code calls its connection; None if it is no `IB`.

    One that was connected where nobody watched is known from now on.
    """
    if not libraries.is_ib(ib):
        return None
    held = session.registry.of(ib)
    if held is None and reading.is_connected(ib):
        held = session.hold(ib, reading.address(ib), None)
        session.registry.add(ib, held)
    return held


def is_connected(held: TrackedConnection) -> bool:
    """Say whether requests can be sent over a connection, watched or not."""
    ib = held.tracked_ib
    return ib is not None and not held.is_opening and reading.is_connected(ib)


def open_ones(session: Session) -> tuple[TrackedConnection, ...]:
    """Return the connections that are open: the session's, then those opened last."""
    found = [held for held in session.registry.all() if is_connected(held)]
    return tuple(
        sorted(found, key=lambda one: (one is not session.connection, -one.opened_at, -one.number))
    )


def meant(session: Session, ib: Any = None) -> TrackedConnection | None:
    """Return the connection that is meant where none is named; `ib` is the one at hand.

    That is one that is open: the session's, else the one at hand, else the one that was opened
    last; but a session that is being brought back comes before what is not at hand. If none is
    open it is the one that ended last.
    """
    at_hand, session_own = take_in(session, ib), session.connection
    is_broken = session_own is not None and session_own.state in BROKEN
    for one in (session_own, at_hand):
        if one is not None and is_connected(one):
            return one
    if is_broken:
        return session_own
    opened = open_ones(session)
    if opened:
        return opened[0]
    return _ended_last(session.registry.all()) or session_own


def health_at_hand(session: Session, ib: Any = None) -> Health:
    """Return the health of the connection that is meant where none is named."""
    held = meant(session, ib)
    # What failed after it is in its own health, if it was this very object.
    return session.health(held.tracked_ib if held is not None else None)


def numbered(session: Session, number: int) -> TrackedConnection | None:
    """Return the connection of this number, if its object is still there."""
    return next((one for one in session.registry.all() if one.number == number), None)


def health_asked(
    session: Session | None,
    held: TrackedConnection | None,
    targets: Collection[Target],
    number: int,
) -> Health:
    """Return the health that a diagnosis speaks of: that of what it looks through.

    If it looks through none it is that of the connection which ended last at these gateways, else
    of the one with this `number`, else of the one that is meant.
    """
    if session is None:
        from .health import Health

        return Health("closed")
    asked = numbered(session, number)
    if held is None and (asked is None or not _is_at(asked, targets)):
        held = _ended_last([one for one in session.registry.all() if _is_at(one, targets)])
    shown = held or asked or meant(session)
    return session.health(shown.tracked_ib if shown is not None else None)


def _is_at(held: TrackedConnection, targets: Collection[Target]) -> bool:
    return held.target.address in {target.address for target in targets}


def _ended_last(known: Collection[TrackedConnection]) -> TrackedConnection | None:
    """Return the one that was open and ended last, or None."""
    ended = [one for one in known if one.opened_at or one.lost is not None]
    return max(ended, key=lambda one: one.changed_at, default=None)


def target_meant(session: Session, ib: Any = None) -> Target | None:
    """Return where to look if nobody says where: at what is open, else at what went wrong last."""
    held, failed = meant(session, ib), session.failed
    if held is None:
        return failed.target if failed is not None else None
    is_alive = is_connected(held) or held is session.connection
    if failed is not None and not is_alive and session.failed_at > held.changed_at:
        return failed.target
    return held.target


def through(session: Session, targets: Collection[Target], number: int) -> TrackedConnection | None:
    """Return the open connection to one of these gateways that is to be looked through, or None.

    It is the one of this `number`, if that is open there.
    """
    found = [one for one in open_ones(session) if _is_at(one, targets)]
    return next((one for one in found if one.number == number), found[0] if found else None)


def seen_through(held: TrackedConnection) -> Attempt:
    """Return the opening of an open connection, with the notices that came over it since.

    Of those that the journal keeps no longer, the ones that still say how the link is are with
    them, and come first.
    """
    attempt = held.attempt or _as_it_shows_itself(held)
    notices = held.journal.over(held.number)
    kept = set(map(id, notices))
    older = (notice for notice in held.link.standing if id(notice) not in kept)
    return replace(attempt, notices=(*older, *notices))


def _as_it_shows_itself(held: TrackedConnection) -> Attempt:
    """Return the opening that nobody saw of a connection, as far as it still shows."""
    from ibnb.tws.attempt import Attempt
    from ibnb.tws.handshake import Stage

    ib = held.tracked_ib
    lowest, highest = libraries.SPEAKS[libraries.library_name(ib)]
    return Attempt(
        target=held.target,
        client_id=held.address[2],
        stage=Stage.READY,
        ending="ready",
        min_version=lowest,
        max_version=highest,
        server_version=reading.server_version(ib),
        next_valid_id=0,
        accounts=reading.accounts(ib),
    )

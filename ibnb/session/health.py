"""Health: one immutable picture of a connection, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from ibnb.tws.accounts import is_paper, know
from ibnb.tws.clock import clock
from ibnb.tws.notices import Link, Notice
from ibnb.tws.simulated import is_simulated
from ibnb.tws.story import tell
from ibnb.tws.target import Target

from .connection import Connection
from .library import libraries, reading
from .library.order_lock import orders_locked
from .reconnect.disconnects import CLOSED
from .state import OPEN, State
from .tracked import TrackedConnection

LAST_NOTICES = 5
GONE = frozenset({"lost", "closed"})


@dataclass(frozen=True)
class Health:
    """A connection at one moment; times are seconds since the epoch.

    `reason` says why the state is not ``ready``, and `changed_at` since when it is what it is.
    `kind` is paper or live once accounts are known, and `simulated` says that neither is real.
    `stale` tells an `ib` that a later connection replaced. `orders` says what may be sent.
    `by_user` tells a connection that the user's own code opened from the session. `heard_ago` is
    how many seconds ago the last byte came, None without a connection.
    """

    state: State
    target: Target | None = None
    client_id: int | None = None
    library: str = ""
    server_version: int | None = None
    accounts: tuple[str, ...] = ()
    kind: Literal["paper", "live"] | None = None
    simulated: bool = False
    orders: Literal["unlocked", "locked"] = "unlocked"
    opened_at: float | None = None
    changed_at: float = 0.0
    reason: str = ""
    stale: str = ""
    link: Link = field(default_factory=Link)
    notices: tuple[Notice, ...] = ()
    missing: tuple[str, ...] = ()
    by_user: bool = False
    heard_ago: float | None = field(default=None, compare=False)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's signature
        """Return how it looks, by MIME type."""
        from ibnb.knowledge.showing import bundle_of

        return bundle_of(self)

    @property
    def is_open(self) -> bool:
        """Whether requests can be sent."""
        return self.state in OPEN


def health_of(held: TrackedConnection) -> Health:
    """Return the health of a connection of any origin that is looked after.

    One that was opened where nobody watched is as it shows itself.
    """
    ib = held.tracked_ib
    connected = ib is not None and reading.is_connected(ib)
    if connected and not held.is_opening and (not held.is_watched or held.state in GONE):
        return foreign_health(ib)
    attempt = held.attempt
    session = held if isinstance(held, Connection) else None
    accounts = (attempt.accounts or ()) if attempt is not None else ()
    version = attempt.server_version if attempt is not None else None
    if attempt is None and connected and held.is_open:
        accounts, version = reading.accounts(ib), reading.server_version(ib)
    state, reason = _state(held, connected=connected)
    return Health(
        state=state,
        target=Target(*held.address[:2]) if session is None else session.plan.target,
        client_id=held.address[2],
        library=_library(held),
        server_version=version,
        accounts=accounts,
        kind=_kind(accounts),
        simulated=held.is_simulated,
        orders="locked" if _is_locked(held) else "unlocked",
        opened_at=held.opened_at or None,
        changed_at=held.changed_at,
        reason=reason,
        stale=held.stale_because,
        link=held.link.link if held.is_open else Link(),
        notices=held.journal.over(held.number)[-LAST_NOTICES:],
        missing=held.missing if held.is_open else (),
        by_user=session is None,
        heard_ago=reading.heard_ago(ib) if connected else None,
    )


def _state(held: TrackedConnection, *, connected: bool) -> tuple[State, str]:
    """Return the state of a connection, and why it is that."""
    if held.is_opening:
        return "opening", ""
    if held.state not in OPEN:
        return held.state, _why_not_open(held)
    if not connected:
        return "closed", ""
    troubles = _troubles(held)
    return "degraded" if troubles else "ready", "; ".join(troubles)


def _why_not_open(held: TrackedConnection) -> str:
    failed = held.attempt if held.attempt is not None and held.attempt.ending != "ready" else None
    match held.state:
        case "lost":
            reason = held.lost.reason if held.lost is not None else CLOSED
            return f"{reason}; the last try to connect again: {tell(failed)}" if failed else reason
        case "resuming":
            return "the socket was lost; it is opened again"
        case "closed" if not held.stale_because:
            return tell(failed) if failed else held.closed_because.rstrip(".")
        case _:
            return ""


def _troubles(held: TrackedConnection) -> list[str]:
    link = held.link.link
    troubles = []
    if link.lost_by is not None:
        troubles.append("the gateway lost its link to IBKR")
    if link.broken_farms:
        count = len(link.broken_farms)
        troubles.append("a data farm is broken" if count == 1 else f"{count} data farms are broken")
    if isinstance(held, Connection) and held.is_silent:
        troubles.append("the gateway answers nothing")
    if held.missing:
        known = held.known_at if isinstance(held, Connection) else 0.0
        still = f", shown as of {clock(known)}" if known else ""
        troubles.append(f"did not arrive: {', '.join(held.missing)}{still}")
    return troubles


def _library(held: TrackedConnection) -> str:
    if isinstance(held, Connection):
        return f"{held.plan.library.name} {held.plan.library.version}"
    ib = held.tracked_ib
    return libraries.library_name(ib) if ib is not None else ""


def _is_locked(held: TrackedConnection) -> bool:
    if isinstance(held, Connection):
        return held.orders_locked
    ib = held.tracked_ib
    return ib is not None and orders_locked(ib)


def foreign_health(ib: Any) -> Health:
    """Return the health of an `IB` object that the user's own code connected."""
    if not reading.is_connected(ib):
        return Health("closed", library=libraries.library_name(ib), by_user=True)
    accounts = reading.accounts(ib)
    know(accounts)
    host, port, client_id = reading.address(ib)
    return Health(
        "ready",
        Target(host, port),
        client_id,
        libraries.library_name(ib),
        server_version=reading.server_version(ib),
        accounts=accounts,
        kind=_kind(accounts),
        simulated=is_simulated(host, port),
        orders="locked" if orders_locked(ib) else "unlocked",
        by_user=True,
        heard_ago=reading.heard_ago(ib),
    )


def _kind(accounts: tuple[str, ...]) -> Literal["paper", "live"] | None:
    if not accounts:
        return None
    return "paper" if is_paper(accounts) else "live"

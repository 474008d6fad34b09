"""Health: one immutable picture of a connection, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ibnb.tws.accounts import is_paper
from ibnb.tws.notices import Link, Notice
from ibnb.tws.target import Target

from . import harness, libraries
from .losses import CLOSED

if TYPE_CHECKING:
    from .connection import Connection

LAST_NOTICES = 5
State = Literal["closed", "opening", "ready", "degraded", "lost", "resuming"]


@dataclass(frozen=True)
class Health:
    """The session at one moment; times are seconds since the epoch.

    `reason` says why the state is not ``ready``. `kind` is paper or live once accounts are known.
    `stale` tells an `ib` that a later session replaced. `orders` says what may be sent.
    """

    state: State
    target: Target | None = None
    client_id: int | None = None
    library: str = ""
    server_version: int | None = None
    accounts: tuple[str, ...] = ()
    kind: Literal["paper", "live"] | None = None
    orders: Literal["unlocked", "locked"] = "unlocked"
    opened_at: float | None = None
    changed_at: float = 0.0
    reason: str = ""
    stale: str = ""
    link: Link = field(default_factory=Link)
    notices: tuple[Notice, ...] = ()
    missing: tuple[str, ...] = ()


def health_of(connection: Connection) -> Health:
    """Return the health of a connection that ibnb opened."""
    if connection.state == "lost" and connection.ib.isConnected():
        # The user's own code connected it again, where no guard saw it.
        return foreign_health(connection.ib)
    plan, attempt = connection.plan, connection.attempt
    accounts = (attempt.accounts or ()) if attempt is not None else ()
    notices = connection.journal.since(connection.first_notice)
    link = connection.link.link if connection.is_open else Link()
    state, reason = connection.state, ""
    if state in {"ready", "degraded"} and not connection.ib.isConnected():
        state = "closed"
    elif connection.is_open and link.lost_by is not None:
        state, reason = "degraded", "the gateway lost its link to IBKR"
    elif connection.missing:
        reason = f"did not arrive: {', '.join(connection.missing)}"
    elif state == "lost":
        reason = connection.lost.reason if connection.lost is not None else CLOSED
    elif state == "resuming":
        reason = "the socket was lost; it is opened again"
    return Health(
        state=state,
        target=plan.target,
        client_id=plan.client_id,
        library=f"{plan.library.name} {plan.library.version}",
        server_version=attempt.server_version if attempt is not None else None,
        accounts=accounts,
        kind=_kind(accounts),
        orders="locked" if connection.orders_locked else "unlocked",
        opened_at=connection.opened_at or None,
        changed_at=connection.changed_at,
        reason=reason,
        stale=connection.stale_because,
        link=link,
        notices=notices[-LAST_NOTICES:],
        missing=connection.missing,
    )


def foreign_health(ib: Any) -> Health:
    """Return the health of an `IB` object that the user's own code connected."""
    client = ib.client
    if not ib.isConnected():
        return Health("closed", library=libraries.library_name(ib))
    accounts = tuple(ib.managedAccounts())
    return Health(
        "ready",
        Target(client.host, client.port),
        client.clientId,
        libraries.library_name(ib),
        server_version=client.serverVersion(),
        accounts=accounts,
        kind=_kind(accounts),
        orders="locked" if harness.orders_locked(ib) else "unlocked",
    )


def _kind(accounts: tuple[str, ...]) -> Literal["paper", "live"] | None:
    if not accounts:
        return None
    return "paper" if is_paper(accounts) else "live"

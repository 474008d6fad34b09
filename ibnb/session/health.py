"""Health: one immutable picture of the session, for whoever shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ibnb.tws.notices import Link, Notice
from ibnb.tws.target import Target

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

"""Who is connected to which gateway, and what they use together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from .counts import HISTORY_LIMIT, HISTORY_SECONDS, OPEN_LIMIT, Counts
from .grants import SEATS
from .lease import Lease, SharedLease
from .leases import LeaseStore

SCHEMA = 1


@dataclass(frozen=True)
class GatewayUse:
    """One gateway: the leases of those who are connected; `counts` is None if nobody counts."""

    host: str
    port: int
    leases: tuple[Lease, ...]
    counts: Counts | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        counts = self.counts
        return {
            "host": self.host,
            "port": self.port,
            "seats": {"taken": len(self.leases), "limit": SEATS},
            "leases": [
                {
                    "client_id": one.client_id,
                    "notebook": one.notebook,
                    "user": one.user,
                    "host": one.machine,
                    "pid": one.pid,
                    "since": one.since,
                    "trades": isinstance(one, SharedLease) and one.trades,
                }
                for one in self.leases
            ],
            "history": {
                "used": counts.history if counts else None,
                "limit": HISTORY_LIMIT,
                "window_s": round(HISTORY_SECONDS),
                "identical": counts.identical if counts else None,
                "burst": counts.burst if counts else None,
                "open": counts.open if counts else None,
                "open_limit": OPEN_LIMIT,
            },
            "lines": {"used": counts.lines if counts else None},
        }


@dataclass(frozen=True)
class Team:
    """All gateways that a store knows of; `is_silent` says that a shared store did not answer."""

    store: Literal["sqlite", "redis"]
    gateways: tuple[GatewayUse, ...]
    is_silent: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        gateways = [one.to_dict() for one in self.gateways]
        answers = not self.is_silent
        return {"schema": SCHEMA, "store": self.store, "answers": answers, "gateways": gateways}


def team_of(store: LeaseStore | None) -> Team:
    """Return what a store knows now."""
    if store is None:
        return Team("sqlite", ())
    found = (
        GatewayUse(host, port, store.seats(host, port), store.counts(host, port))
        for host, port in store.gateways()
    )
    used = tuple(one for one in found if one.leases)
    is_silent = store.is_shared and store.is_silent
    return Team("redis" if store.is_shared else "sqlite", used, is_silent)

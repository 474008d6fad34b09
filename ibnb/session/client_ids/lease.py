"""A lease: one client ID in use, and whether the process that has it still runs."""

from __future__ import annotations

import getpass
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from ibnb.tws.accounts import mask_in
from ibnb.tws.clock import day_and_time
from ibnb.tws.own import plain_host
from ibnb.tws.process_start import ProcessUnreadableError, process_start, runs_since

LATEST_TIME = 1e11
"""Seconds since the epoch; what is later is no time that a lease could have begun."""


@dataclass(frozen=True)
class Lease:
    """One client ID in use; `started` and `since` are seconds since the epoch.

    `started` is the start of the process `pid` on `machine`, so that a later process with the same
    number is not taken for it.
    """

    host: str
    port: int
    client_id: int
    notebook: str
    pid: int
    started: float
    user: str
    machine: str
    since: float

    @property
    def is_ours(self) -> bool:
        """Whether this very process holds it."""
        return (self.pid, self.machine) == (os.getpid(), platform.node())

    @property
    def is_foreign(self) -> bool:
        """Whether it is another user's."""
        return bool(self.user) and self.user != user_name()

    @property
    def is_alive(self) -> bool:
        """Whether its process runs still; where that cannot be known, as elsewhere, it may."""
        if self.machine != platform.node():
            return True
        try:
            return runs_since(self.pid, self.started)
        except ProcessUnreadableError:
            return True

    @property
    def may_be_dead(self) -> bool:
        """Whether its process is gone, or is on a machine of another name."""
        return self.machine != platform.node() or not self.is_alive


@dataclass(frozen=True)
class SharedLease(Lease):
    """A lease from a store that several machines share, which forgets those of the dead."""

    trades: bool = False

    @property
    def may_be_dead(self) -> bool:
        """Whether its process is known to be gone."""
        return not self.is_alive


L = TypeVar("L", bound=Lease)


def lease_of(values: Mapping[str, Any], kind: type[L]) -> L | None:
    """Return a lease made of values that anybody may have written; None if they make no sense."""
    known = {field.name for field in fields(kind)}
    try:
        lease = kind(**{name: value for name, value in values.items() if name in known})
    except TypeError:
        return None
    texts = lease.host, lease.notebook, lease.user, lease.machine
    numbers = lease.port, lease.client_id, lease.pid
    times = lease.started, lease.since
    makes_sense = (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(number, int) and 0 <= number < 2**31 for number in numbers)
        and all(isinstance(at, (int, float)) and 0 <= at < LATEST_TIME for at in times)
    )
    return lease if makes_sense else None


def tell_lease(lease: Lease) -> str:
    """Return who holds something, for people of the same team."""
    since = day_and_time(lease.since)
    user = f" of {lease.user}" if lease.user else ""
    return (
        f"notebook {lease.notebook}{user} (process {lease.pid} on {lease.machine}, since {since})"
    )


def shared(lease: Lease, *, trades: bool = False) -> SharedLease:
    """Return a lease as others may read it: accounts in its notebook's name are masked."""
    values = {field.name: getattr(lease, field.name) for field in fields(Lease)}
    masked = mask_in(lease.notebook, ours=True)
    return replace(SharedLease(**values), notebook=masked, trades=trades)


def new_lease(
    host: str, port: int, client_id: int, notebook: str, since: float | None = None
) -> Lease:
    """Return the lease of this process for a client ID that it was given, `since` then or now."""
    return Lease(
        plain_host(host),
        port,
        client_id,
        notebook,
        os.getpid(),
        process_start(os.getpid()) or 0.0,
        user_name(),
        platform.node(),
        time.time() if since is None else since,
    )


def user_name() -> str:
    """Return who runs this process; empty if the system does not tell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""

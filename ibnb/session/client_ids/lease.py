"""A lease: one client ID in use, and whether the process that has it still runs."""

from __future__ import annotations

import getpass
import os
import platform
import time
from dataclasses import dataclass
from functools import cache

from ibnb.tws.own import plain_host

START_SLACK = 1.0
"""Seconds by which two readings of one process's start may differ."""


class ProcessUnreadableError(Exception):
    """The system does not tell whether a process runs, or since when."""


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
            start = process_start(self.pid)
        except ProcessUnreadableError:
            return True
        return start is not None and abs(start - self.started) <= START_SLACK

    @property
    def may_be_dead(self) -> bool:
        """Whether its process is gone, or is on a machine of another name."""
        return self.machine != platform.node() or not self.is_alive


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


def process_start(pid: int) -> float | None:
    """Return when a process here started, in seconds since the epoch; None if it is gone.

    Raises:
        ProcessUnreadableError: the system does not tell.
    """
    if pid == os.getpid():
        return _own_start()
    return _start_of(pid)


def _start_of(pid: int) -> float | None:
    try:
        import psutil
    except ImportError as error:
        raise ProcessUnreadableError(str(error)) from None
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except (psutil.Error, OSError) as error:
        raise ProcessUnreadableError(str(error)) from None


@cache
def _own_start() -> float | None:
    try:
        return _start_of(os.getpid())
    except ProcessUnreadableError:
        return None


def user_name() -> str:
    """Return who runs this process; empty if the system does not tell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""

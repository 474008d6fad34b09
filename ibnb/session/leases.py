"""Leases: which notebook has which client ID on which gateway, and since when.

They are a hint for people, and for choosing IDs; the gateway stays the authority. Whatever happens
to the store (it is corrupt, locked, on a read-only disk), a connect goes on without the hint.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass, fields
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from ibnb.tws.own import plain_host

from .client_id import HIGHEST, LOWEST

if TYPE_CHECKING:
    import sqlite3
    from concurrent.futures import ThreadPoolExecutor

T = TypeVar("T")
FILE = "leases.sqlite3"
BUSY_SECONDS = 0.25
"""How long a locked store is waited for: a hint is not worth more."""
ID_SECONDS = 2.0
"""How long it is waited for a notebook's own ID, which another would be wrong for."""
PAUSE_SECONDS = 30.0
"""How long a store that failed is left alone, so that it is not waited for again and again."""
START_SLACK = 1.0
"""Seconds by which two readings of one process's start may differ."""
SCHEMA = """
create table if not exists ids (
    user text not null, notebook text not null, client_id integer not null unique,
    primary key (user, notebook)
);
create table if not exists leases (
    host text not null, port integer not null, client_id integer not null,
    notebook text not null, pid integer not null, started real not null,
    user text not null, machine text not null, since real not null,
    primary key (host, port, client_id, machine)
);
"""


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
        return bool(self.user) and self.user != _user()

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


class LeaseStore(Protocol):
    """Where leases are kept. Another store than a local file may take its place."""

    def client_id(self, notebook: str, preferred: int) -> int | None:
        """Return the ID that a notebook was given, giving it one now: `preferred`, if free.

        None where the store does not answer.
        """

    def take(self, lease: Lease) -> None:
        """Remember a lease in place of the one for the same ID there."""

    def give_back(self, lease: Lease) -> None:
        """Forget a lease."""

    def find(self, host: str, port: int, client_id: int) -> tuple[Lease, ...]:
        """Return the leases of an ID at a gateway, those of dead processes too."""

    def newest(self, most: int) -> tuple[Lease, ...]:
        """Return the leases that were taken last, of all gateways, at most so many."""


class SqliteLeases:
    """Leases in a local SQLite file, shared by all kernels of this user."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._made = False
        self._left_alone_until = 0.0

    def client_id(self, notebook: str, preferred: int) -> int | None:
        """Return the ID that a notebook was given, giving it one now: `preferred`, if free.

        None where the store does not answer.
        """

        def choose(store: sqlite3.Connection) -> int:
            key = (_user(), notebook)
            known = store.execute(
                "select client_id from ids where user = ? and notebook = ?", key
            ).fetchone()
            if known is not None:
                return int(known[0])
            taken = {int(row[0]) for row in store.execute("select client_id from ids")}
            chosen = next((one for one in _from(preferred) if one not in taken), preferred)
            store.execute("insert or ignore into ids values (?, ?, ?)", (*key, chosen))
            return chosen

        return self._try(choose, None, busy=ID_SECONDS)

    def take(self, lease: Lease) -> None:
        """Remember a lease in place of the one for the same ID there."""
        marks = ", ".join("?" * len(fields(lease)))
        self._try(
            lambda store: store.execute(
                f"insert or replace into leases values ({marks})",  # noqa: S608 - only marks
                astuple(lease),
            ),
            None,
        )

    def give_back(self, lease: Lease) -> None:
        """Forget a lease."""
        self._try(
            lambda store: store.execute(
                "delete from leases where host = ? and port = ? and client_id = ? and pid = ?",
                (lease.host, lease.port, lease.client_id, lease.pid),
            ),
            None,
        )

    def find(self, host: str, port: int, client_id: int) -> tuple[Lease, ...]:
        """Return the leases of an ID at a gateway, those of dead processes too."""
        return self._try(
            lambda store: tuple(
                Lease(*row)
                for row in store.execute(
                    "select * from leases where host = ? and port = ? and client_id = ?",
                    (plain_host(host), port, client_id),
                )
            ),
            (),
        )

    def newest(self, most: int) -> tuple[Lease, ...]:
        """Return the leases that were taken last, of all gateways, at most so many."""
        return self._try(
            lambda store: tuple(
                Lease(*row)
                for row in store.execute("select * from leases order by since desc limit ?", [most])
            ),
            (),
        )

    def _try(
        self, work: Callable[[sqlite3.Connection], T], otherwise: T, busy: float = BUSY_SECONDS
    ) -> T:
        import sqlite3

        if time.monotonic() < self._left_alone_until:
            return otherwise
        try:
            with self._open(busy) as store:
                return work(store)
        except (sqlite3.Error, OSError, OverflowError, TypeError, ValueError):
            self._left_alone_until = time.monotonic() + PAUSE_SECONDS
            return otherwise

    @contextlib.contextmanager
    def _open(self, busy: float) -> Iterator[sqlite3.Connection]:
        import sqlite3

        if not self._made:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        store = sqlite3.connect(self._path, timeout=busy, isolation_level=None)
        try:
            # A crash may lose the last hint, never the store: that is worth the time it saves.
            store.execute("pragma synchronous = off")
            if not self._made:
                store.executescript(SCHEMA)
                self._made = True
            store.execute("begin immediate")
            yield store
            store.execute("commit")
        finally:
            store.close()


class Tenant:
    """One notebook's dealings with a lease store; without a store they come to nothing."""

    def __init__(
        self,
        notebook: Callable[[], str] = str,
        open_store: Callable[[], LeaseStore | None] = lambda: None,
    ) -> None:
        self.notebook = notebook
        self._open_store = open_store
        self._ids: dict[str, int] = {}
        self._writer: ThreadPoolExecutor | None = None

    @cached_property
    def store(self) -> LeaseStore | None:
        """The store, opened when it is first wanted."""
        return self._open_store()

    def client_id(self, preferred: int, number: int = 1) -> int:
        """Return this notebook's client ID; `preferred` becomes it when it has none yet.

        `number` above 1 asks for a further ID of this notebook's own.
        """
        notebook = self.notebook()
        key = f"{notebook}#{number}" if number > 1 else notebook
        known = self._ids.get(key)
        if known is None and self.store is not None:
            known = self.store.client_id(key, preferred)
        if known is None:
            # Not kept: once the store answers again, what it remembers is right.
            return preferred
        self._ids[key] = known
        return known

    def took(self, address: tuple[str, int, int]) -> None:
        """Remember that this process has an ID at a gateway; written a moment later."""
        if self.store is not None:
            lease = new_lease(*address, self.notebook())
            self._write(self.store.take, lease)

    def gave_back(self, address: tuple[str, int, int]) -> None:
        """Forget that this process has an ID at a gateway; written a moment later."""
        if self.store is not None:
            lease = new_lease(*address, self.notebook())
            self._write(self.store.give_back, lease)

    def close(self) -> None:
        """Wait until all is written."""
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None

    def _write(self, work: Callable[[Lease], None], lease: Lease) -> None:
        """Write on a thread of its own, in order: a connect need not wait for a disk."""
        from concurrent.futures import ThreadPoolExecutor

        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="ibnb-leases")
        try:
            self._writer.submit(work, lease)
        except RuntimeError:
            # The interpreter is shutting down, and takes no more work for threads.
            work(lease)

    def crashed_with(self, address: tuple[str, int, int]) -> bool:
        """Say whether an earlier kernel of this notebook had this ID there and died with it.

        Of one on a machine with another name that is not known; a container has another one each
        time, so it may have.
        """
        if self.store is None:
            return False
        here = self.notebook(), _user()
        return any(
            (lease.notebook, lease.user) == here and lease.may_be_dead
            for lease in self.store.find(*address)
        )


def new_lease(host: str, port: int, client_id: int, notebook: str) -> Lease:
    """Return the lease of this process for a client ID that it has just been given."""
    return Lease(
        plain_host(host),
        port,
        client_id,
        notebook,
        os.getpid(),
        process_start(os.getpid()) or 0.0,
        _user(),
        platform.node(),
        time.time(),
    )


def process_start(pid: int) -> float | None:
    """Return when a process here started, in seconds since the epoch; None where it is gone.

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


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


def _from(first: int) -> Iterator[int]:
    """Yield every ID once, beginning with the first."""
    size = HIGHEST - LOWEST + 1
    for step in range(size):
        yield LOWEST + (first - LOWEST + step) % size

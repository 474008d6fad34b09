"""Leases: which notebook has which client ID on which gateway, and since when.

They are a hint for people, and for choosing IDs; the gateway stays the authority. Whatever happens
to the store (it is corrupt, locked, on a read-only disk), a connect goes on without the hint, and
the log says so once.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ibnb.tws.files import private
from ibnb.tws.own import plain_host

from .ids import HIGHEST, LOWEST
from .lease import Lease, new_lease, process_start, user_name

if TYPE_CHECKING:
    import sqlite3
    from concurrent.futures import ThreadPoolExecutor

__all__ = ["Lease", "LeaseStore", "NotebookLeases", "SqliteLeases", "new_lease", "process_start"]

T = TypeVar("T")
FILE = "leases.sqlite3"
BUSY_SECONDS = 0.25
"""How long a locked store is waited for: a hint is not worth more."""
ID_SECONDS = 2.0
"""How long it is waited for a notebook's own ID, which another would be wrong for."""
WRITING_AFTER = 0.05
"""So many seconds after a connect its lease is written: not while its cell is at work."""
PAUSE_SECONDS = 30.0
"""How long a store that failed is left alone, so that it is not waited for again and again."""
VERSION = 1
"""The format of the file, kept as its `user_version`; what has 0 was written before that was."""
SCHEMA = (
    """create table if not exists ids (
        user text not null, notebook text not null, client_id integer not null unique,
        primary key (user, notebook)
    )""",
    """create table if not exists leases (
        host text not null, port integer not null, client_id integer not null,
        notebook text not null, pid integer not null, started real not null,
        user text not null, machine text not null, since real not null,
        primary key (host, port, client_id, machine)
    )""",
    f"pragma user_version = {VERSION}",
)
LEASE = tuple(field.name for field in fields(Lease))
COLUMNS = {"ids": {"user", "notebook", "client_id"}, "leases": set(LEASE)}
"""What is read and written, by name; a newer version's further columns are left alone."""
LATEST_TIME = 1e11
"""Seconds since the epoch; what is later is not a time that a lease could have begun."""

LOG = logging.getLogger("ibnb")
_said: set[str] = set()
_saying = threading.Lock()


class LeaseStore(Protocol):
    """Where leases are kept. Another store than a local file may take its place."""

    def client_id(self, notebook: str, preferred: int) -> int | None:
        """Return the ID that a notebook was given, giving it one now: `preferred`, if free.

        None if the store does not answer.
        """

    def take(self, lease: Lease) -> None:
        """Remember a lease in place of the one for the same ID there."""

    def give_back(self, lease: Lease) -> None:
        """Forget a lease."""

    def find(self, host: str, port: int, client_id: int) -> tuple[Lease, ...]:
        """Return the leases of an ID at a gateway, those of dead processes too."""

    def newest(self, most: int) -> tuple[Lease, ...]:
        """Return the leases that were taken last, of all gateways, at most so many."""


class _FormatError(Exception):
    """The file lacks what this version reads and writes; its text says which format it has."""


class SqliteLeases:
    """Leases in a local SQLite file, shared by all kernels of this user."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._left_alone_until = 0.0

    def __repr__(self) -> str:
        """Name the file."""
        return f"<SqliteLeases in {self._path}>"

    def client_id(self, notebook: str, preferred: int) -> int | None:
        """Return the ID that a notebook was given, giving it one now: `preferred`, if free.

        None if the store does not answer.
        """
        key = (user_name(), notebook)

        def read(store: sqlite3.Connection) -> Any:
            row = store.execute(
                "select client_id from ids where user = ? and notebook = ?", key
            ).fetchone()
            return row and row[0]

        def choose(store: sqlite3.Connection) -> int:
            known = read(store)
            if _is_own(known):
                return int(known)
            store.execute("begin immediate")
            # Another kernel on this notebook may have been quicker.
            known = read(store)
            if _is_own(known):
                return int(known)
            taken = {row[0] for row in store.execute("select client_id from ids")}
            chosen = next((one for one in _from(preferred) if one not in taken), None)
            if chosen is None:
                return next(_from(preferred))
            store.execute("delete from ids where user = ? and notebook = ?", key)
            store.execute(
                "insert into ids (user, notebook, client_id) values (?, ?, ?)", (*key, chosen)
            )
            store.execute("commit")
            if known is not None:
                _say(
                    f"{self._path} had {known!r} as this notebook's client ID, which is none from "
                    f"{LOWEST} to {HIGHEST}. It is {chosen} from now on."
                )
            return chosen

        return self._try(choose, None, busy=ID_SECONDS)

    def take(self, lease: Lease) -> None:
        """Remember a lease in place of the one for the same ID there."""
        marks = ", ".join("?" * len(LEASE))
        statement = f"insert or replace into leases ({', '.join(LEASE)}) values ({marks})"  # noqa: S608 - names of ours
        self._try(lambda store: store.execute(statement, astuple(lease)), None)

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
        which = "where host = ? and port = ? and client_id = ?"
        return self._leases(which, plain_host(host), port, client_id)

    def newest(self, most: int) -> tuple[Lease, ...]:
        """Return the leases that were taken last, of all gateways, at most so many."""
        return self._leases("order by since desc limit ?", most)

    def _leases(self, which: str, *values: Any) -> tuple[Lease, ...]:
        statement = f"select {', '.join(LEASE)} from leases {which}"  # noqa: S608 - words of ours
        rows: list[Any] = self._try(lambda store: store.execute(statement, values).fetchall(), [])
        return tuple(lease for row in rows if (lease := _lease(row)) is not None)

    def _try(
        self, work: Callable[[sqlite3.Connection], T], otherwise: T, busy: float = BUSY_SECONDS
    ) -> T:
        import sqlite3

        if time.monotonic() < self._left_alone_until:
            return otherwise
        try:
            with contextlib.closing(self._open(busy)) as store:
                return work(store)
        except OverflowError:
            # An ID that no database can hold is in none.
            return otherwise
        except (sqlite3.Error, OSError, ValueError, _FormatError) as error:
            if not isinstance(error, sqlite3.IntegrityError):
                self._left_alone_until = time.monotonic() + PAUSE_SECONDS
            _say(f"{self._path} {_trouble(error)}")
            return otherwise

    def _open(self, busy: float) -> sqlite3.Connection:
        import sqlite3

        try:
            os.close(private(self._path, os.O_CREAT | os.O_WRONLY))
        except OSError:
            # A file that may only be read is still read.
            if not self._path.exists():
                raise
        store = sqlite3.connect(self._path, timeout=busy, isolation_level=None)
        try:
            store.text_factory = lambda text: text.decode(errors="replace")
            # A crash may lose the last hint, never the store: that is worth the time it saves.
            store.execute("pragma synchronous = off")
            self._check(store)
        except BaseException:
            store.close()
            raise
        return store

    def _check(self, store: sqlite3.Connection) -> None:
        """Make what a store needs, if it is not there."""
        import sqlite3

        (version,) = store.execute("pragma user_version").fetchone()
        is_complete = _is_complete(store)
        if version == 0 and is_complete:
            # Reading needs no version, and must go on where nothing can be written.
            with contextlib.suppress(sqlite3.OperationalError):
                store.execute(SCHEMA[-1])
        elif version <= VERSION and not is_complete:
            store.execute("begin immediate")
            for statement in SCHEMA:
                store.execute(statement)
            store.execute("commit")
            is_complete = _is_complete(store)
        if not is_complete:
            raise _FormatError(str(version))


class NotebookLeases:
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
        self._closing = threading.Event()

    @cached_property
    def store(self) -> LeaseStore | None:
        """The store, opened when it is first wanted."""
        return self._open_store()

    def __repr__(self) -> str:
        """Name the notebook, and the store if it was opened."""
        return f"<NotebookLeases of {self.notebook()} in {vars(self).get('store')}>"

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

    def acquired(self, address: tuple[str, int, int]) -> None:
        """Remember that this process has an ID at a gateway; written a moment later."""
        if self.store is not None:
            self._write(self.store.take, address)

    def released(self, address: tuple[str, int, int]) -> None:
        """Forget that this process has an ID at a gateway; written a moment later."""
        if self.store is not None:
            self._write(self.store.give_back, address)

    def close(self) -> None:
        """Wait until all is written."""
        if self._writer is not None:
            self._closing.set()
            self._writer.shutdown()
            self._writer = None
            self._closing.clear()

    def _write(self, work: Callable[[Lease], None], address: tuple[str, int, int]) -> None:
        """Write on a thread of its own, in order: a connect need not wait for a disk."""
        from concurrent.futures import ThreadPoolExecutor

        notebook, since = self.notebook(), time.time()

        def write() -> None:
            work(new_lease(*address, notebook, since))

        def write_later() -> None:
            self._closing.wait(WRITING_AFTER)
            write()

        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="ibnb-leases")
        try:
            self._writer.submit(write_later)
        except RuntimeError:
            # The interpreter is shutting down, and takes no more work for threads.
            write()

    def crashed_with(self, address: tuple[str, int, int]) -> bool:
        """Say whether an earlier kernel of this notebook had this ID there and died with it.

        Of one on a machine with another name that is not known; a container has another one each
        time, so it may have.
        """
        if self.store is None:
            return False
        here = self.notebook(), user_name()
        return any(
            (lease.notebook, lease.user) == here and lease.may_be_dead
            for lease in self.store.find(*address)
        )


def say_not_remembered(why: str) -> None:
    """Say in the log, once for each reason, that the client IDs of notebooks are not remembered."""
    _say(f"Client IDs are not remembered: {why}")


def _from(first: int) -> Iterator[int]:
    """Yield every ID once, beginning with the first."""
    size = HIGHEST - LOWEST + 1
    for step in range(size):
        yield LOWEST + (first - LOWEST + step) % size


def _is_own(client_id: Any) -> bool:
    """Say whether this is an ID that notebooks get."""
    return isinstance(client_id, int) and LOWEST <= client_id <= HIGHEST


def _is_complete(store: sqlite3.Connection) -> bool:
    names = "select name from pragma_table_info(?)"
    return all(
        columns <= {name for (name,) in store.execute(names, (table,))}
        for table, columns in COLUMNS.items()
    )


def _lease(row: Any) -> Lease | None:
    """Return the lease that a row holds; None if a value is none that it could have."""
    lease = Lease(*row)
    texts = lease.host, lease.notebook, lease.user, lease.machine
    numbers = lease.port, lease.client_id, lease.pid
    times = lease.started, lease.since
    is_one = (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(number, int) and 0 <= number < 2**31 for number in numbers)
        and all(isinstance(at, (int, float)) and 0 <= at < LATEST_TIME for at in times)
    )
    return lease if is_one else None


def _trouble(error: Exception) -> str:
    """Return what is wrong with a store and what to do, to be read after its path."""
    import sqlite3

    another = "name another folder with the setting state_dir (IBNB_STATE_DIR)"
    if isinstance(error, _FormatError):
        return (
            f"has format {error}, which this version of ibnb cannot use: client IDs are not "
            f"remembered. Upgrade ibnb, or {another}."
        )
    if isinstance(error, sqlite3.IntegrityError):
        return (
            f"takes nothing that this version of ibnb writes ({error}): client IDs are read, not "
            f"remembered. Upgrade ibnb, or {another}."
        )
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            "is locked by another process: client IDs are not remembered for now. It is tried "
            f"again after {PAUSE_SECONDS:g} seconds."
        )
    if type(error) is sqlite3.DatabaseError:
        return (
            f"is damaged ({error}): client IDs are not remembered. Delete it: it is made anew, "
            "and notebooks may get other client IDs."
        )
    return (
        f"cannot be used ({error}): client IDs are not remembered. Let this user write there, or "
        f"{another}."
    )


def _say(line: str) -> None:
    """Log a line once in this process; without any set-up of logging Python prints it."""
    with _saying:
        if line in _said:
            return
        _said.add(line)
    LOG.warning("ibnb: %s", line)

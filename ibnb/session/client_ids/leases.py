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
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

from ibnb.tws.files import private
from ibnb.tws.own import plain_host

from .ids import HIGHEST, LOWEST
from .lease import Lease, lease_of, new_lease, user_name

if TYPE_CHECKING:
    import sqlite3

    from .counts import Counts
__all__ = ["Lease", "LeaseStore", "SqliteLeases", "new_lease"]

T = TypeVar("T")
Gateway = tuple[str, int]
"""Its host and port."""
FILE = "leases.sqlite3"
BUSY_SECONDS = 0.25
"""How long a locked store is waited for: a hint is not worth more."""
ID_SECONDS = 2.0
"""How long it is waited for a notebook's own ID, which another would be wrong for."""
PAUSE_SECONDS = 30.0
"""How long a store that failed is left alone, so that it is not waited for again and again."""
MOST_LEASES = 1000
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

LOG = logging.getLogger("ibnb")
_said: set[str] = set()
_saying = threading.Lock()


class LeaseStore(Protocol):
    """Where leases are kept; `is_shared` says whether several machines share it."""

    is_shared: ClassVar[bool]

    def client_id(
        self, notebook: str, preferred: int, gateway: Gateway | None = None
    ) -> int | None:
        """Return the ID that a notebook was given, giving it one now: `preferred`, if free.

        None if the store does not answer.
        """

    def provisional_id(self, notebook: str, preferred: int) -> int:
        """Return the ID that serves a notebook while the store does not answer."""

    def take(self, lease: Lease) -> None:
        """Remember a lease in place of the one for the same ID there."""

    def give_back(self, lease: Lease) -> None:
        """Forget a lease."""

    def find(self, host: str, port: int, client_id: int) -> tuple[Lease, ...]:
        """Return the leases of an ID at a gateway, those of dead processes too."""

    def newest(self, most: int) -> tuple[Lease, ...]:
        """Return the leases that were taken last, of all gateways, at most so many."""

    @property
    def is_silent(self) -> bool:
        """Whether a shared store does not answer."""

    def gateways(self) -> tuple[Gateway, ...]:
        """Return the gateways of which something is known."""

    def seats(self, host: str, port: int) -> tuple[Lease, ...]:
        """Return the leases of those who are connected to a gateway, by client ID."""

    def counts(self, host: str, port: int) -> Counts | None:
        """Return what all sessions at a gateway use; None where nobody counts."""


class _FormatError(Exception):
    """The file lacks what this version reads and writes; its text says which format it has."""


class SqliteLeases:
    """Leases in a local SQLite file, shared by all kernels of this user."""

    is_shared: ClassVar[bool] = False

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._left_alone_until = 0.0

    def __repr__(self) -> str:
        """Name the file."""
        return f"<SqliteLeases in {self._path}>"

    def client_id(
        self, notebook: str, preferred: int, gateway: Gateway | None = None
    ) -> int | None:
        """Return the ID that a notebook was given, giving it one now: `preferred`, if free.

        It is the same at every gateway. None if the store does not answer.
        """
        del gateway
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

    def provisional_id(self, notebook: str, preferred: int) -> int:
        """Return the ID that serves a notebook while the store does not answer."""
        del notebook
        return preferred

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

    is_silent = False

    def gateways(self) -> tuple[Gateway, ...]:
        """Return the gateways of which something is known."""
        return tuple(sorted({(one.host, one.port) for one in self.newest(MOST_LEASES)}))

    def seats(self, host: str, port: int) -> tuple[Lease, ...]:
        """Return the leases of those who are connected to a gateway, by client ID."""
        found = self._leases("where host = ? and port = ? order by client_id", host, port)
        return tuple(one for one in found if one.is_alive)

    def counts(self, host: str, port: int) -> Counts | None:
        """Return nothing: only for a team is it worth counting."""
        del host, port
        return None

    def _leases(self, which: str, *values: Any) -> tuple[Lease, ...]:
        statement = f"select {', '.join(LEASE)} from leases {which}"  # noqa: S608 - words of ours
        rows: list[Any] = self._try(lambda store: store.execute(statement, values).fetchall(), [])
        return tuple(
            lease
            for row in rows
            if (lease := lease_of(dict(zip(LEASE, row, strict=True)), Lease)) is not None
        )

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
            _complete(store)
        except BaseException:
            store.close()
            raise
        return store


def prepare() -> None:
    """Let SQLite start: a program's first store takes it twice as long. No file is touched."""
    import sqlite3

    with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as store:
        _complete(store)


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


def _complete(store: sqlite3.Connection) -> None:
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


def _is_complete(store: sqlite3.Connection) -> bool:
    names = "select name from pragma_table_info(?)"
    return all(
        columns <= {name for (name,) in store.execute(names, (table,))}
        for table, columns in COLUMNS.items()
    )


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

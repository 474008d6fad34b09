"""Grants in a local SQLite file, shared by all kernels of this user on this machine.

Their ends are kept by the clock that all of this machine's programs share; what was granted before
the machine started, when that clock began anew, has ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ibnb.tws.files import private

from .counts import (
    HISTORY_SECONDS,
    MESSAGES_KEPT_SECONDS,
    Counts,
    HistoryRequest,
    Row,
    Turn,
    Used,
    tally,
    turn_of,
)
from .grants import (
    TICKET_SECONDS,
    TTL,
    Grant,
    Held,
    Refusal,
    StoreDownError,
    digest,
    new_token,
    steady,
)
from .ids import HIGHEST, LOWEST
from .lease import Lease, SharedLease, lease_of

if TYPE_CHECKING:
    import sqlite3

T = TypeVar("T")
FILE = "grants.sqlite3"
BUSY_SECONDS = 2.0
UNUSED_SECONDS = 90 * 24 * 3600
"""A notebook's ID that was not used for so long is taken back."""
SCHEMA = """
    create table if not exists grants (
        scope text, name text, token text, fence integer, ends real, owner text,
        primary key (scope, name)
    ) without rowid;
    create table if not exists fences (scope text primary key, number integer) without rowid;
    create table if not exists queues (
        scope text, token text, number integer, ends real, primary key (scope, token)
    ) without rowid;
    create table if not exists notebooks (
        scope text, notebook text, client_id integer, used real,
        primary key (scope, notebook), unique (scope, client_id)
    ) without rowid;
    create table if not exists history (
        scope text, at real, weight integer, what text, series text
    );
    create table if not exists opened (
        scope text, session text, name text, ends real, primary key (scope, session, name)
    ) without rowid;
    create table if not exists lines (scope text, session text, line text, ends real);
    create table if not exists messages (
        scope text, second integer, sent integer, primary key (scope, second)
    ) without rowid;
    create table if not exists secrets (one integer primary key check (one = 1), secret text);
"""


class SqliteGrants:
    """Grants in a file; safe to be used by several threads.

    Args:
        folder: where the file is, or will be.
        ttl: seconds for which a grant holds; the same for all who share the file.
        clock: seconds that only ever grow, but for the machine's start.
    """

    def __init__(self, folder: Path, ttl: float = TTL, clock: Callable[[], float] = steady) -> None:
        self._path = folder / FILE
        self._ttl = ttl
        self._clock = clock
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        """Name the file."""
        return f"<SqliteGrants in {self._path}>"

    def __str__(self) -> str:
        """Name it for people."""
        return f"the store in {self._path}"

    def client_id(self, scope: str, notebook: str, preferred: int) -> int:
        """Return the ID that a notebook has there, giving it one now: `preferred`, if free."""

        def choose(store: sqlite3.Connection) -> int:
            row = store.execute(
                "select client_id from notebooks where scope = ? and notebook = ?",
                (scope, notebook),
            ).fetchone()
            now = time.time()
            store.execute(
                "delete from notebooks where scope = ? and used < ? and notebook != ?",
                (scope, now - UNUSED_SECONDS, notebook),
            )
            taken = {
                one
                for (one,) in store.execute(
                    "select client_id from notebooks where scope = ?", (scope,)
                )
            }
            size = HIGHEST - LOWEST + 1
            every = (LOWEST + (preferred - LOWEST + step) % size for step in range(size))
            chosen = row[0] if row else next((one for one in every if one not in taken), preferred)
            if row or chosen not in taken:
                store.execute(
                    "insert or replace into notebooks values (?, ?, ?, ?)",
                    (scope, notebook, chosen, now),
                )
            return int(chosen)

        return self._try(choose)

    def acquire(
        self,
        scope: str,
        name: str,
        lease: Lease,
        *,
        token: str,
        limit: int = 0,
        take_over: bool = False,
    ) -> Grant | Refusal:
        """Return a grant, or why there is none, as `GrantStore` has it."""
        mine = digest(token)

        def acquire(store: sqlite3.Connection) -> Grant | Refusal:
            now = self._clock()
            self._end(store, now)
            row = store.execute(
                "select token, owner, fence from grants where scope = ? and name = ?",
                (scope, name),
            ).fetchone()
            if row and row[0] != mine and not take_over:
                return Refusal("held", holder=_read(row[1]))
            is_ours = bool(row) and row[0] == mine
            if limit and not row:
                ahead = self._ahead(store, scope, mine, now, limit)
                if ahead is not None:
                    return Refusal("full", ahead=ahead)
            fence = row[2] if is_ours else self._next(store, scope)
            return self._keep(store, Grant(scope, name, fence, now + self._ttl, token), lease)

        return self._try(acquire)

    def renew(self, grant: Grant, lease: Lease) -> Grant | None:
        """Return the grant for another `TTL`, or None if it is lost."""

        def renew(store: sqlite3.Connection) -> Grant | None:
            now = self._clock()
            self._end(store, now)
            if not self._counts(store, grant):
                return None
            longer = Grant(grant.scope, grant.name, grant.fence, now + self._ttl, grant.token)
            return self._keep(store, longer, lease)

        return self._try(renew)

    def release(self, grant: Grant) -> None:
        """End a grant; one that is another's by now stays."""
        self._try(
            lambda store: store.execute(
                "delete from grants where scope = ? and name = ? and token = ?",
                (grant.scope, grant.name, digest(grant.token)),
            )
        )

    def is_held(self, grant: Grant) -> bool:
        """Say whether a grant is still the one that counts."""

        def is_held(store: sqlite3.Connection) -> bool:
            self._end(store, self._clock())
            return self._counts(store, grant)

        return self._try(is_held)

    def leave(self, scope: str, token: str) -> None:
        """Give up a place in the queue."""
        self._try(
            lambda store: store.execute(
                "delete from queues where scope = ? and token = ?", (scope, digest(token))
            )
        )

    def find(self, scope: str, name: str) -> Held | None:
        """Return who has something."""
        return next((one for one in self.held(scope) if one.name == name), None)

    def held(self, scope: str) -> tuple[Held, ...]:
        """Return all grants of a scope."""

        def held(store: sqlite3.Connection) -> tuple[Held, ...]:
            self._end(store, self._clock())
            rows = store.execute("select name, fence, owner from grants where scope = ?", (scope,))
            return tuple(Held(scope, name, fence, _read(owner)) for name, fence, owner in rows)

        return self._try(held)

    def scopes(self) -> tuple[str, ...]:
        """Return the scopes in which something is held."""

        def scopes(store: sqlite3.Connection) -> tuple[str, ...]:
            self._end(store, self._clock())
            rows = store.execute("select distinct scope from grants order by scope")
            return tuple(scope for (scope,) in rows)

        return self._try(scopes)

    def secret(self, known: str = "") -> str:
        """Return what names are hashed with that nobody is to read; made when first asked for."""

        def secret(store: sqlite3.Connection) -> str:
            store.execute("insert or ignore into secrets values (1, ?)", (known or new_token(),))
            return str(store.execute("select secret from secrets").fetchone()[0])

        return self._try(secret)

    def use(self, scope: str, used: Used) -> None:
        """Take note of what a session used at a gateway."""

        def use(store: sqlite3.Connection) -> None:
            now = self._clock()
            store.executemany(
                "insert into history values (?, ?, ?, ?, ?)",
                [(scope, now - one.age, one.weight, one.what, one.series) for one in used.history],
            )
            store.executemany(
                "delete from opened where scope = ? and session = ? and name = ?",
                [(scope, used.session, name) for name in used.ended],
            )
            for name in used.opened:
                self._open_request(store, scope, used.session, name, now)
            store.execute(
                "delete from lines where scope = ? and session = ?", (scope, used.session)
            )
            store.executemany(
                "insert into lines values (?, ?, ?, ?)",
                [(scope, used.session, line, now + self._ttl) for line in used.lines],
            )
            store.executemany(
                "insert into messages values (?, ?, ?) on conflict do update set"
                " sent = sent + excluded.sent",
                [(scope, int(now) - ago, sent) for ago, sent in (used.messages or {}).items()],
            )

        self._try(use)

    def take_turn(self, scope: str, session: str, request: HistoryRequest, name: str) -> Turn:
        """Count a historical request if its turn has come; say when it will, if not."""

        def take_turn(store: sqlite3.Connection) -> Turn:
            now = self._clock()
            self._forget_used(store, now)
            turn = turn_of(now, _history(store, scope), _opened(store, scope), request)
            if turn.has_come:
                self._open_request(store, scope, session, name, now)
            if turn.has_come and request.weight:
                store.execute(
                    "insert into history values (?, ?, ?, ?, ?)",
                    (scope, now, request.weight, request.what, request.series),
                )
            return turn

        return self._try(take_turn)

    def counts(self, scope: str) -> Counts:
        """Return what all sessions at a gateway use."""

        def counts(store: sqlite3.Connection) -> Counts:
            now = self._clock()
            self._forget_used(store, now)
            lines = store.execute("select line from lines where scope = ?", (scope,))
            messages = store.execute("select second, sent from messages where scope = ?", (scope,))
            return tally(
                now,
                _history(store, scope),
                [line for (line,) in lines],
                dict(messages.fetchall()),
                _opened(store, scope),
            )

        return self._try(counts)

    def close(self) -> None:
        """Nothing is kept open."""

    def _open_request(
        self, store: sqlite3.Connection, scope: str, session: str, name: str, now: float
    ) -> None:
        store.execute(
            "insert or replace into opened values (?, ?, ?, ?)",
            (scope, session, name, now + self._ttl),
        )

    @staticmethod
    def _forget_used(store: sqlite3.Connection, now: float) -> None:
        """Forget what counts no more."""
        for table, column, begin in (
            ("history", "at", now - HISTORY_SECONDS),
            ("messages", "second", now - MESSAGES_KEPT_SECONDS),
            ("lines", "ends", now),
            ("opened", "ends", now),
        ):
            statement = f"delete from {table} where {column} <= ?"  # noqa: S608 - names of ours
            store.execute(statement, (begin,))

    def _ahead(
        self, store: sqlite3.Connection, scope: str, mine: str, now: float, limit: int
    ) -> int | None:
        """Return how many wait before this one, with a place for it; None if it is its turn."""
        waiting = [
            token
            for (token,) in store.execute(
                "select token from queues where scope = ? order by number", (scope,)
            )
        ]
        (taken,) = store.execute("select count(*) from grants where scope = ?", (scope,)).fetchone()
        ahead = waiting.index(mine) if mine in waiting else len(waiting)
        if taken + ahead < limit:
            store.execute("delete from queues where scope = ? and token = ?", (scope, mine))
            return None
        store.execute(
            "insert into queues values (?, ?, (select coalesce(max(number), 0) + 1 from queues), ?)"
            " on conflict do update set ends = excluded.ends",
            (scope, mine, now + TICKET_SECONDS),
        )
        return ahead

    @staticmethod
    def _next(store: sqlite3.Connection, scope: str) -> int:
        store.execute(
            "insert into fences values (?, 1) on conflict do update set number = number + 1",
            (scope,),
        )
        row = store.execute("select number from fences where scope = ?", (scope,)).fetchone()
        return int(row[0])

    @staticmethod
    def _keep(store: sqlite3.Connection, grant: Grant, lease: Lease) -> Grant:
        store.execute(
            "insert or replace into grants values (?, ?, ?, ?, ?, ?)",
            (
                *(grant.scope, grant.name, digest(grant.token), grant.fence, grant.until),
                json.dumps(asdict(lease)),
            ),
        )
        return grant

    @staticmethod
    def _counts(store: sqlite3.Connection, grant: Grant) -> bool:
        row = store.execute(
            "select 1 from grants where scope = ? and name = ? and token = ? and fence = ?",
            (grant.scope, grant.name, digest(grant.token), grant.fence),
        ).fetchone()
        return row is not None

    def _end(self, store: sqlite3.Connection, now: float) -> None:
        """End what is over; what seems to last longer than anything may is of an earlier start."""
        for table, longest in (("grants", self._ttl), ("queues", TICKET_SECONDS)):
            store.execute(
                f"delete from {table} where ends <= ? or ends > ?",  # noqa: S608 - names of ours
                (now, now + longest),
            )

    def _try(self, work: Callable[[sqlite3.Connection], T]) -> T:
        import sqlite3

        try:
            with self._turn, contextlib.closing(self._open()) as store:
                store.execute("begin immediate")
                found = work(store)
                store.execute("commit")
                return found
        except (sqlite3.Error, OSError, ValueError) as error:
            raise StoreDownError(f"{self._path}: {type(error).__name__}: {error}") from None

    def _open(self) -> sqlite3.Connection:
        import sqlite3

        os.close(private(self._path, os.O_CREAT | os.O_WRONLY))
        store = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            store.execute("pragma synchronous = off")
            if not store.execute("pragma user_version").fetchone()[0]:
                store.executescript(f"begin immediate; {SCHEMA} pragma user_version = 1; commit")
        except BaseException:
            store.close()
            raise
        return store


def _history(store: sqlite3.Connection, scope: str) -> list[Row]:
    statement = "select at, weight, what, series from history where scope = ?"
    return store.execute(statement, (scope,)).fetchall()


def _opened(store: sqlite3.Connection, scope: str) -> int:
    statement = "select count(*) from opened where scope = ?"
    return int(store.execute(statement, (scope,)).fetchone()[0])


def _read(text: str) -> Lease | None:
    """Return the lease that somebody wrote; None if it is none that this version reads."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return lease_of(values, SharedLease) if isinstance(values, dict) else None

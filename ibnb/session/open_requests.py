"""Which historical requests of this kernel are open: a gateway serves so many at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

from .records.journal import Journal
from .records.pacing import BARS, HISTORICAL, digest_of, what_it_is
from .records.requests import GIVEN_UP, Request
from .tracked import TrackedConnection

ONLY_TELLS = 165
"""The code of a notice that says something of a historical request without ending it."""
WARNINGS = range(2100, 2200)

Gateway = tuple[str, int]
"""Its host and port."""


@dataclass
class _Turn:
    """A request that is about to be sent; `is_granted` once its turn has come."""

    gateway: Gateway
    what: str
    is_granted: bool = False


@dataclass(frozen=True)
class Opened:
    """The names of open requests, and of those of which it is being asked whether they may be."""

    names: frozenset[str]
    asking: frozenset[str]


class OpenRequests:
    """Gives names to the open historical requests of this kernel's connections.

    Args:
        journal: what was requested, and what was said to it.
        connections: returns what is known of connections.
    """

    def __init__(
        self, journal: Journal, connections: Callable[[], Iterable[TrackedConnection]]
    ) -> None:
        self._journal = journal
        self._connections = connections
        self._turns: dict[str, _Turn] = {}
        self._names: dict[tuple[int, int | None], str] = {}
        self._numbers = map(str, count(1))
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"<OpenRequests: {len(self._names)}, and {len(self._turns)} to be sent>"

    def begin(self, gateway: Gateway, request: Request) -> str:
        """Return a name for a request of which it is asked whether it may go."""
        with self._lock:
            name = next(self._numbers)
            self._turns[name] = _Turn(gateway, digest_of(what_it_is(request)))
        return name

    def grant(self, name: str) -> None:
        """Take note that a request may go: it is open from now on."""
        self._turns[name].is_granted = True

    def end(self, name: str) -> None:
        """Take note that nobody waits for a request any more, or that it may not go."""
        with self._lock:
            self._turns.pop(name, None)

    def at(self, gateway: Gateway) -> Opened:
        """Return what is open at a gateway."""
        with self._lock:
            here = [one for one in self._connections() if one.address[:2] == gateway]
            names = {
                key: self._name(key, gateway, one)
                for one in open_in(here, self._journal)
                for key in [(one.connection, one.req_id)]
            }
            numbers = {one.number for one in here}
            others = {key: name for key, name in self._names.items() if key[0] not in numbers}
            self._names = {**others, **names}
            bound = set(self._names.values())
            turns = {
                name: one
                for name, one in self._turns.items()
                if one.gateway == gateway and name not in bound
            }
        going = {name for name, one in turns.items() if one.is_granted}
        return Opened(frozenset({*names.values(), *going}), frozenset(turns.keys() - going))

    def _name(self, key: tuple[int, int | None], gateway: Gateway, request: Request) -> str:
        """Return the name of an open request: that of its turn, if it took one."""
        known = self._names.get(key)
        if known is not None:
            return known
        what, bound = digest_of(what_it_is(request)), set(self._names.values())
        taken = (
            name
            for name, one in self._turns.items()
            if one.is_granted and (one.gateway, one.what) == (gateway, what) and name not in bound
        )
        self._names[key] = next(taken, None) or next(self._numbers)
        return self._names[key]


def open_in(connections: Iterable[TrackedConnection], journal: Journal) -> tuple[Request, ...]:
    """Return the historical requests of some connections that are open: they wait, or go on."""
    return tuple(one for held in connections if held.is_open for one in _over(held, journal))


def _over(held: TrackedConnection, journal: Journal) -> tuple[Request, ...]:
    requests, number = journal.requests, held.number
    recent = requests.since(0.0, HISTORICAL | {GIVEN_UP})
    recent = tuple(one for one in recent if one.connection == number)
    cancelled = {one.req_id for one in recent if one.is_cancel}
    refused = {
        one.req_id
        for one in journal.over(number)
        if one.code != ONLY_TELLS and one.code not in WARNINGS
    }
    awaited = held.awaited
    waiting = {
        one.req_id: one
        for one in recent
        if one.req_id in awaited and not one.is_cancel and one.req_id not in cancelled
    }
    going_on = {
        one.req_id: one
        for one in requests.standing(number)
        if one.method == BARS and one.req_id not in refused
    }
    return tuple({**waiting, **going_on}.values())

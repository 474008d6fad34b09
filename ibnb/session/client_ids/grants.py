"""Grants: what one program holds for a while, and all others that share a store know of.

A grant has a name in a scope, as client ID 41 at a gateway. It ends when it is released, or when
it was not renewed for `TTL` seconds. Its fencing number is higher than that of any grant in its
scope before it. Whoever has one goes by a clock that no one can set, and that goes on while the
machine sleeps.
"""

from __future__ import annotations

import hashlib
import platform
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from ibnb.tws.own import is_own, plain_host

from .counts import Counts, HistoryRequest, Turn, Used
from .lease import Lease

TTL = 30.0
"""Seconds for which a grant holds unless it is renewed; the same for all who share a store."""
RENEW_EVERY = 10.0
SEATS = 32
"""How many API clients a gateway serves at once."""
TICKET_SECONDS = 15.0
"""How long a place in a queue is kept for whoever does not ask again."""
ID_PREFIX = "id:"
TRADING = "trading"
"""The scope of the rights to trade, which are named by account and not by gateway."""


class StoreDownError(Exception):
    """The store does not answer; its text says why, without any credentials."""


@dataclass(frozen=True)
class Grant:
    """Something that is held; until when, by `steady`, was known when it was asked for."""

    scope: str
    name: str
    fence: int
    until: float
    token: str = field(repr=False)

    @property
    def holds(self) -> bool:
        """Whether it holds still, as far as that is known without asking the store."""
        return steady() < self.until


@dataclass(frozen=True)
class Refusal:
    """Why something was not granted.

    ``held``: another has it, `holder` if the store tells. ``full``: there are as many as there may
    be, or others came first; `ahead` of them wait. ``settling``: the store has just started and
    may have forgotten what it had granted; it grants again in `seconds`.
    """

    why: Literal["held", "full", "settling"]
    holder: Lease | None = None
    ahead: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class Held:
    """A grant as the store has it."""

    scope: str
    name: str
    fence: int
    lease: Lease | None


class GrantStore(Protocol):
    """Where grants are kept. Each of its methods raises `StoreDownError` if it does not answer."""

    def client_id(self, scope: str, notebook: str, preferred: int) -> int:
        """Return the ID that a notebook has there, giving it one now: `preferred`, if free."""

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
        """Return a grant; what the same token has already is renewed.

        Above `limit` grants in a scope, whoever asks gets a place in its queue, and keeps it by
        asking again. `take_over` ends the grant of another.
        """

    def renew(self, grant: Grant, lease: Lease) -> Grant | None:
        """Return the grant for another `TTL`, or None if it is lost."""

    def release(self, grant: Grant) -> None:
        """End a grant; one that is another's by now stays."""

    def is_held(self, grant: Grant) -> bool:
        """Say whether a grant is still the one that counts."""

    def leave(self, scope: str, token: str) -> None:
        """Give up a place in the queue."""

    def find(self, scope: str, name: str) -> Held | None:
        """Return who has something."""

    def held(self, scope: str) -> tuple[Held, ...]:
        """Return all grants of a scope."""

    def scopes(self) -> tuple[str, ...]:
        """Return the scopes in which something is held."""

    def secret(self, known: str = "") -> str:
        """Return what names are hashed with that nobody is to read; made when first asked for.

        Empty while the store may have forgotten it, and does not learn it again as the `known` one.
        """

    def use(self, scope: str, used: Used) -> None:
        """Take note of what a session used at a gateway."""

    def take_turn(self, scope: str, session: str, request: HistoryRequest, name: str) -> Turn:
        """Count a historical request if its turn has come; say when it will, if not.

        It is open from now on under a `name` of the session's, until that is used as ended. Its
        age does not matter.
        """

    def counts(self, scope: str) -> Counts:
        """Return what all sessions at a gateway use."""

    def close(self) -> None:
        """Close what is open."""


def _clock() -> Callable[[], float]:
    # Linux's monotonic clock stands still while the machine sleeps, and the store's does not.
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    if boot_time is None:
        return time.monotonic
    return lambda: time.clock_gettime(boot_time)


steady = _clock()
"""Seconds on a clock that nobody sets, and that all programs of this machine share."""


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_hex(16)


def digest(token: str) -> str:
    """Return what a store keeps of a token."""
    return hashlib.sha1(token.encode(), usedforsecurity=False).hexdigest()


def gateway_scope(host: str, port: int) -> str:
    """Return the name of a gateway that is the same on every machine that writes its host so.

    On its own machine a gateway has that machine's name, however it is reached.
    """
    plain = plain_host(host)
    return f"{platform.node().lower() if is_own(plain) else plain}:{port}"


def place_of(scope: str) -> tuple[str, int]:
    """Return the host and port of a gateway's scope."""
    host, _, port = scope.rpartition(":")
    return host, int(port)


def id_name(client_id: int) -> str:
    """Return the name of a client ID's grant."""
    return f"{ID_PREFIX}{client_id}"

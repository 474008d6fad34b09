"""Grants in a Redis server, or one that speaks like it, as Valkey."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

from . import redis_scripts as scripts
from .counts import (
    BURST_LIMIT,
    BURST_SECONDS,
    HISTORY_LIMIT,
    HISTORY_SECONDS,
    IDENTICAL_SECONDS,
    MESSAGES_KEPT_SECONDS,
    OPEN_LIMIT,
    Counts,
    HistoryRequest,
    Turn,
    Used,
    tally,
)
from .grants import TICKET_SECONDS, TTL, Grant, Held, Refusal, StoreDownError, new_token, steady
from .ids import HIGHEST, LOWEST
from .lease import Lease, SharedLease, lease_of
from .store_url import StoreUrl

if TYPE_CHECKING:
    import redis

PREFIX = "ibnb"
UNUSED_SECONDS = 90 * 24 * 3600
"""A notebook's ID that was not used for so long is taken back."""
ANSWER_SECONDS = 2.0
"""How long an answer is waited for in the background; a connect waits less."""
INSTALL = "redis-py is not installed: pip install 'ibnb[redis]'"


def import_client() -> None:
    """Import what speaks to a server, if it is installed, ahead of its use."""
    with suppress(ImportError):
        import redis  # noqa: F401


class RedisGrants:
    """Grants in a Redis server; safe to be used by several threads.

    Args:
        url: where it is.
        ttl: seconds for which a grant holds; the same for all who share a server.
    """

    def __init__(self, url: StoreUrl, ttl: float = TTL) -> None:
        self._url = url
        self._ttl = ttl
        self._seen: dict[str, int] = {}
        self._opened: _Server | None = None

    def __repr__(self) -> str:
        """Name the server."""
        return f"<RedisGrants at {self._url}>"

    def __str__(self) -> str:
        """Name it for people."""
        return f"the store {self._url}"

    def client_id(self, scope: str, notebook: str, preferred: int) -> int:
        """Return the ID that a notebook has there, giving it one now: `preferred`, if free."""
        which = hashlib.sha256(notebook.encode(errors="surrogatepass")).hexdigest()[:32]
        keys = [f"{PREFIX}:notebook:{scope}:{which}"]
        begin = f"{PREFIX}:client-id:{scope}:"
        values = [begin, which, preferred, LOWEST, HIGHEST, UNUSED_SECONDS]
        return int(self._run("client_id", keys, values))

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
        asked = steady()
        values = [
            *(name, token, _written(lease), self._milliseconds, self._seen.get(scope, 0)),
            *(int(take_over), limit, scope, round(TICKET_SECONDS * 1000)),
        ]
        what, more = self._run("acquire", _keys(scope, name), values)
        if what == "granted":
            self._seen[scope] = max(int(more), self._seen.get(scope, 0))
            return Grant(scope, name, int(more), asked + self._ttl, token)
        if what == "held":
            return Refusal("held", holder=_read(more))
        if what == "full":
            return Refusal("full", ahead=int(more))
        return Refusal("settling", seconds=float(more) / 1000)

    def renew(self, grant: Grant, lease: Lease) -> Grant | None:
        """Return the grant for another `TTL`, or None if it is lost.

        A server that has just started, and has forgotten it, is told of it: until then it has
        granted nothing to anybody else.
        """
        asked = steady()
        if asked >= grant.until:
            return None
        values = [grant.name, grant.token, _written(lease), self._milliseconds, grant.fence]
        if not self._run("renew", _keys(grant.scope, grant.name), [*values, grant.scope]):
            return None
        return Grant(grant.scope, grant.name, grant.fence, asked + self._ttl, grant.token)

    def release(self, grant: Grant) -> None:
        """End a grant; one that is another's by now stays."""
        self._run("release", _keys(grant.scope, grant.name), [grant.name, grant.token])

    def is_held(self, grant: Grant) -> bool:
        """Say whether a grant is still the one that counts."""
        keys = _keys(grant.scope, grant.name)[:1]
        return bool(self._run("is_held", keys, [grant.token, grant.fence]))

    def leave(self, scope: str, token: str) -> None:
        """Give up a place in the queue."""
        ticket = hashlib.sha1(token.encode(), usedforsecurity=False).hexdigest()
        _, _, _, queue, waiting, _ = _keys(scope, "")

        def leave(server: _Server) -> None:
            server.redis.zrem(queue, ticket)
            server.redis.zrem(waiting, ticket)

        self._ask(leave)

    def find(self, scope: str, name: str) -> Held | None:
        """Return who has something."""
        key = _keys(scope, name)[0]
        found = self._ask(lambda server: server.redis.hmget(key, ["owner", "fence"]))
        owner, fence = cast("list[str | None]", found)
        return Held(scope, name, int(fence), _read(owner)) if owner and fence else None

    def held(self, scope: str) -> tuple[Held, ...]:
        """Return all grants of a scope."""
        begin, live, *_ = _keys(scope, "")
        found: list[str] = self._run("held", [live], [begin])
        rows = zip(found[::3], found[1::3], found[2::3], strict=True)
        return tuple(Held(scope, name, int(fence), _read(owner)) for name, fence, owner in rows)

    def scopes(self) -> tuple[str, ...]:
        """Return the scopes in which something is held, or was."""
        found = self._ask(lambda server: server.redis.smembers(f"{PREFIX}:scopes"))
        return tuple(sorted(cast("set[str]", found)))

    def secret(self, known: str = "") -> str:
        """Return what names are hashed with that nobody is to read; made when first asked for.

        Empty while the server may have forgotten it, and does not learn it again from `known`.
        """
        values = [known, new_token(), self._milliseconds]
        return str(self._run("secret", [f"{PREFIX}:secret"], values))

    def use(self, scope: str, used: Used) -> None:
        """Take note of what a session used at a gateway."""
        history = [[one.age, one.weight, one.what, one.series] for one in used.history]
        messages = [[ago, count] for ago, count in (used.messages or {}).items()]
        values = [
            *(used.session, json.dumps(history), json.dumps(sorted(used.lines))),
            *(json.dumps(messages), round(HISTORY_SECONDS), round(MESSAGES_KEPT_SECONDS)),
            max(1, round(self._ttl)),
            *(json.dumps(sorted(used.opened)), json.dumps(sorted(used.ended))),
        ]
        self._run("use", _counted(scope), values)

    def take_turn(self, scope: str, session: str, request: HistoryRequest, name: str) -> Turn:
        """Count a historical request if its turn has come; say when it will, if not."""
        history, _, _, opened = _counted(scope)
        values = [
            *(session, request.weight, request.what, HISTORY_LIMIT),
            *(round(HISTORY_SECONDS), round(IDENTICAL_SECONDS), request.series, BURST_LIMIT),
            *(round(BURST_SECONDS), OPEN_LIMIT, name, max(1, round(self._ttl))),
        ]
        wait, limit, is_full = self._run("take_turn", [history, opened], values)
        return Turn(float(wait) / 1000, limit or None, bool(is_full))

    def counts(self, scope: str) -> Counts:
        """Return what all sessions at a gateway use."""
        now, requests, lines, messages, opened = self._run("counts", _counted(scope), [])
        history = []
        for name, at in zip(requests[::2], requests[1::2], strict=True):
            _, _, weight, what, series, _ = name.split(":", 5)
            history.append((float(at) / 1000, int(weight), what, series))
        by_second = zip(map(int, messages[::2]), map(int, messages[1::2]), strict=True)
        contracts = (line.rpartition(" ")[0] for line in lines)
        return tally(float(now), history, contracts, dict(by_second), opened)

    def close(self) -> None:
        """Close what is open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.redis.close()

    @property
    def _milliseconds(self) -> int:
        return round(self._ttl * 1000)

    def _run(self, script: str, keys: list[str], values: list[Any]) -> Any:
        return self._ask(lambda server: server.scripts[script](keys, values))

    def _ask(self, work: Callable[[_Server], Any]) -> Any:
        try:
            import redis
        except ImportError:
            raise StoreDownError(INSTALL) from None
        try:
            if self._opened is None:
                self._opened = _Server(self._url)
            return work(self._opened)
        except (redis.RedisError, OSError, ValueError) as error:
            raise StoreDownError(self._url.clean(error)) from None


class _Server:
    """A client of a server, and the scripts that it runs there."""

    def __init__(self, url: StoreUrl) -> None:
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self.redis: redis.Redis = redis.Redis.from_url(
            url.reveal(),
            decode_responses=True,
            encoding_errors="replace",
            socket_timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            # A connection that was idle may be gone; all scripts may be repeated.
            retry=Retry(NoBackoff(), 1),
        )
        sources = {
            "client_id": scripts.CLIENT_ID,
            "acquire": scripts.ACQUIRE,
            "renew": scripts.RENEW,
            "release": scripts.RELEASE,
            "is_held": scripts.IS_HELD,
            "held": scripts.HELD,
            "secret": scripts.SECRET,
            "use": scripts.USE,
            "take_turn": scripts.TAKE_TURN,
            "counts": scripts.COUNTS,
        }
        self.scripts: dict[str, Callable[[list[str], list[Any]], Any]] = {
            name: self.redis.register_script(source) for name, source in sources.items()
        }


def _keys(scope: str, name: str) -> list[str]:
    return [
        f"{PREFIX}:grant:{scope}:{name}",
        f"{PREFIX}:live:{scope}",
        f"{PREFIX}:fence:{scope}",
        f"{PREFIX}:queue:{scope}",
        f"{PREFIX}:waiting:{scope}",
        f"{PREFIX}:scopes",
    ]


def _counted(scope: str) -> list[str]:
    return [f"{PREFIX}:{what}:{scope}" for what in ("history", "lines", "messages", "open")]


def _written(lease: Lease) -> str:
    return json.dumps(asdict(lease))


def _read(text: str | None) -> Lease | None:
    """Return the lease that somebody wrote; None if it is none that this version reads."""
    try:
        values = json.loads(text or "")
    except ValueError:
        return None
    return lease_of(values, SharedLease) if isinstance(values, dict) else None

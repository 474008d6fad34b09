"""The first requests that a library makes by itself once a gateway is ready, and which came back.

ib_insync gives the whole connection up if the executions alone do not come; of anything else, and
in ib_async of everything, only a log line tells.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ibnb.session.library import listening
from ibnb.session.library.patches import MethodPatch
from ibnb.session.records.requests import Request
from ibnb.tws.attempt import Attempt

KIND = "synchronising"
OF_KEYS: Mapping[Any, str] = {
    "positions": "positions",
    "openOrders": "open orders",
    "completedOrders": "completed orders",
    "accountValues": "account updates",
}
"""What both libraries call the requests that have no number."""
OF_METHODS: Mapping[str, str] = {"reqExecutions": "executions"}
OF_ACCOUNTS = "reqAccountUpdatesMulti"

Find = Callable[[int], Request | None]
"""Returns the request that was sent with a number."""


class Synchronisation:
    """What one library's object has asked for since it began to connect.

    Args:
        find: looks a request up by its number.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        self._waiting: dict[Any, asyncio.Future[Any]] = {}

    def missing(self, accounts: tuple[str, ...]) -> tuple[str, ...]:
        """Return what was asked for and did not come, in the order of asking.

        What failed is not among it: the loss of the socket fails everything that waits.
        """
        unanswered = (
            self._name(key, accounts)
            for key, future in self._waiting.items()
            if future.cancelled() or not future.done()
        )
        return tuple(dict.fromkeys(name for name in unanswered if name))

    def starting(self, layer: MethodPatch) -> Any:
        """Stand around the library's method that begins to wait for an answer."""

        def start(key: Any, *rest: Any, **options: Any) -> Any:
            future = self._waiting[key] = layer.inner(key, *rest, **options)
            return future

        return start

    def _name(self, key: Any, accounts: tuple[str, ...]) -> str:
        if key in OF_KEYS:
            return OF_KEYS[key]
        request = self._find(key) if isinstance(key, int) else None
        if request is None:
            return ""
        if request.method != OF_ACCOUNTS:
            return OF_METHODS.get(request.method, "")
        account = request.parameters.get("account")
        # By its place: account numbers are nobody's business.
        number = accounts.index(account) + 1 if account in accounts else "?"
        return f"account updates of account {number}"


def ways_out(attempt: Attempt) -> tuple[str, ...]:
    """Return what helps after an opening that a library gave up in its synchronisation."""
    ours = f"%ibconnect {attempt.target} --client-id {attempt.client_id}"
    ways = [f"Let ibnb open it, which keeps it open and says what did not come: {ours}"]
    if any("orders" in name for name in attempt.missing):
        ways.append(
            "If the gateway's Read-Only API is on, connect with readonly=True: then no orders are "
            "asked for."
        )
    ways.append("If the gateway is only slow, give it more time: ib.connect(..., timeout=30).")
    return tuple(ways)


@contextmanager
def synchronising(ib: Any, find: Find) -> Iterator[Synchronisation]:
    """Follow what an `IB` object asks for, for as long as the context lasts."""
    followed = Synchronisation(find)
    listening.stand_around(ib, listening.WAITING, KIND, followed.starting)
    try:
        yield followed
    finally:
        listening.stand_around_no_more(ib, listening.WAITING, KIND)

"""Historical requests that wait for their turn, in place of failing with 162: only if asked for.

A request goes when it is within IBKR's limits for the login: 60 in ten minutes, one for BID_ASK as
two, and none like one of the last 15 seconds. Bars longer than 30 seconds have no such limit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from ibnb.tws.target import Target

from .address import Address
from .client_ids.counts import HISTORY_SECONDS, seconds_until_turn
from .counting import HISTORICAL, Counting, digest_of
from .library.history import let_history_wait
from .opening.retry import OnWait, Waiting
from .records.pacing import is_limited, weight
from .records.requests import Request, RequestJournal

LOOKING_SECONDS = 1.0
"""How often it is looked whether it is a request's turn, while that is awaited."""


class Turns:
    """Lets the historical requests of an `IB` object wait for their turn.

    Args:
        requests: what this kernel requested.
        counting: asks a team's store; None without one.
        is_wanted: whether requests wait, asked at each of them.
        waiting: shows a wait, as that for a client ID.
    """

    def __init__(
        self,
        requests: RequestJournal,
        counting: Counting | None,
        is_wanted: Callable[[], bool],
        waiting: Callable[[], AbstractContextManager[OnWait | None]],
    ) -> None:
        self._requests = requests
        self._counting = counting
        self._is_wanted = is_wanted
        self._waiting = waiting

    def attach(self, ib: Any, address: Address) -> None:
        """Let the requests of an `IB` object wait from now on."""

        async def wait(method: str, sent: dict[str, Any]) -> None:
            if self._is_wanted():
                about = sent.get("contract")
                asked = Request(None, method, sent, about, time.time(), address[2], 0)
                await self._wait(asked, address)

        let_history_wait(ib, wait)

    async def _wait(self, request: Request, address: Address) -> None:
        """Return when it is a request's turn, or at once if it has no limit."""
        if not is_limited(request):
            return
        seconds = await self._seconds(request, address)
        if seconds <= 0:
            return
        with self._waiting() as on_wait:
            while seconds > 0:
                if on_wait is not None:
                    target = Target(*address[:2])
                    on_wait(Waiting(address[2], target, seconds, is_history=True))
                await asyncio.sleep(min(seconds, LOOKING_SECONDS))
                seconds = await self._seconds(request, address)

    async def _seconds(self, request: Request, address: Address) -> float:
        """Return how long a request has to wait still; with 0 its turn is taken."""
        if self._counting is not None:
            found = await asyncio.to_thread(self._counting.take_turn, address[:2], request)
            if found is not None:
                return found
        now = time.time()
        recent = self._requests.since(now - HISTORY_SECONDS, HISTORICAL)
        rows = [(one.time, weight(one), digest_of(one)) for one in recent if is_limited(one)]
        return seconds_until_turn(now, rows, weight(request), digest_of(request))

"""Historical requests that wait for their turn, in place of failing with 162: only if asked for.

A request goes when it is within IBKR's limits for the login: 60 in ten minutes, one for BID_ASK as
two, none like one of the last 15 seconds, and five for one contract, exchange and kind of tick
within two seconds. Bars longer than 30 seconds have no such limits. Of all of them 50 may be open
at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

from ibnb.tws.target import Target

from .address import Address
from .client_ids.counts import HISTORY_SECONDS, Turn, turn_of
from .counting import Counting, counted
from .library.history import let_history_wait
from .open_requests import OpenRequests
from .opening.retry import OnWait, Waiting
from .records.pacing import HISTORICAL
from .records.requests import Request, RequestJournal

LOOKING_SECONDS = 1.0
"""How often it is looked whether it is a request's turn, while that is awaited."""
TELLING_SECONDS = 0.5
"""How often the line of those that wait is written anew, at most."""
MANY = 20
"""So many requests that wait for others to end ask as often as one does."""
MARGIN_SECONDS = 0.1
"""So much later than allowed goes what waited: the one before it was sent after its turn, too."""


class Turns:
    """Lets the historical requests of an `IB` object wait for their turn.

    Args:
        requests: what this kernel requested.
        opened: which historical requests of this kernel are open.
        counting: asks a team's store; None without one.
        is_wanted: whether requests wait, asked at each of them.
        waiting: shows a wait, as that for a client ID; one for all requests that wait.
    """

    def __init__(
        self,
        requests: RequestJournal,
        opened: OpenRequests,
        counting: Counting | None,
        is_wanted: Callable[[], bool],
        waiting: Callable[[], AbstractContextManager[OnWait | None]],
    ) -> None:
        self._requests = requests
        self._open = opened
        self._counting = counting
        self._is_wanted = is_wanted
        self._waiting = waiting
        self._waits: dict[str, Waiting] = {}
        self._shown: AbstractContextManager[OnWait | None] | None = None
        self._on_wait: OnWait | None = None
        self._tell_at = 0.0
        self._asking: tuple[asyncio.AbstractEventLoop, asyncio.Lock] | None = None

    def attach(self, ib: Any, address: Address) -> None:
        """Let the requests of an `IB` object wait from now on."""

        @asynccontextmanager
        async def wait(method: str, sent: dict[str, Any]) -> AsyncIterator[None]:
            if not self._is_wanted():
                yield
                return
            about = sent.get("contract")
            asked = Request(None, method, sent, about, time.time(), address[2], 0)
            name = self._open.begin(address[:2], asked)
            try:
                await self._wait(asked, address, name)
                self._open.grant(name)
                yield
            finally:
                self._open.end(name)

        let_history_wait(ib, wait)

    async def _wait(self, request: Request, address: Address, name: str) -> None:
        """Return when it is a request's turn."""
        turn = await self._turn(request, address, name)
        if turn.has_come:
            return
        waiting = Waiting(address[2], Target(*address[:2]), 0.0)
        with self._show(name):
            while not turn.has_come:
                if turn.seconds:
                    seconds = turn.seconds + MARGIN_SECONDS
                else:
                    # Many that wait for one another ask less often each.
                    seconds = LOOKING_SECONDS * (1 + len(self._waits) // MANY)
                await self._pass(seconds, replace(waiting, limit=turn.limit or "open"), name)
                turn = await self._turn(request, address, name)

    async def _pass(self, seconds: float, waiting: Waiting, name: str) -> None:
        """Let some time pass, and show how much is left."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._waits[name] = replace(waiting, seconds_left=left)
            self._tell()
            await asyncio.sleep(min(left, LOOKING_SECONDS))

    async def _turn(self, request: Request, address: Address, name: str) -> Turn:
        """Return when a request may go; if it may now, its turn is taken."""
        if self._counting is not None:
            async with self._one_by_one():
                counting = self._counting.take_turn
                found = await asyncio.to_thread(counting, address[:2], request, name)
            if found is not None:
                return found
        now = time.time()
        recent = self._requests.since(now - HISTORY_SECONDS, HISTORICAL)
        history = [
            (one.time, asked.weight, asked.what, asked.series)
            for one in recent
            if (asked := counted(one, now)).weight
        ]
        opened = self._open.at(address[:2]).names
        return turn_of(now, history, len(opened), counted(request, now))

    def _one_by_one(self) -> asyncio.Lock:
        """Return what lets one request ask at a time, in order: a store is not asked in a storm."""
        loop = asyncio.get_running_loop()
        if self._asking is None or self._asking[0] is not loop:
            self._asking = loop, asyncio.Lock()
        return self._asking[1]

    @contextmanager
    def _show(self, name: str) -> Iterator[None]:
        """Show that one request more waits, until it waits no more."""
        if self._shown is None:
            self._shown = self._waiting()
            self._on_wait = self._shown.__enter__()
        try:
            yield
        finally:
            self._waits.pop(name, None)
            if not self._waits and self._shown is not None:
                shown, self._shown = self._shown, None
                shown.__exit__(None, None, None)

    def _tell(self) -> None:
        """Say what comes first of all that waits, and how many do; not each time one asks."""
        now = time.monotonic()
        if self._on_wait is not None and now >= self._tell_at:
            self._tell_at = now + TELLING_SECONDS
            first = min(
                self._waits.values(), key=lambda one: (one.limit == "open", one.seconds_left)
            )
            self._on_wait(replace(first, more=len(self._waits) - 1))

"""Tells a store that a team shares what this kernel's connections use of each gateway's login."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Any

from .address import Address
from .client_ids.counts import HistoryRequest, Used
from .client_ids.grants import StoreDownError, gateway_scope, new_token
from .client_ids.keeper import GrantKeeper
from .records.pacing import BARS, TICKS, is_limited, weight, what_it_is
from .records.requests import Request, RequestJournal
from .tracked import TrackedConnection

EVERY = 1.0
"""Seconds between two looks: messages are counted by the second."""
LINES_EVERY = 8.0
"""Seconds after which lines are told again, before the store forgets them."""
HISTORICAL = frozenset({BARS, TICKS})
STREAMING = frozenset({"reqMktData", "reqTickByTickData", "reqRealTimeBars"})
"""What takes a market data line."""

LOG = logging.getLogger("ibnb")


class Counting:
    """Reads the request journal every second, on a thread; requests themselves cost nothing more.

    Args:
        keeper: knows the store, and whether it answers.
        requests: what was requested.
        connections: returns what is known of connections.
    """

    def __init__(
        self,
        keeper: GrantKeeper,
        requests: RequestJournal,
        connections: Callable[[], Iterable[TrackedConnection]],
    ) -> None:
        self._keeper = keeper
        self._requests = requests
        self._connections = connections
        self._addresses: dict[int, Address] = {}
        self._until = time.time()
        self._told: dict[tuple[str, int], tuple[frozenset[str], float]] = {}
        self._session = new_token()
        self._turns: dict[str, int] = {}
        self._closing = threading.Event()

    def __repr__(self) -> str:
        """Say as whom it counts."""
        return f"<Counting over {len(self._addresses)} connections, to {self._keeper.store}>"

    def start(self) -> None:
        """Begin."""
        threading.Thread(target=self._go, name="ibnb-counting", daemon=True).start()

    def close(self) -> None:
        """Stop; what was used last is not told any more."""
        self._closing.set()

    def _go(self) -> None:
        while not self._closing.wait(EVERY):
            if self._keeper.is_down:
                continue
            # The journal may grow while it is read: then all is read a second later.
            with suppress(StoreDownError, RuntimeError):
                self.tell()

    def take_turn(self, gateway: tuple[str, int], request: Request) -> float | None:
        """Count a historical request that is about to be sent, if it is within the team's limits.

        Returns:
            0 if it is; else for how many seconds it is not. None if the store does not answer.
        """
        asked = HistoryRequest(0.0, weight(request), digest_of(request))
        scope = gateway_scope(*gateway)
        seconds = self._keeper.ask(
            lambda store: store.take_turn(scope, self._session, asked), otherwise=None
        )
        if seconds == 0:
            self._turns[asked.what] = self._turns.get(asked.what, 0) + 1
        return seconds

    def _is_new(self, request: Request) -> bool:
        """Say whether a request was not counted yet, when it took its turn."""
        what = digest_of(request)
        taken = self._turns.pop(what, 0)
        if taken > 1:
            self._turns[what] = taken - 1
        return not taken

    def tell(self) -> None:
        """Tell the store what was used since the last time.

        Raises:
            StoreDownError: it does not answer.
        """
        now = time.time()
        open_ones = set()
        for held in self._connections():
            self._addresses[held.number] = held.address
            if held.is_open:
                open_ones.add(held.number)
        history = [
            one
            for one in self._requests.since(self._until, HISTORICAL)
            if self._until < one.time <= now and is_limited(one) and self._is_new(one)
        ]
        sent = [when for when in list(self._requests.sent) if self._until < when <= now]
        gateways = {self._addresses[number][:2] for number in open_ones}
        gateways |= {self._addresses[one.connection][:2] for one in history if self._is_known(one)}
        for gateway in gateways | set(self._told):
            numbers = {no for no, at in self._addresses.items() if at[:2] == gateway}
            used = Used(
                self._session,
                tuple(_counted(one, now) for one in history if one.connection in numbers),
                self._lines(numbers & open_ones),
                # Messages are not known by connection: of several gateways at once they are none's.
                _by_second(sent, now) if len(gateways) == 1 else {},
            )
            self._tell(gateway, used, now)
        self._until = now

    def _is_known(self, request: Request) -> bool:
        return request.connection in self._addresses

    def _lines(self, numbers: Collection[int]) -> frozenset[str]:
        return frozenset(
            _line(one.contract)
            for number in numbers
            for one in self._requests.standing(number)
            if one.method in STREAMING and one.contract is not None
        )

    def _tell(self, gateway: tuple[str, int], used: Used, now: float) -> None:
        lines, at = self._told.get(gateway, (frozenset(), 0.0))
        is_due = used.lines != lines or (bool(lines) and now - at >= LINES_EVERY)
        if not (used.history or used.messages or is_due):
            return
        self._keeper.store.use(gateway_scope(*gateway), used)
        self._told[gateway] = used.lines, now
        if not used.lines:
            del self._told[gateway]


def _counted(request: Request, now: float) -> HistoryRequest:
    return HistoryRequest(max(0.0, now - request.time), weight(request), digest_of(request))


def digest_of(request: Request) -> str:
    """Return what is the same of two historical requests only if they ask for the same."""
    what = repr(what_it_is(request)).encode(errors="surrogatepass")
    return hashlib.sha256(what).hexdigest()[:16]


def _by_second(sent: Iterable[float], now: float) -> dict[int, int]:
    found: dict[int, int] = {}
    for when in sent:
        ago = int(now) - int(when)
        found[ago] = found.get(ago, 0) + 1
    return found


def _line(contract: Any) -> str:
    con_id = getattr(contract, "conId", 0)
    if con_id:
        return str(con_id)
    names = ("secType", "symbol", "localSymbol", "currency", "exchange")
    more = ("lastTradeDateOrContractMonth", "strike", "right")
    return "/".join(str(getattr(contract, name, "")) for name in (*names, *more))

"""Tells a store that a team shares what this kernel's connections use of each gateway's login."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .address import Address
from .client_ids.counts import HistoryRequest, Turn, Used
from .client_ids.grants import GrantStore, StoreDownError, gateway_scope, new_token
from .client_ids.keeper import GrantKeeper
from .open_requests import OpenRequests
from .records.pacing import HISTORICAL, digest_of, is_limited, series_of, weight, what_it_is
from .records.requests import Request, RequestJournal
from .tracked import TrackedConnection

EVERY = 1.0
"""Seconds between two looks: messages are counted by the second."""
LINES_EVERY = 8.0
"""Seconds after which lines and open requests are told again, before the store forgets them."""
TURN_SECONDS = 2.0
"""How long an answer is waited for by a request that waits for its turn in any case."""
STREAMING = frozenset({"reqMktData", "reqTickByTickData", "reqRealTimeBars"})
"""What takes a market data line."""

LOG = logging.getLogger("ibnb")


class Counting:
    """Reads the request journal every second, on a thread; requests themselves cost nothing more.

    Args:
        keeper: knows the store, and whether it answers.
        requests: what was requested.
        opened: which historical requests are open.
        connections: returns what is known of connections.
    """

    def __init__(
        self,
        keeper: GrantKeeper,
        requests: RequestJournal,
        opened: OpenRequests,
        connections: Callable[[], Iterable[TrackedConnection]],
    ) -> None:
        self._keeper = keeper
        self._requests = requests
        self._open = opened
        self._connections = connections
        self._addresses: dict[int, Address] = {}
        self._until = time.time()
        self._told: dict[tuple[str, int], _Told] = {}
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
        """Stop; what is used is given back, and what was requested last is not told any more."""
        self._closing.set()
        for gateway, told in [*self._told.items()]:
            scope, over = gateway_scope(*gateway), Used(self._session, ended=frozenset(told.opened))
            if told.lines or told.opened:
                self._keeper.ask(partial(_use, scope, over), otherwise=None)

    def _go(self) -> None:
        while not self._closing.wait(EVERY):
            if self._keeper.is_down:
                continue
            # The journal may grow while it is read: then all is read a second later.
            with suppress(StoreDownError, RuntimeError):
                self.tell()

    def take_turn(self, gateway: tuple[str, int], request: Request, name: str) -> Turn | None:
        """Count a historical request that is about to be sent, if it is within the team's limits.

        Returns:
            Whether it is, and when it will be. None if the store does not answer.
        """
        asked = counted(request, request.time)
        scope = gateway_scope(*gateway)
        # Before it is asked: what comes too late to be heard is taken back by that.
        self._told.setdefault(gateway, _Told()).opened.add(name)
        turn = self._keeper.ask(
            lambda store: store.take_turn(scope, self._session, asked, name),
            otherwise=None,
            seconds=TURN_SECONDS,
        )
        if turn is not None and turn.has_come and asked.weight:
            self._turns[asked.what] = self._turns.get(asked.what, 0) + 1
        return turn

    def _is_new(self, request: Request) -> bool:
        """Say whether a request was not counted yet, when it took its turn."""
        what = digest_of(what_it_is(request))
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
        known = (self._addresses.get(one.connection) for one in history)
        gateways |= {address[:2] for address in known if address is not None}
        for gateway in gateways | set(self._told):
            numbers = {no for no, at in self._addresses.items() if at[:2] == gateway}
            # Read before what is open: a turn that is taken meanwhile has not ended.
            before = frozenset(self._told.get(gateway, _Told()).opened)
            opened = self._open.at(gateway)
            used = Used(
                self._session,
                tuple(counted(one, now) for one in history if one.connection in numbers),
                self._lines(numbers & open_ones),
                # Messages are not known by connection: of several gateways at once they are none's.
                Counter(int(now) - int(when) for when in sent) if gateways == {gateway} else {},
                opened.names,
                before - opened.names - opened.asking,
            )
            self._tell(gateway, used, now)
        self._until = now

    def _lines(self, numbers: Collection[int]) -> frozenset[str]:
        return frozenset(
            _line(one.contract)
            for number in numbers
            for one in self._requests.standing(number)
            if one.method in STREAMING and one.contract is not None
        )

    def _tell(self, gateway: tuple[str, int], used: Used, now: float) -> None:
        told = self._told.setdefault(gateway, _Told())
        is_news = used.lines != told.lines or used.ended or not used.opened <= told.opened
        goes_on = used.lines or used.opened
        is_due = is_news or (goes_on and now - told.at >= LINES_EVERY)
        if not (used.history or used.messages or is_due):
            return
        self._keeper.store.use(gateway_scope(*gateway), used)
        told.lines, told.at = used.lines, now
        told.opened |= used.opened
        told.opened -= used.ended


def _use(scope: str, used: Used, store: GrantStore) -> None:
    store.use(scope, used)


@dataclass
class _Told:
    """What a store knows of this session's use of one gateway, and when it was last told."""

    lines: frozenset[str] = frozenset()
    opened: set[str] = field(default_factory=set)
    at: float = 0.0


def counted(request: Request, now: float) -> HistoryRequest:
    """Return how a historical request counts."""
    return HistoryRequest(
        max(0.0, now - request.time),
        weight(request) if is_limited(request) else 0,
        digest_of(what_it_is(request)),
        digest_of(series_of(request)),
    )


def _line(contract: Any) -> str:
    con_id = getattr(contract, "conId", 0)
    if con_id:
        return str(con_id)
    names = ("secType", "symbol", "localSymbol", "currency", "exchange")
    more = ("lastTradeDateOrContractMonth", "strike", "right")
    return "/".join(str(getattr(contract, name, "")) for name in (*names, *more))

"""The request journal: what was asked of the gateways, by name, and how fast.

What a request costs more with it is a copy of the fields of its contract or order, as they are when
it is sent, and one short tuple.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ibnb.session.library.noting import note_no_requests, note_requests, restored
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.notices import Notice

KEPT = 1000
MESSAGES_KEPT = 3000
"""One minute at the 50 messages a second that a gateway takes; the libraries send no more than 45.
"""
CANCEL = "cancel"
"""How the names of the methods begin that take back another request."""
ID_NAMES = ("reqId", "orderId", "tickerId")
"""What the libraries call the number that answers refer to."""
DATA = frozenset(
    {
        *("reqMktData", "reqTickByTickData", "reqMktDepth", "reqRealTimeBars", "reqHistoricalData"),
        *("reqScannerSubscription", "reqMarketDataType"),
    }
)
"""What a gateway forgets with its link, and tells by notice 1101; accounts it goes on with."""
STARTING = DATA | {
    *("reqPnL", "reqPnLSingle", "reqNewsBulletins", "reqAccountUpdates", "reqAccountSummary")
}
"""What goes on until it is cancelled, or stands until something else is asked for."""
ENDING = frozenset(
    {
        *("cancelMktData", "cancelTickByTickData", "cancelMktDepth", "cancelRealTimeBars"),
        *("cancelHistoricalData", "cancelScannerSubscription", "cancelPnL", "cancelPnLSingle"),
        *("cancelNewsBulletins", "cancelAccountSummary"),
    }
)
GIVEN_UP = "cancelHistoricalData"
"""What the libraries send when a request took too long."""
GLOBAL = "reqGlobalCancel"
OF_ORDERS = frozenset({"cancelOrder", GLOBAL})
CANCELLING: Mapping[int, frozenset[str]] = {
    **dict.fromkeys((135, 136, 137, 161, 202, 10147, 10148, 10149), OF_ORDERS),
    300: frozenset({"cancelMktData"}),
    310: frozenset({"cancelMktDepth"}),
    365: frozenset({"cancelScannerSubscription"}),
    366: frozenset({"cancelHistoricalData"}),
}
"""By the code of a notice the requests that it answers, where those take back another request."""
EITHER = frozenset({135, 202})
"""Codes that may also tell of an order that nobody here took back, or of a change of it."""
ONCE: Mapping[str, tuple[str, bool]] = {
    "reqHistoricalData": ("keepUpToDate", False),
    "reqMktData": ("snapshot", True),
    "reqAccountUpdates": ("subscribe", False),
}
"""By request the parameter, and the value of it, with which nothing goes on after it."""


@dataclass(frozen=True)
class Request:
    """One outbound API request.

    Attributes:
        req_id: what the gateway's answers and notices refer to; an order's is its order ID. None
            where the request has no such number.
        method: the name of the library's client method.
        parameters: its arguments by the names that the method gives them, defaults included.
            Contracts and orders are as they were when the request was sent; what they refer to
            in turn, as combo legs, is shared with the user's object.
        contract: the contract among them, or None. Of a cancel that a notice answers it is that of
            the request that was to be cancelled.
        time: when it was sent, in seconds since the epoch.
        client_id: the client ID that it was sent with.
        connection: which connection of this kernel it went over: reqIds repeat on others.
        gave_up: it is a cancel that the library sent itself, because no answer had come in time.
        is_complete: all that it was called with has a name; if code that hides the names stands
            around the library's method, it can be told of, but not repeated.
    """

    req_id: int | None
    method: str
    parameters: Mapping[str, Any]
    contract: Any | None
    time: float
    client_id: int
    connection: int
    gave_up: bool = False
    is_complete: bool = True

    @property
    def is_cancel(self) -> bool:
        """Whether it takes back another request."""
        return self.method.startswith(CANCEL) or self.method == GLOBAL


_Entry = tuple[int, int, float, str, dict[str, Any], bool, bool]
"""Connection, client ID, time, method, parameters; whether given up by it, and complete.

A plain one: it is made for every request.
"""


class RequestJournal:
    """A bounded record of the requests that this notebook's connections sent.

    Attributes:
        sent: when the last messages were sent, over all connections of this kernel, in seconds
            since the epoch, oldest first. A message that the library holds back, so as not to send
            too fast, counts when it is sent.
    """

    def __init__(self) -> None:
        self.sent: deque[float] = deque(maxlen=MESSAGES_KEPT)
        self._entries: deque[_Entry] = deque(maxlen=KEPT)
        self._standing: dict[int, dict[int | str, _Entry]] = {}
        self._connections = 0

    def __repr__(self) -> str:
        """Say how many requests are kept, and how many subscriptions stand."""
        standing = sum(map(len, self._standing.values()))
        return f"<RequestJournal: {len(self._entries)} requests, {standing} subscriptions>"

    def new_connection(self) -> int:
        """Return a number that no connection of this kernel had yet."""
        self._connections += 1
        return self._connections

    def attach(
        self,
        ib: Any,
        connection: int,
        client_id: int,
        began: Callable[[Request], None] = lambda _request: None,
        gave_up: Callable[[Any], bool] = lambda _req_id: False,
    ) -> None:
        """Begin to take down what an `IB` object requests; what is refused on this side is not.

        `began` is told of each request that goes on until it is cancelled. `gave_up` says whether
        the library itself has stopped waiting for an answer to a request.
        """
        add, clock = self._entries.append, time.time
        standing = self._standing.setdefault(connection, {})

        def note(method: str, parameters: dict[str, Any], complete: bool) -> None:
            given_up = method == GIVEN_UP and gave_up(_number_in(parameters))
            entry = connection, client_id, clock(), method, parameters, given_up, complete
            add(entry)
            if method in STARTING:
                _begin(standing, entry)
                began(_read(entry))
            elif method in ENDING:
                standing.pop(cancel_key(_read(entry)), None)

        note_requests(ib, note, lambda: self.sent.append(clock()))

    def detach(self, ib: Any, connection: int) -> None:
        """Undo `attach`."""
        self._standing.pop(connection, None)
        note_no_requests(ib)

    def all(self) -> tuple[Request, ...]:
        """Return the requests that are kept, oldest first."""
        return tuple(map(_read, self._entries))

    def standing(self, connection: int) -> tuple[Request, ...]:
        """Return the subscriptions of a connection that were not cancelled, oldest first."""
        return tuple(map(_read, self._standing.get(connection, {}).values()))

    def end(self, connection: int, asked: int | str) -> None:
        """Take note that a subscription is cancelled: its number, or what it is about."""
        self._standing.get(connection, {}).pop(asked, None)

    def since(self, begin: float, methods: Collection[str]) -> tuple[Request, ...]:
        """Return the kept requests of some methods from a time on (seconds since the epoch)."""
        return tuple(
            _read(entry) for entry in self._entries if entry[2] >= begin and entry[3] in methods
        )

    def reaches_back(self, begin: float) -> bool:
        """Say whether every request since a time is still kept."""
        return len(self._entries) < KEPT or self._entries[0][2] < begin

    def request(self, req_id: int, connection: int | None = None) -> Request | None:
        """Return the latest request with a reqId, on any connection or on one; None without any.

        One that cancels counts only where the request that it takes back is not kept.
        """
        return self._latest(self._with_id(req_id, connection))

    def request_of(self, notice: Notice) -> Request | None:
        """Return the request that a notice speaks of, or None if it speaks of none."""
        if notice.req_id == NO_REQUEST:
            return None
        found = self._with_id(notice.req_id, notice.connection or None)
        before = notice.time or time.time()
        latest = self._latest(request for request in found if request.time <= before)
        cancel = self._cancel_of(notice, before)
        if cancel is None:
            return latest
        return replace(cancel, contract=latest.contract if latest is not None else None)

    def _cancel_of(self, notice: Notice, before: float) -> Request | None:
        """Return the cancel that a notice answers, or None if it answers none."""
        methods = CANCELLING.get(notice.code, frozenset())
        asked_since = False
        for entry in reversed(self._entries) if methods else ():
            over, _, when, method, parameters, *_ = entry
            if notice.connection not in {0, over} or when > before:
                continue
            own = _number_in(parameters) == notice.req_id
            if method in methods and (own or (method == GLOBAL and not asked_since)):
                return _read(entry)
            if own and not method.startswith(CANCEL):
                if notice.code in EITHER:
                    return None
                asked_since = True
        return None

    def gave_up_on(self, notice: Notice) -> Request | None:
        """Return the request of a notice if the library gave it up; None if it did not."""
        found = self._with_id(notice.req_id, notice.connection or None)
        before = notice.time or time.time()
        sent = [request for request in found if request.time <= before]
        return self._latest(iter(sent)) if sent and sent[0].gave_up else None

    def _with_id(self, req_id: int, connection: int | None) -> Iterator[Request]:
        for entry in reversed(self._entries):
            over, parameters = entry[0], entry[4]
            if connection in {None, over} and _number_in(parameters) == req_id:
                yield _read(entry)

    @staticmethod
    def _latest(newest_first: Iterator[Request]) -> Request | None:
        cancel: Request | None = None
        for request in newest_first:
            if not request.is_cancel:
                return request
            cancel = cancel or request
        return cancel


def _begin(standing: dict[int | str, _Entry], entry: _Entry) -> None:
    request = _read(entry)
    name, value = ONCE.get(request.method, ("", None))
    if not name or bool(request.parameters.get(name)) is not value:
        standing[cancel_key(request)] = entry
    elif request.req_id is None:
        standing.pop(cancel_key(request), None)


def cancel_key(request: Request) -> int | str:
    """Return what a cancel refers to: a number, or of those without one what is asked for."""
    return what_of(request.method) if request.req_id is None else request.req_id


def what_of(method: str) -> str:
    """Return what a request or its cancel is about, by the name of its method."""
    return method.removeprefix("req").removeprefix(CANCEL)


def what_is_asked(request: Request) -> tuple[Any, ...]:
    """Return what makes two requests the same to a user, whatever their numbers."""
    contract = request.contract
    about = (contract.conId or repr(contract)) if contract is not None else None
    others = {name: one for name, one in request.parameters.items() if name not in ID_NAMES}
    others.pop("contract", None)
    return request.method, about, repr(sorted(others.items()))


def _number_in(parameters: Mapping[str, Any]) -> int | None:
    return next((parameters[name] for name in ID_NAMES if name in parameters), None)


def _read(entry: _Entry) -> Request:
    connection, client_id, when, method, kept, gave_up, complete = entry
    parameters = {name: restored(value) for name, value in kept.items()}
    return Request(
        req_id=_number_in(parameters),
        method=method,
        parameters=parameters,
        contract=parameters.get("contract"),
        time=when,
        client_id=client_id,
        connection=connection,
        gave_up=gave_up,
        is_complete=complete,
    )

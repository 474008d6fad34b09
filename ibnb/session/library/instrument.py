"""What ibnb puts on one `IB` object of either library, and takes off again.

Everything goes through public names, and onto the object alone, never onto a class.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from . import libraries
from .patches import MethodPatch, install_patch, remove_patch
from .protocols import Ib

SENDING = ("send", "sendMsg", "getReqId", "connect", "connectAsync")
WAITING = ("connect", "connectAsync", "waitOnUpdate", "loopUntil")
ORDERING = ("placeOrder", "exerciseOptions")
RUNS = "runs"

MOST_GIVEN_UP = 100


class Pending(dict[asyncio.Future[Any], tuple[Any, Any]]):
    """Futures of requests that wait for an answer: under which key each does, and what it fills.

    Attributes:
        given_up: the keys of those that nobody waits for any more, the last ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.given_up: deque[Any] = deque(maxlen=MOST_GIVEN_UP)

    def ended(self, future: asyncio.Future[Any]) -> None:
        """Take note that a request is over, answered or not."""
        key, _ = self.pop(future, (None, None))
        if future.cancelled():
            self.given_up.append(key)


def _events_of(owner: Any) -> Iterator[tuple[str, Any]]:
    for name in getattr(owner, "events", ("updateEvent",)):
        event = getattr(owner, name, None)
        if event is not None:
            yield name, event


def _event_owners(ib: Ib) -> Iterator[Any]:
    yield ib
    yield ib.client
    yield from ib.tickers()
    yield from ib.trades()
    yield from ib.wrapper.reqId2Subscriber.values()


@cache
def own_handler_counts(kind: Callable[[], Any]) -> dict[str, int]:
    """Return how many handlers the library itself puts on the events of a fresh `IB`."""
    return handler_counts(kind())


def handler_counts(ib: Ib) -> dict[str, int]:
    """Return how many handlers each event of an `IB` object and of its tickers and bars has."""
    counts: dict[str, int] = {}
    for owner in _event_owners(ib):
        if owner is ib.client:
            continue
        for name, event in _events_of(owner):
            if len(event):
                label = name if owner is ib else f"{type(owner).__name__}.{name}"
                counts[label] = counts.get(label, 0) + len(event)
    return counts


def subscriptions(ib: Ib) -> tuple[str, ...]:
    """Return what an `IB` object is subscribed to, in words: market data, bars and scanners."""
    found = []
    for kind, tickers in ib.wrapper.ticker2ReqId.items():
        if kind != "snapshot":
            found += [f"market data {_symbol(ticker.contract)}" for ticker in tickers]
    for subscriber in ib.wrapper.reqId2Subscriber.values():
        contract = getattr(subscriber, "contract", None)
        label = f" {_symbol(contract)}" if contract is not None else ""
        found.append(f"{type(subscriber).__name__}{label}")
    return tuple(found)


def _symbol(contract: Any) -> str:
    return str(contract.localSymbol or contract.symbol or contract.conId)


def silence(ib: Ib) -> None:
    """Take every handler off an `IB` object, its tickers, trades and subscriptions."""
    for owner in list(_event_owners(ib)):
        for _, event in _events_of(owner):
            for inner in (event, event.done_event, event.error_event):
                if inner is not None:
                    inner.clear()
    ib.setTimeout(0)


def track_requests(ib: Ib) -> Pending:
    """Return an `IB` object's pending request futures, kept up to date from now on."""
    pending = Pending()
    start = ib.wrapper.startReq

    def start_tracked(key: Any, contract: Any = None, container: Any = None) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = start(key, contract, container)
        pending[future] = key, [] if container is None else container
        future.add_done_callback(pending.ended)
        return future

    ib.wrapper.startReq = start_tracked
    return pending


def end_refused(ib: Ib, pending: Pending, req_id: int, code: int, text: str) -> None:
    """End the request that a gateway refused as invalid, where the library leaves it waiting.

    ib_async takes notice 321 for a warning, and a request of its waits for ever after it; in
    ib_insync it has ended already, in just this way.
    """
    for future, (key, container) in tuple(pending.items()):
        if key != req_id or future.done():
            continue
        if ib.RaiseRequestErrors:
            future.set_exception(libraries.request_error(ib, req_id, code, text))
        else:
            future.set_result(container)


def contain_loss(
    ib: Ib,
    pending: Pending,
    others_open: Callable[[], bool],
    lost: Callable[[], Callable[[], None]],
) -> None:
    """Keep the loss of this object's socket from failing the calls of other connections.

    The libraries tell a loss to every blocking call of the process. If another connection is
    open, only what waits on this one is failed: its own requests, and a wait for its next update.
    `lost` is called first of all, and what it returns when the library has forgotten what it knew.
    A close that this side asked for is not a loss to the libraries.
    """
    tell_everybody = ib.wrapper.connectionClosed

    def closed() -> None:
        after = lost()
        if not others_open():
            tell_everybody()
            after()
            return
        for future in tuple(pending):
            if not future.done():
                future.set_exception(ConnectionError("Socket disconnect"))
        ib.wrapper.reset()
        after()
        ib.updateEvent.emit()

    ib.wrapper.connectionClosed = closed


def hear_notices(ib: Ib, heard: Callable[..., None]) -> None:
    """Call `heard` with each notice; a second time changes nothing."""
    hear_no_notices(ib, heard)
    ib.errorEvent.connect(heard)


def hear_no_notices(ib: Ib, heard: Callable[..., None]) -> None:
    """Undo `hear_notices`."""
    ib.errorEvent.disconnect(heard)


def tell_connected(ib: Ib) -> None:
    """Call the handlers of a connection that is there, as the library's own connect does."""
    ib.connectedEvent.emit()


def watch_end(ib: Ib, ended: Callable[[str], None]) -> None:
    """Call `ended` when this object's socket is closed, with the reason."""
    ib.client.conn.disconnected.connect(ended)


def unwatch_end(ib: Ib, ended: Callable[[str], None]) -> None:
    """Undo `watch_end`."""
    ib.client.conn.disconnected.disconnect(ended)


def forget(ib: Ib) -> None:
    """Let an `IB` object forget all that its gateway told, as its library does at a loss."""
    ib.wrapper.reset()


def give_client_id(ib: Ib, client_id: int) -> None:
    """Let an `IB` object know its client ID before it connects, as its library's connect does."""
    ib.wrapper.clientId = client_id


def untrack(ib: Ib) -> None:
    """Undo `track_requests` and `contain_loss`."""
    for name in ("startReq", "connectionClosed"):
        vars(ib.wrapper).pop(name, None)


def refuse(ib: Ib, error: Callable[[], Exception]) -> None:
    """Make every request, connect and wait on this one `IB` object raise what `error` makes."""

    def refused(*_args: Any, **_kwargs: Any) -> Any:
        raise error()

    for owner, names in ((ib.client, SENDING), (ib, WAITING)):
        for name in names:
            setattr(owner, name, refused)


def check_orders(ib: Ib, objection: Callable[[], Exception | None]) -> None:
    """Make the calls that send orders raise what `objection` finds at that moment, if anything.

    A what-if order is only answered, and cancelling is not touched.
    """

    def place_checked(layer: MethodPatch) -> Any:
        def place(order_id: Any, contract: Any, order: Any, *rest: Any) -> Any:
            error = None if is_what_if(order) else objection()
            if error is not None:
                raise error
            return layer.inner(order_id, contract, order, *rest)

        return place

    def exercise_checked(layer: MethodPatch) -> Any:
        def exercise(*args: Any, **kwargs: Any) -> Any:
            error = objection()
            if error is not None:
                raise error
            return layer.inner(*args, **kwargs)

        return exercise

    install_patch(ib.client, "placeOrder", RUNS, place_checked)
    install_patch(ib.client, "exerciseOptions", RUNS, exercise_checked)


def check_no_orders(ib: Ib) -> None:
    """Undo `check_orders`."""
    for name in ORDERING:
        remove_patch(ib.client, name, RUNS)


def is_what_if(order: Any) -> bool:
    """Say whether the libraries will send an order as one that is only answered."""
    # What the libraries write as 1: the gateway takes anything else, "True" too, for an order.
    return order.whatIf is True or str(order.whatIf) == "1"

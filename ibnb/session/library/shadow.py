"""A resume synchronises in the shadow: what the user has goes on showing what was known.

The gateway's answers to the synchronisation go to a second `IB` object of the same library, which
nobody else has. So no handler of the user's runs for what is only told again, and nothing looks
empty while half of it is there. When all of it came, it takes the place of what was known at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from . import instrument, libraries
from .patches import MethodPatch, install_patch, remove_patch
from .protocols import Client, Ib

KIND = "shadow"
SYNCHRONISED = frozenset(
    {
        *("position", "positionEnd"),
        *("openOrder", "orderStatus", "openOrderEnd", "completedOrder", "completedOrdersEnd"),
        *("execDetails", "execDetailsEnd", "commissionReport"),
        *("updateAccountValue", "updatePortfolio", "updateAccountTime", "accountDownloadEnd"),
        *("accountUpdateMulti", "accountUpdateMultiEnd", "accountSummary", "accountSummaryEnd"),
    }
)
"""The messages of which a synchronisation consists."""
HELD_BACK = (
    *("reqPositions", "reqOpenOrders", "reqAllOpenOrders", "reqCompletedOrders", "reqExecutions"),
    *("reqAccountUpdates", "reqAccountUpdatesMulti", "reqAccountSummary"),
)
"""The requests whose answers are such messages."""
ORDER = "placeOrder"


@contextlib.contextmanager
def shadowed(ib: Ib) -> Iterator[Any]:
    """Yield an `IB` object that gets what the gateway tells in a synchronisation, in place of `ib`.

    It sends over the client of `ib`. A request of the user's for the same, whose answer could not
    be told from the synchronisation's, is sent when all of it came. So is a what-if order, of
    which the answer is an open order; no other order is expected here.
    """
    shadow = libraries.ib_class(ib)()
    own_client, shadow.client = shadow.client, _Sender(ib.client)
    shadow.wrapper.clientId, shadow.TimezoneTWS = ib.wrapper.clientId, ib.TimezoneTWS
    pending = instrument.track_requests(shadow)
    decoder, connection = ib.client.decoder, ib.client.conn

    def lost(_reason: str) -> None:
        for future in tuple(pending):
            if not future.done():
                future.set_exception(ConnectionError("Socket disconnect"))

    connection.disconnected.connect(lost)
    decoder.wrapper = _Router(ib.wrapper, shadow.wrapper, pending)
    try:
        with _held_back(ib.client):
            yield shadow
    finally:
        decoder.wrapper = ib.wrapper
        connection.disconnected.disconnect(lost)
        # Whoever drops an `IB` closes its client: this one's must be its own again by then.
        shadow.client = own_client


@contextlib.contextmanager
def _held_back(client: Client) -> Iterator[None]:
    """Hold back what is requested, and send it at the end unless that is an exception."""
    held: list[Callable[[], Any]] = []

    def holding(layer: MethodPatch) -> Any:
        def hold(*args: Any, **kwargs: Any) -> None:
            held.append(partial(layer.inner, *args, **kwargs))

        return hold

    def placing(layer: MethodPatch) -> Any:
        def place(order_id: Any, contract: Any, order: Any, *rest: Any) -> Any:
            call = partial(layer.inner, order_id, contract, order, *rest)
            return held.append(call) if instrument.is_what_if(order) else call()

        return place

    for name in HELD_BACK:
        install_patch(client, name, KIND, holding)
    install_patch(client, ORDER, KIND, placing)
    try:
        yield
    finally:
        for name in (*HELD_BACK, ORDER):
            remove_patch(client, name, KIND)
    for call in held:
        call()


class _Sender:
    """Stands for a client: what a synchronisation asks for over it is not held back."""

    def __init__(self, client: Client) -> None:
        vars(self).update({name: getattr(client, name) for name in HELD_BACK})
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)


class _Router:
    """Stands for a wrapper: hands each message to the one that it is for."""

    def __init__(self, users: Any, shadow: Any, pending: instrument.Pending) -> None:
        self._users = users
        self._shadow = shadow
        self._pending = pending

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shadow if name in SYNCHRONISED else self._users, name)

    def managedAccounts(self, *args: Any) -> None:  # noqa: N802 - the libraries' name
        self._users.managedAccounts(*args)
        self._shadow.managedAccounts(*args)

    def error(self, req_id: int, *args: Any) -> None:
        is_shadows = any(key == req_id for key, _ in self._pending.values())
        (self._shadow if is_shadows else self._users).error(req_id, *args)

"""A resume synchronises in the shadow: what the user has goes on showing what was known.

The gateway's answers to the synchronisation go to a second `IB` object of the same library, which
nobody else has. So no handler of the user's runs for what is only told again, and nothing looks
empty while half of it is there. When all of it came, it takes the place of what was known at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from . import harness, libraries
from .layers import Layer, put_on, take_off

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
ASKED_BY_NAME = frozenset({"positions", "openOrders", "completedOrders", "accountValues"})
"""The library's own names for requests whose answers tell no number."""


@contextlib.contextmanager
def shadowed(ib: Any, refusal: Callable[[], Exception]) -> Iterator[Any]:
    """Yield an `IB` object that gets what the gateway tells in a synchronisation, in place of `ib`.

    It sends over the client of `ib`. A request of the user's for the same, whose answer could not
    be told from the synchronisation's, raises what `refusal` makes.
    """
    shadow = libraries.ib_class(ib)()
    own_client, shadow.client = shadow.client, ib.client
    shadow.wrapper.clientId, shadow.TimezoneTWS = ib.wrapper.clientId, ib.TimezoneTWS
    pending = harness.track_requests(shadow)
    decoder, connection = ib.client.decoder, ib.client.conn

    def lost(_reason: str) -> None:
        for future in tuple(pending):
            if not future.done():
                future.set_exception(ConnectionError("Socket disconnect"))

    def starting(layer: Layer) -> Any:
        def start(key: Any, *args: Any, **kwargs: Any) -> Any:
            if key in ASKED_BY_NAME:
                raise refusal()
            return layer.inner(key, *args, **kwargs)

        return start

    put_on(ib.wrapper, "startReq", KIND, starting)
    connection.disconnected.connect(lost)
    decoder.wrapper = _Router(ib.wrapper, shadow.wrapper, pending)
    try:
        yield shadow
    finally:
        decoder.wrapper = ib.wrapper
        connection.disconnected.disconnect(lost)
        take_off(ib.wrapper, "startReq", KIND)
        # Whoever drops an `IB` closes its client: this one's must be its own again by then.
        shadow.client = own_client


class _Router:
    """Stands for a wrapper: hands each message to the one that it is for."""

    def __init__(self, users: Any, shadow: Any, pending: harness.Pending) -> None:
        self._users = users
        self._shadow = shadow
        self._pending = pending

    def __getattr__(self, name: str) -> Any:
        if name == "managedAccounts":
            return self._both(name)
        if name == "error":
            return self._error
        return getattr(self._shadow if name in SYNCHRONISED else self._users, name)

    def _both(self, name: str) -> Callable[..., None]:
        def tell(*args: Any) -> None:
            getattr(self._users, name)(*args)
            getattr(self._shadow, name)(*args)

        return tell

    def _error(self, req_id: int, *args: Any) -> None:
        is_shadows = any(key == req_id for key, _ in self._pending.values())
        (self._shadow if is_shadows else self._users).error(req_id, *args)

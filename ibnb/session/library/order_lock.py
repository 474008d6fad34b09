"""The order lock: where bytes leave the process, and no order does unless the account is paper.

What composes a message can be called, copied, kept and replaced in any number of ways, but all of
it ends in one transport. There stands a door, on one `IB` object and for good: it needs no session
and no guard, and goes along when the object connects again.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from ibnb.tws.accounts import is_paper
from ibnb.tws.outgoing import OutgoingReader, is_what_if, may_be_order
from ibnb.tws.wire import frame

from .patches import MethodPatch, install_patch
from .protocols import Ib

if TYPE_CHECKING:
    from ibnb.session.client_ids.trading_right import TradingRight

KIND = "order lock"
LOCK = "order_lock"
DOOR = "door"
"""The attributes of a library's connection that have its lock, and the door that it writes to."""
SENDING = "sendMsg"
"""The method by which a client sends a message, or puts it into its queue."""

Refusal = Callable[[Sequence[str], str, int], Exception]
"""Makes the error of an order that is not sent: for the accounts of a host and port."""


class OrderLock:
    """Decides what may leave, by the account that the client has at that moment.

    Until it is known to be paper, orders are refused: the same object may be connected to another
    gateway at any time.

    Args:
        client: returns the library's client, or None if nobody has it any more.
        refusal: makes the error of an order on an account that is not paper.
        right: lets orders go to such an account all the same; None if nothing does.
    """

    def __init__(
        self, client: Callable[[], Any], refusal: Refusal, right: TradingRight | None = None
    ) -> None:
        self._client = client
        self._refusal = refusal
        self._right = right

    def __repr__(self) -> str:
        """Say whether orders pass."""
        return f"<OrderLock: {'open' if self.is_open else 'locked'}>"

    @property
    def is_open(self) -> bool:
        """Whether orders pass: the account is known to be paper, or there is a right to it."""
        accounts = self._accounts
        return bool(accounts) and (
            is_paper(accounts) or (self._right is not None and self._right.allows(accounts))
        )

    @property
    def _accounts(self) -> Sequence[str]:
        client = self._client()
        return client.getAccounts() if client is not None and client.isReady() else ()

    def _opens(self) -> bool:
        """Say whether an order passes that is about to leave."""
        accounts = self._accounts
        return bool(accounts) and (
            is_paper(accounts) or (self._right is not None and self._right.allows_now(accounts))
        )

    def check(self, message: str) -> None:
        """Raise if a message is an order that may not leave."""
        if self._is_order(frame(message.encode())) and not self._opens():
            raise self._error()

    def let_through(self, pieces: list[bytes]) -> list[bytes]:
        """Return what may leave of some pieces of an outgoing stream."""
        passing = [piece for piece in pieces if not self._is_order(piece)]
        return passing if len(passing) == len(pieces) or not self._opens() else pieces

    def refuse(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Raise for what does not leave.

        It ends the sending of what the client's queue still holds, which is sent in a moment.
        """
        client = self._client()
        if client is not None and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(getattr(client, SENDING), None)
        raise self._error()

    def _is_order(self, piece: bytes) -> bool:
        if not may_be_order(piece):
            return False
        client = self._client()
        return client is None or not is_what_if(piece, client.serverVersion())

    def _error(self) -> Exception:
        client = self._client()
        if client is None or not client.isReady():
            # What the libraries say then.
            return ConnectionError("Not connected")
        return self._refusal(client.getAccounts(), client.host, client.port)


class Door:
    """Stands in for a transport: the same to whoever uses it, but what is written passes a lock.

    Of the transport's own it hands out what is public.
    """

    def __init__(self, transport: Any, lock: OrderLock) -> None:
        # asyncio has no public way to ask a transport for its loop; all of its transports have it.
        self._loop: asyncio.AbstractEventLoop | None = getattr(transport, "_loop", None)
        self._behind = transport
        self._write = _writing(transport.write, lock, self._loop)
        # For whoever has it from its loop. Transports that are not written in Python refuse.
        with contextlib.suppress(AttributeError, TypeError):
            transport.write, transport.writelines = self.write, self.writelines

    def __repr__(self) -> str:
        """Name what stands behind it."""
        return f"<Door: {self._behind!r}>"

    def __getattr__(self, name: str) -> Any:
        """Return what the transport has under a public name."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._behind, name)

    def write(self, data: Any) -> None:
        """Write what may leave; what is not complete waits for the rest.

        Raises:
            OrdersLocked: an order was among it. The rest has left.
            ConnectionError: the same, where the account is not known yet.
        """
        self._write(data)

    def writelines(self, lines: Any) -> None:
        """Write several pieces of data, as `write` does."""
        self._write(b"".join(lines))


def _writing(
    write: Callable[[Any], None], lock: OrderLock, loop: asyncio.AbstractEventLoop | None
) -> Callable[[Any], None]:
    """Return a function that writes what a lock lets through.

    What it calls is nobody's attribute: whoever writes comes through here.
    """
    reader, turn = OutgoingReader(), threading.RLock()

    def write_checked(data: Any) -> None:
        with turn:
            pieces = reader.feed(data if type(data) is bytes else bytes(memoryview(data)))
            passing = lock.let_through(pieces)
            if passing:
                write(b"".join(passing))
        if len(passing) < len(pieces):
            lock.refuse(loop)

    return write_checked


def lock_orders(ib: Ib, refusal: Refusal, right: TradingRight | None = None) -> None:
    """Lock the orders of an `IB` object, for good: while its account is not known to be paper.

    With a `right`, they pass while that allows it.

    Messages are checked when they are put into the client's queue, so that the caller hears of it,
    and once more when they leave. Cancelling and what-if orders pass.
    """
    client = ib.client
    lock = OrderLock(weakref.ref(client), refusal, right)
    _put_door(client.conn, lock)

    def checking(layer: MethodPatch) -> Any:
        def send(msg: Any) -> Any:
            if isinstance(msg, str):
                lock.check(msg)
            return layer.inner(msg)

        return send

    install_patch(client, SENDING, KIND, checking)


def orders_locked(ib: Ib) -> bool:
    """Say whether an `IB` object has an order lock, and it is not open."""
    lock = getattr(ib.client.conn, LOCK, None)
    return lock is not None and not lock.is_open


def _put_door(connection: Any, lock: OrderLock) -> None:
    """Have every transport that a library's connection gets, now or later, behind a door."""
    transport, kind = connection.transport, connection.__class__
    connection.__class__ = _with_door(kind)
    vars(connection).pop("transport", None)
    setattr(connection, LOCK, lock)
    connection.transport = transport


@cache
def _with_door(kind: Any) -> Any:
    """Return the class of a library's connections with doors, by the same name."""
    if hasattr(kind, LOCK):
        return kind

    def take(connection: Any, transport: Any) -> None:
        is_new = transport is not None and not isinstance(transport, Door)
        door = Door(transport, getattr(connection, LOCK)) if is_new else transport
        setattr(connection, DOOR, door)

    its_own = {name: getattr(kind, name) for name in ("__doc__", "__module__", "__qualname__")}
    added = {
        "transport": property(attrgetter(DOOR), take),
        DOOR: None,
        # For an object of this class that somebody makes: nothing is known of its account.
        LOCK: OrderLock(lambda: None, lambda *_address: AssertionError()),
    }
    return type(kind.__name__, (kind,), its_own | added)

"""What an `IB` object of the user's or of ibnb's tells of itself, without asking its gateway."""

from __future__ import annotations

import select
import time
from typing import Any

from ibnb.session.address import Address, address_of

from .protocols import Ib


def address(ib: Ib) -> Address:
    """Return where an `IB` object is or was connected, and as which client."""
    client = ib.client
    return address_of(client.host, client.port, client.clientId)


def was_connected(ib: Ib) -> bool:
    """Say whether an `IB` object has ever begun to connect."""
    return bool(ib.client.host)


def server_version(ib: Ib) -> int:
    """Return the version that was agreed on with the gateway."""
    return ib.client.serverVersion()


def accounts(ib: Ib) -> tuple[str, ...]:
    """Return the accounts that the gateway told, those of an earlier connection too."""
    return tuple(ib.wrapper.accounts)


def reached_tcp(ib: Ib) -> bool:
    """Say whether an `IB` object's latest connect got an open socket, gone again or not."""
    connection = ib.client.conn
    # The greeting is sent as soon as TCP is open.
    return connection.transport is not None or bool(connection.numBytesSent)


def is_connected(ib: Ib) -> bool:
    """Say whether requests can be sent, as far as the library knows."""
    return bool(ib.isConnected())


def is_usable(ib: Ib) -> bool:
    """Say whether an `IB` object is connected and still has its socket."""
    return is_connected(ib) and ib.client.conn.transport is not None


def awaited(ib: Ib) -> frozenset[Any]:
    """Return the numbers of the requests to which an answer is still to come, given up or not."""
    # Nothing public tells of those that the user interrupted, which the gateway still works at.
    return frozenset(getattr(ib.wrapper, "_futures", ()))


def own_trade(ib: Ib, order_id: int) -> Any:
    """Return the trade of an order of this client; None if it has no such order."""
    return ib.wrapper.trades.get((ib.wrapper.clientId, order_id))


def heard_ago(ib: Ib) -> float | None:
    """Return how many seconds ago the last byte came over an open connection; None without one.

    The libraries take down when each packet came, so that it costs nothing to know. If the user
    calls `ib.setTimeout` they begin anew, as if something had come.
    """
    if not is_usable(ib):
        return None
    return max(0.0, time.time() - ib.wrapper.lastTime.timestamp())


def has_unread(ib: Ib) -> bool:
    """Say whether the socket has bytes that nobody has read, as while its own callback waits."""
    transport = ib.client.conn.transport
    sock = transport.get_extra_info("socket") if transport is not None else None
    try:
        return sock is not None and bool(select.select([sock.fileno()], [], [], 0)[0])
    except (OSError, ValueError):
        # A closed socket, or a number beyond what `select` can look at.
        return False

"""Functions around the methods by which an `IB` object is told something or begins to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from .patches import Around, install_patch, remove_patch
from .protocols import Ib

NOTICE = "error"
"""Takes a notice, and logs it before anybody else hears: request, code, text, and more."""
TIME = "currentTime"
"""Takes the gateway's time, in seconds since the epoch."""
WAITING = "startReq"
"""Begins to wait for an answer: by its key, which is a number or a name. Returns a future."""


def stand_around(ib: Ib, method: str, kind: str, around: Around) -> None:
    """Let a function stand around one of these methods."""
    install_patch(ib.wrapper, method, kind, around)


def stand_around_no_more(ib: Ib, method: str, kind: str) -> None:
    """Undo `stand_around`."""
    remove_patch(ib.wrapper, method, kind)


@contextmanager
def socket_heard(
    ib: Ib, on_data: Callable[[bytes], Any], on_closed: Callable[[str], Any]
) -> Iterator[None]:
    """Let functions be told what comes over the socket, and its end with the reason.

    The events keep functions strongly and methods weakly.
    """
    connection = ib.client.conn
    connection.hasData.connect(on_data)
    connection.disconnected.connect(on_closed)
    try:
        yield
    finally:
        connection.hasData.disconnect(on_data)
        connection.disconnected.disconnect(on_closed)

"""How this kernel's connections ended: lost, replaced, or closed, and since when."""

from __future__ import annotations

import time
import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal

from ibnb.session.address import Address, where
from ibnb.session.library import reading
from ibnb.tws.accounts import mask_in
from ibnb.tws.clock import clock
from ibnb.tws.notices import Notice

End = Literal["lost", "replaced", "closed"]
KEPT = 50
RECENT = 60.0
"""Seconds for which a notice may have to do with a loss that follows it."""
CLOSED = "the other side closed the socket"
OWN_CODE = "the notebook's own code"


@dataclass(frozen=True)
class Loss:
    """One connection whose socket was lost, which nobody here had asked for.

    Attributes:
        time: when, in seconds since the epoch.
        address: host, port and client ID of the connection.
        opened_at: since when it was open, in seconds since the epoch.
        reason: what the operating system said of it, or that the other side closed.
        last_notice: what the gateway had sent last over this connection, or None.
    """

    time: float
    address: Address
    opened_at: float
    reason: str
    last_notice: Notice | None

    @property
    def client_id(self) -> int:
        """The client ID that the connection had."""
        return self.address[2]

    @property
    def where(self) -> str:
        """The address for people."""
        return where(self.address)

    def tell(self) -> str:
        """Return one sentence for people; accounts in it are masked."""
        notice, heard = self.last_notice, ""
        if notice is not None and self.time - notice.time < RECENT:
            heard = f"; the last notice before it was {notice.code}, {mask_in(notice.text)!r}"
        return f"{_this(self.address)} was lost at {clock(self.time)}: {self.reason}{heard}."


class DisconnectLog:
    """Remembers the last losses, and of every `IB` object that somebody still has how it ended."""

    def __init__(self) -> None:
        self._losses: deque[Loss] = deque(maxlen=KEPT)
        self._told: weakref.WeakKeyDictionary[Any, tuple[End, str]] = weakref.WeakKeyDictionary()

    @property
    def losses(self) -> tuple[Loss, ...]:
        """The losses of this kernel's connections, oldest first."""
        return tuple(self._losses)

    def lost(self, ib: Any, loss: Loss) -> None:
        """Take note that an object's socket was lost."""
        self._losses.append(loss)
        self._tell(ib, "lost", loss.tell())

    def replaced(self, ib: Any, because: str) -> None:
        """Take note that another connection took an object's place; `because` is one sentence."""
        self._tell(ib, "replaced", because)

    def closed(self, ib: Any, address: Address, by: str) -> None:
        """Take note that an object's connection was closed on purpose, `by` what."""
        told = f"{_this(address)} was closed at {clock(time.time())} by {by}."
        self._tell(ib, "closed", told)

    def disconnect_reason(self, ib: Any) -> str | None:
        """Return one sentence on how an object's connection ended; None while open or unknown."""
        told = None if reading.is_connected(ib) else self._told.get(ib)
        return told[1] if told is not None else None

    def end(self, ib: Any) -> End | None:
        """Return how an object's connection ended; None while open or unknown."""
        told = None if reading.is_connected(ib) else self._told.get(ib)
        return told[0] if told is not None else None

    def _tell(self, ib: Any, end: End, sentence: str) -> None:
        # Nobody has the object any more: nobody will ask.
        if ib is not None:
            self._told[ib] = end, sentence


def _this(address: Address) -> str:
    return f"The connection of this `ib` to {where(address)}"

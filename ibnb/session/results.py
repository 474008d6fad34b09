"""What came of opening, resuming or closing a connection, for whoever tells it to people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .address import Address
    from .connection import Connection, Resumed


@dataclass(frozen=True)
class Closed:
    """What was closed on purpose: where it was connected, and what it still had, by name."""

    address: Address
    left: tuple[str, ...] = ()


@dataclass(frozen=True)
class Opened:
    """What a connect did: the connection that is open now, and what was closed for it.

    `was_open`: what was replaced was open until then, and not lost or closed before.

    `how`: it was ``opened``, ``resumed`` after a loss, ``left`` as it was, since it was open and
    its gateway answers, or opened ``afresh``, since there was nothing to resume.

    `trading_objection`: why orders may not go although they were asked for, in a sentence.
    """

    connection: Connection
    closed: tuple[str, ...] = ()
    closed_where: str = ""
    was_open: bool = False
    asked_id: int = 0
    how: Literal["opened", "resumed", "left", "afresh"] = "opened"
    resumed: Resumed | None = None
    trading_objection: str = ""

"""The notebook's one API connection: opening, closing, client ID, journal, health, order lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibnb.handing_out import handing_out

if TYPE_CHECKING:
    from .client_ids.ids import parse_client_id, stable_client_id
    from .connection import Connection, Plan
    from .errors import (
        BadInputError,
        BlockingInHandler,
        BlockingOnThread,
        ConnectFailed,
        IbnbError,
        NoLibraryError,
        OrdersLocked,
        StaleConnection,
    )
    from .health import Health
    from .opening.retry import Waiting
    from .results import Closed, Opened
    from .session import Session

__all__ = [
    "BadInputError",
    "BlockingInHandler",
    "BlockingOnThread",
    "Closed",
    "ConnectFailed",
    "Connection",
    "Health",
    "IbnbError",
    "NoLibraryError",
    "Opened",
    "OrdersLocked",
    "Plan",
    "Session",
    "StaleConnection",
    "Waiting",
    "parse_client_id",
    "stable_client_id",
]
__getattr__ = handing_out(
    __name__,
    {
        "client_ids.ids": ("parse_client_id", "stable_client_id"),
        "connection": ("Connection", "Plan"),
        "errors": (
            *("BadInputError", "BlockingInHandler", "BlockingOnThread", "ConnectFailed"),
            *("IbnbError", "NoLibraryError", "OrdersLocked", "StaleConnection"),
        ),
        "health": ("Health",),
        "opening.retry": ("Waiting",),
        "results": ("Closed", "Opened"),
        "session": ("Session",),
    },
)

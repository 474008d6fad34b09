"""The notebook's one API connection: opening, closing, client ID, journal, health, order lock."""

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

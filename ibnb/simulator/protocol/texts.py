"""The notices that a simulated gateway sends: codes, and texts in the shape of the real ones."""

from __future__ import annotations

from ibnb.tws.notices import Code

DUPLICATE_ORDER_ID = 103
HISTORY_ERROR = 162
NO_TICKER = 300
UNREADABLE = 320
UNKNOWN_MESSAGE = 505
CANCEL_TOO_LATE = 10148
"""Codes that only the simulator sends, beside those in `ibnb.tws.notices.Code`."""

Text = tuple[int, str]
"""A notice's code and text."""

FARMS_OK: tuple[Text, ...] = (
    (Code.MARKET_FARM_OK, "Market data farm connection is OK:usfarm"),
    (Code.MARKET_FARM_OK, "Market data farm connection is OK:usfuture"),
    (Code.MARKET_FARM_OK, "Market data farm connection is OK:cashfarm"),
    (Code.HISTORY_FARM_OK, "HMDS data farm connection is OK:ushmds"),
    (Code.DEFINITION_FARM_OK, "Sec-def data farm connection is OK:secdefil"),
)
FARMS_BROKEN: tuple[Text, ...] = (
    (Code.MARKET_FARM_BROKEN, "Market data farm connection is broken:usfarm"),
    (Code.MARKET_FARM_BROKEN, "Market data farm connection is broken:usfuture"),
    (Code.MARKET_FARM_BROKEN, "Market data farm connection is broken:cashfarm"),
    (Code.HISTORY_FARM_BROKEN, "HMDS data farm connection is broken:ushmds"),
    (Code.DEFINITION_FARM_BROKEN, "Sec-def data farm connection is broken:secdefil"),
)
LINK_LOST: Text = (
    Code.LINK_LOST,
    "Connectivity between IBKR and Trader Workstation has been lost.",
)
LINK_RESTORED: Text = (
    Code.LINK_RESTORED_DATA_KEPT,
    (
        "Connectivity between IBKR and Trader Workstation has been restored - data maintained. "
        "All data farms are connected: usfarm; usfuture; cashfarm; ushmds; secdefil."
    ),
)
ID_IN_USE: Text = (
    Code.CLIENT_ID_IN_USE,
    "Unable to connect as the client id is already in use. Retry with a unique client id.",
)
DISCLAIMER: Text = (
    Code.PAPER_DISCLAIMER,
    "Paper trading disclaimer must first be accepted for API connection.",
)
NO_DEFINITION: Text = (
    Code.NO_SECURITY_DEFINITION,
    "No security definition has been found for the request",
)
CANCELLED: Text = (Code.ORDER_CANCELLED, "Order Canceled - reason:")
DUPLICATE: Text = (DUPLICATE_ORDER_ID, "Duplicate order id")
TOO_MANY_BARS: Text = (
    HISTORY_ERROR,
    "Historical Market Data Service error message:Time length exceed max.",
)
READ_ONLY: Text = (
    Code.VALIDATION,
    "Error validating request.-'bN' : cause - The API interface is currently in Read-Only mode.",
)
NO_EXCHANGE = "Please enter exchange"
NO_ORDER_EXCHANGE = "Missing order exchange"
"""Why data or an order is refused, a conId or not; users of real gateways report both."""
UNKNOWN_ID: Text = (UNKNOWN_MESSAGE, "Fatal Error: Unknown message id.")


def invalid(cause: str) -> Text:
    """Return the notice for a request that makes no sense."""
    return Code.VALIDATION, f"Error validating request.-'bN' : cause - {cause}"


def unreadable(cause: str) -> Text:
    """Return the notice for a request whose fields cannot be read."""
    return UNREADABLE, f"Error reading request. {cause}"


def no_ticker(req_id: int) -> Text:
    """Return the notice for the end of a market data subscription that there is not."""
    return NO_TICKER, f"Can't find EId with tickerId:{req_id}"


def not_found(order_id: int) -> Text:
    """Return the notice for the cancelling of an order that is not this client's."""
    return Code.CANCEL_NOT_FOUND, f"OrderId {order_id} that needs to be cancelled is not found."


def too_late(order_id: int, status: str) -> Text:
    """Return the notice for the cancelling of an order that is done."""
    return (
        CANCEL_TOO_LATE,
        f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {status}.",
    )

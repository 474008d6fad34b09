"""The notices that a simulated gateway sends: codes, and texts in the shape of the real ones."""

from __future__ import annotations

from ibnb.tws.notices import Code

DUPLICATE_ORDER_ID = 103
FILLED_ALREADY = 104
OTHER_ORDER = 105
PRICE_INCREMENT = 110
HISTORY_ERROR = 162
ORDER_REJECTED = 201
NO_TICKER = 300
NO_DEPTH = 310
NO_ACCOUNT = 435
TIME_WITHOUT_ZONE = 2174
NO_TICKS = 10189
NO_NEWS = 10276
CONTINUOUS_END = 10339
NO_FUNDAMENTALS = 10358
NOT_SIMULATED = 90001
NOT_RECORDED = 90002
NOT_PASSED = 90003
UNREADABLE = 320
UNKNOWN_MESSAGE = 505
CANCEL_TOO_LATE = 10148
"""Codes that only the simulator sends, beside those in `ibnb.tws.notices.Code`.

`NOT_SIMULATED` is no real gateway's: it says that the gap is ibnb's. No library takes it for a
warning, so that it ends the wait in each of them, which 321 does not in ib_async. The same is true
of `NOT_RECORDED`, of a recording that has no answer, and `NOT_PASSED`, of an order that is not
passed on to an account that may be live.
"""

Text = tuple[int, str]
"""A notice's code and text."""
_HISTORY_TEXT = "Historical Market Data Service error message:"

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
PRICE_TOO_FAR: Text = (
    Code.ORDER_CANCELLED,
    "Order Canceled - reason:The limit price is too far from the market.",
)
DUPLICATE: Text = (DUPLICATE_ORDER_ID, "Duplicate order id")
TOO_MANY_BARS: Text = (
    HISTORY_ERROR,
    f"{_HISTORY_TEXT}Time length exceed max.",
)
READ_ONLY: Text = (
    Code.VALIDATION,
    "Error validating request.-'bN' : cause - The API interface is currently in Read-Only mode.",
)
WRONG_INCREMENT: Text = (
    PRICE_INCREMENT,
    "The price does not conform to the minimum price variation for this contract.",
)
CANNOT_MODIFY_FILLED: Text = (FILLED_ALREADY, "Can't modify a filled order.")
DOES_NOT_MATCH: Text = (OTHER_ORDER, "Order being modified does not match original order.")
ACCOUNT_MISSING: Text = (NO_ACCOUNT, "You must specify an account.")
NEWS_NOT_ALLOWED: Text = (NO_NEWS, "News feed is not allowed.")
FUNDAMENTALS_NOT_ALLOWED: Text = (NO_FUNDAMENTALS, "Fundamentals data is not allowed.")
NO_END_FOR_CONTINUOUS: Text = (
    CONTINUOUS_END,
    "Setting end date/time for continuous future security type is not allowed",
)
DEPTH_NOT_FOUND = "Can't find the subscribed market depth with tickerId:"
ZONE_MISSING: Text = (
    TIME_WITHOUT_ZONE,
    (
        "Warning: a date and time without a time zone were sent; they are taken as UTC. "
        "Write yyyymmdd-hh:mm:ss for UTC, or name the zone."
    ),
)
NO_ADVISOR: Text = (
    Code.VALIDATION,
    "Error validating request.-'bN' : cause - FA data operations ignored for non FA customers.",
)
NOT_PASSED_ON: Text = (
    NOT_PASSED,
    (
        "ibnb records this gateway, and did not pass the order on: while it records, orders pass "
        "only if every account of the session is a paper account."
    ),
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


def not_simulated(what: str) -> Text:
    """Return the notice for what a real gateway does and this one does not."""
    return (
        NOT_SIMULATED,
        f"ibnb's simulated gateway does not simulate {what}. A real TWS or IB Gateway does.",
    )


def not_recorded(what: str) -> Text:
    """Return the notice for a request whose answer a recording does not have."""
    return (
        NOT_RECORDED,
        f"The recording that ibnb answers from has no answer to this request ({what}).",
    )


def no_data(instrument: str) -> Text:
    """Return the notice for history of a kind that there is not."""
    return HISTORY_ERROR, f"{_HISTORY_TEXT}No historical market data for {instrument}"


def no_ticks(symbol: str) -> Text:
    """Return the notice for single trades of what has none."""
    return NO_TICKS, f"Failed to request tick-by-tick data. Invalid Real-time Query:{symbol}"


def empty_history(what: str) -> Text:
    """Return the notice for history of a time in which there was none."""
    return HISTORY_ERROR, f"{_HISTORY_TEXT}HMDS query returned no data: {what}"


def scanner_cancelled(req_id: int) -> Text:
    """Return the notice for the end of a scanner's subscription."""
    return HISTORY_ERROR, f"{_HISTORY_TEXT}API scanner subscription cancelled: {req_id}"


def rejected(reason: str) -> Text:
    """Return the notice for an order that was refused."""
    return ORDER_REJECTED, f"Order rejected - reason:{reason}"


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

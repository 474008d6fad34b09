"""The notices that a simulated gateway sends: codes, and texts in the shape of the real ones."""

from __future__ import annotations

from collections.abc import Mapping

from ibnb.tws.codes import Code

MESSAGE_RATE = 100
MARKET_LINES = 101
DUPLICATE_ORDER_ID = 103
FILLED_ALREADY = 104
OTHER_ORDER = 105
PRICE_INCREMENT = 110
NOT_CANCELLABLE = 161
HISTORY_ERROR = 162
HISTORY_MESSAGE = 165
ORDER_REJECTED = 201
NO_TICKER = 300
DEPTH_LINES = 309
NO_DEPTH = 310
UNREADABLE = 320
PROCESSING = 322
BAD_GOOD_TILL_DATE = 334
BAD_GOOD_AFTER_TIME = 337
BAD_DATE = 343
NOT_SUBSCRIBED = 354
ORDER_HELD = 399
NO_REAL_TIME = 420
NO_ACCOUNT = 435
UNKNOWN_MESSAGE = 505
TIME_WITHOUT_ZONE = 2174
NEEDS_API_SUBSCRIPTION = 10089
PARTLY_SUBSCRIBED = 10090
CANCEL_TOO_LATE = 10148
DELAYED_NOT_ENABLED = 10168
DELAYED_NOT_ENABLED_OLD = 10186
LIVE_BARS = 10182
NO_TICKS = 10189
TICK_LINES = 10190
COMPETING = 10197
NO_NEWS = 10276
EXERCISE_WARNING = 10333
CONTINUOUS_END = 10339
TIF_PRESET = 10349
NO_FUNDAMENTALS = 10358
NOT_SIMULATED = 90001
NOT_RECORDED = 90002
NOT_PASSED = 90003
"""Codes that only the simulator sends, beside those in `ibnb.tws.codes.Code`.

`NOT_SIMULATED` is no real gateway's: it says that the gap is ibnb's. No library takes it for a
warning, so that it ends the wait in each of them, which 321 does not in ib_async. The same is true
of `NOT_RECORDED`, of a recording that has no answer, and `NOT_PASSED`, of an order that is not
passed on to an account that may be live.
"""

Text = tuple[int, str]
"""A notice's code and text."""
_HISTORY_TEXT = "Historical Market Data Service error message:"

_FARM_TEXTS: Mapping[tuple[str, str], Text] = {
    ("market", "ok"): (Code.MARKET_FARM_OK, "Market data farm connection is OK:"),
    ("market", "broken"): (Code.MARKET_FARM_BROKEN, "Market data farm connection is broken:"),
    ("market", "connecting"): (Code.MARKET_FARM_CONNECTING, "Market data farm is connecting:"),
    ("market", "asleep"): (
        Code.MARKET_FARM_ASLEEP,
        "Market data farm connection is inactive but should be available upon demand.",
    ),
    ("history", "ok"): (Code.HISTORY_FARM_OK, "HMDS data farm connection is OK:"),
    ("history", "broken"): (Code.HISTORY_FARM_BROKEN, "HMDS data farm connection is broken:"),
    ("history", "asleep"): (
        Code.HISTORY_FARM_ASLEEP,
        "HMDS data farm connection is inactive but should be available upon demand.",
    ),
    ("definitions", "ok"): (Code.DEFINITION_FARM_OK, "Sec-def data farm connection is OK:"),
    ("definitions", "broken"): (
        Code.DEFINITION_FARM_BROKEN,
        "Sec-def data farm connection is broken:",
    ),
}
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
LINK_RESTORED_WITHOUT_DATA: Text = (
    Code.LINK_RESTORED_DATA_LOST,
    (
        "Connectivity between IBKR and Trader Workstation has been restored - data lost. "
        "All data farms are connected: usfarm; usfuture; cashfarm; ushmds; secdefil."
    ),
)
HISTORY_PACING: Text = (HISTORY_ERROR, f"{_HISTORY_TEXT}Historical data request pacing violation")
TOO_MANY_LINES: Text = (MARKET_LINES, "Max number of tickers has been reached.")
TOO_MANY_TICK_LINES: Text = (TICK_LINES, "Max number of tick-by-tick requests has been reached.")
DUPLICATE_TICKER: Text = (
    PROCESSING,
    "Error processing request.-'bO' : cause - Duplicate ticker id",
)
TOO_MANY_SUMMARIES: Text = (
    PROCESSING,
    "Error processing request.-'bO' : cause - Maximum number of account summary requests exceeded",
)
COMPETING_SESSION: Text = (COMPETING, "No market data during competing live session")
OTHER_SESSION: Text = (
    HISTORY_ERROR,
    f"{_HISTORY_TEXT}Trading TWS session is connected from a different IP address",
)
DELAYED_DATA: Text = (
    Code.DELAYED_DATA,
    "Requested market data is not subscribed. Displaying delayed market data.",
)
HISTORY_TIMED_OUT: Text = (HISTORY_ERROR, f"{_HISTORY_TEXT}Request Timed Out")
_QUERY_TEXT = "Historical Market Data Service query message:"
HISTORY_LINK_LOST: Text = (
    HISTORY_MESSAGE,
    f"{_QUERY_TEXT}HMDS server disconnect occurred.  Attempting reconnection...",
)
HISTORY_LINK_FAILED: Text = (
    HISTORY_MESSAGE,
    f"{_QUERY_TEXT}HMDS connection attempt failed.  Connection will be re-attempted...",
)
HISTORY_LINK_BACK: Text = (
    HISTORY_MESSAGE,
    f"{_QUERY_TEXT}HMDS server connection was successful.",
)
LIVE_BARS_ENDED: Text = (LIVE_BARS, "Failed to request live updates (disconnected).")
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
GOOD_TILL_WHEN: Text = (BAD_GOOD_TILL_DATE, "Invalid Good Till Date order")
_DATE_FORMAT = "The date, time, or time-zone entered is invalid. The correct format is"
GOOD_TILL_NO_TIME: Text = (BAD_DATE, f"{_DATE_FORMAT} yyyymmdd hh:mm:ss xxx")
GOOD_AFTER_NO_TIME: Text = (
    BAD_GOOD_AFTER_TIME,
    f"{_DATE_FORMAT} yyyymmdd hh:mm:ss xxx where yyyymmdd and xxx are optional.",
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
TIF_WAS_SET: Text = (TIF_PRESET, "Order TIF was set to DAY based on order preset.")
ACCOUNT_MISSING: Text = (NO_ACCOUNT, "You must specify an account.")
NEWS_NOT_ALLOWED: Text = (NO_NEWS, "News feed is not allowed.")
FUNDAMENTALS_NOT_ALLOWED: Text = (NO_FUNDAMENTALS, "Fundamentals data is not allowed.")
NO_END_FOR_CONTINUOUS: Text = (
    CONTINUOUS_END,
    "Setting end date/time for continuous future security type is not allowed",
)
NOT_IN_THE_MONEY: Text = (
    EXERCISE_WARNING,
    "The option is not in the money: it is not exercised unless override says so.",
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


def farm(name: str, kind: str, state: str) -> Text:
    """Return the notice of a data farm's state, the farm being for data of a kind."""
    code, text = _FARM_TEXTS[kind, state]
    return code, f"{text}{name}"


_NOT_EVEN_DELAYED = "Requested market data is not subscribed. Delayed market data is not enabled"
_NOT_SUBSCRIBED = {
    NOT_SUBSCRIBED: "Requested market data is not subscribed.Delayed market data is available.",
    NEEDS_API_SUBSCRIPTION: (
        "Requested market data requires additional subscription for API. See link in 'Market Data "
        "Connections' dialog for more details.Delayed market data is available."
    ),
    DELAYED_NOT_ENABLED: f"{_NOT_EVEN_DELAYED}.",
    DELAYED_NOT_ENABLED_OLD: _NOT_EVEN_DELAYED,
}


def not_subscribed(code: int, source: str) -> Text:
    """Return the notice for market data without a subscription; `source` is what it is for."""
    text = _NOT_SUBSCRIBED[code]
    return code, f"{text}{source}" if "available" in text else text


def partly_subscribed(source: str) -> Text:
    """Return the notice for market data of which only a part needs no subscription."""
    return PARTLY_SUBSCRIBED, (
        "Part of requested market data is not subscribed. Subscription-independent ticks are still "
        f"active.Delayed market data is available.{source}"
    )


def no_history_permission(what: str) -> Text:
    """Return the notice for history without a subscription."""
    return HISTORY_ERROR, f"{_HISTORY_TEXT}No market data permissions for {what}"


def no_bars_permission(what: str) -> Text:
    """Return the notice for real-time bars without a subscription."""
    return NO_REAL_TIME, f"Invalid Real-time Query:No market data permissions for {what}"


def no_tick_permission(what: str) -> Text:
    """Return the notice for single ticks without a subscription."""
    return NO_TICKS, f"Failed to request tick-by-tick data.No market data permissions for {what}"


def market_closed(order: str, opens: str) -> Text:
    """Return the notice for an order that waits for its market to open."""
    return ORDER_HELD, (
        f"Order Message:\n{order}\nWarning: your order will not be placed at the exchange until "
        f"{opens}"
    )


def too_fast(most: int, sent: int, times: int) -> Text:
    """Return the notice for more messages in a second than are taken, for the how manieth time."""
    return MESSAGE_RATE, (
        f"Max rate of messages per second has been exceeded:max={most} rec={sent} ({times})"
    )


def too_many_open(most: int) -> Text:
    """Return the notice for one historical request too many at once."""
    return PROCESSING, (
        f"Error processing request.-'bO' : cause - Only {most} simultaneous API historical data "
        "requests allowed."
    )


def too_many_depths(most: int) -> Text:
    """Return the notice for one subscription to the market's depth too many."""
    return DEPTH_LINES, f"Max number ({most}) of market depth requests has been reached"


def history_cancelled(req_id: int) -> Text:
    """Return the notice for a historical request that was cancelled before its answer."""
    return HISTORY_ERROR, f"{_HISTORY_TEXT}API historical data query cancelled: {req_id}"


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


def no_option_position(account: str) -> Text:
    """Return the notice for the exercise of options that an account does not hold."""
    return PROCESSING, (
        "Error processing request.-'bN' : cause - No unlapsed position exists in this option "
        f"in account {account}."
    )


def not_cancellable(perm_id: int) -> Text:
    """Return the notice for the cancelling of an order that is being cancelled."""
    return NOT_CANCELLABLE, (
        f"Cancel attempted when order is not in a cancellable state. Order permId = {perm_id}"
    )


def too_late(order_id: int, status: str) -> Text:
    """Return the notice for the cancelling of an order that is done."""
    return (
        CANCEL_TOO_LATE,
        f"OrderId {order_id} that needs to be cancelled cannot be cancelled, state: {status}.",
    )

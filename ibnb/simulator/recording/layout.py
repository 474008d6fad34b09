"""Where a message names the request that it belongs to, and which messages belong together.

By message id. What is not here has no number of its own: it is the only one of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ibnb.simulator.protocol.data_messages import PRICE_BASED_SINCE
from ibnb.simulator.protocol.market_messages import SIZE_RULES_SINCE
from ibnb.simulator.protocol.tickets import PLAIN_CANCEL_SINCE
from ibnb.tws.handshake import VERSIONLESS_NOTICE_SINCE
from ibnb.tws.wire import IncomingId, OutgoingId

ORDERING = frozenset(
    {
        OutgoingId.PLACE_ORDER,
        OutgoingId.CANCEL_ORDER,
        OutgoingId.EXERCISE_OPTIONS,
        OutgoingId.GLOBAL_CANCEL,
    }
)
"""What changes orders, and so what other requests are told from then on."""

_REQUEST_AT_1 = frozenset(
    {
        *(OutgoingId.PLACE_ORDER, OutgoingId.HISTORICAL_DATA, OutgoingId.SCANNER),
        *range(OutgoingId.OPTION_PARAMETERS, OutgoingId.FAMILY_CODES),
        OutgoingId.MATCHING_SYMBOLS,
        *(OutgoingId.SMART_COMPONENTS, OutgoingId.NEWS_ARTICLE, OutgoingId.HISTORICAL_NEWS),
        *range(OutgoingId.HEAD_TIMESTAMP, OutgoingId.MARKET_RULE),
        *range(OutgoingId.PNL, OutgoingId.COMPLETED_ORDERS),
        *range(OutgoingId.EVENT_CALENDAR, OutgoingId.CURRENT_TIME_IN_MILLIS),
    }
)
_REQUEST_AT_2 = frozenset(
    {
        *(OutgoingId.MARKET_DATA, OutgoingId.CANCEL_MARKET_DATA, OutgoingId.CANCEL_ORDER),
        *(OutgoingId.EXECUTIONS, OutgoingId.CONTRACT_DETAILS),
        *(OutgoingId.MARKET_DEPTH, OutgoingId.CANCEL_MARKET_DEPTH, OutgoingId.EXERCISE_OPTIONS),
        *(OutgoingId.CANCEL_SCANNER, OutgoingId.CANCEL_HISTORICAL_DATA),
        *range(OutgoingId.REAL_TIME_BARS, OutgoingId.GLOBAL_CANCEL),
        *(OutgoingId.ACCOUNT_SUMMARY, OutgoingId.CANCEL_ACCOUNT_SUMMARY),
        *range(OutgoingId.DISPLAY_GROUPS, OutgoingId.START_API),
        *range(OutgoingId.POSITIONS_MULTI, OutgoingId.OPTION_PARAMETERS),
    }
)
_REPLACE_ADVISOR_AT = 4

_ANSWER_AT_1 = frozenset(
    {
        *(IncomingId.ORDER_STATUS, IncomingId.OPEN_ORDER, IncomingId.EXECUTION),
        IncomingId.HISTORICAL_DATA,
        *range(IncomingId.OPTION_PARAMETERS, IncomingId.FAMILY_CODES),
        IncomingId.SYMBOL_SAMPLES,
        *range(IncomingId.TICK_REQUEST_PARAMETERS, IncomingId.NEWS_PROVIDERS),
        *range(IncomingId.HISTORICAL_NEWS, IncomingId.MARKET_RULE),
        *range(IncomingId.PNL, IncomingId.COMPLETED_ORDER - 1),
        *range(IncomingId.COMPLETED_ORDERS_END + 1, IncomingId.CURRENT_TIME_IN_MILLIS),
    }
)
_FUNDAMENTALS = 51
_ANSWER_AT_2 = frozenset(
    {
        *(IncomingId.TICK_PRICE, IncomingId.TICK_SIZE, 45, 46, 47),
        *(IncomingId.MARKET_DEPTH, IncomingId.MARKET_DEPTH_L2, IncomingId.SCANNER_DATA),
        *(IncomingId.REAL_TIME_BAR, _FUNDAMENTALS, IncomingId.CONTRACT_DETAILS_END),
        *(IncomingId.EXECUTION_END, 56, IncomingId.TICK_SNAPSHOT_END, IncomingId.MARKET_DATA_TYPE),
        *(IncomingId.ACCOUNT_SUMMARY, IncomingId.ACCOUNT_SUMMARY_END),
        *(IncomingId.DISPLAY_GROUPS, IncomingId.DISPLAY_GROUP_UPDATED),
        *range(IncomingId.POSITION_MULTI, IncomingId.OPTION_PARAMETERS),
    }
)

ENDS: Mapping[int, int] = {
    OutgoingId.CANCEL_MARKET_DATA: OutgoingId.MARKET_DATA,
    OutgoingId.CANCEL_ORDER: OutgoingId.PLACE_ORDER,
    OutgoingId.CANCEL_MARKET_DEPTH: OutgoingId.MARKET_DEPTH,
    13: OutgoingId.NEWS_BULLETINS,
    OutgoingId.CANCEL_SCANNER: OutgoingId.SCANNER,
    OutgoingId.CANCEL_HISTORICAL_DATA: OutgoingId.HISTORICAL_DATA,
    OutgoingId.CANCEL_REAL_TIME_BARS: OutgoingId.REAL_TIME_BARS,
    53: OutgoingId.FUNDAMENTALS,
    56: OutgoingId.IMPLIED_VOLATILITY,
    57: OutgoingId.OPTION_PRICE,
    OutgoingId.CANCEL_ACCOUNT_SUMMARY: OutgoingId.ACCOUNT_SUMMARY,
    OutgoingId.CANCEL_POSITIONS: OutgoingId.POSITIONS,
    70: OutgoingId.SUBSCRIBE_TO_GROUP,
    75: OutgoingId.POSITIONS_MULTI,
    OutgoingId.CANCEL_ACCOUNT_UPDATES_MULTI: OutgoingId.ACCOUNT_UPDATES_MULTI,
    89: OutgoingId.HISTOGRAM,
    90: OutgoingId.HEAD_TIMESTAMP,
    OutgoingId.CANCEL_PNL: OutgoingId.PNL,
    OutgoingId.CANCEL_PNL_SINGLE: OutgoingId.PNL_SINGLE,
    OutgoingId.CANCEL_TICK_BY_TICK: OutgoingId.TICK_BY_TICK,
    101: OutgoingId.EVENT_CALENDAR,
    103: OutgoingId.CALENDAR_EVENTS,
}
"""What ends a request, and which one."""

WITHOUT_ANSWER = frozenset(
    {
        *(OutgoingId.NEWS_BULLETINS, 14, OutgoingId.AUTO_OPEN_ORDERS, OutgoingId.MARKET_DATA_TYPE),
        *(OutgoingId.START_API, OutgoingId.UPDATE_GROUP, OutgoingId.GLOBAL_CANCEL),
    }
)
"""Requests for whose answer nobody waits."""

STREAMS = frozenset(
    {
        *(OutgoingId.MARKET_DATA, OutgoingId.MARKET_DEPTH, OutgoingId.REAL_TIME_BARS),
        *(OutgoingId.PNL, OutgoingId.PNL_SINGLE, OutgoingId.TICK_BY_TICK, OutgoingId.SCANNER),
        OutgoingId.SUBSCRIBE_TO_GROUP,
    }
)
"""Subscriptions that may have nothing to tell, as of a market that is closed."""

LAST: Mapping[int, int] = {
    OutgoingId.OPEN_ORDERS: IncomingId.OPEN_ORDER_END,
    OutgoingId.ALL_OPEN_ORDERS: IncomingId.OPEN_ORDER_END,
    OutgoingId.ACCOUNT_UPDATES: IncomingId.ACCOUNT_DOWNLOAD_END,
    OutgoingId.EXECUTIONS: IncomingId.EXECUTION_END,
    OutgoingId.CONTRACT_DETAILS: IncomingId.CONTRACT_DETAILS_END,
    OutgoingId.POSITIONS: IncomingId.POSITION_END,
    OutgoingId.ACCOUNT_SUMMARY: IncomingId.ACCOUNT_SUMMARY_END,
    OutgoingId.POSITIONS_MULTI: IncomingId.POSITION_MULTI_END,
    OutgoingId.ACCOUNT_UPDATES_MULTI: IncomingId.ACCOUNT_UPDATE_MULTI_END,
    OutgoingId.OPTION_PARAMETERS: IncomingId.OPTION_PARAMETERS_END,
    OutgoingId.HISTORICAL_NEWS: IncomingId.HISTORICAL_NEWS_END,
    OutgoingId.COMPLETED_ORDERS: IncomingId.COMPLETED_ORDERS_END,
}
"""The message that ends the answer to a request whose answer is several messages."""

UNNUMBERED: Mapping[int, tuple[int, ...]] = {
    IncomingId.OPEN_ORDER_END: (OutgoingId.OPEN_ORDERS, OutgoingId.ALL_OPEN_ORDERS),
    IncomingId.ACCOUNT_VALUE: (OutgoingId.ACCOUNT_UPDATES,),
    IncomingId.PORTFOLIO_VALUE: (OutgoingId.ACCOUNT_UPDATES,),
    IncomingId.ACCOUNT_UPDATE_TIME: (OutgoingId.ACCOUNT_UPDATES,),
    IncomingId.ACCOUNT_DOWNLOAD_END: (OutgoingId.ACCOUNT_UPDATES,),
    IncomingId.NEXT_VALID_ID: (OutgoingId.IDS,),
    14: (OutgoingId.NEWS_BULLETINS,),
    IncomingId.MANAGED_ACCOUNTS: (OutgoingId.MANAGED_ACCOUNTS,),
    IncomingId.RECEIVE_ADVISOR: (OutgoingId.ADVISOR,),
    IncomingId.SCANNER_PARAMETERS: (OutgoingId.SCANNER_PARAMETERS,),
    IncomingId.CURRENT_TIME: (OutgoingId.CURRENT_TIME,),
    IncomingId.POSITION: (OutgoingId.POSITIONS,),
    IncomingId.POSITION_END: (OutgoingId.POSITIONS,),
    IncomingId.FAMILY_CODES: (OutgoingId.FAMILY_CODES,),
    IncomingId.DEPTH_EXCHANGES: (OutgoingId.DEPTH_EXCHANGES,),
    IncomingId.NEWS_PROVIDERS: (OutgoingId.NEWS_PROVIDERS,),
    IncomingId.MARKET_RULE: (OutgoingId.MARKET_RULE,),
    IncomingId.COMPLETED_ORDER: (OutgoingId.COMPLETED_ORDERS,),
    IncomingId.COMPLETED_ORDERS_END: (OutgoingId.COMPLETED_ORDERS,),
    IncomingId.CURRENT_TIME_IN_MILLIS: (OutgoingId.CURRENT_TIME_IN_MILLIS,),
}
"""The requests that a message without a number answers."""


def number_of(fields: Sequence[str]) -> int:
    """Return the id of a message; -1 if it does not begin with one."""
    first = fields[0] if fields else ""
    return int(first) if first.isascii() and first.isdigit() else -1


def request_place(message_id: int, version: int) -> int | None:
    """Return which field of a request is its reqId or order ID; None if it has none."""
    if message_id == OutgoingId.CANCEL_ORDER and version >= PLAIN_CANCEL_SINCE:
        return 1
    if message_id == OutgoingId.REPLACE_ADVISOR:
        return _REPLACE_ADVISOR_AT
    if message_id in _REQUEST_AT_1:
        return 1
    return 2 if message_id in _REQUEST_AT_2 else None


def answer_place(message_id: int, version: int) -> int | None:
    """Return which field of a gateway's message is its reqId or order ID; None if it has none."""
    if message_id == IncomingId.NOTICE:
        return 1 if version >= VERSIONLESS_NOTICE_SINCE else 2
    if message_id in {IncomingId.CONTRACT_DETAILS, IncomingId.BOND_CONTRACT_DETAILS}:
        return 1 if version >= SIZE_RULES_SINCE else 2
    if message_id == IncomingId.TICK_OPTION_COMPUTATION:
        return 1 if version >= PRICE_BASED_SINCE else 2
    if message_id in _ANSWER_AT_1:
        return 1
    return 2 if message_id in _ANSWER_AT_2 else None

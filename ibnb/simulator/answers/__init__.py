"""Which request is answered by which function, and what happens to all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import texts, tickets
from ibnb.simulator.requests import read_request
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.wire import OutgoingId

from . import account, history, market, orders, reference

Answer = Callable[[Client, tuple[str, ...]], None]
"""Takes the fields of a request, message id first; ValueError and IndexError mean unreadable."""

_ANSWERS: Mapping[int, Answer] = {
    OutgoingId.MARKET_DATA: market.market_data,
    OutgoingId.CANCEL_MARKET_DATA: market.cancel_market_data,
    OutgoingId.PLACE_ORDER: orders.place_order,
    OutgoingId.CANCEL_ORDER: orders.cancel_order,
    OutgoingId.OPEN_ORDERS: orders.open_orders,
    OutgoingId.ACCOUNT_UPDATES: account.account_updates,
    OutgoingId.EXECUTIONS: orders.executions,
    OutgoingId.IDS: account.ids,
    OutgoingId.CONTRACT_DETAILS: market.contract_details,
    OutgoingId.MARKET_DEPTH: market.market_depth,
    OutgoingId.CANCEL_MARKET_DEPTH: market.cancel_market_depth,
    OutgoingId.AUTO_OPEN_ORDERS: orders.auto_open_orders,
    OutgoingId.ALL_OPEN_ORDERS: orders.all_open_orders,
    OutgoingId.MANAGED_ACCOUNTS: account.managed_accounts,
    OutgoingId.ADVISOR: reference.advisor,
    OutgoingId.REPLACE_ADVISOR: reference.replace_advisor,
    OutgoingId.HISTORICAL_DATA: history.historical_data,
    OutgoingId.SCANNER: reference.scanner,
    OutgoingId.CANCEL_SCANNER: reference.cancel_scanner,
    OutgoingId.SCANNER_PARAMETERS: reference.scanner_parameters,
    OutgoingId.CURRENT_TIME: account.current_time,
    OutgoingId.REAL_TIME_BARS: market.real_time_bars,
    OutgoingId.FUNDAMENTALS: reference.fundamentals,
    OutgoingId.EXERCISE_OPTIONS: orders.exercise_options,
    OutgoingId.IMPLIED_VOLATILITY: market.implied_volatility,
    OutgoingId.OPTION_PRICE: market.option_price,
    OutgoingId.GLOBAL_CANCEL: orders.global_cancel,
    OutgoingId.POSITIONS: account.positions,
    OutgoingId.ACCOUNT_SUMMARY: account.account_summary,
    OutgoingId.CANCEL_POSITIONS: account.cancel_positions,
    OutgoingId.DISPLAY_GROUPS: reference.display_groups,
    OutgoingId.SUBSCRIBE_TO_GROUP: reference.group_events,
    OutgoingId.UPDATE_GROUP: reference.update_group,
    OutgoingId.POSITIONS_MULTI: account.positions_multi,
    OutgoingId.ACCOUNT_UPDATES_MULTI: account.account_updates_multi,
    OutgoingId.OPTION_PARAMETERS: market.option_parameters,
    OutgoingId.SOFT_DOLLAR_TIERS: reference.soft_dollar_tiers,
    OutgoingId.FAMILY_CODES: reference.family_codes,
    OutgoingId.MATCHING_SYMBOLS: market.matching_symbols,
    OutgoingId.DEPTH_EXCHANGES: reference.depth_exchanges,
    OutgoingId.SMART_COMPONENTS: reference.smart_components,
    OutgoingId.NEWS_ARTICLE: reference.news_article,
    OutgoingId.NEWS_PROVIDERS: reference.news_providers,
    OutgoingId.HISTORICAL_NEWS: reference.historical_news,
    OutgoingId.HEAD_TIMESTAMP: history.head_time_stamp,
    OutgoingId.HISTOGRAM: history.histogram,
    OutgoingId.MARKET_RULE: reference.market_rule,
    OutgoingId.PNL: account.profit,
    OutgoingId.PNL_SINGLE: account.profit_of_position,
    OutgoingId.HISTORICAL_TICKS: history.historical_ticks,
    OutgoingId.TICK_BY_TICK: market.tick_by_tick,
    OutgoingId.COMPLETED_ORDERS: orders.completed_orders,
    OutgoingId.EVENT_CALENDAR: reference.event_calendar,
    OutgoingId.CALENDAR_EVENTS: reference.event_calendar,
    OutgoingId.USER_INFO: reference.user_info,
    OutgoingId.CURRENT_TIME_IN_MILLIS: account.current_time_in_millis,
}

# What ends a subscription without a word: the request that began it, and the field with the reqId.
_ENDINGS: Mapping[int, tuple[int, int]] = {
    OutgoingId.CANCEL_HISTORICAL_DATA: (OutgoingId.HISTORICAL_DATA, 2),
    OutgoingId.CANCEL_REAL_TIME_BARS: (OutgoingId.REAL_TIME_BARS, 2),
    OutgoingId.CANCEL_PNL: (OutgoingId.PNL, 1),
    OutgoingId.CANCEL_PNL_SINGLE: (OutgoingId.PNL_SINGLE, 1),
    OutgoingId.CANCEL_TICK_BY_TICK: (OutgoingId.TICK_BY_TICK, 1),
}

# What a gateway takes without a word: the ends of requests that are answered at once, news
# bulletins (there are none), the log level, the kind of market data.
_WITHOUT_ANSWER = frozenset(
    {
        *(13, 14, 53, 56, 57, 70, 75, 89, 90, 101, 103),
        OutgoingId.NEWS_BULLETINS,
        OutgoingId.CANCEL_ACCOUNT_SUMMARY,
        OutgoingId.CANCEL_ACCOUNT_UPDATES_MULTI,
        OutgoingId.MARKET_DATA_TYPE,
        OutgoingId.START_API,
    }
)

# Requests of the real API that are not simulated, and what they are. They are refused, so that
# nobody waits for an answer; none of them has a reqId.
_NOT_SIMULATED = dict.fromkeys((65, 66, 72, 73), "the verification of programs")

# What a Read-Only API refuses, and in which field each has its reqId. That an API in Read-Only
# mode refuses orders and answers the libraries' requests for orders with 321 is known from
# reports; for automatic binding, the orders of all clients and the cancelling of all it is
# inferred. Executions are answered: the libraries ask for them in every opening, and give up the
# whole connection without an answer, whereas with `readonly=True` they do connect.
_ABOUT_ORDERS: Mapping[int, int | None] = {
    OutgoingId.PLACE_ORDER: 1,
    OutgoingId.EXERCISE_OPTIONS: 2,
    OutgoingId.CANCEL_ORDER: 2,
    OutgoingId.OPEN_ORDERS: None,
    OutgoingId.AUTO_OPEN_ORDERS: None,
    OutgoingId.ALL_OPEN_ORDERS: None,
    OutgoingId.GLOBAL_CANCEL: None,
    OutgoingId.COMPLETED_ORDERS: None,
}

KNOWN_REQUESTS = frozenset({*_ANSWERS, *_ENDINGS, *_WITHOUT_ANSWER, *_NOT_SIMULATED})
"""The message ids of all requests that a gateway knows, served here or not."""


def answer(client: Client, fields: tuple[str, ...]) -> None:
    """Answer one request; whatever it is, the connection stays."""
    message_id = int(fields[0])
    known = _ANSWERS.get(message_id)
    if message_id == OutgoingId.CANCEL_ORDER and client.version >= tickets.PLAIN_CANCEL_SINCE:
        # Its version went; with one again, the order ID is where it always was.
        fields = (fields[0], "1", *fields[1:])
    try:
        if "read-only" in client.state.faults and message_id in _ABOUT_ORDERS:
            at = _ABOUT_ORDERS[message_id]
            client.notify(texts.READ_ONLY, NO_REQUEST if at is None else int(fields[at]))
        elif known is not None:
            known(client, fields)
        elif message_id in _ENDINGS:
            begun_by, number = _ENDINGS[message_id]
            client.unsubscribe(begun_by, int(fields[number]))
        elif message_id in _NOT_SIMULATED:
            client.notify(texts.not_simulated(_NOT_SIMULATED[message_id]))
        elif message_id not in _WITHOUT_ANSWER:
            client.notify(texts.UNKNOWN_ID)
    except (ArithmeticError, IndexError, ValueError) as error:
        told = texts.unreadable(f"Unable to parse message {message_id}: {error}")
        # Under its own id, if that can be read: whoever waits for it learns that nothing comes.
        client.notify(told, read_request(client.client_id, fields, client.version).req_id)

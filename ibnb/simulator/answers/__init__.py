"""Which request is answered by which function, and what happens to all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import texts
from ibnb.tws.notices import NO_REQUEST
from ibnb.tws.wire import OutgoingId

from . import account, market, orders

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
    OutgoingId.AUTO_OPEN_ORDERS: orders.auto_open_orders,
    OutgoingId.ALL_OPEN_ORDERS: orders.all_open_orders,
    OutgoingId.MANAGED_ACCOUNTS: account.managed_accounts,
    OutgoingId.HISTORICAL_DATA: market.historical_data,
    OutgoingId.CANCEL_HISTORICAL_DATA: market.cancel_historical_data,
    OutgoingId.CURRENT_TIME: account.current_time,
    OutgoingId.GLOBAL_CANCEL: orders.global_cancel,
    OutgoingId.POSITIONS: account.positions,
    OutgoingId.ACCOUNT_SUMMARY: account.account_summary,
    OutgoingId.CANCEL_POSITIONS: account.cancel_positions,
    OutgoingId.ACCOUNT_UPDATES_MULTI: account.account_updates_multi,
    OutgoingId.MATCHING_SYMBOLS: market.matching_symbols,
    OutgoingId.COMPLETED_ORDERS: orders.completed_orders,
}

# What a gateway takes without a word. Where the request to be cancelled is not simulated, there
# is nothing to cancel either.
_WITHOUT_ANSWER = frozenset(
    {
        *(11, 13, 14, 23, 51, 53, 56, 57, 70, 75, 89, 90, 93, 95, 98, 101, 103),
        OutgoingId.CANCEL_ACCOUNT_SUMMARY,
        OutgoingId.CANCEL_ACCOUNT_UPDATES_MULTI,
        OutgoingId.MARKET_DATA_TYPE,
        OutgoingId.START_API,
    }
)

# Requests of the real API that are not simulated, and in which field each has its reqId; None
# where it has none. They are refused, so that nobody waits for an answer.
_NOT_SIMULATED: Mapping[int, int | None] = {
    10: 2,  # market depth
    12: None,  # news bulletins
    18: None,  # advisor's settings
    19: None,
    21: 2,  # exercise options
    22: 1,  # scanner
    24: None,
    50: 2,  # real-time bars
    52: 2,  # fundamental data
    54: 2,  # option calculations
    55: 2,
    65: None,  # verification
    66: None,
    67: 2,  # display groups
    68: 2,
    69: 2,
    72: None,
    73: None,
    74: 2,  # positions by model
    78: 1,  # option chains
    79: 1,  # soft dollar tiers
    80: None,  # family codes
    82: None,  # depth exchanges
    83: 1,  # smart components
    84: 1,  # news
    85: None,
    86: 1,
    87: 1,  # head time stamp
    88: 1,  # histogram
    91: None,  # market rule
    92: 1,  # profit and loss
    94: 1,
    96: 1,  # historical ticks
    97: 1,  # tick by tick
    100: 1,  # event calendar
    102: 1,
    104: 1,  # user info
}

# What a Read-Only API refuses, and in which field each has its reqId. That an API in Read-Only
# mode refuses orders and answers the libraries' requests for orders with 321 is known from
# reports; for automatic binding, the orders of all clients and the cancelling of all it is
# inferred. Executions are answered: the libraries ask for them in every opening, and give up the
# whole connection without an answer, whereas with `readonly=True` they do connect.
_ABOUT_ORDERS: Mapping[int, int | None] = {
    OutgoingId.PLACE_ORDER: 1,
    OutgoingId.CANCEL_ORDER: 2,
    OutgoingId.OPEN_ORDERS: None,
    OutgoingId.AUTO_OPEN_ORDERS: None,
    OutgoingId.ALL_OPEN_ORDERS: None,
    OutgoingId.GLOBAL_CANCEL: None,
    OutgoingId.COMPLETED_ORDERS: None,
}


def answer(client: Client, fields: tuple[str, ...]) -> None:
    """Answer one request; whatever it is, the connection stays."""
    message_id = int(fields[0])
    known = _ANSWERS.get(message_id)
    try:
        if "read-only" in client.state.faults and message_id in _ABOUT_ORDERS:
            client.notify(texts.READ_ONLY, _req_id(fields, _ABOUT_ORDERS[message_id]))
        elif known is not None:
            known(client, fields)
        elif message_id in _NOT_SIMULATED:
            client.notify(
                texts.invalid("The simulated gateway does not answer this request"),
                _req_id(fields, _NOT_SIMULATED[message_id]),
            )
        elif message_id not in _WITHOUT_ANSWER:
            client.notify(texts.UNKNOWN_ID)
    except (IndexError, ValueError) as error:
        client.notify(texts.unreadable(f"Unable to parse message {message_id}: {error}"))


def _req_id(fields: tuple[str, ...], at: int | None) -> int:
    return NO_REQUEST if at is None else int(fields[at])

"""The messages about sessions, accounts and fills that a simulated gateway sends.

Where a message's layout depends on the server version, it is the version agreed on with the
client that counts. The layouts are those that ib_insync, ib_async and the official ibapi read.
"""

from __future__ import annotations

from collections.abc import Sequence

from ibnb.simulator.trading.account import AccountValue, market_value, unrealized
from ibnb.simulator.trading.orders import Execution, OrderRecord, Position
from ibnb.simulator.world.history import clock_text
from ibnb.simulator.world.instruments import Instrument
from ibnb.simulator.world.market import price_at, utc
from ibnb.tws import wire
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.handshake import JSON_SINCE, VERSIONLESS_NOTICE_SINCE
from ibnb.tws.wire import IncomingId

from .texts import Text

ASCII_SINCE = 153
ZONED_TIMES_SINCE = 174
PRICE_REVISION_SINCE = 178
SUBMITTER_SINCE = 198
"""Server versions from which on a layout differs."""

UNSET = "1.7976931348623157E308"
"""How a gateway writes a number that is not set."""


def version_reply(version: int, time: float) -> bytes:
    """Return the answer to a greeting: the agreed version, and the gateway's time and zone."""
    return wire.message(version, f"{utc(time):%Y%m%d %H:%M:%S} UTC")


def next_valid_id(order_id: int) -> bytes:
    """Return the order ID that the client may use next."""
    return wire.message(IncomingId.NEXT_VALID_ID, 1, order_id)


def managed_accounts(accounts: Sequence[str]) -> bytes:
    """Return the accounts of the session."""
    return wire.message(IncomingId.MANAGED_ACCOUNTS, 1, ",".join(accounts))


def notice(text: Text, version: int, req_id: int, time: float) -> bytes:
    """Return a message of the error channel, and in newer versions its time."""
    code, words = text
    fields: list[object] = [IncomingId.NOTICE]
    if version < VERSIONLESS_NOTICE_SINCE:
        fields.append(2)
    fields += [req_id, code, plain(words, version)]
    if version >= JSON_SINCE:
        fields.append("")
    if version >= VERSIONLESS_NOTICE_SINCE:
        fields.append(round(time * 1000))
    return wire.message(*fields)


def current_time(time: float) -> bytes:
    """Return the gateway's clock."""
    return wire.message(IncomingId.CURRENT_TIME, 1, int(time))


def current_time_in_millis(time: float) -> bytes:
    """Return the gateway's clock to the millisecond."""
    return wire.message(IncomingId.CURRENT_TIME_IN_MILLIS, round(time * 1000))


def position(held: Position) -> bytes:
    """Return what an account holds of one instrument."""
    return wire.message(IncomingId.POSITION, 3, held.account, *_holding(held))


def position_end() -> bytes:
    """Return the mark that every position was sent."""
    return wire.message(IncomingId.POSITION_END, 1)


def position_multi(req_id: int, held: Position, model: str) -> bytes:
    """Return what an account holds of one instrument, asked for by request."""
    return wire.message(IncomingId.POSITION_MULTI, 1, req_id, held.account, *_holding(held), model)


def position_multi_end(req_id: int) -> bytes:
    """Return the mark that such a request's positions were all sent."""
    return wire.message(IncomingId.POSITION_MULTI_END, 1, req_id)


def account_value(value: AccountValue, account: str) -> bytes:
    """Return one value of a subscribed account."""
    return wire.message(
        IncomingId.ACCOUNT_VALUE, 2, value.tag, value.value, value.currency, account
    )


def portfolio_value(held: Position, time: float) -> bytes:
    """Return what a position is worth at a time."""
    instrument = held.instrument
    return wire.message(
        IncomingId.PORTFOLIO_VALUE,
        8,
        *_contract(instrument, instrument.listed_on, no_right="0"),
        size(held.size),
        price_at(instrument, time),
        round(market_value(held, time), 2),
        held.average_cost,
        round(unrealized(held, time), 2),
        round(held.realized, 2),
        held.account,
    )


def account_time(time: float) -> bytes:
    """Return when the account's values were taken."""
    return wire.message(IncomingId.ACCOUNT_UPDATE_TIME, 1, f"{utc(time):%H:%M}")


def account_download_end(account: str) -> bytes:
    """Return the mark that an account's values were all sent."""
    return wire.message(IncomingId.ACCOUNT_DOWNLOAD_END, 1, account)


def account_update_multi(req_id: int, account: str, model: str, value: AccountValue) -> bytes:
    """Return one value of an account, asked for by request."""
    return wire.message(
        IncomingId.ACCOUNT_UPDATE_MULTI,
        1,
        req_id,
        account,
        model,
        value.tag,
        value.value,
        value.currency,
    )


def account_update_multi_end(req_id: int) -> bytes:
    """Return the mark that such a request's values were all sent."""
    return wire.message(IncomingId.ACCOUNT_UPDATE_MULTI_END, 1, req_id)


def account_summary(req_id: int, account: str, value: AccountValue) -> bytes:
    """Return one value of an account summary."""
    return wire.message(
        IncomingId.ACCOUNT_SUMMARY, 1, req_id, account, value.tag, value.value, value.currency
    )


def account_summary_end(req_id: int) -> bytes:
    """Return the mark that a summary was all sent."""
    return wire.message(IncomingId.ACCOUNT_SUMMARY_END, 1, req_id)


def order_status(order: OrderRecord) -> bytes:
    """Return how far an order is."""
    return wire.message(
        IncomingId.ORDER_STATUS,
        order.order_id,
        order.status,
        size(order.filled),
        size(order.remaining),
        order.average_price,
        order.perm_id,
        order.ticket.parent_id,
        order.last_price,
        order.client_id,
        order.why_held,
        "0.0",
    )


def execution(fill: Execution, version: int, req_id: int = NO_REQUEST) -> bytes:
    """Return a fill; without `req_id`, as it happens."""
    order = fill.order
    exchange = fill.instrument.listed_on
    fields: list[object] = [
        IncomingId.EXECUTION,
        req_id,
        order.order_id,
        *_contract(fill.instrument, exchange),
        fill.exec_id,
        clock_text(fill.time, zoned=version >= ZONED_TIMES_SINCE),
        order.account,
        exchange,
        "BOT" if fill.buys else "SLD",
        size(fill.shares),
        fill.price,
        order.perm_id,
        order.client_id,
        0,
        size(order.filled),
        order.average_price,
        order.ticket.text("orderRef"),
        "",
        "",
        order.ticket.text("modelCode"),
        2,
    ]
    if version >= PRICE_REVISION_SINCE:
        fields.append(0)
    if version >= SUBMITTER_SINCE:
        fields.append("")
    return wire.message(*fields)


def execution_end(req_id: int) -> bytes:
    """Return the mark that every fill was sent."""
    return wire.message(IncomingId.EXECUTION_END, 1, req_id)


def commission_report(fill: Execution) -> bytes:
    """Return what a fill cost and what it realized."""
    realized = UNSET if fill.realized is None else round(fill.realized, 4)
    return wire.message(
        IncomingId.COMMISSION_REPORT,
        1,
        fill.exec_id,
        fill.commission,
        fill.instrument.currency,
        realized,
        UNSET,
        "",
    )


def open_order_end() -> bytes:
    """Return the mark that every open order was sent."""
    return wire.message(IncomingId.OPEN_ORDER_END, 1)


def completed_orders_end() -> bytes:
    """Return the mark that every completed order was sent."""
    return wire.message(IncomingId.COMPLETED_ORDERS_END)


def size(amount: float) -> str:
    """Return a size as gateways write it: whole where it is whole."""
    return str(int(amount)) if amount == int(amount) else repr(amount)


def _holding(held: Position) -> tuple[object, ...]:
    """What positions tell of what is held. As captured, derivatives have no exchange there."""
    exchange = "" if held.instrument.expiry else held.instrument.listed_on
    return (*_contract(held.instrument, exchange), size(held.size), held.average_cost)


def _contract(instrument: Instrument, exchange: str, *, no_right: str = "") -> tuple[object, ...]:
    """The eleven fields of a contract, as positions, portfolios and executions have them."""
    return (
        instrument.con_id,
        instrument.symbol,
        instrument.sec_type,
        instrument.expiry,
        instrument.strike,
        instrument.right or no_right,
        instrument.multiplier,
        exchange,
        instrument.currency,
        instrument.local_symbol,
        instrument.trading_class,
    )


def plain(text: str, version: int) -> str:
    """Return a text as it is sent: since version 153 in ASCII, with escapes as in Java sources."""
    if version < ASCII_SINCE or text.isascii():
        return text
    units = text.encode("utf-16-be")
    codes = [int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2)]
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)  # noqa: PLR2004 - the end of ASCII

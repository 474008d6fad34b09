"""Answers to requests about orders and executions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import messages, order_messages, texts
from ibnb.simulator.protocol.order_messages import WhatIf
from ibnb.simulator.protocol.tickets import Ticket, read_ticket
from ibnb.simulator.state import State
from ibnb.simulator.trading.account import margin, margin_change
from ibnb.simulator.trading.checks import bad_time_of, objection_to, refusal_of
from ibnb.simulator.trading.exercise import Exercise
from ibnb.simulator.trading.orders import (
    Change,
    Execution,
    Fee,
    Opened,
    OrderRecord,
    Position,
    Status,
    Word,
    commission,
)
from ibnb.simulator.world.history import lacks_zone, parse_time
from ibnb.simulator.world.instruments import ContractSpec, Instrument
from ibnb.simulator.world.market import quote_at, utc

from .account import tell_position
from .asked import account_of, instrument_of, the_one

_EXERCISE, _LAPSE = 1, 2

_TIMES = ("goodTillDate", "goodAfterTime")
_NO_DAYS = 2**31 - 1
"""What clients send where they mean that no number of days was given."""


def place_order(client: Client, fields: tuple[str, ...]) -> None:
    """Accept an order, change an open one, or say what an order would do."""
    ticket = read_ticket(fields, client.version)
    state = client.state
    unacceptable = _unacceptable(ticket, state.accounts)
    if unacceptable:
        client.notify(unacceptable, ticket.order_id)
        return
    instrument = the_one(state.world, ticket.contract, ticket.legs)
    if instrument is None:
        client.notify(texts.NO_DEFINITION, ticket.order_id)
        return
    if "tif-preset" in state.faults and not ticket.text("tif"):
        ticket = replace(ticket, values={**ticket.values, "tif": "DAY"})
        client.notify(texts.TIF_WAS_SET, ticket.order_id)
    account = ticket.text("account", state.accounts[0])
    now = state.now
    ticket = ticket.sized(quote_at(instrument, now).last)
    if ticket.flag("whatIf"):
        client.send(_what_if(client, account, ticket, instrument))
        return
    known = state.book.find(client.id, ticket.order_id)
    order = OrderRecord(client.id, 0, account, instrument, ticket, "PreSubmitted")
    refusal = refusal_of(state.book, order, known, now)
    if refusal is not None:
        client.notify(refusal, ticket.order_id)
        return
    if state.rejections:
        client.notify(state.rejections.popleft(), ticket.order_id)
        return
    if any(lacks_zone(ticket.text(name)) for name in _TIMES):
        client.notify(texts.ZONE_MISSING, ticket.order_id)
    tell(state, state.book.place(client.id, account, ticket, instrument, now=now))


def _unacceptable(ticket: Ticket, accounts: tuple[str, ...]) -> texts.Text | None:
    """Return why an order is refused before its contract is looked for, or None."""
    objection = ticket.contract.objection or objection_to(ticket, accounts)
    if objection:
        return texts.invalid(objection)
    is_open = len(accounts) > 1 and not ticket.text("account")
    return texts.ACCOUNT_MISSING if is_open else bad_time_of(ticket)


def cancel_order(client: Client, fields: tuple[str, ...]) -> None:
    """Cancel an order of this client's own."""
    order_id = int(fields[2])
    order = client.state.book.find(client.id, order_id)
    if order is None:
        client.notify(texts.not_found(order_id), order_id)
    elif order.is_done:
        client.notify(texts.too_late(order_id, order.status), order_id)
    else:
        tell(client.state, client.state.book.cancel(order, client.state.now))


def exercise_options(client: Client, fields: tuple[str, ...]) -> None:
    """Exercise options that an account holds, or let them lapse."""
    req_id = int(fields[2])
    # This contract is sent without its primary exchange.
    spec = ContractSpec.read((*fields[3:11], "", *fields[11:14]))
    action, quantity, asked, override = int(fields[14]), int(fields[15]), fields[16], fields[17]
    option = instrument_of(client, spec, req_id, exchange=False)
    account = account_of(client, asked, req_id) if option is not None else None
    if option is None or account is None:
        return
    if not option.right or action not in {_EXERCISE, _LAPSE} or quantity <= 0:
        cause = "Exercise needs an option, an action of 1 or 2, and a positive quantity"
        client.notify(texts.invalid(cause), req_id)
        return
    wanted = Exercise(account, option, quantity, action == _LAPSE, override == "1")
    state = client.state
    objection = wanted.objection(state.book, state.now)
    if objection is not None:
        client.notify(objection, req_id)
        return
    tell(state, wanted.settle(state.book, client.id, req_id, state.now))


def global_cancel(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - every answer takes them
    """Cancel every open order, whoever placed it."""
    for order in client.state.book.open_orders():
        current = client.state.book.current(order)
        if not current.is_done:
            tell(client.state, client.state.book.cancel(current, client.state.now))


def open_orders(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send the open orders of this client."""
    _send_open(client, client.state.book.open_orders(client.id))


def all_open_orders(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send the open orders of all clients."""
    _send_open(client, client.state.book.open_orders())


def auto_open_orders(client: Client, fields: tuple[str, ...]) -> None:
    """Bind manual orders, of which there are none here; only client ID 0 may ask for it."""
    if client.id and fields[2] == "1":
        client.notify(texts.invalid("Only the default client (i.e 0) can auto bind orders"))


def completed_orders(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send every order that is done, whoever placed it."""
    for order in client.state.book.orders:
        if order.completed is not None:
            client.send(order_messages.completed_order(order, client.version))
    client.send(messages.completed_orders_end())


def executions(client: Client, fields: tuple[str, ...]) -> None:
    """Send this client's fills that pass the request's filter."""
    req_id = int(fields[2])
    _, account, since, symbol, sec_type, exchange, side = fields[3:10]
    if lacks_zone(since):
        client.notify(texts.ZONE_MISSING, req_id)
    days = _days_of(fields[10:], client.state.now)
    for fill in client.state.book.executions:
        order = fill.order
        passes = (
            order.client_id == client.id
            and account in ("", order.account)
            and symbol in ("", fill.instrument.symbol)
            and sec_type in ("", fill.instrument.sec_type)
            and exchange in ("", "SMART", fill.instrument.listed_on)
            and (not side or fill.buys == side.upper().startswith("B"))
            and fill.time >= (parse_time(since) or 0.0)
            and days(fill.time)
        )
        if passes:
            client.send(messages.execution(fill, client.version, req_id))
            if not fill.instrument.legs:
                client.send(messages.commission_report(fill))
    client.send(messages.execution_end(req_id))


def _days_of(fields: tuple[str, ...], now: float) -> Callable[[float], bool]:
    """Return whether a time is on the days that a request names: the last ones, or by date.

    Clients send them since server version 200.
    """
    last, count, *dates = fields or ("", "0")
    most = int(last or 0)
    named = set(dates[: int(count or 0)])
    today = utc(now).date()

    def fits(time: float) -> bool:
        day = utc(time).date()
        is_recent = not 0 < most < _NO_DAYS or (today - day).days < most
        return is_recent and (not named or f"{day:%Y%m%d}" in named)

    return fits


def tell(state: State, changes: Iterable[Change]) -> None:
    """Tell the clients whom it concerns what has happened to the book, in its order."""
    for change in changes:
        if isinstance(change, Position):
            for other in state.clients:
                tell_position(other, change)
            continue
        order = _order_of(change)
        owner = state.clients.holder(order.client_id)
        if owner is None:
            continue
        owner.send(_message(change, owner.version))
        if isinstance(change, Word):
            owner.notify((change.code, change.text), order.order_id)


def _message(change: OrderRecord | Opened | Status | Execution | Fee | Word, version: int) -> bytes:
    match change:
        case OrderRecord():
            return order_messages.order_with_status(change, version)
        case Opened():
            return order_messages.open_order(change.order, version)
        case Status():
            return messages.order_status(change.order)
        case Execution():
            return messages.execution(change, version)
        case Fee():
            return messages.commission_report(change.execution)
        case Word():
            return b""


def _order_of(change: OrderRecord | Opened | Status | Execution | Fee | Word) -> OrderRecord:
    if isinstance(change, OrderRecord):
        return change
    return change.execution.order if isinstance(change, Fee) else change.order


def _send_open(client: Client, orders: Iterable[OrderRecord]) -> None:
    for order in orders:
        if not order.is_staged:
            client.send(order_messages.order_with_status(order, client.version))
    client.send(messages.open_order_end())


def _what_if(client: Client, account: str, ticket: Ticket, instrument: Instrument) -> bytes:
    state = client.state
    now = state.now
    before = margin(state.book, account, now)
    order = OrderRecord(client.id, 0, account, instrument, ticket, "PreSubmitted")
    change = margin_change(state.book, order, now)
    price = quote_at(instrument, now).last
    fee = commission(instrument, ticket.quantity, price * ticket.quantity * instrument.unit)
    maintenance = change * 0.8
    amounts = (
        before.initial,
        before.maintenance,
        before.equity,
        change,
        maintenance,
        -fee,
        before.initial + change,
        before.maintenance + maintenance,
        before.equity - fee,
    )
    state_of = WhatIf(tuple(f"{amount:.2f}" for amount in amounts), str(fee), instrument.currency)
    return order_messages.open_order(order, client.version, state_of)

"""Answers to requests about orders and executions."""

from __future__ import annotations

from collections.abc import Iterable

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import messages, order_messages, texts
from ibnb.simulator.protocol.order_messages import WhatIf
from ibnb.simulator.protocol.tickets import Ticket, read_ticket
from ibnb.simulator.state import State
from ibnb.simulator.trading.account import margin, margin_of
from ibnb.simulator.trading.book import Change, Execution, OrderRecord, Position, commission
from ibnb.simulator.world.history import parse_time
from ibnb.simulator.world.instruments import Instrument, find
from ibnb.simulator.world.market import quote_at

from .account import tell_position

_ACTIONS = frozenset({"BUY", "SELL", "SSHORT"})
_WITH_LIMIT = frozenset({"LMT", "STP LMT", "LIT", "LOC"})
_WITH_STOP = frozenset({"STP", "STP LMT", "MIT", "LIT"})
_ORDER_TYPES = (
    _WITH_LIMIT
    | _WITH_STOP
    | frozenset({"MKT", "MOC", "MTL", "REL", "VOL", "TRAIL", "TRAIL LIMIT", "MIDPRICE", "BOX TOP"})
    | frozenset({"PEG MKT", "PEG MID", "PEG BEST", "PEG BENCH", "PEG STK", "PASSV REL"})
    | frozenset({"SNAP MKT", "SNAP MID", "SNAP PRIM", "MKT PRT", "STP PRT"})
)


def place_order(client: Client, fields: tuple[str, ...]) -> None:
    """Accept an order, change an open one, or say what an order would do."""
    ticket = read_ticket(fields, client.version)
    state = client.state
    objection = ticket.contract.objection or _objection(ticket, state.accounts)
    if objection:
        client.notify(texts.invalid(objection), ticket.order_id)
        return
    matches = find(state.instruments, ticket.contract)
    if len(matches) != 1:
        client.notify(texts.NO_DEFINITION, ticket.order_id)
        return
    (instrument,) = matches
    account = ticket.text("account", state.accounts[0])
    if ticket.flag("whatIf"):
        client.send(_what_if(client, account, ticket, instrument))
        return
    known = state.book.find(client.id, ticket.order_id)
    is_new = known is None and ticket.order_id >= state.book.next_order_id(client.id)
    if not is_new and (known is None or known.is_done):
        client.notify(texts.DUPLICATE, ticket.order_id)
        return
    now = state.clock
    quote = quote_at(instrument, now)
    tell(state, state.book.place(client.id, account, ticket, instrument, quote=quote, now=now))


def cancel_order(client: Client, fields: tuple[str, ...]) -> None:
    """Cancel an order of this client's own."""
    order_id = int(fields[2])
    order = client.state.book.find(client.id, order_id)
    if order is None:
        client.notify(texts.not_found(order_id), order_id)
    elif order.is_done:
        client.notify(texts.too_late(order_id, order.status), order_id)
    else:
        _cancel(client.state, order)


def global_cancel(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - every answer takes them
    """Cancel every open order, whoever placed it."""
    for order in client.state.book.open_orders():
        current = client.state.book.find(order.client_id, order.order_id)
        if current and not current.is_done:
            _cancel(client.state, current)


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
        if order.is_done:
            client.send(order_messages.completed_order(order, client.version))
    client.send(messages.completed_orders_end())


def executions(client: Client, fields: tuple[str, ...]) -> None:
    """Send this client's fills that pass the request's filter."""
    req_id = int(fields[2])
    _, account, since, symbol, sec_type, exchange, side = fields[3:10]
    for fill in client.state.book.executions:
        order = fill.order
        bought = order.ticket.action == "BUY"
        passes = (
            order.client_id == client.id
            and account in ("", order.account)
            and symbol in ("", order.instrument.symbol)
            and sec_type in ("", order.instrument.sec_type)
            and exchange in ("", "SMART", order.instrument.listed_on)
            and (not side or bought == side.upper().startswith("B"))
            and fill.time >= (parse_time(since) or 0.0)
        )
        if passes:
            client.send(messages.execution(fill, client.version, req_id))
            client.send(messages.commission_report(fill))
    client.send(messages.execution_end(req_id))


def tell(state: State, changes: Iterable[Change]) -> None:
    """Tell the clients whom it concerns what has happened to the book, in its order."""
    for change in changes:
        match change:
            case OrderRecord():
                owner = state.clients.holder(change.client_id)
                if owner:
                    owner.send(order_messages.order_with_status(change, owner.version))
            case Execution():
                owner = state.clients.holder(change.order.client_id)
                if owner:
                    owner.send(messages.execution(change, owner.version))
                    owner.send(messages.commission_report(change))
            case Position():
                for other in state.clients:
                    tell_position(other, change)


def _cancel(state: State, order: OrderRecord) -> None:
    changes = state.book.cancel(order, state.clock)
    for change in changes:
        owner = state.clients.holder(order.client_id)
        if owner and isinstance(change, OrderRecord):
            owner.send(messages.order_status(change))
            owner.notify(texts.CANCELLED, change.order_id)


def _send_open(client: Client, orders: Iterable[OrderRecord]) -> None:
    for order in orders:
        client.send(order_messages.order_with_status(order, client.version))
    client.send(messages.open_order_end())


def _objection(ticket: Ticket, accounts: tuple[str, ...]) -> str | None:
    """Why an order would be refused before anyone looks at the market, or None."""
    kind = ticket.order_type
    objections = (
        (not ticket.contract.exchange, texts.NO_ORDER_EXCHANGE),
        (ticket.action not in _ACTIONS, "Invalid order action. Use BUY, SELL or SSHORT"),
        (kind not in _ORDER_TYPES, f"Invalid order type was entered: {kind or 'none'}"),
        (ticket.quantity <= 0, "The order quantity must be greater than zero"),
        (
            kind in _WITH_LIMIT and ticket.number("lmtPrice") is None,
            f"A limit price is required for order type {kind}",
        ),
        (
            kind in _WITH_STOP and ticket.number("auxPrice") is None,
            f"A stop price is required for order type {kind}",
        ),
        (not accounts, "No account is available for this order"),
        (ticket.text("account") not in ("", *accounts), "Invalid account code"),
    )
    return next((cause for applies, cause in objections if applies), None)


def _what_if(client: Client, account: str, ticket: Ticket, instrument: Instrument) -> bytes:
    state = client.state
    before = margin(state.book, account, state.clock)
    shares = ticket.quantity if ticket.action == "BUY" else -ticket.quantity
    held = state.book.position(account, instrument).size
    unit_value = quote_at(instrument, state.clock).last * instrument.unit
    future = bool(instrument.expiry)
    change = margin_of((held + shares) * unit_value, future=future) - margin_of(
        held * unit_value, future=future
    )
    fee = commission(instrument, ticket.quantity)
    maintenance = change * before.maintenance / before.initial if before.initial else change * 0.8
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
    order = OrderRecord(client.id, 0, account, instrument, ticket, "PreSubmitted")
    state_of = WhatIf(tuple(f"{amount:.2f}" for amount in amounts), str(fee), "USD")
    return order_messages.open_order(order, client.version, state_of)

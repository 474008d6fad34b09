"""Why an order is not accepted: before anyone looks at the market, and after."""

from __future__ import annotations

from ibnb.simulator.protocol import texts
from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.world.history import parse_time
from ibnb.simulator.world.instruments import Instrument

from .account import margin, margin_change
from .book import Book
from .orders import ORDER_TYPES, PENDING_CANCEL, TRAILING_TYPES, WITH_LIMIT, WITH_STOP, OrderRecord

_ACTIONS = frozenset({"BUY", "SELL", "SSHORT"})
_TIMES_IN_FORCE = frozenset({"", "DAY", "GTC", "IOC", "FOK", "GTD", "OPG", "DTC", "AUC", "Minutes"})
_PRICES = ("lmtPrice", "auxPrice")
_NEARLY = 1e-6


def objection_to(ticket: Ticket, accounts: tuple[str, ...]) -> str | None:
    """Return why an order makes no sense, or None."""
    kind = ticket.order_type
    trails = kind in TRAILING_TYPES
    trail = ticket.number("auxPrice") or ticket.number("trailingPercent")
    objections = (
        (not ticket.contract.exchange, texts.NO_ORDER_EXCHANGE),
        (ticket.action not in _ACTIONS, "Invalid order action. Use BUY, SELL or SSHORT"),
        (kind not in ORDER_TYPES, f"Invalid order type was entered: {kind or 'none'}"),
        (
            ticket.text("tif") not in _TIMES_IN_FORCE,
            f"Invalid time in force: {ticket.text('tif')}",
        ),
        (
            ticket.quantity <= 0 and not ticket.number("cashQty"),
            "The order quantity must be greater than zero",
        ),
        (
            kind in WITH_LIMIT and ticket.number("lmtPrice") is None,
            f"A limit price is required for order type {kind}",
        ),
        (
            kind in WITH_STOP and ticket.number("auxPrice") is None,
            f"A stop price is required for order type {kind}",
        ),
        (trails and not trail, f"A trailing amount or percent is required for order type {kind}"),
        (not accounts, "No account is available for this order"),
        (ticket.text("account") not in ("", *accounts), "Invalid account code"),
    )
    return next((cause for applies, cause in objections if applies), None)


def bad_time_of(ticket: Ticket) -> texts.Text | None:
    """Return the notice that refuses an order for the times that it names, or None."""
    until, since = ticket.text("goodTillDate"), ticket.text("goodAfterTime")
    if ticket.text("tif") == "GTD" and not until:
        return texts.GOOD_TILL_WHEN
    if until and parse_time(until) is None:
        return texts.GOOD_TILL_NO_TIME
    return texts.GOOD_AFTER_NO_TIME if since and parse_time(since) is None else None


def refusal_of(
    book: Book, order: OrderRecord, before: OrderRecord | None, now: float
) -> texts.Text | None:
    """Return the notice that refuses an order, or the change of one, or None.

    An order that is open goes on as it was when its change is refused.
    """
    taken = _taken(book, order, before)
    if taken is not None:
        return taken
    if any(not _conforms(order.instrument, order.ticket.number(name)) for name in _PRICES):
        return texts.WRONG_INCREMENT
    needed = margin_change(book, order, now)
    worth = margin(book, order.account, now)
    if needed > 0 and worth.initial + needed > worth.equity:
        return texts.rejected(
            "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH "
            f"LOAN VALUE [{worth.equity:.2f} USD] MUST EXCEED THE INITIAL MARGIN "
            f"[{worth.initial + needed:.2f} USD]"
        )
    return None


def _taken(book: Book, order: OrderRecord, before: OrderRecord | None) -> texts.Text | None:
    """Return the notice if an order's ID is another order's, or that of one that is done."""
    if before is None:
        is_new = order.order_id >= book.next_order_id(order.client_id)
        return None if is_new else texts.DUPLICATE
    if before.is_done:
        return texts.CANNOT_MODIFY_FILLED if before.status == "Filled" else texts.DUPLICATE
    if before.status == PENDING_CANCEL:
        return texts.rejected("The order is being cancelled.")
    return None if _is_same(before, order) else texts.DOES_NOT_MATCH


def _is_same(before: OrderRecord, after: OrderRecord) -> bool:
    """Say whether a change is one of this order, and not another order under its ID."""
    return (
        before.instrument.con_id == after.instrument.con_id
        and before.ticket.action == after.ticket.action
        and before.account == after.account
        and after.ticket.quantity > before.filled
    )


def _conforms(instrument: Instrument, price: float | None) -> bool:
    """Say whether a price is a whole number of the instrument's steps."""
    if not price:
        return True
    steps = price / instrument.min_tick
    return abs(steps - round(steps)) < _NEARLY * max(abs(steps), 1)

"""What has to hold of a simulated gateway's books, worked out from its executions alone."""

from collections import defaultdict
from decimal import Decimal

import pytest

from ibnb.simulator.trading.book import STARTING_CASH, STARTING_POSITIONS
from ibnb.simulator.trading.orders import DONE


def check_books(book, account):
    """Check that positions are the sum of executions, and cash is what they paid, to the cent."""
    sizes = balance(book.executions)
    starting = {con_id: size for con_id, size, _ in STARTING_POSITIONS}
    for held in book.every_position(account):
        con_id = held.instrument.con_id
        expected = starting.get(con_id, 0) + sizes.get((account, con_id), 0)
        assert held.size == pytest.approx(expected, abs=1e-9)
    paid = cash_of(book.executions)
    for currency in {*paid, *book.currencies(account)}:
        start = STARTING_CASH if currency == "USD" else 0.0
        cash = book.cash(account, currency)
        assert cash == pytest.approx(start - float(paid[currency]), abs=0.01)
    shares = defaultdict(float)
    for one in book.executions:
        shares[one.order.perm_id] += one.shares if one.leg is None else 0.0
    is_open = {order.perm_id for order in book.open_orders()}
    for order in book.orders:
        assert shares[order.perm_id] == pytest.approx(order.filled)
        assert 0 <= order.filled <= order.ticket.quantity
        assert (order.status == "Filled") == (order.remaining == 0)
        assert (order.perm_id in is_open) == (order.status not in DONE)


def cash_of(executions):
    """Return what executions paid by currency, worked out without the book: to the cent."""
    paid, held = defaultdict(Decimal), defaultdict(lambda: (Decimal(), Decimal()))
    for con_id, size, price in STARTING_POSITIONS:
        held[con_id] = Decimal(str(size)), Decimal(str(price))
    for fill in executions:
        if fill.instrument.legs:
            continue
        one, shares = fill.instrument, Decimal(str(fill.signed))
        price, unit = Decimal(str(fill.price)), Decimal(str(one.unit))
        paid[one.currency] += Decimal(str(fill.commission))
        if one.is_margined:
            size, average = held[one.con_id]
            closing = Decimal()
            if size * shares < 0:
                closing = min(abs(size), abs(shares)) * (1 if size > 0 else -1)
            paid[one.currency] -= closing * (price - average) * unit
            after = size + shares
            if not closing:
                average = (size * average + shares * price) / after
            elif after * size <= 0:
                average = price
            held[one.con_id] = after, average
        else:
            paid[one.currency] += shares * price * unit
        if one.sec_type == "CASH":
            paid[one.symbol] -= shares
    return paid


def balance(executions):
    """Return what executions add up to, by account and conId; combinations count as their legs."""
    sizes = {}
    for one in executions:
        if not one.instrument.legs:
            key = one.order.account, one.instrument.con_id
            sizes[key] = round(sizes.get(key, 0.0) + one.signed, 8)
    return sizes

"""The comparison itself: it sees what one side lost, and reads outputs as a user does."""

from __future__ import annotations

import pytest
from comparing import CellRun, assert_never_worse, facts_of, said, unsaid

LOGGED = (
    "Error 201, reqId 3: Order rejected\n"
    "Canceled order: Trade(contract=Stock(symbol='TSLA', exchange='SMART'), order=LimitOrder("
    "orderId=3, clientId=7), orderStatus=OrderStatus(orderId=0))\n"
    "positions request timed out\n"
    "ValueError: of mine\n"
)


def test_facts_are_what_lines_name():
    """Codes, symbols, order IDs, requests and errors; no request IDs, no words of the text."""
    assert facts_of(LOGGED) == ["201", "3", "TSLA", "ValueError", "positions"]


def test_pages_are_read_without_what_nobody_sees():
    """Styles and attributes are not text, entities are, and colours do not stick to words."""
    page = "<style>.x{width:201px}</style><b title='354'>AT&amp;T</b>"
    run = CellRun(error="\x1b[31mValueError\x1b[0m", displays=[{"text/html": page}])
    assert unsaid(said(run), 201, 354, "AT&T", "ValueError") == [201, 354]
    assert said(run, forms=("text/plain",)) == "ValueError"


def test_what_one_side_lost_is_seen(compare):
    """An order, a connection, a printed line, a cell's end and a log line: each loss is found."""

    def steps(side):
        side.connect("ib", 7)
        if not side.plain:
            side.run("ib.placeOrder = lambda *_: None; import logging; logging.disable()")
            side.cells[-1].common = False
        side.run(
            "ib.placeOrder(*order('TSLA')); ib.qualifyContracts(Stock('NOPE', 'SMART', 'USD'))"
        )
        if not side.plain:
            side.run("ib.disconnect()")
            side.cells[-1].common = False
        side.run("print(ib.isConnected())")
        side.run("ib.reqCurrentTime()")

    sides = compare(steps, load=False)
    losses = {
        "cells": "cells: ",
        "orders": "orders: ",
        "clients": "clients: ",
        "printed": r"not printed with ibnb: \['True'\]",
        "said": r"not said with ibnb: \['200', 'NOPE'\]",
    }
    for kind, message in losses.items():
        with pytest.raises(AssertionError, match=message):
            assert_never_worse(*sides, but=set(losses) - {kind})
    assert_never_worse(*sides, but=set(losses))

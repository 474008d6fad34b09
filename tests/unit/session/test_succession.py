"""Which connection code belongs to, and over which it may not send orders."""

from __future__ import annotations

import contextvars

import pytest

from ibnb.session.notebook.cell_runs import Runs, context_of
from ibnb.session.notebook.succession import SESSION, Succession

FIRST, SECOND, THIRD = 1, 2, 3
HERE, THERE = ("127.0.0.1", 4002, 7), ("127.0.0.1", 4002, 8)


class Cells:
    """Runs of cells, each in a context of its own, which outlives it as a task's does."""

    def __init__(self):
        self.runs = Runs()
        self.succession = Succession(self.runs)

    def run(self, cell="a"):
        """Begin a run and return the context of what it starts."""
        context = contextvars.copy_context()
        context.run(self.runs.begin, cell, f"cell [{self.runs.count + 1}]")
        return context

    def opens(self, number, *places):
        """Open a connection in a run of its own."""
        context = self.run()
        context.run(self.succession.opened, number, frozenset(places))
        return context

    def barred(self, context, number):
        """Say whether code of a context may not order over a connection."""
        return context.run(self.succession.judge, number) == "barred"


@pytest.fixture
def cells():
    return Cells()


def test_two_that_are_open_never_bar_each_other(cells):
    """Data over one connection, orders over another that was opened later."""
    data = cells.opens(FIRST, HERE)
    between = cells.run()
    cells.opens(SECOND, THERE)
    assert not cells.barred(data, SECOND)
    assert not cells.barred(between, SECOND)


def test_code_of_a_replaced_one_is_barred_from_its_heir_alone(cells):
    """What was started for it may not order over what took its place, and over others it may."""
    cells.opens(FIRST, HERE)
    task = cells.run()
    cells.succession.left(FIRST, frozenset({HERE}))
    cells.opens(SECOND, HERE)
    cells.opens(THIRD, THERE)
    assert cells.barred(task, SECOND)
    assert not cells.barred(task, THIRD)


def test_what_is_started_after_the_replacement_passes(cells):
    """It belongs to the new one."""
    cells.opens(FIRST, HERE)
    cells.succession.left(FIRST, frozenset({HERE}))
    opening = cells.opens(SECOND, HERE)
    assert not cells.barred(opening, SECOND)
    assert not cells.barred(cells.run(), SECOND)


def test_an_heir_of_an_heir(cells):
    """However many reruns lie between."""
    cells.opens(FIRST, SESSION, HERE)
    task = cells.run()
    cells.succession.left(FIRST, frozenset({SESSION, HERE}))
    cells.opens(SECOND, SESSION, THERE)
    cells.succession.left(SECOND, frozenset({SESSION, THERE}))
    cells.opens(THIRD, SESSION, HERE)
    assert cells.barred(task, THIRD)


def test_an_heir_that_came_late(cells):
    """A rerun that failed opened nothing; the next one that works takes the place all the same."""
    cells.opens(FIRST, SESSION, HERE)
    task = cells.run()
    cells.succession.left(FIRST, frozenset({SESSION, HERE}))
    cells.run()
    cells.opens(SECOND, SESSION, HERE)
    assert cells.barred(task, SECOND)


def test_a_loss_makes_no_heir(cells):
    """A connection that code of the user's opens after a loss is the user's intention."""
    cells.opens(FIRST, HERE)
    task = cells.run()
    cells.opens(SECOND, HERE)
    assert not cells.barred(task, SECOND)


def test_what_waits_for_the_first_connection_may_use_it(cells):
    """Nothing was replaced yet; what took the place of the first one is newer than the code."""
    task = cells.run()
    cells.opens(FIRST, HERE)
    assert not cells.barred(task, FIRST)
    cells.succession.left(FIRST, frozenset({HERE}))
    cells.opens(SECOND, HERE)
    assert cells.barred(task, SECOND)


def test_a_handler_belongs_to_the_connection_that_calls_it(cells):
    """Not to another one that the same cell opened after it."""
    both = cells.opens(FIRST, HERE)
    both.run(cells.succession.opened, SECOND, frozenset({THERE}))
    handler = both.run(context_of, FIRST)
    task = cells.run()
    cells.succession.left(SECOND, frozenset({THERE}))
    cells.opens(THIRD, THERE)
    assert not cells.barred(handler, THIRD)
    assert cells.barred(task, THIRD)


def test_a_new_cell_is_not_a_connections_handler(cells):
    """Its context may be that of an earlier one, which a connection had called."""
    context = contextvars.copy_context().run(context_of, FIRST)
    cells.succession.left(FIRST, frozenset({HERE}))
    cells.opens(SECOND, HERE)
    assert cells.barred(context, SECOND)
    context.run(cells.runs.begin, "b", "cell [9]")
    assert not cells.barred(context, SECOND)


def test_one_that_its_own_object_opens_again_is_the_same(cells):
    """After a loss it keeps its number, and bars nobody."""
    cells.opens(FIRST, HERE)
    task = cells.run()
    cells.opens(FIRST, HERE)
    assert not cells.barred(task, FIRST)


def test_two_of_one_cell_are_replaced_each_by_its_own(cells):
    """Both left when the cell was run again, and each new one has its address."""
    cells.opens(FIRST, HERE, "cell")
    task = cells.run()
    cells.succession.left(FIRST, frozenset({HERE, "cell"}))
    cells.opens(SECOND, THERE, "cell")
    cells.opens(THIRD, HERE, "cell")
    assert cells.barred(task, SECOND)
    assert cells.barred(task, THIRD)

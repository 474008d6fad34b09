"""What an error says: what happened, why, what to do next."""

import pytest

from ibnb.knowledge import Situation, catalogue
from ibnb.session import (
    BadInputError,
    ConnectFailed,
    IbnbError,
    NoLibraryError,
    OrdersLocked,
    StaleConnection,
    advising,
)
from ibnb.tws import accounts
from ibnb.tws.target import Target

FACT = "127.0.0.1:4002 refused client ID 41: notice 326, 'in use'."


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (ConnectFailed, "client-id-in-use"),
        (StaleConnection, "stale-connection"),
        (OrdersLocked, "orders-locked"),
        (NoLibraryError, "no-api-library"),
    ],
)
def test_the_traceback_is_the_explanation(kind, verdict):
    """In a notebook: the title with its id, what was seen, the first step, and where more is."""
    error = kind(verdict, (FACT,))
    entry = catalogue().by_id(verdict)
    diagnose = "   Diagnose: %ibdiag" if kind is ConnectFailed else ""
    assert error._render_traceback_() == [
        f"{kind.__name__}: {entry.title} [{verdict}]",
        f"  {FACT}",
        f"  First: {entry.resolution[0]}",
        f"  More: %iberror {verdict}{diagnose}",
    ]


@pytest.fixture
def asked():
    """Let errors ask somebody who knows the situation; nobody afterwards."""
    yield advising.ask
    advising.ask(None)


def test_an_error_fits_the_situation(asked):
    """Whoever knows the situation is asked as the error is raised, with what it is about."""
    told = []
    here = Situation(place="terminal", target="40011 --expect live")

    def knows(about):
        told.append(about)
        return here

    asked(knows)
    target = Target("127.0.0.1", 40011, "live")
    error = OrdersLocked("orders-locked", (FACT,), target)
    assert told == [target]
    assert error._render_traceback_()[-1] == "  More: `ibnb explain orders-locked`"
    here = Situation(place="notebook", target="40011 --expect live")
    steps = OrdersLocked("orders-locked").explanation.steps
    assert any("%ibconnect 40011 --expect live --trade" in step for step in steps)


def test_more_is_known_by_who_raises(asked):
    """A fact that only the raising code has is put over what is known of the situation."""
    asked(lambda _about: Situation(place="notebook", holder="unknown"))
    error = ConnectFailed("client-id-in-use", (FACT,), holder="kernel")
    assert error.explanation.situation.holder == "kernel"
    assert "This very kernel has the ID" in str(error)


def test_who_does_not_know_breaks_nothing(asked):
    """Where the situation cannot be told, the error is raised with the general advice."""

    def fails(_about):
        raise KeyError("x")

    asked(fails)
    error = StaleConnection("stale-connection", (FACT,))
    assert error.explanation.steps == catalogue().by_id("stale-connection").resolution


def test_without_facts_the_summary_says_what_it_is():
    """There is always a sentence on what happened."""
    lines = ConnectFailed("handshake-silent")._render_traceback_()
    assert catalogue().by_id("handshake-silent").summary in lines[1]


def test_the_text_has_the_same_three_parts_in_one_line():
    """In a script, a log or a terminal, where nothing renders the explanation."""
    text = str(ConnectFailed("client-id-in-use", (FACT,)))
    entry = catalogue().by_id("client-id-in-use")
    parts = [entry.title, FACT, entry.resolution[0]]
    positions = [text.index(part) for part in parts]
    assert positions == sorted(positions)
    assert "\n" not in text


def test_the_errors_are_of_the_kinds_that_code_expects():
    """Code that catches ConnectionError catches these, too; a locked order is another thing."""
    assert issubclass(ConnectFailed, ConnectionError)
    assert issubclass(StaleConnection, ConnectionError)
    assert not issubclass(OrdersLocked, ConnectionError)
    assert all(issubclass(one, IbnbError) for one in (ConnectFailed, StaleConnection, OrdersLocked))


def test_what_was_put_into_an_error_does_nothing_but_be_read():
    """A gateway's words, a file's name, what was typed: no control character, no account."""
    foreign = "\x1b[2J\u202e DU1234567\nnext"
    shown = r"\x1b[2J\u202e DU•••567 next"
    error = ConnectFailed("client-id-in-use", (foreign,))
    assert error.explanation.facts == (shown,)
    assert shown in str(error)
    assert shown in error._render_traceback_()[1]
    assert str(BadInputError(f"target {foreign}")) == f"target {shown}"


def test_a_typed_account_that_a_gateway_listed_is_not_repeated(monkeypatch):
    """But a word of the sentence is one, also where an account has that name."""
    known = accounts.KnownAccounts()
    known.add(["prop_desk-7", "target"])
    monkeypatch.setattr(accounts, "_known", known)
    assert str(BadInputError("target 'Prop_Desk-7': give paper")) == "target 'Pr•••k-7': give paper"

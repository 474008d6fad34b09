"""What an error says: what happened, why, what to do next."""

import pytest

from ibnb.knowledge import catalogue
from ibnb.session import ConnectFailed, IbnbError, NoLibraryError, OrdersLocked, StaleConnection

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
    assert error._render_traceback_() == [
        f"{kind.__name__}: {entry.title} [{verdict}]",
        f"  {FACT}",
        f"  First: {entry.resolution[0]}",
        f"  More: %iberror {verdict}   Diagnose: %ibdiag",
    ]


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

"""Checks of the API session: none passes on what never came."""

import asyncio
from dataclasses import replace

import pytest
from diagnosing import attempt, context

from ibnb.diagnostics.checks import api
from ibnb.tws.handshake import Stage

LOST = (1100, "Connectivity between IBKR and TWS has been lost.")
NOTHING = replace(attempt(ending="timeout", stage=Stage.START, accounts=None), next_valid_id=None)
GARBAGE = replace(NOTHING, ending="foreign", foreign=b"\xff\xff\xff\xff")
EMPTY = replace(NOTHING, ending="answered", accounts=())
HALF = attempt(ending="timeout", stage=Stage.START, accounts=None)
LINK_LOST = replace(
    attempt(LOST, ending="timeout", stage=Stage.START, accounts=None), next_valid_id=None
)


def result(check, found):
    """Run one check on what the shared look at the wire found."""
    return asyncio.run(check(context(found)[0]))


@pytest.mark.parametrize(
    ("found", "status", "entry"),
    [
        (attempt(), "pass", None),
        (NOTHING, "warn", None),
        (GARBAGE, "fail", "not-a-gateway"),
        (EMPTY, "pass", None),
        (replace(EMPTY, ending="closed"), "pass", None),
        (HALF, "pass", None),
        (LINK_LOST, "pass", None),
        (replace(LINK_LOST, ending="closed"), "fail", "connectivity-lost"),
        (replace(NOTHING, ending="closed"), "fail", "closed-after-start"),
    ],
)
def test_a_session_start_is_taken_where_something_came_after_it(found, status, entry):
    """What came after it shows that it was taken; silence shows nothing, garbage and closing do."""
    seen = result(api.start, found)
    assert (seen.status, seen.entry) == (status, entry)


@pytest.mark.parametrize(
    ("found", "status", "entry"),
    [
        (attempt(), "pass", None),
        (NOTHING, "fail", "not-ready"),
        (HALF, "fail", "not-ready"),
        (EMPTY, "fail", "no-accounts"),
        (replace(EMPTY, next_valid_id=1), "pass", None),
        (LINK_LOST, "fail", "connectivity-lost"),
    ],
)
def test_ready_is_only_what_has_both(found, status, entry):
    """The order ID and the list of accounts both came, or the check does not pass."""
    seen = result(api.ready, found)
    assert (seen.status, seen.entry) == (status, entry)


def test_the_bytes_that_came_are_evidence():
    """How many came before any version reply, and how they begin, with no account in them."""
    found = replace(
        NOTHING, stage=Stage.TCP, server_version=None, received=19, beginning=b"\0\0\0\x19DU1234567"
    )
    seen = result(api.version, found)
    assert seen.evidence["received_bytes"] == 19
    assert seen.evidence["received"].startswith("\0\0\0\x19")
    assert "DU1234567" not in str(seen)

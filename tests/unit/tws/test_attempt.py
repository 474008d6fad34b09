from dataclasses import replace

import pytest

from ibnb.tws.attempt import Attempt, cause, wrong_environment
from ibnb.tws.handshake import Stage
from ibnb.tws.notices import Notice
from ibnb.tws.target import Target

PAPER = Target("127.0.0.1", 4002, "paper")
READY = Attempt(
    PAPER, 7, Stage.READY, "ready", 157, 176,
    server_version=176, next_valid_id=42, accounts=("DU1234567",),
)  # fmt: skip
STARTED = replace(READY, stage=Stage.START, next_valid_id=None, accounts=None)
GREETED = replace(STARTED, stage=Stage.TCP, server_version=None)
HELD = (Notice(326, "die Kunden-ID ist vergeben"),)
DISCLAIMER = (Notice(10141, "disclaimer"),)
FARM = (Notice(2104, "OK:usfarm"),)
LINK_LOST = (Notice(1100, "verloren"),)
SERVER_LOST = (Notice(2110, "lost"),)
BACK = (Notice(1102, "back"),)
BAD_LENGTH = (Notice(507, "Bad message length"),)


@pytest.mark.parametrize(
    ("attempt", "verdict"),
    [
        (READY, None),
        (replace(READY, notices=HELD), None),
        (replace(READY, target=Target("127.0.0.1", 4001, "live")), "wrong-environment"),
        (replace(READY, accounts=("U1234567",)), "wrong-environment"),
        (replace(READY, target=Target("127.0.0.1", 5000), accounts=("U1234567",)), None),
        (replace(GREETED, stage=Stage.RESOLVE, ending="refused"), "connection-refused"),
        (replace(GREETED, stage=Stage.RESOLVE, ending="unreachable"), "host-unreachable"),
        (replace(GREETED, stage=Stage.RESOLVE, ending="unresolved"), "host-unreachable"),
        (replace(GREETED, stage=Stage.RESOLVE, ending="timeout"), "host-unreachable"),
        (replace(GREETED, ending="timeout"), "handshake-silent"),
        (replace(GREETED, ending="closed"), "closed-before-version"),
        (replace(GREETED, ending="foreign", foreign=b"HTTP"), "not-a-gateway"),
        (replace(STARTED, ending="answered", server_version=151), "version-too-old"),
        (replace(STARTED, ending="closed", server_version=151, notices=HELD), "version-too-old"),
        (replace(STARTED, ending="closed", notices=HELD), "client-id-in-use"),
        (replace(STARTED, ending="answered", notices=HELD), "client-id-in-use"),
        (replace(STARTED, ending="closed", notices=HELD + FARM), "client-id-in-use"),
        (replace(STARTED, ending="closed", notices=DISCLAIMER), "paper-disclaimer"),
        (replace(STARTED, ending="closed", notices=FARM), "closed-after-start"),
        (replace(READY, ending="closed"), "closed-after-start"),
        (replace(STARTED, ending="closed", notices=LINK_LOST), "connectivity-lost"),
        (replace(STARTED, ending="closed", notices=LINK_LOST + BACK), "closed-after-start"),
        (replace(STARTED, ending="closed", notices=BAD_LENGTH), "client-socket-507"),
        (replace(STARTED, ending="timeout", notices=LINK_LOST), "connectivity-lost"),
        (replace(STARTED, ending="timeout", notices=SERVER_LOST), "connectivity-lost"),
        (replace(STARTED, ending="timeout", notices=SERVER_LOST + FARM), "not-ready"),
        (replace(STARTED, ending="closed", notices=LINK_LOST + HELD), "client-id-in-use"),
        (replace(READY, notices=LINK_LOST), None),
        (replace(STARTED, ending="timeout"), "not-ready"),
        (replace(STARTED, ending="timeout", next_valid_id=42), "not-ready"),
        (replace(STARTED, ending="timeout", accounts=("DU1234567",)), "not-ready"),
        (replace(STARTED, ending="answered", accounts=()), "no-accounts"),
        (replace(STARTED, ending="closed", accounts=()), "no-accounts"),
        (replace(STARTED, ending="timeout", accounts=(), next_valid_id=1), "no-accounts"),
        (replace(STARTED, ending="closed", accounts=(), notices=HELD), "client-id-in-use"),
    ],
)
def test_cause(attempt, verdict):
    """One cause for every way to end: a refusing code beats the rest, then how far it got."""
    assert cause(attempt) == verdict


@pytest.mark.parametrize(
    ("expects", "accounts", "wrong"),
    [
        ("paper", ("DU1",), False),
        ("paper", ("U1",), True),
        ("paper", ("DU1", "U1"), True),
        ("live", ("U1",), False),
        ("live", ("DU1",), True),
        ("live", (), False),
        ("paper", None, False),
        (None, ("U1",), False),
    ],
)
def test_wrong_environment(expects, accounts, wrong):
    """Only accounts that are known, and of the other kind than expected, are wrong."""
    assert wrong_environment(Target("h", 1, expects), accounts) is wrong


def test_last_notice_and_clock_offset():
    """Both are None as long as nothing is known."""
    assert READY.last_notice is None
    assert READY.clock_offset is None
    assert replace(READY, notices=FARM + HELD).last_notice == HELD[0]
    assert replace(READY, gateway_time=100, gateway_time_at=40.5).clock_offset == 59.5

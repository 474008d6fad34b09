"""What an attempt came to, in a sentence: nothing in it may contradict what was seen."""

from dataclasses import replace

import pytest
from servers import VERSION, ZONE, encode

from ibnb.tws.attempt import Attempt
from ibnb.tws.handshake import Stage
from ibnb.tws.notices import Notice
from ibnb.tws.story import tell
from ibnb.tws.target import Target

STARTED = Attempt(
    Target("127.0.0.1", 4002, "paper"),
    7,
    Stage.START,
    "timeout",
    157,
    176,
    server_version=176,
    total=5.0,
)
GREETED = replace(STARTED, stage=Stage.TCP, server_version=None)
PART = encode(VERSION, ZONE)[:15]
LINK_LOST = Notice(1100, "Connectivity between IBKR and TWS has been lost.")
FARM = Notice(2104, "Market data farm connection is OK:usfarm")
BAD_LENGTH = Notice(507, "Bad message length for DU1234567")


def test_silence_is_told_by_what_came():
    """Not one byte is said only where not one byte came; else how many, and how they begin."""
    assert "sent nothing" in tell(GREETED)
    said = tell(replace(GREETED, received=len(PART), beginning=PART))
    assert "sent nothing" not in said
    assert "15 bytes" in said
    assert "176" in said


def test_a_close_is_told_by_what_came():
    """A gateway that closed in the middle of its reply did not close without one."""
    closed = replace(GREETED, ending="closed")
    assert "without a version reply" in tell(closed)
    said = tell(replace(closed, received=1, beginning=b"\0"))
    assert "without a version reply" not in said
    assert "1 byte (" in said


@pytest.mark.parametrize("ending", ["closed", "timeout"])
def test_a_lost_link_is_told_with_its_notice(ending):
    """What happened, and the notice that says why."""
    said = tell(replace(STARTED, ending=ending, notices=(LINK_LOST, FARM)))
    assert "lost its link to IBKR: notice 1100" in said
    assert "no notice said why" not in said
    assert ("closed the connection" in said) == (ending == "closed")


def test_a_refusal_is_told_by_the_notice_that_refused():
    """What comes after it, such as a farm's notice, is not a reason."""
    held = (Notice(326, "in use"), FARM)
    said = tell(replace(STARTED, ending="closed", notices=held))
    assert "notice 326" in said
    assert "2104" not in said


def test_an_error_before_a_close_is_no_silence():
    """The last notice that may be why is told, masked, and not that none said why."""
    closed = replace(STARTED, ending="closed")
    said = tell(replace(closed, notices=(BAD_LENGTH, FARM)))
    assert "no notice said why" not in said
    assert "notice 507" in said
    assert "DU1234567" not in said
    for notices in ((), (FARM,)):
        assert "no notice said why" in tell(replace(closed, notices=notices))

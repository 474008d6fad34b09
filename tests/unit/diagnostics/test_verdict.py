"""Which of several things that are wrong is the one cause."""

import pytest
from diagnosing import attempt, context

from ibnb.diagnostics import Result
from ibnb.diagnostics.verdict.judge import judge
from ibnb.tws.handshake import Stage

LOST = (1100, "Connectivity between IBKR and TWS has been lost.")
BROKEN = (2103, "Market data farm connection is broken:usfarm")
REFUSED = (326, "in use")

NO_LIBRARY = Result("env.library", "fail", "No API library.", entry="no-api-library")
NOTHING_LISTENS = Result(
    "net.port", "fail", "Nothing listens.", entry="connection-refused", fix=("Connect to 7497.",)
)
IPV6_FIRST = Result("host.address", "warn", "::1 first.", entry="connection-refused")
BAD_LOOP = Result("env.loop", "warn", "Not patched.", entry="event-loop-running")
NO_PROCESS = Result("host.process", "warn", "No process was found.")
SESSION_LOST = Result("session.state", "fail", "It was lost.", entry="not-connected")
FARM = Result("api.link", "warn", "usfarm is broken.", entry="data-farm-down")
SKEW = Result("api.clock", "warn", "60 s ahead.", entry="clock-skew")
CRASHED = Result("host.process", "crash", "It failed.")

SILENT = attempt(ending="timeout", stage=Stage.TCP, version=None, accounts=None)


@pytest.mark.parametrize(
    ("results", "found", "expected"),
    [
        ([], attempt(), "healthy"),
        ([NO_PROCESS], attempt(), "healthy"),
        ([NO_LIBRARY, BAD_LOOP, NOTHING_LISTENS], SILENT, "handshake-silent"),
        ([NO_LIBRARY, FARM], attempt(), "no-api-library"),
        ([BAD_LOOP, NO_LIBRARY], attempt(), "no-api-library"),
        ([NOTHING_LISTENS], attempt(), "healthy"),
        ([IPV6_FIRST], attempt(), "healthy"),
        ([NOTHING_LISTENS], None, "connection-refused"),
        ([IPV6_FIRST], None, "connection-refused"),
        ([FARM], attempt(LOST, BROKEN), "connectivity-lost"),
        ([FARM], attempt(BROKEN), "data-farm-down"),
        ([NO_LIBRARY], attempt(LOST), "connectivity-lost"),
        ([SESSION_LOST], attempt(), "not-connected"),
        ([SESSION_LOST], attempt(REFUSED, ending="closed"), "client-id-in-use"),
        ([SKEW, SESSION_LOST], attempt(), "not-connected"),
        ([BAD_LOOP, SKEW], attempt(), "event-loop-running"),
        ([CRASHED], attempt(), "healthy"),
        ([CRASHED, SKEW], attempt(), "clock-skew"),
    ],
    ids=[
        "nothing",
        "a warning without an entry",
        "the wire beats everything else",
        "no library matters where the wire is sound",
        "a failure beats a warning that stands before it",
        "the wire disproves that nothing listens",
        "the wire disproves what a warning fears",
        "without the wire a failure stands",
        "without the wire a warning stands",
        "a lost link beats farms",
        "farms alone",
        "a lost link beats a missing library",
        "a lost session on a gateway that works",
        "a lost session whose ID is held",
        "a failure beats a warning",
        "the first warning",
        "a crash is not a cause",
        "a crash hides no cause",
    ],
)
def test_the_single_cause(results, found, expected):
    """Cause comes before effect, failure before warning, and the wire has the last word."""
    verdict = judge(results, found, context()[0].surroundings)
    assert verdict.id == expected


def test_the_most_specific_step_comes_first():
    """What a check knows to be done stands before the catalogue's general steps, once."""
    refused = attempt(ending="refused", stage=Stage.RESOLVE, version=None, accounts=None)
    verdict = judge([NOTHING_LISTENS], refused, context()[0].surroundings)
    assert verdict.id == "connection-refused"
    assert verdict.fix[0] == "Connect to 7497."
    assert len(verdict.fix) == len(set(verdict.fix)) > 1


def test_a_verdict_tells_of_one_thing_only():
    """Whatever else is red is in the results, and not in the verdict's sentence."""
    verdict = judge([NO_LIBRARY, NOTHING_LISTENS, SESSION_LOST], SILENT, context()[0].surroundings)
    for other in (NO_LIBRARY, NOTHING_LISTENS, SESSION_LOST):
        assert other.summary not in verdict.summary


def test_what_could_not_run_is_said():
    """A healthy verdict does not pass over a check that crashed."""
    assert (
        "host.process could not run"
        in judge([CRASHED], attempt(), context()[0].surroundings).summary
    )
    assert "host.process could not run" in judge([CRASHED], None, context()[0].surroundings).summary


def test_accounts_in_the_sentence_are_masked():
    """The healthy sentence names the accounts, masked unless they may be shown."""
    masked = judge([], attempt(), context()[0].surroundings).summary
    assert "DU•••567" in masked
    assert "DU1234567" not in masked
    assert "DU1234567" in judge([], attempt(), context(show_accounts=True)[0].surroundings).summary


def test_who_is_connected_is_not_told_how_to_connect():
    """On the notebook's own session a healthy verdict has no steps."""
    assert judge([], attempt(), context(attached=True)[0].surroundings).fix == ()
    assert judge([], attempt(), context()[0].surroundings).fix

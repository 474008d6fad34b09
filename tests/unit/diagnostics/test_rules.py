"""Each rule of the verdict: what it sees, what it leaves to others, and who is asked first."""

from dataclasses import replace

import pytest
from diagnosing import attempt, context

from ibnb.diagnostics import CHECKS, Result
from ibnb.diagnostics.verdict.judge import judge
from ibnb.diagnostics.verdict.rules import RULES
from ibnb.knowledge import catalogue
from ibnb.tws.handshake import Stage
from ibnb.tws.target import Target

REFUSED = attempt(ending="refused", stage=Stage.RESOLVE, version=None, accounts=None)
SILENT = attempt(ending="timeout", stage=Stage.TCP, version=None, accounts=None)
CLOSED = attempt(ending="closed", stage=Stage.TCP, version=None, accounts=None)
AFTER_START = attempt(ending="closed", stage=Stage.START, accounts=None)
FOREIGN = attempt(ending="foreign", stage=Stage.TCP, version=None, accounts=None)
HELD = attempt((326, "in use"), ending="closed", stage=Stage.START, accounts=None)
LINK_LOST = attempt((1100, "Connectivity between IBKR and TWS has been lost."))
WELL = attempt()

PENDING = Result(
    "host.login",
    "warn",
    "The login log says of the gateway: it waits for the second factor.",
    entry="login-pending",
    fix=("Confirm the login.",),
)
REJECTED = Result("host.login", "warn", "The password was refused.", entry="login-rejected")
FULL = Result("net.clients", "warn", "32 clients are connected.", entry="too-many-clients")
PILE = Result(
    "net.clients",
    "warn",
    "30 connections wait for the gateway to close them (CLOSE_WAIT).",
    entry="handshake-silent",
    fix=("Restart the gateway.",),
)
UNTRUSTED = Result(
    "host.settings",
    "warn",
    "The settings file does not list 127.0.0.1 as trusted.",
    entry="handshake-silent",
    fix=("Trust 127.0.0.1.",),
)
CLOSED_PORT = Result(
    "net.port",
    "fail",
    "Nothing listens on port 4002, nor on another port of a gateway.",
    entry="connection-refused",
)
RESUMING = Result("session.state", "warn", "It is being opened again.", entry="not-connected")
FAILED_BEFORE = Result("session.state", "warn", "The last try: 1100.", entry="connectivity-lost")


def on_the_port(name, **row):
    """Return that a program listens on the port."""
    told = f"{name or 'A process'} (process 7) listens on port 4002."
    rows = [{"port": 4002, "pid": 7, "name": name} | row]
    return Result("net.port", "pass", told, {"listening": rows})


FORWARDER = on_the_port("docker-proxy")
JAVA = on_the_port("java")


def listening(pid):
    """Return that a process listens on the port, beside a gateway that is process 4242."""
    name = "python" if pid else None
    return (
        Result(
            "host.process", "pass", "It runs.", {"processes": [{"pid": 4242, "kind": "Gateway"}]}
        ),
        on_the_port(name, pid=pid),
    )


ELSEWHERE = Result(
    "net.port",
    "fail",
    "Nothing listens on port 4002. Listening here: Gateway, process 4242, on 4001, a live port.",
    entry="connection-refused",
    fix=("Connect where it listens: %ibconnect 4001",),
    detail="Listening here: Gateway, process 4242, on 4001, a live port.",
)
HOLDER = Result(
    "session.client-id",
    "warn",
    "Client ID 7 is held by notebook a.ipynb (process 9).",
    detail="Client ID 7 is held by notebook a.ipynb (process 9).",
    entry="client-id-in-use",
    fix=("Run %ibdisconnect in it.",),
)
HALF_OPEN = Result("session.heartbeat", "fail", "Not a byte came.", entry="half-open")
STALE = Result("session.state", "warn", "Your `ib` is stale.", entry="stale-connection")
SYNC = Result("session.state", "warn", "Open orders did not arrive.", entry="sync-incomplete")
PACING = Result("session.pacing", "warn", "70 historical requests.", entry="pacing")
FARM = Result("api.link", "warn", "usfarm is broken.", entry="data-farm-down")
LOSSES = Result("session.history", "warn", "A connection was lost once in the last hour.")


@pytest.mark.parametrize(
    ("results", "found", "verdict", "said"),
    [
        ([PENDING], REFUSED, "login-pending", "second factor"),
        ([PENDING], SILENT, "login-pending", "second factor"),
        ([PENDING], CLOSED, "login-pending", "second factor"),
        ([REJECTED], REFUSED, "login-rejected", "refused"),
        ([PENDING, *listening(4242)], SILENT, "login-pending", "second factor"),
        ([PENDING, *listening(None)], SILENT, "login-pending", "second factor"),
        ([PENDING, *listening(7)], SILENT, "handshake-silent", "sent nothing"),
        ([PENDING, *listening(7)], CLOSED, "closed-before-version", "without a version reply"),
        ([UNTRUSTED, *listening(4242)], SILENT, "handshake-silent", "127.0.0.1 as trusted"),
        ([UNTRUSTED, *listening(7)], SILENT, "handshake-silent", "sent nothing"),
        ([PENDING], WELL, "healthy", "works"),
        ([PENDING], HELD, "client-id-in-use", "326"),
        ([PENDING], FOREIGN, "not-a-gateway", "no TWS or Gateway"),
        ([PENDING], None, "login-pending", "second factor"),
        ([PENDING, ELSEWHERE], REFUSED, "login-pending", "second factor"),
        ([ELSEWHERE], REFUSED, "connection-refused", "nothing listens"),
        ([ELSEWHERE], REFUSED, "connection-refused", "Listening here: Gateway, process 4242, on"),
        ([PENDING, CLOSED_PORT], None, "login-pending", "Nothing listens on port 4002"),
        ([REJECTED, CLOSED_PORT], None, "login-rejected", "Nothing listens on port 4002"),
        ([PILE, PENDING, *listening(4242)], SILENT, "handshake-silent", "wedged"),
        ([PILE, PENDING, *listening(None)], SILENT, "login-pending", "second factor"),
        ([*listening(7)], SILENT, "handshake-silent", "neither a TWS nor a Gateway"),
        ([*listening(7)], CLOSED, "closed-before-version", "neither a TWS nor a Gateway"),
        ([*listening(7)], FOREIGN, "not-a-gateway", "python (process 7) listens"),
        ([*listening(4242)], FOREIGN, "not-a-gateway", "no TWS or Gateway"),
        ([*listening(7)], HELD, "client-id-in-use", "326"),
        ([RESUMING], WELL, "not-connected", "opened again"),
        ([RESUMING], SILENT, "handshake-silent", "sent nothing"),
        ([FAILED_BEFORE], WELL, "healthy", "works"),
        ([FULL], CLOSED, "too-many-clients", "32 clients"),
        ([FULL], AFTER_START, "too-many-clients", "32 clients"),
        ([FULL], SILENT, "too-many-clients", "32 clients"),
        ([FULL], HELD, "client-id-in-use", "326"),
        ([FULL], WELL, "healthy", "works"),
        ([FULL, PENDING], SILENT, "login-pending", "second factor"),
        ([PILE], SILENT, "handshake-silent", "wedged"),
        ([PILE, UNTRUSTED], SILENT, "handshake-silent", "wedged"),
        ([PILE], CLOSED, "closed-before-version", "without a version reply"),
        ([PILE], WELL, "healthy", "works"),
        ([UNTRUSTED], SILENT, "handshake-silent", "127.0.0.1 as trusted"),
        ([UNTRUSTED], CLOSED, "closed-before-version", "127.0.0.1 as trusted"),
        ([UNTRUSTED], AFTER_START, "closed-after-start", "session start"),
        ([UNTRUSTED], WELL, "healthy", "works"),
        ([FORWARDER], CLOSED, "closed-before-version", "docker-proxy"),
        ([JAVA], CLOSED, "closed-before-version", "without a version reply"),
        ([FORWARDER], SILENT, "handshake-silent", "sent nothing"),
        ([HOLDER], HELD, "client-id-in-use", "notebook a.ipynb"),
        ([HOLDER], WELL, "healthy", "works"),
        ([HALF_OPEN], WELL, "half-open", "Not a byte"),
        ([HALF_OPEN], LINK_LOST, "half-open", "Not a byte"),
        ([STALE], WELL, "stale-connection", "stale"),
        ([STALE], REFUSED, "connection-refused", "nothing listens"),
        ([SYNC], WELL, "sync-incomplete", "Open orders"),
        ([SYNC, FARM], WELL, "data-farm-down", "usfarm"),
        ([STALE, FARM], WELL, "stale-connection", "stale"),
        ([PACING], WELL, "pacing", "70 historical"),
        ([LOSSES], WELL, "healthy", "works"),
    ],
)
def test_what_each_rule_sees(results, found, verdict, said):
    """Every rule sees its cause where its evidence is, and leaves all else to the others."""
    ordered = sorted(results, key=lambda one: [check.id for check in CHECKS].index(one.id))
    judged = judge(ordered, found, context()[0].surroundings)
    assert judged.id == verdict
    assert said in judged.summary


@pytest.mark.parametrize(
    ("results", "found", "first"),
    [
        ([PENDING], REFUSED, "Confirm the login."),
        ([PILE], SILENT, "Restart the gateway."),
        ([UNTRUSTED], CLOSED, "Trust 127.0.0.1."),
        ([UNTRUSTED, PILE], SILENT, "Restart the gateway."),
        ([ELSEWHERE], REFUSED, "Connect where it listens: %ibconnect 4001"),
        ([HOLDER], HELD, "Run %ibdisconnect in it."),
    ],
)
def test_what_to_do_first_fits_what_was_found(results, found, first):
    """The step that comes first is of the evidence that decided; the page's own steps follow."""
    judged = judge(results, found, context()[0].surroundings)
    assert judged.fix[0] == first
    page = catalogue().by_id(judged.id)
    assert set(page.resolution) <= set(judged.fix)
    assert len(judged.fix) == len(set(judged.fix))


@pytest.mark.parametrize("name", ["java", "docker-proxy", "nginx", None])
def test_what_may_be_a_gateway_is_not_denied_to_be_one(name):
    """A Java program, what passes on, and what has no name may have a gateway in or behind it."""
    told = on_the_port(name)
    judged = judge([listening(7)[0], told], SILENT, context()[0].surroundings)
    assert "neither" not in judged.summary
    steps = catalogue().by_id("handshake-silent").resolution
    assert {step for step in steps if not step.startswith("Trusted IPs")} <= set(judged.fix)


def test_who_begins_as_a_gateway_is_not_denied_to_be_one():
    """A part of a version reply came: no name of a program outweighs that."""
    for found in (SILENT, CLOSED):
        part = replace(found, received=9, beginning=b"\0\0\0\x1a176\0\x32")
        assert "neither" not in judge([*listening(7)], part, context()[0].surroundings).summary


@pytest.mark.parametrize(
    ("host", "address", "told"),
    [
        ("::1", "127.0.0.1", True),
        ("127.0.0.1", "::1", True),
        ("127.0.0.1", "0.0.0.0", False),  # noqa: S104 - nothing is bound
        ("127.0.0.1", "127.0.0.1", False),
        ("localhost", "127.0.0.1", False),
    ],
)
def test_a_port_that_is_open_at_another_address(host, address, told):
    """A refusal at one address of this machine says nothing of the other: that is said."""
    port = on_the_port("java", address=address)
    judged = judge([port], REFUSED, context(target=Target(host, 4002))[0].surroundings)
    assert (f"open at {address} alone" in judged.summary) == told


def test_a_refused_id_is_told_once():
    """The verdict's sentence has the refusal from the wire, and from the check who may have it."""
    told = "Who has it is not known."
    check = replace(HOLDER, summary=f"Client ID 7 was refused as in use. {told}", detail=told)
    said = judge([check], HELD, context()[0].surroundings).summary
    assert said.endswith("Who has it is not known.")
    assert "was refused as in use" not in said


def test_a_simulated_gateway_is_not_denied_to_be_one():
    """What a fault makes of it is told as of any gateway."""
    processes = Result(
        "host.process", "pass", "It runs.", {"processes": [{"pid": 7, "kind": "simulator"}]}
    )
    judged = judge([processes, listening(7)[1]], SILENT, context()[0].surroundings)
    assert "neither" not in judged.summary


def test_another_program_is_not_looked_for_on_the_gateways_screen():
    """Where a gateway listens comes first, and no step of those that are for a mute gateway."""
    process, port = listening(7)
    row = {"pid": 4242, "kind": "Gateway", "ports": [4001]}
    judged = judge(
        [replace(process, evidence={"processes": [row]}), port], SILENT, context()[0].surroundings
    )
    assert judged.fix[0] == "Connect where a gateway listens: %ibconnect 4001"
    assert not set(catalogue().by_id("handshake-silent").resolution) & set(judged.fix)


@pytest.mark.parametrize("hint", [PENDING, REJECTED, FULL, PILE, UNTRUSTED, HOLDER, RESUMING])
def test_without_a_try_a_hint_stays_a_hint(hint):
    """What only warns is not an error where nothing was tried, and it says what was looked at."""
    judged = judge(
        [Result("host.process", "pass", "It runs."), hint], None, context()[0].surroundings
    )
    assert (judged.id, judged.severity) == (hint.entry, "warning")
    assert judged.title.startswith("Possible cause: ")
    assert f"No connection was tried; looked at: host.process, {hint.id}." in judged.summary


def test_without_a_try_a_failure_is_an_error():
    """That nothing listens on the port is seen without trying."""
    judged = judge([ELSEWHERE], None, context()[0].surroundings)
    assert (judged.id, judged.severity) == ("connection-refused", "error")
    assert judge([PENDING, ELSEWHERE], None, context()[0].surroundings).severity == "error"


def test_a_session_that_is_being_resumed_is_a_warning():
    """It comes back by itself, on a gateway that works."""
    assert judge([RESUMING], WELL, context()[0].surroundings).severity == "warning"


def test_a_verdict_names_its_evidence():
    """The checks that speak for a cause are named with it."""
    assert "host.login" in judge([PENDING], REFUSED, context()[0].surroundings).evidence
    assert judge([FULL], CLOSED, context()[0].surroundings).evidence == ("net.clients",)


def test_too_many_requests_are_a_warning():
    """A connection that works, only paced too fast, is not a broken one."""
    assert judge([PACING], WELL, context()[0].surroundings).severity == "warning"


def test_what_failed_last_counts():
    """A gateway that works now is healthy, and the verdict says what the last try met before."""
    judged = judge([], WELL, context(failed=HELD)[0].surroundings)
    assert judged.id == "healthy"
    assert "The last try to connect failed" in judged.summary
    assert "326" in judged.summary


def test_no_rule_sees_anything_in_nothing():
    """Without results and without a look at the wire every rule stays silent."""
    from ibnb.diagnostics.verdict.rules import Findings

    found = Findings({}, None, context()[0].surroundings)
    assert [rule(found) for rule in RULES] == [None] * len(RULES)

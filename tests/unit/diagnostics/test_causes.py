"""Causes that lie beside the wire: each with what shows it, and a neighbour that does not."""

from dataclasses import replace

import pytest
from diagnosing import attempt, context

from ibnb.diagnostics import CHECKS, Result
from ibnb.diagnostics.sanitise import presentable
from ibnb.diagnostics.verdict.judge import judge
from ibnb.knowledge import Situation
from ibnb.tws.attempt import cause
from ibnb.tws.handshake import Stage
from ibnb.tws.target import Target

REFUSED = attempt(ending="refused", stage=Stage.RESOLVE, version=None, accounts=None)
SILENT = attempt(ending="timeout", stage=Stage.TCP, version=None, accounts=None)
CLOSED = attempt(ending="closed", stage=Stage.TCP, version=None, accounts=None)
UNREACHED = attempt(ending="unreachable", stage=Stage.RESOLVE, version=None, accounts=None)
TIMED_OUT = replace(UNREACHED, unanswered=("127.0.0.1",), detail="127.0.0.1 did not answer")
HALF_REFUSED = replace(TIMED_OUT, ending="refused")
ELSEWHERE = Target("192.0.2.7", 4002, "paper")


def port(name, pid=4242, **more):
    """Return that a program has the port."""
    row = {"port": 4002, "pid": pid, "address": "127.0.0.1", "name": name}
    return Result(
        "net.port",
        "pass",
        f"{name} (process {pid}) listens on port 4002.",
        {"listening": [row], **more},
    )


def running(*ports_of):
    """Return the gateways that run, by the ports of each; the first is process 4242."""
    rows = [
        {"pid": 4242 + number, "kind": "Gateway", "ports": list(ports)}
        for number, ports in enumerate(ports_of)
    ]
    return Result("host.process", "pass", "They run.", {"processes": rows})


def login(phase, entry=None, **more):
    """Return what the login log says."""
    status = "pass" if phase == "logged-in" else "warn"
    return Result("host.login", status, "The log says so.", {"phase": phase, **more}, entry)


def settings(address, status="skip", **more):
    """Return what is known of the address that the gateway sees."""
    entry = "handshake-silent" if status == "warn" else None
    fix = (f"Trust {address}.",) if status == "warn" else ()
    return Result(
        "host.settings", status, "As far as known.", {"address": address, **more}, entry, fix
    )


def nothing_listens(*fix):
    """Return that nothing has the port."""
    return Result(
        "net.port",
        "fail",
        "Nothing listens on port 4002. Listening here: Gateway, process 4243, on 4001.",
        {"listening": []},
        "connection-refused",
        fix,
    )


def verdict(results, found, target=None, **more):
    """Judge results and an attempt, in a notebook."""
    order = [check.id for check in CHECKS]
    if target is not None:
        found, more = replace(found, target=target), {**more, "target": target}
    made, _ = context(situation=Situation(place="notebook"), **more)
    return judge(sorted(results, key=lambda one: order.index(one.id)), found, made.surroundings)


@pytest.mark.parametrize(
    ("results", "found", "expected", "said"),
    [
        ([port("java"), running([4002])], TIMED_OUT, "wedged", "takes no connection any more"),
        ([port("java"), running([4002])], HALF_REFUSED, "wedged", "no network is in the way"),
        ([port("python", 7), running([4001])], TIMED_OUT, "host-unreachable", "python (process 7)"),
        ([port("docker-proxy", 7)], TIMED_OUT, "host-unreachable", "docker-proxy (process 7)"),
        ([port("java"), running([4002])], UNREACHED, "host-unreachable", "could not be reached"),
        ([running([4001])], TIMED_OUT, "host-unreachable", "did not answer"),
        ([port("java"), running([4002])], SILENT, "handshake-silent", "sent nothing"),
    ],
)
def test_a_full_accept_queue(results, found, expected, said):
    """A gateway that has the port and lets TCP time out is stuck: no network is in the way."""
    judged = verdict(results, found)
    assert judged.id == expected
    assert said in judged.summary
    assert not any("VPN" in step for step in judged.fix)
    assert ("Restart TWS or Gateway" in judged.fix[0]) == (expected == "wedged")


def test_another_machine_that_does_not_answer_may_need_a_vpn():
    """There a network is in the way, and what listens here has no part in it."""
    results = [port("java"), running([4002])]
    judged = verdict(results, TIMED_OUT, ELSEWHERE)
    assert judged.id == "host-unreachable"
    assert any("VPN" in step for step in judged.fix)


FORWARDERS = ["docker-proxy", "socat", "kubectl", "nginx", "stunnel4", "ssh", "wslrelay.exe"]


@pytest.mark.parametrize("name", FORWARDERS)
def test_a_forwarder_that_closes_at_once_is_named(name):
    """It passes connections on to a gateway that is not there, or not ready."""
    judged = verdict([port(name, 7), running()], CLOSED)
    assert judged.id == "closed-before-version"
    assert f"{name} (process 7)" in judged.summary
    assert "behind the forwarder" in judged.fix[0]


@pytest.mark.parametrize("name", FORWARDERS)
@pytest.mark.parametrize("address", ["127.0.0.1", None, "172.17.0.1"])
def test_a_mute_gateway_behind_a_forwarder(name, address):
    """The forwarder is named, and the address to trust is the one that the gateway sees."""
    judged = verdict([port(name, 7), running(), settings(address, "warn")], SILENT)
    assert judged.id == "handshake-silent"
    assert f"{name} (process 7)" in judged.summary
    assert not any("127.0.0.1" in step for step in judged.fix)
    known = address == "172.17.0.1"
    assert ("enter 172.17.0.1, then Apply" in judged.fix[0]) == known
    assert (f"the address from which {name} reaches it" in judged.fix[0]) == (not known)


def test_a_forwarder_that_was_followed_to_this_machine():
    """What leads to a gateway of this machine reaches it from 127.0.0.1, which is to be trusted."""
    seen = settings("127.0.0.1", forwarder="socat (process 7)")
    judged = verdict([port("socat", 7), seen], SILENT)
    assert "enter 127.0.0.1, then Apply" in judged.fix[0]
    assert "and not 127.0.0.1" not in judged.summary


def test_a_mute_port_of_a_container():
    """A port that is reached though no program of this machine has it is a container's."""
    unlisted = Result("net.port", "pass", "Port 4002 is reached.", {"unlisted": True})
    judged = verdict([unlisted], SILENT)
    assert "container or virtual machine" in judged.summary
    assert not any("127.0.0.1" in step for step in judged.fix)


def test_a_mute_gateway_on_another_machine():
    """From WSL2 or a container it sees the address of this end: that one is to be trusted."""
    judged = verdict([settings("172.28.240.5")], SILENT, ELSEWHERE)
    assert "sees this machine as 172.28.240.5" in judged.summary
    assert "enter 172.28.240.5, then Apply" in judged.fix[0]
    assert not any("127.0.0.1" in step for step in judged.fix)


@pytest.mark.parametrize("name", ["java", "python"])
def test_who_is_no_forwarder_is_not_called_one(name):
    """A gateway of this machine sees 127.0.0.1, and another program is not a gateway at all."""
    pid = 4242 if name == "java" else 7
    judged = verdict([port(name, pid), running([4002]), settings("127.0.0.1", "warn")], SILENT)
    assert "behind" not in judged.summary
    assert ("Trust 127.0.0.1." in judged.fix) == (name == "java")


def test_another_machine_whose_view_is_not_known():
    """Without a route nobody knows what it sees; 127.0.0.1 it is not."""
    judged = verdict([], SILENT, ELSEWHERE)
    assert any("the address that it sees of this machine" in step for step in judged.fix)
    assert not any("127.0.0.1" in step for step in judged.fix)


def test_a_forwarder_whose_socket_is_hidden():
    """It is named by what follows it, where the list of sockets names nobody."""
    hidden = Result("net.port", "skip", "Who listens on port 4002 could not be read.")
    followed = settings("172.18.0.1", forwarder="docker-proxy (process 9)")
    for found in (SILENT, CLOSED):
        assert "ocker-proxy (process 9)" in verdict([hidden, followed], found).summary


def test_a_code_is_kept_among_many_farms():
    """What says why is passed on, however many notices of farms came after it."""
    farms = [(2104, f"Market data farm connection is OK:farm{number}") for number in range(60)]
    found = attempt((357, "old"), *farms, ending="closed", stage=Stage.START, accounts=None)
    assert cause(presentable(found)) == "client-too-old"


def test_what_is_trusted_already_is_not_advised():
    """A settings file that lists the address rules out the steps that add it."""
    trusted = settings("127.0.0.1", "pass")
    for found in (SILENT, CLOSED):
        judged = verdict([port("java"), running([4002]), trusted], found)
        assert not any("Trusted IPs" in step for step in judged.fix)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (357, "client-too-old"),
        (502, "too-many-clients"),
        (503, "version-too-old"),
        (506, "version-too-old"),
        (507, "client-socket-507"),
    ],
)
@pytest.mark.parametrize("last", [(), ((2104, "Market data farm connection is OK:usfarm"),)])
def test_a_close_with_a_code(code, expected, last):
    """The last notice says why, also if farms were told of after it; no other ID helps."""
    found = attempt((code, "as it came"), *last, ending="closed", stage=Stage.START, accounts=None)
    judged = verdict([], found)
    assert judged.id == expected
    assert f"notice {code}" in judged.summary
    assert not any("client ID" in step for step in judged.fix)


@pytest.mark.parametrize(
    ("notices", "ending", "expected", "first"),
    [
        (((357, "old"), (399, "held")), "closed", "closed-after-start", "%iberror 399"),
        (((10197, "competing"),), "closed", "closed-after-start", "%iberror 10197"),
        (((2104, "OK:usfarm"),), "closed", "closed-after-start", ""),
        (((357, "old"),), "timeout", "not-ready", ""),
        (((357, "old"), (326, "in use")), "closed", "client-id-in-use", ""),
    ],
)
def test_a_code_that_does_not_say_why(notices, ending, expected, first):
    """Another notice after it, no close, or a refusal: then it is not the cause."""
    found = attempt(*notices, ending=ending, stage=Stage.START, accounts=None)
    judged = verdict([], found)
    assert judged.id == expected
    assert first in judged.fix[0]


def test_the_process_that_was_asked_for_comes_first():
    """One that runs and does not listen yet is meant before one that listens elsewhere."""
    there = "Connect where it listens: %ibconnect 4001 (a live account's port)"
    judged = verdict([nothing_listens(there), running([], [4001])], REFUSED)
    assert judged.id == "connection-refused"
    assert "its login is finished" in judged.fix[0]
    assert there in judged.fix[1:]
    judged = verdict([nothing_listens(there), running([4001])], REFUSED)
    assert judged.fix[0] == there


@pytest.mark.parametrize(
    ("quiet", "first"), [(5.0, "Wait some seconds"), (7200.0, "Compare its port")]
)
def test_logged_in_but_closed(quiet, first):
    """Its login is not to be finished: its port is another, or opens within seconds."""
    logged_in = login("logged-in", quiet_seconds=quiet)
    judged = verdict([nothing_listens(), running([]), logged_in], REFUSED)
    assert judged.id == "connection-refused"
    assert "logged in" in judged.summary
    assert judged.fix[0].startswith(first)
    assert not any("finish" in step for step in judged.fix)
    # Without a process the log is of one that is gone; beside one that listens it may be that's.
    for processes in ([], [running([], [4001])], [running([4001])]):
        judged = verdict([nothing_listens(), *processes, logged_in], REFUSED)
        assert not judged.fix[0].startswith(first)


@pytest.mark.parametrize(
    ("phase", "entry", "factor"),
    [
        ("starting", "login-pending", False),
        ("logging-in", "login-pending", False),
        ("throttled", "login-pending", False),
        ("not-logged-in", "login-pending", False),
        ("second-factor", "login-pending", True),
        ("challenge-unanswered", "login-pending", True),
        ("wrong-password", "login-rejected", False),
        ("refused", "login-rejected", False),
        ("session-expired", "login-session-expired", False),
        ("slot-taken", "login-slot-taken", False),
        ("competing-session", "login-slot-taken", False),
    ],
)
@pytest.mark.parametrize("found", [REFUSED, SILENT, CLOSED, None])
def test_steps_of_a_login_depend_on_its_phase(phase, entry, factor, found):
    """A second factor is spoken of only if one was asked for, a password only if it was wrong."""
    results = [running([]), login(phase, entry)]
    judged = verdict([*results, nothing_listens()] if found is None else results, found)
    assert judged.id == entry
    told = " ".join(judged.fix)
    assert ("second factor" in told or "2FA" in told) == factor
    assert ("stored credentials" in told) == (phase == "wrong-password")


def test_a_login_that_was_refused_does_not_explain_an_answer():
    """A gateway that lets clients in is logged in, whatever its log says."""
    for entry in ("login-session-expired", "login-slot-taken"):
        assert verdict([login("refused", entry)], attempt()).id == "healthy"


def test_a_refused_port_on_another_machine():
    """Steps are about that machine, and no look at this one is advised."""
    judged = verdict([], REFUSED, ELSEWHERE)
    assert judged.id == "connection-refused"
    assert "On the machine that you named" in judged.fix[0]
    assert not any("this machine listens" in step for step in judged.fix)
    assert not any("127.0.0.1" in step for step in judged.fix)
    here = verdict([], REFUSED)
    assert not any("On the machine that you named" in step for step in here.fix)

"""Checks of the gateway's machine: its processes, login log, settings file, API logs, sockets."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import psutil
import pytest
import servers
from commands import at, environment, processes_stay
from diagnosing import attempt, context

from ibnb.diagnostics.checks import files, host, net
from ibnb.diagnostics.engine.once import Once
from ibnb.diagnostics.machine import Machine, look_at_machine
from ibnb.tws import sockets
from ibnb.tws.forwarding import Forwarder
from ibnb.tws.handshake import Stage
from ibnb.tws.processes import GatewayProcess, Running
from ibnb.tws.route import address_of_route
from ibnb.tws.sockets import UNSEEN, Listener, Listening, PortUse, SocketClient
from ibnb.tws.target import Target

GATEWAY = GatewayProcess(4242, "Gateway", "java", 0.0, (4001,), "IB Gateway 1030")
SILENT_GATEWAY = GatewayProcess(4243, "Gateway", "java", 0.0, (), "IB Gateway 1030")
ANY = "0.0.0.0"  # noqa: S104 - an address that is asked for, and bound to by nobody
WELL_KNOWN_LIVE = 4001
ELSEWHERE = Target("192.0.2.7", 4002)
SECRETS = ("10.11.12.13", "00:1A:2B:3C:4D:5E", "deadbeefcafe0123456789", "someuser")


def machine(folder=None, *processes):
    """Return what a look at the machine gives: these processes, this settings folder."""
    seen = Machine(processes, () if folder is None else (folder,))
    return Once(lambda: seen)


def run(check, **more):
    """Run one check and return its result."""
    return asyncio.run(check(context(**more)[0]))


def log(folder, *messages, ago=0.0):
    """Write a launcher.log whose lines are a second apart, the last one `ago` seconds old."""
    last = datetime.now() - timedelta(seconds=ago)  # noqa: DTZ005 - a log tells local time
    lines = [
        f"{last - timedelta(seconds=len(messages) - 1 - number):%Y-%m-%d %H:%M:%S.123} "
        f"INFO  [JTS-Main] - {message}\n"
        for number, message in enumerate(messages)
    ]
    path = folder / "launcher.log"
    path.write_text("".join(lines))
    os.utime(path, (last.timestamp(), last.timestamp()))
    return folder


RESTART = "-------------- IB GATEWAY RESTART --------------"
TRY = "LauncherLoginThread.runLoginWithUI()[host=10.11.12.13, user=someuser, loginAttempt=1]"
CHALLENGE = "Received CHALLENGE deadbeefcafe0123456789 00:1A:2B:3C:4D:5E"
THROTTLED = "Too many failed login attempts. Please wait 4 minutes & 55 seconds"
OVER = "Too many failed login attempts. Please wait 0 seconds"
WRONG = "Authorization failed: Invalid username or password"
AUTO = "Running in auto-restart mode: restoring session token and session ID [x]..."
NO_ENTRY = "Authorization failed: User someuser@example.com is not let in. MessageType: null."
NOT_DONE = "### onAuthenticationCompleted tokenProtocol=0; authenticated=false"
EXPIRED = "Authorization failed: The security tokens have expired. MessageType: null. FailReason: 5"
TIME_OUT = "Authentication timeout"
DONE = "Switching to a new encrypted log"


@pytest.mark.parametrize(
    ("messages", "status", "entry", "said"),
    [
        ([RESTART], "warn", "login-pending", "starting"),
        ([RESTART, TRY], "warn", "login-pending", "logging in"),
        ([RESTART, TRY, CHALLENGE], "warn", "login-pending", "second factor"),
        ([RESTART, TRY, THROTTLED], "warn", "login-pending", "failed logins (29"),
        ([RESTART, TRY, WRONG], "warn", "login-rejected", "user name or password were refused"),
        (
            [RESTART, TRY, NO_ENTRY, NOT_DONE],
            "warn",
            "login-rejected",
            "“User <email> is not let in”",
        ),
        ([RESTART, AUTO, TRY, WRONG], "warn", "login-session-expired", "saved session"),
        ([RESTART, AUTO, TRY, EXPIRED], "warn", "login-session-expired", "tokens have expired”"),
        ([RESTART, *[TRY, TIME_OUT] * 7], "warn", "login-slot-taken", "7 attempts in a row"),
        ([RESTART, *[TRY, TIME_OUT] * 2], "warn", "login-pending", "logging in"),
        (
            [RESTART, TRY, WRONG, OVER],
            "warn",
            "login-rejected",
            "user name or password were refused",
        ),
        ([RESTART, TRY, "Competition detected"], "warn", "login-slot-taken", "another session"),
        ([RESTART, TRY, NO_ENTRY], "warn", "login-pending", "“User <email> is not let in”"),
        ([RESTART, TRY, CHALLENGE, DONE], "pass", None, "logged in"),
        (["no line that anybody knows"], "skip", None, "no line that says how far"),
    ],
)
def test_the_login_of_a_gateway_that_runs(tmp_path, messages, status, entry, said):
    """The log of a process that is there tells how far its login got, and what to do."""
    result = run(files.login, machine=machine(log(tmp_path, *messages), SILENT_GATEWAY))
    assert (result.status, result.entry) == (status, entry)
    assert said in result.summary
    assert bool(result.fix) == (status == "warn")
    assert not any(secret in str(result) for secret in SECRETS)


def test_a_refusal_of_days_ago_has_its_date(tmp_path):
    """Whoever reads of it sees since when nobody has tried again."""
    idle = ["instance of control is not created yet"] * 600
    folder = log(tmp_path, RESTART, TRY, WRONG, *idle)
    result = run(files.login, machine=machine(folder, SILENT_GATEWAY))
    assert result.entry == "login-rejected"
    begun = datetime.now() - timedelta(seconds=600)  # noqa: DTZ005 - a log tells local time
    assert f"since {begun:%d %b}" in result.summary


def test_a_refusal_from_before_the_process_is_not_counted(tmp_path):
    """The log goes on, and what it told last is of a process that has gone since."""
    idle = ["instance of control is not created yet"] * 9000
    folder = log(tmp_path, RESTART, TRY, WRONG, *idle)
    result = run(
        files.login, machine=machine(folder, replace(SILENT_GATEWAY, started=time.time() - 60))
    )
    assert (result.status, result.entry) == ("skip", None)
    assert "older than the gateway process" in result.summary
    earlier = replace(SILENT_GATEWAY, started=time.time() - 9100)
    assert run(files.login, machine=machine(folder, earlier)).entry == "login-rejected"


def test_a_log_from_before_the_process_is_not_counted(tmp_path):
    """What an earlier process was waiting for three weeks ago says nothing of the one that runs."""
    folder = log(tmp_path, RESTART, TRY, "Competition detected", ago=21 * 86400.0)
    fresh = replace(SILENT_GATEWAY, started=time.time() - 60)
    result = run(files.login, machine=machine(folder, fresh))
    assert (result.status, result.entry) == ("skip", None)
    assert "older than the gateway process" in result.summary


@pytest.fixture
def two(tmp_path):
    """Two gateways with folders of their own: one logged in, the other asking for a factor."""
    folders = tmp_path / "one", tmp_path / "other"
    for folder, said, trusted in zip(
        folders, (DONE, CHALLENGE), ("127.0.0.1", "10.0.0.5"), strict=True
    ):
        folder.mkdir()
        log(folder, RESTART, TRY, said)
        (folder / "jts.ini").write_text(f"[IBGateway]\nTrustedIPs={trusted}\n")

    def two(*ports):
        """Return the machine; `ports` are those of the two processes."""
        processes = [
            replace(SILENT_GATEWAY, pid=number, ports=listening, settings_folder=str(folder))
            for number, (folder, listening) in enumerate(zip(folders, ports, strict=True), 4242)
        ]
        return Once(lambda: Machine(tuple(processes), folders))

    return two


@pytest.mark.parametrize(
    ("ports", "status", "said"),
    [
        (((4002,), ()), "pass", "logged in"),
        (((), (4002,)), "warn", "second factor"),
        (((4001,), ()), "warn", "second factor"),
        (((), (4001,)), "pass", "logged in"),
        (((), ()), "skip", "which of them is that of port 4002 is not known"),
        (((4001,), (4003,)), "skip", "which of them is that of port 4002 is not known"),
    ],
)
def test_the_login_log_is_that_of_the_gateway_on_the_port(two, ports, status, said):
    """Another gateway's log says nothing of this port; whose it is may not be known."""
    result = run(files.login, machine=two(*ports))
    assert (result.status, said in result.summary) == (status, True)


@pytest.mark.parametrize(
    ("ports", "status"),
    [(((4002,), ()), "pass"), (((), (4002,)), "warn"), (((), ()), "skip")],
)
def test_the_settings_are_those_of_the_gateway_on_the_port(two, ports, status):
    """The settings file is that of the process that listens; two that disagree are none."""
    result = run(files.settings, machine=two(*ports))
    assert result.status == status
    assert ("disagree on 127.0.0.1" in result.summary) == (status == "skip")


def test_a_port_of_the_gateways_own_is_no_api_port(tmp_path, monkeypatch):
    """What jts.ini names as LocalServerPort is not told as a port to connect to."""
    (tmp_path / "jts.ini").write_text("[IBGateway]\nLocalServerPort=4000\n")
    found = replace(GATEWAY, ports=(4000, 4001), settings_folder=str(tmp_path))
    monkeypatch.setattr("ibnb.diagnostics.machine.running", lambda: Running((found,)))
    seen = look_at_machine()
    assert [one.ports for one in seen.processes] == [(4001,)]
    result = run(host.process, machine=Once(lambda: seen))
    assert "4001" in result.summary
    assert "4000" not in str(result)


def test_a_login_without_a_process_is_not_counted(tmp_path):
    """A pending login beside no process at all is yesterday's: the check does not count it."""
    result = run(files.login, machine=machine(log(tmp_path, RESTART, TRY, CHALLENGE)))
    assert (result.status, result.entry) == ("skip", None)
    assert "no TWS or Gateway process" in result.summary


def test_a_log_that_fell_silent_names_no_cause(tmp_path):
    """A challenge that has gone on for hours without a line is of a process that is gone."""
    folder = log(tmp_path, RESTART, TRY, CHALLENGE, ago=7200.0)
    result = run(files.login, machine=machine(folder, SILENT_GATEWAY))
    assert (result.status, result.entry) == ("warn", None)
    assert "fell silent" in result.summary


@pytest.mark.parametrize("check", [files.login, files.logs], ids=["login", "logs"])
def test_without_a_folder_nothing_can_be_said(check):
    """No settings folder, as beside a container: the check is skipped and says why."""
    result = run(check, machine=machine(None, GATEWAY))
    assert (result.status, result.blocked_by) == ("skip", None)
    assert "found here" in result.summary


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (["::1", "127.0.0.1"], "warn"),
        (["127.0.0.1", "::1"], "pass"),
        (["192.0.2.7"], "pass"),
    ],
)
def test_a_name_that_is_ipv6_first(monkeypatch, found, status):
    """A gateway listens on 127.0.0.1: a name that leads to ::1 first is told, and the way round."""

    def resolve(_host, port, *_more):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    result = run(host.address, target=Target("gateway.example", 4002))
    assert result.status == status
    assert result.evidence["addresses"] == found
    assert ("%ibconnect 127.0.0.1:4002" in str(result.fix)) == (status == "warn")


@pytest.mark.parametrize(
    "check",
    [host.process, files.login, files.settings, files.logs, net.port, net.clients],
    ids=lambda check: check.__name__,
)
def test_another_machine_cannot_be_looked_into(check):
    """What belongs to another machine is skipped, and the machine is named."""
    result = run(check, target=ELSEWHERE, machine=machine(None))
    assert (result.status, result.blocked_by) == ("skip", None)
    assert "192.0.2.7 is another machine" in result.summary


@pytest.mark.parametrize(
    ("pid", "towards", "address"),
    [(0, "192.0.2.9", True), (0, "127.0.0.1", True), (0, None, False), (1, "192.0.2.9", None)],
)
def test_the_address_behind_a_forwarder(tmp_path, pid, towards, address):
    """It is that of the route from it; a program that does not have the socket is none."""
    (tmp_path / "jts.ini").write_text("[IBGateway]\nTrustedIPs=127.0.0.1\n")
    with socket.create_server((servers.LOOPBACK, 0)) as listener:
        number = listener.getsockname()[1]
        passing = Forwarder(os.getpid() + pid, "socat", number, towards)
        seen = Machine((), (tmp_path,), "", (passing,))
        target = Target(servers.LOOPBACK, number)
        result = run(files.settings, target=target, machine=Once(lambda: seen))
    assert result.status == ("pass" if address is None else "skip")
    assert ("forwarder" in result.evidence) == (address is not None)
    if address is not None:
        expected = address_of_route(towards) if towards else None
        assert result.evidence["address"] == expected


@pytest.mark.parametrize(
    ("trusted", "status"), [("127.0.0.1", "pass"), ("10.11.12.13", "warn"), (None, "skip")]
)
def test_the_address_that_the_gateway_sees_should_be_trusted(tmp_path, trusted, status):
    """The settings file is compared with the address of this end, and names no other address."""
    line = f"TrustedIPs={trusted}\n" if trusted else ""
    (tmp_path / "jts.ini").write_text(f"[IBGateway]\n{line}ApiOnly=true\n[Logon]\nuser=someuser\n")
    result = run(files.settings, machine=machine(tmp_path))
    assert result.status == status
    assert not any(secret in str(result) for secret in SECRETS)
    if status == "warn":
        assert "enter 127.0.0.1, then Apply, then OK" in result.fix[0]


def test_a_range_among_the_trusted_addresses_is_named(tmp_path):
    """A range matches nobody, and whoever wrote it thinks that it does."""
    (tmp_path / "jts.ini").write_text("[IBGateway]\nTrustedIPs=127.0.0.0/8\n")
    result = run(files.settings, machine=machine(tmp_path))
    assert result.status == "warn"
    assert "ignores ranges" in result.summary


@pytest.mark.parametrize(("name", "encrypted"), [("api.7.Mon.log", False), ("api.1.ibgzenc", True)])
def test_api_logs_are_found_and_how_to_read_them(tmp_path, name, encrypted):
    """A log is named without its folder; an encrypted one comes with the way to export it."""
    (tmp_path / "someuser").mkdir()
    (tmp_path / "someuser" / name).write_text("")
    result = run(files.logs, machine=machine(tmp_path))
    assert result.status == "pass"
    assert name in result.summary
    assert "someuser" not in str(result)
    assert bool(result.fix) == encrypted


def test_a_gateway_on_another_port_is_named():
    """A gateway that listens elsewhere is named with its process, port and kind of account."""
    with socket.create_server((servers.LOOPBACK, 0)) as listening:
        number = listening.getsockname()[1]
        process = GatewayProcess(4242, "Gateway", "java", 0.0, (number,), "IB Gateway 1030")
        with socket.socket() as taken:
            taken.bind((servers.LOOPBACK, 0))
            target = Target(servers.LOOPBACK, taken.getsockname()[1])
            result = run(net.port, target=target, machine=machine(None, process))
    assert (result.status, result.entry) == ("fail", "connection-refused")
    assert f"Gateway, process 4242, on {number}" in result.summary
    assert f"Connect where it listens: %ibconnect {number}" in result.fix


def test_a_gateway_that_does_not_listen_is_told_to(refused_port):
    """A process that runs and listens nowhere: the steps name its process and the port tried."""
    target = Target(servers.LOOPBACK, refused_port)
    result = run(net.port, target=target, machine=machine(None, SILENT_GATEWAY))
    assert (result.status, result.entry) == ("fail", "connection-refused")
    assert "process 4243" in result.fix[0]
    assert f"Socket port {refused_port}" in result.fix[0]


def test_the_gateway_that_does_not_listen_comes_before_one_that_does():
    """Paper was asked for, and its process runs: to go to the live one is the last thing to do."""
    number = WELL_KNOWN_LIVE
    live = replace(GATEWAY, ports=(number,))
    seen = Listening((Listener(number, servers.LOOPBACK, live.pid, "java"),))
    target = Target(servers.LOOPBACK, 4002, "paper")
    made, _ = context(target=target)
    for processes, first in (
        ((live, SILENT_GATEWAY), "process 4243"),
        ((live,), "log it in to paper trading"),
    ):
        result = net._nothing(made, seen, Machine(processes), {})
        assert first in result.fix[0]
        assert f"%ibconnect {number} (a live account's port" in result.fix[-1]
    elsewhere = Target(servers.LOOPBACK, 4002, None)
    result = net._nothing(context(target=elsewhere)[0], seen, Machine((live,)), {})
    assert f"%ibconnect {number}" in result.fix[0]


def refused(target):
    """Return an attempt that the target refused."""
    return replace(attempt(), target=target, stage=Stage.RESOLVE, ending="refused")


@contextmanager
def listening(monkeypatch, *, hides):
    """Listen on a port that the system's own list of sockets does not show, or hides."""
    look = psutil.net_connections

    def without(kind):
        if hides:
            raise psutil.AccessDenied
        return [one for one in look(kind=kind) if not (one.laddr and one.laddr.port == number)]

    def of_process(process, **_kind):
        if process.pid == os.getpid():
            raise psutil.AccessDenied
        return []

    with socket.create_server((servers.LOOPBACK, 0)) as listener:
        number = listener.getsockname()[1]
        monkeypatch.setattr(psutil, "net_connections", without)
        monkeypatch.setattr(psutil.Process, "net_connections", of_process, raising=False)
        monkeypatch.setattr(psutil.Process, "connections", of_process, raising=False)
        yield Target(servers.LOOPBACK, number)


@pytest.mark.parametrize(("hides", "status"), [(True, "skip"), (False, "pass")])
def test_a_port_that_is_reached_though_no_listener_is_listed(monkeypatch, hides, status):
    """The wire knows better than a list: a container's or another user's port does not fail."""
    with listening(monkeypatch, hides=hides) as target:
        result = run(net.port, target=target, machine=machine(None), connects=True)
    assert (result.status, result.entry) == (status, None)
    assert f"Port {target.port} is reached, though it is not listed here" in result.summary


def test_a_hidden_owner_beside_a_port_that_can_be_seen(monkeypatch):
    """That a process listens elsewhere proves nothing of a port whose owner may be hidden."""
    visible = psutil.net_connections
    with socket.create_server((servers.LOOPBACK, 0)) as other:
        number = other.getsockname()[1]
        process = GatewayProcess(os.getpid(), "Gateway", "java", 0.0, (number,), "IB Gateway 1030")
        own = [one for one in visible(kind="tcp") if one.laddr and one.laddr.port == number]
        with listening(monkeypatch, hides=True) as target:
            monkeypatch.setattr(sockets, "_connections", lambda: sockets._Seen(tuple(own), False))
            result = run(net.port, target=target, machine=machine(None, process))
    assert (result.status, result.entry, result.fix) == ("skip", None, ())
    assert f"Who listens on port {target.port} could not be read" in result.summary
    assert f"Gateway, process {os.getpid()}, on {number}" in result.summary


def test_a_port_that_the_wire_refuses_though_sockets_are_hidden(monkeypatch, refused_port):
    """A refusal proves that nothing listens, whoever's sockets may be hidden."""
    monkeypatch.setattr(sockets, "_connections", lambda: sockets._Seen((), False))
    target = Target(servers.LOOPBACK, refused_port)
    made, _ = context(refused(target), target=target, machine=machine(None), connects=True)
    result = asyncio.run(net.port(made))
    assert (result.status, result.entry) == ("fail", "connection-refused")


@pytest.mark.parametrize(
    ("host", "at", "status"),
    [
        ("127.0.0.1", "127.0.0.1", "pass"),
        ("127.0.0.1", ANY, "pass"),
        ("127.0.0.1", "::", "pass"),
        ("127.0.0.1", "::ffff:127.0.0.1", "pass"),
        (ANY, "127.0.0.1", "pass"),
        ("::1", "::1", "pass"),
        ("::1", "127.0.0.1", "fail"),
        ("::1", ANY, "fail"),
        ("127.0.0.2", "127.0.0.1", "fail"),
    ],
)
def test_a_listener_on_another_address_of_this_machine(monkeypatch, host, at, status):
    """A gateway that listens on 127.0.0.1 alone does not listen on ::1: the address is told."""
    row = SimpleNamespace(
        laddr=SimpleNamespace(ip=at, port=4002), raddr=(), status="LISTEN", pid=os.getpid()
    )
    monkeypatch.setattr(psutil, "net_connections", lambda **_: [row])
    result = run(net.port, target=Target(host, 4002), machine=machine(None))
    assert result.status == status
    if status == "fail":
        assert f"Nothing listens on {Target(host, 4002)}." in result.summary
        assert f"listens on that port of {at} only." in result.summary
        assert result.fix == ("Connect where it listens: %ibconnect 127.0.0.1:4002",)


def test_the_loopback_of_ipv6_asked_for_by_address():
    """It is told for what it is, and not as a name that leads to itself."""
    result = run(host.address, target=Target("::1", 4002))
    assert (result.status, result.evidence["addresses"]) == ("warn", ["::1"])
    assert result.summary.startswith("::1 is the loopback of IPv6;")


@contextmanager
def connections(port, count):
    """Hold connections to a port of this machine."""
    made = [socket.create_connection((servers.LOOPBACK, port)) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.close()


@contextmanager
def accepting():
    """Listen, accept everything, and never close or say anything."""
    with socket.create_server((servers.LOOPBACK, 0), backlog=128) as listener:
        yield listener


@pytest.mark.parametrize(("count", "entry"), [(0, None), (3, None), (32, "too-many-clients")])
def test_the_clients_of_a_port_are_counted(count, entry):
    """32 clients are all that a gateway takes; who holds them is named."""
    with accepting() as listener, connections(listener.getsockname()[1], count):
        accepted = [listener.accept()[0] for _ in range(count)]
        target = Target(servers.LOOPBACK, listener.getsockname()[1])
        result = run(net.clients, target=target)
        for one in accepted:
            one.close()
    assert result.entry == entry
    assert result.evidence["established"] == count
    if entry:
        assert "this very process (32 connections)" in result.fix[0]


def test_the_diagnosis_does_not_count_itself():
    """31 clients and the connection of the diagnosis are not 32 clients."""
    with accepting() as listener, connections(listener.getsockname()[1], 32) as made:
        accepted = [listener.accept()[0] for _ in made]
        own = {made[0].getsockname()[1]}
        target = Target(servers.LOOPBACK, listener.getsockname()[1])
        result = run(net.clients, target=target, own_ports=own)
        for one in accepted:
            one.close()
    assert (result.status, result.entry) == ("pass", None)
    assert result.evidence["established"] == 31


def test_clients_that_cannot_be_named_are_not_told_to_be_ended(monkeypatch):
    """A process that is hidden has no number to be ended by: it is said that it cannot be seen."""
    hidden = SocketClient(None, UNSEEN, None, UNSEEN, 32)
    use = PortUse(4002, 32, 0, (hidden,))
    monkeypatch.setattr(net, "port_use", lambda *_: use)
    result = run(net.clients)
    assert result.entry == "too-many-clients"
    assert "None" not in str(result.fix)
    assert "cannot be seen from here" in result.fix[0]


def test_a_pile_of_forgotten_sockets_is_seen():
    """Connections whose client has closed, and the gateway has not, tell of a stuck API."""
    with accepting() as listener:
        with connections(listener.getsockname()[1], 30):
            accepted = [listener.accept()[0] for _ in range(30)]
        for one in accepted:
            assert one.recv(1) == b""
        target = Target(servers.LOOPBACK, listener.getsockname()[1])
        result = run(net.clients, target=target)
        for one in accepted:
            one.close()
    assert (result.status, result.entry) == ("warn", "handshake-silent")
    assert "30 connections wait" in result.summary


def denied(*_args, **_kwargs):
    """Be a system that lets this user see nothing."""
    raise psutil.AccessDenied


@pytest.mark.parametrize("check", [net.port, net.clients], ids=["port", "clients"])
def test_a_user_who_may_see_nothing(monkeypatch, check):
    """Where the system hides sockets the check is skipped and says why; it never guesses."""
    monkeypatch.setattr(psutil, "net_connections", denied)
    monkeypatch.setattr(psutil.Process, "net_connections", denied, raising=False)
    monkeypatch.setattr(psutil.Process, "connections", denied, raising=False)
    result = run(check, machine=machine(None))
    assert (result.status, result.blocked_by) == ("skip", None)
    assert "could not be read" in result.summary


@pytest.fixture(autouse=True)
def processes(tmp_path_factory):
    """Tests of this file follow one another: each would see the processes that another starts."""
    with processes_stay(tmp_path_factory.getbasetemp().parent, alone=True):
        yield


def fake_gateway(folder):
    """Start a process that looks like IBKR's Java program, with this settings folder."""
    (folder / "ibgateway.GWClient").write_text("print('up', flush=True)\ninput()\n")
    return subprocess.Popen(
        ["java", "ibgateway.GWClient", str(folder)],  # noqa: S607 - this Python, by another name
        executable=sys.executable,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def diag(folder, port, *options):
    """Run `ibnb diag` for a user whose home is this folder; return what it prints."""
    ended = subprocess.run(
        [sys.executable, "-m", "ibnb", "diag", at(port), "--timeout", "1", *options],
        env=environment(HOME=str(folder), USERPROFILE=str(folder)),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""
    return ended.stdout


@pytest.mark.parametrize(
    ("messages", "verdict"),
    [
        ([RESTART, TRY, CHALLENGE], "login-pending"),
        ([RESTART, TRY, WRONG], "login-rejected"),
        ([RESTART, TRY, DONE], "connection-refused"),
    ],
)
def test_a_refused_port_beside_a_login(tmp_path, refused_port, messages, verdict):
    """A closed port while somebody has to confirm the login is told as that, by the program."""
    home = tmp_path / "home"
    (home / "Jts").mkdir(parents=True)
    log(home / "Jts", *messages)
    gateway = fake_gateway(home / "Jts")
    try:
        assert gateway.stdout.readline() == "up\n"
        shown = diag(home, refused_port, "--json")
    finally:
        gateway.communicate("\n")
    assert f'"id": "{verdict}"' in shown.partition('"checks"')[0]
    assert not any(secret in shown for secret in SECRETS)


@pytest.mark.skipif(sys.platform != "linux", reason="how long a queue is differs by system")
@pytest.mark.parametrize("is_gateway", [True, False])
def test_a_full_accept_queue(tmp_path, is_gateway):
    """A gateway that accepts nothing more is wedged, on the loopback too; another program hangs."""
    name = "ibgateway.GWClient" if is_gateway else "other"
    (tmp_path / name).write_text(
        "import socket\nserver = socket.create_server(('127.0.0.1', 0), backlog=0)\n"
        "print(server.getsockname()[1], flush=True)\ninput()\n"
    )
    program = subprocess.Popen(
        ["java" if is_gateway else "python", name],
        executable=sys.executable,
        cwd=tmp_path,
        # By its name alone, Python 3.11 does not find its library.
        env={**os.environ, "PYTHONHOME": sys.base_prefix},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    waiting = []
    try:
        port = int(program.stdout.readline())
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex((servers.LOOPBACK, port))
        shown = diag(tmp_path, port, "--json")
    finally:
        for one in waiting:
            one.close()
        program.communicate("\n")
    expected = "wedged" if is_gateway else "host-unreachable"
    assert f'"id": "{expected}"' in shown.partition('"checks"')[0]
    assert "VPN" not in shown


def test_a_silent_gateway_with_a_pile_of_sockets_is_wedged(tmp_path):
    """A mute handshake beside 30 sockets in CLOSE_WAIT: the API is stuck, and wants a restart."""
    with accepting() as listener:
        port = listener.getsockname()[1]
        with connections(port, 30):
            accepted = [listener.accept()[0] for _ in range(30)]
        shown = diag(tmp_path, port)
        for one in accepted:
            one.close()
    assert "wedged" in shown
    assert "Restart the gateway" in shown


def test_a_full_gateway(tmp_path):
    """A client that gets no answer while 32 are connected has met the limit."""
    with accepting() as listener, connections(listener.getsockname()[1], 32):
        accepted = [listener.accept()[0] for _ in range(32)]
        shown = diag(tmp_path, listener.getsockname()[1], "--json")
        for one in accepted:
            one.close()
    assert '"id": "too-many-clients"' in shown.partition('"checks"')[0]


def test_a_gateway_with_one_place_left(tmp_path):
    """31 clients leave room for one, also while it is the diagnosis that takes it."""
    with accepting() as listener, connections(listener.getsockname()[1], 31):
        accepted = [listener.accept()[0] for _ in range(31)]
        shown = diag(tmp_path, listener.getsockname()[1], "--json")
        for one in accepted:
            one.close()
    assert '"id": "handshake-silent"' in shown.partition('"checks"')[0]
    assert '"established": 31' in shown

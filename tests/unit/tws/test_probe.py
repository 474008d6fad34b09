import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import servers
from framing import binary, numbered, read_frame
from servers import ACCOUNTS, NEXT_VALID_ID, TEXT_326, Server, encode, notice

from ibnb.session.opening import supervise
from ibnb.tws import probe as probe_module
from ibnb.tws.attempt import cause
from ibnb.tws.handshake import Stage
from ibnb.tws.notices import link_after
from ibnb.tws.own import LOOPBACK
from ibnb.tws.probe import probe
from ibnb.tws.sockets import clients_of
from ibnb.tws.target import Target

CLIENT_ID = 7
REPLY = encode(servers.VERSION, servers.ZONE)
LONG = 20.0
"""A time-out that no test may come near to: whoever answers or closes decides long before."""
SOON = 2.0
"""Far above what naming a cause at once takes, and far below `LONG`."""


async def probed(
    port, *, expects="paper", host=LOOPBACK, timeout=LONG, linger=0.2, highest=176, **options
):
    return await probe(
        Target(host, port, expects),
        CLIENT_ID,
        min_version=157,
        max_version=highest,
        timeout=timeout,
        linger=linger,
        **options,
    )


@pytest.mark.parametrize(
    ("version", "sent", "start", "clock"),
    [
        (200, encode, encode(71, 2, CLIENT_ID, ""), encode(49, 1)),
        (201, binary, binary(71, 2, CLIENT_ID, ""), binary(49, 1)),
        (226, numbered, numbered(71, {1: CLIENT_ID}), numbered(49, {})),
    ],
)
@pytest.mark.parametrize("refuses", [False, True])
async def test_a_gateway_of_any_version_is_understood(version, sent, start, clock, refuses):
    """Session, clock and refusal are told apart at every layout, in both directions."""
    asked = []
    by_number = sent is numbered

    def script(client):
        client.read_greeting()
        client.send(encode(version, servers.ZONE))
        asked.append(read_frame(client.sock))
        if refuses:
            said = {1: -1, 2: 1788000000000, 3: 326, 4: TEXT_326}
            in_a_row = (-1, 326, TEXT_326, "", 1788000000000)
            client.send(sent(4, said) if by_number else sent(4, *in_a_row))
            return
        client.send(sent(9, {1: 42}) if by_number else sent(9, 1, 42))
        client.send(sent(15, {1: "DU1"}) if by_number else sent(15, 1, "DU1"))
        asked.append(read_frame(client.sock))
        client.send(sent(49, {1: 1788000000}) if by_number else sent(49, 1, 1788000000))
        client.hold()

    with Server(script) as server:
        attempt = await probed(server.port, highest=226)
    assert attempt.server_version == version
    assert cause(attempt) == ("client-id-in-use" if refuses else None)
    assert attempt.gateway_time == (None if refuses else 1788000000)
    expected = [start] if refuses else [start, clock]
    assert asked == [one[4:] for one in expected]


@pytest.mark.parametrize(
    ("script", "verdict", "ending", "stage"),
    [
        (servers.healthy, None, "ready", Stage.READY),
        (servers.byte_by_byte, None, "ready", Stage.READY),
        (servers.closing, "closed-before-version", "closed", Stage.TCP),
        (servers.resetting, "closed-before-version", "closed", Stage.TCP),
        (servers.speaking(REPLY[:15], close=True), "closed-before-version", "closed", Stage.TCP),
        (servers.speaking(b"?\r\n", close=True), "not-a-gateway", "foreign", Stage.TCP),
        (servers.speaking(b"lorem ipsum dolor"), "not-a-gateway", "foreign", Stage.TCP),
        (servers.speaking(b"\x15\x03\x01\x00\x02\x02\x46"), "not-a-gateway", "foreign", Stage.TCP),
        (
            servers.speaking(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", close=True),
            "not-a-gateway",
            "foreign",
            Stage.TCP,
        ),
        (servers.speaking(b"\x7f\xff\xff\xff"), "not-a-gateway", "foreign", Stage.TCP),
        (servers.speaking(b"\x00\xff\xff\xff"), "not-a-gateway", "foreign", Stage.TCP),
        (servers.too_old, "version-too-old", "answered", Stage.START),
        (servers.refusing(326, TEXT_326), "client-id-in-use", "closed", Stage.START),
        (servers.refusing(326, TEXT_326, close=False), "client-id-in-use", "answered", Stage.START),
        (servers.refusing(10141, "not accepted"), "paper-disclaimer", "closed", Stage.START),
        (servers.closing_after_start, "closed-after-start", "closed", Stage.START),
        (servers.resetting_after_start, "closed-after-start", "closed", Stage.START),
        (
            servers.starting_with(notice(2104, "OK:usfarm"), close=True),
            "closed-after-start",
            "closed",
            Stage.START,
        ),
        (
            servers.starting_with(notice(1100, "lost"), close=True),
            "connectivity-lost",
            "closed",
            Stage.START,
        ),
        (servers.starting_with(encode(15, 1, "")), "no-accounts", "answered", Stage.START),
        (
            servers.starting_with(NEXT_VALID_ID, encode(15, 1, "")),
            "no-accounts",
            "answered",
            Stage.START,
        ),
        (
            servers.starting_with(encode(15, 1, "U1234567"), NEXT_VALID_ID),
            "wrong-environment",
            "ready",
            Stage.READY,
        ),
        (
            servers.starting_with(ACCOUNTS, NEXT_VALID_ID, close=True),
            "closed-after-start",
            "closed",
            Stage.READY,
        ),
    ],
    ids=[
        "healthy",
        "byte by byte",
        "closing",
        "resetting",
        "part of a reply, closing",
        "three bytes, closing",
        "garbage",
        "TLS alert",
        "HTTP",
        "frame of 2 GiB",
        "frame of 16 MiB",
        "too old",
        "326",
        "326 without close",
        "10141",
        "close after start",
        "reset after start",
        "notice, then close",
        "1100, then close",
        "no account",
        "order ID, no account",
        "live account",
        "close after ready",
    ],
)
async def test_cause_is_named_at_once_where_the_peer_answers_or_closes(
    script, verdict, ending, stage
):
    """Each way to answer or to close has its own cause, known long before the time-out."""
    with Server(script) as server:
        attempt = await probed(server.port)
        client = server.only_client()
    assert (cause(attempt), attempt.ending, attempt.stage) == (verdict, ending, stage)
    assert attempt.total < SOON
    assert client.greeting == "v157..176"
    if attempt.server_version is not None:
        assert client.started_with == CLIENT_ID


@pytest.mark.parametrize(
    ("script", "verdict", "stage"),
    [
        (servers.silent, "handshake-silent", Stage.TCP),
        (servers.speaking(b"\0\0\0"), "handshake-silent", Stage.TCP),
        (servers.speaking(REPLY[:15]), "handshake-silent", Stage.TCP),
        (servers.starting_with(ACCOUNTS), "not-ready", Stage.START),
        (servers.starting_with(NEXT_VALID_ID), "not-ready", Stage.START),
        (servers.starting_with(notice(1100, "lost")), "connectivity-lost", Stage.START),
    ],
    ids=[
        "silent",
        "three zero bytes",
        "part of a reply",
        "no order ID",
        "no accounts",
        "1100 instead",
    ],
)
async def test_a_peer_that_stops_is_left_after_the_time_out(script, verdict, stage):
    """Who says nothing more gets the whole time-out, and is then hung up on in good order."""
    with Server(script) as server:
        attempt = await probed(server.port, timeout=0.3)
        client = server.only_client()
    assert (cause(attempt), attempt.ending, attempt.stage) == (verdict, "timeout", stage)
    assert 0.3 <= attempt.total < 0.3 + SOON
    assert client.ended == "by the client"
    if attempt.server_version is not None:
        assert client.started_with == CLIENT_ID


async def test_what_a_healthy_gateway_says_is_all_in_the_attempt():
    """Versions, order ID, accounts, notices, and when each stage was reached."""
    stages = []
    with Server(servers.healthy) as server:
        attempt = await probed(server.port, on_stage=stages.append)
        client = server.only_client()
    assert (attempt.server_version, attempt.server_time) == (176, servers.ZONE)
    assert (attempt.next_valid_id, attempt.accounts) == (42, ("DU1234567",))
    assert [one.code for one in attempt.notices] == [2104]
    assert stages == [Stage.RESOLVE, Stage.TCP, Stage.VERSION, Stage.START, Stage.READY]
    assert list(attempt.seconds) == [str(stage) for stage in stages]
    times = [*attempt.seconds.values(), attempt.total]
    assert times == sorted(times)
    assert times[0] >= 0
    assert client.messages == [["71", "2", "7", ""], ["49", "1"]]
    assert client.ended == "by the client"


@pytest.mark.parametrize(
    ("frames", "connected", "broken"),
    [
        ((notice(1100, "lost"),), False, ()),
        ((notice(1100, "lost"), notice(1102, "back")), True, ()),
        ((notice(2103, "Market data farm connection is broken:eufarm"),), True, ("eufarm",)),
    ],
)
async def test_notices_after_ready_are_waited_for(frames, connected, broken):
    """A session can be ready and have no link: what comes shortly after ready tells."""

    def script(client):
        servers.opened(client)
        client.send(ACCOUNTS, NEXT_VALID_ID)
        client.read_message()  # the current time is asked for once ready: these come afterwards
        client.send(*frames)
        client.hold()

    with Server(script) as server:
        attempt = await probed(server.port)
        server.only_client()
    link = link_after(attempt.notices)
    assert cause(attempt) is None
    assert (link.connected, link.broken_farms) == (connected, broken)


async def test_clock_of_the_gateway():
    """The offset is the gateway's clock minus ours; its seconds are whole."""
    with Server(servers.with_clock(int(time.time()) + 60)) as server:
        attempt = await probed(server.port)
        server.only_client()
    assert 55 < attempt.clock_offset <= 60


async def test_the_port_of_this_end_is_told():
    """Whoever counts a gateway's connections can leave the probe's own out."""
    seen, told = [], []

    def script(client):
        seen.append(client.sock.getpeername()[1])
        servers.healthy(client)

    with Server(script) as server:
        await probed(server.port, on_open=told.append)
        server.only_client()
    assert told == seen


@pytest.mark.parametrize("wait", [probe_module.REFUSAL_SECONDS, supervise.REFUSAL_SECONDS])
def test_the_close_after_a_refusal_is_waited_for_within_the_budget(wait):
    """A 326 without a close is named within 100 ms of it, and closed on in good order."""
    assert wait < 0.1


async def test_foreign_bytes_are_kept_as_evidence():
    """What the other service said can be shown."""
    with Server(servers.speaking(b"SSH-2.0-OpenSSH_9.6\r\n")) as server:
        attempt = await probed(server.port)
        server.only_client()
    assert attempt.foreign == b"SSH-2.0-OpenSSH_9.6\r\n"


async def test_open_orders_pushed_before_the_accounts():
    """An ID that has orders gets them first; the session becomes ready all the same."""
    order = encode(5, 42, 265598, "AAPL", *[""] * 150)
    with Server(servers.starting_with(order * 30, NEXT_VALID_ID, order, ACCOUNTS)) as server:
        attempt = await probed(server.port)
        server.only_client()
    assert cause(attempt) is None


@pytest.fixture
def refusing_port():
    """Return a port that is taken, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        yield sock.getsockname()[1]


@pytest.fixture
def unanswering_port():
    """Return a port whose queue of connections is full: it neither accepts nor refuses."""
    if sys.platform != "linux":
        pytest.skip("a full queue of connections is dropped silently on Linux only")
    with socket.socket() as listener, socket.socket() as filler:
        listener.bind((LOOPBACK, 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        filler.connect((LOOPBACK, port))
        yield port


async def test_refused_port(refusing_port):
    """Nobody listens: known at once, and the name was resolved."""
    attempt = await probed(refusing_port)
    assert (cause(attempt), attempt.ending) == ("connection-refused", "refused")
    assert list(attempt.seconds) == ["resolve"]
    assert attempt.detail == "127.0.0.1 refused the connection"
    assert attempt.total < 5 * SOON  # Windows tries three times


async def test_address_that_does_not_answer(unanswering_port):
    """TCP that is neither accepted nor refused ends with the time-out, in plain words."""
    attempt = await probed(unanswering_port, timeout=0.3)
    assert (cause(attempt), attempt.ending) == ("host-unreachable", "unreachable")
    assert attempt.detail == "127.0.0.1 did not answer within 0.3 s"


async def test_address_without_a_route():
    """An address that cannot be connected to says why in the system's words."""
    attempt = await probed(4002, host="255.255.255.255")
    assert (cause(attempt), attempt.ending) == ("host-unreachable", "unreachable")
    assert attempt.detail.startswith("255.255.255.255 ")
    assert "Connect call failed" not in attempt.detail


@pytest.mark.parametrize("host", ["no-such-gateway.invalid", "bad..name", "x" * 70 + ".invalid"])
async def test_name_that_does_not_resolve(host):
    """No address, no connection: the name is what is wrong, and no stage was reached."""
    attempt = await probed(4002, host=host)
    assert (cause(attempt), attempt.ending) == ("host-unreachable", "unresolved")
    assert attempt.seconds == {}
    assert repr(host) in attempt.detail


def resolve_to(monkeypatch, *ports):
    """Let the running loop resolve any name to the loopback, on these ports in this order."""

    async def getaddrinfo(*_, **__):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (LOOPBACK, port)) for port in ports]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def test_next_address_is_tried_where_the_first_refuses(monkeypatch, refusing_port):
    """A name such as localhost has several addresses; one that accepts is enough."""
    with Server(servers.healthy) as server:
        resolve_to(monkeypatch, refusing_port, server.port)
        attempt = await probed(4002, host="localhost")
        server.only_client()
    assert cause(attempt) is None
    assert attempt.detail == ""


async def test_first_address_that_accepts_is_the_only_one(monkeypatch):
    """Addresses are tried in the resolver's order, and none after the one that accepted."""
    with Server(servers.silent) as first, Server(servers.healthy) as second:
        resolve_to(monkeypatch, first.port, second.port)
        attempt = await probed(4002, host="localhost", timeout=0.3)
        first.only_client()
        assert second.clients == []
    assert cause(attempt) == "handshake-silent"


@pytest.mark.parametrize("order", [1, -1])
async def test_refused_by_one_address_and_unanswered_by_the_other(
    monkeypatch, refusing_port, unanswering_port, order
):
    """A refusal is the better evidence: it counts whichever address it came from."""
    resolve_to(monkeypatch, *[refusing_port, unanswering_port][::order])
    attempt = await probed(4002, host="localhost", timeout=0.4)
    assert attempt.ending == "refused"
    assert "refused the connection" in attempt.detail
    assert "did not answer" in attempt.detail


async def test_cancelled_probe_closes_its_socket():
    """Who cancels gets CancelledError, and the gateway an end of stream."""
    with Server(servers.silent) as server:
        task = asyncio.create_task(probed(server.port))
        await asyncio.to_thread(server.wait_for_greeting)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert os.getpid() not in {client.pid for client in clients_of(server.port)}
        assert server.only_client().ended == "by the client"


async def test_cancelled_while_connecting_leaves_no_socket(unanswering_port):
    """Also before TCP opened nothing stays behind for the garbage collector."""
    reached = asyncio.Event()
    task = asyncio.create_task(
        probed(unanswering_port, on_stage=lambda _: reached.set(), timeout=LONG)
    )
    await reached.wait()
    await asyncio.sleep(0)  # into the connect itself
    before = len(asyncio.all_tasks())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(asyncio.all_tasks()) == before - 1


async def test_observer_that_raises_does_not_leave_a_connection():
    """The error reaches the caller, and the connection is closed all the same."""

    def observe(stage):
        if stage is Stage.VERSION:
            raise RuntimeError("no paper left")

    with Server(servers.healthy) as server:
        with pytest.raises(RuntimeError, match="no paper left"):
            await probed(server.port, on_stage=observe)
        assert server.only_client().ended == "by the client"


async def test_socket_is_closed_when_the_probe_returns():
    """Not later, by the garbage collector: a client ID would stay held meanwhile."""
    with Server(servers.silent) as server:
        await probed(server.port, timeout=0.2)
        assert os.getpid() not in {client.pid for client in clients_of(server.port)}
        server.only_client()


async def test_peer_that_reads_nothing_is_let_go_of():
    """A peer that never takes our end of stream cannot hold the probe up."""
    over = threading.Event()

    def script(_client):
        over.wait(servers.PATIENCE)

    with Server(script) as server:
        attempt = await probed(server.port, timeout=0.2)
        over.set()
    assert cause(attempt) == "handshake-silent"
    assert attempt.total < SOON


def test_on_a_private_loop_in_a_thread():
    """It needs no loop of the main thread, and no main thread."""
    found = []
    with Server(servers.healthy) as server:
        thread = threading.Thread(target=lambda: found.append(asyncio.run(probed(server.port))))
        thread.start()
        thread.join(LONG)
        server.only_client()
    assert cause(found[0]) is None


PATCHED = """
import asyncio, json, threading
import nest_asyncio2
nest_asyncio2.apply()
import servers
from ibnb.tws.attempt import cause
from ibnb.tws.probe import probe
from ibnb.tws.target import Target

async def verdict(script, timeout):
    with servers.Server(script) as server:
        target = Target("127.0.0.1", server.port, "paper")
        attempt = await probe(target, 7, min_version=157, max_version=176, timeout=timeout)
        return [cause(attempt), server.only_client().ended]

async def verdicts():
    return [
        await verdict(servers.healthy, 20),
        await verdict(servers.closing, 20),
        await verdict(servers.silent, 0.3),
    ]

async def nested():
    return asyncio.get_running_loop().run_until_complete(verdicts())

found = {"plain": asyncio.run(verdicts()), "nested": asyncio.run(nested())}
def in_thread():
    found["thread"] = asyncio.run(verdicts())
thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
print(json.dumps(found))
"""


def test_under_nest_asyncio2():
    """With the loop patched: as is, inside a running loop, and on a private loop in a thread."""
    here = Path(__file__).parent
    found = subprocess.run(
        [sys.executable, "-c", PATCHED],
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(here), *map(str, sys.path)])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    expected = [
        [None, "by the client"],
        ["closed-before-version", "by the server"],
        ["handshake-silent", "by the client"],
    ]
    assert json.loads(found.stdout) == {"plain": expected, "nested": expected, "thread": expected}

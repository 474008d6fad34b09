"""Opening a connection with the real libraries, and what is left when it does not work."""

import asyncio
import contextlib
import importlib
import logging
import sys
import time

import pytest
import servers
from commands import python
from leftovers import others, sockets_to
from servers import ACCOUNTS, NEXT_VALID_ID, TEXT_326, Server, encode, notice

from ibnb.session import ConnectFailed
from ibnb.session.library.libraries import find_library
from ibnb.session.opening.supervise import watch_opening
from ibnb.simulator import SimulatedGateway
from ibnb.tws.attempt import cause
from ibnb.tws.own import LOOPBACK
from ibnb.tws.probe import probe
from ibnb.tws.target import Target

SOON = 10.0
"""Far above what anything here takes, and far below what would be waited for otherwise."""
LONG = 30.0


FAILURES = {
    "silent": (servers.silent, "handshake-silent"),
    "three zero bytes": (servers.speaking(b"\0\0\0"), "handshake-silent"),
    "closing": (servers.closing, "closed-before-version"),
    "resetting": (servers.resetting, "closed-before-version"),
    "garbage": (servers.speaking(b"lorem ipsum dolor"), "not-a-gateway"),
    "three bytes, closing": (servers.speaking(b"?\r\n", close=True), "not-a-gateway"),
    "TLS": (servers.speaking(b"\x15\x03\x01\x00\x02\x02\x46"), "not-a-gateway"),
    "HTTP": (servers.speaking(b"HTTP/1.1 400 Bad Request\r\n\r\n", close=True), "not-a-gateway"),
    "frame of 2 GiB": (servers.speaking(b"\x7f\xff\xff\xff"), "not-a-gateway"),
    "too old": (servers.too_old, "version-too-old"),
    "326": (servers.refusing(326, TEXT_326), "client-id-in-use"),
    "326 without close": (servers.refusing(326, TEXT_326, close=False), "client-id-in-use"),
    "10141": (servers.refusing(10141, "nicht akzeptiert"), "paper-disclaimer"),
    "close after start": (servers.closing_after_start, "closed-after-start"),
    "reset after start": (servers.resetting_after_start, "closed-after-start"),
    "notice, then close": (
        servers.starting_with(notice(2104, "OK:usfarm"), close=True),
        "closed-after-start",
    ),
    "close after ready": (
        servers.starting_with(ACCOUNTS, NEXT_VALID_ID, close=True),
        "closed-after-start",
    ),
    "no order ID": (servers.starting_with(ACCOUNTS), "not-ready"),
    "no accounts message": (servers.starting_with(NEXT_VALID_ID), "not-ready"),
    "1100 instead": (servers.starting_with(notice(1100, "lost")), "connectivity-lost"),
    "empty account list": (servers.starting_with(encode(15, 1, "")), "no-accounts"),
    "order ID, no account": (
        servers.starting_with(NEXT_VALID_ID, encode(15, 1, "")),
        "no-accounts",
    ),
    "live account": (
        servers.starting_with(encode(15, 1, "U1234567"), NEXT_VALID_ID),
        "wrong-environment",
    ),
}
UNANSWERED = {"silent", "three zero bytes", "no order ID", "no accounts message", "1100 instead"}
"""Those that nothing but the time-out can end."""


def time_out(name):
    """Return the time-out for one of the failures: short only where it decides."""
    return 0.4 if name in UNANSWERED else LONG


@pytest.mark.parametrize("name", FAILURES)
async def test_a_failed_opening_names_its_cause_and_leaves_nothing(connect, session, name):
    """Who answers or closes is named at once; no socket and no task stays behind."""
    script, verdict = FAILURES[name]
    begun = time.monotonic()
    with Server(script) as server:
        with pytest.raises(ConnectFailed) as caught:
            await connect(server.port, timeout=time_out(name))
        assert time.monotonic() - begun < SOON
        assert sockets_to(server.port) == 0
        assert others() == set()
        server.only_client()
    assert caught.value.verdict == verdict
    assert caught.value.explanation.entry.id == verdict
    assert isinstance(caught.value, ConnectionError)
    assert session.connection is None
    assert session.health().state == "closed"


@pytest.mark.parametrize("name", FAILURES)
async def test_the_probe_comes_to_the_same_verdict(name):
    """Both judges of a gateway, the opening and the probe, share this table."""
    script, verdict = FAILURES[name]
    with Server(script) as server:
        target = Target(LOOPBACK, server.port, "paper")
        found = await probe(
            target, 41, min_version=157, max_version=176, timeout=time_out(name), linger=0.1
        )
    assert cause(found) == verdict


@pytest.mark.parametrize(
    ("host", "verdict"),
    [(LOOPBACK, "connection-refused"), ("no-such-gateway.invalid", "host-unreachable")],
)
async def test_an_address_that_cannot_be_connected_to(connect, refused_port, host, verdict):
    """Refused and unresolved are two causes, and the sentence names the address."""
    with pytest.raises(ConnectFailed, match=f"{host}:{refused_port}") as caught:
        await connect(refused_port, host=host)
    assert caught.value.verdict == verdict
    assert others() == set()


async def test_the_next_candidate_counts_only_where_the_one_before_refused(
    session, plan, refused_port
):
    """`paper` means two ports: the second is tried after a refusal, not after another failure."""
    with SimulatedGateway() as gateway, Server(servers.closing) as server:
        targets = [Target(LOOPBACK, port) for port in (refused_port, server.port, gateway.port)]
        wanted = plan(refused_port)
        opened = await session.connect(wanted, (targets[0], targets[2]))
        assert opened.connection.plan.target == targets[2]
        await session.disconnect()
        with pytest.raises(ConnectFailed) as caught:
            await session.connect(wanted, tuple(targets))
        assert caught.value.verdict == "closed-before-version"
        assert gateway.connections_accepted == 1
        # The refusal before it is told, too.
        assert caught.value.explanation.facts[0].startswith(str(targets[0]))


async def test_the_time_out_is_respected(connect):
    """A gateway that says nothing is given up after the time-out, not before, not much later."""
    begun = time.monotonic()
    with Server(servers.silent) as server, pytest.raises(ConnectFailed):
        await connect(server.port, timeout=0.5)
    assert 0.45 < time.monotonic() - begun < SOON


@pytest.mark.parametrize("script", [servers.silent, servers.starting_with(ACCOUNTS)])
async def test_an_opening_that_is_cancelled_leaves_nothing(connect, session, script):
    """An interrupt in the middle: no task, no socket, and nothing connects later."""
    with Server(script) as server:
        task = asyncio.create_task(connect(server.port, timeout=LONG))
        await asyncio.to_thread(server.wait_for_greeting)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sockets_to(server.port) == 0
        assert others() == set()
        assert server.only_client().ended == "by the client"
    assert session.connection is None
    assert session.health().state == "closed"


async def test_a_synchronisation_that_is_cancelled_leaves_nothing(connect, session):
    """Also after ready, while orders and executions are fetched."""
    with Server(servers.healthy) as server:
        task = asyncio.create_task(connect(server.port, timeout=LONG))
        await asyncio.to_thread(server.wait_for_greeting)
        client = server.client()
        while client.started_with is None or len(client.messages) < 3:  # noqa: ASYNC110 - a thread's
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sockets_to(server.port) == 0
        assert others() == set()
    assert session.connection is None


async def test_a_wait_for_a_held_id_that_is_cancelled_leaves_nothing(connect, session):
    """Between two tries nothing is open, and after an interrupt nothing is tried again."""
    waiting = asyncio.Event()
    with SimulatedGateway(faults=["id-held"]) as gateway:
        task = asyncio.create_task(
            connect(gateway.port, wait=LONG, on_wait=lambda _: waiting.set())
        )
        await asyncio.wait_for(waiting.wait(), SOON)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert gateway.refused_326 == 1
        assert others() == set()
    assert session.health().state == "closed"


async def test_a_held_id_is_asked_for_again(connect):
    """An ID that is freed while it is waited for is taken; the wait is told on the way."""
    told = []
    with SimulatedGateway(faults=["id-held"]) as gateway:

        def free(waiting):
            told.append(waiting)
            gateway.set_faults([])

        opened = await connect(gateway.port, wait=SOON, on_wait=free)
        assert gateway.refused_326 >= 1
        assert opened.connection.is_open
    assert told
    assert {one.client_id for one in told} == {41}
    assert all(0 < one.seconds_left <= SOON for one in told)


async def test_without_patience_a_held_id_is_told_at_once(connect):
    """`wait` 0 asks once, and the explanation repeats the gateway's own words."""
    with Server(servers.refusing(326, TEXT_326)) as server:
        with pytest.raises(ConnectFailed) as caught:
            await connect(server.port, wait=0.0)
        server.only_client()
    assert TEXT_326.rstrip(".") in str(caught.value)


async def test_a_gateway_written_from_facts_is_ready(connect, session):
    """With all answers the session is ready, and was opened with the ID that was asked for."""
    with Server(servers.answering()) as server:
        opened = await connect(server.port, client_id=77)
        assert opened.connection.missing == ()
        health = session.health()
        assert (health.state, health.client_id, health.kind) == ("ready", 77, "paper")
        assert server.client().started_with == 77
        await session.disconnect()
        assert server.only_client().ended == "by the client"


@pytest.mark.parametrize("what", ["executions", "positions"])
async def test_a_session_whose_synchronisation_does_not_end_is_degraded(connect, session, what):
    """It is usable, says what is missing, and keeps nobody waiting beyond the time-out."""
    begun = time.monotonic()
    with Server(servers.answering(what)) as server:
        opened = await connect(server.port, timeout=0.4)
        assert time.monotonic() - begun < SOON
        assert opened.connection.missing == (what,)
        assert opened.connection.is_open
        health = session.health()
        assert (health.state, health.missing) == ("degraded", (what,))
        assert what in health.reason
        await session.disconnect()


async def test_readonly_asks_for_no_orders(connect, session):
    """What a Read-Only API answers with an error, or not at all, is not asked for."""
    with Server(servers.answering("orders", "completed")) as server:
        opened = await connect(server.port, readonly=True)
        assert opened.connection.missing == ()
        asked = {fields[0] for fields in server.client().messages}
        assert not asked & {"5", "99"}
        await session.disconnect()


def peer_closed(caplog):
    """Return the loggers that wrote the libraries' line that blames the client ID."""
    return [one.name for one in caplog.records if "Peer closed connection" in one.getMessage()]


async def test_the_librarys_misleading_line_is_kept_back(connect, caplog):
    """Where the gateway closes, the client ID is not blamed in the log."""
    caplog.set_level(logging.DEBUG)
    with Server(servers.closing_after_start) as server, pytest.raises(ConnectFailed):
        await connect(server.port)
    assert peer_closed(caplog) == []
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []


async def test_the_log_lines_of_another_ib_are_not_kept_back(connect, library, caplog):
    """While an opening is under way, what the user's own `IB` logs passes."""
    with Server(servers.silent) as slow, Server(servers.closing_after_start) as closing:
        task = asyncio.create_task(connect(slow.port, timeout=LONG))
        await asyncio.to_thread(slow.wait_for_greeting)
        ib = importlib.import_module(library).IB()
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the library makes of it
            await ib.connectAsync(LOOPBACK, closing.port, 5, timeout=0.3)
        assert not task.done()
        assert peer_closed(caplog) == [f"{library}.client"]
        task.cancel()
        await asyncio.wait({task})


async def test_log_lines_after_the_opening_are_not_kept_back(connect, session, library, caplog):
    """What the library says of the open connection is the user's again."""
    with SimulatedGateway() as gateway:
        opened = await connect(gateway.port)
        lost = asyncio.Event()
        opened.connection.ib.disconnectedEvent += lost.set
        gateway.drop_clients()
        await asyncio.wait_for(lost.wait(), SOON)
        assert peer_closed(caplog) == [f"{library}.client"]
        await session.disconnect()
    for name in find_library(library).loggers:
        assert logging.getLogger(name).filters == []


STOPPED_WHEN_REFUSED = """
import asyncio, signal
from ibnb.session.library import libraries
from ibnb.session.notebook import event_loop
from ibnb.session.opening import supervise
from ibnb.tws.target import Target

made = supervise.Attempt.seen

def seen(*args, **named):
    signal.raise_signal(signal.SIGINT)
    return made(*args, **named)

supervise.Attempt.seen = seen
library = libraries.find_library("{library}")
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
ib = library.new_ib()
try:
    opening = supervise.open_ib(ib, library, Target("127.0.0.1", {port}), 7, timeout=20.0)
    event_loop.run(opening, loop)
except KeyboardInterrupt:
    print("stopped", libraries.has_socket(ib), asyncio.all_tasks(loop))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises its interrupts elsewhere")
def test_stopped_in_the_moment_of_a_refusal_nothing_is_left(library):
    """The library's own task too is over, which waits for a start that will not come."""
    with SimulatedGateway(faults=["id-held"]) as gateway:
        script = STOPPED_WHEN_REFUSED.format(library=library, port=gateway.port)
        ended = python("-c", script)
    assert ended.stdout == "stopped False set()\n", ended.stderr


async def test_whatever_ends_an_opening_leaves_no_task(session, plan, monkeypatch):
    """An unexpected error, as an interrupt within Python code is, makes no difference."""
    monkeypatch.setattr("ibnb.session.opening.supervise.Attempt.seen", lambda *_, **__: 1 / 0)
    with SimulatedGateway(faults=["id-held"]) as gateway:
        wanted = plan(gateway.port)
        with pytest.raises(ZeroDivisionError):
            await session.connect(wanted, (wanted.target,))
    assert others() == set()


async def test_a_cancelling_that_is_swallowed_is_repeated(library):
    """Up to Python 3.11 the libraries can swallow one, and would wait for ever after it."""

    async def stubborn():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        await asyncio.Event().wait()

    found = find_library(library)
    ib, target = found.new_ib(), Target(LOOPBACK, 4002)
    opening = asyncio.ensure_future(watch_opening(ib, found, target, 7, stubborn()))
    await asyncio.sleep(0)
    opening.cancel()
    begun = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert time.monotonic() - begun < SOON
    assert others() == set()

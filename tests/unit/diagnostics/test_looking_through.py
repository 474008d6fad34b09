"""Diagnosing beside an open connection of the user's own: it is looked through, none is added."""

import asyncio
import contextlib
import importlib
import socket
import time

import pytest
from servers import Server, answering, encode, notice

from ibnb.diagnostics import Diagnostician, Question
from ibnb.session import ConnectFailed, Plan, Session
from ibnb.session.guard import Guard
from ibnb.session.library.libraries import find_library
from ibnb.session.survey import health_at_hand, meant, numbered, target_meant
from ibnb.tws.own import LOOPBACK
from ibnb.tws.target import Target

PATIENCE = 60.0
VARIABLES = []
A_LITTLE = 1.0
BROKEN = notice(2103, "Market data farm connection is broken:eufarm")
BACK = notice(2104, "Market data farm connection is OK:eufarm")


def alive(*unanswered):
    """Return a gateway that answers what a library synchronises, and the time."""

    def script(client):
        read = client.read_message

        def read_message():
            read()
            if client.messages[-1][0] == "49":
                client.send(encode(49, 1, int(time.time())))

        client.read_message = read_message
        answering(*unanswered)(client)

    return script


@pytest.fixture
async def session(library, server):  # noqa: ARG001 - it has to outlive what is open on it
    """A session with a guard that acts; every connection is closed at the end."""
    importlib.import_module(library)
    made = Session()
    guard = Guard(
        made,
        enabled=lambda: True,
        wait=lambda _address: 0.0,
        waiting=lambda: contextlib.nullcontext(lambda _waiting: None),
        reachable=lambda: (),
    )
    guard.enter()
    yield made
    for held in made.registry.all():
        await held.close()
    guard.leave()
    VARIABLES.clear()


@pytest.fixture
def server():
    """A gateway that answers what a library synchronises."""
    with Server(alive()) as server:
        yield server


async def own(library, port, client_id=7, **more):
    """Connect as the user's own code does; the object is held as a variable holds it."""
    ib = importlib.import_module(library).IB()
    VARIABLES.append(ib)
    await ib.connectAsync(LOOPBACK, port, client_id, **more)
    return ib


async def ours(session, library, port, client_id=41):
    """Open the session's connection."""
    plan = Plan(Target(LOOPBACK, port, "paper"), client_id, find_library(library))
    return (await session.connect(plan, (plan.target,), wait=lambda _address: 0.0)).connection.ib


async def diagnose(session, port, number=0, **more):
    """Diagnose a port while the loop of the session goes on."""
    asked = Question((Target(LOOPBACK, port, "paper"),), 41, connection=number, **more)
    started = Diagnostician().start(asked, session, None)
    return await asyncio.wait_for(asyncio.wrap_future(started), PATIENCE)


def found(report):
    """Return the results of a report by the id of their check."""
    return {one.id: one for one in report.results}


async def heard(session, count):
    """Wait until so many notices came."""
    more = asyncio.Event()
    session.listeners.append(more.set)
    async with asyncio.timeout(PATIENCE):
        while session.journal.count < count:
            more.clear()
            await more.wait()


async def lost(session):
    """Wait until a socket was lost."""
    more = asyncio.Event()
    session.listeners.append(more.set)
    async with asyncio.timeout(PATIENCE):
        while not session.losses:
            more.clear()
            await more.wait()


async def test_a_healthy_one(session, library, server):
    """Every check of the wire looks through it, and nobody is told to open what is open."""
    await own(library, server.port)
    report = await diagnose(session, server.port)
    assert len(server.clients) == 1
    assert report.verdict.id == "healthy"
    assert report.verdict.fix == ()
    assert "client ID 7" in report.verdict.summary
    results = found(report)
    for check in ("net.tcp", "api.version", "api.start", "api.ready", "api.accounts", "api.link"):
        assert results[check].status == "pass", results[check]
    assert "no other was made" in results["net.tcp"].summary
    assert (
        f"Connected to {LOOPBACK}:{server.port} as client ID 7" in results["session.state"].summary
    )
    assert results["session.client-id"].evidence["client_id"] == 7
    assert "no connection open" not in str(report.to_dict())
    assert "%ibconnect" not in str(report.to_dict()["verdict"])


async def test_its_heartbeat_is_taken(session, library):
    """The gateway is asked over this connection, and its answer is awaited."""
    with Server(alive()) as server:
        await own(library, server.port)
        beat = found(await diagnose(session, server.port))["session.heartbeat"]
        assert (beat.status, beat.blocked_by) == ("pass", None)
        assert [fields for fields in server.client().messages if fields[0] == "49"]
        assert len(server.clients) == 1
        for held in session.registry.all():
            await held.close()


TROUBLES = {
    "1100": ((notice(1100, "lost"),), "connectivity-lost"),
    "1100, then farms": ((notice(1100, "lost"), BACK), "connectivity-lost"),
    "1100, then 1102": ((notice(1100, "lost"), notice(1102, "back")), "healthy"),
    "2110": ((notice(2110, "lost"),), "connectivity-lost"),
    "2110, then a farm": ((notice(2110, "lost"), BACK), "healthy"),
    "a farm": ((BROKEN,), "data-farm-down"),
    "another farm is well": ((BROKEN, notice(2104, "OK:usfarm")), "data-farm-down"),
    "a farm is back": ((BROKEN, BACK), "healthy"),
}


@pytest.mark.parametrize("name", TROUBLES)
async def test_what_was_said_on_it_is_the_verdict(session, library, server, name):
    """A gateway need not repeat it to anybody who connects anew; nobody does."""
    frames, verdict = TROUBLES[name]
    await own(library, server.port)
    server.client().send(*frames)
    await heard(session, 1 + len(frames))
    report = await diagnose(session, server.port)
    assert report.verdict.id == verdict
    assert len(server.clients) == 1


async def test_the_notices_of_another_connection_do_not_count(session, library, server):
    """With both open, each target is looked at through its own, on whichever the session is."""
    with Server(alive()) as other:
        await own(library, server.port)
        await ours(session, library, other.port)
        server.client().send(notice(1100, "lost"))
        other.client().send(BROKEN)
        await heard(session, 4)
        theirs, own_report = (
            await diagnose(session, other.port),
            await diagnose(session, server.port),
        )
        assert (len(server.clients), len(other.clients)) == (1, 1)
        assert (own_report.verdict.id, theirs.verdict.id) == ("connectivity-lost", "data-farm-down")
        assert "client ID 7" in found(own_report)["session.state"].summary
        assert "client ID 41" in found(theirs)["session.state"].summary
        for held in session.registry.all():
            await held.close()


async def test_one_that_nobody_watches_is_looked_through_too(session, library, server):
    """No connection is added; what the gateway said on it is not claimed to be known."""
    session.use(guarding=lambda: False)
    ib = importlib.import_module(library).IB()
    client = ib.client
    await client.connectAsync(LOOPBACK, server.port, 7)
    assert meant(session, ib).number
    results = found(report := await diagnose(session, server.port))
    assert len(server.clients) == 1
    assert report.verdict.id == "healthy"
    assert (results["api.link"].status, results["api.link"].blocked_by) == ("skip", None)
    assert results["session.heartbeat"].status == "skip"
    ib.disconnect()


async def test_a_lost_one(session, library, server):
    """At a gateway that lets clients in again the loss is what is wrong, with how to go on."""
    await own(library, server.port)
    ib = session.registry.all()[0].tracked_ib
    server.client().sock.shutdown(socket.SHUT_RDWR)
    await lost(session)
    report = await diagnose(session, server.port)
    assert report.verdict.id == "not-connected"
    assert f"{LOOPBACK}:{server.port} was lost" in report.verdict.summary
    assert "code that connected" in report.verdict.fix[0]
    assert target_meant(session, ib).port == server.port


async def test_one_elsewhere_is_told_and_is_no_cause(session, library, server):
    """Nobody says that nothing is open, nor offers to open the notebook's connection."""
    await own(library, server.port)
    with Server(alive()) as other:
        report = await diagnose(session, other.port, number=session.registry.all()[0].number)
    assert report.verdict.id == "healthy"
    assert report.verdict.fix == ()
    summary = found(report)["session.state"].summary
    assert f"Connected to {LOOPBACK}:{server.port} as client ID 7" in summary


async def failing(session, library, port):
    """Fail in the library's synchronisation, as the user's own code does."""
    more = {"raiseSyncErrors": True} if library == "ib_async" else {}
    with pytest.raises(ConnectFailed):
        await own(library, port, timeout=A_LITTLE, **more)
    return session.failed


async def test_a_synchronisation_that_failed(session, library):
    """The gateway is well, and what did not come is the verdict, with the way out for it."""
    with Server(alive("executions")) as server:
        failed = await failing(session, library, server.port)
        assert target_meant(session) == failed.target
        report = await diagnose(session, server.port)
    assert (report.verdict.id, report.exit_status) == ("sync-incomplete", 1)
    assert "request for executions" in report.verdict.summary
    assert "server version 176" in report.verdict.summary
    assert report.verdict.fix[0].endswith(f"%ibconnect {LOOPBACK}:{server.port} --client-id 7")
    assert not any("Read-Only" in step for step in report.verdict.fix)
    assert "The last try" in found(report)["session.state"].summary


async def test_a_synchronisation_that_failed_at_a_gateway_that_is_gone(session, library):
    """What the wire shows now explains more."""
    with Server(alive("executions")) as server:
        await failing(session, library, server.port)
    report = await diagnose(session, server.port)
    assert report.verdict.id == "connection-refused"


async def test_a_synchronisation_that_failed_beside_an_open_one(session, library, server):
    """The open one is what is asked about, and the failure is told beside it."""
    ib = await own(library, server.port)
    with Server(alive("executions")) as other:
        await failing(session, library, other.port)
        assert target_meant(session, ib).port == server.port
        report = await diagnose(session, other.port)
    assert report.verdict.id == "sync-incomplete"
    summary = found(report)["session.state"].summary
    assert f"Connected to {LOOPBACK}:{server.port} as client ID 7" in summary
    assert "request for executions" in summary


async def test_what_a_connection_lacks_is_asked_for_by_name(session, library):
    """Of an open one that is not complete the first step is the call that brings the rest."""
    with Server(alive("positions")) as server:
        await own(library, server.port, timeout=A_LITTLE)
        report = await diagnose(session, server.port)
        assert (report.verdict.id, report.exit_status) == ("sync-incomplete", 0)
        assert report.verdict.fix[0].endswith("ib.reqPositions()")
        assert len(server.clients) == 1
        for held in session.registry.all():
            await held.close()


async def test_what_is_meant_where_none_is_named(session, library, server):
    """The session's, else the one at hand, else the one opened last; then what went wrong last."""
    module = importlib.import_module(library)
    assert meant(session) is None
    assert target_meant(session) is None
    assert meant(session, 3) is None
    assert meant(session, module.IB()) is None
    with Server(alive()) as second, Server(alive()) as third:
        one, two = await own(library, server.port), await own(library, second.port, 8)
        assert meant(session).tracked_ib is two
        assert meant(session, one).tracked_ib is one
        assert meant(session, "ib").tracked_ib is two
        assert meant(session, module.IB()).tracked_ib is two
        three = await ours(session, library, third.port)
        assert meant(session, one).tracked_ib is three
        assert health_at_hand(session, one).client_id == 41
        await session.disconnect()
        assert meant(session, one).tracked_ib is one
        for ib in (one, two):
            await session.registry.of(ib).close()
        assert meant(session).tracked_ib is two
        assert target_meant(session).port == second.port


async def test_what_went_wrong_last_is_meant(session, library, server, refused_port):
    """Of a failure and an end, the later one, whichever it is."""
    ib = await own(library, server.port)
    with pytest.raises(ConnectFailed):
        await own(library, refused_port, 8)
    assert target_meant(session, ib).port == server.port
    await session.registry.of(ib).close()
    assert target_meant(session, ib).port == server.port
    with pytest.raises(ConnectFailed):
        await own(library, refused_port, 8)
    assert target_meant(session, ib).port == refused_port


async def test_a_number_that_is_known_no_more(session, library, server):
    """It is nobody's, and the diagnosis looks through what is open."""
    await own(library, server.port)
    assert numbered(session, 99) is None
    report = await diagnose(session, server.port, number=99)
    assert report.verdict.id == "healthy"
    assert len(server.clients) == 1

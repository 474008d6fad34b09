"""Checks of the notebook's own session, on real connections: pulse, losses, pace, what failed."""

import asyncio
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest
import servers
from commands import environment
from diagnosing import attempt, context
from servers import Server

from ibnb.diagnostics import Diagnostician, Question
from ibnb.diagnostics.checks import session as checks
from ibnb.session import ConnectFailed, Health, Plan, Session
from ibnb.session.address import address_of
from ibnb.session.library.libraries import find_library
from ibnb.session.library.reading import heard_ago
from ibnb.session.notebook.cell_runs import Run
from ibnb.session.tracked import TrackedConnection
from ibnb.simulator import SimulatedGateway
from ibnb.tws.attempt import Attempt
from ibnb.tws.handshake import Stage
from ibnb.tws.notices import Notice
from ibnb.tws.own import LOOPBACK
from ibnb.tws.target import Target

PATIENCE = 60.0
LOOK = 0.05


async def connect(session, gateway, library, **more):
    """Open a session on a gateway of this machine."""
    target = Target(LOOPBACK, gateway.port, "paper")
    plan = Plan(target, 41, find_library(library), **more)
    await session.connect(plan, (target,), wait=lambda _address: 0.0)


async def diagnose(session, port, at_hand=None, **more):
    """Diagnose a port from the session's own loop, which goes on meanwhile."""
    asked = Question((Target(LOOPBACK, port, "paper"),), client_id=41, **more)
    started = Diagnostician().start(asked, session, None, at_hand=at_hand)
    return await asyncio.wait_for(asyncio.wrap_future(started), PATIENCE)


def result_of(report, check):
    """Return one result of a report."""
    return next(result for result in report.results if result.id == check)


@pytest.fixture
async def session():
    """A session, closed at the end."""
    made = Session()
    yield made
    await made.disconnect()


async def test_a_healthy_connection_answers(session, library):
    """The heartbeat is answered with its time, and nothing that was sent is near a limit."""
    with SimulatedGateway() as gateway:
        await connect(session, gateway, library)
        report = await diagnose(session, gateway.port)
    beat = result_of(report, "session.heartbeat")
    assert beat.status == "pass"
    assert beat.evidence["round_trip_seconds"] > 0
    assert result_of(report, "session.history").status == "pass"
    assert result_of(report, "session.pacing").status == "pass"
    assert result_of(report, "api.clock").status == "pass"


async def test_a_gateway_that_fell_silent_is_half_open(session, library):
    """Two heartbeats without a byte while the kernel was free: the socket is open for nothing."""
    with SimulatedGateway() as gateway:
        await connect(session, gateway, library)
        gateway.set_faults(["half-open"])
        # What it had sent until then is read first; that nothing more comes is no event.
        while (heard_ago(session.connection.ib) or 0) < 10 * LOOK:  # noqa: ASYNC110 - see above
            await asyncio.sleep(LOOK)
        report = await diagnose(session, gateway.port)
        assert gateway.connections_accepted == 1
        gateway.set_faults([])
    assert report.verdict.id == "half-open"
    assert report.exit_status == 1


async def test_a_busy_kernel_is_no_dead_gateway(session, library):
    """With the kernel's loop blocked the diagnosis ends all the same, and does not judge."""
    with SimulatedGateway() as gateway:
        await connect(session, gateway, library)
        gateway.set_faults(["half-open"])
        asked = Question((Target(LOOPBACK, gateway.port, "paper"),), client_id=41)
        # Joining a thread here is what blocks the loop.
        report = Diagnostician().start(asked, session, None).result(PATIENCE)
        assert gateway.connections_accepted == 1
        gateway.set_faults([])
    beat = result_of(report, "session.heartbeat")
    assert (beat.status, beat.blocked_by) == ("skip", None)
    assert "busy" in beat.summary
    assert report.verdict.id == "healthy"


async def test_a_lost_connection_is_remembered(session, library):
    """A socket that the gateway closed is in the history of the session that came after it."""
    lost = asyncio.Event()
    with SimulatedGateway() as gateway:
        await connect(session, gateway, library)
        session.listeners.append(lambda: session.losses and lost.set())
        gateway.drop_clients()
        await asyncio.wait_for(lost.wait(), PATIENCE)
        await connect(session, gateway, library)
        report = await diagnose(session, gateway.port)
    past = result_of(report, "session.history")
    assert past.status == "warn"
    assert "lost once in the last hour" in past.summary
    assert len(past.evidence["losses"]) == 1
    assert report.verdict.id == "healthy"


async def test_too_many_historical_requests_are_counted(session, library):
    """Requests beyond the limits of ten minutes are the verdict, as a warning."""
    with SimulatedGateway() as gateway:
        await connect(session, gateway, library)
        contract = session.connection.ib.client
        for number in range(61):
            contract.cancelHistoricalData(number)
        report = await diagnose(session, gateway.port)
        assert result_of(report, "session.pacing").status == "pass"
        stock = type(session.connection.ib).__module__.partition(".")[0]
        made = __import__(stock).Stock("AAPL", "SMART", "USD")
        for number in range(61):
            session.connection.ib.client.reqHistoricalData(
                1000 + number, made, f"202601{number % 28 + 1:02} 00:00:0{number // 28}", "60 S",
                "1 secs", "TRADES", 1, 1, False, [],
            )  # fmt: skip
        report = await diagnose(session, gateway.port)
    pace = result_of(report, "session.pacing")
    assert (pace.status, pace.entry) == ("warn", "pacing")
    assert pace.evidence["historical_last_ten_minutes"] == 61
    assert (report.verdict.id, report.verdict.severity) == ("pacing", "warning")
    assert report.exit_status == 0


async def test_a_read_only_gateway_leaves_the_session_incomplete(session, library):
    """Orders that were refused to the synchronisation are named: usable, and a warning."""
    with SimulatedGateway(faults=["read-only"]) as gateway:
        await connect(session, gateway, library, timeout=1.0)
        report = await diagnose(session, gateway.port)
    assert report.verdict.id == "sync-incomplete"
    assert "open orders" in result_of(report, "session.state").summary
    assert report.exit_status == 0


async def test_a_stale_ib_at_hand(session, library):
    """The connection works, and the `ib` in the user's hands is not on it any more."""
    with SimulatedGateway() as gateway:
        await connect(session, gateway, library)
        stale = Health("closed", stale="It was replaced at 12:00:00 by cell [3].")
        report = await diagnose(session, gateway.port, at_hand=stale)
    assert report.verdict.id == "stale-connection"
    assert "by cell [3]" in report.verdict.summary


async def test_what_failed_last_is_evidence(session, library):
    """A failed opening is told where nothing is open, and beside a gateway that works again."""
    with SimulatedGateway(faults=["id-held"]) as gateway:
        with pytest.raises(ConnectFailed):
            await connect(session, gateway, library)
        report = await diagnose(session, gateway.port, only=("session.state",))
        assert report.verdict.id == "client-id-in-use"
        gateway.set_faults([])
        report = await diagnose(session, gateway.port)
    assert report.verdict.id == "healthy"
    assert "The last try to connect failed" in report.verdict.summary
    assert "326" in report.verdict.summary


HOLDER = """
import sys
from {library} import IB
ib = IB()
ib.connect('127.0.0.1', int(sys.argv[1]), 41)
print('up', flush=True)
sys.stdin.read()
ib.disconnect()
"""


@pytest.fixture
def held(library):
    """A gateway, and another process that has client ID 41 there."""
    with (
        SimulatedGateway() as gateway,
        subprocess.Popen(
            [sys.executable, "-c", HOLDER.format(library=library), str(gateway.port)],
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout.readline() == "up\n"
        yield gateway, process.pid
        process.communicate(timeout=PATIENCE)


async def test_the_notebooks_own_held_id_is_found(session, held):
    """A second kernel with the same ID gets 326, and the diagnosis names who is connected."""
    gateway, pid = held
    report = await diagnose(session, gateway.port)
    assert report.verdict.id == "client-id-in-use"
    told = result_of(report, "session.client-id")
    assert (told.status, told.entry) == ("warn", "client-id-in-use")
    assert f"process {pid}" in told.summary


async def own_connection(session, library, gateway, client_id):
    """Connect as the user's own code in a cell does, looked after by the session's holdings."""
    ib = __import__(library).IB()
    await ib.connectAsync(LOOPBACK, gateway.port, client_id, timeout=PATIENCE)
    address = address_of("localhost", gateway.port, client_id)
    session.registry.add(
        ib, TrackedConnection(ib, address, Run("a", 3, "cell [3]"), session.journal)
    )
    return ib


async def test_an_id_that_this_very_kernel_holds_is_found(session, library):
    """An ID that was refused, and that a cell of the user's own has: no connection is opened."""
    with SimulatedGateway() as gateway:
        ib = await own_connection(session, library, gateway, 41)
        session.failed = refusal(gateway, 41)
        report = await diagnose(session, gateway.port)
        assert gateway.connections_accepted == 1
        ib.disconnect()
    told = result_of(report, "session.client-id")
    assert (told.status, told.entry) == ("warn", "client-id-in-use")
    assert "this kernel itself: connected by cell [3]" in told.summary
    assert "disconnect()" in told.fix[0]
    assert "The last try to connect failed" in report.verdict.summary


async def test_an_id_that_this_kernel_holds_unguarded_is_found(session, library):
    """With the guard off nobody looked after the connection; it is found all the same."""
    with SimulatedGateway() as gateway:
        session.home = asyncio.get_running_loop()
        ib = __import__(library).IB()
        await ib.connectAsync(LOOPBACK, gateway.port, 41, timeout=PATIENCE)
        report = await diagnose(session, gateway.port)
        ib.disconnect()
    assert report.verdict.id == "client-id-in-use"
    assert "this kernel itself: connected earlier in this kernel" in report.verdict.summary


async def test_the_sessions_own_id_is_no_problem(session, library):
    """The ID that the open session has is its own, and nobody is told to end it."""
    with SimulatedGateway() as gateway:
        await connect(session, gateway, library)
        report = await diagnose(session, gateway.port)
    told = result_of(report, "session.client-id")
    assert (told.status, told.entry) == ("pass", None)
    assert "Client ID 41" in told.summary


async def test_an_id_that_was_refused_is_never_found_to_be_well(session, library):
    """With the session open under another ID the check speaks of the one that was refused."""
    with SimulatedGateway() as gateway:
        await connect(session, gateway, library)
        other = await own_connection(session, library, gateway, 7)
        for held, said in ((True, "this kernel itself"), (False, "was refused as in use")):
            session.failed = refusal(gateway, 7)
            asked = Question((session.failed.target,), 7, only=("session.client-id",))
            started = Diagnostician().start(asked, session, None)
            report = await asyncio.wait_for(asyncio.wrap_future(started), PATIENCE)
            told = result_of(report, "session.client-id")
            assert (told.status, told.entry) == ("warn", "client-id-in-use")
            assert "Client ID 7" in told.summary
            assert said in told.summary
            if held:
                other.disconnect()
                await asyncio.to_thread(gateway.wait_for, lambda: gateway.open_clients == (41,))


def refusal(gateway, client_id):
    """Return the attempt that a gateway refused as client ID in use."""
    return Attempt(
        target=Target("localhost", gateway.port),
        client_id=client_id,
        stage=Stage.START,
        ending="closed",
        min_version=157,
        max_version=176,
        server_version=176,
        notices=(Notice(326, "in use"),),
    )


@pytest.mark.library
async def test_a_refusal_that_is_over_is_not_told_again(session):
    """An ID that the gateway takes now is well, whatever it said before."""
    with SimulatedGateway() as gateway:
        session.failed = refusal(gateway, 41)
        report = await diagnose(session, gateway.port)
    assert report.verdict.id == "healthy"
    assert result_of(report, "session.client-id").status == "pass"


HERE = Target("localhost", 4002)
OTHER = Target(LOOPBACK, 7497)


@pytest.mark.parametrize(
    ("health", "status", "entry"),
    [
        (Health("lost", HERE, reason="reset"), "fail", "not-connected"),
        (Health("lost", OTHER, reason="reset"), "warn", None),
        (Health("resuming", HERE), "warn", "not-connected"),
        (Health("resuming", OTHER), "warn", None),
        (Health("degraded", HERE, missing=("orders",)), "warn", "sync-incomplete"),
        (Health("degraded", OTHER, missing=("orders",)), "warn", None),
    ],
)
def test_a_session_elsewhere_is_no_cause_here(health, status, entry):
    """What is wrong with a session on another gateway is told, and is not the cause of anything."""
    result = asyncio.run(checks.state(context(health=health)[0]))
    assert (result.status, result.entry) == (status, entry)
    assert str(health.target) in result.summary


def test_a_failure_elsewhere_is_no_cause_here():
    """What %ibconnect met on another gateway says nothing of this one."""
    failed = replace(attempt(ending="timeout", accounts=None), target=OTHER)
    result = asyncio.run(checks.state(context(failed=failed)[0]))
    assert (result.status, result.entry) == ("warn", None)
    result = asyncio.run(checks.state(context(failed=replace(failed, target=HERE))[0]))
    assert (result.status, result.entry) == ("warn", "not-ready")


class Waits:
    """An observer that only remembers how a diagnosis was repeated."""

    def __init__(self):
        self.heard = []
        self.waits = threading.Event()

    def on_start(self, checks):
        """Take nothing."""

    on_result = on_report = on_start

    def on_wait(self, seconds_left, tries, report):
        """Remember it."""
        self.heard.append((seconds_left, tries, report.verdict.id))
        self.waits.set()


async def test_a_diagnosis_is_repeated_until_the_gateway_is_well(session):
    """It goes on after a failure, tells what it found, and ends as soon as all is well."""
    waits = Waits()
    with SimulatedGateway(faults=["stall-ready"]) as gateway:
        asked = Question((Target(LOOPBACK, gateway.port),), 41, timeout=2.0, wait=PATIENCE)
        started = Diagnostician().start(asked, session, None, [waits])
        assert await asyncio.to_thread(waits.waits.wait, PATIENCE)
        gateway.set_faults([])
        report = await asyncio.wait_for(asyncio.wrap_future(started), PATIENCE)
        assert gateway.connections_accepted == 2
    assert report.verdict.id == "healthy"
    (left, tries, verdict), *more = waits.heard
    assert (tries, verdict, more) == (1, "not-ready", [])
    assert 0 < left <= PATIENCE


async def test_a_repeated_diagnosis_ends_when_the_time_is_up(session):
    """With no time left the last report is the answer; nothing hammers the gateway meanwhile."""
    waits = Waits()
    with Server(servers.closing) as server:
        asked = Question((Target(LOOPBACK, server.port),), 41, timeout=5.0, wait=0.5)
        begun = time.monotonic()
        started = Diagnostician().start(asked, session, None, [waits])
        report = await asyncio.wait_for(asyncio.wrap_future(started), PATIENCE)
        assert time.monotonic() - begun >= 0.5
        assert len(server.clients) <= 2
    assert report.verdict.id == "closed-before-version"

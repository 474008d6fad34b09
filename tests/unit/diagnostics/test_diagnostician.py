"""Diagnoses inside one process: the pause between probes, and a session that is open already."""

import asyncio
import json
import os
import stat
import sys
import threading
import time

import pytest
import servers
from servers import Server

from ibnb.diagnostics import Diagnostician, Question
from ibnb.session import BadInputError, Plan, Session
from ibnb.session.library.libraries import find_library
from ibnb.session.reconnect import throttle
from ibnb.session.reconnect.throttle import FILE, PAUSE_SECONDS, Throttle
from ibnb.simulator import SimulatedGateway
from ibnb.tws.own import LOOPBACK
from ibnb.tws.target import Target

FAR_TOO_LONG = 10 * PAUSE_SECONDS


def question(port, host=LOOPBACK, **more):
    """Return a question about one port."""
    return Question(candidates=(Target(host, port, "paper"),), client_id=901, **more)


def waited_since(begun):
    """Say whether a pause is over that began later than `begun`: a busy machine only adds to it."""
    return time.monotonic() - begun > PAUSE_SECONDS


@pytest.fixture
def endless_pause(monkeypatch):
    """Make the pause so long that nothing here would survive it."""
    monkeypatch.setattr(throttle, "PAUSE_SECONDS", 10 * FAR_TOO_LONG)


def test_the_second_probe_of_a_gateway_waits():
    """Two diagnoses, one after the other: the gateway sees them at least 2 seconds apart."""
    diagnostician = Diagnostician()
    with SimulatedGateway() as gateway:
        begun = time.monotonic()
        diagnostician.start(question(gateway.port), None, None).result(FAR_TOO_LONG)
        assert gateway.connections_accepted == 1
        second = diagnostician.start(question(gateway.port), None, None)
        assert gateway.wait_for(lambda: gateway.connections_accepted == 2, FAR_TOO_LONG)
        assert waited_since(begun)
        assert second.result(FAR_TOO_LONG).verdict.id == "healthy"


def test_two_diagnoses_at_once_do_not_probe_at_once():
    """Two that start together are as far apart, and never connected at the same time."""
    diagnostician = Diagnostician()
    with SimulatedGateway() as gateway:
        begun = time.monotonic()
        both = [
            diagnostician.start(question(gateway.port, host), None, None)
            for host in (LOOPBACK, "localhost")
        ]
        assert gateway.wait_for(lambda: gateway.connections_accepted == 2, FAR_TOO_LONG)
        assert waited_since(begun)
        assert [one.result(FAR_TOO_LONG).verdict.id for one in both] == ["healthy", "healthy"]
        assert gateway.max_open_clients == 1
        assert gateway.connections_accepted == 2


def test_another_process_waits_as_well(tmp_path):
    """Two programs, one after the other, share a state folder and so the pause between probes."""
    with SimulatedGateway() as gateway:
        begun = time.monotonic()
        Diagnostician(tmp_path).start(question(gateway.port), None, None).result(FAR_TOO_LONG)
        second = Diagnostician(tmp_path).start(question(gateway.port, "localhost"), None, None)
        assert gateway.wait_for(lambda: gateway.connections_accepted == 2, FAR_TOO_LONG)
        assert waited_since(begun)
        assert second.result(FAR_TOO_LONG).verdict.id == "healthy"


@pytest.mark.parametrize(
    "told",
    [
        *("", "no JSON", "[1, 2]", '{"127.0.0.1:4002": "soon"}', '{"127.0.0.1:4002": null}'),
        *('{"127.0.0.1:4002": 1e300}', '{"127.0.0.1:4002": NaN}', "[" * 5000, "{" + " " * 20_000),
    ],
    ids=range(9),
)
@pytest.mark.usefixtures("endless_pause")
async def test_what_is_wrong_in_the_state_folder_costs_nothing(tmp_path, told):
    """A broken file, or one of a clock that was set back: the turn comes at once."""
    (tmp_path / FILE).write_text(told)
    async with asyncio.timeout(FAR_TOO_LONG), Throttle(tmp_path).turn(Target(LOOPBACK, 4002)):
        assert (tmp_path / FILE).stat().st_size < 100


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
async def test_nobody_else_may_read_what_is_remembered(tmp_path):
    """The file and the folders that are made for it; a folder that is there stays as it is."""
    folder = tmp_path / "state" / "ibnb"
    async with Throttle(folder).turn(Target(LOOPBACK, 4002)):
        pass
    made = (folder / FILE, folder, folder.parent)
    assert [stat.S_IMODE(one.stat().st_mode) for one in made] == [0o600, 0o700, 0o700]
    folder.chmod(0o755)
    (folder / FILE).chmod(0o644)
    async with asyncio.timeout(FAR_TOO_LONG), Throttle(folder).turn(Target("gw", 4002)):
        pass
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert "gw:4002" in (folder / FILE).read_text()


@pytest.mark.usefixtures("endless_pause")
async def test_a_state_folder_that_cannot_be_used_costs_nothing(tmp_path):
    """Where the folder is a file, probes are kept apart within the process alone."""
    (tmp_path / "file").write_text("")
    async with asyncio.timeout(FAR_TOO_LONG), Throttle(tmp_path / "file").turn(Target("gw", 1)):
        assert (tmp_path / "file").read_text() == ""


async def test_only_this_user_may_read_where_he_probed(tmp_path):
    """The file names the gateways that he uses."""
    old = os.umask(0)
    try:
        async with Throttle(tmp_path).turn(Target(LOOPBACK, 4002)):
            assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    finally:
        os.umask(old)


def test_other_gateways_need_not_wait():
    """The pause is one gateway's: a probe of another one takes place meanwhile."""
    diagnostician = Diagnostician()
    with Server(servers.silent) as slow, SimulatedGateway() as gateway:
        waiting = diagnostician.start(question(slow.port, timeout=FAR_TOO_LONG), None, None)
        slow.wait_for_greeting()
        report = diagnostician.start(question(gateway.port), None, None).result(FAR_TOO_LONG)
        assert not waiting.done()
        assert report.verdict.id == "healthy"
        waiting.stop()
        assert waiting.result(FAR_TOO_LONG).verdict.id == "diagnosis-stopped"


def test_a_check_that_does_not_exist():
    """It is refused in one line that lists what there is, and nothing is started."""
    with pytest.raises(BadInputError, match=r"unknown check 'api\.moon': give one of api\."):
        Diagnostician().start(question(1, only=("api.moon",)), None, None)


def test_the_thread_is_over_when_the_answer_is_there():
    """Whoever gets the report may end the process: nothing of the diagnosis still runs."""
    before = {thread.name for thread in threading.enumerate()}
    with SimulatedGateway() as gateway:
        future = Diagnostician().start(question(gateway.port), None, None)
        threads = [one for one in threading.enumerate() if one.name == "ibnb-diagnosis"]
        future.result(FAR_TOO_LONG)
        for thread in threads:
            thread.join(FAR_TOO_LONG)
    assert "ibnb-diagnosis" not in {thread.name for thread in threading.enumerate()} - before


def test_an_observer_that_raises_ends_the_diagnosis_with_its_error():
    """The caller gets the error, and the gateway a connection that was closed in good order."""

    class Clumsy:
        def on_start(self, checks):
            """Take it."""

        def on_result(self, result):
            """Break at the first result."""
            raise RuntimeError(f"no place for {result.id}")

        def on_report(self, report):
            """Never come here."""

    with SimulatedGateway() as gateway:
        future = Diagnostician().start(question(gateway.port), None, None, [Clumsy()])
        with pytest.raises(RuntimeError, match="no place for"):
            future.result(FAR_TOO_LONG)
        assert gateway.wait_for(lambda: gateway.open_clients == ())


async def diagnose(asked, session):
    """Diagnose from the session's own loop, which goes on meanwhile."""
    return await asyncio.wrap_future(Diagnostician().start(asked, session, None))


@pytest.fixture
async def opened(library):
    """A session that is open on a simulated gateway, and the gateway."""
    session = Session()
    with SimulatedGateway() as gateway:
        target = Target(LOOPBACK, gateway.port, "paper")
        plan = Plan(target, 41, find_library(library))
        await session.connect(plan, (target,))
        yield session, gateway
        await session.disconnect()


async def test_an_open_session_is_not_connected_to_again(opened):
    """What is open already is described: no connection is made, and the session's ID is told."""
    session, gateway = opened
    report = await diagnose(question(gateway.port), session)
    assert report.verdict.id == "healthy"
    assert "This notebook's connection" in report.verdict.summary
    assert "client ID 41" in report.verdict.summary
    assert gateway.connections_accepted == 1
    assert {result.status for result in report.results if result.id.startswith("api.")} == {"pass"}
    assert "DU1234567" not in json.dumps(report.to_dict())


async def notified(session, gateway, code):
    """Send a notice and wait until the session has it."""
    came = asyncio.Event()
    session.journal.listeners.append(lambda notice: notice.code == code and came.set())
    gateway.send_notice(code, "About the link to IBKR.")
    await asyncio.wait_for(came.wait(), FAR_TOO_LONG)


async def test_an_open_session_is_judged_by_what_it_has_heard_since(opened):
    """A loss that was reported long after the opening is in the verdict, and so is its end."""
    session, gateway = opened
    await notified(session, gateway, 1100)
    report = await diagnose(question(gateway.port), session)
    assert report.verdict.id == "connectivity-lost"
    await notified(session, gateway, 1102)
    assert (await diagnose(question(gateway.port), session)).verdict.id == "healthy"


async def test_an_open_session_tells_of_a_wrong_clock(opened):
    """The gateway's clock is asked for over the session's own connection."""
    session, gateway = opened
    gateway.set_faults(["clock-skew:90"])
    report = await diagnose(question(gateway.port), session)
    assert report.verdict.id == "clock-skew"
    assert gateway.connections_accepted == 1


async def test_an_open_session_elsewhere_is_left_out(opened):
    """A question about another gateway gets a probe of that one."""
    session, gateway = opened
    with SimulatedGateway(faults=["id-held"]) as other:
        report = await diagnose(question(other.port), session)
        assert other.connections_accepted == 1
    assert report.verdict.id == "client-id-in-use"
    assert gateway.connections_accepted == 1


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "::1", "::ffff:127.0.0.1"])
async def test_an_open_session_is_recognised_however_its_address_is_written(opened, host):
    """Another way to write the address of the open session makes no second connection to it."""
    session, gateway = opened
    report = await diagnose(question(gateway.port, host), session)
    assert report.verdict.id == "healthy"
    assert "This notebook's connection" in report.verdict.summary
    assert gateway.connections_accepted == 1

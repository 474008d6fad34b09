"""Stopping a diagnosis: what it still says, and that its connection goes in good order."""

import asyncio
import threading
import time

import pytest
import servers
from diagnosing import context
from servers import Server

from ibnb.diagnostics import Check, Diagnostician, Question, Result
from ibnb.diagnostics.engine.runner import run_checks
from ibnb.session.reconnect.throttle import PAUSE_SECONDS
from ibnb.tws.own import LOOPBACK
from ibnb.tws.target import Target

FAR_TOO_LONG = 10 * PAUSE_SECONDS
HANDSHAKE_SECONDS = 60.0
"""So long a diagnosis of a silent server would go on if nothing stopped it."""


def check(name, *requires, status=None, entry=None, waits_for=""):
    """Return a check that ends with a status, or never."""

    async def run(_context):
        if status is None:
            await asyncio.Event().wait()
        return Result(name, status, f"{name} says {status}.", entry=entry)

    return Check(name, f"Title of {name}", "env", run, requires, waits_for=waits_for)


class StopAt:
    """An observer that stops the diagnosis as soon as some results have come."""

    def __init__(self, stopped, count):
        self.stopped = stopped
        self.count = count
        self.results = []
        self.report = None

    def on_start(self, checks):
        """Take it."""

    def on_result(self, result):
        """Count it."""
        self.results.append(result)
        if len(self.results) == self.count:
            self.stopped.set()

    def on_wait(self, seconds_left, tries, report):
        """Take it."""

    def on_report(self, report):
        """Keep it."""
        self.report = report


async def stopped_after(count, *checks):
    """Run checks until so many have ended; return the report."""
    stopped = asyncio.Event()
    watcher = StopAt(stopped, count)
    report = await asyncio.wait_for(
        run_checks(checks, context()[0], [watcher], stopped), FAR_TOO_LONG
    )
    assert watcher.report is report
    assert sorted(one.id for one in watcher.results) == sorted(one.id for one in checks)
    return report


async def test_checks_that_did_not_end_are_skips_that_say_so():
    """What had ended stays; the others say what they waited for, or after what they come."""
    report = await stopped_after(
        1,
        check("a", status="pass"),
        check("b", "a", waits_for="the version reply"),
        check("c", "b"),
        check("d"),
    )
    a, b, c, d = report.results
    assert a.summary == "a says pass."
    assert [one.status for one in (b, c, d)] == ["skip"] * 3
    assert [one.blocked_by for one in (b, c, d)] == [None] * 3
    assert "stopped while this check waited for the version reply" in b.summary
    assert "stopped before this check began; it comes after b" in c.summary
    assert "stopped before this check had ended" in d.summary


async def test_without_a_failure_the_verdict_is_that_it_was_stopped():
    """Nothing wrong so far is not healthy, and a warning is not a cause yet."""
    report = await stopped_after(
        2, check("a", status="pass"), check("b", status="warn", entry="clock-skew"), check("c")
    )
    assert report.verdict.id == "diagnosis-stopped"
    assert report.verdict.severity == "warning"
    assert "1 of 3 checks had not ended" in report.verdict.summary
    assert report.verdict.fix


async def test_a_failure_that_was_found_is_the_verdict():
    """The cause stands, with a sentence that the diagnosis was not complete."""
    report = await stopped_after(
        1, check("net.port", status="fail", entry="connection-refused"), check("c")
    )
    assert report.verdict.id == "connection-refused"
    assert report.verdict.summary.endswith(
        "The diagnosis was stopped: 1 of 2 checks had not ended."
    )


async def test_a_failure_that_an_open_connection_disproves_is_no_verdict():
    """Where TCP opens, that nothing seems to listen is not the cause."""
    report = await stopped_after(
        2,
        check("net.port", status="fail", entry="connection-refused"),
        check("net.tcp", status="pass"),
        check("c"),
    )
    assert report.verdict.id == "diagnosis-stopped"


async def test_a_stop_after_the_end_changes_nothing():
    """The verdict of a complete diagnosis is the usual one."""
    report = await stopped_after(1, check("a", status="pass"))
    assert report.verdict.id == "healthy"


def question(port):
    """Return a question about a server that takes very long to be judged."""
    return Question((Target(LOOPBACK, port, "paper"),), 901, timeout=HANDSHAKE_SECONDS)


class Opened:
    """An observer that says when TCP is known to be open."""

    def __init__(self):
        self.known = threading.Event()

    def on_start(self, checks):
        """Take it."""

    def on_result(self, result):
        """Look whether it is that one."""
        if result.id == "net.tcp":
            self.known.set()

    def on_wait(self, seconds_left, tries, report):
        """Take it."""

    def on_report(self, report):
        """Take it."""


def test_a_stop_closes_the_connection_in_good_order():
    """The gateway sees the end of the stream, not a reset, and the thread is over."""
    opened = Opened()
    with Server(servers.silent) as server:
        diagnosis = Diagnostician().start(question(server.port), None, None, [opened])
        server.wait_for_greeting()
        assert opened.known.wait(FAR_TOO_LONG)
        threading.Thread(target=diagnosis.stop).start()
        report = diagnosis.result(FAR_TOO_LONG)
        (client,) = server.clients
        assert client.done.wait(FAR_TOO_LONG)
        assert client.ended == "by the client"
    found = {result.id: result for result in report.results}
    assert found["net.tcp"].status == "pass"
    assert found["api.version"].status == "skip"
    assert "stopped" in found["api.version"].summary
    assert report.verdict.id == "diagnosis-stopped"
    assert report.seconds < HANDSHAKE_SECONDS / 2
    diagnosis.stop()


async def test_a_cancelled_wait_stops_the_diagnosis():
    """Whoever is cancelled while waiting goes when the connection is closed."""
    with Server(servers.silent) as server:
        diagnosis = Diagnostician().start(question(server.port), None, None)
        waiting = asyncio.create_task(diagnosis.report())
        await asyncio.to_thread(server.wait_for_greeting)
        begun = time.monotonic()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert diagnosis.done()
        assert time.monotonic() - begun < HANDSHAKE_SECONDS / 2
        assert diagnosis.result().verdict.id == "diagnosis-stopped"


async def test_a_cancelled_future_stops_the_diagnosis():
    """A time limit of asyncio's own around the future does not leave a connection behind."""
    with Server(servers.silent) as server:
        diagnosis = Diagnostician().start(question(server.port), None, None)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(diagnosis), 0.2)
        report = await asyncio.to_thread(diagnosis.result, FAR_TOO_LONG)
        assert report.verdict.id == "diagnosis-stopped"

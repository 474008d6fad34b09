"""How checks are run: their order, what blocks them, what a failure of a check itself does."""

import asyncio

import pytest
from diagnosing import context

from ibnb.diagnostics import CHECKS, Check, Result
from ibnb.diagnostics.engine.runner import run_checks, with_requirements
from ibnb.knowledge import catalogue


def check(name, *requires, status="pass", run=None, timeout=10.0):
    """Return a check that ends with a status, or does what `run` does."""

    async def ends(_context):
        return Result(name, status, f"{name} says {status}")

    return Check(name, f"Title of {name}", "env", run or ends, requires, timeout)


class Watcher:
    """An observer that keeps what it is told, in order."""

    def __init__(self):
        self.told = []

    def on_start(self, checks):
        """Keep the checks that start."""
        self.told.append(("start", tuple(one.id for one in checks)))

    def on_result(self, result):
        """Keep one result."""
        self.told.append(("result", result))

    def on_report(self, report):
        """Keep the report."""
        self.told.append(("report", report))


async def run(*checks, observers=()):
    """Run checks; return results by id."""
    report = await run_checks(checks, context()[0], observers)
    return {result.id: result for result in report.results}


async def test_results_are_in_the_order_of_the_checks_whichever_ends_first():
    """A report reads the same every time."""
    first_may_end = asyncio.Event()

    async def slow(_context):
        await first_may_end.wait()
        return Result("slow", "pass", "at last")

    async def quick(_context):
        first_may_end.set()
        return Result("quick", "pass", "at once")

    assert list(await run(check("slow", run=slow), check("quick", run=quick))) == ["slow", "quick"]


async def test_checks_run_side_by_side():
    """Two checks that each wait for the other's beginning both end: they run at the same time."""
    begun = {"one": asyncio.Event(), "two": asyncio.Event()}

    def meeting(own, other):
        async def meet(_context):
            begun[own].set()
            await begun[other].wait()
            return Result(own, "pass", "met")

        return meet

    found = await run(
        check("one", run=meeting("one", "two")), check("two", run=meeting("two", "one"))
    )
    assert [result.status for result in found.values()] == ["pass", "pass"]


async def test_a_check_begins_after_what_it_requires():
    """Not before: its requirement's result is already known to the observers."""
    watcher = Watcher()
    seen = []

    async def second(_context):
        seen.extend(result.id for kind, result in watcher.told if kind == "result")
        return Result("second", "pass", "ran")

    await run(check("first"), check("second", "first", run=second), observers=[watcher])
    assert seen == ["first"]


@pytest.mark.parametrize(("status", "runs"), [("pass", True), ("warn", True), ("fail", False)])
async def test_what_did_not_pass_blocks_what_requires_it(status, runs):
    """A warning lets the next check run; a failure makes it a skip that names the blocker."""
    found = await run(check("first", status=status), check("second", "first"))
    if runs:
        assert found["second"].status == "pass"
    else:
        assert (found["second"].status, found["second"].blocked_by) == ("skip", "first")


async def test_a_chain_of_skips_names_the_first_cause():
    """`blocked_by` is what really failed, however far back, and not the skip before."""
    found = await run(
        check("a", status="fail"), check("b", "a"), check("c", "b"), check("d", "c"), check("e")
    )
    assert {name: result.blocked_by for name, result in found.items()} == {
        "a": None,
        "b": "a",
        "c": "a",
        "d": "a",
        "e": None,
    }
    assert found["e"].status == "pass"


async def test_a_check_that_raises_is_a_crash_and_the_others_go_on():
    """Its error is told by name; what requires it is skipped; the rest runs."""

    async def raising(_context):
        raise ZeroDivisionError("nothing to divide by")

    found = await run(check("bad", run=raising), check("after", "bad"), check("other"))
    assert found["bad"].status == "crash"
    assert "ZeroDivisionError: nothing to divide by" in found["bad"].summary
    assert (found["after"].status, found["after"].blocked_by) == ("skip", "bad")
    assert found["other"].status == "pass"


async def test_a_check_over_its_time_limit_is_a_crash():
    """It is cancelled, and the summary says how long it had."""
    cancelled = []

    async def endless(_context):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    found = await run(check("endless", run=endless, timeout=0.05), check("other"))
    assert found["endless"].status == "crash"
    assert "did not end within 0.05 s" in found["endless"].summary
    assert cancelled == [True]
    assert found["other"].status == "pass"


async def test_a_check_that_waits_for_the_gateway_has_as_long_as_the_gateway():
    """Its limit grows with the time-out that the user gave: the probe ends by itself."""

    async def waits(_context):
        # A look that takes longer than the check's own limit.
        await asyncio.to_thread(str)
        return Result("api", "pass", "It came.")

    patient = Check("api", "It comes", "api", waits, timeout=0.0, time_outs=1)
    report = await run_checks((patient,), context(timeout=60.0)[0])
    assert report.results[0].status == "pass"


def test_every_check_that_waits_for_the_probe_grows_with_its_time_outs():
    """The name, TCP and the handshake may take a time-out each."""
    on_the_wire = with_requirements(CHECKS, ["net.tcp", "net.port"]) + tuple(
        check for check in CHECKS if check.category == "api" or check.id == "session.client-id"
    )
    waiting = {check.id: check.time_outs for check in on_the_wire}
    assert waiting.pop("host.address") == 1
    assert set(waiting.values()) == {3}


async def test_a_time_out_inside_a_check_is_not_taken_for_its_limit():
    """A TimeoutError of what a check calls is told as the error that it is."""

    async def raising(_context):
        raise TimeoutError("the resolver gave up")

    found = await run(check("bad", run=raising))
    assert found["bad"].status == "crash"
    assert "the resolver gave up" in found["bad"].summary


async def test_observers_are_told_everything_once_and_in_order():
    """The checks first, every result once, skips included, the report last of all."""
    one, two = Watcher(), Watcher()
    checks = (check("a", status="fail"), check("b", "a"), check("c"))
    report = await run_checks(checks, context()[0], [one, two])
    for watcher in (one, two):
        kinds = [kind for kind, _ in watcher.told]
        assert kinds == ["start", "result", "result", "result", "report"]
        assert watcher.told[0] == ("start", ("a", "b", "c"))
        told = [thing for kind, thing in watcher.told if kind == "result"]
        assert sorted(told, key=lambda result: result.id) == list(report.results)
        assert watcher.told[-1][1] is report


async def test_seconds_are_measured():
    """What a check took, and the whole run, is in the report; a skip took no time."""

    async def taking(_context):
        await asyncio.sleep(0.02)
        return Result("slow", "fail", "slow")

    report = await run_checks((check("slow", run=taking), check("b", "slow")), context()[0])
    slow, skipped = report.results
    assert 0.01 < slow.seconds <= report.seconds
    assert skipped.seconds == 0


async def test_all_checks_share_one_look_at_the_gateway():
    """However many checks ask, the probe is made once."""
    shared, looks = context()
    await run_checks(CHECKS, shared)
    assert len(looks) == 1


async def test_checks_that_need_no_connection_make_none():
    """Where nothing of the wire was asked for, nobody looks at the gateway."""
    shared, looks = context()
    await run_checks(with_requirements(CHECKS, ["host.address", "session.state"]), shared)
    assert looks == []


def test_only_includes_requirements_in_the_usual_order():
    """Whoever asks for one check gets all that it needs to mean anything, and no more."""
    chosen = with_requirements(CHECKS, ["api.ready", "env.loop"])
    assert [one.id for one in chosen] == [
        *("env.loop", "host.address", "net.tcp"),
        *("api.version", "api.start", "api.ready"),
    ]
    with pytest.raises(KeyError):
        with_requirements(CHECKS, ["api.unknown"])


def test_the_checks_form_a_graph_that_can_be_run():
    """Each requirement stands before the check that needs it; ids are unique."""
    before = set()
    for one in CHECKS:
        assert set(one.requires) <= before, one.id
        assert one.id not in before
        before.add(one.id)


def test_entries_name_checks_that_exist():
    """Where the catalogue names a check that performs one of its steps, there is that check."""
    known = {one.id for one in CHECKS}
    named = {
        (entry.id, step.check)
        for entry in catalogue().entries
        for step in entry.checks
        if step.check is not None
    }
    assert named
    assert {pair for pair in named if pair[1] not in known} == set()

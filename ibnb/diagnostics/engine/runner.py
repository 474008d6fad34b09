"""Running checks: side by side, each as soon as what it requires has passed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from ibnb.diagnostics.context import Context
from ibnb.diagnostics.model import Check, Facts, Report, Result
from ibnb.diagnostics.verdict.concluding import concluded, redacted
from ibnb.diagnostics.verdict.since_good import HEALTHY, LastGood

from .stopping import stopped_result

PASSED = frozenset({"pass", "warn"})


class Observer(Protocol):
    """Is told what happens in a diagnosis, on the thread that runs it."""

    def on_start(self, checks: tuple[Check, ...]) -> None:
        """Take the checks that are going to run, in their order."""

    def on_result(self, result: Result) -> None:
        """Take one result, in the order in which they come."""

    def on_report(self, report: Report) -> None:
        """Take the whole report, last of all."""

    def on_wait(self, seconds_left: float, tries: int, report: Report) -> None:
        """Take that the diagnosis is repeated: for how long, after how many, with what last."""


def with_requirements(checks: Sequence[Check], only: Iterable[str]) -> tuple[Check, ...]:
    """Return the named checks with all that they require, in their order.

    Raises:
        KeyError: a check of that name does not exist.
    """
    by_id = {check.id: check for check in checks}
    wanted: set[str] = set()
    todo = list(only)
    while todo:
        check = by_id[todo.pop()]
        if check.id not in wanted:
            wanted.add(check.id)
            todo += check.requires
    return tuple(check for check in checks if check.id in wanted)


def first_unmet(check: Check, known: Container[str], results: Mapping[str, Result]) -> str | None:
    """Return the first requirement of a check that has not passed, or None: then it may run.

    `known` holds the ids of the checks of this diagnosis; only those are waited for.
    """
    for name in check.requires:
        result = results.get(name)
        if name in known and (result is None or result.status not in PASSED):
            return name
    return None


async def run_checks(
    checks: tuple[Check, ...],
    context: Context,
    observers: Sequence[Observer] = (),
    stopped: asyncio.Event | None = None,
    last_good: LastGood | None = None,
) -> Report:
    """Run a diagnosis and return its report; observers hear of everything on the way.

    Once `stopped` is set, the checks that have not ended are cancelled and their results say so;
    whoever owns the loop cancels the look at the gateway with what else is left on it. A cause is
    compared with `last_good`, and what is healthy is remembered there.
    """
    begun = time.perf_counter()
    here = asyncio.create_task(last_good.here()) if last_good is not None else None
    for observer in observers:
        observer.on_start(checks)
    tasks: dict[str, asyncio.Task[Result]] = {}
    for check in checks:
        required = [tasks[name] for name in check.requires if name in tasks]
        tasks[check.id] = asyncio.create_task(_run_one(check, context, required, observers))
    await _all_or_stopped(tasks.values(), stopped or asyncio.Event())
    unfinished = [check for check in checks if tasks[check.id].cancelled()]
    found = {name: task.result() for name, task in tasks.items() if not task.cancelled()}
    for check in unfinished:
        found[check.id] = stopped_result(check, first_unmet(check, tasks, found))
        for observer in observers:
            observer.on_result(found[check.id])
    results = tuple(found[check.id] for check in checks)
    looked = "net.tcp" in tasks and not unfinished
    facts = Facts(
        surroundings=context.surroundings,
        results=results,
        checks=checks,
        attempt=await context.probe.attempt() if looked else None,
        unfinished=tuple(check.id for check in unfinished),
        at=time.time(),
        seconds=time.perf_counter() - begun,
    )
    if last_good is None or here is None or unfinished:
        return _told(concluded(facts, keep=context.named), observers)
    known = await here
    report = concluded(last_good.compared(facts, known), keep=context.named)
    if report.verdict.id == HEALTHY:
        last_good.note(facts, known)
    return _told(report, observers)


def _told(report: Report, observers: Sequence[Observer]) -> Report:
    for observer in observers:
        observer.on_report(report)
    return report


async def _all_or_stopped(tasks: Collection[asyncio.Task[Result]], stopped: asyncio.Event) -> None:
    """Wait until all tasks are over; they are cancelled when a stop is asked for first."""

    async def cancel_them() -> None:
        await stopped.wait()
        for task in tasks:
            task.cancel()

    stopping = asyncio.create_task(cancel_them())
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    stopping.cancel()
    for task in done:
        if not task.cancelled():
            task.result()  # raises what an observer raised


async def _run_one(
    check: Check,
    context: Context,
    required: Sequence[asyncio.Task[Result]],
    observers: Sequence[Observer],
) -> Result:
    result = await _result_of(check, context, required)
    for observer in observers:
        observer.on_result(result)
    return result


async def _result_of(
    check: Check, context: Context, required: Sequence[asyncio.Task[Result]]
) -> Result:
    for task in required:
        before = await asyncio.shield(task)
        if before.status not in PASSED:
            blocker = before.blocked_by or before.id
            return Result(
                check.id, "skip", f"Not reached: {blocker} did not pass.", blocked_by=blocker
            )
    begun = time.perf_counter()
    seconds = check.timeout + check.time_outs * context.timeout
    try:
        async with asyncio.timeout(seconds) as limit:
            result = await check.run(context)
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its result
        told = context.said(str(error))
        reason = f"The check itself failed: {type(error).__name__}: {told}"
        if isinstance(error, TimeoutError) and limit.expired():
            reason = f"The check did not end within {seconds:g} s."
        result = Result(check.id, "crash", reason)
    result = replace(result, fix=context.here.choose(result.fix))
    shown = redacted(result, accounts=not context.show_accounts, keep=context.named)
    return replace(shown, seconds=time.perf_counter() - begun)

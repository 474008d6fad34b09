"""What a diagnosis that was stopped still says: what it knows, and what it does not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from ibnb.diagnostics.model import Check, Result, Verdict
from ibnb.diagnostics.verdict.judge import judge
from ibnb.diagnostics.verdict.rules import UNREACHED
from ibnb.diagnostics.verdict.surroundings import Surroundings
from ibnb.knowledge import explain

STOPPED = "diagnosis-stopped"
"""The id of the verdict where nothing that was found so far decides."""


def stopped_result(check: Check, unmet: str | None) -> Result:
    """Return the result of a check that did not end; `unmet` is what it still had to wait for."""
    if unmet is not None:
        summary = f"The diagnosis was stopped before this check began; it comes after {unmet}."
    elif check.waits_for:
        summary = f"The diagnosis was stopped while this check waited for {check.waits_for}."
    else:
        summary = "The diagnosis was stopped before this check had ended."
    return Result(check.id, "skip", summary)


def stopped_verdict(
    results: Sequence[Result], unfinished: Collection[str], context: Surroundings
) -> Verdict:
    """Return the cause if a failure is known already, else that the diagnosis was stopped.

    A warning alone decides nothing: what was still to come might have been the cause.
    """
    is_open = any(result.id == "net.tcp" and result.status == "pass" for result in results)
    known = [result for result in results if not (is_open and result.entry in UNREACHED)]
    left = f"{len(unfinished)} of {len(results)} checks had not ended"
    if any(result.status == "fail" and result.entry for result in known):
        found = judge(known, None, context)
        return replace(found, summary=f"{found.summary} The diagnosis was stopped: {left}.")
    page = explain(STOPPED).entry
    summary = (
        f"No cause is known: when the diagnosis was stopped, {left}, and those that had found no "
        "failure."
    )
    steps = context.here.choose(page.steps)
    return Verdict(page.id, page.title, page.severity, summary, steps[:1])

"""The verdict: the single cause that explains the results of a diagnosis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ibnb.diagnostics.model import Result, Verdict
from ibnb.knowledge import Severity, Situation, explain
from ibnb.tws.attempt import Attempt
from ibnb.tws.story import tell

from .facts import Findings
from .rules import RULES, Seen
from .surroundings import Surroundings


def judge(results: Sequence[Result], attempt: Attempt | None, context: Surroundings) -> Verdict:
    """Return the one cause: what kept the connection from working, else what troubles it.

    The rules are asked in the order of cause and effect, and the first that sees its cause
    decides. If none does, the connection is healthy.
    """
    found = Findings({result.id: result for result in results}, attempt, context)
    for rule in RULES:
        seen = rule(found)
        if seen is not None:
            return _verdict(seen, found)
    return _healthy(found)


def _healthy(found: Findings) -> Verdict:
    attempt, context = found.attempt, found.context
    crashed = found.with_status("crash")
    could_not = f" {', '.join(crashed)} could not run." if crashed else ""
    if attempt is None:
        sentence = "The checks that were asked for found nothing wrong."
        return _verdict(Seen("healthy", sentence + could_not), found)
    accounts = ", ".join(context.shown(attempt.accounts or ()))
    subject = "This notebook's connection to" if context.attached else "A connection to"
    sentence = (
        f"{subject} {attempt.target} works: server version {attempt.server_version}, "
        f"{accounts}, client ID {attempt.client_id}.{could_not}"
    )
    failed = context.failed
    if failed is not None and failed.target.address == attempt.target.address:
        sentence += f" The last try to connect failed, so try it again. Then: {tell(failed)}"
    # What failed before does not fail now: it is no longer something not to be tried.
    again = replace(found.situation, tried=frozenset())
    verdict = _verdict(Seen("healthy", sentence), found, again)
    # Whoever has a connection already need not be told how to open one.
    return replace(verdict, fix=()) if context.attached or context.is_open else verdict


def _verdict(seen: Seen, found: Findings, situation: Situation | None = None) -> Verdict:
    entry = explain(seen.cause).entry
    here = situation or found.situation
    steps = [*here.choose(seen.fix)]
    if not seen.own_steps:
        steps += [*here.choose(found.fixes(seen.cause)), *here.choose(entry.steps)]
    severity: Severity = seen.severity or entry.severity
    title = f"Possible cause: {entry.title}" if seen.hint else entry.title
    return Verdict(
        entry.id, title, severity, seen.summary, tuple(dict.fromkeys(steps)), seen.evidence
    )

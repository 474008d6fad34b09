"""Live evidence for an explanation: the checks that its entry names, run now."""

from __future__ import annotations

from dataclasses import replace

from ibnb.diagnostics.checks import CHECKS
from ibnb.diagnostics.model import Report
from ibnb.diagnostics.verdict.facts import with_results
from ibnb.knowledge import Explanation, catalogue

from .answers import answer

CONNECTING = ("net.tcp", "api.")
"""Checks that may open a connection: explaining must not add one to a sick gateway."""


def checks_for(explanation: Explanation, *, connected: bool = False) -> tuple[str, ...]:
    """Return the ids of the checks that can answer for this explanation without connecting.

    Where the session is `connected` to what is asked about, the checks of the API look through it.
    """
    named = [check.check for check in explanation.entry.checks]
    known = {check.id for check in CHECKS if connected or not check.id.startswith(CONNECTING)}
    return tuple(dict.fromkeys(name for name in named if name in known))


def with_answers(explanation: Explanation, report: Report) -> Explanation:
    """Return the explanation with what answers its questions, and steps that fit that."""
    found = {result.id: result for result in report.results}
    answers = tuple(
        answer(question, found[question.check])
        for question in explanation.entry.checks
        if question.check in found
    )
    situation = with_results(explanation.situation, report.results)
    return replace(explanation, answers=answers, situation=situation)


def explain_verdict(report: Report) -> Explanation | None:
    """Return the page of a report's verdict with what its checks found, or None without a page."""
    entry = catalogue().by_id(report.verdict.id)
    if entry is None:
        return None
    return with_answers(Explanation(entry, situation=report.situation), report)

"""Gathers the live evidence for explanations: one short diagnosis of what their pages name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from .options import SIMULATOR
from .session import BadInputError, NoLibraryError
from .wishes import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .app import App
    from .diagnostics import Question, Report
    from .knowledge import Explanation

EVIDENCE_SECONDS = 3.0
"""So long the live evidence for an explanation is gathered, and no longer."""


async def with_evidence(app: App, explanations: Sequence[Explanation]) -> list[Explanation]:
    """Return explanations with what the checks that their pages name find now.

    One diagnosis serves all that are about one connection, and ends after `EVIDENCE_SECONDS` with
    what is known until then. It opens no connection: explaining must not add one to a sick gateway.
    """
    numbers = tuple(dict.fromkeys(one.connection for one in explanations))
    looks = [
        _look(app, [one for one in explanations if one.connection == number], number)
        for number in numbers
    ]
    reports = dict(zip(numbers, await asyncio.gather(*looks), strict=True))
    return [_with(one, reports[one.connection]) for one in explanations]


def _with(explanation: Explanation, report: Report | None) -> Explanation:
    from .diagnostics import with_answers

    return explanation if report is None else with_answers(explanation, report)


async def _look(app: App, explanations: Sequence[Explanation], number: int) -> Report | None:
    """Return what is found for explanations that are about one connection; None without a check."""
    question = _question(app, explanations, number)
    if question is None:
        return None
    diagnosis = app.start_diagnosis(question)
    limit = asyncio.get_running_loop().call_later(EVIDENCE_SECONDS, diagnosis.stop)
    try:
        return await diagnosis.report()
    finally:
        limit.cancel()
        diagnosis.stop()


def _question(app: App, explanations: Sequence[Explanation], number: int) -> Question | None:
    """Return the diagnosis whose answers belong beside these explanations, or None."""
    from .diagnostics import checks_for
    from .session.survey import is_connected, meant, numbered, target_of

    session = app.session
    about = numbered(session, number)
    failed = session.failed if about is None else None
    shown = about or meant(session, app.place.at_hand())
    # Of a connection that is gone nothing can be asked any more, and another has no say in it.
    can_ask = failed is None and (about is not None or not number)
    connected = can_ask and shown is not None and is_connected(shown)
    found = (checks_for(one, connected=connected) for one in explanations)
    only = tuple(dict.fromkeys(name for names in found for name in names))
    if not only:
        return None
    # Explaining must not start a simulated gateway only because it is the usual target.
    elsewhere = shown is None and app.settings.target == SIMULATOR
    try:
        question = app.question(Wish("paper" if elsewhere else None), only)
    except (BadInputError, NoLibraryError):
        # A setting makes no sense: whoever connects with it is told, and a page is a page.
        return None
    if about is not None:
        return replace(question, candidates=(target_of(about),), connection=number)
    if failed is not None:
        # Until something was opened again, what failed last is what is to be explained.
        question = replace(question, candidates=(failed.target,), client_id=failed.client_id)
    return question

"""Gathers the live evidence for explanations: one short diagnosis of what their pages name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from ibnb.app import SIMULATOR
from ibnb.session import BadInputError, NoLibraryError
from ibnb.wishes import Wish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibnb.app import App
    from ibnb.diagnostics import Question
    from ibnb.knowledge import Explanation

EVIDENCE_SECONDS = 3.0
"""So long the live evidence for an explanation is gathered, and no longer."""


async def with_evidence(app: App, explanations: Sequence[Explanation]) -> list[Explanation]:
    """Return explanations with what the checks that their pages name find now.

    One diagnosis serves them all, and ends after `EVIDENCE_SECONDS` with what is known until then.
    It opens no connection: explaining must not add one to a sick gateway.
    """
    from ibnb.diagnostics import with_answers

    question = _question(app, explanations)
    if question is None:
        return list(explanations)
    diagnosis = app.start_diagnosis(question)
    limit = asyncio.get_running_loop().call_later(EVIDENCE_SECONDS, diagnosis.stop)
    try:
        report = await diagnosis.report()
    finally:
        limit.cancel()
        diagnosis.stop()
    return [with_answers(one, report) for one in explanations]


def _question(app: App, explanations: Sequence[Explanation]) -> Question | None:
    """Return the diagnosis whose answers belong beside these explanations, or None."""
    from ibnb.diagnostics import checks_for

    session = app.session
    failed, connection = session.failed, session.connection
    connected = failed is None and connection is not None and connection.is_open
    found = (checks_for(one, connected=connected) for one in explanations)
    only = tuple(dict.fromkeys(name for names in found for name in names))
    if not only:
        return None
    # Explaining must not start a simulated gateway only because it is the usual target.
    elsewhere = connection is None and app.settings.target == SIMULATOR
    try:
        question = app.question(Wish("paper" if elsewhere else None), only)
    except (BadInputError, NoLibraryError):
        # A setting makes no sense: whoever connects with it is told, and a page is a page.
        return None
    if failed is not None:
        # Until something was opened again, what failed last is what is to be explained.
        question = replace(question, candidates=(failed.target,), client_id=failed.client_id)
    return question

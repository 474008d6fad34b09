"""From a notice, a code or words to an explanation, with the live evidence for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .context import SIMULATOR, NotebookContext
from .session import BadInputError, NoLibraryError
from .session.library.libraries import is_ib
from .session.survey import is_connected, meant, numbered
from .tws.accounts import mask_in

if TYPE_CHECKING:
    from .diagnostics import Diagnosis, Question, Report
    from .knowledge import Explanation, Situation
    from .planner import Planner
    from .session import Session
    from .settings import IbSettings
    from .tws.notices import Notice

EVIDENCE_SECONDS = 3.0
"""So long the live evidence for an explanation is gathered, and no longer."""
NOT_CONNECTED = 504


class NoErrorYetError(LookupError):
    """The latest error was asked for, and there was none; the text is one line for the user."""


class Explainer:
    """Explains errors as they look from this notebook.

    Args:
        settings: whether accounts are shown, and which target is the usual one.
        context: where this process works.
        session: knows what was received, and requested.
        planner: says what a diagnosis for evidence is to find out.
        situation: returns the situation in which advice is read.
        diagnose: starts a diagnosis.
    """

    def __init__(
        self,
        settings: IbSettings,
        context: Callable[[], NotebookContext],
        session: Session,
        planner: Planner,
        *,
        situation: Callable[[], Situation],
        diagnose: Callable[[Question], Diagnosis],
    ) -> None:
        self._settings = settings
        self._context = context
        self._session = session
        self._planner = planner
        self._situation = situation
        self._diagnose = diagnose
        self._latest: Explanation | None = None
        self._heard = 0

    def explain(self, query: str | int | None = None) -> Explanation:
        """Return the explanation of a code, of words, or of the latest error.

        A code that this notebook received comes with the request that it was the answer to.

        Raises:
            UnknownQueryError: the words match nothing.
            NoErrorYetError: the latest was asked for, and there was none.
        """
        from .knowledge import UnknownQueryError, explain
        from .knowledge.lookup import LONGEST_NUMBER

        if query is None or query == "":
            return self._explain_latest()
        code = str(query).strip()
        # Python refuses to convert thousands of digits.
        if code.isascii() and code.isdigit() and len(code) <= LONGEST_NUMBER:
            notice = self._session.journal.latest_of(int(code))
            if notice is not None:
                return self.explain_notice(notice)
        try:
            return self._in_situation(explain(query))
        except UnknownQueryError as error:
            # It repeats the words.
            raise UnknownQueryError(self._masked(error.shown), error.candidates) from None

    def explain_notice(self, notice: Notice) -> Explanation:
        """Return the explanation of a notice that this notebook received."""
        from .diagnostics.explain.from_journal import explain_notice

        told = replace(notice, text=self._masked(notice.text))
        explanation = explain_notice(told, self._session.journal)
        return self._in_situation(replace(explanation, connection=notice.connection))

    def _masked(self, text: str) -> str:
        """Return what others wrote as it may be shown, whatever sentence it comes into."""
        return text if self._settings.show_accounts else mask_in(text)

    def remember(self, explanation: Explanation) -> None:
        """Take note that this was shown for the errors so far."""
        self._latest, self._heard = explanation, self._session.journal.count

    async def with_evidence(self, *explanations: Explanation) -> list[Explanation]:
        """Return explanations with what the checks that their pages name find now.

        One diagnosis serves all that are about one connection, and ends after `EVIDENCE_SECONDS`
        with what is known until then. It opens no connection: explaining must not add one to a
        sick gateway.
        """
        numbers = tuple(dict.fromkeys(one.connection for one in explanations))
        looks = [
            self._look([one for one in explanations if one.connection == number], number)
            for number in numbers
        ]
        reports = dict(zip(numbers, await asyncio.gather(*looks), strict=True))
        return [_with(one, reports[one.connection]) for one in explanations]

    def _explain_latest(self) -> Explanation:
        from .knowledge import severity_of

        # What came since, while no cell ran, has no card: it is later than what has one.
        heard = self._session.journal.since(self._heard)
        bad = [one for one in heard if severity_of(one.code, one.text) != "info"]
        if bad:
            return self.explain_notice(bad[-1])
        if self._latest is not None:
            return self._latest
        notice = self._session.journal.latest()
        if notice is not None:
            return self.explain_notice(notice)
        raise NoErrorYetError("No error so far. Give a code or words: %iberror 326")

    def _in_situation(self, explanation: Explanation) -> Explanation:
        """Add what decides the steps, and, if a connection is gone, what became of the `ib`."""
        explanation = replace(explanation, situation=self._situation())
        if NOT_CONNECTED not in explanation.entry.codes:
            return explanation
        ib = self._context().at_hand()
        reason = self._session.disconnect_reason(ib) if is_ib(ib) else None
        return replace(explanation, facts=(*explanation.facts, reason)) if reason else explanation

    async def _look(self, explanations: Sequence[Explanation], number: int) -> Report | None:
        """Return what is found for explanations about one connection; None without a check."""
        question = self._question(explanations, number)
        if question is None:
            return None
        diagnosis = self._diagnose(question)
        limit = asyncio.get_running_loop().call_later(EVIDENCE_SECONDS, diagnosis.stop)
        try:
            return await diagnosis.report()
        finally:
            limit.cancel()
            diagnosis.stop()

    def _question(self, explanations: Sequence[Explanation], number: int) -> Question | None:
        """Return the diagnosis whose answers belong beside these explanations, or None."""
        from .diagnostics import checks_for

        session = self._session
        about = numbered(session, number)
        failed = session.failed if about is None else None
        shown: Any = about or meant(session, self._context().at_hand())
        # Of a connection that is gone nothing can be asked any more, and another has no say in it.
        can_ask = failed is None and (about is not None or not number)
        connected = can_ask and shown is not None and is_connected(shown)
        found = (checks_for(one, connected=connected) for one in explanations)
        only = tuple(dict.fromkeys(name for names in found for name in names))
        if not only:
            return None
        # Explaining must not start a simulated gateway only because it is the usual target.
        elsewhere = shown is None and self._settings.target == SIMULATOR
        try:
            from .options import ConnectOptions

            question = self._planner.question(ConnectOptions("paper" if elsewhere else None), only)
        except (BadInputError, NoLibraryError):
            # A setting makes no sense: whoever connects with it is told, and a page is a page.
            return None
        if about is not None:
            return replace(question, candidates=(about.target,), connection=number)
        if failed is not None:
            # Until something was opened again, what failed last is what is to be explained.
            question = replace(question, candidates=(failed.target,), client_id=failed.client_id)
        return question


def _with(explanation: Explanation, report: Report | None) -> Explanation:
    from .diagnostics import with_answers

    return explanation if report is None else with_answers(explanation, report)

"""What is told under a cell when it ends: what came while it ran, and since the last cell."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ibnb.session import IbnbError
from ibnb.tws.codes import GOOD_NEWS, Code

from .display import Shown, show
from .formatters import show_explanation
from .tally import Collected

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.knowledge import Explanation
    from ibnb.tws.notices import Notice

    from .notices import Trouble
    from .running import RunningCell
    from .sections import Section

MOST_PAGES = 1000
"""So many pages are known as shown; more of them are shown in full."""
MOST_CONTRACTS = 1000
"""So many unknown contracts of one cell are known by name; more of them pass in the log."""
NO_SUCH = frozenset({Code.NO_SECURITY_DEFINITION, Code.UNREADABLE, Code.VALIDATION})
"""What a gateway answers when it knows no such contract."""
SOON_SECONDS = 2.0
"""A cell that goes on for so long after a notice has it shown meanwhile."""
AGAIN_SECONDS = 5.0
"""Between two updates of what is shown meanwhile."""


class CellTeller:
    """Tells under each cell, when it ends, what came while it ran and since the last one.

    It is what the journal's log lines are held back for: what it promised it tells.
    """

    def __init__(
        self,
        app: App,
        running: RunningCell,
        with_evidence: Callable[[Sequence[Explanation]], list[Explanation]],
        *,
        in_notebook: bool,
    ) -> None:
        self._app = app
        self._running = running
        self._with_evidence = with_evidence
        self._in_notebook = in_notebook
        self._during = Collected()
        self._between = Collected()
        self._timer: asyncio.TimerHandle | None = None
        self._meanwhile: Shown | None = None
        self._shown_meanwhile = ""
        self._seen: set[tuple[str, tuple[str, ...]]] = set()
        """The pages that were shown, each with the advice that it gave."""

    @property
    def _now(self) -> Collected:
        return self._during if self._running.is_running else self._between

    def is_telling(self) -> bool:
        """Say whether what comes now is told under the cell that runs."""
        return self._running.is_running and bool(self._app.settings.explain)

    def hear(self, notice: Notice, contract: Any) -> None:
        """Count a notice, unless it is good news."""
        if notice.code in GOOD_NEWS:
            return
        now = self._now
        now.tally.add(notice)
        if (
            contract is not None
            and notice.code in NO_SUCH
            and len(now.contracts) < MOST_CONTRACTS
            and self.will_tell(notice.code, notice.text)
        ):
            now.contracts.add(str(contract))
        self._tell_soon()

    def hear_error(self, error: IbnbError) -> None:
        """Count an error that is raised where only a library sees it."""
        self._now.refusals.add(error, " ".join(error.explanation.facts))
        self._app.explainer.remember(error.explanation)
        self._tell_soon()

    def hear_failure(self, error: IbnbError, where: str) -> None:
        """Count an opening that failed."""
        now = self._now
        now.failures.add(error, where, where)
        now.promised |= self.is_telling()
        self._tell_soon()

    def will_tell(self, code: int, text: str) -> bool:
        """Promise to tell a notice under the cell that runs, or not."""
        if not self.is_telling() or code in GOOD_NEWS:
            return False
        heard = self._during.tally.place(code, text)
        if heard is None:
            return False
        if heard.is_trouble is None:
            from ibnb.knowledge import severity_of

            heard.is_trouble = severity_of(code, text) != "info"
        self._during.promised |= heard.is_trouble
        return heard.is_trouble

    def will_tell_error(self, error: IbnbError) -> bool:
        """Promise to tell an error under the cell that runs, or not."""
        if not self.is_telling() or not self._during.refusals.has(error):
            return False
        self._during.promised = True
        return True

    def told_of(self, contract: str) -> bool:
        """Say whether a notice told in this cell that there is no such contract."""
        return self.is_telling() and contract in self._during.contracts

    def end(self, error: BaseException | None) -> None:
        """Tell what came, as the cell is over; `error` is what it ended with and shows already."""
        during, between = self._during, self._between
        self._during, self._between = Collected(), Collected()
        self._stop_meanwhile()
        if not self._app.settings.explain:
            if not during.promised:
                return
            # Switched off by this very cell: what was held back until then is still told.
            error, between = None, Collected()
        if error is None and during.is_empty and between.is_empty:
            return
        from .failures import explain_failure
        from .sections import Section

        explanation = explain_failure(error, self._app) if error is not None else None
        shown = tuple(_shown_with(error))
        sections = [Section(self._app, during, shown, explanation)]
        sections.append(Section(self._app, between, shown, earlier=True))
        told = [one.explanation for section in sections for one in section.cards]
        try:
            if told:
                told = self._with_evidence(told)
        finally:
            # Even where somebody interrupts the evidence: this is told nowhere else.
            left = iter(told)
            for section in sections:
                self._show(section, left)
        rest = [one.explanation for section in sections for one in section.rest]
        if told or rest:
            self._app.explainer.remember((told or rest)[0])

    def _show(self, section: Section, explanations: Iterator[Explanation]) -> None:
        accounts = bool(self._app.settings.show_accounts)
        for one in section.cards:
            explanation = next(explanations)
            came = replace(one.came, again=self._was_shown(explanation))
            show_explanation(explanation, came=came, show_accounts=accounts)
        if more := section.more:
            show(*self._listed(f"{len(more)} more kinds of notices {section.when}", more))
        if failures := section.failures:
            heading = f"Failed connects {section.when}"
            show(*self._listed(heading, failures, is_open=True))

    def _was_shown(self, explanation: Explanation) -> bool:
        """Say whether a page was shown before with the same advice, and remember it."""
        page = explanation.entry.id, explanation.steps
        was_shown = page in self._seen
        if len(self._seen) < MOST_PAGES:
            self._seen.add(page)
        return was_shown

    def _listed(
        self, heading: str, troubles: Sequence[Trouble], *, is_open: bool = False
    ) -> tuple[str, str]:
        from .cards import listed_row
        from .html import render
        from .text import listed_text

        accounts = bool(self._app.settings.show_accounts)
        rows = [listed_row(one.explanation, one.came, show_accounts=accounts) for one in troubles]
        html = render("folded", heading=heading, rows=rows, open=is_open)
        return listed_text(heading, rows), html

    def _tell_soon(self) -> None:
        """Have what came so far shown meanwhile, if the cell that runs goes on for long."""
        if self._timer is not None or not self.is_telling():
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        wait = SOON_SECONDS if self._meanwhile is None else AGAIN_SECONDS
        self._timer = loop.call_later(wait, self._running.within, self._show_meanwhile)

    def _show_meanwhile(self) -> None:
        self._timer = None
        during = self._during
        if not self.is_telling() or during.is_empty:
            return
        from .notices import troubles_of
        from .sections import troubles_with

        troubles = [
            *troubles_with(during.refusals),
            *troubles_of(self._app, during.tally.heard()),
            *troubles_with(during.failures),
        ]
        if not troubles:
            return
        text, html = self._listed("While this cell runs", troubles, is_open=True)
        if text == self._shown_meanwhile:
            return
        self._shown_meanwhile = text
        if self._meanwhile is None or not self._in_notebook:
            self._meanwhile = show(text, html, live=self._in_notebook)
        else:
            self._meanwhile.update(text, html)

    def _stop_meanwhile(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._meanwhile is not None:
            # The cards say all of it, and more.
            self._meanwhile.update("")
        self._timer = self._meanwhile = None
        self._shown_meanwhile = ""


def _shown_with(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and those that its traceback shows with it."""
    left, seen = [error], set()
    while left:
        one = left.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__, None if one.__suppress_context__ else one.__context__]
        left += getattr(one, "exceptions", ())

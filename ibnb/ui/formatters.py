"""What `ibnb.explain` and `ibnb.diagnose` return, shown where a cell ends with it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from .display import show

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.diagnostics import Report
    from ibnb.knowledge import Explanation, UnknownQueryError
    from ibnb.session import Health, Session

    from .cards import Came
    from .legal import Boundary

EXPLANATION = ("ibnb.knowledge.model", "Explanation")
REPORT = ("ibnb.diagnostics.model", "Report")
"""By name: the rooms that they come from are not imported until they are needed."""


def show_explanation(
    explanation: Explanation, *, came: Came | None = None, show_accounts: bool
) -> None:
    """Display the card of an explanation.

    `came`: how often its notice came, and about what; once, and about nothing, if it is left out.
    """
    from .cards import ONCE
    from .html import explanation_html
    from .text import explanation_text

    came = came or ONCE
    show(
        explanation_text(explanation, came=came, show_accounts=show_accounts),
        explanation_html(explanation, came=came, show_accounts=show_accounts),
    )


def show_unknown(error: UnknownQueryError, *, show_accounts: bool) -> None:
    """Display that no page fits, and the nearest: that is not an error, and not red."""
    from .html import unknown_html
    from .text import unknown_text

    show(
        unknown_text(error, show_accounts=show_accounts),
        unknown_html(error, show_accounts=show_accounts),
    )


def show_report(report: Report, *, boundary: bool, show_accounts: bool) -> None:
    """Display a report; `boundary` adds what it is not."""
    from .html import report_html
    from .text import report_text

    show(
        report_text(report, magics=True, boundary=boundary, show_accounts=show_accounts),
        report_html(report, boundary=boundary, show_accounts=show_accounts),
    )


def forms(value: Explanation | Report | Health | Session, app: App) -> dict[str, str]:
    """Return how a value looks anywhere: as text, and as HTML that needs nothing but itself."""
    from ibnb.knowledge import Explanation
    from ibnb.session import Health, Session

    from .html import badge_html, explanation_html, report_html
    from .text import badge_text, explanation_text, report_text

    accounts = app.settings.show_accounts
    if isinstance(value, Session):
        value = value.health()
    if isinstance(value, Health):
        text = badge_text(value, show_accounts=accounts)
        html = badge_html(value, show_accounts=accounts)
    elif isinstance(value, Explanation):
        text = explanation_text(value, show_accounts=accounts)
        html = explanation_html(value, show_accounts=accounts)
    else:
        magics = app.context.has_magics
        text = report_text(value, magics=magics, show_accounts=accounts)
        html = report_html(value, show_accounts=accounts)
    return {"text/plain": text, "text/html": html}


class Values:
    """Draws explanations and reports on a line of their own, as the magics do."""

    def __init__(self, shell: Any, app: App, boundary: Boundary) -> None:
        self._formatter = shell.display_formatter.ipython_display_formatter
        self._app = app
        self._boundary = boundary

    def enter(self) -> None:
        """Register for both classes, imported or not."""
        self._formatter.for_type_by_name(*EXPLANATION, self._explanation)
        self._formatter.for_type_by_name(*REPORT, self._report)

    def leave(self) -> None:
        """Take the registration back."""
        for kind in (EXPLANATION, REPORT):
            with contextlib.suppress(KeyError):
                self._formatter.pop(".".join(kind))

    def _explanation(self, explanation: Explanation) -> None:
        show_explanation(explanation, show_accounts=self._app.settings.show_accounts)

    def _report(self, report: Report) -> None:
        show_report(
            report,
            boundary=self._boundary.is_due(),
            show_accounts=self._app.settings.show_accounts,
        )

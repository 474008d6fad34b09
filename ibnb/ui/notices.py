"""The notices that came while a cell ran: a card for each code, counted, and the rest folded."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from .show import show

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.knowledge import Explanation
    from ibnb.tws.notices import Notice

MOST_CARDS = 3
MOST_CODES = 100
"""So many codes of one cell are told apart; no gateway has more to say within one."""


class Tally:
    """Counts notices by code as they come; its memory does not grow with their number."""

    def __init__(self) -> None:
        self._counted: dict[int, int] = {}
        self._last: dict[int, Notice] = {}

    def add(self, notice: Notice) -> None:
        """Count a notice."""
        code = notice.code
        if code not in self._counted and len(self._counted) >= MOST_CODES:
            return
        self._counted[code] = self._counted.get(code, 0) + 1
        self._last[code] = notice

    def clear(self) -> None:
        """Begin anew."""
        self._counted.clear()
        self._last.clear()

    def take(self) -> tuple[tuple[Notice, int], ...]:
        """Return the last notice of each code with how often it came, and begin anew."""
        taken = tuple((self._last[code], count) for code, count in self._counted.items())
        self.clear()
        return taken


def show_notices(
    app: App, heard: tuple[tuple[Notice, int], ...], explained: Collection[int]
) -> tuple[Explanation, ...]:
    """Show what the gateway complained of, and return it.

    Good news and what is `explained` already is left out. Errors come before warnings, each kind
    in the order in which it first came.
    """
    from .html import explanation_html
    from .text import explanation_text

    found = [
        (app.explain_notice(notice), count)
        for notice, count in heard
        if notice.code not in explained
    ]
    troubles = [one for one in found if one[0].entry.severity != "info"]
    troubles.sort(key=lambda one: one[0].entry.severity != "error")
    accounts = app.settings.show_accounts
    for explanation, count in troubles[:MOST_CARDS]:
        show(
            explanation_text(explanation, count=count, show_accounts=accounts),
            explanation_html(explanation, count=count, show_accounts=accounts),
        )
    if more := troubles[MOST_CARDS:]:
        _show_folded(more)
    return tuple(explanation for explanation, _ in troubles)


def _show_folded(more: list[tuple[Explanation, int]]) -> None:
    """Show one line for each code that has no card of its own: the code, its title, how often."""
    from .foreign import clean
    from .html import render
    from .words import times

    rows = [
        (str((*one.entry.codes, one.entry.id)[0]), clean(one.entry.title), times(count))
        for one, count in more
    ]
    lines = [f"{len(rows)} more kinds of notices came while this cell ran:"]
    lines += [
        f"  {code}  {title} {often}".rstrip() + f": %iberror {code}" for code, title, often in rows
    ]
    show("\n".join(lines), render("folded", rows=rows))

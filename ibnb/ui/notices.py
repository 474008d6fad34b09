"""The notices that came while a cell ran: a card for each code, counted, and the rest folded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .show import show
from .values import show_explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibnb.app import App
    from ibnb.knowledge import Explanation
    from ibnb.tws.notices import Notice

MOST_CARDS = 3
MOST_CODES = 100
"""So many codes of one cell are told apart; no gateway has more to say within one."""
MOST_TEXTS = 20
"""So many texts of one code are told apart: some codes mean several things."""


class Tally:
    """Counts notices by code and text as they come; its memory does not grow with their number."""

    def __init__(self) -> None:
        self._heard: dict[int, dict[str, tuple[Notice, int]]] = {}

    def add(self, notice: Notice) -> None:
        """Count a notice."""
        texts = self._heard.get(notice.code)
        if texts is None:
            if len(self._heard) >= MOST_CODES:
                return
            texts = self._heard[notice.code] = {}
        text = notice.text
        if text not in texts and len(texts) >= MOST_TEXTS:
            # Counted with the others of its code, under the text that came last.
            text = next(reversed(texts))
        texts[text] = notice, texts[text][1] + 1 if text in texts else 1

    def clear(self) -> None:
        """Begin anew."""
        self._heard.clear()

    def take(self) -> tuple[tuple[Notice, int], ...]:
        """Return the last notice of each code and text with how often it came, and begin anew."""
        taken = tuple(one for texts in self._heard.values() for one in texts.values())
        self.clear()
        return taken


def show_notices(
    app: App,
    heard: tuple[tuple[Notice, int], ...],
    explained: str,
    with_evidence: Callable[[Sequence[Explanation]], list[Explanation]],
) -> tuple[Explanation, ...]:
    """Show what the gateway complained of, and return it.

    Good news is left out, and the page that is `explained` already. Errors come before warnings,
    each kind in the order in which it first came.
    """
    troubles = [
        one
        for one in _by_meaning(app, heard)
        if one[0].entry.severity != "info" and one[0].entry.id != explained
    ]
    if not troubles:
        return ()
    troubles.sort(key=lambda one: one[0].entry.severity != "error")
    accounts = app.settings.show_accounts
    cards = troubles[:MOST_CARDS]
    told = with_evidence([explanation for explanation, _ in cards])
    for explanation, (_, count) in zip(told, cards, strict=True):
        show_explanation(explanation, count=count, show_accounts=accounts)
    if more := troubles[MOST_CARDS:]:
        _show_folded(more)
    return tuple(explanation for explanation, _ in troubles)


def _by_meaning(app: App, heard: tuple[tuple[Notice, int], ...]) -> list[tuple[Explanation, int]]:
    """Put together what means the same: one code, and one page; the last notice stands for all."""
    found: dict[tuple[int, str], tuple[Explanation, int]] = {}
    for notice, count in heard:
        explanation = app.explain_notice(notice)
        meaning = notice.code, explanation.entry.id
        before = found.pop(meaning, None)
        found[meaning] = explanation, count + (before[1] if before is not None else 0)
    return list(found.values())


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

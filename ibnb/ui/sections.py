"""What is told under a cell of one stretch of time, put into cards and rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from .cards import SINCE, Came
from .notices import Trouble, headed, troubles_of
from .tally import MOST_NAMED

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.knowledge import Explanation
    from ibnb.session import IbnbError

    from .tally import Collected, Errors

MOST_CARDS = 3
MOST_FACTS = 10
"""So many sentences of several errors with one page are told."""


class Section:
    """What is told of one stretch of time: cards, and rows for what has none."""

    def __init__(
        self,
        app: App,
        collected: Collected,
        shown: Sequence[BaseException],
        explanation: Explanation | None = None,
        *,
        earlier: bool = False,
    ) -> None:
        troubles = [
            *troubles_with(collected.refusals, shown),
            *troubles_of(app, collected.tally.heard()),
        ]
        if explanation is not None:
            troubles = headed(explanation, troubles)
        troubles = [replace(one, came=replace(one.came, earlier=earlier)) for one in troubles]
        self.when = SINCE if earlier else "while this cell ran"
        self.cards, self.more = troubles[:MOST_CARDS], troubles[MOST_CARDS:]
        self.failures = troubles_with(collected.failures, shown)

    @property
    def rest(self) -> list[Trouble]:
        """What has no card."""
        return [*self.more, *self.failures]


def troubles_with(errors: Errors, shown: Sequence[BaseException] = ()) -> list[Trouble]:
    """Return one trouble for each page, without what is `shown` already."""
    pages: dict[str, list[tuple[IbnbError, str, int]]] = {}
    for last, about, count in errors.all():
        left = count - any(last is one for one in shown)
        if left:
            pages.setdefault(last.verdict, []).append((last, about, left))
    return [_error_trouble(parts) for parts in pages.values()]


def _error_trouble(parts: list[tuple[IbnbError, str, int]]) -> Trouble:
    explanation = parts[-1][0].explanation
    facts = dict.fromkeys(fact for error, _, _ in parts for fact in error.explanation.facts)
    about = tuple((about, count) for _, about, count in parts if about)[:MOST_NAMED]
    came = Came(sum(count for _, _, count in parts), about)
    return Trouble(replace(explanation, facts=tuple(facts)[:MOST_FACTS]), came)

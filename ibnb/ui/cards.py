"""Cards: what an explanation shows, on its own or behind a result that it explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import words
from .foreign import clean, clean_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ibnb.knowledge.model import Explanation

    from .words import Mark


@dataclass(frozen=True)
class AnsweredCheck:
    """One thing to look at, and the mark and text of what was found, where it was looked at."""

    text: str
    mark: Mark | None = None
    answer: str = ""


@dataclass(frozen=True)
class AskedView:
    """The request that an explanation is about: its method, its parameters, a call that works."""

    method: str
    parameters: tuple[tuple[str, str, str], ...]
    example: str


@dataclass(frozen=True)
class CardView:
    """An explanation as it is shown. `times` is for a notice that came more than once."""

    mark: Mark
    id: str
    codes: str
    title: str
    times: str
    summary: str
    facts: tuple[str, ...]
    resolution: tuple[str, ...]
    causes: tuple[str, ...]
    symptoms: tuple[str, ...]
    checks: tuple[AnsweredCheck, ...]
    related: tuple[str, ...]
    asked: AskedView | None = None

    @property
    def answered(self) -> bool:
        """Whether a check has a live answer."""
        return any(check.mark is not None for check in self.checks)


@dataclass(frozen=True)
class Why:
    """The page behind a result. `card` is None where it stands already, under `seen`."""

    id: str
    card: CardView | None
    seen: str = ""


def why_line(why: Why, *, magics: bool = False) -> str:
    """Return how the page behind a result is opened."""
    here = f", or here: %iberror {why.id}" if magics else ""
    return f"why: ibnb explain {why.id}{here}"


class Pages:
    """Hands out the catalogue's pages for one report, each page once."""

    def __init__(self, *, show_accounts: bool) -> None:
        self._show_accounts = show_accounts
        self._seen: dict[str, str] = {}

    def why(self, entry_id: str | None, under: str) -> Why | None:
        """Return the page of an entry to be shown `under` a title, or None where there is none."""
        from ibnb.knowledge import Explanation, catalogue

        entry = catalogue().by_id(entry_id) if entry_id else None
        if entry is None:
            return None
        if entry.id in self._seen:
            return Why(clean(entry.id), None, self._seen[entry.id])
        self._seen[entry.id] = under
        card = card_view(Explanation(entry), show_accounts=self._show_accounts)
        return Why(clean(entry.id), card)


def card_view(explanation: Explanation, *, count: int = 1, show_accounts: bool = False) -> CardView:
    """Return what an explanation shows."""
    entry = explanation.entry

    def shown(texts: Sequence[str]) -> tuple[str, ...]:
        return clean_all(texts, show_accounts=show_accounts)

    return CardView(
        mark=words.SEVERITY.get(entry.severity) or words.unknown(entry.severity),
        id=clean(entry.id),
        codes=", ".join(str(code) for code in entry.codes),
        title=clean(entry.title, show_accounts=show_accounts),
        times=words.times(count),
        summary=clean(entry.summary, show_accounts=show_accounts),
        facts=shown(explanation.facts),
        resolution=shown(entry.resolution),
        causes=shown(entry.causes),
        symptoms=shown(entry.symptoms),
        checks=_answered(explanation, show_accounts=show_accounts),
        related=shown(entry.related),
        asked=_asked(explanation, show_accounts=show_accounts),
    )


def _asked(explanation: Explanation, *, show_accounts: bool) -> AskedView | None:
    asked = explanation.asked
    if asked is None:
        return None

    def shown(text: str) -> str:
        return clean(text, show_accounts=show_accounts)

    rows = tuple(
        (shown(one.name), shown(one.value), shown(one.problem)) for one in asked.parameters
    )
    return AskedView(clean(asked.method), rows, asked.example)


def _answered(explanation: Explanation, *, show_accounts: bool) -> tuple[AnsweredCheck, ...]:
    answers = {answer.check: answer for answer in explanation.answers}
    checks = []
    for check in explanation.entry.checks:
        answer = answers.pop(check.check, None) if check.check is not None else None
        checks.append((clean(check.text, show_accounts=show_accounts), answer))
    # An answer that no check of the entry asked for is still something that was found out.
    checks += [(clean(answer.check), answer) for answer in answers.values()]
    return tuple(
        AnsweredCheck(text)
        if answer is None
        else AnsweredCheck(
            text,
            words.STATUS.get(answer.status) or words.unknown(answer.status),
            clean(answer.summary, show_accounts=show_accounts),
        )
        for text, answer in checks
    )

"""Cards: what an explanation shows, on its own or behind a result that it explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import words
from .foreign import clean, clean_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ibnb.knowledge import Situation
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


About = tuple[tuple[str, int], ...]
"""Subjects by name, each with how often something was about it."""


@dataclass(frozen=True)
class Came:
    """How often a thing came, and what it was about.

    `about` has the first few subjects by name, each with how often it was that; what is left of
    `count` was about others. `earlier` says that it came before the cell under which it is told.
    """

    count: int = 1
    about: About = ()
    earlier: bool = False


ONCE = Came()
SINCE = "since the last cell"


def named(came: Came) -> str:
    """Return what a thing was about as one phrase: the first few by name, the rest counted."""
    if len(came.about) == 1 and came.about[0][1] == came.count:
        return came.about[0][0]
    names = [f"{name} {words.times(count)}".strip() for name, count in came.about]
    rest = came.count - sum(count for _, count in came.about)
    return ", ".join(names) + (f" and {rest} more" if names and rest else "")


def about_line(came: Came) -> str:
    """Return the line of a card that names what it is about, or nothing."""
    names = named(came)
    if not names:
        return ""
    return f"About: {names}" if came.count == 1 else f"{came.count} times: {names}"


@dataclass(frozen=True)
class ListedRow:
    """A thing that is told in one row: its code or page, its title, how often, and about what."""

    code: str
    title: str
    times: str
    about: str


def listed_row(explanation: Explanation, came: Came, *, show_accounts: bool) -> ListedRow:
    """Return an explanation as one row of a list."""
    entry = explanation.entry
    return ListedRow(
        clean(str((*entry.codes, entry.id)[0])),
        clean(entry.title, show_accounts=show_accounts),
        words.times(came.count),
        clean(named(came), show_accounts=show_accounts),
    )


@dataclass(frozen=True)
class CardView:
    """An explanation as it is shown. `times` is for a notice that came more than once.

    `about` names what the notices were about, and `since` says that they came before the cell.
    `found` says how the page was found if that was not by a code, `others` are pages that it may be
    about as well, and `as_of` says with what it was last true, if that depends on a build.
    """

    mark: Mark
    id: str
    codes: str
    title: str
    times: str
    since: str
    about: str
    summary: str
    facts: tuple[str, ...]
    resolution: tuple[str, ...]
    causes: tuple[str, ...]
    symptoms: tuple[str, ...]
    checks: tuple[AnsweredCheck, ...]
    related: tuple[str, ...]
    asked: AskedView | None = None
    found: str = ""
    others: tuple[str, ...] = ()
    as_of: str = ""

    @property
    def said(self) -> tuple[str, ...]:
        """What stands under the title: how it was found, about what, and what happened."""
        others = f"It may also be: {'; '.join(self.others)}." if self.others else ""
        found = f"{self.found} {others}".strip()
        return tuple(filter(None, (found, self.about, self.summary)))

    @property
    def last(self) -> tuple[str, ...]:
        """What stands at the end: related pages, and with what it was last true."""
        related = f"Related: {', '.join(self.related)}" if self.related else ""
        as_of = f"Last true of: {self.as_of}" if self.as_of else ""
        return tuple(filter(None, (related, as_of)))

    @property
    def answered(self) -> bool:
        """Whether a check has a live answer."""
        return any(check.mark is not None for check in self.checks)


def card_title(view: CardView) -> str:
    """Return the title of a card on one line: codes, title, how often, and since when."""
    title = " ".join(part for part in (view.codes, view.title, view.times) if part)
    return f"{title}, {view.since}" if view.since else title


@dataclass(frozen=True)
class Why:
    """The page behind a result. `card` is None where it stands already, under `seen`."""

    id: str
    card: CardView | None
    seen: str = ""


def why_line(why: Why, *, magics: bool = False) -> str:
    """Return how the page behind a result is opened: by a magic, or in a terminal."""
    return f"why: {'%iberror' if magics else 'ibnb explain'} {why.id}"


class Pages:
    """Hands out the catalogue's pages for one report, each page once."""

    def __init__(self, situation: Situation, *, show_accounts: bool) -> None:
        self._situation = situation
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
        explanation = Explanation(entry, situation=self._situation)
        card = card_view(explanation, show_accounts=self._show_accounts)
        return Why(clean(entry.id), card)


def card_view(
    explanation: Explanation, *, came: Came = ONCE, show_accounts: bool = False
) -> CardView:
    """Return what an explanation shows. `came`: how often its notice came, and about what."""
    entry = explanation.entry

    def shown(texts: Sequence[str]) -> tuple[str, ...]:
        return clean_all(texts, show_accounts=show_accounts)

    return CardView(
        mark=_mark(explanation),
        id=clean(entry.id),
        codes=", ".join(str(code) for code in entry.codes),
        title=clean(entry.title, show_accounts=show_accounts),
        times=words.times(came.count),
        since=SINCE if came.earlier else "",
        about=clean(about_line(came), show_accounts=show_accounts),
        summary=clean(entry.summary, show_accounts=show_accounts),
        facts=shown(explanation.facts),
        resolution=shown(explanation.steps),
        causes=shown(entry.causes),
        symptoms=shown(entry.symptoms),
        checks=_answered(explanation, show_accounts=show_accounts),
        related=shown(entry.related),
        asked=_asked(explanation, show_accounts=show_accounts),
        found=words.FOUND.get(explanation.match, ""),
        others=tuple(f"{row.code} ({row.title})" for row in page_rows(explanation.candidates)),
        as_of=clean(entry.as_of),
    )


def page_rows(ids: Iterable[str]) -> tuple[ListedRow, ...]:
    """Return pages of the catalogue as rows of a list."""
    from ibnb.knowledge import catalogue

    entries = (catalogue().by_id(one) for one in ids)
    return tuple(
        ListedRow(clean(entry.id), clean(entry.title), "", "")
        for entry in entries
        if entry is not None
    )


def _mark(explanation: Explanation) -> Mark:
    """Return the mark of an explanation: a guess is not as bad as what it may be about."""
    if explanation.is_guess:
        return words.GUESS
    severity = explanation.entry.severity
    return words.SEVERITY.get(severity) or words.unknown(severity)


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
    answers = {(answer.check, answer.asks): answer for answer in explanation.answers}
    checks = []
    for check in explanation.entry.checks:
        answer = answers.pop((check.check or "", check.asks), None)
        checks.append((clean(check.text, show_accounts=show_accounts), answer))
    # An answer that no check of the entry asked for is still something that was found out.
    checks += [(clean(answer.check), answer) for answer in answers.values()]
    return tuple(
        AnsweredCheck(text)
        if answer is None
        else AnsweredCheck(
            text,
            words.ANSWER.get(answer.status) or words.unknown(answer.status),
            clean(answer.summary, show_accounts=show_accounts),
        )
        for text, answer in checks
    )

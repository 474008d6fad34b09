"""Cards: what an explanation shows, on its own or behind a result that it explains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import labels
from .sanitise import clean, clean_all, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibnb.diagnostics.model import Report
    from ibnb.knowledge.model import Explanation

    from .labels import Mark


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

    @property
    def problems(self) -> tuple[str, ...]:
        """What is known to be wrong with it, each with its value."""
        return tuple(
            f"{name} = {value} {problem}" if value.strip("'\"") else f"{name} {problem}"
            for name, value, problem in self.parameters
            if problem
        )


About = tuple[tuple[str, int], ...]
"""Subjects by name, each with how often something was about it."""


@dataclass(frozen=True)
class Came:
    """How often a thing came, and what it was about.

    `about` has the first subjects by name, each with how often it was that; what is left of `count`
    was about others. `earlier` says that it came before the cell under which it is told, and
    `again` that its page was shown before, with the same advice. `looked_up` says that nothing came
    at all: somebody wanted to know.
    """

    count: int = 1
    about: About = ()
    earlier: bool = False
    again: bool = False
    looked_up: bool = False


ONCE = Came()
LOOKED_UP = Came(looked_up=True)
SINCE = "since the last cell"
AT_A_GLANCE = 10
"""So many subjects are named at once; what else is known by name is in the fold."""
LONGEST_LEAD = 300
"""Characters of a sentence that are seen at a glance: two lines of a card."""
MOST_PROBLEMS = 3


def named(came: Came, most: int = AT_A_GLANCE) -> str:
    """Return what a thing was about as one phrase: the first few by name, the rest counted."""
    if len(came.about) == 1 and came.about[0][1] == came.count:
        return came.about[0][0]
    shown = came.about[:most]
    names = [f"{name} {labels.times(count)}".strip() for name, count in shown]
    rest = came.count - sum(count for _, count in shown)
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
        labels.times(came.count),
        quoted(named(came), show_accounts=show_accounts),
    )


@dataclass(frozen=True)
class CardView:
    """An explanation as it is shown. `times` is for a notice that came more than once.

    `lead` is the one sentence at a glance, made of the evidence, and `problems` what is wrong with
    the request; `command` is the user's own call, mended. `about` names what the notices were
    about, `everything` all of it that is known by name if that is more, and `since` says that they
    came before the cell. `again` says that the page was shown before. `found` says how the page was
    found if that was not by a code, `others` are pages that it may be about as well, and `as_of`
    says with what it was last true, if that depends on a build. `facts` lacks the lead.
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
    lead: str = ""
    problems: tuple[str, ...] = ()
    command: str = ""
    everything: str = ""
    again: bool = False

    @property
    def how(self) -> str:
        """How the page was found, and what else it may be, where that is not certain."""
        others = f"It may also be: {'; '.join(self.others)}." if self.others else ""
        return f"{self.found} {others}".strip()

    @property
    def said(self) -> tuple[str, ...]:
        """What stands under the title: how it was found, about what, and what happened."""
        about = " ".join(filter(None, (self.about, self.lead)))
        return tuple(filter(None, (self.how, about, *self.problems, self.summary)))

    @property
    def last(self) -> tuple[str, ...]:
        """What stands at the end: related pages, and with what it was last true."""
        related = f"Related: {', '.join(self.related)}" if self.related else ""
        as_of = f"Verified with: {self.as_of}" if self.as_of else ""
        return tuple(filter(None, (related, as_of)))

    @property
    def answered(self) -> bool:
        """Whether a check has a live answer."""
        return any(check.mark is not None for check in self.checks)

    @property
    def short(self) -> str:
        """The summary, if nothing was seen here that says more."""
        return "" if self.lead or self.problems else self.summary

    @property
    def do(self) -> str:
        """What stands above the command."""
        return labels.MENDED if self.problems else labels.LOOK_UP

    @property
    def shown_before(self) -> str:
        """Where the rest is, if the page was shown before."""
        page = self.codes.partition(",")[0] or self.id
        return f"Shown above; %iberror {page} shows the page again."

    @property
    def first(self) -> str:
        """The one thing to do, unless the call that is mended is it."""
        return self.resolution[0] if self.resolution and not self.command else ""

    @property
    def inside(self) -> str:
        """What is in the fold, in words."""
        is_more = self.first or self.command
        steps = labels.counted(len(self.then), "more step" if is_more else "step")
        parts = (
            "what happened" if self.facts or not self.short else "",
            "the request" if self.asked else "",
            steps if self.then else "",
            ("what was checked" if self.answered else "what to check") if self.checks else "",
            "why" if self.causes else "",
        )
        return f"More: {', '.join(filter(None, parts)) or self.id}"

    @property
    def then(self) -> tuple[str, ...]:
        """What there is to do besides."""
        return self.resolution[1:] if self.first else self.resolution


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

    def __init__(self, report: Report, *, show_accounts: bool) -> None:
        self._report = report
        self._show_accounts = show_accounts
        self._seen: dict[str, str] = {}

    def why(self, entry_id: str | None, under: str) -> Why | None:
        """Return the page of an entry to be shown `under` a title, or None where there is none."""
        from ibnb.diagnostics import with_answers
        from ibnb.knowledge import Explanation, catalogue

        entry = catalogue().by_id(entry_id) if entry_id else None
        if entry is None:
            return None
        if entry.id in self._seen:
            return Why(clean(entry.id), None, self._seen[entry.id])
        self._seen[entry.id] = under
        explanation = Explanation(entry, situation=self._report.situation)
        verdict = self._report.verdict
        if entry.id == verdict.id:
            explanation = with_answers(explanation, self._report)
        # Its symptoms are what the report shows, and its steps and summaries are told already.
        card = replace(card_view(explanation, show_accounts=self._show_accounts), symptoms=())
        if entry.id == verdict.id:
            fix = clean_all(verdict.fix, show_accounts=self._show_accounts)
            left = tuple(step for step in card.resolution if step not in fix)
            checks = tuple(self._answered(check) for check in card.checks)
            card = replace(card, resolution=left, checks=checks)
        return Why(clean(entry.id), card)

    def _answered(self, check: AnsweredCheck) -> AnsweredCheck:
        """Return an answer without the sentence that the report has beside the check itself."""
        told = clean_all(
            (result.summary for result in self._report.results), show_accounts=self._show_accounts
        )
        return replace(check, answer="") if check.answer in told else check


def card_view(
    explanation: Explanation, *, came: Came = ONCE, show_accounts: bool = False
) -> CardView:
    """Return what an explanation shows. `came`: how often its notice came, and about what."""
    entry = explanation.entry

    def shown(texts: Iterable[str]) -> tuple[str, ...]:
        return clean_all(texts, show_accounts=show_accounts)

    asked = _asked(explanation, show_accounts=show_accounts)
    problems = asked.problems if asked is not None else ()
    command = _command(explanation, came)
    searched = f"{labels.LOOK_UP}: {explanation.asked.mended}" if explanation.asked else ""
    # What is there to be copied needs no sentence besides.
    facts = shown(fact for fact in explanation.facts if not (command and fact == searched))
    has_lead = bool(facts) and not problems and len(facts[0]) <= LONGEST_LEAD
    about = about_line(came)
    return CardView(
        mark=_mark(explanation, came),
        id=clean(entry.id),
        codes=", ".join(str(code) for code in entry.codes),
        title=clean(entry.title, show_accounts=show_accounts),
        times=labels.times(came.count),
        since=SINCE if came.earlier else "",
        about=clean(about, show_accounts=show_accounts) + ("." if about and has_lead else ""),
        summary=clean(entry.summary, show_accounts=show_accounts),
        facts=facts[has_lead:],
        resolution=shown(explanation.steps),
        causes=shown(entry.causes),
        symptoms=shown(entry.symptoms),
        checks=_answered(explanation, show_accounts=show_accounts),
        related=shown(entry.related),
        asked=asked,
        found=labels.FOUND.get(explanation.match, ""),
        others=tuple(f"{row.code} ({row.title})" for row in page_rows(explanation.candidates)),
        as_of=clean(entry.as_of),
        lead=facts[0] if has_lead else "",
        problems=tuple(f"▲ {one}" for one in problems[:MOST_PROBLEMS]),
        command=clean(command, show_accounts=show_accounts),
        everything=quoted(named(came, len(came.about)), show_accounts=show_accounts)
        if len(came.about) > AT_A_GLANCE
        else "",
        again=came.again,
    )


def _command(explanation: Explanation, came: Came) -> str:
    """Return the user's call as it should be, as his notebook calls the connection.

    One that only leads on is none for several subjects: it is about the last of them.
    """
    asked = explanation.asked
    if asked is None or not asked.mended:
        return ""
    if len(came.about) > 1 and not any(one.problem for one in asked.parameters):
        return ""
    name = explanation.situation.name or "ib"
    return asked.mended.replace("ib.", f"{name}.", 1)


def page_rows(ids: Iterable[str]) -> tuple[ListedRow, ...]:
    """Return pages of the catalogue as rows of a list."""
    from ibnb.knowledge import catalogue

    entries = (catalogue().by_id(one) for one in ids)
    return tuple(
        ListedRow(clean(entry.id), clean(entry.title), "", "")
        for entry in entries
        if entry is not None
    )


def _mark(explanation: Explanation, came: Came) -> Mark:
    """Return the mark of an explanation: a guess is not as bad as what it may be about.

    Nor is what was only looked up: its colour would say that something went wrong.
    """
    if explanation.is_guess:
        return labels.GUESS
    severity = explanation.entry.severity
    mark = labels.SEVERITY.get(severity) or labels.unknown(severity)
    happened = bool(explanation.facts) or explanation.asked is not None
    return replace(mark, tone="muted") if came.looked_up and not happened else mark


def _asked(explanation: Explanation, *, show_accounts: bool) -> AskedView | None:
    asked = explanation.asked
    if asked is None:
        return None

    rows = tuple(
        (
            clean(one.name),
            quoted(one.value, show_accounts=show_accounts),
            clean(one.problem, show_accounts=show_accounts),
        )
        for one in asked.parameters
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
            labels.ANSWER.get(answer.status) or labels.unknown(answer.status),
            clean(answer.summary, show_accounts=show_accounts),
        )
        for text, answer in checks
    )

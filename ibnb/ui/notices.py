"""Counting what came, and putting together what means the same: bounded, whatever comes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ibnb.tws.notices import NO_REQUEST, farm_state

from .cards import About, Came, named

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ibnb.app import App
    from ibnb.knowledge import Explanation
    from ibnb.tws.notices import Notice

MOST_CODES = 100
"""So many codes are told apart; no gateway has more to say within one cell."""
MOST_TEXTS = 20
"""So many texts of one code are told apart: some codes mean several things."""
MOST_NAMED = 100
"""So many subjects of one text are known by name; the rest are counted."""
LONGEST_OF_SEVERAL = 1000
"""Characters of each of several texts that are shown on one card."""
SAID = "The gateway said: "


class Heard:
    """What came with one code and one text: the last notice, how often, and what each was about.

    Attributes:
        notice: the notice that came last, or None while none did.
        about: by what notices were about, or else by their request's number, the first of them
            and how many.
        is_trouble: whether it gets a card; None while nobody has asked.
    """

    __slots__ = ("about", "count", "is_trouble", "notice")

    def __init__(self) -> None:
        self.notice: Notice | None = None
        self.count = 0
        self.about: dict[str | int, tuple[Notice, int]] = {}
        self.is_trouble: bool | None = None

    def add(self, notice: Notice) -> None:
        """Count a notice."""
        self.notice = notice
        self.count += 1
        key = notice.about or notice.req_id
        if key == NO_REQUEST:
            return
        first, times = self.about.get(key, (notice, 0))
        if times or len(self.about) < MOST_NAMED:
            self.about[key] = first, times + 1


class Tally:
    """Counts notices by code and text as they come; its memory does not grow with their number."""

    def __init__(self) -> None:
        self._heard: dict[int, dict[str, Heard]] = {}
        self._others: dict[int, Heard] = {}
        """By code, what came with texts for which there was no room."""

    def place(self, code: int, text: str) -> Heard | None:
        """Return where a code with a text is counted; None if there is no room for another one."""
        texts = self._heard.get(code)
        if texts is None:
            if len(self._heard) >= MOST_CODES:
                return None
            texts = self._heard[code] = {}
        heard = texts.get(text)
        if heard is None and len(texts) < MOST_TEXTS:
            heard = texts[text] = Heard()
        return heard

    def add(self, notice: Notice) -> None:
        """Count a notice; one for whose text there is no room, with others of its code."""
        heard = self.place(notice.code, notice.text)
        if heard is None and notice.code in self._heard:
            heard = self._others.setdefault(notice.code, Heard())
        if heard is not None:
            heard.add(notice)

    def heard(self) -> tuple[Heard, ...]:
        """Return what came, in the order in which each code and text first did."""
        found = [one for texts in self._heard.values() for one in texts.values()]
        return tuple(one for one in (*found, *self._others.values()) if one.count)


@dataclass(frozen=True)
class Trouble:
    """What the gateway complained of: one meaning, how often, and what each was about."""

    explanation: Explanation
    came: Came


def troubles_of(app: App, heard: Iterable[Heard]) -> list[Trouble]:
    """Return what the gateway complained of: one trouble for one code and one page.

    Good news is left out. Errors come before warnings, each kind in the order in which it first
    came.
    """
    meanings: dict[tuple[int, str], list[tuple[Heard, Notice, Explanation]]] = {}
    for one in heard:
        if one.notice is None:
            continue
        explanation = app.explainer.explain_notice(one.notice)
        # What was promised is told, whatever page its request makes of it.
        if one.is_trouble or explanation.entry.severity != "info":
            meaning = one.notice.code, explanation.entry.id
            meanings.setdefault(meaning, []).append((one, one.notice, explanation))
    found = [_together(app, parts) for parts in meanings.values()]
    return sorted(found, key=lambda one: one.explanation.entry.severity != "error")


def headed(explanation: Explanation, troubles: list[Trouble]) -> list[Trouble]:
    """Put what explains a cell's exception first: it stands for the others of its page too."""
    page = explanation.entry.id
    same = [one for one in troubles if one.explanation.entry.id == page]
    others = [one for one in troubles if one.explanation.entry.id != page]
    if not same:
        return [Trouble(explanation, Came()), *others]
    facts = dict.fromkeys(fact for one in same for fact in one.explanation.facts)
    own = [fact for fact in explanation.facts if not any(one.startswith(fact) for one in facts)]
    about = _sum(one.came.about for one in same)
    came = Came(sum(one.came.count for one in same), about)
    return [Trouble(replace(explanation, facts=(*own, *facts)), came), *others]


def _together(app: App, parts: list[tuple[Heard, Notice, Explanation]]) -> Trouble:
    """Put together what means the same: the last notice stands for all, and hides no other."""
    _, last, explanation = max(parts, key=lambda part: part[1].time)
    others: list[str] = []
    abouts = [_names(app, one.about) for one, _, _ in parts]
    facts = list(explanation.facts)
    for (one, notice, _), about in zip(parts, abouts, strict=True):
        who = named(Came(one.count, about))
        said = f"{SAID}{_cut(notice.text)}{who and f' ({who})'}"
        if notice is not last:
            others.append(said)
        elif len(parts) > 1 and facts and facts[0].startswith(SAID):
            facts[0] = said
    if farm_state(last.code) is not None:
        # The farms are named already, and nothing else differs.
        others.clear()
    came = Came(sum(one.count for one, _, _ in parts), _sum(abouts))
    return Trouble(replace(explanation, facts=(*facts, *others)), came)


def _sum(abouts: Iterable[About]) -> About:
    """Return the first few subjects of several lists, each with how often it was there in all."""
    counts: dict[str, int] = {}
    for name, count in (one for about in abouts for one in about):
        if name in counts or len(counts) < MOST_NAMED:
            counts[name] = counts.get(name, 0) + count
    return tuple(counts.items())


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_OF_SEVERAL else f"{text[:LONGEST_OF_SEVERAL]}…"


def _names(app: App, about: Mapping[str | int, tuple[Notice, int]]) -> About:
    named_here = (
        (notice.about or _request_name(app, notice), count) for notice, count in about.values()
    )
    return _sum([tuple(named_here)])


def _request_name(app: App, notice: Notice) -> str:
    request = app.session.journal.request_of(notice)
    number = f"request {notice.req_id}"
    return f"{request.method} ({number})" if request is not None else number

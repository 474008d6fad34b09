"""Putting together what means the same, of all that was counted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ibnb.tws.codes import farm_state

from .cards import About, Came, named
from .tally import MOST_NAMED

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ibnb.app import App
    from ibnb.knowledge import Explanation
    from ibnb.tws.notices import Notice

    from .tally import Heard

LONGEST_OF_SEVERAL = 1000
"""Characters of each of several texts that are shown on one card."""
SAID = "The gateway said: "


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

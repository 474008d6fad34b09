"""Entries and explanations: what the catalogue holds, and what a user is shown of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from .showing import bundle_of
from .situation import Situation, Step

Severity = Literal["info", "warning", "error"]
Match = Literal["code", "text", "exception", "words", "none"]
"""How a page was found: by a code, or an id, in a certain form; by the text of a known notice; by
an exception or an error of the operating system; by words, which is a guess; or not at all."""


@dataclass(frozen=True)
class EntryCheck:
    """One thing to look at. `check` is the id of the diagnostic check that does it, if any.

    `asks` says what the check is asked for, where that is not what its own summary tells.
    """

    text: str
    check: str | None = None
    asks: str = ""


@dataclass(frozen=True)
class Entry:
    """One page of the catalogue; the texts are whole sentences for the user.

    `text` are the patterns by which the page is told from others of the same code, none on the
    page that explains the code as such. `check_ids` are the diagnostic checks whose page it is.
    `words` are what users type for this page first of all; they are not shown. `raised` are the
    patterns of the exceptions, and of the errors of operating systems, that it explains. `as_of`
    says with what it was last true, if that depends on a build. `steps` is all that may have to be
    done; a `Situation` chooses from it.
    `family` is the id of the family of near-identical codes that it was written in, if any.
    """

    id: str
    codes: tuple[int, ...]
    title: str
    category: str
    severity: Severity
    summary: str
    symptoms: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    checks: tuple[EntryCheck, ...] = ()
    steps: tuple[Step | str, ...] = ()
    related: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    check_ids: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    as_of: str = ""
    family: str | None = None

    @property
    def resolution(self) -> tuple[str, ...]:
        """The steps for a situation of which nothing is known."""
        return Situation().choose(self.steps)

    @property
    def every_step(self) -> tuple[str, ...]:
        """The steps for any situation at all."""
        nowhere = Situation()
        return tuple(
            nowhere.fill(step.text) if isinstance(step, Step) else step for step in self.steps
        )

    def to_row(self) -> dict[str, Any]:
        """Return what a list of all entries says of it, as JSON can carry it."""
        return {"id": self.id, "codes": list(self.codes), "title": self.title}

    def to_dict(self) -> dict[str, Any]:
        """Return the entry in the JSON format of ``ibnb explain --json``."""
        return {
            "id": self.id,
            "codes": list(self.codes),
            "title": self.title,
            "category": self.category,
            "severity": self.severity,
            "summary": self.summary,
            "symptoms": list(self.symptoms),
            "causes": list(self.causes),
            "checks": [check.text for check in self.checks],
            "resolution": list(self.resolution),
            "related": list(self.related),
        }


@dataclass(frozen=True)
class Answer:
    """What a diagnostic check answered, shown beside the entry's check that names and `asks` it."""

    check: str
    status: str
    summary: str
    asks: str = ""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a request as it was sent; `problem` says what is wrong with it, if known."""

    name: str
    value: str
    problem: str = ""


@dataclass(frozen=True)
class Asked:
    """The request that a notice speaks of, and a call of that kind that is known to work.

    `example` is code to start from; empty if none is known. `mended` is the user's own call with
    what was wrong with it put right, or the one that leads on; empty where that is not known.
    """

    method: str
    parameters: tuple[Parameter, ...] = ()
    example: str = ""
    mended: str = ""


@dataclass(frozen=True)
class Explanation:
    """An entry plus the live evidence for it.

    `facts` are sentences on what happened here and now (the notice as received, how long the
    opening waited, what closed it); `answers` are what the checks named by the entry found;
    `asked` is the request that it is about, where it is known, and `connection` the number of the
    connection of this process that it is about, 0 if it is about none in particular;
    `situation` is what else is known, and decides what there is to do. `match` says how the entry
    was found, and `candidates` are the ids of others that it may be.
    """

    entry: Entry
    facts: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    asked: Asked | None = None
    connection: int = 0
    situation: Situation = field(default_factory=Situation)
    match: Match = "code"
    candidates: tuple[str, ...] = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's signature
        """Return how it looks, by MIME type."""
        return bundle_of(self)

    @property
    def is_guess(self) -> bool:
        """Whether nothing but words led to the entry, which may then be about something else."""
        return self.match == "words"

    @property
    def steps(self) -> tuple[str, ...]:
        """What there is to do here, the first of it first."""
        return self.situation.choose(self.entry.steps)

    def to_dict(self) -> dict[str, Any]:
        """Return the entry in the JSON format: the steps of this situation, how it was found.

        The rest of the live evidence is not part of that format.
        """
        found = {"match": self.match, "candidates": list(self.candidates)}
        return self.entry.to_dict() | {"resolution": list(self.steps)} | found

"""What a diagnosis is made of: checks, results, the verdict and the report."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ibnb.diagnostics.verdict.surroundings import Surroundings
from ibnb.knowledge import Severity, Situation
from ibnb.knowledge.showing import bundle_of
from ibnb.tws.attempt import Attempt
from ibnb.tws.target import Target

if TYPE_CHECKING:
    from .context import Context

Status = Literal["pass", "warn", "fail", "skip", "crash"]
SCHEMA = 1


@dataclass(frozen=True)
class Result:
    """What one check found.

    `evidence` holds plain values that JSON can carry; `entry` is a catalogue id; `fix` names what
    to do, a step, command or menu path each; `blocked_by` is the check whose outcome kept this one
    from running. A ``skip`` without it is a check that could not see: its summary says why.
    `detail` is that part of the summary which a look at the wire does not tell, too.
    """

    id: str
    status: Status
    summary: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    entry: str | None = None
    fix: tuple[str, ...] = ()
    seconds: float = 0.0
    blocked_by: str | None = None
    detail: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to find out. `title` is an assertion; `timeout` is in seconds.

    What waits for the name service or the gateway takes as much longer as those may: `time_outs`
    says how many of the question's time-outs that are. `waits_for` says what a run of it is waiting
    for, for whoever watches: a noun phrase.
    """

    id: str
    title: str
    category: str
    run: Callable[[Context], Awaitable[Result]]
    requires: tuple[str, ...] = ()
    timeout: float = 10.0
    waits_for: str = ""
    time_outs: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return what the check is and what it comes after, as JSON can carry it."""
        return {
            "id": self.id,
            "title": self.title,
            "category": self.category,
            "requires": list(self.requires),
        }


@dataclass(frozen=True)
class Verdict:
    """The one cause that explains the results: a catalogue id, a sentence, and what to do first.

    `evidence` holds the ids of the results that speak for it.
    """

    id: str
    title: str
    severity: Severity
    summary: str
    fix: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """One thing that was otherwise at the last good connect to a target.

    `subject` is what it is of, as ``server_version``; `before` and `now` are texts for people.
    `since` is when it changed, where that is known, in seconds since the epoch. `explains` says
    that it explains the verdict.
    """

    subject: str
    before: str
    now: str
    since: float | None = None
    explains: bool = False


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that a report is made of: from the same facts comes the same report.

    `attempt` is the look at the gateway, None where none was taken. `unfinished` are the ids of the
    checks that had not ended when the diagnosis was stopped. `at` is when it ended, in seconds
    since the epoch, and `seconds` how long it took. `changes` are the differences from the last
    good connect to the target, which was at `good_at`; None where none is known.
    """

    surroundings: Surroundings
    results: tuple[Result, ...] = ()
    checks: tuple[Check, ...] = ()
    attempt: Attempt | None = None
    unfinished: tuple[str, ...] = ()
    at: float = 0.0
    seconds: float = 0.0
    good_at: float | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Origin:
    """Where a report comes from that is judged from a bundle: nothing in it is of here and now.

    `ibnb` is the version that wrote the bundle; `system` and `python` are of the machine on which
    it was collected, at `at`, in seconds since the epoch.
    """

    at: float
    ibnb: str = ""
    system: str = ""
    python: str = ""


@dataclass(frozen=True)
class Report:
    """A whole diagnosis. `results` is in the order of the checks; `seconds` is its duration.

    `situation` is that in which it is read, with what was found. `facts` are what it was made of.
    `origin` tells a report that was judged from a bundle. `changes` are the differences from the
    last good connect to the target, at `good_at`, if one is known and nothing works now.
    `at` is when it was made, in seconds since the epoch.
    """

    target: Target
    verdict: Verdict
    results: tuple[Result, ...]
    checks: tuple[Check, ...]
    seconds: float
    situation: Situation = field(default_factory=Situation)
    facts: Facts | None = field(default=None, repr=False)
    origin: Origin | None = None
    good_at: float | None = None
    changes: tuple[Change, ...] = ()
    at: float = field(default_factory=time.time, compare=False)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:  # noqa: ARG002 - IPython's signature
        """Return how it looks, by MIME type."""
        return bundle_of(self)

    @property
    def exit_status(self) -> int:
        """0 when healthy (warnings allowed), 1 when a problem was found."""
        return 1 if self.verdict.severity == "error" else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report in the JSON format, schema 1.

        `judged_from` is in that of a bundle alone, and `since_last_good` where there is one.
        """
        by_id = {check.id: check for check in self.checks}
        more: dict[str, Any] = {}
        if self.origin is not None:
            more["judged_from"] = {
                "collected_at": self.origin.at,
                "ibnb": self.origin.ibnb,
                "system": self.origin.system,
                "python": self.origin.python,
            }
        if self.good_at is not None:
            changes = [asdict(change) for change in self.changes]
            more["since_last_good"] = {"at": self.good_at, "changes": changes}
        return {
            "schema": SCHEMA,
            "target": {
                "host": self.target.host,
                "port": self.target.port,
                "expects": self.target.expects,
            },
            "verdict": {
                "id": self.verdict.id,
                "title": self.verdict.title,
                "severity": self.verdict.severity,
                "summary": self.verdict.summary,
                "fix": list(self.verdict.fix),
            },
            "checks": [
                {
                    "id": result.id,
                    "title": by_id[result.id].title,
                    "category": by_id[result.id].category,
                    "status": result.status,
                    "summary": result.summary,
                    "evidence": dict(result.evidence),
                    "entry": result.entry,
                    "fix": list(result.fix),
                    "seconds": round(result.seconds, 4),
                    "blocked_by": result.blocked_by,
                }
                for result in self.results
            ],
            "seconds": round(self.seconds, 4),
            **more,
        }

"""What a diagnosis is made of: checks, results, the verdict and the report."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ibnb.knowledge import Situation
from ibnb.tws.target import Target

if TYPE_CHECKING:
    from .context import Context

Status = Literal["pass", "warn", "fail", "skip", "crash"]
Severity = Literal["info", "warning", "error"]
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
class Report:
    """A whole diagnosis. `results` is in the order of the checks; `seconds` is its duration.

    `situation` is that in which it is read, with what was found, and `at` when it was made, in
    seconds since the epoch.
    """

    target: Target
    verdict: Verdict
    results: tuple[Result, ...]
    checks: tuple[Check, ...]
    seconds: float
    situation: Situation = field(default_factory=Situation)
    at: float = field(default_factory=time.time, compare=False)

    @property
    def exit_status(self) -> int:
        """0 when healthy (warnings allowed), 1 when a problem was found."""
        return 1 if self.verdict.severity == "error" else 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report in the JSON format, schema 1."""
        by_id = {check.id: check for check in self.checks}
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
        }

"""From facts to a report: the one way, whether a diagnosis has just ended or a bundle was read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from ibnb.diagnostics.engine.stopping import stopped_verdict
from ibnb.diagnostics.model import Facts, Origin, Report, Result, Verdict
from ibnb.tws.escaping import visible_value
from ibnb.tws.redaction import redact_value

from .facts import with_results
from .judge import judge
from .since_good import HEALTHY, explained

Told = TypeVar("Told", Result, Verdict)


def concluded(facts: Facts, *, keep: Collection[str] = (), origin: Origin | None = None) -> Report:
    """Return the report that facts lead to; hosts and addresses in `keep` may be shown."""
    around = facts.surroundings
    if facts.unfinished:
        verdict = stopped_verdict(facts.results, facts.unfinished, around)
    else:
        verdict = judge(facts.results, facts.attempt, around)
    troubled = verdict.id != HEALTHY
    return Report(
        target=around.target,
        verdict=redacted(verdict, accounts=not around.show_accounts, keep=keep),
        results=facts.results,
        checks=facts.checks,
        seconds=facts.seconds,
        situation=with_results(around.here, facts.results),
        facts=facts,
        origin=origin,
        good_at=facts.good_at if troubled else None,
        changes=explained(verdict.id, facts.changes) if troubled else (),
    )


def redacted(told: Told, *, accounts: bool, keep: Collection[str]) -> Told:
    """Return it as any form may show it: nothing reaches a report but through here.

    What others wrote was cleaned where it came in; whatever has a shape of its own is looked for
    once more. Accounts are masked if `accounts` says so; hosts and addresses in `keep` may be
    shown.
    """
    texts = {name: getattr(told, name, None) for name in ("summary", "detail", "evidence", "fix")}
    known = {name: text for name, text in texts.items() if text}
    shown = redact_value(known, accounts=accounts, keep=keep, ours=True)
    return replace(told, **visible_value(shown))

"""Views: what a report and a badge show, cleaned and masked, before any form is chosen.

The HTML, text and terminal forms all draw these, so that none of them can show what another hides,
and none of them sees a text that is not fit to be shown.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

from ibnb.tws.accounts import mask
from ibnb.tws.codes import GOOD_NEWS

from . import labels
from .cards import Pages
from .sanitise import clean, clean_all, clean_value, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ibnb.diagnostics.model import Check, Report, Result
    from ibnb.session.health import Health
    from ibnb.tws.notices import Notice

    from .cards import Why
    from .labels import Mark

NOTICES_SHOWN = 5
SENTENCES = re.compile(r"(?<=[.!?])\s+(?=[A-Z])")
"""What stands between two sentences."""
ENDED = frozenset({"lost", "closed"})


@dataclass(frozen=True)
class Row:
    """One check of a report. `evidence` pairs each key with its lines; `more` is a catalogue id.

    `why` is the page of that entry, where the check is not OK, and `said` what the verdict says.
    """

    mark: Mark
    id: str
    title: str
    summary: str
    evidence: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fix: tuple[str, ...] = ()
    more: str = ""
    why: Why | None = None
    said: str = ""

    @property
    def brief(self) -> str:
        """Its summary, without the sentences that are `said` beside it already."""
        sentences = SENTENCES.split(self.summary)
        return " ".join(one for one in sentences if one not in self.said)

    @property
    def steps(self) -> str:
        """How many steps its fix has, in words."""
        return labels.counted(len(self.fix), "step")

    @property
    def needs_a_look(self) -> bool:
        """Whether it found something: it is neither OK nor left out."""
        return self.mark not in {labels.STATUS["pass"], labels.STATUS["skip"]}


@dataclass(frozen=True)
class Skipped:
    """The checks that were left out for one reason, by their titles and ids; what was seen."""

    why: str
    titles: tuple[str, ...]
    evidence: tuple[tuple[str, tuple[str, ...]], ...] = ()
    fix: tuple[str, ...] = ()
    id: str = ""


@dataclass(frozen=True)
class Group:
    """The checks of one category: all of them, those that passed, and those that were left out."""

    heading: str
    rows: tuple[Row, ...]

    @property
    def passed(self) -> tuple[Row, ...]:
        """The checks that are OK."""
        return tuple(row for row in self.rows if row.mark == labels.STATUS["pass"])

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The checks that were left out, each reason once."""
        return _by_reason(self.rows)


@dataclass(frozen=True)
class Tick:
    """One item of the verification checklist; `checks` names what it rests on."""

    mark: Mark
    text: str
    checks: str


@dataclass(frozen=True)
class ReportView:
    """A diagnosis as it is shown. The checklist is empty unless there is a problem.

    `boundary` says what it is not, unless that was said before in this notebook; `made` is when it
    was made, for what is read on another day.
    `origin` says where the report comes from if it is not live, and `took` how long it took.
    `changes` are what explains the verdict of what changed since the last good connect, which
    `since_good` names.
    """

    mark: Mark
    id: str
    title: str
    summary: str
    fix: tuple[str, ...]
    counts: str
    groups: tuple[Group, ...]
    target: str
    took: str
    why: Why | None = None
    checklist: tuple[Tick, ...] = ()
    origin: str = ""
    since_good: str = ""
    changes: tuple[str, ...] = ()
    boundary: str = labels.BOUNDARY
    made: str = ""

    @property
    def troubles(self) -> tuple[Row, ...]:
        """The checks that found something."""
        return tuple(row for group in self.groups for row in group.rows if row.needs_a_look)

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """All checks that were left out, each reason once."""
        return _by_reason(row for group in self.groups for row in group.rows)

    @property
    def skips(self) -> int:
        """How many checks were left out."""
        return sum(len(one.titles) for one in self.skipped)

    @property
    def ticked(self) -> str:
        """How many items of the checklist were seen to be so, in words."""
        confirmed = sum(tick.mark == labels.TICK["done"] for tick in self.checklist)
        return f"{confirmed} of {len(self.checklist)} confirmed"


@dataclass(frozen=True)
class NoticeLine:
    """A notice as it is shown: when it came, its code and text, and how often.

    `news` says that it is more than that something works.
    """

    clock: str
    code: str
    text: str
    times: str
    news: bool = True


@dataclass(frozen=True)
class BadgeView:
    """The session's health as it is shown.

    `kind` is ``SIM``, ``PAPER``, ``LIVE`` or what is known instead; `orders` speaks of a live
    account's order lock. `facts` are short and in the order of their weight, and `details` what is
    looked for now and then; `reason` says why the state is not ready, `ended` since when a
    connection is gone, and `replaced` by what a stale connection was replaced. `trouble` says that
    the gateway's link or a farm is not as it should be. `heard` says how long before the last byte
    came.
    """

    mark: Mark
    live: bool
    kind: str
    orders: str
    facts: tuple[str, ...]
    details: tuple[str, ...]
    reason: str
    replaced: str
    missing: tuple[str, ...]
    link: Mark | None
    link_text: str
    trouble: bool
    farms: tuple[tuple[str, Mark], ...]
    notices: tuple[NoticeLine, ...]
    opened: str
    ended: str
    as_of: str
    heard: str = ""


def row_of(check: Check, result: Result, *, show_accounts: bool = False) -> Row:
    """Return the row of a check that has ended."""
    return Row(
        mark=labels.STATUS.get(result.status) or labels.unknown(result.status),
        id=clean(check.id),
        title=clean(check.title, show_accounts=show_accounts),
        summary=clean(result.summary, show_accounts=show_accounts),
        evidence=tuple(
            (
                clean(key, show_accounts=show_accounts).replace("_", " "),
                clean_value(value, show_accounts=show_accounts),
            )
            for key, value in result.evidence.items()
        ),
        fix=clean_all(result.fix, show_accounts=show_accounts),
        more=clean(result.entry or ""),
    )


def report_view(
    report: Report, *, boundary: bool = True, show_accounts: bool = False
) -> ReportView:
    """Return what a report shows."""
    checks = {check.id: check for check in report.checks}
    pages = Pages(report, show_accounts=show_accounts)
    verdict = report.verdict
    why = pages.why(verdict.id, "the verdict")
    rows = []
    for result in report.results:
        row = row_of(checks[result.id], result, show_accounts=show_accounts)
        if result.status != "pass":
            page = pages.why(result.entry, f"“{row.title}”")
            row = replace(row, why=page, said=verdict.summary)
        rows.append((checks[result.id].category, _with_blocker(row, result, checks)))
    expects = report.target.expects
    return ReportView(
        mark=labels.VERDICT.get(verdict.severity) or labels.unknown(verdict.severity),
        id=clean(verdict.id),
        title=clean(verdict.title, show_accounts=show_accounts),
        summary=clean(verdict.summary, show_accounts=show_accounts),
        fix=clean_all(verdict.fix, show_accounts=show_accounts),
        counts=counts_of(report.results),
        groups=_groups(rows),
        target=clean(report.target) + (f" (expects {expects})" if expects else ""),
        took=f"{'took' if report.origin is None else 'collected in'} "
        f"{labels.duration(report.seconds)}",
        why=why,
        checklist=_ticks(report) if verdict.severity == "error" else (),
        boundary=labels.BOUNDARY if boundary else "",
        made=moment(report.at),
        origin=_origin(report),
        since_good=labels.since_good(report.good_at) if report.good_at is not None else "",
        changes=clean_all(
            (labels.changed(one) for one in report.changes if one.explains),
            show_accounts=show_accounts,
        ),
    )


def _origin(report: Report) -> str:
    """Return where a report comes from that was judged from a bundle; empty if it is live."""
    origin = report.origin
    if origin is None:
        return ""
    place = {"notebook": "in a notebook", "terminal": "in a terminal"}.get(
        report.situation.place or "", ""
    )
    by = f"by ibnb {origin.ibnb or 'of an unknown version'}"
    on = ", ".join(part for part in (origin.python, origin.system) if part)
    where = " ".join(part for part in (by, place, f"on {on}" if on else "") if part)
    return clean(
        f"Judged from a bundle: nothing was contacted now. It was collected at "
        f"{labels.moment(origin.at)} {where}; what to do is meant for that machine."
    )


def counts_of(results: Sequence[Result]) -> str:
    """Return how many results have which status: ``4 OK · 1 failed``."""
    found = Counter(result.status for result in results)
    parts = []
    for status, mark in labels.STATUS.items():
        number = found.get(status, 0)  # type: ignore[call-overload]  # its keys are the statuses
        if number:
            word = mark.word if status == "pass" else mark.word.lower()
            parts.append(labels.counted(number, word) if status == "warn" else f"{number} {word}")
    return " · ".join(parts) or "no checks"


def badge_view(
    health: Health, *, show_accounts: bool = False, now: float | None = None
) -> BadgeView:
    """Return what a badge shows. `now` is in seconds since the epoch, this moment by default."""
    stale = clean(health.stale, show_accounts=show_accounts)
    known = labels.STATE.get(health.state) or labels.unknown(health.state)
    link, link_text = _link(health)
    return BadgeView(
        mark=labels.STALE if stale else known,
        live=health.kind == "live" and not health.simulated and health.is_open and not stale,
        kind=_kind(health),
        orders=f"orders {'locked' if health.orders == 'locked' else 'not locked'}"
        if health.kind == "live" and health.is_open
        else "",
        facts=_facts(health, show_accounts=show_accounts),
        details=_details(health, show_accounts=show_accounts),
        reason=clean(health.reason, show_accounts=show_accounts),
        replaced=stale,
        # The reason often names what is missing already.
        missing=clean_all(name for name in health.missing if name not in health.reason),
        link=link,
        link_text=link_text,
        trouble=link is not None and link != labels.FARM["ok"],
        farms=tuple(
            (quoted(name), labels.FARM.get(state) or labels.unknown(state))
            for name, state in health.link.farms.items()
        ),
        notices=_notices(health.notices, show_accounts=show_accounts),
        opened=moment(health.opened_at) if health.opened_at else "",
        heard=f"{labels.duration(health.heard_ago)} before" if health.heard_ago is not None else "",
        ended=moment(health.changed_at) if health.changed_at and health.state in ENDED else "",
        as_of=moment(time.time() if now is None else now),
    )


def _ticks(report: Report) -> tuple[Tick, ...]:
    from ibnb.diagnostics.verdict.checklist import checklist

    return tuple(
        Tick(labels.TICK[item.state], clean(item.text), ", ".join(item.checks))
        for item in checklist(report)
    )


def _with_blocker(row: Row, result: Result, checks: dict[str, Check]) -> Row:
    if result.blocked_by is None:
        return row
    blocker = checks.get(result.blocked_by)
    title = clean(blocker.title if blocker is not None else result.blocked_by)
    return replace(row, summary=f"Blocked by “{title}” ({clean(result.blocked_by)}).")


def _groups(rows: Iterable[tuple[str, Row]]) -> tuple[Group, ...]:
    # Categories come in the order in which the checks first name them.
    groups: dict[str, list[Row]] = {}
    for category, row in rows:
        groups.setdefault(category, []).append(row)
    return tuple(
        Group(labels.heading(clean(category)), tuple(own)) for category, own in groups.items()
    )


def _by_reason(rows: Iterable[Row]) -> tuple[Skipped, ...]:
    left_out = [row for row in rows if row.mark == labels.STATUS["skip"]]
    reasons: dict[Any, list[Row]] = {}
    for row in left_out:
        reasons.setdefault((row.summary, row.evidence, row.fix), []).append(row)
    return tuple(
        Skipped(
            why=why,
            titles=tuple(row.title for row in rows_of),
            evidence=evidence,
            fix=fix,
            id=", ".join(row.id for row in rows_of),
        )
        for (why, evidence, fix), rows_of in reasons.items()
    )


def _kind(health: Health) -> str:
    if health.simulated:
        return "SIM"
    if health.kind is not None:
        return health.kind.upper()
    expects = health.target.expects if health.target is not None else None
    return f"expects {expects}" if expects else ""


def _facts(health: Health, *, show_accounts: bool) -> tuple[str, ...]:
    accounts = [account if show_accounts else mask(account) for account in health.accounts]
    facts = (
        ", ".join(accounts),
        str(health.target) if health.target is not None else "",
        f"ID {health.client_id}" if health.client_id is not None else "",
    )
    return clean_all(facts, show_accounts=show_accounts)


def _details(health: Health, *, show_accounts: bool) -> tuple[str, ...]:
    found = (
        f"server version {health.server_version}" if health.server_version is not None else "",
        health.library,
        f"a simulated gateway, with {health.kind} accounts" if health.simulated else "",
    )
    return clean_all(found, show_accounts=show_accounts)


def _link(health: Health) -> tuple[Mark | None, str]:
    """Return the mark and words of the link to IBKR and its farms, as far as notices told."""
    link = health.link
    if not link.connected:
        by = f" (notice {link.lost_by.code})" if link.lost_by is not None else ""
        return labels.STATE["lost"], f"link to IBKR{by}"
    if link.broken_farms:
        return labels.FARM["broken"], f"farm {quoted(', '.join(link.broken_farms))}"
    if link.farms:
        return labels.FARM["ok"], labels.counted(len(link.farms), "farm")
    return None, ""


def _notices(notices: Sequence[Notice], *, show_accounts: bool) -> tuple[NoticeLine, ...]:
    lines = []
    for (code, text), group in groupby(notices, key=lambda notice: (notice.code, notice.text)):
        same = list(group)
        lines.append(
            NoticeLine(
                clock=moment(same[-1].time),
                code=str(code),
                text=quoted(text, show_accounts=show_accounts),
                times=labels.times(len(same)),
                news=code not in GOOD_NEWS,
            )
        )
    return tuple(lines[-NOTICES_SHOWN:])


def moment(seconds: float) -> str:
    """Return a time with its date: what is stored is read on another day."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))

"""A diagnosis under way: what each check is waiting for, and how long it is repeated still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import labels
from .sanitise import clean
from .views import Row, row_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ibnb.diagnostics.model import Check, Report, Result

    from .labels import Mark


@dataclass(frozen=True)
class Repeat:
    """That a diagnosis is repeated: the tries so far, what the last one said, the time left."""

    tries: str
    last: Mark
    title: str
    left: str


@dataclass(frozen=True)
class ProgressView:
    """The checks of a diagnosis, and how many of them have ended."""

    rows: tuple[Row, ...]
    done: int
    repeat: Repeat | None = None

    @property
    def waiting(self) -> str:
        """What is waited for now, in one line."""
        running = (row for row in self.rows if row.mark == labels.RUNNING)
        return "; ".join(f"{row.title}: {row.summary}" for row in running if row.summary)


def progress_view(
    checks: Sequence[Check],
    results: Iterable[Result],
    *,
    repeat: Repeat | None = None,
    show_accounts: bool = False,
) -> ProgressView:
    """Return what a diagnosis under way shows."""
    found = {result.id: result for result in results}
    by_id = {check.id: check for check in checks}
    rows = tuple(
        row_of(check, found[check.id], show_accounts=show_accounts)
        if check.id in found
        else _waiting(check, by_id, found, show_accounts=show_accounts)
        for check in checks
    )
    return ProgressView(rows, sum(check.id in found for check in checks), repeat)


def repeat_view(
    seconds_left: float, tries: int, report: Report, *, show_accounts: bool = False
) -> Repeat:
    """Return what is said of a diagnosis that is repeated until the gateway is healthy."""
    verdict = report.verdict
    return Repeat(
        tries=labels.counted(tries, "try", "tries"),
        last=labels.VERDICT.get(verdict.severity) or labels.unknown(verdict.severity),
        title=clean(verdict.title, show_accounts=show_accounts),
        left=labels.duration(max(1.0, round(seconds_left))).replace(".0 s", " s"),
    )


def _waiting(
    check: Check,
    checks: Mapping[str, Check],
    found: Mapping[str, Result],
    *,
    show_accounts: bool,
) -> Row:
    # Late: what shows a badge or a card needs no diagnosis, and loading the extension neither.
    from ibnb.diagnostics import first_unmet

    unmet = first_unmet(check, checks, found)
    if unmet is not None:
        mark, said = labels.PENDING, f"after: {checks[unmet].title}"
    else:
        mark, said = labels.RUNNING, f"waiting for {check.waits_for}" if check.waits_for else ""
    return Row(
        mark,
        clean(check.id),
        clean(check.title, show_accounts=show_accounts),
        clean(said, show_accounts=show_accounts),
    )

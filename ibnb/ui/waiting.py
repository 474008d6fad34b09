"""How long a repeated diagnosis still goes on, as lines for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from .labels import counted
from .sanitise import clean

if TYPE_CHECKING:
    from ibnb.diagnostics import Check, Report, Result


class WaitingLines:
    """An observer of diagnoses that writes a line between two of them, and nothing else."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def on_start(self, checks: tuple[Check, ...]) -> None:
        """Write nothing."""

    def on_result(self, result: Result) -> None:
        """Write nothing."""

    def on_report(self, report: Report) -> None:
        """Write nothing: the last report is printed whole."""

    def on_wait(self, seconds_left: float, tries: int, report: Report) -> None:
        """Write what the last diagnosis came to, and for how long they are repeated."""
        verdict = f"{report.verdict.id}: {clean(report.verdict.title)}"
        line = f"{counted(tries, 'try', 'tries')}, {verdict}; {seconds_left:.0f} s left"
        print(line, file=self._file, flush=True)

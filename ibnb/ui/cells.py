"""Which cell runs, and what appears in its output."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ibnb.session.notebook.event_loop import run

from .diagnosing import Diagnosing, report_of
from .display import Shown, show
from .formatters import show_explanation, show_report, show_unknown
from .notebook import ends_with_magic
from .telling import CellTeller

if TYPE_CHECKING:
    from pathlib import Path

    from ibnb.app import App
    from ibnb.diagnostics import Question, Report
    from ibnb.diagnostics.bundle import BundleFile
    from ibnb.knowledge import Explanation, UnknownQueryError
    from ibnb.session import Closed, ConnectFailed, Connection, Opened, Waiting
    from ibnb.session.connection import Resumed
    from ibnb.session.guard import Guard
    from ibnb.session.notebook.cell_runs import Run
    from ibnb.simulator.recording import RecordingGateway, ReplayedGateway

    from .badge import Badges
    from .legal import Boundary
    from .running import RunningCell

PATIENCE_SECONDS = 2.0
"""A held client ID is often free again by then: a shorter wait is not worth a line."""
_LOADING = object()
"""Stands for the cell that loads ibnb, whose beginning nobody saw."""
MOST_LINES = 20
"""So many lines wait for the next cell, the last ones."""


class Cells:
    """Follows the cells of one shell and puts cards, reports and lines under them."""

    def __init__(
        self, shell: Any, app: App, running: RunningCell, badges: Badges, boundary: Boundary
    ) -> None:
        self.shell = shell
        self.app = app
        self.in_notebook = getattr(shell, "kernel", None) is not None
        self._running = running
        self._badges = badges
        self._boundary = boundary
        self._teller = CellTeller(app, running, self._with_evidence, in_notebook=self.in_notebook)
        self._lines: deque[str] = deque(maxlen=MOST_LINES)
        self._key = ""
        self._thread = threading.get_ident()
        self._outer: Any = None
        self._parent = ""
        self._shown_before: BaseException | None = None
        self._diagnoses: dict[str, Diagnosing] = {}
        self._guard: Guard | None = None
        self._run: Run | None = None
        self._undo: Callable[[], None] = lambda: None

    def enter(self, guard: Guard) -> None:
        """Begin to follow the cells, and to say what the guard closes."""
        self._guard = guard
        self._undo = self.app.session.use(announce=self._say, resumed=self._resumed)
        self.app.session.journal.tellers.append(self._teller)
        self.shell.events.register("pre_execute", self._beside)
        self.shell.events.register("pre_run_cell", self._before)
        self.shell.events.register("post_run_cell", self._after)
        if self._header().get("msg_type") == "execute_request":
            # Loaded by a cell: it runs already.
            self._outer, self._parent = _LOADING, self._request()
            self._running.begin()

    def leave(self) -> None:
        """Stop following, tell what is left to tell, and close every widget still there."""
        self.shell.events.unregister("pre_execute", self._beside)
        self.shell.events.unregister("pre_run_cell", self._before)
        self.shell.events.unregister("post_run_cell", self._after)
        self.app.session.journal.tellers.remove(self._teller)
        self._undo()
        self._running.end()
        self._tell(None)
        for diagnosing in self._diagnoses.values():
            diagnosing.close()
        self._diagnoses.clear()

    @contextmanager
    def waiting(self) -> Iterator[Callable[[Waiting], None]]:
        """Show the wait for a held client ID, one line that goes when the wait is over."""
        begun = time.monotonic()
        shown: list[Shown] = []

        def on_wait(waiting: Waiting) -> None:
            if time.monotonic() - begun < PATIENCE_SECONDS:
                return
            from .messages import waiting_line

            text = waiting_line(waiting)
            if shown:
                shown[0].update(text)
            else:
                shown.append(show(text, live=True))

        try:
            yield on_wait
        finally:
            for line in shown:
                line.update("")

    def show_opened(self, opened: Opened, *, has_value: bool) -> None:
        """Say in one line what was closed and what is open now, unless the badge says it.

        `has_value`: the magic returns the `IB` object, which shows itself if the cell ends with it.
        """
        from .messages import opened_line

        line = opened_line(
            opened,
            badge_follows=has_value
            and self._running.is_running
            and ends_with_magic(self.shell, "ibconnect"),
            show_accounts=self.app.settings.show_accounts,
        )
        if line:
            print(line)  # noqa: T201

    def _resumed(self, connection: Connection, outcome: Resumed | ConnectFailed) -> None:
        from .messages import resumed_by_itself_line

        self._say(resumed_by_itself_line(connection, outcome))

    def _say(self, line: str) -> None:
        """Print a line into the cell that runs, or keep it for the next one."""
        here = threading.get_ident() == self._thread
        if self._running.is_running and here:
            self._running.within(print, line)
        elif self.in_notebook and here:
            # The cell that it would go to is over, and may be stored already.
            self._lines.append(line)
        else:
            print(line)  # noqa: T201

    def show_closed(self, closed: Closed | None) -> None:
        """Say in one line what was closed."""
        from .messages import closed_line

        print(closed_line(closed))  # noqa: T201

    def show_explanation(self, explanation: Explanation) -> None:
        """Show an explanation with its live evidence."""
        (explanation,) = self._with_evidence([explanation])
        from .cards import LOOKED_UP

        accounts = self.app.settings.show_accounts
        show_explanation(explanation, came=LOOKED_UP, show_accounts=accounts)

    def show_unknown(self, error: UnknownQueryError) -> None:
        """Say that no page fits what was looked up, and which come nearest."""
        show_unknown(error, show_accounts=self.app.settings.show_accounts)

    def show_health(self) -> None:
        """Show the badge of the session."""
        from .badge import show_badge

        show_badge(self.app.health(), show_accounts=self.app.settings.show_accounts)

    def show_team(self) -> None:
        """Print who is connected to which gateway."""
        from .team import team_text

        print(team_text(self.app.team(), show_accounts=self.app.settings.show_accounts))  # noqa: T201

    def show_checks(self) -> None:
        """List the checks, a line each."""
        from ibnb.diagnostics import CHECKS

        width = max(len(check.id) for check in CHECKS)
        print("\n".join(f"{check.id:{width}}  {check.title}" for check in CHECKS))  # noqa: T201

    def show_pages(self) -> None:
        """List the pages of the catalogue, a line each."""
        from .text import pages_text

        print(pages_text())  # noqa: T201

    def diagnose(self, question: Question, *, static: bool) -> Report:
        """Diagnose, showing the checks as they end and the report when all have."""
        key = self._key
        if key in self._diagnoses:
            self._diagnoses.pop(key).close()
        diagnosing = Diagnosing(
            self.app,
            question,
            widgets=self.in_notebook and not static,
            boundary=self._boundary.is_due(),
        )
        self._diagnoses[key] = diagnosing
        return diagnosing.run()

    def show_judged(self, report: Report) -> None:
        """Show the report on a bundle that somebody sent."""
        accounts, boundary = self.app.settings.show_accounts, self._boundary.is_due()
        show_report(report, boundary=boundary, show_accounts=accounts)

    def show_recording(
        self, one: RecordingGateway | ReplayedGateway | None, *, ended: bool = False
    ) -> None:
        """Say that something is recorded or replayed, or is no longer."""
        from .messages import recording_line

        print(recording_line(one, ended=ended))  # noqa: T201

    def show_bundle(self, path: Path, files: Sequence[BundleFile]) -> None:
        """List what is in a support bundle that was written."""
        from .text import bundle_text

        print(bundle_text(path, files))  # noqa: T201

    def diagnose_quietly(self, question: Question) -> Report:
        """Diagnose without showing anything."""
        return report_of(self.app.start_diagnosis(question))

    def _with_evidence(self, explanations: Sequence[Explanation]) -> list[Explanation]:
        return run(self.app.explainer.with_evidence(*explanations))

    def _beside(self) -> None:
        """Take note of what begins beside a running cell: a click, or a cell on a subshell."""
        if threading.get_ident() != self._thread or self._outer is None:
            self.app.session.registry.runs.begin_anew("a click")

    def _before(self, info: Any) -> None:
        if threading.get_ident() != self._thread:
            # A cell on a subshell runs beside the one that is followed, and must not end it.
            return
        parent = self._request()
        if self._outer is not None and parent == self._parent:
            # A cell within a cell, as `%%capture` makes them, belongs to the one that is run.
            return
        self._outer, self._parent = info, parent
        self._shown_before = _last_shown()
        cell_id = getattr(info, "cell_id", None)
        source = info.raw_cell or ""
        self._key = cell_id or hashlib.sha256(source.encode()).hexdigest()
        # By IPython's version the shell's own counter is raised before this event or after the
        # run; the inputs always lack this cell yet, and begin with an empty one.
        label = f"cell [{len(self.shell.history_manager.input_hist_parsed)}]"
        self._run = self.app.session.registry.runs.begin(self._key, label)
        self._running.begin()

    def _after(self, result: Any) -> None:
        if threading.get_ident() != self._thread or self._outer is None:
            return
        # An interrupt may leave no result.
        loading = self._outer is _LOADING
        if result is not None and result.info is not self._outer and not loading:
            return
        self._outer = None
        if self._guard is not None and self._run is not None:
            self._guard.after(self._run)
        error = result.error_in_exec if result is not None else None
        error = error or self._shown_within()
        if (error is not None or result is None) and self._guard and self._run is not None:
            # What a failed cell was opening must not connect later, when nobody waits for it.
            run(self._guard.abandon(self._run), self.app.session.home)
        self._running.end()
        self._tell(error)

    def _tell(self, error: BaseException | None) -> None:
        """Tell all that is due, and draw the badges as things are: the cell is stored so."""
        while self._lines:
            print(self._lines.popleft())  # noqa: T201
        try:
            self._teller.end(error)
        finally:
            self._badges.flush()

    def _shown_within(self) -> BaseException | None:
        """Return the exception whose traceback `%run` or a cell within this one showed, if any."""
        shown = _last_shown()
        return None if shown is self._shown_before else shown

    def _request(self) -> str:
        """Return which of the frontend's requests runs now; cells within cells share it."""
        return str(self._header().get("msg_id", ""))

    def _header(self) -> dict[str, Any]:
        parent: dict[str, Any] = getattr(self.shell, "get_parent", dict)() or {}
        header: dict[str, Any] = parent.get("header", {})
        return header


def _last_shown() -> BaseException | None:
    """Return the exception whose traceback was shown last, wherever it was caught."""
    return getattr(sys, "last_value", None)

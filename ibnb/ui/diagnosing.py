"""One diagnosis in a cell: the panel while it runs, then the report, and what its buttons do."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING

from ibnb.session.notebook.event_loop import current_loop, run

from .display import Shown, show, show_widget

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ibnb.app import App
    from ibnb.diagnostics import Check, Diagnosis, Question, Report, Result

    from .panel import DiagnosisPanel

WITHOUT_WIDGETS = "Run this cell again to diagnose again."


def report_of(diagnosis: Diagnosis) -> Report:
    """Wait for a report from synchronous code, on the loop: joining a thread would starve it.

    An interrupt stops the diagnosis, and is raised again when its connection is closed.
    """
    try:
        return run(diagnosis.report())
    finally:
        # Also where the interrupt cost the wait its last step: a diagnosis that is over is left.
        diagnosis.stop()


class _Bridge:
    """Hands what a diagnosis tells over from its own thread to the loop of the kernel."""

    def __init__(self, loop: asyncio.AbstractEventLoop, panel: DiagnosisPanel) -> None:
        self._loop = loop
        self._panel = panel
        # What is drawn belongs to the cell that diagnoses, or to the click that did it again.
        self._context = contextvars.copy_context()
        self._is_over = False

    def on_start(self, checks: tuple[Check, ...]) -> None:
        self._hand_over(self._panel.on_start, checks)

    def on_result(self, result: Result) -> None:
        self._hand_over(self._panel.on_result, result)

    def on_wait(self, seconds_left: float, tries: int, report: Report) -> None:
        self._hand_over(self._panel.on_wait, seconds_left, tries, report)

    def on_report(self, report: Report) -> None:
        """Tell the panel nothing yet: the diagnosis may be repeated, and its connection be open."""

    def end(self) -> None:
        """Drop what is still on its way: the report must come last."""
        self._is_over = True

    def _hand_over(self, function: Callable[..., None], *values: object) -> None:
        context = self._context.copy()
        self._loop.call_soon_threadsafe(self._take, function, values, context=context)

    def _take(self, function: Callable[..., None], values: tuple[object, ...]) -> None:
        if not self._is_over:
            function(*values)


class Diagnosing:
    """A diagnosis that shows itself, can be stopped, and can be run again in place.

    Its buttons may be clicked on any thread, also while the cell still waits: what they change is
    changed on the kernel's loop.
    """

    def __init__(self, app: App, question: Question, *, widgets: bool, boundary: bool) -> None:
        self._app = app
        self._boundary = boundary
        self._question = question
        self._loop = current_loop()
        self._widgets = widgets
        self._panel: DiagnosisPanel | None = None
        self._shown: Shown | None = None
        self._diagnosis: Diagnosis | None = None
        self._bridge: _Bridge | None = None
        self._is_to_stop = False

    def run(self) -> Report:
        """Diagnose and show it; returns the report when it is there.

        An interrupt shows what was found until then, before it is raised.
        """
        if self._widgets:
            from .panel import DiagnosisPanel

            self._panel = DiagnosisPanel(
                self,
                self._show,
                call_later=self._loop.call_later,
                boundary=self._boundary,
                show_accounts=self._app.settings.show_accounts,
            )
            show_widget(self._panel.widget, WITHOUT_WIDGETS)
            self._panel.on_start(self._question.checks())
        diagnosis = self._start()
        try:
            return report_of(diagnosis)
        finally:
            if diagnosis.done():
                self._ended(diagnosis)
            else:
                # An interrupt cost the wait its last step: the diagnosis ends soon.
                self._end_later(diagnosis)

    def close(self) -> None:
        """Stop what runs and close the widgets; the report stays as it is."""
        if self._diagnosis is not None:
            self._diagnosis.stop()
        if self._panel is not None:
            self._panel.close()
            self._panel = None

    def run_again(self) -> None:
        """Start over."""
        self._loop.call_soon_threadsafe(self._start_again)

    def stop(self) -> None:
        """End the diagnosis that runs, with what is known so far."""
        # The button is there before the diagnosis.
        self._is_to_stop = True
        diagnosis = self._diagnosis
        if diagnosis is not None:
            diagnosis.stop()

    def _start(self) -> Diagnosis:
        if self._panel is not None:
            self._bridge = _Bridge(self._loop, self._panel)
        observers = [self._bridge] if self._bridge is not None else []
        self._diagnosis = self._app.start_diagnosis(self._question, observers)
        if self._is_to_stop:
            self._diagnosis.stop()
        return self._diagnosis

    def _start_again(self) -> None:
        if self._diagnosis is None and self._panel is not None:
            self._end_later(self._start())

    def _end_later(self, diagnosis: Diagnosis) -> None:
        diagnosis.add_done_callback(
            lambda _: self._loop.call_soon_threadsafe(self._ended, diagnosis)
        )

    def _ended(self, diagnosis: Diagnosis) -> None:
        self._diagnosis = None
        self._is_to_stop = False
        if self._bridge is not None:
            self._bridge.end()
        error = diagnosis.exception()
        if error is None:
            report = diagnosis.result()
            if self._panel is not None:
                self._panel.on_report(report)
            self._show_report(report)
        elif self._panel is not None:
            # Nobody waits for one that was run again: what is not shown is seen nowhere.
            self._panel.on_problem(f"The diagnosis failed: {type(error).__name__}: {error}")

    def _show_report(self, report: Report) -> None:
        from .html import report_html
        from .text import report_text

        accounts, boundary = self._app.settings.show_accounts, self._boundary
        in_place = self._panel is not None
        self._show(
            report_text(report, magics=True, boundary=boundary, show_accounts=accounts),
            report_html(report, boundary=boundary, in_place=in_place, show_accounts=accounts),
        )

    def _show(self, text: str, html: str) -> None:
        """Show something in the place of what was shown before."""
        if self._shown is None:
            self._shown = show(text, html, live=True)
        else:
            self._shown.update(text, html)

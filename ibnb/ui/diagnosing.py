"""One diagnosis in a cell: the panel while it runs, then the report, and what its buttons do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibnb.session.notebook.event_loop import current_loop, run

from .show import Shown, show, show_widget

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

    def on_start(self, checks: tuple[Check, ...]) -> None:
        self._hand_over(self._panel.on_start, checks)

    def on_result(self, result: Result) -> None:
        self._hand_over(self._panel.on_result, result)

    def on_wait(self, seconds_left: float, tries: int, report: Report) -> None:
        self._hand_over(self._panel.on_wait, seconds_left, tries, report)

    def on_report(self, report: Report) -> None:
        """Tell the panel nothing yet: the diagnosis may be repeated, and its connection be open."""

    def _hand_over(self, function: Callable[..., None], *values: object) -> None:
        self._loop.call_soon_threadsafe(function, *values)


class Diagnosing:
    """A diagnosis that shows itself, can be stopped, and can be run again in place.

    Its buttons may be clicked on any thread, also while the cell still waits: what they change is
    changed on the kernel's loop.
    """

    def __init__(self, app: App, question: Question, *, widgets: bool) -> None:
        self._app = app
        self._question = question
        self._loop = current_loop()
        self._widgets = widgets
        self._panel: DiagnosisPanel | None = None
        self._shown: Shown | None = None
        self._diagnosis: Diagnosis | None = None
        self._report: Report | None = None
        self._explained = False

    def run(self) -> Report:
        """Diagnose and show it; returns the report when it is there.

        An interrupt shows what was found until then, before it is raised.
        """
        if self._widgets:
            from .panel import DiagnosisPanel

            self._panel = DiagnosisPanel(
                self,
                call_later=self._loop.call_later,
                show_accounts=self._app.settings.show_accounts,
            )
            show_widget(self._panel.widget, WITHOUT_WIDGETS)
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
        diagnosis = self._diagnosis
        if diagnosis is not None:
            diagnosis.stop()

    def explain(self) -> None:
        """Show the page of the verdict below the report, or hide it again."""
        self._loop.call_soon_threadsafe(self._turn_page)

    def _start(self) -> Diagnosis:
        observers = [_Bridge(self._loop, self._panel)] if self._panel is not None else []
        self._diagnosis = self._app.start_diagnosis(self._question, observers)
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
        error = diagnosis.exception()
        if error is None:
            self._report = diagnosis.result()
            self._explained = False
            if self._panel is not None:
                # On the loop, as everything before it: what is still on its way must not come last.
                self._loop.call_soon(self._panel.on_report, self._report)
            self._show()
        elif self._panel is not None:
            # Nobody waits for one that was run again: what is not shown is seen nowhere.
            said = f"The diagnosis failed: {type(error).__name__}: {error}"
            self._loop.call_soon(self._panel.on_problem, said)

    def _turn_page(self) -> None:
        self._explained = not self._explained
        self._show()
        if self._panel is not None:
            self._panel.on_explained(shown=self._explained)

    def _show(self) -> None:
        from ibnb.diagnostics import explain_verdict

        from .html import explanation_html, report_html
        from .text import explanation_text, report_text

        if self._report is None:
            return
        accounts = self._app.settings.show_accounts
        text = report_text(self._report, magics=True, show_accounts=accounts)
        html = report_html(self._report, show_accounts=accounts)
        page = explain_verdict(self._report) if self._explained else None
        if page is not None:
            text += f"\n\n{explanation_text(page, show_accounts=accounts)}"
            html += explanation_html(page, show_accounts=accounts)
        if self._shown is None:
            self._shown = show(text, html, live=True)
        else:
            self._shown.update(text, html)

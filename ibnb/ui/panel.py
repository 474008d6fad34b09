"""The diagnosis panel: the part of a diagnosis that moves or is clicked, as a widget.

While checks run it shows them filling in, and can be told to stop. Afterwards only a toolbar is
left of it: the report is displayed as plain HTML beside it, so that it stays when the widget's
kernel is gone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from .buttons import answer_while_busy, button, close_widget
from .foreign import clean
from .html import progress_html, render
from .progress import repeat_view
from .text import report_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibnb.diagnostics.model import Check, Report, Result

    from .progress import Repeat

UPDATE_GAP = 0.25
"""Seconds between two updates: at most 4 a second reach the browser."""

COPY_SCRIPT = """\
const b = this, text = b.dataset.text;
const say = what => { b.textContent = what;
  setTimeout(() => { b.textContent = 'Copy'; }, 2000); };
const old = () => { const area = document.createElement('textarea'); area.value = text;
  area.style.position = 'fixed'; area.style.opacity = '0';
  document.body.appendChild(area); area.select(); let ok = false;
  try { ok = document.execCommand('copy'); } catch (error) { ok = false; }
  area.remove(); b.focus(); say(ok ? '✓ Copied' : '✗ Not copied'); };
if (navigator.clipboard) {
  navigator.clipboard.writeText(text).then(() => say('✓ Copied'), old); } else { old(); }
"""
"""What the Copy button does: the clipboard first; where the page may not use that, a selection."""

STOP, STOPPING = "■ Stop", "Stopping…"
EXPLAIN, HIDE = "▸ Explain", "▾ Hide page"


class CallLater(Protocol):
    """How the panel asks to be called again: as ``loop.call_later`` of an event loop does."""

    def __call__(self, delay: float, callback: Callable[[], None], /) -> object:
        """Call `callback` after `delay` seconds, on the thread that asked."""


class Actions(Protocol):
    """What the panel's buttons do.

    Each is called on whichever thread ipywidgets handles clicks (not always the loop's: go there
    with ``call_soon_threadsafe``). What it raises is shown in the panel as one line.
    """

    def run_again(self) -> None:
        """Run the same diagnosis again."""

    def stop(self) -> None:
        """End the diagnosis, also one that is repeated, with what is known so far."""

    def explain(self) -> None:
        """Show the page of the verdict below the report, or hide it again."""


class DiagnosisPanel:
    """Shows a diagnosis while it runs, with Stop; then shrinks to a toolbar.

    Display `widget` once. The ``on_...`` methods are those of an observer of the runner; call them
    on the kernel's loop thread. A panel may observe one diagnosis after another.

    Args:
        actions: what a click does.
        call_later: as `asyncio.loop.call_later` of the kernel's loop.
        clock: a monotonic clock, in seconds.
        show_accounts: whether account numbers are shown in full.
    """

    def __init__(
        self,
        actions: Actions,
        *,
        call_later: CallLater,
        clock: Callable[[], float] = time.monotonic,
        show_accounts: bool = False,
    ) -> None:
        from ipywidgets import Box, Layout

        self._actions = actions
        self._call_later = call_later
        self._clock = clock
        self._show_accounts = show_accounts
        self._checks: tuple[Check, ...] = ()
        self._results: list[Result] = []
        self._report: Report | None = None
        self._repeat: Repeat | None = None
        self._drawn_at: float | None = None
        self._waiting = False
        self._closed = False
        # ipywidgets is untyped: widgets are Any in this class. One of the two is empty.
        self._progress: dict[str, Any] = {}
        self._toolbar: dict[str, Any] = {}
        self.widget: Any = Box(
            layout=Layout(display="flex", flex_flow="row wrap", align_items="center")
        )

    def on_start(self, checks: Sequence[Check]) -> None:
        """Show the checks of a diagnosis that begins, none of them ended."""
        self._checks = tuple(checks)
        self._results = []
        self._report = None
        self._changed()

    def on_result(self, result: Result) -> None:
        """Fill in what one check found."""
        self._results.append(result)
        self._changed()

    def on_wait(self, seconds_left: float, tries: int, report: Report) -> None:
        """Show that the diagnosis is repeated until the gateway is healthy.

        Args:
            seconds_left: how long it goes on, at most.
            tries: how many diagnoses there were so far.
            report: what the last of them came to.
        """
        accounts = self._show_accounts
        self._repeat = repeat_view(seconds_left, tries, report, show_accounts=accounts)
        self._report = None
        self._changed()

    def on_report(self, report: Report) -> None:
        """Shrink to the toolbar: the diagnosis is over."""
        self._report = report
        self._repeat = None
        self._changed()

    def on_problem(self, text: str) -> None:
        """Show in one line that the diagnosis itself failed, with the toolbar to run it again."""
        self._repeat = None
        self._show_toolbar()
        self._show_problem(clean(text, show_accounts=self._show_accounts))

    def on_explained(self, *, shown: bool) -> None:
        """Let the Explain button say what its next click does."""
        explain = self._toolbar.get("explain")
        if explain is not None:
            explain.description = HIDE if shown else EXPLAIN

    def close(self) -> None:
        """Close every widget that the panel made. Further calls of the panel change nothing."""
        if self._closed:
            return
        self._closed = True
        _close_all(self._toolbar)
        _close_all(self._progress)
        close_widget(self.widget)

    def _changed(self) -> None:
        if self._closed or self._waiting:
            return
        since = None if self._drawn_at is None else self._clock() - self._drawn_at
        if since is None or since >= UPDATE_GAP:
            self._draw()
        else:
            self._waiting = True
            self._call_later(UPDATE_GAP - since, self._draw_late)

    def _draw_late(self) -> None:
        self._waiting = False
        if not self._closed:
            self._draw()

    def _draw(self) -> None:
        from ibnb.diagnostics import explain_verdict

        self._drawn_at = self._clock()
        if self._report is None:
            self._draw_progress()
        else:
            self._show_toolbar()
            accounts = self._show_accounts
            text = report_text(self._report, magics=True, show_accounts=accounts)
            self._toolbar["copy"].value = render("copy", text=text, script=COPY_SCRIPT)
            has_page = explain_verdict(self._report) is not None
            self._toolbar["explain"].layout.display = None if has_page else "none"

    def _draw_progress(self) -> None:
        html = progress_html(
            self._checks, self._results, repeat=self._repeat, show_accounts=self._show_accounts
        )
        if self._progress:
            self._progress["bar"].value = html
            return
        from ipywidgets import HTML, Layout

        stop = button(STOP, "End the diagnosis and show what is known so far", self._on_stop)
        bar = HTML(html, layout=Layout(width="100%"))
        self._progress = {"stop": stop, "error": HTML(), "bar": bar}
        answer_while_busy(stop)
        self.widget.children = tuple(self._progress.values())
        _close_all(self._toolbar)

    def _show_toolbar(self) -> None:
        if self._closed:
            return
        if not self._toolbar:
            from ipywidgets import HTML

            again = button("↻ Run again", "Run the same diagnosis again", self._on_again)
            explain = button(EXPLAIN, "Show the page of the verdict", self._on_explain)
            self._toolbar = {"again": again, "copy": HTML(), "explain": explain, "error": HTML()}
        self.widget.children = tuple(self._toolbar.values())
        _close_all(self._progress)

    def _on_again(self, clicked: Any) -> None:
        clicked.disabled = True
        try:
            self._act("run again", self._actions.run_again)
        finally:
            clicked.disabled = False

    def _on_stop(self, clicked: Any) -> None:
        # It stays so until the report comes and the button goes.
        clicked.disabled = self._act("stop", self._actions.stop)
        clicked.description = STOPPING if clicked.disabled else STOP

    def _on_explain(self, _clicked: Any) -> None:
        self._act("explain", self._actions.explain)

    def _act(self, what: str, action: Callable[[], None]) -> bool:
        """Do what was clicked; say in one line what failed, which ipywidgets would swallow."""
        self._show_problem("")
        try:
            action()
        except Exception as error:  # noqa: BLE001 - see above: it is shown
            said = clean(f"{type(error).__name__}: {error}", show_accounts=self._show_accounts)
            self._show_problem(f"Could not {what}: {said}")
            return False
        return True

    def _show_problem(self, text: str) -> None:
        # A click may come on another thread than the loop's: nothing but the widget is touched.
        widget = (self._toolbar or self._progress).get("error")
        if widget is not None:
            widget.value = render("problem", text=text) if text else ""


def _close_all(widgets: dict[str, Any]) -> None:
    for widget in widgets.values():
        close_widget(widget)
    widgets.clear()

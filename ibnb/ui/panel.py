"""The diagnosis panel: what is clicked is a widget, what is read is plain HTML beside it.

A row of buttons stays as it is: one that stops the diagnosis and later runs it again, and one that
copies the report. What is shown under it is drawn by whoever made the panel: the checks as they
end, and the report in their place, which stays when the kernel is gone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Protocol

from .html import progress_html, render
from .progress import repeat_view
from .sanitise import clean
from .text import report_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ibnb.diagnostics.model import Check, Report, Result

    from .progress import Repeat

UPDATE_GAP = 0.34
"""Seconds between two updates: with the report at most 4 a second reach the browser."""

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
AGAIN, STARTING = "↻ Run again", "Starting…"
TOOLTIPS = {
    STOP: "End the diagnosis and show what is known so far",
    AGAIN: "Run the same diagnosis again",
}
DIAGNOSING = "Diagnosing"
"""Stands for a diagnosis under way where no HTML can be shown."""


class Actions(Protocol):
    """What the panel's buttons do.

    Each is called on whichever thread ipywidgets handles clicks (not always the loop's: go there
    with ``call_soon_threadsafe``). What it raises is shown in the panel as one line.
    """

    def run_again(self) -> None:
        """Run the same diagnosis again."""

    def stop(self) -> None:
        """End the diagnosis, also one that is repeated, with what is known so far."""


class DiagnosisPanel:
    """Shows a diagnosis while it runs, with a button that stops it; later, that runs it again.

    Display `widget` once. The ``on_...`` methods are those of an observer of the runner; call them
    on the kernel's loop thread. A panel may observe one diagnosis after another. The button is one
    and the same all the time, so whoever pressed it has it under his finger still.

    Args:
        actions: what a click does.
        draw: shows the progress, as text and as HTML, in the place of what was shown before.
        call_later: calls a function so many seconds later, as `asyncio.loop.call_later` of the
            kernel's loop.
        clock: a monotonic clock, in seconds.
        boundary: whether it says what a diagnosis is not, as its report will.
        show_accounts: whether account numbers are shown in full.
    """

    def __init__(
        self,
        actions: Actions,
        draw: Callable[[str, str], None],
        *,
        call_later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float] = time.monotonic,
        boundary: bool = False,
        show_accounts: bool = False,
    ) -> None:
        from ipywidgets import HTML, Box, Button, Layout

        self._actions = actions
        self._draw_html = draw
        self._call_later = call_later
        self._clock = clock
        self._boundary = boundary
        self._show_accounts = show_accounts
        self._checks: tuple[Check, ...] = ()
        self._results: list[Result] = []
        self._repeat: Repeat | None = None
        self._drawn_at: float | None = None
        self._waiting = False
        self._is_running = True
        self._closed = False
        # ipywidgets is untyped: widgets are Any in this class.
        self._button: Any = Button(
            description=STOP, tooltip=TOOLTIPS[STOP], layout=Layout(width="9em")
        )
        self._button.on_click(self._on_click)
        self._copy: Any = HTML()
        self._error: Any = HTML()
        _answer_while_busy(self._button)
        self.widget: Any = Box(
            (self._button, self._copy, self._error),
            layout=Layout(display="flex", flex_flow="row wrap", align_items="center"),
        )

    def on_start(self, checks: Sequence[Check]) -> None:
        """Show the checks of a diagnosis that begins, none of them ended."""
        self._checks = tuple(checks)
        self._results = []
        self._is_running = True
        if self._button.description != STOPPING:
            self._set_button(STOP)
        self._set(self._copy, "")
        self._show_problem("")
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
        self._changed()

    def on_report(self, report: Report) -> None:
        """Offer to run it again, and to copy the report, as the diagnosis is over."""
        text = report_text(report, magics=True, show_accounts=self._show_accounts)
        self._over()
        self._set(self._copy, render("copy", text=text, script=COPY_SCRIPT))

    def on_problem(self, text: str) -> None:
        """Show in one line that the diagnosis itself failed, and offer to run it again."""
        self._over()
        self._show_problem(clean(text, show_accounts=self._show_accounts))

    def close(self) -> None:
        """Close every widget that the panel made. Further calls of the panel change nothing."""
        if self._closed:
            return
        self._closed = True
        for widget in (self._button, self._copy, self._error, self.widget):
            _close(widget)

    def _over(self) -> None:
        self._is_running = False
        self._repeat = None
        self._set_button(AGAIN)

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
        # What came too late must not take the place of the report.
        if self._is_running:
            self._drawn_at = self._clock()
            html = progress_html(
                self._checks,
                self._results,
                repeat=self._repeat,
                boundary=self._boundary,
                show_accounts=self._show_accounts,
            )
            self._draw_html(DIAGNOSING, html)

    def _on_click(self, _clicked: Any) -> None:
        if self._button.description == STOP:
            done = self._act("stop", self._actions.stop)
            self._set_button(STOPPING if done else STOP)
        elif self._button.description == AGAIN:
            # Before it is done, which may be at once.
            self._set_button(STARTING)
            if not self._act("run again", self._actions.run_again):
                self._set_button(AGAIN)

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
        self._set(self._error, render("problem", text=text) if text else "")

    def _set(self, widget: Any, html: str) -> None:
        if not self._closed:
            widget.value = html

    def _set_button(self, description: str) -> None:
        if self._closed:
            return
        self._button.description = description
        self._button.tooltip = TOOLTIPS.get(description, "")
        _answer_while_busy(self._button)


def _answer_while_busy(widget: Any) -> None:
    """Let clicks be handled while a cell runs, where the frontend sends them to a subshell.

    ipykernel 7.4 brings them back to the shell that a widget was last changed from, where they wait
    until the cell is over; 7.1 and 7.3 do not, and earlier ones have no subshells at all.
    """
    # That shell is kept in this one attribute; where it is not there, the frontend's choice counts.
    vars(widget.comm).pop("_reply_subshell_id", None)


def _close(widget: Any) -> None:
    """Close a widget with its layout and style, which are models of their own and would stay."""
    for part in (widget.layout, getattr(widget, "style", None), widget):
        if part is not None:
            part.close()

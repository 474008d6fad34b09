"""The badge: how an `IB` object shows itself, kept up to date while its connection lives."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ibnb.session.library.names import NAMES

from .display import Shown, show

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.session import Health

    from .running import RunningCell

UPDATE_SECONDS = 0.25
"""At most four updates a second reach the browser, whatever the gateway does."""
MOST_LIVE = 32
"""As many as a gateway has clients."""
GONE = "its `IB` object no longer exists"


def show_badge(health: Health, *, show_accounts: bool, live: bool = False) -> Shown:
    """Display a badge."""
    return show(*_forms(health, show_accounts=show_accounts), live=live)


def _forms(health: Health, *, show_accounts: bool) -> tuple[str, str]:
    from .html import badge_html
    from .text import badge_text

    return (
        badge_text(health, show_accounts=show_accounts),
        badge_html(health, show_accounts=show_accounts),
    )


@dataclass
class _Live:
    """A badge that is redrawn: whose it is, and of what it was drawn last.

    One for an `IB` object, in however many cells it is shown: an update is one message for all.
    `stored` is what was drawn last within a cell that ran. What is drawn while none runs reaches a
    browser, but no notebook that is executed without one.
    """

    ib: weakref.ref[Any]
    shown: Shown
    drawn: tuple[Health, bool]
    stored: tuple[Health, bool]


class Badges:
    """Draws `IB` objects on a line of their own, and redraws them when their health changes."""

    def __init__(self, shell: Any, app: App, running: RunningCell) -> None:
        self._running = running
        self._formatter = shell.display_formatter.ipython_display_formatter
        self._app = app
        self._in_notebook = getattr(shell, "kernel", None) is not None
        self._live: list[_Live] = []
        self._due: asyncio.TimerHandle | None = None

    def enter(self) -> None:
        """Register for the `IB` classes of both libraries, imported or not."""
        for name in NAMES:
            self._formatter.for_type_by_name(f"{name}.ib", "IB", self._display)
        self._app.session.listeners.append(self._changed)

    def leave(self) -> None:
        """Take the registration back; what is shown is drawn a last time, as it is now."""
        self._app.session.listeners.remove(self._changed)
        for name in NAMES:
            with contextlib.suppress(KeyError):
                self._formatter.pop(f"{name}.ib.IB")
        if self._due is not None:
            self._due.cancel()
        self.flush()
        self._live.clear()

    def flush(self) -> None:
        """Draw at once what has changed, as a cell ends: what is stored then is true."""
        if self._in_notebook and self._live:
            self._draw(stored=True)

    def _display(self, ib: Any) -> None:
        health, show_accounts = now = self._now(ib)
        for live in self._live:
            if live.ib() is ib:
                # Drawn anew here alone: what other cells show of it is as old as before.
                live.shown.show_again(*_forms(health, show_accounts=show_accounts))
                # What is stored of the others may be older: they are drawn again at the end.
                live.drawn = now
                return
        shown = show_badge(health, show_accounts=show_accounts, live=self._in_notebook)
        self._live = [*self._live[1 - MOST_LIVE :], _Live(weakref.ref(ib), shown, now, now)]

    def _now(self, ib: Any) -> tuple[Health, bool]:
        return self._app.session.health(ib), self._app.settings.show_accounts

    def _changed(self) -> None:
        home = self._app.session.home
        if self._live and self._due is None and home is not None and not home.is_closed():
            self._due = home.call_later(UPDATE_SECONDS, self._redraw)

    def _redraw(self) -> None:
        self._due = None
        self._running.within(lambda: self._draw(stored=self._running.is_running))

    def _draw(self, *, stored: bool) -> None:
        """Draw every badge whose health has changed since it was drawn, or since it was stored."""
        kept = []
        for live in self._live:
            ib = live.ib()
            now = self._now(ib) if ib is not None else _gone(live.drawn)
            if now != live.drawn or (stored and now != live.stored):
                health, show_accounts = live.drawn = now
                live.shown.update(*_forms(health, show_accounts=show_accounts))
            if stored:
                live.stored = now
            is_final = now[0].stale or ib is None
            if not (is_final and now == live.stored):
                kept.append(live)
        self._live = kept


def _gone(drawn: tuple[Health, bool]) -> tuple[Health, bool]:
    """Return the health of what nobody has any more: a library closes what is dropped."""
    from ibnb.tws.notices import Link

    health, show_accounts = drawn
    if health.stale or health.state == "closed":
        return drawn
    return replace(health, state="closed", reason=GONE, link=Link(), notices=()), show_accounts

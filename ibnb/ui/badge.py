"""The badge: how an `IB` object shows itself, kept up to date while its connection lives."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ibnb.session.libraries import NAMES

from .show import Shown, show

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.session import Health

UPDATE_SECONDS = 0.25
"""At most four updates a second reach the browser, whatever the gateway does."""
MOST_LIVE = 8


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
    """

    ib: weakref.ref[Any]
    shown: Shown
    drawn: tuple[Health, bool]


class Badges:
    """Draws `IB` objects on a line of their own, and redraws them when their health changes."""

    def __init__(self, shell: Any, app: App) -> None:
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
        self._redraw()
        self._live.clear()

    def _display(self, ib: Any) -> None:
        health, show_accounts = now = self._now(ib)
        for live in self._live:
            if live.ib() is ib:
                # Drawn anew here alone: what other cells show of it is as old as before.
                live.shown.show_again(*_forms(health, show_accounts=show_accounts))
                return
        shown = show_badge(health, show_accounts=show_accounts, live=self._in_notebook)
        self._live = [*self._live[1 - MOST_LIVE :], _Live(weakref.ref(ib), shown, now)]

    def _now(self, ib: Any) -> tuple[Health, bool]:
        return self._app.session.health(ib), self._app.settings.show_accounts

    def _changed(self) -> None:
        home = self._app.session.home
        if self._live and self._due is None and home is not None and not home.is_closed():
            self._due = home.call_later(UPDATE_SECONDS, self._redraw)

    def _redraw(self) -> None:
        self._due = None
        kept = []
        for live in self._live:
            ib = live.ib()
            if ib is None:
                continue
            health, show_accounts = now = self._now(ib)
            if now != live.drawn:
                live.shown.update(*_forms(health, show_accounts=show_accounts))
                live.drawn = now
            if not health.stale:
                kept.append(live)
        self._live = kept

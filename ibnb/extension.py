"""Loading and unloading: what the extension adds to a shell, and takes away again."""

from __future__ import annotations

import atexit
import weakref
from typing import Any

from ibnb.app import App, current_app, set_app
from ibnb.magics import IbMagics
from ibnb.session import Session
from ibnb.session.guard import Guard
from ibnb.session.handlers import BlockingCalls
from ibnb.session.libraries import notice_loggers
from ibnb.session.loops import current_loop, patch_loop
from ibnb.session.origins import Origins
from ibnb.session.quiet import NoticeLines
from ibnb.session.succession import Succession
from ibnb.ui.badge import Badges
from ibnb.ui.cells import Cells
from ibnb.ui.notebook import notebook_name, reachable
from ibnb.ui.values import Values
from ibnb.wishes import Place

ATTRIBUTE = "_ibnb"
_histories: weakref.WeakKeyDictionary[Any, Succession] = weakref.WeakKeyDictionary()
"""What is known of each shell's earlier connections: it outlives an unloading."""


class Extension:
    """Everything of one loading: made by `load`, taken back by `unload`."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        in_notebook = getattr(shell, "kernel", None) is not None
        self.magics = IbMagics(shell=shell)
        before = current_app()
        # What `ibnb.connect` opened before this goes on being the notebook's one connection.
        session = before.session if before is not None else Session(_histories.get(shell))
        # Code of earlier runs is known as such for as long as the shell lives.
        _histories[shell] = session.holdings.succession
        self.app = App(self.magics, session=session)
        self.cells = Cells(shell, self.app)
        self.badges = Badges(shell, self.app)
        self.values = Values(shell, self.app)
        self.app.place = Place(notebook_name(shell), in_notebook, self.magics.at_hand)
        self.app.waiting = self.cells.waiting
        self.guard = Guard(
            self.app.session,
            enabled=lambda: bool(self.magics.guard),
            wait=self.app.wait_for,
            waiting=self.cells.waiting,
            reachable=lambda: reachable(shell),
        )
        loop = current_loop() if in_notebook else None
        self.origins = Origins(self.app.session.holdings.succession, loop)
        self.blocking_calls = BlockingCalls(current_loop() if in_notebook else None)
        self.notice_lines = NoticeLines(notice_loggers(), wanted=lambda: bool(self.magics.explain))
        self.magics.attach(self.app, self.cells)
        if in_notebook:
            self.app.session.home = current_loop()
        self.app_before = set_app(self.app)

    def enter(self) -> None:
        """Add magics, events and formatters to the shell."""
        self.shell.register_magics(self.magics)
        self.magics.add_completion()
        atexit.register(self.app.session.close_at_exit)
        self.cells.enter(self.guard)
        self.guard.enter()
        self.origins.enter()
        self.blocking_calls.enter()
        self.notice_lines.install()
        self.badges.enter()
        self.values.enter()

    def leave(self) -> None:
        """Take them away again, and close what is open."""
        self.notice_lines.remove()
        self.blocking_calls.leave()
        self.origins.leave()
        self.guard.leave()
        self.app.close()
        self.values.leave()
        self.badges.leave()
        self.cells.leave()
        self.magics.remove()
        atexit.unregister(self.app.session.close_at_exit)
        set_app(self.app_before)


def load(shell: Any) -> None:
    """Add ibnb to a shell; where it is already there, nothing changes."""
    if getattr(shell, ATTRIBUTE, None) is not None:
        return
    if getattr(shell, "kernel", None) is not None and patch_loop():
        print(  # noqa: T201 - what a user is told when loading
            "ibnb: nest_asyncio was active, which drops queued cells; nest-asyncio2 replaced it."
        )
    extension = Extension(shell)
    extension.enter()
    setattr(shell, ATTRIBUTE, extension)


def unload(shell: Any) -> None:
    """Leave a shell as it was before `load`; the loop patch alone stays, it has no undo."""
    extension = getattr(shell, ATTRIBUTE, None)
    if extension is not None:
        delattr(shell, ATTRIBUTE)
        extension.leave()

"""Loading and unloading: what the extension adds to a shell, and takes away again."""

from __future__ import annotations

import atexit
import weakref
from contextlib import ExitStack
from typing import Any

from .app import App, current_app, set_app
from .context import NotebookContext
from .magics import IbMagics
from .preparing import Preparing
from .session import Session
from .session.guard import Guard
from .session.library.blocking_calls import BlockingCalls
from .session.library.libraries import notice_loggers
from .session.notebook.event_loop import current_loop, patch_loop
from .session.notebook.origins import Origins
from .session.notebook.succession import Succession
from .session.opening.log_filters import NoticeLines
from .ui.badge import Badges
from .ui.cells import Cells
from .ui.formatters import Values
from .ui.legal import Boundary
from .ui.notebook import notebook_name, reachable
from .ui.running import RunningCell

ATTRIBUTE = "_ibnb"
NAME = "ibnb"
_histories: weakref.WeakKeyDictionary[Any, Succession] = weakref.WeakKeyDictionary()
"""What is known of each shell's earlier connections: it outlives an unloading."""


class Extension:
    """Everything of one loading: made by `load`, taken back by `unload`.

    Making it changes nothing of the shell or the process: only `enter` does.
    """

    def __init__(self, shell: Any, before: App | None) -> None:
        self.shell = shell
        self.in_notebook = getattr(shell, "kernel", None) is not None
        self.magics = IbMagics(shell=shell)
        self.app_before = before
        # What `ibnb.connect` opened before this goes on being the notebook's one connection.
        session = before.session if before is not None else Session(_histories.get(shell))
        # Code of earlier runs is known as such for as long as the shell lives.
        _histories[shell] = session.registry.succession
        self.app = App(self.magics, session=session)
        running = RunningCell()
        self.badges = Badges(shell, self.app, running)
        boundary = Boundary()
        self.cells = Cells(shell, self.app, running, self.badges, boundary)
        self.values = Values(shell, self.app, boundary)
        self.app.context = NotebookContext(
            notebook_name(shell),
            self.in_notebook,
            self.magics.at_hand,
            has_magics=True,
            name=self.magics.name_at_hand,
        )
        self.app.waiting = self.cells.waiting
        self.guard = Guard(
            self.app.session,
            enabled=lambda: bool(self.magics.guard),
            wait=self.app.usual_wait,
            waiting=self.cells.waiting,
            reachable=lambda: reachable(shell),
        )
        loop = current_loop() if self.in_notebook else None
        self.origins = Origins(self.app.session.registry.succession, loop)
        self.blocking_calls = BlockingCalls(loop)
        self.notice_lines = NoticeLines(notice_loggers(), self.app.session.journal)
        self.magics.attach(self.app, self.cells)
        self.reloading = Reloading(shell)
        self.preparing = Preparing(self.app.notebook_leases.prepare)
        self._undo = ExitStack()

    def enter(self) -> None:
        """Add magics, events and formatters to the shell; all or, where that fails, nothing."""
        with ExitStack() as undo:
            set_app(self.app)
            undo.callback(set_app, self.app_before)
            undo.callback(self.app.claim())
            if self.in_notebook:
                self.app.session.home = current_loop()
            atexit.register(self.app.session.close_at_exit)
            undo.callback(atexit.unregister, self.app.session.close_at_exit)
            self.magics.enter()
            undo.callback(self.magics.leave)
            self.reloading.enter()
            undo.callback(self.reloading.leave)
            self.cells.enter(self.guard)
            undo.callback(self.cells.leave)
            self.badges.enter()
            undo.callback(self.badges.leave)
            self.values.enter()
            undo.callback(self.values.leave)
            closing = undo.enter_context(ExitStack())
            self.guard.enter()
            undo.callback(self.guard.leave)
            self.origins.enter()
            undo.callback(self.origins.leave)
            self.blocking_calls.enter()
            undo.callback(self.blocking_calls.leave)
            self.notice_lines.install()
            undo.callback(self.notice_lines.remove)
            self.preparing.enter()
            undo.callback(self.preparing.leave)
            closing.callback(self.app.close)
            self._undo = undo.pop_all()

    def leave(self) -> None:
        """Take them away again, the last one first, and close what is open."""
        self._undo.close()


class Reloading:
    """Lets `%reload_ext` change the extension in one piece, or not at all.

    IPython unloads an extension, reloads its module and loads it again. What fails on that way
    would leave the user without his connection, and without the magics to open another.
    """

    def __init__(self, shell: Any) -> None:
        self.is_under_way = False
        self._shell = shell
        self._manager = shell.extension_manager
        self._inner: Any = None

    def enter(self) -> None:
        """Begin to go before the extension manager's own reloading."""
        self._inner = self._manager.reload_extension
        self._manager.reload_extension = self._reload

    def leave(self) -> None:
        """Leave it to the manager again, unless somebody else has put his own there since."""
        if vars(self._manager).get("reload_extension") == self._reload:
            del self._manager.reload_extension
            if self._manager.reload_extension != self._inner:
                self._manager.reload_extension = self._inner

    def _reload(self, name: str) -> Any:
        if name != NAME:
            return self._inner(name)
        self.is_under_way = True
        try:
            return self._inner(name)
        except BaseException:
            if hasattr(self._shell, ATTRIBUTE):
                # The manager takes it for unloaded by now.
                self._manager.loaded.add(NAME)
                print("Reloading ibnb failed: it is loaded as before.")  # noqa: T201
            raise
        finally:
            self.is_under_way = False


def load(shell: Any) -> None:
    """Add ibnb to a shell; where it is already there, nothing changes.

    While it is reloaded, the old one is taken away when the new one is made, and not before.
    """
    old: Extension | None = getattr(shell, ATTRIBUTE, None)
    if old is not None and not old.reloading.is_under_way:
        return
    if getattr(shell, "kernel", None) is not None and patch_loop():
        print(  # noqa: T201 - what a user is told when loading
            "ibnb: nest_asyncio was active, which drops queued cells; nest-asyncio2 replaced it."
        )
    extension = Extension(shell, current_app() if old is None else old.app_before)
    try:
        if old is not None:
            _take_away(shell, old)
    finally:
        # Also where the old one could not be closed in good order, as after an interrupt.
        _add(shell, extension, otherwise=old)


def _add(shell: Any, extension: Extension, otherwise: Extension | None = None) -> None:
    try:
        extension.enter()
    except BaseException:
        if otherwise is not None:
            _add(shell, otherwise)
        raise
    setattr(shell, ATTRIBUTE, extension)


def _take_away(shell: Any, extension: Extension) -> None:
    delattr(shell, ATTRIBUTE)
    extension.leave()


def unload(shell: Any) -> None:
    """Leave a shell as it was before `load`; the loop patch alone stays, it has no undo.

    While it is reloaded nothing happens yet: `load` follows.
    """
    extension: Extension | None = getattr(shell, ATTRIBUTE, None)
    if extension is not None and not extension.reloading.is_under_way:
        _take_away(shell, extension)

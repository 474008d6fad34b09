"""Preparing what a first connect needs: whoever imports a library is about to connect.

`%load_ext ibnb` imports only what it needs itself. The rest would cost the first connect some 50
ms; it is imported on a thread meanwhile, and what takes longer the first time is done once. If a
connect comes sooner, it does what is left. No setting is asked for, and nothing is written.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from types import ModuleType

from .session.library.import_hook import ImportHook
from .session.library.names import NAMES

PAUSE_SECONDS = 0.1
"""So long the thread waits: an import that is about to end need not share a processor with it."""
MODULES = (
    *("ibnb.options", "ibnb.planner", "ibnb.explainer", "ibnb.situations"),
    *("ibnb.session.connection", "ibnb.session.opening.retry", "ibnb.session.health"),
    *("ibnb.session.records.requests", "ibnb.tws.notices", "ibnb.tws.target"),
    *("ibnb.session.opening.synchronising", "ibnb.session.results", "ibnb.session.kept"),
    *("ibnb.session.client_ids.leases", "ibnb.session.records.last_good"),
    *("ibnb.session.notebook.reach", "ibnb.session.reconnect.heartbeat"),
    *("ibnb.ui.messages", "ibnb.ui.sections", "ibnb.ui.html", "ibnb.ui.text", "jinja2"),
)
"""What a connect, its badge and its cards import."""
LOG = logging.getLogger("ibnb")


class Preparing:
    """Waits for a library to be imported, between `enter` and `leave`, and then prepares.

    Args:
        prepare: prepares what belongs to this session.
    """

    def __init__(self, prepare: Callable[[], None]) -> None:
        self._prepare_session = prepare
        self._hook = ImportHook([f"{name}.ib" for name in NAMES], self._begin)
        self._timer: threading.Timer | None = None

    def enter(self) -> None:
        """Begin to wait; if a library is there already, prepare now."""
        self._hook.install()

    def leave(self) -> None:
        """Stop waiting; what has begun goes on to its end."""
        self._hook.remove()
        if self._timer is not None:
            self._timer.cancel()

    def _begin(self, library: ModuleType) -> None:
        if self._timer is not None:
            return
        self._timer = threading.Timer(PAUSE_SECONDS, self._prepare, (library,))
        self._timer.name, self._timer.daemon = "ibnb-preparing", True
        self._timer.start()

    def _prepare(self, library: ModuleType) -> None:
        try:
            for name in MODULES:
                importlib.import_module(name)
            self._prepare_session()
            self._make(library)
        except Exception:
            # Whoever needs it meets the same error, where it is seen.
            LOG.debug("not all that a connect needs was prepared", exc_info=True)

    @staticmethod
    def _make(library: ModuleType) -> None:
        """Make what is kept, and takes longer to make than to use."""
        from .options import connect_parser
        from .session.library import noting
        from .ui.html import read_template

        noting.prepare(library.Client)
        connect_parser("%ibconnect").parse_line("")
        for name in ("badge", "style"):
            read_template(name)

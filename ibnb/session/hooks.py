"""What a session asks of those who use it, and what it tells them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .client_ids.notebook_leases import NotebookLeases

if TYPE_CHECKING:
    from ibnb.tws.target import Target

    from .connection import Connection, Resumed
    from .errors import ConnectFailed
    from .notebook.reach import Root


@dataclass(frozen=True)
class Hooks:
    """Given to a session as one value, so that whoever leaves can put back what was there before.

    Attributes:
        announce: is told, in one line, of everything that is closed.
        resumed: is told of each resume that nobody asked for, and of one that was given up.
        opened: is told of each connection that was opened, before its user has it.
        auto_resume: is asked at a loss whether to resume without being told to.
        keep_apart: makes what keeps a try apart from others of this machine at the same gateway.
        guarding: says whether a guard acts on the user's own connects; None if there is no guard.
        reachable: returns what the user's code can reach, its variables above all; None if that
            is not known, and so nothing is known to be free.
        leases: this notebook's client IDs and their leases.
    """

    announce: Callable[[str], None] = lambda _line: None
    resumed: Callable[[Connection, Resumed | ConnectFailed], None] = lambda *_: None
    auto_resume: Callable[[], bool] = lambda: False
    opened: Callable[[Connection], None] = lambda _connection: None
    keep_apart: Callable[[Target], AbstractAsyncContextManager[None]] = lambda _target: (
        nullcontext()
    )
    guarding: Callable[[], bool | None] = lambda: None
    reachable: Callable[[], Iterable[Root]] | None = None
    leases: NotebookLeases = field(default_factory=NotebookLeases)

"""Where this process works, and what its user calls things."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .session.client_ids.ids import working_directory

SIMULATOR = "sim"
"""The target that is a simulated gateway of one's own."""
IB = "ib"
"""The name that `%ibconnect` binds unless it is told another."""


@dataclass
class NotebookContext:
    """Where the process works: the notebook's name, whether it is one, and the `ib` it has.

    The name is found once: whoever changes the directory later works in the same notebook still.
    `has_magics` is True in plain IPython too; `name` is what the user calls the `ib` at hand.
    """

    notebook: str = field(default_factory=working_directory)
    in_notebook: bool = False
    at_hand: Callable[[], Any] = lambda: None
    has_magics: bool = False
    name: Callable[[], str] = lambda: IB

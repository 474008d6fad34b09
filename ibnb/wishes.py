"""What a user asked for, and where: as it was given, before any setting decides."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .session.client_ids.ids import working_directory


@dataclass(frozen=True)
class Wish:
    """What a user asked for, as given; None where nothing was said and the settings decide.

    `name` is the variable that a connection will be bound to, empty if that is not known.
    """

    target: str | int | None = None
    expect: str | None = None
    client_id: int | str | None = None
    account: str | None = None
    timeout: float | None = None
    wait: float | None = None
    readonly: bool | None = None
    library: str | None = None
    trade: bool = False
    resume: bool = False
    name: str = ""


def wish_of(options: Namespace) -> Wish:
    """Return the wish that parsed options say."""
    given = vars(options)
    return Wish(**{name: given[name] for name in Wish.__dataclass_fields__ if name in given})


@dataclass
class Place:
    """Where the process works: the notebook's name, whether it is one, and the `ib` it has.

    The name is found once: whoever changes the directory later works in the same notebook still.
    `has_magics` is True in plain IPython too; `name` is what the user calls the `ib` at hand.
    """

    notebook: str = field(default_factory=working_directory)
    in_notebook: bool = False
    at_hand: Callable[[], Any] = lambda: None
    has_magics: bool = False
    name: Callable[[], str] = lambda: "ib"

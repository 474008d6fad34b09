"""Rooms that hand out names of their modules, and import each when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def handing_out(room: str, names: Mapping[str, Sequence[str]]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a room: `names` says which of its modules has which.

    A notebook that only loads ibnb, or a terminal that explains one code, needs few of them.
    """
    places = {name: module for module, given in names.items() for name in given}

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        return getattr(importlib.import_module(f"{room}.{places[name]}"), name)

    return find

"""What is put in the place of functions of classes, modules and loops, and taken back again."""

from __future__ import annotations

from typing import Any


class Patches:
    """Functions that were replaced, and what was there before."""

    def __init__(self) -> None:
        self._put: list[tuple[Any, str, Any, Any]] = []

    def put(self, owner: Any, name: str, ours: Any) -> None:
        """Put a function of ours in the place of an owner's, or over one of its class."""
        self._put.append((owner, name, vars(owner).get(name), ours))
        setattr(owner, name, ours)

    def restore(self) -> None:
        """Put back what was there; if somebody has replaced ours since, his stays."""
        for owner, name, original, ours in self._put:
            if vars(owner).get(name) is not ours:
                continue
            if original is None:
                delattr(owner, name)
            else:
                setattr(owner, name, original)
        self._put.clear()

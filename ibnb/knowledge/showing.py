"""How values show themselves where IPython's display protocol is spoken, such as in marimo.

The rooms that have the values know nothing of how they look. Whoever does says so once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Draw = Callable[[Any], Mapping[str, str]]
"""Takes a value; returns its forms by MIME type."""


class _Drawing:
    """What draws the values of this process; a plain ``repr`` until somebody knows better."""

    def __init__(self) -> None:
        self.draw: Draw = lambda value: {"text/plain": repr(value)}


_drawing = _Drawing()


def draw_with(draw: Draw) -> None:
    """Have values drawn so from now on."""
    _drawing.draw = draw


def bundle_of(value: Any) -> dict[str, str]:
    """Return the forms of a value by MIME type, as `_repr_mimebundle_` does."""
    return dict(_drawing.draw(value))

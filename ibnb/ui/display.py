"""Putting text and HTML into the output, where it can be updated later."""

from __future__ import annotations

from typing import Any

from IPython import display as _display

# IPython's display module carries no annotations.
display: Any = _display.display


class Shown:
    """Something in an output that can be replaced in place."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def show_again(self, text: str, html: str | None = None) -> None:
        """Put it into the output of the running cell too; an update then replaces it everywhere."""
        if self._handle is None:
            display(_bundle(text, html), raw=True)
        else:
            self._handle.display(_bundle(text, html), raw=True)

    def update(self, text: str, html: str | None = None) -> None:
        """Put something else in its place."""
        if self._handle is not None:
            self._handle.update(_bundle(text, html), raw=True)


def show(text: str, html: str | None = None, *, live: bool = False) -> Shown:
    """Display a text with its HTML form; `live` makes it one that can be updated."""
    return Shown(display(_bundle(text, html), raw=True, display_id=live))


def show_widget(widget: Any, text: str) -> None:
    """Display a widget; `text` stands in its place where widgets cannot be shown."""
    # Its own stand-in would be the code that makes it, which says nothing to a reader.
    bundle = widget._repr_mimebundle_()
    display({**bundle, "text/plain": text}, raw=True)


def _bundle(text: str, html: str | None) -> dict[str, str]:
    return {"text/plain": text} if html is None else {"text/plain": text, "text/html": html}

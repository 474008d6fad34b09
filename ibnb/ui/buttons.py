"""Buttons, and closing widgets with all that belongs to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def button(description: str, tooltip: str, on_click: Callable[[Any], None]) -> Any:
    """Return a button of the width that all of ours have; the tooltip is its title."""
    from ipywidgets import Button, Layout

    made = Button(description=description, tooltip=tooltip, layout=Layout(width="9em"))
    made.on_click(on_click)
    return made


def answer_while_busy(widget: Any) -> None:
    """Let clicks be handled while a cell runs, where the frontend sends them to a subshell.

    ipykernel 7.4 brings them back to the shell that a widget was last changed from, where they wait
    until the cell is over; 7.1 and 7.3 do not, and earlier ones have no subshells at all.
    """
    # That shell is kept in this one attribute; where it is not there, the frontend's choice counts.
    vars(widget.comm).pop("_reply_subshell_id", None)


def close_widget(widget: Any) -> None:
    """Close a widget with its layout and style, which are models of their own and would stay."""
    for part in (widget.layout, getattr(widget, "style", None), widget):
        if part is not None:
            part.close()

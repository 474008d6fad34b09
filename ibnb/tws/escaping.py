"""Making a text one that does nothing but be read, wherever it is printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_BLANK = dict.fromkeys("\t\n\v\f\r\u2028\u2029", " ")
"""Characters that end a line or move along in it, and what they become."""
_REORDERING = r"\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of what follows: with them a text can look like another."""
_HARMFUL = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{_REORDERING}]")
"""Those, all control characters and halves of a character, which cannot be written."""


def visible(text: str) -> str:
    r"""Return a text of one line in which every character is only what it looks like.

    What would move a terminal's cursor, reorder the line, or could not be written at all is shown
    as its escape, as in ``\x1b``. Line ends and tabs become blanks.
    """
    if text.isprintable():
        return text
    return _HARMFUL.sub(_shown, text)


def visible_value(value: Any) -> Any:
    """Return a plain value, as JSON can carry, with every text and every key in it `visible`."""
    return edited(value, visible)


def edited(
    value: Any, edit: Callable[[str], str], edit_key: Callable[[str], str] | None = None
) -> Any:
    """Return a plain value with every text and every key in it edited.

    Keys that become the same are numbered, so that nothing is lost. `edit_key` is for keys, if
    they are edited in another way.
    """
    of_keys = edit_key or edit
    if isinstance(value, str):
        return edit(value)
    if isinstance(value, Mapping):
        found: dict[Any, Any] = {}
        for key, item in value.items():
            name = of_keys(key) if isinstance(key, str) else key
            found[free_key(found, name)] = edited(item, edit, of_keys)
        return found
    if isinstance(value, list | tuple):
        items = [edited(item, edit, of_keys) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def free_key(taken: Mapping[Any, Any], key: Any) -> Any:
    """Return a key, numbered if it is taken."""
    free, number = key, 1
    while free in taken:
        number += 1
        free = f"{key} ({number})"
    return free


def _shown(harmful: re.Match[str]) -> str:
    return _BLANK.get(harmful[0]) or harmful[0].encode("unicode_escape").decode()

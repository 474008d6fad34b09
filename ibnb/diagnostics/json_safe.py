"""Making plain, bounded data out of whatever a bundle is handed, so that JSON can carry it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

_LONGEST_KEY = 100
_BITS = 64
_REST = "…"


@dataclass(frozen=True)
class Scale:
    """How much is kept: characters of each text, and values, characters and levels in all."""

    text: int
    nodes: int
    characters: int
    depth: int = 8


def plain(value: Any, scale: Scale, edit: Callable[[str], str]) -> Any:
    """Return a copy of a value that JSON can carry and that is no larger than the scale says.

    Texts may still be twice as long as the scale's: they are to be redacted before `shorten` cuts
    them for good. `edit` is applied to every text and key. What JSON cannot carry becomes its
    ``repr``.
    """
    return _Copy(scale, edit).of(value, 0)


def shorten(text: str, most: int) -> str:
    """Return a text of at most so many characters; one that was cut ends in an ellipsis."""
    return text if len(text) <= most else text[: most - 1] + _REST


def whole_words(text: str, most: int) -> str:
    """Return the beginning of a text, cut between words: no half of a secret may be left over.

    One word that is longer than `most` is left out.
    """
    if len(text) <= most:
        return text
    words = text[: most + 1].rsplit(maxsplit=1)
    cut_at_blank = text[most].isspace()
    kept = text[:most] if cut_at_blank else words[0] if len(words) > 1 else ""
    return f"{kept} {_REST} ({len(text)} characters)".lstrip()


def _number(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    bits = int(value).bit_length()
    return int(value) if bits <= _BITS else f"a number of {bits} bits"


class _Copy:
    """One copy under way: what is left of its scale."""

    def __init__(self, scale: Scale, edit: Callable[[str], str]) -> None:
        self._scale = scale
        self._edit = edit
        self._nodes = scale.nodes
        self._characters = scale.characters

    def of(self, value: Any, depth: int) -> Any:
        self._nodes -= 1
        try:
            return self._of(value, depth)
        except Exception as error:  # noqa: BLE001 - foreign objects raise what they like
            return f"{type(value).__name__}, unreadable: {type(error).__name__}"

    def _of(self, value: Any, depth: int) -> Any:
        if value is None or isinstance(value, bool | int | float):
            return _number(value)
        if isinstance(value, str):
            return self._text(str.__str__(value))
        if not isinstance(value, Mapping | list | tuple | AbstractSet):
            return self._text(repr(value))
        if depth >= self._scale.depth:
            return f"{_REST} ({len(value)} more)"
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        # The order of a set differs from run to run.
        return self._list(
            sorted(value, key=repr) if isinstance(value, AbstractSet) else value, depth
        )

    def _text(self, text: str) -> str:
        if self._characters <= 0:
            return _REST
        text = whole_words(text, min(2 * self._scale.text + _LONGEST_KEY, self._characters))
        self._characters -= len(text)
        return self._edit(text)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for count, (key, item) in enumerate(value.items()):
            if self._nodes <= 0:
                found[_REST] = f"{len(value) - count} more"
                break
            name = self._edit(whole_words(key if isinstance(key, str) else repr(key), _LONGEST_KEY))
            found[f"{name} ({count})" if name in found else name] = self.of(item, depth + 1)
        return found

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
        found: list[Any] = []
        for item in value:
            if self._nodes <= 0:
                found.append(f"{_REST} ({len(value) - len(found)} more)")
                break
            found.append(self.of(item, depth + 1))
        return found

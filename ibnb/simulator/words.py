"""Lists of names, written as one text."""

from __future__ import annotations


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text: the wire's long lists of field names read better so."""
    return tuple(text.split())

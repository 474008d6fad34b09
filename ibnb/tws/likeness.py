"""What somebody may have meant who mistyped a word."""

from __future__ import annotations

from collections.abc import Iterable

LIKENESS = 0.6
"""How alike two words must be, as `difflib` measures it, from 0 to 1."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question that names the known word that is most like a given one, or nothing.

    It begins with a space, to stand behind a sentence.
    """
    from difflib import get_close_matches

    near = get_close_matches(given.lower(), list(known), n=1, cutoff=LIKENESS)
    return f" Did you mean {near[0]}?" if near else ""

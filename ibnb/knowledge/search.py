"""Words to entries: which page a user means by `client id` or by a pasted message."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .model import Entry

COVERAGE = 1 / 3
"""Share of a query's words that an entry must know; a pasted message holds many strange ones."""

PHRASE_BONUS = 1.5
"""An entry that holds the words side by side, as they were typed, beats one that scatters them."""

FAMILY_MEMBER = 0.5
"""What the page of one code out of many alike counts: their shared texts would fill every list."""

GUESSED = 0.5
"""What a word counts that no page holds and that was read as the known one nearest to it."""

LIKENESS = 0.75
"""How alike a mistyped word and a known one must be, as `difflib` measures it, from 0 to 1."""

SHORTEST_GUESS = 4
"""Letters from which on a strange word may be a typing error; shorter ones resemble anything."""

MOST_GUESSES = 5
"""Strange words of one query that are looked at; a long paste is no typing error."""

SHORTEST_QUOTE = 3
"""Words from which on one of an entry's `words` decides also inside of a longer query."""

_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_|(?<=[A-Za-z])(?=\d{3,5}(?:\D|$))|(?<=\d{3})(?=[a-z])")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by can do does for from has have how i in is it its me my no of "
        "on or so that the this to was were what when where which why will with you your",
    )
)


def _fields(entry: Entry) -> Iterable[tuple[float, str]]:
    """Yield the texts of an entry with their weights: what is seen counts more than what to do."""
    yield 5, entry.id
    yield 5, entry.title
    yield 5, " ".join(map(str, entry.codes))
    yield 4, "\n".join((*entry.symptoms, *entry.words))
    yield 3, entry.summary
    yield 2, "\n".join(entry.causes)
    yield 1, "\n".join(check.text for check in entry.checks)
    yield 1, "\n".join(entry.every_step)


def _stem(word: str) -> str:
    word = word.lower().replace("cancell", "cancel")  # "canceled" is the American spelling
    plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")  # noqa: PLR2004 - "ids"
    return word[:-1] if plural else word


def _run(text: str) -> str:
    """Return the stems of a text's words with spaces around each, so that only whole ones match."""
    return f" {' '.join(_stem(word) for word in _WORD.findall(text))} "


def _readings(word: str) -> tuple[tuple[str, ...], ...]:
    """Return the ways to read a word: as it is, and `ConnectionRefusedError` by its humps."""
    parts = tuple(_stem(part) for part in _HUMP.split(word) if part)
    whole = (_stem(word),)
    return (whole,) if len(parts) < 2 else (whole, parts)  # noqa: PLR2004 - one hump is the word


class Index:
    """Scores entries for a query: rare words count more, and so do the fields that users see."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)
        tokens = _Tokens()
        self._weights = [_weights(entry, tokens) for entry in self._entries]
        self._texts = ["\n".join(text for _, text in _fields(entry)).lower() for entry in entries]
        self._typed = [
            (_run(typed), place)
            for place, entry in enumerate(self._entries)
            for typed in entry.words
        ]
        known_by = Counter(token for weights in self._weights for token in weights)
        self._rarity = {
            token: math.log(1 + len(self._entries) / count) for token, count in known_by.items()
        }

    def rank(self, query: str) -> tuple[Entry, ...]:
        """Return the entries that know enough of the query's words, best first.

        A word that no entry knows is read as the known one nearest to it, for half its worth.
        """
        meant = self._meant(query)
        words = [word for word in _WORD.findall(query) if word.lower() not in _STOP_WORDS]
        if not words:
            return meant
        terms = [(_readings(word), 1.0) for word in words]
        guesses = 0
        for place, word in enumerate(words):
            if guesses < MOST_GUESSES and not self._knows(word):
                guesses += 1
                near = self._nearest(_stem(word))
                if near is not None:
                    terms[place] = (((near,),), GUESSED)
        phrase = " ".join(query.lower().split())
        scored = []
        for place, weights in enumerate(self._weights):
            scores = [self._score(readings, weights) * worth for readings, worth in terms]
            known = sum(worth for score, (_, worth) in zip(scores, terms, strict=True) if score > 0)
            if known < COVERAGE * len(words):
                continue
            total = sum(scores)
            if self._entries[place].family is not None:
                total *= FAMILY_MEMBER
            if len(words) > 1 and phrase in self._texts[place]:
                total *= PHRASE_BONUS
            if total > 0:
                scored.append((-total, place))
        found = (self._entries[place] for _, place in sorted(scored))
        return (*meant, *(entry for entry in found if entry not in meant))

    def _meant(self, query: str) -> tuple[Entry, ...]:
        """Return the entry whose `words` the query is, or else holds; the longest of them count."""
        asked = _run(query)
        fitting = [
            (len(typed), -place)
            for typed, place in self._typed
            if typed == asked or (len(typed.split()) >= SHORTEST_QUOTE and typed in asked)
        ]
        return (self._entries[-max(fitting)[1]],) if fitting else ()

    def _knows(self, word: str) -> bool:
        return any(token in self._rarity for reading in _readings(word) for token in reading)

    def _nearest(self, word: str) -> str | None:
        """Return the known word that this one is most like, of those with its first letter."""
        from difflib import get_close_matches

        if len(word) < SHORTEST_GUESS or not word.isalpha():
            return None
        alike = [token for token in self._rarity if token[0] == word[0] and token.isalpha()]
        near = get_close_matches(word, alike, n=1, cutoff=LIKENESS)
        return near[0] if near else None

    def _score(self, readings: tuple[tuple[str, ...], ...], weights: dict[str, float]) -> float:
        return sum(
            sum(weights.get(token, 0) * self._rarity.get(token, 0) for token in reading)
            / len(reading)
            for reading in readings
        )


class _Tokens(dict[str, frozenset[str]]):
    """The tokens of each word, read once: the entries of a family share most of their texts."""

    def __missing__(self, word: str) -> frozenset[str]:
        tokens = frozenset(token for reading in _readings(word) for token in reading)
        self[word] = tokens
        return tokens


def _weights(entry: Entry, tokens: _Tokens) -> dict[str, float]:
    weights: dict[str, float] = {}
    for weight, text in _fields(entry):
        for word in set(_WORD.findall(text)):
            for token in tokens[word]:
                if weights.get(token, 0) < weight:
                    weights[token] = weight
    return weights

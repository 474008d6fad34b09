"""Words to entries: which page a user means by `client id` or by a pasted message."""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .model import Entry

ENOUGH = 0.6
"""Share of a query's words, by their rarity, that an entry has to know to be taken for meant."""

ENOUGH_OF_FEW = 0.75
"""The same of a query of one or two words."""

ALIKE = 0.45
"""How alike a longer query and a sentence of the entry have to be, from 0 to 1."""

SHORT = 3
"""Words up to which a query is a few keywords, and no sentence to be compared as one."""

SENTENCE = 3
"""Words from which on a query may be a sentence, and is compared with those of the entries."""

MOST_WORDS = 40
"""Words of a query that are looked up; what is longer is not a question."""

MOST_HELD = 2000
"""Words of which is kept who knows them."""

MOST_HUMPS = 8
"""Humps of a word that are looked at; no name that is worth it has more."""

SEEN = 2
"""Weight of a field from which on it says what the page is about; what to do says less of that."""

SHORTEST_NUMBER = 3
"""Digits from which on a number may be looked up: a code, a port."""

MOST_COMPARED = 20
"""Entries whose sentences are compared with the query: those that know most of its words."""

LIKENESS_BONUS = 3.0
"""What a sentence that is the query counts, as a multiple of the words in it."""

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
"""Strange words of one query that are looked at; a long paste is not a typing error."""

SHORTEST_QUOTE = 3
"""Words from which on one of an entry's `words` decides also inside of a longer query."""

_WORD = re.compile(r"[^\W_]+(?:_[^\W_]+)*")
_KINDS = frozenset({"error", "exception", "warning", "interrupt", "exit", "iteration"})
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_|(?<=[A-Za-z])(?=\d{3,5}(?:\D|$))|(?<=\d{3})(?=[a-z])")
_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be but by can do does for from has have how i in is it its me my no of "
        "on option or so step that the this to was were what when where which why will with you "
        "your",
    )
)
_SENTENCE = re.compile(r"\n|(?<=[.:;?!]) ")


class Ranked(NamedTuple):
    """An entry and how well it fits a query.

    `known` is the share of the query's words that it knows, `likeness` that of the sentence of it
    that is most like the query, both by the rarity of words. `is_meant`: that is enough to show it,
    as a guess.
    """

    entry: Entry
    score: float
    known: float
    likeness: float
    is_meant: bool


Readings = tuple[tuple[str, ...], ...]
"""The ways to read a word, each as the tokens that it is made of."""


class _Term(NamedTuple):
    """A word of a query: the ways to read it, what it is worth, and how rare it is."""

    readings: Readings
    worth: float
    weight: float


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


def _counts(word: str) -> bool:
    """Say whether a word tells anything: small numbers and the like of `the` do not."""
    return word.lower() not in _STOP_WORDS and not (word.isdigit() and len(word) < SHORTEST_NUMBER)


def _stem(word: str) -> str:
    word = word.lower().replace("cancell", "cancel")  # "canceled" is the American spelling
    plural = len(word) > 3 and word.endswith("s") and not word.endswith("ss")  # noqa: PLR2004 - "ids"
    return word[:-1] if plural else word


def _run(text: str) -> str:
    """Return the stems of what counts in a text, with spaces around so that whole words match."""
    words = _WORD.findall(text)
    counting = list(filter(_counts, words))
    return f" {' '.join(map(_stem, counting or words))} "


def _readings(word: str) -> Readings:
    """Return the ways to read a word: as it is, and `ConnectionRefusedError` by its humps."""
    parts = tuple(_stem(part) for part in _HUMP.split(word, MOST_HUMPS) if part)
    whole = (_stem(word),)
    # `MemoryError` is about memory, and not about errors; who knows the whole name knows it.
    if len(parts) < 2 or parts[-1] in _KINDS:  # noqa: PLR2004 - one hump is the word
        return (whole,)
    return whole, parts


class Index:
    """Scores entries for a query: rare words count more, and so do the fields that users see."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = tuple(entries)
        tokens = _Tokens()
        weights = [_weights(entry, tokens) for entry in self._entries]
        self._texts = ["\n".join(text for _, text in _fields(entry)).lower() for entry in entries]
        self._typed = [
            (_run(typed), place)
            for place, entry in enumerate(self._entries)
            for typed in entry.words
        ]
        self._holding: dict[str, list[tuple[int, float]]] = {}
        for place, known in enumerate(weights):
            for token, weight in known.items():
                self._holding.setdefault(token, []).append((place, weight))
        self._rarity = {
            token: math.log(1 + len(self._entries) / len(holding))
            for token, holding in self._holding.items()
        }
        self._strange = math.log(1 + len(self._entries))
        self._members = frozenset(
            place for place, entry in enumerate(self._entries) if entry.family is not None
        )
        self._held: dict[Readings, dict[int, tuple[float, float]]] = {}
        self._units: dict[int, list[tuple[frozenset[str], float]]] = {}

    def rank(self, query: str) -> tuple[Ranked, ...]:
        """Return the entries that know some of the query's words, best first.

        A word that no entry knows is read as the known one nearest to it, for half its worth.
        """
        meant = self._meant(query)
        words = [word for word in _WORD.findall(query) if _counts(word)]
        terms = self._terms(words[:MOST_WORDS])
        asked = sum(term.weight for term in terms)
        scores: dict[int, float] = {}
        known: dict[int, float] = {}
        for term in terms:
            for place, (score, share) in self._holders(term.readings).items():
                scores[place] = scores.get(place, 0) + score * term.worth
                known[place] = known.get(place, 0) + term.weight * share
        likeliest = self._likeliest(scores, " ".join(query.lower().split()))
        stems = {token for term in terms for reading in term.readings for token in reading}
        likeness = {place: self._likeness(place, stems, asked) for place in likeliest}
        enough = ENOUGH if len(terms) >= SENTENCE else ENOUGH_OF_FEW
        bonus = LIKENESS_BONUS if len(terms) >= SENTENCE else 0.0
        ranked = [
            Ranked(
                self._entries[place],
                scores[place] * (1 + bonus * likeness[place] ** 2),
                known[place] / asked,
                likeness[place],
                known[place] >= enough * asked
                and (len(terms) <= SHORT or likeness[place] >= ALIKE),
            )
            for place in likeliest
        ]
        ranked.sort(key=lambda one: -one.score)
        others = (one for one in ranked if all(one.entry is not other.entry for other in meant))
        return (*meant, *others)

    def _likeliest(self, scores: dict[int, float], phrase: str) -> list[int]:
        """Return the entries with the highest scores, raised where the whole phrase stands."""

        def worst_last(place: int) -> tuple[float, int]:
            return -scores[place], place

        for place in self._members & scores.keys():
            scores[place] *= FAMILY_MEMBER
        first = sorted(scores, key=worst_last)[: 2 * MOST_COMPARED]
        if " " in phrase:
            for place in first:
                if phrase in self._texts[place]:
                    scores[place] *= PHRASE_BONUS
            first.sort(key=worst_last)
        return first[:MOST_COMPARED]

    def _terms(self, words: Sequence[str]) -> list[_Term]:
        terms, guesses = [], 0
        for word in words:
            readings, worth = _readings(word), 1.0
            if guesses < MOST_GUESSES and not self._knows(word):
                guesses += 1
                near = self._nearest(_stem(word))
                if near is not None:
                    readings, worth = ((near,),), GUESSED
            weight = min(sum(map(self._rare, reading)) / len(reading) for reading in readings)
            terms.append(_Term(readings, worth, weight))
        return terms

    def _rare(self, token: str) -> float:
        return self._rarity.get(token, self._strange)

    def _holders(self, readings: Readings) -> dict[int, tuple[float, float]]:
        """Return the entries that know a word: what it counts there, and how much of it they know.

        A word that is read by its humps may be known in part.
        """
        found = self._held.get(readings)
        if found is not None:
            return found
        found = {}
        for reading in readings:
            total = sum(map(self._rare, reading))
            parts: dict[int, tuple[float, float]] = {}
            for token in reading:
                rarity = self._rare(token)
                for place, weight in self._holding.get(token, ()):
                    score, share = parts.get(place, (0.0, 0.0))
                    part = min(1.0, weight / SEEN) * rarity / total
                    parts[place] = score + weight * rarity / len(reading), share + part
            for place, (score, share) in parts.items():
                before, most = found.get(place, (0.0, 0.0))
                found[place] = before + score, max(most, share)
        if len(self._held) < MOST_HELD:
            self._held[readings] = found
        return found

    def _likeness(self, place: int, stems: set[str], asked: float) -> float:
        """Return how alike the query and the sentence of an entry that is most like it are."""
        units = self._units.get(place)
        if units is None:
            units = self._units[place] = self._units_of(self._entries[place])
        best = 0.0
        for unit, weight in units:
            shared = unit & stems
            if shared:
                common = sum(self._rare(token) for token in shared)
                best = max(best, 2 * common / (weight + max(asked, common)))
        return best

    def _units_of(self, entry: Entry) -> list[tuple[frozenset[str], float]]:
        units = []
        for _, text in _fields(entry):
            for sentence in _SENTENCE.split(text):
                stems = frozenset(map(_stem, filter(_counts, _WORD.findall(sentence))))
                if stems:
                    units.append((stems, sum(map(self._rare, stems))))
        return units

    def _meant(self, query: str) -> tuple[Ranked, ...]:
        """Return the entry whose `words` the query is, or else holds; the longest of them count."""
        asked = _run(query)
        fitting = [
            (len(typed), -place)
            for typed, place in self._typed
            if typed == asked or (len(typed.split()) >= SHORTEST_QUOTE and typed in asked)
        ]
        if not fitting:
            return ()
        entry = self._entries[-max(fitting)[1]]
        return (Ranked(entry, math.inf, 1.0, 1.0, is_meant=True),)

    def _knows(self, word: str) -> bool:
        return any(token in self._rarity for reading in _readings(word) for token in reading)

    def _nearest(self, word: str) -> str | None:
        """Return the known word that this one is a slip of: a letter left out, doubled or swapped.

        A word with another letter in the place of one is rather another word.
        """
        from difflib import get_close_matches

        if len(word) < SHORTEST_GUESS or not word.isalpha():
            return None
        alike = [
            token
            for token in self._rarity
            if token[0] == word[0] and token.isalpha() and _differ_by_one(token, word)
        ]
        near = get_close_matches(word, alike, n=1, cutoff=LIKENESS)
        return near[0] if near else None


def _differ_by_one(one: str, other: str) -> bool:
    """Say whether two words have the same letters but for one that only one of them has."""
    if abs(len(one) - len(other)) > 1 or len({*one} ^ {*other}) > 1:
        return False
    more, fewer = Counter(one), Counter(other)
    return sum((more - fewer).values()) + sum((fewer - more).values()) <= 1


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

"""The texts of known notices, pasted without their code: which code it is that they came with.

`notices.tsv` holds what gateways and client libraries are known to send, as runs of words: lower
case, no punctuation, a star for what varies. It is data to compare with and nothing else. No page
and no function of this room returns a word of it, so none of it can be shown as ours.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STAR = "*"
"""Stands for what varies: a number, a symbol, a name, a reason."""

LONGEST = 4000
"""Characters of a text that are read."""

MOST_WORDS = 120
"""Words of a text that are compared; no notice that is worth it is longer."""

MOST_COMPARED = 12
"""Known texts that are compared word by word with what was pasted, the likeliest ones."""

NEARLY = 0.8
"""Share of a known text, by the weight of its words, that has to be there."""

CUT = 0.9
"""Share of its beginning that has to be there if the end was cut off."""

STRANGE = 0.35
"""Weight of strange words between, as a share of that of the known ones, up to which it counts."""

TELLING = 9.0
"""Weight of telling words from which on a text is known inside of other words too."""

TELLING_WHOLE = 7.0
"""The same for a text of which every word is there, side by side."""

SHORTEST_WHOLE = 3
"""Words from which on that may be."""

CUT_TELLING = 8.0
"""The same for a text whose end was cut off."""

SHORTEST_CUT = 4
"""Words from which on a beginning is told from other words."""

FITTING = 0.5
"""Share of a text's words, by weight, that a known text of the code beside it has."""

_SAME = (
    (re.compile(r"<br ?/?>|&nbsp;"), " "),
    (re.compile(r"[\u2018\u2019`\u00b4]"), "'"),
    (re.compile(r"\b(?:can't|can not)\b"), "cannot"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"\btrader workstation\b"), "tws"),
    (re.compile(r"\b(?:interactive brokers|ibkr)\b"), "ib"),
    (re.compile(r"\b(?:time ?zone|time-zone)\b"), "timezone"),
    (re.compile(r"\bcancell"), "cancel"),
    (re.compile(r"\border ids?\b"), "orderid"),
    (re.compile(r"\bclient ids?\b"), "clientid"),
)
_WORD = re.compile(r"%s|\*|[^\W\d_]+(?:'[a-z]+)?|\d[\d.,:]*")
_OPPOSITES = frozenset(
    re.findall(
        r"\w+",
        "not no never cannot without unable broken ok disconnected connected connecting lost "
        "restored maintained inactive active available unavailable enabled disabled accepted "
        "rejected allowed halted reset missing below above before after valid invalid",
    )
)
"""Words that make a text say another thing, often the contrary: never missing, never too many."""
_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been but by can could did do doe for from ha have has if in into is "
        "it its may must of on or please should that the their then there this to wa was were when "
        "which will with you your error errors invalid request requests message messages failed "
        "fail parsing connection connected connect read reading code id client server data not no "
        "found missing value values valid exception socket sending length bad unknown already try "
        "again restriction type action string update field time date number cause processing "
        "internal information format correct entered",
    )
)
"""Words that any program's messages are made of: they tell nothing about where a text is from."""
_DECORATION = frozenset(
    re.findall(
        r"\w+",
        "error errors err warning warn info information notice debug critical fatal exception "
        "traceback message msg errormsg errormessage errorstring errortext text string code "
        "errorcode errcode id reqid req requestid tickerid orderid time advanced order reject json "
        "advancedorderrejectjson null none true false api tws ib ibkr ibapi gateway insync async "
        "wrapper client eclient ewrapper broker brokerage connectionerror runtimeerror requesterror"
        " main mainthread thread worker root logger log utc am pm contract store notif event "
        "errorevent said says got received the of from on at for",
    )
)
"""Words that stand around a notice in a log, and say nothing of it."""


def words_of(text: str) -> list[str]:
    """Return a text as the words that count in comparing, a star for each number in it."""
    spoken = text.lower()
    for pattern, same in _SAME:
        spoken = pattern.sub(same, spoken)
    return [_stem(word) for word in _WORD.findall(spoken)]


def _stem(word: str) -> str:
    if word == "%s" or not word[0].isalpha():
        return STAR
    plural = len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is"))  # noqa: PLR2004 - "ids"
    return word[:-1] if plural else word


class Known(NamedTuple):
    """A text that is known: the codes that it comes with, its words without stars, their weight."""

    codes: tuple[int, ...]
    words: tuple[str, ...]
    weight: float


@dataclass(frozen=True)
class Found:
    """What a pasted text turned out to be.

    `codes` are those that come with this very text, mostly one. Where `certain` is false the text
    may be one of several: `codes` are theirs, and no one of them is the answer.
    """

    codes: tuple[int, ...]
    score: float
    certain: bool = True


class KnownTexts:
    """Tells which code a text belongs to.

    Args:
        lines: a code, a tab and a run of words each; comments begin with a hash.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        codes: dict[tuple[str, ...], list[int]] = {}
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            code, _, run = line.rstrip("\n").partition("\t")
            words = tuple(word for word in words_of(run) if word != STAR)
            if words:
                codes.setdefault(words, []).append(int(code))
        counts = Counter(word for words in codes for word in set(words))
        self._strange = math.log(1 + len(codes))
        self._weights = {word: math.log(1 + len(codes) / count) for word, count in counts.items()}
        self._known = [
            Known(tuple(dict.fromkeys(those)), words, self._weight(words))
            for words, those in codes.items()
        ]
        self._exact = {known.words: known for known in self._known}
        self._of: dict[int, list[Known]] = defaultdict(list)
        for known in self._known:
            for code in known.codes:
                self._of[code].append(known)
        self._holding: dict[str, list[int]] = {}
        for place, known in enumerate(self._known):
            for word in set(known.words):
                self._holding.setdefault(word, []).append(place)

    def find(self, text: str) -> Found | None:
        """Return the code that a text belongs to, or None if it is not known well enough."""
        said = [word for word in words_of(text[:LONGEST]) if word != STAR][:MOST_WORDS]
        if not said:
            return None
        exact = self._exact.get(tuple(said))
        if exact is not None:
            return Found(exact.codes, exact.weight * 2)
        fits = [
            fit
            for place in self._likeliest(said)
            if (fit := self._compare(self._known[place], said)) is not None
        ]
        return self._best(fits)

    def fits(self, code: int, text: str) -> bool:
        """Say whether a text may be that of a code, in whatever wording: most words are known."""
        said = {word for word in words_of(text[:LONGEST]) if word != STAR} - _DECORATION
        weight = self._weight(said)
        return any(
            self._weight(said & {*known.words}) >= FITTING * weight for known in self._of[code]
        )

    def _best(self, fits: Sequence[_Fit]) -> Found | None:
        """Return the best of several, or all of them if one is no better than the next."""
        if not fits:
            return None
        ordered = sorted(fits, key=lambda fit: -fit.score)
        first = ordered[0]
        equal = [fit for fit in ordered if fit.score > first.score - 0.5 and fit.cut == first.cut]
        codes = tuple(dict.fromkeys(code for fit in equal for code in fit.known.codes))
        return Found(codes, first.score, certain=len(equal) == 1)

    def _weight(self, words: Iterable[str]) -> float:
        """Return the weight of words: rare ones count more, strange ones most."""
        return sum(self._weights.get(word, self._strange) for word in words)

    def _telling(self, words: Iterable[str]) -> float:
        return self._weight(word for word in words if word not in _COMMON)

    def _likeliest(self, said: Sequence[str]) -> list[int]:
        shared: dict[int, float] = {}
        for word in dict.fromkeys(said):
            weight = self._weights.get(word, 0.0)
            for place in self._holding.get(word, ()):
                shared[place] = shared.get(place, 0.0) + weight
        # Of two that share as much, the one that is known as a whole is the likelier.
        ranked = sorted(
            shared, key=lambda place: -(2 * shared[place] - 0.5 * self._known[place].weight)
        )
        return ranked[:MOST_COMPARED]

    def _compare(self, known: Known, said: Sequence[str]) -> _Fit | None:
        """Return how a known text fits what was said, or None if it does not."""
        pairs = self._aligned(known.words, said)
        start, end = self._stretch({place for _, place in pairs}, said)
        pairs = [(own, place) for own, place in pairs if start <= place < end]
        if not pairs:
            return None
        matched = [known.words[own] for own, _ in pairs]
        places = {place for _, place in pairs}
        between = [said[place] for place in range(start, end) if place not in places]
        weight, strange = self._weight(matched), self._weight(between)
        if strange > STRANGE * weight or _OPPOSITES & {*between}:
            return None
        around = [*said[:start], *said[end:]]
        alone = all(word in _DECORATION for word in around)
        missing = _without(known.words, matched)
        if weight >= NEARLY * known.weight and not _OPPOSITES & {*missing}:
            whole = not missing and not between and len(matched) >= SHORTEST_WHOLE
            if not alone and self._telling(matched) < (TELLING_WHOLE if whole else TELLING):
                return None
            # What follows may turn its sense: "... is not subscribed" and "... is ok".
            if (
                not alone
                and _OPPOSITES & {*said[end : end + 2]}
                and self._telling(matched) < 2 * TELLING
            ):
                return None
            return _Fit(known, weight - strange - 0.5 * self._weight(missing), cut=False)
        if strange or len(matched) < SHORTEST_CUT or self._telling(matched) < CUT_TELLING:
            return None
        length = pairs[-1][0] + 1
        skipped = _without(known.words[:length], matched)
        if weight < CUT * self._weight(known.words[:length]) or _OPPOSITES & {*skipped}:
            return None
        rest = said[end:]
        if len(rest) == 1 and len(known.words) > length and known.words[length].startswith(rest[0]):
            # The cut went through a word.
            weight += 0.5
        elif not all(word in _DECORATION for word in rest):
            return None
        return _Fit(known, weight - 0.5 * self._weight(skipped), cut=True)

    def _aligned(self, own: Sequence[str], said: Sequence[str]) -> list[tuple[int, int]]:
        """Return the places of the words that both have in the same order, the heaviest choice."""
        common = {*own} & {*said}
        left = [place for place, word in enumerate(own) if word in common]
        right = [place for place, word in enumerate(said) if word in common]
        best = [[0.0] * (len(right) + 1) for _ in range(len(left) + 1)]
        for i in range(len(left) - 1, -1, -1):
            word, row, below = own[left[i]], best[i], best[i + 1]
            weight = self._weights.get(word, self._strange)
            for j in range(len(right) - 1, -1, -1):
                value = max(below[j], row[j + 1])
                if said[right[j]] == word:
                    value = max(value, below[j + 1] + weight)
                row[j] = value
        pairs, i, j = [], 0, 0
        while i < len(left) and j < len(right):
            if own[left[i]] == said[right[j]]:
                pairs.append((left[i], right[j]))
                i, j = i + 1, j + 1
            elif best[i + 1][j] >= best[i][j + 1]:
                i += 1
            else:
                j += 1
        return pairs

    def _stretch(self, places: set[int], said: Sequence[str]) -> tuple[int, int]:
        """Return the stretch of what was said that holds the text, without stray words around."""
        best, start, end = 0.0, 0, 0
        total, begun = 0.0, 0
        for place, word in enumerate(said):
            weight = self._weights.get(word, self._strange)
            if total <= 0:
                total, begun = 0.0, place
            total += weight if place in places else -min(weight, 3.0)
            if total > best:
                best, start, end = total, begun, place + 1
        return start, end


class _Fit(NamedTuple):
    """A known text, how well it fits, and whether only its beginning is there."""

    known: Known
    score: float
    cut: bool


def _without(words: Iterable[str], others: Iterable[str]) -> list[str]:
    return list((Counter(words) - Counter(others)).elements())

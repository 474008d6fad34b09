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
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

STAR = "*"
"""Stands for what varies: a number, a symbol, a name, a reason."""

LONGEST = 4000
"""Characters of a text that are read."""

MOST_WORDS = 120
"""Words of a text that are compared; no notice that is worth it is longer."""

LEAST = 4.0
"""Weight that a known text has to share to be compared at all: one rare word."""

MOST_COMPARED = 12
"""Known texts that are compared word by word with what was pasted, the likeliest ones."""

MOSTLY = 0.6
"""Share of a known text from which on the order of its words is worth a comparison."""

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

SHORTEST_CUT = 6
"""Words from which on a beginning is told from other words."""

SHORTEST_OPEN = 5
"""Words from which on a text is known whatever stands before it."""

MOST_VARYING = 5
"""Words that may stand in the place of one star."""

SHORTEST_TURNED = 4
"""Words from which on a text has a contrary that is worth to be told from it."""

SHORTEST_WEAK = 3
"""Words from which on a beginning lets guess the text."""

ALIKE = 0.6
"""Share of a known text that is there where the contrary of it may have been said."""

FITTING = 0.5
"""Share of a text's words, by weight, that a known text of the code beside it has."""

_SAME = (
    (re.compile(r"<br ?/?>|&nbsp;"), " "),
    (re.compile(r"[\u2018\u2019`\u00b4]"), "'"),
    (re.compile(r"\b(?:can't|can not)\b"), "cannot"),
    (re.compile(r"n't\b"), " not"),
    (re.compile(r"'s\b"), ""),
    (re.compile(r"\btrader workstation\b"), "tws"),
    (re.compile(r"\b(?:interactive brokers|ibkr)\b"), "ib"),
    (re.compile(r"\b(?:time ?zone|time-zone)\b"), "timezone"),
    (re.compile(r"\bcancell"), "cancel"),
    (re.compile(r"\b(order|client|ticker)(ids?)\b"), r"\1 \2"),
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
    """A text that is known: the codes that it comes with, its words without stars, their weight.

    `stars` are the places before which something stands that varies.
    """

    codes: tuple[int, ...]
    words: tuple[str, ...]
    weight: float
    stars: frozenset[int]

    @property
    def is_open_before(self) -> bool:
        """Whether its beginning varies, and enough follows to know it by."""
        return 0 in self.stars and len(self.words) >= SHORTEST_OPEN

    @property
    def is_open(self) -> bool:
        """Whether its end varies."""
        return len(self.words) in self.stars


@dataclass(frozen=True)
class Found:
    """What a pasted text turned out to be.

    `codes` are those that come with this very text, mostly one. If `certain` is false the text
    may be one of several: `codes` are theirs, and no one of them is the answer. `weak`: it is only
    a few words, with which a text of theirs begins.
    """

    codes: tuple[int, ...]
    score: float
    certain: bool = True
    weak: bool = False


class Contradicted(NamedTuple):
    """Codes whose texts a text is the contrary of; `is_all`: it agrees with none that is near."""

    codes: frozenset[int]
    is_all: bool


class KnownTexts:
    """Tells which code a text belongs to.

    Args:
        lines: a code, a tab and a run of words each; comments begin with a hash.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        codes: dict[tuple[str, ...], list[int]] = {}
        stars: dict[tuple[str, ...], set[int]] = defaultdict(set)
        for line in lines:
            if not line.strip() or line.startswith("#"):
                continue
            code, _, run = line.rstrip("\n").partition("\t")
            run_of = words_of(run)
            words = tuple(word for word in run_of if word != STAR)
            places = [place for place, word in enumerate(run_of) if word == STAR]
            if words:
                codes.setdefault(words, []).append(int(code))
                stars[words] |= {place - nth for nth, place in enumerate(places)}
        counts = Counter(word for words in codes for word in set(words))
        self._strange = math.log(1 + len(codes))
        self._weights = {word: math.log(1 + len(codes) / count) for word, count in counts.items()}
        self._known = [
            Known(tuple(dict.fromkeys(those)), words, self._weight(words), frozenset(stars[words]))
            for words, those in codes.items()
        ]
        self._exact = {known.words: known for known in self._known}
        self._of: dict[int, list[Known]] = defaultdict(list)
        for known in self._known:
            for number in known.codes:
                self._of[number].append(known)
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
            return Found(exact.codes, exact.weight)
        fits = [
            fit
            for place in self._likeliest(said)
            if self._may_fit(self._known[place], said)
            if (fit := self._compare(self._known[place], said)) is not None
        ]
        return self._best(fits)

    def contradicted(self, text: str) -> Contradicted:
        """Return the codes whose texts have nearly the same words, and say another thing."""
        said = [word for word in words_of(text[:LONGEST]) if word != STAR][:MOST_WORDS]
        turns = _OPPOSITES & {*said}
        agreed: set[int] = set()
        denied: set[int] = set()
        for known in (self._known[place] for place in self._likeliest(said)):
            own = {*known.words}
            alike = self._weight({*said} & own) >= ALIKE * self._weight(own)
            if alike and len(own) >= SHORTEST_TURNED:
                agrees = turns == _OPPOSITES & own
                (agreed if agrees else denied).update(known.codes)
        return Contradicted(frozenset(denied - agreed), is_all=bool(denied) and not agreed)

    def fits(self, code: int, text: str) -> bool:
        """Say whether a text may be that of a code, in whatever wording: most words are known."""
        run = tuple(word for word in words_of(text[:LONGEST]) if word != STAR)
        if any(run[: len(known.words)] == known.words for known in self._of[code]):
            return True
        said = {*run} - _DECORATION - _COMMON
        if not said:
            return False
        weight = self._weight(said)
        return any(
            self._weight(said & {*known.words}) >= FITTING * weight for known in self._of[code]
        )

    def _best(self, fits: Sequence[_Fit]) -> Found | None:
        """Return the best of several, or all of them if one is no better than the next."""
        if not fits:
            return None
        # The one that explains most of it: a whole text may be the beginning of a longer one.
        ordered = sorted(fits, key=lambda fit: (-fit.score, fit.cut))
        first = ordered[0]
        equal = [fit for fit in ordered if fit.score > first.score - 0.5 and fit.cut == first.cut]
        codes = tuple(dict.fromkeys(code for fit in equal for code in fit.known.codes))
        certain = len(equal) == 1 and not first.weak
        return Found(codes, first.score, certain=certain, weak=first.weak)

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
            (place for place, weight in shared.items() if weight >= LEAST),
            key=lambda place: 0.5 * self._known[place].weight - 2 * shared[place],
        )
        return ranked[:MOST_COMPARED]

    def _may_fit(self, known: Known, said: Sequence[str]) -> bool:
        """Say whether most of a text is there, or its beginning, in whatever order."""
        there = {*said}
        begun = sum(word in there for word in known.words[:SHORTEST_WEAK])
        if begun >= min(SHORTEST_WEAK - 1, len(known.words)):
            return True
        return self._weight(there.intersection(known.words)) >= MOSTLY * known.weight

    def _compare(self, known: Known, said: Sequence[str]) -> _Fit | None:
        """Return how a known text fits what was said, or None if it does not."""
        pairs = self._aligned(known.words, said)
        start, end = self._stretch({place for _, place in pairs}, said)
        pairs = [(own, place) for own, place in pairs if start <= place < end]
        if not pairs:
            return None
        between = _between(known, pairs, said)
        shared = _Shared(
            known,
            tuple(own for own, _ in pairs),
            tuple(between),
            tuple(said[:start]),
            tuple(said[end:]),
        )
        strange = self._weight(between)
        if strange > STRANGE * self._weight(shared.words) or _OPPOSITES & {*between}:
            return None
        begun = None if between else self._beginning(shared)
        if begun is not None and not begun.weak and shared.is_beginning:
            # Others may begin in the same way, however little of this one is missing.
            return begun
        return self._whole(shared, strange) or begun

    def _whole(self, shared: _Shared, strange: float) -> _Fit | None:
        """Return how well a known text fits as a whole, or nearly so."""
        weight, known = self._weight(shared.words), shared.known
        missing = shared.missing(len(known.words))
        if weight < NEARLY * known.weight or _OPPOSITES & {*missing}:
            return None
        telling = self._telling(shared.words)
        exact = not missing and not shared.between and len(shared.words) >= SHORTEST_WHOLE
        if not shared.is_alone:
            # What follows may turn its sense: "... is not subscribed" and "... is ok".
            turned = _OPPOSITES & {*shared.after[:2]} and telling < 2 * TELLING
            enough = telling >= (TELLING_WHOLE if exact else TELLING)
            if turned or not enough or len(shared.places) < SHORTEST_WHOLE:
                return None
        return _Fit(known, weight - strange - 0.5 * self._weight(missing))

    def _beginning(self, shared: _Shared) -> _Fit | None:
        """Return how well a known text fits whose end was cut off."""
        weight, known = self._weight(shared.words), shared.known
        length = shared.places[-1] + 1
        skipped = shared.missing(length)
        if weight < CUT * self._weight(known.words[:length]) or _OPPOSITES & {*skipped}:
            return None
        following = known.words[length : length + 1]
        if len(shared.after) == 1 and following and following[0].startswith(shared.after[0]):
            # The cut went through a word.
            weight += 0.5
        elif not _DECORATION.issuperset(shared.after):
            return None
        score, count = weight - 0.5 * self._weight(skipped), len(shared.words)
        if count >= SHORTEST_CUT and self._telling(shared.words) >= CUT_TELLING:
            return _Fit(known, score, cut=True)
        if count >= SHORTEST_WEAK and not skipped and _DECORATION.issuperset(shared.before):
            return _Fit(known, score, cut=True, weak=weight < MOSTLY * known.weight)
        return None

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
    """A known text, how well it fits, whether only its beginning is there, and little of that."""

    known: Known
    score: float
    cut: bool = False
    weak: bool = False


class _Shared(NamedTuple):
    """What a known text and a pasted one have in common.

    `places` are those of the known text's words that both have; `between`, `before` and `after` are
    the other words that were pasted.
    """

    known: Known
    places: tuple[int, ...]
    between: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def is_beginning(self) -> bool:
        """Whether only the end of the known text is missing."""
        return len(self.places) == self.places[-1] + 1 < len(self.known.words)

    @property
    def words(self) -> tuple[str, ...]:
        """The words that both have, in the order that both have them."""
        return tuple(self.known.words[place] for place in self.places)

    def missing(self, length: int) -> list[str]:
        """Return which of so many first words of the known text were not pasted."""
        shared = {*self.places}
        return [self.known.words[place] for place in range(length) if place not in shared]

    @property
    def is_alone(self) -> bool:
        """Whether nothing stands around it but what a log puts there, or varies at its end."""
        is_whole = self.words == self.known.words
        before = () if is_whole and self.known.is_open_before else self.before
        after = () if is_whole and self.known.is_open else self.after
        return _DECORATION.issuperset((*before, *after))


def _between(known: Known, pairs: Sequence[tuple[int, int]], said: Sequence[str]) -> list[str]:
    """Return the strange words within a text; those in the place of a star are not strange."""
    strange: list[str] = []
    for (own, place), (next_own, next_place) in pairwise(pairs):
        gap = said[place + 1 : next_place]
        varies = any(star in known.stars for star in range(own + 1, next_own + 1))
        strange += gap[MOST_VARYING:] if varies else gap
    return strange

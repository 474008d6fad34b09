"""From what a user has at hand, a code, an id or words, to the entry that explains it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from .index import Catalogue
from .loader import load
from .model import Entry, Explanation, Severity
from .ranges import range_of
from .situation import Step

LONGEST_NUMBER = 20
"""Digits up to which a number is repeated in full; no gateway's code has more than five."""

PORTS = range(1024, 65536)
"""Numbers that are looked up in the texts too: a port, or a socket error of Windows."""

LONGEST_WORDS = 60
"""Characters of a query that are repeated in a message."""

MOST_COMPLETIONS = 100
"""Words that are offered where nothing was typed; a longer list is read by nobody."""

FOLDER = Path(__file__).with_name("catalogue")
"""Where the entries are. `importlib.resources` takes longer than reading what a code needs."""

_LAST_WORD = re.compile(r"[^\W_]*$")
_NUMBER = re.compile(r"([+-]?\d+)(?:\.0*)?")  # "326.0" is what a table of numbers makes of a code


class UnknownQueryError(LookupError):
    """Words were looked up that no entry fits; the message says what to try instead.

    Attributes:
        shown: what was looked up, cut to a length that can be read.
        candidates: the entries that come nearest, the best one first.
    """

    def __init__(self, shown: str, candidates: tuple[Entry, ...] = ()) -> None:
        """Say what was looked up in vain, and what comes nearest."""
        self.shown = shown
        self.candidates = candidates
        near = "; ".join(f"{entry.id} ({entry.title})" for entry in candidates)
        nearest = f"The nearest are: {near}." if near else ""
        super().__init__(" ".join(filter(None, (self.happened, nearest, self.advice))))

    @property
    def happened(self) -> str:
        """What was looked up in vain, as a sentence."""
        return f"Nothing in the catalogue matches {self.shown!r}."

    @property
    def advice(self) -> str:
        """What to try instead."""
        return "Try the number of the error (326), or a word of its message (refused, timeout)."

    def to_dict(self) -> dict[str, Any]:
        """Return this in the JSON format of ``ibnb explain --json``: no page, and the nearest."""
        nobody = Entry("", (), "", "", "info", str(self))
        return nobody.to_dict() | {
            "id": None,
            "severity": None,
            "match": "none",
            "candidates": [entry.id for entry in self.candidates],
        }


@cache
def catalogue() -> Catalogue:
    """Return the catalogue that ships with ibnb; it is read once, at the first call."""
    return Catalogue(load(FOLDER))


def _page_of(code: int, text: str) -> Entry | None:
    """Return the entry of a notice, or None when its code is not known."""
    # Python refuses to write thousands of digits.
    return _part_with(code).by_code(code, text) if abs(code) < 10**LONGEST_NUMBER else None


@lru_cache(maxsize=256)
def _part_with(code: int) -> Catalogue:
    """Return what stands in the files that have a code: reading all of them takes several times."""
    return Catalogue(load(FOLDER, code))


def explain(query: str | int, *, text: str = "") -> Explanation:
    """Return what an error means and what to do about it.

    Args:
        query: A notice code (``326``), an entry's id (``client-id-in-use``), a diagnostic check
            (``api.version``), or words: an exception's name, a log line, what one would say
            (``connection refused``).
        text: The notice as received, when there is one. If a code means several things, it
            tells which. It becomes a fact of the explanation, or part of the summary where only
            the code's range is known. It is foreign text that may hold an account number: whoever
            shows it masks and escapes it.

    Raises:
        UnknownQueryError: No page fits the words well enough. Numbers never raise.
    """
    if isinstance(query, int):
        return _explain_number(query, text)
    words = query.strip()
    number = _NUMBER.fullmatch(words)
    if number is not None:
        # Python refuses to convert thousands of digits; a code that long means nothing anyway.
        if len(number[1].lstrip("+-")) > LONGEST_NUMBER:
            return _unknown_number(None, _said("gateway", text))
        return _explain_number(int(number[1]), text)
    entry = catalogue().by_id(words.lower()) or catalogue().by_check(words.lower())
    if entry is not None:
        return _explanation(entry, text)
    return _explain_words(words, text)


def severity_of(code: int, text: str = "") -> Severity:
    """Return how bad a notice is: ``info`` for one that is not an error, ``warning`` or ``error``.

    Args:
        code: The notice's code. One that nobody knows is graded by its range, and outside of every
            range it is a ``warning``.
        text: The notice as received: some codes are an error with one text and none with another.
    """
    return _explain_number(code, text).entry.severity


def completions(prefix: str) -> tuple[str, ...]:
    """Return what `explain` knows that begins with these letters: ids, checks, then codes.

    An empty prefix gets the first `MOST_COMPLETIONS` and not the whole catalogue; letters get all
    that begin with them, so that every code can be reached.
    """
    known = catalogue()
    begun = prefix.strip().lower()
    ids = sorted(entry.id for entry in known.entries if entry.family is None)
    words = (*ids, *known.checks, *map(str, known.codes))
    offered = tuple(word for word in words if word.startswith(begun))
    return offered if begun else offered[:MOST_COMPLETIONS]


def _explanation(entry: Entry, text: str) -> Explanation:
    return Explanation(entry, facts=(f"The gateway said: {text}",) if text else ())


def _explain_number(
    number: int, text: str, pasted: str = "", *, certain: bool = False
) -> Explanation:
    """Explain a number; with a `text` it came from the gateway, and can be nothing but a code.

    The words that were `pasted` with it stand in for a `text` that did not come with it; it is
    `certain` where they have a form that only notices have.
    """
    entry = _page_of(number, text or pasted)
    if entry is not None:
        return _explanation(entry, text)
    other = None if text or certain else _explain_other_number(number)
    if other is not None:
        return other
    short = number if abs(number) < 10**LONGEST_NUMBER else None
    return _unknown_number(short, _said("gateway", text) or _said("notice", pasted))


def _said(who: str, text: str) -> str:
    """Return a sentence with the words that came with a code, and a space behind; or nothing."""
    return f'The {who} said: "{text}" ' if text else ""


def _explain_other_number(number: int) -> Explanation | None:
    """Explain a number that is not a code: a Windows socket error, or a port, which is a guess."""
    if number not in PORTS:
        return None
    raised = catalogue().by_exception(f"[WinError {number}]")
    if raised is not None:
        return Explanation(raised, match="exception")
    if range_of(number) is not None:
        return None
    found = catalogue().search(str(number))
    return Explanation(found[0], match="words") if found else None


def _unknown_number(number: int | None, said: str) -> Explanation:
    """Make the page of a code that no entry knows; None stands for a number beyond all sense.

    `said` is a sentence on the words that came with it, with a space behind, or empty.
    """
    known = None if number is None else range_of(number)
    if number is not None and known is not None:
        entry = Entry(
            id=f"code-{number}",
            codes=(number,),
            title=f"Code {number}: known by its range only",
            category=known.category,
            severity=known.severity,
            summary=f"{said}The catalogue has no page of its own for this code. {known.meaning}",
            steps=known.advice,
        )
    else:
        entry = Entry(
            id="code-too-long" if number is None else f"code-{number}",
            codes=() if number is None or number < 0 else (number,),
            title="A number that is no known code" if number is None else f"Code {number}: unknown",
            category="notices",
            severity="warning",
            summary=f"{said}{_no_range(number)}",
            steps=(
                "Read the gateway's own text, and check the number: is it a reqId or a port?",
                Step("Run {diag} to see whether the connection works."),
            ),
        )
    return Explanation(entry)


def _no_range(number: int | None) -> str:
    if number is not None and number < 0:
        return (
            "Codes are never negative. A reqId of -1 beside a notice means that it belongs to no "
            "request."
        )
    return (
        "No TWS or Gateway is known to send this code: the known ones lie in 100-599, 1100-1300, "
        "2100-2199 and 10000-10999."
    )


def _explain_words(words: str, text: str) -> Explanation:
    """Explain words by the notice that they hold, or by the page that they lead to."""
    # What the look-up of a number does not need is not imported for it.
    from .steps import find

    found = find(catalogue(), words)
    if found.pasted is not None:
        one = found.pasted
        explanation = _explain_number(one.code, text, one.text, certain=one.certain)
    elif found.entry is not None:
        explanation = _explanation(found.entry, text)
    else:
        raise UnknownQueryError(_shown(words), found.others)
    match = found.match if explanation.match == "code" else explanation.match
    candidates = tuple(entry.id for entry in found.others)
    return replace(explanation, match=match, candidates=candidates)


def _shown(words: str) -> str:
    """Return words as they are repeated in a message, of a length that can be read."""
    if len(words) <= LONGEST_WORDS:
        return words
    # Cut where a word ends: of half an account nobody could tell that it is to be masked.
    whole = words[: LONGEST_WORDS + 1].rpartition(" ")[0]
    return f"{whole or _LAST_WORD.sub('', words[:LONGEST_WORDS])}..."

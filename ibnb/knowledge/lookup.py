"""From what a user has at hand, a code, an id or words, to the entry that explains it."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .index import Catalogue
from .loader import load
from .model import Entry, Explanation, Severity
from .pasted import Pasted, notices_in, numbers_in, undecorated
from .ranges import range_of
from .search import Ranked
from .situation import Step
from .traces import is_exception, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .texts import Found

LONGEST_NUMBER = 20
"""Digits up to which a number is repeated in full; no gateway's code has more than five."""

SHORTEST_CODE = 100
"""The first code of the ranges; a lower number beside a word is mostly something else."""

PORTS = range(1024, 65536)
"""Numbers that are looked up in the texts too: a port, or a socket error of Windows."""

LONGEST_WORDS = 60
"""Characters of a query that are repeated in a message."""

ID_LIKENESS = 0.8
"""How alike a mistyped id and an id must be, as `difflib` measures it, from 0 to 1."""

MOST_COMPLETIONS = 100
"""Words that are offered where nothing was typed; a longer list is read by nobody."""

LONGEST_PASTE = 20_000
"""Characters of a paste that are read."""

MOST_CANDIDATES = 3
"""Entries that are named where it is not sure which one is meant."""

NEAR = 0.3
"""Share of the words, by their rarity, that an entry has to know to be named as one of the nearest."""

NEWER_CODES = 2100
"""Numbers from here on, in the ranges of codes, are hardly anything else beside such words."""

_NEUTRAL = frozenset(
    re.findall(
        r"\w+",
        "a again an and api code does error errors fehler from get getting got have help i ib ibkr id "
        "in is it mean means message msg my notice of on reqid the tws gateway warning what when "
        "why client with",
    )
)
_CONTENT = re.compile(r"[^\W\d_]{2,}")
# Programs that have connections of their own, and the ports that they use.
_FOREIGN = re.compile(
    r"https?://|\bHTTPS?Connection|\b(?:urllib3|requests|aiohttp|httpx|redis|psycopg\w*|postgres\w*|"
    r"\w*mysql\w*|\w*mongo\w*|kafka|rabbitmq|amqp|docker\w*|git|npm|pip|curl|wget|nginx|smtp\w*|"
    r"ftp\w*|sqlalchemy|elastic\w*|grpc|boto\w*|ldap|websockets?|selenium|playwright|jupyter\w*|zmq|"
    r"celery|kubelet|etcd|memcached|ssh|scp|sftp|rsync|apt|yarn|github|gunicorn|uvicorn|flask|"
    r"django|userland|listen|paramiko|asyncpg|clickhouse|dask|spark|ray|yfinance|ccxt|binance)\b"
    r"|[:,]\s?(?:22|25|53|80|443|587|993|3000|3306|5000|5432|5672|6379|8000|80[89]\d|8443|8888|9000|"
    r"9092|9200|11211|27017)\b",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"\b(?:ib_?insync|ib_?async|ibapi|ibkr|tws|ib ?gateway|ibgateway|interactive ?brokers|clientid)\b|"
    r"\b(?:400[1-4]|749[67])\b",
    re.IGNORECASE,
)
_LAST_WORD = re.compile(r"[^\W_]*$")
_NUMBER = re.compile(r"([+-]?\d+)(?:\.0*)?")  # "326.0" is what a table of numbers makes of a code


class UnknownQueryError(LookupError):
    """Words were looked up that no entry fits; the message says what to try instead.

    Attributes:
        candidates: the entries that come nearest, the best one first.
    """

    def __init__(self, message: str, candidates: tuple[Entry, ...] = ()) -> None:
        """Say what was looked up in vain, and what comes nearest."""
        super().__init__(message)
        self.candidates = candidates

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
    # importlib.resources would take a third of the time that the whole look-up has.
    return Catalogue(load(Path(__file__).with_name("catalogue")))


def explain(query: str | int, *, text: str = "") -> Explanation:
    """Return what an error means and what to do about it.

    Args:
        query: A notice code (``326``), an entry's id (``client-id-in-use``), a diagnostic check
            (``api.version``), or words: an exception's name, a log line, what one would say
            (``connection refused``).
        text: The notice as received, when there is one. Where a code means several things, it
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
        too_long = len(number[1].lstrip("+-")) > LONGEST_NUMBER
        if too_long:
            return _unknown_number(None, _said("gateway", text))
        return _explain_number(int(number[1]), text)
    entry = catalogue().by_id(words.lower()) or catalogue().by_check(words.lower())
    if entry is not None:
        return _explanation(entry, text)
    return _explain_words(words, text)


def severity_of(code: int, text: str = "") -> Severity:
    """Return how bad a notice is: ``info`` for one that is no error, ``warning`` or ``error``.

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


def _explain_number(number: int, text: str) -> Explanation:
    """Explain a number; with a `text` it came from the gateway, and can be nothing but a code."""
    entry = catalogue().by_code(number, text)
    if entry is None and not text:
        entry = _entry_of_other_number(number)
    if entry is not None:
        return _explanation(entry, text)
    short = number if abs(number) < 10**LONGEST_NUMBER else None
    return _unknown_number(short, _said("gateway", text))


def _explain_pasted(pasted: Pasted, text: str) -> Explanation:
    """Explain a pasted notice; its own words stand in for the `text` that did not come with it."""
    entry = catalogue().by_code(pasted.code, text or pasted.text)
    if entry is None and not (text or pasted.certain):
        entry = _entry_of_other_number(pasted.code)
    if entry is not None:
        return _explanation(entry, text)
    said = _said("gateway", text) or _said("notice", pasted.text)
    return _unknown_number(pasted.code, said)


def _said(who: str, text: str) -> str:
    """Return a sentence with the words that came with a code, and a space behind; or nothing."""
    return f'The {who} said: "{text}" ' if text else ""


def _entry_of_other_number(number: int) -> Entry | None:
    """Return the entry for a number that is no code: a Windows socket error, or a port."""
    if number not in PORTS:
        return None
    for entry in catalogue().entries:
        if any(re.search(rf"\bWinError {number}\b", symptom) for symptom in entry.symptoms):
            return entry
    if range_of(number) is not None:
        return None
    found = catalogue().search(str(number))
    return found[0] if found else None


def _unknown_number(number: int | None, said: str) -> Explanation:
    """Make the page of a code that no entry knows; None stands for a number beyond all sense.

    `said` is a sentence on the words that came with it, with a space behind, or empty.
    """
    known = None if number is None else range_of(number)
    if known is not None:
        entry = Entry(
            id=f"code-{number}",
            codes=() if number is None else (number,),
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
    """Explain words in steps, each more of a guess than the one before.

    A code in a form that only notices have; a number that may be one, if what stands beside it
    fits; the text of a known notice; an exception; and then what the words are about.
    """
    trace = read(words[:LONGEST_PASTE] if len(words) > LONGEST_PASTE else words)
    said = [part for part in (*trace.raised, trace.log) if part.strip()]
    for find in (_by_sure_code, _by_likely_code):
        for part in said:
            found = find(part, text)
            if found is not None:
                return found
    for part in said:
        known = _known_text(part)
        if known is not None and not known[0].weak:
            return _of_codes(words, *known, text)
        found = _by_exception(part, trace.calls, text)
        if found is not None:
            return found
        if known is not None and len(_pages(*known)) <= MOST_CANDIDATES:
            return replace(_of_codes(words, *known, text), match="words")
    ranked = _ranked(" ".join(said))
    if trace.raised or any(map(is_exception, words.splitlines())):
        # An exception is about what it says, and about nothing else that its words remind of.
        raise _unknown(words, ranked)
    return _guess(words, ranked, text)


def _guess(words: str, ranked: tuple[Ranked, ...], text: str) -> Explanation:
    """Explain what words are most likely about, and name what else they may be about."""
    if not (ranked and ranked[0].is_meant):
        raise _unknown(words, ranked)
    others = tuple(one.entry.id for one in ranked[1:])
    return replace(_explanation(ranked[0].entry, text), match="words", candidates=others)


def _by_sure_code(part: str, text: str) -> Explanation | None:
    """Explain the first of the notices that a text reports which is more than information."""
    found = [_explain_pasted(one, text) for one in notices_in(part)]
    if not found:
        return None
    first = next((one for one in found if one.entry.severity != "info"), found[0])
    others = dict.fromkeys(one.entry.id for one in found if one.entry.id != first.entry.id)
    return replace(first, candidates=tuple(others)[:MOST_CANDIDATES])


def _by_likely_code(part: str, text: str) -> Explanation | None:
    """Explain a number that may be a code, if what is said beside it fits that code."""
    for one in numbers_in(part):
        if _is_fitting(one):
            return _explain_pasted(one, text)
    return None


def _is_fitting(pasted: Pasted) -> bool:
    """Say whether what is said beside a number fits the code that it may be."""
    words = _CONTENT.findall(pasted.text)
    if catalogue().by_code(pasted.code) is None:
        # A number that no page has: what is typed as a code, or lies where newer codes do.
        if not words:
            return pasted.code >= SHORTEST_CODE
        return pasted.labelled and range_of(pasted.code) is not None and pasted.code >= NEWER_CODES
    if not words or all(word.lower() in _NEUTRAL for word in words):
        return True
    if catalogue().fits(pasted.code, pasted.text):
        return True
    known = catalogue().codes_of(pasted.text)
    return pasted.labelled and (known is not None or not pasted.text.isascii())


def _known_text(part: str) -> tuple[Found, str] | None:
    """Return the known notice whose text was pasted, as it is or in a log, and the line it is in."""
    whole = " ".join(part.split())
    lines = part.splitlines() if "\n" in part else []
    found = []
    for line in (whole, *lines):
        known = catalogue().codes_of(line) or catalogue().codes_of(undecorated(line))
        if known is not None:
            found.append((known, line))
    return max(found, key=lambda one: (one[0].certain, one[0].score), default=None)


def _of_codes(words: str, known: Found, line: str, text: str) -> Explanation:
    """Explain a text by its code; by several that it comes with, if they mean the same.

    Raises:
        UnknownQueryError: it may be one of several texts that mean different things.
    """
    pages = _pages(known, text or line)
    first, *others = pages
    if not known.certain and others:
        raise _unknown(words, pages)
    entry = replace(first, codes=tuple(dict.fromkeys((*first.codes, *known.codes))))
    candidates = tuple(other.id for other in others)[:MOST_CANDIDATES]
    return replace(_explanation(entry, text), match="text", candidates=candidates)


def _pages(known: Found, line: str) -> tuple[Entry, ...]:
    found = (catalogue().by_code(code, line) for code in known.codes)
    return tuple({entry.id: entry for entry in found if entry is not None}.values())


def _by_exception(part: str, calls: tuple[str, ...], text: str) -> Explanation | None:
    """Explain what a program or its operating system raised; a guess if it is another program's."""
    raised = f"{part}\nin {', '.join(calls)}" if calls else part
    entry = catalogue().by_exception(raised)
    if entry is None:
        return None
    foreign = _FOREIGN.search(part) is not None and _OURS.search(part) is None
    return replace(_explanation(entry, text), match="words" if foreign else "exception")


def _ranked(words: str) -> tuple[Ranked, ...]:
    """Return the entries that words may mean, the best one first, and no more than are shown."""
    mistyped = _of_mistyped_id(words)
    ranked = (
        *(Ranked(entry, 1.0, 1.0, 1.0, is_meant=True) for entry in mistyped),
        *catalogue().rank(words),
    )
    return ranked[:MOST_CANDIDATES]


def _unknown(words: str, near: Iterable[Ranked | Entry]) -> UnknownQueryError:
    nearest = tuple(
        one if isinstance(one, Entry) else one.entry
        for one in near
        if isinstance(one, Entry) or one.known >= NEAR
    )[:MOST_CANDIDATES]
    return UnknownQueryError(_advice(words, nearest), nearest)


def _of_mistyped_id(words: str) -> tuple[Entry, ...]:
    """Return the entry whose id this nearly is; only words joined by dashes can be an id."""
    from difflib import get_close_matches

    if "-" not in words or " " in words or len(words) > LONGEST_WORDS:
        return ()
    ids = {entry.id: entry for entry in catalogue().entries if entry.family is None}
    near = get_close_matches(words.lower(), ids, n=1, cutoff=ID_LIKENESS)
    return tuple(ids[one] for one in near)


def _advice(words: str, nearest: tuple[Entry, ...]) -> str:
    shown = words
    if len(words) > LONGEST_WORDS:
        # Cut where a word ends: of half an account nobody could tell that it is to be masked.
        whole = words[: LONGEST_WORDS + 1].rpartition(" ")[0]
        shown = f"{whole or _LAST_WORD.sub('', words[:LONGEST_WORDS])}..."
    near = "; ".join(f"{entry.id} ({entry.title})" for entry in nearest)
    return (
        f"Nothing in the catalogue matches {shown!r}. "
        + (f"The nearest are: {near}. " if near else "")
        + "Try the number of the error (326), or a word of its message (refused, timeout)."
    )

"""Words to a page, in steps of certainty: each is tried when the one before it found nothing.

A code in a form that only notices have; a number that may be one, if what stands beside it fits;
the text of a known notice; what a program or its system raised; and last, what the words are about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from .pasted import Pasted, notices_in, numbers_in, undecorated
from .ranges import range_of
from .traces import is_exception, read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .index import Catalogue
    from .model import Entry, Match
    from .texts import Found

LONGEST_PASTE = 20_000
"""Characters of a paste that are read."""

MOST_CANDIDATES = 3
"""Entries that are named where it is not sure which one is meant."""

NEAR = 0.3
"""Share of the words, by their rarity, that one of the nearest entries has to know."""

SHORTEST_CODE = 100
"""The first code of the ranges; a lower number beside a word is mostly something else."""

NEWER_CODES = 2100
"""Numbers from here on, in the ranges of codes, are hardly anything else if they are labelled."""

LONGEST_ID = 60
"""Characters of what may be a mistyped id."""

ID_LIKENESS = 0.8
"""How alike a mistyped id and an id must be, as `difflib` measures it, from 0 to 1."""

QUOTES = " \t\r\n\"'`\u201c\u201d\u00ab\u00bb"
"""What people put around what they paste."""

STRANGE = "nocode"
"""A word that no page has."""

_NEUTRAL = frozenset(
    re.findall(
        r"\w+",
        "a again an and api code does error errors fehler from get getting got have help i ib ibkr "
        "id in is it mean means message msg my notice of on reqid the tws gateway warning what "
        "when why client with",
    )
)
"""What people type around a code."""
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_CONTENT = re.compile(r"[^\W\d_]{2,}")
_NUMBER = re.compile(r"\b\d{3,5}\b")
# Programs that have connections of their own, and the ports that they use.
_FOREIGN = re.compile(
    r"https?://|\bHTTPS?Connection|\b(?:urllib3|requests|aiohttp|httpx|redis|psycopg\w*|postgres\w*"
    r"|\w*mysql\w*|\w*mongo\w*|kafka|rabbitmq|amqp|docker\w*|git|npm|pip|curl|wget|nginx|smtp\w*"
    r"|ftp\w*|sqlalchemy|elastic\w*|grpc|boto\w*|ldap|websockets?|selenium|playwright|jupyter\w*"
    r"|zmq|celery|kubelet|etcd|memcached|mqtt|paho|grafana|prometheus|haproxy|vault|consul|airflow"
    r"|nats|snmp|ssh|scp|sftp|rsync|apt|yarn|github|gunicorn|uvicorn|flask"
    r"|django|userland|listen|paramiko|asyncpg|clickhouse|dask|spark|ray|yfinance|ccxt|binance)\b"
    r"|[:,]\s?(?:22|25|53|80|443|587|993|3000|3306|5000|5432|5672|6379|8000|80[89]\d|8443|8888"
    r"|9000|9092|9200|11211|27017)\b",
    re.IGNORECASE,
)
_OURS = re.compile(
    r"\b(?:ib_?insync|ib_?async|ibapi|ibkr|tws|ib ?gateway|interactive ?brokers|clientid)\b"
    r"|\b(?:400[1-4]|749[67])\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Finding:
    """What words lead to.

    `pasted` is the notice that they hold, `entry` the page; a notice may have none. `others` are
    pages that it may be as well, or that come nearest if there is none.
    """

    match: Match
    entry: Entry | None = None
    pasted: Pasted | None = None
    others: tuple[Entry, ...] = ()


def find(catalogue: Catalogue, words: str) -> Finding:
    """Return what words lead to; its `match` is ``none`` if no page fits well enough."""
    return _Search(catalogue, words[:LONGEST_PASTE].strip(QUOTES)).find()


class _Search:
    """One look-up: the catalogue, and what was pasted, without the frames of a traceback."""

    def __init__(self, catalogue: Catalogue, words: str) -> None:
        self._catalogue = catalogue
        self._words = words
        self._trace = read(_COLOURS.sub("", words))
        self._parts = [part for part in (*self._trace.raised, self._trace.log) if part.strip()]

    def find(self) -> Finding:
        for step in (self._sure_code, self._likely_code, self._said):
            for part in self._parts:
                found = step(part)
                if found is not None:
                    return found
        return self._about()

    def _sure_code(self, part: str) -> Finding | None:
        """Find the first of the notices that a text reports which is more than information."""
        notices = notices_in(part)
        if not notices:
            return None
        first = next((one for one in notices if not self._is_information(one)), notices[0])
        page = self._page(first)
        pages = (self._page(one) for one in notices)
        return Finding("code", page, first, _others(page, pages))

    def _page(self, pasted: Pasted) -> Entry | None:
        return self._catalogue.by_code(pasted.code, pasted.text)

    def _is_information(self, pasted: Pasted) -> bool:
        page = self._page(pasted) or range_of(pasted.code)
        return page is not None and page.severity == "info"

    def _likely_code(self, part: str) -> Finding | None:
        """Find a number that may be a code, if what is said beside it fits that code."""
        for one in numbers_in(part):
            if self._is_fitting(one):
                return Finding("code", self._page(one), one)
        return None

    def _is_fitting(self, pasted: Pasted) -> bool:
        words = _CONTENT.findall(pasted.text)
        if self._catalogue.by_code(pasted.code) is None:
            # A number that no page has: what is typed as a code, or lies where newer codes do.
            if not words:
                return pasted.code >= SHORTEST_CODE
            is_newer = range_of(pasted.code) is not None and pasted.code >= NEWER_CODES
            return pasted.labelled and is_newer
        if all(word.lower() in _NEUTRAL for word in words):
            return True
        if self._catalogue.fits(pasted.code, pasted.text):
            return True
        # Gateways say one thing under several codes, and in several languages.
        known = self._catalogue.codes_of(pasted.text)
        return pasted.labelled and (known is not None or not pasted.text.isascii())

    def _said(self, part: str) -> Finding | None:
        """Find the text of a known notice, or what was raised."""
        known = self._known_text(part)
        if known is not None and not known[0].weak:
            return self._of_codes(*known)
        raised = self._raised(part)
        if raised is not None or known is None:
            return raised
        guess = self._of_codes(*known)
        if guess.match == "none":
            # A few words with which many texts begin are words like others.
            return guess if len(self._pages(*known)) <= MOST_CANDIDATES else None
        return replace(guess, match="words")

    def _known_text(self, part: str) -> tuple[Found, str] | None:
        """Return what a text is known as, and the line in which it stands.

        It may be broken over lines; where each line is one of its own, the first that is more than
        information counts.
        """
        whole = " ".join(part.split())
        # Terminals break lines within words, too.
        joined = dict.fromkeys((whole, " ".join(part.replace("\n", "").split())))
        found = [(known, one) for one in joined if (known := self._codes_of(one)) is not None]
        best = max(found, key=_certainty, default=None)
        lines = [(known, line) for line in part.splitlines() if (known := self._codes_of(line))]
        certain = [one for one in lines if one[0].certain]
        # A text that goes on in the next line weighs more than what is in either.
        is_one = best is not None and all(best[0].score > one[0].score for one in certain)
        if len({known.codes for known, _ in certain}) > 1 and not is_one:
            return next((one for one in certain if not self._is_good_news(*one)), certain[0])
        return max([*found, *((known, whole) for known, _ in lines)], key=_certainty, default=None)

    def _codes_of(self, line: str) -> Found | None:
        known, inner = self._catalogue.codes_of(line), undecorated(line)
        if known is not None or inner == line:
            return known
        return self._catalogue.codes_of(inner)

    def _is_good_news(self, known: Found, line: str) -> bool:
        return all(page.severity == "info" for page in self._pages(known, line))

    def _of_codes(self, known: Found, line: str) -> Finding:
        """Find the page of a text; of one that comes with several codes, the first one's.

        If it may be one of several texts that mean different things, it is none of them.
        """
        pages = self._pages(known, line)
        first, *others = pages
        if others and not known.certain:
            return Finding("none", others=pages[:MOST_CANDIDATES])
        entry = replace(first, codes=tuple(dict.fromkeys((*first.codes, *known.codes))))
        return Finding("text", entry, others=tuple(others[:MOST_CANDIDATES]))

    def _pages(self, known: Found, line: str) -> tuple[Entry, ...]:
        # What a client appends, such as a contract, is not what the gateway said.
        said = undecorated(line)
        found = (self._catalogue.by_code(code, said) for code in known.codes)
        return tuple({entry.id: entry for entry in found if entry is not None}.values())

    def _raised(self, part: str) -> Finding | None:
        """Find what a program or its system raised; that of another program is a guess."""
        calls = ", ".join(self._trace.calls)
        entry = self._catalogue.by_exception(f"{part}\nin {calls}" if calls else part)
        if entry is None:
            return None
        is_foreign = _FOREIGN.search(part) is not None and _OURS.search(part) is None
        return Finding("words" if is_foreign else "exception", entry)

    def _about(self) -> Finding:
        """Find what the words are about, as far as that can be guessed."""
        # A number that was not a code a moment ago is not one because a page has it: it is strange.
        asked = _NUMBER.sub(self._unless_code, " ".join(self._parts))
        denied = self._catalogue.contradicted(asked)
        known = self._catalogue.rank(asked)
        ranked = [one for one in known if not denied.codes & {*one.entry.codes}]
        nearest = tuple(one.entry for one in ranked if one.known >= NEAR)
        mistyped = self._mistyped_id()
        if mistyped is not None:
            return Finding("words", mistyped, others=_others(mistyped, nearest))
        # An exception is about what it says, and not about what its words remind of; so is what is
        # nearly the text of a notice, and the contrary of it.
        is_exact = bool(self._trace.raised) or any(map(is_exception, self._parts)) or denied.is_all
        if is_exact or not ranked or not ranked[0].is_meant:
            return Finding("none", others=nearest[:MOST_CANDIDATES])
        best = ranked[0].entry
        return Finding("words", best, others=_others(best, nearest))

    def _unless_code(self, number: re.Match[str]) -> str:
        return STRANGE if self._catalogue.by_code(int(number[0])) is not None else number[0]

    def _mistyped_id(self) -> Entry | None:
        """Return the entry whose id, or check's id, this nearly is: words with dashes or a dot."""
        from difflib import get_close_matches

        words = self._words.lower()
        if not {"-", "."} & {*words} or " " in words or len(words) > LONGEST_ID:
            return None
        ids = [entry.id for entry in self._catalogue.entries if entry.family is None]
        near = get_close_matches(words, [*ids, *self._catalogue.checks], n=1, cutoff=ID_LIKENESS)
        if not near:
            return None
        return self._catalogue.by_id(near[0]) or self._catalogue.by_check(near[0])


def _certainty(known: tuple[Found, str]) -> tuple[bool, float]:
    return known[0].certain, known[0].score


def _others(page: Entry | None, pages: Iterable[Entry | None]) -> tuple[Entry, ...]:
    """Return the other pages, each once, and no more than are shown."""
    others = {one.id: one for one in pages if one is not None}
    if page is not None:
        others.pop(page.id, None)
    return tuple(others.values())[: MOST_CANDIDATES - 1]

"""Notices in pasted text: the code and the gateway's words in a line of some program's log."""

from __future__ import annotations

import re
from typing import NamedTuple


class Pasted(NamedTuple):
    """What a pasted line says of a notice: its code, and the words that may tell it from others.

    `certain`: the line has a form that only notices have, so its number is a code, whether or not
    anyone knows it. Otherwise it may be a port, an exit status or a number of another program, and
    its words decide. `labelled`: it is called a code or an error there.
    """

    code: int
    text: str
    certain: bool = False
    labelled: bool = False


_LABEL = r"(?:error|warning|notice|info|fehler|erreur|fout|errore)"
# What stands between the label and the value of a keyed form, quotes and all.
_IS = r"['\"]?\s*[:=\uff1a]\s*['\"]?"
_ID = r"(?:req|request|ticker|order)?_?id"
_CODE = rf"(?:err(?:or)?[ _]?)?code{_IS}(?P<code>\d{{1,5}})\b['\"]?"
_WHEN = rf"(?:[\"']?\w*time{_IS}\d+[\"']?[\s,;|]+)?"
_MESSAGE = r"(?:msg|string|message|text)"
_CALLED = rf"(?<![a-z]){_LABEL}|\bcode|\bfehlercode|\bmsg|\u4ee3\u7801|\u9519\u8bef"
_NUMBER = r"[\s:=#\uff1a\u2013'\"-]*(?P<code>\d{1,5})(?![\d.:/-]*\d)"


def _forms(*forms: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(form, re.IGNORECASE | re.DOTALL) for form in forms)


_SURE = _forms(
    # "Error 326, reqId -1: ..." of the Python libraries, whatever a logger put before it.
    rf"\b{_LABEL}\s+(?P<code>\d{{1,5}})\s*,\s*reqId\s*-?\d*\s*:(?P<text>.*)",
    # "API error: 200: ..." of their RequestError.
    r"\bAPI error:\s*(?P<code>\d{1,5}):(?P<text>.*)",
    # {'reqId': 2, 'errorCode': 162, 'errorString': '...'} of the official client, and what is
    # like it in other languages: an id and a code beside each other.
    rf"\b{_ID}{_IS}-?\d+['\"]?[\s,;|]+{_WHEN}['\"]?{_CODE}(?P<text>.*)",
    rf"\b{_CODE}(?P<text>[^\n]{{0,200}}?\b{_ID}{_IS}-?\d+.*)",
    r"\breqid\s+-?\d+\s+errorcode\s+(?P<code>\d{1,5})(?:\s+errorstring)?(?P<text>.*)",
    rf"\berr(?:or)?[ _]?{_CODE}(?P<text>\s*[,;]?\s*['\"]?err(?:or)?_?{_MESSAGE}{_IS}.*)",
    # "ERROR -1 2104 ..." and "ERROR 3 1749823634683 321 ...": the official client writes the
    # reqId first, since version 10 with a time in milliseconds between the two.
    rf"\b{_LABEL}[\s:]+-?\d+[\s,:]+\d{{13}}[\s,:]+(?P<code>\d{{1,5}})[\s,:]+(?=[^\d\s])(?P<text>.+)",
    rf"\b{_LABEL}[\s:]+-1[\s,:]+(?P<code>\d{{3,5}})[\s,:]+(?=[^\d\s])(?P<text>.+)",
)
# Forms that other programs' messages have too. What they say has to fit the code.
_LABELLED = _forms(
    rf"\berr(?:or)?[ _]?code{_IS}(?P<code>\d{{1,5}})\b['\"]?(?P<text>.*)",
    rf"(?:^|\b{_LABEL}[\s:]+)-?\d+[\s,:]+(?P<code>\d{{3,5}})[\s,:]+(?=[^\d\s])(?P<text>.+)",
    r"(?<![\w.])-1[\s,:|]+(?P<code>\d{3,5})\b[\s,:|]*(?=[^\d\s])(?P<text>.+)",
    rf"(?:{_CALLED})(?:[ _]?code)?{_NUMBER}(?P<text>.*)",
    r"(?<!\w)\[#?(?P<code>\d{3,5})\](?P<text>.*)",
)
_BARE = _forms(
    r"^\W*(?P<code>\d{3,5})\b(?!\.\d)\s*[|:,;.\u2013-]?\s(?P<text>\D.+)",
    r"[|\]:]\s*(?P<code>\d{3,5})\s*[|:]\s*(?P<text>\D.+)",
    r"(?<![\w.,:])#?(?:IB)?(?P<code>\d{3,5})(?![\w.,:/-])(?P<text>.*)",
)
# Numbers with a label of their own: exit statuses, of HTTP, of the operating system, places in
# files, processes.
_OTHER = re.compile(
    r"(?:\b(?:exit(?:ed)?|status|http\S*|errno|winerror|os error|signal|sqlstate|line|pid|port|"
    r"process|thread|ora|returned|with|socketexception|lineno|col(?:umn)?|version)"
    r"|(?:exit|status|return|response)[ _](?:code|status))\W{0,3}(?:code|status)?\W{0,3}$"
    r"|\bOs \{ code: $|\bwin$",
    re.IGNORECASE,
)
_STATUS = re.compile(r"\W*(?:client|server) error\b(?! when)", re.IGNORECASE)
# 'errorString': '...' of a keyed form, up to the quote that it began with.
_SAID = re.compile(
    rf"\b(?:err(?:or)?[ _]?)?{_MESSAGE}['\"]?\s*[:=]\s*"
    r"(?:(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\s*(?:[,})>]|$)|(?P<bare>.*))",
    re.IGNORECASE | re.DOTALL,
)
# The Python libraries append the contract of the request, other clients a field for rejections;
# neither is the gateway's words.
_APPENDED = re.compile(
    r",\s*contract:.*|,?\s*['\"]?advanced_?order_?reject(?:_?json)?['\"]?\s*[:=].*"
    r"|,?\s*['\"]?rejectJson['\"]?\s*[:=].*|\s*\((?:code|req_?id)\s*[:=].*",
    re.DOTALL | re.IGNORECASE,
)
_NUMBERED = re.compile(rf"^\W*\b{_ID}{_IS}-?\d+\W*$", re.IGNORECASE)
# Notices may hold line breaks, and a paste may hold several notices.
_NEXT = re.compile(
    r"\n(?=[^\n]*(?:\b(?:error|warning)[\s:]+-?\d|\berr(?:or)?[ _]?code['\"]?\s*[:=]))",
    re.IGNORECASE,
)
# What loggers put before a message: times, levels, names with dots, anything in brackets.
_TIME = r"\d[\d:.,/T+-]*Z?(?:\s*(?:AM|PM|UTC|GMT)\b)?"
_LEVEL = r"(?:ERROR|ERR|WARN(?:ING)?|INFO|DEBUG|CRITICAL|FATAL|TRACE|NOTICE|SEVERE)\b"
_PREFIX = re.compile(
    rf"(?:\s*(?:\[[^\]\n]*\]|<[^>\n]*>|{_TIME}(?![\w'])|{_LEVEL}"
    r"|[A-Za-z_$][\w$-]*(?:[./]+[\w$<>-]+)+(?=[\s:])|[A-Za-z_]\w*:(?=\w)|[|>*#:-]+))+\s*",
    re.IGNORECASE,
)
_SIGN = re.compile(rf"\[|\d\d:\d\d|\b{_LEVEL}", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z_$][\w$.-]*\s?(?:\s-|[:|])\s+(?=\S)")


def notices_in(words: str) -> tuple[Pasted, ...]:
    """Return the notices that pasted text reports in a form that only notices have."""
    found = (_first(_SURE, line, certain=True) for line in _NEXT.split(words))
    return tuple(one for one in found if one is not None)


def numbers_in(words: str) -> tuple[Pasted, ...]:
    """Return what may be notices: numbers in forms that other programs have too, best first."""
    found = []
    for line in _NEXT.split(words):
        for form in (*_LABELLED, *_BARE):
            one = _first((form,), line, labelled=form in _LABELLED)
            if one is not None and one not in found:
                found.append(one)
    return tuple(found)


def _first(
    forms: tuple[re.Pattern[str], ...],
    line: str,
    *,
    certain: bool = False,
    labelled: bool = False,
) -> Pasted | None:
    for form in forms:
        for found in form.finditer(line):
            if not certain and _is_of_others(line, found):
                continue
            text = _said_in(line, found)
            if not (certain or labelled):
                text = f"{line[: found.start('code')]} {text}".strip()
            return Pasted(int(found["code"]), text, certain, labelled)
    return None


def _is_of_others(line: str, found: re.Match[str]) -> bool:
    """Say whether a number is called something else, or is a status of HTTP with its words."""
    start, end = found.span("code")
    if _OTHER.search(line[max(0, start - 30) : start]) or _STATUS.match(line, end):
        return True
    from http import HTTPStatus

    status = int(found["code"])
    known = status in HTTPStatus.__members__.values()
    # "504 Gateway Time-out" is spelled in both ways.
    return known and HTTPStatus(status).phrase.lower() in line.lower().replace("-", "")


def _said_in(line: str, found: re.Match[str]) -> str:
    """Return the gateway's words in a line: in a field of their own, behind the code, before it."""
    said = _SAID.search(line)
    if said is not None:
        words = said["quoted"] or _APPENDED.sub("", said["bare"] or "")
        return words.strip(" ,;'\"})>\n")
    behind = _NUMBERED.sub("", _APPENDED.sub("", found["text"])).strip(" ,;:|-'\"})>\n")
    if behind:
        return behind
    return undecorated(line[: found.start()]).strip(" ,;:|({[<\n")


def undecorated(line: str) -> str:
    """Return what is left of a logged line without what loggers and libraries put around it."""
    line = _APPENDED.sub("", line)
    prefix = _PREFIX.match(line)
    if prefix is None or not _SIGN.search(prefix[0]):
        return line.strip()
    rest = line[prefix.end() :]
    name = _NAME.match(rest)
    return (rest[name.end() :] if name is not None else rest).strip()

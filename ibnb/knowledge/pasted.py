"""Notices in pasted text: the code and the gateway's words in a line of some program's log."""

from __future__ import annotations

import re
from typing import NamedTuple


class Pasted(NamedTuple):
    """What a pasted line says of a notice: its code, and the words that may tell it from others.

    `certain`: the line has the form of a notice, so its number is a code, whether or not anyone
    knows it. Otherwise it may be a port, an exit status or an error of the operating system.
    """

    code: int
    text: str
    certain: bool = False


# {'reqId': 2, 'errorCode': 162, 'errorString': '...'}, as the official ibapi logs its answers;
# "errorCode=2105, errorMsg=...", "ErrCode: 2129" and the like. What stands between is the reqId's
# or the time's; the quotes may be missing.
_KEYED = re.compile(
    r"\berr(?:or)?[ _]?code['\"]?\s*[:=]\s*['\"]?(?P<code>\d{1,5})\b['\"]?(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)
# "ERROR 25 200 No security definition ...": the official ibapi writes the reqId first, since
# version 10 with a time in milliseconds between the two.
_IBAPI = re.compile(
    r"(?:^|\b(?P<certain>error)[:\s]+)-?\d+[\s,:]+(?:\d{13}[\s,:]+)?(?P<code>\d{3,5})[\s,:]+"
    r"(?=[^\d\s])(?P<text>.+)",
    re.IGNORECASE | re.DOTALL,
)
# "Error 326, reqId -1: ..." of the Python libraries, "API error: 200: ..." of their RequestError.
# "WinError" and "Errno" are the operating system's.
_NAMED = re.compile(
    r"(?:(?P<api>\bAPI )?(?<!win)error|warning|\bcode|\bnotice|\bfehler|代码)"
    r"(?:[ _]?code)?[\s:=#：]*"  # noqa: RUF001 - the wide colon is what such logs hold
    r"(?P<code>\d{1,5})\b(?P<certain>,\s*reqId\s+-?\d+:)?(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)
# "[162] ..." or "[#354] ...".
_BRACKETED = re.compile(r"\[#?(?P<code>\d{3,5})\](?P<text>.*)", re.DOTALL)
# 'errorString': '...' of a keyed form, up to the quote that it began with.
_SAID = re.compile(
    r"\b(?:err(?:or)?[ _]?)?(?:string|msg|message|text)['\"]?\s*[:=]\s*"
    r"(?:(?P<quote>['\"])(?P<quoted>.*?)(?P=quote)\s*(?:[,})>]|$)|(?P<bare>.*))",
    re.IGNORECASE | re.DOTALL,
)
# The Python libraries append the contract of the request, whose fields are not the gateway's words.
_CONTRACT = re.compile(r",\s*contract:.*", re.DOTALL)
# Notices may hold line breaks, and a paste may hold several notices.
_NEXT = re.compile(
    r"\n(?=[^\n]*(?:\b(?:error|warning)[\s:]+-?\d|\berr(?:or)?[ _]?code['\"]?\s*[:=]))",
    re.IGNORECASE,
)


def notice_in(words: str) -> Pasted | None:
    """Return the notice that pasted text reports, the first of several; None without a code."""
    reported = (_reported_by(line) for line in _NEXT.split(words))
    return next((one for one in reported if one is not None), None)


def _reported_by(line: str) -> Pasted | None:
    keyed = _KEYED.search(line)
    if keyed is not None:
        return Pasted(int(keyed["code"]), _said_in(line, keyed["text"]), certain=True)
    for form in (_IBAPI, _NAMED, _BRACKETED):
        found = form.search(line)
        if found is not None:
            signs = found.groupdict()
            certain = bool(signs.get("certain") or signs.get("api"))
            text = _CONTRACT.sub("", found["text"]).strip().removeprefix(":").lstrip()
            return Pasted(int(found["code"]), text, certain)
    return None


def _said_in(line: str, rest: str) -> str:
    """Return the gateway's words in a keyed line; `rest` is what follows its code."""
    said = _SAID.search(line)
    words = rest if said is None else said["quoted"] or said["bare"] or ""
    return words.strip(" ,;'\"})>\n")

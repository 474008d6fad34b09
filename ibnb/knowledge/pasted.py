"""Notices in pasted text: the code and the gateway's words in a line of some program's log."""

from __future__ import annotations

import re
from typing import NamedTuple


class Pasted(NamedTuple):
    """What a pasted line says of a notice: its code, and the words that may tell it from others."""

    code: int
    text: str


# "ERROR 25 200 No security definition ...": the official ibapi writes the reqId first, since
# version 10 with a time in milliseconds between the two.
_IBAPI = re.compile(
    r"(?:^|\berror[:\s]+)-?\d+[\s,:]+(?:\d{13}[\s,:]+)?(?P<code>\d{3,5})[\s,:]+(?=[^\d\s])"
    r"(?P<text>.+)",
    re.IGNORECASE | re.DOTALL,
)
# "Error 326, reqId -1: ..." of the Python libraries, "API error: 200: ..." of their RequestError,
# "errorCode=2105, errorMsg=..." and the like. "WinError" and "Errno" are the operating system's.
_NAMED = re.compile(
    r"(?:(?<!win)error|warning|\bcode|\bnotice|\bfehler|代码)(?:[ _]?code)?[\s:=#：]*"  # noqa: RUF001 - the wide colon is what such logs hold
    r"(?P<code>\d{1,5})\b(?:,\s*reqId\s+-?\d+:)?(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)
# "[162] ..." or "[#354] ...".
_BRACKETED = re.compile(r"\[#?(?P<code>\d{3,5})\](?P<text>.*)", re.DOTALL)
# The Python libraries append the contract of the request, whose fields are not the gateway's words.
_CONTRACT = re.compile(r",\s*contract:.*", re.DOTALL)
# Notices may hold line breaks, and a paste may hold several notices.
_NEXT = re.compile(r"\n(?=[^\n]*(?:\b(?:error|warning)[\s:]+|\berrorCode=)-?\d)", re.IGNORECASE)


def notice_in(words: str) -> Pasted | None:
    """Return the notice that pasted text reports, the first of several; None without a code."""
    for form in (_IBAPI, _NAMED, _BRACKETED):
        found = form.search(words)
        if found is not None:
            first = _NEXT.split(found["text"], maxsplit=1)[0]
            return Pasted(int(found["code"]), _CONTRACT.sub("", first).strip())
    return None

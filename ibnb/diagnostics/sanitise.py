"""What others wrote, as it may be passed on: bounded, and redacted whole.

Foreign text is cleaned here, where it comes in and before any sentence is made of it, so that
nothing of it can pass for a word of ours. A sentence that somebody else made of it is cleaned by
what it quotes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace

from ibnb.diagnostics.json_safe import whole_words
from ibnb.session import Health
from ibnb.tws.accounts import mask_in
from ibnb.tws.attempt import Attempt
from ibnb.tws.codes import REFUSING
from ibnb.tws.escaping import visible
from ibnb.tws.handshake import READABLE
from ibnb.tws.notices import LinkFollower, Notice
from ibnb.tws.redaction import redact
from ibnb.tws.story import SHOWN

MOST_NOTICES = 20
"""So many of the newest notices are passed on, beside those that a cause or the link rests on."""
LONGEST_TEXT = 300
"""So many characters of a notice are passed on."""


def presentable(attempt: Attempt) -> Attempt:
    """Return an attempt whose foreign texts may be shown: each shortened and redacted.

    Of many notices few are kept; the cause and the state of the link are the same with those.
    """
    kept = _telling(attempt.notices, attempt.told_why)
    return replace(
        attempt,
        notices=tuple(replace(one, text=said(one.text)) for one in kept),
        more_notices=attempt.more_notices + len(attempt.notices) - len(kept),
        server_time=said(attempt.server_time),
        foreign=_bytes(attempt.foreign),
        beginning=_bytes(attempt.beginning),
    )


def presentable_health(health: Health, *attempts: Attempt | None) -> Health:
    """Return a health whose reason quotes nothing that may not be shown; `attempts` led to it."""
    notices = [*health.notices, *(one for seen in attempts if seen for one in seen.notices)]
    quotes = Quotes((one.text for one in notices), redact)
    return replace(health, reason=quotes.cleaned(health.reason))


def said(text: str, keep: Collection[str] = (), *, accounts: bool = True) -> str:
    """Return a foreign text as it may be shown; hosts and addresses in `keep` stay."""
    return redact(whole_words(text, LONGEST_TEXT), keep=keep, accounts=accounts)


class Quotes:
    """Texts of others that sentences of ours may quote, and how each may be shown."""

    def __init__(self, texts: Iterable[str], clean: Callable[[str], str]) -> None:
        spelt = {form for text in set(texts) for form in _spelt(text) if form}
        # The longest first: one may be a part of another.
        self._spelt = sorted(spelt, key=lambda form: (-len(form), form))
        self._clean = clean

    def cleaned(self, sentence: str) -> str:
        """Return a sentence of ours in which what it quotes is as it may be shown."""
        for form in self._spelt:
            if form in sentence:
                sentence = sentence.replace(form, self._clean(form))
        return sentence


def _spelt(text: str) -> set[str]:
    """Return the ways in which a sentence may quote a text."""
    whole = {text, mask_in(text), visible(text)}
    return {form for one in whole for form in (one, one.rstrip("."), repr(one)[1:-1])}


def _bytes(data: bytes) -> bytes:
    # Account numbers in it are masked where it is told: the mask itself is no ASCII.
    text = data.decode("ascii", errors="backslashreplace")
    told = redact(text, accounts=False)
    if len(data) >= READABLE:
        # Its last word may be half a secret, which nothing recognises; what is shown stays.
        whole = told.rsplit(maxsplit=1)[0] if " " in told else ""
        told = told[: max(len(whole), SHOWN)]
    return told.encode()


def _telling(notices: Sequence[Notice], told_why: Notice | None) -> list[Notice]:
    """Return the newest notices and those that something rests on, in their order."""
    needed = {id(notice) for notice in (*LinkFollower(notices).standing, told_why)}
    first = len(notices) - MOST_NOTICES
    return [
        notice
        for position, notice in enumerate(notices)
        if position >= first or id(notice) in needed or notice.code in REFUSING
    ]

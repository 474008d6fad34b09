"""What a gateway said, as it may be passed on: bounded, and redacted whole.

Foreign text is cleaned here, before any sentence is made of it, so that nothing of it can pass for
a word of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ibnb.diagnostics.json_safe import whole_words
from ibnb.tws.attempt import Attempt
from ibnb.tws.handshake import READABLE
from ibnb.tws.notices import REFUSING, LinkFollower, Notice
from ibnb.tws.redaction import redact
from ibnb.tws.story import SHOWN

from .vocabulary import own_words

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


def said(text: str) -> str:
    """Return a foreign text as it may be shown."""
    return redact(whole_words(text, LONGEST_TEXT), words=own_words())


def _bytes(data: bytes) -> bytes:
    # Account numbers in it are masked where it is told: the mask itself is no ASCII.
    text = data.decode("ascii", errors="backslashreplace")
    told = redact(text, accounts=False, words=own_words())
    if len(data) >= READABLE:
        # Its last word may be half a secret, which nothing recognises; what is shown stays.
        whole = told.rsplit(maxsplit=1)[0] if " " in told else ""
        told = told[: max(len(whole), SHOWN)]
    return told.encode()


def _telling(notices: Sequence[Notice], told_why: Notice | None) -> list[Notice]:
    """Return the newest notices and those that something rests on, in their order."""
    follower = LinkFollower()
    for notice in notices:
        follower.add(notice)
    needed = {id(notice) for notice in follower.standing}
    needed |= {id(notice) for notice in (told_why,) if notice is not None}
    first = len(notices) - MOST_NOTICES
    return [
        notice
        for position, notice in enumerate(notices)
        if position >= first or id(notice) in needed or notice.code in REFUSING
    ]

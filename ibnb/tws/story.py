"""What happened in an attempt, told in plain sentences."""

from __future__ import annotations

from .accounts import mask, mask_in
from .attempt import CLOSING, Attempt, cause
from .codes import REFUSING
from .handshake import Stage
from .notices import Notice

SHOWN = 40
"""So many characters of what a peer of another kind sent are shown."""
_MASK = "•••"
_MASKED = _MASK.encode().decode("ascii", errors="backslashreplace")


def span(seconds: float) -> str:
    """Return a duration for people: milliseconds below one second."""
    if seconds >= 1:
        return f"{seconds:.1f} s"
    milliseconds = round(seconds * 1000)
    return f"{milliseconds} ms" if milliseconds else "under 1 ms"


# One sentence for each cause, side by side: that is long, and easier to read than a table.
def tell(attempt: Attempt) -> str:  # noqa: C901, PLR0911, PLR0912
    """Return one sentence on what the opening came to; accounts in it are masked."""
    where = str(attempt.target)
    took = span(attempt.total)
    told = attempt.told_why
    if attempt.ending == "closed" and told is not None and cause(attempt) == CLOSING.get(told.code):
        return f"{where} closed the connection right after the session start{_why(attempt)}"
    match cause(attempt):
        case None:
            return (
                f"{where} is ready for client ID {attempt.client_id}: server version "
                f"{attempt.server_version}, after {span(attempt.seconds.get(str(Stage.READY), 0))}."
            )
        case "connection-refused":
            return f"{where} refused the connection: nothing listens there."
        case "host-unreachable":
            return f"{where} could not be reached: {attempt.detail or 'no answer'}."
        case "handshake-silent":
            return f"{where} accepted the connection but {_sent(attempt)} in {took}."
        case "closed-before-version":
            return f"{where} accepted the connection and closed it {_unanswered(attempt)}."
        case "not-a-gateway":
            shown = tell_foreign(attempt.foreign)
            return f"{where} answered with bytes that no TWS or Gateway sends: {shown!r}."
        case "version-too-old":
            return (
                f"{where} speaks server version {attempt.server_version}; the API library needs "
                f"{attempt.min_version} or later."
            )
        case "client-id-in-use" | "paper-disclaimer":
            return f"{where} refused client ID {attempt.client_id}: {_refusal(attempt)}"
        case "closed-after-start":
            return f"{where} closed the connection right after the session start{_why(attempt)}"
        case "not-ready":
            return f"{_tell_not_ready(attempt)}{_heard(attempt)}"
        case "sync-incomplete":
            return f"{_tell_incomplete(attempt)}{_meanwhile(attempt)}"
        case "connectivity-lost":
            return f"{_tell_unfinished(attempt)}{_tell_link(attempt)}"
        case "no-accounts":
            return f"{where} started the session, but its list of accounts is empty."
        case _:
            accounts = ", ".join(mask(name) for name in attempt.accounts or ())
            found = "live" if attempt.target.expects == "paper" else "paper"
            return (
                f"{where} holds {accounts}, which is {found}; "
                f"{attempt.target.expects} was expected."
            )


def tell_lost(notice: Notice) -> str:
    """Return one sentence on the notice that reported the loss of the gateway's link to IBKR."""
    return (
        f"The gateway has lost its link to IBKR: notice {notice.code}, "
        f"{mask_in(notice.text)!r}, and nothing since ends it."
    )


def tell_refused(client_id: int) -> str:
    """Return one sentence on a client ID that a gateway refused, for those who did not see how."""
    return f"Client ID {client_id} was refused as in use."


def tell_foreign(data: bytes) -> str:
    """Return the beginning of what a peer of another kind sent, as it may be shown.

    An account in it that was masked before stays as it is.
    """
    text = data.decode("ascii", errors="backslashreplace").replace(_MASKED, _MASK)
    return mask_in(text)[:SHOWN]


def _missing(attempt: Attempt) -> list[str]:
    missing = []
    if attempt.next_valid_id is None:
        missing.append("order ID (nextValidId)")
    if attempt.accounts is None:
        missing.append("list of accounts (managedAccounts)")
    return missing


def _tell_unfinished(attempt: Attempt) -> str:
    return (_tell_incomplete if attempt.ending == "incomplete" else _tell_not_ready)(attempt)


def _tell_incomplete(attempt: Attempt) -> str:
    missing = " and ".join(attempt.missing) or "its first requests"
    return (
        f"{attempt.target} was ready for client ID {attempt.client_id} after "
        f"{span(attempt.seconds.get(str(Stage.READY), 0))}, but did not answer the library's "
        f"request for {missing}: after {span(attempt.total)} the library gave up and closed the "
        "connection."
    )


def _tell_not_ready(attempt: Attempt) -> str:
    if attempt.ending == "closed":
        return f"{attempt.target} closed the connection right after the session start."
    missing = " and no ".join(_missing(attempt)) or "end of the start"
    return (
        f"{attempt.target} answered with server version {attempt.server_version}, but no {missing} "
        f"came in {span(attempt.total)}."
    )


def _tell_link(attempt: Attempt) -> str:
    lost_by = attempt.link_lost_by
    return f" {tell_lost(lost_by)}" if lost_by is not None else ""


def _sent(attempt: Attempt) -> str:
    if not attempt.received:
        return "sent nothing"
    return f"sent {_bytes(attempt)}, as a version reply may begin, and no more"


def _unanswered(attempt: Attempt) -> str:
    if not attempt.received:
        return "without a version reply"
    return f"after {_bytes(attempt)}, as a version reply may begin"


def _bytes(attempt: Attempt) -> str:
    number = "1 byte" if attempt.received == 1 else f"{attempt.received} bytes"
    return f"{number} ({tell_foreign(attempt.beginning)!r})"


def _why(attempt: Attempt) -> str:
    """Say what the gateway had said before, where that may be why."""
    told = attempt.told_why
    if told is None:
        return f", and no notice said why.{_heard(attempt)}"
    return f". Before that it sent {_words(told)}"


def _meanwhile(attempt: Attempt) -> str:
    """Say what the gateway said instead of an answer, where that may be why."""
    told = attempt.told_why
    return f" Meanwhile it sent {_words(told)}" if told is not None else ""


def _refusal(attempt: Attempt) -> str:
    """Say the notice that refused; another may have come after it."""
    refused = [notice for notice in attempt.notices if notice.code in REFUSING]
    return _words(refused[-1]) if refused else "it gave no reason."


def _words(notice: Notice) -> str:
    return f"notice {notice.code}, “{mask_in(notice.text).rstrip('.')}”."


def _heard(attempt: Attempt) -> str:
    notice = attempt.last_notice
    return f" The last notice was {_words(notice)}" if notice is not None else ""

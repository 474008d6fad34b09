"""Attempts: what one opening of a connection came to, and the one cause that explains it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .accounts import is_paper
from .codes import Code, tells_why
from .handshake import Handshake, Stage
from .notices import Notice, link_after

if TYPE_CHECKING:
    from .target import Target

Ending = Literal[
    "ready",
    "answered",
    "closed",
    "timeout",
    "incomplete",
    "refused",
    "unreachable",
    "unresolved",
    "foreign",
]
"""How an opening ended.

``ready``: an order ID and accounts came. ``answered``: the gateway said all that was needed to know
that it never becomes ready (a version too old, an empty account list, a refusal), and the opening
was ended from this side. ``closed``: the gateway closed or reset it. ``timeout``: TCP opened, and
then the time ran out. ``refused``, ``unreachable`` and ``unresolved``: TCP never opened.
``foreign``: bytes came that no gateway sends. ``incomplete``: it became ready, and the library then
gave up because answers to its first requests did not come.
"""


@dataclass(frozen=True)
class Attempt:
    """One opening as seen from outside.

    `stage` is the last stage that was reached, `ending` how it ended. `seconds` maps each stage
    that was reached to its time since the beginning; `total` is the whole opening, in seconds.
    `received` counts the bytes that came, and `beginning` is the first of them. `more_notices`
    counts the notices that came and are not in `notices`. `missing` names what the library asked
    for after ready and did not get. `unanswered` are the addresses at which a TCP connection was
    neither accepted nor refused in time.
    """

    target: Target
    client_id: int
    stage: Stage
    ending: Ending
    min_version: int
    max_version: int
    server_version: int | None = None
    server_time: str = ""
    next_valid_id: int | None = None
    accounts: tuple[str, ...] | None = None
    notices: tuple[Notice, ...] = ()
    foreign: bytes = b""
    received: int = 0
    beginning: bytes = field(default=b"", repr=False)
    detail: str = ""
    gateway_time: int | None = None
    gateway_time_at: float | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    total: float = 0.0
    more_notices: int = 0
    missing: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()

    @classmethod
    def seen(
        cls,
        handshake: Handshake,
        *,
        target: Target,
        client_id: int,
        stage: Stage,
        ending: Ending,
        versions: tuple[int, int],
        seconds: dict[str, float],
        total: float,
        detail: str = "",
        unanswered: tuple[str, ...] = (),
    ) -> Attempt:
        """Return what a handshake saw; `versions`: the lowest and highest that were offered."""
        return cls(
            target=target,
            client_id=client_id,
            stage=stage,
            ending=ending,
            min_version=versions[0],
            max_version=versions[1],
            server_version=handshake.server_version,
            server_time=handshake.server_time,
            next_valid_id=handshake.next_valid_id,
            accounts=handshake.accounts,
            notices=tuple(handshake.notices),
            foreign=handshake.foreign,
            received=handshake.received,
            beginning=handshake.beginning,
            detail=detail,
            gateway_time=handshake.gateway_time,
            gateway_time_at=handshake.gateway_time_at,
            seconds=dict(seconds),
            total=total,
            unanswered=unanswered,
        )

    @property
    def last_notice(self) -> Notice | None:
        """The notice that came last, or None."""
        return self.notices[-1] if self.notices else None

    @property
    def told_why(self) -> Notice | None:
        """The last notice that may be why it ended, or None: those on data farms are none."""
        return next((one for one in reversed(self.notices) if tells_why(one.code)), None)

    @property
    def link_lost_by(self) -> Notice | None:
        """The notice by which the gateway reported its link to IBKR lost, if none ended that."""
        return link_after(self.notices).lost_by

    @property
    def clock_offset(self) -> float | None:
        """Seconds by which the gateway's clock is ahead of this machine's; None where unknown.

        The gateway tells whole seconds, so up to one second of it is rounding.
        """
        if self.gateway_time is None or self.gateway_time_at is None:
            return None
        return self.gateway_time - self.gateway_time_at


CLOSING: Mapping[int, str] = {
    Code.CLIENT_TOO_OLD: "client-too-old",
    # It answered, so of all that this code may mean its limit of clients is left.
    Code.COULD_NOT_CONNECT: "too-many-clients",
    Code.TWS_TOO_OLD: "version-too-old",
    Code.UNKNOWN_MESSAGE: "client-socket-505",
    Code.UNSUPPORTED_VERSION: "version-too-old",
    Code.BAD_LENGTH: "client-socket-507",
    Code.BAD_MESSAGE: "client-socket-508",
}
"""The causes of a close after the session start by the code of the last notice before it."""
_UNFINISHED: Mapping[Ending, str] = {
    "closed": "closed-after-start",
    "timeout": "not-ready",
    "incomplete": "sync-incomplete",
}
"""The causes of what ended after the session start, unless the link to IBKR was lost."""


def cause(attempt: Attempt) -> str | None:
    """Return the catalogue id of what kept an opening from being usable, or None when it is.

    The rules are those of the verdict table: a code beats everything, then how far it got.
    """
    if attempt.ending == "refused":
        return "connection-refused"
    if attempt.ending in {"unreachable", "unresolved"} or attempt.stage < Stage.TCP:
        return "host-unreachable"
    if attempt.ending == "foreign":
        return "not-a-gateway"
    if attempt.server_version is None:
        return "closed-before-version" if attempt.ending == "closed" else "handshake-silent"
    if attempt.server_version < attempt.min_version:
        return "version-too-old"
    return _cause_after_version(attempt)


def _cause_after_version(attempt: Attempt) -> str | None:
    codes = {notice.code for notice in attempt.notices}
    if attempt.ending != "ready":
        if Code.CLIENT_ID_IN_USE in codes:
            return "client-id-in-use"
        if Code.PAPER_DISCLAIMER in codes:
            return "paper-disclaimer"
    if attempt.accounts == ():
        return "no-accounts"
    if attempt.ending in _UNFINISHED:
        return _unfinished(attempt)
    if wrong_environment(attempt.target, attempt.accounts):
        return "wrong-environment"
    return None


def _unfinished(attempt: Attempt) -> str:
    told = attempt.told_why if attempt.ending == "closed" else None
    if told is not None and told.code in CLOSING:
        return CLOSING[told.code]
    return _UNFINISHED[attempt.ending] if attempt.link_lost_by is None else "connectivity-lost"


def is_refusal_of(client_id: int, target: Target, attempt: Attempt) -> bool:
    """Say whether an attempt shows that a client ID is in use at a gateway."""
    asked = (attempt.client_id, attempt.target.address) == (client_id, target.address)
    return asked and cause(attempt) == "client-id-in-use"


def wrong_environment(target: Target, accounts: tuple[str, ...] | None) -> bool:
    """Say whether the accounts are of the other kind than the target expects."""
    if target.expects is None or not accounts:
        return False
    return is_paper(accounts) != (target.expects == "paper")

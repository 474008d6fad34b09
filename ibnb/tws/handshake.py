"""The opening of an API connection as a gateway's bytes tell it, without any socket.

Both the diagnostic probe and the session's own opening feed what they receive into a `Handshake`,
so that the two can never disagree on what was seen.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from . import wire
from .accounts import know
from .codes import NO_REQUEST
from .notices import Notice
from .wire import IncomingId

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION_FIELDS = 2
JSON_SINCE = 166
"""From this server version on, a notice carries a field of advanced-reject JSON after its text."""
VERSIONLESS_NOTICE_SINCE = 194
"""From this server version on, a notice has no version field, and ends in a time."""
LONGEST_VERSION_REPLY = 1024
"""A version reply is a number and the name of a time zone: a longer one, in bytes, is none."""
MOST_NOTICES = 500
"""So many notices of one opening are kept, the first ones: a gateway sends a dozen."""
LONGEST_TEXT = 10_000
"""So many characters of a notice's text are kept."""
READABLE = 200
"""So many bytes of what a peer sent first, and of what one of another kind sent, are kept."""
_BEGUN_REPLY = re.compile(rb"[0-9]{1,9}(?:\0[^\0]*\0?)?")
"""What a version reply holds, as far as it has come."""


class Stage(IntEnum):
    """How far an opening got. The order of the members is the order in which they are reached."""

    RESOLVE = 0
    TCP = 1
    VERSION = 2
    START = 3
    READY = 4
    SYNC = 5

    def __str__(self) -> str:
        """Return the name that messages and `Attempt.seconds` use."""
        return self.name.lower()


@dataclass
class Handshake:
    """What a gateway has said so far on one connection.

    `accounts` is None until a managedAccounts message arrived, and empty when it named none.
    `gateway_time` is the reply to a current-time request, in seconds since the epoch, and
    `gateway_time_at` this machine's clock when it came. `received` counts the bytes that came in
    all, and `beginning` is the first of them.
    """

    server_version: int | None = None
    server_time: str = ""
    next_valid_id: int | None = None
    accounts: tuple[str, ...] | None = None
    notices: list[Notice] = field(default_factory=list)
    foreign: bytes = b""
    gateway_time: int | None = None
    gateway_time_at: float | None = None
    received: int = 0
    beginning: bytes = b""
    _reader: wire.FrameReader = field(default_factory=wire.FrameReader)

    @property
    def ready(self) -> bool:
        """Whether requests may be sent: an order ID came, and at least one account."""
        return self.next_valid_id is not None and bool(self.accounts)

    @property
    def is_foreign(self) -> bool:
        """Whether the peer sent bytes that no TWS or Gateway sends at this point."""
        return bool(self.foreign)

    def feed(self, data: bytes) -> None:
        """Take received bytes; what can be understood of them is in the fields afterwards."""
        self.received += len(data)
        if len(self.beginning) < READABLE:
            self.beginning = (self.beginning + data[:READABLE])[:READABLE]
        if self.is_foreign:
            self._give_up(self.foreign + data)
            return
        try:
            self._take(self._reader.feed(data))
        except wire.ImpossibleFrameError as impossible:
            self._take(impossible.payloads)
            if not self.is_foreign:
                self._give_up(self._reader.pending)
        if self.server_version is None and self._reader.announced > LONGEST_VERSION_REPLY:
            self._give_up(self._reader.pending)

    def close(self) -> None:
        """Judge what is left when the peer has closed: was it the beginning of a version reply?"""
        pending = self._reader.pending
        if self.server_version is None and pending and not _begins_a_reply(pending):
            self._give_up(pending)

    def _give_up(self, data: bytes) -> None:
        self.foreign = data[:READABLE]

    def _take(self, payloads: Iterable[bytes]) -> None:
        for payload in payloads:
            if self.server_version is None:
                self._take_version(payload)
            elif payload:
                self._take_message(payload, self.server_version)
            if self.is_foreign:
                return

    def _take_version(self, payload: bytes) -> None:
        fields = wire.split_fields(payload)
        number = fields[0] if fields else ""
        if (
            len(fields) != VERSION_FIELDS
            or len(payload) > LONGEST_VERSION_REPLY
            or not (number.isascii() and number.isdigit())
        ):
            self._give_up(wire.frame(payload))
            return
        self.server_version = int(fields[0])
        self.server_time = fields[1]

    def _take_message(self, payload: bytes, version: int) -> None:
        try:
            self._read_message(wire.Incoming.read(payload, version), version)
        except ValueError:
            # A message of a build we do not know. The stages already reached still stand, and what
            # it would have told stays unknown, which every judge of a handshake allows for.
            return

    def _read_message(self, message: wire.Incoming, version: int) -> None:
        match message.id:
            case IncomingId.NEXT_VALID_ID:
                self.next_valid_id = int(message.value(1, 1))
            case IncomingId.MANAGED_ACCOUNTS:
                self.accounts = tuple(name for name in message.value(1, 1).split(",") if name)
                know(self.accounts)
            case IncomingId.NOTICE:
                if len(self.notices) < MOST_NOTICES:
                    self.notices.append(_notice(message, version))
            case IncomingId.CURRENT_TIME:
                self.gateway_time = int(message.value(1, 1))
                self.gateway_time_at = time.time()


def _notice(message: wire.Incoming, version: int) -> Notice:
    first = 0 if version >= VERSIONLESS_NOTICE_SINCE else 1
    req_id, text = message.value(first, 1), message.value(first + 2, 4)
    code = int(message.value(first + 1, 3))
    return Notice(code, text[:LONGEST_TEXT], int(req_id) if req_id else NO_REQUEST, time.time())


def _begins_a_reply(data: bytes) -> bool:
    """Say whether bytes of no more than a version reply's length may be the beginning of one."""
    payload = data[wire.LENGTH_BYTES :]
    return not payload or _BEGUN_REPLY.fullmatch(payload) is not None

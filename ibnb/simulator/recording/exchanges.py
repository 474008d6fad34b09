"""What a recording says: each request with what it was told, and when it may be told again.

A message belongs to the request whose number it has, or to the one of its kind that is open. What
was told after an order had been placed, changed or cancelled may be due to that: it is told again
only after the same has been done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from ibnb.simulator.protocol.tickets import order_places
from ibnb.tws.codes import NO_REQUEST, farm_state
from ibnb.tws.wire import IncomingId, OutgoingId

from .file import Frame, RecordedSession
from .layout import (
    ENDS,
    LAST,
    ORDERING,
    STREAMS,
    UNNUMBERED,
    WITHOUT_ANSWER,
    answer_place,
    number_of,
    request_place,
)
from .masking import is_masked

Key = tuple[str, ...]
_ORDER_MESSAGES = frozenset({IncomingId.OPEN_ORDER, IncomingId.ORDER_STATUS})
_ORDER_ID_OF_FILL = 2
_EXEC_ID_OF_FILL, _EXEC_ID_OF_FEE = 14, 2
_ANSWERED = frozenset(kind for kinds in UNNUMBERED.values() for kind in kinds)
_QUIET = WITHOUT_ANSWER | STREAMS | ORDERING | frozenset(ENDS)
"""Requests that may be told nothing, and that nobody waits for."""
_START_FIELDS = 3
_OF_THE_LINK = 1000
"""Notices from this code on are of the link and its farms, or warnings: they answer nothing."""


@dataclass(frozen=True)
class Told:
    """A message of the gateway, and so many seconds after what brought it about.

    `index` is its place among all messages of the session.
    """

    index: int
    after: float
    fields: tuple[str, ...]


@dataclass(eq=False)
class Exchange:
    """A request and what it was told; the start of a session is one, too.

    `told` has what came, by the last change of an order that it may be due to: None if there was
    none since the request. `ends` is the request that this one cancels.
    """

    index: int
    message_id: int
    fields: tuple[str, ...]
    at: float
    key: Key
    number: str | None = None
    ends: Exchange | None = None
    told: dict[Exchange | None, list[Told]] = field(default_factory=dict)

    @property
    def is_complete(self) -> bool:
        """Whether whoever asks again is told enough to go on."""
        if self.message_id in _QUIET or ends_account(self.fields):
            return True
        ids = {number_of(one.fields) for part in self.told.values() for one in part}
        last = LAST.get(self.message_id)
        return bool(ids) and (last is None or last in ids or IncomingId.NOTICE in ids)


@dataclass
class Script:
    """A session as it can be played again: its start, and its exchanges in their order."""

    version: int
    time: str
    clock: float
    client_id: str
    start: Exchange
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Whether the session got as far as being ready."""
        told = [one for part in self.start.told.values() for one in part]
        ids = {number_of(one.fields) for one in told}
        return {IncomingId.NEXT_VALID_ID, IncomingId.MANAGED_ACCOUNTS} <= ids


def ends_account(fields: Sequence[str]) -> bool:
    """Say whether a request ends the subscription of an account's values."""
    return number_of(fields) == OutgoingId.ACCOUNT_UPDATES and _at(fields, 2) != "1"


def request_key(fields: Sequence[str], version: int) -> Key:
    """Return what makes two requests the same: all but their numbers.

    The parent of an order is told by how far its number is from the order's own.
    """
    message_id = number_of(fields)
    place = request_place(message_id, version)
    key = list(fields)
    if place is not None and place < len(key):
        key[place] = ""
    if message_id == OutgoingId.PLACE_ORDER:
        try:
            parent = order_places(fields, version)["parentId"]
            if int(fields[parent]):
                key[parent] = f"own{int(fields[parent]) - int(fields[1]):+}"
        except (ValueError, IndexError):
            return tuple(key)
    return tuple(key)


def fits(recorded: Key, asked: Key) -> bool:
    """Say whether a request is the one that was recorded: what is masked may be anything."""
    return len(recorded) == len(asked) and all(
        one == other or (bool(other) and is_masked(one))
        for one, other in zip(recorded, asked, strict=True)
    )


def read_scripts(sessions: Iterable[RecordedSession]) -> list[Script]:
    """Return the sessions that became ready, in their order."""
    scripts = (_Reader(session).read() for session in sessions)
    return [script for script in scripts if script is not None and script.is_ready]


class _Reader:
    """Goes through one session, and gives each message of the gateway to its request."""

    def __init__(self, session: RecordedSession) -> None:
        self._session = session
        self._version = session.version
        self._numbered: dict[str, Exchange] = {}
        self._open: dict[int, Exchange] = {}
        self._fills: dict[str, Exchange] = {}
        self._waiting: list[Exchange] = []
        self._order: Exchange | None = None
        self._count = 0
        self._messages = 0

    def read(self) -> Script | None:
        frames = iter(self._session.frames)
        script = self._begin(frames)
        if script is None:
            return None
        for frame in frames:
            if frame.side == "client":
                exchange = self._request(frame.fields, frame.at)
                script.exchanges.append(exchange)
            else:
                self._tell(self._owner(frame.fields, script.start), frame.at, frame.fields)
        return script

    def _begin(self, frames: Iterator[Frame]) -> Script | None:
        for frame in frames:
            if frame.side != "client":
                continue
            if number_of(frame.fields) != OutgoingId.START_API or len(frame.fields) < _START_FIELDS:
                return None
            start = Exchange(0, OutgoingId.START_API, frame.fields, frame.at, ())
            head = self._session
            return Script(head.version, head.time, head.clock, frame.fields[2], start)
        return None

    def _request(self, fields: tuple[str, ...], at: float) -> Exchange:
        message_id = number_of(fields)
        place = request_place(message_id, self._version)
        number = fields[place] if place is not None and place < len(fields) else None
        key = request_key(fields, self._version)
        self._count += 1
        made = Exchange(self._count, message_id, fields, at, key, number)
        if message_id in ENDS:
            begun = self._numbered.get(number) if number else self._open.get(ENDS[message_id])
            if begun is not None and begun.message_id == ENDS[message_id]:
                made.ends = begun
        if message_id in ORDERING:
            self._order = made
        if number is None:
            if ends_account(fields):
                made.ends = self._open.get(message_id)
            elif message_id in _ANSWERED:
                self._waiting.append(made)
            self._open[message_id] = made
        elif message_id != OutgoingId.CANCEL_ORDER or made.ends is None:
            self._numbered[number] = made
        return made

    def _tell(self, owner: Exchange, at: float, fields: tuple[str, ...]) -> None:
        order = self._order
        gate = order if order is not None and order.index > owner.index else None
        began = (gate or owner).at
        self._messages += 1
        told = Told(self._messages, max(at - began, 0.0), fields)
        owner.told.setdefault(gate, []).append(told)

    def _owner(self, fields: tuple[str, ...], start: Exchange) -> Exchange:
        message_id = number_of(fields)
        if message_id in _ORDER_MESSAGES:
            return self._of_open_orders(fields, start)
        if message_id == IncomingId.EXECUTION:
            return self._of_fill(fields, start)
        if message_id == IncomingId.COMMISSION_REPORT:
            return self._fills.get(_at(fields, _EXEC_ID_OF_FEE), start)
        if message_id in UNNUMBERED:
            return self._of_kind(message_id, start)
        place = answer_place(message_id, self._version)
        number = _at(fields, place) if place is not None else ""
        if message_id == IncomingId.NOTICE and place is not None and number == str(NO_REQUEST):
            return self._of_notice(_at(fields, place + 1), start)
        return self._numbered.get(number, start)

    def _of_open_orders(self, fields: tuple[str, ...], start: Exchange) -> Exchange:
        for one in reversed(self._waiting):
            if one.message_id in {OutgoingId.OPEN_ORDERS, OutgoingId.ALL_OPEN_ORDERS}:
                return one
        return self._numbered.get(_at(fields, 1), start)

    def _of_fill(self, fields: tuple[str, ...], start: Exchange) -> Exchange:
        asked = self._numbered.get(_at(fields, 1))
        owner = asked or self._numbered.get(_at(fields, _ORDER_ID_OF_FILL), start)
        self._fills[_at(fields, _EXEC_ID_OF_FILL)] = owner
        return owner

    def _of_kind(self, message_id: int, start: Exchange) -> Exchange:
        kinds = UNNUMBERED[message_id]
        # The oldest that waits: a gateway answers in the order in which it was asked.
        for one in self._waiting:
            if one.message_id in kinds:
                if LAST.get(one.message_id, message_id) == message_id:
                    self._waiting.remove(one)
                return one
        there = [self._open[kind] for kind in kinds if kind in self._open]
        return there[-1] if there else start

    def _of_notice(self, code: str, start: Exchange) -> Exchange:
        is_answer = code.isdigit() and int(code) < _OF_THE_LINK and farm_state(int(code)) is None
        if is_answer and self._waiting:
            return self._waiting.pop()
        return start


def _at(fields: Sequence[str], place: int) -> str:
    return fields[place] if place < len(fields) else ""

"""Answering from a recording: the same requests are told the same, whenever they come."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from ibnb.simulator.protocol import messages, texts
from ibnb.simulator.protocol.greeting import ForeignGreetingError, read_greeting
from ibnb.simulator.requests import request_name
from ibnb.simulator.state import ClientIds
from ibnb.tws import wire
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.wire import IncomingId, OutgoingId

from .exchanges import Exchange, Script, Told, ends_account, fits, read_scripts, request_key
from .file import BadRecordingError, read_recording
from .layout import ENDS, ORDERING, WITHOUT_ANSWER, answer_place, number_of, request_place
from .masking import is_masked
from .places import parent_place
from .recorder import Tell, say_nothing
from .relaying import Connection, Relaying

_START_FIELDS = 3
_NO_ORDER = "0"
_CLIENT_ID_PLACES = {
    IncomingId.OPEN_ORDER: 24,
    IncomingId.ORDER_STATUS: 9,
    IncomingId.EXECUTION: 22,
}
_EMPTY: Mapping[int, tuple[object, ...]] = {
    OutgoingId.OPEN_ORDERS: (IncomingId.OPEN_ORDER_END, 1),
    OutgoingId.ALL_OPEN_ORDERS: (IncomingId.OPEN_ORDER_END, 1),
    OutgoingId.POSITIONS: (IncomingId.POSITION_END, 1),
    OutgoingId.COMPLETED_ORDERS: (IncomingId.COMPLETED_ORDERS_END,),
    OutgoingId.ADVISOR: (IncomingId.RECEIVE_ADVISOR, 1, 1, ""),
    OutgoingId.SCANNER_PARAMETERS: (IncomingId.SCANNER_PARAMETERS, 1, ""),
    OutgoingId.FAMILY_CODES: (IncomingId.FAMILY_CODES, 0),
    OutgoingId.DEPTH_EXCHANGES: (IncomingId.DEPTH_EXCHANGES, 0),
    OutgoingId.NEWS_PROVIDERS: (IncomingId.NEWS_PROVIDERS, 0),
}
"""What ends the wait for an answer that has no number, so that a notice cannot end it."""


_NEEDS_NO_ANSWER = (WITHOUT_ANSWER | frozenset(ENDS)) - ORDERING


class ReplayedGateway(Relaying):
    """A gateway that answers from a recording.

    A request is told what the same request was told: the one with the same parameters, whatever
    its number and whatever was asked before. If there were several, they come in their order, and
    the last one again; an order is there once. What was not recorded is refused at once (90002).

    Args:
        path: the recording.
        port: where to listen; 0 for any free port.
        fast: send what is due at once, and not as fast as it was recorded.
        tell: takes a line for the user.

    Raises:
        BadRecordingError: the file cannot be read, is damaged, or of a newer ibnb.
    """

    def __init__(
        self, path: Path, port: int = 0, *, fast: bool = False, tell: Tell = say_nothing
    ) -> None:
        super().__init__(port)
        self.path = path
        self.fast = fast
        self._tell = tell
        self.scripts = read_scripts(read_recording(path))
        if not self.scripts:
            raise BadRecordingError(f"{path} has no session that became ready: record it anew")
        self.ids: ClientIds[Any] = ClientIds(0.0)
        self._begun = 0
        self.order_ids: dict[tuple[str, str], str] = {}
        self.placed: dict[str, Exchange] = {}

    def __repr__(self) -> str:
        """Name the file and where it listens."""
        return f"<ReplayedGateway {self.address}, from {self.path}>"

    @property
    def about(self) -> str:
        """What it does, and where; a sentence."""
        versions = ", ".join(map(str, self.versions))
        return f"Replaying {self.path} (server version {versions}) at {self.address}."

    @property
    def versions(self) -> tuple[int, ...]:
        """The server versions that were recorded, in ascending order."""
        return tuple(sorted({script.version for script in self.scripts}))

    def agreed(self, lowest: int, highest: int) -> int | None:
        """Return the highest recorded version in a client's range, or tell that there is none."""
        found = [version for version in self.versions if lowest <= version <= highest]
        if not found:
            had = ", ".join(map(str, self.versions))
            self._tell(
                f"a client with server versions {lowest} to {highest} was closed: {self.path} was "
                f"recorded with version {had}; record it with the library that replays it"
            )
        return max(found, default=None)

    def cast(self, version: int) -> list[Script]:
        """Return the sessions that the next connection is played from, the best first."""
        there = [script for script in self.scripts if script.version == version]
        first = self._begun % len(there)
        self._begun += 1
        return [there[first], *there[:first], *there[first + 1 :]]

    def _accept(self) -> asyncio.BaseProtocol:
        return _Player(self)


class _Player(Connection):
    """One connection that is played from a recording."""

    def __init__(self, owner: ReplayedGateway) -> None:
        super().__init__(owner)
        self._owner = owner
        self._begun = b""
        self._version: int | None = None
        self._client_id: int | None = None
        self._reader = wire.FrameReader()
        self._scripts: list[Script] = []
        self._since = 0.0
        self._done: set[Exchange] = set()
        self._live: dict[Exchange, _Play] = {}
        self._numbered: dict[str, _Play] = {}
        self._open: dict[int, _Play] = {}
        self._masked: dict[str, str] = {}

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._release()
        for play in self._live.values():
            play.stop()

    def eof_received(self) -> None:
        self._release()

    def data_received(self, data: bytes) -> None:
        if self._version is None:
            self._greet(self._begun + data)
            return
        try:
            payloads = self._reader.feed(data)
        except wire.ImpossibleFrameError:
            self.close()
            return
        for payload in payloads:
            self._take(wire.split_fields(payload))

    def _release(self) -> None:
        if self._client_id is not None:
            self._owner.ids.release(self._client_id, self)

    def _greet(self, data: bytes) -> None:
        self._begun = data
        try:
            greeting = read_greeting(data)
        except ForeignGreetingError:
            self.close()
            return
        if greeting is None:
            return
        agreed = self._owner.agreed(greeting.lowest, greeting.highest)
        if agreed is None:
            self.close()
            return
        self._version = agreed
        first = next(script for script in self._owner.scripts if script.version == agreed)
        self.send(wire.message(agreed, first.time))
        if greeting.rest:
            self.data_received(greeting.rest)

    @property
    def version(self) -> int:
        """The agreed server version."""
        return cast("int", self._version)

    def _take(self, fields: tuple[str, ...]) -> None:
        message_id = number_of(fields)
        if message_id < 0:
            self.close()
        elif self._client_id is not None:
            self._answer(message_id, fields)
        elif message_id == OutgoingId.START_API:
            self._start(fields)

    def _start(self, fields: tuple[str, ...]) -> None:
        try:
            client_id = int(fields[_START_FIELDS - 1])
        except (IndexError, ValueError):
            self.close()
            return
        if not self._owner.ids.claim(client_id, self):
            self._notify(texts.ID_IN_USE, NO_REQUEST)
            self.close()
            return
        self._client_id = client_id
        self._since = time.monotonic()
        self._scripts = self._owner.cast(self.version)
        self._begin(self._scripts[0].start, self._scripts[0], None, ())

    def _answer(self, message_id: int, fields: tuple[str, ...]) -> None:
        place = request_place(message_id, self.version)
        number = fields[place] if place is not None and place < len(fields) else None
        ended = self._ended_by(message_id, fields, number)
        if ended is not None and message_id not in ORDERING:
            ended.stop()
        found = self._find(message_id, fields, number, ended)
        if found is not None:
            exchange, script = found
            self._begin(exchange, script, number, fields)
        elif message_id not in _NEEDS_NO_ANSWER and not ends_account(fields):
            self._refuse(message_id, fields, number)

    def _ended_by(
        self, message_id: int, fields: tuple[str, ...], number: str | None
    ) -> _Play | None:
        if ends_account(fields):
            return self._open.get(message_id)
        if message_id not in ENDS:
            return None
        return self._numbered.get(number) if number else self._open.get(ENDS[message_id])

    def _find(
        self, message_id: int, fields: tuple[str, ...], number: str | None, ended: _Play | None
    ) -> tuple[Exchange, Script] | None:
        """Return the recorded request that this one is, and the session that has it."""
        if message_id in ENDS:
            target = ended.exchange if ended is not None else self._owner.placed.get(number or "")
            if target is not None:
                return self._first(lambda one: one.ends is target)
        key = request_key(fields, self.version)
        exact = self._first(lambda one: one.key == key and one.ends is None)
        return exact or self._first(lambda one: one.ends is None and fits(one.key, key))

    def _first(self, is_it: Callable[[Exchange], bool]) -> tuple[Exchange, Script] | None:
        """Return the first that was not played yet; else the last one, unless it is an order."""
        for script in self._scripts:
            there = [one for one in script.exchanges if is_it(one) and one.is_complete]
            for one in there:
                if one not in self._done:
                    return one, script
            if there and there[-1].message_id not in ORDERING:
                return there[-1], script
        return None

    def _begin(
        self, exchange: Exchange, script: Script, number: str | None, fields: Sequence[str]
    ) -> None:
        for recorded, asked in zip(exchange.key, fields, strict=False):
            if is_masked(recorded) and asked != recorded:
                self._masked[recorded] = asked
        play = self._register(exchange, script, number)
        parts = [(play, told) for gate in (None, *self._done) for told in play.part(gate)]
        if exchange.message_id in ORDERING:
            # What others are told because of it.
            others = [one for one in self._live.values() if one is not play]
            parts += [(one, told) for one in others for told in one.part(exchange)]
        # As it came, whoever it is for.
        parts.sort(key=lambda one: one[1].index)
        self._go_on(parts, 0, asyncio.get_running_loop().time())

    def _go_on(self, parts: Sequence[tuple[_Play, Told]], at: int, began: float) -> None:
        """Tell what is due, and the rest when it is."""
        loop = asyncio.get_running_loop()
        while at < len(parts):
            play, told = parts[at]
            due = began + told.after
            if not self._owner.fast and due > loop.time() and not play.is_over:
                loop.call_at(due, self._go_on, parts, at, began)
                return
            if not play.is_over:
                self._tell(told, play)
            at += 1

    def _register(self, exchange: Exchange, script: Script, number: str | None) -> _Play:
        """Take note of what begins, and stop what it takes the place of."""
        play = _Play(exchange, script, number)
        before = self._live.get(exchange)
        if before is not None:
            before.stop()
        self._done.add(exchange)
        self._live[exchange] = play
        message_id = exchange.message_id
        if number is None:
            self._open[message_id] = play
        elif message_id != OutgoingId.CANCEL_ORDER:
            replaced = self._numbered.get(number)
            if replaced is not None and replaced.exchange.message_id == message_id:
                replaced.stop()
            self._numbered[number] = play
        if number is not None and message_id == OutgoingId.PLACE_ORDER:
            self._owner.order_ids[script.client_id, exchange.number or ""] = number
            self._owner.placed[number] = exchange
        return play

    def _refuse(self, message_id: int, fields: tuple[str, ...], number: str | None) -> None:
        req_id = int(number) if number and number.isdigit() else NO_REQUEST
        if message_id == OutgoingId.CURRENT_TIME:
            now = self._scripts[0].clock + time.monotonic() - self._since
            self.send(messages.current_time(now))
            return
        if message_id == OutgoingId.IDS:
            self._repeat(IncomingId.NEXT_VALID_ID)
            return
        if message_id == OutgoingId.MANAGED_ACCOUNTS:
            self._repeat(IncomingId.MANAGED_ACCOUNTS)
            return
        said = ", ".join(field for field in fields[1:] if field)
        what = f"{request_name(message_id)}: {said}" if said else request_name(message_id)
        self._notify(texts.not_recorded(what[:300]), req_id)
        if message_id == OutgoingId.ACCOUNT_UPDATES:
            self.send(wire.message(IncomingId.ACCOUNT_DOWNLOAD_END, 1, *fields[3:4]))
        elif message_id == OutgoingId.MARKET_RULE:
            self.send(wire.message(IncomingId.MARKET_RULE, *fields[1:2], 0))
        elif message_id in _EMPTY:
            self.send(wire.message(*_EMPTY[message_id]))

    def _repeat(self, message_id: int) -> None:
        for told in self._scripts[0].start.told.get(None, ()):
            if number_of(told.fields) == message_id:
                self.send(wire.message(*told.fields))

    def _notify(self, text: texts.Text, req_id: int) -> None:
        self.send(messages.notice(text, self.version, req_id, time.time()))

    def _tell(self, told: Told, play: _Play) -> None:
        """Send a recorded message as it is for this connection."""
        fields = [self._masked.get(field, field) for field in told.fields]
        message_id = number_of(fields)
        place = answer_place(message_id, self.version)
        number = play.exchange.number
        if place is not None and place < len(fields) and number and fields[place] == number:
            fields[place] = play.number or number
        elif message_id in {IncomingId.OPEN_ORDER, IncomingId.ORDER_STATUS}:
            self._renumber(fields, 1, play.script)
        self._renumber_orders(fields, message_id, play.script)
        self.send(wire.message(*fields))

    def _renumber_orders(self, fields: list[str], message_id: int, script: Script) -> None:
        if message_id == IncomingId.EXECUTION:
            self._renumber(fields, 2, script)
        elif message_id == IncomingId.ORDER_STATUS:
            self._renumber(fields, 7, script)
        elif message_id == IncomingId.OPEN_ORDER:
            self._renumber(fields, parent_place(self.version), script)
        place = _CLIENT_ID_PLACES.get(message_id)
        if place is not None and place < len(fields) and fields[place] == script.client_id:
            fields[place] = str(self._client_id)

    def _renumber(self, fields: list[str], place: int, script: Script) -> None:
        if place < len(fields) and fields[place] != _NO_ORDER:
            known = self._owner.order_ids.get((script.client_id, fields[place]))
            fields[place] = known or fields[place]


@dataclass(eq=False)
class _Play:
    """A recorded request that is being answered on a connection, until it is over."""

    exchange: Exchange
    script: Script
    number: str | None
    is_over: bool = False

    def part(self, gate: Exchange | None) -> Sequence[Told]:
        """Return what is due to a change of orders, or to the request itself."""
        return self.exchange.told.get(gate, ())

    def stop(self) -> None:
        """Tell nothing more."""
        self.is_over = True

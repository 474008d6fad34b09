"""Recording: connections to a gateway pass through here, and what is said is written, masked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ibnb.simulator.client import HIGHEST_VERSION, LOWEST_VERSION
from ibnb.simulator.protocol import messages, texts
from ibnb.simulator.protocol.greeting import ForeignGreetingError, Greeting, read_greeting
from ibnb.tws import wire
from ibnb.tws.accounts import is_paper
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.outgoing import may_be_order
from ibnb.tws.own import is_loopback
from ibnb.tws.wire import IncomingId

from . import places
from .file import Frame, RecordingWriter, Side
from .layout import number_of, request_place
from .masking import Masks
from .places import SECRET_ANSWERS, SECRET_REQUESTS
from .relaying import Connection, Relaying

Tell = Callable[[str], None]
_CONNECT_SECONDS = 10.0


def say_nothing(line: str) -> None:
    """Tell nobody."""


class RecordingGateway(Relaying):
    """Passes connections on to a gateway of the user's own, and records what is said.

    What is written is masked; what passes is not changed. Orders pass if every account of the
    session is a paper account; otherwise each gets notice 90003 and goes nowhere.

    Args:
        upstreams: host and port of the gateway; a later one counts if the one before refuses.
        path: the file; a recording that is there is replaced.
        port: where to listen; 0 for any free port.
        tell: takes a line for the user.

    Raises:
        BadRecordingError: the file is something else, or cannot be written.
    """

    def __init__(
        self,
        upstreams: Sequence[tuple[str, int]],
        path: Path,
        port: int = 0,
        tell: Tell = say_nothing,
    ) -> None:
        super().__init__(port)
        self.upstreams = tuple(upstreams)
        self.path = path
        self._tell = tell
        self._told: set[str] = set()
        self.masks = Masks(host for host, _ in self.upstreams if not is_loopback(host))
        self.writer = RecordingWriter(path)

    def __repr__(self) -> str:
        """Name the file and where it listens."""
        return f"<RecordingGateway {self.address}, to {self.path}>"

    @property
    def about(self) -> str:
        """What it does, where, and with which orders; sentences."""
        upstreams = " or ".join(f"{host}:{port}" for host, port in self.upstreams)
        return (
            f"Recording {upstreams} to {self.path} at {self.address}. Orders pass only if every "
            "account is a paper account."
        )

    def stop(self) -> None:
        """Close every connection, the port and the file."""
        super().stop()
        self.writer.close()

    def tell_once(self, line: str) -> None:
        """Tell the user something, the first time that it is so."""
        if line not in self._told:
            self._told.add(line)
            self._tell(line)

    def _accept(self) -> asyncio.BaseProtocol:
        return _FromClient(self)


class _FromClient(Connection):
    """The client's side of one connection that passes."""

    def __init__(self, owner: RecordingGateway) -> None:
        super().__init__(owner)
        self._owner = owner
        self._greeting: Greeting | None = None
        self._begun = b""
        self._reader = wire.FrameReader()
        self._upstream: _FromGateway | None = None
        self._connecting: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        if self._greeting is None:
            self._greet(data)
        else:
            self._pass_on(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._connecting is not None:
            self._connecting.cancel()
        if self._upstream is not None:
            self._upstream.close()

    def pause_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.hold(on=True)

    def resume_writing(self) -> None:
        if self._upstream is not None:
            self._upstream.hold(on=False)

    def _greet(self, data: bytes) -> None:
        self._begun += data
        try:
            greeting = read_greeting(self._begun)
        except ForeignGreetingError:
            self.close()
            return
        if greeting is None:
            return
        if greeting.agreed(LOWEST_VERSION, HIGHEST_VERSION) is None:
            self._owner.tell_once(
                f"a client with server versions {greeting.lowest} to {greeting.highest} was "
                f"closed: what is recorded has versions {LOWEST_VERSION} to {HIGHEST_VERSION}"
            )
            self.close()
            return
        self._greeting, self._begun = greeting, greeting.rest
        loop = asyncio.get_running_loop()
        self._connecting = loop.create_task(self._connect(greeting))

    async def _connect(self, greeting: Greeting) -> None:
        upstream = _FromGateway(self._owner, self)
        if not await self._reach(upstream):
            # As a forwarder does that finds nobody.
            self.close()
            return
        self._upstream = upstream
        # No newer one: from 201 on the wire is another.
        lowest = max(greeting.lowest, LOWEST_VERSION)
        upstream.send(wire.greeting(lowest, min(greeting.highest, HIGHEST_VERSION)))
        waiting, self._begun = self._begun, b""
        self._pass_on(waiting)

    async def _reach(self, upstream: _FromGateway) -> bool:
        """Connect to the first of the gateways that does not refuse; say whether there is one."""
        loop = asyncio.get_running_loop()
        failed: list[str] = []
        for host, port in self._owner.upstreams:
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await loop.create_connection(lambda: upstream, host, port)
            except OSError as error:
                # A time-out is one, too.
                failed.append(f"{host}:{port} ({error.strerror or 'no answer'})")
                if not isinstance(error, ConnectionRefusedError):
                    break
            else:
                return True
        self._owner.tell_once(f"no gateway was reached at {' or '.join(failed)}")
        return False

    def _pass_on(self, data: bytes) -> None:
        if self._upstream is None:
            self._begun += data
            return
        try:
            payloads = self._reader.feed(data)
        except wire.ImpossibleFrameError:
            self.close()
            return
        for payload in payloads:
            self._upstream.take_request(payload)


class _FromGateway(Connection):
    """The gateway's side of one connection that passes."""

    def __init__(self, owner: RecordingGateway, client: _FromClient) -> None:
        super().__init__(owner)
        self._owner = owner
        self._client = client
        self._reader = wire.FrameReader()
        self._version: int | None = None
        self._session = 0
        self._began = 0.0
        self._accounts: tuple[str, ...] = ()

    def data_received(self, data: bytes) -> None:
        self._client.send(data)
        try:
            payloads = self._reader.feed(data)
        except wire.ImpossibleFrameError:
            self._owner.tell_once("the peer does not speak the API: its bytes were not recorded")
            self._reader = wire.FrameReader()
            return
        for payload in payloads:
            self._take_answer(wire.split_fields(payload))

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._client.close()

    def pause_writing(self) -> None:
        self._client.hold(on=True)

    def resume_writing(self) -> None:
        self._client.hold(on=False)

    def take_request(self, payload: bytes) -> None:
        """Pass a request on and write it down, or refuse it."""
        frame = wire.frame(payload)
        fields = wire.split_fields(payload)
        if may_be_order(frame) and not is_paper(self._accounts):
            self._refuse(fields)
            return
        self.send(frame)
        self._write("client", fields)

    def _refuse(self, fields: Sequence[str]) -> None:
        version = self._version or LOWEST_VERSION
        place = request_place(number_of(fields), version)
        number = fields[place] if place is not None and place < len(fields) else ""
        req_id = int(number) if number.isdigit() else NO_REQUEST
        self._client.send(messages.notice(texts.NOT_PASSED_ON, version, req_id, time.time()))
        self._owner.tell_once(
            "an order was not passed on: orders pass only if every account is a paper account"
        )

    def _take_answer(self, fields: tuple[str, ...]) -> None:
        if self._version is None:
            self._begin(fields)
            return
        if number_of(fields) == IncomingId.MANAGED_ACCOUNTS:
            self._accounts = tuple(one for one in "".join(fields[2:3]).split(",") if one)
        self._write("gateway", fields)

    def _begin(self, fields: tuple[str, ...]) -> None:
        if len(fields) != 2 or not fields[0].isdigit():  # noqa: PLR2004 - a version and a time
            self._owner.tell_once("the peer does not speak the API: nothing was recorded")
            self.close()
            return
        self._version = int(fields[0])
        self._began = time.monotonic()
        self._session = self._owner.writer.begin(self._version, fields[1], time.time())

    def _write(self, side: Side, fields: tuple[str, ...]) -> None:
        if self._version is None or not fields:
            return
        is_secret = number_of(fields) in (SECRET_REQUESTS if side == "client" else SECRET_ANSWERS)
        if is_secret:
            return
        find = places.of_request if side == "client" else places.of_answer
        try:
            found = find(fields, self._version)
        except (ValueError, IndexError):
            # Nobody knows what of it must not be written.
            self._owner.tell_once(
                f"a message {fields[0]} could not be read, and is not in the recording"
            )
            return
        masked = self._owner.masks.fields(fields, found)
        at = time.monotonic() - self._began
        self._owner.writer.frame(self._session, Frame(at, side, masked))
        if self._owner.writer.is_full:
            self._owner.tell_once("the recording is full: what follows is not in it")

"""The probe: one TCP connection that shows how far a gateway lets a client come.

Gateways are known to stop answering after half-finished handshakes, so the probe completes what it
opens, also where the answer is already known to be of no use, and it closes in good order.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from . import wire
from .attempt import Attempt, Ending
from .codes import REFUSING
from .handshake import Handshake, Stage
from .names import Address, UnresolvedError, resolve

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from .target import Target

REFUSAL_SECONDS = 0.07
"""How long the close that follows a refusing notice is waited for: it says nothing new."""
FAREWELL_SECONDS = 0.05
"""How long the gateway's own end of stream is waited for after ours: with it the ID is released."""
FLUSH_SECONDS = 0.2
"""How long a closing socket may take to get rid of what it still has to send."""


async def probe(
    target: Target,
    client_id: int,
    *,
    min_version: int,
    max_version: int,
    timeout: float = 5.0,
    linger: float = 0.2,
    on_stage: Callable[[Stage], None] | None = None,
    on_open: Callable[[int], None] | None = None,
    resolved: Callable[[], Awaitable[Sequence[Address]]] | None = None,
) -> Attempt:
    """Open one API connection, look at what the gateway says, close it, and return what was seen.

    The first of these decides, at once: ready (order ID and accounts came), the gateway closing,
    bytes that no gateway sends, an answer that rules readiness out, the time-out.

    Readiness is ruled out by a version below `min_version`, by an empty account list, and by the
    notices 326 and 10141. The close that belongs to those two is waited for, up to
    `REFUSAL_SECONDS`. The ending is ``answered`` then, unless the gateway closed first.

    A session that became ready is listened to for another `linger` seconds. Should the gateway
    close it meanwhile, the ending is ``closed``, at the stage ready.

    Args:
        target: Where to connect. Its addresses are tried in the order in which the name resolves.
        client_id: The client ID to start the session with.
        min_version: Lowest server version that is of use to the caller.
        max_version: Highest server version to offer.
        timeout: Seconds for resolving the name, again for the TCP connection (shared out among
            the addresses), and again for everything that follows until ready.
        linger: Seconds to listen for first notices, and for the gateway's clock, after ready.
        on_stage: Called with each stage as it is reached, from the running loop.
        on_open: Called with the port of this end as soon as the TCP connection is open, so that
            whoever counts the gateway's connections can leave this one out.
        resolved: Returns the addresses of the target, or raises UnresolvedError; without it the
            name is resolved here.

    Returns:
        What was seen. When the name did not resolve, `seconds` is empty: no stage was reached.
        `detail` says in a few words why there was no TCP connection, and is empty otherwise.

    Raises:
        asyncio.CancelledError: the caller gave up. The socket is closed then, too.
    """
    trail = _Trail(on_stage)
    handshake = Handshake()

    def attempt(ending: Ending, detail: str = "", unanswered: tuple[str, ...] = ()) -> Attempt:
        return Attempt.seen(
            handshake,
            target=target,
            client_id=client_id,
            stage=trail.stage,
            ending=ending,
            versions=(min_version, max_version),
            seconds=trail.seconds,
            total=trail.elapsed,
            detail=detail,
            unanswered=unanswered,
        )

    try:
        addresses = await (resolved() if resolved else resolve(target.host, target.port, timeout))
        trail.reach(Stage.RESOLVE)
        sock = await _connect(addresses, timeout)
    except UnresolvedError as error:
        return attempt("unresolved", str(error))
    except _NoTcpError as failure:
        return attempt(failure.ending, failure.detail, failure.unanswered)
    if on_open is not None:
        on_open(sock.getsockname()[1])
    peer = await _Peer.over(sock, handshake)
    try:
        trail.reach(Stage.TCP)
        ending = await _shake_hands(peer, trail, client_id, (min_version, max_version), timeout)
        if ending == "ready":
            ending = await _listen(peer, linger)
    finally:
        await peer.hang_up()
    return attempt(ending)


@dataclass
class _Trail:
    """The stages that were reached, and when, in seconds since the beginning."""

    on_stage: Callable[[Stage], None] | None
    stage: Stage = Stage.RESOLVE
    seconds: dict[str, float] = field(default_factory=dict)
    begun: float = field(default_factory=time.perf_counter)

    @property
    def elapsed(self) -> float:
        return time.perf_counter() - self.begun

    def reach(self, stage: Stage) -> None:
        self.stage = stage
        self.seconds[str(stage)] = self.elapsed
        if self.on_stage is not None:
            self.on_stage(stage)


class _NoTcpError(Exception):
    """There is no TCP connection, and this is why."""

    def __init__(self, ending: Ending, detail: str, unanswered: tuple[str, ...]) -> None:
        super().__init__(detail)
        self.ending = ending
        self.detail = detail
        self.unanswered = unanswered


async def _connect(addresses: Sequence[Address], timeout: float) -> socket.socket:
    """Return a connected socket to the first of the addresses that accepts."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    failures: list[tuple[Ending, str]] = []
    unanswered: list[str] = []
    for position, address in enumerate(addresses):
        share = (deadline - loop.time()) / (len(addresses) - position)
        where = address[3][0]
        try:
            return await _connect_one(address, share)
        except ConnectionRefusedError:
            failures.append(("refused", f"{where} refused the connection"))
        except TimeoutError:
            unanswered.append(str(where))
            failures.append(("unreachable", f"{where} did not answer within {share:.3g} s"))
        except OSError as error:
            # asyncio words the error itself; the system's own words are the ones people know.
            reason = os.strerror(error.errno) if error.errno else str(error)
            failures.append(("unreachable", f"{where} cannot be reached ({reason})"))
    endings = {ending for ending, _ in failures}
    detail = "; ".join(dict.fromkeys(detail for _, detail in failures))
    ending: Ending = "refused" if "refused" in endings else "unreachable"
    raise _NoTcpError(ending, detail, tuple(unanswered))


async def _connect_one(address: Address, seconds: float) -> socket.socket:
    family, kind, proto, sockaddr = address
    sock = socket.socket(family, kind, proto)
    try:
        sock.setblocking(False)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(sock, sockaddr)
    except BaseException:
        sock.close()
        raise
    return sock


async def _shake_hands(
    peer: _Peer,
    trail: _Trail,
    client_id: int,
    versions: tuple[int, int],
    timeout: float,
) -> Ending:
    """Take a fresh connection as far as it goes, and say how that ended."""
    loop = asyncio.get_running_loop()
    handshake = peer.handshake
    deadline = loop.time() + timeout
    peer.send(wire.greeting(*versions))
    await peer.until(lambda: handshake.server_version is not None, deadline)
    if handshake.server_version is None:
        return peer.ending
    trail.reach(Stage.VERSION)
    peer.send(wire.start_api(client_id, handshake.server_version))
    trail.reach(Stage.START)
    if handshake.server_version < versions[0]:
        return "answered"
    await peer.until(lambda: handshake.ready or _is_hopeless(handshake), deadline)
    if handshake.ready:
        trail.reach(Stage.READY)
        return "ready"
    if _is_refused(handshake):
        await peer.until(lambda: False, min(deadline, loop.time() + REFUSAL_SECONDS))
        peer.farewell = 0.0  # it had its time to close, and there is no ID that it has to release
    if _is_hopeless(handshake) and peer.ending == "timeout":
        return "answered"
    return peer.ending


async def _listen(peer: _Peer, linger: float) -> Ending:
    """Ask a ready gateway for its clock, and take its first notices."""
    peer.send(wire.request_time(peer.handshake.server_version or 0))
    await peer.until(lambda: False, asyncio.get_running_loop().time() + linger)
    return "ready" if peer.ending == "timeout" else peer.ending


def _is_refused(handshake: Handshake) -> bool:
    return any(notice.code in REFUSING for notice in handshake.notices)


def _is_hopeless(handshake: Handshake) -> bool:
    return handshake.accounts == () or _is_refused(handshake)


class _Peer(asyncio.Protocol):
    """The other end of the connection: what it says goes into the handshake as it comes."""

    def __init__(self, handshake: Handshake) -> None:
        self.handshake = handshake
        self.has_closed = False
        self.farewell = FAREWELL_SECONDS
        self._listening = True
        self._changed = asyncio.Event()
        self._is_released = False
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def over(cls, sock: socket.socket, handshake: Handshake) -> _Peer:
        """Take charge of a connected socket."""
        peer = cls(handshake)
        try:
            await asyncio.get_running_loop().create_connection(lambda: peer, sock=sock)
        except BaseException:
            if peer._transport is None:
                sock.close()
            else:
                peer._transport.abort()
            raise
        return peer

    @property
    def ending(self) -> Ending:
        """How the connection ended if nothing was decided until now."""
        if self.handshake.is_foreign:
            return "foreign"
        return "closed" if self.has_closed else "timeout"

    def send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    async def until(self, decided: Callable[[], bool], deadline: float) -> None:
        """Wait until something is decided, the gateway closes, foreign bytes come, or `deadline`.

        `deadline` is on the loop's clock.
        """
        await self._wait(lambda: decided() or self.ending != "timeout", deadline)

    async def hang_up(self) -> None:
        """End the stream, give the gateway a moment to end its own, and close the socket.

        What still comes meanwhile is not looked at: the opening is over.
        """
        self._listening = False
        transport = self._transport
        if transport is None:
            return
        now = asyncio.get_running_loop().time
        try:
            if not self.has_closed:
                with contextlib.suppress(OSError):  # reset in this very moment
                    transport.write_eof()
                await self._wait(lambda: self.has_closed, now() + self.farewell)
            transport.close()
            await self._wait(lambda: self._is_released, now() + FLUSH_SECONDS)
        finally:
            if not self._is_released:
                transport.abort()
        await self._wait(lambda: self._is_released, None)

    async def _wait(self, condition: Callable[[], bool], deadline: float | None) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # TCP: it reads and writes

    def data_received(self, data: bytes) -> None:
        if self._listening:
            self.handshake.feed(data)
            self._changed.set()

    def eof_received(self) -> bool:
        self._close()
        return True  # keep our half: it is closed in good order by `hang_up`

    def connection_lost(self, _error: Exception | None) -> None:
        self._is_released = True
        self._close()

    def _close(self) -> None:
        self.has_closed = True
        if self._listening:
            self.handshake.close()
        self._changed.set()

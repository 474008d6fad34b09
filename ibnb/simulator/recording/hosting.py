"""A port of the loopback that is served in a thread of its own, from a start to a stop."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import Self

from ibnb.simulator.door import Door, listen
from ibnb.tws.own import LOOPBACK


class Hosted:
    """What listens on a port and speaks on its own thread; use it as a context manager.

    Args:
        port: where to listen; 0 for any free port.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._transports: set[asyncio.Transport] = set()

    @property
    def host(self) -> str:
        """The loopback address; it never listens on another."""
        return LOOPBACK

    @property
    def port(self) -> int:
        """Where it listens; 0 before its start where any free port was asked for."""
        return self._port

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        return f"{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen, and return when connections are accepted.

        Raises:
            PortTakenError: another program has the port.
            OSError: the port cannot be used for another reason.
            RuntimeError: it is running already.
        """
        if self._thread is not None:
            raise RuntimeError(f"{type(self).__name__} is running already: stop it first")
        door = Door(listen(self._port), self._accept)
        self._port = door.port
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(door, started), name=f"ibnb-{self._port}", daemon=True
        )
        self._thread.start()
        started.result()
        return self

    def stop(self) -> None:
        """Close every connection and the port; return when the thread has ended."""
        thread, loop = self._thread, self._loop
        if thread is None or loop is None:
            return
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()

    def joined(self, transport: asyncio.Transport) -> None:
        """Take note of a connection, so that it is closed in the end."""
        self._transports.add(transport)

    def left(self, transport: asyncio.Transport) -> None:
        """Forget a connection that is closed."""
        self._transports.discard(transport)

    def _accept(self) -> asyncio.BaseProtocol:
        """Return the protocol of the next connection."""
        raise NotImplementedError

    def _run(self, door: Door, started: Future[None]) -> None:
        loop = asyncio.new_event_loop()
        self._loop = loop
        try:
            loop.run_until_complete(door.open())
        except BaseException as error:  # noqa: BLE001 - whatever it is, `start` raises it
            door.close()
            loop.close()
            started.set_exception(error)
            return
        loop.call_soon(started.set_result, None)
        loop.run_forever()
        door.close()
        for transport in tuple(self._transports):
            transport.abort()
        # Two turns, in which the transports close their sockets and say so.
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

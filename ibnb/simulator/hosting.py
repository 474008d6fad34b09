"""A port of the loopback that is served in a thread of its own, from a start to a stop."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import Future
from types import TracebackType
from typing import ClassVar, Self

from ibnb.tws.own import LOOPBACK

from .door import listen


class Hosted:
    """What listens on a port and speaks on its own thread; use it as a context manager.

    Once it listens, `_begin` and `_end` are called on that thread's loop, each once in a run.

    Args:
        port: where to listen; 0 for any free port.
    """

    what: ClassVar[str] = "this gateway"
    """What it is, for people."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

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
            raise RuntimeError(f"{self.what} is running already: stop it first")
        listener = listen(self._port)
        self._port = listener.getsockname()[1]
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=self._run, args=(listener, started), name=f"ibnb-sim-{self._port}", daemon=True
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

    async def __aenter__(self) -> Self:
        """Start, without holding up the caller's loop."""
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop, without holding up the caller's loop."""
        await asyncio.to_thread(self.stop)

    async def _begin(self, listener: socket.socket) -> None:
        """Accept connections; if that fails, leave nothing open."""
        raise NotImplementedError

    async def _end(self) -> None:
        """Close every connection and the port."""
        raise NotImplementedError

    def _run(self, listener: socket.socket, started: Future[None]) -> None:
        """Serve until the loop is stopped; the body of the thread."""
        loop = asyncio.new_event_loop()
        self._loop = loop
        try:
            loop.run_until_complete(self._begin(listener))
        except BaseException as error:  # noqa: BLE001 - whatever it is, `start` raises it
            loop.close()
            started.set_exception(error)
            return
        loop.call_soon(started.set_result, None)
        loop.run_forever()
        loop.run_until_complete(self._end())
        loop.close()

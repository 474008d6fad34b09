"""The port of a simulated gateway: open to connections, or shut for a while."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import sys
from collections.abc import Callable, Iterator

from ibnb.tws.own import LOOPBACK

_BACKLOG = 256


class PortTakenError(OSError):
    """The simulated gateway cannot listen: another program has the port. One line."""


class Door:
    """A listening socket that can be shut, upon which the port refuses, and opened again.

    To be used on the thread of a running loop, by one task at a time.

    Args:
        listener: what `listen` has returned; the door owns it.
        connect: makes the protocol of each connection.
    """

    def __init__(
        self, listener: socket.socket, connect: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self.port: int = listener.getsockname()[1]
        self._socket: socket.socket | None = listener
        self._connect = connect
        self._server: asyncio.Server | None = None

    @property
    def is_open(self) -> bool:
        """Whether connections are accepted."""
        return self._server is not None

    async def open(self) -> None:
        """Accept connections, if the door does not already.

        Raises:
            PortTakenError: another program has taken the port while the door was shut.
            OSError: the port cannot be used for another reason.
        """
        if self._server is not None:
            return
        self._socket = self._socket or listen(self.port)
        self._server = await asyncio.get_running_loop().create_server(
            self._connect, sock=self._socket, backlog=_BACKLOG
        )

    def shut(self) -> None:
        """Refuse connections from now on, and keep the port from other programs."""
        if self._server is None:
            return
        self._close_server()
        # Where connections of the port that are still closing forbid it, `open` tries again.
        with contextlib.suppress(OSError):
            self._socket = _bind(self.port)

    def close(self) -> None:
        """Give the port up."""
        self._close_server()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _close_server(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = self._socket = None


def listen(port: int) -> socket.socket:
    """Return a socket that listens on a port of the loopback; 0 is any free port.

    Raises:
        PortTakenError: another program has the port.
        OSError: the port cannot be used for another reason.
    """
    listener = _bind(port)
    with _explaining(listener, port):
        # Listening is what fails on some systems, and not binding.
        listener.listen(_BACKLOG)
    return listener


def _bind(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if sys.platform == "win32":
        # There SO_REUSEADDR would share the port with a program that listens already.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with _explaining(bound, port):
        bound.bind((LOOPBACK, port))
    return bound


@contextlib.contextmanager
def _explaining(sock: socket.socket, port: int) -> Iterator[None]:
    """Close a socket that cannot have its port, and say so where another program has it."""
    try:
        yield
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"port {port} is taken: another program listens there; give another port, "
                "or 0 for any free one",
            ) from error
        raise

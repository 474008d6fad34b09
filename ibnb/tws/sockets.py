"""Who listens on a port of this machine, and who is connected to it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from .own import plain_address
from .programs import describe

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

UNSEEN = "a process that this user may not see"


class SocketsUnreadableError(Exception):
    """The system did not let this user see who uses a port, so nothing can be said of it."""


HIDDEN = (
    "the sockets of some processes could not be looked at, because they belong to another user; "
    "run the same from an administrator's account to see them"
)


@dataclass(frozen=True)
class Listener:
    """A socket that accepts connections. `pid` and `name` are None if the owner is hidden."""

    port: int
    address: str
    pid: int | None
    name: str | None


@dataclass(frozen=True)
class Listening:
    """The sockets that listen, as far as they can be seen.

    `complete` says whether all sockets could be looked at; otherwise more may be listening.
    """

    found: tuple[Listener, ...]
    complete: bool = True

    def on(self, port: int) -> tuple[Listener, ...]:
        """Return those of one port."""
        return tuple(one for one in self.found if one.port == port)


@dataclass(frozen=True)
class SocketClient:
    """A local process with connections to a port of this machine.

    `started` is in seconds since the epoch; it and `pid` are None if the owner is hidden.
    `label` says in a few words what the process is, and holds none of its arguments but the name
    of the script or module that it runs. `connections` counts its open connections to the port.
    """

    pid: int | None
    name: str
    started: float | None
    label: str
    connections: int = 1


@dataclass(frozen=True)
class PortUse:
    """The connections to a port of this machine.

    Attributes:
        port: The port.
        established: Connections that whoever listens there has open, those of other machines too.
        close_wait: Connections that the other side has closed and the listener has not. They pile
            up in a gateway that is stuck.
        clients: The local processes that are connected to it, oldest first.
        complete: Whether all sockets could be looked at; otherwise the numbers are lower bounds.
    """

    port: int
    established: int
    close_wait: int
    clients: tuple[SocketClient, ...]
    complete: bool = True


def listening(ports: Iterable[int] | None = None) -> Listening:
    """Return what can be seen of the listening TCP sockets of this machine, or of given ports.

    Raises:
        SocketsUnreadableError: no socket at all could be looked at.
    """
    wanted = None if ports is None else frozenset(ports)
    seen = _connections()
    found = {
        (connection.laddr.port, connection.laddr.ip, connection.pid)
        for connection in seen.connections
        if connection.status == "LISTEN" and (wanted is None or connection.laddr.port in wanted)
    }
    listed = tuple(
        Listener(port, address, pid, _name(pid))
        for port, address, pid in sorted(found, key=lambda item: (item[0], item[1], item[2] or 0))
    )
    return Listening(listed, seen.complete)


def listeners(ports: Iterable[int] | None = None) -> tuple[Listener, ...]:
    """Return the listening TCP sockets of this machine, or those on the given ports.

    Raises:
        SocketsUnreadableError: none was found at all, or on one of the given ports, but not every
            process could be looked at.
    """
    wanted = None if ports is None else frozenset(ports)
    seen = listening(wanted)
    unvouched = not seen.found if wanted is None else wanted - {one.port for one in seen.found}
    if unvouched and not seen.complete:
        raise SocketsUnreadableError(HIDDEN)
    return seen.found


def clients_of(port: int, own: Collection[int] = ()) -> tuple[SocketClient, ...]:
    """Return the local processes with an open connection to a port of this machine, oldest first.

    Connections from the ports `own` of this machine are left out, as `port_use` does.

    Raises:
        SocketsUnreadableError: none was found but this very process, and not every process could
            be looked at.
    """
    seen = _connections().without(port, own)
    clients = _clients(seen, port)
    if all(client.pid == os.getpid() for client in clients):
        seen.vouch_for_nothing()
    return clients


def port_use(port: int, own: Collection[int] = ()) -> PortUse:
    """Return how a port of this machine is used, from one look at the sockets.

    Connections from the ports `own` of this machine are left out. It is looked into after the
    sockets, so that it may grow meanwhile.

    Raises:
        SocketsUnreadableError: nothing was found, but not every process could be looked at.
    """
    seen = _connections().without(port, own)
    near = [one.status for one in seen.connections if one.laddr.port == port]
    use = PortUse(
        port,
        near.count("ESTABLISHED"),
        near.count("CLOSE_WAIT"),
        _clients(seen, port),
        seen.complete,
    )
    if not (use.established or use.close_wait or use.clients):
        seen.vouch_for_nothing()
    return use


def _clients(seen: _Seen, port: int) -> tuple[SocketClient, ...]:
    pids = [
        connection.pid
        for connection in seen.connections
        if connection.status == "ESTABLISHED"
        and connection.raddr.port == port
        and _is_own(connection)
    ]
    clients = [_client(pid, pids.count(pid)) for pid in dict.fromkeys(pids)]
    return tuple(sorted(clients, key=lambda client: client.started or 0.0))


@dataclass(frozen=True)
class _Seen:
    """The TCP sockets of this machine; those of other users may be missing."""

    connections: tuple[Any, ...]
    complete: bool

    def without(self, port: int, own: Collection[int]) -> _Seen:
        """Return the same without both ends of the connections to a port from these ports."""
        ends = {(port, one) for one in tuple(own)} | {(one, port) for one in tuple(own)}
        return replace(
            self,
            connections=tuple(
                one
                for one in self.connections
                if not one.raddr or (one.laddr.port, one.raddr.port) not in ends
            ),
        )

    def vouch_for_nothing(self) -> None:
        if not self.complete:
            raise SocketsUnreadableError(HIDDEN)


def _connections() -> _Seen:
    """Return all TCP sockets: whatever psutil may raise for it ends here."""
    try:
        import psutil
    except ImportError as error:
        raise SocketsUnreadableError(f"psutil cannot be used here ({error})") from None
    try:
        found = psutil.net_connections(kind="tcp")
    except (psutil.AccessDenied, PermissionError):  # macOS, for anyone but root
        return _connections_by_process()
    except (psutil.Error, OSError) as error:
        raise SocketsUnreadableError(f"the system does not list them ({said(error)})") from None
    return _Seen(tuple(one for one in found if one.laddr), complete=True)


def _connections_by_process() -> _Seen:
    import psutil

    connections: list[Any] = []
    complete = True
    try:
        processes = list(psutil.process_iter())
    except (psutil.Error, OSError) as error:
        raise SocketsUnreadableError(f"the system lists no processes ({said(error)})") from None
    for process in processes:
        try:
            found = _of_process(process)
        except (psutil.AccessDenied, OSError):
            complete = False
        except psutil.Error:
            continue
        else:
            connections += (
                _Owned(one.laddr, one.raddr, one.status, process.pid) for one in found if one.laddr
            )
    return _Seen(tuple(connections), complete)


def said(error: Exception) -> str:
    """Return what an error of the system says, in a few words."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


@dataclass(frozen=True)
class _Owned:
    """A socket as the system-wide call would have told it."""

    laddr: Any
    raddr: Any
    status: str
    pid: int


def _of_process(process: Any) -> list[Any]:
    # The method's name until psutil 6 was `connections`.
    method = getattr(process, "net_connections", None) or process.connections
    return cast("list[Any]", method(kind="tcp"))  # of psutil's own named tuples


def _is_own(connection: Any) -> bool:
    """Whether the far end is on this machine: then it has our own address, or a loopback's."""
    far, near = plain_address(connection.raddr.ip), plain_address(connection.laddr.ip)
    return far.is_loopback or far == near


def _name(pid: int | None) -> str | None:
    import psutil

    if pid is None:
        return None
    try:
        return psutil.Process(pid).name()
    except (psutil.Error, OSError):
        return None


def _client(pid: int | None, connections: int) -> SocketClient:
    import psutil

    if pid is None:
        return SocketClient(None, UNSEEN, None, UNSEEN, connections)
    try:
        process = psutil.Process(pid)
        name, started = process.name(), process.create_time()
    except (psutil.Error, OSError):
        return SocketClient(pid, UNSEEN, None, UNSEEN, connections)
    try:
        label = describe(name, process.cmdline())
    except (psutil.Error, OSError):
        label = name
    return SocketClient(pid, name, started, label, connections)

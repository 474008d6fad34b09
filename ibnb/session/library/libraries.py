"""ib_insync and ib_async: the only place that knows them, and how they differ.

Both are used through their public interface alone: names without a leading underscore. What is
changed on one of their objects is changed on that object, never on a class.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import importlib.util
import socket
import sys
import traceback
import weakref
from collections.abc import Awaitable, Coroutine, Iterable, Iterator
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from ibnb.session.errors import BadInputError, NoLibraryError

from .names import NAMES
from .protocols import Ib

SPEAKS = {"ib_insync": (157, 176), "ib_async": (157, 178)}
"""The server versions that each library negotiates, lowest and highest."""
EVENT_PACKAGES = {"ib_insync": "eventkit", "ib_async": "aeventkit"}
"""What each one's events come from; both packages install the module `eventkit`."""
MODULES = tuple(f"{name}.ib" for name in NAMES)
"""The module of each one's class `IB`."""
PACKAGES = (*NAMES, "eventkit")
"""The packages of the libraries and of their events."""
CLOSE_SECONDS = 2.0
BETWEEN = frozenset({"asyncio", "nest_asyncio", "nest_asyncio2", "selectors", "socket", "ibnb"})
"""Packages whose functions run a library's own work, or wrap it."""
EMITTER = "eventkit.event"
"""The module that calls the handlers of both libraries' events, and its logger."""
LOGGERS = ("client", "wrapper", "ib", "Decoder")
_IB_CLASSES = frozenset((module, "IB") for module in MODULES)
_OFFICIAL = ("ibapi.client", "EClient")
_DEEP = 5
"""So many references lead from a library's socket to its client at the most."""


@dataclass(frozen=True)
class Library:
    """One installed API library; `speaks`: the lowest and highest server version it takes."""

    name: str
    version: str
    speaks: tuple[int, int]

    def new_ib(self) -> Any:
        """Return a fresh `IB` object of this library."""
        return importlib.import_module(self.name).IB()

    @property
    def loggers(self) -> tuple[str, ...]:
        """Names of the loggers that the library and its event package write to."""
        return (*(f"{self.name}.{part}" for part in LOGGERS), EMITTER)


def notice_loggers() -> tuple[str, ...]:
    """Return the loggers to which both libraries write what they make of a notice."""
    return (*(f"{name}.{part}" for name in NAMES for part in ("ib", "wrapper")), EMITTER)


def installed() -> tuple[Library, ...]:
    """Return the API libraries of this environment, the preferred one first, importing none."""
    return tuple(_installed())


def _installed() -> Iterator[Library]:
    for name in NAMES:
        if name in sys.modules or importlib.util.find_spec(name) is not None:
            yield Library(name, _version(name), SPEAKS[name])


def _version(name: str) -> str:
    # What is imported says it itself, and reading the environment's metadata takes milliseconds.
    imported = getattr(sys.modules.get(name), "__version__", None)
    if imported is not None:
        return str(imported)
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "unknown"


def event_packages() -> tuple[str, ...]:
    """Return the installed distributions of the module `eventkit`; two overwrite each other."""
    from importlib import metadata

    found = []
    for name in EVENT_PACKAGES.values():
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    return tuple(found)


def find_library(name: str | None = None) -> Library:
    """Return the library asked for, or the preferred one.

    Raises:
        BadInputError: the name is of no library that ibnb knows.
        NoLibraryError: it is not installed, or none is.
    """
    if name is not None and name not in NAMES:
        raise BadInputError(f"unknown library {name!r}: give {' or '.join(NAMES)}")
    # One at a time: looking for the other one would cost more than finding this one.
    for library in _installed():
        if name in {None, library.name}:
            return library
    libraries = installed()
    if name is not None and libraries:
        fact = (
            f"{name} is not installed here, {libraries[0].name} {libraries[0].version} is: "
            f"leave out --library, or run  pip install {name}  in an environment of its own."
        )
    else:
        first = name or NAMES[0]
        fact = f"Neither {NAMES[0]} nor {NAMES[1]} is installed here: run  pip install {first}"
    raise NoLibraryError("no-api-library", (fact,))


def is_ib(candidate: object) -> bool:
    """Say whether an object is an `IB` of either library, importing neither."""
    return any((cls.__module__, cls.__name__) in _IB_CLASSES for cls in type(candidate).__mro__)


def any_is_imported() -> bool:
    """Say whether either library is in use here: before that nothing can be connected."""
    return any(module in sys.modules for module in MODULES)


def official_is_imported() -> bool:
    """Say whether IBKR's own client is in use here."""
    return _OFFICIAL[0] in sys.modules


def official_address(candidate: object) -> tuple[str, int, int] | None:
    """Return host, port and client ID of an open client of IBKR's own library; None of others."""
    kinds = {(cls.__module__, cls.__name__) for cls in type(candidate).__mro__}
    client: Any = candidate
    if _OFFICIAL not in kinds or not client.isConnected():
        return None
    return str(client.host), int(client.port), int(client.clientId)


def ib_class(ib: Ib) -> Any:
    """Return the library's own `IB` class, of which an object may be of a user's subclass."""
    own = f"{library_name(ib)}.ib", "IB"
    return next(cls for cls in type(ib).__mro__ if (cls.__module__, cls.__name__) == own)


def library_name(ib: Ib) -> str:
    """Return the name of the library that an `IB` object belongs to."""
    for cls in type(ib).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in NAMES:
            return package
    return type(ib).__module__.partition(".")[0]


async def synchronise(
    ib: Ib, account: str, *, readonly: bool, timeout: float, summary: bool
) -> tuple[str, ...]:
    """Fetch what the library keeps in sync; return what did not come within `timeout` seconds.

    The account summary is fetched where it is wanted, which the library does not do by itself.

    Done here and not by the library's own connect, which in ib_insync gives the whole connection
    up where the executions alone do not come. What it fetches is the same.
    """
    accounts = ib.client.getAccounts()
    account = account or (accounts[0] if len(accounts) == 1 else "")
    if ib.client.clientId == 0:
        ib.reqAutoOpenOrders(True)
    requests: dict[str, Awaitable[Any]] = {"positions": ib.reqPositionsAsync()}
    if not readonly:
        requests["open orders"] = ib.reqOpenOrdersAsync()
        requests["completed orders"] = ib.reqCompletedOrdersAsync(False)
    if account:
        requests["account updates"] = ib.reqAccountUpdatesAsync(account)
    if summary:
        requests["account summary"] = ib.reqAccountSummaryAsync()
    if len(accounts) <= ib.MaxSyncedSubAccounts:
        for name in accounts:
            requests[f"account updates of account {accounts.index(name) + 1}"] = (
                ib.reqAccountUpdatesMultiAsync(name)
            )
    missing = await _missing(requests, timeout)
    # Executions refer to orders: they are asked for when all orders are in.
    return missing + await _missing({"executions": ib.reqExecutionsAsync()}, timeout)


async def _missing(requests: dict[str, Awaitable[Any]], timeout: float) -> tuple[str, ...]:
    answers = await asyncio.gather(
        *(asyncio.wait_for(request, timeout) for request in requests.values()),
        return_exceptions=True,
    )
    late = []
    for name, answer in zip(requests, answers, strict=True):
        if isinstance(answer, TimeoutError):
            late.append(name)
        elif isinstance(answer, BaseException):
            raise answer
    return tuple(late)


def connected_objects(
    loop: asyncio.AbstractEventLoop | None, candidates: Iterable[object], known: Iterable[Any]
) -> tuple[Any, ...]:
    """Return the `IB` objects with a socket among some candidates, and behind a loop's transports.

    It does not look at all objects that there are: what neither leads to is not found. Of those
    that are `known`, it looks for no transport.
    """
    if not any(name in sys.modules for name in NAMES):
        return ()
    # asyncio has no public way to ask for a loop's transports; its own loops have this.
    transports = tuple(getattr(loop, "_transports", {}).values())
    connections = {id(ib.client.conn) for ib in known}
    protocols = (transport.get_protocol() for transport in transports)
    behind = (_ib_behind(one) for one in protocols if id(one) not in connections)
    kinds: dict[type, bool] = {}
    found = {}
    for one in (*candidates, *behind):
        # A notebook has many variables, and few kinds of them.
        kind = type(one)
        if kind not in kinds:
            kinds[kind] = is_ib(one)
        if kinds[kind] and has_socket(one):
            found[id(one)] = one
    return tuple(found.values())


def _ib_behind(connection: Any) -> Any:
    """Return the `IB` object that a transport's protocol belongs to, or None."""
    if type(connection).__module__ not in {f"{name}.connection" for name in NAMES}:
        return None
    # A socket knows its client only by the handlers of its events, which it holds weakly.
    level: list[Any] = [connection]
    for _ in range(_DEEP):
        following = []
        for referent in gc.get_referents(*level):
            one: Any = referent() if isinstance(referent, weakref.ref) else referent
            if type(one).__module__ in {f"{name}.client" for name in NAMES}:
                return one.wrapper.ib
            if not isinstance(one, type | ModuleType | FunctionType):
                following.append(one)
        level = following
    return None


def has_socket(ib: Ib) -> bool:
    """Say whether an `IB` object has a socket open, ready or not, or is opening one."""
    return ib.client.conn.transport is not None or ib.client.connState != ib.client.DISCONNECTED


def start_closing(ib: Ib) -> bool:
    """Ask an `IB` object's socket to close; return whether its transport will say that it did.

    It will not where its loop was closed under it, as `asyncio.run` does at its end: the socket is
    shut down at once then.
    """
    transport = ib.client.conn.transport
    try:
        if transport is not None:
            transport.close()
    except RuntimeError:
        shut_down(ib)
        return False
    ib.client.disconnect()
    return True


async def close(ib: Ib) -> None:
    """Close an `IB` object's socket in good order and wait until it is really closed.

    The library only asks its transport to close. The gateway frees the client ID when it sees
    the end of the stream, so nothing may be opened in its place before that is sent. The object's
    disconnectedEvent is not emitted: a handler that reconnects would fight for the client ID.
    """
    connection = ib.client.conn
    transport = connection.transport
    here, closed = asyncio.get_running_loop(), asyncio.Event()

    def on_closed(_reason: str) -> None:
        here.call_soon_threadsafe(closed.set)

    connection.disconnected.connect(on_closed)
    try:
        its_loop = _loop_of_transport(transport) or here
        if its_loop is here:
            if not start_closing(ib):
                return
        elif its_loop.is_running():
            its_loop.call_soon_threadsafe(start_closing, ib)
        else:
            # Nobody turns that loop: it never would get to the closing.
            shut_down(ib)
            return
        if transport is not None and connection.transport is not None:
            await asyncio.wait_for(closed.wait(), CLOSE_SECONDS)
    except TimeoutError:
        shut_down(ib)
    finally:
        connection.disconnected.disconnect(on_closed)


def shut_down(ib: Ib) -> None:
    """End an `IB` object's socket without its transport, which is in no state to do that."""
    transport = ib.client.conn.transport
    if transport is not None:
        with contextlib.suppress(OSError):
            transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        ib.client.conn.reset()
    ib.client.disconnect()


def loop_of(ib: Ib) -> asyncio.AbstractEventLoop | None:
    """Return the loop that an `IB` object's socket is on; None without a socket."""
    return _loop_of_transport(ib.client.conn.transport)


def _loop_of_transport(transport: Any) -> asyncio.AbstractEventLoop | None:
    # asyncio has no public way to ask a transport for its loop; all of its transports have this.
    loop: asyncio.AbstractEventLoop | None = getattr(transport, "_loop", None)
    return loop


def begin_to_connect(ib: Ib, host: str, port: int, client_id: int) -> Coroutine[Any, Any, None]:
    """Return what brings an `IB` object to ready, without the library's synchronisation."""
    return ib.client.connectAsync(host, port, client_id, timeout=0)


class Stillness(asyncio.Protocol):
    """Keeps from an `IB` object whatever comes at its socket, the end of it included, for a while.

    It stands in its connection's place at the transport. What comes waits in the system, and a loss
    in here; even one that the loop already knows, and tells within the turn in which it begins.
    """

    def __init__(self, ib: Ib) -> None:
        """Do nothing yet."""
        self._connection = ib.client.conn
        self._transport: Any = None
        self._losses: list[Exception | None] = []

    def begin(self) -> None:
        """Keep everything from now on; without a socket, nothing happens."""
        self._transport = self._connection.transport
        if self._transport is not None:
            self._transport.pause_reading()
            self._transport.set_protocol(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep a loss; called by the transport."""
        self._losses.append(exc)

    def end(self) -> None:
        """Give back what was kept; if it did not begin, nothing happens."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if self._losses:
            self._connection.connection_lost(self._losses.pop())
        else:
            transport.set_protocol(self._connection)
            transport.resume_reading()


async def abort(ib: Ib) -> None:
    """Give an `IB` object's socket up, as if it had been lost, and wait until that is known.

    What still was to be sent is not sent.
    """
    connection = ib.client.conn
    if connection.transport is not None:
        connection.transport.abort()
        await connection.disconnected


def request_error(ib: Ib, req_id: int, code: int, text: str) -> Exception:
    """Return what the library raises of a refused request, where it is told to raise."""
    wrapper = importlib.import_module(f"{library_name(ib)}.wrapper")
    error: Exception = wrapper.RequestError(req_id, code, text)
    return error


def library_functions(error: BaseException) -> tuple[str, ...]:
    """Return the API library's functions that an exception came through, the outermost first.

    Empty if it was raised in other code that the library had only called, as the user's own
    coroutine in `ib.run`: Python's event loop and ibnb's wrappers, in between or innermost, are no
    other code.
    """
    functions = []
    innermost = ""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        package = frame.f_globals.get("__name__", "").partition(".")[0]
        if package not in BETWEEN:
            innermost = package
        if package in NAMES:
            functions.append(frame.f_code.co_name)
    return tuple(functions) if innermost in NAMES else ()


def ib_of(error: BaseException) -> Any:
    """Return the `IB` object whose method an exception came through, the innermost; else None."""
    found = None
    for frame, _ in traceback.walk_tb(error.__traceback__):
        candidate = frame.f_locals.get("self")
        if is_ib(candidate):
            found = candidate
    return found

"""Opening a connection: ready, the socket closing and the time-out race, and the first decides."""

from __future__ import annotations

import asyncio
import errno
import math
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ibnb.session.errors import IbnbError
from ibnb.session.library import libraries, listening, reading
from ibnb.session.library.libraries import Library
from ibnb.session.notebook.cell_runs import context_of
from ibnb.session.notebook.event_loop import CLEANING_SECONDS
from ibnb.tws.attempt import Attempt, Ending, cause
from ibnb.tws.codes import REFUSING
from ibnb.tws.handshake import Handshake, Stage
from ibnb.tws.notices import Notice
from ibnb.tws.story import tell
from ibnb.tws.target import Target

from .failed import OpeningFailedError
from .log_filters import Hush, hushed

LOOK_SECONDS = 0.25
"""So long a cancelling may go unnoticed where nothing wakes the loop."""
AGAIN_SECONDS = 0.02
"""How long a task that was cancelled may go on before it is cancelled again."""
REFUSAL_SECONDS = 0.07
"""How long the close that follows a refusing notice may take before it is not waited for."""

OnReady = Callable[[Sequence[Notice]], None]
"""Is called at the stage ready with the notices until then; those after it are the library's."""


OF_THE_NETWORK = (TimeoutError, ConnectionError)
"""What a library raises if its synchronisation does not come to an end."""

Missing = Callable[[tuple[str, ...]], tuple[str, ...]]
"""Says, of a connection with these accounts, what the library asked for and did not get."""


@dataclass
class _Watch:
    """What one opening sees on the wire, and the future that ends the race early."""

    handshake: Handshake
    decided: asyncio.Future[Ending]
    seconds: dict[str, float]
    begun: float
    lowest_version: int
    hush: Hush
    on_ready: OnReady
    connecting: asyncio.Task[Any] | None = None
    stage: Stage = Stage.RESOLVE
    refused: bool = False

    def reach(self, stage: Stage) -> None:
        if stage > self.stage:
            self.stage = stage
            self.seconds[str(stage)] = time.perf_counter() - self.begun

    def decide(self, ending: Ending) -> None:
        if not self.decided.done():
            self.decided.set_result(ending)

    def on_data(self, data: bytes) -> None:
        shake = self.handshake
        if self.stage >= Stage.READY:
            return
        self.reach(Stage.TCP)
        shake.feed(data)
        if shake.server_version is not None:
            self.reach(Stage.VERSION)
            self.reach(Stage.START)
        if shake.ready:
            self.reach(Stage.READY)
            self.on_ready(tuple(shake.notices))
            # From here on the library tells of its own synchronisation, which nobody else does.
            self.hush.ready()
        if not self.refused and any(notice.code in REFUSING for notice in shake.notices):
            self.refused = True
            self.decided.get_loop().call_later(REFUSAL_SECONDS, self.decide, "answered")
        if shake.is_foreign:
            self.decide("foreign")
        elif shake.accounts == () or (
            shake.server_version is not None and shake.server_version < self.lowest_version
        ):
            self.decide("answered")

    def on_closed(self, _reason: str) -> None:
        if self.connecting is not None and self.connecting.done():
            # The library gave up by itself and closed: that is its ending, not the gateway's.
            return
        self.reach(Stage.TCP)
        self.handshake.close()
        self.decide("foreign" if self.handshake.is_foreign else "closed")


async def open_ib(
    ib: Any,
    library: Library,
    target: Target,
    client_id: int,
    *,
    timeout: float,
    number: int | None = None,
    hush: Hush | None = None,
    on_ready: OnReady = lambda _notices: None,
) -> Attempt:
    """Bring an `IB` object to the stage ``ready`` within `timeout` seconds; return what was seen.

    The library's own synchronisation has not happened yet then. `number` is that by which
    its handlers know whose they are.

    Raises:
        OpeningFailedError: it did not get there. No socket and no task is left behind.
        asyncio.CancelledError: the caller gave up; nothing is left behind then either.
    """
    connecting = libraries.begin_to_connect(ib, target.host, target.port, client_id)
    return await watch_opening(
        *(ib, library, target, client_id, connecting),
        timeout=timeout,
        number=number,
        hush=hush,
        on_ready=on_ready,
    )


async def watch_opening(
    ib: Any,
    library: Library,
    target: Target,
    client_id: int,
    connecting: Coroutine[Any, Any, Any],
    *,
    timeout: float | None = None,
    number: int | None = None,
    missing: Missing = lambda _accounts: (),
    hush: Hush | None = None,
    on_ready: OnReady = lambda _notices: None,
) -> Attempt:
    """Let a library's own connecting run, and end it as soon as the wire shows that it is vain.

    `timeout` is in seconds; with None the library's own time limit is the only one. `missing` says
    what the library asked for after ready and did not get. An error of this side is raised as it
    is. `number` is that by which the connection's handlers know whose they are. `hush` holds the
    library's log lines back until then.

    Raises:
        OpeningFailedError: it did not become ready, or the library gave up after that. No socket
            and no task is left behind.
        asyncio.CancelledError: the caller gave up; nothing is left behind then either.
    """
    loop = asyncio.get_running_loop()
    hush = hush or Hush(lambda _code, _text: False)
    decided = loop.create_future()
    watch = _Watch(Handshake(), decided, {}, time.perf_counter(), library.speaks[0], hush, on_ready)
    # The events keep methods weakly: `watch` outlives the opening here.
    heard = listening.socket_heard(ib, watch.on_data, watch.on_closed)
    with hushed(library.loggers, hush), heard:
        task = watch.connecting = loop.create_task(connecting, context=context_of(number))
        try:
            await _first_of({task, watch.decided}, timeout)
            if watch.stage >= Stage.READY:
                await _synchronised(task)
            ending, detail = _ending(task, watch, ib)
            attempt = Attempt.seen(
                watch.handshake,
                target=target,
                client_id=client_id,
                stage=watch.stage,
                ending=ending,
                versions=library.speaks,
                seconds=watch.seconds,
                total=time.perf_counter() - watch.begun,
                detail=detail,
            )
            attempt = replace(attempt, missing=missing(attempt.accounts or ()))
            _require_ready(attempt)
        except BaseException as error:
            # Whatever ends it: a task that is left would connect later, unowned.
            await _abandon(ib, task)
            if isinstance(error, OpeningFailedError):
                hush.story = tell(error.attempt)
            elif not isinstance(error, Exception):
                hush.story = ""
            raise
    return attempt


async def _first_of(futures: set[asyncio.Future[Any]], timeout: float | None) -> None:
    """Wait until one of them is done, or for `timeout` seconds.

    In short waits: some kernels cancel an awaited cell without waking the loop that it waits on.
    """
    loop = asyncio.get_running_loop()
    end = math.inf if timeout is None else loop.time() + timeout
    done: set[asyncio.Future[Any]] = set()
    while not done and (left := end - loop.time()) > 0:
        done, _ = await asyncio.wait(
            futures, timeout=min(left, LOOK_SECONDS), return_when=asyncio.FIRST_COMPLETED
        )


async def _synchronised(task: asyncio.Task[Any]) -> None:
    """Wait until the library's synchronisation is over; how it went is known to the task."""
    try:
        await task
    except IbnbError:
        raise
    except OF_THE_NETWORK:
        return


def _require_ready(attempt: Attempt) -> None:
    if attempt.ending != "ready" or cause(attempt) is not None:
        raise OpeningFailedError(attempt)


def _ending(task: asyncio.Task[None], watch: _Watch, ib: Any) -> tuple[Ending, str]:
    if reading.reached_tcp(ib):
        watch.reach(Stage.TCP)
    if watch.decided.done() and (watch.stage < Stage.READY or _has_failed(task)):
        return watch.decided.result(), ""
    if not task.done():
        unanswered = watch.stage < Stage.TCP
        return ("unreachable", "no answer to TCP came") if unanswered else ("timeout", "")
    error = task.exception()
    if error is None:
        watch.reach(Stage.READY)
        return "ready", ""
    return _ending_of(error, watch.stage)


def _has_failed(task: asyncio.Task[None]) -> bool:
    return task.done() and task.exception() is not None


def _ending_of(error: BaseException, stage: Stage) -> tuple[Ending, str]:
    match error:
        case ConnectionRefusedError():
            return "refused", ""
        case socket.gaierror():
            return "unresolved", error.strerror or str(error)
        case _ if not isinstance(error, OSError | EOFError):
            # No word from the network, but an error of this side: that is told as it is.
            raise error
        case TimeoutError() | ConnectionError() if stage >= Stage.READY:
            return "incomplete", ""
        case TimeoutError() if stage >= Stage.TCP:
            return "timeout", ""
        case OSError() if stage < Stage.TCP:
            # asyncio puts the failures of several addresses into the text of one OSError.
            refused = f"[Errno {errno.ECONNREFUSED}]" in str(error)
            return ("refused" if refused else "unreachable"), error.strerror or str(error)
        case _:
            return "closed", str(error)


async def _abandon(ib: Any, task: asyncio.Task[None]) -> None:
    # Not awaited itself: an interrupt may have ended it with KeyboardInterrupt. And not for ever.
    loop = asyncio.get_running_loop()
    end = loop.time() + CLEANING_SECONDS / 2
    while not task.done() and loop.time() < end:
        # Again and again: up to Python 3.11 `asyncio.wait_for`, which the libraries use, swallows a
        # cancelling that comes in the moment in which what it waits for is done.
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
    if task.done() and not task.cancelled():
        # Marked as seen: what it came to is told by whoever gave it up.
        task.exception()
    await libraries.close(ib)

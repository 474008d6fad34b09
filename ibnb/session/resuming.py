"""Resuming: the session's connection again, over another socket, after it was lost.

A rerun is a clean slate; a resume is continuity: the same `IB` object, the same client ID, the
user's handlers, tickers and bars. It happens when a user asks for it, and by itself where the
setting says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from ibnb.tws.attempt import Attempt
from ibnb.tws.target import Target

from . import libraries
from .connection import Connection, Resumed
from .errors import ConnectFailed
from .opening import OpeningFailedError
from .patience import OnWait, patiently
from .pulse import heard_ago
from .runs import current_run

if TYPE_CHECKING:
    from .session import Session, Wait

DELAYS = (1.0, 2.0, 5.0, 10.0)
LATER_DELAY = 30.0
"""Seconds before each try: a gateway restarts in minutes, and is not to be hammered meanwhile."""
JITTER = (0.8, 1.3)
"""Each of them times a number between these: not all notebooks knock at the same moment."""
LISTEN = 5.0
QUIET = 10.0
"""Every few seconds it is looked whether anything came; after so many of silence it is asked."""
LOG = logging.getLogger("ibnb")
PASSING = frozenset(
    {
        *("connection-refused", "host-unreachable", "handshake-silent", "closed-before-version"),
        *("closed-after-start", "not-ready", "connectivity-lost", "no-accounts"),
        *("client-id-in-use", "client-socket-507"),
    }
)
"""Causes that a restart or a login ends by itself; any other wants a person."""
SILENT = "nobody answered at its other end"


class Resuming:
    """Resumes the connection of one session.

    Attributes:
        by_itself: is asked at a loss whether to resume without being told to.
        keep_apart: makes what keeps a try apart from others of this machine at the same gateway.
        announce: is told of each resume that happened by itself, and of one that was given up.
    """

    def __init__(self, session: Session) -> None:
        self.by_itself: Callable[[], bool] = lambda: False
        self.announce: Callable[[Connection, Resumed | ConnectFailed], None] = lambda *_: None
        self.keep_apart: Callable[[Target], AbstractAsyncContextManager[None]]
        self.keep_apart = lambda _target: contextlib.nullcontext()
        self._session = session
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._tried: list[asyncio.Future[Attempt | None]] = []
        self._listening: asyncio.TimerHandle | asyncio.Task[None] | None = None

    @property
    def is_under_way(self) -> bool:
        """Whether a lost connection is being brought back without anybody's asking."""
        return self._task is not None and not self._task.done()

    async def next_try(self) -> Attempt | None:
        """Try now, if it is under way, and return what came of it; None if it is given up.

        To be awaited on the connection's own loop.
        """
        if not self.is_under_way:
            return None
        tried: asyncio.Future[Attempt | None] = asyncio.get_running_loop().create_future()
        self._tried.append(tried)
        self._hurry.set()
        return await tried

    async def resume(
        self, connection: Connection, wait: Wait, on_wait: OnWait | None, *, asked: bool = True
    ) -> Resumed | None:
        """Resume a connection whose turn it is; None where it is open, and somebody answers.

        Unless a user `asked` for it, the outcome of all tries is announced and not each of them.

        Raises:
            ConnectFailed: it did not work. The connection is as lost as before.
        """
        session = self._session
        if connection.is_open:
            if (await session.pulse(connection.ib)).status != "silent":
                return None
            await connection.drop(SILENT)
        elif libraries.has_socket(connection.ib):
            # The user's own code connected it again, where no guard saw it.
            return None
        await session.holdings.clear(connection.address, current_run(), connection.ib)
        try:
            resumed = await patiently(
                connection.resume,
                connection.plan.client_id,
                connection.plan.target,
                lambda: wait(connection.address),
                on_wait,
            )
        except OpeningFailedError as failure:
            session.failed = failure.attempt
            error = await session.explained(failure)
            raise session.journal.fail(error, failure.attempt) if asked else error from None
        session.failed = None
        session.tenant.took(connection.address)
        return resumed

    def begin(self, connection: Connection | None) -> None:
        """Begin to look after the session's connection.

        One that was lost is resumed, if that is to happen by itself; of one that is open it is
        found out when nobody answers at its other end any more.
        """
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        if connection.state == "lost" and self.by_itself():
            self.stop()
            self._task = loop.create_task(self._resume_later(connection))
        elif connection.is_open:
            self._stop_listening()
            self._listening = loop.call_later(LISTEN, self._listen, connection)

    def stop(self) -> None:
        """Give up what `begin` began, without waiting until it is over: it waits for its turn."""
        self._stop_listening()
        if self._task is not None:
            self._task.cancel()
        self._task = None
        self._tell(None)

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
        self._listening = None

    def _listen(self, connection: Connection) -> None:
        self._listening = None
        heard = heard_ago(connection.ib)
        if self._session.connection is not connection or not connection.is_open or heard is None:
            return
        loop = asyncio.get_running_loop()
        if heard < QUIET:
            connection.answers_again()
            self._listening = loop.call_later(LISTEN, self._listen, connection)
        else:
            self._listening = loop.create_task(self._ask(connection))

    async def _ask(self, connection: Connection) -> None:
        """Ask a silent gateway for a sign of life; give the socket up if there is none."""
        pulse = await self._session.pulse(connection.ib)
        self._listening = None
        if self._session.connection is not connection or not connection.is_open:
            return
        if pulse.status == "silent" and self.by_itself():
            LOG.info("%s is silent: its socket is given up, and opened again", connection.address)
            # What follows is the loss, which begins to resume.
            await connection.drop(SILENT)
            return
        if pulse.status == "silent":
            connection.answers_not()
        self.begin(connection)

    def _tell(self, attempt: Attempt | None) -> None:
        tried, self._tried = self._tried, []
        for one in tried:
            if not one.done():
                one.set_result(attempt)

    async def _resume_later(self, connection: Connection) -> None:
        try:
            await self._resume_until_it_works(connection)
        finally:
            self._tell(None)

    async def _resume_until_it_works(self, connection: Connection) -> None:
        session = self._session
        for delay in itertools.chain(DELAYS, itertools.repeat(LATER_DELAY)):
            pause = delay * random.uniform(*JITTER)  # noqa: S311 - no secret
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), pause)
            self._hurry.clear()
            try:
                async with self.keep_apart(connection.plan.target), session.turn():
                    if session.connection is not connection or connection.state != "lost":
                        return
                    resumed = await self.resume(connection, lambda _address: 0.0, None, asked=False)
            except ConnectFailed as failure:
                LOG.info("%s was not resumed: %s", connection.address, failure.verdict)
                self._tell(session.failed)
                if failure.verdict not in PASSING:
                    self.announce(connection, failure)
                    return
            else:
                LOG.info("%s is open again", connection.address)
                self._tell(connection.attempt)
                if resumed is not None:
                    self.announce(connection, resumed)
                self.begin(connection)
                return
            finally:
                session.tell()

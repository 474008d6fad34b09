"""Resuming: the session's connection again, over another socket, after it was lost.

A rerun is a clean slate; a resume is continuity: the same `IB` object, the same client ID, the
user's handlers, tickers and bars. It happens when a user asks for it, and by itself where the
setting says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

from ibnb.session.backoff import backoff
from ibnb.session.errors import ConnectFailed
from ibnb.session.library import reading

if TYPE_CHECKING:
    from ibnb.session.connection import Connection, Resumed
    from ibnb.session.hooks import Hooks
    from ibnb.tws.attempt import Attempt

    from .heartbeat import Pulse

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
SILENT = "the gateway stopped responding"


class Reconnector:
    """Brings the connection of one session back by itself.

    Args:
        current: returns the session's connection.
        turn: makes what keeps a try apart from whatever else the session does.
        resume: resumes a connection; raises `ConnectFailed` if that did not work.
        pulse: asks a gateway for a sign of life, over an `IB` object.
        failed: returns the session's last attempt that came to nothing.
        tell: is called when something changed.
        hooks: returns what the session asks and tells.
    """

    def __init__(
        self,
        *,
        current: Callable[[], Connection | None],
        turn: Callable[[], AbstractAsyncContextManager[None]],
        resume: Callable[[Connection], Awaitable[Resumed | None]],
        pulse: Callable[[Any], Awaitable[Pulse]],
        failed: Callable[[], Attempt | None],
        tell: Callable[[], None],
        hooks: Callable[[], Hooks],
    ) -> None:
        self._hooks = hooks
        self._current = current
        self._turn = turn
        self._resume = resume
        self._pulse = pulse
        self._failed = failed
        self._tell_session = tell
        self._task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._tried: list[asyncio.Future[Attempt | None]] = []
        self._listening: asyncio.TimerHandle | asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        """Say what it does at the moment."""
        doing = "resuming" if self.is_under_way else "watching" if self._listening else "idle"
        return f"<Reconnector: {doing}>"

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

    def begin(self, connection: Connection | None) -> None:
        """Begin to look after the session's connection.

        One that was lost is resumed, if that is to happen by itself; of one that is open it is
        found out when nobody answers at its other end any more.
        """
        if connection is None:
            return
        loop = asyncio.get_running_loop()
        if connection.state == "lost" and self._hooks().auto_resume():
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
        heard = reading.heard_ago(connection.ib)
        if self._current() is not connection or not connection.is_open or heard is None:
            return
        loop = asyncio.get_running_loop()
        if heard < QUIET:
            connection.answers_again()
            self._listening = loop.call_later(LISTEN, self._listen, connection)
        else:
            self._listening = loop.create_task(self._ask(connection))

    async def _ask(self, connection: Connection) -> None:
        """Ask a silent gateway for a sign of life; give the socket up if there is none."""
        pulse = await self._pulse(connection.ib)
        self._listening = None
        if self._current() is not connection or not connection.is_open:
            return
        if pulse.status == "silent" and self._hooks().auto_resume():
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
        for pause in backoff(DELAYS, LATER_DELAY, JITTER):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._hurry.wait()
            self._hurry.clear()
            try:
                async with self._hooks().keep_apart(connection.plan.target), self._turn():
                    if self._current() is not connection or connection.state != "lost":
                        return
                    resumed = await self._resume(connection)
            except ConnectFailed as failure:
                LOG.info("%s was not resumed: %s", connection.address, failure.verdict)
                self._tell(self._failed())
                if failure.verdict not in PASSING:
                    self._hooks().resumed(connection, failure)
                    return
            else:
                LOG.info("%s is open again", connection.address)
                self._tell(connection.attempt)
                if resumed is not None:
                    self._hooks().resumed(connection, resumed)
                self.begin(connection)
                return
            finally:
                self._tell_session()

"""Resuming: the session's connection again, over another socket, after it was lost.

A rerun is a clean slate; a resume is continuity: the same `IB` object, the same client ID, the
user's handlers, tickers and bars. It happens when a user asks for it, and by itself where the
setting says so.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING

from . import libraries
from .connection import Connection, Resumed
from .errors import ConnectFailed
from .opening import OpeningFailedError
from .patience import OnWait, patiently
from .runs import current_run

if TYPE_CHECKING:
    from .session import Session, Wait

DELAYS = (1.0, 2.0, 5.0, 10.0)
LATER_DELAY = 30.0
"""Seconds before each try: a gateway restarts in minutes, and is not to be hammered meanwhile."""
PASSING = frozenset(
    {
        *("connection-refused", "host-unreachable", "handshake-silent", "closed-before-version"),
        *("closed-after-start", "not-ready", "connectivity-lost", "no-accounts"),
        "client-id-in-use",
    }
)
"""Causes that a restart or a login ends by itself; any other wants a person."""
SILENT = "nobody answered at its other end"


class Resuming:
    """Resumes the connection of one session.

    Attributes:
        by_itself: is asked at a loss whether to resume without being told to.
        announce: is told of each resume that happened by itself, and of one that was given up.
    """

    def __init__(self, session: Session) -> None:
        self.by_itself: Callable[[], bool] = lambda: False
        self.announce: Callable[[Connection, Resumed | ConnectFailed], None] = lambda *_: None
        self._session = session
        self._task: asyncio.Task[None] | None = None

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
        """Begin to resume a connection that was lost, if it was, where that happens by itself."""
        if connection is not None and connection.state == "lost" and self.by_itself():
            self.stop()
            self._task = asyncio.get_running_loop().create_task(self._resume_later(connection))

    def stop(self) -> None:
        """Give up what `begin` began, without waiting until it is over: it waits for its turn."""
        if self._task is not None:
            self._task.cancel()
        self._task = None

    async def _resume_later(self, connection: Connection) -> None:
        session = self._session
        for delay in itertools.chain(DELAYS, itertools.repeat(LATER_DELAY)):
            await asyncio.sleep(delay)
            try:
                async with session.turn():
                    if session.connection is not connection or connection.state != "lost":
                        return
                    resumed = await self.resume(connection, lambda _address: 0.0, None, asked=False)
            except ConnectFailed as failure:
                if failure.verdict not in PASSING:
                    self.announce(connection, failure)
                    return
            else:
                if resumed is not None:
                    self.announce(connection, resumed)
                return
            finally:
                session.tell()

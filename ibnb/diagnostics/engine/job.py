"""A diagnosis under way: on a loop and thread of its own, to be waited for or stopped."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any

from ibnb.diagnostics.model import Report

from .threads import DaemonThreads

Work = Callable[[asyncio.Event], Coroutine[Any, Any, Report]]
"""What a diagnosis does; it ends early, with what it knows, when the event is set."""


class Diagnosis(Future[Report]):
    """The future of the report of a diagnosis that runs on a loop and thread of its own.

    So it works when the kernel's loop does not. The report comes when the loop is closed and its
    connection with it: whoever waits may end the process at once.
    """

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.set_running_or_notify_cancel()
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(DaemonThreads())
        self._stopped = asyncio.Event()
        threading.Thread(
            target=self._body, args=(work,), name="ibnb-diagnosis", daemon=True
        ).start()

    def stop(self) -> None:
        """End the diagnosis early, from any thread; its report then says what is known so far.

        Returns at once. The connection that looks at the gateway is closed in good order before the
        report comes. A diagnosis that is over already is left as it is.
        """
        with contextlib.suppress(RuntimeError):  # its loop is closed: it is over
            self._loop.call_soon_threadsafe(self._stopped.set)

    def cancel(self) -> bool:
        """Stop; returns False, because the report of a stopped diagnosis comes all the same."""
        self.stop()
        return super().cancel()

    async def report(self) -> Report:
        """Wait for the report on the running loop: joining the thread would starve that loop.

        Raises:
            asyncio.CancelledError: the wait was cancelled. The diagnosis was stopped and is over.
        """
        ended = asyncio.wrap_future(self)
        try:
            return await asyncio.shield(ended)
        except asyncio.CancelledError:
            self.stop()
            await asyncio.wait({ended})
            ended.exception()  # looked at: else asyncio complains that nobody did
            raise

    def _body(self, work: Work) -> None:
        try:
            answer = self._run(work)
        except BaseException as error:  # noqa: BLE001 - handed on to whoever waits
            self.set_exception(error)
        else:
            self.set_result(answer)

    def _run(self, work: Work) -> Report:
        try:
            return self._loop.run_until_complete(work(self._stopped))
        finally:
            self._loop.run_until_complete(_cancel_what_is_left())
            # Its helper threads are not waited for: a check that is over may still sit in one.
            self._loop.close()


async def _cancel_what_is_left() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)

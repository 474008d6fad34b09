"""Threads for work that may hang: nobody waits for them, not even the end of the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class DaemonThreads(ThreadPoolExecutor):
    """An executor with a daemon thread of its own for each piece of work.

    Python joins the threads of an ordinary one when the process ends: a name service that does not
    answer would keep it from ending. A loop takes none but a `ThreadPoolExecutor` for its own.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start the work at once, and return the future of its result."""
        future: Future[T] = Future()
        threading.Thread(
            target=_work, args=(future, lambda: fn(*args, **kwargs)), name="ibnb-look", daemon=True
        ).start()
        return future


def _work(future: Future[Any], work: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - handed on to whoever waits
        future.set_exception(error)
    else:
        future.set_result(answer)

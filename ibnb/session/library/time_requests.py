"""Requests for the gateway's time, which recent gateways answer at most once a second.

Two of them within that second leave the later one unanswered for ever: the user's own behind a
heartbeat of ibnb, or behind another of his own. So what the user asked is asked again, for as long
as nothing came, and no heartbeat is sent that could take his answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import weakref
from collections.abc import Mapping
from typing import Any

from ibnb.session.notebook import event_loop

from .patches import MethodPatch, install_patch, remove_patch
from .protocols import Ib

KIND = "time requests"
ASKING = "reqCurrentTime"
WAITING = "currentTime"
"""The key under which the libraries wait for the answer."""
APART = 1.1
"""Seconds after which a gateway answers the next request; some take longer."""
AGAIN = (APART, APART, 2 * APART, 4 * APART)
"""Seconds until the same is asked again, and again; then it is left as the library left it."""


class TimeRequests:
    """Asks again what the user asked of one connection, until it is answered.

    The first request goes out at once, as the library sends it; nothing else is touched. Made on
    the loop of the connection.
    """

    def __init__(self, ib: Ib, pending: Mapping[asyncio.Future[Any], tuple[Any, Any]]) -> None:
        self._ib = weakref.ref(ib)
        self._pending = pending
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._sent = 0
        self._sent_at = float("-inf")
        self._is_ours = False
        install_patch(ib.client, ASKING, KIND, self._around)

    @property
    def is_asking(self) -> bool:
        """Whether the user waits for an answer that is still asked for."""
        return self._timer is not None and self._is_awaited()

    @property
    def pause(self) -> float:
        """Seconds that a heartbeat has to wait, so that the gateway answers it."""
        return max(0.0, self._sent_at + APART - time.monotonic())

    def send(self) -> None:
        """Send a request that is not the user's."""
        ib = self._ib()
        if ib is not None:
            self._is_ours = True
            try:
                send_raw(ib)
            finally:
                self._is_ours = False

    def end(self) -> None:
        """Ask no more, and leave the client as it was."""
        self._stop()
        ib = self._ib()
        if ib is not None:
            remove_patch(ib.client, ASKING, KIND)

    def _around(self, layer: MethodPatch) -> Any:
        def ask() -> Any:
            answer = layer.inner()
            # What another thread sends is its own affair: this loop's timers are not.
            if not self._is_ours and not event_loop.runs_elsewhere(self._loop):
                self._stop()
                self._sent = 0
                self._note_sent()
            return answer

        return ask

    def _note_sent(self) -> None:
        self._sent_at = time.monotonic()
        if self._sent < len(AGAIN) and self._is_awaited():
            self._timer = self._loop.call_later(AGAIN[self._sent], self._ask_again)
        self._sent += 1

    def _ask_again(self) -> None:
        self._timer = None
        if self._is_awaited():
            with contextlib.suppress(ConnectionError):
                self.send()
                self._note_sent()

    def _is_awaited(self) -> bool:
        return any(
            key == WAITING and not future.done() for future, (key, _) in [*self._pending.items()]
        )

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


_known: weakref.WeakKeyDictionary[Any, TimeRequests] = weakref.WeakKeyDictionary()


def send_raw(ib: Ib) -> None:
    """Ask for the time as a raw message: the library keeps one future for all its callers."""
    ib.client.reqCurrentTime()


def watch_time(ib: Ib, pending: Mapping[asyncio.Future[Any], tuple[Any, Any]]) -> None:
    """Begin to look after the time requests of an `IB` object, on the loop that it runs on.

    `pending` are its requests without an answer: of each future the key that it waits under.
    """
    unwatch_time(ib)
    _known[ib] = TimeRequests(ib, pending)


def unwatch_time(ib: Ib) -> None:
    """Undo `watch_time`."""
    known = _known.pop(ib, None)
    if known is not None:
        known.end()


def time_requests(ib: Ib) -> TimeRequests | None:
    """Return what looks after the time requests of an `IB` object, if anything does."""
    return _known.get(ib)

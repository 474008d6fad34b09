"""Historical requests that wait, because the farm that they need is not there.

As far as is known of real gateways: a request for bars, or for a schedule, is told with 165 that
its farm is lost, and again at each attempt to connect that fails; once the farm is back it is told
so, and answered. Bars that are kept up to date end with 10182. All else is told nothing; a head
time stamp is given up after some seconds. How long a gateway waits with the others nobody has
shown: here it gives up after a minute, so that no client waits for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from ibnb.tws.wire import OutgoingId

from .client import Client
from .protocol import texts

ATTEMPT_SECONDS = 10.0
HEAD_SECONDS = 5.0
PATIENCE_SECONDS = 60.0
CANCELLED_BY = {
    OutgoingId.CANCEL_HISTORICAL_DATA: OutgoingId.HISTORICAL_DATA,
    OutgoingId.CANCEL_HEAD_TIMESTAMP: OutgoingId.HEAD_TIMESTAMP,
    OutgoingId.CANCEL_HISTOGRAM: OutgoingId.HISTOGRAM,
}
"""Which request each cancel ends."""


@dataclass(eq=False)
class _Waiting:
    client: Client
    message_id: int
    req_id: int
    fields: tuple[str, ...]
    timers: list[asyncio.TimerHandle] = field(default_factory=list)

    @property
    def is_told(self) -> bool:
        """Whether it hears of the farm."""
        return self.message_id == OutgoingId.HISTORICAL_DATA

    def tell(self, text: texts.Text) -> None:
        self.client.notify(text, self.req_id)


class WaitingRequests:
    """The requests that wait. To be used on the gateway's thread only.

    Args:
        answer: answers a request whose farm is back.
        patience: for how many seconds a request waits, but for head time stamps.
        attempts: after how many seconds it is told that an attempt to connect has failed.
    """

    def __init__(
        self,
        answer: Callable[[Client, tuple[str, ...]], None],
        *,
        patience: float = PATIENCE_SECONDS,
        attempts: float = ATTEMPT_SECONDS,
    ) -> None:
        self._answer = answer
        self._patience = patience
        self._attempts = attempts
        self._waiting: list[_Waiting] = []

    def add(
        self, client: Client, message_id: int, req_id: int, fields: tuple[str, ...], *, live: bool
    ) -> None:
        """Let a request wait; bars that are to be kept up to date (`live`) end at once."""
        if live:
            client.notify(texts.LIVE_BARS_ENDED, req_id)
            return
        one = _Waiting(client, message_id, req_id, fields)
        self._waiting.append(one)
        is_head = message_id == OutgoingId.HEAD_TIMESTAMP
        patience = min(HEAD_SECONDS, self._patience) if is_head else self._patience
        loop = asyncio.get_running_loop()
        one.timers.append(loop.call_later(patience, self._give_up, one))
        if one.is_told:
            one.tell(texts.HISTORY_LINK_LOST)
            one.timers.append(loop.call_later(self._attempts, self._try_in_vain, one))

    def cancel(self, client: Client, message_id: int, req_id: int) -> bool:
        """End the request that a cancel is about; say whether it waited."""
        kind = CANCELLED_BY.get(message_id)
        found = [
            one
            for one in self._waiting
            if (one.client, one.message_id, one.req_id) == (client, kind, req_id)
        ]
        for one in found:
            self._drop(one)
            if one.is_told:
                one.tell(texts.history_cancelled(req_id))
        return bool(found)

    def answer_all(self) -> None:
        """Answer whatever waits: the farm is back."""
        for one in list(self._waiting):
            self._drop(one)
            if not one.client.is_open:
                continue
            if one.is_told:
                one.tell(texts.HISTORY_LINK_BACK)
            self._answer(one.client, one.fields)

    def stop(self) -> None:
        """Forget whatever waits."""
        for one in list(self._waiting):
            self._drop(one)

    def _try_in_vain(self, one: _Waiting) -> None:
        if not one.client.is_open:
            self._drop(one)
            return
        one.tell(texts.HISTORY_LINK_FAILED)
        loop = asyncio.get_running_loop()
        one.timers[-1] = loop.call_later(self._attempts, self._try_in_vain, one)

    def _give_up(self, one: _Waiting) -> None:
        self._drop(one)
        one.tell(texts.HISTORY_TIMED_OUT)

    def _drop(self, one: _Waiting) -> None:
        for timer in one.timers:
            timer.cancel()
        self._waiting.remove(one)

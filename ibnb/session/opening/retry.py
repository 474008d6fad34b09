"""Asking again, politely, for a client ID that its last holder has only just let go of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from ibnb.session.backoff import backoff
from ibnb.tws.attempt import cause
from ibnb.tws.target import Target

from .failed import OpeningFailedError

T = TypeVar("T")
FIRST_DELAYS = (0.5, 1.0, 2.0)
LATER_DELAY = 5.0
"""Seconds between tries for a client ID that is still held."""


@dataclass(frozen=True)
class Waiting:
    """A wait for a held client ID: seconds left of it, and the ID.

    With `ahead` it is a wait for one of the gateway's seats, and so many others come first;
    `limit` says that a historical request waits for its turn, and by which limit: the same again,
    too many of one contract, too many in ten minutes, or too many open ones. `more` wait with it.
    """

    client_id: int
    target: Target
    seconds_left: float
    ahead: int | None = None
    limit: Literal["identical", "burst", "history", "open"] | None = None
    more: int = 0


OnWait = Callable[[Waiting], None]


async def retry_while_id_in_use(
    once: Callable[[], Awaitable[T]],
    client_id: int,
    target: Target,
    wait: Callable[[], float],
    on_wait: OnWait | None,
) -> T:
    """Return what `once` comes to, trying it again while the ID is held.

    `wait` is asked for how many seconds, and only when the ID was refused.

    Raises:
        OpeningFailedError: that of the last try.
    """
    begun = time.monotonic()
    seconds: float | None = None
    delays = backoff(FIRST_DELAYS, LATER_DELAY)
    while True:
        try:
            return await once()
        except OpeningFailedError as failure:
            if cause(failure.attempt) != "client-id-in-use":
                raise
            seconds = wait() if seconds is None else seconds
            left = seconds - (time.monotonic() - begun)
            if left <= 0:
                raise
        delay = min(next(delays), left)
        await _wait_visibly(Waiting(client_id, target, left), delay, on_wait)


async def _wait_visibly(waiting: Waiting, delay: float, on_wait: OnWait | None) -> None:
    begun = time.monotonic()
    while (passed := time.monotonic() - begun) < delay:
        if on_wait is not None:
            left = waiting.seconds_left - passed
            on_wait(Waiting(waiting.client_id, waiting.target, left))
        await asyncio.sleep(min(delay - passed, 1.0))

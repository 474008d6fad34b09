"""Waiting for a seat: a gateway serves so many API clients at once, and a team shares them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from ibnb.session.opening.retry import OnWait, Waiting
from ibnb.tws.target import Target

from .grants import Refusal

ASKING_SECONDS = 0.5
"""How often it is asked whether it is our turn: a seat that is freed stays empty no longer."""


async def take_a_seat(
    enter: Callable[[], Refusal | None],
    client_id: int,
    target: Target,
    wait: Callable[[], float],
    on_wait: OnWait | None,
) -> None:
    """Return when `enter` has a seat, when waiting for one is over, or when nothing is known of it.

    `enter` is called on a thread, and keeps the place in the queue. `wait` is asked for how many
    seconds, and only when no seat is free. Whether one more is served, the gateway says.
    """
    begun, seconds = time.monotonic(), -1.0
    while True:
        refusal = await asyncio.to_thread(enter)
        if refusal is None or refusal.why != "full":
            return
        seconds = wait() if seconds < 0 else seconds
        left = seconds - (time.monotonic() - begun)
        if left <= 0:
            return
        if on_wait is not None:
            on_wait(Waiting(client_id, target, left, ahead=refusal.ahead))
        await asyncio.sleep(min(ASKING_SECONDS, left))

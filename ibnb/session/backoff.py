"""How long to wait before each further try of something that failed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence


def backoff(
    first: Sequence[float], later: float, jitter: tuple[float, float] = (1.0, 1.0)
) -> Iterator[float]:
    """Yield the seconds before each try, without end.

    Args:
        first: before the first tries.
        later: before each one after those.
        jitter: each of them is multiplied by a random number between these two, so that not all
            notebooks try in the same moment.
    """
    pauses = iter(first)
    while True:
        yield next(pauses, later) * random.uniform(*jitter)  # noqa: S311 - no secret

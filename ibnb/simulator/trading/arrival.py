"""How long orders and their cancels are on the way to the market."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Arrival:
    """A time on the way that the seed decides: the same orders take the same times.

    Attributes:
        latency: how long it is about, in seconds of the world; 0 is no time at all.
        seed: what the times are made from.
    """

    latency: float = 0.0
    seed: int = 1

    def seconds(self, perm_id: int, step: str) -> float:
        """Return how long a step of an order takes: from half the latency to half as much again."""
        luck = random.Random(f"{self.seed}|{perm_id}|{step}")  # noqa: S311 - it is no secret
        return self.latency * luck.uniform(0.5, 1.5)

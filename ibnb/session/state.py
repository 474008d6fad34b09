"""The states of a connection."""

from __future__ import annotations

from typing import Literal

State = Literal["closed", "opening", "ready", "degraded", "lost", "resuming"]
OPEN = frozenset({"ready", "degraded"})
"""The states in which the socket is open and ready."""

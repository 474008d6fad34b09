"""What an opening that comes to nothing raises among the rooms of a session."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibnb.tws.attempt import Attempt


class OpeningFailedError(Exception):
    """One attempt did not become ready; `attempt` holds what was seen."""

    def __init__(self, attempt: Attempt) -> None:
        from ibnb.tws.attempt import cause

        super().__init__(cause(attempt))
        self.attempt = attempt

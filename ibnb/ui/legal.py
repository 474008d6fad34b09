"""What ibnb is not, said once in a notebook: with every report it would only be skipped."""

from __future__ import annotations


class Boundary:
    """Knows whether it was said in this notebook."""

    def __init__(self) -> None:
        self._was_said = False

    def is_due(self) -> bool:
        """Say whether it is to be said now, which is the first time that this is asked."""
        was_said, self._was_said = self._was_said, True
        return not was_said

"""What a client says first: which server versions it speaks."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ibnb.tws.wire import GREETING, LENGTH_BYTES

_VERSIONS = re.compile(r"v(\d{1,9})\.\.(\d{1,9})(?: .*)?")
_MAX_GREETING = 4096
_HEAD = len(GREETING) + LENGTH_BYTES


class ForeignGreetingError(ValueError):
    """The bytes are not, and cannot become, the greeting of a client."""


@dataclass(frozen=True)
class Greeting:
    """A complete greeting; `rest` are the bytes that follow it."""

    lowest: int
    highest: int
    rest: bytes

    def agreed(self, lowest: int, highest: int) -> int | None:
        """Return the highest version that both speak, None if there is none."""
        agreed = min(self.highest, highest)
        return agreed if agreed >= max(self.lowest, lowest) else None


def read_greeting(data: bytes) -> Greeting | None:
    """Return the greeting that bytes begin with, None as long as it is incomplete.

    Raises:
        ForeignGreetingError: no client of the API begins so.
    """
    length = int.from_bytes(data[len(GREETING) : _HEAD], "big")
    is_headed = len(data) >= _HEAD
    if not data.startswith(GREETING[: len(data)]) or (is_headed and length > _MAX_GREETING):
        raise ForeignGreetingError
    if not is_headed or len(data) < _HEAD + length:
        return None
    asked = _VERSIONS.fullmatch(data[_HEAD : _HEAD + length].decode("latin-1"))
    if asked is None:
        raise ForeignGreetingError
    return Greeting(int(asked[1]), int(asked[2]), data[_HEAD + length :])

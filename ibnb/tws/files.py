"""Reading a part of a file that another program writes: bounded, and never an error.

And making files that nobody else reads.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Part:
    """Bytes from one end of a file.

    `is_whole` says whether the file holds no more than these. `modified` is when it was last
    written to, in seconds since the epoch.
    """

    data: bytes
    is_whole: bool
    modified: float


def head(path: Path, limit: int) -> Part | None:
    """Return at most the first `limit` bytes, or None where there is no file to be read."""
    return _read(path, limit, from_end=False)


def tail(path: Path, limit: int) -> Part | None:
    """Return at most the last `limit` bytes, or None where there is no file to be read."""
    return _read(path, limit, from_end=True)


def private(path: Path, flags: int) -> int:
    """Open a file as `os.open` does; one that is made is for this user alone."""
    return os.open(path, flags, 0o600)


def _read(path: Path, limit: int, *, from_end: bool) -> Part | None:
    try:
        # To open a pipe would wait for its other end, so what it is comes first.
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb", buffering=0) as file:
            found = os.fstat(file.fileno())
            if from_end:
                file.seek(max(0, found.st_size - limit))
            data = file.read(limit)
    except (OSError, ValueError):  # ValueError: a path that no system takes
        return None
    return Part(data, found.st_size <= limit, found.st_mtime)

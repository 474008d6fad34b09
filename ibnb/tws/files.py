"""Reading a part of a file that another program writes: bounded, and never an error.

And writing files of ours that nobody else reads.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


_FILE_RIGHTS, _FOLDER_RIGHTS, _OF_OTHERS = 0o600, 0o700, 0o077


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
    """Open a file as `os.open` does, for this user alone, also if others could read it before.

    Folders that are missing are made, for this user alone too. One that is there stays as it is:
    it may be meant for others.

    Raises:
        OSError: the system refuses.
    """
    for folder in reversed([path.parent, *path.parent.parents]):
        # Each by itself: of several at once only the last would get these rights.
        if not folder.exists():
            folder.mkdir(_FOLDER_RIGHTS, exist_ok=True)
    descriptor = os.open(path, flags, _FILE_RIGHTS)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & _OF_OTHERS:
        # What belongs to somebody else is his to keep from others.
        with contextlib.suppress(OSError):
            path.chmod(_FILE_RIGHTS)
    return descriptor


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

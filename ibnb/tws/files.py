"""Reading a part of a file or folder that another program writes: bounded, and never an error.

And writing files of ours that nobody else reads.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from io import FileIO
    from pathlib import Path


BLOCK = 1 << 20
"""So many bytes are searched at a time."""
LONGEST_LINE = 16 * 1024
"""So many bytes of a line are read; what follows in it is passed over."""
_FILE_RIGHTS, _FOLDER_RIGHTS, _OF_OTHERS = 0o600, 0o700, 0o077


def head(path: Path, limit: int) -> bytes | None:
    """Return at most the first `limit` bytes, or None if there is no file to be read."""
    try:
        # As below: to open a pipe would wait for its other end.
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb", buffering=0) as file:
            return file.read(limit)
    except (OSError, ValueError):  # ValueError: a path that no system takes
        return None


def entries(folder: Path, most: int) -> list[os.DirEntry[str]]:
    """Return at most so many entries of a folder; none if it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return list(itertools.islice(found, most))
    except (OSError, ValueError):  # ValueError: a path that no system takes
        return []


@dataclass(frozen=True)
class Stretch:
    """The last lines of a file, from a telling one on, or as many as may be read.

    Attributes:
        path: The file.
        begin: Where its first line begins, in bytes.
        end: Where it ends.
        is_found: Whether the first line is the telling one.
        modified: When the file was last written to, in seconds since the epoch.
    """

    path: Path
    begin: int
    end: int
    is_found: bool
    modified: float

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.end - self.begin

    def lines(self) -> Iterator[str]:
        """Yield its lines, without line ends; none if the file is gone meanwhile."""
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            file.seek(self.begin)
            while file.tell() < self.end and (line := file.readline(LONGEST_LINE)):
                rest = line
                while len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
                    rest = file.readline(LONGEST_LINE)
                yield line.decode(errors="replace").rstrip("\r\n")


def from_last(
    path: Path, mark: bytes, is_telling: Callable[[str], bool], limit: int
) -> Stretch | None:
    """Return a file from its last telling line on, or its last `limit` bytes.

    Args:
        path: The file.
        mark: What every telling line holds.
        is_telling: Says whether a line that holds it is one.
        limit: At most so many bytes are searched, from the end.

    Returns:
        The stretch, which begins with a whole line, or None if there is no file to be read.
    """
    try:
        # To open a pipe would wait for its other end, so what it is comes first.
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb", buffering=0) as file:
            seen = os.fstat(file.fileno())
            first, end = max(0, seen.st_size - limit), seen.st_size
            begin = _last_telling(file, first, end, mark, is_telling)
            found = begin is not None
            if begin is None:
                begin = _whole_line(file, first)
    except (OSError, ValueError):  # ValueError: a path that no system takes
        return None
    return Stretch(path, begin, end, found, seen.st_mtime)


def _last_telling(
    file: FileIO, first: int, end: int, mark: bytes, is_telling: Callable[[str], bool]
) -> int | None:
    """Return where the last telling line between two places begins, or None."""
    upper = end
    while upper > first:
        lower = max(first, upper - BLOCK)
        # A line may reach into the blocks before and after this one.
        begin = max(first, lower - LONGEST_LINE)
        file.seek(begin)
        data = file.read(upper - begin + LONGEST_LINE)
        at = data.rfind(mark, lower - begin, upper - begin + len(mark) - 1)
        while at >= 0:
            start = data.rfind(b"\n", 0, at) + 1
            is_whole = start > 0 or begin == 0
            stop = data.find(b"\n", at, at + LONGEST_LINE)
            line = data[start : stop if stop >= 0 else at + LONGEST_LINE]
            if is_whole and is_telling(line.decode(errors="replace").rstrip("\r")):
                return begin + start
            at = data.rfind(mark, lower - begin, at)
        upper = lower
    return None


def _whole_line(file: FileIO, first: int) -> int:
    """Return where the first line begins that is whole at or after a place."""
    if first == 0:
        return 0
    file.seek(first - 1)
    at = first - 1
    while data := file.read(BLOCK):
        end = data.find(b"\n")
        if end >= 0:
            return at + end + 1
        at += len(data)
    return at


def private(path: Path, flags: int) -> int:
    """Open a file as `os.open` does, for this user alone, also if others could read it before.

    Folders that are missing are made, for this user alone too. One that is there stays as it is:
    it may be meant for others.

    Raises:
        OSError: the system refuses.
    """
    missing = itertools.takewhile(lambda folder: not folder.exists(), path.parents)
    for folder in reversed([*missing]):
        # Each by itself: of several at once only the last would get these rights.
        folder.mkdir(_FOLDER_RIGHTS, exist_ok=True)
    descriptor = os.open(path, flags, _FILE_RIGHTS)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) & _OF_OTHERS:
        # What belongs to somebody else is his to keep from others.
        with contextlib.suppress(OSError):
            path.chmod(_FILE_RIGHTS)
    return descriptor

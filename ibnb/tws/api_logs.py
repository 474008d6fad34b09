"""The API logs that a gateway keeps, and which of them can be read."""

from __future__ import annotations

import heapq
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from . import files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_LOGS = 100
"""So many logs are returned."""
MOST_ENTRIES = 5000
"""So many entries of one folder are looked at."""
MOST_FOLDERS = 200
"""So many folders below one settings folder are looked into."""

_PLAIN = re.compile(r"api\.(?P<client_id>\d{1,10})\.[^.]{1,20}\.log", re.ASCII | re.IGNORECASE)
# What stands between is not documented: a number and a day's name are a client ID as in the plain
# ones, any other number may be a date.
_ENCRYPTED = re.compile(
    r"(?:api\.(?P<client_id>\d{1,10})\.[^\W\d_]{1,20}|(?:api|ibgateway)(?:\..*)?)\.ibgzenc",
    re.IGNORECASE,
)

OWN_FOLDER = "api_logs"
"""A folder of this name holds nothing but API logs, whatever they are called."""
_ANY = re.compile(r"[^.].*\.(?:log|txt|(?P<encrypted>ibgzenc))", re.IGNORECASE)


@dataclass(frozen=True)
class ApiLog:
    """One API log of a gateway.

    An encrypted one can only be exported by hand (Gateway: File, API Logs; TWS: Help,
    Troubleshooting, Diagnostics).

    Attributes:
        path: The file, to be opened on this machine. A folder in it is named after the user, so it
            is never to be shown: `name` is.
        encrypted: Whether only Gateway itself can read it.
        client_id: The client ID whose messages it holds, where its name tells.
        modified: When it was last written to, in seconds since the epoch.
        bytes: Its size.
    """

    path: Path = field(repr=False)
    encrypted: bool
    client_id: int | None
    modified: float
    bytes: int

    @property
    def name(self) -> str:
        """The bare file name, which identifies nobody."""
        return self.path.name


def api_logs(folders: Iterable[Path]) -> tuple[ApiLog, ...]:
    """Return the API logs in settings folders and in the folders just below, newest first.

    At most the `MOST_LOGS` newest. Folders that this user may not read are passed over.
    """
    found = {log.path: log for folder in folders for log in _in_settings(folder)}
    return tuple(heapq.nlargest(MOST_LOGS, found.values(), key=lambda log: log.modified))


def _in_settings(folder: Path) -> Iterator[ApiLog]:
    below: list[Path] = []
    for entry in files.entries(folder, MOST_ENTRIES):
        log = _log(entry)
        if log is not None:
            yield log
        elif _is_folder(entry) and len(below) < MOST_FOLDERS:
            below.append(Path(entry.path))
    for one in below:
        is_own = one.name.lower() == OWN_FOLDER
        found = (_log(entry, is_own=is_own) for entry in files.entries(one, MOST_ENTRIES))
        yield from filter(None, found)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _log(entry: os.DirEntry[str], *, is_own: bool = False) -> ApiLog | None:
    plain = _PLAIN.fullmatch(entry.name)
    match = plain or _ENCRYPTED.fullmatch(entry.name)
    other = _ANY.fullmatch(entry.name) if is_own and match is None else None
    if match is None and other is None:
        return None
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:  # it was removed meanwhile
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    client_id = match["client_id"] if match is not None else None
    return ApiLog(
        Path(entry.path),
        encrypted=other["encrypted"] is not None if other is not None else plain is None,
        client_id=None if client_id is None else int(client_id),
        modified=found.st_mtime,
        bytes=found.st_size,
    )

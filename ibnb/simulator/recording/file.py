"""The file of a recording: lines of JSON, of which the first says what it is.

``docs/recordings.md`` describes the format.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

FORMAT = 1
"""The number of this format; a file with a higher one is of a newer ibnb."""
MOST_BYTES = 64 * 1024 * 1024
"""A recording is not longer, in bytes: more is neither written nor read."""
_HEADER = "ibnb recording"
_HEADER_BYTES = 200

Side = Literal["client", "gateway"]


class BadRecordingError(ValueError):
    """A file cannot be recorded to, or is not a recording that can be read. One line."""


@dataclass(frozen=True)
class Frame:
    """One message of a session: seconds since it began, who sent it, its fields."""

    at: float
    side: Side
    fields: tuple[str, ...]


@dataclass
class RecordedSession:
    """One connection: the agreed version, the text of the version reply, and its messages.

    `clock` is when it began, in seconds since the epoch.
    """

    version: int
    time: str
    clock: float
    frames: list[Frame] = field(default_factory=list)


class RecordingWriter:
    """Writes a recording line by line, so that what was written is there whatever comes.

    Args:
        path: where; a recording that is there is replaced, and nothing else.

    Raises:
        BadRecordingError: the file is something else, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._left = MOST_BYTES
        self._sessions = 0
        self._file: IO[str] | None = None
        try:
            if path.exists() and not _may_be_replaced(path):
                raise BadRecordingError(
                    f"{path} is there, and is not a recording: it is left as it is; give another "
                    "name"
                )
            self._file = path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise BadRecordingError(f"{path} cannot be written: {error.strerror}") from None
        self._write({_HEADER: FORMAT, "made": f"{dt.datetime.now(dt.UTC):%Y-%m-%d}"})

    @property
    def is_full(self) -> bool:
        """Whether nothing more is written, as the recording is as long as it may be."""
        return self._left <= 0

    def begin(self, version: int, time: str, clock: float) -> int:
        """Write that a session has begun, and return its number."""
        self._sessions += 1
        head = {"session": self._sessions, "version": version, "time": time, "clock": int(clock)}
        self._write(head)
        return self._sessions

    def frame(self, session: int, frame: Frame) -> None:
        """Write one message of a session."""
        self._write(
            {
                "session": session,
                "at": round(frame.at, 3),
                "from": frame.side,
                "fields": frame.fields,
            }
        )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: dict[str, Any]) -> None:
        if self._file is None or self.is_full:
            return
        text = json.dumps(line, ensure_ascii=True) + "\n"
        self._left -= len(text)
        if not self.is_full:
            self._file.write(text)
            self._file.flush()


def read_recording(path: Path) -> list[RecordedSession]:
    """Return the sessions of a recording.

    Raises:
        BadRecordingError: it cannot be read, is damaged, or of a newer ibnb. One line.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadRecordingError(f"{path} is longer than a recording is ({MOST_BYTES} bytes)")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadRecordingError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BadRecordingError(f"{path} is not a recording of ibnb") from None
    lines = _lines(path, text)
    head = next(lines, (0, {}))[1]
    known = head.get(_HEADER)
    if not isinstance(known, int) or isinstance(known, bool) or known < 1:
        raise BadRecordingError(f"{path} is not a recording of ibnb")
    if known > FORMAT:
        raise BadRecordingError(
            f"{path} is a recording of a newer ibnb (format {known}, this one reads {FORMAT}): "
            "update ibnb, or record it anew"
        )
    sessions: dict[int, RecordedSession] = {}
    for number, line in lines:
        try:
            _take(sessions, line)
        except (KeyError, TypeError, ValueError):
            raise _damaged(path, number) from None
    return list(sessions.values())


def _lines(path: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            if number == 1:
                raise BadRecordingError(f"{path} is not a recording of ibnb")
            raise _damaged(path, number)
        yield number, found


def _take(sessions: dict[int, RecordedSession], line: dict[str, Any]) -> None:
    session = line["session"]
    if "version" in line:
        if session in sessions:
            raise ValueError(session)
        sessions[session] = RecordedSession(
            int(line["version"]), str(line["time"]), float(line["clock"])
        )
        return
    side, fields = line["from"], line["fields"]
    if side not in {"client", "gateway"} or not isinstance(fields, list) or not fields:
        raise ValueError(side)
    if not all(isinstance(one, str) and "\0" not in one for one in fields):
        raise TypeError(fields)
    at = float(line["at"])
    if not 0 <= at < float("inf"):
        raise ValueError(at)
    sessions[session].frames.append(Frame(at, side, tuple(fields)))


def _damaged(path: Path, number: int) -> BadRecordingError:
    return BadRecordingError(
        f"{path}, line {number}: this is not a line of a recording; the file is damaged, so "
        "record it anew"
    )


def _may_be_replaced(path: Path) -> bool:
    """Say whether a file is a recording, or empty."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begun = file.read(_HEADER_BYTES)
    return not begun or begun.startswith(b'{"' + _HEADER.encode())

"""How far a gateway's login has come, as its ``launcher.log`` tells.

The log is plain text from a gateway's start until its login, and then silent. What it tells of
the network and of the session identifies a person, so nothing of a line but numbers
and times leaves this module.
"""

from __future__ import annotations

import heapq
import itertools
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from . import files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Phase = Literal[
    "starting",
    "logging-in",
    "second-factor",
    "challenge-unanswered",
    "throttled",
    "refused",
    "logged-in",
    "competing-session",
    "not-logged-in",
    "silent",
    "unknown",
]
"""How far a login has come.

``starting``: a new process, no attempt yet. ``logging-in``: an attempt is under way.
``second-factor``: a challenge was sent, and waits for the person. ``challenge-unanswered``: it
ended without an answer. ``throttled``: attempts are not let through for some time. ``refused``: the
user name or the password was wrong. ``logged-in``: done. ``competing-session``: the same user has
another session. ``not-logged-in``: none of these goes on, and nobody is logged in. ``silent``: the
log should have gone on and did not, so the process is gone, or hangs. ``unknown``: the log does not
tell.
"""

NAME = "launcher.log"
LIMIT = 512 * 1024
"""At most so many bytes are read: the last of the log, and of those that were rotated before it."""
MOST_ROTATED = 3
"""So many rotated logs are looked into."""
MOST_ENTRIES = 10_000
"""Among so many entries of the folder rotated logs are looked for."""

CHALLENGE_SILENCE = timedelta(seconds=90)
"""A pending challenge writes every 20 s, so a longer silence means that the process is gone."""
IDLE_SILENCE = timedelta(minutes=11)
"""While nobody is logged in something is written every 5 minutes: here, two of them are missing."""
START_SLACK = 5.0
"""Seconds by which the time of a line and the start of its process may be off."""
STALLED = timedelta(minutes=2)
"""A login that goes on writes more often than this."""

_ROTATED = re.compile(r"launcher\.\d{8}\.log", re.ASCII)
_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[.,]\d{3} (?:\[\w{2}\] )?\s*"
    r"[A-Z]+ +\[[^\]]*\] - (?P<message>.*)",
    re.ASCII | re.DOTALL,
)
_YEARS = range(1990, 2200)
"""A time outside of these is none of a gateway's, and could not be reckoned with."""
_HEADER = re.compile(r"-{3,} *IB GATEWAY RESTART *-{3,}")
_WAIT = re.compile(
    r"Too many failed login attempts\. Please wait (?:(\d{1,3}) hours?\b)?(?: & )?"
    r"(?:(\d{1,4}) minutes?\b)?(?: & )?(?:(\d{1,5}) seconds?\b)?",
    re.ASCII,
)

_ATTEMPT = "LauncherLoginThread.runLoginWithUI()["
_ENDED = "Authorization failed: SUPPRESS_MESSAGE_BOX"
_MARKERS: tuple[tuple[str, Phase], ...] = (
    (_ATTEMPT, "logging-in"),
    ("NS_AUTH_START version=", "logging-in"),
    ("Authentication timeout", "logging-in"),
    ("Received CHALLENGE", "second-factor"),
    ("AUTH_RESULT indicates wrong password", "refused"),
    ("Authorization failed: Invalid username or password", "refused"),
    ("Switching to a new encrypted log", "logged-in"),
)
"""How messages begin, and the phase that they begin, whatever went before."""

_ZONE_STEP = 15 * 60.0
_WIDEST_ZONES = 26 * 3600.0
"""So far apart are the clocks of the two ends of the world, in seconds."""
_WRITE_DELAY = 60.0


@dataclass(frozen=True)
class LoginPhase:
    """How far a login has come. Times are local to the gateway, and without a zone, as in the log.

    Attributes:
        phase: See `Phase`.
        since: When the phase began; None for ``unknown``.
        last_line: When the log was last written to; None where it has no line of a gateway.
        attempts: Attempts to log in since the process started, or in what was read of the log.
        wait_seconds: Seconds until attempts are let through again, while ``throttled``.
        restart: ``auto`` for a process that continues a saved session, ``fresh`` for any other,
            None where the start is not in what was read of the log.
        before_silence: The phase in which the log fell silent, while ``silent``.
        quiet_seconds: How long ago the log was last written to; None where it has no line.
    """

    phase: Phase = "unknown"
    since: datetime | None = None
    last_line: datetime | None = None
    attempts: int = 0
    wait_seconds: float | None = None
    restart: Literal["auto", "fresh"] | None = None
    before_silence: Phase | None = None
    quiet_seconds: float | None = None

    def is_older_than(self, start: float, now: float) -> bool:
        """Say whether the last line was written before a process started.

        Then the log tells of an earlier one. Both times are in seconds since the epoch.
        """
        return self.quiet_seconds is not None and now - self.quiet_seconds < start - START_SLACK


def login_phase(folder: Path, now: datetime | None = None) -> LoginPhase | None:
    """Return how far the login of the gateway with this settings folder has come.

    At most `LIMIT` bytes are read. Where the log does not reach back to the start of the process,
    the rotated ones before it are read, too.

    Args:
        folder: A settings folder.
        now: The local time; the present one when None.

    Returns:
        The phase, or None where there is no log that this user can read.
    """
    now = _local(now or datetime.now(UTC))
    parts = _parts(folder)
    if not parts:
        return None
    story = _story(line for part in reversed(parts) for line in _lines(part))
    return story.at(_on_clock_of(story.last_line, parts[0].modified, now))


def read_phase(lines: Iterable[str], now: datetime) -> LoginPhase:
    """Return how far a login has come by the lines of a log, oldest first, at a local time."""
    return _story(lines).at(_local(now))


def _story(lines: Iterable[str]) -> _Story:
    story = _Story()
    for line in lines:
        story.read(line)
    return story


def _local(time: datetime) -> datetime:
    return time if time.tzinfo is None else time.astimezone().replace(tzinfo=None)


class _Story:
    """What the lines told so far: one small state machine, fed line by line."""

    def __init__(self) -> None:
        self.last_line: datetime | None = None
        self._begin(None)

    def _begin(self, restart: Literal["fresh"] | None) -> None:
        self.phase: Phase = "unknown"
        self.since: datetime | None = None
        self.attempts = 0
        self.restart: Literal["auto", "fresh"] | None = restart
        self.throttled_until: datetime | None = None
        self.busy_at: datetime | None = None

    def read(self, line: str) -> None:
        """Take one line; what is no line of a gateway, such as a stack trace, tells nothing."""
        match = _LINE.match(line)
        time = _time(match["time"]) if match else None
        if match is None or time is None:
            return
        message = match["message"].strip()
        if _HEADER.fullmatch(message):
            self._begin("fresh")
            self._enter("starting", time)
            self.busy_at = time
        elif message.startswith("instance of control is not created yet"):
            self._idle(time)
        else:
            self._marker(message, time)
            self.busy_at = time
        self.last_line = time

    def _marker(self, message: str, time: datetime) -> None:
        wait = _WAIT.match(message)
        if wait:
            hours, minutes, seconds = (int(number or 0) for number in wait.groups())
            self.throttled_until = time + timedelta(hours=hours, minutes=minutes, seconds=seconds)
            self._enter("throttled", time)
            return
        if message.startswith("Running in auto-restart mode"):
            self.restart = "auto"
        if message.startswith(_ATTEMPT):
            self.attempts += 1
        for beginning, phase in _MARKERS:
            if message.startswith(beginning):
                self._enter(phase, time)
                return
        is_completed = message.startswith("### onAuthenticationCompleted")
        if is_completed and "authenticated=true" in message:
            self._enter("logged-in", time)
        elif "Competition detected" in message:
            self._enter("competing-session", time)
        elif message.startswith(_ENDED) and self.phase == "second-factor":
            self._enter("challenge-unanswered", time)
        elif is_completed or message.startswith("Authorization failed:"):
            self._fail(time)

    def _fail(self, time: datetime) -> None:
        """Note that a login ended for a reason not named here; one that is known already stays."""
        if self.phase in {"unknown", "starting", "logging-in", "second-factor", "logged-in"}:
            self._enter("not-logged-in", time)

    def _idle(self, time: datetime) -> None:
        """Take the line that comes at fixed times while nobody is logged in."""
        if self.busy_at is not None and time - self.busy_at < STALLED:
            return
        if self.phase == "second-factor":
            self._enter("challenge-unanswered", time)
        elif self.phase in {"unknown", "starting", "logging-in", "logged-in"}:
            self._enter("not-logged-in", time)

    def _enter(self, phase: Phase, time: datetime) -> None:
        if phase != self.phase:
            self.phase, self.since = phase, time

    def at(self, now: datetime) -> LoginPhase:
        """Return the phase at a time: waits run out, and silence tells something, too."""
        phase, since, wait = self.phase, self.since, None
        if phase == "throttled" and self.throttled_until is not None and since is not None:
            # A clock that was set back would make the wait longer than was ever announced.
            left = self.throttled_until - max(now, self.busy_at or since)
            if left > timedelta():
                wait = left.total_seconds()
            else:
                phase, since = "not-logged-in", self.throttled_until
        before, last = None, self.last_line
        bound = _silence_bound(phase)
        if bound is not None and last is not None and now - last > bound:
            before, phase, since = phase, "silent", last
        quiet = (now - last).total_seconds() if last is not None else None
        return LoginPhase(phase, since, last, self.attempts, wait, self.restart, before, quiet)


def _silence_bound(phase: Phase) -> timedelta | None:
    """Return the longest silence of a living process; None where silence tells nothing new."""
    if phase == "second-factor":
        return CHALLENGE_SILENCE
    if phase in {"unknown", "logged-in", "throttled"}:
        return None
    return IDLE_SILENCE


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.year in _YEARS else None


def _parts(folder: Path) -> list[files.Part]:
    """Return what is to be read of the logs, the newest first, in all at most `LIMIT` bytes."""
    parts: list[files.Part] = []
    left = LIMIT
    for name in [NAME, *_rotated(folder)]:
        part = files.tail(folder / name, left) if left else None
        if part is None:
            continue
        parts.append(part)
        left -= len(part.data)
        if any(_is_header(line) for line in _lines(part)):
            break
    return parts


def _rotated(folder: Path) -> list[str]:
    """Return the names of the rotated logs, the newest first."""
    try:
        with os.scandir(folder) as entries:
            names = [one.name for one in itertools.islice(entries, MOST_ENTRIES)]
    except (OSError, ValueError):  # ValueError: a path that no system takes
        return []
    return heapq.nlargest(MOST_ROTATED, filter(_ROTATED.fullmatch, names))


def _lines(part: files.Part) -> list[str]:
    lines = part.data.decode(errors="replace").split("\n")
    return lines if part.is_whole else lines[1:]  # the first is half a line


def _is_header(line: str) -> bool:
    match = _LINE.match(line)
    return match is not None and _HEADER.fullmatch(match["message"].strip()) is not None


def _on_clock_of(last_line: datetime | None, modified: float, now: datetime) -> datetime:
    """Return `now` on the clock of the log, which may be that of a container in another zone.

    The log tells local time without a zone, and its file when it was written to. Where the two
    differ as zones do, the gateway has another zone than this machine.
    """
    if last_line is None:
        return now
    try:
        written = _local(datetime.fromtimestamp(modified, UTC))
    except (OSError, OverflowError, ValueError):  # a file time that no calendar has
        return now
    ahead = (last_line - written).total_seconds()
    zone = round(ahead / _ZONE_STEP) * _ZONE_STEP
    if abs(ahead) > _WIDEST_ZONES or abs(ahead - zone) > _WRITE_DELAY:
        return now
    return now + timedelta(seconds=zone)

"""How far a gateway's login has come, as its ``launcher.log`` tells.

The log is plain text from a gateway's start until its login, and then silent. What it tells of
the network and of the session identifies a person, so nothing of a line but numbers and times
leaves this module, and the reason that was given for a refusal.
"""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass, field
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
    "session-expired",
    "slot-taken",
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
login was refused. ``session-expired``: it was refused because the tokens of the saved session have
expired. ``slot-taken``: attempt after attempt found no answer, as when another session holds the
user's place. ``logged-in``: done. ``competing-session``: the same user has another session.
``not-logged-in``: none of these goes on, and nobody is logged in. ``silent``: the log should have
gone on and did not, so the process is gone, or hangs. ``unknown``: the log does not tell.
"""

NAME = "launcher.log"
LIMIT = 64 * 1024 * 1024
"""At most so many bytes are read: the last of the log, and of those that were rotated before it.

A gateway at which nobody logs in writes some 350 KB a day.
"""
MOST_ROTATED = 200
"""So many rotated logs are looked into."""
MOST_ENTRIES = 10_000
"""Among so many entries of the folder rotated logs are looked for."""

CHALLENGE_SILENCE = timedelta(seconds=90)
"""A pending challenge writes every 20 s, so a longer silence means that the process is gone."""
IDLE_SILENCE = timedelta(minutes=11)
"""While nobody is logged in something is written every 5 minutes: here, two of them are missing."""
START_SLACK = 5.0
"""Seconds by which the time of a line and the start of its process may be off."""
CLOCK_CHANGE = 3600.0 + START_SLACK
"""The same for a line of days ago: the local time may have been put back or forward since."""
STALLED = timedelta(minutes=2)
"""A login that goes on writes more often than this."""
MANY_TIMEOUTS = 7
"""So many attempts in a row go without an answer while another session has the user's place."""
LONGEST_REASON = 300
"""So many characters of a reason are kept."""
REASON_LINES = 5
"""So many more lines may a reason have."""

_ROTATED = re.compile(r"launcher\.\d{8}\.log", re.ASCII)
_LINE = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[.,]\d{3} (?:\[\w{2}\] )?\s*"
    r"[A-Z]+ +\[(?P<thread>[^\]]*)\] - (?P<message>.*)",
    re.ASCII | re.DOTALL,
)
_YEARS = range(1990, 2200)
"""A time outside of these is none of a gateway's, and could not be reckoned with."""
_HEADER_WORDS = "IB GATEWAY RESTART"
_HEADER = re.compile(rf"-{{3,}} *{_HEADER_WORDS} *-{{3,}}")
_WAIT = re.compile(
    r"Too many failed login attempts\. Please wait (?:(\d{1,3}) hours?\b)?(?: & )?"
    r"(?:(\d{1,4}) minutes?\b)?(?: & )?(?:(\d{1,5}) seconds?\b)?",
    re.ASCII,
)

_ATTEMPT = "LauncherLoginThread.runLoginWithUI()["
_ROUND = "NS_AUTH_START version="
_TIMEOUT = "Authentication timeout"
_FAILED = "Authorization failed:"
_UNSPOKEN = "SUPPRESS_MESSAGE_BOX"
"""What stands in place of a reason if none is shown to anybody."""
_WRONG = f"{_FAILED} Invalid username or password"
_COMPLETED = "### onAuthenticationCompleted"
_IDLE = "instance of control is not created yet"
_MARKERS: tuple[tuple[str, Phase], ...] = (
    (_ATTEMPT, "logging-in"),
    (_ROUND, "logging-in"),
    (_TIMEOUT, "logging-in"),
    ("Received CHALLENGE", "second-factor"),
    ("AUTH_RESULT indicates wrong password", "refused"),
    ("Switching to a new encrypted log", "logged-in"),
)
"""How messages begin, and the phase that they begin, whatever went before."""
_TOKEN = re.compile(r"\binitialTokenType=(\w+)", re.ASCII)
_EXPIRED = re.compile(r"\btokens?\b.*\bexpired\b", re.IGNORECASE | re.DOTALL)
_REASON_END = re.compile(r"\s*\b(?:MessageType|FailReason):")
_WORK_THREADS = ("JTS-Login", "JTS-Auth", "JTS-PostAuth", "JTS-CCP")
_WORK = re.compile(
    r"SPLASH |### |Contacting |Received (?!response)|Sent NS_|Starting (?:launcher|password)"
    r"|Passed |Authenticat|Authoriz|AUTH_RESULT|NS_AUTH|LauncherLogin|Running in|Too many"
    r"|Switching|Competition"
)
"""How the messages of a login begin. Whatever else a gateway writes, its memory and CPU, what it
fetches for its window, comes at fixed times and says nothing of a login."""

_UNDER_WAY = frozenset(
    {"unknown", "starting", "logging-in", "second-factor", "logged-in", "not-logged-in"}
)
"""Phases that say nothing of how the last attempt ended."""
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
        last_line: When the log was last written to; None if it has no line of a gateway.
        attempts: Attempts to log in since the process started, or in what was read of the log.
        wait_seconds: Seconds until attempts are let through again, while ``throttled``.
        restart: ``auto`` for a process that continues a saved session, ``fresh`` for any other,
            None if the start is not in what was read of the log.
        before_silence: The phase in which the log fell silent, while ``silent``.
        reason: Why the last attempt failed, as the gateway was told, or empty. It is foreign text:
            to be redacted where it is shown.
        is_password: Whether that is the user name or the password.
        is_saved_session: Whether it was a saved session that was refused, and not a user name and
            password that somebody typed or stored.
        timeouts: How many attempts in a row ended without an answer.
        quiet_seconds: How long ago the log was last written to; None if it has no line.
    """

    phase: Phase = "unknown"
    since: datetime | None = None
    last_line: datetime | None = None
    attempts: int = 0
    wait_seconds: float | None = None
    restart: Literal["auto", "fresh"] | None = None
    before_silence: Phase | None = None
    quiet_seconds: float | None = None
    reason: str = field(default="", repr=False)
    is_password: bool = False
    is_saved_session: bool = False
    timeouts: int = 0

    def is_older_than(self, start: float, now: float) -> bool:
        """Say whether the last line was written before a process started.

        Then the log tells of an earlier one. Both times are in seconds since the epoch.
        """
        return self.quiet_seconds is not None and now - self.quiet_seconds < start - START_SLACK

    def began_before(self, start: float, now: float) -> bool:
        """Say whether the phase began before a process started: then it is that of an earlier one.

        Lines may have followed that tell nothing of a login. Times are as in `is_older_than`.
        """
        if self.quiet_seconds is None or self.since is None or self.last_line is None:
            return False
        lasted = self.quiet_seconds + (self.last_line - self.since).total_seconds()
        return now - lasted < start - CLOCK_CHANGE


def login_phase(folder: Path, now: datetime | None = None) -> LoginPhase | None:
    """Return how far the login of the gateway with this settings folder has come.

    At most `LIMIT` bytes are read. If the log does not reach back to the start of the process,
    the rotated ones before it are read, too.

    Args:
        folder: A settings folder.
        now: The local time; the present one when None.

    Returns:
        The phase, or None if there is no log that this user can read.
    """
    now = _local(now or datetime.now(UTC))
    logs = _logs(folder)
    if not logs:
        return None
    story = _story(line for log in reversed(logs) for line in log.lines())
    return story.at(_on_clock_of(story.last_line, logs[0].modified, now))


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
        self.timeouts = 0
        self.restart: Literal["auto", "fresh"] | None = restart
        self.throttled_until: datetime | None = None
        self.busy_at: datetime | None = None
        self.reason = ""
        self._unfinished: list[str] = []
        self._is_password = False
        self._is_denied = False
        self._saved: bool | None = None

    def read(self, line: str) -> None:
        """Take one line; what is no line of a gateway, such as a stack trace, tells nothing."""
        match = _LINE.match(line)
        time = _time(match["time"]) if match else None
        if match is None or time is None:
            self._go_on(line)
            return
        self._unfinished = []
        message = match["message"].strip()
        if message.startswith(_IDLE):
            self._idle(time)
        elif _HEADER.fullmatch(message):
            self._begin("fresh")
            self._enter("starting", time)
            self.busy_at = time
        elif _WORK.match(message) or match["thread"].startswith(_WORK_THREADS):
            self._work(message, time)
            self.busy_at = time
        self.last_line = time

    def _work(self, message: str, time: datetime) -> None:
        wait = _WAIT.match(message)
        if wait:
            hours, minutes, seconds = (int(number or 0) for number in wait.groups())
            self.throttled_until = time + timedelta(hours=hours, minutes=minutes, seconds=seconds)
            self._enter("slot-taken" if self.timeouts >= MANY_TIMEOUTS else "throttled", time)
        elif message.startswith(_FAILED):
            self._fail(message.removeprefix(_FAILED).strip(), time)
        elif message.startswith(_COMPLETED):
            self._complete(time, done="authenticated=true" in message)
        elif "Competition detected" in message:
            self._enter("competing-session", time)
        else:
            self._marker(message, time)

    def _marker(self, message: str, time: datetime) -> None:
        if message.startswith("Running in auto-restart mode"):
            self.restart, self._saved = "auto", True
        for beginning, phase in _MARKERS:
            if message.startswith(beginning):
                self._count(beginning, message)
                self._is_password = phase == "refused"
                is_again = phase == "logging-in" and self.timeouts >= MANY_TIMEOUTS
                self._enter("slot-taken" if is_again else phase, time)
                return

    def _count(self, marker: str, message: str) -> None:
        """Note what an attempt is made with, and how the ones before it ended."""
        if marker == _ATTEMPT:
            self.attempts += 1
            self._is_denied = False
            if self.reason or self.phase == "refused":
                # Somebody may have typed a password since.
                self.reason, self._saved = "", None
        elif marker == _ROUND and self._saved is None:
            token = _TOKEN.search(message)
            self._saved = token[1] == "SOFT" if token else None
        if marker == _TIMEOUT:
            self.timeouts += 1
        elif marker not in {_ATTEMPT, _ROUND}:
            self.timeouts = 0

    def _complete(self, time: datetime, *, done: bool) -> None:
        if done:
            self.reason, self.timeouts, self._saved = "", 0, None
            self._enter("logged-in", time)
        else:
            self._is_denied = True
            self._deny(time)

    def _fail(self, reason: str, time: datetime) -> None:
        """Note that a login failed, and why, if that is told."""
        if reason.startswith(_UNSPOKEN):
            if self.phase == "second-factor":
                self._enter("challenge-unanswered", time)
            else:
                self._end(time)
            return
        if self.phase != "slot-taken":
            self.timeouts = 0
        self.reason = _short(reason)
        self._unfinished = [] if _REASON_END.search(reason) else [reason]
        if _EXPIRED.search(self.reason):
            self._enter("session-expired", time)
        elif f"{_FAILED} {reason}".startswith(_WRONG):
            self._is_password = True
            self._enter("refused", time)
        else:
            self._deny(time)

    def _deny(self, time: datetime) -> None:
        """Note a refusal if it was both said and given a reason, in either order."""
        if self._is_denied and self.reason and self.phase in _UNDER_WAY:
            self._enter("refused", time)
        else:
            self._end(time)

    def _go_on(self, line: str) -> None:
        """Take a line that goes on where the reason of a refusal was told, if it comes to an end.

        What follows a reason without that is not a part of it, as a stack trace is not.
        """
        if not self._unfinished or len(self._unfinished) > REASON_LINES:
            return
        self._unfinished.append(line)
        if _REASON_END.search(line):
            self.reason = _short(" ".join(self._unfinished))
            self._unfinished = []
            if _EXPIRED.search(self.reason) and self.last_line is not None:
                self._enter("session-expired", self.last_line)

    def _end(self, time: datetime) -> None:
        """Note that a login ended for a reason not named here; one that is known already stays."""
        if self.phase in _UNDER_WAY - {"not-logged-in"}:
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
        is_password = self._is_password and phase in {"refused", "not-logged-in"}
        is_saved = bool(self._saved) and (is_password or phase in {"refused", "session-expired"})
        return LoginPhase(
            phase,
            since,
            last,
            self.attempts,
            wait,
            self.restart,
            before,
            quiet,
            self.reason,
            is_password,
            is_saved,
            self.timeouts,
        )


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


def _short(reason: str) -> str:
    """Return a reason without what follows it for programs, in one line."""
    told, *_ = _REASON_END.split(reason, maxsplit=1)
    return " ".join(told.split())[:LONGEST_REASON]


def _logs(folder: Path) -> list[files.Stretch]:
    """Return what is to be read of the logs, the newest first, in all at most `LIMIT` bytes.

    What was before the last start of a process does not count.
    """
    logs: list[files.Stretch] = []
    left = LIMIT
    for name in [NAME, *_rotated(folder)]:
        mark = _HEADER_WORDS.encode()
        log = files.from_last(folder / name, mark, _is_header, left) if left > 0 else None
        if log is None:
            continue
        logs.append(log)
        left -= log.size
        if log.is_found or log.begin:  # or there is more in it than may be read
            break
    return logs


def _rotated(folder: Path) -> list[str]:
    """Return the names of the rotated logs, the newest first."""
    names = [one.name for one in files.entries(folder, MOST_ENTRIES)]
    return heapq.nlargest(MOST_ROTATED, filter(_ROTATED.fullmatch, names))


def _is_header(line: str) -> bool:
    match = _LINE.match(line)
    return match is not None and _HEADER.fullmatch(match["message"].strip()) is not None


def _on_clock_of(last_line: datetime | None, modified: float, now: datetime) -> datetime:
    """Return `now` on the clock of the log, which may be that of a container in another zone.

    The log tells local time without a zone, and its file when it was written to. If the two
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

"""The words and icons of everything that is shown: one mark for each status, severity and state.

A mark always has an icon and a word, because colour alone says nothing to many readers, and nothing
to any reader of plain text. Icons are characters that common text fonts hold and that no browser
turns into coloured emoji.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ibnb.diagnostics.model import Change

Tone = Literal["good", "warn", "bad", "info", "muted"]


@dataclass(frozen=True)
class Mark:
    """An icon with its word, and the tone that may colour both."""

    icon: str
    word: str
    tone: Tone

    def __str__(self) -> str:
        """Return icon and word."""
        return f"{self.icon} {self.word}"


STATUS: Mapping[str, Mark] = {
    "pass": Mark("✓", "OK", "good"),
    "warn": Mark("▲", "Warning", "warn"),
    "fail": Mark("✗", "Failed", "bad"),
    "skip": Mark("○", "Skipped", "muted"),
    "crash": Mark("✱", "Crashed", "warn"),
}
PENDING = Mark("…", "Pending", "muted")
RUNNING = Mark("↻", "Running", "info")

TICK: Mapping[str, Mark] = {
    "done": Mark("✓", "Yes", "good"),
    "open": Mark("✗", "No", "bad"),
    "unknown": Mark("?", "Unknown", "muted"),
}
"""What a diagnosis found of an item of the verification checklist."""

ANSWER: Mapping[str, Mark] = {**STATUS, "skip": TICK["unknown"]}
"""How a question of a page was answered."""

VERDICT: Mapping[str, Mark] = {
    "info": Mark("✓", "OK", "good"),
    "warning": Mark("▲", "Warning", "warn"),
    "error": Mark("✗", "Problem", "bad"),
}

SEVERITY: Mapping[str, Mark] = {
    "info": Mark("●", "Information", "info"),
    "warning": Mark("▲", "Warning", "warn"),
    "error": Mark("✗", "Error", "bad"),
}

GUESS = Mark("?", "Guess", "muted")
"""In the place of a severity, where it is not sure that the page is the right one."""

NEAREST = "Closest pages, each a guess"
"""Stands above them where no page fits."""

FOUND: Mapping[str, str] = {
    "text": "Recognised by its text; it came without a code.",
    "exception": "Recognised by the exception.",
    "words": "Found by its words alone; it may be about something else.",
}
"""How a page was found, where that was not by its code."""

STATE: Mapping[str, Mark] = {
    "closed": Mark("○", "Closed", "muted"),
    "opening": Mark("…", "Opening", "info"),
    "ready": Mark("●", "Ready", "good"),
    "degraded": Mark("▲", "Degraded", "warn"),
    "lost": Mark("✗", "Lost", "bad"),
    "resuming": Mark("↻", "Resuming", "info"),
}
STALE = Mark("⊘", "Stale", "muted")

FARM: Mapping[str, Mark] = {
    "ok": STATUS["pass"],
    "broken": Mark("✗", "Broken", "bad"),
    "asleep": Mark("○", "Asleep", "muted"),
    "connecting": Mark("…", "Connecting", "info"),
}

MENDED = "Your call, corrected"
LOOK_UP = "To see what there is"
"""What stands above a command that is there to be copied."""

TIMES = "\N{MULTIPLICATION SIGN}"
"""Stands before how often a thing came."""

ASCII = str.maketrans(
    {
        "✓": "+",
        "▲": "!",
        "✗": "x",
        "○": "o",
        "●": "*",
        "✱": "#",
        "…": "~",
        "↻": "@",
        "⊘": "/",
        "◆": "*",
        "•": ".",
        "·": "-",
        "—": "-",
        TIMES: "x",
        "“": '"',
        "”": '"',
    }
)
"""Stand-ins for terminals whose encoding has none of our icons; the words beside them stay."""

BOUNDARY = (
    "For technical troubleshooting and learning only: not financial, investment, trading, tax or "
    "legal advice. Prefer a paper account and a read-only connection. ibnb is independent of "
    "Interactive Brokers, not affiliated with it or endorsed by it; its trademarks are its own."
)

_HEADINGS = {"api": "API"}


def unknown(value: str) -> Mark:
    """Return the mark of a status, severity or state that has no mark of its own."""
    return Mark("●", value.capitalize() or "Unknown", "muted")


def heading(category: str) -> str:
    """Return a category as the heading of its group."""
    return _HEADINGS.get(category, category[:1].upper() + category[1:])


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 step``, ``2 steps``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def times(count: int) -> str:
    """Return how often a thing came, or nothing for once."""
    return f"{TIMES}{count}" if count > 1 else ""


def size(count: int) -> str:
    """Return a number of bytes as people read it: ``812 bytes``, ``3.4 kB``, ``1.2 MB``."""
    if count < 1000:  # noqa: PLR2004 - a kilobyte
        return counted(count, "byte")
    kilobytes = count / 1000
    return f"{kilobytes:.1f} kB" if kilobytes < 1000 else f"{kilobytes / 1000:.1f} MB"  # noqa: PLR2004 - a megabyte


def duration(seconds: float) -> str:
    """Return a duration as people read it: ``8 ms``, ``1.2 s``, ``2 min 5 s``."""
    if seconds < 0.9995:  # noqa: PLR2004 - what rounds to 1000 ms is a second
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def moment(seconds: float) -> str:
    """Return a moment that reads the same on every machine: ``2026-11-27 09:12 UTC``."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def since_good(seconds: float) -> str:
    """Return the heading of what changed since the last good connect, which was then."""
    return f"Changed since the last good connect ({moment(seconds)})"


SUBJECTS: Mapping[str, str] = {
    "server_version": "server version",
    "gateway_zone": "time zone of the gateway's clock",
    "machine_zone": "time zone of this machine",
    "settings_zone": "time zone in the gateway's settings file",
    "accounts": "accounts",
    "account_kind": "kind of the accounts",
    "library": "API library",
    "python": "Python",
    "settings_port": "port in the gateway's settings file (LocalServerPort)",
    "gateway_ports": "ports that gateways listen on here",
    "trading_mode": "trading mode in the gateway's settings file",
    "trusted": "trusted addresses in the gateway's settings file",
    "timeout": "time-out of the connect, in seconds",
    "readonly": "read-only connect (the setting readonly)",
    "ready_seconds": "seconds until it was ready",
}
"""What changed since the last good connect, for people."""


def changed(change: Change) -> str:
    """Return one change as people read it."""
    kind, _, name = change.subject.partition(":")
    known = SUBJECTS.get(change.subject)
    subject = known or ({"farm": "data farm"}.get(kind, kind) + f" {name}").strip()
    since = f" (since {moment(change.since)})" if change.since is not None else ""
    return f"{subject}: {change.before} then, {change.now} now{since}"

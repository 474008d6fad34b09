"""How moments are shown to people: in the time zone of this machine."""

from __future__ import annotations

import time


def clock(seconds: float) -> str:
    """Return a time of day, in seconds since the epoch, for people; another day's with its date."""
    then = time.localtime(seconds)
    today = time.strftime("%x") == time.strftime("%x", then)
    return time.strftime("%H:%M:%S" if today else "%d %b %H:%M:%S", then)


def day_and_time(seconds: float) -> str:
    """Return a day and a time to the minute: for what lasts longer than a day."""
    return time.strftime("%d %b %H:%M", time.localtime(seconds))

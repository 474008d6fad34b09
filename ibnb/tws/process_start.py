"""When processes of this machine started, which tells one from a later one with its number."""

from __future__ import annotations

import os
from functools import cache

START_SLACK = 1.0
"""Seconds by which two readings of one process's start may differ."""


class ProcessUnreadableError(Exception):
    """The system does not tell whether a process runs, or since when."""


def process_start(pid: int) -> float | None:
    """Return when a process here started, in seconds since the epoch; None if it is gone.

    Raises:
        ProcessUnreadableError: the system does not tell.
    """
    if pid == os.getpid():
        return _own_start()
    return _start_of(pid)


def _start_of(pid: int) -> float | None:
    try:
        import psutil
    except ImportError as error:
        raise ProcessUnreadableError(str(error)) from None
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.NoSuchProcess:
        return None
    except (psutil.Error, OSError) as error:
        raise ProcessUnreadableError(str(error)) from None


@cache
def _own_start() -> float | None:
    try:
        return _start_of(os.getpid())
    except ProcessUnreadableError:
        return None


def runs_since(pid: int, started: float) -> bool:
    """Say whether a process runs that started then, in seconds since the epoch.

    Raises:
        ProcessUnreadableError: the system does not tell.
    """
    start = process_start(pid)
    return start is not None and abs(start - started) <= START_SLACK

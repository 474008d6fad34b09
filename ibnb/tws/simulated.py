"""Which ports of this machine are those of simulated gateways: their processes tell in small files.

On the wire a simulated gateway cannot be told from a real one, on purpose. A person has to be told.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .own import is_loopback

START_SLACK = 2.0
"""Seconds by which two processes may tell differently when a third one began."""


@contextlib.contextmanager
def marked_as_simulated(port: int) -> Iterator[None]:
    """Let it be known, within this context, that this process simulates a gateway on a port."""
    mark = _mark(port)
    # A mark that cannot be left costs a word in a badge, and no gateway.
    with contextlib.suppress(OSError):
        mark.parent.mkdir(mode=0o700, exist_ok=True)
        mark.write_text(f"{os.getpid()} {_start_of(os.getpid())}")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)


def is_simulated(host: str, port: int) -> bool:
    """Say whether a simulated gateway of this user's listens on a port of this machine."""
    if not is_loopback(host):
        return False
    mark = _mark(port)
    try:
        if mark.stat().st_uid != _user():
            return False
        pid, start = mark.read_text().split()
        # A mark may outlive its process, and the number be another one's by then.
        return abs(_start_of(int(pid)) - float(start)) <= START_SLACK
    except (OSError, ValueError, OverflowError):
        return False


def _start_of(pid: int) -> float:
    """Return when a process began; not a number if that is not known."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return math.nan


def _mark(port: int) -> Path:
    return Path(tempfile.gettempdir(), f"ibnb-simulated-{_user()}", str(port))


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0

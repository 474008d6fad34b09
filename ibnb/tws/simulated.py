"""Which ports of this machine are those of simulated gateways.

A process that is nothing else tells in a small file. One that a program or a notebook starts within
itself is known there, and to nobody else: to others it is the gateway that it stands for.
On the wire a simulated gateway cannot be told from a real one, on purpose. A person has to be told.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from .own import is_loopback
from .process_start import ProcessUnreadableError, process_start, runs_since

_here: set[int] = set()


def known_here(port: int, *, runs: bool) -> None:
    """Let it be known within this process that it simulates a gateway on a port, or no longer."""
    if runs:
        _here.add(port)
    else:
        _here.discard(port)


@contextlib.contextmanager
def marked_as_simulated(port: int) -> Iterator[None]:
    """Let it be known, within this context, that this process simulates a gateway on a port."""
    mark = _mark(port)
    # A mark that cannot be left costs a word in a badge, and no gateway.
    with contextlib.suppress(OSError):
        mark.parent.mkdir(mode=0o700, exist_ok=True)
        mark.write_text(f"{os.getpid()} {process_start(os.getpid())}")
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            mark.unlink(missing_ok=True)


def is_simulated(host: str, port: int) -> bool:
    """Say whether a simulated gateway of this user's listens on a port of this machine."""
    if not is_loopback(host):
        return False
    if port in _here:
        return True
    mark = _mark(port)
    try:
        if mark.stat().st_uid != _user():
            return False
        pid, start = mark.read_text().split()
        # A mark may outlive its process, and the number be another one's by then.
        return runs_since(int(pid), float(start))
    except (OSError, ValueError, OverflowError, ProcessUnreadableError):
        return False


def _mark(port: int) -> Path:
    return Path(tempfile.gettempdir(), f"ibnb-simulated-{_user()}", str(port))


def _user() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0

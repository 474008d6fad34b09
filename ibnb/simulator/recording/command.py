"""The bodies of ``ibnb sim --record`` and ``ibnb sim --replay``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from ibnb.simulator.command import LISTENING, LOOK_SECONDS, ended_by_signals, say

from .player import ReplayedGateway
from .recorder import RecordingGateway
from .relaying import Relaying

Upstream = tuple[str, int]


def record(upstreams: Sequence[Upstream], path: Path, port: int) -> int:
    """Record until Ctrl-C or SIGTERM; return the exit status.

    Args:
        upstreams: host and port of the gateway; a later one counts if the one before refuses.
        path: the file.
        port: where to listen; 0 for any free port.

    Raises:
        BadRecordingError: the file is something else, or cannot be written.
        PortTakenError: another program has the port.
    """
    return _serve(RecordingGateway(upstreams, path, port, tell=say))


def replay(path: Path, port: int, *, fast: bool) -> int:
    """Answer from a recording until Ctrl-C or SIGTERM; return the exit status.

    Raises:
        BadRecordingError: the file cannot be read, is damaged, or of a newer ibnb.
        PortTakenError: another program has the port.
    """
    return _serve(ReplayedGateway(path, port, fast=fast, tell=say))


def _serve(gateway: Relaying) -> int:
    with ended_by_signals() as ended, gateway:
        sys.stdout.write(f"{LISTENING}{gateway.address}\n")
        sys.stdout.flush()
        while not ended.wait(LOOK_SECONDS):
            pass
    return 0

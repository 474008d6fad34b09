"""The bodies of ``ibnb sim --record`` and ``ibnb sim --replay``."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from ibnb.simulator.command import LISTENING
from ibnb.tws.accounts import mask_in
from ibnb.tws.escaping import visible

from .player import ReplayedGateway
from .recorder import RecordingGateway
from .relaying import Relaying

_LOOK_SECONDS = 0.5
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
    return _serve(RecordingGateway(upstreams, path, port, tell=_say))


def replay(path: Path, port: int, *, fast: bool) -> int:
    """Answer from a recording until Ctrl-C or SIGTERM; return the exit status.

    Raises:
        BadRecordingError: the file cannot be read, is damaged, or of a newer ibnb.
        PortTakenError: another program has the port.
    """
    return _serve(ReplayedGateway(path, port, fast=fast, tell=_say))


def _say(line: str) -> None:
    sys.stderr.write(f"ibnb sim: {visible(mask_in(line))}\n")
    sys.stderr.flush()


def _serve(gateway: Relaying) -> int:
    ended = threading.Event()
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        ended.set()

    try:
        for kind in before:
            signal.signal(kind, end)
        with gateway:
            sys.stdout.write(f"{LISTENING}{gateway.address}\n")
            sys.stdout.flush()
            while not ended.wait(_LOOK_SECONDS):
                pass
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    return 0

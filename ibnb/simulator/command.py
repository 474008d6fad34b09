"""The body of ``ibnb sim``: a simulated gateway as a program of its own."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterable
from types import FrameType

from ibnb.tws.simulated import marked_as_simulated

from .gateway import SimulatedGateway
from .world.universe import DEFAULT_SEED

LISTENING = "listening on "
"""What the program prints before its address, on a line of its own, when it is ready."""
_LOOK_SECONDS = 0.5


def run(
    port: int,
    faults: Iterable[str],
    *,
    release_after: float = 0.0,
    seed: int = DEFAULT_SEED,
    parent_pid: int | None = None,
) -> int:
    """Serve until Ctrl-C, SIGTERM, or the end of the parent; return the exit status.

    Prints ``listening on HOST:PORT`` when it is ready. To be called on the main thread.

    Args:
        port: where to listen; 0 for any free port.
        faults: how it is broken, each ``NAME`` or ``NAME:SECONDS``.
        release_after: seconds for which a client ID stays held once its connection is closed.
        seed: what its prices are made from.
        parent_pid: a process with which this one ends, within about a second, however that ends.

    Raises:
        UnknownFaultError: there is no such fault, or its seconds make no sense.
        PortTakenError: another program has the port.
    """
    ended = threading.Event()
    parent = _Parent(parent_pid) if parent_pid is not None else None
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        ended.set()

    try:
        gateway = SimulatedGateway(port, faults=faults, release_after=release_after, seed=seed)
        for kind in before:
            signal.signal(kind, end)
        with gateway, marked_as_simulated(gateway.port):
            sys.stdout.write(f"{LISTENING}{gateway.address}\n")
            sys.stdout.flush()
            while not ended.wait(_LOOK_SECONDS):
                if parent is not None and not parent.lives:
                    break
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
    return 0


class _Parent:
    """A process that is known by its pid and its start: another one may get the pid later."""

    def __init__(self, pid: int) -> None:
        import psutil

        self._errors = (psutil.NoSuchProcess, psutil.ZombieProcess)
        self._zombie = psutil.STATUS_ZOMBIE
        self._process: psutil.Process | None
        try:
            self._process = psutil.Process(pid)
        except self._errors:
            self._process = None

    @property
    def lives(self) -> bool:
        """Whether it runs; a process that has ended and was not yet waited for does not."""
        try:
            return (
                self._process is not None
                and self._process.is_running()
                and self._process.status() != self._zombie
            )
        except self._errors:
            return False

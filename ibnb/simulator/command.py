"""The body of ``ibnb sim``: a simulated gateway as a program of its own."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

from ibnb.tws.accounts import mask_in
from ibnb.tws.escaping import visible
from ibnb.tws.simulated import marked_as_simulated

from .control import ControlPort
from .gateway import SimulatedGateway
from .requests import Request
from .scenario import Scenario, read_scenario
from .world.universe import DEFAULT_SEED

LISTENING = "listening on "
"""What the program prints before its address, on a line of its own, when it is ready."""
LOOK_SECONDS = 0.5
"""How often a program looks whether it has to end: signals come in between."""


def run(
    port: int,
    faults: Iterable[str],
    *,
    strict: bool = False,
    release_after: float = 0.0,
    seed: int = DEFAULT_SEED,
    clock: str | None = None,
    latency: float = 0.0,
    control: int | None = None,
    scenario: Path | None = None,
    verbose: bool = False,
    parent_pid: int | None = None,
) -> int:
    """Serve until Ctrl-C, SIGTERM, or the end of the parent; return the exit status.

    Prints ``listening on HOST:PORT`` when it is ready. To be called on the main thread.

    Args:
        port: where to listen; 0 for any free port.
        faults: how it is broken, each ``NAME`` or ``NAME:SECONDS``.
        strict: whether it keeps a real gateway's limits.
        release_after: seconds for which a client ID stays held once its connection is closed.
        seed: what its prices are made from.
        clock: the world's time at the beginning; see `SimulatedGateway`.
        latency: how long orders are about on their way, in seconds of the world.
        control: where its verbs are served, see `ControlPort`; None serves them nowhere.
        scenario: a file of verbs that happen to it.
        verbose: whether every request is printed, by name.
        parent_pid: a process with which this one ends, within about a second, however that ends.

    Raises:
        UnknownFaultError: there is no such fault, or its seconds make no sense.
        BadClockError: the clock cannot be.
        PortTakenError: another program has a port.
        ScenarioError: the scenario cannot be read, or a step that comes first cannot be taken.
        ControlUnavailableError: tornado is not installed.
    """
    steps = read_scenario(scenario) if scenario is not None else Scenario([])
    parent = _Parent(parent_pid) if parent_pid is not None else None
    gateway = SimulatedGateway(
        port,
        faults=faults,
        strict=strict,
        release_after=release_after,
        seed=seed,
        clock=clock,
        latency=latency,
        heard=_print_request if verbose else None,
    )
    with ended_by_signals() as ended, contextlib.ExitStack() as stack:
        stack.enter_context(gateway)
        stack.enter_context(marked_as_simulated(gateway.port))
        stack.enter_context(steps.playing(gateway, lambda error: say(str(error))))
        if control is not None:
            served = stack.enter_context(ControlPort(gateway, control))
            _print(f"control on {served.url}")
        _print(f"{LISTENING}{gateway.address}")
        while not ended.wait(LOOK_SECONDS):
            if parent is not None and not parent.lives:
                break
    return 0


@contextlib.contextmanager
def ended_by_signals() -> Iterator[threading.Event]:
    """Yield what Ctrl-C and SIGTERM set, which do what they did before once the block ends."""
    ended = threading.Event()
    before = {kind: signal.getsignal(kind) for kind in (signal.SIGINT, signal.SIGTERM)}

    def end(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's signature
        ended.set()

    try:
        for kind in before:
            signal.signal(kind, end)
        yield ended
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)


def say(line: str) -> None:
    """Tell the user of a program something, beside what it prints."""
    sys.stderr.write(f"ibnb sim: {visible(mask_in(line))}\n")
    sys.stderr.flush()


def _print(line: str) -> None:
    encoding = sys.stdout.encoding or "utf-8"
    # Whoever reads may have gone, or may not have the character: the gateway serves all the same.
    with contextlib.suppress(OSError):
        sys.stdout.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()


def _print_request(request: Request) -> None:
    client = "-" if request.client_id is None else request.client_id
    # Clients may send anything: what could steer a terminal is written as its number.
    _print(f"client {client}: {visible(mask_in(str(request)))}")


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

"""A simulated gateway in a process of its own, which ends with the process that started it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .command import LISTENING

_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


class SimulatorFailedError(RuntimeError):
    """The simulated gateway's process did not get as far as listening; the text says why."""


@dataclass(frozen=True)
class SimulatorProcess:
    """A simulated gateway that runs in a process of its own."""

    pid: int
    host: str
    port: int
    faults: tuple[str, ...]
    _process: subprocess.Popen[str] = field(repr=False, compare=False)

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End the process and wait until it is gone; harmless when it is already."""
        _end(self._process)


def start_simulator(faults: Iterable[str] = (), port: int = 0) -> SimulatorProcess:
    """Start a simulated gateway as a process, and return when it accepts connections.

    An interrupt (Ctrl-C, or the kernel's) does not reach it; it ends with `SimulatorProcess.stop`
    or with this process, however that ends.

    Args:
        faults: how it is broken, each ``NAME`` or ``NAME:SECONDS``.
        port: where it listens; 0 for any free port.

    Raises:
        SimulatorFailedError: it ended, or did not listen within 20 seconds. One line.
    """
    command = [sys.executable, "-P", "-m", "ibnb", "sim", "--port", str(port)]
    command += ["--parent-pid", str(os.getpid())]
    faults = tuple(faults)
    for fault in faults:
        command += ["--fault", fault]
    process = subprocess.Popen(  # noqa: S603 - this very Python, and no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
        **_detached(),
    )
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(
        target=_read, args=(process, lines), name=f"ibnb-sim-output-{process.pid}", daemon=True
    ).start()
    try:
        host, port = _wait_until_listening(lines)
    except BaseException:
        _end(process)
        raise
    return SimulatorProcess(process.pid, host, port, tuple(faults), process)


def _environment() -> dict[str, str]:
    """This process's environment, in which the same ibnb is found from any directory."""
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}


def _detached() -> dict[str, Any]:
    """What keeps an interrupt of this process from a child, on each system."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _read(process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
    """Read what the process prints for as long as it lives, so that it never blocks."""
    if process.stdout is not None:
        with process.stdout as output:
            for line in output:
                lines.put(line.strip())
    lines.put(None)


def _wait_until_listening(lines: queue.Queue[str | None]) -> tuple[str, int]:
    said = ""
    while True:
        try:
            line = lines.get(timeout=_START_SECONDS)
        except queue.Empty:
            raise SimulatorFailedError(
                f"the simulated gateway did not listen within {_START_SECONDS:.0f} seconds: "
                "try it in a terminal with: ibnb sim"
            ) from None
        if line is None:
            raise SimulatorFailedError(
                f"the simulated gateway ended before it listened: {said or 'it said nothing'}"
            )
        if line.startswith(LISTENING):
            host, _, port = line.removeprefix(LISTENING).rpartition(":")
            return host, int(port)
        said = line or said


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()

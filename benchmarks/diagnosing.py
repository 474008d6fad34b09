"""`ibnb.diagnose` on a gateway that is well, and on one that says nothing.

Every diagnosis has a fresh gateway, because ibnb lets two seconds pass between two looks at one.
The first diagnosis of a process also imports what diagnoses need; it is shown apart.
"""

from __future__ import annotations

import statistics
import time

from measuring import MeasuringFailedError, Row, shown

import ibnb
from ibnb.simulator.process import start_simulator

HEALTHY = 0.8
SILENT_TIMEOUT = 1.0
SILENT_MORE = 0.5


def measure(*, long: bool) -> list[Row]:
    """Measure both, in turn."""
    times = 10 if long else 5
    first = _seconds((), "healthy")
    healthy, silent = [], []
    for _ in range(times):
        healthy.append(_seconds((), "healthy"))
        silent.append(_seconds(("silent",), "handshake-silent"))
    well, mute = statistics.median(healthy), statistics.median(silent)
    return [
        Row(
            "diagnosis of a healthy gateway",
            f"{shown(well)} ({times} times; the first of a process {shown(first)})",
            f"under {shown(HEALTHY)}",
            well < HEALTHY,
        ),
        Row(
            f"diagnosis of a silent gateway, handshake time-out {shown(SILENT_TIMEOUT)}",
            f"{shown(mute)} ({times} times)",
            f"under the time-out and {shown(SILENT_MORE)}",
            mute < SILENT_TIMEOUT + SILENT_MORE,
        ),
    ]


def _seconds(faults: tuple[str, ...], verdict: str) -> float:
    gateway = start_simulator(faults)
    try:
        begun = time.perf_counter()
        report = ibnb.diagnose(
            f"{gateway.host}:{gateway.port}", timeout=SILENT_TIMEOUT if faults else None
        )
        seconds = time.perf_counter() - begun
    finally:
        gateway.stop()
    if report.verdict.id != verdict:
        raise MeasuringFailedError(f"the verdict is {report.verdict.id}, not {verdict}")
    return seconds

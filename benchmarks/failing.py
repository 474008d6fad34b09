"""How long it takes until the cause of a failed connection has a name.

From the first byte sent to the verdict, on loopback, so that what the gateway itself takes to
answer or to close is part of it: by the opening (`%ibconnect --wait 0` in a real kernel) and by the
probe that a diagnosis uses. Both must name the cause that is expected. Beside it, the library
alone: what it raises, and after how long.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from kernels import LIBRARY, OURS, PLAIN, Kernel
from measuring import MeasuringFailedError, Row, in_turn, shown

from ibnb.session.library.libraries import SPEAKS
from ibnb.simulator.process import SimulatorProcess, start_simulator
from ibnb.tws.attempt import cause
from ibnb.tws.probe import probe
from ibnb.tws.target import Target

BUDGET = 0.1
CAUSES = {
    "close": "closed-before-version",
    "garbage": "not-a-gateway",
    "disclaimer": "paper-disclaimer",
    "closed-after-start": "closed-after-start",
    "old-version": "version-too-old",
    "id-held": "client-id-in-use",
    "no-accounts": "no-accounts",
}
"""The simulated gateway's faults, and the verdict on each."""
COMPARED = ("close", "id-held")
CLIENT_ID = 12
CONNECT = """
import ibnb
_verdict = "none"
try:
    %ibconnect {port} --wait 0
except ibnb.session.ConnectFailed as error:
    _verdict = error.verdict
"""
RAW = """
_raised = "nothing"
try:
    {library}.IB().connect({host!r}, {port}, {client_id})
except Exception as error:
    _raised = repr(error)
"""


def measure(*, long: bool) -> list[Row]:
    """Measure every fault, and the library alone with two of them."""
    rows = []
    with Kernel() as ours, Kernel() as raw:
        ours.run(OURS)
        raw.run(PLAIN)
        for fault, verdict in CAUSES.items():
            gateway = start_simulator([fault])
            try:
                rows.append(_named(fault, verdict, gateway, ours, 20 if long else 7))
                if fault in COMPARED:
                    rows.append(_unnamed(fault, gateway, raw))
            finally:
                gateway.stop()
    return rows


def _named(fault: str, verdict: str, gateway: SimulatorProcess, kernel: Kernel, times: int) -> Row:
    def opening() -> float:
        seconds = kernel.seconds(CONNECT.format(port=gateway.port))
        _must_be(verdict, kernel.value("_verdict"))
        return seconds

    def probing() -> float:
        begun = time.perf_counter()
        lowest, highest = SPEAKS[LIBRARY]
        target = Target(gateway.host, gateway.port)
        attempt = asyncio.run(
            probe(target, CLIENT_ID, min_version=lowest, max_version=highest, timeout=5.0)
        )
        found = cause(attempt)
        seconds = time.perf_counter() - begun
        _must_be(verdict, found)
        return seconds

    opened, probed = map(statistics.median, in_turn(times, opening, probing))
    return Row(
        f"cause named: {verdict} (gateway: {fault})",
        f"`%ibconnect` {shown(opened)}, probe {shown(probed)} ({times} each)",
        f"under {shown(BUDGET)}",
        max(opened, probed) < BUDGET,
    )


def _unnamed(fault: str, gateway: SimulatorProcess, kernel: Kernel) -> Row:
    source = RAW.format(library=LIBRARY, host=gateway.host, port=gateway.port, client_id=CLIENT_ID)
    seconds = kernel.seconds(source)
    raised = kernel.value("_raised")
    return Row(f"the same with {LIBRARY} alone (gateway: {fault})", f"{raised}, {shown(seconds)}")


def _must_be(expected: str, found: str | None) -> None:
    if found != expected:
        raise MeasuringFailedError(f"the verdict is {found}, not {expected}")

"""`%ibconnect` against the library's own `IB().connect()`, and a rerun against a fresh connect.

Two real kernels beside one simulated gateway: one has ibnb, the other only the library and the loop
patch that its blocking calls need there. What is timed is what a cell waits for, until `ib` is
ready and synchronised; disconnecting is not timed.
"""

from __future__ import annotations

from kernels import LIBRARY, OURS, PLAIN, Kernel
from measuring import Row, against, in_turn

from ibnb.simulator.process import SimulatorProcess, start_simulator

CLIENT_ID = 11
FRESH, FRESH_MORE = 1.2, 0.002
RERUN, RERUN_MORE = 2.0, 0.005
LEAVE = "ib.disconnect(); import asyncio; await asyncio.sleep(0.02)"
"""The library only asks its socket to close, which the loop does when it next runs."""


def measure(*, long: bool) -> list[Row]:
    """Measure fresh connects on both sides in turn, and a rerun after each of ours."""
    gateway = start_simulator()
    try:
        with Kernel() as ours, Kernel() as raw:
            ours.run(OURS)
            raw.run(PLAIN)
            return _rows(gateway, ours, raw, 60 if long else 25)
    finally:
        gateway.stop()


def _rows(gateway: SimulatorProcess, ours: Kernel, raw: Kernel, times: int) -> list[Row]:
    reruns: list[float] = []

    def fresh() -> float:
        seconds = ours.seconds(f"%ibconnect {gateway.port}")
        reruns.append(ours.seconds(f"%ibconnect {gateway.port}"))
        ours.must_be_connected()
        ours.run("%ibdisconnect")
        return seconds

    def plain() -> float:
        connect = f"ib.connect({gateway.host!r}, {gateway.port}, {CLIENT_ID})"
        seconds = raw.seconds(f"ib = {LIBRARY}.IB(); {connect}")
        raw.must_be_connected()
        raw.run(LEAVE)
        return seconds

    connects, plains = in_turn(times, fresh, plain, warm_up=2)
    return [
        against(
            f"`%ibconnect` against {LIBRARY}'s own `connect()`",
            connects,
            plains,
            most=FRESH,
            more=FRESH_MORE,
        ),
        against(
            "rerun of `%ibconnect` against a fresh one",
            reruns[-times:],
            connects,
            most=RERUN,
            more=RERUN_MORE,
        ),
    ]

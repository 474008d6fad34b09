"""The first connect of a full kernel against the library's own, and a cell that meets no notice.

A full kernel has pandas and matplotlib imported and 300,000 objects in memory: what ibnb does when
a notebook first connects must not grow with them. A first connect happens once in a kernel, so each
is measured in one of its own, on a machine where ibnb has connected before. A cell is timed as its
frontend sees it, from request to idle.
"""

from __future__ import annotations

import time
from pathlib import Path

from kernels import LIBRARY, OURS, PLAIN, Kernel
from measuring import Row, against, in_turn

from ibnb.session.client_ids.leases import SqliteLeases
from ibnb.simulator.process import SimulatorProcess, start_simulator

CLIENT_ID = 11
MOST, MORE = 1.3, 0.003
CELL_MORE = 0.001
CELLS = 100
FULL = (
    "import pandas, matplotlib.pyplot\n"
    "table = pandas.DataFrame({'a': range(1000)})\n"
    "rows = [{'number': [number]} for number in range(150_000)]"
)
"""Two objects a row: a dict, and the list in it."""


def measure(*, long: bool) -> list[Row]:
    """Measure first connects, by hand and by `%ibconnect`, and cells in two more kernels."""
    gateway = start_simulator()
    try:
        return [*_connects(gateway, 15 if long else 7), _cells(gateway)]
    finally:
        gateway.stop()


def _connects(gateway: SimulatorProcess, times: int) -> list[Row]:
    connect = f"ib.connect({gateway.host!r}, {gateway.port}, {CLIENT_ID})"
    raw = f"ib = {LIBRARY}.IB(); {connect}"

    def first(prepare: str, source: str) -> float:
        with Kernel() as kernel:
            # As any connect before on this machine has left it.
            SqliteLeases(Path(kernel.folder)).newest(1)
            kernel.run(prepare)
            kernel.run(FULL)
            seconds = kernel.seconds(source)
            kernel.must_be_connected()
            return seconds

    plains, raws, magics = in_turn(
        times,
        lambda: first(PLAIN, raw),
        lambda: first(OURS, raw),
        lambda: first(OURS, f"%ibconnect {gateway.port}"),
        warm_up=1,
    )
    what = "first connect of a full kernel"
    return [
        against(
            f"{what}: `ib.connect` with ibnb against without", raws, plains, most=MOST, more=MORE
        ),
        against(f"{what}: `%ibconnect` against `ib.connect`", magics, plains, most=MOST, more=MORE),
    ]


def _cells(gateway: SimulatorProcess) -> Row:
    with Kernel() as ours, Kernel() as plain:
        for kernel, prepare, client_id in ((ours, OURS, 21), (plain, PLAIN, 22)):
            kernel.run(prepare)
            kernel.run(FULL)
            connect = f"ib.connect({gateway.host!r}, {gateway.port}, {client_id})"
            kernel.run(f"ib = {LIBRARY}.IB(); {connect}")

        def seconds(kernel: Kernel) -> float:
            begun = time.perf_counter()
            kernel.run("number = 1")
            return time.perf_counter() - begun

        with_ibnb, without = in_turn(
            CELLS, lambda: seconds(ours), lambda: seconds(plain), warm_up=5
        )
    return against(
        "a cell that meets no notice, with ibnb against without",
        with_ibnb,
        without,
        most=1.0,
        more=CELL_MORE,
    )

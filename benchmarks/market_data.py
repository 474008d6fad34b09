"""Market data through a session that ibnb watches, against a connection that nobody watches.

Real kernels, each connected to one server that sends price ticks as fast as they are taken. Counted
are the ticks a second that the library has decoded and put into its ticker. The badge of the
watched session is live. A third kernel, unwatched too, shows what noise alone makes of two equal
sides: where its ratio is further from 1 than the budget is, the row says nothing.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator
from functools import partial

from flood_server import BLOCK, FLOOD, HOST, running
from kernels import LIBRARY, OURS, PLAIN, Kernel
from measuring import MeasuringFailedError, Row, in_turn

BUDGET = 0.97
CLIENT_ID = 13
SECONDS = 0.75
"""What one flood is to last, about."""
TRIAL_BLOCKS = 20
TAKEN = "[_ticker.bid, _ticker.ask]"
LAST = [100 + (BLOCK - 2) / 100, 100 + (BLOCK - 1) / 100]


def measure(*, long: bool) -> list[Row]:
    """Measure all in turn, with as many ticks as make a flood of about `SECONDS`."""
    with _kernels(TRIAL_BLOCKS) as (_, raw, _other):
        trial = min(_flood(raw) for _ in range(3))
    blocks = max(1, round(SECONDS / trial * TRIAL_BLOCKS))
    times = 60 if long else 24
    with _kernels(blocks) as kernels:
        measured = in_turn(times, *(partial(_flood, kernel) for kernel in kernels))
    watched, unwatched, other = (
        blocks * BLOCK / statistics.median(seconds) for seconds in measured
    )
    ratio = watched / unwatched
    return [
        Row(
            "market data through a watched session against an unwatched one",
            f"{ratio:.3f} ({watched:,.0f} ticks a second against {unwatched:,.0f}, {times} each; "
            f"two unwatched ones {other / unwatched:.3f})",
            f"at least {BUDGET:g}",
            ratio >= BUDGET,
        )
    ]


@contextlib.contextmanager
def _kernels(blocks: int) -> Iterator[tuple[Kernel, Kernel, Kernel]]:
    """Connect a kernel with ibnb and two without to a server of their own."""
    with (
        running("--blocks", str(blocks)) as port,
        Kernel() as ours,
        Kernel() as raw,
        Kernel() as other,
    ):
        ours.run(OURS)
        ours.run(f"%ibconnect {port}")
        for client_id, kernel in ((CLIENT_ID, raw), (CLIENT_ID + 1, other)):
            kernel.run(PLAIN)
            kernel.run(f"ib = {LIBRARY}.IB(); ib.connect({HOST!r}, {port}, {client_id})")
        for kernel in (ours, raw, other):
            kernel.run(f"_contract = {LIBRARY}.Stock('AAPL', 'SMART', 'USD')\nib")
        yield ours, raw, other


def _flood(kernel: Kernel) -> float:
    seconds = kernel.seconds(FLOOD)
    taken = kernel.value(TAKEN)
    if taken != LAST:
        raise MeasuringFailedError(f"the last bid and ask are {taken}, not {LAST}")
    return seconds

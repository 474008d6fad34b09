"""A flood of notices through a session that ibnb watches, against a connection nobody watches.

Real kernels, each connected to a server that sends notices of five codes. The badge of the watched
session is live. First as fast as they are taken, in turn. The library alone would print a line for
most of them, which alone takes longer than all the rest: on its side the lines are sent to nowhere,
as ibnb keeps them back on ours. Then 10,000 a second through the watched session: what its memory
grows by, how many updates reach the browser, and for how long the kernel did nothing else.
"""

from __future__ import annotations

import statistics
import time
from functools import partial

from flood_server import BLOCK, FLOOD, HOST, running
from kernels import LIBRARY, OURS, PATIENCE, PLAIN, Kernel
from measuring import MeasuringFailedError, Row, in_turn, shown

RATE = 10_000
"""Notices a second that a session must stand."""
MOST_UPDATES = 4.0
"""Updates a second that may reach the browser."""
MOST_GROWN = 2_000_000
"""Bytes that count as flat; the notices of even the short flood would need more if kept."""
CLIENT_ID = 14
FAST_BLOCKS = 20
PREPARE = f"_contract = {LIBRARY}.Stock('AAPL', 'SMART', 'USD')\nib"
NOWHERE = f"import logging; logging.getLogger('{LIBRARY}').addHandler(logging.NullHandler())"
COUNT = "get_ipython()._ibnb.app.session.journal.count"
WATCHED = f"""
import asyncio, gc, time, psutil
async def _beat():
    global _longest
    _longest = 0.0
    while True:
        last = time.perf_counter()
        await asyncio.sleep(0.001)
        _longest = max(_longest, time.perf_counter() - last)
gc.collect()
_before = psutil.Process().memory_info().rss
_beating = asyncio.create_task(_beat())
_begun = time.perf_counter()
{FLOOD}
_seconds = time.perf_counter() - _begun
_beating.cancel()
gc.collect()
_grown = psutil.Process().memory_info().rss - _before
"""


def measure(*, long: bool) -> list[Row]:
    """Measure the rate in turn, and then the flood of 10,000 a second for 2 seconds, or for 10."""
    return [_rate(20 if long else 8), *_flat(10 if long else 2)]


def _rate(times: int) -> Row:
    arguments = "--notices", "--blocks", str(FAST_BLOCKS)
    with running(*arguments) as port, Kernel() as ours, Kernel() as raw:
        _connect(ours, port)
        raw.run(f"{PLAIN}\n{NOWHERE}")
        raw.run(f"ib = {LIBRARY}.IB(); ib.connect({HOST!r}, {port}, {CLIENT_ID})")
        raw.run(PREPARE)
        measured = in_turn(times, partial(_flood, ours), partial(raw.seconds, FLOOD))
    watched, unwatched = (FAST_BLOCKS * BLOCK / statistics.median(one) for one in measured)
    return Row(
        "notices through a watched session against an unwatched one",
        f"{watched / unwatched:.2f} "
        f"({watched:,.0f} a second against {unwatched:,.0f}, {times} each)",
        f"at least {RATE:,} a second",
        watched >= RATE,
    )


def _flat(seconds: int) -> list[Row]:
    blocks = seconds * RATE // BLOCK
    arguments = "--notices", "--blocks", str(blocks), "--per-second", str(RATE)
    with running(*arguments) as port, Kernel() as kernel:
        _connect(kernel, port)
        # What a first flood makes, above all the journal's full length, stays and is no growth.
        _flood_of(blocks, kernel, FLOOD)
        updates, took = _flood_of(blocks, kernel, WATCHED)
        grown, longest, lasted = kernel.value("[_grown, _longest, _seconds]")
    name = f"{blocks * BLOCK / lasted:,.0f} notices a second for {lasted:.1f} s"
    return [
        Row(
            f"{name}: growth of memory",
            f"{grown / 1e6:.2f} MB",
            f"at most {MOST_GROWN / 1e6:g} MB",
            grown <= MOST_GROWN,
        ),
        Row(
            f"{name}: updates to the browser",
            f"{updates / took:.1f} a second ({updates})",
            f"at most {MOST_UPDATES:g} a second",
            0 < updates <= MOST_UPDATES * took,
        ),
        Row(f"{name}: the longest that the kernel did nothing else", shown(longest)),
    ]


def _connect(kernel: Kernel, port: int) -> None:
    kernel.run(OURS)
    kernel.run(f"%ibconnect {port}")
    kernel.run(PREPARE)


def _flood(kernel: Kernel) -> float:
    before = kernel.value(COUNT)
    seconds = kernel.seconds(FLOOD)
    _must_be_all(kernel.value(COUNT) - before, FAST_BLOCKS)
    return seconds


def _flood_of(blocks: int, kernel: Kernel, source: str) -> tuple[int, float]:
    """Run one cell; return how many updates came until its end, and how long that took."""
    before = kernel.value(COUNT)
    begun = time.perf_counter()
    request = kernel.client.execute(source)
    updates, ended = 0, False
    while not ended:
        message = kernel.client.get_iopub_msg(timeout=PATIENCE)
        kind, content = message["msg_type"], message["content"]
        updates += kind in {"update_display_data", "comm_msg"}
        of_this = message["parent_header"].get("msg_id") == request
        ended = of_this and kind == "status" and content["execution_state"] == "idle"
    took = time.perf_counter() - begun
    reply = kernel.client.get_shell_msg(timeout=PATIENCE)["content"]
    if reply["status"] != "ok":
        raise MeasuringFailedError(f"{reply.get('ename')}: {reply.get('evalue')}")
    _must_be_all(kernel.value(COUNT) - before, blocks)
    return updates, took


def _must_be_all(count: int, blocks: int) -> None:
    if count != blocks * BLOCK:
        raise MeasuringFailedError(f"{count:,} of {blocks * BLOCK:,} notices were taken down")

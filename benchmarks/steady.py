"""Whether a simulated gateway's memory stays as it is under the full load that a gateway may have.

32 clients with 100 lines each, in this process, read whatever comes; the gateway is `ibnb sim`, a
process of its own, and what is measured is that one's. Every client asks for a history now and
then, and leaves and comes back, so that what either leaves behind would be seen. The first three
tenths of the time are a warm-up: caches fill. With `--long` it takes ten minutes, else one and a
half.
"""

from __future__ import annotations

import asyncio
import statistics
import struct
import sys
import time
from collections.abc import Iterator

import psutil
from measuring import MeasuringFailedError, Row

from ibnb.simulator import SimulatorProcess, start_simulator
from ibnb.tws.wire import FrameReader, message

CLIENTS, LINES = 32, 100
SECONDS, LONG_SECONDS = 90.0, 600.0
WARM_UP = 0.3
"""The part of the time after which memory counts."""
EVERY = 2.0
COUNTS_AS_FLAT = 0.03
"""By which part memory may differ at the end: what a collector has not yet collected."""
SILENCE = 30.0
FIRST = 1000
STAY = 120.0
"""For how long a client stays before it leaves and comes back."""
HISTORY_EVERY = 20.0
_LETTERS = "ABCDEFGHIJ"
SYMBOLS = [f"Z{first}{second}" for first in _LETTERS for second in _LETTERS][:LINES]


def measure(*, long: bool) -> list[Row]:
    """Load a gateway, and compare its memory at the end with that after the warm-up."""
    whole = LONG_SECONDS if long else SECONDS
    gateway = start_simulator()
    try:
        sizes, messages = asyncio.run(_load(gateway, whole))
    finally:
        gateway.stop()
    after = sizes[round(len(sizes) * WARM_UP) :]
    tenth = max(len(after) // 10, 3)
    begun, ended = statistics.median(after[:tenth]), statistics.median(after[-tenth:])
    grown = ended / begun - 1
    return [
        Row(
            f"a gateway's memory after {whole:.0f} s of {CLIENTS} clients with {LINES} lines, "
            f"against its memory after {whole * WARM_UP:.0f} s",
            f"{grown:+.1%} ({_megabytes(ended)} against {_megabytes(begun)}, "
            f"{messages / whole:,.0f} messages a second)",
            f"at most {COUNTS_AS_FLAT:+.0%}",
            grown <= COUNTS_AS_FLAT,
        ),
    ]


def _megabytes(size: float) -> str:
    return f"{size / 1e6:.1f} MB"


async def _load(gateway: SimulatorProcess, whole: float) -> tuple[list[int], int]:
    """Keep the clients going; return the gateway's sizes, and how many messages it has sent."""
    process = psutil.Process(gateway.pid)
    ends = time.monotonic() + whole
    clients = [_Client(gateway, number, ends) for number in range(1, CLIENTS + 1)]
    tasks = [asyncio.create_task(client.run()) for client in clients]
    sizes: list[int] = []
    try:
        for seconds in _until(ends):
            done, _ = await asyncio.wait(tasks, timeout=seconds)
            for task in done:
                # A client that ends before the time has failed, and says why.
                task.result()
            sizes.append(process.memory_info().rss)
            sys.stderr.write(f"\r{max(ends - time.monotonic(), 0):4.0f} s {_megabytes(sizes[-1])}")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sys.stderr.write("\n")
    return sizes, sum(client.messages for client in clients)


def _until(ends: float) -> Iterator[float]:
    while (left := ends - time.monotonic()) > 0:
        yield min(EVERY, left)


class _Client:
    """One client of the wire: it subscribes, asks for a history, leaves, and comes back."""

    def __init__(self, gateway: SimulatorProcess, number: int, ends: float) -> None:
        self._gateway, self._number, self._ends = gateway, number, ends
        self.messages = 0

    async def run(self) -> None:
        """Go on until it is cancelled."""
        # They do not all leave at once.
        stay = STAY * self._number / CLIENTS + EVERY
        while True:
            reader, writer = await asyncio.open_connection(self._gateway.host, self._gateway.port)
            greeting = b"v157..176"
            writer.write(b"API\0" + struct.pack(">I", len(greeting)) + greeting)
            writer.write(message("71", "2", str(self._number), ""))
            for line, symbol in enumerate(SYMBOLS):
                contract = ("0", symbol, "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")
                writer.write(
                    message("1", "11", str(FIRST + line), *contract, "0", "", "0", "0", "")
                )
            await self._read(reader, writer, time.monotonic() + stay)
            writer.close()
            await writer.wait_closed()
            stay = STAY

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, leaves: float
    ) -> None:
        frames = FrameReader()
        history = time.monotonic() + HISTORY_EVERY * self._number / CLIENTS
        while (now := time.monotonic()) < leaves:
            if now > history:
                symbol = SYMBOLS[self._number]
                contract = ("0", symbol, "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")
                what = ("0", "", "1 min", "5 D", "1", "TRADES", "1", "0", "")
                writer.write(message("20", "7", *contract, *what))
                history = now + HISTORY_EVERY
            data = await asyncio.wait_for(reader.read(1 << 16), SILENCE)
            if not data:
                raise MeasuringFailedError("the gateway closed a client's connection")
            self.messages += len(frames.feed(data))

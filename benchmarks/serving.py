"""How fast the simulated gateway serves market data, against how fast a client decodes it.

32 clients with 100 lines each are what a gateway may have; the bytes of all their ticks are made,
then one client of the library reads those of one. No socket is between them: what is compared is
the work of either side. A third row is the longest that a history keeps everybody else waiting.
"""

from __future__ import annotations

import importlib
import logging
import time
from typing import Any

from kernels import LIBRARY
from measuring import Row, shown

from ibnb.simulator.streams import QuoteStream
from ibnb.simulator.world.history import BarRequest, each_bar
from ibnb.simulator.world.instruments import ContractSpec
from ibnb.simulator.world.universe import Universe
from ibnb.tws.wire import FrameReader

CLIENTS, LINES = 32, 100
BUDGET = 2.0
LONGEST_WAIT = 0.1
TURN = 0.5
VERSION = 176
BARS_A_STEP = 200


def measure(*, long: bool) -> list[Row]:
    """Measure both sides over some turns of the market, and the steps of a long history."""
    world, now = Universe(), time.time()
    stocks = [
        world.find(ContractSpec(symbol=f"Z{first}{second}", sec_type="STK", currency="USD"))[0]
        for first in "ABCDEFGHIJ"
        for second in "ABCDEFGHIJ"
    ]
    streams = [
        [QuoteStream(number, stock) for number, stock in enumerate(stocks)] for _ in range(CLIENTS)
    ]
    turns = 40 if long else 12
    served = seconds = 0.0
    read = b""
    for turn in range(turns):
        began = time.perf_counter()
        sent = [
            b"".join(stream.update(now + turn * TURN, VERSION) for stream in client)
            for client in streams
        ]
        # The first turn is all of every quote, which a client hears once.
        if turn:
            seconds += time.perf_counter() - began
            served += sum(len(FrameReader().feed(data)) for data in sent)
            read += sent[0]
    decoded = _decoded(read, LINES)
    rate = served / seconds
    request = BarRequest("", "1 min", "40 D", True, "TRADES", 1, False)
    longest = _longest_step(stocks[0], request, now)
    return [
        Row(
            f"market data made for {CLIENTS} clients of {LINES} lines, against one that decodes",
            f"{rate / decoded:.1f} ({rate:,.0f} messages a second against {decoded:,.0f})",
            f"at least {BUDGET:g}",
            rate / decoded >= BUDGET,
        ),
        Row(
            "the longest that a history of 15,600 bars keeps other clients waiting",
            shown(longest),
            f"at most {shown(LONGEST_WAIT)}",
            longest <= LONGEST_WAIT,
        ),
    ]


def _decoded(data: bytes, lines: int) -> float:
    """Return how many messages a second the library decodes into its tickers."""
    library = importlib.import_module(LIBRARY)
    logging.getLogger(LIBRARY).setLevel(logging.CRITICAL + 1)
    ib: Any = library.IB()
    for number in range(lines):
        contract = library.Stock(f"S{number}", "SMART", "USD", conId=number + 1)
        ib.wrapper.startTicker(number, contract, "mktData")
    ib.client.connState = library.client.Client.CONNECTED
    ib.client._serverVersion = ib.client.decoder.serverVersion = VERSION  # noqa: SLF001 - as its handshake does
    ib.client._apiReady = True  # noqa: SLF001 - as above
    frames = len(FrameReader().feed(data))
    began = time.perf_counter()
    ib.client._onSocketHasData(data)  # noqa: SLF001 - as its socket does
    return frames / (time.perf_counter() - began)


def _longest_step(instrument: Any, request: BarRequest, now: float) -> float:
    bars = each_bar(instrument, request, now)
    longest, more = 0.0, True
    while more:
        began = time.perf_counter()
        more = sum(1 for _, _ in zip(range(BARS_A_STEP), bars, strict=False)) == BARS_A_STEP
        longest = max(longest, time.perf_counter() - began)
    return longest

"""What a request costs with the journal of requests, against the same request without it.

Two connections of one process to one gateway. Timed is what the user's code waits for: writing the
message to the socket. The library's throttle is off on both, and answers are read between batches.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
from collections.abc import Callable
from typing import Any

from kernels import LIBRARY
from measuring import Row, against, in_turn

from ibnb.session.requests import RequestJournal
from ibnb.simulator.process import start_simulator

BUDGET, MORE = 1.2, 10e-6
"""As a ratio, or in seconds for each request."""
BATCH = 100
PAUSE = 0.05


def measure(*, long: bool) -> list[Row]:
    """Measure a request with a contract and one for an order, with and without the journal."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    library = importlib.import_module(LIBRARY)
    # Nobody awaits the answers, and the library logs each.
    logging.getLogger(LIBRARY).setLevel(logging.CRITICAL + 1)
    gateway = start_simulator()
    journal, ibs = RequestJournal(), (library.IB(), library.IB())
    try:
        for number, ib in enumerate(ibs, 1):
            loop.run_until_complete(ib.connectAsync("127.0.0.1", gateway.port, number))
            ib.client.MaxRequests = 0
        journal.put_on(ibs[0], 1, 1)
        contract = library.Stock("AAPL", "SMART", "USD")
        order = library.LimitOrder("BUY", 1, 1.0, whatIf=True)
        requests: dict[str, Callable[[Any, int], Any]] = {
            "contract details": lambda ib, number: ib.client.reqContractDetails(number, contract),
            "what-if order": lambda ib, number: ib.client.placeOrder(number, contract, order),
        }
        times = 200 if long else 60
        return [
            against(
                f"one request ({name}) with the journal against without",
                *in_turn(times, *(_batch(loop, ib, request) for ib in ibs)),
                most=BUDGET,
                more=MORE,
            )
            for name, request in requests.items()
        ]
    finally:
        for ib in ibs:
            ib.disconnect()
        loop.run_until_complete(asyncio.sleep(PAUSE))
        gateway.stop()
        loop.close()


def _batch(
    loop: asyncio.AbstractEventLoop, ib: Any, request: Callable[[Any, int], Any]
) -> Callable[[], float]:
    def batch() -> float:
        first = ib.client.getReqId()
        ib.client.updateReqId(first + BATCH)
        begun = time.perf_counter()
        for number in range(first, first + BATCH):
            request(ib, number)
        seconds = time.perf_counter() - begun
        loop.run_until_complete(asyncio.sleep(PAUSE))
        return seconds / BATCH

    return batch

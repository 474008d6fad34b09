"""What a request costs over a session whose orders are locked, against the plain library.

Two connections of one process to one gateway with a live account; one has the journal of requests
and the order lock. Timed is what the user's code waits for: writing the
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

from ibnb.session.library.order_lock import lock_orders
from ibnb.session.records.requests import RequestJournal
from ibnb.simulator.process import start_simulator

BUDGET, MORE, MORE_TO_READ = 1.2, 10e-6, 30e-6
"""As a ratio, or in seconds for each request; a what-if order is read before it passes the lock."""
BATCH = 100
PAUSE = 0.05


def measure(*, long: bool) -> list[Row]:
    """Measure a request with a contract and one for an order, locked and plain."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    library = importlib.import_module(LIBRARY)
    # Nobody awaits the answers, and the library logs each.
    logging.getLogger(LIBRARY).setLevel(logging.CRITICAL + 1)
    gateway = start_simulator(["live-account"])
    journal, ibs = RequestJournal(), (library.IB(), library.IB())
    try:
        for number, ib in enumerate(ibs, 1):
            loop.run_until_complete(ib.connectAsync("127.0.0.1", gateway.port, number))
            ib.client.MaxRequests = 0
        lock_orders(ibs[0], lambda _host, _port: AssertionError("no order is sent here"))
        journal.attach(ibs[0], 1, 1)
        contract = library.Stock("AAPL", "SMART", "USD")
        order = library.LimitOrder("BUY", 1, 1.0, whatIf=True)
        requests: dict[str, tuple[float, Callable[[Any, int], Any]]] = {
            "contract details": (
                MORE,
                lambda ib, number: ib.client.reqContractDetails(number, contract),
            ),
            "what-if order": (
                MORE_TO_READ,
                lambda ib, number: ib.client.placeOrder(number, contract, order),
            ),
        }
        times = 200 if long else 60
        return [
            against(
                f"one request ({name}) over a locked session against the plain library",
                *in_turn(times, *(_batch(loop, ib, request) for ib in ibs)),
                most=BUDGET,
                more=more,
            )
            for name, (more, request) in requests.items()
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

"""A day of the world with eight clients that come, subscribe, order and vanish, as they like.

The day takes ten minutes with IBNB_SOAK=1; without it, it is only its busiest part.
`make soak` runs it.
"""

import asyncio
import contextlib
import gc
import logging
import os
import random

import pytest
from balancing import check_books

from ibnb.simulator import SimulatedGateway
from ibnb.simulator.client import Client
from ibnb.simulator.streams import (
    BarStream,
    DepthStream,
    ProfitStream,
    QuoteStream,
    TickStream,
)

pytestmark = pytest.mark.soak
CLIENTS = 8
IS_LONG = bool(os.environ.get("IBNB_SOAK"))
START = "2026-07-01T00:00:00" if IS_LONG else "2026-07-01T09:20:00"
HOURS = 24.0 if IS_LONG else 0.25
ACCOUNT = "DU1234567"
WAIT = 60
SUBSCRIPTIONS = (BarStream, DepthStream, ProfitStream, QuoteStream, TickStream)
MOST_TIMERS = 10
"""How many a gateway has that nobody is connected to: its own turns, and no client's."""


class Person:
    """One who uses a client of a library without any care.

    Args:
        library: the API library.
        gateway: whom they connect to.
        number: their client ID.
    """

    def __init__(self, library, gateway, number):
        self.api, self.gateway, self.number = library, gateway, number
        self.luck = random.Random(number)  # noqa: S311 - any behaviour will do
        self.ib = None
        self.contracts = [
            library.Stock("AAPL", "SMART", "USD", conId=265598),
            library.Stock("MSFT", "SMART", "USD", conId=272093),
            library.Forex("EURUSD", conId=12087792),
            library.Crypto("BTC", "PAXOS", "USD", conId=479624278),
        ]

    async def live(self, until):
        """Connect, do things and vanish, again and again until a time of the world."""
        sessions = 0
        while self.gateway._state.now < until:
            self.ib = self.api.IB()
            with contextlib.suppress(ConnectionError, TimeoutError, asyncio.TimeoutError):
                await self.ib.connectAsync(
                    "127.0.0.1", self.gateway.port, self.number, timeout=WAIT
                )
                sessions += 1
                for _ in range(self.luck.randint(5, 40)):
                    self.act()
                    await asyncio.sleep(self.luck.uniform(0.0, 0.05))
            self.vanish()
            await asyncio.sleep(0.02)
        return sessions

    def act(self):
        """Do one thing."""
        act = self.luck.choice(
            [self.order, self.order, self.order, self.cancel, self.watch, self.ask, self.close_one]
        )
        act()

    def order(self):
        """Send an order, of any kind, near the market or nowhere near it."""
        contract = self.luck.choice(self.contracts)
        kind = self.luck.choice(["MKT", "LMT", "STP", "TRAIL"])
        price = {"AAPL": 230.0, "MSFT": 430.0, "EUR": 1.1, "BTC": 90_000.0}[contract.symbol]
        limit = round(price * self.luck.uniform(0.95, 1.05), 2)
        order = self.api.Order(
            action=self.luck.choice(["BUY", "SELL"]),
            orderType=kind,
            totalQuantity=1 if contract.symbol == "BTC" else self.luck.randint(1, 500),
            tif=self.luck.choice(["DAY", "GTC", "IOC"]),
            outsideRth=self.luck.random() < 0.5,
            account=ACCOUNT,
        )
        if kind == "LMT":
            order.lmtPrice = limit
        if kind in {"STP", "TRAIL"}:
            order.auxPrice = limit if kind == "STP" else round(price * 0.01, 2)
        self.ib.placeOrder(contract, order)

    def cancel(self):
        """Cancel one of one's own orders."""
        if found := self.ib.openTrades():
            self.ib.cancelOrder(self.luck.choice(found).order)

    def watch(self):
        """Subscribe to something."""
        contract = self.luck.choice(self.contracts)
        kind = self.luck.randrange(4)
        if kind == 0:
            self.ib.reqMktData(contract)
        elif kind == 1:
            self.ib.reqMktDepth(contract, 5)
        elif kind == 2:
            self.ib.reqTickByTickData(contract, "BidAsk")
        else:
            self.ib.reqPnL(ACCOUNT) if not self.ib.pnl(ACCOUNT) else None

    def ask(self):
        """Ask for history, and do not wait for it."""
        contract = self.luck.choice(self.contracts)
        kind = "MIDPOINT" if contract.secType == "CASH" else "TRADES"
        size = self.luck.choice(["1 min", "5 mins", "1 hour"])
        asking = self.ib.reqHistoricalDataAsync(contract, "", "1 D", size, kind, False)
        self.waiting = asyncio.ensure_future(asking)
        self.waiting.add_done_callback(lambda done: done.cancelled() or done.exception())

    def close_one(self):
        """End a subscription, if there is one."""
        for ticker in self.ib.tickers()[:1]:
            self.ib.cancelMktData(ticker.contract)

    def vanish(self):
        """Go: politely, or as a program that crashes."""
        if self.luck.random() < 0.5 and self.ib.isConnected():
            self.ib.client.conn.transport.abort()
        else:
            self.ib.disconnect()


def remembered(gateway):
    """Return the connections and subscriptions that a gateway has not forgotten."""
    gc.collect()
    found = [one for one in gc.get_objects() if isinstance(one, (Client, *SUBSCRIPTIONS))]
    return [one for one in found if getattr(one, "state", gateway._state) is gateway._state]


@pytest.mark.timeout(1500)
async def test_a_day_of_the_world(library, until, caplog):
    """Nothing leaks, positions are the sum of executions, and cash balances to the cent."""
    for part in ("client", "wrapper", "ib"):
        # The log would remember each refusal of a careless order.
        caplog.set_level(logging.CRITICAL, logger=f"{library.__name__}.{part}")
    with SimulatedGateway(clock=f"{START} America/New_York x144", latency=5.0) as gateway:
        ends = gateway._state.now + HOURS * 3600
        people = [Person(library, gateway, number) for number in range(1, CLIENTS + 1)]
        sessions = await asyncio.gather(*(person.live(ends) for person in people))
        assert min(sessions) >= 2
        await until(lambda: gateway.open_clients == () and not gateway._serving._connections)
        people.clear()
        await until(lambda: not remembered(gateway))
        assert gateway._on_loop(lambda: len(gateway._loop._scheduled)) <= MOST_TIMERS

        ib = library.IB()
        await ib.connectAsync("127.0.0.1", gateway.port, 99, timeout=WAIT)
        ib.reqGlobalCancel()
        await until(lambda: not gateway._on_loop(gateway._state.book.open_orders))
        gateway._on_loop(lambda: check_books(gateway._state.book, ACCOUNT))
        held = {one.contract.conId: one.position for one in ib.positions()}
        book = gateway._state.book
        assert held == {one.instrument.con_id: one.size for one in book.positions(ACCOUNT)}
        assert len(book.executions) > 20
        ib.disconnect()
    assert [one.getMessage() for one in caplog.records if "Decoder" in one.name] == []

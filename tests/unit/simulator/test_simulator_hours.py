"""A world with a clock of its own: its time passes, and its markets open and close."""

import asyncio
import datetime as dt
import os
import subprocess
import sys
import types
import zoneinfo
from dataclasses import replace

import pytest

from ibnb.simulator import BadClockError, SimulatedGateway
from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.trading.arrival import Arrival
from ibnb.simulator.trading.book import Book
from ibnb.simulator.trading.checks import refusal_of
from ibnb.simulator.world.clock import WorldClock, parse_clock
from ibnb.simulator.world.history import BarRequest, bars_for, running_bar
from ibnb.simulator.world.instruments import ContractSpec
from ibnb.simulator.world.market import prices_between, quote_at, trades_between
from ibnb.simulator.world.opening import is_open
from ibnb.simulator.world.universe import Universe

WAIT = 20
ACCOUNT = "DU1234567"
NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
WEDNESDAY = dt.date(2026, 7, 1)
WORLD = Universe(day=WEDNESDAY, keeps_hours=True)
STOCK = ContractSpec(symbol="AAPL", sec_type="STK", currency="USD")
SPECS = {
    "STK": STOCK,
    "OPT": ContractSpec(symbol="AAPL", sec_type="OPT", expiry="20260717", strike="225", right="C"),
    "FUT": ContractSpec(symbol="ES", sec_type="CONTFUT"),
    "CASH": ContractSpec(symbol="EUR", sec_type="CASH", currency="USD"),
    "CRYPTO": ContractSpec(symbol="BTC", sec_type="CRYPTO", currency="USD"),
}
BEFORE_OPEN = "2026-07-01T09:29:59 America/New_York"


def at(day, hour, minute=0, second=0):
    """Return a time of July 2026 in New York, in seconds since the epoch."""
    return dt.datetime(2026, 7, day, hour, minute, second, tzinfo=NEW_YORK).timestamp()


def instrument(kind):
    """Return an instrument of a kind."""
    return WORLD.find(SPECS[kind])[0]


@pytest.mark.parametrize(
    ("text", "start", "speed"),
    [
        ("2026-07-01T09:29:55 America/New_York x60", at(1, 9, 29, 55), 60),
        ("2026-07-01T09:29:55 US/Eastern", at(1, 9, 29, 55), None),
        ("2026-07-01 09:29:55 US/Eastern", at(1, 9, 29, 55), None),
        ("2026-07-01T13:29:55", at(1, 9, 29, 55), None),
        (at(1, 9, 29, 55), at(1, 9, 29, 55), None),
        ("2026-07-01T13:29:55+00:00 x0.5", at(1, 9, 29, 55), 0.5),
        ("now x10", None, 10),
        ("now", None, None),
    ],
)
def test_a_clock_is_read(text, start, speed):
    """A time, its zone and a speed; UTC if no zone is named; ``now`` is this machine's time.

    A number is in seconds since 1970.
    """
    setting = parse_clock(text)
    assert (setting.start, setting.speed) == (start, speed)


@pytest.mark.parametrize(
    "text",
    [
        *("", "yesterday", "2026-07-01T09:29 Nowhere/City", "now x0", "now UTC", "x60", "off x2"),
        *(float("nan"), "2026-07-01 09:29 x", "0001-01-01T00:00:00 x"),
    ],
)
def test_what_is_not_a_clock_is_refused(text):
    """The message names an example."""
    with pytest.raises(BadClockError, match="America/New_York x60"):
        SimulatedGateway(clock=text)


@pytest.mark.parametrize(
    "text",
    ["1960-01-01T00:00:00", "0001-01-01T00:00:00+14:00", "2150-01-01T00:00:00 UTC x2", 1e18, -1e9],
)
def test_a_year_that_clients_cannot_keep_is_refused(text):
    """Wherever it is given, and with the years that there are."""
    with pytest.raises(BadClockError, match="from 1971 to 2037"):
        SimulatedGateway(clock=text)


def test_a_clock_runs_at_its_speed():
    """Ten of this machine's seconds are ten minutes at a speed of sixty."""
    passed = iter([100.0, 110.0])
    clock = WorldClock(parse_clock("2026-07-01T12:00:00 x60"), lambda: next(passed))
    assert clock.now == at(1, 8, 10)


@pytest.mark.parametrize(
    ("kind", "when", "inside", "outside"),
    [
        ("STK", at(1, 9, 29, 59), False, True),
        ("STK", at(1, 9, 30), True, True),
        ("STK", at(1, 16), False, True),
        ("STK", at(1, 20), False, False),
        ("STK", at(4, 12), False, False),
        ("OPT", at(1, 9, 29, 59), False, False),
        ("OPT", at(1, 15, 59), True, True),
        ("FUT", at(1, 22), True, True),
        ("CASH", at(1, 3), True, True),
        ("CASH", at(4, 12), False, False),
        ("CRYPTO", at(4, 12), True, True),
    ],
)
def test_markets_have_their_hours(kind, when, inside, outside):
    """Stocks have early and late trading, options have not, and coins never sleep."""
    assert is_open(instrument(kind), when, outside=False) == inside
    assert is_open(instrument(kind), when) == outside


@pytest.mark.parametrize("kind", ["STK", "OPT"])
def test_a_closed_market_stands_still(kind):
    """All night the quote is that of the last trade, there are no trades, and no bar grows."""
    one = instrument(kind)
    closes = at(1, 20) if kind == "STK" else at(1, 16)
    last = quote_at(one, closes - 0.25)
    for later in (closes, closes + 3600, at(2, 3, 45)):
        assert quote_at(one, later) == last
        assert trades_between(one, later, later + 60) == []
        nothing = prices_between(one, later, later + 600)
        assert (nothing.open, nothing.high, nothing.low, nothing.close) == (last.last,) * 4
        assert (nothing.volume, nothing.count) == (0, 0)
    ask = BarRequest("", "1 min", "1 D", False, "TRADES", 1, True)
    running = running_bar(one, ask, closes + 3600)
    assert running == running_bar(one, ask, closes + 7200)
    assert running == bars_for(one, ask, closes + 3600)[-1]
    assert running.close == last.last


def test_the_bars_of_a_world_with_hours_are_those_of_the_same_world_without():
    """Hours take nothing away from what happens within them."""
    ask = BarRequest("20260701 20:00:00 US/Eastern", "5 mins", "1 D", True, "TRADES", 1, False)
    (other,) = Universe(day=WEDNESDAY).find(STOCK)
    assert bars_for(instrument("STK"), ask, at(2, 12)) == bars_for(other, ask, at(2, 12))


class Day:
    """A book in a world that keeps its hours, on a day whose time a test lets pass."""

    def __init__(self, latency=0.0):
        self.book = Book(WORLD, arrival=Arrival(latency))
        self.told = []
        self.pass_to(at(1, 15, 30))

    def pass_to(self, now):
        """Let time pass up to a moment."""
        self.now = now
        self.told += self.book.match(now)

    def place(self, order_id=None, **values):
        """Order a share of Apple, or change an order; return its ID."""
        order_id = order_id or self.book.next_order_id(1)
        given = {"action": "BUY", "totalQuantity": "1", "transmit": "1", "tif": "DAY", **values}
        ticket = Ticket(order_id, STOCK, given)
        self.told += self.book.place(1, ACCOUNT, ticket, instrument("STK"), now=self.now)
        return order_id

    def status(self, order_id):
        """Return the status of an order."""
        return self.book.find(1, order_id).status


def test_an_order_on_the_close_fills_at_the_last_price():
    """Nothing is traded after the close: MOC fills just before it, although it is for the day."""
    day = Day()
    order = day.place(orderType="MOC")
    day.pass_to(at(1, 15, 59))
    assert day.status(order) == "PreSubmitted"
    day.pass_to(at(1, 16, 5))
    (fill,) = day.book.executions
    assert fill.time == at(1, 16) - 0.25
    assert fill.price == quote_at(instrument("STK"), fill.time).ask


def test_an_order_for_the_opening_fills_there_or_ends_with_the_day():
    """OPG waits for the next opening; what has found nobody by the evening is cancelled."""
    day = Day()
    taken = day.place(orderType="MKT", tif="OPG")
    left = day.place(orderType="LMT", lmtPrice="10", tif="OPG")
    day.pass_to(at(1, 15, 45))
    assert day.status(taken) == "PreSubmitted"
    day.pass_to(at(2, 9, 29))
    assert day.status(taken) == "PreSubmitted"
    day.pass_to(at(2, 9, 30, 1))
    assert day.status(taken) == "Filled"
    day.pass_to(at(2, 17))
    assert day.status(left) == "Cancelled"


def test_what_the_market_did_up_to_the_close_counts():
    """A limit that the price reached in the last minutes fills, however late the next look is."""
    day = Day()
    last = prices_between(instrument("STK"), at(1, 15, 30), at(1, 16))
    stays = day.place(orderType="LMT", lmtPrice=f"{last.low - 1:.2f}", tif="GTC")
    reached = day.place(orderType="LMT", lmtPrice=f"{last.low + 0.01:.2f}", tif="GTC")
    day.pass_to(at(1, 19))
    assert day.status(reached) == "Filled"
    assert day.book.executions[0].time < at(1, 16)
    assert day.status(stays) == "Submitted"


def test_an_order_that_is_being_cancelled_is_not_changed():
    """The change is refused, and the cancel goes on."""
    day = Day(latency=60.0)
    order = day.place(orderType="LMT", lmtPrice="10", tif="GTC")
    day.pass_to(at(1, 15, 32))
    day.told += day.book.cancel(day.book.find(1, order), day.now)
    before = day.book.find(1, order)
    assert before.status == "PendingCancel"
    values = {**before.ticket.values, "lmtPrice": "11"}
    after = replace(before, ticket=replace(before.ticket, values=values))
    assert refusal_of(day.book, after, before, day.now)[0] == 201
    day.pass_to(at(1, 15, 34))
    assert day.status(order) == "Cancelled"


def test_a_fund_has_its_new_price_at_the_close():
    """It does not wait for the next opening, although its market is closed then."""
    (fund,) = WORLD.find(ContractSpec(symbol="VFIAX", sec_type="FUND"))
    before, after = (quote_at(fund, at(1, 16) + seconds).last for seconds in (-1, 1))
    assert before != after
    assert quote_at(fund, at(2, 9, 31)).last == after
    whole = prices_between(fund, at(1, 15, 59), at(1, 16, 1))
    assert (whole.open, whole.close) == (before, after)


async def connected(library, gateway, until):
    """Return a session, the codes and texts that it is told, and a stock."""
    ib = library.IB()
    told = []
    ib.errorEvent += lambda _req_id, code, text, _contract: told.append((code, text))
    await ib.connectAsync("127.0.0.1", gateway.port, 7, timeout=WAIT)
    await until(ib.isConnected)
    return ib, told, library.Stock("AAPL", "SMART", "USD", conId=265598)


def order(library, action, kind, quantity=1, **values):
    """Return an order."""
    return library.Order(action=action, orderType=kind, totalQuantity=quantity, **values)


async def test_an_order_before_the_opening_waits_for_it(library, until):
    """It is told with 399, stays alive, and fills within seconds of half past nine."""
    with SimulatedGateway(clock=BEFORE_OPEN) as gateway:
        ib, told, stock = await connected(library, gateway, until)
        trade = ib.placeOrder(stock, order(library, "BUY", "MKT", tif="DAY"))
        await until(trade.isDone)
        assert [code for code, _ in told if code == 399] == [399]
        (text,) = [text for code, text in told if code == 399]
        assert "until 20260701 09:30:00" in text
        states = [entry.status for entry in trade.log if entry.status]
        assert states[-1] == "Filled"
        assert "Submitted" in states
        assert "Cancelled" not in states
        opened = dt.datetime.fromtimestamp(at(1, 9, 30), dt.UTC)
        assert trade.fills[0].execution.time >= opened
        ib.disconnect()


async def test_an_order_for_the_early_market_fills_before_the_opening(library, until):
    """With outsideRth the same order does not wait."""
    with SimulatedGateway(clock="2026-07-01T08:00:00 America/New_York") as gateway:
        ib, told, stock = await connected(library, gateway, until)
        early = ib.placeOrder(stock, order(library, "BUY", "MKT", tif="DAY", outsideRth=True))
        ib.placeOrder(stock, order(library, "BUY", "MKT", tif="DAY"))
        await until(lambda: early.isDone() and 399 in [code for code, _ in told])
        # What ib_async makes of a warning is a status of its own.
        assert [one.status for one in gateway.orders] == ["Filled", "PreSubmitted"]
        assert [code for code, _ in told if code == 399] == [399]
        ib.disconnect()


async def test_an_order_for_the_day_ends_with_it(library, until):
    """A DAY order is cancelled with 202 at the close; one that is good till cancelled stays."""
    with SimulatedGateway(clock="2026-07-01T15:59:50 America/New_York x10") as gateway:
        ib, told, stock = await connected(library, gateway, until)
        day = ib.placeOrder(stock, order(library, "BUY", "LMT", lmtPrice=10, tif="DAY"))
        stays = ib.placeOrder(stock, order(library, "BUY", "LMT", lmtPrice=10, tif="GTC"))
        await until(day.isDone)
        assert day.orderStatus.status == "Cancelled"
        assert 202 in [code for code, _ in told]
        assert stays.orderStatus.status == "Submitted"
        ib.disconnect()


async def test_nothing_ticks_while_the_market_is_closed(library, until):
    """At night a subscription brings the last prices once, and a currency pair goes on."""
    with SimulatedGateway(clock="2026-07-01T22:00:00 America/New_York") as gateway:
        ib, _, stock = await connected(library, gateway, until)
        ticker = ib.reqMktData(stock)
        pair = ib.reqMktData(library.Forex("EURUSD", conId=12087792))
        await until(lambda: ticker.last == ticker.last)
        changes = []
        ticker.updateEvent += changes.append
        moved = []
        pair.updateEvent += moved.append
        await until(lambda: len(moved) >= 4)
        assert changes == []
        ib.disconnect()


async def test_the_clock_of_the_world_is_told(library, until):
    """The current time is that of the world."""
    with SimulatedGateway(clock=BEFORE_OPEN) as gateway:
        ib, _, _ = await connected(library, gateway, until)
        told = await asyncio.wait_for(ib.reqCurrentTimeAsync(), WAIT)
        assert told.date() == WEDNESDAY
        ib.disconnect()


def test_the_program_has_a_clock(dial):
    """`ibnb sim --clock` begins at the moment that it is given, and goes on from there."""
    command = [sys.executable, "-P", "-m", "ibnb", "sim", "--port", "0"]
    command += ["--parent-pid", str(os.getpid()), "--clock", *f"{BEFORE_OPEN} x60".split()]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as program:
        where = types.SimpleNamespace(port=int(program.stdout.readline().rpartition(":")[2]))
        client = dial(where)
        client.open()
        client.send(49, 1)
        told = int(client.read_until(49)[-1][2])
        assert at(1, 9, 29, 59) <= told < at(2, 9)
        program.terminate()


async def test_a_cancel_that_is_on_its_way(library, until):
    """It is PendingCancel meanwhile; a second one is 161, and the first one still cancels."""
    with SimulatedGateway(latency=1.0) as gateway:
        ib, told, stock = await connected(library, gateway, until)
        resting = order(library, "BUY", "LMT", lmtPrice=10, tif="GTC")
        trade = ib.placeOrder(stock, resting)
        await until(lambda: trade.orderStatus.status == "PreSubmitted")
        await until(lambda: trade.orderStatus.status == "Submitted")
        ib.client.cancelOrder(resting.orderId)
        ib.client.cancelOrder(resting.orderId)
        await until(lambda: 202 in [code for code, _ in told])
        codes = [code for code, _ in told if code in {161, 202}]
        assert codes == [161, 202]
        (kept,) = gateway.orders
        assert (kept.status, kept.remaining) == ("Cancelled", 1)
        ib.disconnect()


async def test_the_seed_decides_how_long_orders_take(library, until):
    """The same orders take the same times in two gateways with one seed."""
    times = []
    for _ in range(2):
        with SimulatedGateway(latency=0.2, seed=3) as gateway:
            ib, _, stock = await connected(library, gateway, until)
            trade = ib.placeOrder(stock, order(library, "BUY", "LMT", lmtPrice=10, tif="GTC"))
            await until(lambda trade=trade: trade.orderStatus.status == "PreSubmitted")
            (sent,) = gateway.orders
            times.append(round(sent.arrives - sent.placed, 6))
            await until(lambda trade=trade: trade.orderStatus.status == "Submitted")
            ib.disconnect()
    assert times[0] == times[1]
    assert 0.1 <= times[0] <= 0.3


async def test_a_preset_sets_the_time_in_force(library, until):
    """An order without one becomes a DAY order, is told so with 10349, and is alive."""
    with SimulatedGateway(faults=["tif-preset"]) as gateway:
        ib, told, stock = await connected(library, gateway, until)
        ib.placeOrder(stock, order(library, "BUY", "LMT", lmtPrice=10))
        await until(lambda: 10349 in [code for code, _ in told])
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), WAIT)
        (kept,) = gateway.orders
        assert (kept.status, kept.ticket.text("tif")) == ("Submitted", "DAY")
        ib.placeOrder(stock, order(library, "BUY", "LMT", lmtPrice=10, tif="GTC"))
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), WAIT)
        assert [code for code, _ in told].count(10349) == 1
        ib.disconnect()

"""What is set by hand in a world that has hours: its clock, quotes, and whether it is closed."""

import datetime as dt
import time
import zoneinfo

import pytest

from ibnb.simulator import SimulatedGateway
from ibnb.simulator.world.clock import WorldClock, parse_clock
from ibnb.simulator.world.history import BarRequest, running_bar
from ibnb.simulator.world.instruments import ContractSpec, LegSpec
from ibnb.simulator.world.market import price_at, prices_between, quote_at, trades_between
from ibnb.simulator.world.pins import Pin
from ibnb.simulator.world.universe import Universe

NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
WEDNESDAY = dt.date(2026, 7, 1)
NIGHT = "2026-07-01T22:00:00 America/New_York"
NOON = "2026-07-02T16:00:00"
DAY = "2026-07-02T12:00:00 America/New_York"
HELD = Pin(bid=99.9, ask=100.1, last=100.0)
STOCK = ContractSpec(symbol="AAPL", sec_type="STK", currency="USD")


def at(day, hour, minute=0):
    """Return a time of July 2026 in New York, in seconds since the epoch."""
    return dt.datetime(2026, 7, day, hour, minute, tzinfo=NEW_YORK).timestamp()


@pytest.fixture
def world():
    """A world with hours in which nothing has been set yet."""
    return Universe(day=WEDNESDAY, keeps_hours=True)


@pytest.fixture
def stock(world):
    """A stock of that world."""
    return world.find(STOCK)[0]


@pytest.fixture
def session(library, until):
    """Connect to a gateway; return the session and the codes that it is told."""
    made = []

    async def session(gateway):
        ib = library.IB()
        codes = []
        ib.errorEvent += lambda _req_id, code, _text, _contract: codes.append(code)
        await ib.connectAsync("127.0.0.1", gateway.port, 7, timeout=20)
        await until(ib.isConnected)
        made.append(ib)
        return ib, codes, library.Stock("AAPL", "SMART", "USD", conId=265598)

    yield session
    for ib in made:
        ib.disconnect()


def test_a_clock_that_is_set_keeps_its_speed():
    """It goes on from the moment to which it was set, as fast as before unless a speed is named."""
    passed = iter([0.0, 10.0, 12.0, 20.0, 21.0])
    clock = WorldClock(parse_clock("2026-07-01T12:00:00 x60"), lambda: next(passed))
    clock.follow(parse_clock("2026-07-06T12:00:00 America/New_York"))
    assert clock.now == at(6, 12) + 120
    clock.follow(parse_clock("2026-07-06T12:00:00 America/New_York x2"))
    assert clock.now == at(6, 12) + 2
    assert clock.keeps_hours


def test_a_clock_is_taken_away():
    """Then it is this machine's time at this machine's speed, and there are no hours."""
    clock = WorldClock(parse_clock("2026-07-01T12:00:00 x60"))
    clock.follow(parse_clock("off"))
    assert clock.now == pytest.approx(time.time(), abs=60)
    assert (clock.keeps_hours, clock.speed) == (False, 1.0)
    clock.follow(parse_clock(at(6, 12)))
    assert at(6, 12) <= clock.now < at(6, 13)
    assert (clock.keeps_hours, clock.speed) == (True, 1.0)


async def test_reset_goes_back_to_the_beginning_of_the_clock(library, session, until):
    """Another seed does, too; the hours are kept, so that an order waits at night."""
    with SimulatedGateway(clock=NIGHT) as gateway:
        for begin in (gateway.reset, lambda: gateway.seed(7)):
            gateway.clock(NOON)
            begin()
            assert gateway.clock().startswith("2026-07-02T02:0")
            ib, codes, stock = await session(gateway)
            ib.placeOrder(stock, library.MarketOrder("BUY", 1))
            await until(lambda codes=codes: 399 in codes)
            assert [one.status for one in gateway.orders] == ["PreSubmitted"]
            ib.disconnect()


async def test_an_order_of_the_night_fills_once_the_clock_is_set_to_the_day(
    library, session, until
):
    """What waited for the opening does not have to wait for it in real time."""
    with SimulatedGateway(clock=NIGHT) as gateway:
        ib, codes, stock = await session(gateway)
        trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
        await until(lambda: 399 in codes)
        gateway.clock(NOON)
        await until(lambda: trade.orderStatus.status == "Filled")


async def test_what_is_on_its_way_arrives_as_late_whatever_the_clock_is_set_to(
    library, session, until
):
    """An order does not stay on its way because the clock was set back."""
    with SimulatedGateway(clock=DAY, latency=2.0) as gateway:
        ib, _, stock = await session(gateway)
        trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
        await until(lambda: trade.orderStatus.status == "PreSubmitted")
        gateway.clock("2026-07-02T14:00:00")
        await until(lambda: trade.orderStatus.status == "Filled")


async def test_a_cancel_by_the_exchange_takes_no_time(library, session, until):
    """It is done when the verb returns, whatever the latency of clients' own cancels is."""
    with SimulatedGateway(clock=f"{DAY} x3600", latency=1800.0) as gateway:
        ib, _, stock = await session(gateway)
        trade = ib.placeOrder(stock, library.LimitOrder("BUY", 1, 10.0, tif="GTC"))
        await until(lambda: trade.orderStatus.status == "Submitted")
        (done,) = gateway.cancel()
        assert done["status"] == "Cancelled"
        await until(lambda: trade.orderStatus.status == "Cancelled")


async def test_reset_keeps_the_latency(library, session, until):
    """After it orders still take a while."""
    with SimulatedGateway(latency=3600.0) as gateway:
        gateway.reset()
        ib, _, stock = await session(gateway)
        trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
        await until(lambda: trade.orderStatus.status == "PreSubmitted")
        (order,) = gateway.orders
        assert order.arrives > order.placed + 1000


async def test_a_quote_that_is_set_at_night_shows_but_fills_nothing(library, session, until):
    """Subscribers see it at once; an order waits for the opening all the same."""
    with SimulatedGateway(clock=NIGHT) as gateway:
        ib, codes, stock = await session(gateway)
        ticker = ib.reqMktData(stock)
        gateway.set_quote("AAPL", bid=1.0, ask=1.1, last=1.05)
        await until(lambda: (ticker.bid, ticker.ask, ticker.last) == (1.0, 1.1, 1.05))
        trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
        await until(lambda: 399 in codes)
        gateway.clock(NOON)
        await until(lambda: trade.orderStatus.status == "Filled")
        assert trade.orderStatus.avgFillPrice == 1.1


@pytest.mark.parametrize("clock", [None, DAY])
async def test_a_market_is_closed_alike_by_its_fault(library, session, until, clock):
    """An order is held with 399 as before the opening, and one for at once is not kept."""
    with SimulatedGateway(clock=clock, faults=["market-closed"]) as gateway:
        ib, codes, stock = await session(gateway)
        trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
        await until(lambda: 399 in codes)
        at_once = ib.placeOrder(stock, library.MarketOrder("BUY", 1, tif="IOC"))
        await until(lambda: at_once.orderStatus.status == "Cancelled")
        assert [one.status for one in gateway.orders] == ["PreSubmitted", "Cancelled"]
        assert codes.count(399) == 1
        gateway.faults([])
        await until(lambda: trade.orderStatus.status == "Filled")


def test_a_quote_that_was_set_belongs_to_its_time(stock):
    """It shows while it is held, and once the market stands still again, what it stood at."""
    night = at(1, 22)
    before = quote_at(stock, night)
    stock.pins.hold(HELD, night)
    held = quote_at(stock, night + 60)
    assert (held.bid, held.ask, held.last) == (99.9, 100.1, 100.0)
    assert held.low <= held.last <= held.high
    assert held.volume == before.volume
    assert trades_between(stock, night, night + 60) == []
    stock.pins.release(night + 3600)
    assert quote_at(stock, night + 3601).last == before.last


def test_a_quote_that_is_held_up_to_the_close_is_what_the_night_shows(stock):
    """The last trade was at its price, although it was released later."""
    stock.pins.hold(HELD, at(1, 12))
    stock.pins.release(at(1, 21))
    assert quote_at(stock, at(1, 22)).last == 100.0
    assert prices_between(stock, at(1, 13), at(1, 14)).high == 100.0
    assert len(trades_between(stock, at(1, 13), at(1, 13) + 2)) == 8


def test_bars_see_a_quote_that_is_set_at_night(stock):
    """The bar that is under way has its price, and the day's reaches to it."""
    night = at(1, 22)
    stock.pins.hold(HELD, night)
    for size in ("1 min", "1 day"):
        request = BarRequest("", size, "1 D", False, "TRADES", 1, True)
        bar = running_bar(stock, request, night + 30)
        assert bar.close == 100.0
        assert bar.low <= 100.0 <= bar.high


@pytest.mark.parametrize("hour", [12, 22])
def test_combinations_and_options_see_the_quotes_of_what_they_follow(world, stock, hour):
    """A spread of options on a stock whose quote is set is worth what its legs are, at any hour."""
    options = [
        world.find(
            ContractSpec(symbol="AAPL", sec_type="OPT", expiry="20260717", strike=strike, right="C")
        )[0]
        for strike in ("200", "225")
    ]
    sides = zip(options, ("BUY", "SELL"), strict=True)
    legs = [LegSpec(one.con_id, 1, side, "SMART") for one, side in sides]
    spread = world.combine(ContractSpec(symbol="AAPL", sec_type="BAG", exchange="SMART"), legs)
    time = at(1, hour)
    before = quote_at(spread, time).last
    stock.pins.hold(Pin(bid=249.9, ask=250.1, last=250.0), time)
    after = quote_at(spread, time)
    assert after.last != before
    assert after.last == pytest.approx(price_at(options[0], time) - price_at(options[1], time))
    assert 20 < after.last < 30
    assert after.low <= after.last <= after.high


def test_a_combination_sees_a_leg_whose_quote_is_set_at_night(world, stock):
    """One leg is held, the other stands still."""
    (other,) = world.find(ContractSpec(symbol="MSFT", sec_type="STK", currency="USD"))
    legs = [LegSpec(stock.con_id, 1, "BUY", "SMART"), LegSpec(other.con_id, 1, "SELL", "SMART")]
    pair = world.combine(ContractSpec(symbol="AAPL", sec_type="BAG", exchange="SMART"), legs)
    night = at(1, 22)
    stock.pins.hold(HELD, night)
    shown = quote_at(pair, night + 60)
    assert shown.last == round(100.0 - price_at(other, night), 2)
    assert shown.low <= shown.last <= shown.high
    stock.pins.release(night + 3600)
    prices = prices_between(pair, at(1, 15), at(2, 10))
    assert prices.low <= shown.last

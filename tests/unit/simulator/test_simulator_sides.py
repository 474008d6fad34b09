"""Bids and offers agree, whichever request they are seen by: quotes, depth, ticks and bars."""

import datetime as dt

import pytest

from ibnb.simulator.protocol.data_messages import historical_ticks, tick_by_tick
from ibnb.simulator.streams import RealTimeBarStream
from ibnb.simulator.world.history import BarRequest, bars_for
from ibnb.simulator.world.instruments import ContractSpec, LegSpec
from ibnb.simulator.world.market import depth_at, price_at, quote_at, top_at, trades_between
from ibnb.simulator.world.pins import Pin
from ibnb.simulator.world.universe import Universe
from ibnb.tws.wire import FrameReader, split_fields

NOON = dt.datetime(2026, 7, 1, 16, tzinfo=dt.UTC).timestamp()
SPECS = {
    "stock": ContractSpec(symbol="AAPL", sec_type="STK", currency="USD"),
    "pair": ContractSpec(symbol="EUR", sec_type="CASH", currency="USD"),
    "future": ContractSpec(symbol="ES", sec_type="CONTFUT"),
    "option": ContractSpec(
        symbol="AAPL", sec_type="OPT", expiry="20260717", strike="225", right="C"
    ),
    "bond": ContractSpec(symbol="US-T", sec_type="BOND"),
}
HELD = Pin(bid=200.0, ask=201.0, last=200.2, bid_size=700, ask_size=900)


@pytest.fixture
def world():
    """A world of its own, in which nothing has been set yet."""
    return Universe(day=dt.date(2026, 7, 1))


def spread(world):
    """Return a combination of two shares bought and one sold."""
    legs = [
        LegSpec(
            world.find(ContractSpec(symbol=name, sec_type="STK", currency="USD"))[0].con_id, *of
        )
        for name, of in (("AAPL", (2, "BUY", "SMART")), ("MSFT", (1, "SELL", "SMART")))
    ]
    return world.combine(ContractSpec(symbol="AAPL", sec_type="BAG", exchange="SMART"), legs)


def found(world, name):
    """Return an instrument of a kind."""
    return spread(world) if name == "combination" else world.find(SPECS[name])[0]


def fields(data):
    """Return the fields of the one message in these bytes."""
    (payload,) = FrameReader().feed(data)
    return split_fields(payload)


def bar(instrument, kind, now):
    """Return the last bar of five seconds."""
    request = BarRequest("", "5 secs", "30 S", False, kind, 1, False)
    return bars_for(instrument, request, now)[-1]


KINDS = [*SPECS, "combination"]


@pytest.mark.parametrize("is_held", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_every_tick_shows_the_quote_of_its_time(world, name, is_held):
    """Single ticks, ticks of the past, the depth's top and the quote, prices and sizes."""
    instrument = found(world, name)
    if is_held:
        held = world.find(SPECS["stock"])[0] if name in {"option", "combination"} else instrument
        held.pins.hold(HELD, NOON - 60)
    trades = trades_between(instrument, NOON - 5, NOON)
    assert trades
    for trade in trades:
        quote = quote_at(instrument, trade.time)
        shown = (quote.bid, quote.ask, quote.bid_size, quote.ask_size)
        bids, asks = depth_at(instrument, trade.time, 1)
        assert (bids[0].price, asks[0].price, bids[0].size, asks[0].size) == shown
        single = fields(tick_by_tick(7, instrument, trade, "BidAsk"))
        assert tuple(map(float, single[4:8])) == shown
        past = fields(historical_ticks(7, [trade], instrument, "BID_ASK"))
        assert tuple(map(float, past[5:9])) == shown
        middle = pytest.approx((quote.bid + quote.ask) / 2)
        assert float(fields(tick_by_tick(7, instrument, trade, "MidPoint"))[4]) == middle
        assert float(fields(historical_ticks(7, [trade], instrument, "MIDPOINT"))[5]) == middle
    if is_held and held is instrument:
        assert shown == (200.0, 201.0, 700, 900)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("is_held", [False, True])
def test_bars_of_bids_and_offers_close_at_the_quote(world, name, is_held):
    """Those of the past, and those of five seconds, which are the same."""
    instrument = found(world, name)
    if is_held:
        world.find(SPECS["stock"])[0].pins.hold(HELD, NOON - 60)
    top = top_at(instrument, NOON - 0.25)
    closes = {"BID": top.bid, "ASK": top.ask, "MIDPOINT": (top.bid + top.ask) / 2}
    for kind, close in closes.items():
        past = bar(instrument, kind, NOON)
        assert past.close == pytest.approx(close), kind
        live = RealTimeBarStream(7, instrument, kind, int(NOON) - 5).update(NOON, 176)
        told = tuple(map(float, fields(live)[4:8]))
        assert told == (past.open, past.high, past.low, past.close), kind
    both = bar(instrument, "BID_ASK", NOON)
    assert both.low == bar(instrument, "BID", NOON).low
    assert both.high == bar(instrument, "ASK", NOON).high


def test_a_quote_that_was_held_for_a_while_is_seen_in_bars_of_that_time(world):
    """A bar that is longer reaches to it, and one after it does not."""
    stock = found(world, "stock")
    stock.pins.hold(HELD, NOON - 40)
    stock.pins.release(NOON - 20)
    lows = [
        one.low
        for one in bars_for(stock, BarRequest("", "5 secs", "60 S", False, "BID", 1, False), NOON)
    ]
    assert lows[4:8] == [200.0] * 4
    assert 200.0 not in lows[8:]
    ask = BarRequest("", "1 min", "60 S", False, "ASK", 1, False)
    assert bars_for(stock, ask, NOON)[-1].low <= 201.0
    assert bar(stock, "ASK", NOON).close == round(price_at(stock, NOON - 0.25) + 0.01, 2)


def test_a_fund_has_one_price(world):
    """It is bought and sold at it: no bar shows another."""
    (fund,) = world.find(ContractSpec(symbol="VFIAX", sec_type="FUND"))
    prices = {
        bars_for(fund, BarRequest("", "1 day", "1 D", True, kind, 1, False), NOON)[-1].close
        for kind in ("BID", "ASK", "MIDPOINT")
    }
    top = top_at(fund, NOON)
    assert prices == {top.bid} == {top.ask}

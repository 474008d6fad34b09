"""Prices of the simulated market: a function of seed and time alone, so that all agrees."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from functools import lru_cache

from .calendars import day_of, last_session, midnight, session
from .instruments import Instrument
from .options import greeks, volatility_of, years_left
from .paths import TRADES_A_SECOND
from .pins import Pin

_LOOKS = 4
DEPTH_ROWS = 10
"""How many price levels the market shows on each side."""
_SIZES = {"STK": 3, "CASH": 1_000_000, "FUT": 20, "IND": 0, "CRYPTO": 2, "BOND": 50}
_SHARE_OF_TOP = 300


@dataclass(frozen=True)
class Quote:
    """What the market shows of an instrument at one time; sizes are whole numbers."""

    bid: float
    ask: float
    last: float
    bid_size: int
    ask_size: int
    last_size: int
    high: float
    low: float
    open: float
    close: float
    volume: int

    def __hash__(self) -> int:
        """Return what nearly always tells one quote from the next: they are looked up often."""
        return hash((self.last, self.volume, self.bid_size))


@dataclass(frozen=True)
class Level:
    """One row of the market's depth."""

    price: float
    size: int


@dataclass(frozen=True)
class Trade:
    """One trade. `time` is in seconds since the epoch."""

    time: float
    price: float
    size: int


@dataclass(frozen=True)
class Prices:
    """What an instrument's price did between two times."""

    open: float
    high: float
    low: float
    close: float
    volume: int
    average: float
    count: int


def price_at(instrument: Instrument, time: float) -> float:
    """Return the price of the last trade at `time` (seconds since the epoch)."""
    pin = instrument.pins.at(time)
    if pin is not None:
        return pin.last
    if instrument.path is not None:
        return instrument.of_ticks(instrument.path.price(time))
    if instrument.legs:
        worth = sum(ratio * price_at(leg, time) for leg, ratio in instrument.legs)
        return round(worth, instrument.decimals)
    if instrument.underlying is None:
        return instrument.price
    return _option_price(instrument, price_at(instrument.underlying, time), time)


def prices_between(instrument: Instrument, start: float, end: float) -> Prices:
    """Return what the price does from `start` up to but without `end`."""
    if not instrument.pins:
        return _moving(instrument, start, end)
    found = [
        _still(instrument, begins, ends, pin) if pin else _moving(instrument, begins, ends)
        for begins, ends, pin in instrument.pins.pieces(start, end)
    ]
    count = sum(one.count for one in found)
    average = sum(one.average * one.count for one in found) / count if count else found[-1].average
    return Prices(
        found[0].open,
        max(one.high for one in found),
        min(one.low for one in found),
        found[-1].close,
        sum(one.volume for one in found),
        round(average, instrument.decimals + 2),
        count,
    )


def _still(instrument: Instrument, start: float, end: float, pin: Pin) -> Prices:
    """What a price does that is held: it stays, with one share in each trade."""
    count = max(round((end - start) * TRADES_A_SECOND), 1)
    volume = count if instrument.has_trades and instrument.sec_type != "IND" else 0
    return Prices(pin.last, pin.last, pin.last, pin.last, volume, pin.last, count)


def _moving(instrument: Instrument, start: float, end: float) -> Prices:
    """What a price does by itself."""
    if instrument.path is not None:
        span = instrument.path.span(start, end)
        found = [instrument.of_ticks(at) for at in (span.open, span.high, span.low, span.close)]
        volume = span.volume if instrument.has_trades and instrument.sec_type != "IND" else 0
        average = round(span.average * instrument.min_tick, instrument.decimals + 2)
        return Prices(found[0], found[1], found[2], found[3], volume, average, span.count)
    if instrument.legs:
        return _looks(instrument, start, end)
    if instrument.underlying is None:
        price = instrument.price
        return Prices(price, price, price, price, 0, price, 0)
    under = prices_between(instrument.underlying, start, end)
    best, worst = (under.high, under.low) if instrument.right == "C" else (under.low, under.high)
    opened, high, low, closed = (
        _option_price(instrument, spot, start) for spot in (under.open, best, worst, under.close)
    )
    average = round((opened + high + low + closed) / 4, instrument.decimals + 2)
    return Prices(opened, high, low, closed, under.count, average, under.count)


def trades_between(instrument: Instrument, start: float, end: float) -> list[Trade]:
    """Return every trade from `start` up to but without `end`, oldest first."""
    base = instrument if instrument.path is not None else instrument.underlying
    if base is None or base.path is None:
        return []
    found = []
    for second in range(int(start), int(end) + 1):
        for time, ticks, traded in base.path.trades(second):
            if start <= time < end:
                pin = base.pins.at(time)
                price = pin.last if pin else base.of_ticks(ticks)
                if base is not instrument:
                    own = instrument.pins.at(time)
                    price = own.last if own else _option_price(instrument, price, time)
                size = 1 if pin or base is not instrument else traded
                found.append(Trade(time, price, size))
    return found


def to_tick(instrument: Instrument, price: float) -> float:
    """Round a price to the instrument's minimum tick."""
    return instrument.of_ticks(instrument.in_ticks(price))


def quote_at(instrument: Instrument, time: float) -> Quote:
    """Return the quote at `time` (seconds since the epoch)."""
    turn = int(time * TRADES_A_SECOND)
    if not (instrument.pins or instrument.underlying or instrument.legs):
        return _quote(instrument, turn)
    # Of what was set by hand nothing is remembered: it holds at once, and in this gateway alone.
    quote = _fresh_quote(instrument, turn) if _is_pinned(instrument) else _quote(instrument, turn)
    pin = instrument.pins.at(turn / TRADES_A_SECOND)
    if pin is None:
        return quote
    return replace(
        quote,
        bid=pin.bid,
        ask=pin.ask,
        bid_size=quote.bid_size if pin.bid_size is None else pin.bid_size,
        ask_size=quote.ask_size if pin.ask_size is None else pin.ask_size,
    )


def _is_pinned(instrument: Instrument) -> bool:
    """Say whether a quote was set of an instrument, or of what its price follows."""
    followed = (instrument, instrument.underlying, *(leg for leg, _ in instrument.legs))
    return any(one is not None and one.pins for one in followed)


def _looks(combination: Instrument, start: float, end: float) -> Prices:
    """What a combination's price does, as several looks at it show: it has no path of its own."""
    step = (end - start) / _LOOKS
    found = [price_at(combination, start + step * index) for index in range(_LOOKS + 1)]
    average = round(sum(found) / len(found), combination.decimals + 2)
    return Prices(found[0], max(found), min(found), found[-1], 0, average, 0)


def _combined(combination: Instrument, time: float) -> Quote:
    """The quote of a combination: what its legs cost to buy, and bring when they are sold."""
    quotes = [(quote_at(leg, time), ratio) for leg, ratio in combination.legs]
    bid = sum(ratio * (one.bid if ratio > 0 else one.ask) for one, ratio in quotes)
    ask = sum(ratio * (one.ask if ratio > 0 else one.bid) for one, ratio in quotes)
    size = min(min(one.bid_size, one.ask_size) // abs(ratio) for one, ratio in quotes)
    last = price_at(combination, time)
    close = sum(ratio * one.close for one, ratio in quotes)
    ends = [round(price, combination.decimals) for price in (bid, ask, close)]
    size = max(size, 1)
    return Quote(ends[0], ends[1], last, size, size, 1, last, last, last, ends[2], 0)


@lru_cache(maxsize=4096)
def _quote(instrument: Instrument, turn: int) -> Quote:
    return _fresh_quote(instrument, turn)


def _fresh_quote(instrument: Instrument, turn: int) -> Quote:
    time = turn / TRADES_A_SECOND
    if instrument.legs:
        return _combined(instrument, time)
    last = price_at(instrument, time)
    hours = instrument.hours
    begins = midnight(hours.zone, day_of(hours.zone, time))
    # One turn more: the trade at this very time belongs to the day.
    today = prices_between(instrument, begins, time + 1 / TRADES_A_SECOND)
    size = _SIZES.get(instrument.sec_type, 10)
    wobble = turn // TRADES_A_SECOND % 7
    top = size * _SHARE_OF_TOP // 3 if instrument.sec_type == "STK" else size
    return Quote(
        bid=max(to_tick(instrument, last - instrument.min_tick), instrument.min_tick),
        ask=to_tick(instrument, last + instrument.min_tick),
        last=last,
        bid_size=top + wobble,
        ask_size=top + 7 - wobble,
        last_size=1 + wobble,
        high=today.high,
        low=today.low,
        open=today.open,
        close=close_before(instrument, time),
        volume=today.volume,
    )


def close_before(instrument: Instrument, time: float) -> float:
    """Return the close of the last regular session that has ended by a time, before today."""
    hours = instrument.hours
    today = midnight(hours.zone, day_of(hours.zone, time))
    day = last_session(hours, today - 1, regular=True)
    return _fresh_close(instrument, day) if _is_pinned(instrument) else _close(instrument, day)


@lru_cache(maxsize=4096)
def _close(instrument: Instrument, day: int) -> float:
    return _fresh_close(instrument, day)


def _fresh_close(instrument: Instrument, day: int) -> float:
    begins, ends = session(instrument.hours, day, regular=True)
    return prices_between(instrument, max(begins, ends - 60), ends).close


def depth_at(instrument: Instrument, time: float, rows: int) -> tuple[list[Level], list[Level]]:
    """Return the bids and the offers at a time, best first; the first ones are the quote."""
    quote = quote_at(instrument, time)
    bids = [Level(quote.bid, quote.bid_size)]
    asks = [Level(quote.ask, quote.ask_size)]
    for row in range(1, min(rows, DEPTH_ROWS)):
        bid = to_tick(instrument, quote.bid - row * instrument.min_tick)
        if bid > 0:
            bids.append(Level(bid, quote.bid_size * (row + 1) + row % 3))
        ask = to_tick(instrument, quote.ask + row * instrument.min_tick)
        asks.append(Level(ask, quote.ask_size * (row + 1) + row % 4))
    return bids, asks


class Market:
    """The market as orders see it: what is bid and offered now, and how far prices went."""

    def quote(self, instrument: Instrument, time: float) -> Quote:
        """Return the quote at a time."""
        return quote_at(instrument, time)

    def range(self, instrument: Instrument, since: float, until: float) -> tuple[float, float]:
        """Return the lowest and the highest price between two times."""
        if until <= since:
            price = price_at(instrument, until)
            return price, price
        prices = prices_between(instrument, since, until)
        return prices.low, prices.high


def _option_price(option: Instrument, spot: float, time: float) -> float:
    worth = greeks(
        option.right, option.strike, spot, years_left(option, time), volatility_of(option)
    )
    return max(to_tick(option, worth.price), option.min_tick)


def utc(time: float) -> dt.datetime:
    """Return a time as a date in the gateway's own zone, which is UTC.

    A zone that every machine knows: on Windows Python has no time-zone database of its own.
    """
    return dt.datetime.fromtimestamp(time, dt.UTC)

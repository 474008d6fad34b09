"""Prices of the simulated market: a function of seed and time alone, so that all agrees."""

from __future__ import annotations

import datetime as dt
import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from .calendars import day_of, last_session, midnight, session
from .instruments import Instrument
from .opening import LAST_LOOK, is_open, open_parts, shown
from .options import carry_of, greeks, volatility_of, years_left
from .paths import TRADES_A_SECOND
from .pins import Pin, pieces

_STEPS = (1800, 60, 1)
"""How finely a combination is looked at: by half hours, minutes, seconds, and then trades."""
SIDES = frozenset({"BID", "ASK", "MIDPOINT", "BID_ASK"})
"""What is told of bids and offers, and not of trades."""
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
class Top:
    """What is bid and asked at one time, and how much of it."""

    bid: float
    ask: float
    bid_size: int
    ask_size: int


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
    time = shown(instrument, time)
    if instrument.is_valued_daily and not instrument.is_pinned_at(time):
        time = valued(instrument, time)
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


def prices_between(
    instrument: Instrument, start: float, end: float, kind: str = "TRADES"
) -> Prices:
    """Return what the price does from `start` up to but without `end`.

    The price is that of trades, of what is bid or asked if `kind` is BID or ASK, what is between
    these if it is MIDPOINT, or reaches from the one to the other if it is BID_ASK.
    """
    if not instrument.is_pinned:
        return _seen_as(kind, instrument, _by_hours(instrument, start, end), start)
    found = []
    for begins, ends in pieces([one.pins for one in instrument.followed], start, end):
        pin = instrument.pins.at(begins)
        one = _still(instrument, begins, ends, pin) if pin else _by_hours(instrument, begins, ends)
        # A time without trades counts only if it shows a price all the same.
        if one.count or instrument.is_valued_daily or instrument.is_pinned_at(begins):
            found.append(_seen_as(kind, instrument, one, begins))
    if found:
        return _joined(found, instrument.decimals)
    return _seen_as(kind, instrument, _by_hours(instrument, start, end), start)


def _seen_as(kind: str, instrument: Instrument, was: Prices, time: float) -> Prices:
    """What trades did as bids or offers show it, which are as far from them as at a time."""
    if kind not in SIDES:
        return was
    below, above = _beside(instrument, time)
    least = -math.inf if instrument.legs else instrument.min_tick
    prices = was.open, was.high, was.low, was.close
    bids = [max(round(price - below, instrument.decimals), least) for price in prices]
    asks = [round(price + above, instrument.decimals) for price in prices]
    middles = [
        round((bid + ask) / 2, instrument.decimals + 1) for bid, ask in zip(bids, asks, strict=True)
    ]
    # What reaches from one side to the other begins and is lowest at the bid.
    both = [bids[0], asks[1], bids[2], asks[3]]
    found = {"BID": bids, "ASK": asks, "MIDPOINT": middles, "BID_ASK": both}[kind]
    return replace(was, open=found[0], high=found[1], low=found[2], close=found[3])


def _beside(instrument: Instrument, time: float) -> tuple[float, float]:
    """How far the bid is below the price at a time, and the offer above it."""
    pin = instrument.pins.at(time)
    if pin is not None:
        return pin.last - pin.bid, pin.ask - pin.last
    if instrument.is_valued_daily:
        # A fund has one price, at which it is bought and sold.
        return 0.0, 0.0
    below = above = 0.0
    for leg, ratio in instrument.legs:
        one = _beside(leg, time)
        below += abs(ratio) * one[ratio < 0]
        above += abs(ratio) * one[ratio > 0]
    tick = instrument.min_tick
    return (below, above) if instrument.legs else (tick, tick)


def _still(instrument: Instrument, start: float, end: float, pin: Pin) -> Prices:
    """What a price does that is held: it stays, with one share in each trade."""
    parts = open_parts(instrument, start, end) if instrument.keeps_hours else [(start, end)]
    count = sum(max(round((ends - begins) * TRADES_A_SECOND), 1) for begins, ends in parts)
    volume = count if instrument.has_trades and instrument.sec_type != "IND" else 0
    return Prices(pin.last, pin.last, pin.last, pin.last, volume, pin.last, count)


def _by_hours(instrument: Instrument, start: float, end: float) -> Prices:
    """What a price does by itself, while its market is open."""
    if not instrument.keeps_hours or instrument.is_valued_daily:
        return _moves(instrument, start, end)
    parts = open_parts(instrument, start, end)
    if not parts:
        price = price_at(instrument, start)
        return Prices(price, price, price, price, 0, price, 0)
    return _joined([_moves(instrument, *part) for part in parts], instrument.decimals)


def _joined(parts: Sequence[Prices], decimals: int) -> Prices:
    """What the price does in several times, one after the other."""
    if len(parts) == 1:
        return parts[0]
    count = sum(one.count for one in parts)
    average = sum(one.average * one.count for one in parts) / count if count else parts[-1].average
    return Prices(
        parts[0].open,
        max(one.high for one in parts),
        min(one.low for one in parts),
        parts[-1].close,
        sum(one.volume for one in parts),
        round(average, decimals + 2),
        count,
    )


def valued(fund: Instrument, time: float) -> float:
    """Return the time whose price is a fund's: once a day, when regular trading ends."""
    hours = fund.hours
    day = last_session(hours, time, regular=True)
    if session(hours, day, regular=True)[1] > time:
        day = last_session(hours, session(hours, day, regular=True)[0] - 1, regular=True)
    return session(hours, day, regular=True)[1] - LAST_LOOK


def _moves(instrument: Instrument, start: float, end: float) -> Prices:
    """What the price does in a time in which it is traded."""
    if instrument.is_valued_daily:
        first, last = price_at(instrument, start), price_at(instrument, max(end - LAST_LOOK, start))
        return Prices(first, max(first, last), min(first, last), last, 0, last, 0)
    if instrument.path is not None:
        span = instrument.path.span(start, end)
        found = [instrument.of_ticks(at) for at in (span.open, span.high, span.low, span.close)]
        volume = span.volume if instrument.has_trades and instrument.sec_type != "IND" else 0
        average = round(span.average * instrument.min_tick, instrument.decimals + 2)
        return Prices(found[0], found[1], found[2], found[3], volume, average, span.count)
    if instrument.legs:
        return combined(instrument, start, end)
    if instrument.underlying is None:
        price = instrument.price
        return Prices(price, price, price, price, 0, price, 0)
    # What time is worth changes with the day.
    zone = instrument.hours.zone
    tomorrow = midnight(zone, day_of(zone, start) + 1)
    if tomorrow < end:
        days = [_moves(instrument, start, tomorrow), _moves(instrument, tomorrow, end)]
        return _joined([day for day in days if day.count] or days, instrument.decimals)
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
    if instrument.legs:
        return [
            Trade(time, price_at(instrument, time), 1)
            for time in moments(start, end)
            if is_open(instrument, time)
        ]
    if base is None or base.path is None or instrument.is_valued_daily:
        return []
    found = []
    for second in range(int(start), int(end) + 1):
        if not is_open(instrument, second):
            continue
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
    turn = int(shown(instrument, time) * TRADES_A_SECOND)
    # Of what was set by hand nothing is remembered: it holds at once, and in this gateway alone.
    if not instrument.is_pinned:
        return _quote(instrument, turn, instrument.keeps_hours)
    return _fresh_quote(instrument, turn)


def top_at(instrument: Instrument, time: float) -> Top:
    """Return what is bid and asked at a time: the top of the depth, and of the quote."""
    turn = int(shown(instrument, time) * TRADES_A_SECOND)
    time = turn / TRADES_A_SECOND
    if instrument.legs:
        return _combined_top(instrument, time)
    last = price_at(instrument, time)
    below, above = _beside(instrument, time)
    size = _SIZES.get(instrument.sec_type, 10)
    wobble = turn // TRADES_A_SECOND % 7
    most = size * _SHARE_OF_TOP // 3 if instrument.sec_type == "STK" else size
    top = Top(
        max(to_tick(instrument, last - below), instrument.min_tick),
        to_tick(instrument, last + above),
        most + wobble,
        most + 7 - wobble,
    )
    pin = instrument.pins.at(time)
    if pin is None:
        return top
    return replace(
        top,
        bid_size=top.bid_size if pin.bid_size is None else pin.bid_size,
        ask_size=top.ask_size if pin.ask_size is None else pin.ask_size,
    )


def _combined_top(combination: Instrument, time: float) -> Top:
    """What the legs of a combination cost to buy, and bring when they are sold."""
    tops = [(top_at(leg, time), ratio) for leg, ratio in combination.legs]
    bid = sum(ratio * (one.bid if ratio > 0 else one.ask) for one, ratio in tops)
    ask = sum(ratio * (one.ask if ratio > 0 else one.bid) for one, ratio in tops)
    size = max(min(min(one.bid_size, one.ask_size) // abs(ratio) for one, ratio in tops), 1)
    decimals = combination.decimals
    return Top(round(bid, decimals), round(ask, decimals), size, size)


def moments(start: float, end: float) -> list[float]:
    """Return when there are trades from `start` up to but without `end`."""
    first, last = math.ceil(start * TRADES_A_SECOND), math.ceil(end * TRADES_A_SECOND)
    return [turn / TRADES_A_SECOND for turn in range(first, last)]


def combined(combination: Instrument, start: float, end: float) -> Prices:
    """Return what a combination's price does: it has no path of its own, but its legs have."""
    count = len(range(math.ceil(start * TRADES_A_SECOND), math.ceil(end * TRADES_A_SECOND)))
    if not count:
        price = price_at(combination, start)
        return Prices(price, price, price, price, 0, price, 0)
    last = math.ceil(end * TRADES_A_SECOND) / TRADES_A_SECOND - LAST_LOOK
    opened, closed = price_at(combination, start), price_at(combination, last)
    look = _Look(combination)
    high, low = look.farthest(start, end, 1), look.farthest(start, end, -1)
    average = round((opened + high + low + closed) / 4, combination.decimals + 2)
    return Prices(opened, high, low, closed, count, average, count)


class _Look:
    """Finds how far a combination's price goes.

    Its legs are not at their best at the same time, so that each trade counts; looked at are only
    those of a time in which the legs' own highs and lows leave room for more.
    """

    def __init__(self, combination: Instrument) -> None:
        self._combination = combination
        self._limits: dict[tuple[float, float], tuple[float, float]] = {}

    def farthest(self, start: float, end: float, sign: int) -> float:
        """Return the highest price between two times, or the lowest one if `sign` is -1."""
        best = sign * price_at(self._combination, start)
        waiting = [(-self._bound(start, end, sign), start, end)]
        while waiting:
            bound, begins, ends = heapq.heappop(waiting)
            if -bound <= best:
                break
            step = next((one for one in _STEPS if ends - begins > one), 0)
            if not step:
                found = [price_at(self._combination, at) for at in moments(begins, ends)]
                best = max([best, *(sign * price for price in found)])
                continue
            at = begins
            while at < ends:
                following = min((at // step + 1) * step, ends)
                bound = self._bound(at, following, sign)
                if bound > best:
                    heapq.heappush(waiting, (-bound, at, following))
                at = following
        return round(sign * best, self._combination.decimals)

    def _bound(self, start: float, end: float, sign: int) -> float:
        """What the price times `sign` cannot exceed."""
        found = self._limits.get((start, end))
        if found is None:
            found = self._limits[start, end] = self._limits_between(start, end)
        return found[0] if sign > 0 else -found[1]

    def _limits_between(self, start: float, end: float) -> tuple[float, float]:
        high = low = 0.0
        for leg, ratio in self._combination.legs:
            was = prices_between(leg, start, end)
            top, bottom = was.high, was.low
            if leg.keeps_hours:
                # What it shows while it is closed counts, too.
                parts = pieces([one.pins for one in leg.followed], start, end)
                still = [price_at(leg, begins) for begins, _ in parts]
                top, bottom = max(top, *still), min(bottom, *still)
            high += ratio * (top if ratio > 0 else bottom)
            low += ratio * (bottom if ratio > 0 else top)
        decimals = self._combination.decimals
        return round(high, decimals), round(low, decimals)


@lru_cache(maxsize=4096)
def _quote(instrument: Instrument, turn: int, keeps_hours: bool) -> Quote:  # noqa: ARG001 - part of the key
    return _fresh_quote(instrument, turn)


def _fresh_quote(instrument: Instrument, turn: int) -> Quote:
    time = turn / TRADES_A_SECOND
    last = price_at(instrument, time)
    zone = instrument.hours.zone
    begins = midnight(zone, day_of(zone, time))
    # One turn more: the trade at this very time belongs to the day.
    today = prices_between(instrument, begins, time + LAST_LOOK)
    if instrument.legs:
        top, last_size = _combined_top(instrument, time), 1
        closes = sum(ratio * quote_at(leg, time).close for leg, ratio in instrument.legs)
        close = round(closes, instrument.decimals)
    else:
        top, last_size = top_at(instrument, time), 1 + turn // TRADES_A_SECOND % 7
        close = close_before(instrument, time)
    return Quote(
        bid=top.bid,
        ask=top.ask,
        last=last,
        bid_size=top.bid_size,
        ask_size=top.ask_size,
        last_size=last_size,
        high=today.high,
        low=today.low,
        open=today.open,
        close=close,
        volume=today.volume,
    )


def close_before(instrument: Instrument, time: float) -> float:
    """Return the close of the last regular session that has ended by a time, before today."""
    hours = instrument.hours
    today = midnight(hours.zone, day_of(hours.zone, time))
    day = last_session(hours, today - 1, regular=True)
    return _fresh_close(instrument, day) if instrument.is_pinned else _close(instrument, day)


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
        if bid > 0 or instrument.legs:
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
    years = years_left(option, time)
    worth = greeks(
        option.right, option.strike, spot, years, volatility_of(option), carry=carry_of(option)
    )
    return max(to_tick(option, worth.price), option.min_tick)


def utc(time: float) -> dt.datetime:
    """Return a time as a date in the gateway's own zone, which is UTC.

    A zone that every machine knows: on Windows Python has no time-zone database of its own.
    """
    return dt.datetime.fromtimestamp(time, dt.UTC)

"""Prices of the simulated market: a function of the time alone, so that every run agrees."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from .instruments import Instrument

_HOUR = 3600.0
_DAY = 24 * _HOUR
_WAVES = (
    (0.08, 97 * _DAY),
    (0.02, 11 * _DAY),
    (0.006, 0.7 * _DAY),
    (0.001, 1700.0),
    (0.0002, 45.0),
)
"""Each wave's size, as a part of the price, and its length in seconds."""
_SIZES = {"STK": (300, 5_000_000), "CASH": (1_000_000, 0), "FUT": (20, 900_000)}
"""The quoted size and a day's volume of each kind of instrument."""


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


def price_at(instrument: Instrument, time: float) -> float:
    """Return the price at `time` (seconds since the epoch), rounded to the minimum tick."""
    swing = sum(
        size * math.sin(2 * math.pi * time / length + instrument.con_id % 7)
        for size, length in _WAVES
    )
    return to_tick(instrument, instrument.price * (1 + swing))


def to_tick(instrument: Instrument, price: float) -> float:
    """Round a price to the instrument's minimum tick."""
    return round(round(price / instrument.min_tick) * instrument.min_tick, instrument.decimals)


def quote_at(instrument: Instrument, time: float) -> Quote:
    """Return the quote at `time` (seconds since the epoch)."""
    last = price_at(instrument, time)
    midnight = time - time % _DAY
    hours = range(int((time - midnight) // _HOUR) + 1)
    day = [*(price_at(instrument, midnight + hour * _HOUR) for hour in hours), last]
    size, day_volume = _SIZES[instrument.sec_type]
    wobble = int(time) % 7
    return Quote(
        bid=to_tick(instrument, last - instrument.min_tick),
        ask=to_tick(instrument, last + instrument.min_tick),
        last=last,
        bid_size=size + wobble,
        ask_size=size + 7 - wobble,
        last_size=1 + wobble,
        high=max(day),
        low=min(day),
        open=day[0],
        close=price_at(instrument, midnight - 1),
        volume=int(day_volume * (time - midnight) / _DAY),
    )


def utc(time: float) -> dt.datetime:
    """Return a time as a date in the gateway's own zone, which is UTC.

    A zone that every machine knows: on Windows Python has no time-zone database of its own.
    """
    return dt.datetime.fromtimestamp(time, dt.UTC)

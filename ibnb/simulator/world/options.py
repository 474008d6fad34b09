"""What an option is worth, and how that changes: the model of Black and Scholes."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass

from .calendars import day_of
from .instruments import Instrument

RATE = 0.04
"""The interest rate of the world, a year."""
_DAYS_A_YEAR = 365.0
_LAST_HOURS = 0.25
_LOWEST, _HIGHEST = 1e-4, 10.0
_STEPS = 100


@dataclass(frozen=True)
class Greeks:
    """An option's model price, and how it changes with what it depends on.

    `theta` is per day, `vega` per point of volatility, as gateways tell them.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float
    volatility: float
    spot: float


def volatility_of(option: Instrument) -> float:
    """Return the volatility that the market sees in an option: more, the further out it is."""
    home = option.underlying.price if option.underlying else option.strike
    return 0.2 + 0.15 * abs(math.log(option.strike / home))


def years_left(option: Instrument, time: float) -> float:
    """Return how long an option runs at a time, in years; the same for a whole day."""
    expires = dt.datetime.strptime(option.expiry, "%Y%m%d").date().toordinal()  # noqa: DTZ007
    return max(expires - day_of(option.hours.zone, time), _LAST_HOURS) / _DAYS_A_YEAR


def carry_of(option: Instrument) -> float:
    """Return what holding the underlying costs, a year: a future is bought without cash."""
    is_future = option.underlying is not None and option.underlying.sec_type == "FUT"
    return 0.0 if is_future else RATE


def greeks(
    right: str,
    strike: float,
    spot: float,
    years: float,
    volatility: float,
    *,
    carry: float = RATE,
) -> Greeks:
    """Return what an option is worth; `right` is ``C`` or ``P``."""
    root = volatility * math.sqrt(years)
    first = (math.log(spot / strike) + (carry + volatility**2 / 2) * years) / root
    second = first - root
    paid = strike * math.exp(-RATE * years)
    kept = math.exp((carry - RATE) * years)
    density = kept * math.exp(-(first**2) / 2) / math.sqrt(2 * math.pi)
    sign = 1 if right == "C" else -1
    held = spot * kept * _normal(sign * first)
    price = sign * (held - paid * _normal(sign * second))
    decay = spot * density * volatility / (2 * math.sqrt(years))
    theta = -decay - sign * ((carry - RATE) * held + RATE * paid * _normal(sign * second))
    return Greeks(
        price=max(price, 0.0),
        delta=sign * kept * _normal(sign * first),
        gamma=density / (spot * root),
        vega=spot * density * math.sqrt(years) / 100,
        theta=theta / _DAYS_A_YEAR,
        volatility=volatility,
        spot=spot,
    )


def implied(
    right: str, strike: float, spot: float, years: float, price: float, *, carry: float = RATE
) -> float | None:
    """Return the volatility at which an option has this price; None where there is none."""
    low, high = _LOWEST, _HIGHEST

    def priced(volatility: float) -> float:
        return greeks(right, strike, spot, years, volatility, carry=carry).price

    if not priced(low) <= price <= priced(high):
        return None
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if priced(middle) < price:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _normal(value: float) -> float:
    return (1 + math.erf(value / math.sqrt(2))) / 2

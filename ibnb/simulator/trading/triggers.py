"""When an order may meet the market: hours, times, conditions, stops, and what is too far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ibnb.simulator.world.calendars import day_of, session, trades_on
from ibnb.simulator.world.history import parse_time
from ibnb.simulator.world.market import Market
from ibnb.simulator.world.opening import (
    LAST_LOOK,
    closes_after,
    is_open,
    opens_after,
    session_begun,
)

from .conditions import Conditions
from .orders import CLOSE_TYPES, LIMIT_TYPES, STOP_TYPES, TOUCH_TYPES, TRAILING_TYPES, OrderRecord

PRICE_CAP = 0.2
"""How far beyond the market an order's limit may be, as a part of the price."""
_FOR_A_DAY = frozenset({"", "DAY"})
_DATE_ALONE = len("YYYYMMDD")


class Triggers:
    """What decides when an order begins to work, and when its time is over.

    Args:
        market: what orders meet.
        conditions: what decides whether an order's conditions hold.
        closed: says whether every market is closed, whatever its hours are.
    """

    def __init__(self, market: Market, conditions: Conditions, closed: Callable[[], bool]) -> None:
        self._market = market
        self._conditions = conditions
        self._closed = closed

    def is_open(self, order: OrderRecord, now: float) -> bool:
        """Say whether an order's market is open to it."""
        return not self._closed() and is_open(order.instrument, now, outside=_outside(order))

    def opens(self, order: OrderRecord, now: float) -> float:
        """Return when the market opens to an order that it is closed to."""
        return opens_after(order.instrument, now, outside=_outside(order))

    def closes(self, order: OrderRecord, now: float) -> float:
        """Return when the market closes to an order that it is open to."""
        return closes_after(order.instrument, now, outside=_outside(order))

    def opened(self, order: OrderRecord, now: float) -> float:
        """Return since when the market is open to an order."""
        return session_begun(order.instrument, now, outside=_outside(order))

    def ends(self, order: OrderRecord) -> float | None:
        """Return when an order's time is over; None if only a cancel or a fill ends it."""
        tif, until = order.ticket.text("tif"), order.ticket.text("goodTillDate")
        if tif == "GTD" and until:
            if len(until.strip()) > _DATE_ALONE:
                return parse_time(until)
            # Good till a day is good through all of it.
            return parse_time(f"{until.strip()} 23:59:59 {order.instrument.hours.zone}")
        if not order.instrument.keeps_hours:
            return None
        if tif == "OPG":
            return self.closes(order, _auction(order, closing=False))
        return self.closes(order, order.placed) if tif in _FOR_A_DAY else None

    def with_stop(self, order: OrderRecord, now: float) -> OrderRecord:
        """Give an order that trails its first stop, and any other the one it names."""
        ticket = order.ticket
        if ticket.order_type not in TRAILING_TYPES:
            wants = ticket.order_type in STOP_TYPES | TOUCH_TYPES
            return replace(order, stop=ticket.number("auxPrice") if wants else None)
        last = self._market.quote(order.instrument, now).last
        stop = ticket.number("trailStopPrice")
        if stop is None:
            trail = _trail(order, last)
            stop = last + trail if order.buys else last - trail
        return replace(order, stop=stop)

    def follow(self, order: OrderRecord, now: float) -> OrderRecord:
        """Let the stop of an order that trails follow the price."""
        if order.ticket.order_type not in TRAILING_TYPES or order.stop is None:
            return order
        last = self._market.quote(order.instrument, now).last
        trail = _trail(order, last)
        stop = min(order.stop, last + trail) if order.buys else max(order.stop, last - trail)
        return replace(order, stop=stop)

    def waits(self, order: OrderRecord, now: float) -> bool:
        """Say whether an order waits for its trigger, the opening or close, or its time."""
        ticket = order.ticket
        begins = parse_time(ticket.text("goodAfterTime"))
        if begins is not None and begins > now:
            return True
        if not self._conditions.hold(ticket.conditions, order.placed, now):
            return True
        if ticket.order_type in CLOSE_TYPES:
            return now < _auction(order, closing=True)
        if ticket.text("tif") == "OPG":
            return now < _auction(order, closing=False)
        if order.triggered or ticket.order_type not in STOP_TYPES | TOUCH_TYPES:
            return False
        return not self._is_reached(order, now, now)

    def is_due(self, order: OrderRecord, since: float, now: float) -> bool:
        """Say whether an order that waited has reason to begin, as the market was meanwhile."""
        if not self._conditions.hold(order.ticket.conditions, order.placed, now):
            return False
        if order.ticket.order_type in STOP_TYPES | TOUCH_TYPES:
            return self._is_reached(order, since, now)
        return not self.waits(order, now)

    def is_beyond_cap(self, order: OrderRecord, now: float) -> bool:
        """Say whether a limit is so far beyond the market that nobody can mean it."""
        limit = order.limit
        if limit is None or order.ticket.order_type not in LIMIT_TYPES or order.instrument.legs:
            return False
        last = self._market.quote(order.instrument, now).last
        return limit > last * (1 + PRICE_CAP) if order.buys else limit < last * (1 - PRICE_CAP)

    def _is_reached(self, order: OrderRecord, since: float, now: float) -> bool:
        if order.stop is None:
            return False
        low, high = self._market.range(order.instrument, since, now)
        rising = order.buys == (order.ticket.order_type in STOP_TYPES)
        return high >= order.stop if rising else low <= order.stop


def _outside(order: OrderRecord) -> bool:
    return order.ticket.flag("outsideRth")


def _trail(order: OrderRecord, price: float) -> float:
    percent = order.ticket.number("trailingPercent")
    return price * percent / 100 if percent else order.ticket.number("auxPrice") or 0.0


def _auction(order: OrderRecord, *, closing: bool) -> float:
    """The first end or beginning of regular trading after an order was placed.

    Where hours are kept, the last moment of trading is the end: nothing is traded after it.
    """
    hours = order.instrument.hours
    day = day_of(hours.zone, order.placed)
    while not trades_on(hours, day) or session(hours, day, regular=True)[closing] <= order.placed:
        day += 1
    last = LAST_LOOK if closing and order.instrument.keeps_hours else 0.0
    return session(hours, day, regular=True)[closing] - last

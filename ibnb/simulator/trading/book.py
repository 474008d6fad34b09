"""The simulated gateway's orders, executions and positions."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Protocol

from ibnb.simulator.protocol import texts
from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.world.calendars import day_of, session
from ibnb.simulator.world.history import parse_time
from ibnb.simulator.world.instruments import Instrument
from ibnb.simulator.world.market import Market

from .conditions import Conditions
from .orders import (
    CLOSE_TYPES,
    DONE,
    LIMIT_TYPES,
    MARKET_TYPES,
    STAGED,
    STOP_TYPES,
    TOUCH_TYPES,
    TRAILING_TYPES,
    WAITS_FOR_PARENT,
    Change,
    Execution,
    Fee,
    Opened,
    OrderRecord,
    Position,
    Status,
    Word,
    commission,
)

FIRST_PERM_ID = 1_700_000_001
STARTING_CASH = 1_000_000.0
STARTING_POSITIONS = ((265598, 100.0, 225.5), (272093, 50.0, 418.0))
"""conId, size and average price of what every account holds at the beginning."""
HOME_CURRENCY = "USD"
PRICE_CAP = 0.2
"""How far beyond the market an order's limit may be, as a part of the price."""
_REDUCING = frozenset({"0", "2", "3"})
_AT_ONCE = frozenset({"IOC", "FOK"})
_DECIMALS = 8


class Known(Protocol):
    """What tells which instrument has a conId, and what currencies are worth."""

    def rate(self, currency: str, time: float) -> float:
        """Return what one unit of a currency is worth in US dollars."""

    def by_con_id(self, con_id: int) -> Instrument | None:
        """Return the instrument, or None."""


class Book:
    """Every order, execution and position of a gateway, whichever client they belong to.

    Args:
        known: tells which instruments the positions of the beginning are in.
        market: what orders meet.
        reachable: says whether orders reach the market now.
    """

    def __init__(
        self,
        known: Known,
        market: Market | None = None,
        reachable: Callable[[], bool] = lambda: True,
    ) -> None:
        self._known = known
        self._reachable = reachable
        self._market = market or Market()
        self._orders: dict[tuple[int, int], OrderRecord] = {}
        self._executions: list[Execution] = []
        self._fills: Counter[int] = Counter()
        self._flows: dict[tuple[str, int], deque[Execution]] = defaultdict(deque)
        self._conditions = Conditions(self._market, known.by_con_id, self._executions)
        self._positions: dict[str, dict[int, Position]] = {}
        self._cash: dict[tuple[str, str], Decimal] = {}
        self._next_ids: dict[int, int] = {}
        self._permitted = FIRST_PERM_ID
        self._working: set[tuple[int, int]] = set()
        self._matched = 0.0

    @property
    def orders(self) -> tuple[OrderRecord, ...]:
        """Every order ever placed, oldest first."""
        return tuple(self._orders.values())

    @property
    def executions(self) -> tuple[Execution, ...]:
        """Every fill, oldest first."""
        return tuple(self._executions)

    def next_order_id(self, client_id: int) -> int:
        """Return the order ID that a client may use next; it goes on where it stopped."""
        return self._next_ids.get(client_id, 1)

    def find(self, client_id: int, order_id: int) -> OrderRecord | None:
        """Return a client's order, or None; another client's order is not found."""
        return self._orders.get((client_id, order_id))

    def open_orders(self, client_id: int | None = None) -> list[OrderRecord]:
        """Return the orders that are not done: one client's, or everybody's."""
        found = (self._orders[key] for key in sorted(self._working, key=self._perm_id))
        return [order for order in found if client_id in (None, order.client_id)]

    def positions(self, account: str) -> list[Position]:
        """Return what an account holds."""
        return [position for position in self._held(account).values() if position.size]

    def every_position(self, account: str) -> list[Position]:
        """Return what an account holds, and what it held and has closed."""
        return list(self._held(account).values())

    def position(self, account: str, instrument: Instrument) -> Position:
        """Return what an account holds of an instrument, which may be nothing."""
        flat = Position(account, instrument, 0.0, 0.0)
        return self._held(account).get(instrument.con_id, flat)

    def hold(
        self, account: str, instrument: Instrument, size: float, average_price: float
    ) -> Position:
        """Let an account hold so much of an instrument, however it came by it."""
        held = replace(self.position(account, instrument), size=size, average_price=average_price)
        self._held(account)[instrument.con_id] = held
        return held

    def fills_since(self, account: str, instrument: Instrument, since: float) -> list[Execution]:
        """Return an account's fills of an instrument since a time, which never goes back."""
        found = self._flows[account, instrument.con_id]
        while found and found[0].time < since:
            found.popleft()
        return list(found)

    def realized(self, account: str) -> float:
        """Return what an account's closed positions have brought."""
        return sum(position.realized for position in self._held(account).values())

    def cash(self, account: str, currency: str = HOME_CURRENCY) -> float:
        """Return an account's cash in a currency."""
        return float(self._money(account, currency))

    def set_cash(self, account: str, currency: str, amount: float) -> None:
        """Let an account have an amount of cash in a currency."""
        self._cash[account, currency] = Decimal(str(amount))

    def currencies(self, account: str) -> list[str]:
        """Return the currencies in which an account has or had cash."""
        held = {currency for name, currency in self._cash if name == account}
        return sorted(held | {HOME_CURRENCY})

    def rate(self, currency: str, now: float) -> float:
        """Return what one unit of a currency is worth in US dollars."""
        return self._known.rate(currency, now)

    def place(
        self, client_id: int, account: str, ticket: Ticket, instrument: Instrument, *, now: float
    ) -> list[Change]:
        """Place a new order, or change the open one with its order ID; return what happened."""
        before = self.find(client_id, ticket.order_id)
        was_staged = before is not None and before.is_staged
        if before is None:
            perm_id, self._permitted = self._permitted, self._permitted + 1
            order = OrderRecord(client_id, perm_id, account, instrument, ticket, STAGED, placed=now)
            next_id = max(self.next_order_id(client_id), ticket.order_id + 1)
            self._next_ids[client_id] = next_id
        else:
            order = replace(before, ticket=ticket, stop=None)
        order = self._store(order)
        if not ticket.flag("transmit"):
            return []
        changes: list[Change] = []
        for relative in self._staged_with(order):
            changes += self._transmit(relative, now)
        if before is not None and not was_staged:
            return changes + self._modify(order, now)
        return changes + self._transmit(order, now, at_once=was_staged)

    def cancel(self, order: OrderRecord, now: float) -> list[Change]:
        """Cancel an open order and the orders attached to it; return what happened."""
        changes: list[Change] = []
        if order.status == "Submitted":
            changes.append(Status(self._store(replace(order, status="PendingCancel"))))
        return changes + self._end(order, now, texts.CANCELLED)

    def match(self, now: float) -> list[Change]:
        """Let the open orders meet the market, as it was since the last time."""
        since, self._matched = self._matched or now, now
        changes: list[Change] = []
        if not self._reachable():
            return changes
        for order in self.open_orders():
            current = self._orders[order.client_id, order.order_id]
            if current.is_done or current.is_staged or current.waits_for_parent:
                continue
            changes += self._work(current, max(since, order.placed), now)
        return changes

    def _perm_id(self, key: tuple[int, int]) -> int:
        return self._orders[key].perm_id

    def _money(self, account: str, currency: str) -> Decimal:
        start = Decimal(str(STARTING_CASH)) if currency == HOME_CURRENCY else Decimal()
        return self._cash.get((account, currency), start)

    def _pay(self, account: str, currency: str, amount: Decimal) -> None:
        self._cash[account, currency] = self._money(account, currency) - amount

    def _held(self, account: str) -> dict[int, Position]:
        if account not in self._positions:
            found = [
                (self._known.by_con_id(con_id), size, price)
                for con_id, size, price in STARTING_POSITIONS
            ]
            self._positions[account] = {
                one.con_id: Position(account, one, size, price) for one, size, price in found if one
            }
        return self._positions[account]

    def _store(self, order: OrderRecord) -> OrderRecord:
        key = order.client_id, order.order_id
        self._orders[key] = order
        if order.status in DONE:
            self._working.discard(key)
        else:
            self._working.add(key)
        return order

    def _children(self, order: OrderRecord) -> list[OrderRecord]:
        return [
            child
            for child in self.open_orders(order.client_id)
            if child.ticket.parent_id == order.order_id
        ]

    def _parent(self, order: OrderRecord) -> OrderRecord | None:
        parent_id = order.ticket.parent_id
        return self.find(order.client_id, parent_id) if parent_id else None

    def _staged_with(self, order: OrderRecord) -> list[OrderRecord]:
        """The orders that waited for this one: the order it is attached to, and the others."""
        parent = self._parent(order)
        if parent is None:
            return []
        family = [parent, *self._children(parent)]
        return [one for one in family if one.is_staged and one.order_id != order.order_id]

    def _transmit(self, order: OrderRecord, now: float, *, at_once: bool = False) -> list[Change]:
        """Send an order off: as captured, it is told as it comes in, and again when it works."""
        values = {**order.ticket.values, "transmit": "1"}
        order = replace(order, ticket=replace(order.ticket, values=values), placed=now)
        parent = self._parent(order)
        if parent is not None and not parent.is_done:
            triggered = order.ticket.order_type in STOP_TYPES | TOUCH_TYPES
            why = f"{WAITS_FOR_PARENT},trigger" if triggered else WAITS_FOR_PARENT
            return [self._store(replace(order, status="PreSubmitted", why_held=why))]
        return self._begin(order, now, at_once=at_once)

    def _modify(self, order: OrderRecord, now: float) -> list[Change]:
        if order.waits_for_parent:
            return [order]
        return self._begin(replace(order, triggered=False), now, at_once=True)

    def _begin(self, order: OrderRecord, now: float, *, at_once: bool = False) -> list[Change]:
        """Let an order begin to work."""
        order = self._with_stop(order, now)
        kind = order.ticket.order_type
        if self._waits(order, now):
            why = "trigger" if kind in STOP_TYPES | TOUCH_TYPES else ""
            if order.ticket.conditions and not why:
                return [self._store(replace(order, status="PreSubmitted", why_held=""))]
            held = self._store(replace(order, status="PreSubmitted", why_held=why))
            # As captured: a stop is told twice, one that trails once.
            return [held] if kind in TRAILING_TYPES else [held, held]
        order = replace(order, status="PreSubmitted", why_held="", triggered=order.stop is not None)
        if order.ticket.text("tif") in _AT_ONCE:
            return self._take_or_leave(self._store(order), now)
        if self._is_beyond_cap(order, now):
            first = self._store(order)
            return [first, *self._end(first, now, texts.PRICE_TOO_FAR, pending=True)]
        first = self._store(order)
        changes: list[Change] = [] if at_once else [first]
        if at_once or self._available(first, now) <= 0:
            first = self._store(replace(first, status="Submitted"))
            changes.append(first)
        return changes + self._fill(first, now)

    def _take_or_leave(self, order: OrderRecord, now: float) -> list[Change]:
        """Fill an order at once as far as that goes, or not at all if it has to be all."""
        changes: list[Change] = [Opened(order)]
        available = self._available(order, now)
        if order.ticket.text("tif") == "FOK" and available < order.remaining:
            done = self._store(replace(order, status="Inactive", completed=now))
            return [*changes, Status(done)]
        changes += self._fill(order, now)
        left = self._orders[order.client_id, order.order_id]
        return changes if left.is_done else changes + self._end(left, now, None, pending=True)

    def _with_stop(self, order: OrderRecord, now: float) -> OrderRecord:
        """Give an order that trails its first stop, and any other the one it names."""
        ticket = order.ticket
        if ticket.order_type not in TRAILING_TYPES:
            wants = ticket.order_type in STOP_TYPES | TOUCH_TYPES
            return replace(order, stop=ticket.number("auxPrice") if wants else None)
        last = self._market.quote(order.instrument, now).last
        stop = ticket.number("trailStopPrice")
        if stop is None:
            trail = self._trail(order, last)
            stop = last + trail if order.buys else last - trail
        return replace(order, stop=stop)

    def _trail(self, order: OrderRecord, price: float) -> float:
        percent = order.ticket.number("trailingPercent")
        return price * percent / 100 if percent else order.ticket.number("auxPrice") or 0.0

    def _waits(self, order: OrderRecord, now: float) -> bool:
        """Say whether an order waits for its trigger, the close of trading, or its time."""
        ticket = order.ticket
        begins = parse_time(ticket.text("goodAfterTime")) if ticket.text("goodAfterTime") else None
        if begins is not None and begins > now:
            return True
        if not self._conditions.hold(ticket.conditions, order.placed, now):
            return True
        if ticket.order_type in CLOSE_TYPES:
            return now < self._close_after(order)
        if order.triggered or ticket.order_type not in STOP_TYPES | TOUCH_TYPES:
            return ticket.text("tif") == "OPG"
        return not self._is_reached(order, now, now)

    def _close_after(self, order: OrderRecord) -> float:
        hours = order.instrument.hours
        day = day_of(hours.zone, order.placed)
        closes = session(hours, day, regular=True)[1]
        return closes if closes > order.placed else session(hours, day + 1, regular=True)[1]

    def _is_reached(self, order: OrderRecord, since: float, now: float) -> bool:
        if order.stop is None:
            return False
        low, high = self._market.range(order.instrument, since, now)
        rising = order.buys == (order.ticket.order_type in STOP_TYPES)
        return high >= order.stop if rising else low <= order.stop

    def _is_beyond_cap(self, order: OrderRecord, now: float) -> bool:
        """Say whether a limit is so far beyond the market that nobody can mean it."""
        limit = order.limit
        if limit is None or order.ticket.order_type not in LIMIT_TYPES or order.instrument.legs:
            return False
        last = self._market.quote(order.instrument, now).last
        return limit > last * (1 + PRICE_CAP) if order.buys else limit < last * (1 - PRICE_CAP)

    def _available(self, order: OrderRecord, now: float, worst: float | None = None) -> float:
        """How much of an order can be filled at once: what is displayed within its limit."""
        kind = order.ticket.order_type
        if kind not in MARKET_TYPES | LIMIT_TYPES | CLOSE_TYPES and not order.triggered:
            return 0.0
        if self._is_beyond_cap(order, now) or not self._reachable():
            return 0.0
        quote = self._market.quote(order.instrument, now)
        limit = order.limit
        price = quote.ask if order.buys else quote.bid
        if worst is not None:
            price = worst
        if limit is not None and (price > limit if order.buys else price < limit):
            return 0.0
        displayed = quote.ask_size if order.buys else quote.bid_size
        return min(float(displayed) or math.inf, order.remaining)

    def _work(self, order: OrderRecord, since: float, now: float) -> list[Change]:
        """Let one open order meet the market."""
        changes: list[Change] = []
        until = order.ticket.text("goodTillDate")
        ends = parse_time(until) if until and order.ticket.text("tif") == "GTD" else None
        if ends is not None and ends <= now:
            return self._end(order, now, texts.CANCELLED)
        if order.status == "PreSubmitted" and not order.triggered:
            order = self._follow(order, now)
            if not self._is_due(order, since, now):
                return []
            order = self._store(replace(order, triggered=True, status="Submitted", why_held=""))
            changes.append(order)
        low, high = self._market.range(order.instrument, since, now)
        limit = order.limit
        touched = limit is not None and (low < limit if order.buys else high > limit)
        worst = limit if touched else None
        if self._available(order, now, worst) > 0:
            changes += self._fill(order, now, worst)
        return changes

    def _follow(self, order: OrderRecord, now: float) -> OrderRecord:
        """Let the stop of an order that trails follow the price."""
        if order.ticket.order_type not in TRAILING_TYPES or order.stop is None:
            return order
        last = self._market.quote(order.instrument, now).last
        trail = self._trail(order, last)
        stop = min(order.stop, last + trail) if order.buys else max(order.stop, last - trail)
        return self._store(replace(order, stop=stop)) if stop != order.stop else order

    def _is_due(self, order: OrderRecord, since: float, now: float) -> bool:
        if not self._conditions.hold(order.ticket.conditions, order.placed, now):
            return False
        if order.ticket.order_type in STOP_TYPES | TOUCH_TYPES:
            return self._is_reached(order, since, now)
        return not self._waits(order, now)

    def _fill(self, order: OrderRecord, now: float, at: float | None = None) -> list[Change]:
        """Fill what is displayed; return the fill, the order, its fee and the position."""
        shares = self._available(order, now, at)
        if shares <= 0:
            return []
        quote = self._market.quote(order.instrument, now)
        price = quote.ask if order.buys else quote.bid
        if at is not None:
            price = min(at, price) if order.buys else max(at, price)
        return self.fill(order, shares, price, now)

    def fill(self, order: OrderRecord, shares: float, price: float, now: float) -> list[Change]:
        """Fill so many shares of an order at a price; return what happened, in its order."""
        filled = round(order.filled + shares, _DECIMALS)
        paid = order.average_price * order.filled + price * shares
        whole = commission(order.instrument, filled, paid)
        fee = round(whole - (order.commission or 0.0), 4)
        complete = filled >= order.ticket.quantity
        after = replace(
            order,
            status="Filled" if complete else "Submitted",
            why_held="",
            filled=filled,
            average_price=round(paid / filled, _DECIMALS),
            last_price=price,
            commission=whole,
            completed=now if complete else None,
        )
        self._fills[order.perm_id] += 1
        number = self._fills[order.perm_id]
        exec_id = f"00025b44.{order.perm_id:08x}.{number:02d}"
        if order.instrument.legs:
            fills, held = self._fill_legs(after, shares, price, now, exec_id)
        else:
            position, realized = self._book(
                order.account, order.instrument, shares if order.buys else -shares, price, fee
            )
            fills = [Execution(f"{exec_id}.01", after, now, shares, price, fee, realized)]
            held = [position]
        self._executions += fills
        for one in fills:
            self._flows[order.account, one.instrument.con_id].append(one)
        fees = [Fee(one) for one in fills if not one.instrument.legs]
        changes: list[Change] = [*fills, self._store(after), *fees, *held]
        changes += self._settle_group(after, shares, now)
        if complete:
            for child in self._children(after):
                if not child.is_staged:
                    changes += self._begin(replace(child, placed=now), now)
        return changes

    def _fill_legs(
        self, order: OrderRecord, shares: float, price: float, now: float, exec_id: str
    ) -> tuple[list[Execution], list[Position]]:
        """Fill each leg of a combination, so that together they cost what it costs."""
        fills = [Execution(f"{exec_id}.01", order, now, shares, price, 0.0, None)]
        held = []
        left = price
        for number, (leg, ratio) in enumerate(reversed(order.instrument.legs), start=2):
            is_last = number > len(order.instrument.legs)
            paid = left / ratio if is_last else self._market.quote(leg, now).last
            paid = round(paid, _DECIMALS)
            left -= paid * ratio
            size = shares * abs(ratio)
            whole = commission(leg, order.filled * abs(ratio), paid * size)
            before = commission(leg, max(order.filled - shares, 0) * abs(ratio), 0.0)
            fee = round(whole - (before if order.filled > shares else 0.0), 4)
            buys = order.buys == (ratio > 0)
            position, realized = self._book(order.account, leg, size if buys else -size, paid, fee)
            fills.append(
                Execution(
                    f"{exec_id}.{number:02d}", order, now, size, paid, fee, realized, (leg, ratio)
                )
            )
            held.append(position)
        return fills, held

    def _settle_group(self, order: OrderRecord, shares: float, now: float) -> list[Change]:
        """Cancel or reduce the orders of which only one is to be filled."""
        changes: list[Change] = []
        group = order.ticket.text("ocaGroup")
        for other in self.open_orders():
            current = self._orders[other.client_id, other.order_id]
            if current.is_done or current.perm_id == order.perm_id:
                continue
            in_group = bool(group) and current.ticket.text("ocaGroup") == group
            parent_id = order.ticket.parent_id
            siblings = (
                bool(parent_id)
                and current.client_id == order.client_id
                and current.ticket.parent_id == parent_id
            )
            if not (in_group or siblings):
                continue
            reduces = siblings or current.ticket.text("ocaType", "3") in _REDUCING
            if order.is_done or not reduces:
                changes += self._end(current, now, texts.CANCELLED)
            else:
                left = max(current.ticket.quantity - shares, current.filled)
                values = {**current.ticket.values, "totalQuantity": f"{left:g}"}
                ticket = replace(current.ticket, values=values)
                changes.append(self._store(replace(current, ticket=ticket)))
        return changes

    def _end(
        self, order: OrderRecord, now: float, why: texts.Text | None, *, pending: bool = False
    ) -> list[Change]:
        """Cancel an order, and those attached to it."""
        current = self._orders[order.client_id, order.order_id]
        if current.is_done:
            return []
        changes: list[Change] = []
        if pending:
            changes.append(Status(self._store(replace(current, status="PendingCancel"))))
        done = self._store(replace(current, status="Cancelled", why_held="", completed=now))
        changes.append(Status(done))
        if why is not None:
            changes.append(Word(done, *why))
        for child in self._children(order):
            changes += self._end(child, now, texts.CANCELLED)
        return changes

    def _book(
        self, account: str, instrument: Instrument, shares: float, price: float, fee: float
    ) -> tuple[Position, float | None]:
        """Change the account's position; also return what the fill realized, if it closed any."""
        before = self.position(account, instrument)
        size = round(before.size + shares, _DECIMALS)
        closing = 0.0
        if before.size * shares < 0:
            closing = min(abs(before.size), abs(shares)) * (1 if before.size > 0 else -1)
        unit = instrument.unit
        realized = closing * (price - before.average_price) * unit - fee if closing else None
        if not closing:
            held = before.size * before.average_price + shares * price
            average = held / size
        else:
            average = before.average_price if size * before.size > 0 else price if size else 0.0
        after = Position(account, instrument, size, average, before.realized + (realized or 0.0))
        self._held(account)[instrument.con_id] = after
        paid = Decimal(str(shares)) * Decimal(str(price)) * Decimal(str(unit))
        if instrument.is_margined:
            # Its price is not cash that changes hands; only what a closing fill brought is.
            brought = Decimal(str(price)) - Decimal(str(round(before.average_price, _DECIMALS)))
            paid = -Decimal(str(closing)) * brought * Decimal(str(unit))
        self._pay(account, instrument.currency, paid + Decimal(str(fee)))
        if instrument.sec_type == "CASH":
            self._pay(account, instrument.symbol, -Decimal(str(shares)))
        return after, realized


def balance(executions: Iterable[Execution]) -> dict[tuple[str, int], float]:
    """Return what executions add up to, by account and conId; combinations count as their legs."""
    sizes: dict[tuple[str, int], float] = {}
    for one in executions:
        if not one.instrument.legs:
            key = one.order.account, one.instrument.con_id
            sizes[key] = round(sizes.get(key, 0.0) + one.signed, _DECIMALS)
    return sizes

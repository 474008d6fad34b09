"""The simulated gateway's orders, executions and positions."""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

from ibnb.simulator.protocol import texts
from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.world.history import local_text
from ibnb.simulator.world.instruments import Instrument
from ibnb.simulator.world.market import Market
from ibnb.simulator.world.opening import LAST_LOOK
from ibnb.simulator.world.universe import Universe

from .arrival import Arrival
from .conditions import Conditions
from .orders import (
    CLOSE_TYPES,
    DONE,
    LIMIT_TYPES,
    MARKET_TYPES,
    PENDING_CANCEL,
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
from .triggers import Triggers

FIRST_PERM_ID = 1_700_000_001
STARTING_CASH = 1_000_000.0
STARTING_POSITIONS = ((265598, 100.0, 225.5), (272093, 50.0, 418.0))
"""conId, size and average price of what every account holds at the beginning."""
HOME_CURRENCY = "USD"
_REDUCING = frozenset({"0", "2", "3"})
_AT_ONCE = frozenset({"IOC", "FOK"})
_DECIMALS = 8


class Book:
    """Every order, execution and position of a gateway, whichever client they belong to.

    Args:
        world: tells which instrument has a conId, and what currencies are worth.
        market: what orders meet.
        reachable: says whether orders reach the market now.
        closed: says whether every market is closed, whatever its hours are.
        arrival: says how long an order is on its way.
    """

    def __init__(
        self,
        world: Universe,
        market: Market | None = None,
        reachable: Callable[[], bool] = lambda: True,
        closed: Callable[[], bool] = lambda: False,
        arrival: Arrival | None = None,
    ) -> None:
        self._world = world
        self._reachable = reachable
        self._market = market or Market()
        self._orders: dict[tuple[int, int], OrderRecord] = {}
        self._executions: list[Execution] = []
        self._fills: Counter[int] = Counter()
        self._sent: Counter[int] = Counter()
        self._flows: dict[tuple[str, int], deque[Execution]] = defaultdict(deque)
        self._arrival = arrival or Arrival()
        conditions = Conditions(self._market, world.by_con_id, self._executions)
        self._triggers = Triggers(self._market, conditions, closed)
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

    def current(self, order: OrderRecord) -> OrderRecord:
        """Return an order of this book as it stands now."""
        return self._orders[order.client_id, order.order_id]

    def open_orders(self, client_id: int | None = None) -> list[OrderRecord]:
        """Return the orders that are not done: one client's, or everybody's."""
        found = sorted((self._orders[key] for key in self._working), key=lambda one: one.perm_id)
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
        return self._world.rate(currency, now)

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

    def cancel(self, order: OrderRecord, now: float, *, at_once: bool = False) -> list[Change]:
        """Cancel an open order and the orders attached to it; return what happened.

        A cancel that is on its way to the market can be overtaken by a fill. One that comes from
        the market is `at_once`.
        """
        if at_once:
            return self._end(order, now, texts.CANCELLED)
        if order.status == PENDING_CANCEL:
            return [Word(order, *texts.not_cancellable(order.perm_id))]
        if order.status != "Submitted":
            return self._end(order, now, texts.CANCELLED)
        arrives = now + self._arrival.seconds(order.perm_id, "cancel")
        pending = self._store(replace(order, status=PENDING_CANCEL, arrives=arrives))
        return [Status(pending), *self._arrive(pending, now)]

    def arrive(self, now: float) -> list[Change]:
        """Let the orders and cancels reach the market that have been on their way long enough."""
        changes: list[Change] = []
        for order in self.open_orders():
            changes += self._arrive(self.current(order), now)
        return changes

    def match(self, now: float) -> list[Change]:
        """Let the open orders meet the market, as it was since the last time."""
        since, self._matched = self._matched or now, now
        if not self._reachable():
            return []
        changes = self.arrive(now)
        for order in self.open_orders():
            current = self.current(order)
            if current.is_done or current.is_staged or current.waits_for_parent:
                continue
            if current.arrives is None or current.status == PENDING_CANCEL:
                changes += self._work(current, min(max(since, order.placed), now), now)
        return changes

    def skip_to(self, now: float, *, before: float) -> None:
        """Go on at a time to which the clock was set; the market did nothing in between.

        What is on its way takes as long as it would have taken from `before`. No order was placed
        later than now: one for the day ends with the day to which the clock was set back.
        """
        self._matched = now
        for order in self.open_orders():
            arrives = None if order.arrives is None else order.arrives + now - before
            self._store(replace(order, arrives=arrives, placed=min(order.placed, now)))

    def _arrive(self, order: OrderRecord, now: float) -> list[Change]:
        if order.is_done or order.arrives is None or order.arrives > now:
            return []
        if order.status == PENDING_CANCEL:
            return self._end(order, now, texts.CANCELLED)
        return self._work_at_last(replace(order, arrives=None), now, at_once=True)

    def _money(self, account: str, currency: str) -> Decimal:
        start = Decimal(str(STARTING_CASH)) if currency == HOME_CURRENCY else Decimal()
        return self._cash.get((account, currency), start)

    def _pay(self, account: str, currency: str, amount: Decimal) -> None:
        self._cash[account, currency] = self._money(account, currency) - amount

    def _held(self, account: str) -> dict[int, Position]:
        if account not in self._positions:
            found = [
                (self._world.by_con_id(con_id), size, price)
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
        if not order.ticket.flag("transmit"):
            values = {**order.ticket.values, "transmit": "1"}
            order = replace(order, ticket=replace(order.ticket, values=values))
        order = replace(order, placed=now)
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
        """Send an order to the market, where it begins to work."""
        if not self._arrival.latency:
            return self._work_at_last(order, now, at_once=at_once)
        self._sent[order.perm_id] += 1
        arrives = now + self._arrival.seconds(order.perm_id, f"order {self._sent[order.perm_id]}")
        sent = self._store(replace(order, status="PreSubmitted", why_held="", arrives=arrives))
        return [Opened(sent) if order.ticket.text("tif") in _AT_ONCE else sent]

    def _work_at_last(
        self, order: OrderRecord, now: float, *, at_once: bool = False
    ) -> list[Change]:
        """Let an order begin to work that has reached the market."""
        order = self._triggers.with_stop(order, now)
        kind = order.ticket.order_type
        if order.ticket.text("tif") not in _AT_ONCE and not self._triggers.is_open(order, now):
            return self._hold_until_open(order, now)
        if self._triggers.waits(order, now):
            why = "trigger" if kind in STOP_TYPES | TOUCH_TYPES else ""
            held = self._store(replace(order, status="PreSubmitted", why_held=why))
            if order.ticket.conditions and not why:
                return [held]
            # As captured: a stop is told twice, one that trails once.
            return [held] if kind in TRAILING_TYPES else [held, held]
        order = replace(order, status="PreSubmitted", why_held="", triggered=order.stop is not None)
        first = self._store(order)
        if first.ticket.text("tif") in _AT_ONCE:
            return self._take_or_leave(first, now)
        if self._triggers.is_beyond_cap(first, now):
            return [first, *self._end(first, now, texts.PRICE_TOO_FAR, pending=True)]
        changes: list[Change] = [] if at_once else [first]
        if at_once or self._available(first, now) <= 0:
            first = self._store(replace(first, status="Submitted"))
            changes.append(first)
        return changes + self._fill(first, now)

    def _hold_until_open(self, order: OrderRecord, now: float) -> list[Change]:
        """Keep an order to which its market is closed, and warn of it."""
        why = "trigger" if order.ticket.order_type in STOP_TYPES | TOUCH_TYPES else ""
        held = self._store(replace(order, status="PreSubmitted", why_held=why))
        opens = self._triggers.opens(held, now)
        instrument = order.instrument
        what = f"{order.ticket.action} {order.remaining:g} {instrument.symbol}"
        where = f"{instrument.listed_on}.{instrument.trading_class}"
        told = local_text(opens, instrument, zoned=True)
        return [held, Word(held, *texts.market_closed(f"{what} {where}", told))]

    def _take_or_leave(self, order: OrderRecord, now: float) -> list[Change]:
        """Fill an order at once as far as that goes, or not at all if it has to be all."""
        changes: list[Change] = [Opened(order)]
        available = self._available(order, now)
        if order.ticket.text("tif") == "FOK" and available < order.remaining:
            done = self._store(replace(order, status="Inactive", completed=now))
            return [*changes, Status(done)]
        changes += self._fill(order, now)
        left = self.current(order)
        return changes if left.is_done else changes + self._end(left, now, None, pending=True)

    def _available(self, order: OrderRecord, now: float, worst: float | None = None) -> float:
        """How much of an order can be filled at once: what is displayed within its limit."""
        kind = order.ticket.order_type
        if kind not in MARKET_TYPES | LIMIT_TYPES | CLOSE_TYPES and not order.triggered:
            return 0.0
        if self._triggers.is_beyond_cap(order, now) or not self._reachable():
            return 0.0
        if not self._triggers.is_open(order, now):
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
        ends = self._triggers.ends(order)
        if ends is not None and ends <= now:
            if since < ends - LAST_LOOK:
                # What the market did up to then counts.
                changes = self._work(order, since, ends - LAST_LOOK)
            return changes + self._end(order, now, texts.CANCELLED)
        if not self._triggers.is_open(order, now):
            if not self._triggers.is_open(order, since):
                return []
            # It has closed meanwhile: what the market did up to then counts.
            now = max(self._triggers.closes(order, since) - LAST_LOOK, since)
        since = min(max(since, self._triggers.opened(order, now)), now)
        if order.status == "PreSubmitted" and not order.triggered:
            order = self._store(self._triggers.follow(order, now))
            if not self._triggers.is_due(order, since, now):
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
        is_leaving = order.status == PENDING_CANCEL
        after = replace(
            order,
            status="Filled" if complete else order.status if is_leaving else "Submitted",
            why_held="",
            filled=filled,
            average_price=round(paid / filled, _DECIMALS),
            last_price=price,
            commission=whole,
            completed=now if complete else None,
            arrives=order.arrives if is_leaving else None,
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

    def settle(
        self, order: OrderRecord, legs: Sequence[tuple[Instrument, float, float]], now: float
    ) -> list[Change]:
        """Book what changes hands outside the market, each part at its price and without a fee.

        `legs` are instruments, by how much each position changes, and prices. The order is not
        kept: it never was at the market.
        """
        order = replace(order, perm_id=self._permitted)
        self._permitted += 1
        changes: list[Change] = []
        held: list[Change] = []
        for number, (instrument, shares, price) in enumerate(legs, start=1):
            position, realized = self._book(order.account, instrument, shares, price, 0.0)
            held.append(position)
            leg = (instrument, 1 if order.buys == (shares > 0) else -1)
            exec_id = f"00025b44.{order.perm_id:08x}.01.{number:02d}"
            fill = Execution(exec_id, order, now, abs(shares), price, 0.0, realized, leg)
            self._executions.append(fill)
            self._flows[order.account, instrument.con_id].append(fill)
            changes += [fill, Fee(fill)]
        return changes + held

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
            current = self.current(other)
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
        current = self.current(order)
        if current.is_done:
            return []
        changes: list[Change] = []
        if pending:
            changes.append(Status(self._store(replace(current, status=PENDING_CANCEL))))
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

"""The simulated gateway's orders, executions and positions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.world.instruments import Instrument
from ibnb.simulator.world.market import Quote

FIRST_PERM_ID = 1_700_000_001
STARTING_CASH = 1_000_000.0
STARTING_POSITIONS = ((265598, 100.0, 225.5), (272093, 50.0, 418.0))
"""conId, size and average price of what every account holds at the beginning."""
DONE = frozenset({"Filled", "Cancelled"})
_BUYS = "BUY"


@dataclass(frozen=True)
class OrderRecord:
    """An order as it stands at one moment. `completed` is in seconds since the epoch."""

    client_id: int
    perm_id: int
    account: str
    instrument: Instrument
    ticket: Ticket
    status: str
    filled: float = 0.0
    average_price: float = 0.0
    commission: float | None = None
    why_held: str = ""
    completed: float | None = None

    @property
    def order_id(self) -> int:
        """The order ID under which its client placed it."""
        return self.ticket.order_id

    @property
    def remaining(self) -> float:
        """How much is not filled."""
        return self.ticket.quantity - self.filled

    @property
    def is_done(self) -> bool:
        """Whether it can neither be filled, changed nor cancelled any more."""
        return self.status in DONE


@dataclass(frozen=True)
class Execution:
    """One fill. `time` is in seconds since the epoch; `realized` None when it opened a position."""

    exec_id: str
    order: OrderRecord
    time: float
    shares: float
    price: float
    commission: float
    realized: float | None


@dataclass(frozen=True)
class Position:
    """What an account holds of one instrument; `average_price` is per unit of price."""

    account: str
    instrument: Instrument
    size: float
    average_price: float
    realized: float = 0.0

    @property
    def average_cost(self) -> float:
        """The average price times the contract's multiplier, as gateways report it."""
        return self.average_price * self.instrument.unit


Change = OrderRecord | Execution | Position
"""What happened to a book: told to clients in the order in which it happened."""


class Book:
    """Every order, execution and position of a gateway, whichever client they belong to."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._instruments = {instrument.con_id: instrument for instrument in instruments}
        self._orders: dict[tuple[int, int], OrderRecord] = {}
        self._executions: list[Execution] = []
        self._positions: dict[str, dict[int, Position]] = {}
        self._cash: dict[str, float] = {}
        self._next_ids: dict[int, int] = {}

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
        return [
            order
            for order in self.orders
            if not order.is_done and client_id in (None, order.client_id)
        ]

    def positions(self, account: str) -> list[Position]:
        """Return what an account holds."""
        return [position for position in self._held(account).values() if position.size]

    def position(self, account: str, instrument: Instrument) -> Position:
        """Return what an account holds of an instrument, which may be nothing."""
        flat = Position(account, instrument, 0.0, 0.0)
        return self._held(account).get(instrument.con_id, flat)

    def realized(self, account: str) -> float:
        """Return what an account's closed positions have brought."""
        return sum(position.realized for position in self._held(account).values())

    def cash(self, account: str) -> float:
        """Return an account's cash, in US dollars."""
        return self._cash.get(account, STARTING_CASH)

    def place(
        self,
        client_id: int,
        account: str,
        ticket: Ticket,
        instrument: Instrument,
        *,
        quote: Quote,
        now: float,
    ) -> list[Change]:
        """Place a new order, or change the open one with its order ID; return what happened.

        A market order is filled at once. Every other order rests until it is cancelled, whatever
        the price: what a user sees of a resting order does not depend on the hour.
        """
        before = self.find(client_id, ticket.order_id)
        perm_id = before.perm_id if before else FIRST_PERM_ID + len(self._orders)
        status, why_held = self._resting(client_id, ticket)
        order = OrderRecord(
            client_id, perm_id, account, instrument, ticket, status, why_held=why_held
        )
        next_id = max(self.next_order_id(client_id), ticket.order_id + 1)
        self._next_ids[client_id] = next_id
        changes: list[Change] = [self._store(order)]
        if not ticket.flag("transmit"):
            return changes
        parent = self.find(client_id, ticket.parent_id) if ticket.parent_id else None
        if parent and not parent.is_done and not parent.ticket.flag("transmit"):
            changes += self._transmit(parent, quote, now)
            order = self._orders[client_id, ticket.order_id]
        if order.ticket.order_type == "MKT" and not order.why_held and not order.is_done:
            changes += self._fill(order, quote, now)
        return changes

    def cancel(self, order: OrderRecord, now: float) -> list[Change]:
        """Cancel an open order and the orders attached to it; return what happened."""
        done = self._store(replace(order, status="Cancelled", why_held="", completed=now))
        changes: list[Change] = [done]
        for child in self._children(order):
            changes += self.cancel(child, now)
        return changes

    def _held(self, account: str) -> dict[int, Position]:
        if account not in self._positions:
            self._positions[account] = {
                con_id: Position(account, self._instruments[con_id], size, price)
                for con_id, size, price in STARTING_POSITIONS
            }
        return self._positions[account]

    def _store(self, order: OrderRecord) -> OrderRecord:
        self._orders[order.client_id, order.order_id] = order
        return order

    def _children(self, order: OrderRecord) -> list[OrderRecord]:
        return [
            child
            for child in self.open_orders(order.client_id)
            if child.ticket.parent_id == order.order_id
        ]

    def _resting(self, client_id: int, ticket: Ticket) -> tuple[str, str]:
        """Status and reason of an order that waits."""
        parent = self.find(client_id, ticket.parent_id) if ticket.parent_id else None
        if parent and not parent.is_done:
            return "PreSubmitted", "child"
        waits = ticket.order_type not in {"LMT", "MIDPRICE"} or not ticket.flag("transmit")
        return ("PreSubmitted" if waits else "Submitted"), ""

    def _transmit(self, parent: OrderRecord, quote: Quote, now: float) -> list[Change]:
        """Send off an order that waited for the last order attached to it."""
        values = {**parent.ticket.values, "transmit": "1"}
        ticket = replace(parent.ticket, values=values)
        status, why_held = self._resting(parent.client_id, ticket)
        sent = self._store(replace(parent, ticket=ticket, status=status, why_held=why_held))
        changes: list[Change] = [sent]
        if ticket.order_type == "MKT":
            changes += self._fill(sent, quote, now)
        return changes

    def _fill(self, order: OrderRecord, quote: Quote, now: float) -> list[Change]:
        buys = order.ticket.action == _BUYS
        shares = order.ticket.quantity
        price = quote.ask if buys else quote.bid
        fee = commission(order.instrument, shares)
        filled = replace(
            order,
            status="Filled",
            filled=shares,
            average_price=price,
            commission=fee,
            completed=now,
        )
        position, realized = self._book(order, shares if buys else -shares, price, fee)
        number = len(self._executions) + 1
        execution = Execution(
            f"00025b44.{order.perm_id:08x}.{number:02d}.01",
            filled,
            now,
            shares,
            price,
            fee,
            realized,
        )
        self._executions.append(execution)
        changes: list[Change] = [execution, self._store(filled), position]
        for child in self._children(order):
            status, _ = self._resting(child.client_id, child.ticket)
            changes.append(self._store(replace(child, status=status, why_held="")))
        return changes

    def _book(
        self, order: OrderRecord, shares: float, price: float, fee: float
    ) -> tuple[Position, float | None]:
        """Change the account's position; also return what the fill realized, if it closed any."""
        before = self.position(order.account, order.instrument)
        size = before.size + shares
        closing = 0.0
        if before.size * shares < 0:
            closing = min(abs(before.size), abs(shares)) * (1 if before.size > 0 else -1)
        unit = order.instrument.unit
        realized = closing * (price - before.average_price) * unit - fee if closing else None
        if not closing:
            held = before.size * before.average_price + shares * price
            average = held / size
        else:
            average = before.average_price if size * before.size > 0 else price if size else 0.0
        after = Position(
            order.account, order.instrument, size, average, before.realized + (realized or 0.0)
        )
        self._held(order.account)[order.instrument.con_id] = after
        # A future's price is no cash that changes hands; only what a closing fill brought is.
        paid = (
            closing * (before.average_price - price) if order.instrument.expiry else shares * price
        )
        self._cash[order.account] = self.cash(order.account) - paid * unit - fee
        return after, realized


def commission(instrument: Instrument, shares: float) -> float:
    """Return what a fill costs, in US dollars."""
    if instrument.sec_type == "FUT":
        return round(2.25 * shares, 2)
    return 2.0 if instrument.sec_type == "CASH" else round(max(1.0, 0.005 * shares), 4)

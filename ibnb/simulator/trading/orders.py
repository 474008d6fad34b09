"""An order as it stands at one moment, and what happens to one."""

from __future__ import annotations

from dataclasses import dataclass

from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.world.instruments import Instrument

STAGED = "ApiPending"
"""The status of an order that is not transmitted: nobody is told of it."""
PENDING_CANCEL = "PendingCancel"
WAITS_FOR_PARENT = "child"
"""Why an order is held whose parent is not filled; that of a stop has its trigger beside it."""
DONE = frozenset({"Filled", "Cancelled", "Inactive"})
MARKET_TYPES = frozenset({"MKT", "MTL", "MKT PRT", "BOX TOP", "SNAP MKT", "PEG MKT"})
"""Order types that take what the market offers."""
LIMIT_TYPES = frozenset({"LMT", "MIDPRICE"})
STOP_TYPES = frozenset({"STP", "STP LMT", "STP PRT", "TRAIL", "TRAIL LIMIT"})
"""Order types that wait for the price to move against them."""
TOUCH_TYPES = frozenset({"MIT", "LIT"})
"""Order types that wait for the price to move in their favour."""
CLOSE_TYPES = frozenset({"MOC", "LOC"})
TRAILING_TYPES = frozenset({"TRAIL", "TRAIL LIMIT"})
WITH_LIMIT = frozenset({"LMT", "STP LMT", "LIT", "LOC"})
WITH_STOP = frozenset({"STP", "STP LMT", "STP PRT", "MIT", "LIT"})
OTHER_TYPES = frozenset(
    {"REL", "VOL", "PEG MID", "PEG BEST", "PEG BENCH", "PEG STK", "PASSV REL"}
    | {"SNAP MID", "SNAP PRIM"}
)
"""Order types that are accepted and rest: when they would fill is not simulated."""
ORDER_TYPES = MARKET_TYPES | LIMIT_TYPES | STOP_TYPES | TOUCH_TYPES | CLOSE_TYPES | OTHER_TYPES


@dataclass(frozen=True)
class OrderRecord:
    """An order as it stands at one moment.

    Attributes:
        stop: where a stop or a touch is now; it moves if it trails.
        triggered: whether its stop or touch was reached.
        last_price: of its last fill.
        placed: when it was transmitted, in seconds since the epoch.
        completed: when it was done, in seconds since the epoch.
        arrives: when it, or its cancel, reaches the market; None if it has.
    """

    client_id: int
    perm_id: int
    account: str
    instrument: Instrument
    ticket: Ticket
    status: str
    filled: float = 0.0
    average_price: float = 0.0
    last_price: float = 0.0
    commission: float | None = None
    why_held: str = ""
    stop: float | None = None
    triggered: bool = False
    placed: float = 0.0
    completed: float | None = None
    arrives: float | None = None

    @property
    def order_id(self) -> int:
        """The order ID under which its client placed it."""
        return self.ticket.order_id

    @property
    def remaining(self) -> float:
        """How much is not filled."""
        return round(self.ticket.quantity - self.filled, 8)

    @property
    def is_done(self) -> bool:
        """Whether it can neither be filled, changed nor cancelled any more."""
        return self.status in DONE

    @property
    def is_staged(self) -> bool:
        """Whether it waits to be transmitted."""
        return self.status == STAGED

    @property
    def waits_for_parent(self) -> bool:
        """Whether it is held until the order that it is attached to is filled."""
        return self.why_held.startswith(WAITS_FOR_PARENT)

    @property
    def buys(self) -> bool:
        """Whether it buys."""
        return self.ticket.action == "BUY"

    @property
    def limit(self) -> float | None:
        """The worst price at which it fills; None at any."""
        kind = self.ticket.order_type
        limited = kind in WITH_LIMIT or kind in {"TRAIL LIMIT", "MIDPRICE"}
        return self.ticket.number("lmtPrice") if limited else None


@dataclass(frozen=True)
class Execution:
    """One fill. `time` is in seconds since the epoch; `realized` None when it opened a position.

    `leg` is the leg that was filled, of an order for a combination: its instrument, and how often
    it is bought; the combination itself is told as a fill without a leg.
    """

    exec_id: str
    order: OrderRecord
    time: float
    shares: float
    price: float
    commission: float
    realized: float | None
    leg: tuple[Instrument, int] | None = None

    @property
    def instrument(self) -> Instrument:
        """What was filled."""
        return self.leg[0] if self.leg else self.order.instrument

    @property
    def buys(self) -> bool:
        """Whether it bought."""
        return self.order.buys == (self.leg is None or self.leg[1] > 0)

    @property
    def signed(self) -> float:
        """How much a position changed by it."""
        return self.shares if self.buys else -self.shares


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


@dataclass(frozen=True)
class Opened:
    """An order is told without its status."""

    order: OrderRecord


@dataclass(frozen=True)
class Status:
    """An order's status is told without the order."""

    order: OrderRecord


@dataclass(frozen=True)
class Fee:
    """What a fill cost is told, as always after the fill itself."""

    execution: Execution


@dataclass(frozen=True)
class Word:
    """A notice about an order: its code and text."""

    order: OrderRecord
    code: int
    text: str


Change = OrderRecord | Opened | Status | Execution | Fee | Word | Position
"""What happened to a book: told to clients in the order in which it happened."""


def commission(instrument: Instrument, shares: float, value: float = 0.0) -> float:
    """Return what an order costs that has filled so many shares, in the instrument's currency."""
    if instrument.legs:
        return round(sum(commission(leg, shares * abs(ratio)) for leg, ratio in instrument.legs), 4)
    match instrument.sec_type:
        case "FUT" | "FOP":
            return round(2.25 * shares, 2)
        case "OPT":
            return round(max(1.0, 0.65 * shares), 2)
        case "CASH" | "FUND":
            return 2.0
        case "CRYPTO":
            return round(max(1.75, 0.0018 * value), 2)
        case _:
            return round(max(1.0, 0.005 * shares), 4)

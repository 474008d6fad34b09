"""What an instrument is, and the contracts that ask for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ibnb.simulator.words import words

from .calendars import US, Hours
from .paths import Path
from .pins import Pins

CONTRACT_FIELDS = 12
"""How many fields a contract takes in a request."""
SECURITY_TYPES = frozenset(
    words("STK OPT FUT CONTFUT FOP IND CASH BAG CFD BOND CMDTY FUND CRYPTO NEWS WAR IOPT")
)
"""Every secType that a gateway accepts in a request, known here or not."""
MARKET_RULES = {26: 0.01, 239: 0.00005, 240: 0.005, 67: 0.25, 109: 0.1, 31: 0.015625}
"""The steps of a price, by the number of the rule."""
_RIGHTS = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}


@dataclass
class Timetable:
    """Whether the markets of one world have their hours, or are open at any hour."""

    is_kept: bool = False


@dataclass(frozen=True)
class Instrument:
    """One tradable contract, with what contract details say of it and how its price moves.

    `path` is None for an option: its price follows that of `underlying`. It is None for a
    combination, too: its price is what its `legs` are worth, each with how often it is bought, or
    sold if that is negative. `timetable` is its world's, and `pins` are the quotes that were set of
    it.
    """

    con_id: int
    symbol: str
    sec_type: str
    exchange: str
    primary_exchange: str
    currency: str
    local_symbol: str
    trading_class: str
    long_name: str
    price: float
    min_tick: float
    exchanges: str
    path: Path | None = field(default=None, repr=False)
    underlying: Instrument | None = field(default=None, repr=False)
    legs: tuple[tuple[Instrument, int], ...] = field(default=(), repr=False)
    hours: Hours = US
    market_name: str = ""
    expiry: str = ""
    strike: float = 0.0
    right: str = ""
    multiplier: str = ""
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    stock_type: str = ""
    isin: str = ""
    under_con_id: int = 0
    under_symbol: str = ""
    under_sec_type: str = ""
    min_size: str = "1"
    size_increment: str = "1"
    suggested_size: str = "1"
    derivatives: tuple[str, ...] = ()
    timetable: Timetable = field(default_factory=Timetable, repr=False, compare=False)
    pins: Pins = field(default_factory=Pins, repr=False, compare=False)

    def __hash__(self) -> int:
        """Return the conId: instruments are looked up at every tick."""
        return self.con_id

    @property
    def keeps_hours(self) -> bool:
        """Whether it is traded in its exchange's hours only, and not at any hour."""
        return self.timetable.is_kept

    @property
    def followed(self) -> Iterator[Instrument]:
        """The instrument, and everything whose price its own follows."""
        yield self
        if self.underlying is not None:
            yield from self.underlying.followed
        for leg, _ in self.legs:
            yield from leg.followed

    @property
    def is_pinned(self) -> bool:
        """Whether a quote was ever set of it, or of what its price follows."""
        return any(one.pins for one in self.followed)

    def is_pinned_at(self, time: float) -> bool:
        """Say whether a quote that was set of it, or of what its price follows, holds at a time."""
        return any(one.pins.at(time) is not None for one in self.followed)

    @property
    def unit(self) -> float:
        """What one contract is worth per point of price."""
        return float(self.multiplier or 1)

    @property
    def decimals(self) -> int:
        """How many decimals its prices have."""
        text = f"{self.min_tick:.10f}".rstrip("0")
        return len(text.partition(".")[2])

    @property
    def market_rule(self) -> int:
        """The number of the rule that says in which steps its price goes."""
        return next(rule for rule, step in MARKET_RULES.items() if step == self.min_tick)

    @property
    def listed_on(self) -> str:
        """The exchange that executions and portfolio values name."""
        return self.primary_exchange or self.exchange

    @property
    def is_margined(self) -> bool:
        """Whether opening a position moves no cash: only what a closing one brought is paid."""
        return self.sec_type in {"FUT", "CFD"}

    @property
    def is_valued_daily(self) -> bool:
        """Whether it has one price a day, and neither bids nor trades."""
        return self.sec_type == "FUND"

    @property
    def has_trades(self) -> bool:
        """Whether trades are reported, beside bids and offers."""
        return self.sec_type not in {"CASH", "CFD", "CMDTY", "FUND"}

    def in_ticks(self, price: float) -> int:
        """Return a price in the smallest steps of the instrument's price."""
        return round(price / self.min_tick)

    def of_ticks(self, ticks: float) -> float:
        """Return the price that is so many of its smallest steps."""
        return round(ticks * self.min_tick, self.decimals)


@dataclass(frozen=True)
class ContractSpec:
    """A contract as a client sent it: any field may be empty."""

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    strike: str = ""
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""

    @classmethod
    def read(cls, fields: Sequence[str]) -> ContractSpec:
        """Read the twelve fields of a contract, in the order in which requests have them.

        Raises:
            ValueError: there are fewer, or the conId is not a number.
        """
        if len(fields) < CONTRACT_FIELDS:
            raise ValueError("the contract is incomplete")
        con_id, *texts = fields[:CONTRACT_FIELDS]
        return cls(int(con_id or 0), *texts)

    @property
    def objection(self) -> str | None:
        """Why a gateway would not even look for this contract, or None."""
        if self.con_id:
            return None
        if self.sec_type not in SECURITY_TYPES:
            return "Please enter a valid security type"
        if not (self.symbol or self.local_symbol):
            return "Please enter a symbol, a local symbol or a security ID"
        return None

    @property
    def kind(self) -> str:
        """The kind of instrument that is meant: a continuous future is the one traded now."""
        return self.sec_type.replace("CONTFUT", "FUT")

    @property
    def wanted_strike(self) -> float:
        """The strike; 0 where none is given."""
        try:
            return float(self.strike or 0)
        except ValueError:
            return 0.0

    def matches(self, instrument: Instrument) -> bool:
        """Say whether an instrument is what this contract asks for."""
        if self.con_id and self.con_id != instrument.con_id:
            return False
        asked = (
            (self.symbol, instrument.symbol),
            (self.kind, instrument.sec_type),
            (self.currency, instrument.currency),
            (self.local_symbol, instrument.local_symbol),
            (self.trading_class, instrument.trading_class),
            (self.primary_exchange, instrument.primary_exchange),
            (self.multiplier, instrument.multiplier),
            (_RIGHTS.get(self.right.upper(), self.right.strip("0?")), instrument.right),
            (self.wanted_strike, instrument.strike),
        )
        if not self.con_id and any(want and want != has for want, has in asked):
            return False
        on_exchange = not self.exchange or self.exchange in instrument.exchanges.split(",")
        return on_exchange and instrument.expiry.startswith(self.expiry[:8])


@dataclass(frozen=True)
class LegSpec:
    """One leg of a combination as a client sent it."""

    con_id: int
    ratio: int
    action: str
    exchange: str

    @property
    def signed(self) -> int:
        """How often it is bought, negative if it is sold."""
        return self.ratio if self.action == "BUY" else -self.ratio

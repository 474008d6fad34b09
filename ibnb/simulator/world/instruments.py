"""The instruments that a simulated gateway knows, and the contracts that ask for them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ibnb.simulator.words import words

CONTRACT_FIELDS = 12
"""How many fields a contract takes in a request."""
SECURITY_TYPES = frozenset(
    words("STK OPT FUT CONTFUT FOP IND CASH BAG CFD BOND CMDTY FUND CRYPTO NEWS WAR IOPT")
)
"""Every secType that a gateway accepts in a request, known here or not."""

_EXPIRY_MONTHS = {3: "H", 6: "M", 9: "U", 12: "Z"}
_FRIDAY = 4
_ROLL_DAYS = 8
_STOCK_EXCHANGES = "SMART,AMEX,NYSE,CBOE,ISLAND,ARCA,NASDAQ,IEX,BATS,MEMX,OVERNIGHT"


@dataclass(frozen=True)
class Instrument:
    """One tradable contract, with what contract details say of it and where its price starts."""

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
    market_name: str = ""
    expiry: str = ""
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
    def listed_on(self) -> str:
        """The exchange that positions and portfolio values name."""
        return self.primary_exchange or self.exchange


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
            ValueError: there are fewer, or the conId is no number.
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

    def matches(self, instrument: Instrument) -> bool:
        """Say whether an instrument is what this contract asks for."""
        if self.con_id and self.con_id != instrument.con_id:
            return False
        asked = (
            (self.symbol, instrument.symbol),
            (self.sec_type.replace("CONTFUT", "FUT"), instrument.sec_type),
            (self.currency, instrument.currency),
            (self.local_symbol, instrument.local_symbol),
            (self.trading_class, instrument.trading_class),
            (self.primary_exchange, instrument.primary_exchange),
            (self.multiplier, instrument.multiplier),
        )
        if not self.con_id and any(want and want != has for want, has in asked):
            return False
        on_exchange = not self.exchange or self.exchange in instrument.exchanges.split(",")
        return on_exchange and instrument.expiry.startswith(self.expiry[:8])


def find(instruments: Sequence[Instrument], spec: ContractSpec) -> list[Instrument]:
    """Return the instruments that a contract asks for: none, one or several."""
    return [instrument for instrument in instruments if spec.matches(instrument)]


def like(instruments: Sequence[Instrument], pattern: str) -> list[Instrument]:
    """Return what people may mean by the beginning of a symbol, or of a word of a name.

    Futures are no answer: what they are derived from would be.
    """
    beginning = pattern.strip().upper()
    return [
        instrument
        for instrument in instruments
        if beginning
        and instrument.sec_type != "FUT"
        and any(
            word.startswith(beginning)
            for word in (instrument.symbol, *instrument.long_name.upper().split())
        )
    ]


def instruments_on(day: dt.date) -> tuple[Instrument, ...]:
    """Return the instruments known on a day; the future's expiry depends on it."""
    return (
        replace(_stock(265598, "AAPL", "APPLE INC", 230.0), isin="US0378331005"),
        replace(_stock(272093, "MSFT", "MICROSOFT CORP", 430.0), isin="US5949181045"),
        _stock(43645865, "IBKR", "INTERACTIVE BROKERS GRO-CL A", 180.0),
        replace(
            _stock(756733, "SPY", "SS SPDR S&P 500 ETF TRUST-US", 600.0),
            primary_exchange="ARCA",
            trading_class="SPY",
            market_name="SPY",
            industry="Funds",
            category="Equity Fund",
            stock_type="ETF",
            isin="US78462F1030",
        ),
        _pair(12087792, "EUR", "European Monetary Union Euro", 1.1),
        _pair(12087797, "GBP", "British pound", 1.3),
        _future(_next_expiry(day)),
    )


def _stock(con_id: int, symbol: str, name: str, price: float) -> Instrument:
    return Instrument(
        con_id,
        symbol,
        "STK",
        "SMART",
        "NASDAQ",
        "USD",
        symbol,
        "NMS",
        name,
        price,
        0.01,
        _STOCK_EXCHANGES,
        market_name="NMS",
        industry="Technology",
        stock_type="COMMON",
        min_size="0.0001",
        size_increment="0.0001",
        suggested_size="100",
    )


def _pair(con_id: int, base: str, name: str, price: float) -> Instrument:
    local = f"{base}.USD"
    return Instrument(
        con_id,
        base,
        "CASH",
        "IDEALPRO",
        "",
        "USD",
        local,
        local,
        name,
        price,
        0.00005,
        "IDEALPRO",
        market_name=local,
        min_size="0.01",
        size_increment="0.01",
        suggested_size="0.01",
    )


def _future(expiry: dt.date) -> Instrument:
    local = f"ES{_EXPIRY_MONTHS[expiry.month]}{expiry.year % 10}"
    return Instrument(
        # A conId for each expiry, as on the real exchange; 4950000xx is nobody's.
        495_000_000 + expiry.year * 100 + expiry.month,
        "ES",
        "FUT",
        "CME",
        "",
        "USD",
        local,
        "ES",
        "E-mini S&P 500",
        6000.0,
        0.25,
        "CME,QBALGO",
        market_name="ES",
        expiry=f"{expiry:%Y%m%d}",
        multiplier="50",
        under_con_id=11004968,
        under_symbol="ES",
        under_sec_type="IND",
    )


def _next_expiry(day: dt.date) -> dt.date:
    """The quarterly expiry (a third Friday) that is traded on a day: not the one just ending."""
    year, month = day.year, day.month
    while True:
        if month in _EXPIRY_MONTHS:
            first = dt.date(year, month, 1)
            friday = first + dt.timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)
            if friday >= day + dt.timedelta(days=_ROLL_DAYS):
                return friday
        year, month = (year, month + 1) if month < max(_EXPIRY_MONTHS) else (year + 1, 1)

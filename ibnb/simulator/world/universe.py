"""The instruments of a simulated gateway: any well-formed stock or pair, and some of all else.

What a contract means depends on the seed, the day and the contract alone, so that a gateway that
starts again, or another one with the same seed, knows the same instruments by the same conIds.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from .calendars import (
    CRYPTO,
    CURRENCIES,
)
from .instruments import ContractSpec, Instrument, LegSpec, Timetable
from .listings import (
    CFDS,
    COINS,
    EXPIRY_MONTHS,
    FRIDAY,
    FUNDS,
    INDICES,
    MARKETS,
    MONEY,
    ROOTS,
    STOCKS,
    STRIKE_STEPS,
    WARRANTS,
    Market,
    make_fund,
    make_future,
    make_option,
    make_pair,
    make_warrant,
    option_class,
    pair_id,
    quarterly_expiries,
    third_friday,
)
from .market import price_at
from .paths import Path
from .pins import Pins

DENIED = frozenset({"XXX"})
"""Symbols of stocks that are well-formed and still nobody's: what a notebook tries to see a 200."""
DEFAULT_SEED = 1

_STOCK_EXCHANGES = "SMART,AMEX,NYSE,CBOE,ISLAND,ARCA,NASDAQ,IEX,BATS,MEMX,OVERNIGHT"
_SYMBOL = re.compile(r"[A-Z]{1,5}|[A-Z]{1,3}[ .][A-Z]")
_NUMBER = re.compile(r"\d{1,5}")
_COMBINATION = 28812380
"""The conId that every combination has."""
_LETTERS = " ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789."
_FIRST_STOCK = 1_000_000_000
_WEEKLIES = 8
_MONTHLIES = 12
_FUTURES = 4
_WARRANT_STRIKES = 10


class Universe:
    """What can be traded, by contract and by conId.

    Args:
        seed: what makes this world's prices.
        day: what is traded depends on it: futures and options end. It may be set later.
        keeps_hours: whether everything is traded in its exchange's hours only; its `timetable`
            says so from then on.
    """

    def __init__(
        self,
        seed: int = DEFAULT_SEED,
        day: dt.date | None = None,
        *,
        keeps_hours: bool = False,
    ) -> None:
        self._seed = seed
        self.day = day or dt.datetime.now(dt.UTC).date()
        self.timetable = Timetable(keeps_hours)
        self._known: dict[int, Instrument] = {}
        self._named: dict[tuple[str, ...], Instrument] = {}
        self._added: dict[tuple[str, str, str], Instrument] = {}

    def add(self, instrument: Instrument) -> Instrument:
        """Make an instrument known, in place of the one with its type, symbol and expiry."""
        key = instrument.sec_type, instrument.symbol, instrument.expiry
        added = self._keep(("added", *key), instrument)
        self._added[key] = added
        return added

    def find(self, spec: ContractSpec) -> list[Instrument]:
        """Return the instruments that a contract asks for: none, one or several."""
        if spec.con_id:
            known = self.by_con_id(spec.con_id)
            return [known] if known and spec.matches(known) else []
        found = [one for one in self._candidates(spec) if spec.matches(one)]
        return found[:1] if spec.sec_type == "CONTFUT" else found

    def combine(self, spec: ContractSpec, legs: Sequence[LegSpec]) -> Instrument | None:
        """Return the combination of these legs; None if one of them is not known."""
        found = [(self.by_con_id(leg.con_id), leg.signed) for leg in legs]
        known = tuple((one, ratio) for one, ratio in found if one is not None and ratio)
        if not known or len(known) < len(legs):
            return None
        first = known[0][0]
        local = ",".join(f"{one.con_id}|{ratio}" for one, ratio in known)
        return replace(
            first,
            con_id=_COMBINATION,
            symbol=spec.symbol or first.symbol,
            sec_type="BAG",
            exchange=spec.exchange,
            primary_exchange="",
            local_symbol=str(_COMBINATION),
            trading_class="COMB",
            long_name=local,
            price=0.0,
            exchanges=spec.exchange,
            path=None,
            underlying=None,
            legs=known,
            expiry="",
            strike=0.0,
            right="",
            multiplier="",
            pins=Pins(),
        )

    def find_by_id(self, kind: str, number: str) -> list[Instrument]:
        """Return the instruments with an ISIN or a CUSIP; of the other kinds none is known."""
        known = [*self.well_known, self._bond()]
        ids = {"ISIN": lambda isin: isin, "CUSIP": lambda isin: isin[2:11]}
        read = ids.get(kind)
        return [one for one in known if read and one.isin and read(one.isin) == number]

    def by_con_id(self, con_id: int) -> Instrument | None:
        """Return the instrument with a conId, or None."""
        if con_id not in self._known:
            for kind in ("STK", "IND", "CRYPTO", "CFD", "BOND", "CMDTY", "FUT", "FUND"):
                for symbol in self._symbols(kind):
                    for _ in self._candidates(ContractSpec(symbol=symbol, sec_type=kind)):
                        pass
            self._decode(con_id)
        return self._known.get(con_id)

    def rate(self, currency: str, time: float) -> float:
        """Return what one unit of a currency is worth in US dollars."""
        if currency == "USD":
            return 1.0
        for one in self._pairs(ContractSpec(symbol=currency, currency="USD")):
            return price_at(one, time)
        for one in self._pairs(ContractSpec(symbol="USD", currency=currency)):
            return 1 / price_at(one, time)
        coin = next(iter(self._candidates(ContractSpec(symbol=currency, sec_type="CRYPTO"))), None)
        return price_at(coin, time) if coin else 1.0

    def like(self, pattern: str) -> list[Instrument]:
        """Return what people may mean by the beginning of a symbol, or of a word of a name.

        Futures are not an answer: what they are derived from would be. A symbol that is
        well-formed and written in full is one, too.
        """
        beginning = pattern.strip().upper()
        if not beginning:
            return []
        named = [
            instrument
            for kind in ("STK", "CASH", "IND", "CRYPTO")
            for symbol in self._symbols(kind)
            for instrument in self._candidates(ContractSpec(symbol=symbol, sec_type=kind))
            if instrument.currency == "USD"
            if any(
                word.startswith(beginning)
                for word in (instrument.symbol, *instrument.long_name.upper().split())
            )
        ]
        return named or self.find(ContractSpec(symbol=beginning, sec_type="STK", currency="USD"))

    @property
    def well_known(self) -> list[Instrument]:
        """The stocks that this world knows by name."""
        return [one for symbol in STOCKS for one in self._stocks(symbol, "USD")]

    def expirations(self, underlying: Instrument) -> list[str]:
        """Return when options on an instrument end: the next Fridays, and one in each month."""
        friday = self.day + dt.timedelta(days=(FRIDAY - self.day.weekday()) % 7)
        dates = {friday + dt.timedelta(weeks=week) for week in range(_WEEKLIES)}
        if underlying.sec_type == "FUT":
            # An option ends with its future, or before it and after the one that ended last.
            ends = sorted(
                one.expiry for one in self._futures(ContractSpec(symbol=underlying.symbol))
            )
            if underlying.expiry not in ends:
                return []
            before = ends[ends.index(underlying.expiry) - 1] if underlying.expiry != ends[0] else ""
        year, month = self.day.year, self.day.month
        for _ in range(_MONTHLIES):
            dates.add(third_friday(year, month))
            year, month = (year, month + 1) if month < max(EXPIRY_MONTHS) else (year + 1, 1)
        found = sorted(f"{date:%Y%m%d}" for date in dates if date >= self.day)
        if underlying.sec_type != "FUT":
            return found
        return [date for date in found if before < date <= underlying.expiry]

    def underlyings(self, instrument: Instrument) -> list[Instrument]:
        """Return on what the options are that are meant by one on an instrument: all its futures.

        Of a stock or an index that has options itself it is that.
        """
        if self.has_options(instrument):
            return [instrument]
        is_root = instrument.sec_type == "IND" and instrument.symbol in ROOTS
        return list(self._futures(ContractSpec(symbol=instrument.symbol))) if is_root else []

    def option_classes(self, underlying: Instrument) -> dict[str, list[str]]:
        """Return the trading classes of the options on an instrument, each with when it ends."""
        classes: dict[str, list[str]] = {}
        for expiry in self.expirations(underlying):
            classes.setdefault(option_class(underlying, expiry), []).append(expiry)
        return classes

    def strikes(self, underlying: Instrument) -> list[float]:
        """Return the strikes of the options on an instrument, half to one and a half its price."""
        home = underlying.price
        step = next(step for limit, step in STRIKE_STEPS if home < limit)
        first, last = math.ceil(home * 0.5 / step), math.floor(home * 1.5 / step)
        return [round(number * step, 2) for number in range(first, last + 1)]

    def has_options(self, instrument: Instrument) -> bool:
        """Say whether options on an instrument are traded."""
        is_index = instrument.sec_type == "IND" and instrument.symbol in {"SPX", "NDX"}
        is_stock = instrument.sec_type == "STK" and instrument.currency == "USD"
        return is_index or is_stock or instrument.sec_type == "FUT"

    def _symbols(self, kind: str) -> Iterable[str]:
        tables: dict[str, Iterable[str]] = {
            "STK": STOCKS,
            "CASH": MONEY,
            "IND": INDICES,
            "FUT": ROOTS,
            "CRYPTO": COINS,
            "CFD": (*CFDS, *STOCKS),
            "CMDTY": ("XAUUSD",),
            "BOND": ("US-T",),
            "FUND": FUNDS,
        }
        return tables[kind]

    def _candidates(self, spec: ContractSpec) -> Iterable[Instrument]:
        """Everything of the kind and symbol that a contract names; what was added comes first."""
        wanted = spec.kind, spec.symbol or spec.local_symbol
        added = [one for one in self._added.values() if (one.sec_type, one.symbol) == wanted]
        return added or self._own(spec)

    def _own(self, spec: ContractSpec) -> Iterator[Instrument]:
        """What there is of a kind and symbol unless something else was added."""
        symbol = spec.symbol or spec.local_symbol
        match spec.kind:
            case "STK":
                yield from self._stocks(symbol, spec.currency)
            case "CASH":
                yield from self._pairs(spec)
            case "IND" if symbol in INDICES:
                yield self._index(symbol)
            case "FUT":
                yield from self._futures(spec)
            case "OPT" | "FOP" | "WAR":
                yield from self._with_rights(spec)
            case "FUND" | "CMDTY":
                yield from self._funds_and_gold(symbol)
            case "CRYPTO" if symbol in COINS:
                yield self._coin(symbol)
            case "CFD":
                yield from self._cfds(symbol)
            case "BOND" if symbol in {"US-T", "912828C57"}:
                yield self._bond()

    def _keep(self, key: tuple[str, ...], instrument: Instrument, **path: float) -> Instrument:
        """Remember an instrument and give it its price path, the first time it is asked for."""
        if instrument.underlying is None:
            made = Path(
                zlib.crc32("|".join((str(self._seed), *key)).encode()),
                instrument.in_ticks(instrument.price),
                instrument.hours,
                volatility=path.get("volatility", 1.0),
                volume=int(path.get("volume", 3_000_000)),
            )
            instrument = replace(instrument, path=made)
        instrument = replace(instrument, timetable=self.timetable)
        self._named[key] = self._known[instrument.con_id] = instrument
        return instrument

    def _stocks(self, symbol: str, currency: str) -> Iterator[Instrument]:
        if symbol in DENIED:
            return
        # A company's shares are listed in several places: without a currency all of them are meant.
        for one in (currency,) if currency else ("USD", "EUR", "MXN"):
            market = MARKETS.get(one)
            if market is None or not (_NUMBER if market.numbers else _SYMBOL).fullmatch(symbol):
                continue
            key = ("STK", symbol, one)
            yield self._named.get(key) or self._keep(key, self._stock(symbol, one, market))

    def _stock(self, symbol: str, currency: str, market: Market) -> Instrument:
        known = STOCKS.get(symbol) if currency == "USD" else None
        luck = zlib.crc32(f"{symbol}|{currency}".encode())
        price = round(10 * 40 ** (luck % 1000 / 1000), 2)
        con_id, exchange, group, name, price, industry, isin = known or (
            _FIRST_STOCK + _number(symbol) * 10 + list(MARKETS).index(currency),
            market.exchange,
            symbol,
            f"{symbol} CORP",
            price,
            "Industrial",
            "",
        )
        is_fund = industry == "Funds"
        return Instrument(
            con_id,
            symbol,
            "STK",
            "SMART",
            exchange,
            currency,
            symbol,
            group,
            name,
            price,
            0.01,
            _STOCK_EXCHANGES if currency == "USD" else f"SMART,{exchange}",
            hours=market.hours,
            market_name=group,
            industry=industry,
            category="Equity Fund" if is_fund else "",
            stock_type="ETF" if is_fund else "COMMON",
            isin=isin,
            min_size="0.0001",
            size_increment="0.0001",
            suggested_size="100",
            derivatives=("CFD", "OPT") if currency == "USD" else (),
        )

    def _pairs(self, spec: ContractSpec) -> Iterator[Instrument]:
        base, _, quoted = spec.local_symbol.partition(".")
        base, quoted = spec.symbol or base, spec.currency or quoted
        names = list(MONEY)
        if base not in MONEY:
            return
        for other in (quoted,) if quoted else ("USD",):
            if other not in MONEY or names.index(base) >= names.index(other):
                continue
            key = ("CASH", base, other)
            yield self._named.get(key) or self._keep(
                key, make_pair(base, other), volatility=0.4, volume=0
            )

    def _index(self, symbol: str) -> Instrument:
        key = ("IND", symbol)
        con_id, exchange, currency, name, price, hours = INDICES[symbol]
        made = Instrument(
            con_id,
            symbol,
            "IND",
            exchange,
            "",
            currency,
            symbol,
            symbol,
            name,
            price,
            0.01,
            exchange,
            hours=hours,
            market_name=symbol,
            derivatives=("OPT",),
        )
        return self._named.get(key) or self._keep(key, made, volatility=0.7)

    def _futures(self, spec: ContractSpec) -> Iterator[Instrument]:
        roots = [root for root in ROOTS if root == spec.symbol or not spec.symbol]
        for root in roots:
            for expiry in quarterly_expiries(self.day, _FUTURES):
                key = ("FUT", root, f"{expiry:%Y%m%d}")
                yield self._named.get(key) or self._keep(
                    key, make_future(root, expiry), volatility=0.7, volume=900_000
                )

    def _options(self, spec: ContractSpec) -> Iterator[Instrument]:
        symbol = spec.symbol or spec.local_symbol[:6].strip().replace("SPXW", "SPX")
        kind = "IND" if symbol in INDICES else "STK"
        wanted = ContractSpec(symbol=symbol, sec_type=kind, currency=spec.currency or "USD")
        for underlying in self.find(wanted):
            if self.has_options(underlying):
                yield from self._chain(underlying, spec)

    def _chain(self, underlying: Instrument, spec: ContractSpec) -> Iterator[Instrument]:
        for expiry in self.expirations(underlying):
            if not expiry.startswith(spec.expiry[:8]):
                continue
            for strike in self.strikes(underlying):
                if spec.wanted_strike not in (0.0, strike):
                    continue
                for right in "CP":
                    if spec.right[:1].upper() not in ("", "0", "?", right):
                        continue
                    key = ("OPT", str(underlying.con_id), expiry, str(strike), right)
                    yield self._named.get(key) or self._keep(
                        key, make_option(underlying, expiry, strike, right)
                    )

    def _with_rights(self, spec: ContractSpec) -> Iterator[Instrument]:
        """Options on stocks, indices and futures, and warrants."""
        kinds = {"OPT": self._options, "FOP": self._future_options, "WAR": self._warrants}
        return kinds[spec.kind](spec)

    def _funds_and_gold(self, symbol: str) -> Iterator[Instrument]:
        if symbol in FUNDS:
            key = ("FUND", symbol)
            yield self._named.get(key) or self._keep(key, make_fund(symbol), volume=0)
        elif symbol == "XAUUSD":
            yield self._gold()

    def _future_options(self, spec: ContractSpec) -> Iterator[Instrument]:
        for root in ROOTS:
            if root == spec.symbol or (not spec.symbol and spec.local_symbol.startswith(root)):
                for future in self._futures(ContractSpec(symbol=root)):
                    yield from self._chain(future, spec)

    def _warrants(self, spec: ContractSpec) -> Iterator[Instrument]:
        symbol = spec.symbol or spec.local_symbol.partition("W ")[0]
        if symbol not in WARRANTS:
            return
        index = self._index(symbol)
        for expiry in quarterly_expiries(self.day, _FUTURES):
            for strike in self.strikes(index)[::_WARRANT_STRIKES]:
                for right in "CP":
                    key = ("WAR", symbol, f"{expiry:%Y%m%d}", str(strike), right)
                    yield self._named.get(key) or self._keep(
                        key, make_warrant(index, f"{expiry:%Y%m%d}", strike, right)
                    )

    def _coin(self, symbol: str) -> Instrument:
        key = ("CRYPTO", symbol)
        con_id, name, price, tick = COINS[symbol]
        made = Instrument(
            con_id,
            symbol,
            "CRYPTO",
            "PAXOS",
            "",
            "USD",
            f"{symbol}.USD",
            symbol,
            name,
            price,
            tick,
            "PAXOS,ZEROHASH",
            hours=CRYPTO,
            market_name=symbol,
            min_size="0.00000001",
            size_increment="0.00000001",
            suggested_size="1",
        )
        return self._named.get(key) or self._keep(key, made, volatility=2.0, volume=20_000)

    def _cfds(self, symbol: str) -> Iterator[Instrument]:
        if symbol not in CFDS and symbol not in STOCKS:
            return
        if symbol in CFDS:
            con_id, currency, name, price, tick = CFDS[symbol]
        else:
            (stock,) = self._stocks(symbol, "USD")
            con_id, currency, name = 130_000_000 + stock.con_id % 10_000_000, "USD", stock.long_name
            price, tick = stock.price, stock.min_tick
        key = ("CFD", symbol)
        made = Instrument(
            con_id, symbol, "CFD", "SMART", "", currency, symbol, symbol, name, price, tick, "SMART"
        )
        yield self._named.get(key) or self._keep(key, made, volatility=0.8)

    def _gold(self) -> Instrument:
        key = ("CMDTY", "XAUUSD")
        made = Instrument(
            69067924,
            "XAUUSD",
            "CMDTY",
            "SMART",
            "",
            "USD",
            "XAUUSD",
            "XAUUSD",
            "London Gold",
            2600.0,
            0.01,
            "SMART,IBCMDTY",
            hours=CURRENCIES,
        )
        return self._named.get(key) or self._keep(key, made, volatility=0.7, volume=0)

    def _bond(self) -> Instrument:
        key = ("BOND", "US-T")
        made = Instrument(
            147554578,
            "US-T",
            "BOND",
            "SMART",
            "",
            "USD",
            "US-T",
            "T",
            "United States Treasury",
            98.0,
            0.015625,
            "SMART",
            market_name="T",
            isin="US912828C574",
            multiplier="10",
        )
        return self._named.get(key) or self._keep(key, made, volatility=0.1, volume=1_000)

    def _decode(self, con_id: int) -> None:
        """Make known the stock or pair that a conId of this world's own stands for."""
        if con_id >= _FIRST_STOCK:
            symbol, currency = _symbol((con_id - _FIRST_STOCK) // 10), con_id % 10
            for _ in self._stocks(symbol, list(MARKETS)[currency]):
                pass
            return
        pairs = {pair_id(base, other): (base, other) for base in MONEY for other in MONEY}
        if con_id in pairs:
            base, other = pairs[con_id]
            for _ in self._pairs(ContractSpec(symbol=base, currency=other)):
                pass


def _number(symbol: str) -> int:
    """A symbol as a number, so that its conId can be read back."""
    total = 0
    for letter in symbol[:5]:
        total = total * len(_LETTERS) + _LETTERS.index(letter)
    return total


def _symbol(number: int) -> str:
    letters = ""
    while number:
        number, letter = divmod(number, len(_LETTERS))
        letters = _LETTERS[letter] + letters
    return letters

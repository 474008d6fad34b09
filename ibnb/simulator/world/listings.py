"""The listings of the simulated world: what is known by name, and how the rest is made."""

from __future__ import annotations

import datetime as dt
import math
import zlib
from dataclasses import dataclass, replace

from .calendars import (
    CHICAGO,
    CURRENCIES,
    EUROPE,
    HONG_KONG,
    LONDON,
    TOKYO,
    US,
    Hours,
)
from .instruments import Instrument

_FIRST_PAIR = 15_000_000
_FIRST_OPTION = 600_000_000
_OPTIONS = 390_000_000
_FIRST_FUTURE = 495_000_000
FRIDAY = 4
_ROLL_DAYS = 8
EXPIRY_MONTHS = {3: "H", 6: "M", 9: "U", 12: "Z"}


@dataclass(frozen=True)
class Market:
    """Where the stocks of a currency are listed."""

    exchange: str
    hours: Hours
    numbers: bool = False


MARKETS = {
    "USD": Market("NYSE", US),
    "EUR": Market("IBIS", EUROPE),
    "GBP": Market("LSE", LONDON),
    "CHF": Market("EBS", EUROPE),
    "SEK": Market("SFB", EUROPE),
    "CAD": Market("TSE", US),
    "MXN": Market("MEXI", US),
    "JPY": Market("TSEJ", TOKYO, numbers=True),
    "HKD": Market("SEHK", HONG_KONG, numbers=True),
    "AUD": Market("ASX", TOKYO),
}
MONEY = {
    "EUR": ("European Monetary Union Euro", 1.1),
    "GBP": ("British pound", 1.3),
    "AUD": ("Australian dollar", 0.66),
    "NZD": ("New Zealand dollar", 0.6),
    "USD": ("United States dollar", 1.0),
    "CAD": ("Canadian dollar", 0.73),
    "CHF": ("Swiss franc", 1.15),
    "NOK": ("Norwegian krone", 0.095),
    "SEK": ("Swedish krona", 0.1),
    "DKK": ("Danish krone", 0.148),
    "SGD": ("Singapore dollar", 0.76),
    "HKD": ("Hong Kong dollar", 0.128),
    "MXN": ("Mexican peso", 0.055),
    "CNH": ("Chinese renminbi (offshore)", 0.14),
    "ZAR": ("South African rand", 0.055),
    "PLN": ("Polish zloty", 0.26),
    "CZK": ("Czech koruna", 0.044),
    "HUF": ("Hungarian forint", 0.0028),
    "ILS": ("Israeli shekel", 0.27),
    "JPY": ("Japanese yen", 0.0067),
}
"""Names, and what one is worth in US dollars; a pair is quoted with the earlier one first."""
PAIR_IDS = {("EUR", "USD"): 12087792, ("GBP", "USD"): 12087797, ("USD", "JPY"): 15016059}
STOCKS = {
    "AAPL": (265598, "NASDAQ", "NMS", "APPLE INC", 230.0, "Technology", "US0378331005"),
    "MSFT": (272093, "NASDAQ", "NMS", "MICROSOFT CORP", 430.0, "Technology", "US5949181045"),
    "IBKR": (43645865, "NASDAQ", "NMS", "INTERACTIVE BROKERS GRO-CL A", 180.0, "Financial", ""),
    "AMD": (4391, "NASDAQ", "NMS", "ADVANCED MICRO DEVICES", 160.0, "Technology", ""),
    "INTC": (270639, "NASDAQ", "NMS", "INTEL CORP", 30.0, "Technology", ""),
    "TSLA": (76792991, "NASDAQ", "NMS", "TESLA INC", 250.0, "Consumer, Cyclical", ""),
    "NVDA": (4815747, "NASDAQ", "NMS", "NVIDIA CORP", 140.0, "Technology", ""),
    "AMZN": (3691937, "NASDAQ", "NMS", "AMAZON.COM INC", 200.0, "Communications", ""),
    "GOOGL": (208813719, "NASDAQ", "NMS", "ALPHABET INC-CL A", 190.0, "Communications", ""),
    "META": (107113386, "NASDAQ", "NMS", "META PLATFORMS INC-CLASS A", 560.0, "Communications", ""),
    "IBM": (8314, "NYSE", "IBM", "INTL BUSINESS MACHINES CORP", 220.0, "Technology", ""),
    "GE": (498843743, "NYSE", "GE", "GENERAL ELECTRIC", 170.0, "Industrial", ""),
    "F": (9599491, "NYSE", "F", "FORD MOTOR CO", 11.0, "Consumer, Cyclical", ""),
    "KO": (8894, "NYSE", "KO", "COCA-COLA CO/THE", 65.0, "Consumer, Non-cyclical", ""),
    "SPY": (756733, "ARCA", "SPY", "SS SPDR S&P 500 ETF TRUST-US", 600.0, "Funds", "US78462F1030"),
    "QQQ": (320227571, "NASDAQ", "NMS", "INVESCO QQQ TRUST SERIES 1", 500.0, "Funds", ""),
}
"""conId, exchange, class, name, home price, industry, ISIN."""
INDICES = {
    "SPX": (416904, "CBOE", "USD", "S&P 500 Stock Index", 6000.0, US),
    "NDX": (416843, "NASDAQ", "USD", "NASDAQ 100 Stock Index", 21_000.0, US),
    "VIX": (13455763, "CBOE", "USD", "CBOE Volatility Index", 18.0, US),
    "ES": (11004968, "CME", "USD", "E-mini S&P 500", 6000.0, US),
    "DAX": (825711, "EUREX", "EUR", "DAX 40 Index", 20_000.0, EUROPE),
}
ROOTS = {
    "ES": ("CME", "CME,QBALGO", "E-mini S&P 500", 6000.0, 0.25, "50"),
    "NQ": ("CME", "CME,QBALGO", "E-mini NASDAQ 100", 21_000.0, 0.25, "20"),
    "MES": ("CME", "CME,QBALGO", "Micro E-Mini S&P 500", 6000.0, 0.25, "5"),
    "MNQ": ("CME", "CME,QBALGO", "Micro E-Mini NASDAQ 100", 21_000.0, 0.25, "2"),
    "GC": ("COMEX", "COMEX", "Gold", 2600.0, 0.1, "100"),
    "CL": ("NYMEX", "NYMEX", "Light Sweet Crude Oil", 70.0, 0.01, "1000"),
}
COINS = {
    "BTC": (479624278, "Bitcoin cryptocurrency", 90_000.0, 0.25),
    "ETH": (495759171, "Ethereum cryptocurrency", 3300.0, 0.01),
}
CFDS = {
    "IBUS500": (111987407, "USD", "US 500 Index", 6000.0, 0.01),
    "IBUS30": (111987422, "USD", "US 30 Index", 44_000.0, 0.01),
    "IBUS100": (111987469, "USD", "US 100 Index", 21_000.0, 0.01),
    "IBGB100": (111987448, "GBP", "UK 100 Index", 8_300.0, 0.01),
    "IBEU50": (111987436, "EUR", "Europe 50 Index", 5_000.0, 0.01),
    "IBDE40": (111987415, "EUR", "Germany 40 Index", 20_000.0, 0.01),
}


FUNDS = {
    "VFIAX": (91_930_201, "VANGUARD 500 INDEX FUND-ADM", 550.0),
    "VTSAX": (91_930_202, "VANGUARD TOTAL STOCK MKT IDX-ADM", 140.0),
    "FXAIX": (91_930_203, "FIDELITY 500 INDEX FUND", 205.0),
}
"""conId, name, home price."""
WARRANTS = {"DAX": "SMART,SWB,FWB"}
"""Indices on which warrants are issued, and where those are traded."""


STRIKE_STEPS = ((25, 0.5), (100, 1.0), (250, 2.5), (1000, 5.0), (10_000, 25.0), (math.inf, 100.0))


def third_friday(year: int, month: int) -> dt.date:
    """Return the third Friday of a month, when most derivatives end."""
    first = dt.date(year, month, 1)
    return first + dt.timedelta(days=(FRIDAY - first.weekday()) % 7 + 14)


def quarterly_expiries(day: dt.date, count: int) -> list[dt.date]:
    """Return the next quarterly expiries that are traded on a day: not one just ending."""
    found: list[dt.date] = []
    year, month = day.year, day.month
    while len(found) < count:
        if month in EXPIRY_MONTHS:
            friday = third_friday(year, month)
            if friday >= day + dt.timedelta(days=_ROLL_DAYS):
                found.append(friday)
        year, month = (year, month + 1) if month < max(EXPIRY_MONTHS) else (year + 1, 1)
    return found


def pair_id(base: str, other: str) -> int:
    """Return the conId of a currency pair."""
    names = list(MONEY)
    own = _FIRST_PAIR + names.index(base) * 100 + names.index(other)
    return PAIR_IDS.get((base, other), own)


def make_pair(base: str, other: str) -> Instrument:
    """Return a currency pair."""
    local = f"{base}.{other}"
    name, worth = MONEY[base]
    price = worth / MONEY[other][1]
    tick = 0.005 if other in {"JPY", "HUF"} else 0.00005
    return Instrument(
        pair_id(base, other),
        base,
        "CASH",
        "IDEALPRO",
        "",
        other,
        local,
        local,
        name,
        round(price, 5),
        tick,
        "IDEALPRO",
        hours=CURRENCIES,
        market_name=local,
        min_size="0.01",
        size_increment="0.01",
        suggested_size="0.01",
    )


def make_future(root: str, expiry: dt.date) -> Instrument:
    """Return a future by its root and expiry."""
    exchange, exchanges, name, price, tick, multiplier = ROOTS[root]
    under = INDICES.get(root)
    return Instrument(
        # A conId for each expiry, as on the real exchange; 4950000xx is nobody's.
        _FIRST_FUTURE + list(ROOTS).index(root) * 1_000_000 + expiry.year * 100 + expiry.month,
        root,
        "FUT",
        exchange,
        "",
        "USD",
        f"{root}{EXPIRY_MONTHS[expiry.month]}{expiry.year % 10}",
        root,
        name,
        price,
        tick,
        exchanges,
        hours=CHICAGO,
        market_name=root,
        expiry=f"{expiry:%Y%m%d}",
        multiplier=multiplier,
        under_con_id=under[0] if under else 0,
        under_symbol=root,
        under_sec_type="IND",
    )


def option_class(underlying: Instrument, expiry: str) -> str:
    """Return the trading class of an option: those on SPX that end weekly have one of their own."""
    ends_monthly = third_friday(int(expiry[:4]), int(expiry[4:6])) == parse_day(expiry)
    weekly = underlying.symbol == "SPX" and not ends_monthly
    return f"{underlying.symbol}W" if weekly else underlying.symbol


def parse_day(text: str) -> dt.date:
    """Return a day that is written as yyyymmdd."""
    return dt.date(int(text[:4]), int(text[4:6]), int(text[6:8]))


def make_option(underlying: Instrument, expiry: str, strike: float, right: str) -> Instrument:
    """Return an option on an instrument."""
    symbol = underlying.symbol
    group = option_class(underlying, expiry)
    local = f"{group:<6}{expiry[2:]}{right}{round(strike * 1000):08d}"
    on_future = underlying.sec_type == "FUT"
    key = f"{underlying.con_id}|{expiry}|{strike}|{right}"
    return Instrument(
        _FIRST_OPTION + zlib.crc32(key.encode()) % _OPTIONS,
        symbol,
        "FOP" if on_future else "OPT",
        underlying.exchange if on_future else "SMART",
        "",
        underlying.currency,
        f"{underlying.local_symbol} {expiry[2:]}{right}{strike:g}" if on_future else local,
        group,
        underlying.long_name,
        0.0,
        underlying.min_tick if on_future else 0.01,
        underlying.exchanges if on_future else "SMART,AMEX,CBOE,PHLX,ISE,BOX,NASDAQOM",
        underlying=underlying,
        hours=underlying.hours,
        market_name=group,
        expiry=expiry,
        strike=strike,
        right=right,
        multiplier=underlying.multiplier if on_future else "100",
        under_con_id=underlying.con_id,
        under_symbol=underlying.local_symbol if on_future else symbol,
        under_sec_type=underlying.sec_type,
    )


def make_warrant(underlying: Instrument, expiry: str, strike: float, right: str) -> Instrument:
    """Return a warrant on an index: a hundredth of it, traded where its issuer lists it."""
    made = make_option(underlying, expiry, strike, right)
    local = f"{underlying.symbol}W {expiry[2:]}{right}{strike:g}"
    return replace(
        made,
        con_id=_FIRST_OPTION + zlib.crc32(local.encode()) % _OPTIONS,
        sec_type="WAR",
        exchange="SWB",
        local_symbol=local,
        trading_class=f"{underlying.symbol}W",
        market_name=f"{underlying.symbol}W",
        exchanges=WARRANTS[underlying.symbol],
        multiplier="0.01",
    )


def make_fund(symbol: str) -> Instrument:
    """Return a mutual fund."""
    con_id, name, price = FUNDS[symbol]
    return Instrument(
        con_id,
        symbol,
        "FUND",
        "FUNDSERV",
        "",
        "USD",
        symbol,
        symbol,
        name,
        price,
        0.01,
        "FUNDSERV",
        market_name=symbol,
        min_size="0.001",
        size_increment="0.001",
        suggested_size="1",
    )

"""The messages about contracts and the market that a simulated gateway sends."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from functools import lru_cache

from ibnb.simulator.world.calendars import day_of, session, trades_on, zone_name, zone_of
from ibnb.simulator.world.history import Bar, BarRequest, Session, bar_date, local_text
from ibnb.simulator.world.instruments import ContractSpec, Instrument
from ibnb.simulator.world.market import Quote
from ibnb.tws import wire
from ibnb.tws.wire import IncomingId

from .messages import ZONED_TIMES_SINCE, plain

STOCK_TYPE_SINCE = 152
FRACTIONAL_SIZES_SINCE = 163
SIZE_RULES_SINCE = 164
ISSUERS_SINCE = 176
FUND_FIELDS_SINCE = 179
LAST_TRADE_DATE_SINCE = 182
INELIGIBILITY_SINCE = 186
BOND_HOURS_SINCE = 188
"""Server versions from which on contract details and samples of symbols differ."""
BARS_END_SINCE = 196
"""From this server version on, the end of historical bars is a message of its own."""

LIVE, DELAYED, PARTIAL = "live", "delayed", "partial"
"""What kind of ticks a login may have: all, those of a while ago, or what needs no permission."""
_DATA_TYPES = {LIVE: 1, DELAYED: 3, PARTIAL: 1}
_BID, _ASK, _LAST, _HIGH, _LOW, _VOLUME, _CLOSE, _OPEN = 1, 2, 4, 6, 7, 8, 9, 14
_SIZE_OF = {_BID: 0, _ASK: 3, _LAST: 5}
_DELAYED_TICKS = dict(
    zip(
        (_BID, _ASK, _LAST, _HIGH, _LOW, _VOLUME, _CLOSE, _OPEN, *_SIZE_OF.values()),
        (66, 67, 68, 72, 73, 74, 75, 76, 69, 70, 71),
        strict=True,
    )
)
_SNAPSHOT_PERMISSIONS = 3
_DAYS_OF_HOURS = 6
_LAST_FUND_FIELDS = 7


def contract_details(
    req_id: int, instrument: Instrument, spec: ContractSpec, version: int, time: float
) -> bytes:
    """Return what is known of an instrument, on the exchange that was asked for."""
    if instrument.sec_type == "BOND":
        return _bond_details(req_id, instrument, spec, version, time)
    zone = zone_name(instrument.hours.zone)
    last_trade = instrument.expiry
    if last_trade:
        zoned = version >= ZONED_TIMES_SINCE
        last_trade += f"-08:30:00-{zone}" if zoned else f" 08:30 {zone}"
    fields: list[object] = [IncomingId.CONTRACT_DETAILS]
    if version < SIZE_RULES_SINCE:
        fields.append(8)
    fields += [
        req_id,
        instrument.symbol,
        # A continuous future is told as what was asked for, with the conId of the one traded now.
        spec.sec_type if spec.sec_type == "CONTFUT" else instrument.sec_type,
        last_trade,
    ]
    if version >= LAST_TRADE_DATE_SINCE:
        fields.append(instrument.expiry)
    fields += [
        f"{instrument.strike:g}",
        instrument.right,
        spec.exchange or instrument.exchange,
        instrument.currency,
        instrument.local_symbol,
        instrument.market_name,
        instrument.trading_class,
        instrument.con_id,
        f"{instrument.min_tick:.{instrument.decimals}f}",
    ]
    if version < SIZE_RULES_SINCE:
        fields.append(100 if instrument.sec_type == "STK" else 1)
    exchanges = instrument.exchanges
    trading, liquid = (_hours(instrument, time, regular=regular) for regular in (False, True))
    fields += [
        instrument.multiplier,
        "ACTIVETIM,ADJUST,ALERT,ALGO,COND,DAY,GTC,GTD,IOC,LIT,LMT,MIT,MKT,STP,STPLMT,TRAIL",
        exchanges,
        1,
        instrument.under_con_id,
        plain(instrument.long_name, version),
        instrument.primary_exchange,
        instrument.expiry[:6],
        instrument.industry,
        instrument.category,
        instrument.subcategory,
        zone,
        trading,
        liquid,
        "",
        0,
    ]
    fields += [1, "ISIN", instrument.isin] if instrument.isin else [0]
    fields += [
        1,
        instrument.under_symbol,
        instrument.under_sec_type,
        ",".join(str(instrument.market_rule) for _ in exchanges.split(",")),
        instrument.expiry,
    ]
    if version >= STOCK_TYPE_SINCE:
        fields.append(instrument.stock_type)
    if version >= SIZE_RULES_SINCE:
        fields += [instrument.min_size, instrument.size_increment, instrument.suggested_size]
    elif version >= FRACTIONAL_SIZES_SINCE:
        fields.append(instrument.size_increment)
    return wire.message(*fields, *_newest_details(instrument, version))


def _newest_details(instrument: Instrument, version: int) -> list[object]:
    """What newer versions put last: of a fund, and why an instrument cannot be traded."""
    fields: list[object] = []
    if version >= FUND_FIELDS_SINCE and instrument.sec_type == "FUND":
        # Of all that may be known of a fund, its name and that it is not closed.
        name = plain(instrument.long_name, version)
        fields += [name, "", "", "", "", "", "", 0, 0, 0, *[""] * _LAST_FUND_FIELDS]
    if version >= INELIGIBILITY_SINCE:
        fields.append(0)
    return fields


def contract_details_end(req_id: int) -> bytes:
    """Return the mark that every match was sent."""
    return wire.message(IncomingId.CONTRACT_DETAILS_END, 1, req_id)


def symbol_samples(req_id: int, found: Sequence[Instrument], version: int) -> bytes:
    """Return the contracts that a search found, in one message."""
    fields: list[object] = [IncomingId.SYMBOL_SAMPLES, req_id, len(found)]
    for one in found:
        fields += [one.con_id, one.symbol, one.sec_type, one.listed_on, one.currency]
        fields += [len(one.derivatives), *one.derivatives]
        if version >= ISSUERS_SINCE:
            fields += [plain(one.long_name, version), ""]
    return wire.message(*fields)


def market_data_start(req_id: int, instrument: Instrument, kind: str = LIVE) -> bytes:
    """Return what precedes the first ticks of a subscription."""
    return wire.message(
        IncomingId.TICK_REQUEST_PARAMETERS,
        req_id,
        f"{instrument.min_tick:.{instrument.decimals}f}",
        "9c0001",
        _SNAPSHOT_PERMISSIONS,
    ) + wire.message(IncomingId.MARKET_DATA_TYPE, 1, req_id, _DATA_TYPES[kind])


def ticks(
    req_id: int, instrument: Instrument, now: Quote, before: Quote | None, kind: str = LIVE
) -> bytes:
    """Return the ticks that lead from one quote to the next; without `before`, all of them."""
    number = b"%d\0" % req_id
    return b"".join(
        wire.frame(head + number + rest) for head, rest in _changes(instrument, now, before, kind)
    )


@lru_cache(maxsize=8192)
def _changes(
    instrument: Instrument, now: Quote, before: Quote | None, of: str
) -> list[tuple[bytes, bytes]]:
    """What the ticks between two quotes hold before and after their reqId.

    Every client that has subscribed is told the same, each under a reqId of its own.
    """
    trades = instrument.has_trades
    known = set() if before is None else set(_prices(before))
    found: list[tuple[int, int, tuple[object, ...]]] = []
    for kind, price, amount in _prices(now):
        if (kind, price, amount) in known or (kind == _LAST and not trades):
            continue
        found.append((IncomingId.TICK_PRICE, kind, (price, amount, 1)))
        if kind in _SIZE_OF:
            found.append((IncomingId.TICK_SIZE, _SIZE_OF[kind], (amount,)))
    if trades and (before is None or before.volume != now.volume):
        found.append((IncomingId.TICK_SIZE, _VOLUME, (now.volume,)))
    if of == PARTIAL:
        found = [one for one in found if one[:2] == (IncomingId.TICK_PRICE, _CLOSE)]
    if of == DELAYED:
        found = [(message_id, _DELAYED_TICKS[kind], rest) for message_id, kind, rest in found]
    return [
        (wire.fields(message_id, 6), wire.fields(kind, *rest)) for message_id, kind, rest in found
    ]


def snapshot_end(req_id: int) -> bytes:
    """Return the mark that a snapshot's ticks were all sent."""
    return wire.message(IncomingId.TICK_SNAPSHOT_END, 1, req_id)


def historical_data(
    req_id: int,
    bars: Sequence[Bar],
    sessions: Sequence[Session],
    *,
    request: BarRequest,
    instrument: Instrument,
    version: int,
    now: float,
) -> bytes:
    """Return the bars of a request, in one message, and their end."""
    zoned = version >= ZONED_TIMES_SINCE
    end = request.end_time(now)
    span = (
        local_text(sessions[0].begins if sessions else end, instrument, zoned=zoned),
        local_text(end, instrument, zoned=zoned),
    )
    fields: list[object] = [IncomingId.HISTORICAL_DATA, req_id]
    if version < BARS_END_SINCE:
        fields += span
    fields.append(len(bars))
    for bar in bars:
        fields += [
            bar_date(bar, request, instrument, zoned=zoned),
            bar.open,
            bar.high,
            bar.low,
            bar.close,
            bar.volume,
            bar.average,
            bar.count,
        ]
    sent = wire.message(*fields)
    if version >= BARS_END_SINCE:
        sent += wire.message(IncomingId.HISTORICAL_DATA_END, req_id, *span)
    return sent


def schedule(
    req_id: int, instrument: Instrument, sessions: Sequence[Session], version: int
) -> bytes:
    """Return when trading begins and ends on each day."""
    zoned = version >= ZONED_TIMES_SINCE
    zone = zone_name(instrument.hours.zone)

    def told(time: float) -> str:
        return (
            local_text(time, instrument, zoned=zoned).removesuffix(f" {zone}").replace(" ", "-", 1)
        )

    rows = [(told(one.begins), told(one.ends), bar_day(one.day)) for one in sessions]
    fields: list[object] = [IncomingId.HISTORICAL_SCHEDULE, req_id]
    fields += [rows[0][0] if rows else "", rows[-1][1] if rows else "", zone, len(rows)]
    return wire.message(*fields, *(field for row in rows for field in row))


def historical_update(
    req_id: int, bar: Bar, request: BarRequest, instrument: Instrument, version: int
) -> bytes:
    """Return the newest bar of a request that is kept up to date."""
    return wire.message(
        IncomingId.HISTORICAL_DATA_UPDATE,
        req_id,
        bar.count,
        bar_date(bar, request, instrument, zoned=version >= ZONED_TIMES_SINCE),
        bar.open,
        bar.close,
        bar.high,
        bar.low,
        bar.average,
        bar.volume,
    )


def _prices(quote: Quote) -> list[tuple[int, float, int]]:
    return [
        (_BID, quote.bid, quote.bid_size),
        (_ASK, quote.ask, quote.ask_size),
        (_LAST, quote.last, quote.last_size),
        (_HIGH, quote.high, 0),
        (_LOW, quote.low, 0),
        (_CLOSE, quote.close, 0),
        (_OPEN, quote.open, 0),
    ]


def bar_day(day: int) -> str:
    """Return a day (an ordinal) as messages write it."""
    return f"{dt.date.fromordinal(day):%Y%m%d}"


def _hours(instrument: Instrument, time: float, *, regular: bool) -> str:
    """Trading hours of a week, as gateways write them."""
    hours = instrument.hours
    today = day_of(hours.zone, time)
    days = []
    for day in range(today, today + _DAYS_OF_HOURS):
        date = bar_day(day)
        if not trades_on(hours, day):
            days.append(f"{date}:CLOSED")
            continue
        begins, ends = (
            dt.datetime.fromtimestamp(time, zone_of(hours.zone))
            for time in session(hours, day, regular=regular)
        )
        days.append(f"{begins:%Y%m%d:%H%M}-{ends:%Y%m%d:%H%M}")
    return ";".join(days)


def _bond_details(
    req_id: int, instrument: Instrument, spec: ContractSpec, version: int, time: float
) -> bytes:
    """Return what is known of a bond: a message of its own.

    Its coupon is whole, as ib_insync and ib_async read no others.
    """
    fields: list[object] = [IncomingId.BOND_CONTRACT_DETAILS]
    if version < SIZE_RULES_SINCE:
        fields.append(6)
    fields += [req_id, instrument.symbol, instrument.sec_type, instrument.isin[2:11], 3]
    fields += ["20320515", "20220515", "AAA", "GOVT", "FIXED", 0, 0, 0, "US-T 3 05/15/32"]
    fields += [spec.exchange or instrument.exchange, instrument.currency, instrument.market_name]
    fields += [instrument.trading_class, instrument.con_id, instrument.min_tick]
    if version < SIZE_RULES_SINCE:
        fields.append(1)
    fields += ["DAY,GTC,LMT,MKT", instrument.exchanges, "", "", 0, ""]
    fields.append(plain(instrument.long_name, version))
    if version >= BOND_HOURS_SINCE:
        fields.append(zone_name(instrument.hours.zone))
        fields += [_hours(instrument, time, regular=regular) for regular in (False, True)]
    fields += ["", 0, 1, "ISIN", instrument.isin, 3]
    fields.append(instrument.market_rule)
    if version >= SIZE_RULES_SINCE:
        fields += [instrument.min_size, instrument.size_increment, instrument.suggested_size]
    return wire.message(*fields)

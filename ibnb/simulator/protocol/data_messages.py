"""The messages of the requests for reference data, and of the finer kinds of market data."""

from __future__ import annotations

from collections.abc import Sequence

from ibnb.simulator.trading.account import Profit
from ibnb.simulator.world.instruments import Instrument
from ibnb.simulator.world.market import Level, Prices, Quote, Top, Trade, price_at, top_at
from ibnb.simulator.world.options import Greeks, carry_of, greeks, volatility_of, years_left
from ibnb.tws import wire
from ibnb.tws.wire import IncomingId

from .messages import UNSET

PRICE_BASED_SINCE = 156
_BID_OPTION, _ASK_OPTION, _LAST_OPTION, _MODEL_OPTION = 10, 11, 12, 13
_INSERT, _UPDATE, _DELETE = 0, 1, 2
_TICK_KINDS = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}
_BASED_ON_PRICE = 1


def option_computation(req_id: int, kind: int, worth: Greeks, version: int) -> bytes:
    """Return what an option is worth by the model, and its greeks."""
    fields: list[object] = [IncomingId.TICK_OPTION_COMPUTATION]
    fields += [req_id, kind, _BASED_ON_PRICE] if version >= PRICE_BASED_SINCE else [6, req_id, kind]
    fields += [worth.volatility, worth.delta, worth.price, 0.0]
    fields += [worth.gamma, worth.vega, worth.theta, worth.spot]
    return wire.message(*fields)


def model_ticks(req_id: int, option: Instrument, quote: Quote, now: float, version: int) -> bytes:
    """Return an option's greeks at its bid, its offer, its last price, and by the model."""
    if option.underlying is None:
        return b""
    spot = price_at(option.underlying, now)
    years = years_left(option, now)
    worth = greeks(
        option.right, option.strike, spot, years, volatility_of(option), carry=carry_of(option)
    )
    kinds = (_BID_OPTION, quote.bid), (_ASK_OPTION, quote.ask), (_LAST_OPTION, quote.last)
    sent = b"".join(
        option_computation(req_id, kind, _at_price(worth, price), version) for kind, price in kinds
    )
    return sent + option_computation(req_id, _MODEL_OPTION, worth, version)


def _at_price(worth: Greeks, price: float) -> Greeks:
    # A tick more or less moves the volatility by what the price moves, over the vega.
    volatility = worth.volatility
    if worth.vega:
        volatility = max(volatility + (price - worth.price) / worth.vega / 100, 0.0001)
    return Greeks(price, worth.delta, worth.gamma, worth.vega, worth.theta, volatility, worth.spot)


def real_time_bar(req_id: int, begins: int, bar: Prices, *, of_trades: bool) -> bytes:
    """Return one complete bar of five seconds."""
    amounts = [bar.volume, bar.average, bar.count] if of_trades else [-1, -1.0, -1]
    return wire.message(
        IncomingId.REAL_TIME_BAR,
        3,
        req_id,
        begins,
        bar.open,
        bar.high,
        bar.low,
        bar.close,
        *amounts,
    )


def tick_by_tick(req_id: int, instrument: Instrument, trade: Trade, kind: str) -> bytes:
    """Return one tick."""
    number = _TICK_KINDS[kind]
    head = (IncomingId.TICK_BY_TICK, req_id, number, int(trade.time))
    if kind in {"Last", "AllLast"}:
        return wire.message(*head, trade.price, trade.size, 0, instrument.listed_on, "")
    top = top_at(instrument, trade.time)
    if kind == "MidPoint":
        return wire.message(*head, _middle(top, instrument))
    return wire.message(*head, top.bid, top.ask, top.bid_size, top.ask_size, 0)


def _middle(top: Top, instrument: Instrument) -> float:
    return round((top.bid + top.ask) / 2, instrument.decimals + 1)


def historical_ticks(
    req_id: int, trades: Sequence[Trade], instrument: Instrument, kind: str
) -> bytes:
    """Return ticks of the past, all in one message."""
    ids = {
        "TRADES": IncomingId.HISTORICAL_TICKS_LAST,
        "BID_ASK": IncomingId.HISTORICAL_TICKS_BID_ASK,
    }
    fields: list[object] = [ids.get(kind, IncomingId.HISTORICAL_TICKS), req_id, len(trades)]
    for trade in trades:
        fields += [int(trade.time), 0]
        if kind == "TRADES":
            fields += [trade.price, trade.size, instrument.listed_on, ""]
            continue
        top = top_at(instrument, trade.time)
        if kind == "BID_ASK":
            fields += [top.bid, top.ask, top.bid_size, top.ask_size]
        else:
            fields += [_middle(top, instrument), 0]
    return wire.message(*fields, 1)


def depth_row(
    req_id: int, at: tuple[int, int], level: Level, *, is_new: bool, smart: bool
) -> bytes:
    """Return one row of the depth; `at` is its side (1 for bids) and its position."""
    _, row = at
    maker = ("NSDQ", "ARCA", "BATS", "NYSE", "IEX")[row % 5]
    return _depth(req_id, at, _INSERT if is_new else _UPDATE, level, maker if smart else None)


def depth_row_gone(req_id: int, at: tuple[int, int], *, smart: bool) -> bytes:
    """Return that a row of the depth is no more."""
    return _depth(req_id, at, _DELETE, Level(0.0, 0), "" if smart else None)


def _depth(
    req_id: int, at: tuple[int, int], operation: int, level: Level, maker: str | None
) -> bytes:
    """Return what happens to a row; who makes its market is told of smart depth only."""
    side, row = at
    change = operation, side, level.price, level.size
    if maker is None:
        return wire.message(IncomingId.MARKET_DEPTH, 1, req_id, row, *change)
    return wire.message(IncomingId.MARKET_DEPTH_L2, 1, req_id, row, maker, *change, 1)


def profit(req_id: int, profits: Sequence[Profit], *, single: int) -> bytes:
    """Return the profit and loss of an account, or of the position in the conId `single`."""
    daily = sum(one.daily for one in profits)
    unrealized = sum(one.unrealized for one in profits)
    realized = sum(one.realized for one in profits)
    figures = [f"{amount:.2f}" for amount in (daily, unrealized, realized)]
    if not single:
        return wire.message(IncomingId.PNL, req_id, *figures)
    size = sum(one.size for one in profits)
    value = sum(one.value for one in profits)
    if not profits:
        return wire.message(IncomingId.PNL_SINGLE, req_id, 0, UNSET, UNSET, UNSET, UNSET)
    return wire.message(IncomingId.PNL_SINGLE, req_id, f"{size:g}", *figures, f"{value:.2f}")


def option_parameters(
    req_id: int,
    exchange: str,
    underlying: Instrument,
    *,
    group: str,
    dates: Sequence[str],
    strikes: Sequence[float],
) -> bytes:
    """Return the options of a trading class on an instrument that one exchange trades."""
    return wire.message(
        IncomingId.OPTION_PARAMETERS,
        req_id,
        exchange,
        underlying.con_id,
        group,
        100,
        len(dates),
        *dates,
        len(strikes),
        *strikes,
    )


def counted(message_id: int, rows: Sequence[Sequence[object]], *first: object) -> bytes:
    """Return a message that holds so many rows, after fields that come `first`."""
    return wire.message(message_id, *first, len(rows), *(field for row in rows for field in row))

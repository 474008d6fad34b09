"""What the verbs of a gateway do to its world, on its own thread."""

from __future__ import annotations

import math
from typing import Any

from .answers.account import send_account
from .answers.orders import tell
from .naming import VerbError
from .state import State
from .trading.book import Book
from .trading.orders import OrderRecord
from .world.calendars import CRYPTO, CURRENCIES, US
from .world.clock import BadClockError, parse_clock
from .world.instruments import MARKET_RULES, Instrument
from .world.market import quote_at, to_tick
from .world.pins import Pin
from .world.universe import Universe

_FIRST_ADDED = 2_000_000_000
_ADDED_TYPES = ("STK", "IND", "FUT", "CFD", "CASH", "CRYPTO", "CMDTY", "BOND")
_NEARLY = 1e-6
_HOURS = {"CASH": CURRENCIES, "CMDTY": CURRENCIES, "CRYPTO": CRYPTO}


def take_turn(state: State) -> None:
    """Let orders meet the market as it is now, and tell every client what has changed."""
    state.world.day = state.time.day
    tell(state, state.book.match(state.now))
    for client in state.clients:
        client.tick()


def let_arrive(state: State) -> None:
    """Let orders reach the market that have been on their way long enough."""
    tell(state, state.book.arrive(state.now))


def hold_quote(
    state: State,
    instrument: Instrument,
    prices: tuple[float | None, float | None, float | None],
    sizes: tuple[int | None, int | None],
) -> None:
    """Hold a quote, or let it go where no price is given."""
    now = state.now
    if prices == (None, None, None):
        if sizes != (None, None):
            raise VerbError("sizes need a price: give bid, ask or last as well")
        instrument.pins.release(now)
    else:
        if any(size is not None and size < 0 for size in sizes):
            raise VerbError(f"sizes {sizes} are below 0: give 0 or more")
        instrument.pins.hold(Pin(*_quote(instrument, *prices), *sizes), now)
    take_turn(state)


def _quote(
    instrument: Instrument, bid: float | None, ask: float | None, last: float | None
) -> tuple[float, float, float]:
    step = instrument.min_tick
    for name, price in (("bid", bid), ("ask", ask), ("last", last)):
        if price is not None:
            _check_price(instrument, name, price)
    if bid is None and ask is None:
        # One of the three is there.
        middle = last or 0.0
        bid, ask = max(middle - step, step), middle + step
    elif bid is None:
        bid = max((ask or 0.0) - 2 * step, step)
    elif ask is None:
        ask = bid + 2 * step
    bid, ask = bid or 0.0, ask or 0.0
    if bid > ask:
        raise VerbError(f"bid {bid:g} is above ask {ask:g}: give a bid that is not")
    last = (bid + ask) / 2 if last is None else last
    return to_tick(instrument, bid), to_tick(instrument, ask), to_tick(instrument, last)


def _check_price(instrument: Instrument, name: str, price: float) -> None:
    if not math.isfinite(price) or price <= 0:
        raise VerbError(f"{name} is {price}: give a price above 0")
    steps = price / instrument.min_tick
    if abs(steps - round(steps)) > _NEARLY * max(steps, 1):
        below = instrument.of_ticks(math.floor(steps))
        above = instrument.of_ticks(math.ceil(steps))
        raise VerbError(
            f"{name} {price:g} is not a whole number of the steps of {instrument.min_tick:g} in "
            f"which the price of {instrument.symbol} goes: give {below:g} or {above:g}"
        )


def quote(state: State, instrument: Instrument) -> dict[str, Any]:
    """Return what the market shows of an instrument now."""
    shown = quote_at(instrument, state.now)
    return {
        "symbol": instrument.symbol,
        "con_id": instrument.con_id,
        "bid": shown.bid,
        "ask": shown.ask,
        "last": shown.last,
        "bid_size": shown.bid_size,
        "ask_size": shown.ask_size,
        "held": instrument.pins.at(state.now) is not None,
    }


def add_instrument(
    world: Universe,
    symbol: str,
    sec_type: str,
    currency: str,
    exchange: str,
    *,
    name: str,
    price: float,
    min_tick: float,
    multiplier: str,
    expiry: str,
    con_id: int | None,
) -> dict[str, Any]:
    """Make an instrument known."""
    if sec_type not in _ADDED_TYPES:
        raise VerbError(f"sec_type {sec_type!r}: give one of {', '.join(_ADDED_TYPES)}")
    if not symbol.strip() or not symbol.isascii():
        raise VerbError(f"symbol {symbol!r}: give one in ASCII letters, such as ACME")
    if min_tick not in MARKET_RULES.values():
        known = ", ".join(f"{step:g}" for step in sorted(MARKET_RULES.values()))
        raise VerbError(f"min_tick {min_tick:g}: give one of {known}")
    if not math.isfinite(price) or price < min_tick:
        raise VerbError(f"price is {price}: give one of at least a step, {min_tick:g}")
    if sec_type == "FUT" and not (expiry.isdigit() and len(expiry) == len("YYYYMMDD")):
        raise VerbError(f"a future needs its expiry as YYYYMMDD, and not {expiry!r}")
    if con_id is None:
        con_id = _FIRST_ADDED
        while world.by_con_id(con_id) is not None:
            con_id += 1
    is_routed = sec_type in {"STK", "CFD", "BOND"}
    local = f"{symbol}.{currency}" if sec_type in {"CASH", "CRYPTO"} else symbol
    added = world.add(
        Instrument(
            con_id,
            symbol,
            sec_type,
            "SMART" if is_routed else exchange,
            exchange if is_routed else "",
            currency,
            local,
            symbol,
            name,
            price,
            min_tick,
            f"SMART,{exchange}" if is_routed else exchange,
            hours=_HOURS.get(sec_type, US),
            market_name=symbol,
            expiry=expiry,
            multiplier=multiplier,
            stock_type="COMMON" if sec_type == "STK" else "",
        )
    )
    return {"symbol": added.symbol, "sec_type": added.sec_type, "con_id": added.con_id}


def fill(
    state: State,
    order_id: int,
    shares: float | None,
    price: float | None,
    *,
    client_id: int | None,
) -> dict[str, Any]:
    """Fill an open order."""
    order = _open_order(state.book, order_id, client_id)
    now = state.now
    shares = order.remaining if shares is None else shares
    if not 0 < shares <= order.remaining:
        raise VerbError(
            f"shares is {shares:g}, and {order.remaining:g} of order {order_id} remain: give "
            "more than 0 and no more than that"
        )
    if price is None:
        shown = quote_at(order.instrument, now)
        price = order.limit or (shown.ask if order.buys else shown.bid)
    if not math.isfinite(price):
        raise VerbError(f"price is {price}: give a number")
    tell(state, state.book.fill(order, shares, price, now))
    return _order(state.book, order)


def cancel(state: State, order_id: int | None, client_id: int | None) -> list[dict[str, Any]]:
    """Cancel one open order, or all."""
    if order_id is not None:
        found = [_open_order(state.book, order_id, client_id)]
    else:
        found = [one for one in state.book.open_orders(client_id) if not one.is_staged]
    for order in found:
        # The cancel of one may have ended others that were attached to it.
        current = state.book.current(order)
        if not current.is_done:
            tell(state, state.book.cancel(current, state.now, at_once=True))
    return [_order(state.book, order) for order in found]


def pass_night(state: State) -> None:
    """Let happen to orders what may happen while no client is there: a fill, and a cancel."""
    found = [one for one in state.book.open_orders() if not (one.is_staged or one.waits_for_parent)]
    if found:
        fill(state, found[0].order_id, None, None, client_id=found[0].client_id)
    newest = found[-1] if len(found) > 1 else None
    # The fill may have ended it: of some orders only one is to be filled.
    if newest is not None and not state.book.current(newest).is_done:
        cancel(state, newest.order_id, newest.client_id)


def _open_order(book: Book, order_id: int, client_id: int | None) -> OrderRecord:
    orders = [one for one in book.open_orders(client_id) if not one.is_staged]
    found = [one for one in orders if one.order_id == order_id]
    if not found:
        ids = ", ".join(str(one.order_id) for one in orders[:20]) or "none"
        whose = "" if client_id is None else f" of client {client_id}"
        raise VerbError(f"no open order{whose} has the ID {order_id}: open orders are {ids}")
    if len(found) > 1:
        ids = ", ".join(str(one.client_id) for one in found)
        raise VerbError(f"clients {ids} each have an open order {order_id}: give client_id, too")
    return found[0]


def _order(book: Book, order: OrderRecord) -> dict[str, Any]:
    current = book.current(order)
    return {
        "client_id": current.client_id,
        "order_id": current.order_id,
        "symbol": current.instrument.symbol,
        "status": current.status,
        "filled": current.filled,
        "remaining": current.remaining,
        "average_price": current.average_price,
    }


def positions(
    state: State, account: str | None, instrument: Instrument | None = None
) -> list[dict[str, Any]]:
    """Return what accounts hold, all of it or of one instrument."""
    return [
        {
            "account": held.account,
            "symbol": held.instrument.symbol,
            "sec_type": held.instrument.sec_type,
            "con_id": held.instrument.con_id,
            "size": held.size,
            "price": held.average_price,
        }
        for name in _accounts(state, account)
        for held in state.book.positions(name)
        if instrument is None or held.instrument.con_id == instrument.con_id
    ]


def hold(
    state: State, instrument: Instrument, size: float, price: float | None, account: str | None
) -> None:
    """Let an account hold so much of an instrument."""
    price = quote_at(instrument, state.now).last if price is None else price
    if not (math.isfinite(size) and math.isfinite(price)):
        raise VerbError(f"size {size} and price {price} have to be finite numbers")
    held = state.book.hold(_account(state, account), instrument, size, price)
    tell(state, [held])


def cash(
    state: State, amount: float | None, currency: str, account: str | None
) -> dict[str, dict[str, float]]:
    """Return what accounts have, after an amount was set if there is one."""
    book = state.book
    if amount is not None:
        if not math.isfinite(amount):
            raise VerbError(f"amount is {amount}: give a number")
        if not (currency.isascii() and currency.isalpha() and currency.isupper()):
            raise VerbError(f"currency {currency!r}: write it in capitals, such as USD")
        name = _account(state, account)
        book.set_cash(name, currency, amount)
        for client in state.clients:
            if client.wants_account == name:
                send_account(client, name)
    return {
        name: {one: book.cash(name, one) for one in book.currencies(name)}
        for name in _accounts(state, account)
    }


def _account(state: State, account: str | None) -> str:
    names = _accounts(state, account)
    if not names:
        raise VerbError("the gateway has no account: give it one with accounts")
    return names[0]


def _accounts(state: State, account: str | None) -> tuple[str, ...]:
    if account is not None and account not in state.accounts:
        raise VerbError(
            f"there is no account {account!r}: give one of {', '.join(state.accounts) or 'none'}"
        )
    return state.accounts if account is None else (account,)


def set_clock(state: State, moment: str | float) -> None:
    """Set the world's time, with the hours of its markets or without."""
    try:
        state.set_clock(parse_clock(moment))
    except BadClockError as error:
        raise VerbError(str(error)) from None
    for client in state.clients:
        client.skip_to(state.now)
    take_turn(state)

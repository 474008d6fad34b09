"""An account's values, computed from its cash, its positions and the market."""

from __future__ import annotations

from dataclasses import dataclass

from ibnb.simulator.world.calendars import day_of, midnight
from ibnb.simulator.world.market import close_before, price_at

from .book import Book
from .orders import OrderRecord, Position

_INITIAL_MARGIN = 0.25
_FUTURE_MARGIN = 0.06
_LEVERAGE = 4


@dataclass(frozen=True)
class AccountValue:
    """One line of an account: a tag, its value as text, and its currency."""

    tag: str
    value: str
    currency: str = "USD"


@dataclass(frozen=True)
class Margin:
    """What an account is worth and what its positions tie up, in US dollars."""

    initial: float
    maintenance: float
    equity: float


@dataclass(frozen=True)
class Profit:
    """What a position has brought: today, if it were closed, and by what was closed."""

    size: float
    daily: float
    unrealized: float
    realized: float
    value: float


def market_value(position: Position, now: float) -> float:
    """Return what a position is worth, in the currency of its instrument."""
    return position.size * price_at(position.instrument, now) * position.instrument.unit


def unrealized(position: Position, now: float) -> float:
    """Return what closing a position would bring, in the currency of its instrument."""
    return market_value(position, now) - position.size * position.average_cost


def profit(book: Book, position: Position, now: float) -> Profit:
    """Return what a position has brought, in US dollars."""
    instrument = position.instrument
    rate = book.rate(instrument.currency, now)
    value = market_value(position, now)
    zone = instrument.hours.zone
    began = midnight(zone, day_of(zone, now))
    before, paid = position.size, 0.0
    for one in book.fills_since(position.account, instrument, began):
        before -= one.signed
        paid += one.signed * one.price * instrument.unit + one.commission
    was = before * close_before(instrument, now) * instrument.unit
    return Profit(
        position.size,
        (value - was - paid) * rate,
        unrealized(position, now) * rate,
        position.realized * rate,
        value * rate,
    )


def margin_of(value: float, *, future: bool) -> float:
    """Return the initial margin that a position of this market value needs."""
    return abs(value) * (_FUTURE_MARGIN if future else _INITIAL_MARGIN)


def margin_change(book: Book, order: OrderRecord, now: float) -> float:
    """Return by how much an order would change its account's initial margin, in US dollars."""
    change = 0.0
    for instrument, ratio in order.instrument.legs or ((order.instrument, 1),):
        shares = (order.remaining if order.buys else -order.remaining) * ratio
        held = book.position(order.account, instrument).size
        worth = price_at(instrument, now) * instrument.unit * book.rate(instrument.currency, now)
        future = instrument.is_margined
        after = margin_of((held + shares) * worth, future=future)
        change += after - margin_of(held * worth, future=future)
    return change


def margin(book: Book, account: str, now: float) -> Margin:
    """Return an account's margin at `now` (seconds since the epoch)."""
    initial = held = 0.0
    for position in book.positions(account):
        instrument = position.instrument
        rate = book.rate(instrument.currency, now)
        value = market_value(position, now) * rate
        initial += margin_of(value, future=instrument.is_margined)
        if instrument.is_margined:
            held += unrealized(position, now) * rate
        elif instrument.sec_type != "CASH":
            held += value
    return Margin(initial, initial * 0.8, cash_worth(book, account, now) + held)


def cash_worth(book: Book, account: str, now: float) -> float:
    """Return what an account's cash in all currencies is worth, in US dollars."""
    return sum(
        book.cash(account, currency) * book.rate(currency, now)
        for currency in book.currencies(account)
    )


def account_values(book: Book, account: str, now: float) -> list[AccountValue]:
    """Return every value of an account, as account updates send them."""
    positions = book.positions(account)
    worth = margin(book, account, now)
    cash = cash_worth(book, account, now)
    stocks = sum(
        market_value(position, now) * book.rate(position.instrument.currency, now)
        for position in positions
        if position.instrument.sec_type == "STK"
    )
    open_profit = sum(
        unrealized(position, now) * book.rate(position.instrument.currency, now)
        for position in positions
    )
    available = worth.equity - worth.initial
    amounts = {
        "AccruedCash": 0.0,
        "AvailableFunds": available,
        "BuyingPower": max(available, 0.0) * _LEVERAGE,
        "EquityWithLoanValue": worth.equity,
        "ExcessLiquidity": worth.equity - worth.maintenance,
        "FullAvailableFunds": available,
        "FullExcessLiquidity": worth.equity - worth.maintenance,
        "FullInitMarginReq": worth.initial,
        "FullMaintMarginReq": worth.maintenance,
        "GrossPositionValue": abs(stocks),
        "InitMarginReq": worth.initial,
        "MaintMarginReq": worth.maintenance,
        "NetLiquidation": worth.equity,
        "PreviousDayEquityWithLoanValue": worth.equity,
        "SettledCash": cash,
        "TotalCashValue": cash,
    }
    ledger = {
        "CashBalance": cash,
        "NetLiquidationByCurrency": worth.equity,
        "RealizedPnL": book.realized(account),
        "StockMarketValue": stocks,
        "TotalCashBalance": cash,
        "UnrealizedPnL": open_profit,
    }
    cushion = (worth.equity - worth.maintenance) / worth.equity if worth.equity else 0.0
    others = [currency for currency in book.currencies(account) if currency != "USD"]
    own = {**ledger, "CashBalance": book.cash(account), "TotalCashBalance": book.cash(account)}
    return [
        AccountValue("AccountCode", account, ""),
        AccountValue("AccountOrGroup", account, "BASE"),
        AccountValue("AccountReady", "true", ""),
        AccountValue("AccountType", "INDIVIDUAL", ""),
        AccountValue("Currency", "USD", "USD"),
        AccountValue("Cushion", f"{cushion:.6f}", ""),
        *(AccountValue(tag, f"{amount:.2f}") for tag, amount in amounts.items()),
        *(
            AccountValue("ExchangeRate", f"{book.rate(currency, now):.7g}", currency)
            for currency in others
        ),
        AccountValue("ExchangeRate", "1.00", "USD"),
        *(AccountValue(tag, f"{amount:.2f}", "BASE") for tag, amount in ledger.items()),
        *(AccountValue(tag, f"{amount:.2f}", "USD") for tag, amount in own.items()),
        *(
            AccountValue(tag, f"{book.cash(account, currency):.2f}", currency)
            for currency in others
            for tag in ("CashBalance", "TotalCashBalance")
        ),
    ]


def summary_values(values: list[AccountValue], tags: str) -> list[AccountValue]:
    """Return what an account summary asks for: named tags; ``$LEDGER`` for cash by currency.

    `tags` is the request's list, separated by commas.
    """
    wanted = {tag.strip() for tag in tags.split(",")}
    ledger = next((tag for tag in wanted if tag.startswith("$LEDGER")), None)
    currency = ledger.partition(":")[2] or "BASE" if ledger else ""
    ledger_tags = {value.tag for value in values if value.currency == "BASE"}
    return [
        value
        for value in values
        if value.tag in wanted
        or (value.tag in ledger_tags and currency in ("ALL", value.currency) and currency)
    ]

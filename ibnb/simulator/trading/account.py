"""An account's values, computed from its cash, its positions and the market."""

from __future__ import annotations

from dataclasses import dataclass

from ibnb.simulator.world.market import price_at

from .book import Book, Position

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


def market_value(position: Position, now: float) -> float:
    """Return what a position is worth, in US dollars."""
    return position.size * price_at(position.instrument, now) * position.instrument.unit


def unrealized(position: Position, now: float) -> float:
    """Return what closing a position would bring, in US dollars."""
    return market_value(position, now) - position.size * position.average_cost


def margin_of(value: float, *, future: bool) -> float:
    """Return the initial margin that a position of this market value needs."""
    return abs(value) * (_FUTURE_MARGIN if future else _INITIAL_MARGIN)


def margin(book: Book, account: str, now: float) -> Margin:
    """Return an account's margin at `now` (seconds since the epoch)."""
    positions = book.positions(account)
    initial = sum(
        margin_of(market_value(position, now), future=bool(position.instrument.expiry))
        for position in positions
    )
    held = sum(
        unrealized(position, now) if position.instrument.expiry else market_value(position, now)
        for position in positions
    )
    return Margin(initial, initial * 0.8, book.cash(account) + held)


def account_values(book: Book, account: str, now: float) -> list[AccountValue]:
    """Return every value of an account, as account updates send them."""
    positions = book.positions(account)
    worth = margin(book, account, now)
    cash = book.cash(account)
    stocks = sum(
        market_value(position, now)
        for position in positions
        if position.instrument.sec_type == "STK"
    )
    open_profit = sum(unrealized(position, now) for position in positions)
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
    return [
        AccountValue("AccountCode", account, ""),
        AccountValue("AccountOrGroup", account, "BASE"),
        AccountValue("AccountReady", "true", ""),
        AccountValue("AccountType", "INDIVIDUAL", ""),
        AccountValue("Currency", "USD", "USD"),
        AccountValue("Cushion", f"{cushion:.6f}", ""),
        *(AccountValue(tag, f"{amount:.2f}") for tag, amount in amounts.items()),
        AccountValue("ExchangeRate", "1.00", "USD"),
        *(
            AccountValue(tag, f"{amount:.2f}", currency)
            for currency in ("BASE", "USD")
            for tag, amount in ledger.items()
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

"""The simulated market and what accounts hold, without any socket."""

import datetime as dt

import pytest

from ibnb.simulator.protocol.tickets import Ticket, read_ticket
from ibnb.simulator.trading.account import account_values, margin
from ibnb.simulator.trading.book import Book
from ibnb.simulator.trading.orders import Execution, Position
from ibnb.simulator.world.history import BarRequest, bars_for
from ibnb.simulator.world.instruments import ContractSpec
from ibnb.simulator.world.market import Market, Quote, price_at, quote_at
from ibnb.simulator.world.universe import Universe

WORLD = Universe(day=dt.date(2025, 6, 2))
KINDS = {"AAPL": "STK", "MSFT": "STK", "SPY": "STK", "EUR": "CASH", "ES": "CONTFUT"}
NOON = dt.datetime(2025, 6, 2, 12, tzinfo=dt.UTC).timestamp()
ACCOUNT = "DU1234567"


class Quoted(Market):
    """A market in which everything costs what a test says."""

    def __init__(self):
        self.price = None

    def quote(self, one, time):
        """Return the same price on both sides, or the world's own."""
        price = self.price
        if price is None:
            return super().quote(one, time)
        return Quote(price, price, price, 1000, 1000, 1, price, price, price, price, 1)


@pytest.fixture
def market():
    """A market whose price can be set."""
    return Quoted()


@pytest.fixture
def book(market):
    """A book as a gateway has it at its start."""
    book = Book(WORLD, market)
    book.market = market
    return book


def instrument(symbol):
    """Return the one instrument with a symbol."""
    (found,) = WORLD.find(ContractSpec(symbol=symbol, sec_type=KINDS[symbol], currency="USD"))
    return found


def trade(book, symbol, action, quantity, price):
    """Fill a market order at a price; return the execution and the position after it."""
    values = {
        "action": action,
        "totalQuantity": str(quantity),
        "orderType": "MKT",
        "transmit": "1",
    }
    ticket = Ticket(book.next_order_id(1), ContractSpec(symbol=symbol), values)
    book.market.price = price
    changes = book.place(1, ACCOUNT, ticket, instrument(symbol), now=NOON)
    (execution,) = [change for change in changes if isinstance(change, Execution)]
    (position,) = [change for change in changes if isinstance(change, Position)]
    return execution, position


def test_adding_to_a_position_averages_its_price(book):
    """The average price of what is held is weighted by size; nothing is realized."""
    execution, position = trade(book, "AAPL", "BUY", 100, 300.0)
    assert (position.size, position.average_price) == (200, pytest.approx((225.5 + 300) / 2))
    assert execution.realized is None


def test_turning_a_position_round_begins_it_anew(book):
    """Selling more than is held realizes the old position and opens one at the new price."""
    execution, position = trade(book, "AAPL", "SELL", 150, 230.5)
    assert (position.size, position.average_price) == (-50, 230.5)
    assert execution.realized == pytest.approx(100 * 5 - 1)


def test_cash_pays_for_stocks(book):
    """Cash falls by price and commission; the account is worth the commission less."""
    before = margin(book, ACCOUNT, NOON).equity
    price = price_at(instrument("SPY"), NOON)
    trade(book, "SPY", "BUY", 10, price)
    assert book.cash(ACCOUNT) == pytest.approx(1_000_000 - 10 * price - 1)
    assert margin(book, ACCOUNT, NOON).equity == pytest.approx(before - 1)


def test_a_future_costs_no_cash_until_it_is_closed(book):
    """Opening a future pays its commission; closing it pays what it brought, times 50."""
    _, position = trade(book, "ES", "BUY", 1, 6000.0)
    assert book.cash(ACCOUNT) == pytest.approx(1_000_000 - 2.25)
    assert position.average_cost == 300_000
    execution, _ = trade(book, "ES", "SELL", 1, 6010.0)
    assert execution.realized == pytest.approx(500 - 2.25)
    assert book.cash(ACCOUNT) == pytest.approx(1_000_000 + 500 - 4.5)


def test_account_values_agree_with_the_book(book):
    """Net liquidation is cash and positions at the market, and realized profit is reported."""
    trade(book, "MSFT", "SELL", 50, 428.0)
    values = {
        (value.tag, value.currency): value.value for value in account_values(book, ACCOUNT, NOON)
    }
    worth = book.cash(ACCOUNT) + 100 * price_at(instrument("AAPL"), NOON)
    assert float(values["NetLiquidation", "USD"]) == pytest.approx(worth, abs=0.01)
    assert float(values["RealizedPnL", "BASE"]) == pytest.approx(499)


def test_prices_depend_on_the_time_alone():
    """Two looks at one time agree, a later one differs, and a quote holds together."""
    for each in map(instrument, KINDS):
        quote = quote_at(each, NOON)
        assert quote == quote_at(each, NOON)
        assert len({price_at(each, NOON + 600 * step) for step in range(20)}) > 5
        assert quote.low <= quote.bid + each.min_tick <= quote.high
        assert quote.bid < quote.last < quote.ask


@pytest.mark.parametrize(
    ("day", "local_symbol", "expiry"),
    [
        (dt.date(2025, 6, 2), "ESM5", "20250620"),
        (dt.date(2025, 6, 13), "ESU5", "20250919"),
        (dt.date(2025, 12, 15), "ESH6", "20260320"),
    ],
)
def test_the_future_is_the_quarterly_one_that_is_traded(day, local_symbol, expiry):
    """The expiry is a third Friday at least eight days ahead, over the end of a year too."""
    (future,) = Universe(day=day).find(ContractSpec(symbol="ES", sec_type="CONTFUT"))
    assert (future.local_symbol, future.expiry) == (local_symbol, expiry)


@pytest.mark.parametrize(
    ("spec", "symbols"),
    [
        (ContractSpec(con_id=265598), ["AAPL"]),
        (ContractSpec(con_id=265598, exchange="CME"), []),
        (ContractSpec(symbol="AAPL", sec_type="STK", currency="XAU"), []),
        (ContractSpec(symbol="ES", sec_type="FUT", expiry="202506"), ["ES"]),
        (ContractSpec(symbol="ES", sec_type="FUT", expiry="202001"), []),
        (ContractSpec(symbol="ES", sec_type="CONTFUT", exchange="CME"), ["ES"]),
        (ContractSpec(local_symbol="EUR.USD", sec_type="CASH"), ["EUR"]),
    ],
)
def test_a_contract_finds_what_it_describes(spec, symbols):
    """What is given must agree, and what is left out does not matter."""
    assert [each.symbol for each in WORLD.find(spec)] == symbols


def test_regular_hours_and_weekends():
    """Bars of a stock in regular hours are six and a half hours a day, and none at weekends."""
    ask = BarRequest("20250609 00:00:00", "30 mins", "3 D", True, "TRADES", 1, False)
    bars = bars_for(instrument("AAPL"), ask, NOON + 30 * 86_400)
    days = [dt.datetime.fromtimestamp(bar.time, dt.UTC).date().day for bar in bars]
    assert days == [4] * 13 + [5] * 13 + [6] * 13


@pytest.mark.parametrize("count", [0, 5, 60])
def test_an_order_that_is_cut_off_is_no_order(count):
    """A placeOrder with missing fields is a ValueError, wherever it ends."""
    with pytest.raises(ValueError, match=r"incomplete|invalid literal"):
        read_ticket(["3", *(["0"] * count)], 176)

"""Orders meet a market whose prices the tests set: triggers, fills, groups, balanced books."""

import datetime as dt
import random

import pytest
from balancing import balance

from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.trading.account import cash_worth
from ibnb.simulator.trading.arrival import Arrival
from ibnb.simulator.trading.book import STARTING_POSITIONS, Book
from ibnb.simulator.trading.checks import refusal_of
from ibnb.simulator.trading.orders import Execution, OrderRecord, Word
from ibnb.simulator.world.instruments import ContractSpec, LegSpec
from ibnb.simulator.world.market import Market, Quote
from ibnb.simulator.world.universe import Universe

WORLD = Universe(day=dt.date(2025, 6, 2))
NOON = dt.datetime(2025, 6, 2, 16, tzinfo=dt.UTC).timestamp()
ACCOUNT = "DU1234567"


class Scripted(Market):
    """A market that stands where a test puts it, and remembers where it was before."""

    def __init__(self):
        self.size = 1000
        self.last = self.before = 100.0

    def move(self, price):
        """Let the price go elsewhere."""
        self.before, self.last = self.last, price

    def quote(self, instrument, time):  # noqa: ARG002 - the market's signature
        """Return a quote one cent wide on both sides."""
        last, size = self.last, self.size
        bid, ask = round(last - 0.01, 2), round(last + 0.01, 2)
        return Quote(bid, ask, last, size, size, 1, last, last, last, last, 1)

    def range(self, instrument, since, until):  # noqa: ARG002 - as above
        """Return the prices between the last place and this one."""
        if until <= since:
            return self.last, self.last
        return min(self.last, self.before), max(self.last, self.before)


class Desk:
    """A book, its market and a clock."""

    def __init__(self):
        self.market = Scripted()
        self.book = Book(WORLD, self.market)
        self.now = NOON
        self.changes = []
        self.conditions = []

    def place(self, action, kind, quantity=10, symbol="KO", order_id=None, **values):
        """Place an order, or change one; return its ID."""
        order_id = order_id or self.book.next_order_id(1)
        given = {name: str(value) for name, value in values.items()}
        values = {
            "action": action,
            "orderType": kind,
            "totalQuantity": str(quantity),
            "transmit": "1",
            "tif": "GTC",
            **given,
        }
        conditions = tuple(self.conditions)
        ticket = Ticket(order_id, ContractSpec(symbol=symbol), values, (), conditions)
        (instrument,) = WORLD.find(ContractSpec(symbol=symbol, sec_type="STK", currency="USD"))
        self.changes += self.book.place(1, ACCOUNT, ticket, instrument, now=self.now)
        return order_id

    def move(self, price):
        """Let a second pass in which the price goes elsewhere."""
        self.market.move(price)
        self.now += 1
        self.changes += self.book.match(self.now)

    def status(self, order_id):
        """Return an order's status and how much of it is filled."""
        order = self.book.find(1, order_id)
        return order.status, order.filled

    def price(self, order_id):
        """Return at what price an order was filled."""
        return self.book.find(1, order_id).average_price


@pytest.fixture
def desk():
    """A book with a market at 100.00, 99.99 bid and 100.01 offered."""
    desk = Desk()
    desk.book.match(desk.now)
    return desk


@pytest.mark.parametrize(
    ("action", "limit", "near", "there"),
    [("BUY", 99.0, 99.2, 98.9), ("SELL", 101.0, 100.9, 101.3)],
)
def test_a_limit_order_fills_when_the_price_comes(desk, action, limit, near, there):
    """It rests until the market has reached its limit, and fills there or better."""
    order = desk.place(action, "LMT", lmtPrice=limit)
    desk.move(near)
    assert desk.status(order) == ("Submitted", 0)
    desk.move(there)
    assert desk.status(order) == ("Filled", 10)
    price = desk.price(order)
    assert price <= limit if action == "BUY" else price >= limit


@pytest.mark.parametrize(
    ("kind", "action", "values", "prices"),
    [
        ("STP", "SELL", {"auxPrice": 98}, (98.5, 97.9)),
        ("STP", "BUY", {"auxPrice": 102}, (101.5, 102.1)),
        ("STP LMT", "SELL", {"auxPrice": 98, "lmtPrice": 97}, (98.5, 97.9)),
        ("MIT", "BUY", {"auxPrice": 98}, (98.5, 97.9)),
        ("LIT", "SELL", {"auxPrice": 102, "lmtPrice": 101}, (101.5, 102.5)),
        ("TRAIL", "SELL", {"auxPrice": 2}, (98.5, 97.9)),
        ("TRAIL", "BUY", {"trailingPercent": 2}, (101.5, 102.1)),
    ],
)
def test_an_order_with_a_trigger_waits_for_it(desk, kind, action, values, prices):
    """It is held for its trigger, and fills once the price has reached it."""
    order = desk.place(action, kind, **values)
    quiet, there = prices
    assert desk.book.find(1, order).why_held == "trigger"
    desk.move(quiet)
    assert desk.status(order) == ("PreSubmitted", 0)
    desk.move(there)
    assert desk.status(order) == ("Filled", 10)


def test_a_stop_limit_does_not_fill_beyond_its_limit(desk):
    """Once triggered it is a limit order: it waits for its price to come back."""
    order = desk.place("SELL", "STP LMT", auxPrice=98, lmtPrice=97.5)
    # A gap: the market opens lower, and was nowhere between.
    desk.market.last = 96.0
    desk.move(96)
    assert desk.status(order) == ("Submitted", 0)
    desk.move(97.6)
    assert desk.status(order) == ("Filled", 10)
    assert desk.price(order) >= 97.5


def test_a_trailing_stop_follows_the_price_and_not_back(desk):
    """The stop of a SELL rises with the market and stays where the market falls."""
    order = desk.place("SELL", "TRAIL", auxPrice=2)
    desk.move(110)
    assert desk.book.find(1, order).stop == 108
    desk.move(109)
    assert desk.book.find(1, order).stop == 108
    desk.move(107.9)
    assert desk.status(order) == ("Filled", 10)


@pytest.mark.parametrize(
    ("conditions", "prices"),
    [
        ([("1", "a", "1", "102", "8894", "SMART", "0")], (101.5, 102.1)),
        ([("1", "a", "0", "98", "8894", "SMART", "0")], (98.5, 97.9)),
        (
            [
                ("1", "o", "1", "102", "8894", "SMART", "0"),
                ("1", "a", "0", "98", "8894", "SMART", "0"),
            ],
            (101.5, 97.9),
        ),
        (
            [
                ("1", "a", "1", "102", "8894", "SMART", "0"),
                ("3", "a", "1", "20250602-12:00:00"),
            ],
            (101.5, 102.1),
        ),
    ],
    ids=["above", "below", "or", "and a time"],
)
def test_an_order_waits_for_its_conditions(desk, conditions, prices):
    """It is held until its conditions hold, joined by AND or OR, and then fills."""
    desk.conditions = conditions
    order = desk.place("BUY", "MKT")
    for price in prices:
        assert desk.status(order) == ("PreSubmitted", 0)
        desk.move(price)
    assert desk.status(order) == ("Filled", 10)


def test_a_condition_that_never_holds_keeps_its_order(desk):
    """A time far ahead, or a margin, which is not simulated, is waited for."""
    for condition in (("3", "a", "1", "20991231-00:00:00"), ("4", "a", "1", "30")):
        desk.conditions = [condition]
        order = desk.place("BUY", "MKT")
        desk.move(100)
        assert desk.status(order) == ("PreSubmitted", 0)


def test_an_order_fills_by_what_is_displayed(desk):
    """Of more than is displayed a part fills at each look, each with its own execution."""
    desk.market.size = 4
    order = desk.place("BUY", "MKT")
    assert desk.status(order) == ("Submitted", 4)
    desk.move(100)
    assert desk.status(order) == ("Submitted", 8)
    desk.move(100)
    assert desk.status(order) == ("Filled", 10)
    fills = desk.book.executions
    assert [fill.shares for fill in fills] == [4, 4, 2]
    assert len({fill.exec_id for fill in fills}) == 3
    # One order has one minimum commission, however many its fills are.
    assert sum(fill.commission for fill in fills) == 1.0


@pytest.mark.parametrize(
    ("tif", "limit", "outcome"),
    [
        ("IOC", 101, ("Cancelled", 4)),
        ("IOC", 99, ("Cancelled", 0)),
        ("IOC", 130, ("Cancelled", 0)),
        ("FOK", 101, ("Inactive", 0)),
        ("FOK", 99, ("Inactive", 0)),
    ],
)
def test_at_once_or_not_at_all(desk, tif, limit, outcome):
    """IOC takes what is there and leaves the rest, FOK takes all or nothing."""
    desk.market.size = 4
    order = desk.place("BUY", "LMT", lmtPrice=limit, tif=tif)
    assert desk.status(order) == outcome
    assert desk.book.open_orders() == []


def test_a_fill_or_kill_that_fits_is_filled(desk):
    """All of it is displayed, so all of it fills."""
    order = desk.place("BUY", "LMT", lmtPrice=101, tif="FOK")
    assert desk.status(order) == ("Filled", 10)


def test_a_limit_far_beyond_the_market_is_cancelled(desk):
    """Nobody means to pay a fifth more than the market asks; within that it fills."""
    assert desk.status(desk.place("BUY", "LMT", lmtPrice=121)) == ("Cancelled", 0)
    assert desk.status(desk.place("SELL", "LMT", lmtPrice=79)) == ("Cancelled", 0)
    assert desk.status(desk.place("BUY", "LMT", lmtPrice=119)) == ("Filled", 10)


def test_an_order_with_a_date_ends_then(desk):
    """A GTD order is cancelled with 202 when its time has come."""
    until = dt.datetime.fromtimestamp(NOON + 2, dt.UTC)
    order = desk.place(
        "BUY", "LMT", lmtPrice=90, tif="GTD", goodTillDate=f"{until:%Y%m%d-%H:%M:%S}"
    )
    desk.move(100)
    assert desk.status(order)[0] == "Submitted"
    desk.move(100)
    assert desk.status(order)[0] == "Cancelled"
    assert [one.code for one in desk.changes if isinstance(one, Word)] == [202]


def test_an_order_on_the_close_waits_for_it(desk):
    """A MOC order fills when the regular session ends, and not before."""
    order = desk.place("BUY", "MOC")
    desk.move(100)
    assert desk.status(order) == ("PreSubmitted", 0)
    desk.now = NOON + 4 * 3600
    desk.move(100)
    assert desk.status(order) == ("Filled", 10)


def bracket(desk, transmit_last=1):
    """Place a parent at 99, a profit taker at 105 and a stop at 95; return their IDs."""
    parent = desk.place("BUY", "LMT", lmtPrice=99, transmit=0)
    profit = desk.place("SELL", "LMT", lmtPrice=105, parentId=parent, transmit=0)
    stop = desk.place("SELL", "STP", auxPrice=95, parentId=parent, transmit=transmit_last)
    return parent, profit, stop


def test_what_is_not_transmitted_does_nothing(desk):
    """Nothing is told and nothing fills until the last order of the bracket is transmitted."""
    bracket(desk, transmit_last=0)
    desk.move(90)
    assert desk.changes == []


@pytest.mark.parametrize(("price", "winner", "loser"), [(105.5, 1, 2), (94.5, 2, 1)])
def test_one_child_of_a_bracket_fills_and_the_other_goes(desk, price, winner, loser):
    """Children wait for their parent, then work; the fill of one cancels the other."""
    orders = bracket(desk)
    assert [desk.status(one)[0] for one in orders] == ["Submitted", "PreSubmitted", "PreSubmitted"]
    assert [desk.book.find(1, one).why_held for one in orders] == ["", "child", "child,trigger"]
    desk.move(98.9)
    assert [desk.status(one)[0] for one in orders] == ["Filled", "Submitted", "PreSubmitted"]
    assert desk.book.find(1, orders[2]).why_held == "trigger"
    desk.move(price)
    assert desk.status(orders[winner])[0] == "Filled"
    assert desk.status(orders[loser])[0] == "Cancelled"
    assert [one.code for one in desk.changes if isinstance(one, Word)] == [202]


def test_children_go_with_their_parent(desk):
    """The cancel of a parent that has not filled cancels what is attached to it."""
    orders = bracket(desk)
    desk.book.cancel(desk.book.find(1, orders[0]), desk.now)
    assert {desk.status(one)[0] for one in orders} == {"Cancelled"}


@pytest.mark.parametrize(("kind", "left"), [(1, ("Cancelled", 0)), (2, ("Submitted", 0))])
def test_one_of_a_group_cancels_or_reduces_the_others(desk, kind, left):
    """A partial fill cancels the rest of a group of type 1, and reduces one of type 2."""
    first = desk.place("BUY", "LMT", lmtPrice=99, ocaGroup="G", ocaType=kind)
    second = desk.place("BUY", "LMT", lmtPrice=98, ocaGroup="G", ocaType=kind)
    other = desk.place("BUY", "LMT", lmtPrice=90, ocaGroup="H", ocaType=kind)
    desk.market.size = 4
    desk.move(98.9)
    assert desk.status(first) == ("Submitted", 4)
    assert desk.status(second) == left
    if kind == 2:
        assert desk.book.find(1, second).remaining == 6
    desk.market.size = 1000
    desk.move(98.9)
    assert desk.status(second)[0] == "Cancelled"
    assert desk.status(other) == ("Submitted", 0)


def test_a_change_moves_the_limit(desk):
    """The same order with another price is the same order, and fills there."""
    order = desk.place("BUY", "LMT", lmtPrice=90)
    before = desk.book.find(1, order).perm_id
    desk.place("BUY", "LMT", order_id=order, lmtPrice=101)
    assert desk.status(order) == ("Filled", 10)
    assert desk.book.find(1, order).perm_id == before


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"lmtPrice": "90.005"}, 110),
        ({"totalQuantity": "9000000"}, 201),
        ({"action": "SELL"}, 105),
        ({"lmtPrice": "91", "totalQuantity": "20"}, None),
    ],
)
def test_a_change_that_cannot_be_is_refused(desk, change, code):
    """The refusal is told by its code, and the order stays as it is."""
    order_id = desk.place("BUY", "LMT", lmtPrice=90)
    before = desk.book.find(1, order_id)
    ticket = Ticket(order_id, before.ticket.contract, {**before.ticket.values, **change})
    after = OrderRecord(1, 0, ACCOUNT, before.instrument, ticket, "PreSubmitted")
    refusal = refusal_of(desk.book, after, before, desk.now)
    assert (refusal and refusal[0]) == code


def test_a_fill_overtakes_a_cancel_that_is_on_its_way(desk):
    """The order fills while it is PendingCancel, and the cancel finds nothing any more."""
    desk.book = Book(WORLD, desk.market, arrival=Arrival(10.0))
    order = desk.place("BUY", "LMT", lmtPrice=99)
    assert desk.status(order) == ("PreSubmitted", 0)
    desk.now += 20
    desk.move(100)
    assert desk.status(order) == ("Submitted", 0)
    desk.changes += desk.book.cancel(desk.book.find(1, order), desk.now)
    assert desk.status(order) == ("PendingCancel", 0)
    desk.market.size = 4
    desk.move(98.9)
    assert desk.status(order) == ("PendingCancel", 4)
    desk.market.size = 1000
    desk.move(98.9)
    assert desk.status(order) == ("Filled", 10)
    desk.now += 20
    desk.move(98.9)
    assert desk.status(order) == ("Filled", 10)
    assert [one for one in desk.changes if isinstance(one, Word)] == []


def test_a_cancel_arrives_by_and_by(desk):
    """An order that nobody fills meanwhile is cancelled, with what is left of it."""
    desk.book = Book(WORLD, desk.market, arrival=Arrival(10.0))
    order = desk.place("BUY", "LMT", lmtPrice=90)
    desk.now += 20
    desk.move(100)
    desk.changes += desk.book.cancel(desk.book.find(1, order), desk.now)
    desk.changes += desk.book.cancel(desk.book.find(1, order), desk.now)
    desk.now += 20
    desk.move(100)
    assert desk.book.find(1, order).remaining == 10
    assert desk.status(order) == ("Cancelled", 0)
    assert [one.code for one in desk.changes if isinstance(one, Word)] == [161, 202]


def test_the_books_balance(desk):
    """Positions are the sum of executions, and cash is what they paid, to the cent."""
    luck = random.Random(5)  # noqa: S311 - any orders will do
    for _ in range(300):
        action, kind = luck.choice(["BUY", "SELL"]), luck.choice(["MKT", "LMT", "STP", "TRAIL"])
        price = round(luck.uniform(95, 105), 2)
        desk.market.size = luck.randint(1, 20)
        desk.place(
            action,
            kind,
            quantity=luck.randint(1, 30),
            symbol=luck.choice(["KO", "AAPL", "F"]),
            lmtPrice=price,
            auxPrice=2 if kind == "TRAIL" else price,
        )
        desk.move(round(luck.uniform(95, 105), 2))
    sizes = balance(desk.book.executions)
    assert len(desk.book.executions) > 100
    starting = {con_id: size for con_id, size, _ in STARTING_POSITIONS}
    for held in desk.book.every_position(ACCOUNT):
        con_id = held.instrument.con_id
        expected = starting.get(con_id, 0) + sizes.get((ACCOUNT, con_id), 0)
        assert held.size == pytest.approx(expected)
    paid = sum(
        (1 if fill.order.buys else -1) * fill.shares * fill.price + fill.commission
        for fill in desk.book.executions
    )
    assert desk.book.cash(ACCOUNT) == pytest.approx(1_000_000 - paid, abs=0.005)
    for order in desk.book.orders:
        fills = [one for one in desk.book.executions if one.order.perm_id == order.perm_id]
        assert sum(one.shares for one in fills) == pytest.approx(order.filled)
    assert all(isinstance(one, Execution) for one in desk.book.executions)


def test_an_amount_of_cash_buys_what_it_is_worth():
    """An order with a cash quantity and no other gets the quantity that the cash pays for."""
    values = {"action": "BUY", "orderType": "MKT", "cashQty": "1000", "totalQuantity": "0"}
    assert Ticket(1, ContractSpec(), values).sized(130.0).quantity == 7.6923
    given = Ticket(1, ContractSpec(), {**values, "totalQuantity": "5"})
    assert given.sized(130.0).quantity == 5


def combination(desk, order_id=1, action="BUY", kind="MKT", **values):
    """Order one AAPL against two MSFT, each ten times; return the order."""
    spec = ContractSpec(symbol="AAPL", sec_type="BAG", exchange="SMART", currency="USD")
    legs = (LegSpec(265598, 1, "BUY", "SMART"), LegSpec(272093, 2, "SELL", "SMART"))
    given = {"action": action, "orderType": kind, "totalQuantity": "10", "transmit": "1", **values}
    ticket = Ticket(order_id, spec, given, (), (), legs)
    instrument = WORLD.combine(spec, legs)
    desk.changes += desk.book.place(1, ACCOUNT, ticket, instrument, now=desk.now)
    return desk.book.find(1, order_id)


@pytest.mark.parametrize(("action", "sign"), [("BUY", 1), ("SELL", -1)])
def test_a_combination_fills_leg_by_leg(desk, action, sign):
    """The legs' positions change, and together they cost what the combination costs."""
    desk.book = Book(WORLD)
    order = combination(desk, action=action)
    assert (order.status, order.filled) == ("Filled", 10)
    whole, *legs = desk.book.executions
    assert whole.instrument.sec_type == "BAG"
    assert {one.instrument.symbol: one.signed for one in legs} == {
        "AAPL": 10 * sign,
        "MSFT": -20 * sign,
    }
    assert len({one.exec_id for one in desk.book.executions}) == 3
    sizes = {held.instrument.symbol: held.size for held in desk.book.every_position(ACCOUNT)}
    assert sizes == {"AAPL": 100 + 10 * sign, "MSFT": 50 - 20 * sign}
    paid = sum(one.signed * one.price + one.commission for one in legs)
    assert paid == pytest.approx(sign * 10 * whole.price + order.commission)
    assert desk.book.cash(ACCOUNT) == pytest.approx(1_000_000 - paid, abs=0.005)


def test_a_combination_rests_at_its_limit(desk):
    """Its limit may be negative, and it waits for the market as any other order."""
    desk.book = Book(WORLD)
    order = combination(desk, kind="LMT", lmtPrice="-9000")
    assert order.status == "Submitted"
    desk.book.match(desk.now + 1)
    assert desk.book.find(1, 1).filled == 0


def test_a_currency_is_bought_with_another(desk):
    """Euros come in and dollars go out; the account is worth the commission less."""
    (pair,) = WORLD.find(ContractSpec(symbol="EUR", sec_type="CASH", currency="USD"))
    desk.market.move(WORLD.rate("EUR", NOON))
    before = cash_worth(desk.book, ACCOUNT, NOON)
    values = {"action": "BUY", "orderType": "MKT", "totalQuantity": "1000", "transmit": "1"}
    ticket = Ticket(1, ContractSpec(symbol="EUR"), values)
    desk.book.place(1, ACCOUNT, ticket, pair, now=NOON)
    desk.book.match(NOON)
    assert desk.book.cash(ACCOUNT, "EUR") == 1000
    (fill,) = desk.book.executions
    assert desk.book.cash(ACCOUNT) == pytest.approx(1_000_000 - 1000 * fill.price - 2)
    # A cent of spread on each euro, and the commission.
    assert cash_worth(desk.book, ACCOUNT, NOON) == pytest.approx(before - 2 - 10, abs=5.0)

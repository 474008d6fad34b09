"""What holds of the simulated world whatever is asked, and of its books whatever is ordered."""

import datetime as dt
import itertools

import pytest
from balancing import check_books
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ibnb.simulator.protocol.tickets import Ticket
from ibnb.simulator.trading.arrival import Arrival
from ibnb.simulator.trading.book import Book
from ibnb.simulator.trading.exercise import Exercise
from ibnb.simulator.world.history import BarRequest, bars_for, running_bar
from ibnb.simulator.world.instruments import ContractSpec, LegSpec
from ibnb.simulator.world.market import depth_at, price_at, prices_between, quote_at, trades_between
from ibnb.simulator.world.options import carry_of, greeks, implied, years_left
from ibnb.simulator.world.universe import Universe

DAY = dt.date(2026, 7, 1)
ACCOUNT = "DU1234567"
SPECS = (
    ContractSpec(symbol="AAPL", sec_type="STK", currency="USD"),
    ContractSpec(symbol="SAP", sec_type="STK", currency="EUR"),
    ContractSpec(symbol="EUR", sec_type="CASH", currency="USD"),
    ContractSpec(symbol="ES", sec_type="CONTFUT"),
    ContractSpec(symbol="BTC", sec_type="CRYPTO"),
    ContractSpec(symbol="AAPL", sec_type="OPT", expiry="20260717", strike="230", right="C"),
    ContractSpec(symbol="ES", sec_type="FOP", expiry="20260918", strike="6000", right="P"),
    ContractSpec(symbol="DAX", sec_type="WAR", expiry="20260918", right="C"),
    ContractSpec(symbol="VFIAX", sec_type="FUND"),
)
LEGS = (LegSpec(265598, 2, "BUY", "SMART"), LegSpec(272093, 1, "SELL", "SMART"))
START = int(dt.datetime(2026, 6, 29, tzinfo=dt.UTC).timestamp())
TIMES = st.integers(0, 5 * 86_400 * 4).map(lambda turn: START + turn / 4)
quick = settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def world_of(*, hours):
    """Return a world and one instrument of each kind, a combination last."""
    world = Universe(day=DAY, keeps_hours=hours)
    found = [world.find(spec)[0] for spec in SPECS]
    bag = ContractSpec(symbol="AAPL", sec_type="BAG", exchange="SMART", currency="USD")
    return world, [*found, world.combine(bag, LEGS)]


WORLDS = {hours: world_of(hours=hours) for hours in (False, True)}
NAMES = [*(f"{spec.symbol}-{spec.sec_type}" for spec in SPECS), "combination"]
INSTRUMENTS = [(hours, index) for hours in WORLDS for index in range(len(SPECS) + 1)]


@pytest.fixture(params=INSTRUMENTS, ids=lambda one: f"{NAMES[one[1]]}{'-hours' if one[0] else ''}")
def instrument(request):
    """One of each kind, in a world that is always open, and in one that keeps its hours."""
    hours, index = request.param
    return WORLDS[hours][1][index]


def together(parts):
    """Return what several spans of prices are together."""
    traded = [part for part in parts if part.count] or parts
    return (
        traded[0].open,
        max(part.high for part in traded),
        min(part.low for part in traded),
        traded[-1].close,
        sum(part.volume for part in traded),
        sum(part.count for part in traded),
    )


@quick
@given(time=TIMES, minutes=st.integers(1, 90), cuts=st.sets(st.integers(1, 5399), max_size=4))
@example(time=1782703801.0, minutes=90, cuts={5399})
def test_any_cut_of_a_time_is_the_whole(instrument, time, minutes, cuts):
    """However a time is cut into seconds, minutes or hours, its parts together are what it is."""
    start, end = int(time), int(time) + 60 * minutes
    inside = sorted(start + cut for cut in cuts if start + cut < end)
    edges = [start, *inside, end]
    parts = [prices_between(instrument, a, b) for a, b in itertools.pairwise(edges)]
    assert together(parts) == together([prices_between(instrument, start, end)])


@quick
@given(time=TIMES, seconds=st.integers(1, 20))
def test_ticks_are_the_bar(instrument, time, seconds):
    """What is traded one by one has the bar's ends, its extremes, its number and its volume."""
    start = int(time)
    bar = prices_between(instrument, start, start + seconds)
    trades = trades_between(instrument, start, start + seconds)
    assert len(trades) == bar.count
    if trades:
        prices = [trade.price for trade in trades]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (
            *(bar.open, bar.high),
            *(bar.low, bar.close),
        )


@quick
@given(time=TIMES)
def test_quote_depth_and_last_price_agree(instrument, time):
    """The depth's best row is the quote, around the last price, within the day's range."""
    quote = quote_at(instrument, time)
    bids, asks = depth_at(instrument, time, 5)
    assert (bids[0].price, bids[0].size) == (quote.bid, quote.bid_size)
    assert (asks[0].price, asks[0].size) == (quote.ask, quote.ask_size)
    assert quote.last == price_at(instrument, time)
    assert quote.bid <= quote.last <= quote.ask
    assert quote.low <= quote.last <= quote.high
    assert quote.low <= quote.open <= quote.high


@quick
@given(time=TIMES, later=st.integers(1, 200), size=st.sampled_from(["5 secs", "1 min", "1 hour"]))
def test_a_running_bar_only_grows(instrument, time, later, size):
    """Its beginning stays, its high never falls, its low never rises, its volume grows."""
    kind = "TRADES" if instrument.has_trades else "MIDPOINT"
    request = BarRequest("", size, "1 D", False, kind, 1, True)
    before, after = (running_bar(instrument, request, at) for at in (time, time + later / 4))
    if before.time == after.time:
        assert before.open == after.open
        assert before.high <= after.high
        assert before.low >= after.low
        assert before.volume <= after.volume
        assert before.count <= after.count


@quick
@given(day=st.integers(1, 200), regular=st.booleans())
def test_minutes_nest_in_hours_and_hours_in_the_day(instrument, day, regular):
    """The bars of one day are the same day, whatever their size."""
    if instrument.legs or instrument.sec_type == "FUND":
        return
    now = START - day * 86_400
    end = f"{dt.datetime.fromtimestamp(now, dt.UTC):%Y%m%d-%H:%M:%S}"
    kind = "TRADES" if instrument.has_trades else "MIDPOINT"

    def found(size):
        request = BarRequest(end, size, "1 D", regular, kind, 1, False)
        return bars_for(instrument, request, START)

    # What was not traded has neither volume nor count.
    compared = 6 if instrument.has_trades else 4
    whole = together(found("1 day"))[:compared]
    assert together(found("1 hour"))[:compared] == whole
    assert together(found("5 mins"))[:compared] == whole


@quick
@given(time=TIMES, volatility=st.floats(0.05, 1.5), moneyness=st.floats(0.8, 1.25))
def test_price_and_volatility_are_inverse(time, volatility, moneyness):
    """The volatility that a price means has this price, for options on stocks and on futures."""
    for index in (5, 6):
        option = WORLDS[False][1][index]
        years, spot = years_left(option, time), option.strike * moneyness
        carry = carry_of(option)
        price = greeks(option.right, option.strike, spot, years, volatility, carry=carry).price
        found = implied(option.right, option.strike, spot, years, price, carry=carry)
        if found is not None:
            again = greeks(option.right, option.strike, spot, years, found, carry=carry).price
            assert again == pytest.approx(price, abs=1e-6)


@quick
@given(seed=st.integers(1, 10_000), time=TIMES)
def test_the_same_seed_is_the_same_world(seed, time):
    """Two gateways with one seed agree on everything, at any time."""
    first, second = Universe(seed, DAY), Universe(seed, DAY)
    for spec in SPECS:
        one, other = first.find(spec)[0], second.find(spec)[0]
        assert one.con_id == other.con_id
        assert quote_at(one, time) == quote_at(other, time)


ORDERS = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["MKT", "LMT", "STP", "TRAIL", "MIT", "MOC"]),
    st.sampled_from(["DAY", "GTC", "IOC", "FOK", "OPG", ""]),
    st.integers(0, 9),
    st.integers(1, 400),
    st.floats(0.97, 1.03),
)
STEPS = st.one_of(
    st.tuples(st.just("order"), ORDERS),
    st.tuples(st.just("wait"), st.integers(1, 4000)),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("change"), st.integers(0, 50)),
    st.tuples(st.just("exercise"), st.integers(1, 3)),
)


class Trader:
    """Does what it is told in a book, and lets time pass."""

    def __init__(self, hours, latency):
        self.world, self.instruments = WORLDS[hours]
        self.book = Book(self.world, arrival=Arrival(latency))
        self.now = START + 2 * 86_400 + 13 * 3600
        self.book.match(self.now)

    def order(self, what):
        """Place an order."""
        action, kind, tif, index, quantity, factor = what
        instrument = self.instruments[index]
        price = quote_at(instrument, self.now).last
        values = {
            "action": action,
            "orderType": kind,
            "tif": tif,
            "totalQuantity": str(quantity),
            "lmtPrice": f"{price * factor:.2f}",
            "auxPrice": f"{abs(price) * 0.01:.2f}" if kind == "TRAIL" else f"{price * factor:.2f}",
            "transmit": "1",
        }
        ticket = Ticket(self.book.next_order_id(1), ContractSpec(), values)
        self.book.place(1, ACCOUNT, ticket, instrument, now=self.now)

    def wait(self, seconds):
        """Let time pass in steps, as a gateway does."""
        for _ in range(4):
            self.now += seconds / 4
            self.book.match(self.now)

    def cancel(self, number):
        """Cancel one of the open orders, if there are any."""
        if found := self.book.open_orders():
            self.book.cancel(found[number % len(found)], self.now)

    def change(self, number):
        """Give one of the open orders a quantity that is larger by one."""
        if found := self.book.open_orders():
            order = found[number % len(found)]
            values = {**order.ticket.values, "totalQuantity": f"{order.ticket.quantity + 1:g}"}
            ticket = Ticket(order.order_id, ContractSpec(), values)
            self.book.place(1, ACCOUNT, ticket, order.instrument, now=self.now)

    def exercise(self, quantity):
        """Exercise the options that are held, or let them lapse."""
        wanted = Exercise(ACCOUNT, self.instruments[5], quantity, quantity == 3, overrides=True)
        if wanted.objection(self.book, self.now) is None:
            wanted.settle(self.book, 1, 0, self.now)


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(STEPS, min_size=20, max_size=60),
    hours=st.booleans(),
    latency=st.sampled_from([0.0, 30.0]),
)
def test_the_books_balance_whatever_is_ordered(steps, hours, latency):
    """Positions are the sum of executions, and cash is what they paid, to the cent."""
    trader = Trader(hours, latency)
    for verb, what in steps:
        getattr(trader, verb)(what)
    book = trader.book
    check_books(book, ACCOUNT)

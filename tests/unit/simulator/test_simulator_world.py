"""The simulated world hangs together: whatever is asked about it, the answers agree."""

import datetime as dt
import itertools
import math
import zoneinfo

import pytest

from ibnb.simulator.world import calendars
from ibnb.simulator.world.calendars import US, session, trades_on
from ibnb.simulator.world.history import BarRequest, bars_for, parse_time, running_bar
from ibnb.simulator.world.instruments import ContractSpec, LegSpec
from ibnb.simulator.world.market import (
    depth_at,
    price_at,
    prices_between,
    quote_at,
    trades_between,
)
from ibnb.simulator.world.options import greeks, implied, volatility_of, years_left
from ibnb.simulator.world.universe import Universe

DAY = dt.date(2025, 6, 2)
WORLD = Universe(day=DAY)
NOON = dt.datetime(2025, 6, 5, 16, tzinfo=dt.UTC).timestamp()
OPTION = ContractSpec(symbol="SPX", sec_type="OPT", expiry="20250620", strike="6000", right="C")
SPECS = {
    "stock": ContractSpec(symbol="AAPL", sec_type="STK", currency="USD"),
    "unknown stock": ContractSpec(symbol="ZVZZT", sec_type="STK", currency="USD"),
    "stock in Europe": ContractSpec(symbol="SAP", sec_type="STK", currency="EUR"),
    "stock in Tokyo": ContractSpec(symbol="7203", sec_type="STK", currency="JPY"),
    "pair": ContractSpec(symbol="EUR", sec_type="CASH", currency="USD"),
    "pair with yen": ContractSpec(symbol="USD", sec_type="CASH", currency="JPY"),
    "index": ContractSpec(symbol="SPX", sec_type="IND"),
    "future": ContractSpec(symbol="ES", sec_type="CONTFUT"),
    "option": OPTION,
    "coin": ContractSpec(symbol="BTC", sec_type="CRYPTO", currency="USD"),
    "CFD": ContractSpec(symbol="IBUS500", sec_type="CFD"),
    "bond": ContractSpec(symbol="US-T", sec_type="BOND"),
    "gold": ContractSpec(symbol="XAUUSD", sec_type="CMDTY"),
    "option on a future": ContractSpec(
        symbol="ES", sec_type="FOP", expiry="20250620", strike="6000", right="P"
    ),
    "warrant": ContractSpec(symbol="DAX", sec_type="WAR", expiry="20250620", right="C"),
}
INSTRUMENTS = {name: WORLD.find(spec)[0] for name, spec in SPECS.items()}
LEGS = (LegSpec(265598, 1, "BUY", "SMART"), LegSpec(272093, 2, "SELL", "SMART"))
INSTRUMENTS["combination"] = WORLD.combine(
    ContractSpec(symbol="AAPL", sec_type="BAG", exchange="SMART", currency="USD"), LEGS
)


@pytest.fixture(params=sorted(INSTRUMENTS))
def instrument(request):
    """Each kind of instrument."""
    return INSTRUMENTS[request.param]


def bars(instrument, size, duration="1 D", end="20250605 23:59:59 UTC", **others):
    """Return the bars of a day."""
    values = {"regular_hours": False, "kind": "TRADES", "date_format": 1, **others}
    request = BarRequest(end, size, duration, keep_up_to_date=False, **values)
    return bars_for(instrument, request, NOON + 86_400 * 30)


def merged(parts):
    """Return what several bars are together."""
    return (
        parts[0].open,
        max(bar.high for bar in parts),
        min(bar.low for bar in parts),
        parts[-1].close,
        sum(bar.volume for bar in parts),
        sum(bar.count for bar in parts),
    )


@pytest.mark.parametrize(
    ("small", "large"), [("1 min", "5 mins"), ("1 min", "1 hour"), ("5 mins", "1 hour")]
)
def test_small_bars_nest_in_large_ones(instrument, small, large):
    """Prices, volumes and counts of the small bars are exactly those of the large one."""
    # A combination's bars take longer: there are as many prices as trades.
    duration = "7200 S" if instrument.legs else "1 D"
    fine = bars(instrument, small, duration)
    for coarse, following in itertools.pairwise(bars(instrument, large, duration)):
        parts = [bar for bar in fine if coarse.time <= bar.time < following.time]
        assert merged(parts) == merged([coarse])


@pytest.mark.parametrize("regular", [True, False])
def test_the_bars_of_a_day_nest_in_the_day(instrument, regular):
    """A day's bar is what its hours are together, in regular hours and in all."""
    (day,) = bars(instrument, "1 day", regular_hours=regular)
    assert merged(bars(instrument, "1 hour", regular_hours=regular)) == merged([day])


def test_days_nest_in_weeks_and_months():
    """Weeks and months are made of days, and dated by the last of them."""
    stock = INSTRUMENTS["stock"]
    days = bars(stock, "1 day", "3 M")
    weeks = bars(stock, "1W", "3 M")
    months = bars(stock, "1M", "3 M")
    assert merged(weeks) == merged(months) == merged(days)
    assert weeks[-1].day == months[-1].day == days[-1].day
    assert len(months) == 4


def test_ticks_nest_in_bars(instrument):
    """The trades of a minute are its bar, and those of a second the bar of a second."""
    start = int(NOON)
    for seconds in (1, 60):
        trades = trades_between(instrument, start, start + seconds)
        bar = prices_between(instrument, start, start + seconds)
        prices = [trade.price for trade in trades]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (
            *(bar.open, bar.high),
            *(bar.low, bar.close),
        )
        assert len(trades) == bar.count
        if instrument.has_trades and instrument.sec_type != "IND":
            assert sum(trade.size for trade in trades) == bar.volume


def test_a_running_bar_only_grows(instrument):
    """From one look to the next its high never falls, its low never rises, its volume grows."""
    request = BarRequest("", "1 min", "1 D", False, "TRADES", 1, True)
    start = NOON // 60 * 60
    looks = [running_bar(instrument, request, start + second) for second in range(1, 60, 7)]
    for before, after in itertools.pairwise(looks):
        assert (before.time, before.open) == (after.time, after.open)
        assert before.high <= after.high
        assert before.low >= after.low
        assert before.volume <= after.volume
    whole = prices_between(instrument, start, start + 60)
    assert looks[-1].high <= whole.high
    assert looks[-1].low >= whole.low


def test_quote_depth_and_price_agree(instrument):
    """The depth's first rows are the quote, which is around the last price, within the day."""
    for moment in (NOON, NOON + 0.5, NOON + 3600.25):
        quote = quote_at(instrument, moment)
        bids, asks = depth_at(instrument, moment, 5)
        assert (bids[0].price, bids[0].size) == (quote.bid, quote.bid_size)
        assert (asks[0].price, asks[0].size) == (quote.ask, quote.ask_size)
        assert quote.last == price_at(instrument, moment)
        assert quote.bid <= quote.last < quote.ask
        assert quote.low <= quote.last <= quote.high
        assert [bid.price for bid in bids] == sorted({bid.price for bid in bids}, reverse=True)
        assert [ask.price for ask in asks] == sorted({ask.price for ask in asks})


@pytest.mark.parametrize("kind", ["BID", "ASK", "MIDPOINT", "BID_ASK"])
def test_what_is_offered_is_around_what_is_traded(kind):
    """Bars of bids and offers are a tick beside those of trades, and have no volume."""
    stock = INSTRUMENTS["stock"]
    for traded, offered in zip(
        bars(stock, "1 hour"), bars(stock, "1 hour", kind=kind), strict=True
    ):
        below = {"BID": -0.01, "ASK": 0.01, "MIDPOINT": 0.0, "BID_ASK": -0.01}[kind]
        above = {"BID": -0.01, "ASK": 0.01, "MIDPOINT": 0.0, "BID_ASK": 0.01}[kind]
        assert offered.low == pytest.approx(traded.low + below)
        assert offered.high == pytest.approx(traded.high + above)
        assert (offered.volume, offered.count) == (-1, -1)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("stock", "HISTORICAL_VOLATILITY"),
        ("stock", "OPTION_IMPLIED_VOLATILITY"),
        ("stock", "FEE_RATE"),
        ("bond", "YIELD_BID_ASK"),
    ],
)
def test_what_is_not_a_price_moves_against_it(name, kind):
    """Volatilities, rates and yields rise when the price falls, and hold together as a bar."""
    instrument = INSTRUMENTS[name]
    for traded, told in zip(
        bars(instrument, "1 hour"), bars(instrument, "1 hour", kind=kind), strict=True
    ):
        assert told.low <= min(told.open, told.close) <= max(told.open, told.close) <= told.high
        assert (told.open > told.close) == (traded.open < traded.close)


def test_the_same_seed_is_the_same_world(instrument):
    """Another gateway with this seed has the same conIds and prices; another seed has others."""
    spec = ContractSpec(con_id=instrument.con_id)
    again, other = Universe(day=DAY), Universe(seed=2, day=DAY)
    for world in (again, other):
        for known in SPECS.values():
            world.find(known)
    if instrument.legs:
        bag = ContractSpec(symbol="AAPL", sec_type="BAG", exchange="SMART", currency="USD")
        same, different = again.combine(bag, LEGS), other.combine(bag, LEGS)
    else:
        (same,), (different,) = again.find(spec), other.find(spec)
    assert quote_at(same, NOON) == quote_at(instrument, NOON)
    assert quote_at(different, NOON) != quote_at(instrument, NOON)


def test_price_and_volatility_are_each_others_inverse():
    """The volatility that a price means gives this price."""
    for right in "CP":
        for strike in (5400.0, 6000.0, 6600.0):
            worth = greeks(right, strike, 6000.0, 0.1, 0.23)
            found = implied(right, strike, 6000.0, 0.1, worth.price)
            assert found == pytest.approx(0.23, abs=1e-6)
            assert greeks(right, strike, 6000.0, 0.1, found).price == pytest.approx(worth.price)
    assert implied("C", 6000.0, 6000.0, 0.1, 7000.0) is None


def test_an_options_price_follows_its_underlying():
    """Its price is the model's at the underlying's price, and calls and puts keep their parity."""
    call = INSTRUMENTS["option"]
    put = WORLD.find(ContractSpec(**{**vars(OPTION), "right": "P"}))[0]
    spot = price_at(call.underlying, NOON)
    years = years_left(call, NOON)
    worth = greeks("C", 6000.0, spot, years, volatility_of(call))
    assert price_at(call, NOON) == pytest.approx(worth.price, abs=0.01)
    parity = spot - 6000.0 * math.exp(-0.04 * years)
    assert price_at(call, NOON) - price_at(put, NOON) == pytest.approx(parity, abs=0.02)


def test_a_chain_is_what_its_parameters_say():
    """Each expiration and strike is one call and one put, and there are no others."""
    index = INSTRUMENTS["index"]
    dates, strikes = WORLD.expirations(index), WORLD.strikes(index)
    assert all(dt.datetime.strptime(one, "%Y%m%d").weekday() == 4 for one in dates)  # noqa: DTZ007
    assert strikes[0] <= price_at(index, NOON) <= strikes[-1]
    classes = WORLD.option_classes(index)
    assert set(classes) == {"SPX", "SPXW"}
    assert sorted(classes["SPX"] + classes["SPXW"]) == dates
    assert "20250620" in classes["SPX"]
    assert "20250613" in classes["SPXW"]
    whole = WORLD.find(ContractSpec(symbol="SPX", sec_type="OPT", expiry=dates[3]))
    assert {(one.strike, one.right) for one in whole} == set(itertools.product(strikes, "CP"))
    assert len({one.con_id for one in whole}) == len(whole)


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        (ContractSpec(symbol="XXX", sec_type="STK", currency="USD"), 0),
        (ContractSpec(symbol="NOSUCH", sec_type="STK", currency="USD"), 0),
        (ContractSpec(symbol="aapl", sec_type="STK", currency="USD"), 0),
        (ContractSpec(symbol="AMD", sec_type="STK"), 3),
        (ContractSpec(symbol="BRK B", sec_type="STK", currency="USD"), 1),
        (ContractSpec(symbol="AAPL", sec_type="STK", exchange="LSE", currency="USD"), 0),
        (ContractSpec(symbol="USD", sec_type="CASH", currency="EUR"), 0),
        (ContractSpec(symbol="XYZ", sec_type="CASH", currency="USD"), 0),
        (ContractSpec(local_symbol="GBP.USD", sec_type="CASH"), 1),
        (ContractSpec(symbol="ES", sec_type="FUT"), 4),
        (ContractSpec(local_symbol="ESM5", sec_type="FUT"), 1),
        (ContractSpec(symbol="ES", sec_type="FUT", expiry="202001"), 0),
        (ContractSpec(symbol="AAPL", sec_type="OPT", expiry="20250620", strike="225"), 2),
        (ContractSpec(symbol="AAPL", sec_type="OPT", expiry="20250620", strike="225.1"), 0),
        (ContractSpec(local_symbol="SPXW  250613C06000000", sec_type="OPT"), 1),
        (ContractSpec(local_symbol="AAPL  250620P00225000", sec_type="OPT"), 1),
        (ContractSpec(con_id=1), 0),
        (ContractSpec(symbol="ES", sec_type="FOP", expiry="20250620", strike="6000"), 2),
        (ContractSpec(symbol="ES", sec_type="FOP", expiry="20250620", exchange="SMART"), 0),
        (ContractSpec(local_symbol="ESM5 250620C6000", sec_type="FOP"), 1),
        (ContractSpec(local_symbol="DAXW 250620C20000", sec_type="WAR", exchange="SWB"), 1),
        (ContractSpec(symbol="AAPL", sec_type="WAR"), 0),
        (ContractSpec(symbol="VFIAX", sec_type="FUND", exchange="FUNDSERV"), 1),
        (ContractSpec(symbol="NOFUND", sec_type="FUND"), 0),
    ],
)
def test_what_exists(spec, count):
    """Well-formed stocks and pairs do; what is ambiguous is found several times."""
    assert len(WORLD.find(spec)) == count


def test_an_option_on_a_future_belongs_to_the_future_that_it_ends_with():
    """Each expiration has one underlying: the first future that does not end before it."""
    futures = WORLD.find(ContractSpec(symbol="ES", sec_type="FUT"))
    for option in WORLD.find(ContractSpec(symbol="ES", sec_type="FOP", strike="6000", right="C")):
        first = next(one for one in futures if one.expiry >= option.expiry)
        assert (option.underlying, option.under_con_id) == (first, first.con_id)
        assert (option.multiplier, option.exchange) == ("50", "CME")


def test_options_on_futures_keep_the_parity_of_futures():
    """A call less a put is what the future is above the strike, discounted."""
    put = INSTRUMENTS["option on a future"]
    (call,) = WORLD.find(ContractSpec(**{**vars(SPECS["option on a future"]), "right": "C"}))
    above = price_at(put.underlying, NOON) - 6000.0
    parity = above * math.exp(-0.04 * years_left(put, NOON))
    assert price_at(call, NOON) - price_at(put, NOON) == pytest.approx(parity, abs=0.5)


def test_a_fund_has_one_price_a_day():
    """It changes when regular trading ends; there are no trades, and it is bought at that price."""
    (fund,) = WORLD.find(ContractSpec(symbol="VFIAX", sec_type="FUND"))
    quote = quote_at(fund, NOON)
    assert quote.bid == quote.ask == quote.last
    closes = session(US, dt.date(2025, 6, 5).toordinal(), regular=True)[1]
    day = [price_at(fund, closes - 3600 * hours) for hours in range(1, 20)]
    assert len(set(day)) == 1
    assert price_at(fund, closes) != day[0]
    assert trades_between(fund, NOON, NOON + 60) == []
    daily = bars(fund, "1 day", "5 D", kind="MIDPOINT", regular_hours=True)
    assert len({bar.close for bar in daily}) == 5


def test_a_combination_costs_what_its_legs_cost():
    """Its price, its bid and its offer are the legs' own, bought or sold as often as each is."""
    combination = INSTRUMENTS["combination"]
    quote = quote_at(combination, NOON)
    first, second = (quote_at(leg, NOON) for leg, _ in combination.legs)
    assert quote.last == pytest.approx(first.last - 2 * second.last)
    assert quote.bid == pytest.approx(first.bid - 2 * second.ask)
    assert quote.ask == pytest.approx(first.ask - 2 * second.bid)


def test_every_stock_is_known_by_its_conid():
    """Its conId says which stock it is, to a gateway that never heard of it before."""
    for symbol in ("A", "ZZZZZ", "BRK B", "Q"):
        (stock,) = WORLD.find(ContractSpec(symbol=symbol, sec_type="STK", currency="USD"))
        assert Universe(day=DAY).by_con_id(stock.con_id).symbol == symbol


@pytest.mark.parametrize("date", [dt.date(2025, 3, 7), dt.date(2025, 3, 10)])
def test_the_clocks_change(date):
    """Regular hours begin at half past nine in New York, before and after its clocks change."""
    end = f"{date:%Y%m%d} 23:59:59 US/Eastern"
    hours = bars(INSTRUMENTS["stock"], "1 hour", end=end, regular_hours=True)
    zone = zoneinfo.ZoneInfo("America/New_York")
    told = [dt.datetime.fromtimestamp(bar.time, zone) for bar in hours]
    assert {one.date() for one in told} == {date}
    assert [(one.hour, one.minute) for one in told] == [
        *((9, 30), (10, 0), (11, 0), (12, 0), (13, 0), (14, 0), (15, 0)),
    ]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("20250605 12:00:00 US/Eastern", "2025-06-05T16:00:00"),
        ("20250605-16:00:00", "2025-06-05T16:00:00"),
        ("20250605 16:00:00 UTC", "2025-06-05T16:00:00"),
        ("20250605 18:00:00 MET", "2025-06-05T16:00:00"),
        ("20250605  16:00:00", "2025-06-05T16:00:00"),
        ("20250605 16:00:00 Nowhere/City", None),
        ("20251305 16:00:00", None),
        ("yesterday", None),
    ],
)
def test_a_time_is_read_with_its_zone(text, utc):
    """Times name their zone or are UTC; what is not a time is None."""
    found = parse_time(text)
    told = None if found is None else dt.datetime.fromtimestamp(found, dt.UTC).isoformat()[:19]
    assert told == utc


def test_a_zone_may_have_its_modern_name_only(monkeypatch):
    """Where a system does not know the old name that gateways use, the modern one is told."""
    whole = zoneinfo.ZoneInfo

    def modern(name):
        if name == "US/Eastern":
            raise zoneinfo.ZoneInfoNotFoundError(name)
        return whole(name)

    calendars.known_zone.cache_clear()
    monkeypatch.setattr(zoneinfo, "ZoneInfo", modern)
    assert calendars.zone_name("US/Eastern") == "America/New_York"
    assert parse_time("20250605 12:00:00 US/Eastern") == parse_time("20250605-16:00:00")
    calendars.known_zone.cache_clear()


def test_a_duration_counts_days_of_trading():
    """Days are days of trading, weeks and months those of the calendar; a day half gone counts."""
    stock = INSTRUMENTS["stock"]
    assert [len(bars(stock, "1 day", duration)) for duration in ("1 D", "10 D", "1 W")] == [
        1,
        10,
        5,
    ]
    half = bars(stock, "1 hour", "2 D", end="20250605 12:00:00 US/Eastern", regular_hours=True)
    assert len(half) == 7 + 3
    for duration in ("1800 S", "1800"):
        assert len(bars(stock, "30 secs", duration, regular_hours=True)) == 60


def test_holidays_come_from_the_calendar_library():
    """With the calendar library, an exchange is closed on its holidays; crypto never is."""
    pytest.importorskip("exchange_calendars", reason="the extra sim is not installed")
    independence = dt.date(2025, 7, 4).toordinal()
    assert not trades_on(US, independence)
    assert trades_on(US, independence - 1)
    assert trades_on(calendars.CRYPTO, independence + 1)
    # The day before it is short.
    begins, ends = session(US, independence - 1, regular=True)
    assert ends - begins == 3.5 * 3600


@pytest.mark.parametrize("hours", [US, calendars.EUROPE, calendars.CHICAGO, calendars.CURRENCIES])
def test_weekends_are_closed(hours):
    """No exchange but that of crypto pairs trades on a Saturday."""
    assert not trades_on(hours, dt.date(2025, 6, 7).toordinal())
    assert trades_on(calendars.CRYPTO, dt.date(2025, 6, 7).toordinal())

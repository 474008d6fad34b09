"""Times that clients write: with a zone, without one, by the day alone, or not at all."""

import datetime as dt
import zoneinfo

import pytest

from ibnb.simulator import SimulatedGateway

NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
AFTERNOON = "2026-07-01T15:59:30 America/New_York x10"


@pytest.fixture
async def session(library, connect):
    """A session, the codes that it is told, each with its request, and a stock."""
    ib = await connect()
    told = []
    ib.errorEvent += lambda req_id, code, *_: told.append((req_id, code))
    return ib, told, library.Stock("AAPL", "SMART", "USD", conId=265598)


def order(library, **values):
    """Return an order that rests."""
    usual = {"action": "BUY", "orderType": "LMT", "lmtPrice": 10, "totalQuantity": 1, "tif": "GTC"}
    return library.Order(**{**usual, **values})


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"tif": "GTD"}, 334),
        ({"tif": "GTD", "goodTillDate": "soon"}, 343),
        ({"tif": "GTD", "goodTillDate": "20261301 12:00:00 UTC"}, 343),
        ({"tif": "GTD", "goodTillDate": "20261201 12:00:00 Mars/Base"}, 343),
        ({"goodAfterTime": "tomorrow"}, 337),
    ],
)
async def test_a_time_that_is_none_refuses_its_order(library, session, until, values, code):
    """With the code of its kind; an order never rests for ever because of it."""
    ib, told, stock = session
    trade = ib.placeOrder(stock, order(library, **values))
    await until(trade.isDone)
    assert [one for _, one in told] == [code]
    assert await ib.reqAllOpenOrdersAsync() == []


@pytest.mark.parametrize(
    ("named", "warned"),
    [
        ({"goodTillDate": "20300101 12:00:00"}, True),
        ({"goodTillDate": "20300101-12:00:00"}, False),
        ({"goodTillDate": "20300101 12:00:00 US/Eastern"}, False),
        ({"goodTillDate": "20300101"}, False),
        ({"goodAfterTime": "20300101 12:00:00"}, True),
        ({"goodAfterTime": "20300101 12:00:00 UTC"}, False),
    ],
)
async def test_an_order_whose_time_has_no_zone_is_warned_of(library, session, until, named, warned):
    """2174, under its own ID, and the order goes on."""
    ib, told, stock = session
    tif = "GTD" if "goodTillDate" in named else "GTC"
    trade = ib.placeOrder(stock, order(library, tif=tif, **named))
    await until(lambda: trade.orderStatus.status in {"Submitted", "PreSubmitted"})
    await ib.reqCurrentTimeAsync()
    assert told == ([(trade.order.orderId, 2174)] if warned else [])
    assert len(await ib.reqAllOpenOrdersAsync()) == 1


async def test_other_requests_whose_time_has_no_zone_are_warned_of(library, session):
    """Ticks of the past, and executions since a time; they are answered all the same."""
    ib, told, stock = session
    for end, codes in (("20261102 15:00:00", [2174]), ("20261102-15:00:00", [])):
        told.clear()
        found = await ib.reqHistoricalTicksAsync(stock, "", end, 5, "TRADES", useRth=True)
        assert len(found) == 5
        assert [code for _, code in told] == codes
    for since, codes in (("20261102 15:00:00", [2174]), ("20261102-15:00:00", []), ("", [])):
        told.clear()
        assert await ib.reqExecutionsAsync(library.ExecutionFilter(time=since)) == []
        assert [code for _, code in told] == codes


@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("end", ["", "20260630-15:00:00", "20300101-00:00:00"])
async def test_a_schedule_says_when_trading_ends_and_not_what_time_it_is(library, end, regular):
    """It agrees with the hours of the contract's details, on a day that is not over, too."""
    with SimulatedGateway(clock="2026-07-01T11:00:00 America/New_York") as gateway:
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", gateway.port, 7, timeout=20)
        stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
        found = await ib.reqHistoricalScheduleAsync(stock, 3, end, regular)
        begins, ends = ("09:30:00", "16:00:00") if regular else ("04:00:00", "20:00:00")
        last = found.sessions[-1]
        assert last.refDate == ("20260630" if "0630" in end else "20260701")
        assert {one.startDateTime[9:] for one in found.sessions} == {begins}
        assert {one.endDateTime[9:] for one in found.sessions} == {ends}
        assert found.endDateTime == last.endDateTime
        (detail,) = await ib.reqContractDetailsAsync(stock)
        hours = detail.liquidHours if regular else detail.tradingHours
        opens, closes = (text[:5].replace(":", "") for text in (begins, ends))
        assert hours.startswith(f"20260701:{opens}-20260701:{closes};")
        ib.disconnect()


async def test_good_till_a_day_is_good_through_that_day(library, until):
    """And ends with it: the day before has ended when it began."""
    with SimulatedGateway(clock=AFTERNOON) as gateway:
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", gateway.port, 7, timeout=20)
        stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
        today = ib.placeOrder(stock, order(library, tif="GTD", goodTillDate="20260701"))
        before = ib.placeOrder(stock, order(library, tif="GTD", goodTillDate="20260630"))
        await until(before.isDone)
        assert today.orderStatus.status == "Submitted"
        midnight = dt.datetime(2026, 7, 2, tzinfo=NEW_YORK)
        gateway.clock(midnight.timestamp() - 5)
        assert today.orderStatus.status == "Submitted"
        await until(today.isDone)
        assert dt.datetime.fromisoformat(gateway.clock()) >= midnight - dt.timedelta(seconds=1)
        ib.disconnect()


@pytest.mark.parametrize("last", ["99991231", "99991231-23:59:59"])
async def test_an_order_that_is_good_for_ever_troubles_nobody(
    library, gateway, session, until, last
):
    """The market goes on for it and for everybody else."""
    ib, _, stock = session
    stays = ib.placeOrder(stock, order(library, tif="GTD", goodTillDate=last))
    await until(lambda: stays.orderStatus.status == "Submitted")
    bought = ib.placeOrder(stock, order(library, lmtPrice=20))
    gateway.set_quote("AAPL", ask=19)
    await until(lambda: bought.orderStatus.status == "Filled")
    assert stays.orderStatus.status == "Submitted"

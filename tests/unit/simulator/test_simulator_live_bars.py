"""Historical bars that are kept up to date end as the history has them."""

import datetime as dt

import pytest

from ibnb.simulator.streams import BarStream, skip_to
from ibnb.simulator.world.history import BarRequest, bars_for
from ibnb.simulator.world.instruments import ContractSpec
from ibnb.simulator.world.universe import Universe
from ibnb.tws.wire import FrameReader, split_fields

STOCK = ContractSpec(symbol="AAPL", sec_type="STK", currency="USD")
NOON = dt.datetime(2026, 7, 1, 16, tzinfo=dt.UTC).timestamp()
CLOSE = dt.datetime(2026, 7, 2, 0, tzinfo=dt.UTC).timestamp()
OPENING = dt.datetime(2026, 7, 2, 8, tzinfo=dt.UTC).timestamp()


def live(stock, size, times, regular=False):
    """Return what a client has by the end of these times: the newest bar of each date."""
    request = BarRequest("", size, "1 D", regular, "TRADES", 2, True)
    before = bars_for(stock, request, times[0])[-1]
    stream = BarStream(7, stock, request, before.time)
    found, volumes = {}, {}
    for now in times:
        for payload in FrameReader().feed(stream.update(now, 176)):
            _, _, _, date, opened, close, high, low, _, volume = split_fields(payload)
            # A bar under way only grows, and what has ended does not change.
            assert float(volume) >= volumes.get(date, 0)
            assert date >= max(found, default=date)
            found[date] = (opened, high, low, close, volume)
            volumes[date] = float(volume)
    return found


def history(stock, size, now, dates, regular=False):
    """Return the bars of these dates as the history has them at a time."""
    request = BarRequest("", size, "2 D", regular, "TRADES", 2, False)
    bars = bars_for(stock, request, now)
    return {
        date: tuple(map(str, (one.open, one.high, one.low, one.close, one.volume)))
        for one in bars
        if (date := str(int(one.time))) in dates
    }


@pytest.mark.parametrize("keeps_hours", [False, True])
@pytest.mark.parametrize(
    ("size", "turn"),
    [("5 secs", 0.5), ("1 min", 0.5), ("5 secs", 0.3), ("5 secs", 30.0), ("1 min", 1800.0)],
)
def test_a_bar_that_has_ended_is_that_of_the_history(keeps_hours, size, turn):
    """Whatever the turns are: the last trades count, and in a fast world no bar is left out."""
    (stock,) = Universe(day=dt.date(2026, 7, 1), keeps_hours=keeps_hours).find(STOCK)
    times = [NOON + 0.2 + turn * number for number in range(round(130 / min(turn, 13)))]
    found = live(stock, size, times)
    first, last = min(map(int, found)), max(map(int, found))
    step = 5 if size == "5 secs" else 60
    assert len(found) == (last - first) // step + 1 >= 3
    # That which is under way ends for the history with the last full second.
    del found[str(last)]
    assert found == history(stock, size, times[-1], found)


def test_the_last_bar_of_an_evening_ends_before_the_morning_begins():
    """Nothing is between them, however long the night is."""
    (stock,) = Universe(day=dt.date(2026, 7, 1), keeps_hours=True).find(STOCK)
    times = [CLOSE - 2.0, CLOSE - 0.3, CLOSE + 60, OPENING - 1, OPENING + 0.3, OPENING + 6.0]
    found = live(stock, "5 secs", times)
    assert sorted(map(int, found)) == [int(CLOSE) - 5, int(OPENING), int(OPENING) + 5]
    assert found == history(stock, "5 secs", times[-1], found)


def test_a_clock_that_is_set_leaves_no_bars_in_between():
    """Nothing has happened then."""
    (stock,) = Universe(day=dt.date(2026, 7, 1)).find(STOCK)
    request = BarRequest("", "5 secs", "1 D", False, "TRADES", 2, True)
    stream = BarStream(7, stock, request, NOON)
    skip_to(stream, NOON + 3600)
    assert len(FrameReader().feed(stream.update(NOON + 3600, 176))) == 1

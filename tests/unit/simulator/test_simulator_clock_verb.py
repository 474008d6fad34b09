"""A clock that is given to a gateway which began without one: its markets have their hours then."""

import contextlib
import datetime as dt
import http.client
import json

import pytest

from ibnb.simulator import ControlPort, SimulatedGateway, VerbError, read_scenario

NIGHT = "2026-07-01T22:00:00 America/New_York"
DAY = "2026-07-02T12:00:00 America/New_York"
STOCK = ("265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")
PAIR = ("12087792", "EUR", "CASH", "", "0.0", "", "", "IDEALPRO", "", "USD", "", "")
SOME = 3


def in_python(gateway, moment, _folder):
    """Call the verb."""
    gateway.clock(moment)


def over_http(gateway, moment, _folder):
    """Post the verb to a control port."""
    with ControlPort(gateway, 0) as control:
        connection = http.client.HTTPConnection("127.0.0.1", control.port, timeout=20)
        body = json.dumps({"moment": moment})
        connection.request("POST", "/clock", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        connection.close()


def by_a_file(gateway, moment, folder):
    """Play a scenario with the verb."""
    path = folder / "clock.toml"
    path.write_text(f"[[step]]\nverb = 'clock'\nmoment = {moment!r}\n")
    with read_scenario(path).playing(gateway, pytest.fail):
        pass


def subscribe(client):
    """Ask for the data of a stock and of a pair of currencies, which is traded at night."""
    client.send(1, 11, 7, *STOCK, 0, "", 0, 0, "")
    client.send(1, 11, 8, *PAIR, 0, "", 0, 0, "")


def bids_meanwhile(client):
    """Return how often the stock's bid changes while the pair's does some times."""
    found = {"7": 0, "8": 0}
    while found["8"] < SOME:
        frame = client.read_until(1)[-1]
        found[frame[2]] += frame[3] == "1"
    return found["7"]


def goes_on(client):
    """Wait until the stock's bid changes, after what a change of the clock brings."""
    bids_meanwhile(client)
    while client.read_until(1)[-1][2:4] != ["7", "1"]:
        pass
    return True


def stands_still(client):
    """Say whether the stock's bid stays, after what a change of the clock brings."""
    bids_meanwhile(client)
    return bids_meanwhile(client) == 0


@pytest.mark.parametrize("set_clock", [in_python, over_http, by_a_file])
def test_a_clock_that_is_set_brings_hours(gateway, dial, tmp_path, set_clock):
    """At night a stock stands still and a pair goes on; without the clock the stock goes on, too.

    What was subscribed before is told the last prices of the day, and then nothing.
    """
    client = dial(gateway)
    client.open()
    subscribe(client)
    assert goes_on(client)
    set_clock(gateway, NIGHT, tmp_path)
    client.send(49, 1)
    told = int(client.read_until(49)[-1][2])
    assert dt.datetime.fromtimestamp(told, dt.UTC).date() == dt.date(2026, 7, 2)
    assert stands_still(client)
    set_clock(gateway, "off", tmp_path)
    client.send(49, 1)
    told = int(client.read_until(49)[-1][2])
    assert dt.datetime.fromtimestamp(told, dt.UTC).year > 2025
    assert told > dt.datetime(2026, 7, 2, 12, tzinfo=dt.UTC).timestamp()
    assert goes_on(client)


def test_a_later_session_is_in_the_same_world(gateway, dial):
    """What the clock is set to holds for whoever comes."""
    gateway.clock(NIGHT)
    client = dial(gateway)
    client.open()
    subscribe(client)
    assert stands_still(client)


async def test_an_order_waits_for_the_hours_that_the_clock_brings(library, gateway, connect, until):
    """399 at night, and a fill once it is day, or once there are no hours any more."""
    ib = await connect()
    codes = []
    ib.errorEvent += lambda _req_id, code, _text, _contract: codes.append(code)
    stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
    for opens in (DAY, "off"):
        gateway.clock(NIGHT)
        trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1, tif="GTC"))
        await until(lambda: 399 in codes)
        codes.clear()
        gateway.clock(opens)
        await until(lambda trade=trade: trade.orderStatus.status == "Filled")


async def test_an_order_for_the_day_ends_at_the_close_to_which_the_clock_is_set(
    library, gateway, connect, until
):
    """Placed before there was a clock, it belongs to the day that the clock brings."""
    ib = await connect()
    stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
    trade = ib.placeOrder(stock, library.LimitOrder("BUY", 1, 1.0, tif="DAY"))
    await until(lambda: trade.orderStatus.status == "Submitted")
    gateway.clock("2026-07-01T15:59:58 America/New_York")
    assert gateway.orders[0].status == "Submitted"
    gateway.clock("2026-07-01T15:59:58 America/New_York x10")
    await until(lambda: trade.orderStatus.status == "Cancelled")


async def test_what_is_traded_is_that_of_the_day_to_which_the_clock_is_set(
    library, gateway, connect
):
    """Futures and options around it, and none that has ended."""
    ib = await connect()
    gateway.clock("2028-02-01T12:00:00")
    found = await ib.reqContractDetailsAsync(library.Future("ES", exchange="CME"))
    months = sorted(one.contract.lastTradeDateOrContractMonth for one in found)
    assert months[0].startswith("202803")
    chains = await ib.reqSecDefOptParamsAsync("AAPL", "", "STK", 265598)
    assert all(date >= "20280201" for one in chains for date in one.expirations)
    old = found[0].contract
    gateway.clock("2031-02-01T12:00:00")
    assert await ib.reqSecDefOptParamsAsync("ES", "CME", "FUT", old.conId) == []
    assert len(await ib.reqContractDetailsAsync(library.Future("ES", exchange="CME"))) == 4


@pytest.mark.parametrize("begins", [None, NIGHT])
def test_reset_is_as_at_the_beginning(begins, dial):
    """Without a clock it is open again; with one it has its hours again."""
    with SimulatedGateway(clock=begins) as gateway:
        gateway.clock("off" if begins else NIGHT)
        gateway.reset()
        client = dial(gateway)
        client.open()
        subscribe(client)
        assert stands_still(client) if begins else goes_on(client)


def test_a_clock_that_cannot_be_changes_nothing(gateway):
    """One line says what there is."""
    with pytest.raises(VerbError, match="'off' for none") as caught:
        gateway.clock("noon")
    assert "\n" not in str(caught.value)
    with contextlib.suppress(VerbError):
        gateway.clock("1950-01-01")
    assert gateway.clock() > "2026-07-03"


def test_a_program_is_told_that_it_has_no_clock(run_sim, dial):
    """`--clock off` is what there is without it."""
    client = dial(run_sim("--clock", "off"))
    client.open()
    subscribe(client)
    assert goes_on(client)

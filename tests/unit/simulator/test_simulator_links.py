"""What a gateway's lost links do: to the IBKR servers, and to one data farm or another."""

import asyncio
from itertools import pairwise

import pytest

from ibnb.simulator import FAULTS, UnknownFaultError
from ibnb.simulator.protocol import texts
from ibnb.simulator.waiting import WaitingRequests


def notices(client, count):
    """Return the codes and texts of the next so many notices, whatever comes between them."""
    found = []
    while len(found) < count:
        frame = client.read()
        if frame[0] == "4":
            found.append((int(frame[3]), frame[4]))
    return found


def ready(client):
    """Open a session, and return what it is told of its links."""
    client.open()
    return notices(client, 5)


STOCK = ("265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")
PAIR = ("12087792", "EUR", "CASH", "", "0.0", "", "", "IDEALPRO", "", "USD", "", "")


def subscribe(client, req_id, contract):
    """Ask for market data."""
    client.send(1, 11, req_id, *contract, 0, "", 0, 0, "")


def ticks(client, req_id):
    """Read up to the next price of a subscription."""
    while True:
        frame = client.read_until(1)[-1]
        if frame[2] == str(req_id):
            return frame


def test_a_loss_that_ends_by_1101_takes_the_subscriptions_along(gateway, dial):
    """Nothing more comes of them, and a new one ticks; no cancel finds what is gone."""
    client = dial(gateway)
    ready(client)
    subscribe(client, 7, STOCK)
    ticks(client, 7)
    gateway.faults(["data-lost:0.1"])
    assert [code for code, _ in notices(client, 2)] == [1100, 1101]
    client.send(2, 2, 7)
    (frame,) = [frame for frame in client.read_until(4) if frame[0] == "4"]
    assert frame[2:4] == ["7", "300"]
    subscribe(client, 8, STOCK)
    ticks(client, 8)


async def test_a_library_is_told_that_its_data_is_lost(library, gateway, connect, until):
    """Its account goes silent, too: nothing but a new request brings any of it back."""
    ib = await connect()
    codes = []
    ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
    stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
    ticker = ib.reqMktData(stock)
    await until(lambda: ticker.bid > 0)
    gateway.faults(["data-lost:0"])
    await until(lambda: 1101 in codes)
    gateway.set_quote("AAPL", bid=1.0, ask=1.1)
    await ib.reqCurrentTimeAsync()
    assert ticker.bid > 1.1
    ib.cancelMktData(stock)
    again = ib.reqMktData(stock)
    await until(lambda: again.bid == 1.0)


def test_a_loss_that_ends_by_1102_keeps_the_subscriptions(gateway, dial):
    """They go on by themselves; while it lasts, a quote and a fill stay away."""
    client = dial(gateway)
    ready(client)
    subscribe(client, 7, STOCK)
    ticks(client, 7)
    gateway.faults(["connectivity-lost"])
    assert notices(client, 1)[0][0] == 1100
    gateway.set_quote("AAPL", bid=1.0, ask=1.1)
    client.send(49, 1)
    assert "1" not in [frame[0] for frame in client.read_until(49)]
    gateway.faults([])
    assert notices(client, 1)[0][0] == 1102
    assert float(ticks(client, 7)[4]) == 1.0


def test_a_lost_link_that_data_lost_ends(gateway, dial):
    """Set after the loss, it decides how that ends."""
    client = dial(gateway)
    ready(client)
    gateway.faults(["connectivity-lost"])
    gateway.faults(["data-lost:0"])
    assert [code for code, _ in notices(client, 2)] == [1100, 1101]


def test_data_lost_from_the_start_waits_for_a_session(broken, dial):
    """Ready and well first, then lost and back; once."""
    client = dial(broken("data-lost:0.1"))
    assert {code for code, _ in ready(client)} == {2104, 2106, 2158}
    assert [code for code, _ in notices(client, 2)] == [1100, 1101]
    assert client.says_nothing(0.5)


def test_the_link_flaps(broken, dial):
    """Lost and back, again and again."""
    client = dial(broken("link-flaps:0.1"))
    client.open()
    codes = [code for code, _ in notices(client, 10)]
    codes = [code for code in codes if code in {1100, 1102}]
    assert len(codes) >= 4
    assert all(one != other for one, other in pairwise(codes))


def test_one_farm_alone_is_down(gateway, dial):
    """What comes from it stops and the rest goes on; healed, it goes on where it was."""
    client = dial(gateway)
    ready(client)
    subscribe(client, 7, STOCK)
    subscribe(client, 8, PAIR)
    ticks(client, 7)
    gateway.faults(["farm-down:usfarm"])
    assert notices(client, 1) == [(2103, "Market data farm connection is broken:usfarm")]
    gateway.set_quote("AAPL", bid=1.0, ask=1.1)
    gateway.set_quote("EURUSD", bid=2.0, ask=2.1)
    seen = []
    while not seen or seen[-1] != ("8", 2.0):
        frame = client.read_until(1)[-1]
        seen.append((frame[2], float(frame[4])))
    assert ("7", 1.0) not in seen
    gateway.faults([])
    assert notices(client, 1) == [(2104, "Market data farm connection is OK:usfarm")]
    assert float(ticks(client, 7)[4]) == 1.0


BARS = (20, 5, *STOCK, 0, "", "1 day", "5 D", 1, "TRADES", 1, 0, "")
LIVE_BARS = (20, 6, *STOCK, 0, "", "1 min", "1 D", 1, "TRADES", 1, 1, "")
HEAD = (87, 7, *STOCK, 0, 1, "TRADES", 1)
HISTOGRAM = (88, 8, *STOCK, 0, 1, "1 day")
TICKS = (96, 9, *STOCK, 0, "", "20261102-15:00:00", 10, "TRADES", 1, 0, "")


def told(client, *req_ids):
    """Return what the next notices say of these requests, each in its order."""
    found = []
    while len(found) < len(req_ids):
        frame = client.read_until(4)[-1]
        if int(frame[2]) in req_ids:
            found.append((int(frame[2]), int(frame[3]), frame[4]))
    return found


def test_bars_wait_for_their_farm(broken, dial):
    """They are told so with 165 and come once it is back; market data is not concerned."""
    gateway = broken("farm-down:ushmds+secdefil")
    client = dial(gateway)
    assert {2105, 2157} < {code for code, _ in ready(client)}
    client.send(*BARS)
    ((_, code, text),) = told(client, 5)
    assert (code, "Attempting reconnection" in text) == (165, True)
    subscribe(client, 7, STOCK)
    ticks(client, 7)
    gateway.faults([])
    frames = client.read_until(17)
    notices_ = [frame[3:5] for frame in frames if frame[0] == "4"]
    assert [code for code, _ in notices_] == ["2106", "2158", "165"]
    assert notices_[-1][1].endswith("HMDS server connection was successful.")
    assert (frames[-1][1], frames[-1][4]) == ("5", "5")


@pytest.mark.parametrize(
    ("request_", "answer"), [(HEAD, 88), (HISTOGRAM, 89), (TICKS, 98), (BARS, 17)]
)
def test_whatever_waits_is_answered_once(broken, dial, request_, answer):
    """Of a head time stamp, a histogram and ticks nothing is said meanwhile."""
    gateway = broken("farm-down:ushmds")
    client = dial(gateway)
    ready(client)
    client.send(*request_)
    gateway.wait_for(lambda: len(gateway.requests()) == 2)
    gateway.faults([])
    frames = client.read_until(answer)
    assert [frame[2] for frame in frames if frame[0] == "4"][-1:] == (
        ["5"] if request_ is BARS else ["-1"]
    )
    gateway.faults(["farm-down:ushmds"])
    gateway.faults([])
    client.send(49, 1)
    assert str(answer) not in [frame[0] for frame in client.read_until(49)]


def test_a_head_time_stamp_is_given_up(broken, dial):
    """After some seconds, with 162, although the farm stays away."""
    client = dial(broken("farms-down"))
    ready(client)
    client.send(*HEAD)
    assert told(client, 7)[0][1:] == (
        162,
        "Historical Market Data Service error message:Request Timed Out",
    )


def test_live_bars_end_with_their_farm(gateway, dial):
    """10182, once, both for those that flow and those that are asked for without it."""
    client = dial(gateway)
    ready(client)
    client.send(*LIVE_BARS)
    client.read_until(17)
    gateway.faults(["farm-down:ushmds"])
    assert [one[:2] for one in told(client, 6)] == [(6, 10182)]
    client.send(20, 10, *LIVE_BARS[2:])
    assert [one[:2] for one in told(client, 10)] == [(10, 10182)]
    gateway.faults([])
    client.send(49, 1)
    frames = client.read_until(49)
    assert not {"17", "90"} & {frame[0] for frame in frames}
    client.send(20, 11, *LIVE_BARS[2:])
    client.read_until(90)


def test_what_waits_can_be_cancelled(broken, dial):
    """Bars are told so, as ever; nothing comes of any of it, and the others go on waiting."""
    gateway = broken("farm-down:ushmds")
    client = dial(gateway)
    ready(client)
    client.send(*BARS)
    client.send(20, 15, *BARS[2:])
    for one in (HEAD, HISTOGRAM):
        client.send(*one)
    client.send(25, 1, 5)
    client.send(90, 7)
    client.send(89, 8)
    found = [one[1:] for one in told(client, 5, 5)]
    assert found[-1] == (
        162,
        "Historical Market Data Service error message:API historical data query cancelled: 5",
    )
    gateway.faults([])
    client.send(49, 1)
    answers = [frame for frame in client.read_until(49) if frame[0] in {"17", "88", "89"}]
    assert [frame[:2] for frame in answers] == [["17", "15"]]


def test_who_waits_may_leave(broken, dial):
    """A client that is gone is not answered, and the others are."""
    gateway = broken("farm-down:ushmds")
    leaves, stays = dial(gateway), dial_again(dial, gateway)
    for client in (leaves, stays):
        ready(client)
        client.send(*BARS)
        told(client, 5)
    leaves.close()
    gateway.wait_for(lambda: gateway.open_clients == (2,))
    gateway.faults([])
    assert stays.read_until(17)[-1][1] == "5"


def test_bars_that_take_their_time_wait_for_a_farm_that_is_lost_meanwhile(broken, dial):
    """What was under way when the farm was lost is told so, and comes with it."""
    gateway = broken("history-open:50")
    client = dial(gateway)
    ready(client)
    client.send(*BARS)
    gateway.wait_for(lambda: len(gateway.requests()) == 2)
    gateway.faults(["history-open:50", "farm-down:ushmds"])
    assert told(client, 5)[0][1] == 165
    gateway.faults([])
    assert client.read_until(17)[-1][1] == "5"


async def test_a_library_waits_for_its_bars(library, gateway, connect, until):
    """165 does not end its wait; live bars end at once, and are empty."""
    ib = await connect()
    codes = []
    ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
    stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
    asked = {"durationStr": "5 D", "whatToShow": "TRADES", "useRTH": True}
    gateway.faults(["farm-down:ushmds"])
    task = asyncio.ensure_future(
        ib.reqHistoricalDataAsync(stock, "", barSizeSetting="1 day", **asked)
    )
    await until(lambda: 165 in codes)
    assert not task.done()
    live = await ib.reqHistoricalDataAsync(
        stock, "", barSizeSetting="1 min", keepUpToDate=True, **asked
    )
    assert (len(live), 10182 in codes) == (0, True)
    gateway.faults([])
    assert len(await task) == 5


async def test_patience_ends():
    """Bars hear of each attempt that fails, and then 162; nobody waits for ever."""
    ended = asyncio.Event()
    said = []

    class Listener:
        is_open = True

        def notify(self, text, req_id):
            said.append((req_id, text[0]))
            if text == texts.HISTORY_TIMED_OUT:
                ended.set()

    def answer(*_):
        raise AssertionError("its farm never came back")

    waiting = WaitingRequests(answer, patience=0.5, attempts=0.1)
    waiting.add(Listener(), 20, 5, ("20",), live=False)
    await asyncio.wait_for(ended.wait(), 20)
    assert said[0] == said[1] == (5, 165)
    assert said[-1] == (5, 162)
    waiting.answer_all()


def test_a_farm_flaps(broken, dial):
    """Broken, connecting, OK, and from the beginning."""
    client = dial(broken("farm-flaps:0.05"))
    ready(client)
    codes = [code for code, _ in notices(client, 7)]
    follows = {2103: 2119, 2119: 2104, 2104: 2103}
    assert [follows[code] for code in codes[:-1]] == codes[1:]


def test_farms_sleep_until_they_are_asked(broken, dial):
    """2107 and 2108 at first; each farm is there when its data is wanted, and stays."""
    gateway = broken("farms-asleep")
    client = dial(gateway)
    told = ready(client)
    assert (
        2107,
        "HMDS data farm connection is inactive but should be available upon demand.ushmds",
    ) in told
    assert sorted(code for code, _ in told) == [2107, 2108, 2108, 2108, 2158]
    subscribe(client, 7, PAIR)
    woken = ":cashfarm"
    assert [(code, text.endswith(woken)) for code, text in notices(client, 2)] == [
        (2119, True),
        (2104, True),
    ]
    ticks(client, 7)
    client.send(20, 5, *STOCK, 0, "", "1 day", "5 D", 1, "TRADES", 1, 0, "")
    assert notices(client, 1) == [(2106, "HMDS data farm connection is OK:ushmds")]
    client.read_until(17)
    assert [code for code, _ in ready(dial_again(dial, gateway))] == [2108, 2108, 2104, 2106, 2158]


def dial_again(dial, gateway):
    """Return a client that is another session's."""
    client = dial(gateway)
    client.open = lambda: type(client).open(client, 2)
    return client


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("farm-down:moon", "names 'moon': give one of usfarm"),
        ("farm-down:usfarm+", "names '': give one of usfarm"),
        ("data-lost:soon", "write it as data-lost or data-lost:SECONDS"),
    ],
)
def test_values_that_make_no_sense(gateway, fault, said):
    """What is wrong with it, and what there is."""
    with pytest.raises(UnknownFaultError, match=said):
        gateway.faults([fault])


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("data-lost", "1100 1101"),
        ("link-flaps", "1100 1102"),
        ("farm-down", "2103 2105 2157 165 162 10182"),
        ("farm-flaps", "2103 2119 2104"),
        ("farms-asleep", "2107 2108"),
    ],
)
def test_a_fault_is_found_by_its_codes(name, codes):
    """Its line in the list names them."""
    assert all(code in FAULTS[name] for code in codes.split())

"""What a gateway's lost links do: to the IBKR servers, and to one data farm or another."""

from itertools import pairwise

import pytest

from ibnb.simulator import FAULTS, UnknownFaultError


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


def test_history_without_its_farm_times_out(broken, dial):
    """162 with the text of a time-out ends the request; market data is not concerned."""
    client = dial(broken("farm-down:ushmds+secdefil"))
    told = dict(ready(client))
    assert {2105, 2157} < set(told)
    client.send(20, 5, *STOCK, 0, "", "1 day", "5 D", 1, "TRADES", 1, 0, "")
    ((code, text),) = notices(client, 1)
    assert (code, text.endswith("Request Timed Out")) == (162, True)
    subscribe(client, 7, STOCK)
    ticks(client, 7)


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
        ("farm-down", "2103 2105 2157"),
        ("farm-flaps", "2103 2119 2104"),
        ("farms-asleep", "2107 2108"),
    ],
)
def test_a_fault_is_found_by_its_codes(name, codes):
    """Its line in the list names them."""
    assert all(code in FAULTS[name] for code in codes.split())

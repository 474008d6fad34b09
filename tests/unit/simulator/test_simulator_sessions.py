"""Faults that sessions meet after they have become ready: closes, silence, lateness."""

import asyncio
import time

import pytest

FARMS = 5
"""How many notices of farms follow a healthy opening."""


@pytest.fixture
def ready(dial):
    """Open sessions on healthy gateways, and read all that the opening sends."""

    def ready(gateway, client_id=1):
        client = dial(gateway)
        client.open(client_id)
        for _ in range(FARMS):
            client.read()
        return client

    return ready


def test_drop_after_closes_each_session(broken, dial):
    """Every session is closed after its seconds; a connection that is not ready stays."""
    gateway = broken("drop-after:0.2")
    waiting = dial(gateway)
    waiting.greet()
    waiting.read()
    for client_id in (1, 2):
        client = dial(gateway)
        client.open(client_id)
        assert {frame[0] for frame in client.read_all()} == {"4"}
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    waiting.send(71, 2, 3, "")
    assert waiting.read_until(9)


def test_drop_after_counts_from_when_a_session_became_ready(gateway, ready):
    """Set while it runs, sessions that are old enough are closed at once; later ones in time."""
    old = ready(gateway)
    gateway.set_faults(["drop-after:0"])
    assert old.read_all() == []
    gateway.set_faults(["drop-after:3600"])
    young = ready(gateway)
    young.send(49, 1)
    assert young.read()[0] == "49"


def test_drop_after_can_be_taken_back(gateway, ready):
    """A session that was to be closed stays when the fault ends before."""
    gateway.set_faults(["drop-after:2"])
    client = ready(gateway)
    gateway.set_faults([])
    assert client.says_nothing(2.5)
    client.send(49, 1)
    assert client.read()[0] == "49"


async def test_the_library_sees_a_dropped_session(connect, gateway):
    """Its disconnectedEvent fires, and a request that waits fails."""
    ib = await connect()
    gone = asyncio.Event()
    ib.disconnectedEvent += gone.set
    gateway.set_faults(["drop-after:0"])
    await asyncio.wait_for(gone.wait(), 20)
    assert not ib.isConnected()


def test_half_open_says_nothing_once_ready(broken, dial):
    """The opening is complete; then nothing is sent and all is read, and the socket stays."""
    gateway = broken("half-open")
    client = dial(gateway)
    assert [frame[0] for frame in client.open()] == ["176", "15", "9"]
    client.send(49, 1)
    assert gateway.wait_for(lambda: gateway.messages[-1] == (1, ("49", "1")))
    assert client.says_nothing()
    assert gateway.open_clients == (1,)


def test_half_open_with_seconds_begins_later(broken, ready):
    """Until its seconds are over, a session is served as ever."""
    gateway = broken("half-open:3600")
    client = ready(gateway)
    client.send(49, 1)
    assert client.read()[0] == "49"


def test_half_open_comes_and_goes_while_it_runs(gateway, ready):
    """Ready sessions fall silent at once; afterwards only what is new is answered."""
    client = ready(gateway)
    gateway.set_faults(["half-open"])
    client.send(49, 1)
    gateway.send_notice(2109, "nobody hears this")
    assert gateway.wait_for(lambda: gateway.messages[-1] == (1, ("49", "1")))
    assert client.says_nothing()
    gateway.set_faults([])
    client.send(17, 1)
    assert client.read() == ["15", "1", "DU1234567"]
    assert client.says_nothing()


def test_half_open_stops_market_data(gateway, ready):
    """Ticks of a subscription end with everything else, and come again afterwards."""
    client = ready(gateway)
    contract = (265598, "AAPL", "STK", "", 0, "", "", "SMART", "", "USD", "", "")
    client.send(1, 11, 5, *contract, 0, "", 0, 0, "")
    client.read_until(1)
    gateway.set_faults(["half-open"])
    client.send(49, 1)
    assert gateway.wait_for(lambda: gateway.messages[-1] == (1, ("49", "1")))
    client.drain()
    assert client.says_nothing(1.5)
    gateway.set_faults([])
    assert client.read_until(2)


async def test_a_request_on_a_half_open_session_hangs(connect, library, gateway, until):
    """The library still counts itself connected and waits; orders do not reach the book."""
    ib = await connect()
    gateway.set_faults(["half-open"])
    asked = asyncio.ensure_future(ib.reqCurrentTimeAsync())
    stock = library.Stock("AAPL", "SMART", "USD")
    trade = ib.placeOrder(stock, library.MarketOrder("BUY", 1))
    await until(lambda: gateway.messages[-1][1][0] == "3")
    done, _ = await asyncio.wait([asked], timeout=0.5)
    assert not done
    assert ib.isConnected()
    assert trade.orderStatus.status == "PendingSubmit"
    assert gateway.orders == ()
    asked.cancel()
    gateway.set_faults([])
    assert len(await asyncio.wait_for(ib.reqPositionsAsync(), 20)) == 2


def test_slow_answers_late(broken, dial):
    """The version reply and the answer to the session start each come their seconds late."""
    client = dial(broken("slow:0.4"))
    begun = time.monotonic()
    client.greet()
    assert client.read()[0] == "176"
    greeted = time.monotonic()
    client.send(71, 2, 1, "")
    assert client.read()[0] == "15"
    started = time.monotonic()
    # A timer may go off early by the resolution of the clock, which is 16 ms on some systems.
    assert greeted - begun > 0.35
    assert started - greeted > 0.35


def test_a_slow_gateway_keeps_the_order_of_its_answers(gateway, ready):
    """What was asked while it was slow is answered before what was asked afterwards."""
    client = ready(gateway)
    gateway.set_faults(["slow:0.5"])
    client.send(49, 1)
    client.send(8, 1, 1)
    gateway.set_faults([])
    client.send(17, 1)
    assert [client.read()[0] for _ in range(3)] == ["49", "9", "15"]


def test_a_client_that_does_not_wait_leaves_nothing(broken, dial):
    """A session start whose client has closed before its turn starts no session."""
    gateway = broken("slow:0.3")
    hasty, patient = dial(gateway), dial(gateway)
    hasty.greet()
    hasty.send(71, 2, 1, "")
    hasty.close()
    assert gateway.wait_for(lambda: gateway.handshakes_unfinished == 1)
    # Greeting and start are late one after the other: by then the other's time is long over.
    patient.open(2)
    assert gateway.open_clients == (2,)
    assert gateway.handshakes_completed == 1


async def test_the_library_connects_to_a_slow_gateway(connect, gateway):
    """Whoever waits long enough gets a session with everything in it."""
    gateway.set_faults(["slow:0.2"])
    ib = await connect()
    assert len(ib.positions()) == 2

"""How messages arrive over a bad line, and what is lost of them."""

import contextlib
import time

import pytest

from ibnb.simulator import UnknownFaultError

STOCK = ("265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")


async def test_a_library_reads_messages_in_pieces(library, gateway, connect):
    """Each comes in three parts, its length cut too; nothing is misread."""
    gateway.faults(["split-frames"])
    ib = await connect()
    (details,) = await ib.reqContractDetailsAsync(library.Stock("AAPL", "SMART", "USD"))
    assert details.longName
    assert len(ib.positions()) == 2


def test_a_message_comes_in_pieces(broken, dial):
    """What can be read first is less than a length takes, on a line slow enough to see it."""
    client = dial(broken("split-frames", "bandwidth:5"))
    client.greet()
    client._data = client.socket.recv(64)
    assert len(client._data) == 3
    assert client.read()[0] == "176"


def test_a_message_is_cut_and_the_connection_closed(broken, dial):
    """The last frame is not complete, and nothing follows it."""
    gateway = broken("cut-frame:0")
    client = dial(gateway)
    client.open()
    whole = client.rest()
    frames = []
    while whole:
        length = 4 + int.from_bytes(whole[:4], "big")
        frames.append((length, len(whole[:length])))
        whole = whole[length:]
    assert all(announced == came for announced, came in frames[:-1])
    announced, came = frames[-1]
    assert 0 < came < announced


def test_a_session_that_is_older_is_cut_at_once(gateway, dial):
    """As soon as the fault is set; without it the session would stay."""
    client = dial(gateway)
    client.open()
    gateway.faults(["cut-frame:0"])
    assert client.rest()
    assert gateway.wait_for(lambda: gateway.open_clients == ())


def test_a_narrow_line_takes_its_time(broken, dial):
    """No more bytes come than the rate allows; those that wait at a close still come."""
    gateway = broken("bandwidth:500")
    client = dial(gateway)
    begun = time.monotonic()
    client.open()
    client.send(9, 8, 1, *STOCK, 0, "", "")
    frames = client.read_until(52)
    took = time.monotonic() - begun
    size = sum(4 + len("\0".join(frame)) + 1 for frame in frames)
    # A lower bound, and none that a busy machine could break.
    assert took >= size / 500 * 0.9
    client.send(17, 1)
    assert gateway.wait_for(lambda: gateway.requests("reqManagedAccts"))
    gateway.drop()
    assert [frame[0] for frame in client.read_all()][-1] == "15"


def test_jitter_keeps_the_order(broken, dial):
    """Answers come as they were asked for, each a while late."""
    client = dial(broken("jitter:0.05"))
    client.open()
    for req_id in range(20):
        client.send(78, req_id, "AAPL", "", "STK", 265598)
    ends = [client.read_until(76)[-1][1] for _ in range(20)]
    assert ends == [str(number) for number in range(20)]


def test_an_end_that_is_lost_is_lost_alone(broken, dial):
    """The answer itself comes, and ends of other names."""
    client = dial(broken("lost-end:contractDetailsEnd+execDetailsEnd"))
    client.open()
    client.send(9, 8, 1, *STOCK, 0, "", "")
    client.send(61, 1)
    kinds = [frame[0] for frame in client.read_until(62)]
    assert "10" in kinds
    assert "52" not in kinds


async def test_a_library_waits_for_ends_that_never_come(library, broken, caplog):
    """Its opening is not complete without them: it says so, or gives up."""
    ib = library.IB()
    with contextlib.suppress(TimeoutError):
        await ib.connectAsync("127.0.0.1", broken("lost-end").port, 3, timeout=1)
    ib.disconnect()
    assert "positions request timed out" in caplog.text


def test_an_end_that_does_not_exist(gateway):
    """The error names those there are."""
    with pytest.raises(UnknownFaultError, match=r"names 'moreEnd': give one of all, contract"):
        gateway.faults(["lost-end:moreEnd"])

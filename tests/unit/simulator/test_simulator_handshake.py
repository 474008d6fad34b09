"""The opening of a session on the simulated gateway, byte for byte."""

import socket
import struct

import pytest

from ibnb.simulator import SimulatedGateway

FARMS_OK = {"2104", "2106", "2158"}
STOCK = ("265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")


@pytest.mark.parametrize(
    ("low", "high", "agreed"),
    [
        *((157, 176, "176"), (157, 178, "178"), (100, 151, "151"), (100, 157, "157")),
        *((157, 200, "200"), (157, 225, "200"), (200, 226, "200")),
    ],
)
def test_the_highest_shared_version_is_agreed_on(gateway, dial, low, high, agreed):
    """The version reply holds the highest version both speak, and a time with its zone."""
    client = dial(gateway)
    client.greet(low, high)
    version, time = client.read()
    assert version == agreed
    day, clock, zone = time.split(" ")
    assert (len(day), clock.count(":"), zone) == (8, 2, "UTC")


def test_connect_options_may_follow_the_versions(gateway, dial):
    """A greeting with a space and options is as good as one without."""
    client = dial(gateway)
    client.greet(options=" +PACEAPI")
    assert client.read()[0] == "176"


def test_a_session_becomes_ready(gateway, dial):
    """After startApi come the accounts and the next order ID, then the farms, all of them OK."""
    client = dial(gateway)
    _, accounts, next_id = client.open()
    assert accounts == ["15", "1", "DU1234567"]
    assert next_id == ["9", "1", "1"]
    farms = [client.read() for _ in range(5)]
    assert {frame[0] for frame in farms} == {"4"}
    assert {frame[2] for frame in farms} == {"-1"}
    assert {frame[3] for frame in farms} == FARMS_OK
    assert all(":" in frame[4] for frame in farms)
    assert gateway.handshakes_completed == 1


@pytest.mark.parametrize(("version", "fields"), [(165, 5), (166, 6)])
def test_notices_carry_reject_json_from_166_on(gateway, dial, version, fields):
    """A notice has one more field, empty, from server version 166 on."""
    client = dial(gateway)
    client.open(high=version)
    assert len(client.read()) == fields


def test_notices_are_ascii_with_escapes(gateway, dial):
    """Text beyond ASCII is sent as Java escapes, as servers since 153 do; old ones send UTF-8."""
    new, old = dial(gateway), dial(gateway)
    new.open(1)
    old.open(2, low=100, high=151)
    gateway.send_notice(2109, "Auftrag gültig 😀")
    sent = [new.read() for _ in range(6)][-1]
    assert sent[4] == "Auftrag g\\u00fcltig \\ud83d\\ude00"
    assert [old.read() for _ in range(6)][-1][4] == "Auftrag gültig 😀"


def test_the_bytes_may_come_one_by_one(gateway, dial):
    """A greeting and a session start that arrive in single bytes are understood."""
    client = dial(gateway)
    start = b"71\x002\x003\x00\x00"
    greeting = b"v157..176"
    stream = b"API\0" + struct.pack(">I", len(greeting)) + greeting
    for byte in stream + struct.pack(">I", len(start)) + start:
        client.socket.sendall(bytes([byte]))
    assert client.read_until(9)[-1] == ["9", "1", "1"]
    assert gateway.open_clients == (3,)


def test_the_second_client_with_an_id_is_refused(gateway, dial):
    """The newcomer gets its version reply, 326 with reqId -1, and the close; the holder stays."""
    holder, newcomer = dial(gateway), dial(gateway)
    holder.open(5)
    newcomer.greet()
    assert newcomer.read()[0] == "176"
    newcomer.send(71, 2, 5, "")
    (refusal,) = newcomer.read_all()
    assert refusal[:4] == ["4", "2", "-1", "326"]
    assert gateway.refused_326 == 1
    assert gateway.open_clients == (5,)
    holder.send(49, 1)
    assert holder.read_until(49)


def test_other_ids_are_welcome(gateway, dial):
    """Clients with different IDs share the gateway, and the most at once is remembered."""
    first, second = dial(gateway), dial(gateway)
    first.open(1)
    second.open(2)
    assert gateway.open_clients == (1, 2)
    first.close()
    assert gateway.wait_for(lambda: gateway.open_clients == (2,))
    assert gateway.max_open_clients == 2


def test_an_id_is_free_as_soon_as_its_connection_is_closed(gateway, dial):
    """By default a client ID can be used again at once."""
    for _ in range(5):
        client = dial(gateway)
        client.open(4)
        client.close()
    assert gateway.refused_326 == 0


def test_an_id_is_free_before_its_last_bytes_are_read(gateway, dial):
    """A client that has closed its side frees its ID, even while it still reads."""
    client = dial(gateway)
    client.open(4)
    client.socket.shutdown(socket.SHUT_WR)
    assert gateway.wait_for(lambda: not gateway.open_clients)
    assert dial(gateway).open(4)


def test_an_id_can_stay_held_for_a_while(dial):
    """With release_after, an ID whose connection is gone is refused until the time is over."""
    with SimulatedGateway(release_after=0.3) as gateway:
        first = dial(gateway)
        first.open(4)
        first.close()
        assert gateway.wait_for(lambda: not gateway.open_clients)
        second = dial(gateway)
        second.greet()
        second.read()
        second.send(71, 2, 4, "")
        assert second.read_all()[0][3] == "326"
        refused = 1
        while True:
            again = dial(gateway)
            again.greet()
            again.read()
            again.send(71, 2, 4, "")
            if again.read()[0] == "15":
                break
            refused += 1
        assert gateway.refused_326 == refused


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"API\0\xff\xff\xff\xff",
        b"API\0" + struct.pack(">I", 5) + b"hello",
        b"API\0" + struct.pack(">I", 8) + b"v66..100",
    ],
)
def test_a_malformed_greeting_closes_only_its_connection(gateway, dial, data):
    """Whoever does not speak the protocol is disconnected without an answer; others stay."""
    other, client = dial(gateway), dial(gateway)
    other.open(1)
    client.socket.sendall(data)
    assert client.rest() == b""
    other.send(49, 1)
    assert other.read_until(49)


@pytest.mark.parametrize("frame", [b"\xff\xff\xff\xff", struct.pack(">I", 4) + b"abc\0", b"\0" * 4])
def test_a_malformed_frame_closes_only_its_connection(gateway, dial, frame):
    """An impossible length, a message id that is not a number, or an empty frame ends a session."""
    other, client = dial(gateway), dial(gateway)
    other.open(1)
    client.open(2)
    client.socket.sendall(frame)
    client.rest()
    assert gateway.wait_for(lambda: gateway.open_clients == (1,))
    other.send(49, 1)
    assert other.read_until(49)


def test_an_unknown_message_is_answered_and_breaks_nothing(gateway, dial):
    """A message id that no API has gets notice 505, and the session goes on."""
    client = dial(gateway)
    client.open()
    client.send(9999, "x")
    assert [client.read() for _ in range(6)][-1][3] == "505"
    client.send(49, 1)
    assert client.read_until(49)


def test_an_unreadable_request_is_answered_and_breaks_nothing(gateway, dial):
    """A request with missing fields gets notice 320, and the session goes on."""
    client = dial(gateway)
    client.open()
    client.send(9, 8)
    client.send(3, 1, "")
    answers = [client.read() for _ in range(7)][-2:]
    assert [answer[2:4] for answer in answers] == [["-1", "320"], ["1", "320"]]


@pytest.mark.parametrize(
    ("request_", "req_id"),
    [
        ((20, 5, "0", "AAPL"), "5"),
        ((20, 5, *STOCK, 0, "", "1 day", "5 D", "1"), "5"),
        ((96, 6, *STOCK, 0, "", "20261102-15:00:00", "many", "TRADES", 1, 0, ""), "6"),
        ((1, 11, 7, "x"), "7"),
        ((1, 11, 7, "0", "A", "BAG", *[""] * 9, "many"), "7"),
        ((22, "-1"), "-1"),
        ((3, 8, "0", "AAPL"), "8"),
        ((1, 11, "--5", *STOCK), "-1"),
        ((1, 11, "\u00b2", *STOCK), "-1"),
    ],
)
@pytest.mark.parametrize("faults", [[], ["slow:0"]])
def test_whoever_waits_for_an_unreadable_request_is_told(gateway, dial, request_, req_id, faults):
    """320 comes under its own id if that can be read: no library waits for it in vain."""
    client = dial(gateway)
    client.open()
    gateway.faults(faults)
    client.send(*request_)
    client.send(49, 1)
    told = [one[2:4] for one in client.read_until(49) if one[0] == "4"]
    assert told[-1] == [req_id, "320"]


@pytest.mark.parametrize("day", ["00010101", "00000101", "18991231"])
def test_a_time_long_before_there_were_markets_is_none(gateway, dial, day):
    """It is refused under the request's own id, as is any other that cannot be."""
    client = dial(gateway)
    client.open()
    end = f"{day}-00:00:00"
    client.send(20, 5, *STOCK, 0, end, "1 day", "5 D", 1, "TRADES", 1, 0, "")
    client.send(96, 6, *STOCK, 0, end, "", 10, "TRADES", 1, 0, "")
    client.send(96, 7, *STOCK, 0, "", end, 10, "TRADES", 1, 0, "")
    client.send(49, 1)
    told = [one[2:4] for one in client.read_until(49) if one[0] == "4"]
    assert told[-3:] == [["5", "321"], ["6", "321"], ["7", "321"]]


def test_a_request_that_is_not_simulated_is_refused(gateway, dial):
    """Nobody waits for an answer that cannot come: notice 90001 says so."""
    client = dial(gateway)
    client.open()
    client.send(65, 1, "name", "1.0")
    assert [client.read() for _ in range(6)][-1][2:4] == ["-1", "90001"]


def test_connections_that_never_start_a_session_are_counted(gateway, dial):
    """A client that closes before its startApi is an unfinished handshake, others are not."""
    silent, half, whole = dial(gateway), dial(gateway), dial(gateway)
    half.greet()
    half.read()
    whole.open()
    for client in (silent, half, whole):
        client.close()
    assert gateway.wait_for(lambda: gateway.handshakes_unfinished == 2)
    assert gateway.wait_for(lambda: not gateway.open_clients)
    assert (gateway.connections_accepted, gateway.handshakes_unfinished) == (3, 2)


def test_what_clients_send_is_kept(gateway, dial):
    """The log has every message with the client ID that sent it, None before the session."""
    client = dial(gateway)
    client.open(8)
    client.send(49, 1)
    client.read_until(49)
    assert gateway.messages == [(None, ("71", "2", "8", "")), (8, ("49", "1"))]


def test_only_loopback_listens(gateway):
    """The gateway listens on 127.0.0.1 and says so."""
    assert gateway.host == "127.0.0.1"
    assert gateway.address == f"127.0.0.1:{gateway.port}"
    with socket.socket() as other:
        other.settimeout(5)
        assert other.connect_ex(("127.0.0.2", gateway.port))

"""What a client meets on the wire for each fault of the simulated gateway."""

import socket
import time

import pytest

from ibnb.simulator import FAULTS, SimulatedGateway, UnknownFaultError

NAMES = (
    "silent close garbage stall-ready no-accounts disclaimer closed-after-start old-version "
    "id-held drop-after half-open slow restart connectivity-lost farms-down tif-preset read-only "
    "max-clients clock-skew live-account"
)


def start_session(client, client_id=1):
    """Greet, read the version reply, and start a session."""
    client.greet()
    version = client.read()
    client.send(71, 2, client_id, "")
    return version


def test_the_names_are_a_contract():
    """These faults exist, each with a meaning in one line."""
    assert [name for name in FAULTS if name in NAMES.split()] == NAMES.split()
    assert all(meaning and "\n" not in meaning for meaning in FAULTS.values())


def test_silent_accepts_and_says_nothing(broken, dial):
    """TCP opens, and the greeting is never answered; the close is an unfinished handshake."""
    gateway = broken("silent")
    client = dial(gateway)
    client.greet()
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    client.close()
    assert gateway.wait_for(lambda: gateway.handshakes_unfinished == 1)


def test_close_accepts_and_closes(broken, dial):
    """TCP opens and is closed at once, without a byte."""
    gateway = broken("close")
    assert dial(gateway).rest() == b""
    assert gateway.connections_accepted == 1
    assert gateway.handshakes_unfinished == 0


def test_garbage_is_no_version_reply(broken, dial):
    """The answer to the greeting are bytes of another protocol."""
    client = dial(broken("garbage"))
    client.greet()
    assert client.rest().startswith(b"HTTP/1.1 ")


def test_stall_ready_stops_after_the_version_reply(broken, dial):
    """The session start is taken, but neither an order ID nor accounts ever come."""
    gateway = broken("stall-ready")
    client = dial(gateway)
    assert start_session(client)[0] == "176"
    assert gateway.wait_for(lambda: gateway.open_clients == (1,))
    client.send(17, 1)
    client.send(49, 1)
    assert gateway.wait_for(lambda: len(gateway.messages) == 3)
    client.socket.settimeout(0.3)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    assert gateway.handshakes_completed == 0


def test_no_accounts_sends_an_empty_list(broken, dial):
    """Both messages of a ready session come, with no account in the list."""
    client = dial(broken("no-accounts"))
    start_session(client)
    assert client.read_until(9) == [["15", "1", ""], ["9", "1", "1"]]


def test_disclaimer_is_10141_and_close(broken, dial):
    """The session is refused with 10141, reqId -1, and closed."""
    client = dial(broken("disclaimer"))
    start_session(client)
    (refusal,) = client.read_all()
    assert refusal[:4] == ["4", "2", "-1", "10141"]


def test_closed_after_start_says_nothing(broken, dial):
    """The session start is answered by the close alone."""
    client = dial(broken("closed-after-start"))
    assert start_session(client)[0] == "176"
    assert client.read_all() == []


def test_old_version_agrees_on_less_than_the_client_speaks(broken, dial):
    """The reply is below 157, and the socket stays; a session start is answered as ever."""
    client = dial(broken("old-version"))
    version = start_session(client)
    assert int(version[0]) < 157
    assert client.read_until(9)


def test_id_held_refuses_every_id(broken, dial):
    """Each client ID gets 326 and the close, although nobody is connected."""
    gateway = broken("id-held")
    for client_id in (1, 2):
        client = dial(gateway)
        start_session(client, client_id)
        (refusal,) = client.read_all()
        assert refusal[2:4] == ["-1", "326"]
    assert gateway.refused_326 == 2
    assert gateway.open_clients == ()


def test_id_held_can_end(broken, dial):
    """With seconds, IDs are free after them; setting the fault again counts anew."""
    gateway = broken("id-held:2")
    outcomes = set()
    while "15" not in outcomes:
        client = dial(gateway)
        start_session(client)
        outcomes.add(client.read()[0])
        client.close()
    assert outcomes == {"4", "15"}
    gateway.set_faults(["id-held:60"])
    client = dial(gateway)
    start_session(client)
    assert client.read_all()[0][3] == "326"


def test_connectivity_lost_is_ready_then_1100(broken, dial):
    """The session is ready, and 1100 follows instead of farms."""
    client = dial(broken("connectivity-lost"))
    client.open()
    assert client.read()[2:4] == ["-1", "1100"]


def test_farms_down_is_ready_then_broken_farms(broken, dial):
    """The session is ready, and the farms are reported broken."""
    client = dial(broken("farms-down"))
    client.open()
    codes = [client.read()[3] for _ in range(5)]
    assert set(codes) == {"2103", "2105", "2157"}


@pytest.mark.parametrize(("fault", "skew"), [("clock-skew", 60), ("clock-skew:-3600", -3600)])
def test_clock_skew_moves_the_gateways_clock(broken, dial, fault, skew):
    """The current time is wrong by the seconds asked for, 60 by default, both ways."""
    client = dial(broken(fault))
    client.open()
    client.send(49, 1)
    answer = int(client.read_until(49)[-1][2])
    assert abs(answer - time.time() - skew) < 20


def test_live_account_is_no_paper_account(broken, dial):
    """The account does not begin with D."""
    client = dial(broken("live-account"))
    assert client.open()[1] == ["15", "1", "U1234567"]


def test_faults_add_up(broken, dial):
    """Two faults hold at once where they do not exclude each other."""
    client = dial(broken("live-account", "farms-down"))
    assert client.open()[1][2] == "U1234567"
    assert client.read()[3] == "2103"


def test_faults_change_while_it_runs(gateway, dial):
    """New connections meet the new faults, and an empty list heals the gateway."""
    gateway.set_faults(["close"])
    assert dial(gateway).rest() == b""
    gateway.set_faults([])
    assert dial(gateway).open()[1][0] == "15"


def test_open_clients_are_told_of_the_links_loss_and_return(gateway, dial):
    """1100 and 1102, and farms broken and OK, reach clients that are connected."""
    client = dial(gateway)
    client.open()
    _ = [client.read() for _ in range(5)]
    gateway.set_faults(["connectivity-lost"])
    assert client.read()[3] == "1100"
    gateway.set_faults(["farms-down"])
    told = [client.read()[3] for _ in range(6)]
    assert told[0] == "1102"
    assert set(told[1:]) == {"2103", "2105", "2157"}
    gateway.set_faults([])
    assert {client.read()[3] for _ in range(5)} == {"2104", "2106", "2158"}


@pytest.mark.parametrize(
    "fault",
    [
        *("no-such", "", "silent:5", "id-held:soon", "id-held:-1", "id-held:", "clock-skew:nan"),
        *("drop-after:-1", "half-open:", "slow:inf", "restart:later", "read-only:1"),
        "max-clients:33",
    ],
)
def test_a_fault_that_makes_no_sense_is_one_line_with_the_names(fault):
    """The error is a ValueError whose single line lists what is accepted."""
    with pytest.raises(UnknownFaultError) as caught:
        SimulatedGateway(faults=[fault])
    text = str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in text
    assert all(name in text for name in NAMES.split())


def test_a_bad_change_changes_nothing(broken, dial):
    """set_faults with an unknown name raises and leaves the faults as they were, for good."""
    gateway = broken("live-account")
    with pytest.raises(UnknownFaultError):
        gateway.set_faults(["no-such"])
    assert dial(gateway).open()[1][2] == "U1234567"
    gateway.stop()
    gateway.start()
    assert dial(gateway).open()[1][2] == "U1234567"


def test_a_silent_gateway_stops_at_once(broken):
    """Stopping does not wait for clients that never leave."""
    gateway = broken("silent")
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as client:
        assert gateway.wait_for(lambda: gateway.connections_accepted == 1)
        gateway.stop()
        assert client.recv(1) == b""


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("pacing", "did you mean history-pacing?"),
        ("10197", "did you mean competing-session?"),
        ("1101", "did you mean data-lost?"),
        ("sielnt", "did you mean silent?"),
        ("restrat:5", "did you mean restart?"),
        ("fire", "unknown fault 'fire': give one of silent, close"),
        ("", "unknown fault '': give one of silent, close"),
    ],
)
def test_a_fault_is_found_by_what_is_nearly_its_name_or_its_code(given, meant):
    """The error names what was meant, and then all there are."""
    with pytest.raises(UnknownFaultError) as raised:
        SimulatedGateway(faults=[given])
    assert meant in str(raised.value)
    assert "live-account" in str(raised.value)

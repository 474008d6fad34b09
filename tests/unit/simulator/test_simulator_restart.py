"""The simulated gateway's restart: refused for a while, then back with the same book."""

import asyncio
import socket
import sys

import pytest

from ibnb.simulator import SimulatedGateway


def is_refused(gateway):
    """Say whether the gateway's port refuses a connection."""
    try:
        socket.create_connection((gateway.host, gateway.port), timeout=20).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_restart_closes_all_and_refuses(gateway, dial):
    """Clients see the close and the port refuses; without the fault it is back at once."""
    client = dial(gateway)
    client.open()
    port = gateway.port
    gateway.set_faults(["restart:3600"])
    assert not gateway.is_listening
    assert is_refused(gateway)
    client.read_all()
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    gateway.set_faults([])
    assert gateway.is_listening
    assert gateway.port == port
    assert dial(gateway).open()


def test_a_restart_ends_by_itself_and_happens_once(gateway, dial):
    """After its seconds the same port is served again, and sessions are left alone."""
    gateway.set_faults(["restart:0.2"])
    assert gateway.wait_for(lambda: gateway.is_listening)
    client = dial(gateway)
    client.open()
    for _ in range(5):
        client.read()
    assert client.says_nothing(1.5)
    assert gateway.is_listening


def test_setting_it_again_restarts_again(gateway, dial):
    """Each setting is one restart."""
    for _ in range(2):
        client = dial(gateway)
        client.open()
        gateway.set_faults(["restart:0.1"])
        client.read_all()
        assert gateway.wait_for(lambda: gateway.is_listening)


def test_set_from_the_start_it_waits_for_a_session(broken, dial):
    """The first session becomes ready and is closed then; the ones after it stay."""
    gateway = broken("restart:0.2")
    assert gateway.is_listening
    first = dial(gateway)
    assert first.open()
    first.read_all()
    assert gateway.wait_for(lambda: gateway.is_listening)
    second = dial(gateway)
    second.open()
    for _ in range(5):
        second.read()
    assert second.says_nothing(1.5)


def test_a_restart_that_is_due_can_be_taken_back(broken, dial):
    """Other faults, set after the first session and before its restart, take its place."""
    gateway = broken("restart:3600")
    client = dial(gateway)
    client.open()
    gateway.set_faults([])
    for _ in range(5):
        client.read()
    assert client.says_nothing(1.5)
    assert gateway.is_listening


def test_a_restart_frees_ids(dial):
    """An ID that stays held after its connection is free after a restart."""
    with SimulatedGateway(release_after=3600) as gateway:
        for client_id in (4, 5):
            client = dial(gateway)
            client.open(client_id)
            client.close()
        gateway.set_faults(["restart:0"])
        assert gateway.wait_for(lambda: gateway.is_listening)
        assert dial(gateway).open(4)


def test_it_can_be_stopped_while_it_restarts(gateway, dial):
    """The port is given up at once, and a new start serves it, although the fault is still set."""
    gateway.set_faults(["restart:3600"])
    gateway.stop()
    assert not gateway.is_listening
    assert is_refused(gateway)
    gateway.start()
    assert dial(gateway).open()


def test_a_client_that_reads_nothing_does_not_outlive_it(gateway, dial):
    """The close reaches a peer that never reads, too."""
    client = dial(gateway)
    client.open()
    gateway.set_faults(["restart:3600"])
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    client.read_all()


def test_nobody_takes_the_port_meanwhile(gateway):
    """The port refuses, and is still not free for another program."""
    gateway.set_faults(["restart:3600"])
    with socket.socket() as other, pytest.raises(OSError, match=r"in use|permission|forbidden"):
        other.bind((gateway.host, gateway.port))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the kept port cannot be taken")
def test_a_port_that_was_taken_all_the_same_is_waited_for(gateway, dial):
    """A program that took it is left alone; when it is gone, the gateway is back."""
    gateway.set_faults(["restart:3600"])
    with SimulatedGateway(gateway.port, faults=["live-account"]) as thief:
        with pytest.raises(OSError, match=r"taken|in use"):
            gateway.set_faults([])
        gateway.set_faults(["restart:0"])
        assert dial(thief).open()[1][2] == "U1234567"
    assert gateway.wait_for(lambda: gateway.is_listening)
    assert dial(gateway).open()[1][2] == "DU1234567"


async def test_the_book_survives(connect, library, gateway, until):
    """The library is disconnected and refused; connected anew, it finds its order again."""
    ib = await connect(client_id=3)
    stock = library.Stock("AAPL", "SMART", "USD")
    trade = ib.placeOrder(stock, library.LimitOrder("BUY", 1, 1.0))
    await until(lambda: trade.orderStatus.status == "Submitted")
    gone = asyncio.Event()
    ib.disconnectedEvent += gone.set
    gateway.set_faults(["restart:3600"])
    await asyncio.wait_for(gone.wait(), 20)
    with pytest.raises(ConnectionRefusedError):
        await connect(client_id=3)
    gateway.set_faults([])
    again = await connect(client_id=3)
    (found,) = again.openTrades()
    assert found.order.permId == trade.order.permId
    assert len(gateway.orders) == 1

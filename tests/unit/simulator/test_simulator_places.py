"""How many clients the simulated gateway lets in."""

import psutil
import pytest

from ibnb.simulator import SimulatedGateway
from ibnb.simulator.places import Places

LIMIT = 32


def connections_to(gateway):
    """Count the connections that this process has accepted on the gateway's port."""
    process = psutil.Process()
    # Until psutil 6 it had the other name.
    name = "net_connections" if hasattr(process, "net_connections") else "connections"
    sockets = getattr(process, name)(kind="tcp")
    return sum(
        each.status == psutil.CONN_ESTABLISHED and each.laddr.port == gateway.port
        for each in sockets
    )


@pytest.fixture
def full():
    """A gateway that has all its clients already."""
    with SimulatedGateway(faults=["max-clients"]) as gateway:
        yield gateway


def test_the_limit_is_always_there(gateway, dial):
    """The 33rd connection is closed without a byte, until one of the others has left."""
    clients = [dial(gateway) for _ in range(LIMIT)]
    for client_id, client in enumerate(clients):
        client.open(client_id)
    assert dial(gateway).rest() == b""
    assert len(gateway.open_clients) == LIMIT
    clients[0].close()
    assert gateway.wait_for(lambda: len(gateway.open_clients) == LIMIT - 1)
    assert dial(gateway).open(0)


def test_who_is_refused_takes_no_place(gateway, dial):
    """However many were refused, a place that becomes free can be had."""
    clients = [dial(gateway) for _ in range(LIMIT)]
    for client_id, client in enumerate(clients):
        client.open(client_id)
    for _ in range(LIMIT):
        assert dial(gateway).rest() == b""
    clients[-1].close()
    assert gateway.wait_for(lambda: len(gateway.open_clients) == LIMIT - 1)
    assert dial(gateway).open(LIMIT)


def test_max_clients_are_real_connections(full):
    """Whoever counts the sockets on the port sees 32, as soon as the gateway has started."""
    assert connections_to(full) == LIMIT


def test_max_clients_lets_nobody_in(full, dial):
    """A newcomer is closed without a version reply; only the newcomer is counted."""
    client = dial(full)
    assert client.rest() == b""
    assert full.connections_accepted == 1
    assert full.open_clients == ()
    assert full.max_open_clients == 0
    assert full.handshakes_completed == full.handshakes_unfinished == full.refused_326 == 0
    assert full.messages == []


def test_max_clients_ends(full, dial):
    """Without the fault its connections are gone, and clients come in again."""
    full.set_faults([])
    assert dial(full).open()
    assert full.wait_for(lambda: full.connections_accepted == 1)
    # Closed sockets of ours are gone by the time a later connection was served.
    assert connections_to(full) == 1


def test_max_clients_leaves_those_who_are_in(gateway, dial):
    """A client that was there is served, and makes the others one fewer."""
    client = dial(gateway)
    client.open()
    gateway.set_faults(["max-clients"])
    assert connections_to(gateway) == LIMIT
    client.send(49, 1)
    assert client.read_until(49)
    assert dial(gateway).rest() == b""


def test_a_place_that_is_left_does_not_become_free(gateway, dial):
    """While the fault lasts, another connection of the gateway takes it at once."""
    client = dial(gateway)
    client.open()
    gateway.set_faults(["max-clients"])
    client.close()
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    assert dial(gateway).rest() == b""
    assert gateway.wait_for(lambda: connections_to(gateway) == LIMIT)


def test_setting_it_again_adds_nothing(full):
    """The 32 stay 32."""
    full.set_faults(["max-clients", "live-account"])
    assert connections_to(full) == LIMIT


def test_stopping_closes_them(full):
    """Nothing is left of the 32, and the next start makes new ones."""
    full.stop()
    assert connections_to(full) == 0
    full.start()
    assert connections_to(full) == LIMIT


def test_a_restart_fills_the_places_again(gateway, dial):
    """While it restarts nobody is connected; back again, it is full again."""
    gateway.set_faults(["max-clients", "restart:3600"])
    assert connections_to(gateway) == 0
    gateway.set_faults(["max-clients"])
    assert connections_to(gateway) == LIMIT
    assert dial(gateway).rest() == b""


async def test_no_place_is_had_between_a_leave_and_its_refill():
    """Once the places are being kept full, one that was left is nobody's until that ends."""
    places = Places()
    clients = [object() for _ in range(LIMIT)]
    assert all(places.take(client) for client in clients)
    # Nothing is free, so nothing is connected: the port is never used.
    await places.fill(0)
    places.leave(clients[0])
    assert not places.take(object())
    places.vacate()
    assert places.take(object())

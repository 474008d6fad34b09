"""What the tests of all rooms share; `servers` and `commands` beside it are imported by name."""

import socket

import pytest
import servers

from ibnb.simulator import SimulatedGateway


@pytest.fixture
def broken_gateway():
    """Start simulated gateways with faults, and stop them at the end."""
    made = []

    def broken_gateway(*faults, **options):
        made.append(SimulatedGateway(faults=faults, **options).start())
        return made[-1]

    yield broken_gateway
    for gateway in made:
        gateway.stop()


@pytest.fixture
def refused_port():
    """Return a port that is taken, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind((servers.LOOPBACK, 0))
        yield sock.getsockname()[1]


@pytest.fixture
def gateway():
    """A healthy simulated gateway."""
    with SimulatedGateway() as running:
        yield running

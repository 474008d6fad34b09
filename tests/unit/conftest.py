"""What the tests of all rooms share; `servers` and `commands` beside it are imported by name."""

import asyncio
import importlib
import socket

import pytest
import servers
from commands import processes_stay

from ibnb.simulator import SimulatedGateway


@pytest.fixture
def library(library):
    """Each API library that is installed, by its name, imported."""
    try:
        importlib.import_module(library)
    except RuntimeError:
        # Both look for a current loop then, which an earlier test took away.
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        importlib.import_module(library)
        asyncio.set_event_loop(None)
        loop.close()
    return library


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
def processes(tmp_path_factory):
    """No test, on any worker, makes believe meanwhile that a gateway runs."""
    with processes_stay(tmp_path_factory.getbasetemp().parent):
        yield


@pytest.fixture
def refused_port(processes):  # noqa: ARG001 - what runs decides why it is refused
    """Return a port that is taken, so that nobody else gets it, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind((servers.LOOPBACK, 0))
        yield sock.getsockname()[1]


@pytest.fixture
def gateway():
    """A healthy simulated gateway."""
    with SimulatedGateway() as running:
        yield running

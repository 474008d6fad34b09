"""What the tests of all rooms share; `servers` and `commands` beside it are imported by name."""

import contextlib
import importlib.util
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
def no_processes_appear(tmp_path_factory):
    """Return how to wait until no other test, on any worker, makes believe that a gateway runs.

    With `alone`, no other test looks at the processes meanwhile.
    """

    @contextlib.contextmanager
    def no_processes_appear(*, alone=False):
        with (tmp_path_factory.getbasetemp().parent / "processes.lock").open("w") as file:
            if importlib.util.find_spec("fcntl"):
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
            yield

    return no_processes_appear


@pytest.fixture
def refused_port(request, no_processes_appear):
    """Return a port that is taken, so that nobody else gets it, and on which nobody listens."""
    with contextlib.ExitStack() as stack:
        if "alone" not in request.fixturenames:
            stack.enter_context(no_processes_appear())
        sock = stack.enter_context(socket.socket())
        sock.bind((servers.LOOPBACK, 0))
        yield sock.getsockname()[1]


@pytest.fixture
def gateway():
    """A healthy simulated gateway."""
    with SimulatedGateway() as running:
        yield running

"""A pytest fixture for tests of programs that use TWS or Gateway.

pytest loads this module by itself in every run where ibnb is installed: it imports nothing slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .simulator import SimulatedGateway


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "simulated_gateway(*scenarios, **verbs): what happens to the simulated gateway before the "
        "test: scenario files, then verbs such as faults=['id-held'] or cash=5000",
    )


@pytest.fixture
def simulated_gateway(request: pytest.FixtureRequest) -> Iterator[SimulatedGateway]:
    """Run a simulated gateway on a free port of this machine's loopback while a test runs.

    `SimulatedGateway.port` says where, and its verbs steer it: ``set_quote``, ``fill``, ``faults``,
    ``requests`` and the others of `Handle`. A marker does the same before the test begins::

        @pytest.mark.simulated_gateway("crash.toml", faults=["slow:2"], cash=5000,
                                       positions={"contract": "AAPL", "size": 10})

    Each word is a verb; its value are the verb's parameters if it is a dict, and else the first of
    them. Scenarios are found beside the test's file. Markers of a module come before those of a
    test. Faults from the first moment on, before anything listens, are given like this::

        @pytest.mark.parametrize("simulated_gateway", ["id-held", ["slow:2", "farms-down"]],
                                 indirect=True)

    Raises:
        UnknownFaultError: there is no such fault, or its value makes no sense.
        VerbError: the marker has a verb that does not exist, or that cannot be done.
        ScenarioError: a scenario cannot be read, or a step of it cannot be taken.
    """
    from contextlib import ExitStack

    from .simulator import SimulatedGateway, read_scenario
    from .simulator.verbs import verb_named

    faults = getattr(request, "param", ())
    failed: list[Exception] = []
    with ExitStack() as stack:
        gateway = stack.enter_context(
            SimulatedGateway(faults=[faults] if isinstance(faults, str) else faults)
        )
        for marker in reversed(list(request.node.iter_markers("simulated_gateway"))):
            for name in marker.args:
                scenario = read_scenario(request.path.parent / name)
                stack.enter_context(scenario.playing(gateway, failed.append))
            for name, value in marker.kwargs.items():
                verb = verb_named(name)
                verb.call(gateway, verb.given_as(value))
        yield gateway
    # The steps that came while the test ran: their failure is the test's.
    if failed:
        raise failed[0]

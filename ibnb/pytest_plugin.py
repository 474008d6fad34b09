"""A pytest fixture for tests of programs that use TWS or Gateway.

pytest loads this module by itself in every run where ibnb is installed: it imports nothing slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .simulator import SimulatedGateway


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "simulated_gateway(*scenarios, **words): how the simulated gateway is made, as by "
        "SimulatedGateway or `ibnb sim`: clock='2026-07-01T09:29:55 America/New_York x60', "
        "latency=0.5, strict=True, seed=7, accounts=['DU1'], faults=['id-held']; then what "
        "happens to it before the test: scenario files, and verbs such as cash=5000",
    )


@pytest.fixture
def simulated_gateway(request: pytest.FixtureRequest) -> Iterator[SimulatedGateway]:
    """Run a simulated gateway on a free port of this machine's loopback while a test runs.

    `SimulatedGateway.port` says where, and its verbs steer it: ``set_quote``, ``fill``, ``faults``,
    ``requests`` and the others of `Handle`. A marker says how it is made, in the words of
    `SimulatedGateway` and ``ibnb sim``, and what happens to it before the test begins::

        @pytest.mark.simulated_gateway(clock="2026-07-01T09:29:55 America/New_York x60",
                                       latency=0.5, strict=True, seed=7)
        @pytest.mark.simulated_gateway("crash.toml", faults=["slow:2"], cash=5000,
                                       positions={"contract": "AAPL", "size": 10})

    Any word that `SimulatedGateway` does not have is a verb; its value are the verb's parameters if
    it is a dict, and else the first of them. Scenarios, plain or as ``scenario``, are found beside
    the test's file. Markers of a module come before those of a test, whose words replace theirs.
    What a gateway is made with is so from the first moment on, before anything listens, and
    `SimulatedGateway.reset` goes back to it. Faults by parameter are added to those of markers::

        @pytest.mark.parametrize("simulated_gateway", ["id-held", ["slow:2", "farms-down"]],
                                 indirect=True)

    Raises:
        UnknownFaultError: there is no such fault, or its value makes no sense.
        BadClockError: the clock cannot be.
        VerbError: the marker has a word that does not exist, or that cannot be done.
        ScenarioError: a scenario cannot be read, or a step of it cannot be taken.
    """
    from contextlib import ExitStack

    from .simulator import SimulatedGateway
    from .simulator.marker import read_marker

    markers = [
        read_marker(one.args, one.kwargs, request.path.parent)
        for one in reversed(list(request.node.iter_markers("simulated_gateway")))
    ]
    made_with: dict[str, Any] = {}
    for marker in markers:
        made_with |= marker.made_with
    faults = _listed(made_with.pop("faults", ())) + _listed(getattr(request, "param", ()))
    failed: list[Exception] = []
    with ExitStack() as stack:
        gateway = stack.enter_context(SimulatedGateway(faults=faults, **made_with))
        for marker in markers:
            for scenario in marker.scenarios:
                stack.enter_context(scenario.playing(gateway, failed.append))
            marker.act(gateway)
        yield gateway
    # The steps that came while the test ran: their failure is the test's.
    if failed:
        raise failed[0]


def _listed(faults: Any) -> list[str]:
    return [faults] if isinstance(faults, str) else list(faults)

"""A pytest fixture for tests of programs that use TWS or Gateway.

pytest loads this module by itself in every run where ibnb is installed: it imports nothing slow.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .simulator import SimulatedGateway


@pytest.fixture
def simulated_gateway(request: pytest.FixtureRequest) -> Iterator[SimulatedGateway]:
    """Run a simulated gateway on a free port of this machine's loopback while a test runs.

    `SimulatedGateway.port` says where, `SimulatedGateway.set_faults` breaks and heals it. A test
    that needs a fault from the start names it, or several of them in a list::

        @pytest.mark.parametrize("simulated_gateway", ["id-held", ["slow:2", "farms-down"]],
                                 indirect=True)

    Raises:
        UnknownFaultError: there is no such fault, or its seconds make no sense.
    """
    from .simulator import SimulatedGateway

    faults = getattr(request, "param", ())
    with SimulatedGateway(faults=[faults] if isinstance(faults, str) else faults) as gateway:
        yield gateway

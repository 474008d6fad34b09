"""What the tests of live evidence share: a session that is connected to a simulated gateway."""

import importlib

import pytest

from ibnb.session import Plan, Session
from ibnb.session.library.libraries import find_library
from ibnb.tws.target import Target


@pytest.fixture
def api(library):
    """The API library at hand."""
    return importlib.import_module(library)


@pytest.fixture
async def session(library, gateway):
    """A session that is connected to the gateway; closed at the end."""
    made = Session()
    plan = Plan(Target(gateway.host, gateway.port, "paper"), 41, find_library(library))
    await made.connect(plan, (plan.target,), wait=lambda _address: 0.0)
    yield made
    await made.disconnect()


@pytest.fixture
async def ib(session):
    """The session's `IB` object."""
    return session.connection.ib

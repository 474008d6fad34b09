"""What the tests of the session share: real libraries, and sessions that are closed at the end."""

import contextlib
import importlib

import pytest

from ibnb.session import Plan, Session
from ibnb.session.guard import Guard
from ibnb.session.library.libraries import find_library
from ibnb.tws.own import LOOPBACK
from ibnb.tws.target import Target


@pytest.fixture
def module(library):
    """The API library at hand."""
    return importlib.import_module(library)


@pytest.fixture
def plan(library):
    """Make plans for the library at hand."""

    def plan(port, client_id=41, *, expects="paper", host=LOOPBACK, **more):
        return Plan(Target(host, port, expects), client_id, find_library(library), **more)

    return plan


@pytest.fixture
async def session():
    """A session, closed at the end."""
    made = Session()
    yield made
    await made.disconnect()


@pytest.fixture
def guard(session, library):
    """A guard that acts on the user's own connects."""
    importlib.import_module(library)
    guard = Guard(
        session,
        enabled=lambda: True,
        wait=lambda _address: 0.0,
        waiting=lambda: contextlib.nullcontext(lambda _waiting: None),
        reachable=lambda: (),
    )
    guard.enter()
    yield guard
    guard.leave()


@pytest.fixture
def connect(session, plan):
    """Open the session's connection to a port, without waiting for a held client ID."""

    async def connect(port, client_id=41, *, wait=0.0, on_wait=None, **more):
        wanted = plan(port, client_id, **more)
        return await session.connect(
            wanted, (wanted.target,), wait=lambda _address: wait, on_wait=on_wait
        )

    return connect

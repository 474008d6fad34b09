from __future__ import annotations

import functools
from pathlib import Path

import comparing
import pytest
from bare_gateway import BareGateway
from kernels import Notebook, OverlookedMessageError

from ibnb.simulator import SimulatedGateway

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Run a test once more, and say so, if its kernel overlooked a message: no other failure."""
    again = pytest.mark.flaky(reruns=1, only_rerun=[OverlookedMessageError.__name__])
    for item in items:
        if item.path.parent == HERE:
            item.add_marker(again)


@pytest.fixture
def notebook(request, tmp_path):
    """A notebook with a fresh kernel."""
    notebook = Notebook(tmp_path, warm=request.node.get_closest_marker("not_warm") is None)
    yield notebook
    notebook.close()


@pytest.fixture
def gateway():
    """A simulated gateway that frees client IDs at once."""
    with SimulatedGateway() as gateway:
        yield gateway


@pytest.fixture
def connected(notebook, gateway, library):
    """A notebook that is connected to the gateway."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {gateway.port} --library {library}", "connecting")
    assert run.status == "ok", run.everything
    notebook.run(f"from {library} import IB, Stock, MarketOrder, LimitOrder, util")
    return notebook


@pytest.fixture
def bare_gateway():
    """A gateway without any code of ibnb."""
    with BareGateway() as gateway:
        yield gateway


@pytest.fixture
def compare(tmp_path, library):
    """Take the same steps with the plain library and with ibnb; return both sides."""
    return functools.partial(comparing.compare, tmp_path, library)

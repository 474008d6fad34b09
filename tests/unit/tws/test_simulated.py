"""Which ports simulated gateways have, as their own processes tell."""

import os
import sys
import time

import pytest
from commands import python

from ibnb.simulator import SimulatedGateway
from ibnb.simulator.process import start_simulator
from ibnb.tws import simulated
from ibnb.tws.simulated import is_simulated, marked_as_simulated


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where the marks are, for this process and those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(simulated.tempfile, "tempdir", None)
    return tmp_path


@pytest.mark.skipif(sys.platform == "win32", reason="another variable names the folder there")
def test_a_simulated_gateway_is_known_while_it_runs(place):
    """On this machine, by its port, and no longer than its process lives."""
    gateway = start_simulator()
    try:
        assert is_simulated("127.0.0.1", gateway.port)
        assert is_simulated("localhost", gateway.port)
        assert not is_simulated("192.0.2.1", gateway.port)
        assert not is_simulated("127.0.0.1", gateway.port + 1)
    finally:
        gateway.stop()
    assert not is_simulated("127.0.0.1", gateway.port)
    assert not any(path.is_file() for path in place.rglob("*"))


def test_a_simulated_gateway_of_this_process_is_known_to_this_process_alone(place):
    """To another it is the gateway that it stands for: nothing is written."""
    with SimulatedGateway() as gateway:
        assert is_simulated("127.0.0.1", gateway.port)
        assert not any(path.is_file() for path in place.rglob("*"))
    assert not is_simulated("127.0.0.1", gateway.port)


def test_a_mark_that_outlived_its_process_counts_for_nothing():
    """The port may be a real gateway's by now, and the number another process's."""
    ended = int(python("-c", "import os; print(os.getpid())").stdout)
    for pid, start in ((ended, time.time()), (os.getpid(), 1.0)):
        with marked_as_simulated(4002):
            assert is_simulated("127.0.0.1", 4002)
            simulated._mark(4002).write_text(f"{pid} {start}")
            assert not is_simulated("127.0.0.1", 4002)


@pytest.mark.parametrize("said", ["", "no number", "99999999999999999999", "1 nan", "1 1 1"])
def test_what_is_no_mark_is_none(said):
    """Whoever wrote it."""
    with marked_as_simulated(4002):
        simulated._mark(4002).write_text(said)
        assert not is_simulated("127.0.0.1", 4002)

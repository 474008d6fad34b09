"""The simulated gateway as a process of its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ibnb.simulator import PortTakenError, SimulatedGateway, SimulatorFailedError, start_simulator
from ibnb.simulator.command import run

ROOT = Path(__file__).resolve().parents[3]
MAX_WAIT = 30

RUN = "import sys; from ibnb.simulator import run; sys.exit(run(0, {faults!r}, parent_pid={pid}))"
START = """
import sys
from ibnb.simulator import start_simulator
started = start_simulator()
print(started.pid, started.port, flush=True)
sys.stdin.read()
"""


def python(code, **options):
    """Start this Python with a piece of code, from the project's root."""
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True, **options
    )


def listening_port(process):
    """Return the port of a program that has just said where it listens."""
    line = process.stdout.readline()
    assert line.startswith("listening on 127.0.0.1:"), line
    return int(line.rpartition(":")[2])


class Address:
    """Where a raw client dials."""

    def __init__(self, port):
        self.port = port


def test_the_program_says_where_it_listens_and_ends_on_sigterm(dial):
    """One line tells the address; the gateway serves; SIGTERM ends it with status 0."""
    with python(RUN.format(faults=["live-account"], pid=None)) as process:
        port = listening_port(process)
        assert dial(Address(port)).open()[1][2] == "U1234567"
        process.terminate()
        status = process.wait(MAX_WAIT)
    # Windows has no SIGTERM: there the process is ended from outside.
    assert status == 0 or sys.platform == "win32"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no interrupt to one process")
def test_ctrl_c_ends_the_program():
    """An interrupt ends it with status 0 and without a traceback."""
    code = RUN.format(faults=[], pid=None)
    with python(code, stderr=subprocess.STDOUT) as process:
        listening_port(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(MAX_WAIT) == 0
        assert process.stdout.read() == ""


def test_a_taken_port_is_reported_before_anything_runs():
    """The body of the command raises what the terminal shows as one line."""
    with SimulatedGateway() as gateway, pytest.raises(PortTakenError, match=str(gateway.port)):
        run(gateway.port, [])


def test_it_runs_as_a_process_and_stops(dial):
    """The started process serves under its pid, and is gone after stop, which may be repeated."""
    simulator = start_simulator(["live-account"])
    try:
        assert simulator.is_running
        assert simulator.host == "127.0.0.1"
        assert dial(simulator).open()[1][2] == "U1234567"
        assert psutil.pid_exists(simulator.pid)
    finally:
        simulator.stop()
    assert not simulator.is_running
    simulator.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="process groups are another thing there")
def test_an_interrupt_of_the_group_does_not_reach_it():
    """It has a session of its own, so that the kernel's interrupt spares it."""
    simulator = start_simulator()
    try:
        assert os.getpgid(simulator.pid) != os.getpgid(0)
    finally:
        simulator.stop()


def test_it_starts_from_any_directory(tmp_path, monkeypatch):
    """A file of the user's that is named like ours or Python's own does no harm."""
    (tmp_path / "asyncio.py").write_text("raise RuntimeError('the wrong module')")
    monkeypatch.chdir(tmp_path)
    start_simulator().stop()


def test_a_start_that_fails_says_why():
    """What the process said is in the error, in one line."""
    with pytest.raises(SimulatorFailedError, match="no-such-fault") as caught:
        start_simulator(["no-such-fault"])
    assert "\n" not in str(caught.value)
    with SimulatedGateway() as gateway, pytest.raises(SimulatorFailedError, match="is taken"):
        start_simulator(port=gateway.port)


def test_it_ends_with_its_parent_however_that_ends():
    """When the process that started it is killed, it ends by itself."""
    with python(START, stdin=subprocess.PIPE) as parent:
        pid, _ = (int(word) for word in parent.stdout.readline().split())
        simulator = psutil.Process(pid)
        assert simulator.is_running()
        parent.kill()
        parent.wait(MAX_WAIT)
    gone, alive = psutil.wait_procs([simulator], MAX_WAIT)
    assert [process.pid for process in gone] == [pid], alive


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no zombies")
def test_a_parent_that_nobody_waited_for_counts_as_gone():
    """A zombie, which still has its pid, does not keep the gateway alive."""
    with (
        python("import sys; sys.stdin.read()", stdin=subprocess.PIPE) as parent,
        python(RUN.format(faults=[], pid=parent.pid)) as simulator,
    ):
        listening_port(simulator)
        # Killed and not yet waited for: a zombie.
        parent.kill()
        assert simulator.wait(MAX_WAIT) == 0


def test_a_parent_that_is_gone_already_ends_it_at_once():
    """A pid that no process has is a parent that has ended."""
    with python("pass") as parent:
        parent.wait(MAX_WAIT)
    with python(RUN.format(faults=[], pid=parent.pid)) as simulator:
        assert simulator.wait(MAX_WAIT) == 0

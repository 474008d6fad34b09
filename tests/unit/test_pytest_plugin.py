"""The fixture that ibnb gives to the tests of others, in a pytest of its own."""

import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from commands import python

from ibnb.options import simulate_parser
from ibnb.simulator.marker import read_marker

PLUGIN = "ibnb.pytest_plugin"
PROJECT = Path(__file__).parents[2]

USES = """
import socket

import pytest
from ibnb.simulator import SimulatedGateway

ports = set()


def version_reply(gateway):
    with socket.create_connection((gateway.host, gateway.port), timeout=20) as client:
        client.sendall(b"API\\0\\0\\0\\0\\x09v157..176")
        return client.recv(64)


def test_healthy(simulated_gateway):
    assert isinstance(simulated_gateway, SimulatedGateway)
    assert b"176" in version_reply(simulated_gateway)
    ports.add(simulated_gateway.port)


def test_broken_while_it_runs(simulated_gateway):
    simulated_gateway.set_faults(["garbage"])
    assert version_reply(simulated_gateway).startswith(b"HTTP")


@pytest.mark.parametrize("simulated_gateway", ["garbage", ["slow:0", "garbage"]], indirect=True)
def test_broken_from_the_start(simulated_gateway):
    assert version_reply(simulated_gateway).startswith(b"HTTP")


def test_stopped_after_its_test():
    (port,) = ports
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=20)


@pytest.mark.parametrize("simulated_gateway", ["fire"], indirect=True)
def test_no_such_fault(simulated_gateway):
    pass
"""


MARKED = """
import pytest

pytestmark = pytest.mark.simulated_gateway(cash=7, faults=["slow:0"])


@pytest.mark.simulated_gateway("world.toml", positions={"contract": "MSFT", "size": 3})
def test_marked(simulated_gateway):
    assert simulated_gateway.cash() == {"DU1234567": {"USD": 9.0}}
    assert simulated_gateway.positions("MSFT")[0]["size"] == 3
    assert simulated_gateway.faults() == ["slow:0"]
    simulated_gateway.set_quote("AAPL", bid=10, ask=11)
    assert simulated_gateway.requests() == []


def test_marked_by_the_module_alone(simulated_gateway):
    assert simulated_gateway.cash() == {"DU1234567": {"USD": 7.0}}


@pytest.mark.simulated_gateway(fil=3)
def test_no_such_verb(simulated_gateway):
    pass


@pytest.mark.simulated_gateway("none.toml")
def test_no_such_file(simulated_gateway):
    pass
"""


MADE = """
import pytest

NIGHT = "2026-07-01T22:00:00 America/New_York x1000"
pytestmark = pytest.mark.simulated_gateway(seed=7, faults=["slow:0"], accounts=["DU7654321"])


@pytest.mark.simulated_gateway(clock=NIGHT, strict=True, latency=0.5, release_after=0)
def test_made(simulated_gateway):
    for _ in range(2):
        assert simulated_gateway.seed() == 7
        assert simulated_gateway.accounts() == ["DU7654321"]
        assert simulated_gateway.faults() == ["slow:0", "strict"]
        assert simulated_gateway.clock().startswith("2026-07-02T0")
        simulated_gateway.reset()


@pytest.mark.simulated_gateway(clock=NIGHT)
def test_hours(simulated_gateway):
    pair = simulated_gateway.set_quote("EURUSD")["last"]
    stock = simulated_gateway.set_quote("AAPL")["last"]
    while simulated_gateway.set_quote("EURUSD")["last"] == pair:
        pass
    assert simulated_gateway.set_quote("AAPL")["last"] == stock


@pytest.mark.simulated_gateway(clock="off", faults="half-open", scenario="world.toml", seed=8)
@pytest.mark.parametrize("simulated_gateway", ["id-held"], indirect=True)
def test_nearer_words_replace_others(simulated_gateway):
    assert simulated_gateway.clock() > "2026-07-03"
    assert simulated_gateway.faults() == ["half-open:0", "id-held"]
    assert simulated_gateway.cash() == {"DU7654321": {"USD": 9.0}}
    assert simulated_gateway.seed() == 8


@pytest.mark.simulated_gateway(faults={"names": ["slow:1"]}, clock={"moment": NIGHT})
def test_verbs_by_all_their_parameters(simulated_gateway):
    assert simulated_gateway.faults() == ["slow:1"]
    assert simulated_gateway.clock() < "2026-07-03"


@pytest.mark.simulated_gateway(latency="fast")
def test_a_value_of_another_type(simulated_gateway):
    pass


@pytest.mark.simulated_gateway(latency=-1)
def test_a_value_that_cannot_be(simulated_gateway):
    pass


@pytest.mark.simulated_gateway(clock="noon")
def test_a_clock_that_cannot_be(simulated_gateway):
    pass


@pytest.mark.simulated_gateway(fault="id-held")
def test_a_word_that_is_none(simulated_gateway):
    pass
"""


def is_installed():
    """Say whether pytest finds the plugin by itself here, which it does once ibnb is installed."""
    return any(each.value == PLUGIN for each in entry_points(group="pytest11"))


@pytest.fixture
def run_pytest(tmp_path):
    """Run pytest in a folder that knows nothing of ours, on a file with this source."""

    def run_pytest(source, *words):
        (tmp_path / "pytest.ini").write_text("[pytest]")
        file = tmp_path / "test_users.py"
        file.write_text(source)
        found = () if is_installed() else ("-p", PLUGIN)
        # Nbval imports all that Jupyter is, which takes most of the time.
        without = ("-p", "no:cacheprovider", "-p", "no:nbval")
        common = ("--strict-markers", "--rootdir", tmp_path)
        return python("-m", "pytest", *without, *common, *found, *words, file)

    return run_pytest


def test_it_is_declared():
    """An installed ibnb tells pytest of the plugin, under the name by which -p asks for it."""
    with (PROJECT / "pyproject.toml").open("rb") as file:
        declared = tomllib.load(file)["project"]["entry-points"]["pytest11"]
    assert declared == {PLUGIN: PLUGIN}


def test_users_have_the_fixture(run_pytest):
    """It runs while its test runs, with the faults that were asked for; unknown ones are errors."""
    ended = run_pytest(USES, "-q")
    assert "5 passed, 1 error" in ended.stdout, ended.stdout + ended.stderr
    assert "unknown fault 'fire'" in ended.stdout


def test_its_marker_sets_the_world_up(run_pytest, tmp_path):
    """Scenarios and verbs, those of the module first; what does not exist is an error."""
    (tmp_path / "world.toml").write_text("[[step]]\nverb = 'cash'\namount = 9")
    ended = run_pytest(MARKED, "-q")
    assert "2 passed" in ended.stdout, ended.stdout + ended.stderr
    assert "2 errors" in ended.stdout
    assert "simulated_gateway has no word 'fil': did you mean fill?" in ended.stdout
    assert "none.toml cannot be read" in ended.stdout


def test_its_marker_says_how_it_is_made(run_pytest, tmp_path):
    """In the words of the constructor and the program; `reset` goes back to it."""
    (tmp_path / "world.toml").write_text("[[step]]\nverb = 'cash'\namount = 9")
    ended = run_pytest(MADE, "-q")
    assert "4 passed, 4 errors" in ended.stdout, ended.stdout + ended.stderr
    assert "simulated_gateway: latency is 'fast': give a number" in ended.stdout
    assert "latency is -1: give 0 or more seconds" in ended.stdout
    assert "clock 'noon': write a time, a zone and a speed" in ended.stdout
    assert "simulated_gateway has no word 'fault': did you mean faults?" in ended.stdout


def test_its_marker_has_every_option_of_the_program(tmp_path):
    """But for those that are about the program and not about the gateway."""
    of_programs = {"control", "verbose", "list", "page", "record", "replay", "fast", "parent_pid"}
    options = vars(simulate_parser("ibnb sim").parse_args([]))
    words = {name.replace("fault", "faults") for name in options} - of_programs
    examples = {"faults": ["slow"], "clock": "now", "scenario": [], "strict": True}
    marker = read_marker((), {word: examples.get(word, 1) for word in words}, tmp_path)
    assert set(marker.made_with) == words - {"scenario"}
    assert marker.verbs == []


def test_its_marker_is_listed(run_pytest):
    """`pytest --markers` shows it."""
    ended = run_pytest("", "--markers")
    assert "@pytest.mark.simulated_gateway(*scenarios, **words)" in ended.stdout, ended.stderr


def test_it_is_listed_with_what_it_does(run_pytest):
    """`pytest --fixtures` shows it."""
    ended = run_pytest("", "--fixtures")
    assert "simulated_gateway" in ended.stdout, ended.stderr
    assert "Run a simulated gateway on a free port" in ended.stdout


def test_it_costs_nothing_where_it_is_not_used(run_pytest):
    """No simulator, no psutil and no API library is loaded in other people's test runs."""
    source = """
import sys


def test_nothing_is_loaded():
    assert "ibnb.pytest_plugin" in sys.modules
    assert not {"ibnb.simulator", "ibnb.tws", "psutil", "ib_insync", "ib_async"} & set(sys.modules)
"""
    ended = run_pytest(source)
    assert ended.returncode == 0, ended.stdout + ended.stderr

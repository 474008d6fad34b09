"""Files of verbs, and what the program prints of what it hears."""

import pytest
from commands import ibnb

from ibnb.simulator import FAULTS, VERBS, ScenarioError, read_scenario

WORLD = """
[[step]]
verb = "cash"
amount = 5000

[[step]]
verb = "positions"
contract = { symbol = "TSLA", secType = "STK" }
size = 12
price = 250.5

[[step]]
after = 0.1
verb = "faults"
names = ["connectivity-lost"]
"""


def test_a_scenario_happens_to_the_program(tmp_path, run_sim, dial):
    """The steps before the first that waits are there from the start; the others come in time."""
    file = tmp_path / "world.toml"
    file.write_text(WORLD)
    client = dial(run_sim("--scenario", file))
    client.open()
    client.send(61, 1)
    frames = client.read_until(62)
    held = {frame[4]: frame[-2:] for frame in frames if frame[0] == "61"}
    assert [float(one) for one in held["TSLA"]] == [12, 250.5]
    # The link may have been lost before this client was there.
    while "1100" not in [frame[3] for frame in frames if frame[0] == "4"]:
        frames = client.read_until(4)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[step]]\nverb = 'fil'", "step 1: there is no verb 'fil': did you mean fill?"),
        ("[[step]]\nverb = 'drop'\n[[step]]\n", "step 2 names no verb"),
        ("[[step]]\nverb = 'fill'\norder = 1", "step 1: fill has no parameter 'order'"),
        ("[[step]]\nverb = 'fill'", "step 1: fill needs order_id"),
        ("[[step]]\nverb = 'drop'\nafter = -1", "step 1: after is -1: give 0 or more"),
        ("[[step]", "is not TOML"),
        ("[steps]", "has 'steps'"),
        ("step = [1]", "has a step that is not a table"),
        ("[[step]]\nverb = 'fill'\norder_id = 7", "step 1: no open order has the ID 7"),
    ],
)
def test_a_scenario_that_makes_no_sense_ends_the_program(tmp_path, text, said):
    """With status 2 and one line that names the file and the step."""
    file = tmp_path / "wrong.toml"
    file.write_text(text)
    ended = ibnb("sim", "--port", "0", "--scenario", file)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert str(file) in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_a_file_that_is_not_there(tmp_path):
    """Its name, and why."""
    with pytest.raises(ScenarioError, match=r"none\.toml cannot be read"):
        read_scenario(tmp_path / "none.toml")


def test_verbose_prints_what_is_heard(run_sim, dial):
    """Each request by its name in the API, with what it asks, accounts masked and nothing raw."""
    program = run_sim("--verbose")
    client = dial(program)
    client.open(5)
    client.send(6, 2, 1, "DU1234567")
    client.send(81, 3, "\x1b[31mAA")
    assert program.line() == "client -: startApi(clientId=5)"
    assert program.line() == "client 5: reqAccountUpdates(subscribe=1, account=DU•••567)"
    assert program.line() == r"client 5: reqMatchingSymbols(reqId=3, pattern=\x1b[31mAA)"


def test_the_list_of_what_there_is():
    """Every fault and every verb, each with what it does; nothing is started."""
    ended = ibnb("sim", "--list")
    assert ended.returncode == 0
    listed = [line.split(None, 1) for line in ended.stdout.splitlines() if line.startswith("  ")]
    assert [name for name, _ in listed] == [*FAULTS, *VERBS]
    assert dict(listed[: len(FAULTS)]) == FAULTS

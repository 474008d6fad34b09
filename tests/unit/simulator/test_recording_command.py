"""`ibnb sim --record` and `ibnb sim --replay` as programs of their own."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
from commands import environment, ibnb

MAX_WAIT = 30


class Address:
    """Where a raw client dials."""

    def __init__(self, port):
        self.port = port


@contextmanager
def running(*words):
    """Run `ibnb sim` with these words; end it by SIGTERM, which is no error."""
    command = [sys.executable, "-m", "ibnb", "sim", *map(str, words)]
    with subprocess.Popen(
        command,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        line = process.stdout.readline()
        assert line.startswith("listening on 127.0.0.1:"), process.stderr.read()
        try:
            yield Address(int(line.rpartition(":")[2])), process
        finally:
            process.terminate()
            status = process.wait(MAX_WAIT)
        # Windows has no SIGTERM: there the process is ended from outside.
        assert status == 0 or sys.platform == "win32"


def test_a_gateway_is_recorded_and_its_recording_replayed(gateway, dial, tmp_path):
    """Each says where it listens; a range that was not recorded is told on standard error."""
    path = tmp_path / "recording.jsonl"
    upstream = f"127.0.0.1:{gateway.port}"
    # The port of the gateway itself is taken, of course: another one is picked.
    with running("--record", upstream, path, "--port", gateway.port) as (address, _):
        client = dial(address)
        client.open(3)
        client.send(49, 1)
        (*_, time) = client.read_until(49)
        client.close()
    assert "DU1234567" not in path.read_text()
    with running("--replay", path, "--fast", "--port", 0) as (address, process):
        client = dial(address)
        assert client.open(9)[1] == ["15", "1", "DU0000001"]
        client.send(49, 1)
        assert client.read_until(49)[-1] == time
        other = dial(address)
        other.greet(100, 175)
        assert other.rest() == b""
        assert "100 to 175" in process.stderr.readline()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--replay", "nowhere.jsonl"], "nowhere.jsonl cannot be read"),
        (["--replay", __file__], "is not a recording"),
        (["--record", "moon", "r.jsonl"], "unknown target 'moon'"),
        (["--record", "127.0.0.1:4002", __file__], "is not a recording"),
        (["--record", "127.0.0.1:4002"], "expected 2 arguments"),
        (["--record", "127.0.0.1:4002", "r.jsonl", "--replay", "r.jsonl"], "not both"),
        (["--replay", "r.jsonl", "--fault", "close"], "takes no --fault"),
        (["--replay", "r.jsonl", "--seed", "7"], "takes no --seed"),
        (["--replay", "r.jsonl", "--control", "0"], "takes no --control"),
        (["--replay", "r.jsonl", "--clock", "now", "x60"], "takes no --clock"),
        (["--record", "127.0.0.1:4002", "r.jsonl", "--fast"], "--fast goes with --replay"),
        (["--fast"], "--fast goes with --replay"),
    ],
)
def test_what_makes_no_sense_is_one_line(words, said):
    """Bad files, targets and mixtures: exit status 2, one line that says what it is."""
    ended = ibnb("sim", *words)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert ended.stderr.count("\n") == 1

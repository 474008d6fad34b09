"""What is remembered of the last good connect to a gateway, and what becomes of its file."""

import json
import logging
import subprocess
import sys
import threading

import pytest
from commands import environment

from ibnb.session.records import last_good
from ibnb.session.records.last_good import (
    FOLDER,
    FORMAT,
    MOST_BYTES,
    MOST_FILES,
    GoodConnects,
    Known,
    known_here,
)
from ibnb.tws.target import Target

HERE = Target("127.0.0.1", 4002)
KNOWN = Known(5.5, {"server_version": "176", "settings_port": "4000"}, {"settings_port": 2.5})


@pytest.fixture(autouse=True)
def said(monkeypatch):
    """What was said once is forgotten between tests."""
    monkeypatch.setattr(last_good, "_said", set())


@pytest.fixture
def good(tmp_path):
    """Good connects in a state folder that does not exist yet."""
    return GoodConnects(lambda: tmp_path / "state")


def files(tmp_path):
    """Return the files of the good connects."""
    return sorted((tmp_path / "state" / FOLDER).iterdir())


def test_what_was_remembered_is_found_for_that_target_alone(good, tmp_path):
    """However the target is written; by another object, as in another notebook."""
    good.remember(HERE, KNOWN)
    again = GoodConnects(lambda: tmp_path / "state")
    assert again.find(Target("localhost", 4002, "paper")) == KNOWN
    assert again.find(Target("127.0.0.1", 4001)) is None
    assert again.find(Target("gw.example", 4002)) is None


def test_without_a_state_folder_nothing_is_remembered():
    """And nothing is the worse."""
    good = GoodConnects(lambda: None)
    good.remember(HERE, KNOWN)
    assert good.find(HERE) is None


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_only_its_owner_may_read_it(good, tmp_path):
    """It tells of a gateway and its accounts, though masked."""
    good.remember(HERE, KNOWN)
    (file,) = files(tmp_path)
    assert file.stat().st_mode & 0o077 == 0


def test_only_so_many_targets_are_remembered(good, tmp_path):
    """The last good connects are kept, and the oldest are dropped."""
    targets = [Target("127.0.0.1", 10_000 + number) for number in range(MOST_FILES + 20)]
    for target in targets:
        good.remember(target, KNOWN)
    assert len(files(tmp_path)) == MOST_FILES
    assert good.find(targets[-1]) == KNOWN


def test_a_snapshot_is_bounded(good, tmp_path):
    """However much a gateway told, the file stays one that is read again."""
    long = "\0\N{GRINNING FACE}" * 5000
    values = {f"farm:{number}{long}": long for number in range(1000)}
    good.remember(HERE, Known(1.0, values, dict.fromkeys(values, 1.5)))
    (file,) = files(tmp_path)
    assert file.stat().st_size <= MOST_BYTES
    assert good.find(HERE).at == 1.0
    good.remember(HERE, Known(2.0, {"server_version": "176", "gateway_zone": "x" * 10_000}))
    assert len(good.find(HERE).values["gateway_zone"]) == last_good.LONGEST


DAMAGED = {
    "empty": b"",
    "cut": b'{"format": 1, "at": 5.5, "val',
    "a list": b"[]",
    "no values": b'{"format": 1, "at": 5.5, "since": {}}',
    "a number for a text": b'{"format": 1, "at": 5.5, "values": {"x": 7}, "since": {}}',
    "a text for a time": b'{"format": 1, "at": "x", "values": {}, "since": {}}',
    "deep": b"[" * 50_000,
    "huge": b" " * (MOST_BYTES + 1),
    "no text": b"\xff\xfe",
}


@pytest.mark.parametrize("data", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_named_once_and_replaced(data, good, tmp_path, caplog):
    """It is in nobody's way: the next good connect writes a whole one."""
    good.remember(HERE, KNOWN)
    (file,) = files(tmp_path)
    file.write_bytes(data)
    with caplog.at_level(logging.WARNING, "ibnb"):
        assert [good.find(HERE) for _ in range(3)] == [None] * 3
    assert [file.name in one.getMessage() for one in caplog.records] == [True]
    good.remember(HERE, KNOWN)
    assert good.find(HERE) == KNOWN


def test_a_file_of_a_newer_ibnb_is_named_once_and_left_alone(good, tmp_path, caplog):
    """Another environment of the same user reads it."""
    good.remember(HERE, KNOWN)
    (file,) = files(tmp_path)
    newer = json.dumps({"format": FORMAT + 1, "more": True})
    file.write_text(newer)
    with caplog.at_level(logging.WARNING, "ibnb"):
        assert good.find(HERE) is None
        good.remember(HERE, KNOWN)
        assert good.find(HERE) is None
    assert ["in format 2" in one.getMessage() for one in caplog.records] == [True]
    assert file.read_text() == newer


def test_a_folder_that_cannot_be_written_to_is_in_the_log_alone(tmp_path, caplog):
    """A file stands where the folder would be; the leases, which need it more, warn of it."""
    (tmp_path / "state").write_text("")
    good = GoodConnects(lambda: tmp_path / "state")
    with caplog.at_level(logging.INFO, "ibnb"):
        good.remember(HERE, KNOWN)
        assert good.find(HERE) is None
    assert [one.levelname for one in caplog.records] == ["INFO"]


WRITER = """
import sys
from pathlib import Path
from ibnb.session.records.last_good import GoodConnects, Known
from ibnb.tws.target import Target
good = GoodConnects(lambda: Path(sys.argv[1]))
for number in range(300):
    text = f"{sys.argv[2]}{number} " * 20
    good.remember(Target("127.0.0.1", 4002), Known(number, {"a": text, "b": text}))
"""


def test_notebooks_that_write_at_once_leave_a_whole_file(good, tmp_path, caplog):
    """Whoever reads meanwhile finds the whole of one of them, and no part of a file is left."""
    good.remember(HERE, KNOWN)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "state"), name], env=environment()
        )
        for name in ("one", "two")
    ]
    while any(process.poll() is None for process in processes):
        found = good.find(HERE)
        assert found is not None
        assert found == KNOWN or found.values["a"] == found.values["b"]
    assert [process.returncode for process in processes] == [0, 0]
    assert caplog.records == []
    assert [file.suffix for file in files(tmp_path)] == [".json"]


def test_whoever_connects_does_not_wait_for_it(good):
    """The work begins on another thread, and goes on when the connect has returned."""
    returned, threads = threading.Event(), []

    def known():
        threads.append(threading.get_ident())
        assert returned.wait(60)
        return KNOWN

    good.remember_soon(HERE, known)
    assert not good.wait(0)
    returned.set()
    assert good.wait(60)
    assert threads != [threading.get_ident()]
    assert good.find(HERE) == KNOWN


def test_of_many_connects_one_thread_writes_the_newest(good):
    """A thousand reruns leave no thousand threads: all but those under way are passed over."""
    begun, free, threads = threading.Event(), threading.Event(), []

    def known(at):
        threads.append(threading.get_ident())
        begun.set()
        assert free.wait(60)
        return Known(float(at))

    good.remember_soon(HERE, lambda: known(-1))
    assert begun.wait(60)
    for number in range(1000):
        good.remember_soon(HERE, lambda at=number: known(at))
    free.set()
    assert good.wait(60)
    assert len(threads) == 2
    assert len(set(threads)) == 1
    assert good.find(HERE).at == 999.0


def test_what_fails_there_is_in_the_log_alone(good, caplog):
    """No traceback of a thread that nobody knows of; and the next one is written."""

    def broken():
        raise RuntimeError("no")

    with caplog.at_level(logging.INFO, "ibnb"):
        good.remember_soon(HERE, broken)
        assert good.wait(60)
    assert [one.getMessage() for one in caplog.records] == [
        "ibnb: the last good connect to 127.0.0.1:4002 was not noted: no"
    ]
    good.remember_soon(HERE, lambda: KNOWN)
    assert good.wait(60)
    assert good.find(HERE) == KNOWN


def test_files_of_this_machine_say_nothing_of_another_ones_gateway(tmp_path, monkeypatch):
    """The settings file counts for a gateway here alone."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "Jts").mkdir()
    (tmp_path / "Jts" / "jts.ini").write_text("[IBGateway]\nLocalServerPort=4000\n")
    assert known_here(HERE, None, {}).values["settings_port"] == "4000"
    assert "settings_port" not in known_here(Target("gw.example", 4002), None, {}).values

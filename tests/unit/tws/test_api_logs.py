import os
from pathlib import Path

import pytest

from ibnb.tws import api_logs as module
from ibnb.tws.api_logs import api_logs

USER = "djgblkjyvmqqrsabcdef"


def write(path, *, modified=1_700_000_000.0, size=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (modified, modified))
    return path


@pytest.mark.parametrize(
    ("name", "encrypted", "client_id"),
    [
        ("api.7.Mon.log", False, 7),
        ("api.0.Do.log", False, 0),
        ("api.2147483647.Fri.log", False, 2147483647),
        ("api.7.Thu.ibgzenc", True, 7),
        ("api.20260829.ibgzenc", True, None),
        ("api.20260829.133046.ibgzenc", True, None),
        ("ibgateway.20260829.133046.ibgzenc", True, None),
        ("ibgateway.Thu.ibgzenc", True, None),
    ],
)
def test_logs_are_told_by_their_names(tmp_path, name, encrypted, client_id):
    """Which client's messages a log holds, and whether it can be read, is in its name."""
    path = write(tmp_path / USER / name, size=5)
    (log,) = api_logs([tmp_path])
    assert (log.path, log.name, log.bytes) == (path, name, 5)
    assert (log.encrypted, log.client_id) == (encrypted, client_id)
    assert log.modified == 1_700_000_000.0


@pytest.mark.parametrize(
    ("name", "encrypted", "client_id"),
    [
        ("exported.log", False, None),
        ("api-7-20260829.txt", False, None),
        ("today.ibgzenc", True, None),
        ("api.7.Mon.log", False, 7),
    ],
)
def test_a_folder_of_api_logs_has_them_under_any_name(tmp_path, name, encrypted, client_id):
    """In `api_logs` every log counts; beside it, a name has to say that it is one."""
    path = write(tmp_path / "api_logs" / name)
    write(tmp_path / "other" / "exported.log")
    write(tmp_path / "api_logs" / "notes.md")
    (log,) = api_logs([tmp_path])
    assert (log.path, log.encrypted, log.client_id) == (path, encrypted, client_id)


@pytest.mark.parametrize(
    "name",
    [
        "api.log",
        "api.x.Mon.log",
        "api.99999999999.Mon.log",
        "api.7.Mon.log.bak",
        "myapi.7.Mon.log",
        "launcher.log",
        "tws.20260829.ibgzenc",
        "apiary.ibgzenc",
        "jts.ini",
    ],
)
def test_other_files_are_no_api_logs(tmp_path, name):
    """A name that is only alike is passed over."""
    write(tmp_path / USER / name)
    assert api_logs([tmp_path]) == ()


def test_newest_comes_first_and_deeper_folders_are_not_searched(tmp_path):
    """The settings folder itself and one level below; whoever is still written to is first."""
    old = write(tmp_path / "a" / USER / "api.1.Mon.log", modified=1e9)
    new = write(tmp_path / "b" / "api.2.Tue.log", modified=2e9 - 1)
    middle = write(tmp_path / "a" / "api.3.Wed.ibgzenc", modified=1.5e9)
    write(tmp_path / "a" / USER / "deeper" / "api.4.Thu.log")
    found = api_logs([tmp_path / "a", tmp_path / "b", tmp_path / "a"])
    assert [log.path for log in found] == [new, middle, old]


def test_the_users_folder_is_not_shown(tmp_path):
    """The folder's name identifies a person: neither the name nor what is printed has it."""
    write(tmp_path / USER / "api.1.Mon.log")
    (log,) = api_logs([tmp_path])
    assert USER not in repr(log)
    assert USER not in log.name


def test_folders_of_that_name_links_and_what_is_absent_are_passed_over(tmp_path):
    """Only a file is a log, and no folder that cannot be read is an error."""
    (tmp_path / USER / "api.1.Mon.log").mkdir(parents=True)
    assert api_logs([tmp_path, tmp_path / "absent", Path("nul\0inside"), Path("x" * 5000)]) == ()


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything"
)
def test_closed_folders_are_passed_over(tmp_path):
    """What another user keeps closed does not hide the rest."""
    write(tmp_path / "closed" / "api.1.Mon.log")
    path = write(tmp_path / "open" / "api.2.Mon.log")
    (tmp_path / "closed").chmod(0)
    try:
        assert [log.path for log in api_logs([tmp_path])] == [path]
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_closed_folders_are_passed_over_for_root_too(tmp_path, monkeypatch):
    """The same where the tests run as root, whom no folder is closed to."""
    write(tmp_path / "closed" / "api.1.Mon.log")
    path = write(tmp_path / "open" / "api.2.Mon.log")
    scan = os.scandir

    def scandir(folder):
        if Path(folder).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert [log.path for log in api_logs([tmp_path])] == [path]


def test_number_of_logs_has_a_bound(tmp_path):
    """Of very many only the newest are told."""
    for number in range(module.MOST_LOGS + 20):
        write(tmp_path / f"api.{number}.Mon.log", modified=1e9 + number)
    found = api_logs([tmp_path])
    assert len(found) == module.MOST_LOGS
    assert found[0].client_id == module.MOST_LOGS + 19

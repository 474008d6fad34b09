import os
import sys
from pathlib import Path

import pytest

from ibnb.tws.folders import settings_folders
from ibnb.tws.processes import GatewayProcess


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Give the tests a home folder of their own, on a system that is neither of the two others."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setattr(Path, "home", lambda: home)
    monkeypatch.setattr(sys, "platform", "linux")
    return home


def told(folder):
    return GatewayProcess(1, "Gateway", "java", 1.0, (), "IB Gateway", settings_folder=folder)


def test_nothing_is_found_where_no_gateway_was_installed(home):
    """On the host of a container, or where the gateway is elsewhere, there is no folder."""
    assert not (home / "Jts").exists()
    assert settings_folders() == ()
    assert settings_folders([told(None)]) == ()


def test_the_installers_place_is_found(home):
    """The folder in the user's home, where it is a folder."""
    (home / "Jts").mkdir()
    assert settings_folders() == (home / "Jts",)
    (home / "Jts").rmdir()
    (home / "Jts").write_text("a file")
    assert settings_folders() == ()


def test_what_a_process_was_told_comes_first(home, tmp_path):
    """The folder of a running gateway is likelier than the installers' place."""
    (home / "Jts").mkdir()
    own = tmp_path / "paper settings"
    own.mkdir()
    assert settings_folders([told(str(own))]) == (own, home / "Jts")


def test_folders_that_are_not_here_are_left_out(tmp_path, home):
    """A process in a container was told of a folder that this machine does not have."""
    (home / "Jts").mkdir()
    odd = ["/nowhere/Jts", "relative", "", "nul\0inside", "x" * 5000, str(tmp_path / "absent")]
    assert settings_folders([told(folder) for folder in odd]) == (home / "Jts",)


def test_each_folder_comes_once(home):
    """However often it is named, and by whatever way."""
    jts = home / "Jts"
    jts.mkdir()
    ways = [str(jts), str(jts) + os.sep, str(home / "other" / ".." / "Jts")]
    (home / "other").mkdir()
    assert len(settings_folders([told(way) for way in ways])) == 1


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege there")
def test_a_link_and_its_folder_are_one(home, tmp_path):
    """A link to the installers' place is the same folder, and links in a circle are none."""
    (home / "Jts").mkdir()
    link, circle = tmp_path / "link", tmp_path / "circle"
    link.symlink_to(home / "Jts")
    circle.symlink_to(circle)
    assert settings_folders([told(str(link)), told(str(circle))]) == (link,)


def test_programs_folder_of_a_mac_counts_only_with_settings_in_it(home, monkeypatch):
    """Every Mac has that folder; one with a jts.ini in it is a gateway's, too."""
    programs = home / "Applications"
    programs.mkdir()
    (programs / "jts.ini").write_text("")
    assert settings_folders() == ()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert settings_folders() == (programs,)
    (programs / "jts.ini").unlink()
    assert settings_folders() == ()


def test_system_drive_of_windows_is_looked_at(home, tmp_path, monkeypatch):
    """The installers' place on Windows is at the root of the system drive."""
    assert home.exists()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("SYSTEMDRIVE", str(tmp_path / "drive"))
    place = Path(str(tmp_path / "drive") + "\\Jts")
    assert settings_folders() == ()
    place.mkdir(parents=True)
    assert settings_folders() == (place,)


def test_a_user_without_a_home_has_what_processes_were_told(monkeypatch, tmp_path):
    """A service's user may have no home folder."""

    def homeless():
        raise RuntimeError

    monkeypatch.setattr(Path, "home", homeless)
    assert tmp_path in settings_folders([told(str(tmp_path))])

"""What names a notebook: its frontend where it tells, else the working directory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from ibnb.ui.notebook import notebook_name


@pytest.fixture
def shell():
    """What is looked at of a shell: the user's namespace."""
    return SimpleNamespace(user_ns={})


def test_vs_code_tells_it_in_the_namespace(shell, monkeypatch):
    """VS Code's path comes first: its kernels may have a server's variable too."""
    monkeypatch.setenv("JPY_SESSION_NAME", "/srv/other.ipynb")
    shell.user_ns["__vsc_ipynb_file__"] = "/home/me/book.ipynb"
    assert notebook_name(shell) == "/home/me/book.ipynb"


def test_jupyter_server_tells_it_in_the_environment(shell, monkeypatch):
    """JupyterLab and Notebook start kernels with the notebook's path."""
    monkeypatch.setenv("JPY_SESSION_NAME", "/srv/book.ipynb")
    assert notebook_name(shell) == "/srv/book.ipynb"


def test_elsewhere_the_working_directory_stands_for_it(shell, monkeypatch, tmp_path):
    """In a console and in plain IPython the folder names the workflow."""
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    monkeypatch.chdir(tmp_path)
    assert notebook_name(shell) == str(Path.cwd())

"""What a process runs, told from its command line without giving the command line away."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_PYTHON = re.compile(r"(?:python|pypy)[\d.]*w?(?:\.exe)?", re.IGNORECASE)
_VALUE_FOLLOWS = frozenset({"-W", "-X", "--check-hash-based-pycs"})


def base_name(path: str) -> str:
    """Return the last part of a path of any of the three systems."""
    return (PureWindowsPath if "\\" in path else PurePosixPath)(path).name


def is_python(program: str) -> bool:
    """Say whether a program's name or path is that of a Python interpreter."""
    return _PYTHON.fullmatch(base_name(program)) is not None


def python_program(cmdline: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """Return what a Python command line runs, and the arguments that it is given.

    The name is ``-m MODULE`` or that of a script without its folder; it is empty for an interactive
    interpreter and for a program given as text.
    """
    position = 1
    while position < len(cmdline):
        word = cmdline[position]
        if word == "-c":
            break
        if word == "-m":
            return " ".join(cmdline[position : position + 2]), tuple(cmdline[position + 2 :])
        if not word.startswith("-"):
            return base_name(word), tuple(cmdline[position + 1 :])
        position += 2 if word in _VALUE_FOLLOWS else 1
    return "", ()


def describe(name: str, cmdline: Sequence[str]) -> str:
    """Say what a process is without its arguments, which may hold secrets.

    A Jupyter kernel and a Python script or module are told by name; all else by the process name.
    """
    if not cmdline or not is_python(cmdline[0]):
        return name
    what, _ = python_program(cmdline)
    if what.removeprefix("-m ").partition(".")[0] in {"ipykernel_launcher", "ipykernel"}:
        return "Jupyter kernel"
    return f"{name} ({what})" if what else name

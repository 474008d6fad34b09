"""Where the gateways of this machine keep their settings, and the log of their start."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .processes import GatewayProcess

_SIGNS = ("jts.ini", "launcher.log")


def settings_folders(processes: Sequence[GatewayProcess] = ()) -> tuple[Path, ...]:
    """Return the settings folders that exist on this machine, each once.

    Those that the given processes were told to use come first, then the places where installers
    put them. Empty if a gateway runs elsewhere: on another machine, or in a container.
    """
    found: dict[str, Path] = {}
    for folder in _candidates(processes):
        # False for all that is odd, such as a path with a NUL.
        if os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises for some of that
            found.setdefault(os.path.normcase(os.path.realpath(folder)), folder)
    return tuple(found.values())


def _candidates(processes: Sequence[GatewayProcess]) -> Iterator[Path]:
    for process in processes:
        if process.settings_folder:
            yield Path(process.settings_folder)
    home = _home()
    if home is not None:
        yield home / "Jts"
    if sys.platform == "win32":
        yield Path(os.environ.get("SYSTEMDRIVE", "C:") + "\\Jts")
    if sys.platform == "darwin" and home is not None:
        # The controller IBC keeps the settings beside the programs there, unless told otherwise.
        programs = home / "Applications"
        if any(os.path.isfile(programs / name) for name in _SIGNS):  # noqa: PTH113 - as above
            yield programs


def _home() -> Path | None:
    try:
        return Path.home()
    except RuntimeError:  # a user without one
        return None

"""Whose code is under way: the frames of what waits, and whether a module is the user's own."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

OURS = "ibnb"
OPAQUE = frozenset(
    {
        *("IPython", "ipykernel", "ipywidgets", "traitlets", "zmq", "tornado", "jupyter_client"),
        *("asyncio", "concurrent", "logging", "threading", "weakref", "gc", OURS),
        *("numpy", "pandas", "polars", "pyarrow", "matplotlib", "plotly", "scipy", "sklearn"),
    }
)
"""Packages whose objects are not looked into: they lead to everything, or hold nobody's `IB`.

Only a connection that a user hung onto one himself is found; ours have theirs for nobody.
"""
INSTALLED = frozenset({"site-packages", "dist-packages"})
"""Folders of what is installed, also where it is for this user or by the system."""
NOTEBOOK = "__main__"
"""The module of a notebook's own names."""


class Modules:
    """Tells a user's own modules from Python's and from installed ones, for one search."""

    def __init__(self) -> None:
        paths = map(sysconfig.get_path, ("stdlib", "platstdlib", "purelib", "platlib"))
        self._installed = tuple(path for path in paths if path)
        self._known: dict[str, bool] = {NOTEBOOK: True}

    def is_users(self, name: Any) -> bool:
        """Say whether the module of this name is the user's own, or the notebook itself."""
        if not isinstance(name, str):
            return False
        known = self._known.get(name)
        if known is None:
            file = getattr(sys.modules.get(name), "__file__", None)
            own = isinstance(file, str) and not (
                file.startswith(self._installed) or INSTALLED & {*Path(file).parts}
            )
            known = self._known[name] = own and name.partition(".")[0] not in OPAQUE
        return known


def frames_of(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of a coroutine or generator, and of what it waits for."""
    while coroutine is not None:
        for name in ("cr_frame", "gi_frame", "ag_frame"):
            frame = getattr(coroutine, name, None)
            if frame is not None:
                yield frame
        following = None
        for name in ("cr_await", "gi_yieldfrom", "ag_await"):
            following = following or getattr(coroutine, name, None)
        coroutine = following

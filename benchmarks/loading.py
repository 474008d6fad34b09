"""`%load_ext ibnb`, and the first look-up of a code, against importing ib_insync and ipywidgets.

Each time in a fresh and real kernel. It has asyncio, IPython, traitlets and whatever else ipykernel
needs in memory already, for both sides. Files are warm: each side's first kernel is not counted.
In a terminal, the look-up is a whole program, against one that only imports the console of rich.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

from kernels import LIBRARY, Kernel
from measuring import Row, against, in_turn

BUDGET = 0.2
LOOK_UP_BUDGET = 0.5
"""Reading the catalogue, which the first look-up does; a card under a cell waits for it."""

TERMINAL_BUDGET = 2.0


def _fresh(source: str) -> float:
    with Kernel() as kernel:
        return kernel.seconds(source)


def _program(*words: str) -> float:
    """Return the seconds that a program of Python takes, from its start to its end."""
    kept = {name: one for name, one in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=kept)
    return time.perf_counter() - begun


def measure(*, long: bool) -> list[Row]:
    """Measure all three in turn, and then what a terminal waits for."""
    loading, looking_up, importing = in_turn(
        15 if long else 7,
        lambda: _fresh("%load_ext ibnb"),
        lambda: _fresh("from ibnb.knowledge import explain; explain(326)"),
        lambda: _fresh(f"import {LIBRARY}, ipywidgets"),
    )
    other = f"against importing {LIBRARY} and ipywidgets"
    in_terminal, console = in_turn(
        15 if long else 7,
        lambda: _program("-m", "ibnb", "explain", "326"),
        lambda: _program("-c", "import rich.console"),
    )
    return [
        against(f"`%load_ext ibnb` {other}", loading, importing, most=BUDGET),
        against(f"the first look-up of a code {other}", looking_up, importing, most=LOOK_UP_BUDGET),
        against(
            "`ibnb explain 326` in a terminal against importing rich.console there",
            in_terminal,
            console,
            most=TERMINAL_BUDGET,
        ),
    ]

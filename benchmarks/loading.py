"""`%load_ext ibnb`, and the first look-up of a code, against importing ib_insync and ipywidgets.

Each time in a fresh and real kernel. It has asyncio, IPython, traitlets and whatever else ipykernel
needs in memory already, for both sides. Files are warm: each side's first kernel is not counted.
"""

from __future__ import annotations

from kernels import LIBRARY, Kernel
from measuring import Row, against, in_turn

BUDGET = 0.2
LOOK_UP_BUDGET = 0.5
"""Reading the catalogue, which the first look-up does; a card under a cell waits for it."""


def _fresh(source: str) -> float:
    with Kernel() as kernel:
        return kernel.seconds(source)


def measure(*, long: bool) -> list[Row]:
    """Measure all three in turn."""
    loading, looking_up, importing = in_turn(
        15 if long else 7,
        lambda: _fresh("%load_ext ibnb"),
        lambda: _fresh("from ibnb.knowledge import explain; explain(326)"),
        lambda: _fresh(f"import {LIBRARY}, ipywidgets"),
    )
    other = f"against importing {LIBRARY} and ipywidgets"
    return [
        against(f"`%load_ext ibnb` {other}", loading, importing, most=BUDGET),
        against(f"the first look-up of a code {other}", looking_up, importing, most=LOOK_UP_BUDGET),
    ]

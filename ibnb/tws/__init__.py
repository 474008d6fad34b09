"""What a TWS or IB Gateway is, seen from outside: ports, wire frames, the handshake, processes.

What needs sockets or psutil is in modules of its own, to be imported where it is used: `probe`,
`processes`, `sockets`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibnb.handing_out import handing_out

if TYPE_CHECKING:
    from .accounts import is_paper, mask, mask_in
    from .attempt import Attempt, Ending, cause, wrong_environment
    from .codes import Code
    from .handshake import Handshake, Stage
    from .notices import Link, Notice, link_after
    from .target import BadTargetError, Expectation, Target, parse_target

__all__ = [
    "Attempt",
    "BadTargetError",
    "Code",
    "Ending",
    "Expectation",
    "Handshake",
    "Link",
    "Notice",
    "Stage",
    "Target",
    "cause",
    "is_paper",
    "link_after",
    "mask",
    "mask_in",
    "parse_target",
    "wrong_environment",
]
__getattr__ = handing_out(
    __name__,
    {
        "accounts": ("is_paper", "mask", "mask_in"),
        "attempt": ("Attempt", "Ending", "cause", "wrong_environment"),
        "handshake": ("Handshake", "Stage"),
        "notices": ("Code", "Link", "Notice", "link_after"),
        "target": ("BadTargetError", "Expectation", "Target", "parse_target"),
    },
)

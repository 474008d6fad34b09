"""Ranges of notice codes: what a code means by its number alone, before anyone reads its text.

The borders are those between the groups of IBKR's own message tables, widened to the codes that
were seen in the field beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .situation import Step

if TYPE_CHECKING:
    from .model import Severity


@dataclass(frozen=True)
class CodeRange:
    """A run of codes, `first` and `last` included, that mean the same kind of thing.

    `meaning` says who sends them and why; `advice` are steps, the first one first.
    """

    name: str
    first: int
    last: int
    category: str
    severity: Severity
    meaning: str
    advice: tuple[Step | str, ...]

    def __contains__(self, code: int) -> bool:
        """Say whether the code lies in this range."""
        return self.first <= code <= self.last


REJECTION = CodeRange(
    "rejection",
    100,
    449,
    "requests",
    "error",
    "TWS or Gateway sends the codes from 100 to 449 when it rejects a request or an order: "
    "the connection works, but what was asked for was not accepted.",
    (
        "Read the gateway's own text: it names the field or the rule that was broken.",
        "Begin with a small request that works, and add your own values until it fails.",
        "For an order, enter the same order by hand in TWS, on paper: its dialogs say more.",
    ),
)
PERMISSION = CodeRange(
    "permission",
    450,
    499,
    "requests",
    "error",
    "Few codes from 450 to 499 are known; they tell of trading permissions, subscriptions and of "
    "sizes that IBKR changed.",
    (
        "Read the gateway's own text.",
        "Compare with the permissions of the account: Client Portal > Settings.",
    ),
)
CLIENT_SIDE = CodeRange(
    "client-side",
    500,
    599,
    "requests",
    "error",
    "The codes from 500 to 599 come from the API client library on this machine, not from IBKR: "
    "something could not be sent or read on the socket.",
    (
        Step("Check the connection first: {diag}."),
        Step("Connect again with %ibconnect {target}, then repeat the request."),
    ),
)
SYSTEM = CodeRange(
    "system",
    1100,
    1300,
    "connection",
    "warning",
    "The codes from 1100 to 1300 tell of the gateway itself: its link to IBKR or its API port "
    "changed.",
    (
        Step("Run {diag} to see whether the link works now."),
        "Look at TWS or Gateway: its status line shows whether it is connected.",
    ),
)
WARNING = CodeRange(
    "warning",
    2100,
    2199,
    "notices",
    "warning",
    "The codes from 2100 to 2199 are warnings and status notices: most of them are not an error "
    "and nothing was rejected.",
    ("Read the gateway's own text; act only when it says that something was changed or ignored.",),
)
ADVANCED = CodeRange(
    "advanced",
    10000,
    10999,
    "requests",
    "error",
    "The codes from 10000 to 10999 are the newer ones for orders, market data and news: a request "
    "was rejected, or accepted with a change.",
    (
        "Read the gateway's own text: it names the field, the permission or the subscription.",
        "Begin with a small request that works, and add your own values until it fails.",
    ),
)

RANGES = (REJECTION, PERMISSION, CLIENT_SIDE, SYSTEM, WARNING, ADVANCED)


def range_of(code: int) -> CodeRange | None:
    """Return the range that a code lies in, or None when no gateway is known to send such codes."""
    return next((known for known in RANGES if code in known), None)

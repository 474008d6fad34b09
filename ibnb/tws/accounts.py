"""What an account number tells, and how it is shown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEPT_HEAD = 2
_KEPT_TAIL = 3
_ACCOUNT = re.compile(r"(?<![A-Za-z0-9])D?[FIU][A-Z]?\d{5,9}[A-Z]?(?![A-Za-z0-9])")
"""F, I or U (a D in front when paper), digits; a few kinds have one more letter on either side."""


def is_paper(accounts: Sequence[str]) -> bool:
    """Say whether a session with these accounts is paper: all of them begin with D.

    An empty list is not paper: nothing has shown that it is.
    """
    return bool(accounts) and all(account.startswith("D") for account in accounts)


def mask(account: str) -> str:
    """Return an account number that may be shown and saved: ``DU1234567`` -> ``DU•••567``."""
    if len(account) <= _KEPT_HEAD + _KEPT_TAIL:
        return "•••"
    return f"{account[:_KEPT_HEAD]}•••{account[-_KEPT_TAIL:]}"


def mask_in(text: str) -> str:
    """Mask whatever looks like an account number inside a text."""
    return _ACCOUNT.sub(lambda match: mask(match.group()), text)

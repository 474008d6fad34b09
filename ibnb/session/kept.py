"""Who keeps a connection open, in words for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .notebook.reach import Path


@dataclass(frozen=True)
class Keeper:
    """Who keeps a connection open, for people, and how it is freed.

    `by` names the variable, or the code that is under way; empty if it is not known for certain.
    `code` is a line that closes the connection, empty if there is none to type.
    """

    opened: str
    by: str = ""
    code: str = ""

    def tell(self) -> str:
        """Return who it is: `the variable `ib`, connected by cell [3]`."""
        return f"{self.by}, connected {self.opened}" if self.by else f"connected {self.opened}"


def described(found: Path | None, opened: str) -> Keeper:
    """Return who keeps what a search found, or did not find; `opened` says who opened it."""
    if found is None:
        return Keeper(opened)
    if found.is_code:
        kind = "the variable " if found.text.isidentifier() else ""
        return Keeper(opened, f"{kind}`{found.text}`", f"{found.text}.disconnect()")
    root = found.text.partition("[")[0].partition(".")[0]
    return Keeper(opened, f"something that `{found.text}` holds" if root.isidentifier() else root)

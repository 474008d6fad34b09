"""What a verdict rests on besides results: plain data, of a diagnosis here or elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ibnb.knowledge import Situation
from ibnb.tws.accounts import mask
from ibnb.tws.attempt import Attempt
from ibnb.tws.target import Target


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What was known beside the results, as far as a verdict depends on it.

    `is_local` says that the target is the machine that was diagnosed, and `by_name` that it was
    given as a name. `attached` says that a connection of the kernel was looked through, `is_open`
    that the one which is meant could send requests. `failed` is the last opening of that notebook
    that came to nothing.
    """

    target: Target
    situation: Situation = field(default_factory=Situation)
    is_local: bool = True
    by_name: bool = False
    attached: bool = False
    is_open: bool = False
    failed: Attempt | None = None
    show_accounts: bool = False

    @property
    def here(self) -> Situation:
        """The situation with what is plain from the target alone."""
        return replace(self.situation, machine="this" if self.is_local else "another")

    def shown(self, accounts: tuple[str, ...]) -> list[str]:
        """Return account numbers as they may be shown."""
        return list(accounts) if self.show_accounts else [mask(name) for name in accounts]

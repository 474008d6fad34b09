"""Notices: what a gateway sends through its error channel, many of which are not errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .codes import LINK_RESTORED, NO_REQUEST, Code, farm_name, farm_state

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_FARMS = 100
"""So many farms are told apart; IBKR has a few dozen."""


@dataclass(frozen=True)
class Notice:
    """One message of the error channel.

    `time` is this machine's clock when it arrived, in seconds since the epoch. `connection` is the
    number of the connection it came over, among those of this process; 0 if it has none.
    `about` names what it is about, as far as that is known: a contract, an order, a farm.
    """

    code: int
    text: str
    req_id: int = NO_REQUEST
    time: float = 0.0
    connection: int = field(default=0, compare=False)
    about: str = field(default="", compare=False)


@dataclass(frozen=True)
class Link:
    """The gateway's own link to IBKR and to its data farms, as far as notices told.

    `farms` maps a farm's name to ``ok``, ``broken``, ``asleep`` or ``connecting``.
    """

    connected: bool = True
    lost_by: Notice | None = None
    farms: dict[str, str] = field(default_factory=dict)

    @property
    def broken_farms(self) -> tuple[str, ...]:
        """Names of the farms that were reported broken and not OK since."""
        return tuple(name for name, state in self.farms.items() if state == "broken")


class LinkFollower:
    """Follows the link notice by notice, and keeps those alone that its state rests on.

    So a state that was told once is known for as long as it lasts, whatever else comes after it.
    1100 ends with 1101 or 1102 and with nothing else. 2110 has no code that ends it: a farm that
    is OK again does.
    """

    def __init__(self, notices: Iterable[Notice] = ()) -> None:
        self._lost_by: Notice | None = None
        self._farms: dict[str, Notice] = {}
        for notice in notices:
            self.add(notice)

    def add(self, notice: Notice) -> None:
        """Take the next notice."""
        code = notice.code
        state = farm_state(code)
        if state is not None:
            self._add_farm(farm_name(notice.text), notice)
        lost_by = self._lost_by
        if code == Code.LINK_LOST or (code == Code.SERVER_LOST and lost_by is None):
            self._lost_by = notice
        elif code in LINK_RESTORED or (
            state == "ok" and lost_by is not None and lost_by.code == Code.SERVER_LOST
        ):
            self._lost_by = None

    @property
    def link(self) -> Link:
        """The state of the link after all notices so far."""
        states = {name: farm_state(last.code) or "" for name, last in self._farms.items()}
        return Link(self._lost_by is None, self._lost_by, states)

    @property
    def standing(self) -> tuple[Notice, ...]:
        """The notices that the state rests on; `link_after` makes the same state of them."""
        lost_by = () if self._lost_by is None else (self._lost_by,)
        # The loss is last: what ends it may be among the farms, and would have come after it.
        return (*self._farms.values(), *lost_by)

    def _add_farm(self, name: str, notice: Notice) -> None:
        if name not in self._farms and len(self._farms) >= MOST_FARMS:
            del self._farms[next(iter(self._farms))]
        self._farms[name] = notice


def link_after(notices: Iterable[Notice]) -> Link:
    """Return the state of the link after these notices, oldest first; see `LinkFollower`."""
    return LinkFollower(notices).link

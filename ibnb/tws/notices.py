"""Notices: what a gateway sends through its error channel, many of which are not errors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

NO_REQUEST = -1
"""The reqId of a notice that belongs to no request."""


class Code:
    """The notice codes that ibnb acts on, by name. Texts vary by build and language."""

    NO_SECURITY_DEFINITION = 200
    ORDER_CANCELLED = 202
    UNREADABLE = 320
    VALIDATION = 321
    CLIENT_ID_IN_USE = 326
    CLIENT_TOO_OLD = 357
    COULD_NOT_CONNECT = 502
    TWS_TOO_OLD = 503
    UNKNOWN_MESSAGE = 505
    UNSUPPORTED_VERSION = 506
    BAD_LENGTH = 507
    BAD_MESSAGE = 508
    LINK_LOST = 1100
    LINK_RESTORED_DATA_LOST = 1101
    LINK_RESTORED_DATA_KEPT = 1102
    MARKET_FARM_BROKEN = 2103
    MARKET_FARM_OK = 2104
    HISTORY_FARM_BROKEN = 2105
    HISTORY_FARM_OK = 2106
    HISTORY_FARM_ASLEEP = 2107
    MARKET_FARM_ASLEEP = 2108
    SERVER_LOST = 2110
    MARKET_FARM_CONNECTING = 2119
    DEFINITION_FARM_BROKEN = 2157
    DEFINITION_FARM_OK = 2158
    PAPER_DISCLAIMER = 10141
    DELAYED_DATA = 10167
    CANCEL_NOT_FOUND = 10147


FARM_BROKEN = frozenset(
    {Code.MARKET_FARM_BROKEN, Code.HISTORY_FARM_BROKEN, Code.DEFINITION_FARM_BROKEN}
)
FARM_OK = frozenset({Code.MARKET_FARM_OK, Code.HISTORY_FARM_OK, Code.DEFINITION_FARM_OK})
FARM_ASLEEP = frozenset({Code.HISTORY_FARM_ASLEEP, Code.MARKET_FARM_ASLEEP})
FARM_CONNECTING = frozenset({Code.MARKET_FARM_CONNECTING})
OF_HISTORY = frozenset({Code.HISTORY_FARM_BROKEN, Code.HISTORY_FARM_OK, Code.HISTORY_FARM_ASLEEP})
OF_DEFINITIONS = frozenset({Code.DEFINITION_FARM_BROKEN, Code.DEFINITION_FARM_OK})
REFUSING = frozenset({Code.CLIENT_ID_IN_USE, Code.PAPER_DISCLAIMER})
"""Notices that refuse the session start; the gateway closes after them."""
LINK_RESTORED = frozenset({Code.LINK_RESTORED_DATA_LOST, Code.LINK_RESTORED_DATA_KEPT})
GOOD_NEWS = (
    FARM_OK | FARM_ASLEEP | FARM_CONNECTING | {Code.LINK_RESTORED_DATA_KEPT, Code.DELAYED_DATA}
)
"""The commonest notices that are no complaints: the catalogue need not be read to know that."""
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


def farm_name(text: str) -> str:
    """Return the farm that a farm notice speaks of: what follows its last colon.

    The asleep notices (2107, 2108) have no colon; there the name follows the last sentence's full
    stop without a space (``... upon demand.usfarm.nj``).
    """
    _, colon, name = text.rpartition(":")
    if not colon:
        last_word = "".join(text.rsplit(maxsplit=1)[-1:])
        name = last_word.partition(".")[2] or last_word
    return name.strip() or text.strip()


def tells_why(code: int) -> bool:
    """Say whether a notice may be why a connection ended: farms come and go without ending one."""
    return farm_state(code) is None


def farm_state(code: int) -> str | None:
    """Return what a notice code says of a farm, or None when it speaks of none."""
    if code in FARM_BROKEN:
        return "broken"
    if code in FARM_OK:
        return "ok"
    if code in FARM_ASLEEP:
        return "asleep"
    return "connecting" if code in FARM_CONNECTING else None


def farm_kind(code: int) -> Literal["market", "history", "definitions"] | None:
    """Return what the farm is for that a notice code speaks of, or None when it speaks of none."""
    if code in OF_HISTORY:
        return "history"
    if code in OF_DEFINITIONS:
        return "definitions"
    return "market" if farm_state(code) is not None else None


class LinkFollower:
    """Follows the link notice by notice, and keeps those alone that its state rests on.

    So a state that was told once is known for as long as it lasts, whatever else comes after it.
    1100 ends with 1101 or 1102 and with nothing else. 2110 has no code that ends it: a farm that
    is OK again does.
    """

    def __init__(self) -> None:
        self._lost_by: Notice | None = None
        self._farms: dict[str, Notice] = {}

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
    follower = LinkFollower()
    for notice in notices:
        follower.add(notice)
    return follower.link

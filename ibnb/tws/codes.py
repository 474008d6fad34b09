"""The notice codes that ibnb acts on, and what they say of the link and of farms."""

from __future__ import annotations

from typing import Literal

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

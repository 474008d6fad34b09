"""The notice codes that ibnb acts on, and what they say of the link and of farms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

FarmKind = Literal["market", "history", "definitions"]
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


_FARMS: Mapping[int, tuple[FarmKind, str]] = {
    Code.MARKET_FARM_BROKEN: ("market", "broken"),
    Code.MARKET_FARM_OK: ("market", "ok"),
    Code.MARKET_FARM_ASLEEP: ("market", "asleep"),
    Code.MARKET_FARM_CONNECTING: ("market", "connecting"),
    Code.HISTORY_FARM_BROKEN: ("history", "broken"),
    Code.HISTORY_FARM_OK: ("history", "ok"),
    Code.HISTORY_FARM_ASLEEP: ("history", "asleep"),
    Code.DEFINITION_FARM_BROKEN: ("definitions", "broken"),
    Code.DEFINITION_FARM_OK: ("definitions", "ok"),
}
"""What the farm is for that a notice code speaks of, and what the code says of it."""
REFUSING = frozenset({Code.CLIENT_ID_IN_USE, Code.PAPER_DISCLAIMER})
"""Notices that refuse the session start; the gateway closes after them."""
LINK_RESTORED = frozenset({Code.LINK_RESTORED_DATA_LOST, Code.LINK_RESTORED_DATA_KEPT})
GOOD_NEWS = frozenset(
    {code for code, (_, state) in _FARMS.items() if state != "broken"}
    | {Code.LINK_RESTORED_DATA_KEPT, Code.DELAYED_DATA}
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
    return _FARMS[code][1] if code in _FARMS else None


def farm_kind(code: int) -> FarmKind | None:
    """Return what the farm is for that a notice code speaks of, or None when it speaks of none."""
    return _FARMS[code][0] if code in _FARMS else None

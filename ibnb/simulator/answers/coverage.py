"""What becomes of each request of the API here, as the tables of the answers have it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ibnb.simulator.client import LOWEST_VERSION
from ibnb.simulator.protocol.texts import NOT_SIMULATED
from ibnb.simulator.requests import NAMES, SINCE
from ibnb.tws.wire import OutgoingId

from . import _ANSWERS, _ENDINGS, _NOT_SIMULATED, _WITHOUT_ANSWER

Fate = Literal["served", "refused", "not simulated"]
_REFUSING = "Refuse "
"""How the description of an answer begins that a real gateway gives to others than its owner."""


@dataclass(frozen=True)
class Coverage:
    """What becomes of a request; `since` is the server version from which on clients send it."""

    message_id: int
    name: str
    fate: Fate
    about: str
    since: int


def coverage() -> list[Coverage]:
    """Return what becomes of every request, by message id."""
    return [
        Coverage(message_id, name, *_fate(message_id), SINCE.get(message_id, LOWEST_VERSION))
        for message_id, name in sorted(NAMES.items())
    ]


def _fate(message_id: int) -> tuple[Fate, str]:
    if message_id == OutgoingId.START_API:
        return "served", "Begin the session."
    answer = _ANSWERS.get(message_id)
    if answer is not None:
        about = (answer.__doc__ or "").partition("\n")[0]
        return ("refused" if about.startswith(_REFUSING) else "served"), about
    if message_id in _ENDINGS:
        return "served", f"End what {NAMES[_ENDINGS[message_id][0]]} began."
    if message_id in _NOT_SIMULATED:
        return "not simulated", f"Refuse {_NOT_SIMULATED[message_id]} with {NOT_SIMULATED}."
    if message_id in _WITHOUT_ANSWER:
        return "served", "Take it without a word."
    return "not simulated", "Refuse it as unknown."

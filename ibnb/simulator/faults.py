"""The ways in which a simulated gateway can be broken, by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "silent": "accepts TCP and never sends a byte",
        "close": "accepts TCP and closes at once",
        "garbage": "answers with bytes that are no version reply, then closes",
        "stall-ready": "sends the version reply, then neither an order ID nor the accounts",
        "no-accounts": "becomes ready with an empty account list",
        "disclaimer": "refuses every session: the paper disclaimer was not accepted (10141)",
        "closed-after-start": "closes after the session start without a notice",
        "old-version": "agrees on a server version that the Python libraries do not speak",
        "id-held": "reports every client ID as in use (326); with :SECONDS, only that long",
        "drop-after": "closes each session 5 seconds after it became ready, or :SECONDS after",
        "half-open": "sends nothing more once a session is ready, or :SECONDS later; stays open",
        "slow": "answers 1 second late, or :SECONDS late; all is well otherwise",
        "restart": "closes all, refuses for 5 seconds or :SECONDS, then is back; happens once",
        "connectivity-lost": "has lost its link to IBKR (1100): nothing ticks and nothing fills",
        "farms-down": "is ready, but its data farms are broken (2103, 2105, 2157)",
        "tif-preset": "has a preset that makes orders without a time in force DAY ones (10349)",
        "read-only": "has the Read-Only API on: refuses orders and requests for them (321)",
        "max-clients": "has 32 API clients already, and lets nobody else in",
        "clock-skew": "its clock is wrong by 60 seconds, or by :SECONDS",
        "live-account": "has a live account",
    }
)
"""What each fault does, in one line, by the name under which it is asked for.

``restart`` happens at once where it is set while the gateway runs; where it was set from the start,
one second after the first session became ready, so that it can be seen from both sides.
"""

_DEFAULT_SECONDS: Mapping[str, float | None] = {
    "id-held": None,
    "drop-after": 5.0,
    "half-open": 0.0,
    "slow": 1.0,
    "restart": 5.0,
    "clock-skew": 60.0,
}
_MAY_BE_NEGATIVE = frozenset({"clock-skew"})


class UnknownFaultError(ValueError):
    """A fault was asked for that does not exist, or with seconds that it cannot have."""


@dataclass(frozen=True)
class Fault:
    """One fault that was asked for; `seconds` is None where none were given and none are needed."""

    name: str
    seconds: float | None = None


@dataclass(frozen=True)
class Faults:
    """The faults in force, and since when (seconds of the monotonic clock)."""

    active: Mapping[str, Fault] = field(default_factory=dict)
    since: float = 0.0

    def __contains__(self, name: str) -> bool:
        """Say whether a fault is in force."""
        return name in self.active

    def seconds(self, name: str) -> float | None:
        """Return the seconds of a fault; None where it is not in force, or has none."""
        fault = self.active.get(name)
        return fault.seconds if fault is not None else None

    def ids_held(self, now: float) -> bool:
        """Say whether every client ID counts as held at `now` (monotonic seconds)."""
        fault = self.active.get("id-held")
        return fault is not None and (fault.seconds is None or now < self.since + fault.seconds)

    @property
    def clock_skew(self) -> float:
        """By how many seconds the gateway's clock is ahead of this machine's."""
        return self.seconds("clock-skew") or 0.0


def parse_fault(text: str) -> Fault:
    """Return the fault that ``NAME`` or ``NAME:SECONDS`` asks for.

    Raises:
        UnknownFaultError: there is no such fault, or the seconds make no sense for it. One line.
    """
    name, colon, given = text.strip().partition(":")
    if name not in FAULTS:
        raise UnknownFaultError(f"unknown fault {name!r}: give one of {', '.join(FAULTS)}")
    if not colon:
        return Fault(name, _DEFAULT_SECONDS.get(name))
    if name not in _DEFAULT_SECONDS:
        timed = ", ".join(_DEFAULT_SECONDS)
        raise UnknownFaultError(
            f"fault {name!r} takes no seconds, as {timed} do: "
            f"give one of {', '.join(FAULTS)}, without ':{given}'"
        )
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or (seconds < 0 and name not in _MAY_BE_NEGATIVE):
        raise UnknownFaultError(
            f"fault {text.strip()!r} has bad seconds: write it as {name} or {name}:SECONDS, "
            "with a number as in id-held:20 or clock-skew:90 "
            f"(faults: {', '.join(FAULTS)})"
        )
    return Fault(name, seconds)


def parse_faults(texts: Iterable[str], since: float) -> Faults:
    """Return the faults that these texts ask for, in force since `since` (monotonic seconds).

    A fault that is named twice counts once, as it was named last.

    Raises:
        UnknownFaultError: see `parse_fault`.
    """
    faults = [parse_fault(text) for text in texts]
    return Faults(MappingProxyType({fault.name: fault for fault in faults}), since)

"""Who knows the situation in which an error of this process is read.

An error is raised deep below, by what knows neither the place nor the command that was given; its
text has to fit both all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ibnb.tws.own import LOOPBACK
from ibnb.tws.target import WELL_KNOWN, Target

if TYPE_CHECKING:
    from ibnb.knowledge import Situation

Knows = Callable[[Target | None], "Situation"]
"""Tells the situation, seen from a target or from where something was opened last."""

_knows: Knows | None = None


def ask(knows: Knows | None) -> None:
    """Ask this function from now on; None: nobody knows."""
    global _knows  # noqa: PLW0603 - a process has one user, and its errors no other way to him
    _knows = knows


def situation(about: Target | None = None) -> Situation:
    """Return the situation as far as it is known: no more than the target if nobody is asked."""
    from ibnb.knowledge import Situation

    if _knows is not None:
        try:
            return _knows(about)
        except Exception:  # noqa: BLE001, S110 - an error is on its way: nothing may replace it
            pass
    if about is None:
        return Situation()
    address = address_text(about)
    target = " ".join((address, *expectation_options(about)))
    return Situation(address=address, target=target, without_id=target)


def address_text(target: Target) -> str:
    """Return a target as `%ibconnect` takes it, as short as it can be."""
    return str(target.port) if target.host == LOOPBACK else str(target)


def expectation_options(target: Target) -> tuple[str, ...]:
    """Return the options that say what a target expects, where its port does not."""
    usual = WELL_KNOWN[target.port][0] if target.port in WELL_KNOWN else None
    return () if target.expects in {None, usual} else ("--expect", str(target.expects))

"""Who knows the situation in which an error of this process is read.

An error is raised deep below, by what knows neither the place nor the command that was given; its
text has to fit both all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ibnb.knowledge import Situation
    from ibnb.tws.target import Target

Knows = Callable[["Target | None"], "Situation"]
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
    target = " ".join((about.short, *about.expectation_options))
    return Situation(address=about.short, target=target, without_id=target)

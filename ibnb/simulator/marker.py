"""What the marker of the pytest fixture says: how a gateway is made, and what happens to it first.

A marker has the words of `SimulatedGateway`, which are those of ``ibnb sim``; ``scenario`` and its
plain arguments name files; every other word is a verb.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .handle import Handle
from .naming import VerbError
from .scenario import Scenario, read_scenario
from .verbs import MAKING, VERBS, Verb

_SCENARIO = "scenario"


@dataclass(frozen=True)
class Marker:
    """One marker: what a gateway is made with, and the scenarios and verbs that come after it."""

    made_with: Mapping[str, Any]
    scenarios: Sequence[Scenario]
    verbs: Sequence[tuple[Verb, Mapping[str, Any]]]

    def act(self, handle: Handle) -> None:
        """Do the verbs.

        Raises:
            VerbError: one of them cannot be done.
        """
        for verb, given in self.verbs:
            verb.call(handle, given)


def read_marker(files: Sequence[str], words: Mapping[str, Any], folder: Path) -> Marker:
    """Read a marker's arguments, and look at each of them.

    Args:
        files: scenarios, found from `folder` on.
        words: all else, by name. What a verb takes is an object, or else its first parameter.
        folder: where the test's file is.

    Raises:
        VerbError: there is no such word, or its value is of another type.
        ScenarioError: a scenario cannot be read, or a step of it makes no sense.
    """
    more = words.get(_SCENARIO, ())
    names = [*files, *([more] if isinstance(more, str | Path) else more)]
    made_with, verbs = {}, []
    for word, value in words.items():
        # An object is what a verb takes, also where a gateway can be made with its word.
        if word in MAKING.parameters and not isinstance(value, Mapping):
            made_with[word] = value
        elif word != _SCENARIO:
            verb = _verb(word)
            given = verb.given_as(value)
            verb.check(given)
            verbs.append((verb, given))
    MAKING.check(made_with)
    return Marker(made_with, [read_scenario(folder / name) for name in names], verbs)


def _verb(word: str) -> Verb:
    verb = VERBS.get(word)
    if verb is None:
        known = [*MAKING.parameters, _SCENARIO, *VERBS]
        near = difflib.get_close_matches(word, known, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise VerbError(
            f"simulated_gateway has no word {word!r}: {hint}"
            f"Give any of {', '.join(dict.fromkeys(known))}"
        )
    return verb

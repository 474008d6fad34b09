"""Scenarios: files of verbs that happen to a gateway one after the other.

A scenario is TOML. Each ``[[step]]`` names a `verb` and its parameters as the verb has them;
`after` is how many seconds after the step before it happens, at once if it is not given::

    [[step]]
    verb = "set_quote"
    contract = "AAPL"
    bid = 200.0
    ask = 200.1

    [[step]]
    after = 30
    verb = "faults"
    names = ["connectivity-lost"]
"""

from __future__ import annotations

import contextlib
import math
import threading
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from .handle import Handle
from .naming import VerbError
from .verbs import Verb, verb_named


class ScenarioError(ValueError):
    """A scenario cannot be read, or one of its steps makes no sense. One line."""


@dataclass(frozen=True)
class Step:
    """One step of a scenario: a verb, what it is given, and how long after the step before."""

    name: str
    verb: Verb
    given: dict[str, Any]
    after: float = 0.0

    def take(self, handle: Handle) -> None:
        """Do it.

        Raises:
            ScenarioError: it cannot be done now.
        """
        try:
            self.verb.call(handle, self.given)
        except VerbError as error:
            raise ScenarioError(f"{self.name}: {error}") from None


@dataclass(frozen=True)
class Scenario:
    """The steps of a file, in their order."""

    steps: Sequence[Step]

    @contextlib.contextmanager
    def playing(self, handle: Handle, fails: Callable[[ScenarioError], None]) -> Iterator[None]:
        """Take the steps up to the first that waits, and the others while the block lasts.

        Args:
            handle: the gateway.
            fails: is told, on another thread, of a later step that could not be taken.

        Raises:
            ScenarioError: one of the first steps cannot be taken.
        """
        first = list(takewhile(lambda step: not step.after, self.steps))
        for step in first:
            step.take(handle)
        ended = threading.Event()
        later = self.steps[len(first) :]
        thread = threading.Thread(
            target=_take_later, args=(later, handle, ended, fails), name="ibnb-sim-scenario"
        )
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _take_later(
    steps: Sequence[Step],
    handle: Handle,
    ended: threading.Event,
    fails: Callable[[ScenarioError], None],
) -> None:
    for step in steps:
        if ended.wait(step.after):
            return
        try:
            step.take(handle)
        except ScenarioError as error:
            fails(error)


def read_scenario(path: Path) -> Scenario:
    """Read a scenario, and look at every step of it.

    Raises:
        ScenarioError: the file cannot be read, or a step makes no sense.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        said = " ".join(str(error).split())
        raise ScenarioError(f"{path} is not TOML: {said}") from None
    others = sorted(set(document) - {"step"})
    steps = document.get("step", [])
    if others or not isinstance(steps, list) or not all(isinstance(one, dict) for one in steps):
        wrong = f"has {others[0]!r}" if others else "has a step that is not a table"
        raise ScenarioError(f"{path} {wrong}: a scenario is made of [[step]] tables alone")
    return Scenario(
        [_step(f"{path} step {number}", one) for number, one in enumerate(steps, start=1)]
    )


def _step(name: str, table: dict[str, Any]) -> Step:
    given = dict(table)
    verb, after = given.pop("verb", None), given.pop("after", 0)
    if not isinstance(verb, str):
        raise ScenarioError(f'{name} names no verb: write one such as verb = "set_quote"')
    is_time = isinstance(after, int | float) and math.isfinite(after) and after >= 0
    if not is_time or isinstance(after, bool):
        raise ScenarioError(f"{name}: after is {after!r}: give 0 or more seconds")
    try:
        known = verb_named(verb)
        known.check(given)
    except VerbError as error:
        raise ScenarioError(f"{name}: {error}") from None
    return Step(name, known, given, float(after))

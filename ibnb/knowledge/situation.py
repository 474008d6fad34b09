"""Steps of advice, and the situation that decides which of them are shown, and how they read.

A step of the catalogue may say for which facts it is meant, or which rule it out, and may leave
words to be filled in. A `Situation` holds the facts that are known where it is shown. What they
rule out is dropped, and what is meant for them is shown, and comes first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Place = Literal["notebook", "terminal"]
"""Where the advice is read: where the magics work, or where only commands of a terminal do."""
State = Literal["open", "lost", "closed", "failed", "never"]
"""Of the notebook's connection: open, lost, closed on purpose, failed to open, never opened."""
End = Literal["open", "lost", "closed", "replaced", "never"]
"""What became of the `ib` in question; ``never``: it was never connected."""
Opener = Literal["ibnb", "code"]
"""Who opened the connection in question, or tried to: `%ibconnect`, or code of the user's own."""
Guard = Literal["on", "off"]
Gateway = Literal["running", "none", "simulator-only"]
"""What runs on this machine."""
Holder = Literal["kernel", "notebook", "process", "unknown"]
"""Who has the client ID: this very kernel, another notebook, perhaps another process."""
Accounts = Literal["paper", "live"]
Machine = Literal["this", "another"]
"""Where the gateway is that it is about."""
Login = Literal[
    "starting",
    "logging-in",
    "second-factor",
    "challenge-unanswered",
    "throttled",
    "wrong-password",
    "refused",
    "session-expired",
    "slot-taken",
    "competing-session",
    "not-logged-in",
    "logged-in",
]
"""How far the gateway's login came; ``refused``: for a reason that is none of the others."""

FACTS: Mapping[str, tuple[str, ...]] = {
    "place": get_args(Place),
    "session": get_args(State),
    "ib": get_args(End),
    "opener": get_args(Opener),
    "guard": get_args(Guard),
    "gateway": get_args(Gateway),
    "holder": get_args(Holder),
    "accounts": get_args(Accounts),
    "machine": get_args(Machine),
    "login": get_args(Login),
}
"""The facts that a step may ask for, and the values that each may have."""
CHECK = "check:"
"""How the fact of a diagnostic check begins: ``check:host.process``."""
STATUSES = ("pass", "warn", "fail", "skip", "crash")

WORDS: Mapping[str, str] = {
    "target": "",
    "address": "",
    "without_id": "",
    "client_id": "N",
    "name": "ib",
    "open_at": "what the badge shows",
    "trusted": "127.0.0.1",
}
"""What a step may leave to be filled in, and what stands there while nothing is known."""
VERBS: Mapping[str, tuple[str, str]] = {
    "diag": ("%ibdiag", "`ibnb diag`"),
    "explain": ("%iberror", "`ibnb explain`"),
    "pip": ("%pip", "`pip`"),
    "connect": ("%ibconnect", ""),
}
"""The commands that a notebook and a terminal both have, in the spelling of each; of connecting, a
terminal has no more than the target."""

_BLANK = re.compile(
    r"(?P<before> ?)\{(?P<name>\w+)(?: (?P<rest>[^{}|]*))?(?:\|(?P<plain>[^{}]*))?\}"
)
_CONDITION = re.compile(r"(?P<fact>[a-z]+|check:[a-z]+\.[a-z-]+)=(?P<values>[a-z-]+(?:\|[a-z-]+)*)")
_MAGIC = re.compile(r"%(?:ib[a-z]+|load_ext|reload_ext|unload_ext|config|pip)\b")
_OF_A_SHELL = re.compile(r"`(?:ibnb|pip) ")
# A command ends where the sentence around it goes on.
_ARGUMENT = (
    r"--(?:readonly|resume|trade|static|json|list)\b|--[a-z-]+ [\w.]*\w"
    r"|(?:paper|live|sim|PORT|HOST:PORT)\b|\d{2,5}\b(?!:)|[\w.-]+:\d{2,5}\b|\[[\da-f:]+\]:\d{2,5}\b"
)
_COMMAND = re.compile(rf"(?:%ibconnect|%ibdiag|\bibnb diag\b)(?: (?:{_ARGUMENT}))*")
CODE = re.compile(
    rf"`[^`]+`|(?:%ibconnect|%ibdiag)\b(?: (?:{_ARGUMENT}))*|%ib(?:disconnect|health)\b"
    r"|%iberror(?: (?:\d{3,5}|[a-z]+(?:-[a-z]+)+)\b)?|%(?:re|un)?load_ext ibnb\b"
    r"|%pip install [\w.\[\]=<>-]*[\w\]]"
)
"""What is code within a sentence: a command, or what stands in backticks."""


class StepError(ValueError):
    """A step asks for what no situation has. Who edits the catalogue meets it; users never do."""


@dataclass(frozen=True)
class Condition:
    """One fact, and the values with which a step counts: ``session=open|lost``."""

    fact: str
    values: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Return what ``fact=value|value`` says.

        Raises:
            StepError: there is no such fact, or it never has such a value.
        """
        said = _CONDITION.fullmatch(text)
        if said is None:
            raise StepError(f"{text!r} does not read fact=value or fact=value|value")
        fact, values = said["fact"], frozenset(said["values"].split("|"))
        known = STATUSES if fact.startswith(CHECK) else FACTS.get(fact)
        if known is None:
            raise StepError(f"there is no fact {fact!r}; the facts are {', '.join(FACTS)}")
        if not values <= {*known}:
            raise StepError(f"{fact} is one of {', '.join(known)}, not {said['values']!r}")
        return cls(fact, values)


@dataclass(frozen=True)
class Step:
    """One step of advice.

    `when`: it counts only if all of these are known to hold, and then it comes first. `unless`: it
    does not count if any of these is known to hold. The text may hold ``{target}`` and the like,
    with what stands there while that is not known: ``{target|live}``.
    """

    text: str
    when: tuple[Condition, ...] = ()
    unless: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        """Refuse blanks that nothing fills."""
        for blank in _BLANK.finditer(self.text):
            if blank["name"] not in {*WORDS, *VERBS}:
                raise StepError(
                    f"nothing is known as {{{blank['name']}}}; there are "
                    f"{', '.join((*WORDS, *VERBS))}"
                )


@dataclass(frozen=True)
class Situation:
    """What is known of where advice is read, and of what it is about; None or empty: unknown.

    Attributes:
        place: what kind of commands work where it is read.
        session: the state of the notebook's connection.
        ib: what became of the `ib` that the advice is about.
        opener: who opened the connection in question, or tried to.
        guard: whether connects of the user's own code are guarded.
        gateway: what runs on this machine.
        holder: who has the client ID in question.
        accounts: the kind of the accounts behind the target.
        machine: where the gateway is.
        login: how far its login came.
        checks: the status of each diagnostic check that was run.
        address: the target as `%ibconnect` takes it: a port, or HOST:PORT.
        target: the same with the options that belong to it.
        without_id: the same again, without a client ID.
        client_id: the client ID in question.
        name: what the notebook calls its connection.
        open_at: where the notebook's connection is open, for people.
        trusted: whom the gateway has to trust: the address that it sees.
        tried: commands that have just failed, or just ran: they are not advice.
    """

    place: Place | None = None
    session: State | None = None
    ib: End | None = None
    opener: Opener | None = None
    guard: Guard | None = None
    gateway: Gateway | None = None
    holder: Holder | None = None
    accounts: Accounts | None = None
    machine: Machine | None = None
    login: Login | None = None
    checks: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    target: str = ""
    without_id: str = ""
    client_id: str = ""
    name: str = ""
    open_at: str = ""
    trusted: str = ""
    tried: frozenset[str] = frozenset()

    def choose(self, steps: Iterable[Step | str]) -> tuple[str, ...]:
        """Return the steps that make sense here, as they read here; those meant for it come first.

        None of them names a command that has just failed, or one of another kind of shell. A text
        that is no `Step` has no blanks: what looks like one in it came from elsewhere.
        """
        meant: list[str] = []
        general: list[str] = []
        for step in steps:
            if isinstance(step, str):
                text, found = step, general
            elif self._counts(step):
                text, found = self.fill(step.text), meant if step.when else general
            else:
                continue
            if not self._is_of_no_use(text):
                found.append(text)
        return tuple(dict.fromkeys([*meant, *general]))

    def _counts(self, step: Step) -> bool:
        return all(self.holds(one) for one in step.when) and not any(
            self.holds(one) for one in step.unless
        )

    def holds(self, condition: Condition) -> bool | None:
        """Say whether a condition holds; None if the fact is not known."""
        fact = condition.fact
        if fact.startswith(CHECK):
            value = self.checks.get(fact.removeprefix(CHECK))
        else:
            value = getattr(self, fact)
        return None if value is None else value in condition.values

    def fill(self, text: str) -> str:
        """Return a text with its blanks filled in."""
        return _BLANK.sub(self._filled, text)

    def _filled(self, blank: re.Match[str]) -> str:
        name, rest = blank["name"], blank["rest"]
        if name in VERBS:
            spelled = VERBS[name][self.place == "terminal"]
            if rest:
                quoted = spelled.endswith("`")
                spelled = f"{spelled[:-1]} {rest}`" if quoted else f"{spelled} {rest}".lstrip()
            return f"{blank['before']}{spelled}"
        plain = WORDS[name] if blank["plain"] is None else blank["plain"]
        word = getattr(self, name) or plain
        return f"{blank['before']}{word}" if word else ""

    def _is_of_no_use(self, text: str) -> bool:
        """Say whether a text names a command that cannot be run here, or that just failed."""
        foreign = {"notebook": _OF_A_SHELL, "terminal": _MAGIC}.get(self.place or "")
        if foreign is not None and foreign.search(text):
            return True
        return any(command in self.tried for command in _COMMAND.findall(text))

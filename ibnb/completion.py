"""What completes a line: the arguments of the magics, the names of `ibnb`, and those of faults."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .options import PARSERS

if TYPE_CHECKING:
    from argparse import Action

    from .options import Parser

_NAME = "|".join(PARSERS)
_MAGIC = re.compile(
    rf"(?:(?:[^'\"#]*[\s=])?%(?P<name>{_NAME})|\s*(?P<bare>{_NAME}))\s+(?P<said>.*)"
)
"""A magic alone, after an assignment or after another magic; without its % at the beginning."""
_IS_PYTHON = re.compile(r"[=.,(\[]|(?:in|is|and|or|if)\b")
"""How a line goes on that begins with a variable of a magic's name."""
_MODULE = re.compile(r"(?:[^'\"#]*[^\w.'\"#])?ibnb\.(?P<begun>\w*)")
_IMPORT = re.compile(r"\s*(?:from|import)\b")
_FAULTS = re.compile(
    r"\b(?:(?:SimulatedGateway|start_simulator)\([^()]*\bfaults\s*=|"
    r"mark\.simulated_gateway\([^()]*\bfaults\s*=|(?:\.faults|set_faults)\()\s*"
    r"[\[({](?P<given>[^\])}]*,)?\s*['\"](?P<begun>[\w-]*)$"
)


@dataclass(frozen=True)
class Completion:
    """What may stand in place of `begun`, the part of a word before the cursor.

    `files` says that the names of files may stand there too.
    """

    begun: str
    words: tuple[str, ...] = ()
    kind: str = "param"
    files: bool = False


def complete(text: str, after: str = "") -> Completion | None:
    """Return what completes a text at its end; None if that is not for ibnb to say.

    `after` is what follows in the same line, where an option may be given already.
    """
    line = text.rpartition("\n")[2]
    magic = _MAGIC.fullmatch(line)
    if magic is not None and not (magic["bare"] and _IS_PYTHON.match(magic["said"])):
        name = magic["name"] or magic["bare"]
        return _arguments(PARSERS[name](f"%{name}"), magic["said"], after)
    module = _MODULE.fullmatch(line)
    if module is not None and not _IMPORT.match(line):
        import ibnb

        found = _beginning(module["begun"], ibnb.__all__, kind="function")
        # A room of ours that was imported may be meant.
        return found if found.words else None
    fault = _FAULTS.search(text)
    if fault is not None:
        from .simulator import FAULTS

        given = re.findall(r"[\w-]+", fault["given"] or "")
        return _beginning(fault["begun"], (one for one in FAULTS if one not in given))
    return None


def _beginning(begun: str, words: Iterable[str], kind: str = "param") -> Completion:
    return Completion(begun, tuple(word for word in words if word.startswith(begun)), kind)


@dataclass
class _Given:
    """What some words give: options, values of arguments, and the option that waits for one."""

    options: set[str] = field(default_factory=set)
    values: dict[str, list[str]] = field(default_factory=dict)
    waiting: Action | None = None


def _arguments(parser: Parser, said: str, after: str) -> Completion:
    *words, begun = said.split() if said[-1:].strip() else [*said.split(), ""]
    given = _given(parser, words)
    # What touches the cursor is part of the word that is completed.
    rest = _given(parser, after.split()[0 if after[:1].isspace() else 1 :])
    given.options |= rest.options
    flag, equals, value = begun.partition("=")
    option = parser.flags.get(flag) if equals else given.waiting
    if option is not None and (equals or not begun.startswith("-") or _takes_one(option)):
        found = _values(parser, option, value if equals else begun, given)
        if _takes_one(option) or not given.values.get(option.dest):
            return found
        return Completion(begun, (*found.words, *_options(parser, begun, given)))
    placed = {**given.values, **rest.values}
    words_of = [
        word
        for argument in parser.arguments
        if argument.nargs == "*" or argument.dest not in placed
        for word in _values(parser, argument, begun, given).words
    ]
    return Completion(begun, (*words_of, *_options(parser, begun, given)))


def _given(parser: Parser, words: Iterable[str]) -> _Given:
    given = _Given()
    for word in words:
        flag, equals, value = word.partition("=")
        option = parser.flags.get(flag)
        if option is not None:
            given.options.add(option.dest)
            given.waiting = None if equals or option.nargs == 0 else option
            if equals:
                given.values.setdefault(option.dest, []).append(value)
            continue
        takes = given.waiting or next(iter(parser.arguments), None)
        if takes is not None:
            given.values.setdefault(takes.dest, []).append(word)
        if given.waiting is not None and _takes_one(given.waiting):
            given.waiting = None
    return given


def _takes_one(option: Action) -> bool:
    return option.nargs is None


def _values(parser: Parser, argument: Action, begun: str, given: _Given) -> Completion:
    known = parser.completers.get(argument.dest)
    words = known(begun) if known is not None else argument.choices or ()
    said = given.values.get(argument.dest, ())
    found = tuple(word for word in words if word.startswith(begun) and word not in said)
    return Completion(begun, found, files=argument.dest in parser.files)


def _options(parser: Parser, begun: str, given: _Given) -> tuple[str, ...]:
    return tuple(
        flag
        for flag, option in parser.flags.items()
        if flag.startswith(begun) and option.dest not in given.options
    )

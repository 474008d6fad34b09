"""The verbs of a gateway by name, for whoever has a name and values: HTTP, files, and markers."""

from __future__ import annotations

import difflib
import inspect
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from .faults import UnknownFaultError
from .gateway import SimulatedGateway
from .handle import Handle
from .naming import VerbError
from .requests import UnknownRequestError
from .words import words

_NAMES = words(
    "set_quote add_instrument fill reject_next cancel positions cash accounts clock seed on notice "
    "faults drop restart reset requests"
)
_LAST = inspect.Parameter.VAR_KEYWORD
_KINDS: Mapping[Any, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    types.NoneType: "null",
    Mapping: "an object",
    Sequence: "a list",
    Iterable: "a list",
    Callable: "a function",
}


@dataclass(frozen=True)
class Parameter:
    """What a verb takes: `kinds` are the types that it may have, in words."""

    name: str
    about: str
    kinds: str
    required: bool
    hint: Any


@dataclass(frozen=True)
class Verb:
    """One verb: what it does, what it takes, and how it is called."""

    name: str
    function: Callable[..., Any] = field(repr=False)

    @cached_property
    def about(self) -> str:
        """What it does, in one line."""
        return self._doc.partition("\n")[0].strip()

    @property
    def _doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    @cached_property
    def parameters(self) -> Mapping[str, Parameter]:
        """What it takes, by name; what it takes by any other name is not among them."""
        hints = typing.get_type_hints(self.function)
        told = _arguments(self._doc)
        return {
            name: Parameter(
                name,
                told.get(name, ""),
                _in_words(hints[name]),
                one.default is inspect.Parameter.empty,
                hints[name],
            )
            for name, one in inspect.signature(self.function).parameters.items()
            if name != "self" and one.kind is not _LAST
        }

    @cached_property
    def others(self) -> Any:
        """The types of what it takes by any other name; None if there is nothing of the kind."""
        named = inspect.signature(self.function).parameters.values()
        last = next((one.name for one in named if one.kind is _LAST), None)
        return typing.get_type_hints(self.function)[last] if last else None

    def check(self, given: Mapping[str, Any]) -> None:
        """Look at what somebody gives the verb, before it is done.

        Raises:
            VerbError: a parameter is missing, not known, or of another type.
        """
        for name, value in given.items():
            known = self.parameters.get(name)
            hint = self.others if known is None else known.hint
            if hint is None:
                raise VerbError(
                    f"{self.name} has no parameter {name!r}: it takes "
                    f"{', '.join(self.parameters) or 'nothing'}"
                )
            if not _fits(value, hint):
                raise VerbError(f"{self.name}: {name} is {value!r}: give {_in_words(hint)}")
        for one in self.parameters.values():
            if one.required and one.name not in given:
                raise VerbError(f"{self.name} needs {one.name}: {one.about}")

    def call(self, handle: Handle, given: Mapping[str, Any]) -> Any:
        """Do it, and return what came of it as JSON has it.

        Raises:
            VerbError: what was given makes no sense, or it cannot be done now. One line.
        """
        self.check(given)
        try:
            return _plain(getattr(handle, self.name)(**given))
        except (UnknownFaultError, UnknownRequestError) as error:
            raise VerbError(str(error)) from None

    def to_dict(self) -> dict[str, Any]:
        """Return the verb's description."""
        return {
            "verb": self.name,
            "about": self.about,
            "parameters": {
                one.name: {"about": one.about, "type": one.kinds, "required": one.required}
                for one in self.parameters.values()
            },
            "takes_others": self.others is not None,
        }

    def given_as(self, value: Any) -> dict[str, Any]:
        """Return the parameters that one value stands for: an object's, or else the first."""
        if isinstance(value, Mapping):
            return dict(value)
        if not self.parameters:
            return {}
        return {next(iter(self.parameters)): value}


VERBS: Mapping[str, Verb] = MappingProxyType(
    {name: Verb(name, getattr(Handle, name)) for name in _NAMES}
)
"""Every verb, by its name."""
MAKING = Verb("simulated_gateway", SimulatedGateway.__init__)
"""What a gateway is made with: the words of its constructor, which are those of ``ibnb sim``."""


def verb_named(name: str) -> Verb:
    """Return a verb.

    Raises:
        VerbError: there is none with this name.
    """
    verb = VERBS.get(name)
    if verb is None:
        near = difflib.get_close_matches(name, VERBS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise VerbError(f"there is no verb {name!r}: {hint}Verbs are {', '.join(VERBS)}")
    return verb


def _arguments(doc: str) -> dict[str, str]:
    """What a docstring says of each argument."""
    told: dict[str, str] = {}
    name = ""
    for line in doc.partition("Args:\n")[2].splitlines():
        indent = len(line) - len(line.lstrip())
        head, colon, rest = line.strip().partition(": ")
        if indent == 4 and colon:  # noqa: PLR2004 - the step of every docstring
            name = head
            told[name] = rest
        elif name and line.strip():
            told[name] += f" {line.strip()}"
        else:
            name = ""
    return told


def _options(hint: Any) -> tuple[Any, ...]:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return tuple(one for inner in typing.get_args(hint) for one in _options(inner))
    return (hint,)


def _in_words(hint: Any) -> str:
    found = [_KINDS[typing.get_origin(one) or one] for one in _options(hint)]
    return " or ".join(dict.fromkeys(found))


def _fits(value: Any, hint: Any) -> bool:
    return any(_fits_one(value, one) for one in _options(hint))


def _fits_one(value: Any, kind: Any) -> bool:
    origin = typing.get_origin(kind) or kind
    if origin is Mapping:
        return isinstance(value, Mapping)
    if origin is Callable:
        return callable(value)
    if origin in {Sequence, Iterable}:
        (inner,) = typing.get_args(kind)
        return isinstance(value, list | tuple) and all(_fits(one, inner) for one in value)
    if isinstance(value, bool):
        return origin is bool
    if origin is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, origin)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value

"""Facts as JSON can carry them, and back: each field by its type, so that none is forgotten.

What is written is cleaned text by text. What is read is foreign: whatever is not of its field's
type is refused, with the place and the reason.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import Any, Literal, Protocol, Union, get_args, get_origin, get_type_hints

from ibnb.diagnostics.checks import CHECKS
from ibnb.diagnostics.context import Context
from ibnb.diagnostics.model import Check, Facts, Result
from ibnb.tws.target import Target

MOST_ITEMS = 20_000
"""So many items any list or object may have that is read."""
DEEPEST = 12
"""So many levels evidence may have that is read."""
LARGEST = 1 << 64
SHOWN = 40
_ACCOUNTS, _HOST = "accounts", "host"
_ESCAPE = re.compile(r"\\(?:\\|[nrt]|x[0-9a-f]{2}|u[0-9a-f]{4})")
_NAMES = {"Target": Target, "Context": Context}
"""What some classes name in annotations alone."""


class FactsError(ValueError):
    """Facts that are not what they should be; its text says where, and what is there."""


class Cleaner(Protocol):
    """Takes out of facts what is nobody else's business."""

    def text(self, text: str) -> str:
        """Return a text cleaned."""

    def escaped(self, text: str) -> str:
        """Return a text cleaned, with its control characters and its backslashes escaped."""

    def account(self, name: str) -> str:
        """Return the name of an account masked."""

    def host(self, host: str) -> str:
        """Return a target's host, or what stands for it."""

    def value(self, value: Any) -> Any:
        """Return plain data with every text in it cleaned."""


def dump(facts: Facts, cleaner: Cleaner) -> dict[str, Any]:
    """Return facts as JSON can carry them; every field of every part is there."""
    dumped: dict[str, Any] = _Dump(cleaner).of(facts, Facts, "")
    return dumped


def load(document: Any) -> Facts:
    """Return the facts that `dump` wrote.

    Fields that this version does not know are passed over; those that are missing have their
    default.

    Raises:
        FactsError: something in it is not what it should be.
    """
    facts = _load(document, Facts, "facts")
    assert isinstance(facts, Facts)  # noqa: S101 - for the type alone
    known = [check.id for check in facts.checks]
    if [result.id for result in facts.results] != known or len(set(known)) != len(known):
        raise FactsError("facts.results are not those of facts.checks")
    return facts


@cache
def _types_of(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, localns=_NAMES)
    return {one.name: hints[one.name] for one in fields(kind)}


def _optional(kind: Any) -> Any:
    """Return what a type is besides None; the type itself if it is never None."""
    if get_origin(kind) not in {Union, types.UnionType}:
        return kind
    (other,) = (one for one in get_args(kind) if one is not type(None))
    return other


class _Dump:
    """Writes values by their types."""

    def __init__(self, cleaner: Cleaner) -> None:
        self._clean = cleaner

    def of(self, value: Any, kind: Any, name: str) -> Any:
        kind = _optional(kind)
        origin = get_origin(kind)
        if value is None or origin is Literal or kind in {bool, int, float}:
            return value
        if kind is Check:
            return value.to_dict()
        if is_dataclass(kind):
            typed = _types_of(kind)  # type: ignore[arg-type]  # a class, as all here
            return {one: self.of(getattr(value, one), typed[one], one) for one in typed}
        return self._below(value, kind, name)

    def _below(self, value: Any, kind: Any, name: str) -> Any:
        origin = get_origin(kind) or kind
        if origin in {tuple, frozenset}:
            items = [self.of(item, get_args(kind)[0], name) for item in value]
            return sorted(items) if origin is frozenset else items
        if origin in {str, bytes}:
            return self._text(value, name)
        if issubclass(origin, IntEnum):
            return str(value)
        return self._mapping(value, get_args(kind)[1], name)

    def _text(self, value: str | bytes, name: str) -> str:
        if isinstance(value, bytes):
            return self._clean.escaped(value.decode("ascii", errors="backslashreplace"))
        if name == _ACCOUNTS:
            return self._clean.account(value)
        return self._clean.host(value) if name == _HOST else self._clean.text(value)

    def _mapping(self, value: Mapping[str, Any], kind: Any, name: str) -> Any:
        if kind is Any:
            return self._clean.value(dict(value))
        return {self._clean.text(key): self.of(item, kind, name) for key, item in value.items()}


def _load(data: Any, kind: Any, where: str) -> Any:
    inner = _optional(kind)
    if data is None and inner is not kind:
        return None
    origin = get_origin(inner)
    if origin is Literal:
        return _one_of(data, get_args(inner), where)
    if inner is Check:
        return _check(data, where)
    if is_dataclass(inner):
        return _object(data, inner, where)
    reader = _READERS.get(origin or inner)
    if reader is not None:
        return reader(data, get_args(inner), where)
    stages = {str(one): one for one in inner}
    return stages[_one_of(data, tuple(stages), where)]


def _object(data: Any, kind: Any, where: str) -> Any:
    typed, given = _types_of(kind), _is(data, dict, where)
    made = {}
    for one in fields(kind):
        if one.name in given:
            made[one.name] = _load(given[one.name], typed[one.name], f"{where}.{one.name}")
        elif one.default is MISSING and one.default_factory is MISSING:
            raise FactsError(f"{where} has no {one.name!r}")
    return kind(**made)


def _check(data: Any, where: str) -> Check:
    """Return the check of this version, or one that nobody can run."""
    given = _is(data, dict, where)
    name, title, category = (
        _text(given.get(one), (), f"{where}.{one}") for one in ("id", "title", "category")
    )
    known = next((check for check in CHECKS if check.id == name), None)
    return known or Check(name, title, category, _gone)


async def _gone(_context: Context) -> Result:
    raise NotImplementedError


def _tuple(data: Any, kinds: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    items = _is(data, list, where)
    return tuple(_load(item, kinds[0], f"{where}[{number}]") for number, item in enumerate(items))


def _set(data: Any, kinds: tuple[Any, ...], where: str) -> frozenset[Any]:
    return frozenset(_tuple(data, kinds, where))


def _mapping(data: Any, kinds: tuple[Any, ...], where: str) -> dict[str, Any]:
    given = _is(data, dict, where)
    return {key: _load(item, kinds[1], f"{where}.{_shown(key)}") for key, item in given.items()}


def _text(data: Any, _kinds: tuple[Any, ...], where: str) -> str:
    return str(_is(data, str, where))


def _bytes(data: Any, _kinds: tuple[Any, ...], where: str) -> bytes:
    text = _ESCAPE.sub(_unescaped, _is(data, str, where))
    return text.encode(errors="backslashreplace")


def _unescaped(escape: re.Match[str]) -> str:
    return escape.group().encode().decode("unicode_escape")


def _int(data: Any, _kinds: tuple[Any, ...], where: str) -> int:
    if isinstance(data, bool) or not isinstance(data, int) or abs(data) >= LARGEST:
        raise FactsError(f"{where} is {_shown(data)}, not a whole number")
    return data


def _float(data: Any, _kinds: tuple[Any, ...], where: str) -> float:
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    if not is_number or abs(data) >= LARGEST or not math.isfinite(data):
        raise FactsError(f"{where} is {_shown(data)}, not a number")
    return float(data)


def _bool(data: Any, _kinds: tuple[Any, ...], where: str) -> bool:
    return bool(_is(data, bool, where))


def _plain(data: Any, _kinds: tuple[Any, ...], where: str, depth: int = 0) -> Any:
    """Return plain data if it is no deeper and no larger than evidence is."""
    if depth > DEEPEST:
        raise FactsError(f"{where} has more than {DEEPEST} levels")
    if isinstance(data, list):
        return [_plain(item, (), where, depth + 1) for item in _is(data, list, where)]
    if isinstance(data, dict):
        given = _is(data, dict, where)
        return {key: _plain(item, (), where, depth + 1) for key, item in given.items()}
    if isinstance(data, int) and not isinstance(data, bool):
        return _int(data, (), where)
    return _float(data, (), where) if isinstance(data, float) else data


_READERS: Mapping[Any, Callable[[Any, tuple[Any, ...], str], Any]] = {
    tuple: _tuple,
    frozenset: _set,
    Mapping: _mapping,
    dict: _mapping,
    str: _text,
    bytes: _bytes,
    int: _int,
    float: _float,
    bool: _bool,
    Any: _plain,
}
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}


def _is(data: Any, kind: type, where: str) -> Any:
    if not isinstance(data, kind):
        raise FactsError(f"{where} is {_shown(data)}, not {_KINDS[kind]}")
    if isinstance(data, list | dict) and len(data) > MOST_ITEMS:
        raise FactsError(f"{where} has {len(data)} items")
    return data


def _one_of(data: Any, values: tuple[Any, ...], where: str) -> Any:
    if not isinstance(data, str) or data not in values:
        raise FactsError(f"{where} is {_shown(data)}, which this version does not know")
    return data


def _shown(data: Any) -> str:
    """Return the beginning of what stands there; the whole may be long."""
    if isinstance(data, list | dict):
        return "a list" if isinstance(data, list) else "an object"
    text = repr(data[:SHOWN] if isinstance(data, str) else data)
    return text if len(text) <= SHOWN + 2 else f"{text[:SHOWN]}…"

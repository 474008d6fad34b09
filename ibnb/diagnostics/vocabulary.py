"""The words of our own sentences: a login name that is one of them tells of nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ibnb.knowledge import catalogue

from .model import Check


@cache
def own_words() -> frozenset[str]:
    """Return the words of the catalogue and of all that a report says by itself, in lower case."""
    texts = [*_texts([entry.to_dict() for entry in catalogue().entries])]
    for module in _speaking():
        for name, value in vars(module).items():
            if not name.startswith("__"):
                texts += _texts(value)
    return frozenset(re.findall(r"[a-z]+", " ".join(texts).lower()))


def _speaking() -> tuple[ModuleType, ...]:
    """Return the modules whose sentences and keys a report is made of."""
    # Here, because what they say is redacted with these words: they need this module themselves.
    from ibnb.tws import attempt, probe, processes, sockets, story

    from . import findings, machine, model, rules, stopping, verdict
    from .checks import api, env, files, host, net, session

    own = (findings, machine, model, rules, stopping, verdict, api, env, files, host, net, session)
    return (attempt, probe, processes, sockets, story, *own)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts that a value holds, those of a function's code included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list | tuple | frozenset):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, FunctionType):
        yield from _texts(value.__code__.co_consts)
    elif isinstance(value, CodeType):
        yield from _texts(value.co_consts)
    elif isinstance(value, Check):
        yield from (value.title, value.waits_for)

"""How it is noted what an `IB` object requests, by the names that its library gives its arguments.

While that is noted, the library's client has a class in which each method that requests something
also notes what it was called with.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from .patches import MethodPatch, install_patch, remove_patch
from .protocols import Client, Ib

KIND = "journal"
NOTE, BEHIND = "ibnb_note", "ibnb_behind"
"""The attributes of a client that notes its requests, and of its class: the one behind it."""
VERBS = (
    *("req", "cancel", "place", "exercise", "calculate", "query", "subscribe", "unsubscribe"),
    *("replace", "verify", "set", "update"),
)
"""How the names of the methods begin that request something."""
OTHERS = frozenset({"setConnectOptions", "updateReqId"})
SHOWN = ("__name__", "__qualname__", "__doc__")
"""What a method that notes its requests has of the one behind it, besides its signature."""
PLAIN = frozenset({int, str, float, bool, type(None)})
Note = Callable[[str, dict[str, Any], bool], None]
"""Takes what was requested: the method, its parameters, and whether those are all."""


class _Fields(tuple[type[Any], dict[str, Any]]):
    """A contract or an order, as it was when it was sent: its class, and its fields."""

    __slots__ = ()


def note_requests(ib: Ib, note: Note, sent: Callable[[], Any]) -> None:
    """Begin to note what an `IB` object requests; `sent` is called for each message that leaves."""

    def counting(layer: MethodPatch) -> Any:
        def count(message: Any) -> Any:
            sent()
            return layer.inner(message)

        return count

    _detach_from(ib.client)
    setattr(ib.client, NOTE, note)
    ib.client.__class__ = noting_class(ib.client.__class__)
    install_patch(ib.client.conn, "sendMsg", KIND, counting)


def note_no_requests(ib: Ib) -> None:
    """Undo `note_requests`."""
    _detach_from(ib.client)
    remove_patch(ib.client.conn, "sendMsg", KIND)


@cache
def noting_class(kind: Any) -> Any:
    """Return a class of clients like another, whose methods note what they requested.

    The same to whoever asks for its name. What people put in the place of a method of the other is
    called as ever, and so is what they put onto the client itself.
    """
    made: Any = None

    def noting(name: str) -> Any:
        def request(self: Any, *args: Any, **kwargs: Any) -> Any:
            method = getattr(super(made, self), name)
            answer = method(*args, **kwargs)
            # After it: what was not sent, because there is no connection, is not a request.
            note: Note | None = vars(self).get(NOTE)
            if note is not None:
                note(name, *_named(getattr(method, "__func__", method), args, kwargs))
            return answer

        return functools.wraps(getattr(kind, name), SHOWN, ())(request)

    methods = {name: noting(name) for name in requesting(kind)}
    own = {name: getattr(kind, name) for name in ("__doc__", "__module__", "__qualname__")}
    made = type(kind.__name__, (kind,), own | methods | {BEHIND: kind})
    return made


def prepare(kind: Any) -> None:
    """Make what a class of clients needs to note its requests, before one of them connects."""
    noting_class(kind)
    for name in requesting(kind):
        _parameters(getattr(kind, name))


def _detach_from(client: Client) -> None:
    """Give a client the class back that it had before it noted its requests."""
    vars(client).pop(NOTE, None)
    if BEHIND in vars(type(client)):
        client.__class__ = getattr(client, BEHIND)


def requesting(kind: type[Any]) -> tuple[str, ...]:
    """Return the methods of a class of clients that request something, by name."""
    names = (name for name in dir(kind) if name.startswith(VERBS) and name not in OTHERS)
    return tuple(name for name in names if callable(getattr(kind, name)))


def _named(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[dict[str, Any], bool]:
    """Return what a method was called with, by the names that it has for it; whether that is all.

    The names are the method's own, also behind a decorator that says what it decorates.
    """
    names, defaults = _parameters(function)
    given = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
    return {name: kept(value) for name, value in given.items()}, len(args) <= len(names)


@cache
def _parameters(function: Any) -> tuple[tuple[str, ...], Mapping[str, Any]]:
    """Return the names of what a method takes, and what it takes where nothing is given."""
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    try:
        found = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return (), {}
    positional = [one.name for one in found if one.kind in named]
    takes_self = inspect.isfunction(function)
    defaults = {one.name: one.default for one in found if one.default is not one.empty}
    return tuple(positional[takes_self:]), defaults


def kept(value: Any) -> Any:
    """Return an argument as it is now, whatever the user does to it later."""
    if type(value) in PLAIN:
        return value
    try:
        return _Fields((type(value), value.__dict__.copy()))
    except Exception:  # noqa: BLE001 - a list, or anything a user made: kept as it is
        return value


def restored(value: Any) -> Any:
    """Return what was kept as the user had it: a contract or an order again."""
    if not isinstance(value, _Fields):
        return value
    kind, fields = value
    twin = object.__new__(kind)
    twin.__dict__.update(fields)
    return twin

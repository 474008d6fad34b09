"""Historical requests of an `IB` object that wait before they are sent."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from . import libraries
from .patches import MethodPatch, install_patch, remove_patch

METHODS = ("reqHistoricalData", "reqHistoricalTicks")
KIND = "turns"
DATES = ("startDateTime", "endDateTime")

Wait = Callable[[str, dict[str, Any]], AbstractAsyncContextManager[None]]
"""Is given a client's method and what it will be called with by name, but for the number.

A request is sent when this was entered, and it is left when the request is over.
"""


def let_history_wait(ib: Any, wait: Wait) -> None:
    """Enter `wait` for each historical request of an `IB` object, blocking ones too."""
    for name in METHODS:
        install_patch(ib, f"{name}Async", KIND, _around(ib, name, wait))


def let_history_go(ib: Any) -> None:
    """Undo `let_history_wait`."""
    for name in METHODS:
        remove_patch(ib, f"{name}Async", KIND)


def _around(ib: Any, name: str, wait: Wait) -> Callable[[MethodPatch], Any]:
    def around(layer: MethodPatch) -> Any:
        async def request(*args: Any, **kwargs: Any) -> Any:
            arguments = _sent(ib, layer.inner, args, kwargs)
            # One that fails by its arguments does so at once.
            if arguments is None:
                return await layer.inner(*args, **kwargs)
            async with wait(name, arguments):
                return await layer.inner(*args, **kwargs)

        return request

    return around


def _sent(ib: Any, method: Any, args: Any, kwargs: Any) -> dict[str, Any] | None:
    try:
        bound = inspect.signature(method).bind(*args, **kwargs)
    except (TypeError, ValueError):
        return None
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    arguments.pop("timeout", None)
    util = importlib.import_module(f"{libraries.library_name(ib)}.util")
    for date in DATES:
        if date in arguments:
            arguments[date] = util.formatIBDatetime(arguments[date])
    return arguments

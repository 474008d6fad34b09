"""What a user's code can still reach: a search from variables and running code, in bounded time.

It begins at what it is given, the notebook's variables above all, and at the code that is under
way, and looks through containers, objects, closures and frames. It never scans the heap: it costs
what there is to look through, up to a time limit, and then says that it is not certain.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import itertools
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import (
    AsyncGeneratorType,
    CellType,
    CoroutineType,
    FrameType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any

from ibnb.session.library.libraries import is_ib
from ibnb.session.library.names import NAMES

from .frames import NOTEBOOK, OPAQUE, OURS, Modules, frames_of

LONGEST = 0.1
"""Seconds of its thread's time that a search may take."""
CHUNK = 200
"""So many parts of one large container are looked at before it is the turn of the next."""
LIBRARIES = frozenset(NAMES)
"""Whose own timers keep nothing for the user."""
CALLBACKS = "asyncio.events"
"""The module whose only code on a stack is what a loop calls its callbacks through."""


@dataclass(frozen=True)
class Root:
    """Where a search begins: a value, and what it is called.

    `is_name` says that the name can be typed into a cell, as a variable's can.
    """

    name: str
    value: Any
    is_name: bool = False


@dataclass(frozen=True)
class Path:
    """Something that was found, and the way to it; `is_code` if that can be typed into a cell."""

    value: Any
    text: str
    is_code: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a search came to; `complete` is false if the time was up before everything was seen."""

    found: Path | None
    complete: bool = True


def search(
    roots: Iterable[Root], wanted: Callable[[Any], bool], *, longest: float = LONGEST
) -> Outcome:
    """Return the first thing that is wanted and that the roots lead to, the nearest first."""
    # Its own time: on a busy machine it may have to wait for its turn, and is no less certain.
    end = time.thread_time() + longest
    seen: set[int] = set()
    modules = Modules()
    beginnings = (Path(one.value, one.name, one.is_name) for one in roots)
    queue: deque[Iterator[Path]] = deque([beginnings])
    complete = True
    while queue:
        if time.thread_time() > end:
            return Outcome(None, complete=False)
        parts = queue.popleft()
        try:
            chunk = list(itertools.islice(parts, CHUNK))
        except Exception:  # noqa: BLE001 - a container that changes meanwhile, or anybody's object
            complete = False
            continue
        if len(chunk) == CHUNK:
            queue.append(parts)
        for path in chunk:
            value = path.value
            if wanted(value):
                return Outcome(path)
            # What the collector does not track refers to nothing that it does.
            if gc.is_tracked(value) and id(value) not in seen:
                seen.add(id(value))
                queue.append(_parts(value, path, modules))
    return Outcome(None, complete)


def running_code(home: asyncio.AbstractEventLoop | None) -> Iterator[Root]:
    """Yield what code holds that no variable leads to: of tasks, timers, threads and modules.

    `home` is the notebook's loop; those of other threads are found by what runs there.
    """
    modules = Modules()
    if home is not None:
        yield Root("the notebook's loop", home)
    here = threading.get_ident()
    for ident, frame in sys._current_frames().items():  # noqa: SLF001 - the only way to other threads
        name = "the code that runs now" if ident == here else "another thread"
        yield from _of_stack(name, frame, modules)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            yield Root("a timer", thread)
    for module in tuple(sys.modules):
        if modules.is_users(module):
            yield Root(f"the module {module}", sys.modules.get(module))


@functools.singledispatch
def _parts(value: Any, path: Path, modules: Modules) -> Iterator[Path]:
    """Yield what a value refers to, with the way to it."""
    return _of_object(value, path, modules)


def _of_object(value: Any, path: Path, _modules: Modules) -> Iterator[Path]:
    package = str(type(value).__module__).partition(".")[0]
    if package == OURS:
        return
    is_opaque = package in OPAQUE
    try:
        attributes = object.__getattribute__(value, "__dict__")
    except AttributeError:
        attributes = {}
    named = set()
    for name, attribute in attributes.items():
        named.add(id(attribute))
        # Of what is not looked into only that counts what a user hung onto it himself.
        if not is_opaque or is_ib(attribute):
            yield Path(attribute, f"{path.text}.{name}", path.is_code and name.isidentifier())
    if is_opaque:
        return
    for referent in gc.get_referents(value):
        if referent is attributes or id(referent) in named:
            continue
        if isinstance(referent, CellType):
            yield from _of_cell(referent, path.text)
        elif not isinstance(referent, type | ModuleType):
            yield Path(referent, path.text)


@_parts.register(dict)
def _of_dict(value: dict[Any, Any], path: Path, _modules: Modules) -> Iterator[Path]:
    for key, item in value.items():
        plain = type(key) in {str, int}
        yield Path(item, f"{path.text}[{key!r}]" if plain else path.text, path.is_code and plain)
        if gc.is_tracked(key):
            yield Path(key, path.text)


@_parts.register(list)
@_parts.register(tuple)
@_parts.register(deque)
def _of_sequence(value: Iterable[Any], path: Path, _modules: Modules) -> Iterator[Path]:
    for index, item in enumerate(value):
        yield Path(item, f"{path.text}[{index}]", path.is_code)


@_parts.register(set)
@_parts.register(frozenset)
def _of_set(value: Iterable[Any], path: Path, _modules: Modules) -> Iterator[Path]:
    for item in value:
        yield Path(item, path.text)


@_parts.register
def _of_method(value: MethodType, path: Path, _modules: Modules) -> Iterator[Path]:
    yield Path(value.__self__, path.text)
    yield Path(value.__func__, path.text)


@_parts.register
def _of_module(value: ModuleType, path: Path, modules: Modules) -> Iterator[Path]:
    if modules.is_users(value.__name__) and value.__name__ != NOTEBOOK:
        yield from _of_namespace(vars(value), path)


@_parts.register
def _of_class(value: type, path: Path, modules: Modules) -> Iterator[Path]:
    if modules.is_users(value.__module__):
        yield from _of_namespace(dict(vars(value)), path)


@_parts.register(CoroutineType)
@_parts.register(GeneratorType)
@_parts.register(AsyncGeneratorType)
def _of_coroutine(value: Any, path: Path, modules: Modules) -> Iterator[Path]:
    for root in _of_frames(path.text, frames_of(value), modules):
        yield Path(root.value, path.text)


def _of_outcome(value: Any, path: Path) -> Iterator[Path]:
    """Yield what a future came to, or what it will call."""
    # Asking for it in public would count as having seen the exception that may be there instead.
    yield Path(value._result, f"{path.text}.result()", path.is_code)  # noqa: SLF001
    for name in ("_callbacks", "_done_callbacks"):
        yield Path(getattr(value, name, None), path.text)


def _of_future(value: Any, path: Path, modules: Modules) -> Iterator[Path]:
    yield from _of_outcome(value, path)
    yield from _of_object(value, path, modules)


def _of_task(value: asyncio.Task[Any], path: Path, modules: Modules) -> Iterator[Path]:
    yield from _of_outcome(value, path)
    yield from _of_coroutine(value.get_coro(), path, modules)


# Whoever lets loops run within loops puts Python's own classes in the place of the fast ones.
_fast = sys.modules.get("_asyncio", asyncio)
for _kind in (_fast.Future, vars(asyncio.futures)["_PyFuture"], concurrent.futures.Future):
    _parts.register(_kind, _of_future)
for _kind in (_fast.Task, vars(asyncio.tasks)["_PyTask"]):
    _parts.register(_kind, _of_task)


@_parts.register(asyncio.Queue)
def _of_queue(value: asyncio.Queue[Any], path: Path, modules: Modules) -> Iterator[Path]:
    for item in tuple(getattr(value, "_queue", ())):
        yield Path(item, path.text)
    yield from _of_object(value, path, modules)


@_parts.register
def _of_thread(value: threading.Thread, path: Path, modules: Modules) -> Iterator[Path]:
    """Yield what a thread was made with: before it runs, or its time has come, no stack has it."""
    for name in ("_target", "_args", "_kwargs", "function", "args", "kwargs"):
        yield Path(vars(value).get(name), path.text)
    yield from _of_object(value, path, modules)


@_parts.register
def _of_loop(value: asyncio.AbstractEventLoop, path: Path, modules: Modules) -> Iterator[Path]:
    """Yield what a loop's tasks and timers hold; what it reads from holds nothing for the user."""
    for task in () if value.is_closed() else asyncio.all_tasks(value):
        yield from _of_task(task, replace(path, text="a running task"), modules)
    # asyncio has no public way to ask for its timers; all of its loops have these.
    for handle in (*getattr(value, "_scheduled", ()), *getattr(value, "_ready", ())):
        callback = getattr(handle, "_callback", None)
        owner = type(getattr(callback, "__self__", None)).__module__
        if owner.partition(".")[0] not in LIBRARIES:
            for held in (callback, *(getattr(handle, "_args", None) or ())):
                yield Path(held, "a timer")


@_parts.register
def _of_function(value: FunctionType, path: Path, modules: Modules) -> Iterator[Path]:
    for cell in value.__closure__ or ():
        yield from _of_cell(cell, path.text)
    for default in (*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()):
        yield Path(default, path.text)
    for attribute in vars(value).values():
        yield Path(attribute, path.text)
    if value.__module__ != NOTEBOOK and modules.is_users(value.__module__):
        for name in list(value.__globals__.values()):
            yield Path(name, path.text)


def _of_cell(cell: CellType, text: str) -> Iterator[Path]:
    try:
        yield Path(cell.cell_contents, text)
    except ValueError:
        # Not filled yet.
        return


def _of_namespace(names: Mapping[str, Any], path: Path) -> Iterator[Path]:
    for name, value in list(names.items()):
        if not name.startswith("__"):
            yield Path(value, f"{path.text}.{name}", path.is_code)


def _of_stack(name: str, frame: FrameType | None, modules: Modules) -> Iterator[Root]:
    """Yield what the calls of a thread hold, and the loops, tasks and coroutines that they run."""
    stack = []
    while frame is not None:
        stack.append(frame)
        frame = frame.f_back
    is_called = True
    for one in reversed(stack):
        module = str(one.f_globals.get("__name__", ""))
        for value in tuple(one.f_locals.values()):
            if isinstance(value, asyncio.AbstractEventLoop | asyncio.Task | CoroutineType):
                yield Root(name, value)
        # A library that only reads what came, called by the loop, holds its `IB` for nobody.
        is_called = modules.is_users(module) or (is_called and module != CALLBACKS)
        if is_called:
            yield from _of_frames(name, (one,), modules)


def _of_frames(name: str, frames: Iterable[FrameType], modules: Modules) -> Iterator[Root]:
    """Yield the local variables of those frames that are the user's own or a library's."""
    for frame in frames:
        module = str(frame.f_globals.get("__name__", ""))
        known = modules.is_users(module) or module.partition(".")[0] in LIBRARIES
        # A cell's own variables are the notebook's, which are roots by themselves.
        if known and frame.f_locals is not frame.f_globals:
            for value in list(frame.f_locals.values()):
                yield Root(name, value)

"""The search for what a user's code can reach: every way of keeping an object, in bounded time."""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import gc
import importlib
import logging
import queue
import sys
import sysconfig
import threading
import time
import types
import weakref
from collections import deque

import pytest

from ibnb.session.kept import described
from ibnb.session.notebook import reach
from ibnb.session.notebook.reach import Root, running_code, search


class Wanted:
    """What is searched for; it can be weakly referred to, as an `IB` can."""


class Holder:
    """An object of the user's."""

    def __init__(self, kept):
        self.kept = kept

    def method(self):
        """Do nothing."""


class Slotted:
    """An object without a dictionary."""

    __slots__ = ("kept",)

    def __init__(self, kept):
        self.kept = kept


class OwnThread(threading.Thread):
    """A bot as people write it."""

    def __init__(self, kept):
        super().__init__()
        self.kept = kept


class OwnQueue(asyncio.Queue):
    """A queue that knows where its items go."""

    def __init__(self, kept):
        super().__init__()
        self.kept = kept


def closure(kept):
    return lambda: kept


def generator(kept):
    yield 1
    yield kept


# What everything is made of once loops may run within loops.
PY_FUTURE, PY_TASK = vars(asyncio.futures)["_PyFuture"], vars(asyncio.tasks)["_PyTask"]


def finished(kept):
    """Return a task of Python's own kind that came to it, as where loops run within loops."""

    async def work():
        return kept

    loop = asyncio.new_event_loop()
    try:
        task = PY_TASK(work(), loop=loop)
        loop.run_until_complete(task)
    finally:
        loop.close()
    return task


def pending(kept, kind=asyncio.Future):
    """Return a future, or what is one, that will call back."""
    loop = asyncio.new_event_loop()
    future = kind() if kind is concurrent.futures.Future else kind(loop=loop)
    future.add_done_callback(lambda _future: kept)
    loop.close()
    return future


def unfinished(kept, kind):
    """Return a task that waits, and will call back."""
    loop = asyncio.new_event_loop()
    waits = loop.create_future()

    async def work():
        await waits

    task = kind(work(), loop=loop)
    task.add_done_callback(lambda _task: kept)
    loop.run_until_complete(asyncio.sleep(0))
    # A task that is never to end complains when it goes.
    task._log_destroy_pending = False
    loop.close()
    return task


def future_of_threads(kept):
    future = concurrent.futures.Future()
    future.set_result(kept)
    return future


def put(queue_, kept):
    queue_.put_nowait(kept)
    return queue_


def user_module(kept):
    """Return a module as a user's own file makes it."""
    module = types.ModuleType("my_bot")
    module.__file__ = "/home/somebody/my_bot.py"
    module.connection = kept
    return module


KEPT = {
    "a variable": (lambda one: one, "x"),
    "a list": (lambda one: [1, one], "x[1]"),
    "a deep list": (lambda one: [[], [(one,)]], "x[1][0][0]"),
    "a deque": (lambda one: deque([one]), "x[0]"),
    "a dict": (lambda one: {"a": {3: one}}, "x['a'][3]"),
    "an attribute": (Holder, "x.kept"),
    "an attribute of an attribute": (lambda one: Holder([Holder(one)]), "x.kept[0].kept"),
    "a queue": (lambda one: put(queue.Queue(), one), "x.queue[0]"),
    "a namespace": (lambda one: types.SimpleNamespace(kept=one), "x.kept"),
    "a task that is over": (finished, "x.result()"),
    "a future of threads": (future_of_threads, "x.result()"),
    "a thread of the user's own kind": (OwnThread, "x.kept"),
    "a queue of the user's own kind": (OwnQueue, "x.kept"),
}
KEPT_WITHOUT_A_NAME = {
    "a key": lambda one: {one: 1},
    "a set": lambda one: {one},
    "a slot": Slotted,
    "a closure": closure,
    "a default": lambda one: lambda kept=one: kept,
    "a partial": lambda one: functools.partial(print, one),
    "a bound method": lambda one: Holder(one).method,
    "a generator": generator,
    "a queue of tasks": lambda one: put(asyncio.Queue(), one),
    "a queue with an order": lambda one: put(asyncio.PriorityQueue(), (1, one)),
    "a future's callback": pending,
    "a callback of a future of Python's own kind": lambda one: pending(one, PY_FUTURE),
    "a callback of a future of threads": lambda one: pending(one, concurrent.futures.Future),
    "a task's callback": lambda one: unfinished(one, asyncio.Task),
    "a callback of a task of Python's own kind": lambda one: unfinished(one, PY_TASK),
    "a thread that was not started": lambda one: threading.Thread(target=print, args=(one,)),
    "a timer that was not started": lambda one: threading.Timer(60, print, kwargs={"one": one}),
}


@pytest.mark.parametrize("how", KEPT)
def test_what_can_be_typed_is_named(how):
    """What a variable leads to is found, with the expression for it."""
    make, text = KEPT[how]
    wanted = Wanted()
    outcome = search([Root("x", make(wanted), is_name=True)], lambda one: one is wanted)
    assert outcome.found is not None
    assert (outcome.found.text, outcome.found.is_code) == (text, True)


@pytest.mark.parametrize("how", KEPT_WITHOUT_A_NAME)
def test_what_cannot_be_typed_is_found_all_the_same(how):
    """No expression leads to it, but the variable that keeps it is known."""
    wanted = Wanted()
    kept = KEPT_WITHOUT_A_NAME[how](wanted)
    outcome = search([Root("x", kept, is_name=True)], lambda one: one is wanted)
    assert outcome.found is not None
    assert outcome.found.text.startswith("x")
    assert not outcome.found.is_code


def test_a_module_of_the_users_is_looked_into(monkeypatch):
    """One that is installed is not: it would lead to everything."""
    wanted = Wanted()
    mine = user_module(wanted)
    monkeypatch.setitem(sys.modules, mine.__name__, mine)
    assert search([Root("my_bot", mine)], lambda one: one is wanted).found is not None
    asyncio.wanted = wanted
    try:
        assert search([Root("asyncio", asyncio)], lambda one: one is wanted).found is None
    finally:
        del asyncio.wanted


@pytest.mark.parametrize(
    "folder",
    [
        "/home/somebody/.local/lib/python3.13/site-packages",
        "/usr/lib/python3/dist-packages",
        sysconfig.get_path("stdlib"),
        sysconfig.get_path("purelib"),
    ],
)
def test_what_is_installed_is_nobody_s_own(monkeypatch, folder):
    """Wherever it is installed: looking through it would take all the time that there is."""
    wanted = Wanted()
    installed = user_module(wanted)
    installed.__file__ = f"{folder}/my_bot.py"
    monkeypatch.setitem(sys.modules, installed.__name__, installed)
    assert search([Root("my_bot", installed)], lambda one: one is wanted).found is None


def test_what_refers_weakly_keeps_nothing():
    """Neither a weak reference nor a method that an event holds weakly."""
    wanted = Wanted()
    kept = [weakref.ref(wanted), weakref.WeakSet([wanted]), weakref.WeakKeyDictionary({wanted: 1})]
    outcome = search([Root("x", kept)], lambda one: one is wanted)
    assert (outcome.found, outcome.complete) == (None, True)


def test_what_a_user_hung_onto_a_library_s_object(library):
    """What is not looked into for itself may still have an attribute that is a connection."""
    ib = importlib.import_module(library).IB()
    handler = logging.Handler()
    handler.connection = ib
    found = search([Root("x", handler, is_name=True)], lambda one: one is ib).found
    assert found is not None
    assert (found.text, found.is_code) == ("x.connection", True)


def test_a_failure_that_was_not_seen_stays_so(caplog):
    """Looking at a task does not count as having asked what it came to."""

    async def fail():
        raise OSError("unseen")

    loop = asyncio.new_event_loop()
    task = loop.create_task(fail())
    loop.run_until_complete(asyncio.sleep(0))
    assert search([Root("x", task)], lambda _one: False).complete
    del task
    gc.collect()
    loop.close()
    assert "never retrieved" in caplog.text


def test_circles_end():
    """Objects that refer to each other are looked at once."""
    one, other = Holder(None), Holder(None)
    one.kept, other.kept = other, one
    assert search([Root("x", one)], lambda _one: False).complete


def test_the_time_is_bounded_and_doubt_is_said():
    """Half a million objects are not all looked at, and the outcome is not called certain."""
    rows = [{"number": [number]} for number in range(250_000)]
    begun = time.monotonic()
    outcome = search([Root("rows", rows)], lambda _one: False, longest=0.02)
    assert (outcome.found, outcome.complete) == (None, False)
    assert time.monotonic() - begun < 20 * 0.1


def test_the_nearest_is_found_beside_a_large_container():
    """A variable behind a million rows is found before they are all looked at."""
    wanted, rows = Wanted(), [[number] for number in range(300_000)]
    roots = [Root("rows", rows, is_name=True), Root("x", [wanted], is_name=True)]
    outcome = search(roots, lambda one: one is wanted)
    assert outcome.found is not None
    assert outcome.found.text == "x[0]"


def test_a_container_that_changes_meanwhile_is_doubt():
    """What cannot be looked through to its end may hold it."""

    class Changing(dict):
        def items(self):
            yield 1, []
            raise RuntimeError("dictionary changed size during iteration")

    outcome = search([Root("x", Changing(a=1))], lambda _one: False)
    assert (outcome.found, outcome.complete) == (None, False)


async def _waiting(wanted, begun, go):
    one = Wanted()
    wanted.add(one)
    # In the next turn: by then this waits, and is on no stack.
    asyncio.get_running_loop().call_soon(begun.set)
    await asyncio.to_thread(go.wait, 60)
    return one


def _run(wanted, begun, go):
    """`asyncio.run` in a thread."""
    work = functools.partial(asyncio.run, _waiting(wanted, begun, go))
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread.join


def _second_task(wanted, begun, go):
    """A task beside the main one."""

    async def main():
        task = asyncio.ensure_future(_waiting(wanted, begun, go))
        await asyncio.to_thread(go.wait, 60)
        await task

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    return thread.join


def _forever(wanted, begun, go):
    """A loop that a thread was given to run."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    future = asyncio.run_coroutine_threadsafe(_waiting(wanted, begun, go), loop)

    def end():
        future.result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    return end


def _timer(wanted, begun, _go):
    """A timer whose time has not come."""
    one = Wanted()
    wanted.add(one)
    timer = threading.Timer(60, print, [one])
    timer.daemon = True
    timer.start()
    begun.set()

    def end():
        timer.cancel()
        timer.join()

    return end


MANY_MODULES = 60
"""Seconds: to a search in this process, all modules of tests are the user's own."""
HOLDERS = {"a running task", "a timer", "another thread"}
WAYS_OF_THREADS = {
    "asyncio.run": _run,
    "a second task": _second_task,
    "a loop that runs for ever": _forever,
    "a timer": _timer,
}


class TestRunningCode:
    """What code that is under way has in its hands counts as kept."""

    async def test_a_task(self):
        """Also what it waits for has it."""
        wanted, go = Wanted(), asyncio.Event()

        async def inner(kept):
            await go.wait()
            return kept

        async def outer():
            return await inner(Wanted.last)

        Wanted.last = wanted
        task = asyncio.ensure_future(outer())
        await asyncio.sleep(0)
        del Wanted.last
        roots = running_code(asyncio.get_running_loop())
        found = search(_users(roots), lambda one: one is wanted, longest=MANY_MODULES).found
        go.set()
        await task
        assert found is not None
        assert found.text in {"a running task", "the code that runs now"}

    async def test_a_timer(self):
        """A call that is due later keeps its function and arguments."""
        loop = asyncio.get_running_loop()
        handle = loop.call_later(60, print, Wanted())
        roots = _users(running_code(loop))
        found = search(roots, lambda one: isinstance(one, Wanted), longest=MANY_MODULES).found
        handle.cancel()
        assert found is not None
        assert found.text == "a timer"

    def test_another_thread(self):
        """Its functions' local variables count."""
        wanted, begun, go = [Wanted()], threading.Event(), threading.Event()

        def work(kept):
            begun.set()
            go.wait(60)
            return kept

        thread = threading.Thread(target=work, args=(wanted[0],))
        thread.start()
        assert begun.wait(60)
        names = {root.name for root in running_code(None) if root.value is wanted[0]}
        go.set()
        thread.join()
        assert "another thread" in names

    @pytest.mark.parametrize("way", WAYS_OF_THREADS)
    def test_what_waits_in_another_thread(self, way):
        """Its frames are not on the thread's stack meanwhile, and it is in use all the same."""
        wanted, begun, go = weakref.WeakSet(), threading.Event(), threading.Event()
        end = WAYS_OF_THREADS[way](wanted, begun, go)
        assert begun.wait(60)
        (held,) = wanted
        outcome = search(_users(running_code(None)), lambda one: one is held, longest=MANY_MODULES)
        go.set()
        end()
        assert outcome.found is not None
        assert described(outcome.found, "").by in HOLDERS

    def test_a_module_that_no_variable_names(self, monkeypatch):
        """As one that a function imported."""
        wanted = Wanted()
        monkeypatch.setitem(sys.modules, "my_bot", user_module(wanted))
        roots = _users(running_code(None))
        found = search(roots, lambda one: one is wanted, longest=MANY_MODULES).found
        assert found is not None
        assert described(found, "").by == "the module my_bot"

    def test_a_loop_that_stands_still(self):
        """Its tasks go on once it runs again: who has the loop has what they hold."""
        wanted, loop, go = weakref.WeakSet(), asyncio.new_event_loop(), threading.Event()
        task = loop.create_task(_waiting(wanted, threading.Event(), go))
        loop.run_until_complete(asyncio.sleep(0))
        (held,) = wanted
        found = search([Root("loop", loop)], lambda one: one is held).found
        go.set()
        loop.run_until_complete(task)
        loop.close()
        assert found is not None
        assert search([Root("loop", loop)], lambda one: one is held).found is None

    def test_a_library_that_reads_holds_nothing(self, monkeypatch):
        """What a loop calls for data that came has its own object in hand, and it is nobody's."""
        monkeypatch.setattr(reach, "LIBRARIES", frozenset({"some_library"}))
        wanted, begun, go = [Wanted()], threading.Event(), threading.Event()
        names = {"__name__": "some_library"}
        exec("def read(one, begun, go): begun.set(); go.wait(60)", names)  # noqa: S102 - a module
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=lambda: loop.run_forever(), daemon=True)  # noqa: PLW0108 - code of the user's
        thread.start()
        loop.call_soon_threadsafe(names["read"], wanted[0], begun, go)
        assert begun.wait(60)
        roots = _users(running_code(None))
        outcome = search(roots, lambda one: one is wanted[0], longest=MANY_MODULES)
        go.set()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
        assert (outcome.found, outcome.complete) == (None, True)


def _users(roots):
    """Leave out what this very test has in its hands."""
    return [root for root in roots if root.name != "the code that runs now"]

"""The event loop's patch, and waiting on the loop from synchronous code."""

import asyncio
import json
import sys
import threading

import pytest
from commands import python

from ibnb.session.notebook import event_loop
from ibnb.session.notebook.loop_facts import inspect_loop

SOON = 20.0


@pytest.fixture
def home():
    """A loop of its own, not running."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


async def answer():
    """Take a turn of the loop, and answer."""
    await asyncio.sleep(0)
    return 42


def test_run_returns_what_the_coroutine_returns(home):
    """On a loop that does not run, as in a script."""
    assert event_loop.run(answer(), home) == 42


def test_run_raises_what_the_coroutine_raises(home):
    """The error itself, not a wrapper."""

    async def fails():
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        event_loop.run(fails(), home)


def test_run_hands_over_to_the_loop_of_another_thread(home):
    """A widget's callback on another thread runs its work where the connection lives."""
    thread = threading.Thread(target=home.run_forever)
    thread.start()
    try:
        ran_on = event_loop.run(_running_loop(), home)
    finally:
        home.call_soon_threadsafe(home.stop)
        thread.join(SOON)
    assert ran_on is home


async def _running_loop():
    return asyncio.get_running_loop()


def test_run_does_not_use_a_loop_that_is_closed():
    """A script that used `asyncio.run` before has a closed one: another one is taken."""
    closed = asyncio.new_event_loop()
    closed.close()
    used = event_loop.run(_running_loop(), closed)
    assert used is not closed
    used.close()
    asyncio.set_event_loop(None)


INTERRUPTED = """
import asyncio, signal, sys
from ibnb.session.notebook import event_loop

cleaned = []

async def endless():
    try:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        cleaned.append(True)
        raise

loop = asyncio.new_event_loop()
{patch}
try:
    event_loop.run(endless(), loop)
except KeyboardInterrupt:
    print("interrupted", cleaned, len(asyncio.all_tasks(loop)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises its interrupts elsewhere")
@pytest.mark.parametrize("patch", ["", "import nest_asyncio2; nest_asyncio2.apply(loop)"])
def test_an_interrupt_cancels_what_runs_and_waits_for_its_cleaning_up(patch):
    """Ctrl-C raises KeyboardInterrupt only when nothing of the coroutine is left."""
    ended = python("-c", INTERRUPTED.format(patch=patch))
    assert ended.stdout == "interrupted [True] 0\n", ended.stderr


INTERRUPTING = """
import asyncio, signal, sys
from ibnb.session.notebook import event_loop

def interrupt():
    signal.raise_signal(signal.SIGINT)

told = []
loop = asyncio.new_event_loop()
{before}
try:
    {body}
except KeyboardInterrupt as error:
    told.append("interrupted")
    told.append(error.__suppress_context__ or error.__context__ is None)
restored = signal.getsignal(signal.SIGINT)
print(told, restored is expected if "expected" in dir() else restored is signal.default_int_handler)
"""


def interrupting(body, before=""):
    """Run a script that interrupts itself; `body` is what it does then."""
    body = body.strip().replace("\n", "\n    ")
    return python("-c", INTERRUPTING.format(body=body, before=before))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises its interrupts elsewhere")
def test_an_interrupt_tears_nothing_that_the_loop_does():
    """A callback that is under way ends as if nothing had happened; then the wait is over."""
    ended = interrupting("""
def callback():
    interrupt()
    told.append("whole")

async def endless():
    asyncio.get_running_loop().call_soon(callback)
    await asyncio.Event().wait()

event_loop.run(endless(), loop)
""")
    assert ended.stdout == "['whole', 'interrupted', True] True\n", ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises its interrupts elsewhere")
def test_an_interrupt_that_comes_before_the_task_cancels_it():
    """It is not lost, and the task does nothing."""
    ended = interrupting("""
async def never():
    told.append("ran")

with event_loop.Interrupt() as it:
    interrupt()
    task = loop.create_task(never())
    it.cancels(task)
    loop.run_until_complete(task)
""")
    assert ended.stdout == "['interrupted', True] True\n", ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises its interrupts elsewhere")
def test_an_interrupt_reaches_who_listened_for_it_before():
    """A handler of the user's own hears of it when all is cleaned up, and is there afterwards."""
    ended = interrupting(
        """
async def endless():
    asyncio.get_running_loop().call_soon(interrupt)
    try:
        await asyncio.Event().wait()
    finally:
        told.append("cleaned")

event_loop.run(endless(), loop)
""",
        before="expected = lambda *_: told.append('heard')\nsignal.signal(signal.SIGINT, expected)",
    )
    assert ended.stdout == "['cleaned', 'heard', 'interrupted', True] True\n", ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises its interrupts elsewhere")
def test_who_interrupts_again_later_is_not_kept_waiting():
    """What hangs, as an endless loop of the user's in a callback, is left at the second time."""
    ended = interrupting(
        """
def hang():
    interrupt()
    while True:
        interrupt()

async def endless():
    asyncio.get_running_loop().call_soon(hang)
    await asyncio.Event().wait()

event_loop.run(endless(), loop)
""",
        before="event_loop.CLEANING_SECONDS = 0.05",
    )
    assert ended.stdout == "['interrupted', True] True\n", ended.stderr


def test_outside_the_main_thread_interrupts_are_left_alone(home):
    """Python delivers none there, and lets nobody set a handler."""
    answers = []
    thread = threading.Thread(target=lambda: answers.append(event_loop.run(answer(), home)))
    thread.start()
    thread.join(SOON)
    assert answers == [42]


PATCHING = """
import asyncio, json, warnings
warnings.simplefilter("ignore")
from ibnb.session.notebook import event_loop
from ibnb.session.notebook.loop_facts import inspect_loop

facts = {}

async def blocking():
    return asyncio.get_running_loop().run_until_complete(asyncio.sleep(0, "nested"))

async def main():
    facts["before"] = inspect_loop().patch
    if BAD:
        import nest_asyncio
        nest_asyncio.apply()
    facts["found"] = inspect_loop().patch
    facts["repaired"] = event_loop.patch_loop()
    facts["after"] = inspect_loop().patch
    facts["again"] = event_loop.patch_loop()
    facts["running"] = inspect_loop().running
    if BAD:
        import nest_asyncio
        nest_asyncio.apply()
    facts["at last"] = inspect_loop().patch
    facts["nested"] = await blocking()

asyncio.run(main())
print(json.dumps(facts))
"""


def test_patching_a_clean_loop():
    """nest-asyncio2 is applied once; blocking calls work inside the running loop afterwards."""
    ended = python("-c", PATCHING.replace("BAD", "False"))
    assert json.loads(ended.stdout) == {
        "before": "none",
        "found": "none",
        "repaired": False,
        "after": "nest_asyncio2",
        "again": False,
        "running": True,
        "at last": "nest_asyncio2",
        "nested": "nested",
    }, ended.stderr


def test_repairing_a_bad_patch():
    """Where nest_asyncio came first it is replaced, and when it comes again it does no harm."""
    pytest.importorskip("nest_asyncio")
    ended = python("-c", PATCHING.replace("BAD", "True"))
    assert json.loads(ended.stdout) == {
        "before": "none",
        "found": "nest_asyncio",
        "repaired": True,
        "after": "nest_asyncio2",
        "again": False,
        "running": True,
        "at last": "nest_asyncio2",
        "nested": "nested",
    }, ended.stderr


async def test_looking_at_the_loop_changes_nothing():
    """`inspect_loop` names the loop that runs, and patches none."""
    before = vars(asyncio).keys() | set()
    facts = inspect_loop()
    assert facts.running
    assert facts.kind == "asyncio.unix_events._UnixSelectorEventLoop" or sys.platform == "win32"
    assert vars(asyncio).keys() == before


def test_no_loop_runs_in_a_plain_thread():
    """A diagnosis from a terminal says so."""
    facts = inspect_loop()
    assert (facts.running, facts.kind) == (False, "none")


def test_a_thread_without_a_loop_gets_one_without_a_warning():
    """In a script there is none yet; a second one is made where the first was closed."""
    code = (
        "from ibnb.session.notebook.event_loop import current_loop\n"
        "first = current_loop(); first.close()\n"
        "print(current_loop() is not first, current_loop() is current_loop())"
    )
    ended = python("-W", "error", "-c", code)
    assert (ended.stdout, ended.stderr) == ("True True\n", "")


TURN = """
import asyncio, threading
from ibnb.session.notebook.event_loop import patch_loop

loop, ran = asyncio.new_event_loop(), []
BEFORE

def cell():
    PATCH
    for number in range(2):
        loop.run_until_complete(asyncio.sleep(0.01))
        ran.append(f'blocked {number}')

def add():
    for number in range(1000):
        loop.call_soon_threadsafe(ran.append, number)

other = threading.Thread(target=add)
loop.call_soon(cell)
for number in range(3):
    loop.call_soon(ran.append, f'beside {number}')
loop.call_soon(other.start)
loop.call_later(0.3, loop.stop)
loop.run_forever()
other.join()
loop.run_until_complete(asyncio.sleep(0))
print([one for one in ran if isinstance(one, str)])
print([one for one in ran if isinstance(one, int)] == list(range(1000)))
"""


@pytest.mark.parametrize("before", ["", "import nest_asyncio2; nest_asyncio2.apply(loop)"])
@pytest.mark.parametrize("times", [1, 3])
def test_a_loop_that_was_patched_within_a_turn_ends_it(times, before):
    """Beside the cell that patches it, others are due: a blocking call runs them in its place.

    asyncio counts them before; the error that it would raise ends a kernel. Nothing is lost, what
    other threads add included, and nothing runs twice, also if the loop was patched before.
    """
    ended = python(
        "-c", TURN.replace("PATCH", "; ".join(["patch_loop()"] * times)).replace("BEFORE", before)
    )
    assert ended.returncode == 0, ended.stderr
    beside = ["beside 0", "beside 1", "beside 2"]
    assert ended.stdout.splitlines() == [str([*beside, "blocked 0", "blocked 1"]), "True"]


def test_a_loop_that_does_not_run_is_left_as_it_is():
    """No turn of it is under way."""
    ended = python("-c", "import asyncio, collections\n"
        "from ibnb.session.notebook.event_loop import patch_loop\n"
        "loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop); patch_loop()\n"
        "print(type(loop._ready) is collections.deque)")  # fmt: skip
    assert ended.stdout == "True\n", ended.stderr

"""The event loop's patch, and waiting on the loop from synchronous code."""

import asyncio
import json
import sys
import threading

import pytest
from commands import python

from ibnb.session import loops

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
    assert loops.run(answer(), home) == 42


def test_run_raises_what_the_coroutine_raises(home):
    """The error itself, not a wrapper."""

    async def fails():
        raise LookupError("not here")

    with pytest.raises(LookupError, match="not here"):
        loops.run(fails(), home)


def test_run_hands_over_to_the_loop_of_another_thread(home):
    """A widget's callback on another thread runs its work where the connection lives."""
    thread = threading.Thread(target=home.run_forever)
    thread.start()
    try:
        ran_on = loops.run(_running_loop(), home)
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
    used = loops.run(_running_loop(), closed)
    assert used is not closed
    used.close()
    asyncio.set_event_loop(None)


INTERRUPTED = """
import asyncio, signal, sys
from ibnb.session import loops

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
    loops.run(endless(), loop)
except KeyboardInterrupt:
    print("interrupted", cleaned, len(asyncio.all_tasks(loop)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows raises its interrupts elsewhere")
@pytest.mark.parametrize("patch", ["", "import nest_asyncio2; nest_asyncio2.apply(loop)"])
def test_an_interrupt_cancels_what_runs_and_waits_for_its_cleaning_up(patch):
    """Ctrl-C raises KeyboardInterrupt only when nothing of the coroutine is left."""
    ended = python("-c", INTERRUPTED.format(patch=patch))
    assert ended.stdout == "interrupted [True] 0\n", ended.stderr


PATCHING = """
import asyncio, json, warnings
warnings.simplefilter("ignore")
from ibnb.session import loops

facts = {}

async def blocking():
    return asyncio.get_running_loop().run_until_complete(asyncio.sleep(0, "nested"))

async def main():
    facts["before"] = loops.inspect_loop().patch
    if BAD:
        import nest_asyncio
        nest_asyncio.apply()
    facts["found"] = loops.inspect_loop().patch
    facts["repaired"] = loops.patch_loop()
    facts["after"] = loops.inspect_loop().patch
    facts["again"] = loops.patch_loop()
    facts["running"] = loops.inspect_loop().running
    if BAD:
        import nest_asyncio
        nest_asyncio.apply()
    facts["at last"] = loops.inspect_loop().patch
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
    facts = loops.inspect_loop()
    assert facts.running
    assert facts.kind == "asyncio.unix_events._UnixSelectorEventLoop" or sys.platform == "win32"
    assert vars(asyncio).keys() == before


def test_no_loop_runs_in_a_plain_thread():
    """A diagnosis from a terminal says so."""
    facts = loops.inspect_loop()
    assert (facts.running, facts.kind) == (False, "none")


def test_a_thread_without_a_loop_gets_one_without_a_warning():
    """In a script there is none yet; a second one is made where the first was closed."""
    code = (
        "from ibnb.session.loops import current_loop; first = current_loop(); first.close();"
        "print(current_loop() is not first, current_loop() is current_loop())"
    )
    ended = python("-W", "error", "-c", code)
    assert (ended.stdout, ended.stderr) == ("True True\n", "")

"""The guard: with `%load_ext ibnb` alone, notebook code that connects can be rerun for ever."""

from __future__ import annotations

import re

import pytest

from ibnb.simulator import SimulatedGateway

PATTERNS = {
    "blocking": "from {library} import IB\nib = IB(); ib.connect('127.0.0.1', {port}, 7)",
    "awaited": "from {library} import IB\nib = IB(); await ib.connectAsync('127.0.0.1', {port}, 7)",
    "left in Out": "from {library} import IB\nIB().connect('127.0.0.1', {port}, clientId=7)",
    "kept in an object": (
        "from {library} import IB\n"
        "class Bot:\n"
        "    def __init__(self):\n"
        "        self.ib = IB(); self.ib.connect('127.0.0.1', {port}, 7)\n"
        "bots = globals().get('bots', []); bots.append(Bot())\n"
        "ib = bots[-1].ib"
    ),
    "kept in a closure": (
        "from {library} import IB\n"
        "def make():\n"
        "    ib = IB(); ib.connect('127.0.0.1', {port}, 7)\n"
        "    return lambda: ib\n"
        "makers = globals().get('makers', []) + [make()]\n"
        "ib = makers[-1]()"
    ),
    "with a reconnecting handler": (
        "from {library} import IB\n"
        "import asyncio\n"
        "ib = IB()\n"
        "def again(ib=ib):\n"
        "    asyncio.ensure_future(ib.connectAsync('127.0.0.1', {port}, 7))\n"
        "ib.disconnectedEvent += again\n"
        "ib.connect('127.0.0.1', {port}, 7)"
    ),
    "try and except NameError": (
        "from {library} import IB\n"
        "try:\n"
        "    ib\n"
        "except NameError:\n"
        "    ib = IB(); ib.connect('127.0.0.1', {port}, 7)"
    ),
    "a subclass with arguments": (
        "from {library} import IB\n"
        "class Mine(IB):\n"
        "    def __init__(self, host):\n"
        "        super().__init__(); self.host = host\n"
        "ib = Mine('127.0.0.1'); ib.connect(ib.host, {port}, 7)"
    ),
    "a subclass that connects itself": (
        "from {library} import IB\n"
        "class Mine(IB):\n"
        "    def __init__(self):\n"
        "        super().__init__(); self.connect('127.0.0.1', {port}, 7)\n"
        "ib = Mine()"
    ),
    "reconnecting one object": (
        "from {library} import IB\n"
        "if 'ib' not in globals(): ib = IB()\n"
        "ib.connect('127.0.0.1', {port}, 7)"
    ),
}


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_rerun_never_collides(notebook, gateway, library, pattern):
    """Each way of connecting can be rerun: no 326, one client, and a connection that works."""
    notebook.run("%load_ext ibnb")
    source = PATTERNS[pattern].format(library=library, port=gateway.port)
    for _ in range(8):
        run = notebook.run(source, "connecting")
        assert run.status == "ok", run.everything
    if pattern != "left in Out":
        assert notebook.value("ib.isConnected() and len(ib.reqPositions()) > 0") == "True"
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1
    assert gateway.open_clients == (7,)


def test_rerun_says_in_one_line_what_it_closed(notebook, gateway, library):
    """A rerun announces each closing in one line, with what the old connection still had."""
    notebook.run("%load_ext ibnb")
    source = PATTERNS["blocking"].format(library=library, port=gateway.port)
    assert notebook.run(source, "connecting").stdout == ""
    notebook.run("ib.pendingTickersEvent += print")
    said = notebook.run(source, "connecting").stdout
    assert said.count("\n") == 1
    assert f"Closed 127.0.0.1:{gateway.port} as client ID 7" in said
    assert "an earlier run of this cell" in said
    assert "1 handler on pendingTickersEvent" in said


def test_old_object_is_stale(notebook, gateway, library):
    """What the earlier run connected refuses to be used, and its handlers are silent."""
    notebook.run("%load_ext ibnb")
    source = PATTERNS["blocking"].format(library=library, port=gateway.port)
    notebook.run(source, "connecting")
    notebook.run("old, fired = ib, []\nold.disconnectedEvent += lambda: fired.append(1)")
    notebook.run(source, "connecting")
    assert notebook.value("fired") == "[]"
    run = notebook.run("old.reqPositions()")
    assert run.error_name == "StaleConnection"
    assert notebook.run("old.connect('127.0.0.1', 1, 7)").error_name == "StaleConnection"


def test_two_objects_in_one_cell(notebook, gateway, library):
    """Two connections of one cell live side by side, and a rerun replaces both."""
    notebook.run("%load_ext ibnb")
    source = (
        f"from {library} import IB\n"
        f"a = IB(); a.connect('127.0.0.1', {gateway.port}, 11)\n"
        f"b = IB(); b.connect('127.0.0.1', {gateway.port}, 12)\n"
        "print(a.isConnected(), b.isConnected())"
    )
    for _ in range(4):
        run = notebook.run(source, "both")
        assert run.stdout.endswith("True True\n"), run.everything
    assert sorted(gateway.open_clients) == [11, 12]
    assert gateway.max_open_clients == 2
    assert gateway.refused_326 == 0


def test_changed_id_in_a_rerun_closes_the_old_one(notebook, gateway, library):
    """An edited cell that connects with another ID still closes what its last run opened."""
    notebook.run("%load_ext ibnb")
    for client_id in (21, 22):
        notebook.run(
            f"from {library} import IB\nib = IB(); ib.connect('127.0.0.1', {gateway.port}, "
            f"{client_id})",
            "edited",
        )
    assert gateway.wait_for(lambda: gateway.open_clients == (22,))


def test_other_cells_with_other_ids_are_left_alone(notebook, gateway, library):
    """What a user keeps on purpose, in another cell with another ID, stays open."""
    notebook.run("%load_ext ibnb")
    one = f"from {library} import IB\none = IB(); one.connect('127.0.0.1', {gateway.port}, 31)"
    two = f"from {library} import IB\ntwo = IB(); two.connect('127.0.0.1', {gateway.port}, 32)"
    notebook.run(one, "one")
    notebook.run(two, "two")
    notebook.run(two, "two")
    assert notebook.value("one.isConnected() and two.isConnected()") == "True"


@pytest.mark.parametrize("rerun", ["making", "connecting", "both"])
def test_making_and_connecting_in_two_cells(notebook, gateway, library, rerun):
    """`ib = IB()` in one cell and `ib.connect` in another: either may be rerun alone."""
    notebook.run("%load_ext ibnb")
    cells = {
        "making": f"from {library} import IB\nib = IB()",
        "connecting": f"ib.connect('127.0.0.1', {gateway.port}, 7)",
    }
    for name in ("making", "connecting"):
        assert notebook.run(cells[name], name).status == "ok"
    again = ("making", "connecting") if rerun in {"both", "making"} else ("connecting",)
    for _ in range(4):
        for name in again:
            run = notebook.run(cells[name], name)
            assert run.status == "ok", run.everything
    assert notebook.value("ib.isConnected()") == "True"
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1


def test_without_cell_ids_the_same_address_is_enough(notebook, gateway, library):
    """Frontends that send no cell ids still get reruns without a collision."""
    notebook.run("%load_ext ibnb")
    source = PATTERNS["blocking"].format(library=library, port=gateway.port)
    for _ in range(3):
        notebook.client.execute(source)
        reply = notebook.client.get_shell_msg(timeout=60)
        assert reply["content"]["status"] == "ok"
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1


def test_id_that_is_freed_late_is_waited_for(notebook, library):
    """Where the gateway holds the ID for a second more, the raw connect waits and gets it."""
    with SimulatedGateway(release_after=1.0) as gateway:
        notebook.run("%load_ext ibnb")
        source = PATTERNS["blocking"].format(library=library, port=gateway.port)
        for _ in range(3):
            run = notebook.run(source, "connecting")
            assert run.status == "ok", run.everything
            # As a word: a port may have these digits.
            assert not re.search(r"\b326\b", run.everything)
        assert gateway.refused_326 > 0
        assert notebook.value("(ib.client.clientId, ib.isConnected())") == "(7, True)"


@pytest.mark.parametrize(
    ("fault", "verdict"),
    [("disclaimer", "paper-disclaimer"), ("close", "closed-before-version"), ("silent", None)],
)
def test_failed_raw_connect_is_explained(notebook, gateway, library, fault, verdict):
    """A raw connect that fails names its cause; `except TimeoutError` still catches it."""
    gateway.set_faults([fault])
    notebook.run("%load_ext ibnb")
    connect = f"from {library} import IB\nIB().connect('127.0.0.1', {gateway.port}, 7, timeout=1)"
    run = notebook.run(connect, "connecting")
    assert f"[{verdict or 'handshake-silent'}]" in run.error, run.everything
    assert "already in use?" not in run.stderr
    caught = connect.replace("IB().", "try: IB().") + "\nexcept TimeoutError: print('caught')"
    assert notebook.run(caught).stdout == "caught\n"


def test_stop_button_leaves_nothing(notebook, gateway, library):
    """An opening that is stopped is cancelled: it does not connect later, and the next works."""
    gateway.set_faults(["silent"])
    notebook.run("%load_ext ibnb")
    source = PATTERNS["blocking"].format(library=library, port=f"{gateway.port}, timeout=60")
    source = source.replace(", timeout=60, 7", ", 7, timeout=60")
    for attempt in range(5):
        sent = notebook.send(source, "connecting")
        assert gateway.wait_for(lambda n=attempt: gateway.connections_accepted == n + 1)
        run = notebook.stop(sent)
        assert run.error_name == "KeyboardInterrupt", run.everything
    gateway.set_faults([])
    run = notebook.run(source, "connecting")
    assert run.status == "ok", run.everything
    assert gateway.open_clients == (7,)
    assert gateway.max_open_clients == 1
    tasks = "[t for t in __import__('asyncio').all_tasks() if 'onnect' in repr(t)]"
    assert notebook.value(tasks) == "[]"


def test_connected_before_loading_is_known(notebook, gateway, library):
    """What was connected before the extension was loaded is closed when nobody has it any more."""
    source = PATTERNS["awaited"].format(library=library, port=gateway.port)
    assert notebook.run(source, "connecting").status == "ok"
    notebook.run("%load_ext ibnb")
    run = notebook.run(source, "connecting")
    assert run.status == "ok", run.everything
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1


def test_connected_before_loading_and_kept_is_left_open(notebook, gateway, library):
    """A variable still has it: the newcomer gets 326, which names the variable."""
    source = PATTERNS["awaited"].format(library=library, port=gateway.port)
    assert notebook.run(source, "connecting").status == "ok"
    notebook.run("before = ib")
    notebook.run("%load_ext ibnb")
    run = notebook.run(source, "connecting")
    assert run.error_name == "ConnectFailed", run.everything
    assert "the variable `before`" in run.everything
    assert notebook.value("before.isConnected()") == "True"
    assert gateway.open_clients == (7,)


def test_session_knows_what_was_connected_before_loading(notebook, gateway, library):
    """`%ibconnect` closes an older connection of this kernel that has its address."""
    source = PATTERNS["awaited"].format(library=library, port=gateway.port)
    assert notebook.run(source, "connecting").status == "ok"
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {gateway.port} --client-id 7 --library {library}")
    assert run.status == "ok", run.everything
    assert gateway.refused_326 == 0


def test_connecting_in_a_thread_with_its_own_loop_is_left_alone(notebook, gateway, library):
    """What connects on another loop is not looked after, and does not disturb the session."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port} --library {library}")
    run = notebook.run(
        f"import asyncio, threading\nfrom {library} import IB\nresult = []\n"
        "async def work():\n"
        f"    other = IB(); await other.connectAsync('127.0.0.1', {gateway.port}, 9)\n"
        "    result.append(other.isConnected()); other.disconnect(); await asyncio.sleep(0.1)\n"
        "def body():\n"
        "    loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)\n"
        "    loop.run_until_complete(work()); loop.close()\n"
        "thread = threading.Thread(target=body); thread.start()\n"
        "while thread.is_alive(): await asyncio.sleep(0.01)\n"
        "print(result, ib.isConnected(), len(ib.reqPositions()) > 0)"
    )
    assert run.stdout == "[True] True True\n", run.everything


def test_half_failed_before_loading_is_cleaned_up(notebook, gateway, library):
    """A connect that failed with 'event loop is already running' and connected all the same."""
    blocking = PATTERNS["blocking"].format(library=library, port=gateway.port)
    failed = notebook.run(blocking, "connecting")
    assert "already running" in failed.error
    assert gateway.wait_for(lambda: gateway.open_clients == (7,))
    notebook.run("%load_ext ibnb")
    run = notebook.run(blocking, "connecting")
    assert run.status == "ok", run.everything
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_start_loop_makes_no_difference(notebook, gateway, library, when):
    """`util.startLoop()` before or after loading changes nothing, with cells queued at once."""
    start = f"from {library} import util; util.startLoop()"
    cells = ["%load_ext ibnb", PATTERNS["blocking"].format(library=library, port=gateway.port)]
    cells.insert(0 if when == "before" else 2, start)
    cells.append("print(len(ib.reqPositions()))")
    for _ in range(3):
        runs = notebook.run_all(cells)
        assert [run.status for run in runs] == ["ok"] * len(cells), [r.everything for r in runs]
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1


def test_session_and_raw_connection_share_the_rules(notebook, gateway, library):
    """`%ibconnect` and a raw connect to the same address replace each other, in either order."""
    notebook.run("%load_ext ibnb")
    magic = f"%ibconnect {gateway.port} --client-id 7 --library {library}"
    raw = PATTERNS["blocking"].format(library=library, port=gateway.port)
    for source in (magic, raw, magic, raw):
        run = notebook.run(source)
        assert run.status == "ok", run.everything
        assert notebook.value("ib.isConnected()") == "True"
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1


def test_setting_switches_it_off(notebook, gateway, library):
    """With `guard` off, a raw connect is the library's own, with all that follows."""
    notebook.run("%load_ext ibnb\n%config IbMagics.guard = False")
    source = PATTERNS["blocking"].format(library=library, port=gateway.port)
    assert notebook.run(source, "connecting").status == "ok"
    notebook.run("kept = ib")
    run = notebook.run(source, "connecting")
    assert run.error_name in {"TimeoutError", "ConnectionError"}, run.everything
    assert notebook.value("kept.isConnected()") == "True"


def test_unload_restores_what_was_wrapped(notebook, library):
    """After unloading, the library's methods are its own, or whoever wrapped them again has his."""
    notebook.run(
        f"from {library} import IB\noriginal = IB.connectAsync, IB.connect\nimport sys\n"
        "finders = list(sys.meta_path)"
    )
    notebook.run("%load_ext ibnb")
    assert notebook.value("IB.connectAsync is original[0]") == "False"
    notebook.run("%unload_ext ibnb")
    assert notebook.value("(IB.connectAsync, IB.connect) == original") == "True"
    assert notebook.value("sys.meta_path == finders") == "True"


def test_unload_passes_through_where_wrapped_again(notebook, gateway, library):
    """A wrapper that somebody put over ours stays, and connects as the library does."""
    notebook.run("%load_ext ibnb")
    notebook.run(
        f"from {library} import IB\ncalls = []\ninner = IB.connectAsync\n"
        "async def outer(self, *a, **k):\n"
        "    calls.append(1)\n"
        "    return await inner(self, *a, **k)\n"
        "IB.connectAsync = outer"
    )
    notebook.run("%unload_ext ibnb")
    assert notebook.value("IB.connectAsync is outer") == "True"
    run = notebook.run(f"ib = IB(); ib.connect('127.0.0.1', {gateway.port}, 7); print(calls)")
    assert run.stdout == "[1]\n", run.everything
    assert "IB.connectAsync" not in run.everything


def test_a_task_of_an_earlier_run_may_connect(notebook, gateway, library):
    """It opens what nobody has: its object was never replaced. A later run's then closes it."""
    notebook.run(f"%load_ext ibnb\n{UNCOLLECTED}")
    source = (
        f"from {library} import IB\nimport asyncio\n"
        "ib = IB(); go = asyncio.Event()\n"
        "async def later(ib, go):\n"
        "    await go.wait()\n"
        f"    await ib.connectAsync('127.0.0.1', {gateway.port}, 7)\n"
        "tasks = globals().get('tasks', []) + [asyncio.ensure_future(later(ib, go))]\n"
        "goes = globals().get('goes', []) + [go]"
    )
    notebook.run(source, "background")
    notebook.run(source, "background")
    first = notebook.run("goes[0].set(); await asyncio.wait_for(tasks[0], 20)")
    assert first.status == "ok", first.everything
    assert gateway.open_clients == (7,)
    second = notebook.run("goes[1].set(); await asyncio.wait_for(tasks[1], 20)")
    assert second.status == "ok", second.everything
    assert notebook.value("ib.isConnected()") == "True"
    assert gateway.refused_326 == 0


def test_a_library_that_is_imported_later_is_guarded(notebook, gateway, library):
    """The import itself may come in the connecting cell, long after loading."""
    notebook.run("%load_ext ibnb")
    assert notebook.value(f"'{library}' in __import__('sys').modules") == "False"
    source = PATTERNS["blocking"].format(library=library, port=gateway.port)
    notebook.run(source, "connecting")
    assert notebook.run(source, "connecting").status == "ok"
    assert gateway.refused_326 == 0
    assert notebook.value(f"__import__('{library}').ib.__loader__ is not None") == "True"


def test_a_refused_connect_is_still_caught_by_its_own_name(notebook, library):
    """Retry loops catch ConnectionRefusedError, as the libraries' own watchdog does."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(
        f"from {library} import IB\n"
        "try: IB().connect('127.0.0.1', 1, 7)\n"
        "except ConnectionRefusedError as error: print(type(error).__name__, error.verdict)"
    )
    assert run.stdout == "ConnectRefused connection-refused\n", run.everything


UNCOLLECTED = "import gc; gc.disable()\n"
"""Otherwise the library disconnects what nobody has as soon as the collector finds it."""
THREADS = {
    "whose loop runs": (
        "def body():\n"
        "    loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)\n"
        "    loop.create_task(opening()).add_done_callback(lambda task: opened.set())\n"
        "    loop.run_forever()\n"
    ),
    "whose loop stands still": (
        "def body():\n"
        "    loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)\n"
        "    loop.run_until_complete(opening())\n"
        "    opened.set()\n"
    ),
}


@pytest.mark.parametrize("kept", ["kept", "dropped"])
@pytest.mark.parametrize("thread", THREADS)
@pytest.mark.parametrize("how", ["magic", "raw"])
def test_what_another_thread_opened(notebook, gateway, library, *, thread, how, kept):
    """On another loop, too, what a variable has stays open, and what nobody has is closed."""
    notebook.run(
        f"%load_ext ibnb\nimport asyncio, threading\n{UNCOLLECTED}"
        f"from {library} import IB\n"
        "other = IB(); opened = threading.Event()\n"
        f"async def opening(): await other.connectAsync('127.0.0.1', {gateway.port}, 9)"
    )
    # While it opens, the running coroutine has the object, whatever names it.
    notebook.run(
        f"{THREADS[thread]}threading.Thread(target=body, daemon=True).start()\n"
        "while not opened.is_set(): await asyncio.sleep(0.01)"
    )
    if kept == "dropped":
        notebook.run("del other")
    connect = {
        "magic": f"%ibconnect {gateway.port} --client-id 9 --library {library}",
        "raw": f"ib = IB(); ib.connect('127.0.0.1', {gateway.port}, 9)",
    }[how]
    run = notebook.run(connect)
    if kept == "kept":
        assert run.error_name == "ConnectFailed", run.everything
        assert "the variable `other`" in run.everything
        assert notebook.value("other.isConnected()") == "True"
    else:
        assert run.status == "ok", run.everything
        assert notebook.value("ib.isConnected()") == "True"
    assert gateway.wait_for(lambda: gateway.open_clients == (9,))


@pytest.mark.parametrize("how", ["raw", "ours"])
def test_an_awaited_opening_can_be_stopped(notebook, gateway, library, how):
    """The stop button ends it soon, leaves nothing behind, and the next one works."""
    gateway.set_faults(["silent"])
    notebook.run(f"%load_ext ibnb\nimport ibnb\nfrom {library} import IB")
    connect = {
        "raw": f"ib = IB(); await ib.connectAsync('127.0.0.1', {gateway.port}, 7, timeout=600)",
        "ours": f"ib = await ibnb.connect_async({gateway.port}, client_id=7, timeout=600)",
    }[how]
    sent = notebook.send(connect, "connecting")
    assert gateway.wait_for(lambda: gateway.connections_accepted == 1)
    run = notebook.stop(sent)
    assert run.error_name in {"CancelledError", "KeyboardInterrupt"}, run.everything
    gateway.set_faults([])
    assert notebook.run(connect.replace(", timeout=600", ""), "connecting").status == "ok"
    assert gateway.wait_for(lambda: gateway.open_clients == (7,))


def test_unloading_while_something_opens_puts_nothing_on_it(notebook, gateway, library):
    """The opening is the user's own: it goes on, and the object is as the library made it."""
    notebook.run(f"import asyncio\nfrom {library} import IB\n%load_ext ibnb")
    gateway.set_faults(["slow:1"])
    opening = f"ib.connectAsync('127.0.0.1', {gateway.port}, 7, timeout=20)"
    notebook.run(
        f"ib = IB(); task = asyncio.ensure_future({opening})\n"
        "while not ib.client.conn.transport: await asyncio.sleep(0.01)"
    )
    notebook.run("%unload_ext ibnb")
    gateway.set_faults([])
    assert notebook.run("await task").status == "ok"
    assert notebook.value("ib.isConnected()") == "True"
    patched = "{'placeOrder', 'reqMktData', 'startReq', 'sendMsg', 'connectionClosed'}"
    owners = ("ib.client", "ib.wrapper", "ib.client.conn")
    for owner in owners:
        assert notebook.value(f"vars({owner}).keys() & {patched}") == "set()", owner
    notebook.run("ib.disconnect()")


def test_the_verbs_know_a_connection_of_the_users_own(notebook, gateway, library):
    """Health, diagnosis and disconnect speak of the `ib` at hand, not of an old failure."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import IB")
    notebook.run("IB().connect('127.0.0.1', 1, 7)")
    notebook.run(f"ib = IB(); ib.connect('127.0.0.1', {gateway.port}, 7)")
    health = notebook.run("%ibhealth").text
    assert "Ready" in health, health
    assert str(gateway.port) in health
    assert f"127.0.0.1:{gateway.port}" in notebook.run("%ibdiag --static").text
    said = notebook.run("%ibdisconnect").stdout
    assert said == f"Closed 127.0.0.1:{gateway.port} as client ID 7.\n"
    assert notebook.value("ib.isConnected()") == "False"
    assert gateway.wait_for(lambda: gateway.open_clients == ())


@pytest.mark.parametrize("name", ["ib", "trader"])
def test_the_sessions_ib_reconnected_by_hand_is_shown_and_closed(notebook, gateway, library, name):
    """After a loss the user's own `ib.connect` has it: `%ibhealth` and `%ibdisconnect` know it."""
    notebook.run("%load_ext ibnb\n%config IbMagics.auto_resume = False")
    notebook.run(f"%ibconnect {gateway.port} --library {library} --name {name}")
    gateway.drop_clients()
    notebook.run(f"import asyncio\nwhile {name}.isConnected(): await asyncio.sleep(0.01)")
    notebook.run(f"{name}.connect('127.0.0.1', {gateway.port}, {name}.client.clientId)")
    assert "Ready" in notebook.run("%ibhealth").text
    assert notebook.run("%ibdisconnect").stdout.startswith("Closed 127.0.0.1")
    assert gateway.wait_for(lambda: gateway.open_clients == ())


def test_an_error_of_this_side_is_not_blamed_on_the_network(notebook, gateway, library):
    """What is not a word from the network is raised as it is."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import IB")
    run = notebook.run(
        "ib = IB()\n"
        "async def broken(*_): raise RuntimeError('attached to a different loop')\n"
        "ib.client.conn.connectAsync = broken\n"
        f"ib.connect('127.0.0.1', {gateway.port}, 7)"
    )
    assert run.error_name == "RuntimeError", run.everything


OFFICIAL = """
import asyncio, threading
from ibapi.client import EClient
from ibapi.wrapper import EWrapper
class App(EWrapper, EClient):
    def __init__(self): EClient.__init__(self, self)
app = App(); app.connect('127.0.0.1', {port}, 7)
threading.Thread(target=app.run, daemon=True).start()
"""
BY_HAND = """
import socket, struct
sock = socket.create_connection(('127.0.0.1', {port}))
def send(body, prefix=b''): sock.sendall(prefix + struct.pack('>I', len(body)) + body)
send(b'v157..176', b'API\\0'); sock.recv(4096)
send(b'71\\x002\\x007\\x00\\x00'); sock.recv(4096)
"""


@pytest.mark.parametrize(
    ("source", "said", "end"),
    [
        (OFFICIAL, "the variable `app`, connected with ibapi", "app.disconnect()"),
        (
            BY_HAND,
            "this kernel itself, through a connection that ibnb does not know",
            "sock.close()",
        ),
    ],
    ids=["ibapi", "a socket"],
)
def test_who_has_an_id_here_otherwise(notebook, bare_gateway, library, *, source, said, end):
    """IBKR's own client, or a socket of the notebook's code: the error says that it is here."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import IB")
    assert notebook.run(source.format(port=bare_gateway.port)).status == "ok"
    bare_gateway.wait_for_clients(7)
    run = notebook.run(f"IB().connect('127.0.0.1', {bare_gateway.port}, 7, timeout=0.5)")
    assert run.error_name == "ConnectFailed", run.everything
    assert said in " ".join(run.error.split())
    assert notebook.run(end).status == "ok"

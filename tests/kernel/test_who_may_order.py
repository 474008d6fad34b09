"""Which code may send orders over a connection: counted at a gateway that knows nothing of ibnb.

Each kind of code is a bot that was started before, waits for a word, and then sends one order for
a symbol of its own: which orders came says which bots were let through.
"""

from __future__ import annotations

import sys

import pytest
from bare_gateway import BareGateway

PREPARE = """
from LIBRARY import *
import asyncio, concurrent.futures, functools, signal, threading, time, eventkit
go, loop, turn = threading.Event(), asyncio.get_running_loop(), threading.Lock()

def send(symbol):
    # One at a time: the libraries are not made for several threads.
    with turn: ib.placeOrder(Stock(symbol, 'SMART', 'USD', conId=7), LimitOrder('BUY', 1, 1))

def wait():
    while not go.is_set(): time.sleep(0.01)

async def awaited():
    while not go.is_set(): await asyncio.sleep(0.01)
"""
BOTS = {
    "TASK": (
        "async def bot():\n    await awaited(); send('TASK')\nkept = [asyncio.ensure_future(bot())]"
    ),
    "CHILD": (
        "async def parent():\n"
        "    await awaited()\n"
        "    async def child(): send('CHILD')\n"
        "    await asyncio.ensure_future(child())\n"
        "kept.append(asyncio.ensure_future(parent()))"
    ),
    "TIMER": (
        "def tick():\n    send('TIMER') if go.is_set() else loop.call_later(0.01, tick)\ntick()"
    ),
    "EVENT": (
        "timer = eventkit.Timer(0.02)\n"
        "def fire(_):\n"
        "    if go.is_set(): timer.disconnect(fire); send('EVENT')\n"
        "timer += fire"
    ),
    "THREAD": "threading.Thread(target=lambda: (wait(), send('THREAD')), daemon=True).start()",
    "LATER": (
        "def later():\n"
        "    send('LATER') if go.is_set() else again()\n"
        "def again():\n"
        "    timer = threading.Timer(0.02, later); timer.daemon = True; timer.start()\n"
        "again()"
    ),
    "SOON": (
        "threading.Thread(target=lambda: (wait(), loop.call_soon_threadsafe(send, 'SOON')), "
        "daemon=True).start()"
    ),
    "CORO": (
        "async def order(): send('CORO')\n"
        "threading.Thread(target=lambda: (wait(), "
        "asyncio.run_coroutine_threadsafe(order(), loop)), daemon=True).start()"
    ),
    "RUN": (
        "async def own():\n    send('RUN')\n"
        "threading.Thread(target=lambda: (wait(), asyncio.run(own())), daemon=True).start()"
    ),
    "HANDED": (
        "handed = asyncio.to_thread(lambda: (wait(), send('HANDED')))\n"
        "kept.append(asyncio.ensure_future(handed))"
    ),
    "SPAWN": (
        "def spawn():\n    wait()\n"
        "    threading.Thread(target=send, args=('SPAWN',), daemon=True).start()\n"
        "threading.Thread(target=spawn, daemon=True).start()"
    ),
    "ATTACH": (
        "def attached(*_): ib.errorEvent.disconnect(attached); send('ATTACH')\n"
        "async def attach():\n    await awaited(); ib.errorEvent += attached\n"
        "kept.append(asyncio.ensure_future(attach()))"
    ),
    "COFUNC": (
        "async def answers(*_): send('COFUNC')\n"
        "async def attach_it():\n    await awaited(); ib.errorEvent += answers\n"
        "kept.append(asyncio.ensure_future(attach_it()))"
    ),
    "PARTIAL": (
        "def partly(symbol, *_): send(symbol)\n"
        "async def attach_part():\n"
        "    await awaited(); ib.errorEvent += functools.partial(partly, 'PARTIAL')\n"
        "kept.append(asyncio.ensure_future(attach_part()))"
    ),
}
"""Kinds of code, by the symbol that each one orders; `EARLY` ones need no connection to begin."""
POOLED = (
    "pool = concurrent.futures.ThreadPoolExecutor(1)\n"
    "job = pool.submit(lambda: (wait(), send('POOL')))"
)
EVERY = frozenset(BOTS)
ATTACHING = {"ATTACH", "COFUNC", "PARTIAL"}
OF_TASKS = {"TASK", "CHILD", "EVENT", *ATTACHING}


@pytest.fixture
def live():
    """A gateway with a live account."""
    with BareGateway(accounts="U7654321") as gateway:
        yield gateway


class Bots:
    """A notebook in which bots are started, and let go."""

    def __init__(self, notebook, library):
        self.notebook = notebook
        self.library = library

    def run(self, source, cell_id=None):
        """Run a cell that has to work."""
        run = self.notebook.run(source, cell_id)
        assert run.status == "ok", run.everything
        return run

    def connect(self, gateway, options=""):
        """Run the cell of `%ibconnect`."""
        return self.run(f"%ibconnect {gateway.port} --library {self.library} {options}", "magic")

    def prepare(self):
        """Run the cell of what the bots share."""
        self.run(PREPARE.replace("LIBRARY", self.library))

    def start(self, *names):
        """Start bots, each in a cell of its own."""
        for name in names:
            self.run(BOTS[name])

    def go(self, gateway):
        """Give the word, see to it that all have run, and return what the gateway was sent."""
        self.run("go.set(); await asyncio.sleep(0.3)")
        gateway.notice(2104, "Market data farm connection is OK:usfarm")
        self.run("await asyncio.sleep(0.5); send('LAST')")
        gateway.wait_for(lambda: "LAST" in {order.symbol for order in gateway.orders})
        return {order.symbol for order in gateway.orders} - {"LAST"}


@pytest.fixture
def bots(notebook, library):
    """The bots of one notebook."""
    return Bots(notebook, library)


def test_nothing_of_an_earlier_run_orders_after_a_rerun(bots, bare_gateway):
    """Tasks, timers, threads and what they start or attach: none over the new connection."""
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.prepare()
    bots.start(*BOTS)
    bots.connect(bare_gateway)
    assert bots.go(bare_gateway) == set()


def test_all_of_it_orders_over_its_own_connection(bots, bare_gateway):
    """Without a rerun each of them passes: nothing was replaced."""
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.prepare()
    bots.start(*BOTS)
    assert bots.go(bare_gateway) == EVERY


def test_what_is_started_after_a_rerun_orders(bots, bare_gateway):
    """The bots were started again, as the error says."""
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.connect(bare_gateway)
    bots.prepare()
    bots.start(*BOTS)
    assert bots.go(bare_gateway) == EVERY


def test_reloading_forgets_nothing(bots, bare_gateway):
    """Neither `%reload_ext` nor unloading and loading makes old code new."""
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.prepare()
    bots.start(*BOTS)
    bots.run("%reload_ext ibnb")
    bots.run("%unload_ext ibnb")
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    assert bots.go(bare_gateway) == set()


def test_reloading_bars_nothing(bots, bare_gateway):
    """What was started after a rerun still belongs to the connection that is open."""
    bots.run("%load_ext ibnb")
    source = "from {} import IB\nib = IB(); ib.connect('127.0.0.1', {}, 7)"
    for _ in range(2):
        bots.run(source.format(bots.library, bare_gateway.port), "raw")
    bots.prepare()
    # A chain of timers goes on while nobody looks: its next thread may come from anywhere.
    bots.start(*(name for name in BOTS if name != "LATER"))
    bots.run("%reload_ext ibnb")
    assert bots.go(bare_gateway) == EVERY - {"LATER"}


def test_reloading_makes_no_bot_of_a_raw_connection_new(bots, bare_gateway):
    """The connection stays open over a reload; what a rerun opens in its place is not theirs."""
    bots.run("%load_ext ibnb")
    source = "from {} import IB\nib = IB(); ib.connect('127.0.0.1', {}, 7)"
    source = source.format(bots.library, bare_gateway.port)
    bots.run(source, "raw")
    bots.prepare()
    # What is attached to a connection of the user's own is its data's to call.
    bots.start(*(name for name in BOTS if name not in ATTACHING))
    bots.run("%reload_ext ibnb")
    bots.run(source, "raw")
    assert bots.go(bare_gateway) == set()


def test_the_name_is_taken_from_a_raw_connection(bots, bare_gateway, live):
    """`ib` was a raw paper connection; now it is a live session: no bot of then orders on it."""
    bots.run("%load_ext ibnb")
    bots.run(
        f"from {bots.library} import IB\n"
        f"ib = IB(); ib.connect('127.0.0.1', {bare_gateway.port}, 7); other = ib"
    )
    bots.prepare()
    bots.start(*BOTS)
    bots.connect(live, "--expect live --trade")
    assert bots.go(live) == set()
    assert bare_gateway.orders == []


def test_what_was_started_before_loading(bots, bare_gateway):
    """It is older than every connection: it may use the first, and not what replaced it."""
    bots.prepare()
    bots.start(*BOTS)
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.connect(bare_gateway)
    # A pool's worker cannot be told, and Python 3.11 does not tell in which context a task runs.
    may_pass = {"HANDED"} if sys.version_info >= (3, 12) else {"HANDED", *OF_TASKS}
    assert bots.go(bare_gateway) <= may_pass


def test_a_pools_worker_cannot_be_told(bots, bare_gateway, live):
    """It orders on paper; on a live session that replaced another it is refused."""
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.prepare()
    bots.run(POOLED)
    bots.connect(bare_gateway)
    assert bots.go(bare_gateway) == {"POOL"}
    bots.run("go.clear()")
    bots.run(POOLED)
    bots.connect(live, "--expect live --trade")
    assert bots.go(live) == set()


def test_a_refused_order_is_seen(bots, bare_gateway):
    """In the log, and on a card under the cell that follows."""
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.prepare()
    bots.start("THREAD")
    bots.connect(bare_gateway)
    # On a slow machine the thread gets to it when the cell is over.
    runs = [bots.run("go.set(); await asyncio.sleep(0.5)"), bots.run("await asyncio.sleep(0.5)")]
    assert "The order was not sent" in " ".join("".join(run.text for run in runs).split())
    logged = "".join([*(run.stderr for run in runs), *bots.notebook.strays])
    assert "An order was not sent" in logged


def test_two_that_are_open_never_bar_each_other(bots, bare_gateway):
    """Data by `%ibconnect`, orders over a raw connection that a later cell opened."""
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.prepare()
    bots.run("data = ib")
    bots.start(*(name for name in BOTS if name not in {"ATTACH", "COFUNC", "PARTIAL"}))
    bots.run(f"ib = IB(); ib.connect('127.0.0.1', {bare_gateway.port}, 8)")
    assert bots.go(bare_gateway) == EVERY - {"ATTACH", "COFUNC", "PARTIAL"}


def test_a_connection_made_anew_after_a_loss(bots, bare_gateway):
    """A keep-alive of the user's own makes a fresh `IB`: what runs goes on over that."""
    bots.run("%load_ext ibnb")
    bots.run(
        f"from {bots.library} import IB\nib = IB(); ib.connect('127.0.0.1', {bare_gateway.port}, 7)"
    )
    bots.prepare()
    bots.start(*BOTS)
    bare_gateway.drop()
    bots.run("while ib.isConnected(): await asyncio.sleep(0.01)")
    bots.run(
        "async def reopen():\n"
        "    global ib\n"
        f"    ib = IB(); await ib.connectAsync('127.0.0.1', {bare_gateway.port}, 7)\n"
        "await asyncio.ensure_future(reopen())"
    )
    assert bots.go(bare_gateway) == EVERY


def test_a_watchdog_that_opens_the_session_again(bots, bare_gateway):
    """It may use what it opened; a bot of the connection that was lost is to be started again."""
    bots.run("%load_ext ibnb\n%config IbMagics.auto_resume = False\nimport ibnb")
    bots.prepare()
    bots.run(
        "up = asyncio.Event()\n"
        "async def watch():\n"
        "    global ib\n"
        "    for number in range(2):\n"
        f"        ib = await ibnb.connect_async({bare_gateway.port}, library='{bots.library}')\n"
        "        if number: send('DOG')\n"
        "        up.set()\n"
        "        while ib.isConnected(): await asyncio.sleep(0.01)\n"
        "        up.clear()\n"
        "watching = asyncio.ensure_future(watch()); await up.wait()"
    )
    bots.start("TASK")
    bots.run("before = ib")
    bare_gateway.drop()
    # It may not have noticed the loss yet, and be up by what was before.
    bots.run("while ib is before: await asyncio.sleep(0.01)")
    bots.run("await asyncio.wait_for(up.wait(), 20)")
    bots.run("watching.cancel()")
    assert bots.go(bare_gateway) == {"DOG"}


def test_a_click_counts_as_new(bots, bare_gateway):
    """A button of before a rerun may order after it: somebody pressed it now."""
    bots.run("%load_ext ibnb")
    bots.connect(bare_gateway)
    bots.prepare()
    shown = bots.run(
        "import ipywidgets\nbutton = ipywidgets.Button()\n"
        "button.on_click(lambda _: send('CLICK'))\nprint(button.comm.comm_id)"
    )
    bots.connect(bare_gateway)
    client = bots.notebook.client
    content = {
        "comm_id": shown.stdout.strip(),
        "data": {"method": "custom", "content": {"event": "click"}},
    }
    client.shell_channel.send(client.session.msg("comm_msg", content))
    assert bots.go(bare_gateway) == {"CLICK"}

"""Orders, connects and connections of the user's own: as with the plain library.

Each test takes the same steps in two kernels, without ibnb and with it, each with a gateway of its
own that is written without ibnb's code.
"""

from __future__ import annotations

import re

import pytest
from comparing import PREPARE, assert_never_worse, said, says, unsaid

PLACING = """
sent, failed, tried = [], [], set()
def place(name, symbol):
    if symbol in tried or name not in globals():
        return
    tried.add(symbol)
    try:
        globals()[name].placeOrder(*order(symbol)); sent.append(symbol)
    except Exception as error:
        failed.append(f'{symbol}: {kind(error)}')
"""
"""Each symbol is ordered once, from wherever `place` is first called for it."""

STARTED_BEFORE = """
import eventkit, threading
loop, armed = asyncio.get_running_loop(), asyncio.Event()
async def job(name, symbol):
    await armed.wait(); place(name, symbol)
task = asyncio.ensure_future(job('trade', 'TASK'))
other_task = asyncio.ensure_future(job('more', 'MORE'))
data.pendingTickersEvent += lambda tickers: place('trade', 'HANDLER')
data.errorEvent += lambda *_: place('trade', 'NOTICE')
def later():
    place('trade', 'LATER') if armed.is_set() else loop.call_later(0.02, later)
later()
timer = eventkit.Timer(0.05)
timer += lambda *_: armed.is_set() and place('trade', 'TIMER')
go = threading.Event()
thread = threading.Thread(
    target=lambda: (go.wait(), loop.call_soon_threadsafe(place, 'trade', 'THREAD')), daemon=True
)
thread.start()
"""
"""What people leave running: tasks, handlers, timers, a thread that hands work to the loop."""

STARTED_AFTER = """
ticker = data.reqMktData(Stock('SPY', 'SMART', 'USD', conId=5))
ticker.updateEvent += lambda *_: place('trade', 'TICKER')
place('trade', 'CELL')
armed.set(); go.set()
"""
WAYS = ["CELL", "HANDLER", "LATER", "MORE", "NOTICE", "TASK", "THREAD", "TICKER", "TIMER"]


@pytest.mark.parametrize(("first", "second"), [("raw", "raw"), ("magic", "raw"), ("raw", "magic")])
def test_orders_over_a_second_connection(compare, first, second):
    """What one cell started sends orders over connections that later cells opened beside it."""

    def steps(side):
        side.connect("data", 7, how=first)
        side.run(PLACING)
        side.run(STARTED_BEFORE)
        side.connect("trade", 8, how=second)
        side.connect("more", 9)
        side.run(STARTED_AFTER)
        side.notice(2104, "Market data farm connection is OK:usfarm", client_id=7)
        side.run(f"print(await until(lambda: len(tried) == {len(WAYS)}))")
        return side.value("sorted(sent), failed")

    plain, ours = compare(steps)
    assert plain.result == f"({WAYS}, [])"
    assert ours.result == plain.result, ours.story
    assert plain.orders == [
        (9 if way == "MORE" else 8, way, "BUY", 1.0, False)
        for way in sorted(WAYS, key=lambda way: (way == "MORE", way))
    ]
    assert plain.clients_at_end == (7, 8, 9)
    assert_never_worse(plain, ours)


def test_orders_over_a_connection_that_the_user_made_anew(compare):
    """A cell disconnects its own connection and makes a fresh one: orders of others go over it."""
    again = (
        "if 'trade' in globals(): trade.disconnect(); await asyncio.sleep(0)\n"
        "trade = IB(); await trade.connectAsync('127.0.0.1', PORT, 8)"
    )

    def steps(side):
        side.connect("data", 7)
        side.run(PLACING)
        side.run(again, "trading")
        side.run(STARTED_BEFORE)
        side.run(again, "trading")
        side.connect("more", 9)
        side.run(STARTED_AFTER)
        side.notice(2104, "Market data farm connection is OK:usfarm", client_id=7)
        side.run(f"await until(lambda: len(tried) == {len(WAYS)})")
        return side.value("sorted(sent), failed")

    plain, ours = compare(steps)
    assert plain.result == f"({WAYS}, [])"
    assert ours.result == plain.result, ours.story
    assert_never_worse(plain, ours)


def test_orders_between_two_connections_of_one_cell(compare):
    """Both were opened by one run; a handler of either orders over the other, also after a loss."""

    def steps(side):
        side.run(
            "data = IB(); data.connect('127.0.0.1', PORT, 7)\n"
            "trade = IB(); trade.connect('127.0.0.1', PORT, 8)"
        )
        side.run(PLACING)
        side.run(
            "data.errorEvent += lambda *_: place('trade', 'ONE')\n"
            "trade.errorEvent += lambda *_: place('data', 'TWO')\n"
            "def again(): asyncio.ensure_future(trade.connectAsync('127.0.0.1', PORT, 8))\n"
            "trade.disconnectedEvent += again"
        )
        side.notice(2104, "Market data farm connection is OK:usfarm")
        side.lose(8)
        side.gateway.comes_true(lambda: side.gateway.open_clients == (7, 8), 8)
        side.run("await until(trade.isConnected)")
        side.run(
            "tried.clear()\n"
            "data.errorEvent += lambda *_: place('trade', 'THREE')\n"
            "trade.errorEvent += lambda *_: place('data', 'FOUR')\n"
        )
        side.notice(2106, "HMDS data farm connection is OK:ushmds")
        return side.value("sorted(sent), failed")

    plain, ours = compare(steps)
    assert plain.result == "(['FOUR', 'ONE', 'ONE', 'THREE', 'TWO', 'TWO'], [])"
    assert ours.result == plain.result, ours.story
    assert_never_worse(plain, ours)


RECONNECTING = {
    11: (
        "async def reconnectN():\n"
        "    while not ibN.isConnected():\n"
        "        await asyncio.sleep(0.1)\n"
        "        try:\n"
        "            await ibN.connectAsync('127.0.0.1', PORT, clientId=N); logN.append('again')\n"
        "        except Exception as error: logN.append(kind(error))\n"
        "ibN.disconnectedEvent += lambda: asyncio.ensure_future(reconnectN())"
    ),
    12: (
        "async def keep_aliveN():\n"
        "    while True:\n"
        "        await asyncio.sleep(0.1)\n"
        "        if begunN and not ibN.isConnected():\n"
        "            try:\n"
        "                await ibN.connectAsync('127.0.0.1', PORT, N); logN.append('again')\n"
        "            except Exception as error: logN.append(kind(error))\n"
        "taskN = asyncio.ensure_future(keep_aliveN())"
    ),
    13: (
        "def checkN():\n"
        "    asyncio.get_running_loop().call_later(0.1, checkN)\n"
        "    if begunN and not ibN.isConnected() and not tasksN[-1:] or tasksN and "
        "tasksN[-1].done() and not ibN.isConnected():\n"
        "        tasksN.append(asyncio.ensure_future(tryN()))\n"
        "async def tryN():\n"
        "    try: await ibN.connectAsync('127.0.0.1', PORT, N); logN.append('again')\n"
        "    except Exception as error: logN.append(kind(error))\n"
        "tasksN = []; checkN()"
    ),
    14: (
        "class BotN:\n"
        "    async def on_lost(self):\n"
        "        while not ibN.isConnected():\n"
        "            await asyncio.sleep(0.1)\n"
        "            try:\n"
        "                await ibN.connectAsync('127.0.0.1', PORT, N); logN.append('again')\n"
        "            except Exception as error: logN.append(kind(error))\n"
        "botN = BotN()\n"
        "ibN.disconnectedEvent += botN.on_lost"
    ),
}
"""Ways of reconnecting, by client ID: a handler's task, a keep-alive task, a timer, a method."""

IDEMPOTENT = """
if 'ibN' not in globals():
    logN = []; begunN = []; ibN = IB()
{way}
if not ibN.isConnected():
    ibN.connect('127.0.0.1', PORT, clientId=N); begunN.append(1)
"""


def idempotent(client_id):
    """Return a cell that makes and connects an `IB` that reconnects, unless that is there."""
    way = "\n".join(f"    {line}" for line in RECONNECTING[client_id].splitlines())
    return IDEMPOTENT.format(way=way).replace("N", str(client_id)).replace(f"{client_id}o", "No")


@pytest.mark.parametrize("reruns", [1, 2])
def test_the_users_own_reconnect(compare, reruns):
    """An idempotent cell may be rerun: what it left running reconnects after a restart."""

    def steps(side):
        for client_id in RECONNECTING:
            for _ in range(reruns):
                run = side.run(idempotent(client_id), f"cell {client_id}")
                assert run.status == "ok", run.everything
        side.gateway.stop()
        logs = ", ".join(f"log{n}" for n in RECONNECTING)
        ibs = ", ".join(f"ib{n}" for n in RECONNECTING)
        side.run(f"await until(lambda: all([{logs}]))")
        side.gateway.start()
        side.run(f"await until(lambda: all(log[-1] == 'again' for log in [{logs}]))")
        side.run(f"print([sorted(set(log)) for log in [{logs}]])")
        side.run(f"print([ib.isConnected() for ib in [{ibs}]])")
        return side.value(f"[log[-1] for log in [{logs}]]")

    plain, ours = compare(steps)
    assert plain.result == str(["again"] * len(RECONNECTING)), plain.story
    assert ours.result == plain.result, ours.story
    assert plain.clients_at_end == tuple(RECONNECTING)
    assert_never_worse(plain, ours)


CONTROLLED = """
if 'wdN' not in globals():
    class ControllerN:
        started = ended = 0
        async def startAsync(self):
            self.started += 1
            if self.started in FAILS: raise RuntimeError('the controller fails')
        async def terminateAsync(self):
            self.ended += 1
    controllerN, ibN, begunN = ControllerN(), IB(), []
    wdN = Watchdog(controllerN, ibN, port=PORT, clientId=N, appStartupTime=0.05, retryDelay=0.2)
    wdN.startedEvent += begunN.append
    wdN.start()
"""


def test_a_watchdog(compare):
    """It restarts once after a loss though its cell was rerun; a failed start is tried again."""
    cells = {21: "()", 22: "(2,)"}

    def steps(side):
        for client_id, fails in cells.items():
            source = CONTROLLED.replace("FAILS", fails).replace("N'", f"{client_id}'")
            source = source.replace("N", str(client_id)).replace(f"{client_id}one", "None")
            for _ in range(2):
                assert side.run(source, f"cell {client_id}").status == "ok"
        # It is a loss for whoever has noticed that it is connected.
        side.run("await until(lambda: begun21 and begun22)")
        side.lose()
        # What is open was opened anew: the loss may not be known yet.
        side.gateway.comes_true(lambda: side.gateway.opened == 4, 8)
        side.run("await until(lambda: ib21.isConnected() and ib22.isConnected())")
        return side.value(
            "[(one.started, one.ended) for one in (controller21, controller22)], "
            "ib21.isConnected(), ib22.isConnected()"
        )

    plain, ours = compare(steps)
    assert plain.result == "([(2, 1), (3, 2)], True, True)", plain.story
    assert ours.result == plain.result, ours.story
    assert says(plain.logged, "the controller fails", "Disconnected")
    assert says(ours.said, "the controller fails", "Disconnected"), ours.story
    # Plain, the loss of one connection may fail the connect of another; with ibnb it does not.
    assert_never_worse(plain, ours, but=("said",) if "Socket disconnect" in plain.logged else ())


@pytest.mark.parametrize("losses", [1, 3])
def test_a_watchdog_whose_connection_is_lost_at_once(compare, losses):
    """A loss before it could attach its handlers is told to it: it tries again."""

    def steps(side):
        side.gateway.lost_at_once = losses
        source = CONTROLLED.replace("FAILS", "()").replace("N'", "21'").replace("N", "21")
        source = source.replace("21one", "None")
        assert side.run(source, "cell").status == "ok"
        side.run("await until(lambda: controller21.started > WANTED and ib21.isConnected())"
                 .replace("WANTED", str(losses)))  # fmt: skip
        return side.value("ib21.isConnected()")

    plain, ours = compare(steps)
    assert plain.result == ours.result == "True", ours.story


HANDLED = """
ib, log = IB(), []
async def again():
    await asyncio.sleep(0.05)
    await ib.connectAsync('127.0.0.1', PORT, 21)
    log.append('again')
def lost():
    log.append('lost')
    asyncio.ensure_future(again())
ib.disconnectedEvent += lost
CONNECT
await until(lambda: 'again' in log)
"""


@pytest.mark.parametrize(
    "connect", ["ib.connect('127.0.0.1', PORT, 21)", "await ib.connectAsync('127.0.0.1', PORT, 21)"]
)
def test_a_loss_at_once_is_told_to_the_users_own_handler(compare, connect):
    """The connect itself returns as it would without ibnb, and the handler reconnects, once."""

    def steps(side):
        side.gateway.lost_at_once = 1
        assert side.run(HANDLED.replace("CONNECT", connect), "cell").status == "ok"
        return side.value("log, ib.isConnected()")

    plain, ours = compare(steps)
    assert plain.result == "(['lost', 'again'], True)", plain.story
    assert ours.result == plain.result, ours.story


def test_a_handler_that_disconnects_when_connected(compare):
    """Its connect returns as it would without ibnb, and nothing is open."""

    def steps(side):
        side.run(
            "ib = IB(); ib.connectedEvent += ib.disconnect\n"
            "ib.connect('127.0.0.1', PORT, 21); print(ib.isConnected())",
            "cell",
        )
        side.gateway.comes_true(lambda: side.gateway.open_clients == (), 8)
        return side.value("ib.isConnected()")

    plain, ours = compare(steps)
    assert plain.result == ours.result == "False", ours.story
    assert_never_worse(plain, ours)


KEEPING_ALIVE = {
    "task": (
        "async def keep_alive():\n"
        "    global ib\n"
        "    while True:\n"
        "        await asyncio.sleep(0.1)\n"
        "        if not ib.isConnected():\n"
        "            ib = IB()\n"
        "            try: await ib.connectAsync('127.0.0.1', PORT, 7)\n"
        "            except Exception as error: failed.append(kind(error))\n"
        "keeper = asyncio.ensure_future(keep_alive())"
    ),
    "handler": (
        "async def make_anew():\n"
        "    global ib\n"
        "    fresh = IB()\n"
        "    fresh.disconnectedEvent += make_anew\n"
        "    await fresh.connectAsync('127.0.0.1', PORT, 7)\n"
        "    ib = fresh\n"
        "ib.disconnectedEvent += make_anew"
    ),
}
STRATEGY = """
sent, failed, armed = [], [], [True]
async def strategy():
    while armed:
        await asyncio.sleep(0.05)
        if ib.isConnected():
            try: ib.placeOrder(*order('TASK')); sent.append(ib)
            except Exception as error: failed.append(kind(error))
running = asyncio.ensure_future(strategy())
import eventkit
timer = eventkit.Timer(0.05)
def on_timer(*_):
    if armed and ib.isConnected():
        try: ib.placeOrder(*order('TIMER'))
        except Exception as error: failed.append(kind(error))
timer += on_timer
"""


@pytest.mark.parametrize("way", KEEPING_ALIVE)
def test_a_fresh_ib_after_a_loss(compare, way):
    """A keep-alive of the user's own makes a fresh `IB`; the running strategy's orders go on."""

    def steps(side):
        side.connect("ib", 7, "connecting")
        side.run(STRATEGY, "strategy")
        side.run(KEEPING_ALIVE[way], "keeping")
        gateway = side.gateway
        gateway.wait_for_orders(2)
        for losses in (1, 2):
            side.lose()
            enough = losses + 1, len(gateway.orders) + 6
            gateway.comes_true(lambda e=enough: (gateway.opened, len(gateway.orders)) >= e, 8)
        side.run("armed.clear(); print(ib.isConnected(), failed, len(set(map(id, sent))))")
        return [
            {fields[3] for fields in session.sent(3)} == {"TASK", "TIMER"}
            for session in gateway.sessions
        ]

    plain, ours = compare(steps)
    assert plain.result == [True, True, True], plain.story
    assert says(plain.common[-2].stdout, "True [] 3")
    assert ours.result == plain.result, ours.story
    assert_never_worse(plain, ours, but={"orders"})


NEXT_FREE = """
def get_ib():
    for cid in range(1, 7):
        ib = IB()
        try: ib.connect('127.0.0.1', PORT, clientId=cid{options}); return ib
        except Exception: pass
"""


@pytest.mark.parametrize(
    ("options", "calls"),
    [(", timeout=0.4", ("data", "trade", "third")), ("", ("data", "trade"))],
)
def test_a_helper_that_takes_the_next_free_id(compare, options, calls):
    """Each call in one cell gets an ID of its own, and so does a call in a later cell."""
    first = "; ".join(f"{name} = get_ib()" for name in calls)
    every = ", ".join([*calls, "more"])

    def steps(side):
        side.run(NEXT_FREE.format(options=options))
        side.run(first, "connecting")
        side.run("more = get_ib()" if "third" in calls else "more = trade")
        side.run(f"print([ib.isConnected() for ib in ({every})])")
        return side.value(f"[ib.client.clientId for ib in ({every})]")

    plain, ours = compare(steps)
    assert plain.result == ("[1, 2, 3, 4]" if "third" in calls else "[1, 2, 2]")
    assert ours.result == plain.result, ours.story
    assert_never_worse(plain, ours, but={"refused"})


def test_a_second_connect_of_one_run(compare):
    """The same ID twice in one run: 326 for the second, the first stays, whatever the second is."""
    second = {
        7: "newcomer = IB(); newcomer.connect('127.0.0.1', PORT, 7, timeout=0.4)",
        8: "other = IB(); await other.connectAsync('127.0.0.1', PORT, 8, timeout=0.4)",
    }

    def steps(side):
        for client_id, source in second.items():
            side.run(
                f"holder{client_id} = IB(); holder{client_id}.connect('127.0.0.1', PORT, "
                f"{client_id})\ntry:\n    {source}\nexcept TimeoutError: print('refused')"
            )
        return side.value("holder7.isConnected(), holder8.isConnected()")

    plain, ours = compare(steps)
    assert plain.result == "(True, True)"
    assert [run.stdout for run in plain.common[:2]] == ["refused\n"] * 2
    assert ours.result == plain.result, ours.story
    assert plain.gateway.refused_326 == 2
    assert_never_worse(plain, ours, but={"refused"})


HELD = {
    "kept_variable": "kept_variable = IB(); kept_variable.connect('127.0.0.1', PORT, N)",
    "_kept": "_kept = IB(); _kept.connect('127.0.0.1', PORT, N)",
    "kept_list": "kept_list = [IB()]; kept_list[0].connect('127.0.0.1', PORT, N)",
    "kept_dict": (
        "kept_dict = {'a': {'b': (IB(),)}}\nkept_dict['a']['b'][0].connect('127.0.0.1', PORT, N)"
    ),
    "kept_object": (
        "class Bot:\n"
        "    def __init__(self): self.ib = IB(); self.ib.connect('127.0.0.1', PORT, N)\n"
        "kept_object = Bot()"
    ),
    "kept_slots": (
        "class Slim:\n"
        "    __slots__ = ('ib',)\n"
        "    def __init__(self): self.ib = IB(); self.ib.connect('127.0.0.1', PORT, N)\n"
        "kept_slots = [Slim()]"
    ),
    "kept_closure": (
        "def make():\n"
        "    ib = IB(); ib.connect('127.0.0.1', PORT, N)\n"
        "    return lambda: ib\n"
        "kept_closure = make()"
    ),
    "kept_default": (
        "async def connected(): return await IB().connectAsync('127.0.0.1', PORT, N)\n"
        "def kept_default(ib=await connected()): return ib"
    ),
    "KeptClass": "class KeptClass:\n    ib = IB()\nKeptClass.ib.connect('127.0.0.1', PORT, N)",
    "kept_method": (
        "kept_method = IB().reqPositions\nkept_method.__self__.connect('127.0.0.1', PORT, N)"
    ),
    "kept_namespace": (
        "import types\n"
        "kept_namespace = types.SimpleNamespace(ib=IB())\n"
        "kept_namespace.ib.connect('127.0.0.1', PORT, N)"
    ),
    "kept_module": (
        "import pathlib, sys\n"
        "sys.path.insert(0, '')\n"
        "pathlib.Path('kept_module.py').write_text('from LIBRARY import IB; ib = IB()')\n"
        "def connect():\n"
        "    import kept_module\n"
        "    kept_module.ib.connect('127.0.0.1', PORT, N)\n"
        "connect()"
    ),
    "kept_task": (
        "kept_task = asyncio.ensure_future(IB().connectAsync('127.0.0.1', PORT, N))\n"
        "await asyncio.wait({kept_task})"
    ),
    "kept_callback": (
        "def closes(ib): ib.connect('127.0.0.1', PORT, N); return lambda _: ib.disconnect()\n"
        "kept_callback = asyncio.get_running_loop().create_future()\n"
        "kept_callback.add_done_callback(closes(IB()))"
    ),
    "kept_pool": (
        "kept_pool = asyncio.Queue()\n"
        "kept_pool.put_nowait(await IB().connectAsync('127.0.0.1', PORT, N))"
    ),
}
"""Ways in which people keep a connection, by the name of what keeps it."""
LABEL = "\nprint('count', len(In) - 1)"


def test_what_is_held_stays_open(compare):
    """However it is kept: a newcomer gets 326, which names what holds the ID, and in which cell."""

    def steps(side):
        found = {}
        for client_id, (name, source) in enumerate(HELD.items(), 31):
            kept = side.run(re.sub(r"\bN\b", str(client_id), source) + LABEL)
            assert kept.status == "ok", kept.everything
            run = side.run(
                f"newcomer = IB(); newcomer.connect('127.0.0.1', PORT, {client_id}, timeout=0.3)",
                fails=True,
            )
            label = f"cell [{kept.stdout.split()[-1]}]"
            found[name] = run.status, unsaid(said(run), name, 326), label in said(run)
        return found

    plain, ours = compare(steps)
    assert {status for status, *_ in plain.result.values()} == {"error"}
    assert plain.clients_at_end == tuple(range(31, 31 + len(HELD)))
    assert plain.gateway.refused_326 == len(HELD)
    assert ours.clients_at_end == plain.clients_at_end, ours.story
    assert ours.result == dict.fromkeys(HELD, ("error", [], True)), ours.story
    assert_never_worse(plain, ours, but={"refused", "printed"})


BOT = """
async def bot():
    ib = IB(); await ib.connectAsync('127.0.0.1', PORT, 7)
    while True:
        beats.append(ib.isConnected()); await asyncio.sleep(0.05)
"""


def test_what_a_running_task_uses_stays_open(compare):
    """A bot that has its connection in nothing but the locals of its task is in use."""
    begin = "task = asyncio.ensure_future(bot()); await until(lambda: beats)"

    def steps(side):
        side.run(f"beats = []{BOT}{begin}", "bot")
        newcomer = "newcomer = IB(); newcomer.connect('127.0.0.1', PORT, 7, timeout=0.4)"
        side.run(newcomer, fails=True)
        return side.value("beats[-1], set(beats), task.done()")

    plain, ours = compare(steps)
    assert plain.result == "(True, {True}, False)"
    assert ours.result == plain.result, ours.story
    assert_never_worse(plain, ours, but={"refused"})


IN_THREADS = {
    "asyncio.run": "threading.Thread(target=lambda: asyncio.run(bot()), daemon=True).start()",
    "a second task": (
        "async def main(): await asyncio.gather(bot(), asyncio.sleep(600))\n"
        "threading.Thread(target=asyncio.run, args=(main(),), daemon=True).start()"
    ),
    "a loop for what is to be done": (
        "def work(loop): asyncio.set_event_loop(loop); loop.run_forever()\n"
        "loop = asyncio.new_event_loop()\n"
        "threading.Thread(target=work, args=(loop,), daemon=True).start()\n"
        "asyncio.run_coroutine_threadsafe(bot(), loop)"
    ),
    "a function": (
        "def work():\n"
        "    asyncio.set_event_loop(asyncio.new_event_loop())\n"
        "    ib = IB(); ib.connect('127.0.0.1', PORT, 7)\n"
        "    while True: beats.append(ib.isConnected()); ib.sleep(0.05)\n"
        "threading.Thread(target=work, daemon=True).start()"
    ),
    "a timer": (
        "def look(ib):\n"
        "    beats.append(ib.isConnected())\n"
        "    timer = threading.Timer(0.05, look, [ib]); timer.daemon = True; timer.start()\n"
        "async def timed():\n"
        "    ib = IB(); await ib.connectAsync('127.0.0.1', PORT, 7); look(ib)\n"
        "await timed()"
    ),
}


@pytest.mark.parametrize("way", IN_THREADS)
def test_what_a_thread_uses_stays_open(compare, way):
    """A connection that a thread opened for itself, whatever waits there, is in use."""

    def steps(side):
        side.run(f"import threading\nbeats = []{BOT}")
        side.run(f"{IN_THREADS[way]}\nawait until(lambda: beats)", "bot")
        newcomer = "newcomer = IB(); newcomer.connect('127.0.0.1', PORT, 7, timeout=0.4)"
        side.run(newcomer, fails=True)
        side.run("count = len(beats); await until(lambda: len(beats) > count + 1)")
        return side.value("set(beats)")

    plain, ours = compare(steps)
    assert plain.result == "{True}"
    assert ours.result == plain.result, ours.story
    assert plain.gateway.refused_326 == 1
    assert_never_worse(plain, ours, but={"refused"})


NOT_HELD = {
    "left in Out": "IB().connect('127.0.0.1', PORT, N)",
    "left in _": "[IB().connect('127.0.0.1', PORT, N)][0]",
    "deleted": "x = IB(); x.connect('127.0.0.1', PORT, N); del x",
    "rebound": "x = IB(); x.connect('127.0.0.1', PORT, N); x = None",
    "of a function that is over": "def work(): ib = IB(); ib.connect('127.0.0.1', PORT, N)\nwork()",
    "with a handler of its own alone": (
        "def work():\n"
        "    ib = IB(); ib.connect('127.0.0.1', PORT, N)\n"
        "    ib.disconnectedEvent += lambda: str(ib)\n"
        "    return None\n"
        "work()"
    ),
}


def test_what_nobody_holds_is_closed(notebook, bare_gateway, library):
    """The newcomer gets the ID, in a later cell, without a 326, and the new one works."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import *\nnewcomers = {{}}")
    for client_id, (way, source) in enumerate(NOT_HELD.items(), 31):
        filled = source.replace("PORT", str(bare_gateway.port)).replace("N)", f"{client_id})")
        assert notebook.run(filled).status == "ok", way
        run = notebook.run(
            f"newcomers[{client_id}] = newcomer = IB()\n"
            f"newcomer.connect('127.0.0.1', {bare_gateway.port}, {client_id}, timeout=2)\n"
            "print(newcomer.isConnected(), newcomer.reqPositions())"
        )
        assert run.stdout.endswith("True []\n"), (way, run.everything)
        if "left in" in way:
            assert f"client ID {client_id}" in run.stdout, (way, run.everything)
    assert bare_gateway.refused_326 == 0
    assert bare_gateway.open_clients == tuple(range(31, 31 + len(NOT_HELD)))


# What ibnb is there for stays: the plain library has no such thing to compare with.


def test_a_rerun_of_the_helper_replaces_what_it_opened(notebook, bare_gateway, library):
    """What an earlier run of the cell opened is closed by the next, so the IDs are the same."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import *")
    source = NEXT_FREE.format(options="").replace("PORT", str(bare_gateway.port))
    assert notebook.run(source).status == "ok"
    for _ in range(3):
        run = notebook.run("data = get_ib(); trade = get_ib()", "connecting")
        assert run.status == "ok", run.everything
        assert notebook.value("data.client.clientId, trade.client.clientId") == "(1, 2)"
        assert bare_gateway.open_clients == (1, 2)
    assert bare_gateway.most_open == 2


def test_a_refusal_in_the_same_run_comes_at_once(notebook, bare_gateway, library):
    """The library would wait out its time-out, a quarter of an hour here; ibnb has the 326."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import *")
    run = notebook.run(
        f"held = IB(); held.connect('127.0.0.1', {bare_gateway.port}, 7)\n"
        f"IB().connect('127.0.0.1', {bare_gateway.port}, 7, timeout=900)"
    )
    assert run.status == "error"
    assert says(said(run), "326", "held"), run.everything
    assert notebook.value("held.isConnected()") == "True"
    assert bare_gateway.open_clients == (7,)


def test_a_rerun_of_the_magic_silences_the_old_ib(notebook, bare_gateway, library):
    """No handler of the replaced `ib` fires any more: for ticks, notices, timers or its end."""
    connect = f"%ibconnect {bare_gateway.port} --library {library}"
    notebook.run("%load_ext ibnb")
    notebook.run(PREPARE.replace("LIBRARY", library))
    notebook.run(connect, "connecting")
    run = notebook.run(
        "old, fired, heard = ib, [], []\n"
        "ticker = ib.reqMktData(Stock('SPY', 'SMART', 'USD', conId=5))\n"
        "ticker.updateEvent += lambda *_: fired.append('ticker')\n"
        "for name in ('pendingTickersEvent', 'errorEvent', 'disconnectedEvent', 'updateEvent'):\n"
        "    getattr(ib, name).connect(lambda *_, name=name: fired.append(name))"
    )
    assert run.status == "ok", run.everything
    bare_gateway.tick()
    run = notebook.run(
        "ib.timeoutEvent += lambda *_: fired.append('timeoutEvent'); ib.setTimeout(0.8)\n"
        "asyncio.get_running_loop().call_later(1.5, heard.append, 'later than that')\n"
        "await until(lambda: 'ticker' in fired); fired.clear()"
    )
    assert run.status == "ok", run.everything
    notebook.run(connect, "connecting")
    notebook.run("ib.errorEvent += lambda *_: heard.append(1)")
    bare_gateway.notice(2104, "Market data farm connection is OK:usfarm")
    bare_gateway.tick()
    notebook.run("await until(lambda: len(heard) == 2)")
    assert (
        notebook.value("fired, len(heard), ib is old, ib.isConnected()") == "([], 2, False, True)"
    )
    assert (bare_gateway.refused_326, bare_gateway.most_open) == (0, 1)


def test_a_rerun_of_a_raw_cell_closes_its_predecessor(notebook, bare_gateway, library):
    """The same ID again and again, never a 326, never two at once, and one line that says so."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import *")
    source = f"ib = IB(); ib.connect('127.0.0.1', {bare_gateway.port}, 7)"
    for count in range(1, 5):
        run = notebook.run(source, "connecting")
        assert run.status == "ok", run.everything
        assert run.stdout.count("\n") == (0 if count == 1 else 1)
        assert bare_gateway.opened == count
    assert notebook.value("ib.isConnected(), ib.client.clientId") == "(True, 7)"
    assert (bare_gateway.refused_326, bare_gateway.most_open) == (0, 1)
    assert bare_gateway.open_clients == (7,)


@pytest.mark.parametrize(
    "connect",
    [
        "ib = IB(); ib.connect('127.0.0.1', PORT, 7, timeout=60)",
        "ib = IB(); await ib.connectAsync('127.0.0.1', PORT, 7, timeout=60)",
        "%ibconnect PORT --library LIBRARY --client-id 7 --timeout 60",
    ],
)
def test_an_interrupted_opening_leaves_nothing(notebook, bare_gateway, library, connect):
    """The stop button closes what was being opened; nothing connects later; the next works."""
    connect = connect.replace("PORT", str(bare_gateway.port)).replace("LIBRARY", library)
    notebook.run(f"%load_ext ibnb\nfrom {library} import *")
    bare_gateway.stuck = True
    sent = notebook.send(connect, "connecting")
    bare_gateway.wait_for(lambda: bare_gateway.connections == 1)
    assert notebook.stop(sent).error_name in {"KeyboardInterrupt", "CancelledError"}
    bare_gateway.unstick()
    bare_gateway.wait_for(lambda: bare_gateway.sockets_open == 0)
    assert notebook.run("pass").status == "ok"
    assert (bare_gateway.connections, bare_gateway.opened) == (1, 0)
    run = notebook.run(connect, "connecting")
    assert run.status == "ok", run.everything
    assert (bare_gateway.connections, bare_gateway.opened, bare_gateway.most_open) == (2, 1, 1)

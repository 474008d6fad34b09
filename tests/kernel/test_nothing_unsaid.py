"""What the library would have said, in two kernels, without ibnb and with it: nothing is lost.

Each fact that the plain library prints by name (symbols, order IDs, codes) is read with ibnb as
well, in the output of some cell, at the latest under the one that follows.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

import bare_messages as messages
import pytest
from comparing import assert_never_worse, facts_of, said, says, unsaid

LOST_LINK = "Connectivity between IBKR and Trader Workstation has been lost."
REJECTION = (201, "Order rejected - reason:NO-TRADING-PERMISSION")
NO_DATA = (354, "Requested market data is not subscribed. NO-SUBSCRIPTION")
COMPETING = (10197, "No market data during competing live session OTHER-SESSION")
IN_TEXT, IN_PAGES = ("text/plain",), ("text/html",)


def assert_heard(side, facts, **options):
    """Fail if a named cell, by its end, had not brought all of its facts by name."""
    lost = {name: unsaid(said(*side.heard[name], **options), *facts[name]) for name in facts}
    assert lost == {name: [] for name in facts}, side.story


def unknown(*symbols):
    """Return a call that asks for contracts that nobody knows."""
    stocks = ", ".join(f"Stock({one!r}, 'SMART', 'USD')" for one in symbols)
    return f"found = ib.qualifyContracts({stocks}); print(len([one for one in found if one]))"


@pytest.mark.parametrize("how", ["raw", "magic", "call"])
def test_errors_that_come_when_the_cell_is_over(compare, how):
    """Rejections, missing data, a lost link, a competing session: each by the end of the next."""

    def steps(side):
        gateway = side.gateway
        side.connect("ib", 7, how=how)
        gateway.orders_mode, gateway.delay = "reject", 0.2
        side.run("first = ib.placeOrder(*order('TSLA')); second = ib.placeOrder(*order('MSFT'))")
        side.told(201, 2)
        side.next("orders")
        gateway.data = NO_DATA
        side.run("ticker = ib.reqMktData(Stock('SPY', 'SMART', 'USD', conId=5))")
        side.told(354)
        side.next("data")
        gateway.data, gateway.delay = "ticks", 0
        side.run("other = ib.reqMktData(Stock('NVDA', 'SMART', 'USD', conId=6))")
        gateway.wait_for_frames(messages.MARKET_DATA, 2)
        side.notice(*COMPETING, gateway.frames(messages.MARKET_DATA)[-1][2])
        side.next("session")
        side.notice(1100, LOST_LINK)
        side.next("link")
        return side.value("[one.order.orderId for one in (first, second)]")

    plain, ours = compare(steps, rejection=REJECTION)
    facts = {
        "orders": [201, "TSLA", "MSFT", "NO-TRADING-PERMISSION", *json.loads(plain.result)],
        "data": [354, "SPY", "NO-SUBSCRIPTION"],
        "session": [10197, "NVDA", "OTHER-SESSION"],
        "link": [1100],
    }
    assert_heard(plain, facts)
    assert_heard(ours, facts)
    assert ours.result == plain.result
    assert_never_worse(plain, ours)


def test_an_error_before_a_cell_that_fails(compare):
    """What came between cells is shown under the next, also if that is interrupted by an error."""

    def steps(side):
        side.connect("ib", 7)
        side.gateway.orders_mode, side.gateway.delay = "reject", 0.2
        side.run("trade = ib.placeOrder(*order('TSLA'))")
        side.told(201)
        side.run("1 / 0", name="failed", fails=True)

    plain, ours = compare(steps, rejection=REJECTION)
    facts = {"failed": [201, "TSLA", "NO-TRADING-PERMISSION", "ZeroDivisionError"]}
    assert_heard(plain, facts)
    assert_heard(ours, facts)
    assert_never_worse(plain, ours)


def test_without_explanations_all_lines_are_the_librarys(compare):
    """With `explain` off there are no cards, so every line is there, within cells and between."""

    def steps(side):
        side.run("%config IbMagics.explain = False")
        side.connect("ib", 7)
        side.run(unknown("NOPEA", "NOPEB"))
        side.gateway.orders_mode, side.gateway.delay = "reject", 0.2
        side.run("trade = ib.placeOrder(*order('TSLA'))")
        side.told(201)
        side.notice(1100, LOST_LINK)
        side.next()
        return facts_of(side.logged)

    plain, ours = compare(steps, rejection=REJECTION)
    assert {"200", "201", "1100", "NOPEA", "NOPEB", "TSLA"} <= set(plain.result)
    assert ours.result == plain.result, ours.story
    assert_never_worse(plain, ours)


def errors_of_all_kinds(side):
    """Ask for unknown contracts, have an order rejected after its cell, and lose the link."""
    side.run(unknown("NOPEA"), name="one")
    side.run(unknown("NOPEB"), name="two")
    side.gateway.orders_mode, side.gateway.delay = "reject", 0.2
    side.run("trade = ib.placeOrder(*order('TSLA'))")
    side.told(201)
    side.next("order")
    side.notice(1100, LOST_LINK)
    side.next("link")


KINDS = {
    "one": [200, "NOPEA"],
    "two": [200, "NOPEB"],
    "order": [201, "TSLA", "NO-TRADING-PERMISSION"],
    "link": [1100],
}
BEFORE_LOADING = {
    "variable": "ib = IB(); ib.connect('127.0.0.1', PORT, 7)",
    "only in an object": (
        "class Bot:\n"
        "    def __init__(self): self.ib = IB(); self.ib.connect('127.0.0.1', PORT, 7)\n"
        "bots = [Bot()]"
    ),
}


@pytest.mark.parametrize("way", BEFORE_LOADING)
def test_errors_of_what_was_connected_before_loading(compare, way):
    """Watched or left alone: what fails on it is said, within cells and between them."""

    def steps(side):
        side.run(BEFORE_LOADING[way])
        side.run("%load_ext ibnb")
        if "ib =" not in BEFORE_LOADING[way].splitlines()[0]:
            side.run("ib = bots[0].ib")
        errors_of_all_kinds(side)

    plain, ours = compare(steps, load=False, rejection=REJECTION)
    assert_heard(plain, KINDS)
    assert_heard(ours, KINDS)
    assert_never_worse(plain, ours)


def test_errors_with_the_guard_off(compare):
    """A connection that is not looked after keeps all its lines."""

    def steps(side):
        side.run("%config IbMagics.guard = False")
        side.connect("ib", 7)
        errors_of_all_kinds(side)

    plain, ours = compare(steps, rejection=REJECTION)
    assert_heard(plain, KINDS)
    assert_heard(ours, KINDS)
    assert_never_worse(plain, ours)


def test_errors_after_unloading(compare):
    """When the extension is unloaded, the library speaks for itself again."""

    def steps(side):
        side.connect("ib", 7)
        side.run("%unload_ext ibnb")
        errors_of_all_kinds(side)

    plain, ours = compare(steps, rejection=REJECTION)
    assert_heard(plain, KINDS)
    assert_heard(ours, KINDS)
    assert_never_worse(plain, ours)


THREADS = """
import threading
done = []
async def work(symbol, client_id, begin):
    await asyncio.sleep(begin)
    ib = IB(); await ib.connectAsync('127.0.0.1', PORT, client_id)
    await ib.qualifyContractsAsync(Stock(symbol, 'SMART', 'USD'))
    trade = ib.placeOrder(*order(symbol + 'X'))
    await until(trade.isDone)
    ib.disconnect(); await asyncio.sleep(0); done.append(symbol)
def loop_of_its_own(*args):
    loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)
    loop.run_until_complete(work(*args))
def asyncio_run(*args): asyncio.run(work(*args))
def start(target, *args):
    thread = threading.Thread(target=target, args=args); thread.start()
    return thread
"""


def test_errors_in_threads(compare):
    """A thread with a loop, `asyncio.run` in a thread, during a cell and when it is over."""

    def steps(side):
        side.gateway.orders_mode = "reject"
        side.connect("ib", 7)
        side.run(THREADS)
        side.run("start(loop_of_its_own, 'NOPEA', 11, 0); await until(lambda: len(done) == 1)")
        side.run("start(asyncio_run, 'NOPEB', 12, 0); await until(lambda: len(done) == 2)")
        side.run("late = start(loop_of_its_own, 'NOPEC', 13, 0.2)")
        side.told(201, 3)
        side.run("await until(lambda: len(done) == 3)")
        side.run("late = start(asyncio_run, 'NOPED', 14, 0.2)")
        side.told(201, 4)
        side.run("await until(lambda: len(done) == 4)")
        return side.value("sorted(done)")

    plain, ours = compare(steps, rejection=REJECTION)
    names = ["NOPEA", "NOPEB", "NOPEC", "NOPED"]
    assert plain.result == str(names), plain.story
    every = [200, 201, *names, *(f"{one}X" for one in names)]
    assert unsaid(plain.said, *every) == [], plain.story
    assert unsaid(ours.said, *every) == [], ours.story
    assert_never_worse(plain, ours)


def letters(count):
    """Return so many symbols that nobody knows."""
    return [f"{chr(65 + n // 26)}{chr(65 + n % 26)}QQ" for n in range(count)]


def test_each_of_several_failures_is_named(compare):
    """Of failures with one text each is named: symbols in one call and in several, and orders."""

    def steps(side):
        side.connect("ib", 7)
        side.run(unknown("AAAQ", "BBBQ", "CCCQ"), name="one call")
        side.run(
            "for symbol in ('DDDQ', 'EEEQ', 'FFFQ'):\n"
            "    ib.qualifyContracts(Stock(symbol, 'SMART', 'USD'))",
            name="a loop",
        )
        side.gateway.orders_mode = "reject"
        side.run(
            "trades = [ib.placeOrder(*order(one)) for one in ('GGGQ', 'HHHQ', 'IIIQ')]\n"
            "await until(lambda: all(one.isDone() for one in trades))",
            name="orders",
        )
        side.gateway.data = NO_DATA
        side.run(
            "tickers = [ib.reqMktData(order(one)[0]) for one in ('JJJQ', 'KKKQ')]\n"
            "codes = []\n"
            "ib.errorEvent += lambda _, code, *__: codes.append(code)\n"
            "await until(lambda: codes.count(354) == 2)",
            name="data",
        )
        return side.value("[one.order.orderId for one in trades]")

    plain, ours = compare(steps, rejection=REJECTION)
    facts = {
        "one call": [200, "AAAQ", "BBBQ", "CCCQ"],
        "a loop": [200, "DDDQ", "EEEQ", "FFFQ"],
        "orders": [201, "GGGQ", "HHHQ", "IIIQ", *json.loads(plain.result)],
        "data": [354, "JJJQ", "KKKQ"],
    }
    assert_heard(plain, facts)
    for forms in (IN_TEXT, IN_PAGES):
        assert_heard(ours, facts, forms=forms)
    assert ours.result == plain.result
    assert_never_worse(plain, ours)


@pytest.mark.parametrize("count", [12, 500])
def test_of_many_failures_ten_are_named_and_the_rest_counted(compare, count):
    """The first ten by name, in text too; how many more is said; the next cell runs."""
    symbols = letters(count)

    def steps(side):
        side.connect("ib", 7)
        side.run("ib.client.MaxRequests = 0")
        side.run(unknown(*symbols), name="asked")
        side.next()

    plain, ours = compare(steps)
    assert_heard(plain, {"asked": [200, *symbols]})
    for forms in (IN_TEXT, IN_PAGES):
        assert_heard(ours, {"asked": [200, *symbols[:10]]}, forms=forms)
        text = said(*ours.heard["asked"], forms=forms)
        rest = re.search(
            rf"\b{count - 10} (?:more|others)\b|\N{{MULTIPLICATION SIGN}} ?{count}\b", text
        )
        assert rest or unsaid(text, *symbols) == [], f"{forms}\n{ours.story}"
    assert_never_worse(plain, ours, but={"said"})


def test_unknown_contracts_without_a_notice(compare):
    """The gateway answers with the end alone; only the library says that a contract is unknown."""
    ends = {"ES": "end", "NOPEB": "end", "NOPED": "end"}

    def steps(side):
        side.connect("ib", 7)
        side.run("print(ib.qualifyContracts(Future('ES', '202001', 'CME')))", name="one")
        side.run(unknown("NOPEA", "NOPEB", "NOPEC", "NOPED", "AAPL"), name="mixed")

    plain, ours = compare(steps, unknown=ends)
    facts = {
        "one": ["ES", "202001", "contract"],
        "mixed": [200, "NOPEA", "NOPEB", "NOPEC", "NOPED"],
    }
    assert_heard(plain, facts)
    for forms in (IN_TEXT, IN_PAGES):
        assert_heard(ours, facts, forms=forms)
    assert "nknown contract" in said(*ours.heard["one"]), ours.story
    assert_never_worse(plain, ours)


CANCELS = {
    10147: "OrderId {id} that needs to be cancelled is not found.",
    10148: "OrderId {id} that needs to be cancelled can not be cancelled, state: Filled.",
    161: "Cancel attempted when order is not in a cancellable state. Order permId = 7",
}


@pytest.mark.parametrize("code", CANCELS)
def test_what_answers_a_cancel(compare, code):
    """The refusal of a cancel is the cancel's, and the order's own advice is not given for it."""

    def steps(side):
        side.connect("ib", 7)
        side.gateway.cancels_mode = (code, CANCELS[code].replace("{id}", "9"))
        side.run(
            "codes = []; ib.errorEvent += lambda _, code, *__: codes.append(code)\n"
            "trade = ib.placeOrder(*order('TSLA'))\n"
            "await until(lambda: trade.orderStatus.status == 'Submitted')\n"
            f"ib.cancelOrder(trade.order); await until(lambda: {code} in codes)",
            name="cancelled",
        )

    plain, ours = compare(steps)
    assert_heard(plain, {"cancelled": [code, "TSLA"]})
    for forms in (IN_TEXT, IN_PAGES):
        assert_heard(ours, {"cancelled": [code, "TSLA", "cancelOrder"]}, forms=forms)
    text = said(*ours.heard["cancelled"])
    assert "answers placeOrder" not in text
    assert "whatIfOrder" not in text
    assert_never_worse(plain, ours)


def test_a_rejection_and_a_refused_cancel_in_one_cell(compare):
    """Each is about its own order and its own call."""

    def steps(side):
        side.connect("ib", 7)
        side.run(
            "codes = []; ib.errorEvent += lambda _, code, *__: codes.append(code)\n"
            "trade = ib.placeOrder(*order('TSLA'))\n"
            "await until(lambda: trade.orderStatus.status == 'Submitted')"
        )
        side.gateway.orders_mode = "reject"
        side.gateway.cancels_mode = (10147, CANCELS[10147].replace("{id}", "3"))
        side.run(
            "other = ib.placeOrder(*order('MSFT')); ib.cancelOrder(trade.order)\n"
            "await until(lambda: {201, 10147} <= set(codes))",
            name="both",
        )
        return side.value("[trade.order.orderId, other.order.orderId]")

    plain, ours = compare(steps, rejection=REJECTION)
    facts = [201, 10147, "TSLA", "MSFT", *json.loads(plain.result)]
    assert_heard(plain, {"both": facts})
    for forms in (IN_TEXT, IN_PAGES):
        assert_heard(ours, {"both": [*facts, "cancelOrder", "placeOrder"]}, forms=forms)
    assert_never_worse(plain, ours)


ASK_TIME = "print((await asyncio.wait_for(ib.reqCurrentTimeAsync(), 5)).year > 2000)"
BLOCKING_TIME = "ib.RequestTimeout = 5; print(ib.reqCurrentTime().year > 2000)"
A_SECOND = "await asyncio.sleep(1.1)"


@pytest.mark.parametrize("how", ["raw", "magic"])
def test_the_time_is_the_users(compare, how):
    """A gateway tells the time once a second; what ibnb does before takes no answer away."""

    def steps(side):
        side.connect("ib", 7, how=how)
        side.run_all("%ibhealth", ASK_TIME)
        side.run(A_SECOND)
        side.run_all("%ibdiag --static", ASK_TIME)
        side.run(A_SECOND)
        side.run_all("%ibdiag PORT --static", BLOCKING_TIME)
        side.run(A_SECOND)
        side.run_all("%iberror 326", ASK_TIME)
        return [run.stdout for run in side.common if "True" in run.stdout]

    plain, ours = compare(steps, time_gap=1.0)
    assert plain.result == ["True\n"] * 4
    assert ours.result == plain.result, ours.story
    assert_never_worse(plain, ours)


def test_a_synchronisation_that_does_not_finish(compare, library):
    """The gateway is ready and never answers the executions: the card says so, and nothing else.

    ib_insync gives such a connect up; ib_async logs it and goes on.
    """
    connect = "ib = IB(); ib.connect('127.0.0.1', PORT, clientId=7, timeout=0.6)"

    def steps(side):
        side.gateway.unanswered = {messages.EXECUTIONS}
        side.run(connect, name="failed", fails=None)
        side.run(
            "other = IB()\n"
            "try: other.connect('127.0.0.1', PORT, clientId=8, timeout=0.6)\n"
            "except TimeoutError: print('caught')",
            name="caught",
        )
        side.run("%ibdiag --json", name="report")

    plain, ours = compare(steps)
    gives_up = library == "ib_insync"
    assert plain.runs["failed"].status == ("error" if gives_up else "ok")
    assert plain.runs["caught"].stdout == ("caught\n" if gives_up else "")
    text = said(*ours.heard["failed"])
    assert says(text, "executions"), ours.story
    assert not re.search(r"in use\b", text), ours.story
    if gives_up:
        assert "sync-incomplete" in text, ours.story
        report = json.loads(ours.runs["report"].stdout)
        assert report["target"]["port"] == ours.gateway.port
        assert report["verdict"]["id"] in {"sync-incomplete", "healthy"}
    assert_never_worse(plain, ours)


UNANSWERED = {
    messages.POSITIONS: "positions",
    messages.OPEN_ORDERS: "open orders",
    messages.COMPLETED_ORDERS: "completed orders",
    messages.ACCOUNT: "account updates",
    messages.ACCOUNT_MULTI: "account updates for",
}


def test_what_did_not_arrive_is_named(compare):
    """Each request of the synchronisation that gets no answer is named, and the `ib` connected."""

    def steps(side):
        for client_id, (message_id, name) in enumerate(UNANSWERED.items(), 11):
            side.gateway.unanswered = {message_id}
            side.run(
                f"ib{client_id} = IB()\n"
                f"ib{client_id}.connect('127.0.0.1', PORT, {client_id}, timeout=0.4);\n"
                f"print(ib{client_id}.isConnected())",
                name=name,
            )

    plain, ours = compare(steps)
    facts = {name: [name, "True"] for name in UNANSWERED.values()}
    assert_heard(plain, facts)
    assert_heard(ours, facts)
    assert_never_worse(plain, ours)


def verdict_of(run):
    """Return the verdict's ID of a report as JSON, on a side that has one."""
    return json.loads(run.stdout)["verdict"]["id"] if run.stdout else ""


@pytest.mark.parametrize("how", ["raw", "magic"])
def test_the_link_of_a_users_own_connection(compare, how):
    """After 1100 nothing says Ready or that all works; no second connection looks at it."""

    def steps(side):
        side.connect("ib", 7, how=how)
        side.run("pass", name="connected")
        side.notice(1100, LOST_LINK)
        side.run("ib", name="badge")
        side.run("%ibhealth", name="health")
        side.run("%ibdiag --json", name="json")
        side.run("%ibdiag --static", name="report")
        side.notice(1102, "Connectivity between IBKR and TWS has been restored - data maintained.")
        side.run("ib", name="restored")
        side.run("%ibdiag --json", name="again")

    plain, ours = compare(steps)
    assert_heard(plain, {"badge": [1100]})
    assert_heard(ours, {"badge": [1100]})
    for name in ("badge", "health", "report"):
        assert not says(said(ours.runs[name]), "Ready"), f"{name}\n{ours.story}"
    assert verdict_of(ours.runs["json"]) == "connectivity-lost", ours.story
    assert "Everything works" not in said(ours.runs["report"])
    assert "%ibconnect opens" not in said(ours.runs["report"])
    assert says(said(ours.runs["restored"]), "Ready"), ours.story
    assert verdict_of(ours.runs["again"]) == "healthy"
    assert ours.gateway.connections == 1
    assert_never_worse(plain, ours)


def test_the_loss_of_a_users_own_connection(compare):
    """The badge and the card say that it was lost, and why; a close of the user's own is none."""

    def steps(side):
        side.connect("ib", 7)
        side.connect("other", 8)
        side.lose(7)
        side.run("ib", name="badge")
        request = "ib.reqContractDetails(Stock('AAPL', 'SMART', 'USD'))"
        side.run(request, name="request", fails=True)
        side.run("%ibhealth", name="health")
        side.run("other.disconnect(); await asyncio.sleep(0)")
        side.run("other", name="closed")
        return side.value("ib.isConnected(), other.isConnected()")

    plain, ours = compare(steps)
    assert ours.result == plain.result == "(False, False)"
    assert plain.runs["request"].status == ours.runs["request"].status == "error"
    for name in ("badge", "request"):
        text = said(ours.runs[name])
        assert re.search(r"\blost\b", text, re.IGNORECASE), f"{name}\n{ours.story}"
        assert re.search(r"other side|gateway closed", text), f"{name}\n{ours.story}"
        assert "no connection open" not in text, f"{name}\n{ours.story}"
    assert not re.search(r"\blost\b", said(ours.runs["closed"]), re.IGNORECASE), ours.story
    assert_never_worse(plain, ours)


BLOCKING = """
ib.RequestTimeout = 0.3
calls, other = [], []
def on_tick(tickers):
    calls.append(1)
    ib.reqContractDetails(Stock('AAPL', 'SMART', 'USD'))
ib.pendingTickersEvent += on_tick
ib.pendingTickersEvent += lambda tickers: other.append(1)
"""


def test_a_blocking_request_in_a_handler_between_cells(compare):
    """It cannot be answered; that is said under the next cell, and handlers beside it go on."""

    def steps(side):
        side.connect("ib", 7)
        side.run(
            "ticker = ib.reqMktData(Stock('SPY', 'SMART', 'USD', conId=5))\n"
            "await until(lambda: ticker.last > 0)"
        )
        side.run(BLOCKING, name="before")
        side.gateway.tick()
        side.settle()
        side.run("await until(lambda: calls and other)", name="next")
        return side.value("len(calls), len(other), ib.isConnected()")

    plain, ours = compare(steps)
    assert ours.result == plain.result == "(1, 1, True)"
    text = said(*ours.heard["next"])
    assert "handler" in text, ours.story
    assert has_card(ours.runs["next"]), ours.story
    assert "Interrupt the kernel" not in text, ours.story
    assert_never_worse(plain, ours, but={"said"})


TERMINAL = """
from IPython.terminal.interactiveshell import TerminalInteractiveShell as S
shell = S.instance()
LOAD
def run(source):
    print('---', source.splitlines()[0], flush=True)
    shell.run_cell(source)
run('from LIBRARY import *; import asyncio')
run("ib = IB(); ib.connect('127.0.0.1', PORT, 7); print('one')")
run('async def coro(): return 7')
run('print(asyncio.run(coro()))')
run('print(asyncio.run(coro()))')
run("ib2 = IB(); ib2.connect('127.0.0.1', PORT, 8); print('two')")
"""


def test_asyncio_run_in_a_terminal(bare_gateway, library):
    """It takes the main thread's loop away: what then fails is not called a thread's request."""

    def in_terminal(load):
        script = TERMINAL.replace("LOAD", load).replace("PORT", str(bare_gateway.port))
        bare_gateway.wait_for_clients()
        return subprocess.run(
            [sys.executable, "-c", script.replace("LIBRARY", library)],
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )

    plain = in_terminal("")
    ours = in_terminal("shell.run_line_magic('load_ext', 'ibnb')")
    assert plain.stdout.count("\n7\n") == ours.stdout.count("\n7\n") == 2, ours
    failed = "no current event loop" in plain.stdout + plain.stderr
    assert failed == (library == "ib_insync"), plain
    text = " ".join((ours.stdout + ours.stderr).split())
    assert "A thread made" not in text, text
    assert "two" in ours.stdout or failed


def test_a_handler_that_subscribes_when_connected(compare):
    """After a loss each subscription stands once on the new socket, and cancelling it ends it."""
    subscribe = (
        "spy = Stock('SPY', 'SMART', 'USD', conId=5)\n"
        "def sub(): globals().update(ticker=ib.reqMktData(spy))\n"
        "ib.connectedEvent += sub; sub(); await until(lambda: ticker.last > 0)"
    )

    def steps(side):
        gateway = side.gateway
        side.connect("ib", 7, how="magic")
        side.run(subscribe)
        side.lose()
        if side.plain:
            side.run("ib.connect('127.0.0.1', PORT, 7);")
        else:
            # By itself, as after a restart of the gateway.
            gateway.comes_true(lambda: gateway.opened == 2, 20)
            side.run("'as the plain one'")
        side.run("await until(ib.isConnected); before = ticker.last")
        gateway.comes_true(lambda: gateway.sessions[-1].sent(messages.MARKET_DATA), 8)
        gateway.tick()
        side.run("await until(lambda: ticker.last > before); ib.reqCurrentTime();")
        asked = len(gateway.sessions[-1].sent(messages.MARKET_DATA))
        side.run("ib.cancelMktData(spy); ib.reqCurrentTime();")
        return asked, dict(gateway.sessions[-1].subscriptions)

    plain, ours = compare(steps)
    assert plain.result == (1, {})
    assert ours.result == plain.result, ours.story
    assert_never_worse(plain, ours)


def has_card(run):
    """Say whether a cell shows a page."""
    return any("text/html" in one for one in (*run.displays, *run.updates))


def test_changing_an_order_that_the_library_holds_for_done(compare):
    """The library's bare `AssertionError` is explained: after a cancel, and after a 10349."""

    def steps(side):
        side.connect("ib", 7)
        submitted = (
            "trade = ib.placeOrder(*order('{}'))\n"
            "await until(lambda: trade.orderStatus.status == 'Submitted')\n"
        )
        again = "ib.placeOrder(trade.contract, trade.order)"
        side.run(
            submitted.format("TSLA") + "ib.cancelOrder(trade.order); await until(trade.isDone)"
        )
        side.run(again, name="cancelled", fails=True)
        side.run(submitted.format("MSFT"))
        order_id = side.gateway.orders[-1].order_id
        text = "Order TIF was set to DAY based on order preset."
        side.notice(10349, text, order_id)
        side.run("await until(trade.isDone)")
        side.run(again, name="preset", fails=True)

    plain, ours = compare(steps)
    for name in ("cancelled", "preset"):
        assert plain.runs[name].error_name == "AssertionError", plain.story
        run = ours.runs[name]
        assert "AssertionError" in run.error, ours.story
        assert has_card(run), f"{name}\n{ours.story}"
    assert says(plain.said, 10349)
    assert_never_worse(plain, ours)


def test_history_that_does_not_come(compare):
    """A time-out and the 162 that follows it are said, with the symbol, and explained."""

    def steps(side):
        side.gateway.unanswered = {messages.HISTORY}
        side.connect("ib", 7)
        ask = (
            "bars = ib.reqHistoricalData(Stock('{}', 'SMART', 'USD', conId=5), '', '1 D', "
            "'1 hour', 'TRADES', True, timeout=0.3)"
        )
        side.run(ask.format("TSLA") + "; ib.reqCurrentTime();", name="within")
        side.run(ask.format("MSFT"))
        side.told(162, 2)
        side.next("after")
        return side.value("len(bars)")

    plain, ours = compare(steps)
    assert ours.result == plain.result == "0"
    facts = {"within": [162, "TSLA"], "after": [162, "MSFT"]}
    for side in (plain, ours):
        assert_heard(side, facts)
        for name in facts:
            text = said(*side.heard[name])
            assert re.search(r"time-?out|timed out|in time", text, re.IGNORECASE), (
                f"{name}\n{side.story}"
            )
    assert has_card(ours.runs["within"]), ours.story
    assert_never_worse(plain, ours)


# What users do that nobody expects.


def test_a_handler_that_raises(compare, library):
    """Its error is said where the library says it, and the handlers beside it are called.

    The events of ib_async say nothing.
    """

    def steps(side):
        side.connect("ib", 7)
        side.run(
            "heard = []\n"
            "def bad(*_): raise ValueError('of-my-own')\n"
            "ib.errorEvent += bad\n"
            "ib.errorEvent += lambda _, code, *__: heard.append(code)\n"
            "ib.newOrderEvent += bad\n"
            "ib.newOrderEvent += lambda trade: heard.append('new')"
        )
        side.run("trade = ib.placeOrder(*order('TSLA'))", name="within")
        side.notice(1100, LOST_LINK)
        side.next("after")
        return side.value("heard, ib.isConnected()")

    plain, ours = compare(steps)
    assert ours.result == plain.result == "(['new', 1100], True)"
    for name in ("within", "after"):
        is_said = library == "ib_insync"
        assert says(said(*plain.heard[name]), "of-my-own") == is_said, plain.story
        assert says(said(*ours.heard[name]), "of-my-own") or not is_said, ours.story
    assert_never_worse(plain, ours)


STRANGE = """
class Evil:
    def __getattr__(self, name): raise RuntimeError('do not look')
    def __eq__(self, other): raise RuntimeError('do not compare')
    def __bool__(self): raise RuntimeError('do not ask')
    __hash__ = object.__hash__
class Lazy:
    looked = []
    @property
    def ib(self): self.looked.append(1); return 7
    client = wrapper = ib
ib, evil, lazy = {ib}, [Evil()], {{'lazy': Lazy()}}
"""


@pytest.mark.parametrize("value", ["42", "None", "'text'", "Evil()", "Lazy()", "IB"])
def test_a_variable_ib_that_is_none(compare, value):
    """Whatever the user calls `ib` stays what it is, is not looked into, and disturbs nothing."""
    lines = ("%ibhealth", "%ibdiag --static", "%iberror", "%iberror 200")

    def steps(side):
        side.run(STRANGE.format(ib=value))
        side.run("theirs = ib")
        for _ in range(2):
            side.run(
                "app = globals().get('app') or IB()\n"
                "if not app.isConnected(): app.connect('127.0.0.1', PORT, 7)"
            )
        side.run("app.qualifyContracts(Stock('NOPEA', 'SMART', 'USD'))")
        for line in lines:
            side.run(line, name=line)
        side.run(
            "newcomer = IB()\n"
            "try: newcomer.connect('127.0.0.1', PORT, 7, timeout=0.3)\n"
            "except TimeoutError: print('refused')"
        )
        return side.value("ib is theirs, Lazy.looked, app.isConnected()")

    plain, ours = compare(steps)
    assert plain.result == "(True, [], True)"
    assert ours.result == plain.result, ours.story
    assert {ours.runs[line].status for line in lines} == {"ok"}, ours.story
    assert says(plain.said, 200, "NOPEA")
    assert_never_worse(plain, ours, but={"refused"})


def test_a_notice_of_a_megabyte(compare):
    """Its code and its beginning are said, within a cell and between cells; the kernel goes on."""
    long = "BEGINNING " + "x" * 1_000_000

    def steps(side):
        side.connect("ib", 7)
        side.run("codes = []; ib.errorEvent += lambda _, code, *__: codes.append(code)")
        side.run(
            "asyncio.get_running_loop().call_later(0.1, ib.reqMktData, order('SPY')[0])\n"
            "await until(lambda: 10090 in codes)",
            name="within",
        )
        side.notice(10186, long)
        side.next("after")
        return side.value("sorted(set(codes)), ib.isConnected()")

    plain, ours = compare(steps, data=(10090, long))
    assert ours.result == plain.result == "([10090, 10186], True)"
    for side in (plain, ours):
        for name, code in {"within": 10090, "after": 10186}.items():
            assert says(said(*side.heard[name]), code, "BEGINNING"), (side.plain, name)
    assert_never_worse(plain, ours, but={"said"})

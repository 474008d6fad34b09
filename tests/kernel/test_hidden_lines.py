"""What a library says is never lost: it is told under the right cell, or its own line passes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from notice_server import NoticeServer, encode, notice

NO_SUCH = "No security definition has been found for the request"
CONTRACT_DETAILS, CONTRACT_END, MARKET_DATA, ORDER, SCANNER, HISTORY = 9, 52, 1, 3, 22, 20
MARGIN = "Order rejected - reason:Margin"
TSLA = "Stock('TSLA', 'SMART', 'USD', conId=1)"
WAIT = "import asyncio\nwhile not ({}): await asyncio.sleep(0.01)"
JOURNAL = "get_ipython()._ibnb.app.session.journal"
COUNT = f"{JOURNAL}.count"
CATALOGUE_READ = "__import__('ibnb.knowledge.lookup').knowledge.lookup.catalogue.cache_info()[3]"
CAPTURE = """
import logging
class _Said:
    text = ''
    def write(self, text): self.text += text
    def flush(self): pass
said = _Said()
logging.lastResort = logging.StreamHandler(said)
logging.lastResort.setLevel(logging.WARNING)
"""
"""Notes what Python prints of a log that nobody set up, wherever a frontend would put it."""


def unknown(fields):
    """Answer a request for contract details: there is no such contract."""
    return notice(200, NO_SUCH, fields[2])


def ended(fields):
    """Answer a request for contract details with the end alone."""
    return encode(CONTRACT_END, 1, fields[2])


@pytest.fixture
def server():
    """A server that a test scripts."""
    with NoticeServer({"9": unknown}) as server:
        yield server


@pytest.fixture
def plain(notebook, library):
    """A notebook with the library alone, whose log lines are noted in `said.text`."""
    run = notebook.run(f"{CAPTURE}\nfrom {library} import *\nutil.startLoop()")
    assert run.status == "ok", run.everything
    return notebook


@pytest.fixture
def loaded(plain):
    """The same with ibnb."""
    plain.run("%load_ext ibnb")
    return plain


def connect(notebook, server, client_id=7, name="ib"):
    """Connect in a cell of the user's own."""
    run = notebook.run(f"{name} = IB(); {name}.connect('127.0.0.1', {server.port}, {client_id})")
    assert run.status == "ok", run.everything


@pytest.fixture
def connected(loaded, server):
    """The same with a connection of the user's own."""
    connect(loaded, server)
    return loaded


def said(notebook):
    """Return the log lines that passed so far."""
    return notebook.run("print(said.text, end='')").stdout


def cards(run):
    """Return the texts of what a cell displays."""
    return [bundle["text/plain"] for bundle in run.displays if "text/html" in bundle]


def between(notebook, server, *notices):
    """Send notices while no cell runs, and wait until the kernel has heard them."""
    before = int(notebook.value(COUNT))
    server.send(b"".join(notices))
    # Silent: no cell of the user's.
    wanted = before + len(notices)
    notebook.client.execute(WAIT.format(f"{COUNT} >= {wanted}"), silent=True, reply=True)


def during(notebook, server, *notices, source=""):
    """Send notices while a cell runs that waits for them; return what it came to."""
    wanted = int(notebook.value(COUNT)) + len(notices)
    asked = len(server.sent(49, 0))
    sent = notebook.send(
        f"ib.client.reqCurrentTime()\n{WAIT.format(f'{COUNT} >= {wanted}')}\n{source}"
    )
    server.sent(49, asked + 1)
    server.send(b"".join(notices))
    return notebook.collect([sent])[0]


def test_a_rejection_after_the_cell_passes_and_is_told_in_the_next(connected, server):
    """The library's line comes at once; the next cell has the card, with the order by name."""
    connected.run(f"trade = ib.placeOrder({TSLA}, LimitOrder('BUY', 1, 100))")
    order = server.sent(ORDER)[0][1]
    between(connected, server, notice(201, MARGIN, order))
    run = connected.run("print(said.text)")
    assert f"Error 201, reqId {order}: {MARGIN}" in run.stdout
    assert "Canceled order: Trade(" in run.stdout
    [card] = cards(run)
    assert "since the last cell" in card
    assert f"About: order {order} BUY 1 TSLA" in card
    assert f"order {order} BUY 1 TSLA" in run.html
    assert connected.run("1").displays == []


@pytest.mark.parametrize(
    ("source", "field", "refusal"),
    [
        (f"ib.reqMktData({TSLA})", (MARKET_DATA, 2), (354, "TSLA")),
        (f"ib.reqMktData({TSLA})", (MARKET_DATA, 2), (10197, "TSLA")),
        ("ib.reqScannerSubscription(ScannerSubscription())", (SCANNER, 1), (162, "reqScannerS")),
    ],
)
def test_a_stream_that_is_refused_later_is_told(connected, server, source, field, refusal):
    """Data and scanners answer when the cell is over: their refusal passes, and has its card."""
    connected.run(source)
    (message, number), (code, name) = field, refusal
    req_id = server.sent(message)[0][number]
    between(connected, server, notice(code, "Something is refused.", req_id))
    run = connected.run("print(said.text)")
    assert f"Error {code}, reqId {req_id}: Something is refused." in run.stdout
    assert name in cards(run)[0]


def test_what_comes_while_a_cell_runs_has_a_card_and_no_line(connected, server):
    """Once: the card under that cell, nothing in the log, and nothing under the next one."""
    connected.run(f"trade = ib.placeOrder({TSLA}, LimitOrder('BUY', 1, 100))")
    order = server.sent(ORDER)[0][1]
    run = during(connected, server, notice(201, MARGIN, order))
    [card] = cards(run)
    assert f"About: order {order} BUY 1 TSLA" in card
    assert "since the last cell" not in card
    assert said(connected) == ""
    assert connected.run("1").displays == []


def test_good_news_of_the_catalogue_passes(connected, server):
    """A line for which there is no card passes: the library logs 162 of a cancelled query."""
    text = "Historical Market Data Service error message:API historical data query cancelled: 4"
    run = during(connected, server, notice(162, text, 4))
    assert run.displays == []
    assert f"Error 162, reqId 4: {text}" in said(connected)


@pytest.mark.not_warm
def test_good_news_does_not_read_the_catalogue(connected, server):
    """A cell in which a farm says that it is OK ends without it."""
    run = during(connected, server, notice(2104, "Market data farm connection is OK:usfarm"))
    assert run.displays == []
    assert connected.value(CATALOGUE_READ) == "0"
    during(connected, server, notice(2103, "Market data farm connection is broken:usfarm"))
    assert connected.value(CATALOGUE_READ) == "1"


def test_each_of_several_unknown_symbols_is_named(connected):
    """In text and HTML, whatever the number of requests with one text."""
    run = connected.run(
        "ib.qualifyContracts(*[Stock(s, 'SMART', 'USD') for s in ('AAAQ', 'BBBQ', 'CCCQ')])"
    )
    [card] = cards(run)
    assert "3 times: AAAQ, BBBQ, CCCQ" in card
    assert "3 times: AAAQ, BBBQ, CCCQ" in run.html
    assert said(connected) == ""


def test_five_hundred_unknown_symbols_are_counted(connected):
    """The first ten by name, the rest by number."""
    run = connected.run(
        "ib.qualifyContracts(*[Stock(f'Q{n:03}', 'SMART', 'USD') for n in range(500)])"
    )
    # It takes seconds: a list was shown meanwhile.
    card = " ".join(cards(run)[-1].split())
    names = ", ".join(f"Q{number:03}" for number in range(10))
    assert f"500 times: {names} and 490 more" in card
    assert said(connected) == ""


def test_a_burst_of_rejections_names_each_order_and_each_reason(connected, server):
    """Two reasons for three orders: both are told, each with its orders."""
    symbols = ("AAA", "BBB", "CCC")
    connected.run(
        f"for n, s in enumerate({symbols}):\n"
        "    ib.placeOrder(Stock(s, 'SMART', 'USD', conId=n + 1), MarketOrder('SELL', 2))"
    )
    orders = [fields[1] for fields in server.sent(ORDER, 3)]
    texts = (
        "Order rejected - reason:one",
        "Order rejected - reason:two",
        "Order rejected - reason:one",
    )
    run = during(
        connected,
        server,
        *(notice(201, text, order) for text, order in zip(texts, orders, strict=True)),
    )
    [card] = cards(run)
    flat = " ".join(card.split())
    names = [f"order {order} SELL 2 {s}" for order, s in zip(orders, symbols, strict=True)]
    assert f"3 times: {names[0]}, {names[2]}, {names[1]}" in flat
    assert f"The gateway said: Order rejected - reason:one ({names[0]}, {names[2]})" in flat
    assert f"The gateway said: Order rejected - reason:two ({names[1]})" in flat
    assert said(connected) == ""


def test_the_request_that_raises_hides_no_other(connected):
    """With `RaiseRequestErrors` one of three raises: its card names all three."""
    run = connected.run(
        "import asyncio\nib.RaiseRequestErrors = True\n"
        "await asyncio.gather(*[ib.reqContractDetailsAsync(Stock(s, 'SMART', 'USD'))\n"
        "                       for s in ('AAAQ', 'BBBQ', 'CCCQ')])"
    )
    assert run.error_name == "RequestError"
    assert len(cards(run)) == 1
    for name in ("AAAQ", "BBBQ", "CCCQ"):
        assert name in run.text
        assert name in run.html


def test_folded_rows_name_what_each_was_about(connected, server):
    """The fourth kind of notice has a row with its subject."""
    connected.run(f"ib.reqMktData({TSLA})")
    req_id = server.sent(MARKET_DATA)[0][2]
    codes = (354, 10197, 200, 10089)
    run = during(connected, server, *(notice(code, "A text.", req_id) for code in codes))
    assert len(cards(run)) == 4
    assert "1 more kind" in cards(run)[3]
    assert "TSLA" in cards(run)[3]
    assert "TSLA" in run.displays[-1]["text/html"]


def test_unknown_contract_without_a_notice_passes(connected, server):
    """The gateway answers with the end alone: the library's line is all that tells it."""

    def answer(fields):
        return ended(fields) if fields[4] == "ES" else unknown(fields)

    server.answers["9"] = answer
    run = connected.run(
        "ib.qualifyContracts(Future('ES', '202001', 'CME'), Stock('NOSUCH', 'SMART', 'USD'))"
    )
    lines = said(connected).splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Unknown contract: Future(symbol='ES'")
    assert "NOSUCH" in cards(run)[0]


def test_a_connection_of_before_loading_has_cards(plain, server):
    """It is found when ibnb is loaded, and watched from then on."""
    connect(plain, server)
    plain.run("%load_ext ibnb")
    run = plain.run("ib.qualifyContracts(Stock('NOSUCH', 'SMART', 'USD'))")
    assert "NOSUCH" in cards(run)[0]
    assert said(plain) == ""


@pytest.mark.parametrize("way", ["guard off", "thread", "asyncio.run in a thread"])
def test_connections_that_nobody_watches_keep_all_their_lines(plain, server, way):
    """Connected without the guard, or on a thread with its own loop."""
    request = "Stock('NOSUCH', 'SMART', 'USD')"
    if way == "guard off":
        plain.run("%load_ext ibnb\n")
        plain.run("%config IbMagics.guard = False")
        connect(plain, server)
    else:
        plain.run("%load_ext ibnb")
        body = (
            f"    await ib.connectAsync('127.0.0.1', {server.port}, 7)\n"
            f"    await ib.qualifyContractsAsync({request})\n"
            "    ib.disconnect()\n"
        )
        run_it = (
            "    asyncio.run(main())"
            if way.startswith("asyncio")
            else "    loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)\n"
            "    loop.run_until_complete(main()); loop.close()"
        )
        run = plain.run(
            f"import asyncio, threading\nib = IB()\nasync def main():\n{body}\n"
            f"def run():\n{run_it}\n"
            "t = threading.Thread(target=run); t.start()\n"
            "while t.is_alive(): await asyncio.sleep(0.01)"
        )
        assert run.status == "ok", run.everything
        assert "Unknown contract: Stock" in said(plain)
        assert f"{NO_SUCH}, contract: Stock" in said(plain)
        return
    run = plain.run(f"ib.qualifyContracts({request})")
    assert f"{NO_SUCH}, contract: Stock" in said(plain)
    assert "Unknown contract: Stock" in said(plain)
    assert run.displays == []


def test_two_connections_with_one_request_number_are_told_apart(connected, server):
    """Each notice names the contract of its own connection."""
    connect(connected, server, 8, "trade")
    run = connected.run(
        "import asyncio\n"
        "while ib.client.getReqId() < 1000: pass\n"
        "while trade.client.getReqId() < 1000: pass\n"
        "ib.reqContractDetails(Stock('AAAQ', 'SMART', 'USD'))\n"
        "trade.reqContractDetails(Stock('BBBQ', 'SMART', 'USD'))"
    )
    assert [fields[2] for fields in server.sent(CONTRACT_DETAILS, 2)] == ["1001", "1001"]
    assert "2 times: AAAQ, BBBQ" in cards(run)[0]


def test_lines_of_a_log_that_was_set_up_are_all_there(connected):
    """`util.logToConsole()` shows them, and the card is there as well."""
    connected.run("import logging\nutil.logToConsole(logging.WARNING)")
    run = connected.run("ib.qualifyContracts(Stock('NOSUCH', 'SMART', 'USD'))")
    connected.run("1")
    everything = run.stderr + "".join(connected.strays)
    assert "Unknown contract: Stock" in everything
    assert "Error 200" in everything
    assert "NOSUCH" in cards(run)[0]


def test_within_capture_the_card_is_the_cells(connected):
    """`%%capture` hides no card: it stands under the cell."""
    run = connected.run("%%capture out\nib.qualifyContracts(Stock('NOSUCH', 'SMART', 'USD'))")
    assert "About: NOSUCH" in cards(run)[0]
    assert said(connected) == ""


def test_while_only_a_subshell_runs_lines_pass(connected, server):
    """A cell on a subshell tells nothing of the main shell's: the next cell there does."""
    beside = connected.subshell()
    wanted = int(connected.value(COUNT)) + 1
    sent = connected.send(
        f"import time\nwhile {COUNT} < {wanted}: time.sleep(0.01)", subshell=beside
    )
    server.send(notice(354, "Requested market data is not subscribed.", 5))
    [run] = connected.collect([sent])
    assert run.displays == []
    run = connected.run("print(said.text)")
    assert "Error 354, reqId 5" in run.stdout
    assert "since the last cell" in " ".join(cards(run)[0].split())


def test_a_handler_that_raises_is_logged_as_ever(connected, server, library):
    """What the user's own code raises in a handler is the event package's to log."""
    connected.run("def wrong(*_): raise ValueError('mine')\nib.errorEvent += wrong")
    run = during(connected, server, notice(354, "Requested market data is not subscribed.", 5))
    assert "354" in cards(run)[0]
    if library == "ib_insync":
        assert "ValueError: mine" in said(connected)


def test_errors_that_were_held_back_are_told_though_cards_are_switched_off(connected, server):
    """The cell that switches `explain` off still tells what came before that."""
    run = during(
        connected,
        server,
        notice(354, "Requested market data is not subscribed.", 5),
        source="get_ipython().run_line_magic('config', 'IbMagics.explain = False')",
    )
    assert "354" in cards(run)[0]
    run = connected.run("ib.qualifyContracts(Stock('NOSUCH', 'SMART', 'USD'))")
    assert run.displays == []
    assert "Unknown contract: Stock" in said(connected)


def test_reloading_loses_nothing(connected):
    """What the reloading cell had heard is told when ibnb goes."""
    run = connected.run("ib.qualifyContracts(Stock('NOSUCH', 'SMART', 'USD'))\n%reload_ext ibnb")
    assert "About: NOSUCH" in "".join(cards(run))


def test_a_cell_that_goes_on_tells_soon(connected, server):
    """In a cell that runs all day notices are shown while it runs; at its end there is the card."""
    wanted = int(connected.value(COUNT)) + 1
    sent = connected.send(
        f"ib.client.reqCurrentTime()\nover = False\n{WAIT.format(f'{COUNT} >= {wanted}')}\n"
        "shown = get_ipython()._ibnb.cells._teller\n"
        f"{WAIT.format('shown._meanwhile is not None')}"
    )
    server.sent(49, len(server.sent(49, 0)) + 1)
    server.send(notice(354, "Requested market data is not subscribed.", 5))
    [run] = connected.collect([sent])
    assert run.status == "ok", run.everything
    meanwhile, card = cards(run)
    assert meanwhile.startswith("While this cell runs:")
    assert "354" in meanwhile
    assert "request 5" in meanwhile
    assert "About: request 5" in card
    assert {"text/plain": ""} in run.updates
    assert said(connected) == ""


def test_a_refused_request_in_a_handler_between_cells_is_told_in_the_next(connected, server):
    """Its card comes with the next cell; the event package's line passes, where it logs one."""
    connected.run("ib.errorEvent += lambda *_: ib.reqPositions()")
    between(connected, server, notice(2104, "Market data farm connection is OK:usfarm"))
    run = connected.run("1")
    assert "inside an event handler" in "".join(cards(run))
    assert "since the last cell" in "".join(cards(run))


@pytest.fixture
def held(server):
    """The server, where client IDs 1 to 3 are in use."""
    server.held |= {1, 2, 3}
    return server


NEXT_FREE = """
def get_ib(first):
    for cid in range(first, 6):
        ib = IB()
        try:
            ib.connect('127.0.0.1', {port}, clientId=cid, timeout=1); return ib
        except Exception:
            pass
"""


def test_openings_that_fail_and_are_caught_are_told(loaded, held):
    """The helper that tries the next free ID: each failure has its name, none a log line."""
    loaded.run("%config IbMagics.wait = 0.0")
    run = loaded.run(f"{NEXT_FREE.format(port=held.port)}\nib = get_ib(1)\nib.client.clientId")
    assert run.result["text/plain"] == "4", run.everything
    [rows] = cards(run)
    assert rows.startswith("Failed connects while this cell ran:")
    flat = " ".join(rows.split())
    for cid in (1, 2, 3):
        assert f"127.0.0.1:{held.port} as client ID {cid}" in flat
        assert f"127.0.0.1:{held.port} as client ID {cid}" in run.html
    assert said(loaded) == ""
    assert loaded.run("1").displays == []


def test_the_failure_that_ends_the_cell_is_told_once(loaded, held):
    """Under its traceback, and in no row beside it; one that was caught before has its row."""
    loaded.run("%config IbMagics.wait = 0.0")
    run = loaded.run(f"IB().connect('127.0.0.1', {held.port}, clientId=1)")
    assert run.error_name == "ConnectFailed"
    assert len(cards(run)) == 1
    assert "Failed connects" not in run.text
    run = loaded.run(
        f"try: IB().connect('127.0.0.1', {held.port}, clientId=1)\n"
        "except Exception: pass\n"
        f"IB().connect('127.0.0.1', {held.port}, clientId=2)"
    )
    assert run.error_name == "ConnectFailed"
    assert "as client ID 1" in cards(run)[-1]
    assert "as client ID 2" not in cards(run)[-1]


def test_openings_that_fail_between_cells_pass_and_are_told_in_the_next(loaded, held):
    """A task of the user's own fails while no cell runs: the library's lines are there too."""
    loaded.run("%config IbMagics.wait = 0.0")
    loaded.run(
        "import asyncio\nfailed = []\nasync def later():\n"
        "    await asyncio.sleep(0.5)\n"
        f"    try: await IB().connectAsync('127.0.0.1', {held.port}, clientId=1)\n"
        "    except Exception as error: failed.append(type(error).__name__)\n"
        "task = asyncio.create_task(later())"
    )
    loaded.client.execute(WAIT.format("failed"), silent=True, reply=True)
    run = loaded.run("print(said.text, failed)")
    assert "API connection failed" in run.stdout
    assert "Error 326" in run.stdout
    assert "ConnectFailed" in run.stdout
    assert cards(run)[-1].startswith("Failed connects since the last cell:")


def test_a_history_request_that_times_out_keeps_both_its_lines(connected, server):
    """That it timed out, and what the gateway says of the query that was cancelled."""
    text = "Historical Market Data Service error message:API historical data query cancelled: 3"
    server.answers["25"] = lambda fields: notice(162, text, fields[2])
    run = connected.run(
        f"bars = ib.reqHistoricalData({TSLA}, '', '1 D', '1 hour', 'TRADES', True, timeout=0.1)\n"
        f"{WAIT.format(f'{JOURNAL}.latest_of(162)')}"
    )
    assert run.status == "ok", run.everything
    lines = said(connected)
    assert "reqHistoricalData: Timeout for Stock" in lines
    assert "query cancelled" in lines


def test_notices_of_the_synchronisation_are_told_once(loaded, server):
    """What comes after ready, while the library still fetches its orders, has a card, no line."""
    server.answers["61"] = lambda _: notice(1100, "Connectivity has been lost.") + encode(62, 1)
    run = loaded.run(f"ib = IB(); ib.connect('127.0.0.1', {server.port}, 7);")
    assert run.status == "ok", run.everything
    [card] = cards(run)
    assert "1100" in card, card
    assert "\N{MULTIPLICATION SIGN}" not in card.splitlines()[0]
    assert said(loaded) == ""


def test_notices_of_a_synchronisation_that_fails_are_told(loaded, server):
    """The library gives up after ready: what the gateway had said by then is told all the same."""
    server.answers["61"] = lambda _: notice(1100, "Connectivity has been lost.") + encode(62, 1)
    server.answers["7"] = lambda _: b""
    run = loaded.run(f"ib = IB(); ib.connect('127.0.0.1', {server.port}, 7, timeout=0.5)")
    assert "1100" in "".join(cards(run))
    # ib_async goes on without the executions, ib_insync gives up.
    assert run.error_name in {"ConnectFailed", ""}


def test_the_cell_that_loads_ibnb_has_its_cards(plain, server):
    """A notebook of one cell: what comes after `%load_ext` is told under it, and no log line."""
    run = plain.run(
        f"%load_ext ibnb\nib = IB(); ib.connect('127.0.0.1', {server.port}, 7)\n"
        "ib.qualifyContracts(Stock('NOSUCH', 'SMART', 'USD'))"
    )
    assert "About: NOSUCH" in cards(run)[0]
    assert said(plain) == ""
    assert plain.run("1").displays == []


def test_a_terminal_has_cards_and_no_lines(server, library):
    """In plain IPython the same holds: each notice once, under its cell."""
    script = (
        "from IPython.terminal.interactiveshell import TerminalInteractiveShell as S\n"
        "s = S.instance()\n"
        "s.run_cell('%load_ext ibnb')\n"
        f"s.run_cell('from {library} import *')\n"
        f"s.run_cell('ib = IB(); ib.connect(\"127.0.0.1\", {server.port}, 7);')\n"
        's.run_cell(\'ib.qualifyContracts(Stock("NOSUCH", "SMART", "USD"));\')\n'
        "s.run_cell('ib.disconnect()')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("About: NOSUCH") == 1
    assert "Unknown contract" not in done.stderr
    assert "Error 200" not in done.stderr

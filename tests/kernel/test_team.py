"""A team's notebooks at one gateway, with a Redis server between them."""

import getpass
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import threading
from pathlib import PurePath

import pytest
from kernels import Notebook
from redis_server import RedisServer

from ibnb.session.client_ids.grants import gateway_scope
from ibnb.session.client_ids.keeper import GrantKeeper
from ibnb.session.client_ids.lease import new_lease
from ibnb.session.client_ids.redis_grants import RedisGrants
from ibnb.session.client_ids.shared_leases import SharedLeases
from ibnb.session.client_ids.store_url import StoreUrl
from ibnb.simulator import SimulatedGateway

SHORTER = """
from ibnb.session import counting
from ibnb.session.client_ids import keeper, redis_grants
counting.LINES_EVERY = 0.5
redis_grants.RedisGrants.__init__.__defaults__ = (2.0,)
keeper.GrantKeeper.__init__.__kwdefaults__ = {"every": 0.3, "retry": 0.3, "patience": 1.0}
"""
"""Grants end after two seconds and not thirty, so that a test need not wait for that.

And a connect is more patient than in earnest: a machine that is busy with tests may be slow.
"""
BUY = (
    "contract = Stock('AAPL', 'SMART', 'USD')\nib.qualifyContracts(contract)\n"
    "trade = ib.placeOrder(contract, LimitOrder('BUY', 1, 1.0))"
)
HAS_RIGHT = (
    "import asyncio, ibnb.app\n"
    "right = ibnb.app.the_app().notebook_leases.right\n"
    "while not right.allows_now(['U1234567']): await asyncio.sleep(0.05)"
)
IS_WRITTEN = (
    "from ibnb.app import the_app\nthe_app().notebook_leases._writer.submit(int).result(60)"
)
"""A moment after a connect it is written who has the ID."""
LOCKED = "Orders are locked"


@pytest.fixture
def server(tmp_path):
    """A Redis server."""
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def books(tmp_path, server, library):
    """Opens notebooks on machines, as their state folders are; closes them all."""
    opened = []

    def open_book(name, machine="one", url=server.url):
        state = {"IBNB_STATE_DIR": str(tmp_path / machine), "IBNB_LEASES": url}
        book = Notebook(tmp_path, path=str(tmp_path / machine / name), **state)
        opened.append(book)
        book.run(f"{SHORTER}\nfrom {library} import LimitOrder, Stock")
        run = book.run("%load_ext ibnb")
        assert run.status == "ok", run.everything
        book.said_at_load = run.stderr
        return book

    yield open_book
    for book in opened:
        book.close()


@pytest.fixture
def live():
    """A simulated gateway with a live account."""
    with SimulatedGateway(faults=["live-account"]) as gateway:
        yield gateway


def connect(book, gateway, library, options=""):
    """Connect, and return what was said."""
    run = book.run(f"%ibconnect {gateway.port} --library {library} {options}")
    assert run.status == "ok", run.everything
    return run.stdout


def orders(gateway):
    """Return how many orders came to a gateway."""
    return sum(fields[0] == "3" for _, fields in gateway.messages)


def test_the_holder_of_an_id_is_named_from_another_machine(books, gateway, library):
    """Notebook, process, host and since when; after `%ibdisconnect` nobody is."""
    first, second = books("a.ipynb", "one"), books("b.ipynb", "two")
    connect(first, gateway, library)
    assert first.run(IS_WRITTEN).status == "ok"
    (client_id,) = gateway.open_clients
    line = f"%ibconnect {gateway.port} --library {library} --client-id {client_id} --wait 0"
    run = second.run(line)
    assert f"Client ID {client_id} is held by notebook" in run.error, run.everything
    place = f"(process {first.pid} on {platform.node()}, since "
    for word in (f"one/a.ipynb of {getpass.getuser()} ", place):
        assert word in run.error
    first.run("%ibdisconnect")
    run = second.run(line)
    assert run.status == "ok", run.everything


def test_ten_notebooks_on_two_machines(books, live, library):
    """Ten IDs, no 326, and one of them trades."""
    ten = [books(f"{number // 2}.ipynb", ("one", "two")[number % 2]) for number in range(10)]
    wait = (
        "import ibnb.app, time\nfrom ibnb.session.client_ids.grants import Grant\n"
        "keeper = ibnb.app.the_app().notebook_leases.shared.keeper\n"
        "while not keeper.ask(lambda store: store.secret(), ''): time.sleep(0.05)"
    )
    for book in ten:
        assert book.run(wait).status == "ok"
    sent = [book.send(f"%ibconnect {live.port} --library {library} --trade") for book in ten]
    runs = [book.collect([one])[0] for book, one in zip(ten, sent, strict=True)]
    assert [run.status for run in runs] == ["ok"] * 10, [run.everything for run in runs]
    assert len(set(live.open_clients)) == 10
    assert live.refused_326 == 0
    trading = [book for book, run in zip(ten, runs, strict=True) if LOCKED not in run.stdout]
    assert len(trading) == 1, [run.stdout for run in runs]
    for book in ten:
        run = book.run(BUY)
        assert (run.status == "ok") == (book in trading), run.everything
    assert live.wait_for(lambda: orders(live) == 1)


def test_a_second_session_is_told_who_trades_and_follows_it(books, live, library):
    """The first one keeps the right in a rerun, and gives it back with `%ibdisconnect`."""
    first, second = books("a.ipynb", "one"), books("b.ipynb", "two")
    connect(first, live, library, "--trade")
    first.run(HAS_RIGHT)
    said = connect(second, live, library, "--trade")
    assert LOCKED in said
    assert "held by notebook" in said
    assert "one/a.ipynb" in said
    run = second.run(BUY)
    assert "OrdersLocked" in run.error, run.everything
    assert "[trading-right]" in run.error
    assert "one/a.ipynb" in run.error
    assert LOCKED not in connect(first, live, library, "--trade")
    assert first.run(BUY).status == "ok"
    assert "OrdersLocked" in second.run(BUY).error
    first.run("%ibdisconnect")
    second.run(HAS_RIGHT)
    run = second.run(BUY)
    assert run.status == "ok", run.everything
    assert live.wait_for(lambda: orders(live) == 2)


def test_a_session_that_was_stopped_for_a_while_cannot_trade(books, live, library):
    """Its right has ended, and is another's: by that the order is judged, and not sent."""
    first, second = books("a.ipynb", "one"), books("b.ipynb", "two")
    connect(first, live, library, "--trade")
    first.run(HAS_RIGHT)
    connect(second, live, library, "--trade")
    os.kill(first.pid, signal.SIGSTOP)
    try:
        assert second.run(HAS_RIGHT).status == "ok"
    finally:
        os.kill(first.pid, signal.SIGCONT)
    run = first.run("trade = ib.placeOrder(Stock('AAPL', 'SMART', 'USD', conId=265598),"
                    " LimitOrder('BUY', 1, 1.0))")  # fmt: skip
    assert "OrdersLocked" in run.error, run.everything
    assert orders(live) == 0
    assert second.run(BUY).status == "ok"


def test_who_waits_for_a_seat_gets_the_next_one(books, server, gateway, library):
    """All 32 are taken: the notebook says so, waits, and connects as soon as one is free."""
    scope = gateway_scope("127.0.0.1", gateway.port)
    held = SharedLeases(GrantKeeper(RedisGrants(StoreUrl(server.url), 600.0)), None, "elsewhere")
    seats = [new_lease("127.0.0.1", gateway.port, number, "x.ipynb") for number in range(10, 42)]
    for seat in seats:
        held.take(seat)
    book = books("a.ipynb")
    settled = (
        "import ibnb.app, time\n"
        "keeper = ibnb.app.the_app().notebook_leases.shared.keeper\n"
        "while not keeper.ask(lambda store: store.secret(), ''): time.sleep(0.05)"
    )
    assert book.run(settled).status == "ok"
    sent = book.send(f"%ibconnect {gateway.port} --library {library} --wait 120")
    asked = set()
    while len(asked) < 10:
        # Whoever waits asks again and again, and keeps its place by that.
        asked.add(server.says(f"ZRANGE ibnb:waiting:{scope} 0 -1 WITHSCORES"))
        assert gateway.open_clients == ()
    held.give_back(seats[0])
    (run,) = book.collect([sent])
    assert run.status == "ok", run.everything
    assert "All seats for API clients" in run.text
    held.close()


def test_what_two_notebooks_request_is_counted_together(books, gateway, library, server):
    """History over both, and a contract once that both stream; in a terminal, too."""
    asks = (
        f"from {library} import Stock\n"
        "a, b = (Stock(name, 'SMART', 'USD') for name in ('AAPL', '{other}'))\n"
        "ib.qualifyContracts(a, b)\n"
        "ib.reqMktData(a); ib.reqMktData(b)\n"
        "bars = ib.reqHistoricalData(a, '', '600 S', '5 secs', '{show}', False)"
    )
    for name, machine, other, show in (
        ("a.ipynb", "one", "MSFT", "TRADES"),
        ("b.ipynb", "two", "IBM", "BID_ASK"),
    ):
        book = books(name, machine)
        connect(book, gateway, library)
        run = book.run(asks.format(other=other, show=show))
        assert run.status == "ok", run.everything
    run = book.run(
        "import asyncio, ibnb.app\nshared = ibnb.app.the_app().notebook_leases.shared\n"
        f"at = '127.0.0.1', {gateway.port}\n"
        "while (shared.counts(*at).history, shared.counts(*at).lines) != (3, 3): "
        "await asyncio.sleep(0.05)"
    )
    assert run.status == "ok", run.everything
    shown = book.run("%ibhealth --team").stdout
    assert "2 of 32 seats taken" in shown
    assert "history requests in ten minutes: 3 of 60" in shown
    assert "market data lines: 3" in shown
    ended = subprocess.run(
        [sys.executable, "-m", "ibnb", "team", "--json"],
        env={**book.environment, "IBNB_LEASES": server.url},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (found,) = json.loads(ended.stdout)["gateways"]
    assert (found["history"]["used"], found["lines"]["used"]) == (3, 3)
    assert {PurePath(one["notebook"]).name for one in found["leases"]} == {"a.ipynb", "b.ipynb"}
    evidence = book.run("%ibdiag --only session.pacing net.clients --static")
    assert "All sessions of the team" in evidence.everything
    assert "2 seats of the team" in evidence.everything


ASK = (
    "from {library} import Stock\ncontract = Stock('AAPL', 'SMART', 'USD')\n"
    "ib.qualifyContracts(contract)\n"
    "bars = ib.reqHistoricalData(contract, '', '600 S', '5 secs', 'TRADES', False)\n"
)
AT_THE_LIMIT = "Historical requests at 127.0.0.1"


def test_a_paced_request_waits_for_its_turn_over_all_notebooks(books, gateway, library):
    """What one notebook has asked, another asks only after a while, and says that it waits."""
    both = books("a.ipynb", "one"), books("b.ipynb", "two")
    for book in both:
        book.run("%config IbMagics.paced = True")
        connect(book, gateway, library)
    for book in both:
        run = book.run(ASK.format(library=library) + "print(len(bars))")
        assert run.status == "ok", run.everything
        assert (AT_THE_LIMIT in run.text) == (book is both[1]), run.text
        assert "120" in run.stdout
    run = book.run(
        "import asyncio, ibnb.app\nshared = ibnb.app.the_app().notebook_leases.shared\n"
        f"at = '127.0.0.1', {gateway.port}\n"
        "app = ibnb.app.the_app()\nawait asyncio.to_thread(app._counting.tell)\n"
        "print(shared.counts(*at).history)"
    )
    assert "2" in run.stdout, run.everything


def test_a_paced_request_waits_without_a_team_too(notebook, gateway, library):
    """By what this kernel has sent; only if it is set, and from the moment that it is."""
    notebook.run("%load_ext ibnb")
    notebook.run("from ibnb.session.client_ids import counts\ncounts.IDENTICAL_SECONDS = 5.0")
    connect(notebook, gateway, library)
    for line, waits in (("1", False), ("%config IbMagics.paced = True", True)):
        notebook.run(line)
        asked = notebook.run(ASK.format(library=library) * 2)
        assert asked.status == "ok", asked.everything
        assert (AT_THE_LIMIT in asked.text) == waits, asked.text


PENDING = """
import asyncio
from {library} import Stock
contracts = [Stock(name, 'SMART', 'USD') for name in ('AAPL', 'MSFT', 'IBM', 'AMZN')]
ib.qualifyContracts(*contracts)
asked = [
    asyncio.ensure_future(
        ib.reqHistoricalDataAsync(one, '', '10 D', '1 day', 'TRADES', False, keepUpToDate=False)
    )
    for one in contracts
]
"""
OPEN_NOW = """
import asyncio, ibnb.app
shared = ibnb.app.the_app().notebook_leases.shared
while (found := shared.counts('127.0.0.1', {port})) is None or found.open != {count}:
    await asyncio.sleep(0.05)
"""


def test_what_is_open_is_counted_until_it_is_over(books, gateway, library):
    """Long bars, too: given back when they are answered or cancelled, and with their connection."""
    gateway.on("reqHistoricalData", silent=True)
    first, second = books("a.ipynb", "one"), books("b.ipynb", "two")

    def wait_for(count):
        run = second.run(OPEN_NOW.format(port=gateway.port, count=count))
        assert run.status == "ok", run.everything

    for book in (first, second):
        connect(book, gateway, library)
    assert first.run(PENDING.format(library=library)).status == "ok"
    assert second.run(PENDING.format(library=library)).status == "ok"
    wait_for(8)
    assert "history requests open now: 8 of 50" in second.run("%ibhealth --team").stdout
    asked = gateway.requests("reqHistoricalData")
    # What the user does not wait for any more is answered still.
    first.run("asked[0].cancel()")
    wait_for(8)
    first.run(f"ib.client.cancelHistoricalData({asked[1].req_id})")
    wait_for(7)
    gateway.drop(asked[0].client_id)
    wait_for(4)
    second.run("%ibdisconnect")
    wait_for(0)


def test_what_a_killed_kernel_had_open_is_given_back(books, gateway, library):
    """After its time, as its seat is."""
    gateway.on("reqHistoricalData", silent=True)
    first, second = books("a.ipynb", "one"), books("b.ipynb", "two")
    for book in (first, second):
        connect(book, gateway, library)
    assert first.run(PENDING.format(library=library)).status == "ok"
    assert second.run(OPEN_NOW.format(port=gateway.port, count=4)).status == "ok"
    os.kill(first.pid, signal.SIGKILL)
    run = second.run(OPEN_NOW.format(port=gateway.port, count=0))
    assert run.status == "ok", run.everything


AT_ONCE = """
import asyncio
from {library} import Stock
contract = Stock('AAPL', 'SMART', 'USD')
ib.qualifyContracts(contract)
found = await asyncio.gather(*(
    ib.reqHistoricalDataAsync(contract, '', f'{{number}} {unit}', '{size}', 'TRADES', False)
    for number in range({begin}, {begin} + {count})
))
print(sum(map(bool, found)), "answered")
"""


@pytest.mark.parametrize(
    ("fault", "asked"),
    [
        ("history-open", {"count": 35, "unit": "D", "size": "1 day"}),
        ("history-pacing", {"count": 6, "unit": "S", "size": "5 secs"}),
    ],
)
def test_many_paced_requests_at_once(books, library, fault, asked):
    """Two notebooks have no more than 50 open together, and send five of one contract at once."""
    with SimulatedGateway(faults=[fault]) as gateway:
        both = books("a.ipynb", "one"), books("b.ipynb", "two")
        for book in both:
            book.run("%config IbMagics.paced = True")
            connect(book, gateway, library)
        sent = [
            book.send(AT_ONCE.format(library=library, begin=begin, **asked))
            for book, begin in zip(both, (60, 120), strict=True)
        ]
        for book, one in zip(both, sent, strict=True):
            (run,) = book.collect([one])
            assert run.status == "ok", run.everything
            assert f"{asked['count']} answered" in run.stdout, run.everything


def test_many_paced_requests_without_a_team_share_one_line(notebook, library):
    """Counted by what this kernel has open and has sent; the line says how many wait."""
    asked = {"library": library, "begin": 60}
    with SimulatedGateway(faults=["history-open", "history-pacing"]) as gateway:
        notebook.run("%load_ext ibnb")
        notebook.run("%config IbMagics.paced = True")
        connect(notebook, gateway, library)
        run = notebook.run(AT_ONCE.format(count=70, unit="D", size="1 day", **asked))
        assert "70 answered" in run.stdout, run.everything
        run = notebook.run(AT_ONCE.format(count=16, unit="S", size="5 secs", **asked))
        assert "16 answered" in run.stdout, run.everything
        lines = [one for one in run.displays if AT_THE_LIMIT in one["text/plain"]]
        assert len(lines) == 1
        assert "5 for one contract were sent within 2 s" in lines[0]["text/plain"]
        assert "more wait)" in lines[0]["text/plain"]


def test_the_same_requests_are_refused_unless_they_are_paced(books, library):
    """And are explained as what they are."""
    with SimulatedGateway(faults=["history-open:10"]) as gateway:
        book = books("a.ipynb")
        connect(book, gateway, library)
        words = {"library": library, "unit": "D", "size": "1 day", "count": 60, "begin": 60}
        run = book.run(AT_ONCE.format(**words))
        assert "60 answered" not in run.stdout, run.everything
        assert "Too many historical requests are open at once" in run.text


def everything_in(server, password):
    """Return all keys and values of a server as one text, and how many keys there are."""
    import redis

    client = redis.Redis(port=server.port, password=password, decode_responses=True)
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1, withscores=True),
    }
    kept = {key: read[client.type(key)](key) for key in client.scan_iter(count=1000)}
    return repr(kept), len(kept)


class Monitor:
    """Hears every command that a server is given."""

    def __init__(self, server, password):
        self._sock = socket.create_connection(("127.0.0.1", server.port))
        self._sock.sendall(f"AUTH {password}\r\nMONITOR\r\n".encode())
        self.heard = b""
        self._thread = threading.Thread(target=self._hear)
        self._thread.start()

    def _hear(self):
        while data := self._sock.recv(65536):
            self.heard += data

    def end(self):
        """Return all that was heard."""
        self._sock.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._sock.close()
        return self.heard.decode()


LOGGING = """
import logging
handler = logging.FileHandler({path!r})
for name in ('ibnb', 'redis'):
    logging.getLogger(name).addHandler(handler)
    logging.getLogger(name).setLevel(logging.DEBUG)
"""
BUSY = """
from {library} import Stock, LimitOrder
contract = Stock('AAPL', 'SMART', 'USD')
ib.qualifyContracts(contract)
ib.reqMktData(contract)
ib.reqAccountUpdates('{account}')
ib.reqPnL('{account}')
bars = ib.reqHistoricalData(contract, '', '600 S', '5 secs', 'TRADES', False, keepUpToDate=True)
trade = ib.placeOrder(contract, LimitOrder('BUY', 1, 1.0, account='{account}'))
import asyncio, ibnb.app
leases = ibnb.app.the_app().notebook_leases
while True:
    found = leases.shared.counts('127.0.0.1', {port})
    if found is not None and (found.open, found.lines, found.history) == (1, 1, 1):
        break
    await asyncio.sleep(0.05)
print(*(one.token for one in leases.shared.keeper.wanted))
"""


def test_nothing_secret_is_in_the_store_or_in_the_log(books, tmp_path, library):
    """After a busy session: no account, password or token in keys, values, commands and log."""
    account, password = "U9081726", "right-horse-4711"
    folder = tmp_path / "secured"
    folder.mkdir()
    server = RedisServer(folder, "--requirepass", password)
    try:
        monitor = Monitor(server, password)
        with SimulatedGateway() as live:
            live.accounts([account])
            url = f"redis://:{password}@127.0.0.1:{server.port}/0"
            book = books(f"{account} plan.ipynb", url=url)
            book.run(LOGGING.format(path=str(tmp_path / "log")))
            book.run("%config IbMagics.paced = True")
            connect(book, live, library, "--trade")
            book.run(HAS_RIGHT.replace("U1234567", account))
            run = book.run(BUSY.format(library=library, account=account, port=live.port))
            assert run.status == "ok", run.everything
            tokens = run.stdout.split()
            other = books("b.ipynb", "two", url=url)
            other.run(f"%ibconnect {live.port} --library {library} --trade")
            shown = other.run("%ibhealth --team").text + other.run("%ibdiag").everything
            kept, keys = everything_in(server, password)
            live.drop()
            book.run("%ibconnect --resume")
        heard = monitor.end()
    finally:
        server.kill()
    log = (tmp_path / "log").read_text()
    # What is looked through is what there is to look through.
    assert keys > 10
    assert all(what in kept for what in ("ibnb:open:", "ibnb:history:", "ibnb:grant:trading:"))
    assert heard.count("EVALSHA") > 20
    assert log
    assert len(tokens) == 2
    for secret in (account, account[1:], password):
        for text in (kept, heard, log, shown):
            assert secret not in text
    for token in tokens:
        for text in (kept, log, shown):
            assert token not in text


def test_without_the_server_notebooks_go_on(books, server, gateway, library):
    """Connected as with no store, with one line that says so; then the server is back."""
    server.kill()
    book = books("a.ipynb")
    run = book.run(f"%ibconnect {gateway.port} --library {library}")
    assert run.status == "ok", run.everything
    again = book.run(f"%ibconnect {gateway.port} --library {library}")
    assert again.status == "ok", again.everything
    lines = [book.said_at_load, *book.strays, run.stderr, again.stderr, book.run("1").stderr]
    assert "".join(lines).count("does not answer") == 1, lines
    server.start()
    book.run(
        "import asyncio, ibnb.app\nshared = ibnb.app.the_app().notebook_leases.shared\n"
        f"while not shared.seats('127.0.0.1', {gateway.port}): await asyncio.sleep(0.05)"
    )
    other = books("b.ipynb", "two")
    connect(other, gateway, library)
    assert len(set(gateway.open_clients)) == 2

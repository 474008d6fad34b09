"""Advice that fits its evidence: what cards, errors and reports tell to do, in real kernels."""

from __future__ import annotations

import re
import socket
import time

import pytest
from notice_server import NoticeServer, encode, notice

from ibnb.simulator import SimulatedGateway
from ibnb.simulator.process import start_simulator

LIMIT = "LimitOrder('BUY', 1, 1.0)"
TESLA = "Stock('TSLA', 'SMART', 'USD', conId=1)"
PLACE = f"trade = ib.placeOrder({TESLA}, {LIMIT})"
HEARD = (
    "import asyncio\n"
    "heard = asyncio.Event()\n"
    "ib.errorEvent += lambda req_id, code, *rest: code == {code} and heard.set()"
)
WAIT = "await asyncio.wait_for(heard.wait(), 20)"


def card(run):
    """Return the first card of a cell as text on one line."""
    text = next(one["text/plain"] for one in run.displays if "text/html" in one)
    return " ".join(text.split())


def steps(run):
    """Return what the one card of a cell tells to do."""
    return card(run).partition("What to do")[2].partition("What to check")[0]


@pytest.fixture
def refused_port():
    """A port that is taken, and on which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield sock.getsockname()[1]


def test_the_way_to_unlock_names_this_target(notebook, library):
    """An order on a locked live account: this port, what was expected, and the account's lock."""
    with SimulatedGateway(faults=["live-account"]) as gateway:
        notebook.run("%load_ext ibnb")
        target = f"{gateway.port} --expect live"
        notebook.run(f"%ibconnect {target} --library {library}")
        notebook.run(f"from {library} import Stock, LimitOrder")
        run = notebook.run(PLACE)
    assert run.error_name == "OrdersLocked"
    command = f"%ibconnect {gateway.port} --library {library} --expect live --trade"
    assert command in steps(run)
    assert "%ibconnect live" not in run.everything
    answer = "Which account is this session connected to, and are its orders locked?"
    assert re.search(
        re.escape(answer) + r" ▲ Warning: U\w*•••567 \(live\), orders locked\.", card(run)
    )


def test_a_stale_ib_while_the_session_is_open(connected, gateway, library):
    """The open one is named; nobody is told to replace it."""
    connected.run("old = ib")
    connected.run(f"%ibconnect {gateway.port} --library {library}", "connecting")
    run = connected.run("old.reqPositions()")
    assert run.error_name == "StaleConnection"
    assert f"Use the connection that is open, ib (127.0.0.1:{gateway.port} as" in steps(run)
    assert "%ibconnect" not in steps(run)
    assert "First: Use the connection that is open, ib" in run.error
    assert "Which connection is open now? ✓ OK: Connected to" in card(run)


def test_after_disconnecting(connected, gateway):
    """No talk of a lost socket that comes back by itself, and no ✓ on what is closed."""
    connected.run("%ibdisconnect")
    run = connected.run("ib.reqPositions()")
    assert f"Open it again: %ibconnect {gateway.port}" in steps(run)
    assert not re.search("resume|lost|auto_resume", steps(run))
    assert re.search(
        r"session open, and if not, when did it end\? ✗ Failed: .* closed since", card(run)
    )


def test_where_nothing_listens(notebook, refused_port, library):
    """The command that just failed is not advised; the simulated gateway is, at last."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {refused_port} --library {library}")
    told = steps(run)
    assert not re.search(rf"%ibconnect(?! sim)|{refused_port}", told)
    assert "%ibconnect sim opens a simulated one." in told
    assert "`ibnb" not in run.everything
    assert "Start TWS or IB Gateway" in run.error


def test_a_simulated_gateway_that_refuses(notebook, library):
    """Under `%ibconnect` nobody is told to connect with `%ibconnect` or to load ibnb."""
    with SimulatedGateway(faults=["id-held"]) as gateway:
        notebook.run("%load_ext ibnb")
        run = notebook.run(f"%ibconnect {gateway.port} --library {library} --wait 0")
    assert run.error_name == "ConnectFailed"
    assert "326" in run.error
    assert not re.search(r"%load_ext|connect with %ibconnect", steps(run))
    assert f"%ibconnect {gateway.port} --library {library} --client-id auto" in steps(run)


def test_a_simulator_of_another_notebook_is_no_gateway(notebook, refused_port):
    """It is told as what it is, and nobody is sent there before a gateway is started."""
    simulator = start_simulator()
    try:
        notebook.run("%load_ext ibnb")
        run = notebook.run(f"%ibdiag {refused_port} --static")
    finally:
        simulator.stop()
    text = " ".join(run.text.split())
    assert "No TWS or Gateway process was found on this machine. Simulated ones run: sim" in text
    first = text.partition("Do this first")[2].partition("Checks:")[0]
    assert f"%ibconnect {simulator.port}" not in text
    assert "Start TWS or IB Gateway" in first
    assert "%ibdiag" not in first
    assert first.index("Start TWS") < first.index("%ibconnect sim")


@pytest.mark.parametrize("code", [161, 10147, 10148, 202])
def test_what_answers_a_cancel_is_told_of_the_cancel(notebook, library, code):
    """The card shows the cancel and a call that cancels, and which order it was for."""
    with NoticeServer({"4": lambda fields: notice(code, "No.", fields[2])}) as server:
        notebook.run("%load_ext ibnb")
        notebook.run(f"%ibconnect {server.port} --library {library} --timeout 2")
        notebook.run(f"from {library} import Stock, LimitOrder")
        notebook.run(HEARD.format(code=code))
        notebook.run(f"{PLACE}; number = trade.order.orderId")
        run = notebook.run(f"ib.cancelOrder(trade.order)\n{WAIT}")
        if code == 202:
            run = notebook.run("%iberror 202")
        number = notebook.value("number")
    assert run.status == "ok", run.everything
    assert "It answers cancelOrder, sent at" in card(run)
    assert f"The order was BUY 1 TSLA, order ID {number}, sent at" in card(run)
    assert "The request: cancelOrder" in card(run)
    assert "ib.cancelOrder(trade.order)" in card(run)
    assert "whatIfOrder" not in card(run)


def test_an_order_that_the_exchange_cancelled(notebook, library):
    """Without a cancel of one's own, a 202 belongs to the order."""
    with NoticeServer({"3": lambda fields: notice(202, "Order Canceled", fields[1])}) as server:
        notebook.run("%load_ext ibnb")
        notebook.run(f"%ibconnect {server.port} --library {library} --timeout 2")
        notebook.run(f"from {library} import Stock, LimitOrder")
        notebook.run(HEARD.format(code=202))
        notebook.run(f"{PLACE}\n{WAIT}")
        run = notebook.run("%iberror 202")
    assert "It answers placeOrder, sent at" in card(run)


def once_a_second():
    """Return what answers the time at most once a second."""
    answered = [float("-inf")]

    def answer(_fields):
        now = time.monotonic()
        if now - answered[-1] < 1:
            return b""
        answered.append(now)
        return encode(49, 1, 1_800_000_000)

    return answer


@pytest.mark.parametrize("connecting", ["%ibconnect {port} --library {library}", "RAW"])
def test_the_clock_of_a_gateway_that_tells_it_once_a_second(notebook, library, connecting):
    """Diagnosing first, or asking twice, leaves no request of the user's without its answer."""
    raw = f"from {library} import IB; ib = IB(); ib.connect('127.0.0.1', {{port}}, 7)"
    connect = (raw if connecting == "RAW" else connecting).format
    with NoticeServer({"49": once_a_second()}) as server:
        notebook.run("%load_ext ibnb")
        runs = notebook.run_all(
            [
                connect(port=server.port, library=library),
                "%ibdiag --static",
                "print(ib.reqCurrentTime())",
                "print(ib.reqCurrentTime(), ib.reqCurrentTime())",
            ]
        )
    assert [run.status for run in runs] == ["ok"] * 4, runs[-1].everything
    assert runs[2].stdout.count("2027-01-15") == 1
    assert runs[3].stdout.count("2027-01-15") == 2


def test_a_historical_request_that_ran_out_of_time(notebook, library):
    """The library's own cancel is told as that, on the page of a request without an answer."""
    text = "Historical Market Data Service error message:API historical data query cancelled: 3"
    with NoticeServer({"25": lambda fields: notice(162, text, fields[2])}) as server:
        notebook.run("%load_ext ibnb")
        notebook.run(f"%ibconnect {server.port} --library {library} --timeout 2")
        notebook.run(f"from {library} import Stock")
        notebook.run(HEARD.format(code=162))
        run = notebook.run(
            f"asked = ({TESLA}, '', '1 D', '1 hour', 'TRADES', True)\n"
            f"bars = ib.reqHistoricalData(*asked, timeout=1)\n{WAIT}\nprint(len(bars))"
        )
    assert run.stdout == "0\n"
    assert "A request was never answered" in card(run)
    assert "No answer came in 1 s. The library then cancelled the request itself" in card(run)
    assert "It is about reqHistoricalData" in card(run)
    assert "whatToShow = 'TRADES'" in card(run)
    assert "timeout=120" in steps(run)


def test_a_historical_request_that_the_user_cancelled(notebook, library):
    """His own cancel is no trouble, and has no card."""
    text = "Historical Market Data Service error message:API historical data query cancelled: 3"
    with NoticeServer({"25": lambda fields: notice(162, text, fields[2])}) as server:
        notebook.run("%load_ext ibnb")
        notebook.run(f"%ibconnect {server.port} --library {library} --timeout 2")
        notebook.run(HEARD.format(code=162))
        run = notebook.run(f"ib.client.cancelHistoricalData(3)\n{WAIT}")
    assert run.status == "ok"
    assert run.displays == []


def test_an_order_that_the_library_takes_for_done(connected):
    """The AssertionError has its page, which says that the order was sent all the same."""
    connected.run(f"{PLACE}; trade.orderStatus.status = 'Cancelled'")
    run = connected.run(f"ib.placeOrder({TESLA}, trade.order)")
    assert run.error_name == "AssertionError"
    assert "The library takes this order for done" in card(run)
    assert "had sent the order to the gateway before it refused" in card(run)
    assert "another Order object" in steps(run)


def test_a_blocking_call_in_a_handler_hangs_nothing(connected):
    """So the first step is how to ask from a handler, and not to interrupt the kernel."""
    connected.run(
        "import asyncio\n"
        "came = asyncio.Event()\n"
        "def handler(*args):\n"
        "    ib.updateEvent -= handler\n"
        "    came.set()\n"
        f"    ib.reqContractDetails({TESLA})\n"
        "ib.updateEvent += handler\n"
    )
    run = connected.run("ib.reqCurrentTime()\nawait asyncio.wait_for(came.wait(), 20)")
    told = steps(run)
    assert "async def" in told.partition("2.")[0]
    assert "nterrupt" not in told


def test_a_blocking_call_on_a_thread_hangs_nothing(connected):
    """The same for threads: the first step is how to ask without one."""
    connected.run("from concurrent.futures import ThreadPoolExecutor")
    run = connected.run("ThreadPoolExecutor(1).submit(ib.reqPositions).result()")
    assert run.error_name == "BlockingOnThread"
    assert "asyncio.gather" in steps(run).partition("2.")[0]
    assert "First: Ask for several things at once without threads" in run.error
    assert "nterrupt" not in run.everything

"""A resume is not half done: what bots, handlers and subscriptions see of it, at a slow gateway.

Orders and requests are counted at a gateway that has no code of ibnb. `IBNB_CHAOS=100` takes the
bots through so many resumes, with answers up to nine seconds late; without it they are a few.
"""

from __future__ import annotations

import os
import random

import pytest
from bare_gateway import BareGateway
from bare_messages import (
    ACCOUNT,
    ACCOUNT_SUMMARY,
    CANCEL_MARKET_DATA,
    CURRENT_TIME,
    MARKET_DATA,
)

RESUMES = int(os.environ.get("IBNB_CHAOS", "3"))
LATEST = 9.0 if "IBNB_CHAOS" in os.environ else 0.4
PREPARE = """
from LIBRARY import *
import asyncio, ibnb.session.reconnect.reconnector as r
r.DELAYS, r.LATER_DELAY = (0.05,), 0.1
stock = Stock('SPY', 'SMART', 'USD', conId=756733)
failed, fired = [], []

def buy(symbol, quantity=1):
    contract = Stock(symbol, 'SMART', 'USD', conId=7)
    try: return ib.placeOrder(contract, LimitOrder('BUY', quantity, 1))
    except Exception as error: failed.append(type(error).__name__)

async def back(opened):
    # What the user's code sees is not asked here: it may be open, and not be back yet.
    while not (len(losses()) >= opened and state() in ('ready', 'degraded')):
        await asyncio.sleep(0.01)

from ibnb.app import current_app
known = {}
def state(): return current_app().session.connection.state
def losses():
    # The last ones are kept alone.
    known.update((loss.time, loss) for loss in current_app().session.losses)
    return list(known.values())
"""
BOTS = {
    "buys when flat": (
        "async def bot():\n"
        "    while True:\n"
        "        await asyncio.sleep(0.01)\n"
        "        if ib.isConnected() and not ib.positions(): buy('FLAT')"
    ),
    "buys when its portfolio is empty": (
        "async def bot():\n"
        "    while True:\n"
        "        await asyncio.sleep(0.01)\n"
        "        if ib.isConnected() and not ib.portfolio(): buy('FLAT')"
    ),
    "keeps one working order": (
        "async def bot():\n"
        "    while True:\n"
        "        await asyncio.sleep(0.01)\n"
        "        if ib.isConnected() and not ib.openTrades(): buy('WORKING')"
    ),
    "hedges on Submitted": (
        "def hedge(trade):\n"
        "    if trade.orderStatus.status == 'Submitted' and trade.contract.symbol == 'FIRST':\n"
        "        buy('HEDGE')\n"
        "ib.orderStatusEvent += hedge\n"
        "async def bot(): buy('FIRST')"
    ),
    "counts positions as they are told": (
        "ib.positionEvent += lambda position: buy('TOLD')\nasync def bot(): pass"
    ),
}
ORDERS = {"keeps one working order": ["WORKING"], "hedges on Submitted": ["FIRST", "HEDGE"]}


@pytest.fixture
def notebook_at(notebook, library):
    """Connect a notebook to a gateway; return what runs a cell that has to work."""

    def connect(gateway, options=""):
        notebook.run("%load_ext ibnb")
        run(f"%ibconnect {gateway.port} --library {library} {options}")
        run(PREPARE.replace("LIBRARY", library))
        return run

    def run(source):
        done = notebook.run(source)
        assert done.status == "ok", done.everything
        return done

    run.value = notebook.value
    return connect


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("latest", [0.0, LATEST])
@pytest.mark.parametrize("bot", BOTS)
def test_no_bot_orders_for_a_resume(notebook_at, bot, latest):
    """Some resumes, answers at once or late: no order more, and none that is missing after it."""
    chance = random.Random(1)  # noqa: S311 -- no secret
    with BareGateway(positions={"AAPL": 5, "MSFT": 2}) as gateway:
        run = notebook_at(gateway)
        run(f"{BOTS[bot]}\ntask = asyncio.ensure_future(bot()); await asyncio.sleep(0.2)")
        expected = ORDERS.get(bot, [])
        gateway.wait_for_orders(len(expected))
        for number in range(1, RESUMES + 1):
            gateway.sync_delay = chance.uniform(0.0, latest)
            gateway.drop()
            run(f"await asyncio.wait_for(back({number}), 60); await asyncio.sleep(0.2)")
        assert [order.symbol for order in gateway.orders] == expected
        run("buy('AFTER')")
        gateway.wait_for_orders(len(expected) + 1)


def test_what_was_known_stays_in_sight(notebook_at):
    """Nothing looks empty or half there, and the trades are the same objects before and after."""
    with BareGateway(positions={"AAPL": 5, "MSFT": 2}) as gateway:
        run = notebook_at(gateway)
        run("mine = buy('MINE')")
        gateway.wait_for_orders(1)
        run("while mine.orderStatus.status != 'Submitted': await asyncio.sleep(0.01)")
        run(
            "seen, same = set(), set()\n"
            "async def look():\n"
            "    while True:\n"
            "        await asyncio.sleep(0.005)\n"
            "        seen.add((len(ib.positions()), len(ib.portfolio()), len(ib.openTrades())))\n"
            "        same.add(ib.openTrades()[:1] == [mine])\n"
            "task = asyncio.ensure_future(look())"
        )
        gateway.sync_delay = 0.3
        gateway.positions = {"AAPL": 5, "MSFT": 2, "TSLA": 1}
        gateway.drop()
        run("await asyncio.wait_for(back(1), 30); await asyncio.sleep(0.1); task.cancel()")
        assert run.value("sorted(seen)") == "[(2, 2, 1), (3, 3, 1)]"
        assert run.value("same") == "{True}"


def test_orders_wait_for_the_end_of_a_resume(notebook_at):
    """An order while it synchronises raises an error that says so; none is sent."""
    with BareGateway(positions={"AAPL": 5}) as gateway:
        run = notebook_at(gateway)
        gateway.sync_delay = 0.5
        gateway.drop()
        said = run(
            "while state() != 'resuming' or not ib.isConnected(): await asyncio.sleep(0.01)\n"
            "try: ib.placeOrder(stock, LimitOrder('BUY', 1, 1))\n"
            "except ConnectionError as error: print(type(error).__name__, error)"
        )
        assert said.stdout.startswith("ConnectFailed"), said.everything
        assert "Try again in a moment" in said.stdout
        run("await asyncio.wait_for(back(1), 30)")
        assert gateway.orders == []


def test_new_orders_have_numbers_above_all_that_are_known(notebook_at):
    """The gateway counts from 1 again after its restart: no number is used twice."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run("for number in range(3): buy('OLD')")
        gateway.wait_for_orders(3)
        gateway.first_id = 1
        gateway.drop()
        run("await asyncio.wait_for(back(1), 30); buy('NEW')")
        gateway.wait_for_orders(4)
        numbers = [order.order_id for order in gateway.orders]
        assert len(set(numbers)) == 4
        assert numbers == sorted(numbers)
        assert run.value("failed") == "[]"


def test_the_portfolio_of_the_account_that_was_followed(notebook_at):
    """Of two accounts the one that `reqAccountUpdates` was for is followed again."""
    accounts = {"DU1234567": {"AAPL": 1}, "DU7654321": {"MSFT": 2}}
    with BareGateway(accounts=",".join(accounts), positions=accounts) as gateway:
        run = notebook_at(gateway)
        run("ib.reqAccountUpdates('DU7654321')")
        assert run.value("[one.account for one in ib.portfolio()]") == "['DU7654321']"
        gateway.drop()
        run("await asyncio.wait_for(back(1), 30)")
        assert run.value("[one.account for one in ib.portfolio()]") == "['DU7654321']"
        assert [fields[2:4] for fields in gateway.frames(ACCOUNT)] == [["1", "DU7654321"]] * 2


def test_the_account_summary_survives_two_losses(notebook_at):
    """A second loss before its first answer loses nothing."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run("ib.accountSummary()")
        gateway.unanswered = {ACCOUNT_SUMMARY}
        gateway.drop()
        run("while state() != 'resuming' or not ib.isConnected(): await asyncio.sleep(0.01)")
        gateway.unanswered = set()
        gateway.drop()
        run("await asyncio.wait_for(back(1), 30)")
        assert run.value("[one.value for one in ib.accountSummary()]") == "['1000']"


def test_what_is_cancelled_while_lost_stays_cancelled(notebook_at):
    """`cancelMktData` raises nothing then, and the resume asks for the others alone."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run("%config IbMagics.auto_resume = False")
        run(
            "other = Stock('AAPL', 'SMART', 'USD', conId=265598)\n"
            "ib.reqMktData(stock); kept = ib.reqMktData(other)"
        )
        gateway.wait_for_frames(MARKET_DATA, 2)
        gateway.drop()
        run("while state() != 'lost': await asyncio.sleep(0.01)\nib.cancelMktData(stock)")
        run("%ibconnect --resume")
        gateway.wait_for_frames(MARKET_DATA, 3)
        run("await asyncio.sleep(0.2)")
        assert [fields[4] for fields in gateway.frames(MARKET_DATA)] == ["SPY", "AAPL", "AAPL"]
        assert gateway.frames(CANCEL_MARKET_DATA) == []


@pytest.mark.parametrize("handler", ["def", "async def"])
def test_a_handler_that_subscribes_when_connected_asks_alone(notebook_at, handler):
    """What it asks for itself the resume does not ask for, too: one subscription is left."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run(
            f"{handler} subscribe(): ib.reqMktData(stock)\n"
            "ib.connectedEvent += subscribe\nib.reqMktData(stock)"
        )
        gateway.wait_for_frames(MARKET_DATA)
        gateway.drop()
        run("await asyncio.wait_for(back(1), 30); await asyncio.sleep(0.3)")
        [session] = [one for one in gateway.sessions if one.client_id in gateway.open_clients][-1:]
        assert list(session.subscriptions.values()) == ["SPY"]
        run("ib.cancelMktData(stock)")
        gateway.wait_for(lambda: not session.subscriptions)


def test_the_watch_on_silence_goes_on(notebook_at):
    """`ib.setTimeout` fires again after a resume."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run("ib.timeoutEvent += lambda idle: fired.append(idle)\nib.setTimeout(0.3)")
        run("while not fired: await asyncio.sleep(0.01)")
        run("ib.setTimeout(0.3)")
        gateway.drop()
        run("await asyncio.wait_for(back(1), 30); fired.clear()")
        run("while not fired: await asyncio.sleep(0.01)")


def test_no_tick_is_delivered_twice(notebook_at):
    """The last batch before the loss does not come again with the first after it."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run(
            "seen = []\n"
            "def note(tickers): seen.extend(k.price for one in tickers for k in one.ticks)\n"
            "ib.pendingTickersEvent += note\n"
            "ib.reqMktData(stock)\nwhile not seen: await asyncio.sleep(0.01)"
        )
        for number in range(1, 3):
            gateway.drop()
            run(f"count = len(seen); await asyncio.wait_for(back({number}), 30)")
            run("while len(seen) <= count: await asyncio.sleep(0.01)")
        run("await asyncio.sleep(0.3)")
        # Three for each of three requests: the gateway sends no more.
        assert run.value("len(seen)") == "9"


def test_what_the_gateway_did_meanwhile_is_told(notebook_at):
    """An order that ended while nobody was connected is in the line of the resume."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run("%config IbMagics.auto_resume = False\nmine = buy('MINE')")
        gateway.wait_for_orders(1)
        run("while mine.orderStatus.status != 'Submitted': await asyncio.sleep(0.01)")
        gateway.drop()
        run("while state() != 'lost': await asyncio.sleep(0.01)")
        gateway.forget_orders()
        said = run("%ibconnect --resume")
        assert "is not among the gateway's orders any more" in said.stdout


def test_data_is_asked_for_again_after_1101(notebook_at):
    """The gateway lost its link and its subscriptions, and no socket: the same ticker goes on."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run("ticker = ib.reqMktData(stock)\nwhile not ticker.last > 0: await asyncio.sleep(0.01)")
        before = run.value("ticker.last")
        gateway.notice(1100, "Connectivity between IBKR and TWS has been lost.")
        gateway.notice(1101, "Connectivity has been restored - data lost.")
        gateway.wait_for_frames(MARKET_DATA, 2)
        run(f"while ticker.last == {before}: await asyncio.sleep(0.01)")
        assert gateway.opened == 1
        numbers = [fields[2] for fields in gateway.frames(MARKET_DATA)]
        assert len(set(numbers)) == 1


def test_a_half_open_connection_is_found_and_resumed(notebook_at):
    """The gateway says nothing any more on an open socket: it is given up, and opened again."""
    with BareGateway() as gateway:
        run = notebook_at(gateway)
        run(
            "import ibnb.session.reconnect.heartbeat as p\n"
            "r.LISTEN, r.QUIET, p.APART = 0.1, 0.2, 0.2\n"
            "current_app().session.reconnector.begin(current_app().session.connection)"
        )
        gateway.unanswered = {CURRENT_TIME}
        run("await asyncio.wait_for(back(1), 30)")
        assert "stopped responding" in run.value("losses()[0].reason")
        assert gateway.opened == 2


def test_a_diagnosis_takes_part_in_a_resume(notebook_at):
    """It opens no second socket, asks for the next try, and does not blame the client ID."""
    with BareGateway(sync_delay=0.3) as gateway:
        run = notebook_at(gateway)
        run("r.DELAYS, r.LATER_DELAY = (60.0,), 60.0")
        gateway.drop()
        run("while state() != 'lost': await asyncio.sleep(0.01)")
        said = run(f"%ibdiag {gateway.port} --static")
        assert gateway.refused_326 == 0
        assert gateway.connections == 2
        assert run.value("state()") == "'ready'"
        assert "Client ID already in use" not in said.everything


ASKED_MEANWHILE = {
    "positions": "sorted(p.contract.symbol for p in await ib.reqPositionsAsync())",
    # One after the other: the libraries take both answers for one.
    "open orders": (
        "[t.contract.symbol for t in await ib.reqOpenOrdersAsync()], "
        "[t.contract.symbol for t in await ib.reqAllOpenOrdersAsync()]"
    ),
    "what if": "(await ib.whatIfOrderAsync(stock, LimitOrder('BUY', 1, 1))).initMarginChange",
    "completed orders": "await ib.reqCompletedOrdersAsync(False)",
    "executions": "await ib.reqExecutionsAsync()",
    "account updates": "await ib.reqAccountUpdatesAsync('DU1234567')",
    "updates of an account": "await ib.reqAccountUpdatesMultiAsync('DU1234567')",
    "account summary": "[v.value for v in await ib.accountSummaryAsync()]",
    "contract details": "len(await ib.reqContractDetailsAsync(stock))",
}


def test_what_is_asked_during_a_resume_is_answered(notebook_at):
    """Code that waits for `isConnected` and goes on gets what it would get of the plain library."""
    with BareGateway(positions={"AAPL": 5, "MSFT": 2}) as gateway:
        run = notebook_at(gateway)
        run(
            "buy('MINE')\n"
            "answers = {}\n"
            "async def ask(name, question): answers[name] = await question()\n"
            + "\n".join(
                f"async def question{number}(): return {source}"
                for number, source in enumerate(ASKED_MEANWHILE.values())
            )
        )
        gateway.wait_for_orders(1)
        asked = ", ".join(
            f"ask({name!r}, question{number})" for number, name in enumerate(ASKED_MEANWHILE)
        )
        gateway.sync_delay = 0.5
        gateway.drop()
        run(
            "while state() != 'resuming' or not ib.isConnected(): await asyncio.sleep(0.01)\n"
            f"await asyncio.wait_for(asyncio.gather({asked}), 30)"
        )
        during = run.value("sorted(answers.items())")
        run("await asyncio.wait_for(back(1), 30); answers.clear()")
        run(f"await asyncio.wait_for(asyncio.gather({asked}), 30)")
        assert during == run.value("sorted(answers.items())")
        assert "('positions', ['AAPL', 'MSFT'])" in during
        assert gateway.opened == 2


@pytest.mark.parametrize("end", ["it is lost again", "it is given up"])
def test_what_is_asked_during_a_resume_that_fails_fails(notebook_at, end):
    """It does not wait for ever: that nothing comes any more is told to it."""
    with BareGateway(positions={"AAPL": 5}) as gateway:
        run = notebook_at(gateway)
        gateway.unanswered = {ACCOUNT}
        gateway.drop()
        run(
            "while state() != 'resuming' or not ib.isConnected(): await asyncio.sleep(0.01)\n"
            "asking = asyncio.ensure_future(ib.reqPositionsAsync())\nawait asyncio.sleep(0.1)"
        )
        gateway.unanswered = set()
        if end == "it is lost again":
            gateway.drop()
        else:
            run("current_app().session.reconnector.stop()")
        run("await asyncio.wait([asking], timeout=30)")
        failed = run.value("repr(asking.exception())")
        assert "ConnectionError" in failed or "ConnectFailed" in failed
        if end == "it is lost again":
            run("await asyncio.wait_for(back(1), 30); assert ib.positions()")

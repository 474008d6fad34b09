"""Losses of every kind, at random: twelve subscriptions and three handlers come back each time.

`IBNB_CHAOS=100` runs so many losses; without it a shorter form runs, each kind once.
`make soak` runs it.
"""

from __future__ import annotations

import json
import os
import random

import pytest
from streaming_gateway import StreamingGateway

pytestmark = pytest.mark.soak
LOSSES = int(os.environ.get("IBNB_CHAOS", "11"))
LATEST = 9.0 if "IBNB_CHAOS" in os.environ else 0.5
SETTLED = 3
PREPARE = """
%config HistoryManager.enabled = False
%load_ext ibnb
from LIBRARY import *
import asyncio, gc, json, psutil, time
from ibnb.session.reconnect import heartbeat as p, reconnector as r
r.DELAYS, r.LATER_DELAY, r.LISTEN, r.QUIET, p.APART = (0.05,), 0.1, 0.1, 0.3, 0.3
%ibconnect PORT --client-id 7 --library LIBRARY
from ibnb.app import current_app
session = current_app().session
account = 'DU1234567'
one, other = Stock('SPY', 'SMART', 'USD', conId=1), Stock('QQQ', 'SMART', 'USD', conId=2)
seen = {'ticks': [], 'bars': [], 'bulletins': []}
def on_ticks(tickers):
    seen['ticks'] += [int(tick.price) for ticker in tickers for tick in ticker.tickByTicks]
def on_bulletin(told): seen['bulletins'].append(told.msgId)
def on_connected(): ib.reqMktData(other)
ib.pendingTickersEvent += on_ticks; ib.newsBulletinEvent += on_bulletin
ib.connectedEvent += on_connected
"""
SUBSCRIBED = """
ticker, second = ib.reqMktData(one), ib.reqMktData(other)
by_tick = ib.reqTickByTickData(one, 'Last')
deep = ib.reqMktDepth(one)
real = ib.reqRealTimeBars(one, 5, 'TRADES', False)
bars = ib.reqHistoricalData(one, '', '1 D', '1 hour', 'TRADES', False, keepUpToDate=True)
bars.updateEvent += lambda bars, is_new: seen['bars'].append(bars[-1].close)
scan = ib.reqScannerSubscription(ScannerSubscription(instrument='STK', scanCode='TOP'))
profit, of_one = ib.reqPnL(account), ib.reqPnLSingle(account, '', 1)
ib.reqNewsBulletins(True); ib.accountSummary()
def shown():
    values = {
        'market data': ticker.last, 'second': second.last, 'ticks': len(seen['ticks']),
        'depth': deep.domBids[0].price if deep.domBids else 0, 'depths': len(deep.domBids) <= 2,
        'real-time bars': real[-1].close if real else 0, 'bars': bars[-1].close,
        'bar events': len(seen['bars']), 'scanner': scan[0].contractDetails.contract.localSymbol
            if scan else '', 'profit': profit.dailyPnL, 'profit of one': of_one.dailyPnL,
        'bulletins': len(seen['bulletins']),
        'account': [v.value for v in ib.accountValues() if v.tag == 'NetLiquidation'],
        'summary': [v.value for v in ib.accountSummary()],
    }
    return {name: repr(value) for name, value in values.items()}
async def moves():
    before, end = shown(), asyncio.get_running_loop().time() + 30
    while True:
        await asyncio.sleep(0.02)
        now = shown()
        still = [name for name in before if now[name] == before[name] and name != 'depths']
        if not still: return
        if asyncio.get_running_loop().time() > end: raise TimeoutError(str(still))
known = set()
def losses():
    # The last ones are kept alone.
    known.update(loss.time for loss in session.losses)
    return len(known)
async def back(opened):
    while not (losses() >= opened and ib.isConnected()
               and session.connection.state in ('ready', 'degraded')): await asyncio.sleep(0.02)
def descriptors():
    # The lease is renewed by a thread, which has its file open meanwhile: the fewest of some looks.
    looks = []
    for _ in range(20):
        looks.append(psutil.Process().num_fds())
        time.sleep(0.01)
    return min(looks)
def measured():
    gc.collect()
    return json.dumps({
        'descriptors': descriptors(), 'tasks': len(asyncio.all_tasks()),
        'sockets': len(psutil.Process().net_connections(kind='tcp')),
        'handlers': sum(len(getattr(ib, name)) for name in ib.events),
        'tickers': len(ib.tickers()),
    })
"""
STANDING = sorted(
    [
        *("market data", "market data", "ticks", "depth", "real-time bars", "bars", "scanner"),
        *("profit", "profit of one", "bulletins", "account", "summary"),
    ]
)


def finished(gateway):
    """Lose the socket in good order."""
    gateway.drop()


def reset(gateway):
    """Lose it by a reset."""
    gateway.reset()


def half_open(gateway):
    """Say nothing any more."""
    gateway.fall_silent()


def refused(gateway):
    """Be away for a while."""
    gateway.stop()
    gateway.start()


def held(gateway):
    """Hold the client ID for a while: 326."""
    gateway.held_for = 2
    gateway.drop()


def slow(gateway):
    """Answer late after it."""
    gateway.sync_delay = random.uniform(0.0, LATEST) / 3  # noqa: S311 -- no secret
    gateway.drop()


def twice(gateway):
    """Lose it again during the resume."""
    gateway.resumes_lost = 1
    gateway.drop()


def other_version(gateway):
    """Be another version after it."""
    gateway.version = 174 if gateway.version == 176 else 176
    gateway.drop()


def link_lost(gateway):
    """Lose the link upstream, and no data."""
    gateway.notice(1100, "Connectivity between IBKR and TWS has been lost.")
    gateway.notice(1102, "Connectivity has been restored - data maintained.")


def data_lost(gateway):
    """Lose the link upstream, and all subscriptions to data."""
    gateway.notice(1100, "Connectivity between IBKR and TWS has been lost.")
    gateway.forget_data()
    gateway.notice(1101, "Connectivity has been restored - data lost.")


def farms(gateway):
    """Lose a farm, and have it again."""
    gateway.notice(2103, "Market data farm connection is broken:usfarm")
    gateway.notice(2104, "Market data farm connection is OK:usfarm")


NO_LOSS = (link_lost, data_lost, farms)
LOSING = (finished, reset, half_open, refused, held, slow, twice, other_version)


def once_each(standing):
    """Say whether each subscription stands once; the library repeats its summary after 1102."""
    kinds = [kind for kind, _ in standing]
    without = [kind for kind in kinds if kind != "summary"]
    return [*without, *{"summary"} & set(kinds)] == sorted(
        STANDING, key=lambda k: (k == "summary", k)
    )


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1])
def test_what_was_subscribed_comes_back(notebook, library, seed):
    """After each loss every object fills again; nothing comes twice, and one socket is open."""
    chance = random.Random(seed)  # noqa: S311 -- no secret
    faults = [*LOSING, *NO_LOSS] * (LOSSES // 11 + 1)
    chance.shuffle(faults)
    with StreamingGateway(positions={"SPY": 1}) as gateway:

        def run(source):
            done = notebook.run(source)
            assert done.status == "ok", (gateway, done.everything)

        run(PREPARE.replace("LIBRARY", library).replace("PORT", str(gateway.port)))
        run(SUBSCRIBED)
        run("await moves()")
        losses, early = 0, {}
        for number, fault in enumerate(faults[:LOSSES], 1):
            fault(gateway)
            losses += fault in LOSING
            run(f"await asyncio.wait_for(back({losses}), 50)")
            asked = gateway.comes_true(lambda: once_each(gateway.standing()))
            assert asked, f"{fault} {gateway} {gateway.standing()}"
            moved = notebook.run("await moves()")
            seen = f"{fault} {moved.everything} {gateway.standing()}"
            assert moved.status == "ok", seen
            gateway.sync_delay = 0.0
            assert gateway.sockets_open == 1, fault
            # What a second loss during a resume was, no loss of an open connection.
            losses = int(notebook.value("losses()"))
            if number == SETTLED:
                early = json.loads(notebook.run("print(measured(), end='')").stdout)
        late = json.loads(notebook.run("print(measured(), end='')").stdout)
        assert {name: (early[name], late[name]) for name in early if late[name] > early[name]} == {}
        for name in ("ticks", "bulletins"):
            numbers = json.loads(notebook.run(f"print(seen['{name}'], end='')").stdout)
            assert len(numbers) == len(set(numbers)), name
            assert numbers == sorted(numbers), name
        assert gateway.most_open == 1

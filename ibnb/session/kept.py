"""What an `IB` object keeps over the loss of its socket, and gets back when it is open again.

Both libraries forget at a loss what they knew: tickers, bars and trades that the user has in hand
are no longer those that are updated. Here they are taken down before that, and put back after the
session was opened again: what was subscribed to is requested again, into the same objects. Nothing
that could reach an order is ever sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

from . import harness
from .layers import Layer, put_on, take_off
from .requests import Request

KIND = "resume"
DEPTH = "mktDepth"
MARKET_DATA_TYPE = "reqMarketDataType"
BARS = "reqHistoricalData"


@dataclass(frozen=True)
class Kept:
    """What an `IB` object had at one moment; the mappings go by the number of the request.

    Attributes:
        requests: the subscriptions that were asked for and not cancelled, in the order of asking.
        tickers: every ticker, by the key that the library has for it.
        ticking: the kind of ticks of each market data request, and its ticker.
        subscribers: the lists of bars and of scanner results.
        profits: what shows profit and loss, of accounts and of single positions.
        trades: every trade, done or not.
        summary: whether the account summary was asked for.
    """

    requests: tuple[Request, ...] = ()
    tickers: Mapping[Any, Any] = field(default_factory=dict)
    ticking: Mapping[int, tuple[Any, Any]] = field(default_factory=dict)
    subscribers: Mapping[int, Any] = field(default_factory=dict)
    profits: Mapping[int, Any] = field(default_factory=dict)
    trades: tuple[Any, ...] = ()
    summary: bool = False

    def end(self) -> None:
        """End the events of all this, as a library does at a loss: nothing comes any more."""
        for thing in (*self.tickers.values(), *self.subscribers.values(), *self.trades):
            for name in getattr(thing, "events", ("updateEvent",)):
                getattr(thing, name).set_done()


def keep_events(ib: Any) -> None:
    """Keep a loss from ending the events of tickers, bars and trades: they may go on.

    A close that this side asked for ends them still.
    """

    def end_events(layer: Layer) -> Any:
        def set_events_done() -> None:
            if not ib.client.isReady():
                layer.inner()

        return set_events_done

    put_on(ib.wrapper, "setEventsDone", KIND, end_events)


def keep_no_events(ib: Any) -> None:
    """Undo `keep_events`."""
    take_off(ib.wrapper, "setEventsDone", KIND)


def take_down(ib: Any, requests: tuple[Request, ...]) -> Kept:
    """Return what an `IB` object has now; `requests` are the subscriptions that stand."""
    wrapper = ib.wrapper
    ticking = {
        req_id: (kind, ticker)
        for kind, found in wrapper.ticker2ReqId.items()
        for ticker, req_id in found.items()
    }
    return Kept(
        requests,
        dict(wrapper.tickers),
        ticking,
        dict(wrapper.reqId2Subscriber),
        {**wrapper.reqId2PnL, **wrapper.reqId2PnlSingle},
        tuple(wrapper.trades.values()),
        bool(wrapper.acctSummary),
    )


def ask_again(ib: Any, kept: Kept) -> tuple[str, ...]:
    """Ask again for what an `IB` object was subscribed to; return what that is, for people.

    Under the same numbers: they belong to the socket, and the objects that the user has know them.
    """
    # The gateway counts from the last order's number on: no new request may get one of these.
    numbers = [request.req_id for request in kept.requests if request.req_id is not None]
    ib.client.updateReqId(max(numbers, default=0) + 1)
    ib.wrapper.tickers.update(kept.tickers)
    # What comes after it depends on it, delayed data as live ones.
    for request in sorted(kept.requests, key=lambda one: one.method != MARKET_DATA_TYPE):
        _put_back(ib, kept, request)
        getattr(ib.client, request.method)(**request.parameters)
    profits = ("profit and loss",) if ib.wrapper.reqId2PnL or ib.wrapper.reqId2PnlSingle else ()
    return (*harness.subscriptions(ib), *profits)


def put_trades_back(ib: Any, kept: Kept, *, orders_known: bool) -> tuple[str, ...]:
    """Make the trades that the user has those that are updated; return what changed, for people.

    No handler is called for what happened while there was no connection: it is told instead.
    `orders_known` says that the gateway has told all of its orders, so that one which it did not
    name is not open any more.
    """
    told = []
    for trade in kept.trades:
        fresh = _fresh(ib.wrapper, trade)
        was_done = trade.isDone()
        if fresh is not None:
            before = trade.orderStatus.status
            _catch_up(trade, fresh)
            _replace(ib.wrapper, fresh, trade)
            if trade.orderStatus.status != before:
                told.append(f"{_order(trade)} is {trade.orderStatus.status} now")
        elif was_done or not orders_known:
            _keep(ib.wrapper, trade)
        else:
            told.append(f"{_order(trade)} is not among the gateway's orders any more")
    return tuple(told)


def _put_back(ib: Any, kept: Kept, request: Request) -> None:
    """Let the library know again which of the user's objects a request fills."""
    wrapper, req_id = ib.wrapper, request.req_id
    if req_id is None:
        return
    if req_id in kept.ticking:
        kind, ticker = kept.ticking[req_id]
        _start_ticker(wrapper, req_id, kind, ticker)
    elif req_id in kept.subscribers:
        subscriber = kept.subscribers[req_id]
        contract = getattr(subscriber, "contract", None)
        wrapper.startSubscription(req_id, subscriber, contract)
        if request.method == BARS:
            # Into a list of its own: whoever looks meanwhile sees the old bars, and not a part.
            loading = wrapper.startReq(req_id, contract)
            loading.add_done_callback(partial(_refill, subscriber))
    elif req_id in kept.profits:
        profit = kept.profits[req_id]
        of_one = hasattr(profit, "conId")
        key = (profit.account, profit.modelCode, *((profit.conId,) if of_one else ()))
        known, keys = (
            (wrapper.reqId2PnlSingle, wrapper.pnlSingleKey2ReqId)
            if of_one
            else (wrapper.reqId2PnL, wrapper.pnlKey2ReqId)
        )
        known[req_id] = profit
        keys[key] = req_id


def _start_ticker(wrapper: Any, req_id: int, kind: Any, ticker: Any) -> None:
    started = wrapper.startTicker(req_id, ticker.contract, kind)
    if started is not ticker:
        # ib_async finds a ticker by its contract's fields, which may have been completed since.
        del wrapper.ticker2ReqId[kind][started]
        wrapper.ticker2ReqId[kind][ticker] = req_id
        wrapper.reqId2Ticker[req_id] = ticker
        for key in [key for key, one in wrapper.tickers.items() if one is started]:
            wrapper.tickers[key] = ticker
    if kind == DEPTH:
        for name in ("domBids", "domAsks", "domBidsDict", "domAsksDict"):
            getattr(ticker, name, []).clear()


def _refill(bars: Any, loading: asyncio.Future[Any]) -> None:
    if loading.cancelled() or loading.exception() is not None:
        return
    fresh = loading.result()
    if fresh:
        # An update may have come before this.
        bars[:] = [*fresh, *(bar for bar in bars if bar.date > fresh[-1].date)]


def _fresh(wrapper: Any, trade: Any) -> Any:
    """Return what the library made of the same order when it was told of it again, or None."""
    order = trade.order
    found = wrapper.permId2Trade.get(order.permId) if order.permId else None
    return found or wrapper.trades.get(_key(wrapper, order))


def _key(wrapper: Any, order: Any) -> Any:
    return wrapper.orderKey(order.clientId, order.orderId, order.permId)


def _catch_up(trade: Any, fresh: Any) -> None:
    """Bring a trade to the state that the gateway told."""
    status = trade.orderStatus
    if not fresh.isDone():
        for one in fields(status):
            setattr(status, one.name, getattr(fresh.orderStatus, one.name))
        for name in ("totalQuantity", "lmtPrice", "auxPrice", "orderType"):
            setattr(trade.order, name, getattr(fresh.order, name))
    else:
        # Of an order that is done the gateway tells the status alone: the fills tell the rest.
        status.status = fresh.orderStatus.status
    if len(fresh.fills) >= len(trade.fills):
        trade.fills[:] = fresh.fills
    if fresh.isDone() and trade.fills:
        last = trade.fills[-1].execution
        status.filled, status.avgFillPrice = last.cumQty, last.avgPrice
        status.remaining = max(0.0, trade.order.totalQuantity - last.cumQty)


def _replace(wrapper: Any, fresh: Any, trade: Any) -> None:
    for known in (wrapper.trades, wrapper.permId2Trade):
        for key in [key for key, one in known.items() if one is fresh]:
            known[key] = trade


def _keep(wrapper: Any, trade: Any) -> None:
    wrapper.trades[_key(wrapper, trade.order)] = trade
    if trade.order.permId:
        wrapper.permId2Trade[trade.order.permId] = trade


def _order(trade: Any) -> str:
    order = trade.order
    name = trade.contract.localSymbol or trade.contract.symbol
    return f"order {order.orderId} ({order.action} {order.totalQuantity:g} {name})"

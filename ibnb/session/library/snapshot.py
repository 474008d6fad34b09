"""What an `IB` object keeps over the loss of its socket, and gets back when it is open again.

Both libraries forget at a loss what they knew: positions look empty, and tickers, bars and trades
that the user has in hand are no longer those that are updated. Here it stays as it was, until the
session is open again and has all of it anew: then that takes its place at once, and what was
subscribed to is requested again, into the same objects. Nothing that could reach an order is ever
sent again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import partial
from typing import Any

from ibnb.session.records.requests import ENDING, Request, what_is_asked, what_of

from . import instrument
from .patches import MethodPatch, install_patch, remove_patch
from .protocols import Ib, Wrapper

KIND = "resume"
ACCOUNT, SUMMARY = "reqAccountUpdates", "reqAccountSummary"
SYNCHRONISED = frozenset({ACCOUNT, SUMMARY})
"""What stands and is requested again by the synchronisation itself."""
ORDERS = frozenset({"open orders", "completed orders"})
"""What a synchronisation fetches of the gateway's orders."""
STATE = frozenset(
    {
        *("accountValues", "acctSummary", "portfolio", "positions", "accounts"),
        *("trades", "permId2Trade", "fills", "newsTicks", "msgId2NewsBulletin"),
        *("tickers", "reqId2Ticker", "ticker2ReqId", "reqId2Subscriber"),
        *("reqId2PnL", "reqId2PnlSingle", "pnlKey2ReqId", "pnlSingleKey2ReqId"),
        *("wshMetaReqId", "wshEventReqId"),
    }
)
"""What a library's wrapper knows, and forgets at a loss."""
DEPTH, DEPTH_CANCEL = "mktDepth", "cancelMktDepth"
MARKET_DATA_TYPE = "reqMarketDataType"
BARS = "reqHistoricalData"


@dataclass(frozen=True)
class Snapshot:
    """What an `IB` object had at one moment; the mappings go by the number of the request.

    Attributes:
        requests: the subscriptions that were asked for and not cancelled, in the order of asking.
        unknown: the methods of those of which it is not known with what they were called.
        account: the account whose values and portfolio were followed last, empty if none was.
        tickers: every ticker, by the key that the library has for it.
        ticking: the kind of ticks of each market data request, and its ticker.
        subscribers: the lists of bars and of scanner results.
        profits: what shows profit and loss, of accounts and of single positions.
        trades: every trade, done or not.
        summary: whether the account summary was asked for.
        silence: after how many seconds without a byte the user wanted to be told; 0 for never.
    """

    requests: tuple[Request, ...] = ()
    unknown: tuple[str, ...] = ()
    account: str = ""
    tickers: Mapping[Any, Any] = field(default_factory=dict)
    ticking: Mapping[int, tuple[Any, Any]] = field(default_factory=dict)
    subscribers: Mapping[int, Any] = field(default_factory=dict)
    profits: Mapping[int, Any] = field(default_factory=dict)
    trades: tuple[Any, ...] = ()
    summary: bool = False
    silence: float = 0.0

    def end(self) -> None:
        """End the events of all this, as a library does at a loss: nothing comes any more."""
        for thing in (*self.tickers.values(), *self.subscribers.values(), *self.trades):
            for name in getattr(thing, "events", ("updateEvent",)):
                getattr(thing, name).set_done()


def keep_events(ib: Ib, may_go_on: Callable[[], bool]) -> None:
    """Keep a loss from ending the events of tickers, bars and trades, if they may go on after it.

    A close that this side asked for ends them still.
    """

    def end_events(layer: MethodPatch) -> Any:
        def set_events_done() -> None:
            if not (ib.client.isReady() or may_go_on()):
                layer.inner()

        return set_events_done

    install_patch(ib.wrapper, "setEventsDone", KIND, end_events)


def keep_no_events(ib: Ib) -> None:
    """Undo `keep_events`."""
    remove_patch(ib.wrapper, "setEventsDone", KIND)


def keep_state(ib: Ib) -> Callable[[], None]:
    """Return what lets an `IB` object know again what it knows now, once its library forgot it."""
    known = {name: value for name, value in vars(ib.wrapper).items() if name in STATE}
    return lambda: vars(ib.wrapper).update(known)


def keep_cancels(ib: Ib, is_held: Callable[[int | str], bool]) -> None:
    """Take a cancel for what is not requested at the moment as done, where `is_held` says so.

    It is asked with the number of the request, or with what is requested if that has none.
    """

    def cancelling(layer: MethodPatch) -> Any:
        def cancel(*args: Any, **kwargs: Any) -> Any:
            given = args[0] if args else next(iter(kwargs.values()), layer.inner.__name__)
            if is_held(given if isinstance(given, int) else what_of(layer.inner.__name__)):
                return None
            return layer.inner(*args, **kwargs)

        return cancel

    for name in ENDING:
        install_patch(ib.client, name, KIND, cancelling)


def keep_no_cancels(ib: Ib) -> None:
    """Undo `keep_cancels`."""
    for name in ENDING:
        remove_patch(ib.client, name, KIND)


def capture(ib: Ib, requests: tuple[Request, ...]) -> Snapshot:
    """Return what an `IB` object has now; `requests` are the subscriptions that stand."""
    wrapper = ib.wrapper
    ticking = {
        req_id: (kind, ticker)
        for kind, found in wrapper.ticker2ReqId.items()
        for ticker, req_id in found.items()
    }
    known = tuple(one for one in requests if one.is_complete)
    accounts = [one.parameters["acctCode"] for one in known if one.method == ACCOUNT]
    return Snapshot(
        tuple(one for one in known if one.method not in SYNCHRONISED),
        tuple(dict.fromkeys(one.method for one in requests if not one.is_complete)),
        accounts[-1] if accounts else "",
        dict(wrapper.tickers),
        ticking,
        dict(wrapper.reqId2Subscriber),
        {**wrapper.reqId2PnL, **wrapper.reqId2PnlSingle},
        tuple(wrapper.trades.values()),
        any(one.method == SUMMARY for one in requests),
        # Neither library tells it otherwise.
        float(vars(wrapper).get("_timeout", 0)),
    )


def next_number(ib: Ib, kept: Snapshot) -> None:
    """Let new requests and orders have numbers above all that the notebook knows.

    The gateway counts from the last order that it knows on, which may be less after a restart.
    """
    client_id = ib.client.clientId
    numbers = [one.req_id for one in kept.requests if one.req_id is not None]
    numbers += [one.order.orderId for one in kept.trades if one.order.clientId == client_id]
    ib.client.updateReqId(max(numbers, default=0) + 1)


def take_over(ib: Ib, fresh: Ib, kept: Snapshot, missing: Collection[str]) -> tuple[str, ...]:
    """Let what a synchronisation brought take the place of what was known; return what changed.

    `fresh` is the `IB` object that it came to. Of what is `missing` there stays what was known.
    """
    known, brought = ib.wrapper, fresh.wrapper
    if "positions" not in missing:
        known.positions = brought.positions
    if not any(one.startswith("account updates") for one in missing):
        known.portfolio, known.accountValues = brought.portfolio, brought.accountValues
    if kept.summary and "account summary" not in missing:
        known.acctSummary = brought.acctSummary
    known.fills = {**brought.fills, **known.fills}
    changed = put_trades_back(fresh, kept, orders_known=not ORDERS & set(missing))
    known.trades, known.permId2Trade = brought.trades, brought.permId2Trade
    return changed


def cancel_twin(ib: Ib, twin: Request) -> None:
    """Cancel what a resume asked for again, since the user's code has asked for it anew."""
    name = "cancel" + what_of(twin.method)
    if name not in ENDING or twin.req_id is None:
        return
    ib.wrapper.reqId2Ticker.pop(twin.req_id, None)
    deep = {"isSmartDepth": twin.parameters["isSmartDepth"]} if name == DEPTH_CANCEL else {}
    getattr(ib.client, name)(twin.req_id, **deep)


def superseded(kept: Snapshot, standing: Collection[Request]) -> tuple[Request, ...]:
    """Return what need not be asked for again, as code of the user's has asked for it anew."""
    numbers = {request.req_id for request in kept.requests}
    asked = {what_is_asked(one) for one in standing if one.req_id not in numbers}
    return tuple(one for one in kept.requests if what_is_asked(one) in asked)


def request_again(ib: Ib, kept: Snapshot, but: Collection[Request] = ()) -> tuple[str, ...]:
    """Ask again for what an `IB` object was subscribed to; return what that is, for people.

    Under the same numbers: they belong to the socket, and the objects that the user has know them.
    All `but` what is superseded, of which the numbers are forgotten.
    """
    for one in but:
        ib.wrapper.reqId2Ticker.pop(one.req_id or 0, None)
    for ticker in ib.wrapper.tickers.values():
        # The last ones before the loss were delivered.
        for name in ("ticks", "tickByTicks", "domTicks"):
            getattr(ticker, name, []).clear()
    again = [one for one in kept.requests if one not in but]
    # What comes after it depends on it, delayed data as live ones.
    for request in sorted(again, key=lambda one: one.method != MARKET_DATA_TYPE):
        _put_back(ib, kept, request)
        getattr(ib.client, request.method)(**request.parameters)
    if kept.silence:
        ib.setTimeout(kept.silence)
    profits = ("profit and loss",) if ib.wrapper.reqId2PnL or ib.wrapper.reqId2PnlSingle else ()
    return (*instrument.subscriptions(ib), *profits)


def put_trades_back(ib: Ib, kept: Snapshot, *, orders_known: bool) -> tuple[str, ...]:
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
            before = trade.orderStatus.status, len(trade.fills)
            _catch_up(trade, fresh)
            _replace(ib.wrapper, fresh, trade)
            if (trade.orderStatus.status, len(trade.fills)) != before:
                told.append(_news(trade, *before))
                _log(trade, fresh, told[-1])
        elif was_done or not orders_known:
            _keep(ib.wrapper, trade)
        else:
            told.append(f"{_order(trade)} is not among the gateway's orders any more")
    return tuple(told)


def _news(trade: Any, status: str, fills: int) -> str:
    filled = f"{trade.filled():g} of {trade.order.totalQuantity:g} filled"
    if trade.orderStatus.status == status:
        return f"{_order(trade)}: {filled}"
    part = len(trade.fills) > fills and trade.orderStatus.status != "Filled"
    more = f", {filled}" if part else ""
    return f"{_order(trade)} is {trade.orderStatus.status} now{more}"


def _log(trade: Any, fresh: Any, news: str) -> None:
    """Write into a trade's own log what happened while there was no connection."""
    entries = fresh.log or trade.log
    if entries:
        now = datetime.now(UTC)
        entry = type(entries[-1])(now, trade.orderStatus.status, f"Resumed: {news}")
        trade.log.append(entry)


def _put_back(ib: Ib, kept: Snapshot, request: Request) -> None:
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
        key = profit.account, profit.modelCode
        if hasattr(profit, "conId"):
            wrapper.reqId2PnlSingle[req_id] = profit
            wrapper.pnlSingleKey2ReqId[(*key, profit.conId)] = req_id
        else:
            wrapper.reqId2PnL[req_id] = profit
            wrapper.pnlKey2ReqId[key] = req_id


def _start_ticker(wrapper: Wrapper, req_id: int, kind: Any, ticker: Any) -> None:
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


def _fresh(wrapper: Wrapper, trade: Any) -> Any:
    """Return what the library made of the same order when it was told of it again, or None."""
    order = trade.order
    found = wrapper.permId2Trade.get(order.permId) if order.permId else None
    return found or wrapper.trades.get(_key(wrapper, order))


def _key(wrapper: Wrapper, order: Any) -> Any:
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


def _replace(wrapper: Wrapper, fresh: Any, trade: Any) -> None:
    for known in (wrapper.trades, wrapper.permId2Trade):
        for key in [key for key, one in known.items() if one is fresh]:
            known[key] = trade


def _keep(wrapper: Wrapper, trade: Any) -> None:
    wrapper.trades[_key(wrapper, trade.order)] = trade
    if trade.order.permId:
        wrapper.permId2Trade[trade.order.permId] = trade


def _order(trade: Any) -> str:
    order = trade.order
    name = trade.contract.localSymbol or trade.contract.symbol
    return f"order {order.orderId} ({order.action} {order.totalQuantity:g} {name})"

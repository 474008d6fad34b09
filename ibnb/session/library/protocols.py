"""What ibnb uses of an `IB` object of either library: all names of theirs, once, and none more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, Protocol


class Connection(Protocol):
    """The socket of a client, which its transport tells what comes and when it ends."""

    transport: Any
    numBytesSent: int
    hasData: Any
    disconnected: Any

    def reset(self) -> None:
        """Forget the transport."""

    def connection_lost(self, exc: Exception | None) -> None:
        """Be told that the socket is closed."""


class Client(Protocol):
    """Sends messages. Besides these it has a method for each request, called by its name."""

    DISCONNECTED: int
    conn: Connection
    connState: int
    decoder: Any
    host: str
    port: int
    clientId: int

    def disconnect(self) -> None:
        """Close the socket."""

    def isReady(self) -> bool:
        """Say whether the gateway has accepted the session."""

    def serverVersion(self) -> int:
        """Return the version that was agreed on."""

    def getAccounts(self) -> Sequence[str]:
        """Return the accounts."""

    def updateReqId(self, minReqId: int) -> None:
        """Let the next number be this one at least."""

    def reqCurrentTime(self) -> None:
        """Ask the gateway for its time."""

    def connectAsync(
        self, host: str, port: int, clientId: int, timeout: float | None
    ) -> Coroutine[Any, Any, None]:
        """Open the socket and wait until the session is ready."""


class Wrapper(Protocol):
    """Takes what the gateway tells, and keeps it."""

    clientId: int
    lastTime: datetime
    accounts: Sequence[str]
    accountValues: dict[Any, Any]
    acctSummary: dict[Any, Any]
    portfolio: dict[Any, Any]
    positions: dict[Any, Any]
    trades: dict[Any, Any]
    permId2Trade: dict[int, Any]
    fills: dict[str, Any]
    tickers: dict[Any, Any]
    reqId2Ticker: dict[int, Any]
    ticker2ReqId: dict[Any, dict[Any, int]]
    reqId2Subscriber: dict[int, Any]
    reqId2PnL: dict[int, Any]
    reqId2PnlSingle: dict[int, Any]
    pnlKey2ReqId: dict[Any, int]
    pnlSingleKey2ReqId: dict[Any, int]
    startReq: Callable[..., asyncio.Future[Any]]
    connectionClosed: Callable[[], Any]

    def reset(self) -> None:
        """Forget all that was told."""

    def startTicker(self, reqId: int, contract: Any, tickType: Any) -> Any:
        """Begin to fill a ticker."""

    def startSubscription(self, reqId: int, subscriber: Any, contract: Any = None) -> None:
        """Begin to fill a list of bars or of scanner results."""

    def orderKey(self, clientId: int, orderId: int, permId: int) -> Any:
        """Return by what a trade is known."""


class Ib(Protocol):
    """What users hold, and call `ib`. Its other events are found by their names."""

    RaiseRequestErrors: bool
    MaxSyncedSubAccounts: int
    TimezoneTWS: Any
    client: Client
    wrapper: Wrapper
    connectedEvent: Any
    errorEvent: Any
    updateEvent: Any

    def isConnected(self) -> bool:
        """Say whether requests can be sent."""

    def managedAccounts(self) -> list[str]:
        """Return the accounts."""

    def tickers(self) -> list[Any]:
        """Return all tickers."""

    def trades(self) -> list[Any]:
        """Return all trades."""

    def reqAutoOpenOrders(self, autoBind: bool = True) -> None:
        """Let orders that are made by hand belong to this client."""

    def reqPositionsAsync(self) -> Awaitable[Any]:
        """Ask for the positions."""

    def reqOpenOrdersAsync(self) -> Awaitable[Any]:
        """Ask for this client's open orders."""

    def reqCompletedOrdersAsync(self, apiOnly: bool) -> Awaitable[Any]:
        """Ask for the orders that are done."""

    def reqAccountUpdatesAsync(self, account: str) -> Awaitable[Any]:
        """Ask for the values and the portfolio of an account, and go on being told."""

    def reqAccountUpdatesMultiAsync(self, account: str = "") -> Awaitable[Any]:
        """Ask for the values of a further account."""

    def reqAccountSummaryAsync(self) -> Awaitable[Any]:
        """Ask for a summary of all accounts."""

    def reqExecutionsAsync(self) -> Awaitable[Any]:
        """Ask for the executions."""

    def setTimeout(self, timeout: float = 60) -> None:
        """Be told when nothing comes for so many seconds; 0 ends that."""

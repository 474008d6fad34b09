"""How much a gateway takes: messages, historical requests, market data lines.

The limits are one login's, whatever clients share it. Each holds while its fault is in force, or
all of them while ``strict`` is.
"""

from __future__ import annotations

import time
from collections import defaultdict, deque
from weakref import WeakKeyDictionary

from ibnb.tws.wire import OutgoingId

from .client import Client
from .protocol import texts
from .requests import Request
from .state import State

_SECOND = 1.0
_VIOLATIONS = 3
"""So often a client may send too much before it is disconnected."""
_SAME_SECONDS, _BURST_SECONDS, _LONG_SECONDS = 15.0, 2.0, 600.0
_BURST, _LONG = 6, 60
_QUICK_BARS = frozenset({"1 secs", "5 secs", "10 secs", "15 secs", "30 secs"})
"""Of longer bars IBKR has lifted the pacing limits."""
_DEPTH_LINES, _TICK_LINES, _SUMMARIES = 3, 5, 2
_LINES = frozenset({OutgoingId.MARKET_DATA, OutgoingId.REAL_TIME_BARS})
_SUBSCRIPTIONS = _LINES | {
    OutgoingId.MARKET_DEPTH,
    OutgoingId.TICK_BY_TICK,
    OutgoingId.HISTORICAL_DATA,
}


class Limits:
    """Says of each request whether it is too much.

    Args:
        state: the gateway's.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._sent: WeakKeyDictionary[Client, deque[float]] = WeakKeyDictionary()
        self._excesses: WeakKeyDictionary[Client, list[float]] = WeakKeyDictionary()
        self._summaries: WeakKeyDictionary[Client, set[int]] = WeakKeyDictionary()
        self._history: deque[float] = deque()
        self._by_contract: dict[tuple[str, ...], deque[float]] = defaultdict(deque)
        self._same: dict[tuple[object, ...], float] = {}
        self._time_told = -_LONG_SECONDS

    def stop(self, client: Client, message_id: int, request: Request) -> bool:
        """Say whether a request goes no further; its client has been told then."""
        if self._is_flood(client):
            return True
        told = (
            self._used_twice(client, message_id, request)
            or self._beyond_lines(client, message_id, request)
            or self._paced(message_id, request)
        )
        if told is not None:
            client.notify(told, request.req_id)
            return True
        return message_id == OutgoingId.CURRENT_TIME and self._is_throttled()

    def beyond_open(self, pending: int) -> texts.Text | None:
        """Return what is said of one more historical request, so many being under way."""
        most = self._state.faults.limit("history-open")
        if most is None or pending + self._count({OutgoingId.HISTORICAL_DATA}) < most:
            return None
        return texts.too_many_open(int(most))

    def _is_flood(self, client: Client) -> bool:
        most = self._state.faults.limit("message-rate")
        if most is None:
            return False
        now = time.monotonic()
        sent = self._sent.setdefault(client, deque())
        while sent and sent[0] <= now - _SECOND:
            sent.popleft()
        sent.append(now)
        if len(sent) <= most:
            return False
        excesses = self._excesses.setdefault(client, [])
        if not excesses or excesses[-1] <= now - _SECOND:
            excesses.append(now)
            client.notify(texts.too_fast(int(most), len(sent), len(excesses)))
            if len(excesses) >= _VIOLATIONS:
                client.close()
        return True

    def _used_twice(self, client: Client, message_id: int, request: Request) -> texts.Text | None:
        if self._state.faults.limit("no-duplicates") is None:
            return None
        known = self._summaries.setdefault(client, set())
        if message_id == OutgoingId.CANCEL_ACCOUNT_SUMMARY:
            known.discard(request.req_id)
        if message_id == OutgoingId.ACCOUNT_SUMMARY:
            if request.req_id in known:
                return texts.DUPLICATE_TICKER
            if len(known) >= _SUMMARIES:
                return texts.TOO_MANY_SUMMARIES
            known.add(request.req_id)
        if message_id in _SUBSCRIPTIONS and (message_id, request.req_id) in client.streams:
            return texts.DUPLICATE_TICKER
        return None

    def _beyond_lines(self, client: Client, message_id: int, request: Request) -> texts.Text | None:
        most = self._state.faults.limit("lines")
        if most is None or (message_id, request.req_id) in client.streams:
            return None
        if message_id in _LINES and request.parameters.get("snapshot") != "1":
            return texts.TOO_MANY_LINES if self._count(_LINES) >= most else None
        if message_id == OutgoingId.TICK_BY_TICK and self._count({message_id}) >= _TICK_LINES:
            return texts.TOO_MANY_TICK_LINES
        if message_id == OutgoingId.MARKET_DEPTH and self._count({message_id}) >= _DEPTH_LINES:
            return texts.too_many_depths(_DEPTH_LINES)
        return None

    def _count(self, kinds: frozenset[int] | set[int]) -> int:
        return sum(kind in kinds for client in self._state.clients for kind, _ in client.streams)

    def _paced(self, message_id: int, request: Request) -> texts.Text | None:
        is_quick = request.parameters.get("barSizeSetting") in _QUICK_BARS
        is_history = message_id == OutgoingId.HISTORICAL_DATA and is_quick
        if self._state.faults.limit("history-pacing") is None or not (
            is_history or message_id == OutgoingId.HISTORICAL_TICKS
        ):
            return None
        now = time.monotonic()
        what = request.parameters
        same = tuple(sorted((name, one) for name, one in what.items() if name != "reqId"))
        contract = tuple(
            what.get(name, "") for name in ("conId", "symbol", "secType", "exchange", "whatToShow")
        )
        # Requests for bids and offers count twice.
        weight = 2 if what.get("whatToShow") == "BID_ASK" else 1
        recent = _since(self._by_contract[contract], now - _BURST_SECONDS)
        long = _since(self._history, now - _LONG_SECONDS)
        repeated = now - self._same.get(same, -_LONG_SECONDS) < _SAME_SECONDS
        if repeated or len(recent) + weight > _BURST - 1 or len(long) + weight > _LONG:
            return texts.HISTORY_PACING
        self._same[same] = now
        recent.extend([now] * weight)
        long.extend([now] * weight)
        return None

    def _is_throttled(self) -> bool:
        seconds = self._state.faults.limit("time-throttled")
        if seconds is None:
            return False
        now = time.monotonic()
        if now - self._time_told < seconds:
            return True
        self._time_told = now
        return False


def _since(times: deque[float], since: float) -> deque[float]:
    while times and times[0] <= since:
        times.popleft()
    return times

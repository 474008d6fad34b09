"""What a client has subscribed to: each subscription sends what has changed since the last time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from .protocol import data_messages, market_messages, messages
from .trading.account import account_values, profit
from .trading.book import Book
from .world.history import BarRequest, bars_ended, running_bar
from .world.instruments import Instrument
from .world.market import Level, Quote, depth_at, prices_between, quote_at, trades_between

REAL_TIME_BAR_SECONDS = 5
ACCOUNT_SECONDS = 180.0
"""How often a gateway sends an account's portfolio unasked."""
_MOST_TRADES = 40
"""No turn sends more trades of one subscription; a client that asks for each wants them soon."""


class Stream(Protocol):
    """A subscription that goes on until it is cancelled."""

    def update(self, now: float, version: int) -> bytes:
        """Return what is to be sent now (seconds since the epoch), which may be nothing."""


class QuietStream:
    """A subscription of which only the beginning is simulated."""

    def update(self, now: float, version: int) -> bytes:  # noqa: ARG002 - the protocol's signature
        """Return nothing."""
        return b""


@dataclass
class QuoteStream:
    """A market data subscription, and the quote that its client knows."""

    req_id: int
    instrument: Instrument
    known: Quote | None = None
    kind: str = market_messages.LIVE
    delay: float = 0.0

    def update(self, now: float, version: int) -> bytes:
        """Return the ticks since the last time."""
        now -= self.delay
        quote = quote_at(self.instrument, now)
        sent = market_messages.ticks(self.req_id, self.instrument, quote, self.known, self.kind)
        has_moved = self.known is None or self.known.last != quote.last
        if has_moved and self.instrument.right and self.kind == market_messages.LIVE:
            sent += data_messages.model_ticks(self.req_id, self.instrument, quote, now, version)
        self.known = quote
        return sent


@dataclass
class BarStream:
    """Historical bars that are kept up to date; `began` is when the last one sent did."""

    req_id: int
    instrument: Instrument
    request: BarRequest
    began: float | None = None

    def update(self, now: float, version: int) -> bytes:
        """Return what ended since the last time, as it is for good, and the bar under way."""
        bar = running_bar(self.instrument, self.request, now)
        since = bar.time if self.began is None else self.began
        self.began = bar.time
        ended = bars_ended(self.instrument, self.request, since, bar.time)
        return b"".join(
            market_messages.historical_update(
                self.req_id, one, self.request, self.instrument, version
            )
            for one in [*ended, bar]
        )


@dataclass
class RealTimeBarStream:
    """Bars of five seconds, each as soon as it is complete; `done` is when the last one ended."""

    req_id: int
    instrument: Instrument
    kind: str
    done: int

    def update(self, now: float, version: int) -> bytes:  # noqa: ARG002 - the same in each version
        """Return the bars that have become complete."""
        sent = b""
        while self.done + REAL_TIME_BAR_SECONDS <= now:
            ends = self.done + REAL_TIME_BAR_SECONDS
            bar = prices_between(self.instrument, self.done, ends, self.kind)
            if bar.count:
                sent += data_messages.real_time_bar(
                    self.req_id, self.done, bar, of_trades=self.kind == "TRADES"
                )
            self.done = ends
        return sent


@dataclass
class TickStream:
    """Every trade, quote or midpoint, one by one; `until` is when the last one sent was."""

    req_id: int
    instrument: Instrument
    kind: str
    until: float

    def update(self, now: float, version: int) -> bytes:  # noqa: ARG002 - the same in each version
        """Return the ticks since the last time."""
        trades = trades_between(self.instrument, self.until, now)[-_MOST_TRADES:]
        self.until = now
        return b"".join(
            data_messages.tick_by_tick(self.req_id, self.instrument, trade, self.kind)
            for trade in trades
        )


@dataclass
class DepthStream:
    """The market's depth, and the rows that its client knows."""

    req_id: int
    instrument: Instrument
    rows: int
    smart: bool
    known: dict[tuple[int, int], Level] = field(default_factory=dict)

    def update(self, now: float, version: int) -> bytes:  # noqa: ARG002 - the same in each version
        """Return the rows that have changed."""
        bids, asks = depth_at(self.instrument, now, self.rows)
        sent = b""
        current = {
            (side, row): level
            for side, levels in ((1, bids), (0, asks))
            for row, level in enumerate(levels)
        }
        for at, level in current.items():
            if self.known.get(at) != level:
                sent += data_messages.depth_row(
                    self.req_id, at, level, is_new=at not in self.known, smart=self.smart
                )
        for at in sorted(set(self.known) - set(current), reverse=True):
            sent += data_messages.depth_row_gone(self.req_id, at, smart=self.smart)
        self.known = current
        return sent


@dataclass
class ProfitStream:
    """An account's profit and loss, or that of one position if `con_id` is not 0."""

    req_id: int
    book: Book
    account: str
    con_id: int = 0
    known: bytes = b""

    def update(self, now: float, version: int) -> bytes:  # noqa: ARG002 - the same in each version
        """Return the figures, if they have changed."""
        held = [
            position
            for position in self.book.every_position(self.account)
            if self.con_id in (0, position.instrument.con_id)
        ]
        told = data_messages.profit(
            self.req_id, [profit(self.book, position, now) for position in held], single=self.con_id
        )
        changed, self.known = told != self.known, told
        return told if changed else b""


@dataclass
class AccountStream:
    """An account's values and portfolio, as often as a gateway sends them unasked."""

    book: Book
    account: str
    due: float

    def update(self, now: float, version: int) -> bytes:  # noqa: ARG002 - the same in each version
        """Return the portfolio and its time, every three minutes."""
        if now < self.due:
            return b""
        self.due = now + ACCOUNT_SECONDS
        values = account_values(self.book, self.account, now)
        told = [messages.account_value(value, self.account) for value in values]
        told += [messages.portfolio_value(one, now) for one in self.book.positions(self.account)]
        return b"".join([*told, messages.account_time(now)])


def skip_to(stream: Stream, now: float) -> None:
    """Let a subscription go on at a time to which the clock was set, whatever lies between."""
    match stream:
        case BarStream():
            stream.began = None
        case RealTimeBarStream():
            stream.done = int(now) // REAL_TIME_BAR_SECONDS * REAL_TIME_BAR_SECONDS
        case TickStream():
            stream.until = now
        case AccountStream():
            stream.due = now + ACCOUNT_SECONDS
        case _:
            pass

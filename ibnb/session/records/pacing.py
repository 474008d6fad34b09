"""Pacing: what was requested, against what IBKR lets a client request."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from .journal import Journal
from .requests import Request

MESSAGE_LIMIT = 50
HISTORICAL_LIMIT = 60
HISTORICAL_SECONDS = 600.0
IDENTICAL_SECONDS = 15.0
BURST = 6
OPEN_LIMIT = 50
BURST_SECONDS = 2.0
PEAK_SECONDS = 60.0
TWICE = "BID_ASK"
"""What is made of two series, bid and ask, and counts as two requests."""
BARS, TICKS = "reqHistoricalData", "reqHistoricalTicks"
HISTORICAL = frozenset({BARS, TICKS})


@dataclass(frozen=True)
class Pacing:
    """The requests of this notebook's connections, counted against the documented limits.

    A TWS or Gateway takes about 50 messages a second from its clients, answers what is above it
    with notice 100, and may close the connection where that happens again. For historical data
    IBKR documents (TWS API, "Historical Data Limitations") that it is a violation to send the same
    request again within 15 seconds, six requests or more for the same contract, exchange and kind
    of tick within two seconds, or more than 60 requests within ten minutes, a BID_ASK request
    counting as two. These hold for bars of 30 seconds and shorter: for longer ones IBKR has
    lifted them and slows a client down instead, so those are not counted here. Ticks are.

    Attributes:
        messages_last_second: sent in the last second, by all connections of this kernel together.
        messages_peak: the most that were sent within one second of the last minute.
        historical_last_ten_minutes: historical requests, a BID_ASK request counted twice.
        identical: of the last ten minutes, those that repeated another too early, oldest first.
        same_contract_burst: of the last ten minutes, those that were the sixth or a later one.
        complete: whether the journal still has all requests of the last ten minutes.
        historical_open: historical requests that wait for their answer, or go on; 50 may at once,
            whatever the size of their bars.
    """

    messages_last_second: int
    messages_peak: int
    historical_last_ten_minutes: int
    identical: tuple[Request, ...] = ()
    same_contract_burst: tuple[Request, ...] = ()
    complete: bool = True
    historical_open: int = 0
    open_limit: int = OPEN_LIMIT
    message_limit: int = MESSAGE_LIMIT
    historical_limit: int = HISTORICAL_LIMIT

    @property
    def violations(self) -> tuple[str, ...]:
        """Which limits were passed, in sentences; empty if none was."""
        found = []
        if self.messages_peak > self.message_limit:
            found.append(
                f"{self.messages_peak} messages went out within one second of the last minute."
            )
        if self.historical_last_ten_minutes > self.historical_limit:
            found.append(
                f"{self.historical_last_ten_minutes} historical requests count for the last ten "
                "minutes."
            )
        if self.identical:
            found.append(f"{_times(self.identical)} within 15 seconds of the same one.")
        if self.same_contract_burst:
            found.append(
                f"{_times(self.same_contract_burst)} as the sixth or later for one contract "
                "within two seconds."
            )
        if self.historical_open >= self.open_limit:
            found.append(
                f"{self.historical_open} historical requests are open: another is refused (322) "
                "until one ends."
            )
        return tuple(found)


def pacing(journal: Journal, now: float, opened: int = 0) -> Pacing:
    """Count what the journal has against the limits; `now` is in seconds since the epoch.

    `opened` is how many historical requests are open, which the journal alone does not know.
    """
    requests, begin = journal.requests, now - HISTORICAL_SECONDS
    historical = [one for one in requests.since(begin, HISTORICAL) if is_limited(one)]
    sent = sorted(when for when in requests.sent if when > now - PEAK_SECONDS)
    return Pacing(
        messages_last_second=len(sent) - bisect_right(sent, now - 1),
        messages_peak=_most_in_a_second(sent),
        historical_last_ten_minutes=sum(map(weight, historical)),
        identical=_repeated(historical),
        same_contract_burst=_burst(historical),
        complete=requests.reaches_back(begin),
        historical_open=opened,
    )


def _times(requests: tuple[Request, ...]) -> str:
    """Return how often, and of what at last."""
    last = requests[-1].contract
    name = getattr(last, "localSymbol", "") or getattr(last, "symbol", "") or "a contract"
    count = len(requests)
    return f"{count} historical request{'s' * (count > 1)} (the last for {name}) went out"


def _most_in_a_second(sent: list[float]) -> int:
    return max(
        (number + 1 - bisect_left(sent, when - 1) for number, when in enumerate(sent)), default=0
    )


def is_limited(request: Request) -> bool:
    """Say whether a historical request counts against the limits."""
    # Only bars of up to 30 seconds have sizes that are named in seconds.
    size = str(request.parameters.get("barSizeSetting", "secs"))
    return "sec" in size.lower()


def weight(request: Request) -> int:
    """Return as how many requests a historical one counts."""
    return 2 if _kind(request) == TWICE else 1


def _kind(request: Request) -> str:
    return str(request.parameters.get("whatToShow", "")).upper()


def _repeated(historical: list[Request]) -> tuple[Request, ...]:
    last: dict[Hashable, float] = {}
    found = []
    for request in historical:
        what = what_it_is(request)
        if request.time - last.get(what, 0.0) < IDENTICAL_SECONDS:
            found.append(request)
        last[what] = request.time
    return tuple(found)


def _burst(historical: list[Request]) -> tuple[Request, ...]:
    found = []
    together: dict[Hashable, list[Request]] = {}
    for request in historical:
        series = series_of(request)
        before = together.get(series, [])
        recent = [one for one in before if request.time - one.time <= BURST_SECONDS]
        together[series] = [*recent, request]
        if sum(map(weight, together[series])) >= BURST:
            found.append(request)
    return tuple(found)


def what_it_is(request: Request) -> Hashable:
    """Return what makes two requests the same: all but the number of the request."""
    rest = {
        name: str(value)
        for name, value in request.parameters.items()
        if name not in {"reqId", "contract"}
    }
    return (request.method, _contract(request.contract), *sorted(rest.items()))


def series_of(request: Request) -> Hashable:
    """Return the contract, exchange and kind of tick of a historical request."""
    contract = request.contract
    exchange = getattr(contract, "exchange", "")
    return (getattr(contract, "conId", 0) or _contract(contract), exchange, _kind(request))


def digest_of(what: Hashable) -> str:
    """Return a short text that is the same only of equal things, and does not tell what."""
    return hashlib.sha256(repr(what).encode(errors="surrogatepass")).hexdigest()[:16]


def _contract(contract: Any) -> Hashable:
    """Return a contract's fields, of which the exchange is one."""
    fields = getattr(contract, "__dict__", {"contract": contract})
    return tuple(sorted((name, str(value)) for name, value in fields.items()))

"""The ways in which a simulated gateway can be broken, by name."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ibnb.tws.wire import IncomingId

FAULTS: Mapping[str, str] = MappingProxyType(
    {
        "silent": "accepts TCP and never sends a byte",
        "close": "accepts TCP and closes at once",
        "garbage": "answers with bytes that are no version reply, then closes",
        "stall-ready": "sends the version reply, then neither an order ID nor the accounts",
        "no-accounts": "becomes ready with an empty account list",
        "disclaimer": "refuses every session: the paper disclaimer was not accepted (10141)",
        "closed-after-start": "closes after the session start without a notice",
        "old-version": "agrees on a server version that the Python libraries do not speak",
        "id-held": "reports every client ID as in use (326); with :SECONDS, only that long",
        "drop-after": "closes each session 5 seconds after it became ready, or :SECONDS after",
        "half-open": "sends nothing more once a session is ready, or :SECONDS later; stays open",
        "slow": "answers 1 second late, or :SECONDS late; all is well otherwise",
        "restart": "closes all, refuses for 5 seconds or :SECONDS, then is back; happens once",
        "connectivity-lost": "has lost its link to IBKR (1100) until it is healed (1102): nothing "
        "ticks and nothing fills",
        "farms-down": "is ready, but its data farms are broken (2103, 2105, 2157): what comes from "
        "them stops or waits, as with farm-down",
        "tif-preset": "has a preset that makes orders without a time in force DAY ones (10349)",
        "read-only": "has the Read-Only API on: refuses orders and requests for them (321)",
        "max-clients": "has 32 API clients already, and lets nobody else in",
        "clock-skew": "its clock is wrong by 60 seconds, or by :SECONDS",
        "live-account": "has a live account",
        "data-lost": "loses its link (1100), and is back after 2 seconds or :SECONDS without any "
        "subscription (1101); happens once",
        "link-flaps": "loses its link to IBKR and is back with all data (1100, 1102), each for 2 "
        "seconds or :SECONDS",
        "farm-down": "has lost usfarm, or :FARM, or several as in :usfarm+ushmds (2103, 2105, "
        "2157): what comes from there stops; without ushmds bars wait until it is back (165) or "
        "for a minute (162), and those that are kept up to date end (10182)",
        "farm-flaps": "loses usfarm and connects again (2103, 2119, 2104), each for 2 seconds or "
        ":SECONDS",
        "farms-asleep": "its data farms are inactive until somebody asks for data (2107, 2108)",
        "strict": "keeps the limits of a real gateway: all of the six that follow (100, 101, 162, "
        "309, 322, 10190)",
        "message-rate": "takes 50 messages a second, or :N, drops what is more (100), and "
        "disconnects at the third time",
        "history-pacing": "refuses bars of up to 30 seconds and ticks (162) if they are the same "
        "within 15 seconds, 6 of one contract within 2 seconds, or over 60 within 10 minutes",
        "history-open": "serves 50 historical requests at once, or :N, and refuses more (322)",
        "lines": "has 100 market data lines, or :N (101), 5 of single ticks (10190) and 3 of "
        "depth (309)",
        "no-duplicates": "refuses a reqId that is in use, and a third account summary (322)",
        "time-throttled": "answers reqCurrentTime once a second, or once in :SECONDS, and is "
        "silent otherwise",
        "not-subscribed": "has no market data (354, or :CODE of 10089, 10168, 10186), no bars, "
        "ticks and history (420, 10189, 162); after reqMarketDataType(3) it is delayed (10167), "
        "but not with the last two codes",
        "partly-subscribed": "sends only what needs no subscription, the close (10090)",
        "competing-session": "another session has the market data: it stops, and is refused "
        "(10197, 162 for history)",
        "no-news": "has no news (10276)",
        "nightly-restart": "closes all, refuses for 2 seconds or :SECONDS, says nothing for as "
        "long while it logs in, and is back: the oldest open order was filled meanwhile, the "
        "newest cancelled; happens once",
        "silent-stream": "market data falls silent 1 second after it began, or :SECONDS, without a "
        "word; all else goes on",
        "language": "its notices are in German, or in :LANGUAGE of de, fr, es, ja",
        "jitter": "each message takes up to 0.2 seconds, or :SECONDS, longer, in the same order",
        "bandwidth": "sends 2000 bytes a second, or :N",
        "split-frames": "sends each message in pieces, its length too",
        "cut-frame": "breaks off in the middle of a message, 2 seconds after a session is ready or "
        ":SECONDS",
        "lost-end": "never sends what ends an answer, or only :NAME of it, as in :openOrderEnd or "
        ":positionEnd+execDetailsEnd",
        "market-closed": "no market is open: nothing ticks or fills, and orders wait (399)",
    }
)
"""What each fault does, in one line, by the name under which it is asked for.

``restart``, ``nightly-restart`` and ``data-lost`` happen at once where they are set while the
gateway runs; where they were set from the start, one second after the first session became ready,
so that it can be seen from both sides.
"""
FARMS: Mapping[str, str] = MappingProxyType(
    {
        "usfarm": "market",
        "usfuture": "market",
        "cashfarm": "market",
        "ushmds": "history",
        "secdefil": "definitions",
    }
)
"""The data farms, and what each is for."""

ALL_ENDS = "all"
ENDS: Mapping[str, int] = {
    "contractDetailsEnd": IncomingId.CONTRACT_DETAILS_END,
    "openOrderEnd": IncomingId.OPEN_ORDER_END,
    "accountDownloadEnd": IncomingId.ACCOUNT_DOWNLOAD_END,
    "execDetailsEnd": IncomingId.EXECUTION_END,
    "tickSnapshotEnd": IncomingId.TICK_SNAPSHOT_END,
    "positionEnd": IncomingId.POSITION_END,
    "accountSummaryEnd": IncomingId.ACCOUNT_SUMMARY_END,
    "positionMultiEnd": IncomingId.POSITION_MULTI_END,
    "accountUpdateMultiEnd": IncomingId.ACCOUNT_UPDATE_MULTI_END,
    "securityDefinitionOptionParameterEnd": IncomingId.OPTION_PARAMETERS_END,
    "historicalNewsEnd": IncomingId.HISTORICAL_NEWS_END,
    "completedOrdersEnd": IncomingId.COMPLETED_ORDERS_END,
}
"""What ends an answer that has several messages, by name; `ALL_ENDS` is all of it."""

_DEFAULT_SECONDS: Mapping[str, float | None] = {
    "id-held": None,
    "drop-after": 5.0,
    "half-open": 0.0,
    "slow": 1.0,
    "restart": 5.0,
    "clock-skew": 60.0,
    "data-lost": 2.0,
    "link-flaps": 2.0,
    "farm-flaps": 2.0,
    "time-throttled": 1.0,
    "nightly-restart": 2.0,
    "silent-stream": 1.0,
    "jitter": 0.2,
    "cut-frame": 2.0,
}
_DEFAULT_COUNTS: Mapping[str, int] = {
    "message-rate": 50,
    "history-open": 50,
    "lines": 100,
    "bandwidth": 2000,
}
_MOST_MEANT = 4
_SEVERAL = frozenset({"farm-down", "lost-end"})
_LIMITS = frozenset(
    {"message-rate", "history-pacing", "history-open", "lines", "no-duplicates", "time-throttled"}
)
"""What ``strict`` brings about."""
_WORDS: Mapping[str, tuple[str, ...]] = {
    "farm-down": tuple(FARMS),
    "lost-end": (ALL_ENDS, *ENDS),
    "language": ("de", "fr", "es", "ja"),
    "not-subscribed": ("354", "10089", "10168", "10186"),
}
"""What takes words and not seconds, and which; the first one stands for none that was given."""
_MAY_BE_NEGATIVE = frozenset({"clock-skew"})


class UnknownFaultError(ValueError):
    """A fault was asked for that does not exist, or with seconds that it cannot have."""


@dataclass(frozen=True)
class Fault:
    """One fault that was asked for; `seconds` is None where none were given and none are needed.

    `words` or a `count` are what it takes in their place, if it does.
    """

    name: str
    seconds: float | None = None
    words: tuple[str, ...] = ()
    count: int | None = None

    def __str__(self) -> str:
        """Return it as it is asked for."""
        if self.words:
            return f"{self.name}:{'+'.join(self.words)}"
        value = self.seconds if self.count is None else self.count
        return self.name if value is None else f"{self.name}:{value:g}"


@dataclass(frozen=True)
class Faults:
    """The faults in force, and since when (seconds of the monotonic clock)."""

    active: Mapping[str, Fault] = field(default_factory=dict)
    since: float = 0.0

    def __contains__(self, name: str) -> bool:
        """Say whether a fault is in force."""
        return name in self.active

    def seconds(self, name: str) -> float | None:
        """Return the seconds of a fault; None where it is not in force, or has none."""
        fault = self.active.get(name)
        return fault.seconds if fault is not None else None

    def count(self, name: str) -> int | None:
        """Return the count of a fault; None where it is not in force, or has none."""
        fault = self.active.get(name)
        return fault.count if fault is not None else None

    def limit(self, name: str) -> float | None:
        """Return a limit that holds, its own or that of ``strict``; None where none does."""
        fault = self.active.get(name)
        if fault is None and name in _LIMITS and "strict" in self.active:
            fault = parse_fault(name)
        if fault is None:
            return None
        value = fault.seconds if fault.count is None else fault.count
        return 0.0 if value is None else float(value)

    def words(self, name: str) -> tuple[str, ...]:
        """Return the words of a fault; none where it is not in force, or takes none."""
        fault = self.active.get(name)
        return fault.words if fault is not None else ()

    def ids_held(self, now: float) -> bool:
        """Say whether every client ID counts as held at `now` (monotonic seconds)."""
        fault = self.active.get("id-held")
        return fault is not None and (fault.seconds is None or now < self.since + fault.seconds)


def parse_fault(text: str) -> Fault:
    """Return the fault that ``NAME`` or ``NAME:VALUE`` asks for.

    Raises:
        UnknownFaultError: there is no such fault, or the value makes no sense for it. One line.
    """
    name, colon, given = text.strip().partition(":")
    if name not in FAULTS:
        meant = _meant(name)
        hint = f"did you mean {' or '.join(meant)}? Give" if meant else "give"
        raise UnknownFaultError(f"unknown fault {name!r}: {hint} one of {', '.join(FAULTS)}")
    if name in _WORDS:
        return Fault(name, words=_words_of(name, given if colon else _WORDS[name][0]))
    if name in _DEFAULT_COUNTS:
        return Fault(name, count=_count_of(name, given if colon else str(_DEFAULT_COUNTS[name])))
    if not colon:
        return Fault(name, _DEFAULT_SECONDS.get(name))
    if name not in _DEFAULT_SECONDS:
        timed = ", ".join(_DEFAULT_SECONDS)
        raise UnknownFaultError(
            f"fault {name!r} takes no seconds, as {timed} do: "
            f"give one of {', '.join(FAULTS)}, without ':{given}'"
        )
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or (seconds < 0 and name not in _MAY_BE_NEGATIVE):
        raise UnknownFaultError(
            f"fault {text.strip()!r} has bad seconds: write it as {name} or {name}:SECONDS, "
            "with a number as in id-held:20 or clock-skew:90 "
            f"(faults: {', '.join(FAULTS)})"
        )
    return Fault(name, seconds)


def _meant(name: str) -> list[str]:
    """The faults that somebody may mean: by a part of the name, a code, or what is nearly one."""
    found = [fault for fault in FAULTS if name and name in fault]
    if name.isdecimal():
        found = [fault for fault, about in FAULTS.items() if re.search(rf"\b{name}\b", about)]
    return found[:_MOST_MEANT] or difflib.get_close_matches(name, FAULTS, n=1)


def _count_of(name: str, given: str) -> int:
    if not (given.isascii() and given.isdigit() and int(given[:9]) > 0):
        raise UnknownFaultError(
            f"fault {name}:{given} has a bad number: write it as {name} or {name}:N, with a whole "
            f"number above 0 as in {name}:{_DEFAULT_COUNTS[name]}"
        )
    return int(given[:9])


def _words_of(name: str, given: str) -> tuple[str, ...]:
    words = tuple(given.split("+")) if name in _SEVERAL else (given,)
    unknown = [word for word in words if word not in _WORDS[name]]
    if unknown:
        several = ", or several with a + between them" if name in _SEVERAL else ""
        raise UnknownFaultError(
            f"fault {name}:{given} names {unknown[0]!r}: give one of {', '.join(_WORDS[name])}"
            f"{several}"
        )
    return tuple(dict.fromkeys(words))


def check_faults(texts: Iterable[str]) -> None:
    """Look at faults that somebody wrote.

    Raises:
        UnknownFaultError: see `parse_fault`.
    """
    for text in texts:
        parse_fault(text)


def parse_faults(texts: Iterable[str], since: float) -> Faults:
    """Return the faults that these texts ask for, in force since `since` (monotonic seconds).

    A fault that is named twice counts once, as it was named last.

    Raises:
        UnknownFaultError: see `parse_fault`.
    """
    faults = [parse_fault(text) for text in texts]
    return Faults(MappingProxyType({fault.name: fault for fault in faults}), since)

"""What the connections of one simulated gateway share."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from .faults import Faults
from .links import LinkState
from .places import Places
from .protocol.texts import Text
from .requests import Request, read_request
from .stubs import Stubs
from .trading.arrival import Arrival
from .trading.book import Book
from .world.clock import ClockSetting, WorldClock
from .world.universe import DEFAULT_SEED, Universe

Holder = TypeVar("Holder")
PAPER_ACCOUNT = "DU1234567"
LIVE_ACCOUNT = "U1234567"
KEPT_MESSAGES = 20_000
"""Of the messages received, only the newest are kept."""
_SEPARATOR = "\0"
"""Ends a field on the wire, and is therefore in none."""


@dataclass
class Counters:
    """How many connections a gateway saw since it was made, and what became of them."""

    accepted: int = 0
    completed: int = 0
    unfinished: int = 0
    refused: int = 0
    max_open: int = 0


class ClientIds(Generic[Holder]):
    """Who holds which client ID. One client per ID; whoever holds one is never evicted."""

    def __init__(self, release_after: float) -> None:
        self._release_after = release_after
        self._holders: dict[int, Holder] = {}
        self._free_at: dict[int, float] = {}

    def __iter__(self) -> Iterator[Holder]:
        """Go through the clients that are connected, as they are at the beginning."""
        return iter(list(self._holders.values()))

    def __len__(self) -> int:
        """Return how many clients are connected."""
        return len(self._holders)

    @property
    def held(self) -> tuple[int, ...]:
        """The IDs of the clients that are connected, in ascending order."""
        return tuple(sorted(self._holders))

    def holder(self, client_id: int) -> Holder | None:
        """Return the client with an ID, or None."""
        return self._holders.get(client_id)

    def claim(self, client_id: int, client: Holder) -> bool:
        """Give an ID to a client; False when another one has it, or had it until just now."""
        if client_id in self._holders or time.monotonic() < self._free_at.get(client_id, 0.0):
            return False
        self._holders[client_id] = client
        return True

    def release(self, client_id: int, client: Holder) -> None:
        """Take an ID back from a client whose connection is gone."""
        if self._holders.get(client_id) is client:
            del self._holders[client_id]
            self._free_at[client_id] = time.monotonic() + self._release_after

    def forget(self) -> None:
        """Free every ID at once: a gateway that restarts remembers none."""
        self._holders.clear()
        self._free_at.clear()


class State:
    """The gateway's faults, clients, order book and market, and the log of what it received."""

    def __init__(
        self,
        faults: Faults,
        accounts: Sequence[str] | None,
        release_after: float,
        seed: int = DEFAULT_SEED,
        *,
        clock: ClockSetting | None = None,
        latency: float = 0.0,
        heard: Callable[[Request], None] | None = None,
    ) -> None:
        self.faults = faults
        self.counters = Counters()
        self.links = LinkState()
        self.closed_at = 0.0
        self.is_logging_in = False
        self.clients: ClientIds[Any] = ClientIds(release_after)
        self.places = Places()
        self.latency = latency
        self._first_clock = clock
        self._first_seed = self.seed = seed
        self.time, self.world, self.book = self._beginning(seed)
        self._received: deque[tuple[int | None, str, int]] = deque(maxlen=KEPT_MESSAGES)
        self.stubs = Stubs()
        self.rejections: deque[Text] = deque()
        self._heard = heard
        self._first_accounts = tuple(accounts) if accounts is not None else (PAPER_ACCOUNT,)
        self._accounts = self._first_accounts
        self._changes = 0
        self._changed = threading.Condition()

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of every session, as the faults in force have them."""
        if "no-accounts" in self.faults:
            return ()
        return (LIVE_ACCOUNT,) if "live-account" in self.faults else self._accounts

    @accounts.setter
    def accounts(self, names: Sequence[str]) -> None:
        self._accounts = tuple(names)

    def hear(self, client_id: int | None, fields: tuple[str, ...], version: int) -> None:
        """Take note of a message that a client sent."""
        # As one text: so many small ones would take five times the memory.
        self._received.append((client_id, _SEPARATOR.join(fields), version))
        if self._heard is not None:
            self._heard(read_request(client_id, fields, version))

    def requests(self) -> list[Request]:
        """Return what clients have sent, oldest first."""
        return [
            read_request(client_id, tuple(text.split(_SEPARATOR)), version)
            for client_id, text, version in self._received
        ]

    def messages(self) -> list[tuple[int | None, tuple[str, ...]]]:
        """Return what clients have sent, oldest first: client ID, and fields."""
        return [(one, tuple(text.split(_SEPARATOR))) for one, text, _ in self._received]

    def begin_anew(self, seed: int | None = None) -> None:
        """Forget what happened since the beginning; the world is another one if a seed is given.

        To be called when no client is connected: what each of them knows is of the old world.
        """
        self.seed = self._first_seed if seed is None else seed
        self._accounts = self._first_accounts
        self.time, self.world, self.book = self._beginning(self.seed)
        self.closed_at = self.now
        self._received.clear()
        self.rejections.clear()
        self.stubs.clear()

    def _beginning(self, seed: int) -> tuple[WorldClock, Universe, Book]:
        time = WorldClock(self._first_clock)
        world = Universe(seed, time.day, keeps_hours=time.keeps_hours)
        book = Book(
            world,
            reachable=lambda: self.is_linked,
            closed=lambda: self.is_closed,
            arrival=Arrival(self.latency, seed),
        )
        return time, world, book

    @property
    def is_linked(self) -> bool:
        """Whether the gateway has its link to IBKR: without it nothing ticks and nothing fills."""
        return self.links.is_up

    @property
    def now(self) -> float:
        """The time of the world, in seconds since the epoch."""
        return self.time.now

    def set_clock(self, setting: ClockSetting | None) -> None:
        """Let the world's time go on as a setting has it; nothing happened in between."""
        before = self.now
        self.time.follow(setting)
        self.world.timetable.is_kept = self.time.keeps_hours
        self.world.day = self.time.day
        self.book.skip_to(self.now, before=before)

    @property
    def is_closed(self) -> bool:
        """Whether every market is closed, whatever its hours are."""
        return "market-closed" in self.faults

    @property
    def market_time(self) -> float:
        """The time of what the market shows: that of its close while its fault closes it."""
        return self.closed_at if self.is_closed else self.now

    @property
    def clock(self) -> float:
        """The gateway's clock, in seconds since the epoch; wrong if its fault says so."""
        return self.now + (self.faults.seconds("clock-skew") or 0.0)

    def changed(self) -> None:
        """Wake whoever waits for something to happen here."""
        with self._changed:
            self._changes += 1
            self._changed.notify_all()

    def wait_for(self, predicate: Callable[[], bool], timeout: float) -> bool:
        """Wait, in any thread but the gateway's, until a predicate holds; say whether it does.

        `timeout` is in seconds. The predicate is asked without any lock held.
        """
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = self._changes
            if predicate():
                return True
            with self._changed:
                changed = partial(self._has_changed_since, seen)
                if not self._changed.wait_for(changed, deadline - time.monotonic()):
                    return False

    def _has_changed_since(self, seen: int) -> bool:
        return self._changes != seen

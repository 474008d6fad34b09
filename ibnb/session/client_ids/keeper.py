"""Keeps what this program was granted by a shared store, and goes on while that is silent.

One thread renews what is held, by a clock that nobody sets, asks again for what was refused, and
looks whether a store that fell silent answers again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from .grants import RENEW_EVERY, Grant, GrantStore, Refusal, StoreDownError, new_token, steady
from .lease import Lease

T = TypeVar("T")
U = TypeVar("U")
CONNECT_SECONDS = 0.2
"""What a connect waits for the store at most; with all around it less than a quarter second."""
RETRY_SECONDS = 5.0
"""How often a store that does not answer is looked for."""

LOG = logging.getLogger("ibnb")


@dataclass
class Wanted:
    """What this program holds, or would like to.

    Attributes:
        grant: the last one that was had; it may have ended since.
        refusal: why there is none.
        was_answered: whether the store has said yes or no to it so far.
    """

    scope: str
    name: str
    lease: Lease
    token: str
    limit: int = 0
    grant: Grant | None = None
    refusal: Refusal | None = None
    was_answered: bool = False
    is_dropped: bool = False

    @property
    def is_held(self) -> bool:
        """Whether it is held, as far as that is known without asking the store."""
        return self.grant is not None and self.grant.holds


class GrantKeeper:
    """What this program was granted.

    Args:
        store: where grants are kept.
        probe: looks quickly whether the store is there; raises `StoreDownError`.
        prepare: does what takes its time, and is not the store's fault, as importing its client.
        every: seconds between renewals.
        retry: seconds between looks for a store that does not answer.
        patience: seconds that whoever asks waits for an answer, unless it can wait longer.
    """

    def __init__(
        self,
        store: GrantStore,
        probe: Callable[[], None] = lambda: None,
        prepare: Callable[[], None] = lambda: None,
        *,
        every: float = RENEW_EVERY,
        retry: float = RETRY_SECONDS,
        patience: float = CONNECT_SECONDS,
    ) -> None:
        self.store = store
        self._probe, self._prepare = probe, prepare
        self._every, self._retry, self._patience = every, retry, patience
        self._wanted: dict[tuple[str, str], Wanted] = {}
        self._also: list[Callable[[GrantStore], None]] = []
        self._turn = threading.RLock()
        self._state = threading.Lock()
        self._why_down: str | None = None
        self._has_answered = False
        self._knows = threading.Event()
        self._prepared = threading.Event()
        self._connected = threading.Event()
        self._wake = threading.Event()
        self._is_closed = False
        self._thread: threading.Thread | None = None
        self._started_at = 0.0

    def __repr__(self) -> str:
        """Say what is held, and whether the store answers."""
        held = ", ".join(one.name for one in self.wanted if one.is_held) or "nothing"
        return f"<GrantKeeper: {held} from {self.store}, {self._why_down or 'which answers'}>"

    @property
    def is_down(self) -> bool:
        """Whether the store did not answer when it was last asked."""
        return self._why_down is not None

    @property
    def has_answered(self) -> bool:
        """Whether the store has ever answered this program."""
        return self._has_answered

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """All that is held or wanted."""
        return tuple(self._wanted.copy().values())

    def start(self) -> None:
        """Begin to look for the store, on a thread."""
        with self._state:
            if self._thread is not None or self._is_closed:
                return
            self._thread = threading.Thread(target=self._keep, name="ibnb-grants", daemon=True)
            self._started_at = steady()
        self._thread.start()

    def ask(self, work: Callable[[GrantStore], T], otherwise: U, seconds: float = 0.0) -> T | U:
        """Return what work with the store comes to; `otherwise` if it does not answer soon.

        A store that does not answer is waited for once, and left alone until it answers again.
        `seconds` is how long whoever asks can wait, if that is longer than a connect may.
        """
        self.start()
        seconds = max(seconds, self._patience)
        begun = steady()
        # It is being looked for since the keeper was started: that counts, too.
        if not self._knows.wait(max(0.0, self._started_at + seconds - begun)):
            self._went_down(f"no answer within {seconds:g} s")
        if self.is_down:
            return otherwise
        waited = steady() - begun
        # The store is there: what is still imported is not its fault.
        self._prepared.wait()
        begun = steady() - waited
        if not self._connected.wait(max(0.0, begun + seconds - steady())):
            self._went_down(f"no answer within {seconds:g} s")
        if self._why_down is not None:
            return otherwise
        answer: Future[T] = Future()

        def run() -> None:
            try:
                answer.set_result(work(self.store))
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                answer.set_exception(error)

        # Not a pool's thread: the interpreter would wait for it when it ends.
        threading.Thread(target=run, name="ibnb-ask", daemon=True).start()
        try:
            return answer.result(max(0.0, begun + seconds - steady()))
        except TimeoutError:
            self._went_down(f"no answer within {seconds:g} s")
        except StoreDownError as error:
            self._went_down(str(error))
        return otherwise

    def want(
        self, scope: str, name: str, lease: Lease, *, limit: int = 0, take_over: bool = False
    ) -> Wanted:
        """Ask for something, and keep it from now on, or ask again for it until it is dropped.

        Once the keeper is closed nothing is asked for.

        Raises:
            StoreDownError: the store does not answer; it is asked again when it does.
        """
        self.start()
        with self._turn:
            wanted = self._wanted.get((scope, name))
            if wanted is None:
                wanted = Wanted(scope, name, lease, new_token())
                if self._is_closed:
                    return wanted
                self._wanted[scope, name] = wanted
            wanted.lease, wanted.limit = lease, limit
            self._acquire(wanted, take_over=take_over)
            return wanted

    def each_time(self, work: Callable[[GrantStore], None]) -> None:
        """Do some work as well, before each time that all is renewed."""
        self._also.append(work)

    def get(self, scope: str, name: str) -> Wanted | None:
        """Return what is wanted under a name, or None."""
        return self._wanted.get((scope, name))

    def drop(self, scope: str, name: str) -> None:
        """Release something, and want it no more; a store that is silent forgets it itself."""
        with self._turn:
            wanted = self._wanted.pop((scope, name), None)
            if wanted is None:
                return
            wanted.is_dropped = True
            if self.is_down:
                return
            try:
                if wanted.grant is not None:
                    self.store.release(wanted.grant)
                if wanted.refusal is not None and wanted.refusal.why == "full":
                    self.store.leave(scope, wanted.token)
            except StoreDownError as error:
                self._went_down(str(error))

    def counts(self, wanted: Wanted) -> bool:
        """Say whether a grant counts at this moment, by its fencing number in the store.

        If the store does not answer, by the clock: until a grant has run out nobody else gets it.
        """
        grant = wanted.grant
        if grant is None or wanted.is_dropped or not grant.holds:
            return False

        def is_held(store: GrantStore) -> bool:
            # A server that has just started has forgotten it, and is told of it.
            return store.is_held(grant) or store.renew(grant, wanted.lease) is not None

        counts = self.ask(is_held, otherwise=None)
        if counts is False and wanted.grant is grant:
            wanted.grant = None
            self._wake.set()
        # Once more: the answer may have taken its time, or this process may have been stopped.
        return counts is not False and grant.holds

    def close(self) -> None:
        """Release everything, and stop."""
        with self._turn:
            # First of all: the thread may be about to ask for what is released here.
            self._is_closed = True
        for wanted in self.wanted:
            self.drop(wanted.scope, wanted.name)
        self._wake.set()
        self.store.close()

    def _acquire(self, wanted: Wanted, *, take_over: bool = False) -> None:
        if wanted.refusal is not None and wanted.refusal.why == "full" and not wanted.limit:
            # The gateway let it in without a seat of ours: nobody has to wait behind it.
            self.store.leave(wanted.scope, wanted.token)
        got = self.store.acquire(
            *(wanted.scope, wanted.name, wanted.lease),
            token=wanted.token,
            limit=wanted.limit,
            take_over=take_over,
        )
        self._came_up()
        wanted.was_answered = True
        if isinstance(got, Grant):
            wanted.grant, wanted.refusal = got, None
        else:
            wanted.grant, wanted.refusal = None, got

    def _renew(self, wanted: Wanted) -> None:
        with self._turn:
            # A place in a queue is kept by whoever waits for it, and by nobody else.
            if wanted.is_dropped or (wanted.refusal and wanted.refusal.why == "full"):
                return
            if wanted.grant is not None:
                wanted.grant = self.store.renew(wanted.grant, wanted.lease)
                if wanted.grant is not None:
                    return
                LOG.info("%s at %s was lost", wanted.name, wanted.scope)
                wanted.token = new_token()
            wanted.limit = 0
            self._acquire(wanted)

    def _keep(self) -> None:
        while not self._is_closed:
            begun = steady()
            try:
                if self.is_down or not self._connected.is_set():
                    self._probe()
                    self._knows.set()
                    self._prepare()
                    self._prepared.set()
                    self.store.scopes()
                    self._came_up()
                    self._connected.set()
                for work in self._also:
                    work(self.store)
                for wanted in self.wanted:
                    self._renew(wanted)
            except StoreDownError as error:
                self._went_down(str(error))
            except Exception as error:  # noqa: BLE001 - the thread goes on whatever happens
                self._went_down(f"{type(error).__name__}: {error}")
            self._prepared.set()
            self._connected.set()
            pause = self._retry if self.is_down else self._every
            self._wake.wait(max(0.0, pause - (steady() - begun)))
            self._wake.clear()

    def _went_down(self, why: str) -> None:
        with self._state:
            is_news, self._why_down = self._why_down is None, why
            self._knows.set()
        if is_news and not self._is_closed:
            LOG.warning(
                "ibnb: %s does not answer (%s): client IDs, seats and the right to trade are not "
                "shared until it does.",
                self.store,
                why,
            )
            self._wake.set()

    def _came_up(self) -> None:
        with self._state:
            is_news, self._why_down = self._why_down is not None, None
            self._has_answered = True
            self._knows.set()
        if is_news:
            LOG.warning("ibnb: %s answers again.", self.store)

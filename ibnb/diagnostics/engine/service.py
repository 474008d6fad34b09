"""A diagnosis from the outside: what it needs to know, and the one look at the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ibnb.diagnostics.checks import CHECKS
from ibnb.diagnostics.context import Context, SharedProbe, TakePulse
from ibnb.diagnostics.model import Check, Report
from ibnb.diagnostics.sanitise import presentable, presentable_health
from ibnb.diagnostics.verdict.since_good import LastGood
from ibnb.knowledge import Situation
from ibnb.session import BadInputError, Health, Session
from ibnb.session.library.libraries import SPEAKS, Library, event_packages, installed
from ibnb.session.notebook.loop_facts import LoopFacts
from ibnb.session.open_requests import open_in
from ibnb.session.reconnect.throttle import Throttle
from ibnb.session.records.last_good import GoodConnects, connect_settings
from ibnb.session.records.pacing import Pacing, pacing
from ibnb.session.survey import health_asked, seen_through, through
from ibnb.session.tracked import TrackedConnection
from ibnb.tws.attempt import Attempt, is_refusal_of
from ibnb.tws.handshake import Stage
from ibnb.tws.likeness import did_you_mean
from ibnb.tws.names import Address, resolve
from ibnb.tws.probe import probe
from ibnb.tws.sockets import SocketsUnreadableError, listening
from ibnb.tws.target import Target

from .job import Diagnosis
from .once import Shared
from .runner import Observer, run_checks, with_requirements
from .waiting import until_healthy

Look = Callable[[Callable[[Stage], None]], Awaitable[Attempt]]
RESUME_SECONDS = 60.0
"""So long the next try of a resume is waited for."""
CONNECTING = "net.tcp"
"""The check that all others which look at the wire require."""


@dataclass(frozen=True)
class Question:
    """What is to be diagnosed; `timeout` is for the handshake, in seconds.

    `readonly` says whether connects fetch no orders here. For `wait` seconds the diagnosis is
    repeated, until the verdict is not an error. `connection` is the number of the connection of
    this kernel that is asked about, 0 for none in particular. `situation` tells what advice makes
    sense where the report is read, seen from a target.
    """

    candidates: tuple[Target, ...]
    client_id: int
    library: str | None = None
    timeout: float = 5.0
    only: tuple[str, ...] = ()
    show_accounts: bool = False
    readonly: bool = False
    wait: float = 0.0
    connection: int = 0
    situation: Callable[[Target], Situation] = lambda _target: Situation()

    def checks(self) -> tuple[Check, ...]:
        """Return the checks to run.

        Raises:
            BadInputError: a check of that name does not exist.
        """
        if not self.only:
            return CHECKS
        known = {check.id for check in CHECKS}
        for name in self.only:
            if name not in known:
                raise BadInputError(
                    f"unknown check {name!r}: give one of {', '.join(sorted(known))}."
                    f"{did_you_mean(name, known)}"
                )
        return with_requirements(CHECKS, self.only)


class Diagnostician:
    """Runs diagnoses for one process, and keeps them from following each other too fast.

    Those of other processes are known from the folder `state`, where one is given. `pace` is what
    keeps them apart, where something else has its part in it. What was found healthy is remembered
    in `good`, and what fails is compared with it.
    """

    def __init__(
        self,
        state: Path | None = None,
        *,
        pace: Throttle | None = None,
        good: GoodConnects | None = None,
    ) -> None:
        self._pace = pace or Throttle(state)
        self._good = good

    def start(
        self,
        question: Question,
        session: Session | None,
        loop: LoopFacts | None,
        observers: Sequence[Observer] = (),
        at_hand: Health | None = None,
    ) -> Diagnosis:
        """Start a diagnosis on a loop and thread of its own, and return it: a future of its report.

        It works when the kernel's loop does not. Observers are called on that thread. `at_hand` is
        the health of the `ib` that the user's code has.

        Raises:
            BadInputError: a check that was asked for does not exist.
        """
        checks = question.checks()
        connects = any(check.id == CONNECTING for check in checks)

        async def once(stopped: asyncio.Event) -> Report:
            tried = await _take_part(session, question.candidates, stopped) if connects else None
            context = self._context(question, session, loop, at_hand, tried)
            good = self._last_good(question, context) if connects else None
            return await run_checks(checks, context, observers, stopped, good)

        return Diagnosis(
            lambda stopped: until_healthy(lambda: once(stopped), question.wait, observers, stopped)
        )

    def _last_good(self, question: Question, context: Context) -> LastGood | None:
        if self._good is None:
            return None
        settings = connect_settings(question.timeout, readonly=question.readonly)
        return LastGood(self._good, context.target, context.library, settings)

    def _context(
        self,
        question: Question,
        session: Session | None,
        loop: LoopFacts | None,
        at_hand: Health | None,
        tried: Attempt | None = None,
    ) -> Context:
        candidates, number = question.candidates, question.connection
        held = through(session, candidates, number) if session is not None else None
        attempt = seen_through(held) if held is not None else None
        libraries = installed()
        library = _library(question.library, libraries)
        if attempt is not None:
            expects = candidates[0].expects
            attempt = replace(attempt, target=replace(attempt.target, expects=expects))
            target = attempt.target
            if not _was_refused(question.client_id, target, session):
                question = replace(question, client_id=attempt.client_id)
        else:
            target = tried.target if tried is not None else _likely(candidates)
        own_ports: set[int] = set()
        addresses = Shared(lambda: resolve(target.host, target.port, question.timeout))
        return Context(
            target=target,
            client_id=question.client_id,
            libraries=libraries,
            event_packages=event_packages(),
            library=library,
            loop=loop,
            health=presentable_health(
                health_asked(session, held, candidates, number), *_tried(session, held)
            ),
            probe=SharedProbe(
                _told(attempt, Stage.SYNC)
                if attempt is not None
                else _told(tried, tried.stage)
                if tried is not None
                else self._look(question, target, library, addresses, own_ports.add)
            ),
            addresses=addresses,
            timeout=question.timeout,
            connects=any(check.id == CONNECTING for check in question.checks()),
            attached=held is not None,
            is_heard=held is None or held.is_watched,
            own_ports=own_ports,
            pulse=_pulse(session, held),
            show_accounts=question.show_accounts,
            registry=session.registry if session is not None else None,
            leases=session.notebook_leases.store if session is not None else None,
            guard=session.registry.guarding if session is not None else None,
            failed=_failed(session),
            at_hand=at_hand,
            losses=session.losses if session is not None else (),
            pacing=_pacing(session) if session is not None else None,
            situation=replace(question.situation(target), client_id=str(question.client_id)),
        )

    def _look(
        self,
        question: Question,
        target: Target,
        library: Library | None,
        addresses: Shared[tuple[Address, ...]],
        on_open: Callable[[int], None],
    ) -> Look:
        lowest, highest = library.speaks if library is not None else max(SPEAKS.values())

        async def look(on_stage: Callable[[Stage], None]) -> Attempt:
            async with self._pace.turn(target):
                return await probe(
                    target,
                    question.client_id,
                    min_version=lowest,
                    max_version=highest,
                    timeout=question.timeout,
                    on_stage=on_stage,
                    on_open=on_open,
                    resolved=addresses.get,
                )

        return look


async def _take_part(
    session: Session | None, candidates: tuple[Target, ...], stopped: asyncio.Event
) -> Attempt | None:
    """Wait for the next try of a resume that is under way at a target; return what came of it.

    A look of one's own would open a second connection, for which the ID is in use. None if nothing
    is resumed there, if it was given up, if the notebook's loop is held up: then nobody else
    connects; or if the diagnosis is stopped first.
    """
    connection = session.connection if session is not None else None
    home = session.home if session is not None else None
    if (
        session is None
        or connection is None
        or home is None
        or not session.reconnector.is_under_way
    ):
        return None
    here = next((one for one in candidates if one.address == connection.plan.target.address), None)
    if here is None:
        return None
    tried = asyncio.wrap_future(
        asyncio.run_coroutine_threadsafe(session.reconnector.next_try(), home)
    )
    stopping = asyncio.ensure_future(stopped.wait())
    waits: set[asyncio.Future[Any]] = {tried, stopping}
    await asyncio.wait(waits, timeout=RESUME_SECONDS, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not tried.done():
        tried.cancel()
        return None
    attempt = tried.result()
    return attempt and replace(attempt, target=here)


def _told(attempt: Attempt, reached: Stage) -> Look:
    """Return a look that tells of a connection which somebody else opened or tried to open."""

    async def look(on_stage: Callable[[Stage], None]) -> Attempt:
        on_stage(reached)
        return attempt

    return look


def _tried(session: Session | None, held: TrackedConnection | None) -> tuple[Attempt | None, ...]:
    """Return the attempts that the reason of a health may tell of."""
    of_session = (session.failed, session.connection) if session is not None else (None, None)
    connections = (held, of_session[1])
    return (of_session[0], *(one.attempt for one in connections if one is not None))


def _failed(session: Session | None) -> Attempt | None:
    failed = session.failed if session is not None else None
    return presentable(failed) if failed is not None else None


def _pulse(session: Session | None, held: TrackedConnection | None) -> TakePulse | None:
    """Return what takes the pulse of a connection; nobody can where it is not looked after."""
    if session is None or held is None or not held.is_watched:
        return None
    return partial(session.pulse, held.tracked_ib)


def _was_refused(client_id: int, target: Target, session: Session | None) -> bool:
    """Say whether an ID is the one that this notebook was last refused there, as in use."""
    failed = session.failed if session is not None else None
    return failed is not None and is_refusal_of(client_id, target, failed)


def _library(name: str | None, libraries: tuple[Library, ...]) -> Library | None:
    return next((one for one in libraries if name in {None, one.name}), None)


def _likely(candidates: tuple[Target, ...]) -> Target:
    """Return the first address that something listens on, without connecting to any."""
    if len(candidates) > 1 and all(target.is_local for target in candidates):
        with contextlib.suppress(SocketsUnreadableError):
            seen = listening({one.port for one in candidates})
            for target in candidates:
                if seen.on(target.port):
                    return target
    return candidates[0]


def _pacing(session: Session) -> Pacing:
    """Return what this kernel's connections have requested, and have open."""
    return pacing(
        session.journal, time.time(), len(open_in(session.registry.all(), session.journal))
    )

"""What the checks of one diagnosis may look at, gathered before it starts."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from ibnb.diagnostics.engine.once import Once, Shared
from ibnb.diagnostics.verdict.surroundings import Surroundings
from ibnb.knowledge import Situation
from ibnb.session import Health
from ibnb.session.client_ids.leases import LeaseStore
from ibnb.session.library.libraries import Library
from ibnb.session.notebook.loop_facts import LoopFacts
from ibnb.session.reconnect.disconnects import Loss
from ibnb.session.reconnect.heartbeat import Pulse
from ibnb.session.records.pacing import Pacing
from ibnb.session.registry import ConnectionRegistry
from ibnb.tws.attempt import Attempt, is_refusal_of
from ibnb.tws.handshake import Stage
from ibnb.tws.names import Address
from ibnb.tws.own import own_addresses
from ibnb.tws.route import address_towards
from ibnb.tws.target import Target

from .machine import Machine, look_at_machine
from .sanitise import presentable, said

TakePulse = Callable[[], Awaitable[Pulse]]


class SharedProbe:
    """The one look at the gateway that all network and API checks are views of.

    It is taken when a check first asks, and never twice. `look` either opens the one connection
    or describes the session that is already open there. Foreign text in it is cleaned already.
    """

    def __init__(self, look: Callable[[Callable[[Stage], None]], Awaitable[Attempt]]) -> None:
        self._look = look
        self._task: asyncio.Task[Attempt] | None = None
        self._reached: dict[Stage, asyncio.Event] = {}

    @property
    def has_begun(self) -> bool:
        """Whether any check has asked for the look."""
        return self._task is not None

    async def attempt(self) -> Attempt:
        """Return what the look came to, when it is over."""
        return await asyncio.shield(self._running())

    async def until(self, stage: Stage) -> Attempt | None:
        """Wait until a stage is reached or the look is over; return the attempt in that case."""
        task = self._running()
        reached = self._reached[stage]
        waiter = asyncio.ensure_future(reached.wait())
        await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
        waiter.cancel()
        return task.result() if task.done() else None

    def _running(self) -> asyncio.Task[Attempt]:
        if self._task is None:
            self._reached = {stage: asyncio.Event() for stage in Stage}
            self._task = asyncio.ensure_future(self._seen())
        return self._task

    async def _seen(self) -> Attempt:
        return presentable(await self._look(self._on_stage))

    def _on_stage(self, stage: Stage) -> None:
        for reached, event in self._reached.items():
            if reached <= stage:
                event.set()


@dataclass(frozen=True)
class Context:
    """Everything that checks know, besides what they find out.

    `addresses` resolves the target's name, once for all and within `timeout`, that of the question.
    `connects` says that the shared look at the gateway is a part of this diagnosis.
    `attached` says that a connection of this kernel is open on the target, so that no other is
    opened; `pulse` then asks the open gateway whether it still answers, and `is_heard` says that
    the notices of that connection are known. `health` is that of this connection, else of the one
    that is meant. `loop` is None outside a notebook,
    `guard` where no extension is loaded, `leases` and `pacing` where none are kept. `failed` is
    the last opening of this notebook that came to nothing, until a later one succeeded, `holdings`
    are the connections of this kernel, and
    `at_hand` the health of the `ib` that the user's code has, where it has one. `own_ports` are the
    ports of this end of the connection that the diagnosis opens; it grows when that is open.
    `situation` is what was known before it, and where its report is read.
    """

    target: Target
    client_id: int
    libraries: tuple[Library, ...]
    event_packages: tuple[str, ...]
    library: Library | None
    loop: LoopFacts | None
    health: Health
    probe: SharedProbe
    addresses: Shared[tuple[Address, ...]]
    timeout: float = 5.0
    connects: bool = False
    attached: bool = False
    is_heard: bool = True
    pulse: TakePulse | None = None
    show_accounts: bool = False
    leases: LeaseStore | None = None
    registry: ConnectionRegistry | None = None
    guard: bool | None = None
    failed: Attempt | None = None
    at_hand: Health | None = None
    losses: tuple[Loss, ...] = ()
    pacing: Pacing | None = None
    own_ports: set[int] = field(default_factory=set)
    situation: Situation = field(default_factory=Situation)
    machine: Once[Machine] = field(default_factory=lambda: Once(look_at_machine))

    @property
    def surroundings(self) -> Surroundings:
        """What of it a verdict depends on."""
        host = self.target.host
        return Surroundings(
            target=self.target,
            situation=self.situation,
            is_local=self.target.is_local,
            by_name=any(letter.isalpha() for letter in host) and ":" not in host,
            attached=self.attached,
            is_open=self.health.is_open,
            failed=self.failed,
            show_accounts=self.show_accounts,
        )

    @property
    def here(self) -> Situation:
        """The situation with what is plain from the target alone."""
        return self.surroundings.here

    @property
    def own_id(self) -> int | None:
        """The client ID of the connection that is looked through, unless it was refused since."""
        own = self.health.client_id if self.attached else None
        failed = self.failed
        refused = own is not None and failed and is_refusal_of(own, self.target, failed)
        return None if refused else own

    @property
    def named(self) -> frozenset[str]:
        """The hosts and addresses that a report may show: the user's own, and this machine's."""
        others = [self.health.target, self.failed.target if self.failed is not None else None]
        hosts = {self.target.host, *(one.host for one in others if one is not None)}
        hosts |= {loss.address[0] for loss in self.losses}
        resolved = self.addresses.seen() or ()
        hosts |= {str(address[0]) for *_, address in resolved}
        hosts |= {str(address) for address in own_addresses()}
        seen = address_towards(resolved)
        return frozenset(hosts if seen is None else hosts | {seen})

    def shown(self, accounts: tuple[str, ...]) -> list[str]:
        """Return account numbers as they may be shown."""
        return self.surroundings.shown(accounts)

    def said(self, text: str) -> str:
        """Return what others wrote as a result may quote it: names of programs, errors, files."""
        return said(text, self.named, accounts=not self.show_accounts)

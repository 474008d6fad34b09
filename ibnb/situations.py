"""The situation of this process, as far as its session tells: what advice has to fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .context import IB, SIMULATOR
from .session import ConnectFailed, survey
from .session.address import address_of, where
from .session.library import reading
from .session.library.libraries import is_ib
from .tws.accounts import is_paper
from .tws.target import BadTargetError, Target, parse_target

if TYPE_CHECKING:
    from .context import NotebookContext
    from .knowledge import Situation
    from .knowledge.situation import Accounts, End, Opener, State
    from .options import ConnectOptions
    from .session import Health, Session
    from .settings import IbSettings
    from .tws.attempt import Attempt

CONNECT = "%ibconnect"
DIAGNOSING = ("%ibdiag", "ibnb diag")


@dataclass(frozen=True)
class Asked:
    """The last connect that was asked of ibnb: what was wished, and which addresses it meant.

    `failed` is what it came to if it failed; `is_over` is False while it goes on.
    """

    options: ConnectOptions
    candidates: tuple[Target, ...]
    failed: Attempt | None = None
    is_over: bool = False


class Situations:
    """Knows the situation in which advice is read.

    Args:
        session: the session of this process.
        settings: whose target is the usual one.
        context: returns where this process works.
    """

    def __init__(
        self, session: Session, settings: IbSettings, context: Callable[[], NotebookContext]
    ) -> None:
        self.session = session
        self.settings = settings
        self.context = context
        self.asked: Asked | None = None
        self.granted: Asked | None = None

    @contextmanager
    def asking(self, options: ConnectOptions, candidates: tuple[Target, ...]) -> Iterator[None]:
        """Remember what is asked for, and what it comes to."""
        self.asked = asked = Asked(options, candidates)
        try:
            yield
        except ConnectFailed:
            asked = replace(asked, failed=self.session.failed)
            raise
        else:
            self.granted = asked
        finally:
            self.asked = replace(asked, is_over=True)

    def situation(self, about: Target | None = None, ib: Any = None) -> Situation:
        """Return what is known here.

        Args:
            about: the target that the advice is about; left out: where an opening failed last,
                else where something is or was open.
            ib: the `IB` object that the advice is about; left out: the one at hand.
        """
        from .knowledge import Situation

        seen = _Seen(self, about, ib)
        target = seen.target
        guarding = self.session.registry.guarding
        context = self.context()
        return Situation(
            place="notebook" if context.has_magics else "terminal",
            session=seen.state,
            ib=_end(self.session, context.at_hand() if ib is None else ib),
            opener=seen.opener,
            guard=None if guarding is None else "on" if guarding else "off",
            accounts=seen.accounts,
            machine=None if target is None else "this" if target.is_local else "another",
            address=target.short if target is not None else "",
            target=seen.arguments(),
            without_id=seen.arguments(with_id=False),
            client_id=str(seen.client_id) if seen.client_id is not None else "",
            name=seen.name,
            open_at=seen.open_at if seen.state == "open" else "",
            tried=seen.tried,
        )


def diagnosed(situation: Situation) -> Situation:
    """Return a situation in which its target has just been diagnosed."""
    of_target = {f"{command} {situation.address}" for command in DIAGNOSING}
    return replace(situation, tried=situation.tried | {*DIAGNOSING, *of_target})


class _Seen:
    """What the session shows of a target: of the one asked for, or of the one at hand."""

    def __init__(self, known: Situations, about: Target | None, ib: Any) -> None:
        self._known = known
        self._meant = survey.health_at_hand(known.session, known.context().at_hand())
        failed = known.session.failed
        gone = _gone(known.session, ib) if about is None else None
        if gone is not None:
            self._health, failed = gone, None
        else:
            from .session import Health

            self._health = self._meant if _is(about, self._meant.target) else Health("closed")
        self._failed = failed if failed is not None and _is(about, failed.target) else None
        self.target = about or (failed.target if failed is not None else self._health.target)

    @property
    def state(self) -> State:
        """The state of the notebook's connection."""
        if self._meant.is_open:
            return "open"
        if {self._meant.state, self._health.state} & {"lost", "resuming"}:
            return "lost"
        if self._failed is not None:
            return "failed"
        return "closed" if self._health.target or self._meant.target else "never"

    @property
    def opener(self) -> Opener | None:
        """Who opened what it is about, or tried to."""
        asked, failed = self._known.asked, self._failed
        if failed is not None:
            is_ours = asked is not None and (asked.failed is failed or not asked.is_over)
            return "ibnb" if is_ours else "code"
        if self._health.target is None:
            return None
        return "code" if self._health.by_user else "ibnb"

    @property
    def accounts(self) -> Accounts | None:
        """The kind of the accounts that were found."""
        if self._failed is not None:
            found = self._failed.accounts
            return None if not found else "paper" if is_paper(found) else "live"
        kind = self._health.kind
        return kind if kind in {"paper", "live"} else None

    @property
    def client_id(self) -> int | None:
        """The client ID that it has, or was asked for."""
        return self._failed.client_id if self._failed is not None else self._health.client_id

    @property
    def name(self) -> str:
        """What the notebook calls the connection."""
        options = self._wish
        return (options.name if options is not None else "") or self._known.context().name()

    @property
    def open_at(self) -> str:
        """Where the notebook's connection is open, for people."""
        target, client_id = self._meant.target, self._meant.client_id
        if target is None or client_id is None:
            return ""
        return where(address_of(target.host, target.port, client_id))

    def arguments(self, *, with_id: bool = True) -> str:
        """Return what opens it again, behind `%ibconnect`."""
        target = self.target
        if target is None:
            return ""
        return " ".join((self._word or target.short, *self._options(target, with_id=with_id)))

    @property
    def tried(self) -> frozenset[str]:
        """The commands that lead to what has just failed."""
        if self._failed is None or self.opener != "ibnb":
            return frozenset()
        asked = self._known.asked
        candidates = asked.candidates if asked is not None else ()
        last = self._failed.target
        failed = {last.address}
        for one in candidates:
            failed.add(one.address)
            if one.address == last.address:
                break
        words = {str(one) for one in (*candidates, last) if one.address in failed}
        words |= {one.short for one in (*candidates, last) if one.address in failed}
        words |= {word for word in ("paper", "live") if _leads_to(word) <= failed}
        # Alone it is told as a way to connect at all: it just was not.
        words |= {"", self._word}
        options = " ".join(self._options(last, with_id=True))
        return frozenset(
            " ".join(part for part in (CONNECT, word, more) if part)
            for word in words
            for more in {"", options}
        )

    @property
    def _wish(self) -> ConnectOptions | None:
        """What was wished of this target, if ibnb opened it or tried to."""
        target = self.target
        if target is None or self.opener == "code":
            return None
        for asked in (self._known.asked, self._known.granted):
            if asked is not None and any(one.address == target.address for one in asked.candidates):
                return asked.options
        return None

    @property
    def _word(self) -> str:
        """The word for the target, if it is the simulated gateway, whose port says nothing."""
        options = self._wish
        if options is None:
            return ""
        given = self._known.settings.target if options.target is None else options.target
        return SIMULATOR if given == SIMULATOR else ""

    def _options(self, target: Target, *, with_id: bool) -> list[str]:
        """Return the options that belong to a target: without them it would be another."""
        options = self._wish
        given: dict[str, object] = {}
        if options is not None:
            name = options.name if options.name not in {"", IB} else None
            given = {"--client-id": options.client_id, "--library": options.library, "--name": name}
        elif self.opener == "code":
            given = {"--client-id": self.client_id}
        if not with_id:
            given.pop("--client-id", None)
        words = ((option, str(value)) for option, value in given.items() if value is not None)
        return [*(word for pair in words for word in pair), *target.expectation_options]


def _is(about: Target | None, target: Target | None) -> bool:
    """Say whether a target is the one that it is about, if it is about any."""
    return about is None or (target is not None and target.address == about.address)


def _gone(session: Session, ib: Any) -> Health | None:
    """Return the health of an object that is no longer connected; None if it is, or never was."""
    from .session import Health

    if not is_ib(ib) or reading.is_connected(ib):
        return None
    health = session.health(ib)
    if health.target is not None:
        return health
    # What nobody looked after still tells itself where it was.
    if not reading.was_connected(ib):
        return None
    host, port, client_id = reading.address(ib)
    return Health("closed", Target(host, port), client_id, by_user=True)


def _leads_to(word: str) -> set[tuple[str, int]]:
    try:
        return {one.address for one in parse_target(word)}
    except BadTargetError:
        return set()


def _end(session: Session, ib: Any) -> End | None:
    """Return what became of an `IB` object."""
    if not is_ib(ib):
        return None
    if reading.is_connected(ib):
        return "open"
    return session.end_of(ib) or (None if reading.was_connected(ib) else "never")

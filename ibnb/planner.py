"""From what a user asked for, and the settings, to what is opened or diagnosed."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from .context import SIMULATOR
from .session import BadInputError, parse_client_id, stable_client_id, survey
from .session.address import Address
from .session.client_ids.ids import AUTO
from .session.library.libraries import find_library
from .settings import IbSettings, check_seconds
from .situations import diagnosed
from .tws.target import BadTargetError, Expectation, Target, parse_target

if TYPE_CHECKING:
    from .context import NotebookContext
    from .diagnostics import Question
    from .knowledge import Situation
    from .options import ConnectOptions
    from .session import Plan, Session

USUAL_WAIT_SECONDS = 10.0
AFTER_CRASH_SECONDS = 90.0
SIMULATOR_VARIABLE = "IBNB_SIM"
"""Where a simulated gateway that somebody else started listens, as HOST:PORT."""
TERMINAL_IDS = range(900, 1000)
"""Client IDs of diagnoses from a terminal, outside those that notebooks get."""


class Planner:
    """Decides what is opened and what is diagnosed: options count before settings.

    Args:
        settings: what counts if an option was not given.
        context: where this process works.
        session: knows what is open, and the client IDs that this notebook leased.
        situation: returns the situation in which advice about a target is read.
        simulator: returns where a simulated gateway of this process's own listens, with these
            faults, or with whichever it has.
    """

    def __init__(
        self,
        settings: IbSettings,
        context: Callable[[], NotebookContext],
        session: Session,
        situation: Callable[[Target], Situation],
        simulator: Callable[[Sequence[str] | None], str],
    ) -> None:
        self._settings = settings
        self._context = context
        self._session = session
        self._situation = situation
        self._simulator = simulator

    def plan(self, options: ConnectOptions, candidates: tuple[Target, ...]) -> Plan:
        """Return what is to be opened: at the first of some addresses, of which any will do.

        Raises:
            BadInputError: an option makes no sense.
            NoLibraryError: no API library is installed.
        """
        from .session import Plan

        settings = self._settings
        given = self._given_id(options)
        return Plan(
            target=candidates[0],
            client_id=self._own_id(candidates[0]) if isinstance(given, str) else given,
            move_on=given == AUTO,
            is_own_id=not given,
            library=find_library(options.library or settings.library or None),
            timeout=self._timeout(options),
            readonly=settings.readonly if options.readonly is None else options.readonly,
            account=options.account or settings.account or "",
            trade=options.trade,
            name=options.name,
        )

    def question(
        self, options: ConnectOptions, only: Sequence[str] = (), wait: float = 0.0
    ) -> Question:
        """Return what a diagnosis is to find out.

        Without a target it is where the session or a connection of the user's own is open, else
        what went wrong last. It is repeated for `wait` seconds, until the verdict is not an error.

        Raises:
            BadInputError: an option or a check's name makes no sense.
        """
        from .diagnostics import Question
        from .knowledge import Situation

        candidates = self._own_targets(options) if options.target is None else ()
        candidates = candidates or self.candidates(options)
        name = options.library or self._settings.library
        if name:
            find_library(name)
        # Here, and not on the diagnosis's own thread: it looks at what belongs to this one.
        known = {one.address: diagnosed(self._situation(one)) for one in candidates}
        question = Question(
            candidates=candidates,
            client_id=self._diagnosing_id(options, candidates[0]),
            library=name or None,
            timeout=self._timeout(options),
            only=tuple(only),
            show_accounts=self._settings.show_accounts,
            readonly=bool(self._settings.readonly),
            wait=wait,
            situation=lambda target: known.get(target.address) or Situation(),
            connection=self._number_meant(),
        )
        question.checks()
        return question

    def candidates(self, options: ConnectOptions) -> tuple[Target, ...]:
        """Return the addresses that are meant; starts the simulated gateway if that is meant.

        Raises:
            BadInputError: the target or the expectation makes no sense.
        """
        expect = options.expect or self._settings.expect or None
        if expect not in {None, "paper", "live"}:
            raise BadInputError(f"expect {expect!r}: give paper or live")
        text = str(self._settings.target if options.target is None else options.target)
        try:
            if text == SIMULATOR:
                # A resume without faults is to the gateway that there is, however it is broken.
                text = self._simulated(None if options.resume else options.fault)
            elif options.fault:
                raise BadInputError(
                    f"--fault breaks a simulated gateway, and {text} is none: give the target sim"
                )
            return parse_target(text, _expectation(expect))
        except BadTargetError as error:
            raise BadInputError(str(error)) from None

    def _simulated(self, faults: Sequence[str] | None) -> str:
        """Return where the simulated gateway is that is meant; it is started if need be."""
        named = os.environ.get(SIMULATOR_VARIABLE)
        if named and faults:
            raise BadInputError(
                f"--fault is for a simulated gateway of one's own, and {SIMULATOR_VARIABLE} names "
                f"{named}: unset it, or set the faults there"
            )
        return named or self._simulator(faults)

    def wait_for(self, options: ConnectOptions) -> Callable[[Address], float]:
        """Return what says how many seconds a client ID that is still in use is waited for.

        Raises:
            BadInputError: the option makes no sense.
        """
        if options.wait is None:
            return self.usual_wait
        seconds = check_seconds("wait", options.wait)
        return lambda _address: seconds

    def usual_wait(self, address: Address) -> float:
        """Return how many seconds a client ID that is still in use is waited for.

        As long as is set. If nothing is set: longer if this notebook's last kernel died with it,
        because a gateway takes up to two minutes to notice that.
        """
        if self._settings.wait is not None:
            return float(self._settings.wait)
        crashed = self._session.notebook_leases.crashed_with(address)
        return AFTER_CRASH_SECONDS if crashed else USUAL_WAIT_SECONDS

    def _given_id(self, options: ConnectOptions) -> int | str:
        """Return the ID that was asked for, ``auto``, or nothing for this notebook's own."""
        own = self._settings.client_id
        given = own if options.client_id is None else str(options.client_id)
        return parse_client_id(given) if given else ""

    def _own_id(self, target: Target) -> int:
        preferred = stable_client_id(self._context().notebook)
        return self._session.notebook_leases.client_id(preferred, gateway=target.address)

    def _timeout(self, options: ConnectOptions) -> float:
        if options.timeout is None:
            return float(self._settings.timeout)
        return check_seconds("timeout", options.timeout)

    def _own_targets(self, options: ConnectOptions) -> tuple[Target, ...]:
        """Return where a connection is open, else where one went wrong last, else nothing."""
        own = survey.target_meant(self._session, self._context().at_hand())
        if own is None:
            return ()
        return parse_target(str(own), _expectation(options.expect) or own.expects)

    def _number_meant(self) -> int:
        """Return the number of the connection that is meant if none is named, 0 without any."""
        meant = survey.meant(self._session, self._context().at_hand())
        return meant.number if meant is not None else 0

    def _diagnosing_id(self, options: ConnectOptions, target: Target) -> int:
        given = self._given_id(options)
        if isinstance(given, int):
            return given
        if self._context().in_notebook:
            return self._own_id(target)
        return TERMINAL_IDS[os.getpid() % len(TERMINAL_IDS)]


def _expectation(text: str | None) -> Expectation | None:
    return "paper" if text == "paper" else "live" if text == "live" else None

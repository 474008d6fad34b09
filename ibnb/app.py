"""The one session of this process and what belongs to it, behind the verbs that users know."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ibnb.options import SIMULATOR
from ibnb.session import (
    BadInputError,
    Closed,
    Health,
    Opened,
    Plan,
    Session,
    Waiting,
    advising,
    parse_client_id,
    stable_client_id,
    survey,
)
from ibnb.session.client_id import AUTO
from ibnb.session.held import Address
from ibnb.session.leases import LeaseStore, SqliteLeases, Tenant, say_not_remembered
from ibnb.session.libraries import find_library, is_ib
from ibnb.session.loops import inspect_loop, patch_loop, run
from ibnb.session.losses import where
from ibnb.settings import IbSettings, apply_environment, check_seconds, state_folder
from ibnb.situations import Asked, asking, diagnosed, situation_of
from ibnb.tws.target import BadTargetError, Expectation, Target, parse_target
from ibnb.wishes import Place, Wish

if TYPE_CHECKING:
    from ibnb.diagnostics import Diagnosis, Diagnostician, Observer, Question
    from ibnb.knowledge import Explanation, Situation
    from ibnb.session.pace import Pace
    from ibnb.simulator.process import SimulatorProcess
    from ibnb.tws.notices import Notice

USUAL_WAIT_SECONDS = 10.0
AFTER_CRASH_SECONDS = 90.0
SIMULATOR_VARIABLE = "IBNB_SIM"
"""Where a simulated gateway that somebody else started listens, as HOST:PORT."""
NOT_CONNECTED = 504
TERMINAL_IDS = range(900, 1000)
"""Client IDs of diagnoses from a terminal, outside those that notebooks get."""


class NoErrorYetError(LookupError):
    """The latest error was asked for, and there was none; the text is one line for the user."""


class App:
    """The verbs: connect, disconnect, diagnose, explain.

    A session that is given stays as it is until `claim`.
    """

    def __init__(
        self, settings: IbSettings, place: Place | None = None, session: Session | None = None
    ) -> None:
        self.settings = settings
        self.place = place or Place()
        self.session = session or Session()
        self.tenant = Tenant(self._notebook, self._lease_store)
        if session is None:
            self.claim()
        self.waiting: Callable[[], AbstractContextManager[Callable[[Waiting], None] | None]]
        self.waiting = nullcontext
        self.asked: Asked | None = None
        self.granted: Asked | None = None
        self._latest: Explanation | None = None
        self._heard = 0
        self._simulator: SimulatorProcess | None = None
        self._diagnostician: Diagnostician | None = None
        self._pace: Pace | None = None

    @property
    def pace(self) -> Pace:
        """What keeps the probes and the resumes of this machine's programs apart."""
        if self._pace is None:
            from ibnb.session.pace import Pace

            self._pace = Pace(self._state())
        return self._pace

    def claim(self) -> None:
        """Let the session go by this app's settings and leases from now on."""
        self.session.tenant = self.tenant
        self.session.resuming.by_itself = lambda: bool(self.settings.auto_resume)
        self.session.resuming.keep_apart = self._kept_apart

    def _kept_apart(self, target: Target) -> AbstractAsyncContextManager[None]:
        # Asked for late: the settings may not be complete when the session is claimed.
        return self.pace.turn(target)

    async def connect_async(self, wish: Wish) -> Opened:
        """Open the session's connection as wished.

        Raises:
            BadInputError: the wish makes no sense; nothing was touched.
            NoLibraryError: no API library is installed; nothing was touched.
            ConnectFailed: no usable connection came of it.
        """
        settings = self.settings
        candidates = self.candidates(wish)
        given = self._given_id(wish)
        plan = Plan(
            target=candidates[0],
            client_id=self._own_id() if isinstance(given, str) else given,
            move_on=given == AUTO,
            library=find_library(wish.library or settings.library or None),
            timeout=self._timeout(wish),
            readonly=settings.readonly if wish.readonly is None else wish.readonly,
            account=wish.account or settings.account or "",
            trade=wish.trade,
            name=wish.name,
        )
        seconds = None if wish.wait is None else check_seconds("wait", wish.wait)

        def wait(address: Address) -> float:
            return self.wait_for(address) if seconds is None else seconds

        with asking(self, wish, candidates), self.waiting() as on_wait:
            if not wish.resume:
                return await self.session.connect(plan, candidates, wait=wait, on_wait=on_wait)
            connection = self.session.connection
            addresses = [replace(plan, target=target).address for target in candidates]
            if connection is not None and wish.target is None and wish.client_id is None:
                addresses = [connection.address]
            for address in addresses:
                resumed = await self.session.resume(address, wait=wait, on_wait=on_wait)
                if resumed is not None:
                    return resumed
            opened = await self.session.connect(plan, candidates, wait=wait, on_wait=on_wait)
            return replace(opened, how="afresh")

    def situation(self, about: Target | None = None, ib: Any = None) -> Situation:
        """Return what is known here of where advice is read, and of what it is about."""
        return situation_of(self, about, ib)

    def wait_for(self, address: Address) -> float:
        """Return how many seconds a client ID that is still held is waited for.

        As long as is set. If nothing is set: longer if this notebook's last kernel died with it,
        because a gateway takes up to two minutes to notice that.
        """
        if self.settings.wait is not None:
            return float(self.settings.wait)
        crashed = self.session.tenant.crashed_with(address)
        return AFTER_CRASH_SECONDS if crashed else USUAL_WAIT_SECONDS

    def connect(self, wish: Wish) -> Opened:
        """Open the session's connection as wished, from synchronous code; raises the same."""
        patch_loop()
        opened = run(self.connect_async(wish), self.session.home)
        self.session.holdings.runs.adopt(opened.connection.lineage)
        return opened

    def disconnect(self, because: str) -> Closed | None:
        """Close the connection; return what was closed, or None where none was open.

        Where the session has none, it is the one that the user's own code gave the `ib` at hand,
        else the only one that is open.

        Raises:
            BadInputError: several are open, and none of them is at hand.
        """
        session, at_hand = self.session, self.connected_at_hand()
        if at_hand is None and session.connection is None:
            at_hand = self._only_open()
        if at_hand is not None:
            return run(session.disconnect_users(at_hand, because), session.home)
        connection = session.connection
        left = run(session.disconnect(because), session.home)
        if connection is None or left is None:
            return None
        return Closed(connection.address, left)

    def connected_at_hand(self) -> Any:
        """Return the `ib` at hand where the user's own code connected it and the session has none.

        None where the session has a connection, or the `ib` at hand is not connected.
        """
        ib = self.place.at_hand()
        connection = self.session.connection
        own = connection is not None and (connection.is_open or connection.ib is ib)
        return ib if is_ib(ib) and ib.isConnected() and not own else None

    def _only_open(self) -> Any:
        """Return the `IB` object of the only connection that is open, None without any."""
        opened = survey.open_ones(self.session)
        if len(opened) > 1:
            known = ", ".join(where(held.address) for held in opened)
            raise BadInputError(
                f"several connections are open: {known}: call disconnect() on the IB object of "
                "the one that you mean"
            )
        return opened[0].held_ib if opened else None

    def health(self) -> Health:
        """Return the health of the connection that is meant where none is named."""
        return survey.health_at_hand(self.session, self.place.at_hand())

    def question(self, wish: Wish, only: Sequence[str] = (), wait: float = 0.0) -> Question:
        """Return what a diagnosis is to find out.

        Without a target it is where the session or a connection of the user's own is open, else
        what went wrong last. It is repeated for `wait` seconds, until the verdict is no error.

        Raises:
            BadInputError: the wish or a check's name makes no sense.
        """
        from ibnb.diagnostics import Question
        from ibnb.knowledge import Situation

        candidates = self._own_targets(wish) if wish.target is None else ()
        candidates = candidates or self.candidates(wish)
        name = wish.library or self.settings.library
        if name:
            find_library(name)
        # Here, and not on the diagnosis's own thread: it looks at what belongs to this one.
        known = {one.address: diagnosed(self.situation(one)) for one in candidates}
        question = Question(
            candidates=candidates,
            client_id=self._diagnosing_id(wish),
            library=name or None,
            timeout=self._timeout(wish),
            only=tuple(only),
            show_accounts=self.settings.show_accounts,
            wait=wait,
            situation=lambda target: known.get(target.address) or Situation(),
            connection=self._number_meant(),
        )
        question.checks()
        return question

    def start_diagnosis(self, question: Question, observers: Sequence[Observer] = ()) -> Diagnosis:
        """Start a diagnosis on a thread of its own; observers are called on that thread."""
        if self._diagnostician is None:
            from ibnb.diagnostics import Diagnostician

            self._diagnostician = Diagnostician(pace=self.pace)
        loop = inspect_loop() if self.place.in_notebook else None
        ib = self.place.at_hand()
        at_hand = self.session.health(ib) if is_ib(ib) else None
        return self._diagnostician.start(question, self.session, loop, observers, at_hand)

    def explain(self, query: str | int | None = None) -> Explanation:
        """Return the explanation of a code, of words, or of the latest error.

        A code that this notebook received comes with the request that it was the answer to.

        Raises:
            UnknownQueryError: the words match nothing.
            NoErrorYetError: the latest was asked for, and there was none.
        """
        from ibnb.knowledge import UnknownQueryError, explain
        from ibnb.knowledge.lookup import LONGEST_NUMBER
        from ibnb.ui.foreign import masked

        if query is None or query == "":
            return self._explain_latest()
        code = str(query).strip()
        # Python refuses to convert thousands of digits.
        if code.isascii() and code.isdigit() and len(code) <= LONGEST_NUMBER:
            notice = self.session.journal.latest_of(int(code))
            if notice is not None:
                return self.explain_notice(notice)
        try:
            return self._in_situation(explain(query))
        except UnknownQueryError as error:
            # It repeats the words.
            shown = masked(error.shown, show_accounts=self.settings.show_accounts)
            raise UnknownQueryError(shown, error.candidates) from None

    def remember(self, explanation: Explanation) -> None:
        """Take note that this was shown for the errors so far."""
        self._latest, self._heard = explanation, self.session.journal.count

    def _explain_latest(self) -> Explanation:
        from ibnb.knowledge import severity_of

        # What came since, while no cell ran, has no card: it is later than what has one.
        heard = self.session.journal.since(self._heard)
        bad = [one for one in heard if severity_of(one.code, one.text) != "info"]
        if bad:
            return self.explain_notice(bad[-1])
        if self._latest is not None:
            return self._latest
        notice = self.session.journal.latest()
        if notice is not None:
            return self.explain_notice(notice)
        raise NoErrorYetError("No error so far. Give a code or words: %iberror 326")

    def _in_situation(self, explanation: Explanation) -> Explanation:
        """Add what decides the steps, and, if a connection is gone, what became of the `ib`."""
        explanation = replace(explanation, situation=self.situation())
        if NOT_CONNECTED not in explanation.entry.codes:
            return explanation
        ib = self.place.at_hand()
        fate = self.session.fate(ib) if is_ib(ib) else None
        return replace(explanation, facts=(*explanation.facts, fate)) if fate else explanation

    def explain_notice(self, notice: Notice) -> Explanation:
        """Return the explanation of a notice that this notebook received."""
        from ibnb.diagnostics.live import explain_notice

        explanation = explain_notice(notice, self.session.journal)
        return self._in_situation(replace(explanation, connection=notice.connection))

    async def with_evidence(self, *explanations: Explanation) -> list[Explanation]:
        """Return explanations with what the checks that their pages name find now."""
        from ibnb.evidence import with_evidence

        return await with_evidence(self, explanations)

    def candidates(self, wish: Wish) -> tuple[Target, ...]:
        """Return the addresses that a wish means; starts the simulated gateway where it is meant.

        Raises:
            BadInputError: the target or the expectation makes no sense.
        """
        expect = wish.expect or self.settings.expect or None
        if expect not in {None, "paper", "live"}:
            raise BadInputError(f"expect {expect!r}: give paper or live")
        text = str(self.settings.target if wish.target is None else wish.target)
        try:
            if text == SIMULATOR:
                text = os.environ.get(SIMULATOR_VARIABLE) or self._own_simulator()
            return parse_target(text, _expectation(expect))
        except BadTargetError as error:
            raise BadInputError(str(error)) from None

    def client_id(self, wish: Wish) -> int:
        """Return the client ID of a wish: the one given, else this notebook's own.

        Raises:
            BadInputError: it is no client ID.
        """
        given = self._given_id(wish)
        return self._own_id() if isinstance(given, str) else given

    def _given_id(self, wish: Wish) -> int | str:
        """Return the ID that was asked for, ``auto``, or nothing for this notebook's own."""
        given = self.settings.client_id if wish.client_id is None else str(wish.client_id)
        return parse_client_id(given) if given else ""

    def _own_id(self) -> int:
        return self.session.tenant.client_id(stable_client_id(self._notebook()))

    def close(self) -> None:
        """Close the connection and end the simulated gateway, where there are any."""
        if self.session.connection is not None:
            run(self.session.disconnect("ibnb was unloaded."), self.session.home)
        if self._simulator is not None:
            self._simulator.stop()
            self._simulator = None
        self.tenant.close()

    def _notebook(self) -> str:
        return self.place.notebook

    def _lease_store(self) -> LeaseStore | None:
        folder = self._state()
        return SqliteLeases(folder) if folder is not None else None

    def _state(self) -> Path | None:
        try:
            return state_folder(self.settings.state_dir)
        except (OSError, RuntimeError) as error:
            # As where a home directory is meant that does not exist.
            say_not_remembered(
                f"there is no folder for them ({error}). Name one with the setting state_dir "
                "(IBNB_STATE_DIR)."
            )
            return None

    def _timeout(self, wish: Wish) -> float:
        if wish.timeout is None:
            return float(self.settings.timeout)
        return check_seconds("timeout", wish.timeout)

    def _own_simulator(self) -> str:
        from ibnb.simulator.process import start_simulator

        if self._simulator is None or not self._simulator.is_running:
            self._simulator = start_simulator()
        return f"{self._simulator.host}:{self._simulator.port}"

    def _own_targets(self, wish: Wish) -> tuple[Target, ...]:
        """Return where a connection is open, else where one went wrong last, else nothing."""
        own = survey.target_meant(self.session, self.place.at_hand())
        if own is None:
            return ()
        return parse_target(str(own), _expectation(wish.expect) or own.expects)

    def _number_meant(self) -> int:
        """Return the number of the connection that is meant where none is named, 0 without any."""
        held = survey.meant(self.session, self.place.at_hand())
        return held.number if held is not None else 0

    def _diagnosing_id(self, wish: Wish) -> int:
        given = isinstance(self._given_id(wish), int)
        if self.place.in_notebook or given:
            return self.client_id(wish)
        return TERMINAL_IDS[os.getpid() % len(TERMINAL_IDS)]


def _expectation(text: str | None) -> Expectation | None:
    return "paper" if text == "paper" else "live" if text == "live" else None


_app: App | None = None


def the_app() -> App:
    """Return this process's one app, made when first asked for."""
    app = _app
    if app is None:
        settings = IbSettings()
        apply_environment(settings)
        app = App(settings)
        set_app(app)
        atexit.register(app.session.close_at_exit)
    return app


def current_app() -> App | None:
    """Return this process's one app, or None where nobody asked for it yet."""
    return _app


def set_app(app: App | None) -> Any:
    """Put another app in the place of this process's one; return the one before."""
    global _app
    before, _app = _app, app
    advising.ask(app.situation if app is not None else None)
    if app is not None:
        app.claim()
    return before

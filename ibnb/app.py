"""The one session of this process and what belongs to it, behind the verbs that users know."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .context import NotebookContext
from .made_once import made_once
from .session import BadInputError, Session, advising, survey
from .session.address import Address, where
from .session.client_ids.notebook_leases import NotebookLeases
from .session.library import reading
from .session.library.libraries import is_ib
from .session.notebook.event_loop import patch_loop, run
from .settings import IbSettings, apply_environment, state_folder

if TYPE_CHECKING:
    from .diagnostics import Diagnosis, Diagnostician, Observer, Question
    from .explainer import Explainer
    from .knowledge import Situation
    from .options import ConnectOptions
    from .planner import Planner
    from .recordings import Recordings
    from .session import Closed, Health, Opened, Waiting
    from .session.client_ids.leases import LeaseStore
    from .session.client_ids.team import Team
    from .session.counting import Counting
    from .session.open_requests import OpenRequests
    from .session.reconnect.throttle import Throttle
    from .session.records.last_good import GoodConnects, Known
    from .simulator.process import SimulatorProcess
    from .situations import Situations
    from .tws.target import Target


class App:
    """The verbs: connect, disconnect, diagnose, explain.

    A session that is given stays as it is until `claim`.
    """

    def __init__(
        self,
        settings: IbSettings,
        context: NotebookContext | None = None,
        session: Session | None = None,
    ) -> None:
        self.settings = settings
        self.context = context or NotebookContext()
        self.session = session or Session()
        self.notebook_leases = NotebookLeases(lambda: self.context.notebook, self._lease_store)
        self._counting: Counting | None = None
        settings.observe(self._pace_history, "paced")
        if session is None:
            self.claim()
        self.waiting: Callable[[], AbstractContextManager[Callable[[Waiting], None] | None]]
        self.waiting = nullcontext
        self._simulator: SimulatorProcess | None = None
        self._old_simulators: list[SimulatorProcess] = []
        self._diagnostician: Diagnostician | None = None
        self._recordings: Recordings | None = None

    def __repr__(self) -> str:
        """Name the session and the place."""
        return f"<App: {self.session}, in {self.context.notebook}>"

    @made_once
    def pace(self) -> Throttle:
        """What keeps the probes and the resumes of this machine's programs apart."""
        from .session.reconnect.throttle import Throttle

        return Throttle(self._state())

    @made_once
    def planner(self) -> Planner:
        """What decides what is opened and what is diagnosed."""
        from .planner import Planner

        return Planner(
            self.settings, self._context, self.session, self.situation, self._own_simulator
        )

    @made_once
    def explainer(self) -> Explainer:
        """What finds the page on an error, and the live evidence for it."""
        from .explainer import Explainer

        return Explainer(
            *(self.settings, self._context, self.session, self.planner),
            situation=self.situation,
            diagnose=self.start_diagnosis,
        )

    @made_once
    def situations(self) -> Situations:
        """Who reads advice here, and what has just failed."""
        from .situations import Situations

        return Situations(self.session, self.settings, self._context)

    @made_once
    def good(self) -> GoodConnects:
        """What the last good connect to each gateway was like."""
        from .session.records.last_good import GoodConnects

        return GoodConnects(self._state)

    def claim(self) -> Callable[[], None]:
        """Let the session go by this app's settings and leases; return what undoes it."""
        shared = self.notebook_leases.shared if self.settings.leases is not None else None
        if shared is not None and self._counting is None:
            # What speaks to a shared store takes its time to import: that has begun by now.
            from .session.counting import Counting

            self._counting = Counting(
                *(shared.keeper, self.session.journal.requests, self._open_requests),
                self.session.registry.all,
            )
            self._counting.start()
        return self.session.use(
            leases=self.notebook_leases,
            auto_resume=lambda: bool(self.settings.auto_resume),
            opened=lambda _connection: self._pace_history(),
            # Looked up late: the settings may not be complete when the session is claimed.
            keep_apart=lambda target: self.pace.turn(target),  # noqa: PLW0108 - as said above
        )

    @made_once
    def _open_requests(self) -> OpenRequests:
        from .session.open_requests import OpenRequests

        return OpenRequests(self.session.journal, self.session.registry.all)

    def _pace_history(self, _change: Any = None) -> None:
        """Let the session's historical requests wait for their turn, if that is set."""
        connection = self.session.connection
        if not self.settings.paced or connection is None:
            return
        from .session.turns import Turns

        turns = Turns(
            self.session.journal.requests,
            self._open_requests,
            self._counting,
            lambda: bool(self.settings.paced),
            lambda: self.waiting(),  # noqa: PLW0108 - whoever shows waits comes later
        )
        turns.attach(connection.ib, connection.address)

    async def connect_async(self, options: ConnectOptions) -> Opened:
        """Open the session's connection as wished.

        Raises:
            BadInputError: the options make no sense; nothing was touched.
            NoLibraryError: no API library is installed; nothing was touched.
            ConnectFailed: no usable connection came of it.
        """
        candidates = self.planner.candidates(options)
        plan = self.planner.plan(options, candidates)
        wait = self.planner.wait_for(options)
        with self.situations.asking(options, candidates), self.waiting() as on_wait:
            if options.resume:
                connection = self.session.connection
                addresses = [self.planner.plan(options, (one,)).address for one in candidates]
                if connection is not None and options.target is None and options.client_id is None:
                    addresses = [connection.address]
                for address in addresses:
                    resumed = await self.session.resume(address, wait=wait, on_wait=on_wait)
                    if resumed is not None:
                        return self._noted(resumed)
            opened = await self.session.connect(plan, candidates, wait=wait, on_wait=on_wait)
            return self._noted(replace(opened, how="afresh") if options.resume else opened)

    def _noted(self, opened: Opened) -> Opened:
        """Remember what a good connect was like; the work is done on another thread."""
        connection = opened.connection
        attempt, plan, link = connection.attempt, connection.plan, connection.link.link
        troubled = connection.missing or not link.connected or link.broken_farms
        if attempt is not None and opened.how != "left" and not troubled:
            from .session.records.last_good import connect_settings, known_here, known_of

            settings = connect_settings(plan.timeout, readonly=plan.readonly)

            def known() -> Known:
                here = known_here(plan.target, plan.library, settings)
                return replace(here, values={**here.values, **known_of(attempt, link.farms)})

            self.good.remember_soon(plan.target, known)
        return opened

    def usual_wait(self, address: Address) -> float:
        """Return for how many seconds a client ID that is held is asked for where nobody says."""
        return self.planner.usual_wait(address)

    def situation(self, about: Target | None = None, ib: Any = None) -> Situation:
        """Return what is known here of where advice is read, and of what it is about."""
        return self.situations.situation(about, ib)

    def connect(self, options: ConnectOptions) -> Opened:
        """Open the session's connection as wished, from synchronous code; raises the same."""
        patch_loop()
        opened = run(self.connect_async(options), self.session.home)
        self.session.registry.runs.adopt(opened.connection.lineage)
        return opened

    def disconnect(self, because: str) -> Closed | None:
        """Close the connection; return what was closed, or None if none was open.

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
        from .session import Closed

        return Closed(connection.address, left)

    def connected_at_hand(self) -> Any:
        """Return the `ib` at hand where the user's own code connected it and the session has none.

        None if the session has a connection, or the `ib` at hand is not connected.
        """
        ib = self.context.at_hand()
        connection = self.session.connection
        own = connection is not None and (connection.is_open or connection.ib is ib)
        return ib if is_ib(ib) and reading.is_connected(ib) and not own else None

    def _only_open(self) -> Any:
        """Return the `IB` object of the only connection that is open, None without any."""
        opened = survey.open_ones(self.session)
        if len(opened) > 1:
            known = ", ".join(where(held.address) for held in opened)
            raise BadInputError(
                f"several connections are open: {known}: call disconnect() on the IB object of "
                "the one that you mean"
            )
        return opened[0].tracked_ib if opened else None

    def guard(self, names: Mapping[str, Any]) -> ExitStack:
        """Guard the connects of code outside IPython, whose variables are `names`."""
        from .session.guard import Guard
        from .session.notebook.reach import Root

        stack = ExitStack()
        if self.session.registry.guarding is not None:
            return stack
        guard = Guard(
            self.session,
            enabled=lambda: bool(self.settings.guard),
            wait=self.usual_wait,
            waiting=lambda: nullcontext(lambda _waiting: None),
            reachable=lambda: (
                Root(name, value, is_name=True)
                for name, value in tuple(names.items())
                if not name.startswith("__")
            ),
        )
        guard.enter()
        stack.callback(guard.leave)
        return stack

    def health(self) -> Health:
        """Return the health of the connection that is meant where none is named."""
        return survey.health_at_hand(self.session, self.context.at_hand())

    def start_diagnosis(self, question: Question, observers: Sequence[Observer] = ()) -> Diagnosis:
        """Start a diagnosis on a thread of its own; observers are called on that thread."""
        if self._diagnostician is None:
            from .diagnostics import Diagnostician

            self._diagnostician = Diagnostician(pace=self.pace, good=self.good)
        from .session.notebook.loop_facts import inspect_loop

        loop = inspect_loop() if self.context.in_notebook else None
        ib = self.context.at_hand()
        at_hand = self.session.health(ib) if is_ib(ib) else None
        return self._diagnostician.start(question, self.session, loop, observers, at_hand)

    @property
    def recordings(self) -> Recordings:
        """What records, and what answers from a recording."""
        if self._recordings is None:
            from .recordings import Recordings

            self._recordings = Recordings(self.settings, self._leave, _say)
        return self._recordings

    def _leave(self, host: str, port: int, why: str) -> None:
        """Close the session's connection if it is to this address."""
        connection = self.session.connection
        if connection is not None and connection.plan.target.address == (host, port):
            run(self.session.disconnect(why), self.session.home)

    def close(self) -> None:
        """Close the connection and end the simulated gateway, if there are any."""
        if self.session.connection is not None:
            run(self.session.disconnect("ibnb was unloaded."), self.session.home)
        for simulator in (self._simulator, *self._old_simulators):
            if simulator is not None:
                simulator.stop()
        self._simulator = None
        self._old_simulators.clear()
        if self._recordings is not None:
            self._recordings.stop()
        if self._counting is not None:
            self._counting.close()
            self._counting = None
        self.notebook_leases.close()

    def team(self) -> Team:
        """Return who is connected to which gateway, as far as the store of leases knows."""
        from .session.client_ids.team import team_of

        return team_of(self.notebook_leases.store)

    def _context(self) -> NotebookContext:
        return self.context

    def _lease_store(self) -> LeaseStore | None:
        from .session.client_ids.leases import SqliteLeases

        folder, url = self._state(), self.settings.leases
        local = SqliteLeases(folder) if folder is not None else None
        if url is None:
            return local
        from .session.client_ids.shared_leases import open_shared

        return open_shared(url, folder, local)

    def _state(self) -> Path | None:
        try:
            return state_folder(self.settings.state_dir)
        except (OSError, RuntimeError) as error:
            from .session.client_ids.leases import say_not_remembered

            # As where a home directory is meant that does not exist.
            say_not_remembered(
                f"there is no folder for them ({error}). Name one with the setting state_dir "
                "(IBNB_STATE_DIR)."
            )
            return None

    def _own_simulator(self, faults: Sequence[str] | None) -> str:
        """Return where it is; it is another one if other faults are asked for."""
        from .simulator import UnknownFaultError, check_faults, start_simulator

        known = self._simulator
        wanted = None if faults is None else tuple(faults)
        if known is None or not known.is_running or wanted not in {None, known.faults}:
            try:
                check_faults(wanted or ())
            except UnknownFaultError as error:
                raise BadInputError(f"--fault: {error}") from None
            if known is not None:
                # What is connected to it stays until the new connection is ready.
                self._old_simulators.append(known)
            self._simulator = known = start_simulator(wanted or ())
        return f"{known.host}:{known.port}"


def _say(line: str) -> None:
    from .ui.sanitise import harmless

    sys.stderr.write(f"ibnb: {harmless(line)}\n")


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
    """Return this process's one app, or None if nobody asked for it yet."""
    return _app


def set_app(app: App | None) -> Any:
    """Put another app in the place of this process's one; return the one before."""
    global _app
    before, _app = _app, app
    advising.ask(app.situation if app is not None else None)
    return before

"""The one session of this process and what belongs to it, behind the verbs that users know."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .explainer import Explainer
from .options import ConnectOptions, NotebookContext
from .planner import Planner
from .session import (
    BadInputError,
    Closed,
    Health,
    Opened,
    Session,
    Waiting,
    advising,
    survey,
)
from .session.address import where
from .session.client_ids.leases import LeaseStore, SqliteLeases, say_not_remembered
from .session.client_ids.notebook_leases import NotebookLeases
from .session.library.libraries import is_ib
from .session.notebook.event_loop import inspect_loop, patch_loop, run
from .settings import IbSettings, apply_environment, state_folder
from .situations import Situations
from .tws.target import Target

if TYPE_CHECKING:
    from .diagnostics import Diagnosis, Diagnostician, Observer, Question
    from .knowledge import Situation
    from .session.client_ids.team import Team
    from .session.counting import Counting
    from .session.reconnect.throttle import Throttle
    from .simulator.process import SimulatorProcess


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
        self.notebook_leases = NotebookLeases(self._notebook, self._lease_store)
        self.situations = Situations(self.session, settings, self._context)
        self.planner = Planner(
            settings, self._context, self.session, self.situation, self._own_simulator
        )
        self.explainer = Explainer(
            *(settings, self._context, self.session, self.planner),
            situation=self.situation,
            diagnose=self.start_diagnosis,
        )
        self._counting: Counting | None = None
        settings.observe(self._pace_history, "paced")
        if session is None:
            self.claim()
        self.waiting: Callable[[], AbstractContextManager[Callable[[Waiting], None] | None]]
        self.waiting = nullcontext
        self._simulator: SimulatorProcess | None = None
        self._diagnostician: Diagnostician | None = None
        self._pace: Throttle | None = None

    def __repr__(self) -> str:
        """Name the session and the place."""
        return f"<App: {self.session}, in {self.context.notebook}>"

    @property
    def pace(self) -> Throttle:
        """What keeps the probes and the resumes of this machine's programs apart."""
        if self._pace is None:
            from .session.reconnect.throttle import Throttle

            self._pace = Throttle(self._state())
        return self._pace

    def claim(self) -> Callable[[], None]:
        """Let the session go by this app's settings and leases; return what undoes it."""
        shared = self.notebook_leases.shared if self.settings.leases is not None else None
        if shared is not None and self._counting is None:
            # What speaks to a shared store takes its time to import: that has begun by now.
            from .session.counting import Counting

            self._counting = Counting(
                shared.keeper, self.session.journal.requests, self.session.registry.all
            )
            self._counting.start()
        return self.session.use(
            leases=self.notebook_leases,
            auto_resume=lambda: bool(self.settings.auto_resume),
            opened=lambda _connection: self._pace_history(),
            keep_apart=self._kept_apart,
        )

    def _pace_history(self, _change: Any = None) -> None:
        """Let the session's historical requests wait for their turn, if that is set."""
        connection = self.session.connection
        if not self.settings.paced or connection is None:
            return
        from .session.turns import Turns

        turns = Turns(
            self.session.journal.requests,
            self._counting,
            lambda: bool(self.settings.paced),
            lambda: self.waiting(),  # noqa: PLW0108 - whoever shows waits comes later
        )
        turns.attach(connection.ib, connection.address)

    def _kept_apart(self, target: Target) -> AbstractAsyncContextManager[None]:
        # Asked for late: the settings may not be complete when the session is claimed.
        return self.pace.turn(target)

    async def connect_async(self, options: ConnectOptions) -> Opened:
        """Open the session's connection as wished.

        Raises:
            BadInputError: the options makes no sense; nothing was touched.
            NoLibraryError: no API library is installed; nothing was touched.
            ConnectFailed: no usable connection came of it.
        """
        candidates = self.planner.candidates(options)
        plan = self.planner.plan(options, candidates)
        wait = self.planner.wait_for(options)
        with self.situations.asking(options, candidates), self.waiting() as on_wait:
            if not options.resume:
                return await self.session.connect(plan, candidates, wait=wait, on_wait=on_wait)
            connection = self.session.connection
            addresses = [self.planner.plan(options, (one,)).address for one in candidates]
            if connection is not None and options.target is None and options.client_id is None:
                addresses = [connection.address]
            for address in addresses:
                resumed = await self.session.resume(address, wait=wait, on_wait=on_wait)
                if resumed is not None:
                    return resumed
            opened = await self.session.connect(plan, candidates, wait=wait, on_wait=on_wait)
            return replace(opened, how="afresh")

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
        ib = self.context.at_hand()
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
        return opened[0].tracked_ib if opened else None

    def health(self) -> Health:
        """Return the health of the connection that is meant where none is named."""
        return survey.health_at_hand(self.session, self.context.at_hand())

    def start_diagnosis(self, question: Question, observers: Sequence[Observer] = ()) -> Diagnosis:
        """Start a diagnosis on a thread of its own; observers are called on that thread."""
        if self._diagnostician is None:
            from .diagnostics import Diagnostician

            self._diagnostician = Diagnostician(pace=self.pace)
        loop = inspect_loop() if self.context.in_notebook else None
        ib = self.context.at_hand()
        at_hand = self.session.health(ib) if is_ib(ib) else None
        return self._diagnostician.start(question, self.session, loop, observers, at_hand)

    def close(self) -> None:
        """Close the connection and end the simulated gateway, where there are any."""
        if self.session.connection is not None:
            run(self.session.disconnect("ibnb was unloaded."), self.session.home)
        if self._simulator is not None:
            self._simulator.stop()
            self._simulator = None
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

    def _notebook(self) -> str:
        return self.context.notebook

    def _lease_store(self) -> LeaseStore | None:
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
            # As where a home directory is meant that does not exist.
            say_not_remembered(
                f"there is no folder for them ({error}). Name one with the setting state_dir "
                "(IBNB_STATE_DIR)."
            )
            return None

    def _own_simulator(self) -> str:
        from .simulator.process import start_simulator

        if self._simulator is None or not self._simulator.is_running:
            self._simulator = start_simulator()
        return f"{self._simulator.host}:{self._simulator.port}"


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
    return before

"""Recording and replaying for the verbs: what is on, and where `%ibconnect` goes meanwhile."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .options import simulate_parser
from .session import BadInputError
from .tws.target import BadTargetError, Target, parse_target

if TYPE_CHECKING:
    from .settings import IbSettings
    from .simulator.recording import RecordingGateway, ReplayedGateway

_BELONG_TO_A_SIMULATION = (
    *("fault", "strict", "release_after", "seed", "clock", "latency"),
    *("control", "scenario", "verbose"),
)


class Recordings:
    """The one recording or replay of a process.

    While one is on, the setting `target` is its address, so that a connect without a target goes
    through it; afterwards it is what it was.

    Args:
        settings: whose `target` is set.
        leave: closes the session's connection if it is to this host and port, and takes why.
        tell: takes a line for the user, on any thread.
    """

    def __init__(
        self,
        settings: IbSettings,
        leave: Callable[[str, int, str], None],
        tell: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._leave = leave
        self._tell = tell
        self._on: RecordingGateway | ReplayedGateway | None = None
        self._target_before = settings.target

    def __repr__(self) -> str:
        """Name what is on."""
        return f"<Recordings: {self._on or 'none'}>"

    def record(
        self, path: Path, target: str | None, candidates: Callable[[str | None], Sequence[Target]]
    ) -> RecordingGateway:
        """Record from now on; what was on before ends.

        Args:
            path: the file; a recording that is there is replaced.
            target: the gateway, None for the one of the settings.
            candidates: return the addresses of a target.

        Raises:
            BadInputError: the target or the file makes no sense.
        """
        from .simulator.recording import BadRecordingError, RecordingGateway

        if target is None and self._on is not None:
            target = self._target_before
        upstreams = [(one.host, one.port) for one in candidates(target)]
        # Before the file is opened: it may be the one that is written now.
        self.stop()
        try:
            made = RecordingGateway(upstreams, path, tell=self._tell)
        except BadRecordingError as error:
            raise BadInputError(str(error)) from None
        for host, port in upstreams:
            # Through the recorder it is the same gateway, which would refuse the same client ID.
            self._leave(host, port, "%ibrecord closed it: connect again, to be recorded.")
        self._begin(made)
        return made

    def replay(self, path: Path, *, fast: bool) -> ReplayedGateway:
        """Answer from a recording from now on; what was on before ends.

        Raises:
            BadInputError: the file cannot be read.
        """
        from .simulator.recording import BadRecordingError, ReplayedGateway

        try:
            made = ReplayedGateway(path, fast=fast, tell=self._tell)
        except BadRecordingError as error:
            raise BadInputError(str(error)) from None
        self._begin(made)
        return made

    def stop(self) -> RecordingGateway | ReplayedGateway | None:
        """End what is on, and return it; None if nothing was."""
        ended, self._on = self._on, None
        if ended is not None:
            if self._settings.target == ended.address:
                self._settings.target = self._target_before
            self._leave(ended.host, ended.port, "What it was connected to has ended.")
            ended.stop()
        return ended

    def _begin(self, made: RecordingGateway | ReplayedGateway) -> None:
        self.stop()
        made.start()
        self._on = made
        self._target_before = self._settings.target
        self._settings.target = made.address


def parse_upstreams(verb: str, text: str) -> list[tuple[str, int]]:
    """Return the addresses of a gateway that is to be recorded.

    Raises:
        BadInputError: the text is no target.
    """
    try:
        return [(one.host, one.port) for one in parse_target(text)]
    except BadTargetError as error:
        raise BadInputError(f"{verb}: {error}") from None


def check_alone(verb: str, options: Namespace) -> None:
    """See to it that recording and replaying are not mixed, nor with what a simulation has.

    Raises:
        BadInputError: they are.
    """
    if options.fast and not options.replay:
        raise BadInputError(f"{verb}: --fast goes with --replay")
    if options.record and options.replay:
        raise BadInputError(f"{verb}: give --record or --replay, not both")
    what = "--record" if options.record else "--replay"
    known = simulate_parser(verb)
    for name in _BELONG_TO_A_SIMULATION:
        if getattr(options, name) != known.get_default(name):
            option = f"--{name.replace('_', '-')}"
            raise BadInputError(f"{verb}: {what} takes no {option}: nothing is simulated then")

"""What several checks need to know of this machine, looked at once for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ibnb.tws.folders import settings_folders
from ibnb.tws.launcher_log import LoginPhase, login_phase
from ibnb.tws.processes import GatewayProcess, ProcessesUnreadableError, running


@dataclass(frozen=True)
class Machine:
    """The gateway processes of this machine, and the folders that their settings are in.

    `unseen` says why there may be gateways that are not listed; it is empty where all can be seen.
    """

    processes: tuple[GatewayProcess, ...] = ()
    folders: tuple[Path, ...] = ()
    unseen: str = ""

    @property
    def real(self) -> tuple[GatewayProcess, ...]:
        """The processes that are a TWS or Gateway, and no simulated one."""
        return tuple(one for one in self.processes if one.kind != "simulator")


def look_at_machine() -> Machine:
    """Return what this user can see; takes some 100 ms."""
    try:
        found = running()
    except ProcessesUnreadableError as error:
        return Machine((), settings_folders(), f"the processes could not be read: {error}")
    programs = "a Java program" if found.hidden == 1 else f"{found.hidden} Java programs"
    unseen = f"some processes may not be read, {programs} among them" if found.hidden else ""
    return Machine(found.gateways, settings_folders(found.gateways), unseen)


def newest_login(machine: Machine) -> LoginPhase | None:
    """Return the login phase of the log that was written last, or None where there is no log."""
    phases = [phase for folder in machine.folders if (phase := login_phase(folder)) is not None]
    # As text: a log without any line has no time, and comes first.
    return max(phases, key=lambda phase: str(phase.last_line or ""), default=None)

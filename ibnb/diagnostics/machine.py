"""What several checks need to know of this machine, looked at once for all of them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from ibnb.tws.folders import settings_folders
from ibnb.tws.forwarding import Forwarder
from ibnb.tws.jts_ini import read_jts_ini
from ibnb.tws.processes import GatewayProcess, ProcessesUnreadableError, running


@dataclass(frozen=True)
class Machine:
    """The gateway processes of this machine, and the folders that their settings are in.

    The `ports` of a process are those that its API may be on. `unseen` says why there may be
    gateways that are not listed; it is empty where all can be seen. `forwarders` are the programs
    that are known to pass on what comes to a port.
    """

    processes: tuple[GatewayProcess, ...] = ()
    folders: tuple[Path, ...] = ()
    unseen: str = ""
    forwarders: tuple[Forwarder, ...] = ()

    @property
    def real(self) -> tuple[GatewayProcess, ...]:
        """The processes that are a TWS or Gateway, and no simulated one."""
        return tuple(one for one in self.processes if one.kind != "simulator")

    @property
    def real_ports(self) -> frozenset[int]:
        """The ports that a TWS or Gateway listens on."""
        return frozenset(port for one in self.real for port in one.ports)


@dataclass(frozen=True)
class Place:
    """A settings folder that may be that of the gateway on a port.

    `processes` are those that it may be the folder of; none where no gateway runs here.
    """

    folder: Path
    processes: tuple[GatewayProcess, ...] = ()


def look_at_machine() -> Machine:
    """Return what this user can see; takes some 100 ms."""
    try:
        found = running()
    except ProcessesUnreadableError as error:
        return Machine((), settings_folders(()), f"the processes could not be read: {error}")
    programs = "a Java program" if found.hidden == 1 else f"{found.hidden} Java programs"
    unseen = f"some processes may not be read, {programs} among them" if found.hidden else ""
    folders = settings_folders(found.gateways)
    gateways = tuple(_with_api_ports(one, folders) for one in found.gateways)
    return Machine(gateways, folders, unseen, found.forwarders)


def places(machine: Machine, port: int) -> tuple[Place, ...]:
    """Return the settings folders that may be those of the gateway that belongs on a port.

    If a gateway process listens there it is that one's folder alone. Where none does, a process
    that listens nowhere is the one that may come to: only where there is none, any may be meant.
    """
    real = machine.real
    owners = [one for one in real if port in one.ports]
    owners = owners or [one for one in real if not one.ports] or list(real)
    folder_of = {one.pid: _same(Path(one.settings_folder)) for one in real if one.settings_folder}
    found = []
    for folder in machine.folders:
        here = [one for one in real if folder_of.get(one.pid) == _same(folder)]
        unknown = [one for one in owners if one.pid not in folder_of]
        may_be = [one for one in owners if one in here] or ([] if here else unknown)
        if may_be or not real:
            found.append(Place(folder, tuple(may_be)))
    return tuple(found)


def _same(folder: Path) -> str:
    return os.path.normcase(os.path.realpath(folder))


def _with_api_ports(process: GatewayProcess, folders: tuple[Path, ...]) -> GatewayProcess:
    """Return a process without the port that it listens on for its own use."""
    if process.kind == "simulator":
        return process
    own = process.settings_folder
    known = [read_jts_ini(folder) for folder in ((Path(own),) if own else folders)]
    local = {one.local_server_port for one in known if one is not None}
    return replace(process, ports=tuple(port for port in process.ports if port not in local))

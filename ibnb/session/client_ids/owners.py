"""Who holds a client ID: what leases and the sockets of this machine's processes tell of it."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ibnb.session.kept import Keeper
from ibnb.tws.clock import day_and_time
from ibnb.tws.sockets import SocketClient, SocketsUnreadableError, clients_of
from ibnb.tws.target import Target

from .lease import Lease, SharedLease, tell_lease
from .leases import LeaseStore

STOP_HERE = "Use that connection, or call disconnect() on its object."
STOP_NOTEBOOK = "Run %ibdisconnect in it, or shut its kernel down (menu Kernel, Shut Down Kernel)."
STOP_PROCESS = "End it deliberately, in the way in which it was started."


@dataclass(frozen=True)
class Holder:
    """A process that has a client ID, or may have it.

    `certain` says that the ID is known, and not only a socket to the same gateway. `stop` says how
    a person ends it; ibnb ends nothing that it did not start. `kind` is what it is.
    """

    text: str
    stop: str
    certain: bool
    kind: Literal["kernel", "notebook", "process"] = "process"


@dataclass(frozen=True)
class Holders:
    """Who has a client ID, or may have it, the certain ones first.

    `unseen` says that the system hid sockets, so that there may be others on this machine.
    """

    found: tuple[Holder, ...]
    unseen: bool = False

    @property
    def certain(self) -> tuple[Holder, ...]:
        """Those of whom the ID is known."""
        return tuple(holder for holder in self.found if holder.certain)

    @property
    def kind(self) -> Literal["kernel", "notebook", "process", "unknown"]:
        """What has the ID, or may have it: what advice depends on."""
        return self.found[0].kind if self.found else "unknown"


def find_holders(
    target: Target,
    client_id: int,
    store: LeaseStore | None,
    keeper: Keeper | None = None,
    own_sockets: int = 0,
    *,
    own_ports: Collection[int] = (),
    said: Callable[[str], str] = str,
) -> Holders:
    """Return who has this client ID at a gateway.

    `keeper` is who has it in this kernel, as far as is known, and `own_sockets` is how many of this
    kernel's sockets to that port are known for what they are: another one may have the ID. Those
    from the ports `own_ports` are the caller's own, and do not count while they are there. `said`
    returns what others wrote as it may be shown.

    Looks at processes, which takes some 100 ms: not for the loop's own thread.
    """
    leases = store.find(target.host, target.port, client_id) if store is not None else ()
    alive = [lease for lease in leases if lease.is_alive and not lease.is_ours]
    # Known to the store within the last half minute: nothing has to be looked for.
    known_to_all = [lease for lease in alive if isinstance(lease, SharedLease)]
    if known_to_all:
        return Holders(_told(keeper, known_to_all, said))
    try:
        clients = clients_of(target.port, own_ports) if target.is_local else ()
    except SocketsUnreadableError:
        clients = None
    connected = {client.pid for client in clients or ()}
    certain = [
        lease for lease in alive if clients is None or lease.pid in connected or not target.is_local
    ]
    known = {os.getpid(), *(lease.pid for lease in certain)}
    # A socket without an owner is one that its process has closed already.
    others = [client for client in clients or () if client.pid and client.pid not in known]
    mine = sum(client.connections for client in clients or () if client.pid == os.getpid())
    found = (
        *_told(keeper, certain, said),
        *((_UNKNOWN_HERE,) if keeper is None and mine > own_sockets else ()),
        *(Holder(_of_socket(client, said), STOP_PROCESS, certain=False) for client in others),
    )
    return Holders(found, unseen=clients is None)


def _told(
    keeper: Keeper | None, leases: Iterable[Lease], said: Callable[[str], str]
) -> tuple[Holder, ...]:
    """Return the holders of whom the ID is known."""
    notebooks = (
        Holder(_of_lease(lease, said), STOP_NOTEBOOK, certain=True, kind="notebook")
        for lease in leases
    )
    return (*((_of_keeper(keeper),) if keeper is not None else ()), *notebooks)


def tell_holders(target: Target, client_id: int, holders: Holders) -> tuple[str, ...]:
    """Return sentences for people on who holds the ID, and how it is stopped deliberately."""
    if holders.certain:
        return tuple(
            f"Client ID {client_id} is held by {holder.text}. {holder.stop}"
            for holder in holders.certain
        )
    if holders.found:
        who = "; ".join(holder.text for holder in holders.found)
        sentence = (
            f"No notebook of this machine has a lease for client ID {client_id}. Connected to "
            f"{target}, with an ID that is not known here: {who}. {holders.found[0].stop}"
        )
    elif holders.unseen:
        sentence = (
            f"Who holds client ID {client_id} is not known: this user may not see the sockets of "
            "other users' processes."
        )
    elif target.is_local:
        sentence = (
            f"No other process of this machine is connected to {target}: whoever holds client ID "
            f"{client_id} is on another machine, or is gone and the gateway has not noticed yet, "
            "which takes up to two minutes after a crash."
        )
    else:
        sentence = (
            f"{target} is another machine: who holds client ID {client_id} there is not known."
        )
    return (sentence,)


def _of_keeper(keeper: Keeper) -> Holder:
    stop = f"Use that connection, or free the ID: {keeper.code}" if keeper.code else STOP_HERE
    return Holder(f"this kernel itself: {keeper.tell()}", stop, certain=True, kind="kernel")


_UNKNOWN_HERE = Holder(
    "this kernel itself, through a connection that ibnb does not know",
    "Close it with the object that opened it.",
    certain=False,
    kind="kernel",
)


def _of_lease(lease: Lease, said: Callable[[str], str]) -> str:
    notebook, machine = said(lease.notebook), said(lease.machine)
    if isinstance(lease, SharedLease):
        told = replace(lease, notebook=notebook, machine=machine, user=said(lease.user))
        return tell_lease(told)
    # Whose notebook it is, and what it is called, is nobody's business but its user's.
    which = "a notebook of another user" if lease.is_foreign else f"notebook {notebook}"
    since = day_and_time(lease.since)
    elsewhere = "" if lease.machine == platform.node() else ", if that is still there"
    return f"{which} (process {lease.pid} on {machine}, since {since}){elsewhere}"


def _of_socket(client: SocketClient, said: Callable[[str], str]) -> str:
    since = f", since {day_and_time(client.started)}" if client.started else ""
    process = f"process {client.pid}" if client.pid is not None else "its process is hidden"
    return f"{said(client.label or client.name)} ({process}{since})"

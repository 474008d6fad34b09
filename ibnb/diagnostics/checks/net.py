"""Checks of the network: who listens on the port, who is connected to it, whether TCP opens."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import partial

from ibnb.diagnostics.context import Context
from ibnb.diagnostics.machine import Machine
from ibnb.diagnostics.model import Check, Result
from ibnb.diagnostics.sanitise import said
from ibnb.session.client_ids.lease import Lease, tell_lease
from ibnb.tws.attempt import cause
from ibnb.tws.handshake import Stage
from ibnb.tws.names import UnresolvedError
from ibnb.tws.own import IpAddress, plain_address
from ibnb.tws.simulated import is_simulated
from ibnb.tws.sockets import (
    HIDDEN,
    Listener,
    Listening,
    PortUse,
    SocketClient,
    SocketsUnreadableError,
    listening,
    port_use,
)
from ibnb.tws.story import tell
from ibnb.tws.target import WELL_KNOWN, Target

from .host import elsewhere, program, tell_port, tell_process

PROBE_SECONDS = 120.0
"""A probe may have to wait for its turn; beyond that it has the time limits of its stages."""
PROBE_TIME_OUTS = 3
"""A probe may take so many of the question's time-outs: for the name, TCP and the handshake."""
MOST_CLIENTS = 32
"""So many API clients a TWS or Gateway takes at once, as IBKR documents it."""
MOST_NAMED = 3
"""So many processes are named as those to end."""
PILE = 5
"""From so many sockets in CLOSE_WAIT on, a gateway has stopped to look after its connections."""
START_PAPER = "Start a TWS or Gateway and log it in to paper trading."
_LOOPBACKS = {4: plain_address("127.0.0.1"), 6: plain_address("::1")}


async def port(context: Context) -> Result:
    """Look who listens on the target's port here, and which other gateway ports are listening."""
    result = partial(Result, "net.port")
    target = context.target
    if not target.is_local:
        return result("skip", f"{target.host} is another machine: its ports are not listed here.")
    machine = await context.machine.get()
    wanted = {target.port, *WELL_KNOWN, *elsewhere(machine.processes, target)}
    try:
        seen = await asyncio.to_thread(listening, wanted)
    except SocketsUnreadableError as error:
        told = context.said(str(error))
        return result("skip", f"The listening ports could not be read: {told}.")
    evidence: dict[str, object] = {"listening": [_row(one) for one in seen.found]}
    asked = await _addresses(context)
    here = [one for one in seen.on(target.port) if not asked or _takes(one, asked)]
    if here:
        who = _who(here[0])
        if is_simulated(target.host, target.port):
            # Also one that runs within a program, whose process has another name.
            evidence["simulated"] = True
            pid = here[0].pid
            who = "A simulated gateway" + (f" (process {pid})" if pid is not None else "")
        return result("pass", f"{who} listens on port {target.port}.", evidence)
    wire = await context.probe.until(Stage.TCP) if context.connects else None
    reached = context.connects and (wire is None or wire.stage >= Stage.TCP)
    if not seen.complete and (wire is None or wire.ending != "refused"):
        return result("skip", _unseen(target.port, seen, machine, reached), evidence)
    if reached:
        # The lists of this system hold no port of a container or of another system beside it.
        return result(
            "pass",
            f"Port {target.port} is reached, though it is not listed here: a container or a "
            "virtual machine may have it.",
            {**evidence, "unlisted": True},
        )
    return _nothing(context, seen, machine, evidence)


def _nothing(
    context: Context, seen: Listening, machine: Machine, evidence: dict[str, object]
) -> Result:
    """Return that nothing listens where it was asked for, and what does elsewhere."""
    number = context.target.port
    beside = seen.on(number)
    others = _others(seen, number)
    if beside:
        addresses = ", ".join(dict.fromkeys(one.address for one in beside))
        detail = f"{_who(beside[0])} listens on that port of {addresses} only."
        summary = f"Nothing listens on {context.target}. {detail}"
        fix = tuple(_connect_there(context, _at(one), number) for one in beside)
    elif others:
        told = "; ".join(_tell_other(other, seen.found, machine) for other in others)
        detail = f"Listening here: {told}."
        summary = f"Nothing listens on port {number}. {detail}"
        # A simulated gateway is no place to go instead: somebody else's tests may run on it.
        simulated = {port for one in machine.processes for port in one.ports} - machine.real_ports
        there = [other for other in others if other not in simulated]
        there.sort(key=_is_live)
        fix = tuple(_connect_there(context, str(other), other) for other in there)
        # The one that was asked for comes before those that are not.
        waiting = any(not one.ports for one in machine.real)
        fix = (*_make_it_listen(machine, number), *fix) if waiting or not fix else fix
        if not waiting and context.target.expects == "paper" and all(map(_is_live, there)):
            fix = (START_PAPER, *fix) if there else fix
    else:
        detail = ""
        summary = f"Nothing listens on port {number}, nor on another port of a gateway."
        fix = _make_it_listen(machine, number)
    return Result("net.port", "fail", summary, evidence, "connection-refused", fix, detail=detail)


def _unseen(number: int, seen: Listening, machine: Machine, reached: bool) -> str:
    others = [_tell_other(other, seen.found, machine) for other in _others(seen, number)]
    also = f" Seen listening: {'; '.join(others)}." if others else ""
    though = f" Port {number} is reached, though it is not listed here." if reached else also
    return f"Who listens on port {number} could not be read: {HIDDEN}.{though}"


def _others(seen: Listening, number: int) -> list[int]:
    return sorted({one.port for one in seen.found} - {number})


async def _addresses(context: Context) -> list[IpAddress]:
    """Return the addresses that are asked for; none where the name leads nowhere."""
    try:
        found = await context.addresses.get()
    except UnresolvedError:
        return []
    return [_reachable(str(address[0])) for *_, address in found]


def _reachable(address: str) -> IpAddress:
    """Return what a connection to an address reaches: the loopback for the unspecified one."""
    plain = plain_address(address)
    return _LOOPBACKS[plain.version] if plain.is_unspecified else plain


def _takes(listener: Listener, asked: list[IpAddress]) -> bool:
    """Say whether a listener takes connections to one of the addresses.

    One on the unspecified address of IPv6 takes those to IPv4 addresses too, unless told otherwise.
    """
    own = plain_address(listener.address)
    if own.is_unspecified:
        return any(own.version >= one.version for one in asked)
    return own in asked


def _at(listener: Listener) -> str:
    return str(Target(str(_reachable(listener.address)), listener.port))


def _row(listener: Listener) -> dict[str, object]:
    return {
        "port": listener.port,
        "address": listener.address,
        "pid": listener.pid,
        "name": listener.name and program(listener.name),
    }


def _who(listener: Listener) -> str:
    if listener.pid is None:
        return "A process that this user may not see"
    return f"{program(listener.name or 'A process')} (process {listener.pid})"


def _tell_other(number: int, found: tuple[Listener, ...], machine: Machine) -> str:
    for process in machine.processes:
        if number in process.ports:
            return f"{process.kind}, process {process.pid}, on {tell_port(number)}"
    listener = next(one for one in found if one.port == number)
    return f"{_who(listener)} on {tell_port(number)}"


def _connect_there(context: Context, where: str, number: int) -> str:
    warning = " (a live account's port: only if live is what you want)" if _is_live(number) else ""
    return context.situation.fill(f"Connect where it listens: {{connect {where}}}") + warning


def _is_live(number: int) -> bool:
    return number in WELL_KNOWN and WELL_KNOWN[number][0] == "live"


def _make_it_listen(machine: Machine, number: int) -> tuple[str, ...]:
    """Return what is to be done in a gateway that runs and does not listen."""
    if not machine.real:
        return ()
    running = tell_process(min(machine.real, key=lambda one: bool(one.ports)))
    step = (
        f"{running} runs. Look at Global Configuration > API > Settings: Socket port {number}; in "
        "TWS also Enable ActiveX and Socket Clients. Apply, then OK; no restart is needed."
    )
    return (step,)


async def clients(context: Context) -> Result:
    """Count the clients of the port, and the sockets that the gateway has forgotten to close.

    The connection that this diagnosis makes itself is not counted.
    """
    result = partial(Result, "net.clients")
    target = context.target
    seats = await asyncio.to_thread(_seats, context)
    team = {"team": [_tell_seat(one) for one in seats]} if seats else {}
    if len(seats) >= MOST_CLIENTS:
        return result(
            "warn",
            f"{_tell_seats(seats)} A gateway takes {MOST_CLIENTS} clients.",
            team,
            entry="too-many-clients",
            fix=("Run %ibdisconnect in a notebook that is not needed, or wait: --wait 300.",),
        )
    if not target.is_local:
        unseen = f"{target.host} is another machine: its clients cannot be counted from here."
        summary = f"{_tell_seats(seats)} {unseen}" if seats else unseen
        return result("pass" if seats else "skip", summary, team)
    try:
        use = await asyncio.to_thread(port_use, target.port, context.own_ports)
    except SocketsUnreadableError as error:
        told = context.said(str(error))
        return result("skip", f"The sockets could not be read: {told}.")
    evidence = {
        "established": use.established,
        "close_wait": use.close_wait,
        "clients": [f"{program(one.label)} ({one.connections})" for one in use.clients],
        **team,
    }
    if use.established >= MOST_CLIENTS:
        return result(
            "warn",
            f"{use.established} clients are connected; a gateway takes {MOST_CLIENTS}.",
            evidence,
            entry="too-many-clients",
            fix=_end_some(use),
        )
    if use.close_wait >= PILE:
        return result(
            "warn",
            f"{use.close_wait} connections wait for the gateway to close them (CLOSE_WAIT): its "
            "API is stuck, or about to be.",
            evidence,
            entry="handshake-silent",
            fix=("Restart the gateway: a stuck API comes back in no other way.",),
        )
    summary = f"{use.established} of {MOST_CLIENTS} places for clients are taken."
    if seats:
        summary = f"{summary} {_tell_seats(seats)}"
    return result("pass", summary, evidence)


def _seats(context: Context) -> tuple[Lease, ...]:
    """Return who of a team is connected to the gateway; nothing without a store that it shares."""
    store = context.leases
    return store.seats(*context.target.address) if store is not None and store.is_shared else ()


def _tell_seats(leases: tuple[Lease, ...]) -> str:
    named = "; ".join(_tell_seat(one) for one in leases[:MOST_NAMED])
    more = f"; and {len(leases) - MOST_NAMED} more" if len(leases) > MOST_NAMED else ""
    count = "1 seat" if len(leases) == 1 else f"{len(leases)} seats"
    return f"{count} of the team: {named}{more}."


def _tell_seat(lease: Lease) -> str:
    """Return who has a seat; the login of this process is nobody's business but its user's."""
    notebook, user, machine = map(said, (lease.notebook, lease.user, lease.machine))
    return tell_lease(replace(lease, notebook=notebook, user=user, machine=machine))


def _end_some(use: PortUse) -> tuple[str, ...]:
    seen = [one for one in use.clients if one.pid is not None]
    most = sorted(seen, key=lambda one: -one.connections)[:MOST_NAMED]
    if not most:
        return ("End clients that are not needed; whose they are cannot be seen from here.",)
    who = "; ".join(_tell_client(one) for one in most)
    return (f"End clients that are not needed. Connected from this machine: {who}.",)


def _tell_client(client: SocketClient) -> str:
    count = "1 connection" if client.connections == 1 else f"{client.connections} connections"
    if client.pid == os.getpid():
        return f"this very process ({count})"
    return f"{program(client.label)} (process {client.pid}, {count})"


async def tcp(context: Context) -> Result:
    """Look whether a TCP connection opens."""
    if context.attached:
        return Result("net.tcp", "pass", "This notebook's connection is open: no other was made.")
    attempt = await context.probe.until(Stage.TCP)
    if attempt is None or attempt.stage >= Stage.TCP:
        return Result("net.tcp", "pass", f"{context.target} accepts TCP connections.")
    return Result(
        "net.tcp", "fail", tell(attempt), {"detail": attempt.detail}, entry=cause(attempt)
    )


CHECKS = (
    Check(
        "net.port",
        "Something listens on the port",
        "network",
        port,
        timeout=PROBE_SECONDS,
        waits_for="the list of listening ports",
        time_outs=PROBE_TIME_OUTS,
    ),
    Check(
        "net.tcp",
        "A TCP connection opens",
        "network",
        tcp,
        ("host.address",),
        PROBE_SECONDS,
        waits_for="the TCP connection",
        time_outs=PROBE_TIME_OUTS,
    ),
    Check(
        "net.clients",
        "The gateway has room for clients",
        "network",
        clients,
        waits_for="the list of sockets",
    ),
)

"""Checks of the machine: the target's address, and the gateway processes that run here."""

from __future__ import annotations

from functools import partial

from ibnb.diagnostics.context import Context
from ibnb.diagnostics.model import Check, Result
from ibnb.diagnostics.sanitise import said
from ibnb.diagnostics.verdict.facts import MAY_BE_A_GATEWAY
from ibnb.tws.names import UnresolvedError
from ibnb.tws.processes import GatewayProcess
from ibnb.tws.target import WELL_KNOWN, Target


async def address(context: Context) -> Result:
    """Look whether the target's name resolves, and to what first."""
    host = context.target.host
    try:
        found = await context.addresses.get()
    except UnresolvedError as error:
        return Result(
            "host.address",
            "fail",
            f"{str(error)[:1].upper()}{str(error)[1:]}.",
            {"host": host},
            entry="host-unreachable",
            fix=(f"Correct the host name {host!r}, or use 127.0.0.1 for this machine.",),
        )
    addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
    evidence = {"host": host, "addresses": addresses}
    if addresses[0] == "::1":
        what = "the loopback of IPv6" if host == "::1" else "first of all ::1, of IPv6"
        return Result(
            "host.address",
            "warn",
            f"{host} is {what}; a gateway listens on and trusts 127.0.0.1.",
            evidence,
            entry="connection-refused",
            fix=(
                context.situation.fill(
                    "Use the address in place of the name: "
                    f"{{connect 127.0.0.1:{context.target.port}}}"
                ),
            ),
        )
    if addresses == [host]:
        summary = f"{host} is an address already: no name has to be resolved."
    else:
        summary = f"{host} is {', '.join(addresses)}."
    return Result("host.address", "pass", summary, evidence)


async def process(context: Context) -> Result:
    """Look which TWS and Gateway processes run on this machine, and where they listen."""
    result = partial(Result, "host.process")
    if not context.target.is_local:
        return result(
            "skip",
            f"{context.target.host} is another machine: its processes cannot be seen from here.",
        )
    machine = await context.machine.get()
    found = machine.processes
    evidence = {
        "processes": [
            {"pid": one.pid, "kind": one.kind, "ports": list(one.ports), "started": one.started}
            for one in found
        ]
    }
    if not machine.real and machine.unseen:
        return result(
            "skip",
            f"Whether a TWS or Gateway runs here is not known: {context.said(machine.unseen)}.",
            evidence,
        )
    described = "; ".join(tell_process(one) for one in found)
    if not machine.real and not any(context.target.port in one.ports for one in found):
        simulated = f" Simulated ones run: {described}." if found else ""
        return result(
            "warn",
            f"No TWS or Gateway process was found on this machine.{simulated}",
            evidence,
            fix=(
                "Start TWS or IB Gateway and log in; in a container it cannot be seen from here.",
            ),
        )
    return result("pass", f"Running here: {described}.", evidence)


def program(name: str) -> str:
    """Return the name of a program as it may be shown; what rules know by name stays."""
    return name if name.lower().removesuffix(".exe") in MAY_BE_A_GATEWAY else said(name)


def tell_process(process: GatewayProcess) -> str:
    """Say in a few words what a gateway process is and where it listens."""
    ports = ", ".join(map(tell_port, process.ports))
    where = f"listening on {ports}" if ports else "not listening"
    return f"{process.kind} (process {process.pid}, {where})"


def tell_port(port: int) -> str:
    """Return a port's number, and what TWS and Gateway have it for when installed, if they do."""
    return f"{port}, a {WELL_KNOWN[port][0]} port" if port in WELL_KNOWN else str(port)


def elsewhere(processes: tuple[GatewayProcess, ...], target: Target) -> tuple[int, ...]:
    """Return the ports that gateway processes listen on, the target's own left out."""
    ports = {port for one in processes for port in one.ports}
    return tuple(sorted(ports - {target.port}))


CHECKS = (
    Check(
        "host.address",
        "The target's name resolves",
        "host",
        address,
        waits_for="the name service",
        time_outs=1,
    ),
    Check(
        "host.process",
        "A TWS or Gateway process runs",
        "host",
        process,
        waits_for="the list of processes",
    ),
)

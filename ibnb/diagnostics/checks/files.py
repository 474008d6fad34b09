"""Checks of what a gateway left on this machine's disk: the login log, settings, API logs."""

from __future__ import annotations

import asyncio
import math
import time
from functools import partial

from ibnb.diagnostics.context import Context
from ibnb.diagnostics.machine import Machine, Place, places
from ibnb.diagnostics.model import Check, Result
from ibnb.diagnostics.sanitise import said
from ibnb.tws.api_logs import api_logs
from ibnb.tws.forwarding import Forwarder
from ibnb.tws.jts_ini import JtsSettings, read_jts_ini
from ibnb.tws.launcher_log import LoginPhase, login_phase
from ibnb.tws.names import UnresolvedError
from ibnb.tws.route import address_of_route, address_towards
from ibnb.tws.sockets import SocketsUnreadableError, listening
from ibnb.tws.story import span

from .host import program

SHOWN_LOGS = 5

TOLD = {
    "starting": "it is starting",
    "logging-in": "it is logging in",
    "second-factor": "it waits for the second factor: somebody has to confirm the login",
    "challenge-unanswered": "the second factor was not confirmed in time; it has to be asked again",
    "throttled": "it refuses to try again after too many failed logins",
    "wrong-password": "user name or password were refused",
    "refused": "the login was refused",
    "session-expired": "IBKR no longer accepts the saved session; user name and password are fine",
    "slot-taken": "another session of the same user has the login, or one that was cut off",
    "competing-session": "another session of the same user is logged in; it asks which one stays",
    "not-logged-in": "nobody is logged in",
}
"""What a login phase means, as the rest of a sentence about the gateway."""

DO = {
    "second-factor": "Confirm the login on the phone or the device that IBKR asks, then try again.",
    "challenge-unanswered": "Press Log In again on the gateway's screen, and confirm it in time.",
    "throttled": "Wait until the time is over; each further try makes it longer. Then log in once.",
    "wrong-password": (
        "Log in by hand on the gateway's screen, with the right user name and password."
    ),
    "refused": "See to what the reason names, then log in by hand on the gateway's screen.",
    "session-expired": "Type user name and password on the gateway's screen, and log in.",
    "slot-taken": (
        "Log out wherever else this user is logged in; if it is nowhere, wait some minutes. Then "
        "log in once."
    ),
    "competing-session": "Answer the gateway's question on its screen, or end the other session.",
    "not-logged-in": "Log in on the gateway's screen, or start again what logs it in.",
}
ENTRIES = {
    "wrong-password": "login-rejected",
    "refused": "login-rejected",
    "session-expired": "login-session-expired",
    "slot-taken": "login-slot-taken",
    "competing-session": "login-slot-taken",
}
"""The pages of the phases that do not pass by themselves."""
TELLING = frozenset({"wrong-password", "refused", "session-expired", "slot-taken"})
"""Phases that last, so that the time of their beginning tells something."""
WAIT = "Wait until the gateway has logged in; look at its screen if that takes minutes."
OTHER_MACHINE = "is another machine: its files cannot be read from here."


def _other_machine(check: str, context: Context) -> Result | None:
    if context.target.is_local:
        return None
    return Result(check, "skip", f"{context.target.host} {OTHER_MACHINE}")


async def login(context: Context) -> Result:
    """Look how far the login of a gateway of this machine got, as its log tells."""
    if (blind := _other_machine("host.login", context)) is not None:
        return blind
    machine = await context.machine.get()
    found = await asyncio.to_thread(_logins, machine, context.target.port)
    current = _current(found)
    reason = _uncounted(found, current, context.target.port)
    if reason is None:
        if machine.real or current[0].phase == "logged-in":
            return _told(current[0])
        reason = "The login log is not counted: no TWS or Gateway process was found beside it."
    return Result("host.login", "skip", reason, _evidence(found[0][1]) if found else {})


def _current(found: list[tuple[Place, LoginPhase]]) -> list[LoginPhase]:
    """Return what the logs of processes that run now tell; only those that tell something, if any.

    A log is of an earlier process where its last line is older than all that it may be of, or what
    it tells last.
    """
    now = time.time()
    phases = []
    for place, phase in found:
        started = min((one.started for one in place.processes), default=None)
        if started is not None and (
            phase.is_older_than(started, now) or phase.began_before(started, now)
        ):
            continue
        phases.append(phase)
    return [phase for phase in phases if phase.phase != "unknown"] or phases


def _uncounted(
    found: list[tuple[Place, LoginPhase]], current: list[LoginPhase], port: int
) -> str | None:
    """Return why no login log counts as that of the gateway on a port; None where one does."""
    if not found:
        return "No login log (launcher.log) was found here."
    if not current:
        return (
            "The login log is not counted: what it tells is older than the gateway process that "
            "runs now."
        )
    if len({_outcome(phase) for phase in current}) > 1:
        return (
            "The login logs of several gateways disagree, and which of them is that of port "
            f"{port} is not known."
        )
    if current[0].phase == "unknown":
        return "The login log has no line that says how far the login got."
    return None


def _told(phase: LoginPhase) -> Result:
    evidence = _evidence(phase)
    if phase.phase == "logged-in":
        return Result("host.login", "pass", "The login log says: logged in.", evidence)
    if phase.phase == "silent":
        return Result(
            "host.login",
            "warn",
            "The login log fell silent before the login was done: that process is gone, or hangs.",
            evidence,
            fix=("Start the gateway again, and log in.",),
        )
    login = _login_of(phase)
    left = f" ({span(phase.wait_seconds)} left)" if phase.wait_seconds else ""
    since = f", since {phase.since:%d %b %H:%M}" if phase.since and login in TELLING else ""
    return Result(
        "host.login",
        "warn",
        f"The login log says of the gateway{since}: {TOLD[login]}{left}.{_because(phase)}",
        evidence,
        entry=ENTRIES.get(login, "login-pending"),
        fix=(DO.get(login, WAIT),),
    )


def _login_of(phase: LoginPhase) -> str:
    """Return how far a login came, as advice depends on it."""
    if phase.phase == "refused" or phase.is_password:
        kind = "wrong-password" if phase.is_password else "refused"
        return "session-expired" if phase.is_saved_session else kind
    return phase.phase


def _because(phase: LoginPhase) -> str:
    """Quote what the gateway was told; it is foreign text."""
    if phase.reason:
        return f" The reason that it was given: “{said(phase.reason).rstrip('.')}”."
    if phase.phase == "slot-taken":
        return f" {phase.timeouts} attempts in a row ended in a time-out."
    return ""


def _logins(machine: Machine, port: int) -> list[tuple[Place, LoginPhase]]:
    """Return how far the logins got that may be of the gateway on a port, the newest first."""
    read = [(place, login_phase(place.folder)) for place in places(machine, port)]
    found = [(place, phase) for place, phase in read if phase is not None]

    def quiet(one: tuple[Place, LoginPhase]) -> float:
        seconds = one[1].quiet_seconds
        return math.inf if seconds is None else seconds

    return sorted(found, key=quiet)


def _outcome(phase: LoginPhase) -> str:
    if phase.phase in {"logged-in", "unknown", "silent"}:
        return phase.phase
    return ENTRIES.get(_login_of(phase), "pending")


def _evidence(phase: LoginPhase) -> dict[str, object]:
    return {
        "phase": phase.before_silence or _login_of(phase),
        "silent": phase.phase == "silent",
        "since": phase.since.isoformat(" ", "seconds") if phase.since else None,
        "last_line": phase.last_line.isoformat(" ", "seconds") if phase.last_line else None,
        "attempts": phase.attempts,
        "wait_seconds": phase.wait_seconds,
        "quiet_seconds": None if phase.quiet_seconds is None else round(phase.quiet_seconds, 1),
        "reason": said(phase.reason) or None,
    }


async def settings(context: Context) -> Result:
    """Look whether the gateway trusts the address that it would see."""
    passed_on = await _passed_on(context)
    return await _trusts(context) if passed_on is None else passed_on


async def _trusts(context: Context) -> Result:
    result = partial(Result, "host.settings")
    seen = await _address_seen(context)
    if not context.target.is_local and seen != context.target.host:
        it_sees = f" It would have to trust {seen}, the address that it sees of this one."
        return result(
            "skip",
            f"{context.target.host} {OTHER_MACHINE}{it_sees if seen else ''}",
            {"address": seen},
        )
    machine = await context.machine.get()
    read = await asyncio.to_thread(_settings, machine, context.target.port)
    if not read:
        return result("skip", "No settings file (jts.ini) was found here.")
    if seen is not None and len({one.is_trusted(seen) for one in read if one.trusted_known}) > 1:
        return result(
            "skip",
            f"The settings files of several gateways disagree on {seen}, and which of them is that "
            f"of port {context.target.port} is not known.",
            {"address": seen},
        )
    found = next((one for one in read if one.trusted_known), read[0])
    evidence = {
        "address": seen,
        "trusted": len(found.trusted_ips),
        "no_addresses": len(found.not_addresses),
        "trading_mode": _said(found.trading_mode),
        "api_only": found.api_only,
        "time_zone": _said(found.time_zone),
        "locale": _said(found.locale),
        "region": _said(found.region),
        "remote_order_routing": found.remote_order_routing,
    }
    if seen is None or not found.trusted_known:
        return result("skip", "The settings file does not say whom it trusts.", evidence)
    if found.is_trusted(seen):
        return result("pass", f"The settings file lists {seen} as trusted.", evidence)
    ranges = (
        " It also lists entries that are not single addresses; the gateway ignores ranges."
        * bool(found.not_addresses)
    )
    return result(
        "warn",
        f"The settings file does not list {seen} as trusted: the gateway may ask on its screen "
        f"whether to accept, or close without a word.{ranges}",
        evidence,
        entry="handshake-silent",
        fix=(trust(seen),),
    )


async def _passed_on(context: Context) -> Result | None:
    """Return what is known of whom the gateway sees if a program passes the port on, else None.

    Then it is not this machine's settings files that count.
    """
    if not context.target.is_local:
        return None
    found = await asyncio.to_thread(_forwarder, await context.machine.get(), context.target.port)
    if found is None:
        return None
    seen = address_of_route(found.towards) if found.towards else None
    which = f"{program(found.name)} (process {found.pid})"
    sees = f"sees {seen}" if seen else "sees an address that is not known here"
    return Result(
        "host.settings",
        "skip",
        f"{which} passes port {context.target.port} on: the gateway behind it {sees}, and whom it "
        "trusts is not in the files of this machine.",
        {"address": seen, "forwarder": which},
    )


def _forwarder(machine: Machine, port: int) -> Forwarder | None:
    """Return the program that has a port and passes it on.

    One of a container has the same number in a network of its own, so the owner of the socket
    counts; that of Docker's program is hidden from most users.
    """
    may_be = [one for one in machine.forwarders if one.port == port]
    if not may_be:
        return None
    try:
        owners = {one.pid for one in listening({port}).found}
    except SocketsUnreadableError:
        owners = set()
    hidden = owners <= {None}
    return next((one for one in may_be if one.pid in owners or (hidden and one.is_hidden)), None)


async def _address_seen(context: Context) -> str | None:
    try:
        return address_towards(await context.addresses.get())
    except UnresolvedError:
        return None


def _said(value: str | None) -> str | None:
    return value if value is None else said(value)


def trust(address: str) -> str:
    """Return how a person makes a gateway trust an address."""
    return (
        f"In TWS or Gateway: Global Configuration > API > Settings > Trusted IPs > Create, enter "
        f"{address}, then Apply, then OK. No restart is needed."
    )


def _settings(machine: Machine, port: int) -> list[JtsSettings]:
    """Return the settings that may be those of the gateway on a port."""
    read = (read_jts_ini(place.folder) for place in places(machine, port))
    return [one for one in read if one is not None]


async def logs(context: Context) -> Result:
    """Look whether there are API logs, and whether they can be read."""
    if (blind := _other_machine("host.logs", context)) is not None:
        return blind
    machine = await context.machine.get()
    if not machine.folders:
        return Result("host.logs", "skip", "No settings folder of a gateway was found here.")
    found = await asyncio.to_thread(api_logs, machine.folders)
    evidence = {
        "logs": [
            {"name": said(one.name), "encrypted": one.encrypted, "bytes": one.bytes}
            for one in found[:SHOWN_LOGS]
        ]
    }
    if not found:
        return Result(
            "host.logs",
            "pass",
            "There are no API logs: they are off, as they are at first.",
            evidence,
            fix=("To have one: API > Settings > Create API message log file, Apply, OK.",),
        )
    encrypted = found[0].encrypted
    kind = "encrypted" if encrypted else "plain text"
    export = (
        "Export the encrypted log by hand. Gateway: File > API Logs; TWS: Help > Troubleshooting "
        "> Diagnostics."
    )
    return Result(
        "host.logs",
        "pass",
        f"{len(found)} API logs were found; the newest is {said(found[0].name)}, {kind}."
        if len(found) > 1
        else f"One API log was found: {said(found[0].name)}, {kind}.",
        evidence,
        fix=(export,) if encrypted else (),
    )


CHECKS = (
    Check(
        "host.login",
        "The gateway is logged in",
        "host",
        login,
        waits_for="the login log",
    ),
    Check(
        "host.settings",
        "The gateway trusts this machine's address",
        "host",
        settings,
        waits_for="the settings file",
        time_outs=1,
    ),
    Check(
        "host.logs",
        "API logs can be read",
        "host",
        logs,
        waits_for="the API logs",
    ),
)

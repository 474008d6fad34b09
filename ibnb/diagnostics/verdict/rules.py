"""The rules of the verdict: each sees one cause in what was found, or does not.

They are asked in the order of `RULES`, that of cause and effect. What the wire showed explains
everything behind it; what the machine shows explains the wire; a notice's code beats everything; a
missing API library matters only where the wire is sound; warnings come last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ibnb.diagnostics.checks.files import trust
from ibnb.diagnostics.model import Result, Status
from ibnb.knowledge import Severity
from ibnb.session.opening.synchronising import ways_out
from ibnb.tws.attempt import cause
from ibnb.tws.notices import link_after
from ibnb.tws.own import is_loopback
from ibnb.tws.story import tell, tell_lost

from .facts import Findings

NO_ROOM = frozenset({"handshake-silent", "closed-before-version", "closed-after-start"})
"""What a client that finds no room may meet; what a gateway does then is not documented."""
OF_THE_WIRE = frozenset(
    {
        *("connection-refused", "host-unreachable", "handshake-silent", "closed-before-version"),
        *("not-a-gateway", "version-too-old", "client-id-in-use", "paper-disclaimer"),
        *("closed-after-start", "not-ready", "no-accounts", "wrong-environment"),
        *("login-pending", "login-rejected", "login-session-expired", "login-slot-taken"),
        *("too-many-clients", "connectivity-lost", "wedged", "client-too-old"),
    }
)
"""Causes that a connection which works disproves."""
NO_ANSWER_OF_A_GATEWAY = frozenset({"handshake-silent", "closed-before-version"})
UNREACHED = frozenset({"connection-refused", "host-unreachable"})
"""Causes that an open TCP connection disproves."""
FIND_THE_PORT = (
    "Look which port the gateway has: Global Configuration > API > Settings > Socket port. If "
    "another program has that one, choose a free one there, Apply, then OK, and connect to it."
)
LOOK_BEHIND = "If that program passes connections on, look at the gateway behind it."
OF_A_LOGIN = ("login-rejected", "login-session-expired", "login-slot-taken", "login-pending")
OPENS_AFTER = 60.0
"""So many seconds after its login a gateway may still be about to open its port."""
MILD = frozenset({"pacing", "not-connected"})
"""Causes that trouble a connection which works, whatever their page says, where they only warn."""


@dataclass(frozen=True)
class Seen:
    """A cause that a rule sees.

    `cause` is a catalogue id, `evidence` the ids of the results that speak for it, `fix` what to
    do before all that results and the catalogue say. `severity` is the catalogue's unless given.
    A `hint` is no more than a possible cause, and with `own_steps` alone the catalogue's steps are
    of no use.
    """

    cause: str
    summary: str
    evidence: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    severity: Severity | None = None
    hint: bool = False
    own_steps: bool = False


Rule = Callable[[Findings], Seen | None]


def login_unfinished(found: Findings) -> Seen | None:
    """See a port that is closed or mute while the login log tells of an unfinished login."""
    seen = found.unanswered
    if seen is None or found.is_no_gateway:
        return None
    shown, sentence = seen
    if found.is_gateway and _pile(found) is not None:
        return None  # it listens, so it came further than its log says: see `wedged`
    for entry in OF_A_LOGIN:
        told = found.says("host.login", entry)
        if told is not None:
            return Seen(entry, f"{sentence} {told.summary}", ("host.login", *found.naming(shown)))
    return None


def _pile(found: Findings) -> Result | None:
    """Return the pile of sockets that a mute gateway never closed, or None."""
    pile = found.says("net.clients", "handshake-silent")
    return pile if found.wire == "handshake-silent" else None


def no_room(found: Findings) -> Seen | None:
    """See a client that is turned away while all places are taken."""
    full = found.says("net.clients", "too-many-clients")
    if full is None or found.attempt is None or found.wire not in NO_ROOM:
        return None
    return Seen("too-many-clients", f"{tell(found.attempt)} {full.summary}", (full.id,))


def wedged(found: Findings) -> Seen | None:
    """See a mute gateway beside a pile of sockets that it never closed."""
    pile = _pile(found)
    if found.attempt is None or pile is None:
        return None
    summary = f"{tell(found.attempt)} Its API is wedged: {pile.summary}"
    return Seen("handshake-silent", summary, (pile.id, "api.version"), pile.fix)


def queue_full(found: Findings) -> Seen | None:
    """See a gateway that has the port and takes no connection from this very machine any more.

    What waits there fills its accept queue, and every new connection times out.
    """
    attempt = found.attempt
    if attempt is None or not attempt.unanswered or not found.context.is_local:
        return None
    if found.wire not in UNREACHED or not found.listener:
        return None
    summary = f"{tell(attempt)} {found.results['net.port'].summary}"
    if found.is_gateway:
        summary += (
            " It takes no connection any more: its API is stuck, and no network is in the way."
        )
        return Seen("wedged", summary, ("net.port", "net.tcp"))
    summary += " It takes no connection any more, as a program does that hangs."
    return Seen("host-unreachable", summary, ("net.port", "net.tcp"))


def behind_a_forwarder(found: Findings) -> Seen | None:
    """See a mute gateway that sees another address than the one that people would think of."""
    attempt, who, seen = found.attempt, found.passed_on, found.address_seen
    if attempt is None or found.wire != "handshake-silent" or found.is_gateway:
        return None
    if who is None and (found.context.is_local or seen is None):
        return None
    summary = tell(attempt)
    if who is not None:
        whom = seen or f"the address from which {who} reaches it"
        whom += ", and not 127.0.0.1" if seen and not is_loopback(seen) else ""
        summary += f" {found.results['net.port'].summary}" if "net.port" in found.results else ""
        summary += f" The gateway is behind {who}: it sees {whom}."
    else:
        summary += f" The gateway sees this machine as {seen}."
    summary += " Unless it trusts that address it asks on its screen whether to accept."
    step = trust(seen or f"the address from which {who} reaches it")
    of_container = (
        "For a container that is mostly the address of its bridge: "
        "`docker network inspect bridge` shows it as Gateway."
    )
    steps = (step,) if seen else (step, of_container)
    shown = tuple(one for one in ("host.settings", "net.port") if one in found.results)
    return Seen("handshake-silent", summary, (*shown, "api.version"), steps)


def does_not_listen(found: Findings) -> Seen | None:
    """See a gateway that runs here and does not have the port that was asked for.

    One that listens nowhere is more likely the one that was meant than one that listens elsewhere.
    """
    unanswered = found.unanswered
    if unanswered is None or unanswered[0] != "connection-refused" or found.open_at:
        return None
    # If another one listens, the log that says so may be that one's: they can share a folder.
    logged_in = found.login == "logged-in" and found.runs_here and not found.api_ports
    if not found.idle and not logged_in:
        return None
    sentence, port = unanswered[1], found.context.target.port
    more = found.refused.detail if found.refused and found.attempt else ""
    steps: list[str] = []
    if logged_in:
        quiet = found.results["host.login"].evidence.get("quiet_seconds")
        more += " The login log says that it is logged in, so its port is another, or not open yet."
        again = "Wait some seconds and try again: the port opens a little after the login."
        other = (
            f"Compare its port: Global Configuration > API > Settings > Socket port may be another "
            f"one than {port}. Change it, Apply, then OK, or connect to that one."
        )
        is_fresh = quiet is not None and quiet < OPENS_AFTER
        steps += [again, other] if is_fresh else [other, again]
    else:
        steps.append("Look whether its login is finished: a gateway listens only after that.")
    shown = tuple(one for one in ("host.process", "host.login") if one in found.results)
    return Seen(
        "connection-refused",
        f"{sentence} {more.strip()}".rstrip(),
        (*found.naming("connection-refused"), *shown),
        tuple(steps),
    )


def untrusted(found: Findings) -> Seen | None:
    """See a mute or closing gateway whose settings file does not list this address."""
    told = found.says("host.settings", "handshake-silent")
    if found.attempt is None or found.wire not in NO_ANSWER_OF_A_GATEWAY or told is None:
        return None
    if found.is_no_gateway or found.passed_on is not None:
        return None
    summary = f"{tell(found.attempt)} {told.summary}"
    return Seen(found.wire, summary, (told.id, "api.version"), told.fix)


def forwarder(found: Findings) -> Seen | None:
    """See a connection that is closed at once by what only passes it on."""
    port = found.results.get("net.port")
    if found.attempt is None or found.wire != "closed-before-version" or port is None:
        return None
    if found.passed_on is None:
        return None
    who = "It" if found.passed_on == found.listener else found.passed_on
    summary = f"{tell(found.attempt)} {port.summary} {who[:1].upper()}{who[1:]} passes connections "
    summary += "on, to a gateway that is not there or not ready."
    step = (
        "Look behind the forwarder: is the gateway there running and logged in, and does the "
        "forwarder point at its port?"
    )
    return Seen("closed-before-version", summary, (port.id, "api.version"), (step,))


def held_id(found: Findings) -> Seen | None:
    """See a client ID that is in use, with the name of its holder where one is known."""
    if found.attempt is None or found.wire != "client-id-in-use":
        return None
    holder = found.says("session.client-id", "client-id-in-use")
    who = holder.detail if holder is not None else ""
    summary = f"{tell(found.attempt)} {who}".rstrip()
    return Seen("client-id-in-use", summary, ("api.start", *found.naming("client-id-in-use")))


def another_program(found: Findings) -> Seen | None:
    """See a port that no gateway has: what a gateway's screen shows is of no use then."""
    port = found.results.get("net.port")
    if found.attempt is None or port is None or found.wire not in NO_ANSWER_OF_A_GATEWAY:
        return None
    if not found.is_no_gateway or found.is_simulated or found.attempt.received:
        return None  # what begins as a version reply does may be one's beginning
    summary = f"{tell(found.attempt)} {port.summary} That is neither a TWS nor a Gateway."
    fill = found.context.situation.fill
    there = [fill(f"Connect where a gateway listens: {{connect {one}}}") for one in found.api_ports]
    steps = (*there, FIND_THE_PORT, LOOK_BEHIND)
    return Seen(found.wire, summary, (port.id, "api.version"), steps, own_steps=True)


def coded_close(found: Findings) -> Seen | None:
    """See a close after a notice that may be why: its own page is where to go on."""
    told = found.attempt.told_why if found.attempt is not None else None
    if found.attempt is None or found.wire != "closed-after-start" or told is None:
        return None
    page = found.context.here.fill(f"See what the gateway said: {{explain {told.code}}}")
    return Seen("closed-after-start", tell(found.attempt), ("api.start",), (page,))


def on_the_wire(found: Findings) -> Seen | None:
    """See what the wire shows, if nothing else explains it."""
    if found.attempt is None or found.wire is None:
        return None
    more = ""
    if found.wire == "connection-refused" and found.refused is not None:
        more = found.refused.detail
    elif found.wire == "connection-refused" and found.open_at:
        more = f"That port is open at {' and '.join(found.open_at)} alone."
    elif found.wire == "not-a-gateway" and found.is_no_gateway and not found.is_simulated:
        more = found.results["net.port"].summary
    return Seen(found.wire, f"{tell(found.attempt)} {more}".rstrip(), found.naming(found.wire))


def half_open(found: Findings) -> Seen | None:
    """See an open socket through which nothing comes any more."""
    silent = found.says("session.heartbeat", "half-open")
    return Seen("half-open", silent.summary, (silent.id,)) if silent is not None else None


def link_lost(found: Findings) -> Seen | None:
    """See a gateway that has lost its own link to IBKR."""
    lost_by = link_after(found.attempt.notices).lost_by if found.attempt is not None else None
    return Seen("connectivity-lost", tell_lost(lost_by), ("api.link",)) if lost_by else None


def unsynchronised(found: Findings) -> Seen | None:
    """See a library that gave a connection up after ready, at a gateway that lets clients in."""
    failed, attempt = found.context.failed, found.attempt
    if failed is None or attempt is None or found.context.attached:
        return None
    if cause(failed) != "sync-incomplete" or failed.target.address != attempt.target.address:
        return None
    summary = (
        f"{tell(failed)} Just now the gateway let a client in: server version "
        f"{attempt.server_version}."
    )
    steps, shown = ways_out(failed), ("session.state",)
    return Seen("sync-incomplete", summary, shown, steps, severity="error", own_steps=True)


def stale_at_hand(found: Findings) -> Seen | None:
    """See an `ib` in the user's hands that a rerun replaced: its calls fail whatever else works."""
    told = found.says("session.state", "stale-connection")
    return Seen("stale-connection", told.summary, (told.id,), told.fix) if told else None


def failure(found: Findings) -> Seen | None:
    """See the first failure of a check which names a cause still standing."""
    for entry, result in _standing(found, "fail"):
        return Seen(entry, result.summary, (result.id,), result.fix)
    return None


def warning(found: Findings) -> Seen | None:
    """See the first warning of a check which names a cause still standing.

    Where no connection was tried it is no more than a hint.
    """
    for entry, result in _standing(found, "warn"):
        if found.attempt is None:
            looked_at = ", ".join(one.id for one in found.results.values() if one.status != "skip")
            summary = f"{result.summary} No connection was tried; looked at: {looked_at}."
            return Seen(entry, summary, (result.id,), result.fix, "warning", hint=True)
        severity: Severity | None = "warning" if entry in MILD else None
        return Seen(entry, result.summary, (result.id,), result.fix, severity)
    return None


def _standing(found: Findings, status: Status) -> Iterator[tuple[str, Result]]:
    """Yield the results of a status whose cause no look at the wire disproves."""
    for result in found.results.values():
        entry = result.entry
        if result.status != status or entry is None:
            continue
        if found.attempt is None or entry not in OF_THE_WIRE:
            yield entry, result


RULES: tuple[Rule, ...] = (
    login_unfinished,
    no_room,
    wedged,
    queue_full,
    behind_a_forwarder,
    untrusted,
    forwarder,
    does_not_listen,
    held_id,
    another_program,
    coded_close,
    on_the_wire,
    half_open,
    link_lost,
    unsynchronised,
    stale_at_hand,
    failure,
    warning,
)

"""The rules of the verdict: each sees one cause in what was found, or does not.

They are asked in the order of `RULES`, that of cause and effect. What the wire showed explains
everything behind it; what the machine shows explains the wire; a notice's code beats everything; a
missing API library matters only where the wire is sound; warnings come last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ibnb.tws.attempt import Attempt, cause
from ibnb.tws.notices import link_after
from ibnb.tws.story import tell, tell_lost

from .context import Context
from .model import Result, Severity, Status

UNANSWERED = frozenset({"connection-refused", "handshake-silent", "closed-before-version"})
"""What the wire shows of a gateway that is not logged in: nothing that says so."""
NO_ROOM = frozenset({"handshake-silent", "closed-before-version", "closed-after-start"})
"""What a client that finds no room may meet; what a gateway does then is not documented."""
OF_THE_WIRE = frozenset(
    {
        *("connection-refused", "host-unreachable", "handshake-silent", "closed-before-version"),
        *("not-a-gateway", "version-too-old", "client-id-in-use", "paper-disclaimer"),
        *("closed-after-start", "not-ready", "no-accounts", "wrong-environment"),
        *("login-pending", "login-rejected", "too-many-clients"),
    }
)
"""Causes that a connection which works disproves."""
UNREACHED = frozenset({"connection-refused", "host-unreachable"})
"""Causes that an open TCP connection disproves."""
FORWARDERS = ("docker-proxy", "socat", "haproxy", "rinetd", "ssh", "wslrelay", "com.docker")


@dataclass(frozen=True)
class Seen:
    """A cause that a rule sees.

    `cause` is a catalogue id, `evidence` the ids of the results that speak for it, `fix` what to
    do before all that results and the catalogue say. `severity` is the catalogue's unless given.
    """

    cause: str
    summary: str
    evidence: tuple[str, ...] = ()
    fix: tuple[str, ...] = ()
    severity: Severity | None = None


@dataclass(frozen=True)
class Findings:
    """What the rules look at: the results by id, the shared look at the wire, the context."""

    results: Mapping[str, Result]
    attempt: Attempt | None
    context: Context

    @property
    def wire(self) -> str | None:
        """The cause that the wire alone shows; None where it works or was not looked at."""
        return cause(self.attempt) if self.attempt is not None else None

    @property
    def is_no_gateway(self) -> bool:
        """Whether what listens on the port is known, and is neither a gateway nor a forwarder.

        Then the files of a gateway that runs beside it say nothing of this port.
        """
        port, processes = self.results.get("net.port"), self.results.get("host.process")
        if port is None or any(name in port.summary for name in FORWARDERS):
            return False
        number = self.context.target.port
        rows = port.evidence.get("listening", ())
        pids = {row["pid"] for row in rows if row["port"] == number}
        found = processes.evidence.get("processes", ()) if processes is not None else ()
        gateways = {one["pid"] for one in found if one["kind"] != "simulator"}
        return bool(pids) and None not in pids and not pids & gateways

    def says(self, check: str, entry: str) -> Result | None:
        """Return a check's result where it names this cause."""
        result = self.results.get(check)
        return result if result is not None and result.entry == entry else None

    def with_status(self, status: Status) -> tuple[str, ...]:
        """Return the ids of the results of one status."""
        return tuple(one.id for one in self.results.values() if one.status == status)

    def naming(self, entry: str) -> tuple[str, ...]:
        """Return the ids of the results that name this cause."""
        return tuple(one.id for one in self.results.values() if one.entry == entry)

    def fixes(self, entry: str) -> tuple[str, ...]:
        """Return what the checks that saw this cause say is to be done, in their order."""
        steps = [step for one in self.results.values() if one.entry == entry for step in one.fix]
        return tuple(dict.fromkeys(steps))


Rule = Callable[[Findings], Seen | None]


def login_unfinished(found: Findings) -> Seen | None:
    """See a port that is closed or mute while the login log tells of an unfinished login."""
    if found.attempt is None or found.wire not in UNANSWERED or found.is_no_gateway:
        return None
    for entry in ("login-rejected", "login-pending"):
        told = found.says("host.login", entry)
        if told is not None:
            summary = f"{tell(found.attempt)} {told.summary}"
            return Seen(entry, summary, ("host.login", *found.naming(found.wire or "")))
    return None


def no_room(found: Findings) -> Seen | None:
    """See a client that is turned away while all places are taken."""
    full = found.says("net.clients", "too-many-clients")
    if full is None or found.attempt is None or found.wire not in NO_ROOM:
        return None
    return Seen("too-many-clients", f"{tell(found.attempt)} {full.summary}", (full.id,))


def wedged(found: Findings) -> Seen | None:
    """See a mute gateway beside a pile of sockets that it never closed."""
    pile = found.says("net.clients", "handshake-silent")
    if found.attempt is None or found.wire != "handshake-silent" or pile is None:
        return None
    summary = f"{tell(found.attempt)} Its API is wedged: {pile.summary}"
    return Seen("handshake-silent", summary, (pile.id, "api.version"), pile.fix)


def untrusted(found: Findings) -> Seen | None:
    """See a mute or closing gateway whose settings file does not list this address."""
    told = found.says("host.settings", "handshake-silent")
    mute = found.wire in {"handshake-silent", "closed-before-version"}
    if found.attempt is None or found.wire is None or not mute or told is None:
        return None
    if found.is_no_gateway:
        return None
    summary = f"{tell(found.attempt)} {told.summary}"
    return Seen(found.wire, summary, (told.id, "api.version"), told.fix)


def forwarder(found: Findings) -> Seen | None:
    """See a connection that is closed at once by what only passes it on."""
    port = found.results.get("net.port")
    if found.attempt is None or found.wire != "closed-before-version" or port is None:
        return None
    if port.status != "pass" or not any(name in port.summary for name in FORWARDERS):
        return None
    summary = f"{tell(found.attempt)} {port.summary} It passes connections on, to a gateway that "
    summary += "is not there or not ready."
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
    who = f" {holder.summary}" if holder is not None else ""
    summary = f"{tell(found.attempt)}{who}"
    return Seen("client-id-in-use", summary, ("api.start", *found.naming("client-id-in-use")))


def on_the_wire(found: Findings) -> Seen | None:
    """See what the wire shows, where nothing else explains it."""
    if found.attempt is None or found.wire is None:
        return None
    return Seen(found.wire, tell(found.attempt), found.naming(found.wire))


def half_open(found: Findings) -> Seen | None:
    """See an open socket through which nothing comes any more."""
    silent = found.says("session.heartbeat", "half-open")
    return Seen("half-open", silent.summary, (silent.id,)) if silent is not None else None


def link_lost(found: Findings) -> Seen | None:
    """See a gateway that has lost its own link to IBKR."""
    lost_by = link_after(found.attempt.notices).lost_by if found.attempt is not None else None
    return Seen("connectivity-lost", tell_lost(lost_by), ("api.link",)) if lost_by else None


def stale_at_hand(found: Findings) -> Seen | None:
    """See an `ib` in the user's hands that a rerun replaced: its calls fail whatever else works."""
    told = found.says("session.state", "stale-connection")
    return Seen("stale-connection", told.summary, (told.id,), told.fix) if told else None


def told_by(status: Status) -> Rule:
    """Return the rule that sees the first result of a status which names a cause still standing."""

    def rule(found: Findings) -> Seen | None:
        for result in found.results.values():
            entry = result.entry
            if result.status != status or entry is None:
                continue
            if found.attempt is None or entry not in OF_THE_WIRE:
                # Too many requests are no broken connection, whatever their page says.
                severity: Severity | None = "warning" if entry == "pacing" else None
                return Seen(entry, result.summary, (result.id,), result.fix, severity)
        return None

    return rule


RULES: tuple[Rule, ...] = (
    login_unfinished,
    no_room,
    wedged,
    untrusted,
    forwarder,
    held_id,
    on_the_wire,
    half_open,
    link_lost,
    stale_at_hand,
    told_by("fail"),
    told_by("warn"),
)

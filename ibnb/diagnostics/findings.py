"""What the rules of the verdict look at, and what can be told of it without judging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ibnb.knowledge import Situation
from ibnb.knowledge.situation import Gateway
from ibnb.tws.attempt import Attempt, cause
from ibnb.tws.story import tell

from .context import Context
from .model import Result, Status

FORWARDERS = ("docker-proxy", "socat", "haproxy", "rinetd", "ssh", "wslrelay", "com.docker")
MAY_PASS_ON = (
    *FORWARDERS,
    *("kubectl", "rootlessport", "slirp4netns", "pasta", "gvproxy", "vpnkit", "limactl"),
    *("orbstack", "nginx", "envoy", "traefik", "stunnel", "tailscaled", "chisel", "frpc"),
    *("ncat", "plink", "svchost", "systemd", "launchd", "xinetd"),
)
"""Programs that may have a gateway behind them."""
UNTOLD = ("a process", "java")
"""How a listener is named of which this user may not see what program it is."""
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
UNANSWERED = frozenset({"connection-refused", "handshake-silent", "closed-before-version"})
"""What the wire shows of a gateway that is not logged in: nothing that says so."""


@dataclass(frozen=True)
class Findings:
    """What the rules look at: the results by id, the shared look at the wire, the context."""

    results: Mapping[str, Result]
    attempt: Attempt | None
    context: Context

    @property
    def situation(self) -> Situation:
        """What decides which steps make sense."""
        return with_results(self.context.situation, self.results.values())

    @property
    def wire(self) -> str | None:
        """The cause that the wire alone shows; None where it works or was not looked at."""
        return cause(self.attempt) if self.attempt is not None else None

    @property
    def refused(self) -> Result | None:
        """The result that says that nothing listens on the port, or None."""
        port = self.says("net.port", "connection-refused")
        return port if port is not None and port.status == "fail" else None

    @property
    def unanswered(self) -> tuple[str, str] | None:
        """How the port is closed or mute, and one sentence on that; None where it is neither.

        Without a look at the wire it is known only of a port on which nothing listens.
        """
        if self.attempt is not None:
            wire = self.wire
            return (wire, tell(self.attempt)) if wire in UNANSWERED and wire else None
        return ("connection-refused", self.refused.summary) if self.refused is not None else None

    @property
    def is_gateway(self) -> bool:
        """Whether what listens on the port is known to be a TWS or Gateway."""
        return bool(self._listening & {one["pid"] for one in self._real})

    @property
    def is_no_gateway(self) -> bool:
        """Whether what listens on the port is known, and is neither a gateway nor a forwarder.

        Then the files of a gateway that runs beside it say nothing of this port.
        """
        port, pids = self.results.get("net.port"), self._listening
        if port is None or not pids or None in pids or not self._knows_processes:
            return False
        named = port.summary.lower()
        return not self.is_gateway and not any(name in named for name in (*MAY_PASS_ON, *UNTOLD))

    @property
    def is_simulated(self) -> bool:
        """Whether what listens on the port is a simulated gateway."""
        simulated = {one["pid"] for one in self._processes if one["kind"] == "simulator"}
        return bool(self._listening & simulated)

    @property
    def api_ports(self) -> tuple[int, ...]:
        """The other ports that a TWS or Gateway of this machine listens on."""
        ports = {port for one in self._real for port in one.get("ports", ())}
        return tuple(sorted(ports - {self.context.target.port}))

    @property
    def open_at(self) -> tuple[str, ...]:
        """The addresses of this machine at which the port is open, if the target is none of them.

        Empty where the target is a name, or the port is open at all addresses.
        """
        host, port = self.context.target.host, self.context.target.port
        rows = self._rows
        found = tuple(sorted({row["address"] for row in rows if row["port"] == port}))
        is_name = any(letter.isalpha() for letter in host) and ":" not in host
        return () if is_name or {host, *EVERYWHERE} & {*found} else found

    @property
    def _rows(self) -> Sequence[Mapping[str, Any]]:
        port = self.results.get("net.port")
        return port.evidence.get("listening", ()) if port is not None else ()

    @property
    def _listening(self) -> set[int | None]:
        return {row["pid"] for row in self._rows if row["port"] == self.context.target.port}

    @property
    def _knows_processes(self) -> bool:
        found = self.results.get("host.process")
        return found is not None and "processes" in found.evidence

    @property
    def _processes(self) -> Sequence[Mapping[str, Any]]:
        found = self.results.get("host.process")
        return found.evidence.get("processes", ()) if found is not None else ()

    @property
    def _real(self) -> list[Mapping[str, Any]]:
        return [one for one in self._processes if one["kind"] != "simulator"]

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


def with_results(situation: Situation, results: Iterable[Result]) -> Situation:
    """Return a situation with the facts that checks have found beside what was known."""
    found = {result.id: result for result in results}
    holder, accounts = found.get("session.client-id"), found.get("api.accounts")
    return replace(
        situation,
        gateway=_gateway(found) or situation.gateway,
        holder=(holder.evidence.get("holder") if holder else None) or situation.holder,
        accounts=(accounts.evidence.get("kind") if accounts else None) or situation.accounts,
        checks={**situation.checks, **{name: one.status for name, one in found.items()}},
    )


def _gateway(found: Mapping[str, Result]) -> Gateway | None:
    """Return what runs on this machine; None where that could not be seen."""
    process, version = found.get("host.process"), found.get("api.version")
    if process is None or process.status in {"skip", "crash"}:
        return None
    kinds = {one["kind"] for one in process.evidence.get("processes", ())}
    if kinds == {"simulator"}:
        return "simulator-only"
    if kinds:
        return "running"
    # What answers is in a container, or of another user.
    answered = version is not None and version.evidence.get("server_version") is not None
    return None if answered else "none"

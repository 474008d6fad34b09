"""What the rules of the verdict look at, and what can be told of it without judging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from ibnb.diagnostics.model import Result, Status
from ibnb.knowledge import Situation
from ibnb.knowledge.situation import Gateway, Login
from ibnb.tws.attempt import Attempt, cause
from ibnb.tws.own import is_loopback
from ibnb.tws.story import tell

from .surroundings import Surroundings

FORWARDERS = (
    *("docker-proxy", "socat", "haproxy", "rinetd", "ssh", "wslrelay", "com.docker", "kubectl"),
    *("rootlessport", "slirp4netns", "pasta", "gvproxy", "vpnkit", "limactl", "orbstack", "nginx"),
    *("envoy", "traefik", "stunnel", "tailscaled", "chisel", "frpc", "plink"),
)
"""Programs that pass on what comes to their ports."""
MAY_PASS_ON = (*FORWARDERS, "ncat", "svchost", "systemd", "launchd", "xinetd")
"""Programs that may have a gateway behind them."""
MAY_BE_A_GATEWAY = (*MAY_PASS_ON, "java")
"""Programs that may be a gateway, or have one behind them."""
EVERYWHERE = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to
UNANSWERED = frozenset({"connection-refused", "handshake-silent", "closed-before-version"})
"""What the wire shows of a gateway that is not logged in: nothing that says so."""
_NOT_RUN = Result("", "skip", "")


def result_of(results: Mapping[str, Result], check: str) -> Result:
    """Return the result of a check; one that says nothing where it was not run."""
    return results.get(check, _NOT_RUN)


@dataclass(frozen=True)
class Findings:
    """What the rules look at: the results by id, the shared look at the wire, and the rest."""

    results: Mapping[str, Result]
    attempt: Attempt | None
    context: Surroundings

    @property
    def situation(self) -> Situation:
        """What decides which steps make sense."""
        here = with_results(self.context.here, self.results.values())
        if self.passed_on is None or self.address_seen:
            return here
        return replace(here, trusted=f"the address from which {self.passed_on} reaches it")

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
        pids, knows_processes = self._listening, "processes" in self._evidence("host.process")
        if not pids or None in pids or not knows_processes:
            return False
        named = self.listener.lower()
        may_be_one = any(name in named for name in MAY_BE_A_GATEWAY)
        return bool(named) and not self.is_gateway and not may_be_one

    @property
    def listener(self) -> str:
        """The program that listens on the port, as the check names it; empty if it names none."""
        port = result_of(self.results, "net.port")
        if port.status != "pass" or port.evidence.get("unlisted"):
            return ""
        names = [row.get("name") for row in self._rows if row["port"] == self.context.target.port]
        told = next((name for name in names if name), None)
        return told or ""

    @property
    def passed_on(self) -> str | None:
        """What passes the port on to a gateway elsewhere, for people; None where nothing does.

        Then the files and processes of this machine say nothing of whom that gateway trusts.
        """
        known: str | None = self._evidence("host.settings").get("forwarder")
        if known or "net.port" not in self.results:
            return known
        if self._evidence("net.port").get("unlisted"):
            return "the network of a container or virtual machine"
        listener = self.listener
        is_one = any(name in listener.lower() for name in FORWARDERS)
        return listener if is_one and not self.is_gateway else None

    @property
    def address_seen(self) -> str | None:
        """The address from which the gateway sees connections of here, where that is known.

        Where something passes the port on, this machine's loopback is only what that sees, unless
        the check followed it.
        """
        settings = self._evidence("host.settings")
        seen: str | None = settings.get("address")
        followed = "forwarder" in settings
        return None if seen and self.passed_on and is_loopback(seen) and not followed else seen

    @property
    def login(self) -> str | None:
        """How far the gateway's login came; None where that is not known."""
        return self.situation.login

    @property
    def runs_here(self) -> bool:
        """Whether a TWS or Gateway runs on this machine."""
        return bool(self._real)

    @property
    def idle(self) -> tuple[Mapping[str, Any], ...]:
        """The processes of a TWS or Gateway here that listen on no port."""
        return tuple(one for one in self._real if not one.get("ports", True))

    @property
    def is_simulated(self) -> bool:
        """Whether what listens on the port is a simulated gateway."""
        if self._evidence("net.port").get("simulated"):
            return True
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
        return () if self.context.by_name or {host, *EVERYWHERE} & {*found} else found

    @property
    def _rows(self) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = self._evidence("net.port").get("listening", ())
        return rows

    @property
    def _listening(self) -> set[int | None]:
        return {row["pid"] for row in self._rows if row["port"] == self.context.target.port}

    @property
    def _processes(self) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self._evidence("host.process").get("processes", ())
        return found

    @property
    def _real(self) -> list[Mapping[str, Any]]:
        return [one for one in self._processes if one["kind"] != "simulator"]

    def _evidence(self, check: str) -> Mapping[str, Any]:
        return result_of(self.results, check).evidence

    def says(self, check: str, entry: str) -> Result | None:
        """Return a check's result where it names this cause."""
        result = result_of(self.results, check)
        return result if result.entry == entry else None

    def with_status(self, status: Status) -> tuple[str, ...]:
        """Return the ids of the results of one status."""
        return tuple(one.id for one in self.results.values() if one.status == status)

    def naming(self, entry: str) -> tuple[str, ...]:
        """Return the ids of the results that name this cause."""
        return tuple(one.id for one in self.results.values() if one.entry == entry)

    def fixes(self, entry: str) -> tuple[str, ...]:
        """Return what the checks that saw this cause say is to be done, in their order."""
        void = {"host.settings"} if self.passed_on else set()
        named = [one for one in self.results.values() if one.entry == entry and one.id not in void]
        return tuple(dict.fromkeys(step for one in named for step in one.fix))


def with_results(situation: Situation, results: Iterable[Result]) -> Situation:
    """Return a situation with the facts that checks have found beside what was known."""
    found = {result.id: result for result in results}
    holder, accounts = result_of(found, "session.client-id"), result_of(found, "api.accounts")
    seen = result_of(found, "host.settings").evidence.get("address")
    return replace(
        situation,
        gateway=_gateway(found) or situation.gateway,
        holder=holder.evidence.get("holder") or situation.holder,
        accounts=accounts.evidence.get("kind") or situation.accounts,
        login=_login(result_of(found, "host.login")) or situation.login,
        trusted=seen if seen and not is_loopback(seen) else situation.trusted,
        checks={**situation.checks, **{name: one.status for name, one in found.items()}},
    )


def _login(result: Result) -> Login | None:
    """Return how far a login came, if the log counts and the process lives that wrote it."""
    if result.status in {"skip", "crash"} or result.evidence.get("silent"):
        return None
    phase = result.evidence.get("phase")
    return phase if phase in get_args(Login) else None


def _gateway(found: Mapping[str, Result]) -> Gateway | None:
    """Return what runs on this machine; None where that could not be seen."""
    process, version = result_of(found, "host.process"), result_of(found, "api.version")
    if process.status in {"skip", "crash"}:
        return None
    kinds = {one["kind"] for one in process.evidence.get("processes", ())}
    if kinds == {"simulator"}:
        return "simulator-only"
    if kinds:
        return "running"
    # What answers is in a container, or of another user.
    answered = version.evidence.get("server_version") is not None
    return None if answered else "none"

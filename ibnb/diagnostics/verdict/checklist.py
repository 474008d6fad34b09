"""The list of what has to be so before an API client can work, ticked by a report's results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ibnb.diagnostics.model import Report
from ibnb.session.state import OPEN

from .facts import result_of

State = Literal["done", "open", "unknown"]
HEALTHY_SECONDS = 5.0
"""A handshake that takes longer is no healthy one, though it may still complete."""


@dataclass(frozen=True)
class Item:
    """One thing that has to be so.

    `state` is ``done`` where it was seen to be so, ``open`` where it was seen not to be, and
    ``unknown`` where nothing that was found tells. `checks` are the ids of the checks it rests on.
    """

    text: str
    state: State
    checks: tuple[str, ...]


def checklist(report: Report) -> tuple[Item, ...]:
    """Return the items in the order in which one goes through them, each ticked by the report.

    What a gateway's version reply proves is done wherever one came: no gateway answers while socket
    clients are off, or answers an address that it does not trust.
    """
    seen = _Seen(report)
    port, expects = report.target.port, report.target.expects
    kind = f"{expects} ones, as expected" if expects else "of the kind that you meant"
    return (
        Item("A TWS or Gateway process is running", seen.process(), ("host.process",)),
        Item(f"Something listens on port {port}", seen.listening(), ("net.port", "net.tcp")),
        Item("A TCP connection to it opens", seen.by_status("net.tcp"), ("net.tcp",)),
        Item(
            "Socket clients are enabled (TWS: “Enable ActiveX and Socket Clients” is ticked)",
            seen.by_reply(),
            ("api.version",),
        ),
        Item(
            "The address of this machine is among its trusted IPs",
            seen.trusted(),
            ("host.settings", "api.version"),
        ),
        Item(
            f"The socket port in its API settings is the one that was tried, {port}",
            seen.socket_port(),
            ("api.version", "host.process"),
        ),
        Item(
            f"The API handshake completes in under {HEALTHY_SECONDS:.0f} seconds",
            seen.handshake(),
            ("api.version", "api.start", "api.ready"),
        ),
        Item("The gateway returns its managed accounts", seen.accounts(), ("api.accounts",)),
        Item(f"The accounts are {kind}", seen.kind(), ("api.accounts",)),
        Item("The notebook's own session connects", seen.session(), ("session.state",)),
    )


class _Seen:
    """What a report's results say of each item."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._by_id = {result.id: result for result in report.results}
        self._answered = self._evidence("api.version").get("server_version") is not None

    def by_status(self, check: str) -> State:
        """Take a check's own word: what was skipped or crashed tells nothing."""
        return _STATES.get(self._status(check), "unknown")

    def by_reply(self) -> State:
        return "done" if self._answered else "unknown"

    def process(self) -> State:
        if self._answered:
            return "done"
        found = self.by_status("host.process")
        # That of a gateway in a container, or of another user, cannot be seen.
        hidden = found == "open" and self._status("net.tcp") == "pass"
        return "unknown" if hidden else found

    def listening(self) -> State:
        if self._status("net.tcp") == "pass":
            return "done"
        tcp = result_of(self._by_id, "net.tcp")
        if tcp.status == "fail" and tcp.entry == "connection-refused":
            return "open"
        return self.by_status("net.port")

    def trusted(self) -> State:
        return "done" if self._answered else self.by_status("host.settings")

    def socket_port(self) -> State:
        if self._answered:
            return "done"
        processes = self._evidence("host.process").get("processes") or []
        ports = {port for process in processes for port in process.get("ports", [])}
        if self._report.target.port in ports:
            return "done"
        return "open" if ports else "unknown"

    def handshake(self) -> State:
        if any(self._status(check) == "fail" for check in ("api.version", "api.start")):
            return "open"
        if self._status("api.ready") != "pass":
            return self.by_status("api.ready")
        taken = self._evidence("api.ready").get("after_seconds")
        if taken is not None:
            return "done" if taken < HEALTHY_SECONDS else "open"
        # The handshake is a part of the diagnosis, unless the connection was open before it.
        attached = self.session() == "done"
        return "done" if self._report.seconds < HEALTHY_SECONDS and not attached else "unknown"

    def accounts(self) -> State:
        if self._evidence("api.accounts").get("accounts"):
            return "done"
        if result_of(self._by_id, "api.ready").entry == "no-accounts":
            return "open"
        if self._evidence("api.ready").get("managed_accounts") is False:
            return "open"
        return self.by_status("api.accounts")

    def kind(self) -> State:
        accounts = result_of(self._by_id, "api.accounts")
        if accounts.entry == "wrong-environment":
            return "open"
        known = accounts.status == "pass" and self._report.target.expects is not None
        return "done" if known else "unknown"

    def session(self) -> State:
        evidence = self._evidence("session.state")
        if evidence.get("state") in OPEN:
            return "done" if evidence.get("target") == str(self._report.target) else "open"
        tried = result_of(self._by_id, "session.state").entry
        return "open" if tried is not None else "unknown"

    def _status(self, check: str) -> str:
        return result_of(self._by_id, check).status

    def _evidence(self, check: str) -> Mapping[str, Any]:
        return result_of(self._by_id, check).evidence


_STATES: Mapping[str, State] = {"pass": "done", "warn": "open", "fail": "open"}

"""Answers to the questions that the pages of the catalogue ask, out of what checks have found.

A check finds more than one thing, and its summary tells the one that matters for the diagnosis. So
that an answer beside a question answers that question, an entry's check says what it `asks`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ibnb.diagnostics.model import Result, Status
from ibnb.knowledge import Answer, EntryCheck
from ibnb.session.state import OPEN
from ibnb.tws.clock import day_and_time

Said = tuple[Status, str]
NO_SESSION: Said = ("skip", "No connection of this notebook is open.")
FARMS = {"market": "market data", "history": "historical data", "definitions": "definitions"}


def answer(question: EntryCheck, result: Result) -> Answer:
    """Return what a result says to a question; its status is ``skip`` where that is nothing."""
    said: Said = (result.status, result.summary)
    asked = ASKED.get((result.id, question.asks))
    if asked is not None and result.status not in {"skip", "crash"}:
        said = asked(result)
    return Answer(result.id, *said, question.asks)


def _open(result: Result) -> Said:
    evidence, told = result.evidence, result.summary
    state = evidence.get("state")
    if result.entry == "stale-connection":
        # Its summary is about the `ib` at hand, and not about what is open.
        is_open = state in OPEN
        told = f"Connected to {evidence.get('target')} as client ID {evidence.get('client_id')}."
        return ("pass", told) if is_open else ("fail", "No connection of this notebook is open.")
    if state == "ready":
        return "pass", told
    return ("warn" if state in {"degraded", "resuming"} else "fail"), told


def _orders(result: Result) -> Said:
    evidence = result.evidence
    if evidence.get("state") not in OPEN:
        return NO_SESSION
    accounts, kind = evidence.get("accounts"), evidence.get("kind")
    locked = evidence.get("orders") == "locked"
    who = ", ".join(accounts) if accounts else "Its accounts are not known"
    told = f"{who}{f' ({kind})' if kind else ''}, orders {'locked' if locked else 'not locked'}."
    return "warn" if locked else "pass", told


def _missing(result: Result) -> Said:
    if result.evidence.get("state") not in OPEN:
        return NO_SESSION
    missing = result.evidence.get("missing")
    if missing:
        return "warn", f"Not received in time: {', '.join(missing)}."
    return "pass", "Nothing is missing."


def _own_id(result: Result) -> Said:
    if result.evidence.get("state") not in OPEN:
        return NO_SESSION
    return "pass", f"Client ID {result.evidence.get('client_id')}."


def _holder(result: Result) -> Said:
    client_id, holder = result.evidence.get("client_id"), result.evidence.get("holder")
    if holder == "unknown" or (holder is None and not result.evidence.get("own")):
        told = result.summary if holder else f"Nobody is known to have client ID {client_id}."
        return "skip", told
    if holder is None:
        return "pass", f"This notebook's own connection has client ID {client_id}."
    return result.status, result.summary


def _farms(*kinds: str) -> Callable[[Result], Said]:
    """Return what answers whether the data farms of some kinds, or all of them, work."""

    def farms(result: Result) -> Said:
        if result.status == "fail":
            return result.status, result.summary
        kind_of = result.evidence.get("kinds", {})
        states: Mapping[str, str] = {
            name: state
            for name, state in result.evidence.get("farms", {}).items()
            if kind_of.get(name) in kinds
        }
        if not states:
            what = f"farm for {FARMS[kinds[0]]}" if len(kinds) == 1 else "data farm"
            return "skip", f"No {what} has reported its status."
        broken = any(state == "broken" for state in states.values())
        told = ", ".join(f"{name} {_FARM[state]}" for name, state in states.items())
        return "warn" if broken else "pass", f"{told}."

    return farms


def _expected(result: Result) -> Said:
    if result.evidence.get("expects") is None and result.status == "pass":
        return "skip", f"{result.summary} Nothing was expected of this target."
    return result.status, result.summary


_FARM = {
    "ok": "OK",
    "broken": "broken",
    "asleep": "asleep until needed",
    "connecting": "connecting",
}


def _runs(result: Result) -> Said:
    kinds = {one["kind"] for one in result.evidence.get("processes", ())}
    return ("skip" if kinds == {"simulator"} else result.status), result.summary


def _since(result: Result) -> Said:
    processes: Sequence[Mapping[str, Any]] = result.evidence.get("processes", ())
    real = [one for one in processes if one["kind"] != "simulator"]
    if not real:
        return "fail", result.summary
    told = "; ".join(
        f"{one['kind']} (process {one['pid']}) since {day_and_time(one['started'])}" for one in real
    )
    return "pass", f"{told}."


def _who(result: Result) -> Said:
    clients = result.evidence.get("clients")
    if not clients:
        return result.status, result.summary
    return result.status, f"{result.summary} Connected from this machine: {'; '.join(clients)}."


def _half_closed(result: Result) -> Said:
    count = result.evidence.get("close_wait", 0)
    if result.entry == "handshake-silent":
        return result.status, result.summary
    return "pass" if not count else "warn", f"Half-closed sockets (CLOSE_WAIT): {count or 'none'}."


def _logs(result: Result) -> Said:
    logs: Sequence[Mapping[str, Any]] = result.evidence.get("logs", ())
    if not logs:
        return "fail", result.summary
    return "warn" if logs[0]["encrypted"] else "pass", result.summary


def _guard(result: Result) -> Said:
    return ("skip" if result.evidence.get("guard") is None else result.status), result.summary


def _patch(result: Result) -> Said:
    return ("skip" if "patch" not in result.evidence else result.status), result.summary


ASKED: Mapping[tuple[str, str], Callable[[Result], Said]] = {
    ("session.state", "open"): _open,
    ("session.state", "orders"): _orders,
    ("session.state", "missing"): _missing,
    ("session.state", "client-id"): _own_id,
    ("session.client-id", "holder"): _holder,
    ("api.accounts", "expected"): _expected,
    ("api.link", "farms"): _farms(*FARMS),
    **{("api.link", kind): _farms(kind) for kind in FARMS},
    ("host.process", ""): _runs,
    ("host.process", "since"): _since,
    ("net.clients", "who"): _who,
    ("net.clients", "half-closed"): _half_closed,
    ("host.logs", "logs"): _logs,
    ("env.guard", "guard"): _guard,
    ("env.loop", "patch"): _patch,
}
"""What a question may ask of a check beside its summary, and what answers it."""

"""Checks of the notebook's own session: its state, its pulse, its past, its pace, its ID."""

from __future__ import annotations

import asyncio
import time
from functools import partial

from ibnb.diagnostics.context import Context
from ibnb.diagnostics.model import Check, Result, Status
from ibnb.session import Health
from ibnb.session.address import address_of
from ibnb.session.client_ids.owners import Holders, find_holders, tell_holders
from ibnb.tws.attempt import cause, is_refusal_of
from ibnb.tws.clock import clock
from ibnb.tws.story import span, tell, tell_refused
from ibnb.tws.target import Target

from .net import PROBE_SECONDS, PROBE_TIME_OUTS

GONE = frozenset({"lost", "resuming"})
RECENT_SECONDS = 3600.0
SHOWN_LOSSES = 5
PULSE_SECONDS = 30.0
ASKED_WITH = {
    "positions": "ib.reqPositions()",
    "open orders": "ib.reqAllOpenOrders()",
    "completed orders": "ib.reqCompletedOrders(False)",
    "executions": "ib.reqExecutions()",
}
"""What brings what a synchronisation did not."""


async def state(context: Context) -> Result:
    """Look at the session of this notebook, and at the `ib` that its code has."""
    health = context.health
    evidence: dict[str, object] = {
        "state": health.state,
        "target": str(health.target) if health.target else None,
        "client_id": health.client_id,
        "accounts": context.shown(health.accounts),
        "kind": health.kind,
        "orders": health.orders if health.is_open else None,
        "missing": list(health.missing),
    }
    if context.at_hand is not None and context.at_hand.stale:
        return Result(
            "session.state",
            "warn",
            f"Your `ib` is stale. {context.at_hand.stale}",
            evidence,
            entry="stale-connection",
        )
    if health.is_open:
        return _open(health, evidence, context)
    if health.state in GONE:
        return _gone(health, evidence, context)
    if context.failed is not None:
        here = _is_here(context.failed.target, context)
        return Result(
            "session.state",
            "warn",
            f"This notebook has no connection open. The last try: {tell(context.failed)}",
            evidence,
            entry=cause(context.failed) if here else None,
        )
    since = f" since {clock(health.changed_at)}" if health.changed_at else ""
    was = f" That to {health.target} is closed{since}: {health.reason}." if health.reason else ""
    return Result("session.state", "pass", f"This notebook has no connection open.{was}", evidence)


def _is_here(target: Target | None, context: Context) -> bool:
    """Say whether a target is the diagnosed one: what is wrong elsewhere is no cause here."""
    return target is not None and target.address == context.target.address


def _gone(health: Health, evidence: dict[str, object], context: Context) -> Result:
    """Tell of a connection that was lost, whether or not it is being opened again."""
    here = _is_here(health.target, context)
    if health.state == "resuming":
        return Result(
            "session.state",
            "warn",
            f"The connection to {health.target} was lost, and is being opened again by itself.",
            evidence,
            entry="not-connected" if here else None,
            fix=("Wait until it is back; %ibconnect --resume does it at once.",),
        )
    return Result(
        "session.state",
        "fail" if here else "warn",
        f"The connection to {health.target} was lost: {health.reason.rstrip('.')}."
        f"{_last_try(health, context)}",
        evidence,
        entry="not-connected" if here else None,
        fix=(_open_again(health),),
    )


def _open_again(health: Health) -> str:
    if not health.by_user:
        return "%ibconnect --resume opens it again, as the same object with its handlers."
    return (
        f"Run the code that connected it again; or %ibconnect {health.target}, which opens a "
        "connection that is resumed after a loss."
    )


def _open(health: Health, evidence: dict[str, object], context: Context) -> Result:
    status: Status = "pass" if health.state == "ready" else "warn"
    reason = f", degraded: {health.reason}" if health.reason else ""
    summary = f"Connected to {health.target} as client ID {health.client_id}{reason}."
    here = _is_here(health.target, context)
    entry = "sync-incomplete" if health.missing and here else None
    last_try = "" if here else _last_try(health, context)
    if last_try and context.failed is not None:
        status, entry = "warn", cause(context.failed)
    again = [ASKED_WITH[name] for name in health.missing if name in ASKED_WITH]
    fix = (f"Ask again: ib.RequestTimeout = 10; {'; '.join(again)}",) if again and here else ()
    return Result("session.state", status, f"{summary}{last_try}", evidence, entry=entry, fix=fix)


def _last_try(health: Health, context: Context) -> str:
    """Return a sentence on what failed here last, where the health does not say it already."""
    failed = context.failed
    if failed is None or not _is_here(failed.target, context) or tell(failed) in health.reason:
        return ""
    return f" The last try: {tell(failed)}"


async def heartbeat(context: Context) -> Result:
    """Look whether the open connection still answers: a busy kernel is not a dead gateway."""
    result = partial(Result, "session.heartbeat")
    if context.pulse is None:
        return result("skip", _nothing_to_listen_to(attached=context.attached))
    pulse = await context.pulse()
    evidence = {"round_trip_seconds": pulse.round_trip, "heard_seconds_ago": pulse.heard_ago}
    match pulse.status:
        case "answered":
            took = f" within {span(pulse.round_trip)}" if pulse.round_trip is not None else ""
            return result("pass", f"The gateway answered{took}.", evidence)
        case "silent":
            return result(
                "fail",
                "The socket is open and the kernel was not busy, but the gateway did not respond "
                "to two heartbeats.",
                evidence,
                entry="half-open",
            )
        case "closed":
            reason = "the connection was closed meanwhile."
        case _:
            reason = "the kernel was busy, so that silence would say nothing of the gateway."
    return result("skip", f"Not judged: {reason}", evidence)


def _nothing_to_listen_to(*, attached: bool) -> str:
    if attached:
        return "The connection was opened where ibnb did not watch it: it is not listened to."
    return "No connection of this notebook is open on this target: nothing to listen to."


async def history(context: Context) -> Result:
    """Look at the connections of this notebook that were lost lately."""
    now = time.time()
    recent = [loss for loss in context.losses if now - loss.time <= RECENT_SECONDS]
    evidence = {
        "losses": [
            {"time": loss.time, "address": loss.where, "reason": loss.reason}
            for loss in context.losses[-SHOWN_LOSSES:]
        ]
    }
    if not recent:
        return Result(
            "session.history", "pass", "No connection was lost in the last hour.", evidence
        )
    last = recent[-1]
    times = "once" if len(recent) == 1 else f"{len(recent)} times"
    return Result(
        "session.history",
        "warn",
        f"A connection was lost {times} in the last hour, at last at "
        f"{clock(last.time)}: {last.reason}.",
        evidence,
    )


async def pacing(context: Context) -> Result:
    """Compare what this notebook has sent with the limits of IBKR."""
    pace = context.pacing
    if pace is None:
        return Result("session.pacing", "skip", "No notebook's requests are kept here.")
    evidence: dict[str, object] = {
        "messages_last_second": pace.messages_last_second,
        "message_limit": pace.message_limit,
        "historical_last_ten_minutes": pace.historical_last_ten_minutes,
        "historical_limit": pace.historical_limit,
        "historical_open": pace.historical_open,
        "open_limit": pace.open_limit,
    }
    summary = (
        f"Messages in the last second: {pace.messages_last_second} (limit {pace.message_limit}); "
        f"historical requests in ten minutes: {pace.historical_last_ten_minutes} (limit "
        f"{pace.historical_limit}), open now: {pace.historical_open} (limit {pace.open_limit})."
    )
    told, is_over = await asyncio.to_thread(_of_the_team, context, evidence)
    summary = f"{summary} {told}".rstrip()
    if pace.violations or is_over:
        return Result(
            "session.pacing",
            "warn",
            " ".join((summary, *pace.violations)),
            evidence,
            entry="pacing",
            fix=("Send fewer requests at once; a repeated one after 15 seconds at the earliest.",),
        )
    return Result("session.pacing", "pass", summary, evidence)


def _of_the_team(context: Context, evidence: dict[str, object]) -> tuple[str, bool]:
    """Return what all sessions at the gateway use together, and whether that is too much."""
    store, target = context.leases, context.target
    counts = store.counts(*target.address) if store is not None else None
    if counts is None:
        return "", False
    evidence["team"] = {
        "historical_last_ten_minutes": counts.history,
        "identical": counts.identical,
        "same_contract_burst": counts.burst,
        "open": counts.open,
        "open_limit": counts.open_limit,
        "lines": counts.lines,
        "messages_peak": counts.messages_peak,
    }
    room = f"; there is room for another in {counts.next_in:.0f} s" if counts.next_in else ""
    early = f", {counts.identical + counts.burst} of them too early" if counts.is_early else ""
    told = (
        f"All sessions of the team at {target}: {counts.history} historical requests in ten "
        f"minutes{early}{room}, {counts.open} open now (limit {counts.open_limit}), {counts.lines} "
        f"market data lines, at most {counts.messages_peak} messages within one second of the last "
        "minute."
    )
    return told, counts.is_over


async def client_id(context: Context) -> Result:
    """Look at the client ID, and at the local processes that are connected to the target's port."""
    result = partial(Result, "session.client-id")
    evidence: dict[str, object] = {"client_id": context.client_id}
    own = f"Client ID {context.client_id}"
    if not context.target.is_local:
        return result(
            "skip",
            f"{own}; the clients of another machine's gateway cannot be seen from here.",
            evidence,
        )
    holders = await asyncio.to_thread(_holders, context)
    evidence["clients"] = [holder.text for holder in holders.found]
    evidence["holder"] = holders.kind if holders.certain else None
    evidence["own"] = context.attached and context.health.client_id == context.client_id
    if holders.certain:
        told = f"{own} is held by {'; '.join(holder.text for holder in holders.certain)}."
        return result(
            "warn",
            told,
            evidence,
            entry="client-id-in-use",
            detail=told,
            fix=tuple(dict.fromkeys(holder.stop for holder in holders.certain)),
        )
    if holders.unseen:
        summary = f"{own}; this user may not see the sockets of other users' processes."
        return result("skip", summary, evidence)
    if await _is_refused(context):
        return _refused(context, holders, evidence)
    if holders.found:
        summary = f"{own}; also connected to {context.target}, with other IDs or this one: "
        summary += "; ".join(holder.text for holder in holders.found) + "."
    else:
        summary = f"{own}; no other process of this machine is connected to {context.target}."
    return result("pass", summary, evidence)


def _holders(context: Context) -> Holders:
    """Return who has the ID; not the one which is open here with it, as it should be."""
    target, client_id, registry = context.target, context.client_id, context.registry
    find = partial(
        find_holders,
        target,
        client_id,
        context.leases,
        own_ports=context.own_ports,
        said=context.said,
    )
    if registry is None:
        return find()
    address = address_of(target.host, target.port, client_id)
    keeper = None if context.own_id == client_id else registry.keeper(address)
    return find(keeper, registry.sockets_at(*address[:2]))


async def _is_refused(context: Context) -> bool:
    """Say whether the gateway refused the ID as in use: in this diagnosis, else to the notebook."""
    tried = context.failed
    if (context.connects or context.probe.has_begun) and not context.attached:
        tried = await context.probe.attempt()
    return tried is not None and is_refusal_of(context.client_id, context.target, tried)


def _refused(context: Context, holders: Holders, evidence: dict[str, object]) -> Result:
    told = " ".join(tell_holders(context.target, context.client_id, holders))
    evidence["holder"] = holders.kind
    return Result(
        "session.client-id",
        "warn",
        f"{tell_refused(context.client_id)} {told}",
        evidence,
        entry="client-id-in-use",
        detail=told,
    )


CHECKS = (
    Check("session.state", "The notebook's session is sound", "session", state),
    Check(
        "session.heartbeat",
        "The open connection still answers",
        "session",
        heartbeat,
        timeout=PULSE_SECONDS,
        waits_for="a byte from the gateway",
    ),
    Check(
        "session.history",
        "No connection was lost lately",
        "session",
        history,
    ),
    Check(
        "session.pacing",
        "The requests keep within IBKR's limits",
        "session",
        pacing,
    ),
    Check(
        "session.client-id",
        "The client ID is this notebook's own",
        "session",
        client_id,
        timeout=PROBE_SECONDS,
        time_outs=PROBE_TIME_OUTS,
        waits_for="the list of sockets, and the gateway's answer",
    ),
)

"""Checks of the API session: views of the one shared probe, stage by stage."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from ibnb.diagnostics.context import Context
from ibnb.diagnostics.model import Check, Result
from ibnb.diagnostics.sanitise import MOST_NOTICES
from ibnb.tws.accounts import is_paper, mask_in
from ibnb.tws.attempt import Attempt, cause, wrong_environment
from ibnb.tws.codes import farm_kind, farm_name
from ibnb.tws.handshake import Stage
from ibnb.tws.notices import link_after
from ibnb.tws.simulated import is_simulated
from ibnb.tws.story import span, tell, tell_foreign, tell_lost

from .net import PROBE_SECONDS, PROBE_TIME_OUTS

SKEW_SECONDS = 5.0


async def version(context: Context) -> Result:
    """Look whether the gateway answered with a server version that the library speaks."""
    attempt = await context.probe.attempt()
    evidence = {
        "server_version": attempt.server_version,
        "server_time": mask_in(attempt.server_time),
    }
    too_old = attempt.server_version is not None and attempt.server_version < attempt.min_version
    if attempt.server_version is None or too_old:
        evidence["received_bytes"] = attempt.received
        if attempt.received:
            evidence["received"] = tell_foreign(attempt.foreign or attempt.beginning)
        return _failed("api.version", attempt, evidence)
    return Result(
        "api.version",
        "pass",
        f"The gateway answered with server version {attempt.server_version}"
        f"{_after(attempt, Stage.VERSION)}.",
        evidence,
    )


async def start(context: Context) -> Result:
    """Look whether the gateway took the session start, or closed.

    What came after it shows that it was taken; where nothing did, that is not known.
    """
    attempt = await context.probe.attempt()
    evidence = {"client_id": attempt.client_id, "notices": _told(attempt)}
    found = cause(attempt)
    ended = attempt.ending in {"closed", "foreign"} and found != "no-accounts"
    if found in {"client-id-in-use", "paper-disclaimer"} or ended:
        return _failed("api.start", attempt, evidence)
    if attempt.next_valid_id is None and attempt.accounts is None and not attempt.notices:
        return Result(
            "api.start",
            "warn",
            f"The session start as client ID {attempt.client_id} was neither answered nor refused.",
            evidence,
        )
    return Result(
        "api.start",
        "pass",
        f"The gateway accepted client ID {attempt.client_id}.",
        evidence,
    )


async def ready(context: Context) -> Result:
    """Look whether order ID and accounts came: without both nothing may be requested."""
    attempt = await context.probe.attempt()
    evidence = {
        "next_valid_id": attempt.next_valid_id is not None,
        "managed_accounts": attempt.accounts is not None,
        "after_seconds": attempt.seconds.get(str(Stage.READY)),
    }
    if attempt.next_valid_id is None or attempt.accounts is None:
        return _failed("api.ready", attempt, evidence)
    return Result(
        "api.ready",
        "pass",
        f"Order ID and the list of accounts came{_after(attempt, Stage.READY)}.",
        evidence,
    )


async def accounts(context: Context) -> Result:
    """Look whether there are accounts, and of the kind that the target expects."""
    attempt = await context.probe.attempt()
    names = attempt.accounts or ()
    shown = context.shown(names)
    kind = "paper" if is_paper(names) else "live"
    evidence = {
        "accounts": shown,
        "kind": kind if names else None,
        "expects": attempt.target.expects,
    }
    if not names or wrong_environment(attempt.target, names):
        return _failed("api.accounts", attempt, evidence)
    expected = ", as expected" if attempt.target.expects else ""
    if is_simulated(attempt.target.host, attempt.target.port):
        kind = f"simulated {kind}"
    return Result("api.accounts", "pass", f"{', '.join(shown)}: {kind}{expected}.", evidence)


async def link(context: Context) -> Result:
    """Look what notices said of the gateway's link to IBKR and of its data farms."""
    result = partial(Result, "api.link")
    attempt = await context.probe.attempt()
    if not context.is_heard:
        return result(
            "skip",
            "The connection was opened where ibnb did not watch it: what the gateway said of its "
            "link is not known.",
        )
    state = link_after(attempt.notices)
    farms = {mask_in(name): told for name, told in [*state.farms.items()][:MOST_NOTICES]}
    kinds = {
        mask_in(farm_name(notice.text)): farm_kind(notice.code)
        for notice in attempt.notices
        if farm_kind(notice.code)
    }
    evidence = {
        "farms": farms,
        "kinds": {name: kinds[name] for name in farms if name in kinds},
        "notices": _told(attempt),
    }
    if state.lost_by is not None:
        return result("fail", tell_lost(state.lost_by), evidence, entry="connectivity-lost")
    if state.broken_farms:
        return result(
            "warn",
            f"Reported broken and not OK since: {mask_in(', '.join(state.broken_farms))}.",
            evidence,
            entry="data-farm-down",
        )
    known = (
        f"{len(state.farms)} farms, none of them broken"
        if state.farms
        else "no data farm has reported its status"
    )
    return result("pass", f"No loss of the link to IBKR was reported; {known}.", evidence)


async def clock(context: Context) -> Result:
    """Compare the gateway's clock with this machine's."""
    attempt = await context.probe.attempt()
    offset = attempt.clock_offset
    if offset is None and context.pulse is not None:
        pulse = await context.pulse()
        if pulse.gateway_time is not None and pulse.local_time is not None:
            offset = pulse.gateway_time - pulse.local_time
    if offset is None:
        return Result(
            "api.clock",
            "skip",
            "The gateway did not tell its time now; recent builds answer only every few seconds.",
        )
    # Whole seconds are told, cut off: half a second is the middle of what that can hide.
    offset += 0.5
    evidence = {"offset_seconds": round(offset, 1)}
    if abs(offset) > SKEW_SECONDS:
        side = "ahead of" if offset > 0 else "behind"
        return Result(
            "api.clock",
            "warn",
            f"The gateway's clock is {abs(offset):.0f} s {side} this machine's.",
            evidence,
            entry="clock-skew",
        )
    return Result("api.clock", "pass", "The gateway's clock and this machine's agree.", evidence)


def _failed(check: str, attempt: Attempt, evidence: Mapping[str, object]) -> Result:
    return Result(check, "fail", tell(attempt), evidence, entry=cause(attempt))


def _after(attempt: Attempt, stage: Stage) -> str:
    seconds = attempt.seconds.get(str(stage))
    return f", after {span(seconds)}" if seconds is not None else ""


def _told(attempt: Attempt) -> list[str]:
    shown = attempt.notices[-MOST_NOTICES:]
    more = len(attempt.notices) - len(shown) + attempt.more_notices
    told = [f"{notice.code}: {mask_in(notice.text)}" for notice in shown]
    return [f"{more} more before these", *told] if more else told


def _check(
    name: str,
    title: str,
    run: Callable[[Context], Awaitable[Result]],
    requires: str,
    *,
    waits_for: str,
) -> Check:
    return Check(
        f"api.{name}",
        title,
        "api",
        run,
        (requires,),
        PROBE_SECONDS,
        waits_for,
        PROBE_TIME_OUTS,
    )


CHECKS = (
    _check(
        "version",
        "The gateway answers with a version the library speaks",
        version,
        "net.tcp",
        waits_for="the gateway's version reply",
    ),
    _check(
        "start",
        "The session start is accepted",
        start,
        "api.version",
        waits_for="the gateway's answer to the session start",
    ),
    _check(
        "ready",
        "Order ID and accounts arrive",
        ready,
        "api.start",
        waits_for="the order ID and the accounts",
    ),
    _check(
        "accounts",
        "The accounts are the expected ones",
        accounts,
        "api.ready",
        waits_for="the list of accounts",
    ),
    _check(
        "link",
        "The gateway is linked to IBKR and its data farms",
        link,
        "api.ready",
        waits_for="the first notices",
    ),
    _check(
        "clock",
        "The gateway's clock agrees with this machine's",
        clock,
        "api.ready",
        waits_for="the gateway's time",
    ),
)

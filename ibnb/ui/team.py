"""The team as text: gateways, who is connected, and what they use together."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import PurePath

from ibnb.session.client_ids.counts import Counts
from ibnb.session.client_ids.grants import SEATS
from ibnb.session.client_ids.lease import SharedLease
from ibnb.session.client_ids.team import GatewayUse, Team

from .sanitise import harmless, quoted

ALONE = (
    "Only notebooks of this user on this machine are shown; nothing is shared (see the setting "
    "leases)."
)


def team_text(team: Team, *, show_accounts: bool = False) -> str:
    """Return who is connected to which gateway, in lines."""
    lines = ["" if team.store == "redis" else ALONE]
    if team.is_silent:
        lines.append("The team's store does not answer: who is connected is not known.")
    elif not team.gateways:
        lines.append("Nobody is connected.")
    for one in team.gateways:
        lines += _gateway(one, show_accounts=show_accounts)
    return "\n".join(harmless(line, show_accounts=show_accounts) for line in filter(None, lines))


def _gateway(use: GatewayUse, *, show_accounts: bool) -> Iterator[str]:
    yield f"{use.host}:{use.port}  {len(use.leases)} of {SEATS} seats taken"
    if use.counts is not None:
        yield from _used(use.counts)
    for lease in use.leases:
        since = time.strftime("%d %b %H:%M", time.localtime(lease.since))
        trades = ", trades" if isinstance(lease, SharedLease) and lease.trades else ""
        who = f"{lease.user}@{lease.machine} (process {lease.pid})"
        name = quoted(PurePath(lease.notebook).name, show_accounts=show_accounts)
        yield f"  ID {lease.client_id}  {name}  {who}, since {since}{trades}"


def _used(counts: Counts) -> Iterator[str]:
    room = f", room for another in {counts.next_in:.0f} s" if counts.next_in else ""
    yield f"  history requests in ten minutes: {counts.history} of {counts.history_limit}{room}"
    early = []
    if counts.identical:
        early.append(f"{counts.identical} the same as one within 15 s before")
    if counts.burst:
        early.append(f"{counts.burst} the sixth or later of one contract within 2 s")
    if early:
        yield f"    of these too early: {', '.join(early)}"
    yield f"  history requests open now: {counts.open} of {counts.open_limit}"
    yield (
        f"  market data lines: {counts.lines}; messages a second: "
        f"{counts.messages_last_second}, at most {counts.messages_peak} in the last minute "
        f"(limit {counts.message_limit})"
    )

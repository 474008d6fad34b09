"""The one-line messages under a cell that connects or disconnects."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import TYPE_CHECKING

from ibnb.session.address import where
from ibnb.session.client_ids.counts import (
    BURST_LIMIT,
    BURST_SECONDS,
    HISTORY_LIMIT,
    IDENTICAL_SECONDS,
    OPEN_LIMIT,
)
from ibnb.session.errors import ConnectFailed
from ibnb.tws.accounts import mask

from .sanitise import harmless

if TYPE_CHECKING:
    from ibnb.session import Closed, Connection, Opened, Waiting
    from ibnb.session.connection import Resumed
    from ibnb.simulator.recording import RecordingGateway, ReplayedGateway


def opened_line(opened: Opened, *, badge_follows: bool = False, show_accounts: bool = False) -> str:
    """Say what was closed, what it still had, and what is open now.

    If the badge follows, what it says is left out; often nothing remains.
    """
    said = _opened(opened, badge_follows=badge_follows, show_accounts=show_accounts)
    return harmless(said, show_accounts=show_accounts)


def _opened(opened: Opened, *, badge_follows: bool, show_accounts: bool) -> str:
    connection = opened.connection
    plan, attempt = connection.plan, connection.attempt
    if opened.how == "left":
        return f"Nothing to resume: {where(connection.address)} is open and was left as it is."
    if opened.resumed is not None:
        return resumed_line(connection, opened.resumed)
    parts = []
    if opened.how == "afresh":
        parts.append("There was no lost connection to resume.")
    if opened.closed_where:
        before = opened.closed_where
        closed = f"Closed {before}" if opened.was_open else f"Replaced {before} (already closed)"
        parts.append(f"{closed}{_with(opened.closed)}.")
    if not badge_follows:
        accounts = (attempt.accounts or ()) if attempt is not None else ()
        shown = ", ".join(accounts if show_accounts else map(mask, accounts))
        what = f"{_kind(connection)} {shown}"
        parts.append(f"Connected to {plan.target}: {what}, client ID {plan.client_id}.")
    if plan.client_id == 0:
        parts.append("Client ID 0 also takes over orders placed manually.")
    if plan.client_id != opened.asked_id:
        parts.append(
            f"Client ID {opened.asked_id} is in use by another connection. Orders belong to the ID "
            f"that placed them: those of {opened.asked_id} can be changed and cancelled only "
            f"with {opened.asked_id}."
        )
    return " ".join([*parts, *_limits(opened, badge_follows=badge_follows)])


def _limits(opened: Opened, *, badge_follows: bool) -> Iterator[str]:
    """Say what cannot be done over a connection, or is not known."""
    connection = opened.connection
    if opened.trading_objection:
        yield f"Orders are locked. {opened.trading_objection}"
    elif connection.orders_locked:
        yield "Orders are locked (--trade unlocks them)."
    if connection.missing and not badge_follows:
        yield f"Not received in time: {', '.join(connection.missing)}."


def _kind(connection: Connection) -> str:
    kind = "LIVE" if connection.kind_is_live else "paper"
    return f"simulated {kind}" if connection.is_simulated else kind


def resumed_line(connection: Connection, resumed: Resumed) -> str:
    """Say what was resumed, what was asked for again, and what changed meanwhile."""
    again = f"; requested again: {', '.join(resumed.again)}" if resumed.again else ""
    changed = f" Meanwhile: {'; '.join(resumed.changed)}." if resumed.changed else ""
    missing = (
        f" Not received in time: {', '.join(connection.missing)}." if connection.missing else ""
    )
    return harmless(f"Resumed {where(connection.address)}{again}.{changed}{missing}")


def resumed_by_itself_line(connection: Connection, outcome: Resumed | ConnectFailed) -> str:
    """Say what came of a resume that nobody had asked for."""
    if isinstance(outcome, ConnectFailed):
        return harmless(f"ibnb: {where(connection.address)} is lost and was not resumed. {outcome}")
    return f"ibnb: {resumed_line(connection, outcome)}"


def closed_line(closed: Closed | None) -> str:
    """Say what `%ibdisconnect` closed."""
    if closed is None:
        return "No connection was open."
    return harmless(f"Closed {where(closed.address)}{_with(closed.left)}.")


def recording_line(one: RecordingGateway | ReplayedGateway | None, *, ended: bool = False) -> str:
    """Say what is recorded or replayed now, or what has ended."""
    if one is None:
        return "Nothing was recorded or replayed."
    if ended:
        return harmless(f"Ended: {one.path}. %ibconnect goes where it went before.")
    return harmless(f"{one.about} %ibconnect without a target goes there.")


def waiting_line(waiting: Waiting) -> str:
    """Say what is waited for, and how long still."""
    if waiting.limit is not None:
        return _turn_line(waiting)
    if waiting.ahead is not None:
        first = f", {waiting.ahead} ahead of this one" if waiting.ahead else ""
        return (
            f"All seats for API clients at {waiting.target} are taken{first}: waiting for "
            f"{waiting.seconds_left:.0f} s"
        )
    return (
        f"Client ID {waiting.client_id} is still in use at {waiting.target}: "
        f"retrying for {waiting.seconds_left:.0f} s"
    )


def _turn_line(waiting: Waiting) -> str:
    """Say what a historical request waits for: IBKR's limits are named, as they are documented."""
    more = f" ({waiting.more} more wait)" if waiting.more else ""
    if waiting.limit == "open":
        return (
            f"{OPEN_LIMIT} historical requests are open at {waiting.target}, as many as IBKR "
            f"serves at once: waiting for one to end{more}"
        )
    reason = {
        "identical": f"the same one was sent less than {IDENTICAL_SECONDS:.0f} s ago",
        "burst": f"{BURST_LIMIT} for one contract were sent within {BURST_SECONDS:.0f} s",
        "history": f"{HISTORY_LIMIT} were sent within ten minutes",
    }[waiting.limit or "history"]
    return (
        f"Historical requests at {waiting.target} are at IBKR's limit ({reason}): the next one "
        f"goes in {ceil(waiting.seconds_left)} s{more}"
    )


def _with(left: tuple[str, ...]) -> str:
    return f", which still had {', '.join(left)}" if left else ""

"""Answers to requests about the session and its accounts."""

from __future__ import annotations

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import messages
from ibnb.simulator.streams import ACCOUNT_SECONDS, AccountStream, ProfitStream
from ibnb.simulator.trading.account import account_values, summary_values
from ibnb.simulator.trading.orders import Position
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.wire import OutgoingId

from .asked import account_of


def ids(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - every answer takes them
    """Send the next order ID again."""
    client.send(messages.next_valid_id(client.state.book.next_order_id(client.id)))


def managed_accounts(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send the accounts again."""
    client.send(messages.managed_accounts(client.state.accounts))


def current_time(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send the gateway's clock."""
    client.send(messages.current_time(client.state.clock))


def current_time_in_millis(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send the gateway's clock to the millisecond."""
    client.send(messages.current_time_in_millis(client.state.clock))


def positions(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send every position, and from now on every change of one."""
    client.wants_positions = True
    for account in client.state.accounts:
        for held in client.state.book.positions(account):
            client.send(messages.position(held))
    client.send(messages.position_end())


def cancel_positions(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send no more changes of positions."""
    client.wants_positions = False


def account_updates(client: Client, fields: tuple[str, ...]) -> None:
    """Subscribe to an account's values and portfolio, or end the subscription."""
    _, _, subscribe, asked = fields[:4]
    account = account_of(client, asked, NO_REQUEST)
    if account is None:
        return
    if subscribe != "1":
        client.wants_account = None
        client.unsubscribe(OutgoingId.ACCOUNT_UPDATES, NO_REQUEST)
        return
    client.wants_account = account
    send_account(client, account)
    client.send(messages.account_download_end(account))
    state = client.state
    stream = AccountStream(state.book, account, state.now + ACCOUNT_SECONDS)
    client.streams[OutgoingId.ACCOUNT_UPDATES, NO_REQUEST] = stream


def account_updates_multi(client: Client, fields: tuple[str, ...]) -> None:
    """Send an account's values once, under a request's own id."""
    req_id, asked, model = int(fields[2]), fields[3], fields[4]
    account = account_of(client, asked, req_id)
    if account is None:
        return
    for value in account_values(client.state.book, account, client.state.now):
        client.send(messages.account_update_multi(req_id, account, model, value))
    client.send(messages.account_update_multi_end(req_id))


def positions_multi(client: Client, fields: tuple[str, ...]) -> None:
    """Send an account's positions once, under a request's own id."""
    req_id, asked, model = int(fields[2]), fields[3], fields[4]
    account = account_of(client, asked, req_id)
    if account is None:
        return
    for held in client.state.book.positions(account):
        client.send(messages.position_multi(req_id, held, model))
    client.send(messages.position_multi_end(req_id))


def profit(client: Client, fields: tuple[str, ...]) -> None:
    """Subscribe to an account's profit and loss."""
    _profit(client, OutgoingId.PNL, int(fields[1]), fields[2], 0)


def profit_of_position(client: Client, fields: tuple[str, ...]) -> None:
    """Subscribe to the profit and loss of one position."""
    _profit(client, OutgoingId.PNL_SINGLE, int(fields[1]), fields[2], int(fields[4]))


def _profit(client: Client, kind: int, req_id: int, asked: str, con_id: int) -> None:
    account = account_of(client, asked, req_id)
    if account is not None:
        client.subscribe(kind, req_id, ProfitStream(req_id, client.state.book, account, con_id))


def account_summary(client: Client, fields: tuple[str, ...]) -> None:
    """Send the values with the tags that were asked for, of every account."""
    req_id, tags = int(fields[2]), fields[4]
    state = client.state
    for account in state.accounts:
        values = account_values(state.book, account, state.now)
        for value in summary_values(values, tags):
            client.send(messages.account_summary(req_id, account, value))
    client.send(messages.account_summary_end(req_id))


def tell_position(client: Client, held: Position) -> None:
    """Tell a client that a position has changed, if it wants to know."""
    if client.wants_positions:
        client.send(messages.position(held))
    if client.wants_account == held.account:
        client.send(messages.portfolio_value(held, client.state.now))
        send_account(client, held.account)


def send_account(client: Client, account: str) -> None:
    """Send an account's values and portfolio."""
    state = client.state
    for value in account_values(state.book, account, state.now):
        client.send(messages.account_value(value, account))
    for held in state.book.positions(account):
        client.send(messages.portfolio_value(held, state.now))
    client.send(messages.account_time(state.clock))

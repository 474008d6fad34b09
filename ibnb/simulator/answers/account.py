"""Answers to requests about the session and its accounts."""

from __future__ import annotations

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import messages, texts
from ibnb.simulator.trading.account import account_values, summary_values
from ibnb.simulator.trading.book import Position


def ids(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - every answer takes them
    """Send the next order ID again."""
    client.send(messages.next_valid_id(client.state.book.next_order_id(client.id)))


def managed_accounts(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send the accounts again."""
    client.send(messages.managed_accounts(client.state.accounts))


def current_time(client: Client, fields: tuple[str, ...]) -> None:  # noqa: ARG001 - as above
    """Send the gateway's clock."""
    client.send(messages.current_time(client.state.clock))


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
    accounts = client.state.accounts
    account = asked or (accounts[0] if accounts else "")
    if account not in accounts:
        client.notify(texts.invalid("Invalid account code"))
    elif subscribe != "1":
        client.wants_account = None
    else:
        client.wants_account = account
        _send_account(client, account)
        client.send(messages.account_download_end(account))


def account_updates_multi(client: Client, fields: tuple[str, ...]) -> None:
    """Send an account's values once, under a request's own id."""
    req_id, asked, model = int(fields[2]), fields[3], fields[4]
    accounts = client.state.accounts
    account = asked or (accounts[0] if accounts else "")
    if account not in accounts:
        client.notify(texts.invalid("Invalid account code"), req_id)
        return
    for value in account_values(client.state.book, account, client.state.clock):
        client.send(messages.account_update_multi(req_id, account, model, value))
    client.send(messages.account_update_multi_end(req_id))


def account_summary(client: Client, fields: tuple[str, ...]) -> None:
    """Send the values with the tags that were asked for, of every account."""
    req_id, tags = int(fields[2]), fields[4]
    state = client.state
    for account in state.accounts:
        values = account_values(state.book, account, state.clock)
        for value in summary_values(values, tags):
            client.send(messages.account_summary(req_id, account, value))
    client.send(messages.account_summary_end(req_id))


def tell_position(client: Client, held: Position) -> None:
    """Tell a client that a position has changed, if it wants to know."""
    if client.wants_positions:
        client.send(messages.position(held))
    if client.wants_account == held.account:
        client.send(messages.portfolio_value(held, client.state.clock))
        _send_account(client, held.account)


def _send_account(client: Client, account: str) -> None:
    state = client.state
    for value in account_values(state.book, account, state.clock):
        client.send(messages.account_value(value, account))
    for held in state.book.positions(account):
        client.send(messages.portfolio_value(held, state.clock))
    client.send(messages.account_time(state.clock))

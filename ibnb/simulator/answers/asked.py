"""What requests have in common: the instrument they are about, and the account."""

from __future__ import annotations

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import texts
from ibnb.simulator.world.instruments import CONTRACT_FIELDS, ContractSpec, Instrument

_COMBO_LEG_FIELDS = 4


def read_contract(fields: tuple[str, ...], at: int) -> tuple[ContractSpec, list[str]]:
    """Return the contract that begins at a field, and the fields after it."""
    return ContractSpec.read(fields[at:]), list(fields[at + CONTRACT_FIELDS :])


def drop_legs(spec: ContractSpec, rest: list[str]) -> list[str]:
    """Return the fields that follow the legs which a combination's contract has."""
    return rest[1 + _COMBO_LEG_FIELDS * int(rest[0] or 0) :] if spec.sec_type == "BAG" else rest


def instrument_of(
    client: Client, spec: ContractSpec, req_id: int, *, exchange: bool = True
) -> Instrument | None:
    """Return the one instrument that a contract means; if there is none, the client is told why."""
    if spec.sec_type == "BAG":
        client.notify(texts.not_simulated("combinations (secType BAG)"), req_id)
        return None
    missing = texts.NO_EXCHANGE if exchange and not spec.exchange else None
    objection = spec.objection or missing
    if objection:
        client.notify(texts.invalid(objection), req_id)
        return None
    matches = client.state.world.find(spec)
    if len(matches) != 1:
        client.notify(texts.NO_DEFINITION, req_id)
        return None
    return matches[0]


def account_of(client: Client, asked: str, req_id: int) -> str | None:
    """Return the account that is meant; if there is none, the client is told."""
    accounts = client.state.accounts
    account = asked or (accounts[0] if accounts else "")
    if account not in accounts:
        client.notify(texts.invalid("Invalid account code"), req_id)
        return None
    return account

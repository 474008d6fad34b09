"""What requests have in common: the instrument they are about, and the account."""

from __future__ import annotations

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import texts
from ibnb.simulator.world.instruments import CONTRACT_FIELDS, ContractSpec, Instrument, LegSpec

_COMBO_LEG_FIELDS = 4


def read_contract(fields: tuple[str, ...], at: int) -> tuple[ContractSpec, list[str]]:
    """Return the contract that begins at a field, and the fields after it."""
    return ContractSpec.read(fields[at:]), list(fields[at + CONTRACT_FIELDS :])


def drop_legs(spec: ContractSpec, rest: list[str]) -> list[str]:
    """Return the fields that follow the legs which a combination's contract has."""
    return rest[1 + _COMBO_LEG_FIELDS * int(rest[0] or 0) :] if spec.sec_type == "BAG" else rest


def read_legs(spec: ContractSpec, rest: list[str]) -> tuple[LegSpec, ...]:
    """Return the legs of a combination's contract, whose fields follow it."""
    if spec.sec_type != "BAG":
        return ()
    found = []
    for number in range(int(rest[0] or 0)):
        begins = 1 + number * _COMBO_LEG_FIELDS
        con_id, ratio, action, exchange = rest[begins : begins + _COMBO_LEG_FIELDS]
        found.append(LegSpec(int(con_id or 0), int(ratio or 0), action, exchange))
    return tuple(found)


def instrument_of(
    client: Client,
    spec: ContractSpec,
    req_id: int,
    *,
    exchange: bool = True,
    legs: tuple[LegSpec, ...] | None = None,
) -> Instrument | None:
    """Return the one instrument that a contract means; if there is none, the client is told why.

    A combination is one only where its `legs` are given: of it there are quotes, bars and orders.
    The other requests cannot name them.
    """
    if spec.sec_type == "BAG" and legs is None:
        client.notify(texts.NO_DEFINITION, req_id)
        return None
    missing = texts.NO_EXCHANGE if exchange and not spec.exchange else None
    objection = spec.objection or missing
    if objection:
        client.notify(texts.invalid(objection), req_id)
        return None
    world = client.state.world
    if spec.sec_type == "BAG":
        combination = world.combine(spec, legs or ())
        matches = [combination] if combination else []
    else:
        matches = world.find(spec)
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


def instrument_with(
    client: Client, spec: ContractSpec, req_id: int, kind: str, told: str = "Last"
) -> Instrument | None:
    """Return the one instrument that a contract means, if there is history of a kind of it.

    If there is none, the client is told why; `told` is what gateways call its trades then.
    """
    instrument = instrument_of(client, spec, req_id)
    if instrument is not None and kind == "TRADES" and not instrument.has_trades:
        client.notify(texts.no_data(f"{instrument.symbol}/{instrument.sec_type} {told}"), req_id)
        return None
    return instrument

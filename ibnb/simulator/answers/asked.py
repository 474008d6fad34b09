"""What requests have in common: the instrument they are about, and the account."""

from __future__ import annotations

from ibnb.simulator.client import Client
from ibnb.simulator.protocol import texts
from ibnb.simulator.world.instruments import CONTRACT_FIELDS, ContractSpec, Instrument, LegSpec
from ibnb.simulator.world.universe import Universe

_COMBO_LEG_FIELDS = 4


def read_contract(fields: tuple[str, ...], at: int) -> tuple[ContractSpec, list[str]]:
    """Return the contract that begins at a field, and the fields after it."""
    return ContractSpec.read(fields[at:]), list(fields[at + CONTRACT_FIELDS :])


def read_legs(spec: ContractSpec, rest: list[str]) -> tuple[tuple[LegSpec, ...], list[str]]:
    """Return the legs of a combination's contract, whose fields follow it, and the fields after."""
    if spec.sec_type != "BAG":
        return (), rest
    found = []
    count = int(rest[0] or 0)
    for number in range(count):
        begins = 1 + number * _COMBO_LEG_FIELDS
        con_id, ratio, action, exchange = rest[begins : begins + _COMBO_LEG_FIELDS]
        found.append(LegSpec(int(con_id or 0), int(ratio or 0), action, exchange))
    return tuple(found), rest[1 + _COMBO_LEG_FIELDS * count :]


def the_one(world: Universe, spec: ContractSpec, legs: tuple[LegSpec, ...]) -> Instrument | None:
    """Return the one instrument that a contract means, which may be a combination; or None."""
    if spec.sec_type == "BAG":
        return world.combine(spec, legs)
    matches = world.find(spec)
    return matches[0] if len(matches) == 1 else None


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
    instrument = the_one(client.state.world, spec, legs or ())
    if instrument is None:
        client.notify(texts.NO_DEFINITION, req_id)
    return instrument


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

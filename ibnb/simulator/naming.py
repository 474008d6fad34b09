"""Which instrument somebody means, in the words of whoever steers a gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .world.instruments import ContractSpec, Instrument
from .world.universe import Universe

ContractName = str | int | Mapping[str, Any]
"""A symbol of a stock in US dollars, a pair such as EURUSD, a conId, or a contract's fields."""
_PAIR_LETTERS = 6
_FIELDS: Mapping[str, str] = {
    "conId": "con_id",
    "symbol": "symbol",
    "secType": "sec_type",
    "lastTradeDateOrContractMonth": "expiry",
    "strike": "strike",
    "right": "right",
    "multiplier": "multiplier",
    "exchange": "exchange",
    "primaryExchange": "primary_exchange",
    "currency": "currency",
    "localSymbol": "local_symbol",
    "tradingClass": "trading_class",
}


class VerbError(ValueError):
    """What a gateway was told to do makes no sense, or cannot be done now. One line."""


def account_names(given: str | Sequence[str]) -> tuple[str, ...]:
    """Return the accounts that somebody names, one or several.

    Raises:
        VerbError: one of them cannot be the name of an account.
    """
    names = (given,) if isinstance(given, str) else tuple(given)
    if not all(isinstance(one, str) and one.isascii() and one.isalnum() for one in names):
        raise VerbError(
            f"accounts {given!r}: an account is written in letters and digits, such as DU1234567"
        )
    return names


def find_instrument(world: Universe, contract: ContractName) -> Instrument:
    """Return the one instrument that is meant.

    Raises:
        VerbError: there is none, or there are several.
    """
    found = [one for spec in _specs(contract) for one in world.find(spec)]
    if not found:
        raise VerbError(
            f"there is no instrument {contract!r}: write a symbol, a pair such as EURUSD, a conId, "
            'or fields such as {"symbol": "ES", "secType": "FUT"}'
        )
    first, *others = found
    if others and isinstance(contract, Mapping):
        names = ", ".join(one.local_symbol or one.symbol for one in found[:5])
        raise VerbError(
            f"{contract!r} may be {len(found)} instruments ({names}): give more of its fields, "
            "or its conId"
        )
    return first


def _specs(contract: ContractName) -> list[ContractSpec]:
    """The contracts that a name may mean, the likeliest first."""
    if isinstance(contract, int):
        return [ContractSpec(con_id=contract)]
    if isinstance(contract, Mapping):
        unknown = sorted(set(contract) - set(_FIELDS))
        if unknown:
            raise VerbError(
                f"a contract has no field {unknown[0]!r}: give some of {', '.join(_FIELDS)}"
            )
        given = {_FIELDS[name]: value for name, value in contract.items()}
        con_id = given.pop("con_id", 0)
        if not str(con_id).isdigit():
            raise VerbError(f"conId {con_id!r} is not a number: give one such as 265598")
        fields = {name: str(value) for name, value in given.items()}
        fields.setdefault("sec_type", "STK")
        if fields["sec_type"] == "STK":
            fields.setdefault("currency", "USD")
        return [ContractSpec(con_id=int(con_id), **({} if int(con_id) else fields))]
    if contract.isdigit():
        return [ContractSpec(con_id=int(contract))]
    letters = contract.replace(".", "").replace("/", "")
    pair = (
        [ContractSpec(symbol=letters[:3], sec_type="CASH", currency=letters[3:])]
        if len(letters) == _PAIR_LETTERS
        else []
    )
    kinds = ("IND", "CRYPTO", "CMDTY", "BOND")
    others = [ContractSpec(symbol=contract, sec_type=kind) for kind in kinds]
    return [ContractSpec(symbol=contract, sec_type="STK", currency="USD"), *pair, *others]

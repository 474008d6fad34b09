"""What a notice is about, in a few words: a contract, an order, a data farm."""

from __future__ import annotations

from typing import Any

from ibnb.session.library import reading
from ibnb.tws.codes import NO_REQUEST, farm_name, farm_state

LONGEST = 60
"""Characters of a name that are kept."""
PLAIN_TYPES = frozenset({"", "STK", "IND", "CRYPTO"})
"""Of contracts of these types the symbol alone says which one it is."""


def subject(ib: Any, req_id: int, code: int, text: str, contract: Any = None) -> str:
    """Return what a notice of an `IB` object is about, or nothing if only its request tells.

    `contract` is what the library knows of its request. An order says more than its contract.
    """
    if req_id == NO_REQUEST:
        return farm_name(text)[:LONGEST] if farm_state(code) is not None else ""
    trade = reading.own_trade(ib, req_id) if ib is not None else None
    if trade is not None:
        return order_name(trade)
    return contract_name(contract) if contract is not None else ""


def order_name(trade: Any) -> str:
    """Return an order for people, as in ``order 5 BUY 1 TSLA``."""
    order = trade.order
    name = contract_name(trade.contract)
    return f"order {order.orderId} {order.action} {_number(order.totalQuantity)} {name}"[:LONGEST]


def contract_name(contract: Any) -> str:
    """Return a contract for people: its symbol, and what else tells it from its neighbours."""
    kind = str(contract.secType or "")
    local, symbol = str(contract.localSymbol or ""), str(contract.symbol or "")
    if kind == "CASH" and symbol:
        name = f"{symbol}{contract.currency or ''}"
    elif local or not symbol:
        name = local or _numbered(contract)
    elif kind in PLAIN_TYPES:
        name = symbol
    else:
        strike = _number(contract.strike) if contract.strike else ""
        parts = (symbol, kind, contract.lastTradeDateOrContractMonth, strike, contract.right)
        name = " ".join(str(part) for part in parts if part)
    return " ".join(name.split())[:LONGEST]


def _numbered(contract: Any) -> str:
    if contract.conId:
        return f"conId {contract.conId}"
    return f"{contract.secIdType} {contract.secId}".strip() or "a contract without a symbol"


def _number(value: Any) -> str:
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)

"""The two messages that hold a whole order: openOrder and completedOrder, by server version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ibnb.simulator.trading.orders import OrderRecord
from ibnb.simulator.words import words
from ibnb.simulator.world.history import clock_text
from ibnb.tws import wire
from ibnb.tws.wire import IncomingId

from .messages import SUBMITTER_SINCE, UNSET, ZONED_TIMES_SINCE, order_status, size
from .tickets import (
    BENCHMARK,
    BENCHMARK_TYPES,
    CUSTOMER,
    DELTA_NEUTRAL,
    IMBALANCE_ONLY_SINCE,
    LATE,
    NO_FA_PROFILE_SINCE,
    OVERNIGHT_SINCE,
    PEG_OFFSETS_SINCE,
    SCALE,
    Ticket,
    sent_since,
)

ACCRUED_INTEREST_SINCE = 185
EXCHANGE_TAGS_SINCE = 193
PREVIEW_SINCE = 195
"""Server versions from which on openOrder has more than the order as it was sent."""
_PREVIEW_AMOUNTS = 9
_OPEN_ONLY = (
    (ACCRUED_INTEREST_SINCE, "bondAccruedInterest"),
    (OVERNIGHT_SINCE, "includeOvernight"),
    (EXCHANGE_TAGS_SINCE, "extOperator"),
    (EXCHANGE_TAGS_SINCE, "manualOrderIndicator"),
    (SUBMITTER_SINCE, "submitter"),
    (IMBALANCE_ONLY_SINCE, "imbalanceOnly"),
)
"""What ends openOrder; the interest and the submitter are empty, as nobody sends them."""

_OFFSETS_AND_CUSTOMER = (
    (PEG_OFFSETS_SINCE, "minTradeQty"),
    (PEG_OFFSETS_SINCE, "minCompeteSize"),
    (PEG_OFFSETS_SINCE, "competeAgainstBestOffset"),
    (PEG_OFFSETS_SINCE, "midOffsetAtWhole"),
    (PEG_OFFSETS_SINCE, "midOffsetAtHalf"),
    *CUSTOMER,
)
_COMPLETED_DELTA_NEUTRAL = words(
    "deltaNeutralConId deltaNeutralShortSale deltaNeutralShortSaleSlot "
    "deltaNeutralDesignatedLocation"
)
# What a gateway sends where a client left a number out.
_DEFAULTS = {
    "tif": "DAY",
    "origin": "0",
    "outsideRth": "0",
    "hidden": "0",
    "discretionaryAmt": "0",
    "shortSaleSlot": "0",
    "exemptCode": "-1",
    "displaySize": "2147483647",
    "ocaType": "3",
    "clearingIntent": "IB",
    "adjustedOrderType": "None",
    "lmtPrice": "0.0",
    "auxPrice": "0.0",
    "adjustableTrailingUnit": "0",
    **dict.fromkeys(
        words(
            "triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice "
            "adjustedTrailingAmount trailStopPrice"
        ),
        UNSET,
    ),
}
# What clients write where they mean that nothing was said.
_SAID_FOR_NOTHING = {"ocaType": "0", "displaySize": "0", "openClose": "O"}


@dataclass(frozen=True)
class WhatIf:
    """What an order would do to an account, as text.

    `margins` are initial margin, maintenance margin and equity, first as they are, then by how
    much they change, then as they would be.
    """

    margins: tuple[str, ...] = (UNSET,) * 9
    commission: str = ""
    currency: str = ""

    def fields(self, version: int) -> list[object]:
        """The fields in the order in which openOrder has them, without the warning text."""
        fields: list[object] = [*self.margins, self.commission, "", "", self.currency]
        if version >= PREVIEW_SINCE:
            # Outside regular hours nothing is known: margins, the suggested size, the reason of a
            # rejection, and the number of accounts that would share the order.
            fields += [self.currency, *[UNSET] * _PREVIEW_AMOUNTS, "", "", 0]
        return fields


def order_with_status(order: OrderRecord, version: int) -> bytes:
    """Return an order and how far it is, as gateways always send them together."""
    return open_order(order, version) + order_status(order)


def open_order(order: OrderRecord, version: int, what_if: WhatIf | None = None) -> bytes:
    """Return an order with its state; with `what_if`, the answer to a what-if order."""
    ticket = order.ticket
    get = _getter(ticket)
    state = what_if or WhatIf()
    if what_if is None and order.commission is not None:
        state = WhatIf(commission=str(order.commission), currency=order.instrument.currency)
    fields: list[object] = [IncomingId.OPEN_ORDER, order.order_id, *_contract(order)]
    fields += [*_head(order), order.client_id, order.perm_id, get("outsideRth"), get("hidden")]
    fields += [get("discretionaryAmt"), get("goodAfterTime"), ""]
    fields += _advisor(get, version)
    fields += _all(
        get,
        "modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot "
        "designatedLocation exemptCode auctionStrategy startingPrice stockRefPrice delta "
        "stockRangeLower stockRangeUpper displaySize blockOrder sweepToFill allOrNone minQty "
        "ocaType eTradeOnly firmQuoteOnly nbboPriceCap parentId triggerMethod volatility "
        "volatilityType deltaNeutralOrderType deltaNeutralAuxPrice",
    )
    if get("deltaNeutralOrderType"):
        fields += [get(name) for name in DELTA_NEUTRAL]
    fields += _all(get, "continuousUpdate referencePriceType trailStopPrice trailingPercent")
    fields += ["", "", *_legs(order)]
    fields += _scale_and_hedge(get)
    fields += _all(get, "optOutSmartRouting clearingAccount clearingIntent notHeld")
    fields += [0, *_algorithm(ticket), get("solicited")]
    fields += [what_if is not None, order.status, *state.fields(version), ""]
    fields += _all(get, "randomizeSize randomizePrice")
    fields += _benchmark_and_conditions(ticket)
    fields += _all(
        get,
        "adjustedOrderType triggerPrice trailStopPrice lmtPriceOffset adjustedStopPrice "
        "adjustedStopLimitPrice adjustedTrailingAmount adjustableTrailingUnit softDollarTierName "
        "softDollarTierValue softDollarTierName cashQty dontUseAutoPriceForHedge isOmsContainer "
        "discretionaryUpToLimitPrice usePriceMgmtAlgo",
    )
    fields += [get(name) for name in sent_since((*LATE, *_OFFSETS_AND_CUSTOMER), version)]
    fields += [get(name) for name in sent_since(_OPEN_ONLY, version)]
    return wire.message(*fields)


def completed_order(order: OrderRecord, version: int) -> bytes:
    """Return an order that was filled or cancelled."""
    ticket = order.ticket
    get = _getter(ticket)
    fields: list[object] = [IncomingId.COMPLETED_ORDER, *_contract(order), *_head(order)]
    fields += [order.perm_id, *_all(get, "outsideRth hidden discretionaryAmt goodAfterTime")]
    fields += _advisor(get, version)
    fields += _all(
        get,
        "modelCode goodTillDate rule80A percentOffset settlingFirm shortSaleSlot "
        "designatedLocation exemptCode startingPrice stockRefPrice delta stockRangeLower "
        "stockRangeUpper displaySize sweepToFill allOrNone minQty ocaType triggerMethod "
        "volatility volatilityType deltaNeutralOrderType deltaNeutralAuxPrice",
    )
    if get("deltaNeutralOrderType"):
        fields += [get(name) for name in _COMPLETED_DELTA_NEUTRAL]
    fields += _all(get, "continuousUpdate referencePriceType trailStopPrice trailingPercent")
    fields += _legs(order)
    fields += _scale_and_hedge(get)
    fields += _all(get, "clearingAccount clearingIntent notHeld")
    fields += [0, *_algorithm(ticket), get("solicited"), order.status]
    fields += _all(get, "randomizeSize randomizePrice")
    fields += _benchmark_and_conditions(ticket)
    fields += _all(get, "trailStopPrice lmtPriceOffset cashQty")
    fields += _all(get, "dontUseAutoPriceForHedge isOmsContainer")
    filled = size(order.filled)
    outcome = f"Filled Size: {filled}" if order.status == "Filled" else "Cancelled by Trader"
    completed = clock_text(order.completed or 0.0, zoned=version >= ZONED_TIMES_SINCE)
    fields += ["", filled, 0, get("autoCancelParent"), "", 0, 0, 0, completed, outcome]
    fields += [get(name) for name in sent_since(_OFFSETS_AND_CUSTOMER, version)]
    if version >= SUBMITTER_SINCE:
        fields.append("")
    return wire.message(*fields)


_Get = Callable[[str], str]


def _getter(ticket: Ticket) -> _Get:
    def get(name: str) -> str:
        text = ticket.text(name)
        if not text or text == _SAID_FOR_NOTHING.get(name):
            text = _DEFAULTS.get(name, "")
        # Only ib_insync and ib_async write an infinite offset so, and none of the libraries
        # reads it back.
        return UNSET if text == "Infinite" else text

    return get


def _all(get: _Get, names: str) -> list[str]:
    return [get(name) for name in words(names)]


def _legs(order: OrderRecord) -> list[object]:
    """The legs of a combination: described, one by one, without prices and routing."""
    legs = order.ticket.legs
    described = ",".join(f"{leg.con_id}|{leg.signed}" for leg in legs)
    fields: list[object] = [described, len(legs)]
    for leg in legs:
        fields += [leg.con_id, leg.ratio, leg.action, leg.exchange, 0, 0, "", -1]
    return [*fields, 0, 0]


def _contract(order: OrderRecord) -> list[object]:
    instrument = order.instrument
    return [
        instrument.con_id,
        instrument.symbol,
        instrument.sec_type,
        instrument.expiry,
        f"{instrument.strike:g}",
        instrument.right or "?",
        instrument.multiplier,
        order.ticket.contract.exchange or instrument.exchange,
        instrument.currency,
        instrument.local_symbol,
        instrument.trading_class,
    ]


def _head(order: OrderRecord) -> list[object]:
    get = _getter(order.ticket)
    return [
        get("action"),
        size(order.ticket.quantity),
        *_all(get, "orderType lmtPrice auxPrice tif ocaGroup"),
        order.account,
        *_all(get, "openClose origin orderRef"),
    ]


def _advisor(get: _Get, version: int) -> list[str]:
    names = "faGroup faMethod faPercentage"
    return _all(get, names if version >= NO_FA_PROFILE_SINCE else f"{names} faProfile")


def _scale_and_hedge(get: _Get) -> list[str]:
    fields = _all(get, "scaleInitLevelSize scaleSubsLevelSize scalePriceIncrement")
    if 0 < float(get("scalePriceIncrement") or 0) < float(UNSET):
        fields += [get(name) for name in SCALE]
    fields.append(get("hedgeType"))
    return [*fields, get("hedgeParam")] if get("hedgeType") else fields


def _algorithm(ticket: Ticket) -> list[object]:
    strategy = ticket.text("algoStrategy")
    return [strategy, len(ticket.algo) // 2, *ticket.algo] if strategy else [""]


def _benchmark_and_conditions(ticket: Ticket) -> list[object]:
    fields: list[object] = []
    if ticket.order_type in BENCHMARK_TYPES:
        fields += [ticket.text(name) for name in BENCHMARK]
    fields.append(len(ticket.conditions))
    for condition in ticket.conditions:
        fields += condition
    if ticket.conditions:
        fields += [ticket.text("conditionsIgnoreRth"), ticket.text("conditionsCancelOrder")]
    return fields

"""Orders as clients send them: the fields of placeOrder, read by server version.

The sequence of the fields, and since which version each is sent, is what ib_insync, ib_async and
the official ibapi send.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ibnb.simulator.words import words
from ibnb.simulator.world.instruments import CONTRACT_FIELDS, ContractSpec, LegSpec

DURATION_SINCE = 158
POST_TO_ATS_SINCE = 160
AUTO_CANCEL_PARENT_SINCE = 162
ERROR_OVERRIDE_SINCE = 166
MANUAL_TIME_SINCE = 169
PEG_OFFSETS_SINCE = 170
NO_FA_PROFILE_SINCE = 177
CUSTOMER_ACCOUNT_SINCE = 183
PROFESSIONAL_CUSTOMER_SINCE = 184
OVERNIGHT_SINCE = 189
MANUAL_INDICATOR_SINCE = 192
IMBALANCE_ONLY_SINCE = 199
"""Server versions from which on a field of an order is sent, or in the case of FA profiles is not.
"""
PLAIN_CANCEL_SINCE = 192
"""From this server version on, the cancelling of an order has no version field."""
_QUOTE_REQUESTS = range(187, 190)
"""The server versions at which an order has two fields about a request for quotes."""

BENCHMARK_TYPES = frozenset({"PEG BENCH", "PEGBENCH"})
CONDITION_FIELDS = {1: 6, 3: 3, 4: 3, 5: 4, 6: 5, 7: 5}
"""How many fields follow the type of an order condition: price, time, margin, execution, volume,
percent change."""

DELTA_NEUTRAL = words(
    "deltaNeutralConId deltaNeutralSettlingFirm deltaNeutralClearingAccount "
    "deltaNeutralClearingIntent deltaNeutralOpenClose deltaNeutralShortSale "
    "deltaNeutralShortSaleSlot deltaNeutralDesignatedLocation"
)
SCALE = words(
    "scalePriceAdjustValue scalePriceAdjustInterval scaleProfitOffset scaleAutoReset "
    "scaleInitPosition scaleInitFillQty scaleRandomPercent"
)
BENCHMARK = words(
    "referenceContractId isPeggedChangeAmountDecrease peggedChangeAmount referenceChangeAmount "
    "referenceExchangeId"
)

_MAIN = words(
    "action totalQuantity orderType lmtPrice auxPrice tif ocaGroup account openClose origin "
    "orderRef transmit parentId blockOrder sweepToFill displaySize triggerMethod outsideRth hidden"
)
_COMBO_LEG_FIELDS = 8
_EXTENDED = words(
    "sharesAllocation discretionaryAmt goodAfterTime goodTillDate faGroup faMethod faPercentage"
)
_INSTITUTIONAL = words(
    "modelCode shortSaleSlot designatedLocation exemptCode ocaType rule80A settlingFirm allOrNone "
    "minQty percentOffset eTradeOnly firmQuoteOnly nbboPriceCap auctionStrategy startingPrice "
    "stockRefPrice delta stockRangeLower stockRangeUpper overridePercentageConstraints volatility "
    "volatilityType deltaNeutralOrderType deltaNeutralAuxPrice"
)
_TRAIL = words(
    "continuousUpdate referencePriceType trailStopPrice trailingPercent scaleInitLevelSize "
    "scaleSubsLevelSize scalePriceIncrement"
)
_TABLE = words("scaleTable activeStartTime activeStopTime hedgeType")
_CLEARING = words("optOutSmartRouting clearingAccount clearingIntent notHeld")
_FLAGS = words("algoId whatIf orderMiscOptions solicited randomizeSize randomizePrice")
_CONDITION_RULES = words("conditionsIgnoreRth conditionsCancelOrder")
_ADJUSTED = words(
    "adjustedOrderType triggerPrice lmtPriceOffset adjustedStopPrice adjustedStopLimitPrice "
    "adjustedTrailingAmount adjustableTrailingUnit extOperator softDollarTierName "
    "softDollarTierValue cashQty mifid2DecisionMaker mifid2DecisionAlgo mifid2ExecutionTrader "
    "mifid2ExecutionAlgo dontUseAutoPriceForHedge isOmsContainer discretionaryUpToLimitPrice "
    "usePriceMgmtAlgo"
)

LATE = (
    (DURATION_SINCE, "duration"),
    (POST_TO_ATS_SINCE, "postToAts"),
    (AUTO_CANCEL_PARENT_SINCE, "autoCancelParent"),
)
CUSTOMER = (
    (CUSTOMER_ACCOUNT_SINCE, "customerAccount"),
    (PROFESSIONAL_CUSTOMER_SINCE, "professionalCustomer"),
)
"""What orders have since a server version, as they are sent and as they are told."""
_MANUAL = (
    (ERROR_OVERRIDE_SINCE, "advancedErrorOverride"),
    (MANUAL_TIME_SINCE, "manualOrderTime"),
)
_LAST = (
    (OVERNIGHT_SINCE, "includeOvernight"),
    (MANUAL_INDICATOR_SINCE, "manualOrderIndicator"),
    (IMBALANCE_ONLY_SINCE, "imbalanceOnly"),
)


@dataclass(frozen=True)
class Ticket:
    """An order as its client sent it.

    `values` holds the order's fields as text, by the name that the API gives them. `algo` are its
    algorithm's tags and values in turn; `conditions` its conditions, each with its type first.
    """

    order_id: int
    contract: ContractSpec
    values: Mapping[str, str]
    algo: tuple[str, ...] = ()
    conditions: tuple[tuple[str, ...], ...] = ()
    legs: tuple[LegSpec, ...] = ()

    def text(self, name: str, default: str = "") -> str:
        """Return a field, or `default` where it is empty or was never sent."""
        return self.values.get(name) or default

    def number(self, name: str) -> float | None:
        """Return a field as a number, or None where it is unset."""
        text = self.text(name)
        return float(text) if text and float(text) < _UNSET else None

    def check(self) -> None:
        """Look at what is read as numbers, so that nobody stumbles over it later.

        Raises:
            ValueError: one of them is not a number, or not a finite one.
        """
        if not all(math.isfinite(self.number(name) or 0.0) for name in _NUMBERS):
            raise ValueError("a number of the order is not finite")
        for kind, *rest in self.conditions:
            if kind in _WITH_LIMIT_AND_CONTRACT and not (
                math.isfinite(float(rest[_LIMIT_FIELD])) and int(rest[_CONTRACT_FIELD] or 0) >= 0
            ):
                raise ValueError(f"an order condition of type {kind} is incomplete")
        if self.parent_id < 0:
            raise ValueError("the order's parent is not an order ID")

    def flag(self, name: str) -> bool:
        """Return a field as a yes or no; unset is no."""
        return self.text(name) not in {"", "0"}

    @property
    def action(self) -> str:
        """``BUY``, ``SELL`` or ``SSHORT``."""
        return self.text("action")

    @property
    def order_type(self) -> str:
        """As the client wrote it, such as ``LMT``."""
        return self.text("orderType")

    @property
    def quantity(self) -> float:
        """How much is ordered; 0 where nothing was said."""
        return self.number("totalQuantity") or 0.0

    def sized(self, price: float) -> Ticket:
        """Return the order with a quantity, where it names an amount of cash instead."""
        cash = self.number("cashQty")
        if self.quantity or not cash or price <= 0:
            return self
        quantity = math.floor(cash / price * 10_000) / 10_000
        return replace(self, values={**self.values, "totalQuantity": f"{quantity:g}"})

    @property
    def parent_id(self) -> int:
        """The order ID of the order that this one is attached to, or 0."""
        return int(self.text("parentId", "0"))


_WITH_LIMIT_AND_CONTRACT = frozenset({"1", "6", "7"})
_LIMIT_FIELD, _CONTRACT_FIELD = 2, 3
_NUMBERS = words("totalQuantity lmtPrice auxPrice trailStopPrice trailingPercent cashQty")
_UNSET = 1e300
"""Clients send the largest double where they mean that a number is not set."""


def sent_since(table: Sequence[tuple[int, str]], version: int) -> list[str]:
    """Return the names of those fields that a server version has, each being sent since one."""
    return [name for since, name in table if version >= since]


def read_ticket(fields: Sequence[str], version: int) -> Ticket:
    """Read a placeOrder message, whose fields begin with the message id.

    Raises:
        ValueError: fields are missing, or a count or an id is not a number.
    """
    return _TicketReader(fields, version).read()


def order_places(fields: Sequence[str], version: int) -> dict[str, int]:
    """Return where in a placeOrder message each field of the order is, by its name.

    Raises:
        ValueError: as for `read_ticket`.
    """
    reader = _TicketReader(fields, version)
    reader.read()
    return reader.places


class _TicketReader:
    def __init__(self, fields: Sequence[str], version: int) -> None:
        self._fields: Iterator[str] = iter(fields[1:])
        self._version = version
        self._at = 0
        self.places: dict[str, int] = {}
        self._values: dict[str, str] = {}
        self._legs: tuple[LegSpec, ...] = ()

    def read(self) -> Ticket:
        order_id = self._count()
        contract = ContractSpec.read([self._next() for _ in range(CONTRACT_FIELDS)])
        self._take(["secIdType", "secId", *_MAIN])
        if contract.sec_type == "BAG":
            self._take_combination()
        self._take(_EXTENDED)
        if self._version < NO_FA_PROFILE_SINCE:
            self._take(["faProfile"])
        self._take(_INSTITUTIONAL)
        if self._values["deltaNeutralOrderType"]:
            self._take(DELTA_NEUTRAL)
        self._take(_TRAIL)
        if 0 < float(self._values["scalePriceIncrement"] or 0) < _UNSET:
            self._take(SCALE)
        self._take(_TABLE)
        if self._values["hedgeType"]:
            self._take(["hedgeParam"])
        self._take(_CLEARING)
        if self._count():
            self._take(["deltaNeutralContractConId", "deltaNeutralDelta", "deltaNeutralPrice"])
        self._take(["algoStrategy"])
        algo: tuple[str, ...] = ()
        if self._values["algoStrategy"]:
            algo = tuple(self._next() for _ in range(2 * self._count()))
        self._take(_FLAGS)
        if self._values["orderType"] in BENCHMARK_TYPES:
            self._take(BENCHMARK)
        conditions = tuple(self._condition() for _ in range(self._count()))
        if conditions:
            self._take(_CONDITION_RULES)
        self._take(_ADJUSTED)
        self._take_late(contract)
        # Of some hundred fields most are empty, and an order is remembered for good.
        values = {name: value for name, value in self._values.items() if value}
        ticket = Ticket(order_id, contract, values, algo, conditions, self._legs)
        ticket.check()
        return ticket

    def _take_late(self, contract: ContractSpec) -> None:
        self._take(sent_since(LATE + _MANUAL, self._version))
        if self._version >= PEG_OFFSETS_SINCE:
            self._take_offsets(contract)
        self._take(sent_since(CUSTOMER, self._version))
        if self._version in _QUOTE_REQUESTS:
            self._take(["requestForQuotes", "requestForQuotesId"])
        self._take(sent_since(_LAST, self._version))

    def _take_offsets(self, contract: ContractSpec) -> None:
        if contract.exchange == "IBKRATS":
            self._take(["minTradeQty"])
        offsets = ["midOffsetAtWhole", "midOffsetAtHalf"]
        if self._values["orderType"] in {"PEG BEST", "PEGBEST"}:
            self._take(["minCompeteSize", "competeAgainstBestOffset"])
            if self._values["competeAgainstBestOffset"] == "Infinite":
                self._take(offsets)
        elif self._values["orderType"] in {"PEG MID", "PEGMID"}:
            self._take(offsets)

    def _take_combination(self) -> None:
        legs = []
        for _ in range(self._count()):
            con_id, ratio, action, exchange, *_ = [self._next() for _ in range(_COMBO_LEG_FIELDS)]
            legs.append(LegSpec(int(con_id or 0), int(ratio or 0), action, exchange))
        self._legs = tuple(legs)
        for _ in range(self._count()):
            self._next()
        for _ in range(2 * self._count()):
            self._next()

    def _condition(self) -> tuple[str, ...]:
        kind = self._next()
        if int(kind) not in CONDITION_FIELDS:
            raise ValueError(f"order condition {kind} is not known")
        return (kind, *(self._next() for _ in range(CONDITION_FIELDS[int(kind)])))

    def _take(self, names: Sequence[str]) -> None:
        for name in names:
            self._values[name] = self._next()
            self.places[name] = self._at

    def _count(self) -> int:
        return int(self._next() or 0)

    def _next(self) -> str:
        self._at += 1
        try:
            return next(self._fields)
        except StopIteration:
            raise ValueError("the order is incomplete") from None

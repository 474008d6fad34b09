"""What clients send, by name: which request a message is, and what its fields are called.

The names are those of the API's own calls and parameters, as programs write them.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from types import MappingProxyType

from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.wire import OutgoingId

from .protocol.tickets import PLAIN_CANCEL_SINCE, read_ticket
from .words import words

_CONTRACT = words(
    "conId symbol secType lastTradeDateOrContractMonth strike right multiplier exchange "
    "primaryExchange currency localSymbol tradingClass"
)
_SHORT_CONTRACT = "conId symbol secType exchange primaryExchange currency localSymbol"
_LEGS = "legs"
"""Stands where a combination's legs are: how many, and four fields of each."""
_LEG_FIELDS = 4
_DELTA_NEUTRAL = "deltaNeutral"
"""Stands where a flag says whether three fields more follow."""
_DELTA_NEUTRAL_FIELDS = 3
_PLAIN_CANCELS = frozenset({OutgoingId.CANCEL_ORDER, OutgoingId.GLOBAL_CANCEL})
_NOTHING = frozenset({("conId", "0"), ("strike", "0.0"), ("strike", "0")})
"""What clients send for a contract that has none."""
_UNSET = frozenset({"1.7976931348623157e+308", "1.7976931348623157E308", "2147483647"})
_IDS = ("reqId", "orderId", "tickerId")
_WHOLE = re.compile(r"-?[0-9]{1,20}")

# By message id: the name of the request, then those of its fields; `version` is a message's own.
_REQUESTS: Mapping[int, str] = {
    1: "reqMktData version reqId contract legs deltaNeutral genericTickList snapshot "
    "regulatorySnapshot mktDataOptions",
    2: "cancelMktData version reqId",
    3: "placeOrder orderId",
    4: "cancelOrder version orderId manualOrderCancelTime manualOrderIndicator",
    5: "reqOpenOrders version",
    6: "reqAccountUpdates version subscribe account",
    7: "reqExecutions version reqId clientId account time symbol secType exchange side "
    "lastNDays specificDates",
    8: "reqIds version numIds",
    9: "reqContractDetails version reqId contract includeExpired secIdType secId issuerId",
    10: "reqMktDepth version reqId contract numRows isSmartDepth mktDepthOptions",
    11: "cancelMktDepth version reqId isSmartDepth",
    12: "reqNewsBulletins version allMessages",
    13: "cancelNewsBulletins version",
    14: "setServerLogLevel version logLevel",
    15: "reqAutoOpenOrders version autoBind",
    16: "reqAllOpenOrders version",
    17: "reqManagedAccts version",
    18: "requestFA version faDataType",
    19: "replaceFA version faDataType xml reqId",
    20: "reqHistoricalData reqId contract includeExpired endDateTime barSizeSetting durationStr "
    "useRTH whatToShow formatDate legs keepUpToDate chartOptions",
    21: "exerciseOptions version reqId conId symbol secType lastTradeDateOrContractMonth strike "
    "right multiplier exchange currency localSymbol tradingClass exerciseAction exerciseQuantity "
    "account override",
    22: "reqScannerSubscription reqId numberOfRows instrument locationCode scanCode",
    23: "cancelScannerSubscription version reqId",
    24: "reqScannerParameters version",
    25: "cancelHistoricalData version reqId",
    49: "reqCurrentTime version",
    50: "reqRealTimeBars version reqId contract barSize whatToShow useRTH realTimeBarsOptions",
    51: "cancelRealTimeBars version reqId",
    52: f"reqFundamentalData version reqId {_SHORT_CONTRACT} reportType",
    53: "cancelFundamentalData version reqId",
    54: "calculateImpliedVolatility version reqId contract optionPrice underPrice",
    55: "calculateOptionPrice version reqId contract volatility underPrice",
    56: "cancelCalculateImpliedVolatility version reqId",
    57: "cancelCalculateOptionPrice version reqId",
    58: "reqGlobalCancel version",
    59: "reqMarketDataType version marketDataType",
    61: "reqPositions version",
    62: "reqAccountSummary version reqId group tags",
    63: "cancelAccountSummary version reqId",
    64: "cancelPositions version",
    65: "verifyRequest version apiName apiVersion",
    66: "verifyMessage version apiData",
    67: "queryDisplayGroups version reqId",
    68: "subscribeToGroupEvents version reqId groupId",
    69: "updateDisplayGroup version reqId contractInfo",
    70: "unsubscribeFromGroupEvents version reqId",
    71: "startApi version clientId optionalCapabilities",
    72: "verifyAndAuthRequest version apiName apiVersion opaqueIsvKey",
    73: "verifyAndAuthMessage version apiData xyzResponse",
    74: "reqPositionsMulti version reqId account modelCode",
    75: "cancelPositionsMulti version reqId",
    76: "reqAccountUpdatesMulti version reqId account modelCode ledgerAndNLV",
    77: "cancelAccountUpdatesMulti version reqId",
    78: "reqSecDefOptParams reqId underlyingSymbol futFopExchange underlyingSecType "
    "underlyingConId",
    79: "reqSoftDollarTiers reqId",
    80: "reqFamilyCodes",
    81: "reqMatchingSymbols reqId pattern",
    82: "reqMktDepthExchanges",
    83: "reqSmartComponents reqId bboExchange",
    84: "reqNewsArticle reqId providerCode articleId newsArticleOptions",
    85: "reqNewsProviders",
    86: "reqHistoricalNews reqId conId providerCodes startDateTime endDateTime totalResults "
    "historicalNewsOptions",
    87: "reqHeadTimeStamp reqId contract includeExpired useRTH whatToShow formatDate",
    88: "reqHistogramData reqId contract includeExpired useRTH timePeriod",
    89: "cancelHistogramData reqId",
    90: "cancelHeadTimeStamp reqId",
    91: "reqMarketRule marketRuleId",
    92: "reqPnL reqId account modelCode",
    93: "cancelPnL reqId",
    94: "reqPnLSingle reqId account modelCode conId",
    95: "cancelPnLSingle reqId",
    96: "reqHistoricalTicks reqId contract includeExpired startDateTime endDateTime numberOfTicks "
    "whatToShow useRTH ignoreSize miscOptions",
    97: "reqTickByTickData reqId contract tickType numberOfTicks ignoreSize",
    98: "cancelTickByTickData reqId",
    99: "reqCompletedOrders apiOnly",
    100: "reqWshMetaData reqId",
    101: "cancelWshMetaData reqId",
    102: "reqWshEventData reqId conId",
    103: "cancelWshEventData reqId",
    104: "reqUserInfo reqId",
    105: "reqCurrentTimeInMillis",
}
_FIELDS: Mapping[int, tuple[str, ...]] = {
    number: tuple(
        name for word in words(text)[1:] for name in (_CONTRACT if word == "contract" else (word,))
    )
    for number, text in _REQUESTS.items()
}
NAMES: Mapping[int, str] = MappingProxyType(
    {number: words(text)[0] for number, text in _REQUESTS.items()}
)
"""The requests of the API, by message id."""
SINCE: Mapping[int, int] = MappingProxyType(
    {**dict.fromkeys(range(100, 104), 161), 104: 167, 105: 197}
)
"""The server version from which on clients send a request; the others they send at any served."""
_NUMBERS = {name: number for number, name in NAMES.items()}


class UnknownRequestError(ValueError):
    """A request, or a parameter of one, has a name that the API does not have. One line."""


@dataclass(frozen=True)
class Request:
    """A request as a client sent it.

    Attributes:
        client_id: whose it is; None before its session has started.
        name: as the API calls it, such as ``reqMktData``.
        parameters: its fields as text, by name; empty ones are not there.
    """

    client_id: int | None
    name: str
    parameters: Mapping[str, str]

    @property
    def req_id(self) -> int:
        """The id under which an answer comes; -1 if it has none."""
        found = next((self.parameters[name] for name in _IDS if name in self.parameters), "")
        return int(found) if _WHOLE.fullmatch(found) else NO_REQUEST

    def has(self, parameters: Mapping[str, object]) -> bool:
        """Say whether it has these parameters; numbers are compared as numbers."""
        return all(
            _same(self.parameters.get(name, ""), value) for name, value in parameters.items()
        )

    def __str__(self) -> str:
        """Return it as one line, such as ``reqIds(numIds=1)``."""
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{self.name}({given})"


def read_request(client_id: int | None, fields: Sequence[str], version: int) -> Request:
    """Return what a message asks, whose fields begin with the message id.

    What cannot be read has the name of its number, or the parameters that come before that.
    """
    try:
        number = int(fields[0]) if fields else -1
    except ValueError:
        number = -1
    return Request(client_id, request_name(number), _parameters(number, fields, version))


def request_name(message_id: int) -> str:
    """Return what a request is called; a number that no request has is told as a message."""
    return NAMES.get(message_id, f"message {message_id}")


def check_request(name: str, parameters: Mapping[str, object]) -> None:
    """Look at names that somebody wrote.

    Raises:
        UnknownRequestError: the API has no such request, or it has no such parameter.
    """
    number = _NUMBERS.get(name)
    if number is None:
        near = difflib.get_close_matches(name, _NUMBERS, n=1)
        hint = f"did you mean {near[0]}?" if near else "name it as the API does: reqMktData"
        raise UnknownRequestError(f"the API has no request {name!r}: {hint}")
    known = [one for one in _FIELDS[number] if one not in {"version", _LEGS, _DELTA_NEUTRAL}]
    if number == OutgoingId.PLACE_ORDER:
        return
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise UnknownRequestError(
            f"{name} has no parameter {unknown[0]!r}: give one of {', '.join(known) or 'none'}"
        )


def _parameters(number: int, fields: Sequence[str], version: int) -> Mapping[str, str]:
    names = _FIELDS.get(number, ())
    if number == OutgoingId.PLACE_ORDER:
        try:
            return _order(fields, version)
        except (IndexError, ValueError):
            return _named(names, list(fields[1:]))
    if number in _PLAIN_CANCELS and version >= PLAIN_CANCEL_SINCE:
        names = names[1:]
    return _named(names, list(fields[1:]))


def _named(names: Sequence[str], fields: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        if not fields:
            break
        if name == _LEGS:
            if found.get("secType") != "BAG":
                continue
            if not _WHOLE.fullmatch(fields[0] or "0"):
                break
            del fields[: 1 + _LEG_FIELDS * int(fields[0] or 0)]
        elif name == _DELTA_NEUTRAL:
            del fields[: 1 + _DELTA_NEUTRAL_FIELDS * (fields[0] == "1")]
        else:
            value = fields.pop(0)
            if value and name != "version" and (name, value) not in _NOTHING:
                found[name] = value
    return found


def _order(fields: Sequence[str], version: int) -> dict[str, str]:
    ticket = read_ticket(fields, version)
    con_id, *others = astuple(ticket.contract)
    named = {
        "orderId": str(ticket.order_id),
        **dict(zip(_CONTRACT, (str(con_id or ""), *others), strict=True)),
        **ticket.values,
    }
    return {
        name: value
        for name, value in named.items()
        if value and value not in _UNSET and (name, value) not in _NOTHING
    }


def _same(has: str, wanted: object) -> bool:
    if isinstance(wanted, bool):
        wanted = int(wanted)
    if has == str(wanted):
        return True
    try:
        return float(has) == float(str(wanted))
    except ValueError:
        return False

"""Where in a message there is what tells of a person: accounts, and names that people have given.

Each place is ``account``, ``name`` or ``text``: a sentence or document in which both may stand.
What is not told here is not trusted for that: accounts are also found by their looks, unless it is
``public``: a document that everybody gets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from ibnb.simulator.protocol import order_messages
from ibnb.simulator.protocol.messages import SUBMITTER_SINCE, UNSET
from ibnb.simulator.protocol.tickets import (
    AUTO_CANCEL_PARENT_SINCE,
    CUSTOMER_ACCOUNT_SINCE,
    DURATION_SINCE,
    IMBALANCE_ONLY_SINCE,
    NO_FA_PROFILE_SINCE,
    OVERNIGHT_SINCE,
    PEG_OFFSETS_SINCE,
    PLAIN_CANCEL_SINCE,
    POST_TO_ATS_SINCE,
    PROFESSIONAL_CUSTOMER_SINCE,
    order_places,
)
from ibnb.simulator.words import words
from ibnb.tws.wire import IncomingId, OutgoingId

from .layout import answer_place, number_of

Kind = Literal["account", "name", "text", "public"]
Places = Mapping[int, Kind]

_OF_ORDERS: Mapping[str, Kind] = {
    "account": "account",
    "clearingAccount": "account",
    "customerAccount": "account",
    "deltaNeutralClearingAccount": "account",
    **dict.fromkeys(
        words(
            "ocaGroup orderRef faGroup faProfile modelCode settlingFirm designatedLocation "
            "deltaNeutralSettlingFirm deltaNeutralDesignatedLocation extOperator "
            "softDollarTierName softDollarTierValue mifid2DecisionMaker mifid2DecisionAlgo "
            "mifid2ExecutionTrader mifid2ExecutionAlgo"
        ),
        "name",
    ),
    "orderMiscOptions": "text",
    "advancedErrorOverride": "text",
}
_REQUESTS: Mapping[int, Places] = {
    OutgoingId.ACCOUNT_UPDATES: {3: "account"},
    OutgoingId.EXECUTIONS: {4: "account"},
    OutgoingId.REPLACE_ADVISOR: {3: "text"},
    OutgoingId.EXERCISE_OPTIONS: {16: "account", 19: "account"},
    OutgoingId.ACCOUNT_SUMMARY: {3: "account"},
    OutgoingId.START_API: {3: "name"},
    OutgoingId.POSITIONS_MULTI: {3: "account", 4: "name"},
    OutgoingId.ACCOUNT_UPDATES_MULTI: {3: "account", 4: "name"},
    OutgoingId.PNL: {2: "account", 3: "name"},
    OutgoingId.PNL_SINGLE: {2: "account", 3: "name"},
}
_ANSWERS: Mapping[int, Places] = {
    IncomingId.ACCOUNT_VALUE: {5: "account"},
    IncomingId.EXECUTION: {16: "account", 26: "name", 29: "name"},
    IncomingId.MANAGED_ACCOUNTS: {2: "account"},
    IncomingId.PORTFOLIO_VALUE: {19: "account"},
    14: {4: "text"},
    IncomingId.RECEIVE_ADVISOR: {3: "text"},
    51: {3: "text"},
    IncomingId.SCANNER_PARAMETERS: {2: "public"},
    IncomingId.ACCOUNT_DOWNLOAD_END: {2: "account"},
    IncomingId.POSITION: {2: "account"},
    IncomingId.ACCOUNT_SUMMARY: {3: "account"},
    IncomingId.DISPLAY_GROUP_UPDATED: {3: "text"},
    IncomingId.POSITION_MULTI: {3: "account", 17: "name"},
    IncomingId.ACCOUNT_UPDATE_MULTI: {3: "account", 4: "name"},
    IncomingId.NEWS_ARTICLE: {3: "text"},
    84: {5: "text"},
    IncomingId.HISTORICAL_NEWS: {5: "text"},
    103: {2: "text"},
    104: {2: "text"},
    105: {2: "text"},
    IncomingId.USER_INFO: {2: "name"},
}
SECRET_REQUESTS = frozenset({65, 66, 72, 73})
"""Requests of programs that prove who they are: nothing of them may be kept."""
SECRET_ANSWERS = frozenset({65, 66, 69, 70})
_TELLING_TAGS = ("name", "alias", "owner", "user")
_TAGS_OF_ACCOUNTS = ("accountcode", "accountorgroup")
_TAGS = {
    IncomingId.ACCOUNT_VALUE: 2,
    IncomingId.ACCOUNT_UPDATE_MULTI: 5,
    IncomingId.ACCOUNT_SUMMARY: 4,
}
"""The field that says what the next one is, of messages about accounts."""


def of_request(fields: Sequence[str], version: int) -> Places:
    """Return the places of a request.

    Raises:
        ValueError: it is an order that cannot be read, so that nobody knows what is where.
    """
    number = number_of(fields)
    if number == OutgoingId.CANCEL_ORDER:
        return {3: "name"} if version >= PLAIN_CANCEL_SINCE else {}
    if number == OutgoingId.GLOBAL_CANCEL:
        return {1: "name"} if version >= PLAIN_CANCEL_SINCE else {}
    if number != OutgoingId.PLACE_ORDER:
        return _REQUESTS.get(number, {})
    found = order_places(fields, version)
    return {found[name]: kind for name, kind in _OF_ORDERS.items() if name in found}


def of_answer(fields: Sequence[str], version: int) -> Places:
    """Return the places of a gateway's message.

    Raises:
        ValueError: it is an order that cannot be read.
    """
    number = number_of(fields)
    found: dict[int, Kind] = dict(_ANSWERS.get(number, {}))
    if number in _TAGS:
        tag = _TAGS[number]
        found |= _of_value(fields[tag], tag + 1)
    elif number == IncomingId.SOFT_DOLLAR_TIERS:
        found = dict.fromkeys(range(3, len(fields)), "name")
    elif number == IncomingId.FAMILY_CODES:
        found = dict.fromkeys(range(2, len(fields)), "account")
    elif number == IncomingId.NOTICE:
        text = (answer_place(number, version) or 0) + 2
        found = {text: "text", text + 1: "text"}
    elif number == IncomingId.EXECUTION and version >= SUBMITTER_SINCE:
        found[len(fields) - 1] = "name"
    elif number == IncomingId.OPEN_ORDER:
        found = _Order(fields, version).open()
    elif number == IncomingId.COMPLETED_ORDER:
        found = _Order(fields, version).completed()
    return found


def parent_place(version: int) -> int:
    """Return which field of openOrder is the order ID of the parent."""
    return _open_model(version) + 23


def _open_model(version: int) -> int:
    return 35 if version < NO_FA_PROFILE_SINCE else 34


def _of_value(tag: str, place: int) -> dict[int, Kind]:
    lower = tag.lower()
    if any(part in lower for part in _TAGS_OF_ACCOUNTS):
        return {place: "account"}
    return {place: "name"} if any(part in lower for part in _TELLING_TAGS) else {}


_NAME: Kind = "name"


class _Order:
    """Walks over an order as the gateway sends it, up to its clearing account and from its end."""

    def __init__(self, fields: Sequence[str], version: int) -> None:
        self._fields = fields
        self._version = version
        self._places: dict[int, Kind] = {}
        self._at = 0

    def open(self) -> dict[int, Kind]:
        model = _open_model(self._version)
        self._mark("account", 20)
        self._mark("name", 19, 23, 31, *range(34, model + 1), model + 4, model + 6)
        self._at = model + 27
        if self._step(2):
            self._mark("name", self._at + 1, self._at + 7)
            self._mark("account", self._at + 2)
            self._at += 8
        self._step(6)
        self._legs_and_hedge()
        self._step(1)
        self._mark("account", self._at)
        self._tail((*_OPEN_TAIL, (IMBALANCE_ONLY_SINCE, None)))
        return self._places

    def completed(self) -> dict[int, Kind]:
        model = 32 if self._version < NO_FA_PROFILE_SINCE else 31
        self._mark("account", 19)
        self._mark("name", 18, 22, 28, *range(31, model + 1), model + 4, model + 6)
        self._at = model + 21
        if self._step(2):
            self._mark("name", self._at + 3)
            self._at += 4
        self._step(4)
        self._legs_and_hedge()
        self._mark("account", self._at)
        self._tail(_COMPLETED_TAIL)
        return self._places

    def _legs_and_hedge(self) -> None:
        self._step(1)
        for size in (8, 1, 2):
            count = int(self._step(1) or 0)
            self._at += size * count
        self._step(2)
        increment = float(self._step(1) or 0)
        if 0 < increment < float(UNSET):
            self._at += 7
        if self._step(1):
            self._at += 1

    def _tail(self, tail: Sequence[tuple[int, Kind | None]]) -> None:
        there = [kind for since, kind in tail if self._version >= since]
        for back, kind in enumerate(reversed(there), 1):
            if kind is not None:
                self._mark(kind, len(self._fields) - back)

    def _step(self, count: int) -> str:
        """Go on by so many fields, and return the first of them."""
        try:
            first = self._fields[self._at]
        except IndexError:
            raise ValueError("the order is incomplete") from None
        self._at += count
        return first

    def _mark(self, kind: Kind, *places: int) -> None:
        self._places.update(dict.fromkeys(places, kind))


_OPEN_TAIL: tuple[tuple[int, Kind | None], ...] = (
    *[(0, _NAME)] * 3,  # the soft dollar tier
    *[(0, None)] * 5,
    *((DURATION_SINCE, None), (POST_TO_ATS_SINCE, None), (AUTO_CANCEL_PARENT_SINCE, None)),
    *[(PEG_OFFSETS_SINCE, None)] * 5,
    (CUSTOMER_ACCOUNT_SINCE, "account"),
    (PROFESSIONAL_CUSTOMER_SINCE, None),
    (order_messages.ACCRUED_INTEREST_SINCE, None),
    (OVERNIGHT_SINCE, None),
    (order_messages.EXCHANGE_TAGS_SINCE, "name"),
    (order_messages.EXCHANGE_TAGS_SINCE, None),
    (SUBMITTER_SINCE, "name"),
)
_COMPLETED_TAIL: tuple[tuple[int, Kind | None], ...] = (
    (0, "name"),  # shareholder
    *[(0, None)] * 5,
    *[(PEG_OFFSETS_SINCE, None)] * 5,
    (CUSTOMER_ACCOUNT_SINCE, "account"),
    (PROFESSIONAL_CUSTOMER_SINCE, None),
    (SUBMITTER_SINCE, "name"),
)

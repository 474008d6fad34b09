"""What this notebook's journal adds to an explanation: the request, the pace, the way to look."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

from ibnb.knowledge import Explanation, explain
from ibnb.session.records.journal import Journal
from ibnb.session.records.pacing import Pacing, pacing
from ibnb.session.records.requests import Request
from ibnb.tws.clock import clock
from ibnb.tws.codes import Code
from ibnb.tws.notices import Notice

from .parameter_rules import LOOKING_UP
from .request_details import asked, is_qualified

PACING_PAGES = frozenset({"pacing", "history-pacing"})
CANCELLED, TIMED_OUT = "history-cancelled", "request-timeout"
REFUSED = Code.VALIDATION
ACCOUNT_CODE = re.compile("account code", re.IGNORECASE)
FOLLOWING = frozenset({"reqAccountUpdates", "reqAccountUpdatesMulti"})
"""Requests for an account's values; the first of them has no number, and so has its refusal."""
SOON = 10.0
"""Seconds within which a refusal follows its request."""


def explain_notice(notice: Notice, journal: Journal) -> Explanation:
    """Return what a notice means, with the request that it speaks of and what belongs to it."""
    explanation = explain(notice.code, text=notice.text)
    if explanation.entry.id == CANCELLED and (given_up := journal.requests.gave_up_on(notice)):
        return _timed_out(explanation, given_up, notice)
    request = journal.request_of(notice) or _unnamed(notice, journal)
    if explanation.entry.id in PACING_PAGES:
        explanation = _with_pace(explanation, pacing(journal, time.time()))
    if request is None:
        return explanation
    explained = with_request(explanation, request, notice.text if notice.code == REFUSED else "")
    taken_back = _taken_back(request, notice, journal)
    return replace(explained, facts=(*explained.facts, taken_back)) if taken_back else explained


def _taken_back(cancel: Request, notice: Notice, journal: Journal) -> str:
    """Say which order a cancel was to take back, if that is known."""
    if not cancel.is_cancel:
        return ""
    order = journal.requests.request(notice.req_id, notice.connection or None)
    if order is None or order.method != "placeOrder":
        return ""
    what, symbol = order.parameters.get("order"), _symbol(order.contract)
    told = f"{getattr(what, 'action', '')} {getattr(what, 'totalQuantity', '')} {symbol}"
    return f"The order was {' '.join(told.split())}, order ID {order.req_id}, {_sent(order)}."


def _sent(request: Request) -> str:
    return f"sent at {clock(request.time)}"


def _timed_out(cancelled: Explanation, request: Request, notice: Notice) -> Explanation:
    """Return the page of a request without an answer, where a notice confirms that it was ended."""
    waited = notice.time - request.time
    fact = (
        f"No answer came in {waited:.0f} s. The library then cancelled the request itself, and "
        f"returned nothing: notice {notice.code} confirms that."
    )
    page = replace(explain(TIMED_OUT), facts=(*cancelled.facts, fact))
    return with_request(page, request, told="It is about")


def _unnamed(notice: Notice, journal: Journal) -> Request | None:
    """Return the request that a refusal speaks of without its number, where its words tell."""
    if notice.code != REFUSED or not ACCOUNT_CODE.search(notice.text):
        return None
    sent = journal.requests.since(notice.time - SOON, FOLLOWING)
    own = [one for one in sent if notice.connection in {0, one.connection}]
    return own[-1] if own else None


def with_request(
    explanation: Explanation, request: Request, refusal: str = "", *, told: str = "It answers"
) -> Explanation:
    """Return an explanation with the request that it is about, and what refused it as invalid."""
    facts = [f"{told} {request.method}, {_sent(request)}."]
    contract = request.contract
    if contract is not None and not request.is_cancel:
        facts += _contract_facts(request.method, contract)
    question = asked(request, refusal)
    if contract is not None and Code.NO_SECURITY_DEFINITION in explanation.entry.codes:
        search = _matching(contract)
        if search and not request.is_cancel:
            facts.append(f"To see what there is: {search}")
            question = replace(question, mended=question.mended or search)
    return replace(explanation, facts=(*explanation.facts, *facts), asked=question)


def _contract_facts(method: str, contract: Any) -> list[str]:
    """Say whether the contract was qualified, where that was not itself the question."""
    if is_qualified(contract):
        return ["Its contract was qualified: it has a conId."]
    if method in LOOKING_UP:
        return []
    return ["Its contract was not qualified: ib.qualifyContracts(contract) completes it."]


def _matching(contract: Any) -> str:
    symbol = _symbol(contract)
    return f"ib.reqMatchingSymbols({symbol!r})" if symbol else ""


def _symbol(contract: Any) -> str:
    return str(getattr(contract, "symbol", "") or getattr(contract, "localSymbol", ""))


def _with_pace(explanation: Explanation, pace: Pacing) -> Explanation:
    counted = (
        "Counted here: historical requests in the last ten minutes "
        f"{pace.historical_last_ten_minutes} (limit {pace.historical_limit}), most messages within "
        f"a second of the last minute {pace.messages_peak} (limit {pace.message_limit})."
    )
    return replace(explanation, facts=(*explanation.facts, counted, *pace.violations))

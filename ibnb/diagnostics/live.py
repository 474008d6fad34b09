"""What this notebook's journal adds to an explanation: the request, the pace, the way to look."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import Any

from ibnb.knowledge import Explanation, explain
from ibnb.session.journal import Journal
from ibnb.session.losses import clock
from ibnb.session.pacing import Pacing, pacing
from ibnb.session.requests import Request
from ibnb.tws.notices import Code, Notice

from .asked import asked, is_qualified
from .objections import LOOKING_UP

PACING_PAGES = frozenset({"pacing", "history-pacing"})
REFUSED = Code.VALIDATION
ACCOUNT_CODE = re.compile("account code", re.IGNORECASE)
FOLLOWING = frozenset({"reqAccountUpdates", "reqAccountUpdatesMulti"})
"""Requests for an account's values; the first of them has no number, and so has its refusal."""
SOON = 10.0
"""Seconds within which a refusal follows its request."""


def explain_notice(notice: Notice, journal: Journal) -> Explanation:
    """Return what a notice means, with the request that it speaks of and what belongs to it."""
    explanation = explain(notice.code, text=notice.text)
    request = journal.request_of(notice) or _unnamed(notice, journal)
    if explanation.entry.id in PACING_PAGES:
        explanation = _with_pace(explanation, pacing(journal, time.time()))
    if request is None:
        return explanation
    return with_request(explanation, request, notice.text if notice.code == REFUSED else "")


def _unnamed(notice: Notice, journal: Journal) -> Request | None:
    """Return the request that a refusal speaks of without its number, where its words tell."""
    if notice.code != REFUSED or not ACCOUNT_CODE.search(notice.text):
        return None
    sent = journal.requests.since(notice.time - SOON, FOLLOWING)
    own = [one for one in sent if notice.connection in {0, one.connection}]
    return own[-1] if own else None


def with_request(explanation: Explanation, request: Request, refusal: str = "") -> Explanation:
    """Return an explanation with the request that it is about, and what refused it as invalid."""
    facts = [f"It answers {request.method}, sent at {clock(request.time)}."]
    contract = request.contract
    if contract is not None:
        facts += _contract_facts(request.method, contract)
        if Code.NO_SECURITY_DEFINITION in explanation.entry.codes:
            facts += _matching(contract)
    return replace(explanation, facts=(*explanation.facts, *facts), asked=asked(request, refusal))


def _contract_facts(method: str, contract: Any) -> list[str]:
    """Say whether the contract was qualified, where that was not itself the question."""
    if is_qualified(contract):
        return ["Its contract was qualified: it has a conId."]
    if method in LOOKING_UP:
        return []
    return ["Its contract was not qualified: ib.qualifyContracts(contract) completes it."]


def _matching(contract: Any) -> list[str]:
    symbol = str(getattr(contract, "symbol", "") or getattr(contract, "localSymbol", ""))
    return [f"To see what there is: ib.reqMatchingSymbols({symbol!r})"] if symbol else []


def _with_pace(explanation: Explanation, pace: Pacing) -> Explanation:
    counted = (
        "Counted here: historical requests in the last ten minutes "
        f"{pace.historical_last_ten_minutes} (limit {pace.historical_limit}), most messages within "
        f"a second of the last minute {pace.messages_peak} (limit {pace.message_limit})."
    )
    return replace(explanation, facts=(*explanation.facts, counted, *pace.violations))

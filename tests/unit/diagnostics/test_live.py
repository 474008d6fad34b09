"""What the journal adds to an explanation: the request, its contract, the pace, the way to look."""

import time

import pytest

from ibnb.diagnostics.explain.from_journal import explain_notice
from ibnb.simulator import SimulatedGateway
from ibnb.tws.codes import NO_REQUEST
from ibnb.tws.notices import Notice

PACING_TEXT = (
    "Historical Market Data Service error message:Historical data request pacing violation"
)


@pytest.fixture
def explained(session):
    """Explain the latest notice of a code that the session received."""

    def explained(code):
        found = [one for one in session.journal.since(0) if one.code == code]
        return explain_notice(found[-1], session.journal)

    return explained


async def bars(ib, contract, **changed):
    """Ask for bars, with what makes the request wrong."""
    usual = {"endDateTime": "", "durationStr": "1 D", "barSizeSetting": "1 hour"}
    given = {**usual, "whatToShow": "TRADES", "useRTH": True, **changed}
    return await ib.reqHistoricalDataAsync(contract, **given)


def problems(explanation):
    """Return what is marked in the request that an explanation shows."""
    return {one.name: one.problem for one in explanation.asked.parameters if one.problem}


async def test_a_refused_request_is_shown(ib, api, explained):
    """A 321 comes with its request, what is wrong in it, and a call of that kind that works."""
    await bars(ib, api.Stock("AAPL", "SMART", "USD"), durationStr="1 day")
    explanation = explained(321)
    assert explanation.asked.method == "reqHistoricalData"
    assert set(problems(explanation)) == {"durationStr"}
    assert explanation.asked.example.startswith("ib.reqHistoricalData(")
    assert any(fact.startswith("It answers reqHistoricalData") for fact in explanation.facts)


async def test_what_only_the_gateway_knows_is_marked(ib, api, explained):
    """What no rule objects to is marked where the gateway's refusal names it."""
    await bars(ib, api.Stock("AAPL", "SMART", "USD"), durationStr="400 D")
    assert problems(explained(321)) == {"durationStr": "the gateway's answer names it"}


async def test_it_says_whether_the_contract_was_qualified(ib, api, explained):
    """A contract with a conId and one without are told apart; looking one up needs none."""
    stock = api.Stock("AAPL", "SMART", "USD")
    await bars(ib, stock, barSizeSetting="5 minutes")
    assert any("was not qualified" in fact for fact in explained(321).facts)
    await ib.qualifyContractsAsync(stock)
    await bars(ib, stock, barSizeSetting="5 minutes")
    assert any("was qualified" in fact for fact in explained(321).facts)
    await ib.reqContractDetailsAsync(api.Stock("NOSUCH", "SMART", "USD"))
    assert not any("qualified" in fact for fact in explained(200).facts)


async def test_an_unknown_contract_can_be_searched(ib, api, explained):
    """A 200 says what line to run, with the symbol that was asked for, quotes and all."""
    await ib.reqContractDetailsAsync(api.Stock("NOSUCH", "SMART", "USD"))
    facts = explained(200).facts
    assert "To see what there is: ib.reqMatchingSymbols('NOSUCH')" in facts
    await ib.reqContractDetailsAsync(api.Stock("O'HARE", "SMART", "USD"))
    assert any("""ib.reqMatchingSymbols("O'HARE")""" in fact for fact in explained(200).facts)
    await ib.reqContractDetailsAsync(api.Contract(conId=1))
    assert not any("reqMatchingSymbols" in fact for fact in explained(200).facts)


async def test_a_cancel_that_was_refused(ib, api, session):
    """It shows the cancel, a call that cancels, and the order that it was for, as placed."""
    order = api.LimitOrder("BUY", 7, 1.0)
    trade = ib.placeOrder(api.Stock("AAPL", "SMART", "USD", conId=1), order)
    ib.cancelOrder(trade.order)
    order_id = trade.order.orderId
    explanation = explain_notice(Notice(10147, "", order_id, time.time()), session.journal)
    assert explanation.asked.method == "cancelOrder"
    assert explanation.asked.example.startswith("ib.cancelOrder(trade.order)")
    assert any(fact.startswith("It answers cancelOrder, sent at") for fact in explanation.facts)
    assert any(f"BUY 7 AAPL, order ID {order_id}, sent" in fact for fact in explanation.facts)
    assert not any("qualified" in fact for fact in explanation.facts)


async def test_pacing_is_counted(session, ib, api):
    """A pacing violation comes with the requests of the last ten minutes and their limits."""
    stock = api.Stock("AAPL", "SMART", "USD")
    for _ in range(2):
        await bars(ib, stock, barSizeSetting="5 secs", durationStr="60 S")
    sent = session.journal.requests.all()[-1]
    notice = Notice(162, PACING_TEXT, sent.req_id, sent.time + 1, sent.connection)
    explanation = explain_notice(notice, session.journal)
    assert explanation.entry.id == "history-pacing"
    assert any("last ten minutes 2 (limit" in fact for fact in explanation.facts)
    assert any("within 15 seconds of the same one" in fact for fact in explanation.facts)
    assert explanation.asked.method == "reqHistoricalData"
    assert problems(explanation) == {}
    other = explain_notice(Notice(162, "query returned no data", sent.req_id), session.journal)
    assert not any("Counted here" in fact for fact in other.facts)


async def test_nothing_is_made_up(session):
    """A notice that belongs to no request, or to one that is not known, has none."""
    for req_id in (NO_REQUEST, 987654):
        explanation = explain_notice(Notice(321, "cause - bar size", req_id), session.journal)
        assert explanation.asked is None
        assert not any("answers" in fact for fact in explanation.facts)


async def test_gathering_sends_nothing(gateway, ib, api, session):
    """Explaining asks the gateway for nothing: it has no message more than before."""
    await bars(ib, api.Stock("NOSUCH", "SMART", "USD"))
    before = len(gateway.messages)
    for notice in session.journal.since(0):
        explain_notice(notice, session.journal)
    await ib.reqCurrentTimeAsync()
    assert len(gateway.messages) == before + 1


async def test_an_order_that_is_refused(api, library):
    """A Read-Only API's refusal of an order shows the order, and objects to nothing in it."""
    from ibnb.session import Plan, Session
    from ibnb.session.library.libraries import find_library
    from ibnb.tws.target import Target

    with SimulatedGateway(faults=["read-only"]) as gateway:
        session = Session()
        target = Target(gateway.host, gateway.port, "paper")
        plan = Plan(target, 41, find_library(library), readonly=True)
        await session.connect(plan, (target,), wait=lambda _address: 0.0)
        ib = session.connection.ib
        order = api.LimitOrder("BUY", 1, 100.0, account="DU1234567")
        trade = ib.placeOrder(api.Stock("AAPL", "SMART", "USD"), order)
        await ib.reqCurrentTimeAsync()
        notices = [one for one in session.journal.since(0) if one.req_id == trade.order.orderId]
        explanation = explain_notice(notices[-1], session.journal)
        assert explanation.entry.id == "read-only-api"
        shown = {one.name: one.value for one in explanation.asked.parameters}
        assert shown["order.lmtPrice"] == "100.0"
        assert problems(explanation) == {}
        assert "whatIfOrder" in explanation.asked.example
        await session.disconnect()

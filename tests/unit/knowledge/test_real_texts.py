"""What gateways really say leads to the page that explains it, graded as bad as it is."""

import difflib
import re

import pytest
from real_texts import OTHER_LANGUAGES, REAL_TEXTS

from ibnb.knowledge import catalogue, explain, severity_of

ALL = [*REAL_TEXTS, *OTHER_LANGUAGES]
PASTED = [row for row in REAL_TEXTS if row[0] >= 100]


@pytest.mark.parametrize(("code", "text", "entry_id", "severity"), ALL)
def test_a_notice_leads_to_its_page(code, text, entry_id, severity):
    """The code decides; where it means several things, the text tells which."""
    entry = explain(code, text=text).entry
    assert (entry.id, entry.severity) == (entry_id, severity)
    assert code in entry.codes
    assert severity_of(code, text) == severity


@pytest.mark.parametrize(("code", "text", "entry_id", "severity"), PASTED)
@pytest.mark.parametrize(
    "line",
    [
        "Error {code}, reqId 5: {text}, contract: Stock(symbol='AAPL', exchange='SMART')",
        "2026-11-10 10:32:54,154 ib_async.wrapper ERROR Warning {code}, reqId -1: {text}",
        "ERROR:ibapi.wrapper:ERROR 25 {code} {text}",
        "ERROR -1 {code} {text}",
        "ERROR 3 1749823634683 {code} {text}",
        "ib_insync.wrapper.RequestError: API error: {code}: {text}",
        "<error id=-1, errorCode={code}, errorMsg={text}>",
        "[#{code}] {text}",
        "ErrCode: {code}, Msg: {text}",
        "ErrorCode: {code} {text}",
        "ANSWER error {{'reqId': 2, 'errorCode': {code}, 'errorString': {text!r}}}",
        "{{'reqId': 2, 'errorTime': 1749823634683, 'errorCode': {code}, 'errorString': {text!r}}}",
        "{{'reqId': 2, 'errorCode': {code}, 'errorString': {text!r}, 'rejectJson': ''}}",
        "{{'errorString': {text!r}, 'reqId': 2, 'errorCode': {code}}}",
        "{{reqId: 2, errorCode: {code}, errorString: {text}}}",
    ],
)
def test_a_pasted_log_line_leads_to_the_same_page(line, code, text, entry_id, severity):
    """The forms in which the libraries log a notice are understood, the contract set aside."""
    entry = explain(line.format(code=code, text=text)).entry
    assert (entry.id, entry.severity) == (entry_id, severity)


@pytest.mark.parametrize(("code", "text", "entry_id", "severity"), REAL_TEXTS)
def test_no_summary_repeats_the_notice(code, text, entry_id, severity):
    """The user has read the notice already; the page says it in other words."""
    entry = explain(code, text=text).entry
    assert (entry.id, entry.severity) == (entry_id, severity)
    sentences = entry.summary.lower().split(". ")
    said = text.lower().rstrip(".")
    for sentence in sentences:
        assert said not in sentence
        assert difflib.SequenceMatcher(None, said, sentence).ratio() < 0.8


def test_no_summary_repeats_what_its_symptoms_quote():
    """Symptoms quote the gateway so that users recognise it; the summary then has to say more."""
    compared = 0
    for entry in catalogue().entries:
        quoted = [one for symptom in entry.symptoms for one in re.findall(r'"([^"]+)"', symptom)]
        for said in (one.lower().rstrip(".") for one in quoted if len(one.split()) >= 4):
            for sentence in entry.summary.lower().split(". "):
                compared += 1
                assert said not in sentence, entry.id
                assert difflib.SequenceMatcher(None, said, sentence).ratio() < 0.8, entry.id
    assert compared > 100


def test_there_are_many_real_texts():
    """A table that was not read would let every test of this file pass."""
    assert len(REAL_TEXTS) >= 80
    assert len(OTHER_LANGUAGES) >= 15


def test_every_page_that_is_told_by_its_text_is_reached_by_one():
    """A page that is told by its text can be reached by a text, or it is dead."""
    reached = {explain(code, text=text).entry.id for code, text, _, _ in ALL}
    reached |= {entry_id for _, _, entry_id in WRITTEN_FOR}
    told_by_text = {entry.id for entry in catalogue().entries if entry.text}
    assert told_by_text - reached == set()


HISTORY = "Historical Market Data Service error message:"
WRITTEN_FOR = [
    (200, "Contract expired", "contract-expired"),
    (200, "Invalid contract id", "contract-field"),
    (
        201,
        "Order rejected - reason:This contract is not available for short sale.",
        "order-no-short",
    ),
    (
        201,
        "Order rejected - reason:The limit price is too far outside of the NBBO.",
        "order-price-refused",
    ),
    (
        201,
        "Order rejected - reason:There are open orders on both sides of this US option.",
        "order-both-sides",
    ),
    (
        201,
        "Order rejected - reason:You have a minimum of 15 orders working on the sell side of it.",
        "order-too-many-working",
    ),
    (201, "Order rejected - reason:Invalid account", "order-no-account"),
    (202, "Order Canceled - reason:Parent order was canceled", "order-cancelled-reason"),
    (162, f"{HISTORY}API scanner subscription canceled: 4", "scanner-cancelled"),
    *(
        (162, f"{HISTORY}HMDS query returned no data: {symbol}@SMART Trades", "history-no-data")
        for symbol in ("INVALID", "PACING", "PERMISSION", "COMPETING", "SUBSCRIPTION", "DISCONNECT")
    ),
    (162, f"{HISTORY}No historical market data for PACING/STK@SMART Last 1", "history-invalid"),
    (162, f"{HISTORY}No data of type EODChart is available", "history-invalid"),
    (
        201,
        "Order rejected - reason:CASH AVAILABLE: 10.00; CASH NEEDED FOR THIS ORDER: 20.00",
        "order-no-margin",
    ),
    (201, "Order rejected - reason:This account is ineligible for it", "order-no-permission"),
    (201, "Order rejected - reason:There is no KID for it (PRIIPs)", "order-no-permission"),
    (201, "Order rejected - reason:Kidoz Inc is skidding", "order-rejected"),
    (202, "Order Canceled - reason:Order was cancelled by user", "order-cancelled"),
    (202, "Order was cancelled by user", "order-cancelled"),
    (
        10148,
        "OrderId 5 that needs to be cancelled can not be cancelled, state: Inactive.",
        "cancel-impossible",
    ),
    (10148, "OrderId 5 that needs to be cancelled can not be cancelled.", "cancel-impossible"),
    (10329, "This order will be directly routed to NYSE.", "order-direct-route"),
    (322, "Maximum number of account summary requests exceeded", "account-summary-limit"),
]


@pytest.mark.parametrize(("code", "text", "entry_id"), WRITTEN_FOR)
def test_a_text_that_is_only_described_leads_to_its_page(code, text, entry_id):
    """Documentation describes these without quoting them, so the wording here is ours."""
    assert explain(code, text=text).entry.id == entry_id


def test_a_text_never_leads_away_from_its_code():
    """Words of another code's page do not matter beside a code."""
    assert explain(2104, text="pacing violation, order rejected").entry.id == "farm-ok"


def test_the_text_may_be_broken_over_lines():
    """Notices about orders hold line breaks; patterns do not see them."""
    text = "Order Message:\nWarning: Your order will not be placed\n at the exchange until Monday"
    assert explain(399, text=text).entry.id == "order-held"


def test_of_several_pasted_notices_the_first_is_explained():
    """The words of the next line do not choose the page of this one."""
    history = "Historical Market Data Service error message:"
    lines = (
        f"Error 162, reqId 4: {history}HMDS query returned no data\n"
        f"Error 162, reqId 5: {history}Historical data request pacing violation"
    )
    assert explain(lines).entry.id == "history-no-data"


def test_an_unknown_code_is_graded_by_its_range():
    """So that whoever grades a notice never has to look anything up."""
    assert severity_of(2199) == "warning"
    assert severity_of(10999, "Frobnication is not allowed") == "error"
    assert severity_of(77777) == "warning"

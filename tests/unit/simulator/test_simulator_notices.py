"""What the faults of a simulated gateway say has its page, found by the notice as it is sent."""

import pytest

from ibnb.knowledge import explain
from ibnb.simulator.protocol import texts

PAGES = [
    (texts.too_fast(50, 51, 1), "pacing"),
    (texts.HISTORY_PACING, "history-pacing"),
    (texts.TOO_MANY_LINES, "data-limit-101"),
    (texts.TOO_MANY_TICK_LINES, "data-limit-10190"),
    (texts.too_many_depths(3), "data-limit-309"),
    (texts.DUPLICATE_TICKER, "duplicate-request-id"),
    (texts.TOO_MANY_SUMMARIES, "account-summary-limit"),
    (texts.HISTORY_TIMED_OUT, "history-timed-out"),
    (texts.HISTORY_LINK_LOST, "history-message"),
    (texts.HISTORY_LINK_FAILED, "history-message"),
    (texts.HISTORY_LINK_BACK, "history-message"),
    (texts.LIVE_BARS_ENDED, "data-restart-10182"),
    (texts.GOOD_TILL_WHEN, "order-time-334"),
    (texts.GOOD_TILL_NO_TIME, "order-time-343"),
    (texts.GOOD_AFTER_NO_TIME, "order-time-337"),
    (texts.history_cancelled(4), "history-cancelled"),
    (texts.COMPETING_SESSION, "competing-session"),
    (texts.OTHER_SESSION, "history-other-session"),
    (texts.not_subscribed(354, "AAPL NASDAQ.NMS/TOP/ALL"), "not-subscribed"),
    (texts.not_subscribed(10089, "AAPL NASDAQ.NMS/TOP/ALL"), "not-subscribed"),
    (texts.not_subscribed(10168, ""), "not-subscribed"),
    (texts.DELAYED_DATA, "delayed-data"),
    (texts.partly_subscribed("AAPL NASDAQ.NMS/TOP/ALL"), "partly-subscribed"),
    (texts.no_history_permission("SMART STK"), "history-no-permission"),
    (texts.no_bars_permission("SMART STK"), "realtime-refused"),
    (texts.no_tick_permission("SMART STK"), "tick-by-tick-refused"),
    (texts.market_closed("BUY 1 AAPL NASDAQ.NMS", "20261130 09:30:00 US/Eastern"), "order-held"),
    (texts.LINK_RESTORED_WITHOUT_DATA, "link-restored-data-lost"),
    (texts.farm("usfarm", "market", "broken"), "data-farm-down"),
    (texts.farm("ushmds", "history", "asleep"), "farm-asleep"),
    (texts.farm("usfarm", "market", "connecting"), "farm-connecting"),
]


@pytest.mark.parametrize(("notice", "page"), PAGES, ids=[page for _, page in PAGES])
def test_a_notice_has_its_page(notice, page):
    """As a library logs it: the code and the text together lead to what it means."""
    code, text = notice
    assert explain(f"Error {code}, reqId 4: {text}").entry.id == page

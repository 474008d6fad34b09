"""Every check and every verdict leads to a page of the catalogue, in every form."""

import pytest
from ui_samples import TARGET, check

from ibnb.diagnostics import CHECKS, Report, Result, Verdict
from ibnb.knowledge import catalogue, explain
from ibnb.ui.html import explanation_html, report_html
from ibnb.ui.text import explanation_text, report_text

LARGEST = 10_000
"""Bytes of a page in a report, which has some 9,000 besides."""
VERDICTS = (
    *("healthy", "connection-refused", "host-unreachable", "handshake-silent"),
    *("closed-before-version", "not-a-gateway", "version-too-old", "client-id-in-use"),
    *("paper-disclaimer", "closed-after-start", "not-ready", "no-accounts", "wrong-environment"),
    *("login-pending", "login-rejected", "connectivity-lost", "data-farm-down", "sync-incomplete"),
    *("half-open", "clock-skew", "too-many-clients", "stale-connection"),
)


@pytest.mark.parametrize("one", CHECKS, ids=lambda one: one.id)
def test_every_check_leads_to_a_page(one):
    """The id of a check is a question that has an answer, as HTML and as text."""
    entry = explain(one.id).entry
    assert one.id in entry.check_ids
    assert entry.id in explanation_html(explain(one.id))
    assert entry.title in " ".join(explanation_text(explain(one.id)).split())


@pytest.mark.parametrize("verdict_id", VERDICTS)
def test_every_verdict_has_its_page_in_the_report(verdict_id):
    """The report holds the page of its verdict, and the text says how to open it."""
    entry = catalogue().by_id(verdict_id)
    verdict = Verdict(verdict_id, entry.title, entry.severity, "So it is.")
    result = Result("a.b", "fail", "So it is.", entry=verdict_id)
    report = Report(TARGET, verdict, (result,), (check("a.b"),), 0.1)
    html = report_html(report)
    assert html.count(">Why</summary>") == 1
    assert len(html.encode()) < LARGEST
    assert "stands under the verdict." in html
    assert f"why: ibnb explain {verdict_id}" in " ".join(report_text(report).split())

"""What foreign text may bring into a report, and what of it reaches nobody."""

import json

import pytest
from diagnosing import attempt, context

from ibnb.diagnostics import Check, Result
from ibnb.diagnostics.runner import run_checks
from ibnb.ui.html import report_html
from ibnb.ui.text import report_text

LOGIN = "anna.muster"
FOREIGN = (
    "DU7654321 at 192.168.17.42:4002, 00:1a:2b:3c:4d:5e, 550e8400-e29b-41d4-a716-446655440000, "
    f"token=hunter2 {LOGIN} /home/hunterhome/Jts"
)
SECRETS = ("00:1a:2b", "550e8400", "hunter2", LOGIN, "hunterhome")


@pytest.fixture(autouse=True)
def login(monkeypatch):
    """Make this process's user one whose name is in no other text here."""
    for name in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(name, LOGIN)


class Watcher:
    """An observer that keeps the results it is told."""

    def __init__(self):
        self.results = []

    def on_start(self, checks):
        """Take nothing."""

    def on_result(self, result):
        """Keep one result."""
        self.results.append(result)

    def on_report(self, report):
        """Take nothing."""

    def on_wait(self, seconds_left, tries, report):
        """Take nothing."""


async def forms(watcher=None, *, show_accounts=False):
    """Return a report full of foreign text in every form in which it is shown."""

    async def foreign(_context):
        evidence = {"list": [FOREIGN], FOREIGN: {"inner": (FOREIGN, 4002, True)}}
        return Result("net.tcp", "fail", FOREIGN, evidence, None, (FOREIGN,))

    async def crashing(_context):
        raise OSError(FOREIGN)

    checks = (
        Check("net.tcp", "TCP opens", "network", foreign),
        Check("env.loop", "The loop works", "environment", crashing),
    )
    refused = attempt((1100, FOREIGN), accounts=("DU7654321",))
    shared = context(refused, show_accounts=show_accounts)[0]
    report = await run_checks(checks, shared, [watcher] if watcher else [])
    return [
        json.dumps(report.to_dict(), ensure_ascii=False),
        report_html(report, show_accounts=show_accounts),
        report_text(report, show_accounts=show_accounts),
    ]


async def test_no_form_of_a_report_shows_a_secret_that_foreign_text_held():
    """Summaries, evidence, keys, steps, errors of checks and the verdict: all of it is redacted."""
    watcher = Watcher()
    shown = await forms(watcher)
    for form in (*shown, repr(watcher.results)):
        assert not [secret for secret in (*SECRETS, "7654321") if secret in form]
        assert "mac" in form
        assert "DU•••321" in form


async def test_addresses_stay_since_the_reader_needs_them():
    """Which address to trust, and where to connect, is what a diagnosis is read for."""
    for form in await forms():
        assert "192.168.17.42" in form


async def test_showing_accounts_shows_accounts_and_nothing_else():
    """The setting speaks of account numbers: secrets are still nobody's business."""
    for form in await forms(show_accounts=True):
        assert "DU7654321" in form
        assert not [secret for secret in SECRETS if secret in form]


async def test_numbers_and_booleans_of_the_evidence_stay_what_they_are():
    """Programs that read the JSON get numbers, as before."""
    told = json.loads((await forms())[0])
    (inner,) = (value for key, value in told["checks"][0]["evidence"].items() if key != "list")
    assert inner["inner"][1:] == [4002, True]

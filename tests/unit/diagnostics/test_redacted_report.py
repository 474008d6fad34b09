"""What foreign text may bring into a report, and what of it reaches nobody."""

import json
import socket

import pytest
import servers
from diagnosing import attempt, context
from servers import Server

from ibnb.diagnostics import Check, Diagnostician, Question, Result
from ibnb.diagnostics.checks import api
from ibnb.diagnostics.engine.once import Shared
from ibnb.diagnostics.engine.runner import run_checks
from ibnb.tws import accounts
from ibnb.tws.attempt import cause
from ibnb.tws.notices import link_after
from ibnb.tws.target import Target
from ibnb.ui.html import report_html
from ibnb.ui.text import report_text

LOGIN = "anna.muster"
FOREIGN = (
    "DU7654321 at 192.168.17.42:4002, 00:1a:2b:3c:4d:5e, 550e8400-e29b-41d4-a716-446655440000, "
    f"token=hunter2 {LOGIN} /home/hunterhome/Jts"
)
SECRETS = ("192.168.17.42", "00:1a:2b", "550e8400", "hunter2", LOGIN, "hunterhome")


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


async def test_a_host_that_looks_like_a_token_stays():
    """The name that the user gave is told, and also the addresses that it leads to."""
    target = Target("ibgateway-7d9f8b6c5d-x2x4k", 4002)

    async def leads(_context):
        await _context.addresses.get()
        return Result("net.tcp", "pass", f"{target.host} is 203.0.113.7, not 203.0.113.8.")

    async def resolved():
        return ((socket.AF_INET, socket.SOCK_STREAM, 6, ("203.0.113.7", 4002)),)

    checks = (Check("net.port", "It resolves", "network", leads),)
    made = context(target=target, addresses=Shared(resolved))[0]
    (result,) = (await run_checks(checks, made)).results
    assert result.summary == f"{target.host} is 203.0.113.7, not <address>."


@pytest.mark.parametrize(
    "name", ["port", "nothing", "refused", "listens", "fix", "process", "nginx"]
)
async def test_a_login_that_is_a_word_of_ours_damages_nothing(monkeypatch, name):
    """Whoever is called like a word of our sentences still gets whole sentences and keys."""
    for variable in ("LOGNAME", "USER", "USERNAME"):
        monkeypatch.setenv(variable, name)

    async def says(_context):
        return Result("net.port", "fail", f"x {name} y", {name: name}, "connection-refused")

    checks = (Check("net.port", "It listens", "network", says),)
    report = await run_checks(checks, context()[0])
    assert report.results[0].summary == f"x {name} y"
    assert report.results[0].evidence == {name: name}


async def test_what_a_gateway_says_is_cleaned_of_all_that_may_be_kept_elsewhere():
    """Of foreign text not even the addresses stay that our own sentences may name."""
    made = context(attempt((1100, "lost by 203.0.113.7"), ending="ready"))[0]
    seen = await made.probe.attempt()
    assert seen.notices[0].text == "lost by <address>"


async def test_a_flood_of_notices_is_told_in_a_few():
    """The newest are told and the rest is counted; cause and link are as with all of them."""
    farms = [(2105, f"HMDS data farm connection is broken:farm{number}") for number in range(3)]
    flood = [(2104, f"word {number} " * 2000 + "203.0.113.9:usfarm") for number in range(400)]
    given = attempt((326, "in use"), *farms, (1100, "lost"), *flood, ending="closed")
    made = context(given)[0]
    seen = await made.probe.attempt()
    assert (cause(seen), cause(given)) == ("client-id-in-use", "client-id-in-use")
    assert len(seen.notices) + seen.more_notices == len(given.notices)
    assert all(len(notice.text) <= 350 for notice in seen.notices)
    link = link_after(seen.notices)
    assert not link.connected
    assert set(link.broken_farms) == {"farm0", "farm1", "farm2"}
    told = (await api.start(made)).evidence["notices"]
    assert len(told) == 21
    assert told[0] == f"{len(given.notices) - 20} more before these"


async def test_an_account_that_looks_like_none_is_masked_as_soon_as_the_gateway_lists_it(
    monkeypatch,
):
    """In its own notices too, in every case of letters, by a program that connects only once."""
    monkeypatch.setattr(accounts, "_known", accounts.KnownAccounts())

    def script(client):
        notices = [servers.notice(321, f"for {name}") for name in ("prop_desk-7", "PROP_DESK-7")]
        servers.healthy(client, *notices, accounts=servers.encode(15, 1, "prop_desk-7,listens"))

    with Server(script) as server:
        asked = Question((Target(servers.LOOPBACK, server.port),), client_id=901)
        report = await Diagnostician().start(asked, None, None).report()
    for form in (json.dumps(report.to_dict()), report_html(report), report_text(report)):
        assert "prop_desk-7" not in form.lower()
        assert "listens on port" in " ".join(form.split())
    assert "pr•••k-7" in report_text(report)


async def test_no_control_character_of_foreign_text_is_in_a_report():
    """Whoever prints a part of it prints text, and nothing else happens."""
    hostile = "\x9b31m\x1b[2J \u202e\x7f\u2066 end\nnext"
    shown = r"\x9b31m\x1b[2J \u202e\x7f\u2066 end next"

    async def foreign(_context):
        return Result("net.tcp", "fail", hostile, {hostile: [hostile]}, None, (hostile,))

    checks = (Check("net.tcp", "TCP opens", "network", foreign),)
    (result,) = (await run_checks(checks, context()[0])).results
    assert (result.summary, result.evidence, result.fix) == (shown, {shown: [shown]}, (shown,))


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

import io

import pytest
from ui_samples import explanation, health, refused

from ibnb.diagnostics.bundle import BundleFile
from ibnb.session import Waiting
from ibnb.tws.notices import Notice
from ibnb.tws.target import Target
from ibnb.ui.cards import Came
from ibnb.ui.labels import TIMES
from ibnb.ui.messages import waiting_line
from ibnb.ui.text import (
    badge_text,
    bundle_text,
    explanation_text,
    print_explanation,
    print_report,
    report_text,
)

REFUSED = """\
✗ Problem: Nothing listens
  It does not work.
  why: ibnb explain connection-refused

Do this first
  1. Start IB Gateway with your paper login.
  2. Run %ibdiag.

Checks: 1 OK · 1 failed · 1 skipped

Host
  ✓ OK       The name resolves — 127.0.0.1 is an address.

Network
  ✗ Failed   Something listens on the port — Nothing listens on port 4002.
             port: 4002
             listening elsewhere: port: 4001, pid: 991
             Fix
               1. Start IB Gateway.
             why: ibnb explain connection-refused

API
  ○ Skipped  The gateway answers — Blocked by “Something listens on the port”
             (net.port).

Verification checklist: 0 of 10 confirmed
  ? Unknown    A TWS or Gateway process is running
  ✗ No         Something listens on port 4002
  ? Unknown    A TCP connection to it opens
  ? Unknown    Socket clients are enabled (TWS: “Enable ActiveX and Socket
               Clients” is ticked)
  ? Unknown    The address of this machine is among its trusted IPs
  ? Unknown    The socket port in its API settings is the one that was tried,
               4002
  ? Unknown    The API handshake completes in under 5 seconds
  ? Unknown    The gateway returns its managed accounts
  ? Unknown    The accounts are paper ones, as expected
  ? Unknown    The notebook's own session connects

127.0.0.1:4002 (expects paper) · took 81 ms · verdict connection-refused
For technical troubleshooting and learning only: not financial, investment,
trading, tax or legal advice. Prefer a paper account and a read-only connection.
ibnb is independent of Interactive Brokers, not affiliated with it or endorsed
by it; its trademarks are its own."""

EXPLAINED = """\
✗ Error: 326 The client ID is in use
  Notice 326 came after 6 ms.
  Another client is connected with the same ID.

What to do
  1. Close the other.
  2. Wait a minute.
  3. Take another ID.
  4. Restart the gateway.

What to check
  - Who holds the ID?
    ✗ Failed: python holds it.
  - Does TWS list it?

Why this happens
  - A cell was run twice.

Symptoms
  - The connection closes at once.

Related: not-connected"""


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self):
        """Say so."""
        return True


class Latin(io.StringIO):
    """A file whose encoding has none of the icons."""

    encoding = "latin-1"


def test_the_text_of_a_report_is_known_to_the_letter():
    """The same report gives the same text: words beside symbols, 80 columns, no colour codes."""
    assert report_text(refused()) == REFUSED


@pytest.mark.parametrize(("magics", "command"), [(True, "%iberror"), (False, "ibnb explain")])
def test_a_page_is_opened_by_the_command_that_the_reader_has(magics, command):
    """A magic in IPython, a command in a terminal, and never the other one beside it."""
    lines = report_text(refused(), magics=magics).splitlines()
    assert f"  why: {command} connection-refused" in lines


def test_a_bundle_is_listed_with_sizes_and_contents():
    """What leaves the machine is said file by file, in 80 columns."""
    files = [
        BundleFile("report.json", 812, "The report, accounts masked"),
        BundleFile("logs/\x1blauncher.log", 1_240_000, "The login log, its last lines " * 3),
    ]
    text = bundle_text("support.zip", files)
    assert text.splitlines()[:2] == [
        "The bundle support.zip holds 2 files:",
        "  report.json            812 bytes  The report, accounts masked",
    ]
    assert "logs/\\x1blauncher.log     1.2 MB  The login log" in text
    assert max(len(line) for line in text.splitlines()) <= 80
    assert bundle_text("support.zip", []) == "The bundle support.zip is empty."


def test_the_text_of_an_explanation_is_known_to_the_letter():
    """The same explanation gives the same text."""
    assert explanation_text(explanation()) == EXPLAINED
    assert explanation_text(explanation(), came=Came(3)).startswith(
        f"✗ Error: 326 The client ID is in use {TIMES}3\n"
    )


def test_the_text_of_a_badge_has_no_time_in_it():
    """A notebook's output stays the same from run to run."""
    assert badge_text(health()) == (
        "● Ready · PAPER · DU•••567 · 127.0.0.1:4002 · ID 3127\n"
        "  server version 176 · ib_insync 0.9.86 · 1 farm ✓ OK"
    )


def test_the_text_of_a_badge_has_what_is_news():
    """That farms work is said once; what else came is there, each line whole."""
    notices = (Notice(2104, "farm OK"), Notice(200, "No such contract"))
    text = badge_text(health(notices=notices, accounts=tuple(f"DU123456{n}" for n in range(9))))
    assert text.endswith("\n  notice 200: No such contract")
    assert not any(line.endswith("·") for line in text.splitlines())


def test_the_text_of_a_live_badge_says_live():
    """LIVE and the order lock are in words in a terminal too."""
    assert "· ◆ LIVE ◆ orders not locked ·" in badge_text(health(kind="live"))
    assert "· ◆ LIVE ◆ orders locked ·" in badge_text(health(kind="live", orders="locked"))


def test_the_text_of_a_troubled_badge_says_why():
    """Reason, what is missing, and what replaced a stale one follow on lines of their own."""
    text = badge_text(health(state="degraded", reason="no orders", missing=("fills",)))
    assert text.endswith("\n  Why: no orders\n  Missing: fills")
    assert badge_text(health(stale="Replaced.")).startswith("⊘ Stale")


def test_no_line_is_wider_than_a_terminal():
    """80 columns hold everything but a single word that is longer."""
    for text in (report_text(refused()), explanation_text(explanation()), badge_text(health())):
        assert max(len(line) for line in text.splitlines()) <= 80


def test_what_is_no_terminal_gets_the_plain_text():
    """A pipe or a file gets no colour codes."""
    report, card = io.StringIO(), io.StringIO()
    print_report(refused(), report)
    print_explanation(explanation(), card)
    assert report.getvalue() == REFUSED + "\n"
    assert card.getvalue() == EXPLAINED + "\n"


def test_an_encoding_without_the_icons_gets_the_words():
    """An old Windows console shows stand-ins; it does not fail."""
    out = Latin()
    print_report(refused(), out)
    assert out.getvalue().startswith("x Problem: Nothing listens\n")
    out.getvalue().encode("latin-1")


def test_a_terminal_gets_colour_and_the_same_words(monkeypatch):
    """The report is drawn with colour, and nothing of the text is lost."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = Terminal()
    print_report(refused(), out)
    assert "\x1b[" in out.getvalue()
    for part in (
        "✗ Problem",
        "Nothing listens",
        "✓ OK",
        "○ Skipped",
        "pid: 991",
        "Fix 1.",
        "why: ibnb",
        "? Unknown",
    ):
        assert part in _uncoloured(out.getvalue())


def test_a_terminal_gets_a_card_with_its_live_answers(monkeypatch):
    """The coloured card has facts, steps, checks with answers and causes."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    out = Terminal()
    print_explanation(explanation(), out)
    for part in ("✗ Error", "Notice 326", "4.", "python holds it.", "A cell was run twice."):
        assert part in _uncoloured(out.getvalue())


def test_brackets_are_no_markup_in_a_terminal(monkeypatch):
    """What rich would read as its own markup is shown as it came."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    out = Terminal()
    print_explanation(type(explanation())(explanation().entry, ("[bold]x[/bold] [/]",)), out)
    assert "[bold]x[/bold] [/]" in _uncoloured(out.getvalue())


def _uncoloured(text):
    from rich.text import Text

    return Text.from_ansi(text).plain


@pytest.mark.parametrize(
    ("waiting", "said"),
    [
        (
            {"limit": "identical"},
            "(the same one was sent less than 15 s ago): the next one goes in",
        ),
        ({"limit": "burst"}, "(5 for one contract were sent within 2 s): the next one goes in 1 s"),
        ({"limit": "history", "more": 3}, "(60 were sent within ten minutes): the next one goes"),
        ({"limit": "history", "more": 3}, " in 1 s (3 more wait)"),
        ({"limit": "open"}, "50 historical requests are open at 127.0.0.1:4002"),
        ({"ahead": 2}, "taken, 2 ahead of this one: waiting for 0 s"),
        ({}, "Client ID 41 is still in use at 127.0.0.1:4002: retrying for 0 s"),
    ],
)
def test_what_is_waited_for_is_named(waiting, said):
    """And for how long, if that is known: what is waited for never goes in 0 s."""
    assert said in waiting_line(Waiting(41, Target("127.0.0.1", 4002), 0.4, **waiting))

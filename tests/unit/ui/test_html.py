import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from ui_samples import TARGET, check, explanation, health, refused, report

from ibnb.diagnostics.model import Report, Result, Verdict
from ibnb.knowledge import Situation, catalogue
from ibnb.knowledge.model import Answer, Asked, Entry, EntryCheck, Explanation, Parameter
from ibnb.tws.notices import Link, Notice
from ibnb.tws.target import Target
from ibnb.ui import labels
from ibnb.ui.cards import Came
from ibnb.ui.html import badge_html, explanation_html, progress_html, report_html
from ibnb.ui.text import badge_text, explanation_text, report_text

EVIL = "<img src=x onerror=alert(1)>\"'&</td></details><script>alert(2)</script><svg>{{ 7*7 }}"
RED = "#d73a49"
VOID = {"br"}
WITHIN_WORDS = {"code", "span", "strong"}
UNWANTED = {"script", "style", "svg", "img", "iframe", "link"}


class Reader(HTMLParser):
    """Reads HTML as a browser would: its elements, attributes and text, and whether it is whole."""

    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.attributes = []
        self.pieces = []
        self.unclosed = []
        self.balanced = True
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Take the start of an element."""
        self.tags.append(tag)
        self.attributes += attrs
        self._separate(tag)
        if tag not in VOID:
            self.unclosed.append(tag)

    def handle_endtag(self, tag):
        """Take the end of an element."""
        self._separate(tag)
        self.balanced = bool(self.unclosed) and self.unclosed.pop() == tag and self.balanced

    def handle_data(self, data):
        """Take a piece of text."""
        self.pieces.append(data)

    @property
    def text(self):
        """All of the text, with single blanks."""
        return " ".join("".join(self.pieces).split())

    def _separate(self, tag):
        if tag not in WITHIN_WORDS:
            self.pieces.append(" ")


def read(html):
    """Return the HTML as read, after looking that it is whole and holds nothing but markup."""
    reader = Reader(html)
    assert reader.balanced
    assert reader.unclosed == []
    assert not UNWANTED & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    return reader


def evil_report():
    result = Result(
        "net.port", "fail", EVIL, {EVIL: EVIL, "deep": [{"a": EVIL}]}, EVIL, (EVIL,), 0.0, None
    )
    skipped = Result("api.version", "skip", EVIL, blocked_by="net.port")
    checks = (check("net.port", EVIL, EVIL), check("api.version", EVIL, "api"))
    verdict = Verdict(EVIL, EVIL, "error", EVIL, (EVIL,) * 5)
    return Report(Target(EVIL, 4002), verdict, (result, skipped), checks, 0.1)


def evil_explanation():
    entry = Entry(
        EVIL, (1,), EVIL, EVIL, "error", EVIL, (EVIL,), (EVIL,), (EntryCheck(EVIL, "a.b"),),
        (EVIL,) * 5, (EVIL,),
    )  # fmt: skip
    return Explanation(entry, (EVIL,), (Answer("a.b", EVIL, EVIL), Answer(EVIL, "pass", EVIL)))


def evil_health():
    return health(
        target=Target(EVIL, 1),
        library=EVIL,
        accounts=(EVIL,),
        reason=EVIL,
        stale=EVIL,
        missing=(EVIL + "2",),
        link=Link(farms={EVIL: "broken", "b": EVIL}),
        notices=(Notice(1, EVIL),),
    )


@pytest.mark.parametrize(
    ("html", "at_least"),
    [
        (report_html(evil_report()), 14),
        (explanation_html(evil_explanation()), 13),
        (badge_html(evil_health(), show_accounts=True, now=0.0), 8),
        (progress_html(evil_report().checks, evil_report().results), 3),
    ],
    ids=["report", "explanation", "badge", "progress"],
)
def test_hostile_text_in_every_field_stays_text(html, at_least):
    """Whatever a gateway, a host name or an exception says is shown, and is never markup."""
    text = read(html).text
    assert text.count("<script>alert(2)</script><svg>{{ 7*7 }}") >= at_least


def test_only_what_survives_without_trust_is_used():
    """No script, style sheet, drawing or heading: it looks the same, trusted or not."""
    for html in (report_html(refused()), explanation_html(explanation()), badge_html(health())):
        reader = read(html)
        assert not {"h1", "h2", "h3", "h4", "h5", "h6"} & set(reader.tags)
        assert {name for name, _ in reader.attributes} <= {
            "style", "title", "role", "aria-label", "scope", "open", "start",
        }  # fmt: skip


def test_styles_that_are_dropped_without_trust_only_refine_others():
    """JupyterLab drops declarations with var(): each repeats a property that is set without."""
    html = report_html(refused()) + explanation_html(explanation()) + badge_html(health())
    refined = 0
    for style in re.findall(r'style="([^"]*)"', html):
        known = set()
        for declaration in filter(None, style.split(";")):
            name, _, value = declaration.partition(":")
            if "var(" in value:
                refined += 1
                assert name.removesuffix("-color") in known
            known.add(name)
    assert refined


def test_a_background_never_comes_without_its_foreground():
    """A tint that stays on a dark page while its text colour goes would hide the text."""
    html = badge_html(health(kind="live", orders="locked")) + report_html(refused())
    solid = [
        style
        for style in re.findall(r'style="([^"]*)"', html)
        if re.search(r"background:(?!transparent|none)", style)
    ]
    assert solid
    assert all(re.search(r"(?<!-)color:#ffffff", style) for style in solid)


@pytest.mark.parametrize("status", ["pass", "warn", "fail", "skip", "crash"])
def test_every_status_is_an_icon_and_a_word(status):
    """Colour is never the only difference between two results."""
    mark = labels.STATUS[status]
    html = report_html(report([check("a.b")], [Result("a.b", status, "So it is.")]))
    assert f"{mark.icon} {mark.word}" in read(html).text
    assert len({str(other) for other in labels.STATUS.values()}) == len(labels.STATUS)


@pytest.mark.parametrize(
    ("severity", "said"), [("info", "✓ OK"), ("warning", "▲ Warning"), ("error", "✗ Problem")]
)
def test_the_verdict_comes_first_with_icon_and_word(severity, said):
    """The first thing read is how it stands, then what it is, then why, then what to do."""
    text = read(report_html(report([], [], severity=severity, fix=("Start it.",)))).text
    assert re.match(
        rf"{said} \S* ?Nothing listens It does not work\. Do this first Start it\.", text
    )


def test_long_advice_is_folded_after_its_first_step():
    """What to do first is visible at once; the numbering of the others goes on."""
    html = report_html(report([], [], fix=tuple(f"Step {n}." for n in range(1, 6))))
    reader = read(html)
    assert ("start", "2") in reader.attributes
    assert "Do this first Step 1. 4 more steps Step 2. Step 3. Step 4. Step 5." in reader.text


def test_what_found_something_is_seen_and_the_rest_is_folded():
    """A check that is not OK has a line of its own; what passed, and what was left out, a fold."""
    html = report_html(refused())
    assert "open" not in dict(read(html).attributes)
    folds = re.findall(r"<summary[^>]*>(.*?)</summary>", html, re.DOTALL)
    assert [read(f"<div>{fold}</div>").text for fold in folds] == [
        "✗ Failed Something listens on the port — Nothing listens on port 4002. (1 step to fix it)",
        "1 more step",
        "Why",
        "Verification checklist 0 of 10 confirmed",
        "Host ✓ 1 OK",
        "○ 1 skipped",
    ]
    text = read(html).text
    passed = "✓ OK The name resolves — 127.0.0.1 is an address. host.address · addresses: 127.0.0.1"
    assert passed in text
    assert "1 OK · 1 failed · 1 skipped" in text


def test_what_was_left_out_for_one_reason_is_one_row():
    """Many checks wait for one that failed: that is said once, in HTML and in text."""
    checks = [check("a.b", "First"), *(check(f"a.{n}", f"Check {n}") for n in range(5))]
    results = [Result("a.b", "fail", "No.")]
    results += [Result(f"a.{n}", "skip", "", blocked_by="a.b") for n in range(4)]
    results += [Result("a.4", "skip", "Nothing to see.", {"seen": 0})]
    html, plain = report_html(report(checks, results)), report_text(report(checks, results))
    for said in (read(html).text, " ".join(plain.split())):
        row = "○ Skipped Check 0; Check 1; Check 2; Check 3 — Blocked by “First” (a.b)."
        assert row in said
        assert said.count("Blocked by") == 1
        assert re.search(r"○ Skipped Check 4 — Nothing to see\. (a\.4 · )?seen: 0", said)
    assert "○ 5 skipped" in read(html).text


def test_what_the_verdict_says_is_not_said_again_beside_it():
    """A row has only what is more; its whole sentence stands in the verdict."""
    results = [Result("a.b", "fail", "The port is closed. Nobody listens.")]
    drawn = report([check("a.b", "It listens")], results, summary="Well: The port is closed.")
    text = read(report_html(drawn)).text
    assert text.count("The port is closed.") == 1
    assert "✗ Failed It listens — Nobody listens." in text


def test_a_report_in_the_place_of_its_progress_is_about_as_tall():
    """Nothing below it jumps; one that stands alone is as tall as it is."""
    panel = re.search(r"height:(clamp\([^;]+\));", progress_html((), ()))
    place = re.search(r"min-height:calc\((.+) - (\d+)px\);", report_html(refused(), in_place=True))
    assert place[1] == panel[1]
    assert 0 <= int(place[2]) < 40
    assert "min-height" not in report_html(refused())


def test_what_it_is_not_is_said_if_it_is_due():
    """Once in a notebook; while the diagnosis runs already, so that it changes no height later."""
    assert labels.BOUNDARY in progress_html((), (), boundary=True)
    assert labels.BOUNDARY not in progress_html((), ())
    assert labels.BOUNDARY not in report_html(refused(), boundary=False)
    assert labels.BOUNDARY.split()[0] not in report_text(refused(), boundary=False)


def test_a_report_says_when_it_was_made():
    """Whoever reads it on another day knows; the text has no time in it, and stays the same."""
    made = replace(refused(), at=0.0)
    assert re.search(
        r"verdict connection-refused · (1970-01-01|1969-12-31) \d", read(report_html(made)).text
    )
    assert report_text(made) == report_text(refused())


def test_a_check_comes_with_its_evidence_and_fix():
    """Under each check lies what was seen, what to do, and where more is told."""
    text = read(report_html(refused())).text
    assert "listening elsewhere port: 4001, pid: 991" in text
    assert (
        "Fix Start IB Gateway. Why: the page connection-refused stands under the verdict." in text
    )
    assert "net.port · more: %iberror connection-refused" in text


def test_a_skipped_check_names_what_blocked_it():
    """The reader sees by title which check has to pass first."""
    assert (
        "Blocked by “Something listens on the port” (net.port)."
        in read(report_html(refused())).text
    )


def test_a_blocker_that_did_not_run_is_named_by_its_id():
    """A report of some of the checks is drawn too."""
    result = Result("a.b", "skip", "Not reached.", blocked_by="net.tcp")
    assert "Blocked by “net.tcp”" in read(report_html(report([check("a.b")], [result]))).text


def test_the_report_ends_with_target_duration_and_boundary():
    """Whoever gets the report knows what it speaks of, and what it is not."""
    text = read(report_html(refused())).text
    assert "127.0.0.1:4002 (expects paper) · took 81 ms · verdict connection-refused" in text
    assert text.endswith(labels.BOUNDARY)
    for word in ("financial", "investment", "trading", "tax", "legal", "paper", "read-only"):
        assert word in labels.BOUNDARY


def test_accounts_are_masked_in_every_part_of_a_report():
    """A notebook with a report in it can be committed."""
    account = "DU1234567"
    result = Result("a.b", "fail", account, {"accounts": [account], account: 1}, None, (account,))
    drawn = report([check("a.b", account)], [result], summary=account, fix=(account,))
    assert account not in report_html(drawn)
    assert report_html(drawn).count("DU•••567") == 7
    assert account in report_html(drawn, show_accounts=True)


def test_a_card_has_what_happened_what_to_do_and_the_live_answers():
    """The answer of a diagnostic check stands beside the check that asked."""
    text = read(explanation_html(explanation())).text
    assert "Another client is connected" in text
    assert text.startswith("✗ Error 326 · The client ID is in use Notice 326 came after 6 ms.")
    assert re.search(r"Who holds the ID\? ✗ Failed \S* ?python holds it\.", text)
    assert "Does TWS list it? check manually" in text
    assert "%iberror not-connected" in text


def test_a_card_is_a_glance_and_a_fold():
    """What happened, in one sentence, and what to do first; everything else is folded away."""
    html = explanation_html(explanation())
    glance, _, rest = html.partition("<details")
    assert read(html).tags.count("details") == 1
    assert "open" not in dict(read(html).attributes)
    for said in (
        "326",
        "The client ID is in use",
        "Notice 326 came after 6 ms.",
        "Close the other.",
    ):
        assert said in glance
        assert said not in rest
    for said in ("Another client is connected", "python holds it", "Wait a minute", "run twice"):
        assert said in rest
        assert said not in glance
    for said in ("The connection closes at once.", "%iberror not-connected", "client-id-in-use"):
        assert said in rest


def test_a_wrong_parameter_is_marked_on_top_and_the_call_is_mended():
    """The user's own call can be copied, put right; the table has the parameter too."""
    parameters = (Parameter("durationStr", "'1 D'"), Parameter("barSize", "'7 mins'", "is wrong"))
    asked = Asked("reqBars", parameters, "ib.example()", "ib.reqBars(barSize='5 mins')")
    one = replace(explanation(), asked=asked, situation=Situation(name="other"))
    glance, _, rest = explanation_html(one).partition("<details")
    assert "▲ barSize = &#39;7 mins&#39; is wrong" in glance
    assert f"border-left:3px solid {RED}" in glance
    assert "other.reqBars(barSize=&#39;5 mins&#39;)" in glance
    for said in ("▲ is wrong", "ib.example()", "Close the other.", "Notice 326 came after 6 ms."):
        assert said in rest
    lines = explanation_text(one).splitlines()
    assert "  ▲ barSize = '7 mins' is wrong" in lines[1:3]
    assert "  Your call, corrected: other.reqBars(barSize='5 mins')" in lines


def test_a_search_is_offered_for_one_subject_and_not_for_the_last_of_several():
    """A call that only leads on is about one contract."""
    search = "ib.reqMatchingSymbols('B')"
    one = replace(explanation(), asked=Asked("reqContractDetails", (), "", search))
    assert search in explanation_text(one, came=Came(1, (("B", 1),)))
    assert search not in explanation_text(one, came=Came(2, (("A", 1), ("B", 1))))


def test_a_page_that_was_shown_before_is_a_line():
    """It has a fold with all of the page; the text has what happened, and names the page."""
    came = Came(2, (("NOSUCH", 1), ("ZZZZ", 1)), again=True)
    html = explanation_html(explanation(), came=came)
    assert html.startswith("<details")
    line = read(html[: html.index("</summary>") + len("</summary>")] + "</details>").text
    assert line == (
        f"✗ Error 326 · The client ID is in use {labels.TIMES}2 — 2 times: NOSUCH, ZZZZ. "
        "(shown before)"
    )
    text = read(html).text
    for said in ("Notice 326 came after 6 ms.", "Close the other.", "python holds it."):
        assert said in text
    assert explanation_text(explanation(), came=came) == (
        f"✗ Error: 326 The client ID is in use {labels.TIMES}2\n"
        "  2 times: NOSUCH, ZZZZ. Notice 326 came after 6 ms.\n"
        "  Shown above; %iberror 326 shows the page again."
    )


@pytest.mark.parametrize("again", [False, True])
def test_a_list_of_fifty_is_one_card_that_names_them(again):
    """Ten at a glance, all of them in the fold, and in the text."""
    names = [f"SYMBOL{number}" for number in range(50)]
    came = Came(50, tuple((name, 1) for name in names), again=again)
    html = explanation_html(explanation(), came=came)
    assert "SYMBOL9 and 40 more" in read(html).text
    for shown in (html, explanation_text(explanation(), came=came)):
        assert [name for name in names if not re.search(rf"{name}\b", shown)] == []


def test_commands_are_code_and_backticks_are_not_shown():
    """A command can be told from the sentence around it, and copied with a click."""
    entry = Entry(
        "x", (), "T", "c", "error", "S.",
        steps=("Run %ibconnect 4002 --wait 90 and go on with `ib`.", "Or %iberror."),
    )  # fmt: skip
    html = explanation_html(Explanation(entry))
    assert re.search(r"<code [^>]*user-select:all[^>]*>%ibconnect 4002 --wait 90</code> and", html)
    assert ">ib</code>." in html
    assert "`" not in html
    assert "Run %ibconnect 4002 --wait 90 and go on with `ib`." in explanation_text(
        Explanation(entry)
    )


def test_a_repeated_notice_is_one_card_with_a_count():
    """Twelve notices are one card that says so; one is not counted."""
    assert f"{labels.TIMES}12" in explanation_html(explanation(), came=Came(12))
    assert labels.TIMES not in explanation_html(explanation())


def test_an_answer_that_no_check_asked_for_is_shown():
    """Nothing that was found out is lost."""
    answered = Explanation(explanation().entry, (), (Answer("net.clients", "pass", "3 of 32."),))
    assert re.search(r"net\.clients ✓ OK \S* ?3 of 32\.", read(explanation_html(answered)).text)


@pytest.mark.parametrize("severity", ["info", "warning", "error"])
def test_every_severity_is_an_icon_and_a_word(severity):
    """A card says in words how bad it is."""
    entry = Entry("x", (), "T", "c", severity, "S.")
    assert read(explanation_html(Explanation(entry))).text.startswith(
        str(labels.SEVERITY[severity])
    )


@pytest.mark.parametrize("state", ["closed", "opening", "ready", "degraded", "lost", "resuming"])
def test_every_state_is_an_icon_and_a_word(state):
    """A badge says in words how the session is, and when that was so."""
    text = read(badge_html(health(state=state), now=1000.0)).text
    assert text.startswith(f"{labels.STATE[state]} PAPER ")
    assert re.search(r" as of 1970-01-01 \d\d:\d\d:\d\d ", text)


def test_a_paper_badge_holds_the_connection_in_short():
    """Kind, account, address and client ID at a glance; versions, farms and notices folded."""
    html = badge_html(health(), now=1000.0)
    glance, _, fold = html.partition("<details")
    assert read(glance + "</div>").text.startswith("● Ready PAPER DU•••567 127.0.0.1:4002 ID 3127")
    text = read(html).text
    assert "Details: 1 farm ✓ OK server version 176 · ib_insync 0.9.86 Farms: usfarm ✓ OK" in text
    assert "2104 Market data farm connection is OK:usfarm" in text
    for said in ("server version", "ib_insync", "2104"):
        assert said not in glance
        assert said in fold


def test_what_is_more_than_good_news_is_seen_without_unfolding():
    """The last notice that says more than that a farm works, with its time."""
    news = (Notice(200, "No such", time=1.0), Notice(2104, "farm OK", time=2.0))
    text = read(badge_html(health(notices=news))).text
    assert re.search(r"Last notice: 200 at 1970-01-01 \d\d:\d\d:\d\d", text)


@pytest.mark.parametrize("kind", ["paper", "live"])
def test_a_simulated_gateway_is_neither_paper_nor_live(kind):
    """Its badge says SIM; whether orders are locked is said all the same."""
    shown = health(kind=kind, simulated=True, orders="locked")
    text, plain = read(badge_html(shown)).text, badge_text(shown)
    for said in (text, plain):
        assert "SIM" in said
        assert "PAPER" not in said
        assert "LIVE" not in said
        assert ("orders locked" in said) == (kind == "live")
    assert f"a simulated gateway, with {kind} accounts" in text


@pytest.mark.parametrize(
    "changed", [{"state": "closed"}, {"state": "closed", "stale": "Replaced."}]
)
def test_a_live_badge_that_is_over_does_not_shout(changed):
    """It is grey; that it was live is still said."""
    html = badge_html(health(kind="live", **changed))
    assert "LIVE" in read(html).text
    assert "◆" not in html
    assert "#b3261e" not in html
    assert RED not in html


@pytest.mark.parametrize(
    ("orders", "said"), [("locked", "orders locked"), ("unlocked", "orders not locked")]
)
def test_a_live_badge_says_live_and_whether_orders_are_locked(orders, said):
    """LIVE is said in words and marks of its own, never by colour alone."""
    text = read(badge_html(health(kind="live", orders=orders))).text
    assert f"◆ LIVE ◆ {said}" in text
    assert "PAPER" not in text


def test_what_is_only_expected_is_not_called_paper():
    """Before accounts are known nobody knows that it is paper."""
    text = read(badge_html(health(state="opening", kind=None, accounts=()))).text
    assert "expects paper" in text
    assert "PAPER" not in text


def test_a_stale_badge_says_what_replaced_it():
    """The word stale stands in place of the state, and the reason is there."""
    text = read(badge_html(health(state="closed", stale="Replaced by a rerun of cell 4."))).text
    assert text.startswith("⊘ Stale")
    assert "Replaced by a rerun of cell 4." in text


def test_a_degraded_badge_says_why_and_what_is_missing_once():
    """What the reason names already is not repeated."""
    changed = health(
        state="degraded", reason="did not arrive: open orders", missing=("open orders", "fills")
    )
    text = read(badge_html(changed)).text
    assert "Why: did not arrive: open orders Missing: fills" in text


def test_link_and_farms_are_told_in_words():
    """A lost link outweighs a broken farm, which outweighs the ones that are OK."""
    broken = Link(farms={"usfarm": "broken", "ushmds": "ok"})
    assert "farm usfarm ✗ Broken" in read(badge_html(health(link=broken))).text
    lost = Link(connected=False, lost_by=Notice(1100, "lost"), farms={"usfarm": "broken"})
    assert "link to IBKR (notice 1100) ✗ Lost" in read(badge_html(health(link=lost))).text


def test_notices_are_counted_masked_and_newest_first():
    """Repeats of a notice are one line, and no account number is in it."""
    notices = (
        Notice(2104, "farm OK", time=1.0),
        *(Notice(321, "no orders for DU1234567", n, 2.0) for n in range(3)),
    )
    text = read(badge_html(health(notices=notices, accounts=()))).text
    assert re.search(
        rf"321 {labels.TIMES}3 no orders for DU•••567 [\d-]+ [\d:]+ 2104 farm OK", text
    )


def test_accounts_of_a_badge_are_shown_when_asked_for():
    """Masked by default, in full only with `show_accounts`."""
    assert "DU1234567" not in badge_html(health())
    assert "DU1234567" in badge_html(health(), show_accounts=True)


def test_a_closed_badge_needs_nothing():
    """Before anything was opened there is a badge all the same."""
    empty = health(
        state="closed", target=None, client_id=None, library="", server_version=None,
        accounts=(), kind=None, link=Link(), notices=(),
    )  # fmt: skip
    assert re.fullmatch(r"○ Closed as of [\d-]+ [\d:]+", read(badge_html(empty)).text)


def test_progress_shows_what_each_check_waits_for():
    """Ended, running or pending; the number of rows never changes while they fill in."""
    checks = (
        check("host.address", "The name resolves", "host"),
        replace(check("net.tcp", "TCP opens"), requires=("host.address",), waits_for="TCP"),
        check("api.version", "The gateway answers", "api", ("net.tcp",)),
        check("env.loop", "The loop works", "environment"),
    )
    reader = read(progress_html(checks, [Result("host.address", "pass", "It is an address.")]))
    assert "1 of 4 checks" in reader.text
    assert ("value", "1") in reader.attributes
    assert "✓ OK The name resolves It is an address." in reader.text
    assert "↻ Running TCP opens waiting for TCP" in reader.text
    assert "… Pending The gateway answers after: TCP opens" in reader.text
    assert reader.text.endswith("↻ Running The loop works")


def test_a_check_whose_requirement_is_not_run_is_not_said_to_wait_for_it():
    """Where only some checks run, only those are waited for."""
    text = read(progress_html([check("api.version", "It answers", "api", ("net.tcp",))], [])).text
    assert "↻ Running It answers" in text


def test_the_page_of_the_verdict_is_folded_into_the_report():
    """Why this is the verdict can be read without a kernel: the catalogue's page, and once only."""
    entry = catalogue().by_id("connection-refused")
    html = report_html(refused())
    text = read(html).text
    assert text.count(entry.summary) == 1
    for part in (*entry.causes, *entry.resolution):
        assert " ".join(part.split()).replace("`", "") in text
    assert re.search(r"<details><summary[^>]*>Why</summary>", html)


def test_each_page_stands_once_and_the_others_refer_to_it():
    """Two results with one entry: the first holds the page, the second names where it is."""
    checks = [check("a.b", "First"), check("a.c", "Second"), check("a.d", "Third")]
    results = [
        Result("a.b", "warn", "One.", entry="clock-skew"),
        Result("a.c", "fail", "Two.", entry="clock-skew"),
        Result("a.d", "pass", "Three.", entry="not-ready"),
    ]
    text = read(report_html(report(checks, results))).text
    assert text.count(catalogue().by_id("clock-skew").summary) == 1
    assert "Why: the page clock-skew stands under “First”." in text
    assert catalogue().by_id("not-ready").summary not in text


def test_a_problem_comes_with_the_checklist():
    """Each item has an icon and a word; a report that is not a problem has none."""
    text = read(report_html(refused())).text
    assert re.search(r"Verification checklist \S* ?\d of 10 confirmed", text)
    assert "✗ No Something listens on port 4002 net.port, net.tcp" in text
    assert "? Unknown A TCP connection to it opens net.tcp" in text
    healthy = report([], [], severity="info")
    assert "Verification checklist" not in report_html(healthy)


def test_the_target_of_a_report_is_the_one_given():
    """An IPv6 address is written in brackets."""
    drawn = Report(Target("::1", 4002), refused().verdict, (), (), 0.1)
    assert "[::1]:4002 · took 100 ms" in read(report_html(drawn)).text
    assert str(TARGET) == "127.0.0.1:4002"

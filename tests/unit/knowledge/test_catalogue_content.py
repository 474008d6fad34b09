"""What the catalogue must hold: the ids that others rely on, and the facts users come for."""

import re

import pytest
from page_texts import text_of

from ibnb.knowledge import catalogue

VERDICTS = [
    "healthy",
    "connection-refused",
    "host-unreachable",
    "handshake-silent",
    "closed-before-version",
    "not-a-gateway",
    "version-too-old",
    "client-id-in-use",
    "paper-disclaimer",
    "closed-after-start",
    "not-ready",
    "no-accounts",
    "wrong-environment",
    "login-pending",
    "login-rejected",
    "login-session-expired",
    "login-slot-taken",
    "wedged",
    "client-too-old",
    "connectivity-lost",
    "data-farm-down",
    "sync-incomplete",
    "half-open",
    "clock-skew",
    "too-many-clients",
    "stale-connection",
]

ERRORS_OF_PYTHON = [
    "not-connected",
    "event-loop-running",
    "orders-locked",
    "request-timeout",
    "no-api-library",
    "connect-timeout",
    "blocking-in-handler",
    "blocking-on-thread",
    "queued-cells-lost",
    "timeout-outside-task",
    "contract-not-qualified",
    "request-error",
    "main-loop-gone",
    "order-done",
]

WARNING_VERDICTS = {"data-farm-down", "sync-incomplete", "clock-skew"}

CHECKS = {
    *("env.loop", "env.library", "env.kernel", "env.guard"),
    *("host.address", "host.process", "host.login", "host.settings", "host.logs"),
    *("net.port", "net.tcp", "net.clients"),
    *("api.version", "api.start", "api.ready", "api.accounts", "api.link", "api.clock"),
    *("session.state", "session.heartbeat", "session.history", "session.pacing"),
    "session.client-id",
}
PAGE_OF_CHECK = {
    "env.loop": "event-loop-running",
    "env.kernel": "queued-cells-lost",
    "host.address": "host-unreachable",
    "host.login": "login-pending",
    "host.settings": "api-settings",
    "net.port": "connection-refused",
    "net.clients": "too-many-clients",
    "api.version": "handshake-silent",
    "api.link": "connectivity-lost",
    "session.heartbeat": "half-open",
    "session.history": "connection-losses",
    "session.pacing": "pacing",
    "session.client-id": "client-id-in-use",
}

KNOWN = (
    "0 100-107 109-111 113-126 129 131-148 151-168 200-203 300-317 319-426 427-449 460 481 492 "
    "501-592 1100-1102 1300 2100-2111 2113 2119 2129 2130 2137 2150 2152 2157 2158 2168 2169 2176 "
    "2188 10000-10003 10005-10027 10089-10092 10141 10147 10148 10167 10168 10172 10182 10186 "
    "10187 10189 10190 10197 10225 10230 10231 10233-10254 10256 10257 10268-10270 10276-10312 "
    "10314-10319 10321 10322 10324-10347 10349 10358"
)
"""The codes that IBKR's tables list and those that were seen in the field beside them."""

MOST_MET = (
    "100-107 109-111 113 116 117 119 122 125 131 133 135 136 140 141 144-147 152 161-167 200-203 "
    "300 301 309 312 320-326 354 356 357 366 382 383 387 388 399 404 411 420 426 430 434-436 438 "
    "492 501-509 1100-1102 1300 2100-2110 2119 2137 2150 2157 2158 2168 2169 10006 10089-10091 "
    "10147 10148 10167 10168 10185 10187 10189 10190 10197 10225 10349"
)
"""The codes that users ask about most, each with a full page."""


def codes_of(ranges):
    for part in ranges.split():
        first, _, last = part.partition("-")
        yield from range(int(first), int(last or first) + 1)


@pytest.mark.parametrize("entry_id", [*VERDICTS, *ERRORS_OF_PYTHON])
def test_every_verdict_and_error_has_its_page(entry_id):
    """Diagnosis and session name these ids; each has a page with something to do."""
    entry = catalogue().by_id(entry_id)
    assert entry is not None
    assert entry.resolution


def test_verdicts_that_leave_a_usable_connection_are_warnings():
    """The severity of a verdict decides the exit status: warnings and healthy are 0."""
    severities = {entry_id: catalogue().by_id(entry_id).severity for entry_id in VERDICTS}
    assert {key for key, value in severities.items() if value == "warning"} == WARNING_VERDICTS
    assert {key for key, value in severities.items() if value == "info"} == {"healthy"}


@pytest.mark.parametrize(
    ("code", "entry_id"),
    [
        (326, "client-id-in-use"),
        (10141, "paper-disclaimer"),
        (504, "not-connected"),
        (1100, "connectivity-lost"),
        (2110, "connectivity-lost"),
        (2103, "data-farm-down"),
        (2105, "data-farm-down"),
        (2157, "data-farm-down"),
        (321, "request-invalid"),
        (200, "no-security-definition"),
        (100, "pacing"),
        (110, "price-increment"),
        (366, "no-such-request"),
        (2109, "attribute-ignored"),
        (10090, "partly-subscribed"),
        (10358, "fundamentals-missing"),
        (162, "historical-data"),
        (354, "not-subscribed"),
        (10089, "not-subscribed"),
        (10168, "not-subscribed"),
        (10147, "cancel-not-found"),
        (502, "could-not-connect"),
        (1300, "port-changed"),
    ],
)
def test_codes_lead_to_their_pages(code, entry_id):
    """Other rooms name these codes and pages together."""
    assert catalogue().by_code(code).id == entry_id


@pytest.mark.parametrize(
    "code", [2104, 2106, 2158, 2107, 2108, 2119, 202, 399, 10167, 10185, 10349, 1101, 1102]
)
def test_a_notice_that_is_no_error_says_so_first(code):
    """Users search for these numbers in fright; the first sentence takes it from them."""
    entry = catalogue().by_code(code)
    first_sentence = re.split(r"[.:]\s", entry.summary)[0]
    assert re.search(r"\b(no|not an) error\b", first_sentence)
    assert entry.severity == ("warning" if code in {399, 1101, 10349} else "info")


def test_every_page_of_severity_info_says_that_it_is_no_error():
    """A page that is shown like an error must not be taken for one."""
    for entry in catalogue().entries:
        if entry.severity == "info":
            first_sentence = re.split(r"[.:]\s", entry.summary)[0]
            assert re.search(r"\b(no|not an) error\b", first_sentence), entry.id


@pytest.mark.parametrize(
    ("entry_id", "checks"),
    [
        ("client-id-in-use", {"session.client-id"}),
        ("connection-refused", {"host.process", "net.port"}),
        ("handshake-silent", {"host.process", "net.tcp", "api.version"}),
        ("not-connected", {"session.state"}),
        ("request-invalid", set()),
    ],
)
def test_pages_name_the_checks_that_give_their_evidence(entry_id, checks):
    """The explanation runs the checks that its page names."""
    named = {check.check for check in catalogue().by_id(entry_id).checks if check.check}
    assert named >= checks
    assert bool(named) == bool(checks)


def test_only_existing_options_are_recommended():
    """A page never sends a user to an option that the magics do not have."""
    connect = {
        "--client-id",
        "--account",
        "--expect",
        "--timeout",
        "--wait",
        "--readonly",
        "--resume",
        "--trade",
        "--name",
        "--library",
    }
    for entry in catalogue().entries:
        for option in re.findall(r"%ibconnect[^.,:;]*?(--[a-z-]+)", text_of(entry)):
            assert option in connect, entry.id


def test_summaries_are_short():
    """A summary is a headline's second line: three sentences at most."""
    for entry in catalogue().entries:
        assert len(re.findall(r"[.!?](?:\s|$)", entry.summary)) <= 3, entry.id


def test_pages_do_not_relate_to_themselves():
    """A link that leads to where one is helps nobody."""
    for entry in catalogue().entries:
        assert entry.id not in entry.related
        assert len(set(entry.related)) == len(entry.related)


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (0, "50 messages"),
        (135, "no order"),
        (309, "market depth"),
        (438, "locked"),
        (460, "permission"),
        (501, "connected already"),
        (538, "still open"),
        (592, "configuration"),
        (109, "presets"),
        (10182, "historical bars"),
        (10225, "real-time bars"),
    ],
)
def test_a_code_of_a_family_says_what_happened(code, word):
    """The pages of less common codes share their advice, but each names its own trouble."""
    entry = catalogue().by_code(code)
    assert entry.codes == (code,)
    assert word in entry.summary


@pytest.mark.parametrize("code", [305, 306, 307, 324, 381, 384])
def test_a_dde_request_is_not_taken_for_one_of_python(code):
    """These concern a spreadsheet beside TWS, so nobody looks for the fault in a notebook."""
    entry = catalogue().by_code(code)
    assert entry.family == "request-dde"
    assert "DDE" in entry.summary


@pytest.mark.parametrize(
    "code", [304, 330, 331, 585, 2129, 2176, 10230, 10231, 10238, 10285, 10322]
)
def test_a_page_of_a_request_does_not_speak_of_an_order(code):
    """Who asked for data or accounts must not go looking for an order that was refused."""
    entry = catalogue().by_code(code)
    assert entry.category != "orders"
    assert "no order is involved" in entry.summary.lower()


@pytest.mark.parametrize("code", [10331, 10332, 10333, 10335, 10347])
def test_a_precaution_is_never_said_to_have_let_the_order_pass(code):
    """Whether it did depends on settings of TWS, so the page sends users to the order's status."""
    entry = catalogue().by_code(code)
    assert "not refused" not in text_of(entry)
    assert "reqAllOpenOrders" in entry.resolution[0]


def test_every_known_code_has_its_page():
    """No code that a TWS or Gateway is known to send is met with a shrug."""
    assert [code for code in codes_of(KNOWN) if catalogue().by_code(code) is None] == []


@pytest.mark.parametrize("code", list(codes_of(MOST_MET)))
def test_the_codes_that_users_meet_most_have_a_full_page(code):
    """What one sees, what may be behind it, what to look at, what to do, and what else to read."""
    entry = catalogue().by_code(code)
    assert entry.symptoms
    assert entry.causes
    assert entry.checks
    assert entry.resolution
    assert entry.related


def test_pages_that_are_told_by_text_are_full_pages():
    """Whoever gets the precise page gets all of it."""
    for entry in catalogue().entries:
        if entry.text:
            assert entry.symptoms, entry.id
            assert entry.causes, entry.id
            assert entry.checks, entry.id
            assert entry.related, entry.id


def test_every_check_has_a_page():
    """A check that fails is looked up by its id too."""
    assert set(catalogue().checks) == CHECKS
    assert {check: catalogue().by_check(check).id for check in PAGE_OF_CHECK} == PAGE_OF_CHECK


def test_every_check_is_named_by_a_page():
    """Whatever ibnb can look at stands beside the advice that it serves."""
    named = {check.check for entry in catalogue().entries for check in entry.checks if check.check}
    assert named == CHECKS


def test_a_page_that_names_a_build_says_with_what_it_was_last_true():
    """Builds change what is right, and the reader of a page has another one by then."""
    named = re.compile(r"\bbuild 10\.\d\d|\b10\.\d\d or later|Recent versions")
    undated = [
        entry.id
        for entry in catalogue().entries
        if entry.family is None and named.search(text_of(entry)) and not entry.as_of
    ]
    assert undated == []


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        (2174, ("yyyymmdd-hh:mm:ss", "US/Eastern", "was answered")),
        (478, ("conId", "futures and options")),
        (10149, ("orderId", "0")),
        (10274, ("PostToATS",)),
        (593, ("10.44",)),
        (430, ("10.47", "another source")),
        (10358, ("10.47", "subscription")),
        (357, ("library on this side", "not TWS or Gateway")),
        (503, ("TWS is updated", "157")),
    ],
)
def test_what_changed_with_the_builds_stands_on_its_page(code, facts):
    """What is known of today's gateways, and what to do about it."""
    entry = catalogue().by_code(code)
    assert [fact for fact in facts if fact not in text_of(entry)] == []


@pytest.mark.parametrize(
    ("entry_id", "facts"),
    [
        ("order-both-sides", ("US options", "ib.reqAllOpenOrders()")),
        ("order-too-many-working", ("15", "other client IDs")),
        ("order-no-account", ("order.account", "ib.managedAccounts()")),
        ("library-shadowed", ("__file__", "Rename")),
        ("official-client-missing", ("do not need it", "9.81")),
        ("eventkit-mixed", ("aeventkit",)),
        ("socket-forbidden", ("excludedportrange", "firewall")),
    ],
)
def test_the_pages_of_rejections_and_packages_have_their_facts(entry_id, facts):
    """One code with many reasons, and one error with many causes, say which it is."""
    assert [fact for fact in facts if fact not in text_of(catalogue().by_id(entry_id))] == []

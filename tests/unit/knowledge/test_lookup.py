"""Looking something up: what users have at hand leads to the page that helps them."""

import shutil
import subprocess
import sys
from itertools import pairwise

import pytest
from real_texts import OTHER_LANGUAGES, REAL_TEXTS

from ibnb.knowledge import (
    CatalogueError,
    UnknownQueryError,
    catalogue,
    completions,
    explain,
    lookup,
)
from ibnb.knowledge.ranges import RANGES, range_of


@pytest.mark.parametrize(
    "query", [326, "326", " 326 ", "Error 326, reqId -1: whatever", "code 326"]
)
def test_a_code_finds_its_page(query):
    """The code decides, alone or in a pasted log line of the libraries."""
    assert explain(query).entry.id == "client-id-in-use"


def test_a_code_beats_the_text_beside_it():
    """Texts vary by build and language, so the code is what counts."""
    explanation = explain(326, text="Nicht verbunden: connection refused")
    assert explanation.entry.id == "client-id-in-use"
    assert explanation.facts == ("The gateway said: Nicht verbunden: connection refused",)


@pytest.fixture
def beside(tmp_path, monkeypatch):
    """The catalogue, in a folder to which a test adds a file."""
    folder = tmp_path / "catalogue"
    shutil.copytree(lookup.FOLDER, folder)
    monkeypatch.setattr(lookup, "FOLDER", folder)
    lookup._part_with.cache_clear()
    yield folder / "zzz.toml"
    lookup._part_with.cache_clear()


def test_a_code_needs_no_file_in_which_it_does_not_stand(beside):
    """One page is read sooner than all: what the others hold is not even looked at."""
    beside.write_text("This is not TOML: 1326, 3260.", encoding="utf-8")
    assert explain(326).entry.id == "client-id-in-use"
    beside.write_text("This is not TOML: 326.", encoding="utf-8")
    lookup._part_with.cache_clear()
    with pytest.raises(CatalogueError, match=r"zzz\.toml"):
        explain(326)


def test_a_code_has_the_page_that_it_has_in_the_whole_catalogue():
    """With no text, with each text that is known of it, and with one that nobody knows."""
    known = catalogue()
    texts = {code: ["", "Keine Ahnung"] for code in known.codes}
    for one in (*REAL_TEXTS, *OTHER_LANGUAGES):
        texts.setdefault(one.code, []).append(one.text)
    for code, said in texts.items():
        for text in said:
            assert lookup._page_of(code, text) is known.by_code(code, text), (code, text)


def test_a_number_beyond_all_sense_has_a_page():
    """Also one that Python refuses to write."""
    for number in (10**30, -(10**30), 10**5000):
        assert explain(number).entry.id == "code-too-long"


@pytest.mark.parametrize("query", ["not-connected", "Not-Connected"])
def test_an_id_finds_its_page(query):
    """An id is found whatever its case."""
    assert explain(query).entry is catalogue().by_id("not-connected")


@pytest.mark.parametrize(
    ("words", "entry_id"),
    [
        ("client id", "client-id-in-use"),
        ("clientId already in use", "client-id-in-use"),
        ("duplicate client", "client-id-in-use"),
        ("Peer closed connection. clientId 7 already in use?", "client-id-in-use"),
        ("refused", "connection-refused"),
        ("connection refused", "connection-refused"),
        ("ConnectionRefusedError", "connection-refused"),
        ("ECONNREFUSED", "connection-refused"),
        ("WinError 10061", "connection-refused"),
        ("10061", "connection-refused"),
        ("error 10061", "connection-refused"),
        ("[Errno 111] Connect call failed ('127.0.0.1', 4002)", "connection-refused"),
        ("localhost", "connection-refused"),
        ("7497", "connection-refused"),
        ("4002", "connection-refused"),
        ("ib.connect", "connection-refused"),
        ("connectAsync", "connection-refused"),
        ("handshake", "handshake-silent"),
        ("handshake timeout", "handshake-silent"),
        ("timeout", "handshake-silent"),
        ("TimeoutError", "handshake-silent"),
        ("not connected", "not-connected"),
        ("isConnected", "not-connected"),
        ("Socket disconnect", "not-connected"),
        ("resubscribe", "not-connected"),
        ("validation", "request-invalid"),
        ("payload", "request-invalid"),
        ("parameter", "request-invalid"),
        ("read only", "read-only-api"),
        ("This event loop is already running", "event-loop-running"),
        ("ModuleNotFoundError", "no-api-library"),
        ("WinError 10054", "closed-before-version"),
        ("disclaimer", "paper-disclaimer"),
        ("clock", "clock-skew"),
        ("phone support", "ibkr-support"),
        ("API settings", "api-settings"),
        ("API logs", "api-logs"),
        ("pacing", "pacing"),
        ("pacing violation", "history-pacing"),
        ("No market data permissions", "history-no-permission"),
        ("HMDS query returned no data", "history-no-data"),
        ("cannot enter context: <_contextvars.Context object at 0x7f>", "queued-cells-lost"),
        ("Timeout should be used inside a task", "timeout-outside-task"),
        ("RequestError", "request-error"),
        ("Contract Stock(symbol='AAPL') can't be hashed", "contract-not-qualified"),
        ("Ambiguous contract", "contract-ambiguous"),
        ("stale ib", "stale-connection"),
        ("blocking handler", "blocking-in-handler"),
        ("There is no current event loop in thread 'Thread-7'", "blocking-on-thread"),
        ("threads", "blocking-on-thread"),
        ("The future belongs to a different loop than the one specified", "blocking-on-thread"),
        ("short sale", "short-sale-held"),
        ("margin", "order-no-margin"),
        ("delayed data", "delayed-data"),
        ("[Errno 61] Connect call failed ('127.0.0.1', 7497)", "connection-refused"),
    ],
)
def test_words_find_the_page_that_they_speak_of(words, entry_id):
    """Exception names, messages, ports and plain words all lead somewhere sensible."""
    assert explain(words).entry.id == entry_id


@pytest.mark.parametrize(
    ("typed", "entry_id"),
    [
        ("order cancelled", "order-cancelled"),
        ("order canceled", "order-cancelled"),
        ("Order Cancelled", "order-cancelled"),
        ("cancelled", "order-cancelled"),
        ("rejected", "order-rejected"),
        ("Inactive", "order-rejected"),
        ("Order was discarded", "order-rejected"),
        ("ValidationError", "order-message"),
        ("readonly", "read-only-api"),
        ("disconnected", "not-connected"),
        ("lost connection", "not-connected"),
        ("connection lost", "not-connected"),
        ("resume", "not-connected"),
        ("keeps disconnecting", "connection-losses"),
        ("no data", "history-no-data"),
        ("trusted ip", "api-settings"),
        ("Trusted IPs", "api-settings"),
        ("BrokenPipeError", "not-connected"),
        ("[Errno 32] Broken pipe", "not-connected"),
        ("BrokenPipeError: [Errno 32] Broken pipe", "not-connected"),
        ("Errno 104", "closed-before-version"),
        ("Connection reset by peer", "closed-before-version"),
        ("ConnectionResetError: [Errno 104] Connection reset by peer", "closed-before-version"),
        (
            "reqHistoricalData: Timeout for Stock(symbol='AAPL', exchange='SMART', currency='USD')",
            "request-timeout",
        ),
        ("Make sure API port on TWS/IBG is open", "connection-refused"),
        (
            "cancelMktData: No reqId found for contract Stock(symbol='AAPL', exchange='SMART')",
            "no-such-request",
        ),
        ("cancelMktDepth: No reqId found for contract Forex('EURUSD')", "no-such-request"),
    ],
)
def test_what_users_type_leads_to_the_page_that_they_mean(typed, entry_id):
    """Where many pages know the words, the one that was written for them comes first."""
    assert explain(typed).entry.id == entry_id
    found = [entry.id for entry in catalogue().search(typed)]
    assert found.count(entry_id) == 1


def test_every_page_is_found_by_the_words_that_it_was_given():
    """Words that led to another page first would be dead."""
    given = [(typed, entry) for entry in catalogue().entries for typed in entry.words]
    assert len(given) >= 30
    assert [typed for typed, entry in given if explain(typed).entry is not entry] == []


def test_short_words_inside_of_a_longer_query_do_not_decide():
    """Who types more than those words means something else by them."""
    assert explain("market data farm disconnected").entry.id == "data-farm-down"
    assert explain("order cancelled because of margin").entry.id != "order-cancelled"


@pytest.mark.parametrize("typed", ["326.0", " 326. ", "326.00"])
def test_a_code_may_have_been_made_a_float(typed):
    """Tables of numbers turn codes into floats, and users copy them from there."""
    assert explain(typed).entry.id == "client-id-in-use"


def test_search_puts_the_best_page_first_and_keeps_the_others():
    """Several pages know of time-outs; the handshake's is the one that most people mean."""
    found = [entry.id for entry in catalogue().search("timeout")]
    assert found[0] == "handshake-silent"
    assert "request-timeout" in found


@pytest.mark.parametrize(
    "words", ["xyzzy plugh", "", "  ", "the", "?!", "purple monkey dishwasher"]
)
def test_words_that_match_nothing_say_what_to_try(words):
    """One line, with something that works in it."""
    with pytest.raises(UnknownQueryError) as raised:
        explain(words)
    message = str(raised.value)
    assert "\n" not in message
    assert "326" in message
    assert isinstance(raised.value, LookupError)


@pytest.mark.parametrize(
    ("typed", "entry_id"),
    [
        ("pacng", "history-pacing"),
        ("pacing violatoin", "history-pacing"),
        ("conection refused", "connection-refused"),
        ("connectoin refused", "connection-refused"),
        ("clinet id", "client-id-in-use"),
        ("handshke", "handshake-silent"),
        ("disclamer", "paper-disclaimer"),
        ("stlae-conection", "stale-connection"),
        ("client-id-in-us", "client-id-in-use"),
    ],
)
def test_a_slip_of_the_pen_is_forgiven(typed, entry_id):
    """Who is in trouble types fast."""
    assert explain(typed).entry.id == entry_id


@pytest.mark.parametrize(
    "words",
    ["error326", "IB326 again", "code:326", "326 client", "got a 326?", "#326", "Fehler 326"],
)
def test_a_code_is_found_inside_of_words(words):
    """The number is what people remember."""
    assert explain(words).entry.id == "client-id-in-use"


def test_words_beside_a_code_choose_among_its_pages():
    """One code may mean several things; one word is enough to tell which."""
    assert explain("error 162 pacing").entry.id == "history-pacing"
    assert explain("Error 162").entry.id == "historical-data"


def test_a_known_word_is_never_read_as_another():
    """Only what no page holds is taken for a typing error."""
    assert explain("clock").entry.id == "clock-skew"
    assert "clock-skew" not in [entry.id for entry in catalogue().search("close")][:1]


@pytest.mark.parametrize("check", ["api.version", " API.Version "])
def test_a_check_leads_to_its_page(check):
    """The id that a report shows can be looked up as it stands."""
    assert explain(check).entry.id == "handshake-silent"


@pytest.mark.parametrize(
    ("prefix", "words"),
    [
        ("10141", ("10141",)),
        ("210", tuple(str(code) for code in range(2100, 2110))),
        ("client-", ("client-id-in-use", "client-too-old")),
        ("Client-", ("client-id-in-use", "client-too-old")),
        ("api.v", ("api.version",)),
        ("1034", tuple(str(code) for code in [*range(10340, 10348), 10349])),
        ("order-price-1", ()),
        ("xyzzy", ()),
    ],
)
def test_a_prefix_is_completed(prefix, words):
    """Ids, checks and codes are offered, but not the pages that their code finds as well."""
    assert completions(prefix) == words


@pytest.mark.parametrize("beginning", ["1", "10", "2"])
def test_a_beginning_offers_every_code_that_has_it(beginning):
    """However many there are: a code that is not offered looks like one that nobody knows."""
    codes = [str(code) for code in catalogue().codes]
    begun = {code for code in codes if code.startswith(beginning)}
    assert begun
    assert set(completions(beginning)) == begun


def test_completions_are_bounded():
    """A bare tab offers some, not the whole catalogue; each of them can be explained."""
    offered = completions("")
    assert len(offered) == 100
    assert all(explain(word).entry for word in offered)


def test_a_long_paste_that_matches_nothing_is_not_repeated_in_full():
    """The message stays one line that can be read."""
    with pytest.raises(UnknownQueryError) as raised:
        explain("qwx " * 2000)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("code", "range_name", "word"),
    [
        (199, "rejection", "rejects"),
        (455, "permission", "permission"),
        (599, "client-side", "this machine"),
        (1200, "system", "link to IBKR"),
        (2199, "warning", "not an error"),
        (10999, "advanced", "newer"),
    ],
)
def test_an_unknown_code_is_explained_by_its_range(code, range_name, word):
    """Never silence: who sends such codes, and what to do first."""
    assert catalogue().by_code(code) is None
    entry = explain(code).entry
    assert range_of(code).name == range_name
    assert entry.id == f"code-{code}"
    assert entry.codes == (code,)
    assert word in entry.summary
    assert entry.severity == range_of(code).severity
    assert entry.resolution


def test_an_unknown_code_keeps_the_text_that_came_with_it():
    """The gateway's own words are the best there is to go by."""
    entry = explain(10999, text="Frobnication is not allowed").entry
    assert entry.id == "code-10999"
    assert "Frobnication is not allowed" in entry.summary


SOMETHING = "Something new happened: pacing violation of the handshake"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"Error 99999, reqId 3: {SOMETHING}", 99999),
        (f"Error 10400, reqId 3: {SOMETHING}, contract: Stock(symbol='AAPL')", 10400),
        (f"Error 10400: {SOMETHING}", 10400),
        (f"ERROR -1 99999 {SOMETHING}", 99999),
        (f"ERROR 3 1749823634683 10400 {SOMETHING}", 10400),
        (f"ib_insync.wrapper.RequestError: API error: 99999: {SOMETHING}", 99999),
        (f"{{'reqId': 3, 'errorCode': 99999, 'errorString': '{SOMETHING}'}}", 99999),
        (f"Error 7497, reqId 3: {SOMETHING}", 7497),
        (f"Error 10061, reqId 3: {SOMETHING}", 10061),
    ],
)
def test_a_pasted_notice_with_an_unknown_code_is_not_explained_by_its_words(line, code):
    """Words of another page would send users astray; they get the code's range and the raw text."""
    entry = explain(line).entry
    assert entry.id == f"code-{code}"
    assert f'The notice said: "{SOMETHING}"' in entry.summary


@pytest.mark.parametrize(
    "typed", ["Error 99999", "error code 99999", "code: 99999", "Error 99999:"]
)
def test_an_unknown_code_is_told_from_words(typed):
    """The word beside the number says what it is, and is not a word to search by."""
    assert explain(typed).entry.id == "code-99999"


def test_a_notice_is_never_taken_for_an_error_of_the_operating_system():
    """With a text it came from the gateway, so its number is a notice code."""
    assert explain(10061, text="Something about an order").entry.id == "code-10061"


@pytest.mark.parametrize(
    "number", [-1, "-1", -5, 5, "30", 99, 600, 5000, 99999, "123456789", 2**63]
)
def test_a_number_outside_of_every_range_gets_a_page(number):
    """Any number is answered, also one that no gateway sends."""
    entry = explain(number).entry
    assert entry.id == f"code-{number}"
    assert entry.resolution
    assert all(code >= 0 for code in entry.codes)


@pytest.mark.parametrize(
    "number",
    ["9" * 5000, "-" + "9" * 5000, 10**5000, -(10**5000)],
    ids=["text", "negative text", "number", "negative number"],
)
def test_absurdly_long_numbers_are_answered_without_repeating_them(number):
    """Python refuses to convert them; users get a page all the same, of readable size."""
    entry = explain(number).entry
    assert entry.codes == ()
    assert len(entry.title) <= 60
    assert len(entry.summary) < 300


def test_no_range_overlaps_another():
    """A code lies in one range, so its meaning is one."""
    ordered = sorted(RANGES, key=lambda known: known.first)
    assert all(low.last < high.first for low, high in pairwise(ordered))
    assert all(known.first <= known.last for known in RANGES)


def test_the_explanation_carries_the_page_in_the_json_format():
    """Programs read these keys; checks are their texts."""
    page = explain(326).to_dict()
    assert list(page) == [
        "id",
        "codes",
        "title",
        "category",
        "severity",
        "summary",
        "symptoms",
        "causes",
        "checks",
        "resolution",
        "related",
        "match",
        "candidates",
    ]
    assert page["codes"] == [326]
    assert all(isinstance(check, str) for check in page["checks"])


def test_importing_the_room_reads_nothing():
    """The catalogue waits for the first look-up; so does what is slow to import."""
    program = (
        "import sys, ibnb.knowledge as room\n"
        "assert room.catalogue.cache_info().currsize == 0\n"
        "print(sorted({'tomllib', 'difflib', 'importlib.resources'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"

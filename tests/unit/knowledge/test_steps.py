"""Look-up in steps of certainty: what is recognised, how, and what is left alone."""

from pathlib import Path

import pytest
from real_texts import REAL_TEXTS

from ibnb.knowledge import UnknownQueryError, catalogue, explain

FOLDER = Path(__file__).parent
STRANGERS = [
    line
    for line in FOLDER.joinpath("other_programs.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
# One text of several codes, or too short to be told from other programs' messages.
SHARED = {
    "Not connected": "not-connected",
    "Error processing request.-'bO' : cause - Duplicate ticker id": "duplicate-request-id",
}


def page_of(words):
    """Return how words were found and the id of their page; ``none`` and nothing without one."""
    try:
        found = explain(words)
    except UnknownQueryError:
        return "none", None
    return found.match, found.entry.id


@pytest.mark.parametrize(
    ("words", "match", "entry_id"),
    [
        ("326", "code", "client-id-in-use"),
        ("client-id-in-use", "code", "client-id-in-use"),
        ("api.version", "code", "handshake-silent"),
        ("Error 2103, reqId -1: anything", "code", "data-farm-down"),
        ("Market data farm connection is broken:usfuture", "text", "data-farm-down"),
        ("ConnectionRefusedError: [Errno 111] Connect call failed", "exception", None),
        ("duplicate client", "words", "client-id-in-use"),
    ],
)
def test_how_a_page_was_found_is_part_of_the_answer(words, match, entry_id):
    """A program, and a reader, can tell what is certain from what is a guess."""
    found = explain(words)
    assert (found.match, found.to_dict()["match"]) == (match, match)
    assert found.is_guess == (match == "words")
    assert entry_id in {None, found.entry.id}
    assert found.to_dict()["candidates"] == list(found.candidates)


@pytest.mark.parametrize("row", REAL_TEXTS, ids=lambda row: f"{row.code}-{row.text[:20]}")
@pytest.mark.parametrize(
    "line",
    [
        "{text}",
        "2026-11-10 10:32:54,154 [Thread-3] ERROR broker.client - {text}",
        "ERROR:2026-11-10 10:32:54,154:ibapi.client:{text}, contract: Stock(symbol='AAPL')",
        "\x1b[31mERROR\x1b[0m {text}",
    ],
)
def test_a_notice_without_its_code_is_known_by_its_text(line, row):
    """Pop-ups, spreadsheets and many logs leave the code out; what stands around is left aside."""
    match, entry_id = page_of(line.format(text=row.text))
    expected = SHARED.get(row.text, row.entry_id)
    if line == "{text}":
        assert (match, entry_id) == ("text", expected)
    else:
        # It may be too short to be told inside of other words, and then it is not guessed at.
        assert entry_id in {expected, None}


@pytest.mark.parametrize("row", REAL_TEXTS, ids=lambda row: f"{row.code}-{row.text[:20]}")
def test_a_text_that_is_broken_over_lines_is_the_same_text(row):
    """A terminal wraps what it shows, between words or within one."""
    hard = f"{row.text[:40]}\n{row.text[40:]}"
    assert page_of(hard)[1] in {SHARED.get(row.text, row.entry_id), None}
    words = row.text.split()
    broken = "\n".join([" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])])
    assert page_of(broken)[1] in {SHARED.get(row.text, row.entry_id), None}


@pytest.mark.parametrize("share", [0.5, 0.6, 0.7, 0.8, 0.9])
def test_the_beginning_of_a_text_is_never_taken_for_another_text(share):
    """What was cut off leads to its page, or to none, or is marked as a guess."""
    wrong, right = [], 0
    for row in REAL_TEXTS:
        cut = row.text[: int(len(row.text) * share)]
        match, entry_id = page_of(cut)
        right += row.code in codes_of(entry_id)
        if match in {"text", "exception"} and row.code not in codes_of(entry_id):
            wrong.append((cut, match, entry_id))
    assert wrong == []
    assert right >= len(REAL_TEXTS) / 3


def codes_of(entry_id):
    entry = catalogue().by_id(entry_id) if entry_id else None
    return entry.codes if entry else ()


@pytest.mark.parametrize(
    ("text", "entry_id"),
    [
        ("Max rate of messages per second has been exceeded:max=50 rec=71 (9)", "pacing"),
        ("Order size 0.25 is smaller than the minimum required size of 5.", "order-size-388"),
        ("OrderId 77 that needs to be cancelled cannot be cancelled, state: Filled.", None),
        ("HMDS query returned no data: NESN@EBS Trades", "history-no-data"),
        ("Connectivity between IBKR and TWS has been lost", "connectivity-lost"),
        ("Misc options key=foo is invalid in bar request. Valid keys are: a b", None),
        ("order rejected - reason: no trading permission", "order-no-permission"),
        ("Order Sending Error - 'int' object has no attribute 'encode'", "client-sending-512"),
    ],
)
def test_what_varies_in_a_text_may_vary(text, entry_id):
    """Numbers, symbols, names and the reason at the end are those of one day."""
    match, found = page_of(text)
    assert match == "text"
    assert entry_id in {None, found}


@pytest.mark.parametrize(
    ("said", "good", "bad"),
    [
        ("Market data farm connection is {}:usfarm", "OK", "broken"),
        ("HMDS data farm connection is {}:ushmds", "OK", "broken"),
        ("Sec-def data farm connection is {}:secdefil", "OK", "broken"),
        ("A market data farm is {}.", "connecting", "disconnected"),
        ("Connectivity between IB and Trader Workstation has been {}.", "restored", "lost"),
    ],
)
def test_a_text_is_never_taken_for_its_contrary(said, good, bad):
    """Good news and bad news differ in one word; a guess must not mix them up either."""
    for word, others in ((good, {"error", "warning"}), (bad, {"info"})):
        for line in (said, f"10:32:54 WARN bot - {said}", f"my log says {said} all day"):
            _, entry_id = page_of(line.format(word))
            assert entry_id is None or catalogue().by_id(entry_id).severity not in others, line
    for word in (f"not {good}", f"not {bad}"):
        assert page_of(said.format(word))[1] is None


@pytest.mark.parametrize(
    "text",
    [
        "Connectivity between IB and TWS has been",
        "Connectivity between IB and TWS has been restored - data",
        "Sec-def data farm connection is",
    ],
)
def test_what_may_be_several_notices_is_none_of_them(text):
    """They mean different things, so that all of them are named, and none is chosen."""
    with pytest.raises(UnknownQueryError) as raised:
        explain(text)
    assert len(raised.value.candidates) > 1
    assert raised.value.to_dict()["match"] == "none"


def test_a_text_that_comes_with_several_codes_names_them_all():
    """The words alone cannot tell which of the codes it was."""
    found = explain(
        "Due to system problems, application is currently accepting only Market "
        "and Limit orders for this contract."
    )
    assert {396, 397} <= {*found.entry.codes}
    assert found.match == "text"


@pytest.mark.parametrize("line", STRANGERS)
def test_messages_of_other_programs_get_no_page(line):
    """Unless it is marked as a guess: a wrong page costs more than none."""
    match, entry_id = page_of(line)
    assert match in {"none", "words"}, entry_id


def test_there_are_many_messages_of_other_programs_and_few_guesses():
    """A list that was not read, or a guess for everything, would let the test above pass."""
    assert len(STRANGERS) >= 300
    assert sum(page_of(line)[0] == "words" for line in STRANGERS) <= len(STRANGERS) / 10


@pytest.mark.parametrize(
    ("line", "entry_id"),
    [
        ("ERROR:2026-12-30 06:25:45,473:Error 1100, reqId -1: Whatever", "connectivity-lost"),
        ("06:25 | ERROR | __main__:error:104 - Error 200, reqId 3: What", "no-security-definition"),
        ("socat[119] Error 2103, reqId -1: Something is broken", "data-farm-down"),
        ("Warning: 3 of 200 requests failed. Error 1100, reqId -1: Oh", "connectivity-lost"),
        ("line 1187, Error 326, reqId -1: Oh", "client-id-in-use"),
        ("host python[326]: Error 110, reqId 5: Off", "price-increment"),
        ("{'time': 12, 'line': 104, 'reqId': 5, 'errorCode': 2103}", "data-farm-down"),
        ("error-3: -1 | 2103 | Market data farm connection is broken:usfarm", "data-farm-down"),
        ("IB error code 326", "client-id-in-use"),
        ("Fehlercode 502", "could-not-connect"),
        ('{"code":326,"message":"Unable to connect"}', "client-id-in-use"),
        ("EWrapper.error(-1, 1100, 'Connectivity has been lost')", "connectivity-lost"),
    ],
)
def test_numbers_of_loggers_are_not_taken_for_the_code(line, entry_id):
    """Times, process IDs, line numbers and counts stand beside the code, and before it."""
    assert page_of(line) == ("code", entry_id)


@pytest.mark.parametrize(
    "line",
    [
        "socat[119]: exiting with status 1",
        "process exited with code 137",
        "HTTP status 404",
        "[Errno 2] No such file or directory",
        "ERROR 1062 (23000): Duplicate entry",
        "Warning: 162 rows were dropped",
        "502 Bad Gateway",
    ],
)
def test_numbers_of_other_programs_are_no_codes(line):
    """Many of them are codes somewhere, and mean another thing here."""
    assert page_of(line)[0] != "code"


def test_of_several_notices_the_first_that_matters_is_explained():
    """A connect begins with good news; the others are named as what it may be about as well."""
    lines = (
        "Error 2104, reqId -1: Market data farm connection is OK:usfarm\n"
        "Error 2106, reqId -1: HMDS data farm connection is OK:ushmds\n"
        "Error 200, reqId 3: No security definition has been found for the request\n"
        "Error 354, reqId 4: Requested market data is not subscribed."
    )
    found = explain(lines)
    assert found.entry.id == "no-security-definition"
    assert {"farm-ok", "not-subscribed"} == {*found.candidates}
    bare = "\n".join(line.partition(": ")[2] for line in lines.splitlines())
    assert page_of(bare) == ("text", "no-security-definition")


FRAMES = """Traceback (most recent call last):
  File "/x/site-packages/ib_insync/ib.py", line 326, in {call}
    raise ConnectionError('clientId already in use, connection refused')
  File "/x/bot.py", line 104, in main
    log('Error 201, reqId 5: Order rejected')
"""


@pytest.mark.parametrize(
    ("call", "last", "entry_id"),
    [
        ("connect", "TimeoutError", "connect-timeout"),
        ("connectAsync", "asyncio.exceptions.TimeoutError", "connect-timeout"),
        ("reqHistoricalData", "TimeoutError", "request-timeout"),
        ("connect", "RuntimeError: This event loop is already running", "event-loop-running"),
        ("reqMktData", "ConnectionError: Not connected", "not-connected"),
        ("connect", "KeyError: 'upper'", None),
        ("placeOrder", "AssertionError", "order-done"),
        ("connect", "AttributeError: 'NoneType' object has no attribute 'bid'", None),
        ("run", "ib_insync.wrapper.RequestError: API error: 321: x Read-Only mode", None),
    ],
)
def test_of_a_traceback_the_end_decides_and_never_the_frames(call, last, entry_id):
    """Frames hold the words of every error there is."""
    match, found = page_of(FRAMES.format(call=call) + last)
    if "API error" in last:
        assert (match, found) == ("code", "read-only-api")
    else:
        assert found == entry_id
        assert match == ("none" if entry_id is None else match)


def test_the_cause_of_an_exception_counts_if_it_says_nothing_itself():
    """A program's own exception often stands for the one that it was raised from."""
    refused = "ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 4002)"
    for link in (
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    ):
        chain = f"{FRAMES}{refused}\n\n{link}\n\n{FRAMES}bot.BrokerDown: no orders today"
        assert page_of(chain) == ("exception", "connection-refused")
    assert page_of(f"{FRAMES}KeyError: 'a'\n\n{link}\n\n{FRAMES}{refused}")[1] == (
        "connection-refused"
    )


def test_the_traceback_of_a_notebook_is_read_like_any_other():
    """IPython writes the exception's name above the frames too, and numbers before each line."""
    text = (
        "-----------------------------------------------------------\n"
        "RuntimeError                Traceback (most recent call last)\n"
        "Cell In[3], line 326\n      1 ib = IB()\n----> 2 ib.connect('127.0.0.1', 7497)\n\n"
        "File ~/x/ib_async/util.py:419, in run(timeout, *awaitables)\n"
        "RuntimeError: This event loop is already running"
    )
    assert page_of(text) == ("exception", "event-loop-running")
    assert page_of(text.replace("This event loop is already running", "no"))[1] is None


@pytest.mark.parametrize(
    ("line", "entry_id"),
    [
        (
            (
                "java.lang.RuntimeException: no\n\tat a.B.c(B.java:326)\n"
                "Caused by: java.net.ConnectException: Connection refused\n\t... 2 more"
            ),
            "connection-refused",
        ),
        (
            (
                "Unhandled exception. System.Net.Sockets.SocketException (10061): No connection "
                "could be made because the target machine actively refused it.\n   at A.B()"
            ),
            "connection-refused",
        ),
        (
            "Error: connect ECONNREFUSED 127.0.0.1:4002\n    at TCPConnectWrap.x",
            "connection-refused",
        ),
        ("Io(Os { code: 111, kind: ConnectionRefused, message: 'x' })", "connection-refused"),
        ("dial tcp 127.0.0.1:4002: connect: connection refused", "connection-refused"),
        (
            "socat[119] E connect(5, AF=2 127.0.0.1:4000, 16): Connection refused",
            "connection-refused",
        ),
        ("Errno 104", "closed-before-version"),
        ("[WinError 10053] An established connection was aborted", "closed-before-version"),
        ("java.net.SocketException: Connection reset", "closed-before-version"),
        ("OSError: [WinError 10038] not a socket", "not-connected"),
        ("write: broken pipe", "not-connected"),
        ("PermissionError: [WinError 10013] forbidden", "socket-forbidden"),
        ("OSError: [WinError 10049] not valid in its context", "host-unreachable"),
        ("OSError: [WinError 121] The semaphore timeout period", "host-unreachable"),
        ("TimeoutError: [Errno 110] Connect call failed ('10.0.0.5', 4001)", "host-unreachable"),
        ("Error: getaddrinfo ENOTFOUND ib-gateway", "host-unreachable"),
        ("java.net.UnknownHostException: gateway", "host-unreachable"),
        ("ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number", "not-a-gateway"),
        ("tls: first record does not look like a TLS handshake", "not-a-gateway"),
        ("OSError: [Errno 98] Address already in use", "port-taken"),
        ("OSError: [Errno 24] Too many open files", "too-many-files"),
        ("ModuleNotFoundError: No module named 'ibapi'", "official-client-missing"),
        ("ModuleNotFoundError: No module named 'ib_async'", "no-api-library"),
        ("AttributeError: module 'eventkit' has no attribute 'Event'", "eventkit-mixed"),
        (
            "ImportError: cannot import name 'IB' from partially initialized module 'ib_insync'",
            "library-shadowed",
        ),
        ("RuntimeError: Task got Future attached to a different loop", "blocking-on-thread"),
        ("positions request timed out", "sync-incomplete"),
    ],
)
def test_errors_of_systems_and_of_other_languages_lead_to_their_page(line, entry_id):
    """By number, and in the words of clients in Java, C#, JavaScript, Rust and Go."""
    assert page_of(line) == ("exception", entry_id)


def test_the_same_error_of_another_program_is_a_guess():
    """A database that refuses a connection says nothing of a gateway."""
    assert (
        page_of(
            "redis.exceptions.ConnectionError: Error 111 connecting to localhost:6379. "
            "Connection refused."
        )[0]
        == "words"
    )
    assert page_of("Error: connect ECONNREFUSED 127.0.0.1:5432")[0] == "words"


def test_every_pattern_of_an_exception_is_one():
    """They are compiled at the first exception only, so that no code waits for them."""
    raised = [entry for entry in catalogue().entries if entry.raised]
    assert len(raised) >= 20
    assert catalogue().by_exception("nothing of the kind") is None


@pytest.mark.parametrize(
    "words",
    [
        *("ib.connect hangs forever", "why is my order cancelled", "market data farm down"),
        *("second factor", "client id already used", "too many working orders"),
    ],
)
def test_a_guess_names_what_else_it_may_be(words):
    """Who asked in words of their own can go on to the next page."""
    found = explain(words)
    assert found.is_guess
    assert found.entry.id not in found.candidates
    assert all(catalogue().by_id(one) for one in found.candidates)


@pytest.mark.parametrize(
    "words", ["the weather in Paris", "remove the old car", "hangs my picture"]
)
def test_words_of_other_things_are_not_guessed_at(words):
    """One word in common is not enough."""
    assert page_of(words)[0] == "none"


def test_quotation_marks_around_a_paste_do_not_matter():
    """People put them there."""
    for quoted in ('"{}"', "'{}'", "`{}`", "\u201c{}\u201d", "\n {}\n"):
        assert page_of(quoted.format("No market data permissions"))[1] == "history-no-permission"
        assert page_of(quoted.format("Not connected")) == ("text", "not-connected")


# What the first users of the catalogue asked, in other words than theirs.
NEIGHBOURS = [
    ("the second script cannot connect", "client-id-in-use"),
    ("a notebook reconnect collides with the other session", "client-id-in-use"),
    ("previous process did not disconnect", "client-id-in-use"),
    ("two clients use the same clientId", "client-id-in-use"),
    ("stable unique client ID for each workflow", "client-id-in-use"),
    ("python cannot open a socket to the gateway", "connection-refused"),
    ("no listener on localhost", "connection-refused"),
    ("configured port does not match the paper session", "connection-refused"),
    ("socket clients not enabled in the API", "connection-refused"),
    ("the socket dropped", "not-connected"),
    ("requests fail after a disconnect", "not-connected"),
    ("gateway restarted", "not-connected"),
    ("request rejected as invalid", "request-invalid"),
    ("required parameter missing", "request-invalid"),
    ("compare the parameters with a known-good request", "request-invalid"),
    ("smallest reproducible request", "request-invalid"),
    ("restart the gateway", "handshake-silent"),
    ("port 4002 is listening", "handshake-silent"),
    ("API handshakes time out", "handshake-silent"),
    ("close the IB Gateway completely", "handshake-silent"),
    ("add 127.0.0.1 to the trusted IPs", "api-settings"),
    ("create the API message log file", "api-logs"),
    ("look for authentication failures", "api-logs"),
    ("contact the IBKR support", "ibkr-support"),
]


@pytest.mark.parametrize(("words", "entry_id"), NEIGHBOURS)
def test_the_words_of_users_lead_to_their_page(words, entry_id):
    """Sentences, and what is near them, not only the keywords."""
    assert page_of(words) == ("words", entry_id)

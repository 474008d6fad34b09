"""The command `ibnb` as a program: what it prints, where, and with which exit status."""

import errno
import json
import os
import re
import signal
import socket
import subprocess
import sys

import pytest
import servers
from commands import LONGEST, environment, ibnb
from servers import Server

from ibnb import __version__
from ibnb.app import set_app
from ibnb.cli import VERBS, main
from ibnb.diagnostics import CHECKS
from ibnb.knowledge import catalogue
from ibnb.options import diagnose_parser
from ibnb.session import BadInputError
from ibnb.simulator import SimulatedGateway
from ibnb.tws.processes import Running
from ibnb.tws.target import Target, parse_target

NAMES = ("diag", "explain", "sim", "demo")
ENTRY_KEYS = [
    *("id", "codes", "title", "category", "severity", "summary", "symptoms"),
    *("causes", "checks", "resolution", "related", "match", "candidates"),
]


@pytest.fixture(autouse=True)
def no_app(monkeypatch):
    """Let each test that runs the command in this process begin without an app and settings."""
    for name in [name for name in os.environ if name.startswith("IBNB_")]:
        monkeypatch.delenv(name)
    before = set_app(None)
    yield
    set_app(before)


MAGIC = re.compile(r"%(?:ib[a-z]+|load_ext|reload_ext|config|pip)\b")


def test_a_report_in_a_terminal_names_what_works_there(refused_port, monkeypatch, capsys):
    """No magic, and not the diagnosis that was just made; what needs no gateway is offered."""
    # Whatever else runs on this machine.
    monkeypatch.setattr("ibnb.diagnostics.machine.running", lambda: Running(()))
    main(["diag", str(refused_port)])
    text = " ".join(capsys.readouterr().out.split())
    assert not MAGIC.search(text)
    first = text.partition("Do this first")[2].partition("Checks:")[0]
    assert "ibnb diag" not in first
    assert "Start TWS or IB Gateway" in first
    assert "`ibnb sim` runs a simulated one." in first
    main(["diag", str(refused_port), "--json"])
    steps = json.loads(capsys.readouterr().out)["verdict"]["fix"]
    assert steps
    assert not MAGIC.search(str(steps))


@pytest.mark.parametrize("page", ["504", "326", "orders-locked", "event-loop-running", "healthy"])
def test_a_page_in_a_terminal_names_what_works_there(page):
    """What to do can be done where the page is read, in the text and in the JSON."""
    steps = json.loads(ibnb("explain", page, "--json").stdout)["resolution"]
    assert steps
    assert not MAGIC.search(str(steps))
    text = ibnb("explain", page).stdout.partition("What to do")[2].partition("What to check")[0]
    assert not MAGIC.search(text)


def test_explain_as_json():
    """The entry of a code, with exactly the documented keys, all texts as texts."""
    ended = ibnb("explain", "326", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    entry = json.loads(ended.stdout)
    assert list(entry) == ENTRY_KEYS
    assert entry["id"] == "client-id-in-use"
    assert 326 in entry["codes"]
    assert entry["severity"] in {"info", "warning", "error"}
    for key in ("symptoms", "causes", "checks", "resolution", "related"):
        assert all(type(text) is str and text for text in entry[key]), key
    assert entry["resolution"]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            (
                "Error 321, reqId 4: Error validating request.-'bN' : cause - Historical data bar "
                "size setting is invalid. Legal ones are: 1 secs, 5 secs"
            ),
            "bar-size-invalid",
        ),
        (
            (
                "ERROR:ib_async.wrapper:Error 200, reqId 3: No security definition has been found "
                "for the request, contract: Stock(symbol='NOSUCH')"
            ),
            "no-security-definition",
        ),
        (
            (
                "ConnectionRefusedError: [WinError 10061] No connection could be made because the "
                "target machine actively refused it"
            ),
            "connection-refused",
        ),
    ],
)
def test_explain_a_pasted_line_as_json(line, found):
    """A line as a log or a traceback has it, as one argument or as many, leads to its page."""
    for words in ([line], line.split()):
        ended = ibnb("explain", *words, "--json")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert json.loads(ended.stdout)["id"] == found


def test_explain_as_text():
    """Without `--json` the same entry is text."""
    ended = ibnb("explain", "326")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert catalogue().by_id("client-id-in-use").title in ended.stdout


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["client", "id"], "client-id-in-use"),
        (["connection", "refused"], "connection-refused"),
        (["client-id-in-use"], "client-id-in-use"),
        (["Error 10141, reqId -1: ..."], "paper-disclaimer"),
    ],
)
def test_explain_finds_by_words(words, found):
    """Words, an id or a whole log line lead to the entry."""
    ended = ibnb("explain", *words, "--json")
    assert (json.loads(ended.stdout)["id"], ended.returncode) == (found, 0)


@pytest.mark.parametrize("number", ["99999", "0", "-1", "10999"])
def test_a_number_always_gets_an_explanation(number):
    """Also one that nobody knows: exit status 0, and the number is in the text."""
    ended = ibnb("explain", number)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.strip()


def test_words_that_match_nothing():
    """Exit status 1, nothing on standard output, one line that says what to try."""
    ended = ibnb("explain", "xyzzy", "plugh")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert re.fullmatch(r"Nothing in the catalogue matches 'xyzzy plugh'\. .+\n", ended.stderr)


def test_words_that_match_nothing_as_json():
    """Programs are told the same in the keys that they know: no page, and which come nearest."""
    ended = ibnb("explain", "asyncio.exceptions.CancelledError: no handshake", "--json")
    assert ended.returncode == 1
    answer = json.loads(ended.stdout)
    assert list(answer) == ENTRY_KEYS
    assert (answer["id"], answer["match"]) == (None, "none")
    assert answer["candidates"]
    assert all(catalogue().by_id(one) for one in answer["candidates"])


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["explain", "xyzzy", "U7654321", "plugh", "du7654321"], 1),
        (["explain", "xyzzy-U7654321", "--json"], 1),
        (["explain", f"xyzzy {'x' * 48} DU7654321 plugh"], 1),
        (["explain", f"xyzzy-{'x' * 48}-DU7654321-plugh"], 1),
        (["explain", "Error 99999, reqId 1: for DU7654321"], 0),
        (["explain", "Error 99999, reqId 1: for du7654321", "--json"], 0),
        (["U7654321"], 2),
        (["diag", "DU7654321"], 2),
        (["diag", "4002", "--client-id", "du7654321"], 2),
        (["diag", "4002", "--only", "DU7654321"], 2),
        (["diag", "4002", "DU7654321"], 2),
        (["diag", "4002", "--bundle", "/no/such/folder/DU7654321.zip"], 2),
        (["sim", "--fault", "U7654321"], 2),
    ],
)
def test_an_account_that_was_typed_is_not_repeated(words, status, capsys):
    """What was given is told back, in errors and answers alike, but no account in it."""
    assert main(words) == status
    told = "".join(capsys.readouterr())
    assert "7654" not in told
    assert "•••" in told or "...'" in told


def test_json_holds_no_control_character_of_foreign_text():
    """Neither as it is printed nor when it is read again, in values and in keys."""
    hostile = "\x9b31m \x1b[2J \x7f \u202e\u2066 \x85 \u2028 us\x9bfarm"

    def script(client):
        notices = servers.notice(2104, f"is OK:{hostile}"), servers.notice(2103, hostile)
        servers.healthy(client, *notices)

    with Server(script) as server:
        diagnosed = ibnb("diag", str(server.port), "--json")
    explained = ibnb("explain", f"Error 99999, reqId 1: {hostile}", "--json")
    for ended in (diagnosed, explained):
        assert ended.stderr == ""
        texts = [*ended.stdout.split("\n"), *texts_of(json.loads(ended.stdout))]
        assert any(r"\x9b31m" in text for text in texts)
        assert not [text for text in texts if HARMFUL.search(text)]
    (link,) = (one for one in json.loads(diagnosed.stdout)["checks"] if one["id"] == "api.link")
    assert any(r"us\x9bfarm" in farm for farm in link["evidence"]["farms"])


HARMFUL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def texts_of(value):
    """Yield every text and every key of what was read from JSON."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *texts_of(item))
    elif isinstance(value, list):
        for item in value:
            yield from texts_of(item)
    elif isinstance(value, str):
        yield value


BAD_INPUT = {
    "unknown verb": (["diagnose"], "'diagnose'", "diag, explain, sim, demo"),
    "no verb but an option": (["--json"], "'--json'", "diag, explain, sim, demo"),
    "unknown target": (["diag", "moon"], "'moon'", "paper, live, sim, PORT or HOST:PORT"),
    "empty target": (["diag", ""], "''", "paper, live, sim, PORT or HOST:PORT"),
    "blank target": (["diag", " "], "''", "paper, live, sim, PORT or HOST:PORT"),
    "empty bundle": (["diag", "4002", "--bundle", ""], "''", "give its name"),
    "port out of range": (["diag", "70000"], "70000", "from 1 to 65535"),
    "port 0": (["diag", "127.0.0.1:0"], "port 0", "from 1 to 65535"),
    "port of words": (["diag", "localhost:paper"], "'paper'", "from 1 to 65535"),
    "two targets": (["diag", "4001", "4002"], "4002", "--client-id"),
    "client ID": (["diag", "4002", "--client-id", "x"], "'x'", "from 0 to 2147483647"),
    "large client ID": (["diag", "4002", "--client-id", "9" * 12], "9" * 12, "2147483647"),
    "expectation": (["diag", "--expect", "demo"], "demo", "paper"),
    "library": (["diag", "--library", "ibapi"], "ibapi", "ib_insync"),
    "seconds of words": (["diag", "--timeout", "soon"], "'soon'", "seconds"),
    "no seconds": (["diag", "--timeout", "0"], "0 seconds", "handshake"),
    "negative seconds": (["diag", "--timeout", "-1"], "-1", "3600"),
    "nan": (["diag", "--timeout", "nan"], "nan", "3600"),
    "missing value": (["diag", "--timeout"], "--timeout", "argument"),
    "unknown option of diag": (["diag", "--speed", "9"], "--speed", "--timeout"),
    "shortened option": (["diag", "--time", "9"], "--time", "--timeout"),
    "unknown check": (["diag", "4002", "--only", "api.moon"], "'api.moon'", "api.ready"),
    "only without a check": (["diag", "--only"], "--only", "argument"),
    "explain nothing": (["explain"], "give a code or words", "326"),
    "unknown option of explain": (["explain", "326", "--long"], "--long", "--json"),
    "unknown fault": (["sim", "--fault", "fire"], "'fire'", "clock-skew"),
    "bad seconds of a fault": (["sim", "--fault", "id-held:x"], "id-held:x", "id-held:20"),
    "seconds of the wrong fault": (["sim", "--fault", "close:3"], "'close'", "id-held"),
    "port of sim": (["sim", "--port", "70000"], "'70000'", "65535"),
    "port of sim in words": (["sim", "--port", "any"], "'any'", "65535"),
    "release after": (["sim", "--release-after", "x"], "'x'", "seconds"),
    "seed of sim": (["sim", "--seed", "x"], "'x'", "whole number"),
    "clock of sim": (["sim", "--clock", "yesterday"], "'yesterday'", "America/New_York x60"),
    "latency of sim": (["sim", "--latency", "x"], "'x'", "seconds"),
    "argument of sim": (["sim", "4002"], "4002", "--port"),
    "port of demo": (["demo", "--port", "x"], "'x'", "65535"),
    "unknown option of demo": (["demo", "--fast"], "--fast", "--headless"),
}


@pytest.mark.parametrize(("words", "wrong", "accepted"), BAD_INPUT.values(), ids=BAD_INPUT)
def test_bad_input_is_told_in_one_line(words, wrong, accepted, capsys):
    """Exit status 2, nothing on standard output, one line: what was wrong, what is accepted."""
    status = main(words)
    output, errors = capsys.readouterr()
    assert (status, output) == (2, "")
    assert errors.count("\n") == 1
    assert errors.endswith("\n")
    assert wrong in errors
    assert accepted in errors


@pytest.mark.parametrize("name", ["unknown verb", "port out of range", "unknown fault"])
def test_bad_input_ends_the_program_without_a_traceback(name):
    """As a program, too: the same line, the same status, and nothing else."""
    words, wrong, accepted = BAD_INPUT[name]
    ended = ibnb(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(rf".*{wrong}.*{accepted}.*\n", ended.stderr)


def test_a_taken_port_is_told_in_one_line():
    """`ibnb sim` on a port that another program has: exit status 2 and what to do."""
    with SimulatedGateway() as gateway:
        ended = ibnb("sim", "--port", str(gateway.port))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(rf"ibnb sim: .*{gateway.port} is taken.*give another.*\n", ended.stderr)


def test_a_port_that_may_not_be_used_is_told_in_one_line(monkeypatch, capsys):
    """As `ibnb sim --port 80` is refused by most systems; who runs the tests may be allowed to."""

    def bind(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", bind)
    status = main(["sim", "--port", "80"])
    output, errors = capsys.readouterr()
    assert (status, output) == (2, "")
    assert re.fullmatch(r"ibnb sim: port 80 cannot be used: Permission denied; give .*\n", errors)


def test_a_bad_setting_is_told_in_one_line():
    """A variable of the environment that makes no sense is named."""
    ended = ibnb("diag", "4002", IBNB_TIMEOUT="soon")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert re.fullmatch(r"IBNB_TIMEOUT='soon': .*seconds.*\n", ended.stderr)


@pytest.mark.library
def test_a_name_of_no_library_here():
    """A library that is not installed is told with what to install."""
    missing = [one for one in ("ib_insync", "ib_async") if not _installed(one)]
    if not missing:
        pytest.skip("both libraries are installed")
    ended = ibnb("diag", "4002", "--library", missing[0])
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1
    assert f"pip install {missing[0]}" in ended.stderr


def _installed(name):
    from importlib.util import find_spec

    return find_spec(name) is not None


def test_an_error_that_nobody_foresaw_is_told_in_one_line(monkeypatch, capsys):
    """Exit status 2 and one line, no traceback: 1 would say that a problem was found."""

    def broken(_words):
        raise RuntimeError("two\nlines")

    monkeypatch.setitem(VERBS, "diag", broken)
    status = main(["diag"])
    assert (status, *capsys.readouterr()) == (
        *(2, ""),
        "ibnb diag could not run: RuntimeError: two lines\n",
    )


def test_without_a_verb_the_usage_is_an_error():
    """Nothing was asked for: the verbs are listed on standard error, exit status 2."""
    ended = ibnb()
    assert (ended.returncode, ended.stdout) == (2, "")
    assert all(f"ibnb {verb}" in ended.stderr for verb in NAMES)


@pytest.mark.parametrize("words", [["--help"], ["-h"], *([verb, "--help"] for verb in NAMES)])
def test_help(words):
    """Help is on standard output, with exit status 0."""
    ended = ibnb(*words)
    assert (ended.returncode, ended.stderr) == (0, "")
    shown = " ".join(ended.stdout.split())
    assert all(word in shown for word in (NAMES if len(words) == 1 else ["--help", words[0]]))


def test_the_list_of_checks():
    """`ibnb diag --list` names every check with its assertion, and runs none."""
    ended = ibnb("diag", "--list")
    assert (ended.returncode, ended.stderr) == (0, "")
    listed = dict(line.split(maxsplit=1) for line in ended.stdout.splitlines())
    assert listed == {check.id: check.title for check in CHECKS}


def test_the_list_of_checks_as_json():
    """`ibnb diag --list --json` is JSON: what each check is, and what it comes after."""
    ended = ibnb("diag", "--list", "--json")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout) == [
        {
            "id": check.id,
            "title": check.title,
            "category": check.category,
            "requires": list(check.requires),
        }
        for check in CHECKS
    ]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")  # noqa: PTH110 - a constant
@pytest.mark.parametrize("words", [["diag", "--list"], ["explain", "326", "--json"]])
def test_output_that_cannot_be_written_is_told_in_one_line(words):
    """A full disk: exit status 2 and one line, no traceback, not even when the process ends."""
    with open("/dev/full", "w") as full:  # noqa: PTH123 - a device
        ended = subprocess.run(
            [sys.executable, "-m", "ibnb", *words],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LONGEST,
            check=False,
        )
    assert ended.returncode == 2
    assert re.fullmatch(
        rf"ibnb {words[0]} could not run: OSError: .*No space left.*\n", ended.stderr
    )


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
def test_a_reader_that_has_read_enough():
    """`ibnb explain 326 --json | head -1`: the rest is dropped without a word."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "ibnb", "explain", "326", "--json"],
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=LONGEST,
        check=False,
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (2, "")


def test_a_bundle_that_fails_takes_no_report_along(monkeypatch, capsys, tmp_path):
    """The report is printed first: a disk that fills up meanwhile costs the bundle alone."""

    def full(*_args):
        raise BadInputError("bundle 'x.zip' could not be written: No space left on device: give")

    monkeypatch.setenv("IBNB_STATE_DIR", str(tmp_path))
    monkeypatch.setattr("ibnb.support.write_support_bundle", full)
    words = ["diag", "4002", "--only", "env.kernel", "--json", "--bundle", str(tmp_path / "x.zip")]
    status = main(words)
    output, errors = capsys.readouterr()
    assert status == 2
    assert json.loads(output)["verdict"]["id"] == "healthy"
    assert errors == "bundle 'x.zip' could not be written: No space left on device: give\n"


@pytest.fixture
def sim():
    """Start `ibnb sim` with options; end it at the end."""
    started = []

    def sim(*options):
        process = subprocess.Popen(
            [sys.executable, "-m", "ibnb", "sim", *options],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield sim
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process from outside")
def test_sim_says_where_it_listens_and_ends_on_a_signal(sim, number):
    """One line when it is ready; a signal ends it with status 0 and without another word."""
    process = sim("--port", "0", "--fault", "id-held")
    said = re.fullmatch(r"listening on (127\.0\.0\.1:\d+)\n", process.stdout.readline())
    document = json.loads(ibnb("diag", said[1], "--json").stdout)
    assert document["verdict"]["id"] == "client-id-in-use"
    process.send_signal(number)
    rest, errors = process.communicate(timeout=LONGEST)
    assert (process.returncode, rest, errors) == (0, "", "")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no interrupt to one process")
def test_an_interrupt_of_a_diagnosis_ends_it_without_a_traceback():
    """Ctrl-C while a silent gateway is waited for: exit status 2, not a word."""
    with Server(servers.silent) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "ibnb", "diag", str(server.port), "--timeout", "60"],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server.wait_for_greeting()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=LONGEST)
    assert (process.returncode, output, errors) == (2, "", "")


@pytest.mark.library
def test_sim_as_the_target_leaves_no_process_behind():
    """`ibnb diag sim` starts a simulated gateway of its own, and ends it."""
    ended = ibnb("diag", "sim", "--json")
    document = json.loads(ended.stdout)
    assert (document["verdict"]["id"], ended.returncode, ended.stderr) == ("healthy", 0, "")
    refused = ibnb("diag", str(document["target"]["port"]), "--json", "--only", "net.tcp")
    assert json.loads(refused.stdout)["verdict"]["id"] == "connection-refused"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
@pytest.mark.parametrize("options", [["--json"], []], ids=["JSON", "text"])
def test_output_in_an_encoding_that_cannot_say_it_all(encoding, options):
    """What cannot be written is escaped: no traceback, and the JSON is whole."""
    with Server(servers.refusing(326, "编号已被使用 😀")) as server:
        ended = ibnb("diag", str(server.port), *options, PYTHONIOENCODING=encoding)
        server.only_client()
    assert (ended.returncode, ended.stderr) == (1, "")
    if options:
        assert "编号已被使用 😀" in json.loads(ended.stdout)["verdict"]["summary"]


def test_the_team_without_anybody(tmp_path):
    """As text and as JSON; on this machine alone nothing is shared, and that is said."""
    ended = ibnb("team", IBNB_STATE_DIR=str(tmp_path))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "Nobody is connected." in ended.stdout
    assert "leases" in ended.stdout
    document = json.loads(ibnb("team", "--json", IBNB_STATE_DIR=str(tmp_path)).stdout)
    assert document == {"schema": 1, "store": "sqlite", "answers": True, "gateways": []}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no interrupt to one process")
def test_the_team_is_watched_until_an_interrupt(tmp_path):
    """Each look says when it was; Ctrl-C is how it ends, and no failure."""
    with subprocess.Popen(
        [sys.executable, "-m", "ibnb", "team", "--watch"],
        env=environment(IBNB_STATE_DIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert re.fullmatch(r"\d\d:\d\d:\d\d\n", process.stdout.readline())
        assert "setting leases" in process.stdout.readline()
        assert process.stdout.readline() == "Nobody is connected.\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LONGEST)
    assert (process.returncode, errors) == (0, "")


def test_a_team_whose_store_is_gone(tmp_path, refused_port):
    """Not that nobody is connected: that it is not known, without the store's password."""
    url = f"redis://:hunter2@127.0.0.1:{refused_port}/0"
    ended = ibnb("team", IBNB_STATE_DIR=str(tmp_path), IBNB_LEASES=url)
    assert ended.returncode == 1
    assert "does not answer" in ended.stdout
    assert "hunter2" not in ended.stdout + ended.stderr


@pytest.mark.parametrize("words", [["--version"], ["-V"]])
def test_the_version(words):
    """The one that is installed, and nothing else."""
    ended = ibnb(*words)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"ibnb {__version__}\n", "")


@pytest.mark.parametrize(
    ("words", "question"),
    [
        (["dig"], "Did you mean diag?"),
        (["diag", "papr"], "Did you mean paper?"),
        (["diag", "--clientid", "5"], "Did you mean --client-id?"),
        (["diag", "4002", "--only", "net.prt"], "Did you mean net.port?"),
        (["diag", "localhost"], "as in localhost:4002"),
    ],
)
def test_what_was_mistyped_is_guessed(words, question, capsys):
    """Whoever is nearly right is told the right word; it is not taken for it."""
    assert main(words) == 2
    assert question in capsys.readouterr().err


def test_what_is_like_nothing_is_not_guessed(capsys):
    """A guess that is far off helps nobody."""
    assert main(["xyzzy"]) == 2
    assert "Did you mean" not in capsys.readouterr().err


def test_a_mistyped_check_leads_to_its_page(capsys):
    """Marked as a guess."""
    assert main(["explain", "net.prt"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("? Guess")
    assert catalogue().by_check("net.port").title in shown


def test_host_and_port_may_be_two_words():
    """As people write them; the port decides what is expected there."""
    parse = diagnose_parser("ibnb diag").parse_words
    for words in (["127.0.0.1", "7497"], ["--timeout", "5", "127.0.0.1", "7497", "--static"]):
        options = parse(words)
        assert parse_target(options.target) == (Target("127.0.0.1", 7497, "paper"),)
    assert parse_target("::1 4002") == (Target("::1", 4002, "paper"),)
    for words in (["paper", "7497"], ["4002", "7497"]):
        with pytest.raises(BadInputError, match="7497"):
            parse(words)


def test_every_page_can_be_listed():
    """A line each, those with codes first; as JSON with the same fields."""
    lines = ibnb("explain", "--list").stdout.splitlines()
    assert len(lines) == len(catalogue().entries)
    for entry in catalogue().entries:
        assert any(f" {entry.id} " in line and entry.title in line for line in lines), entry.id
    (line,) = (line for line in lines if " client-id-in-use " in line)
    assert line.split()[0] == "326"
    rows = json.loads(ibnb("explain", "--list", "--json").stdout)
    assert {"id": "client-id-in-use", "codes": [326], "title": "Client ID already in use"} in rows
    assert len(rows) == len(lines)

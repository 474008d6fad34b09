"""`ibnb diag`: what it says of each gateway, and how many connections that takes.

It is run as a program where that may matter, and otherwise in this process.
"""

import json

import pytest
import servers
from commands import at, here, ibnb
from gateways import BY_FACTS, LASTING, OF_A_FAULT, SLOW, WARNINGS
from servers import NEXT_VALID_ID, Server, encode, notice

from ibnb.diagnostics import CHECKS
from ibnb.knowledge import catalogue
from ibnb.simulator import FAULTS

ON_THE_WIRE = {"too-many-clients": "closed-before-version"}
"""What the wire alone shows of a verdict that rests on more than the wire."""
STATUSES = {"pass", "warn", "fail", "skip", "crash"}


def diag(target, *options, run=here, **settings):
    """Diagnose with `--json`, and return the document and the exit status."""
    ended = run("diag", target, "--json", "--timeout", "2", *options, **settings)
    assert ended.stderr == ""
    document = json.loads(ended.stdout)
    check_format(document)
    return document, ended.returncode


def check_format(document):
    """Assert that a document has the keys and types of schema 1, and no others.

    Whether this port was a good one in an earlier test is not for these tests.
    """
    keys = ["schema", "target", "verdict", "checks", "seconds"]
    assert list(document) in [keys, [*keys, "since_last_good"]]
    assert document["schema"] == 1
    assert type(document["seconds"]) is float
    target = document["target"]
    assert list(target) == ["host", "port", "expects"]
    assert type(target["host"]) is str
    assert type(target["port"]) is int
    assert target["expects"] in {None, "paper", "live"}
    verdict = document["verdict"]
    assert list(verdict) == ["id", "title", "severity", "summary", "fix"]
    assert catalogue().by_id(verdict["id"]) is not None
    assert verdict["severity"] in {"info", "warning", "error"}
    assert_sentence(verdict["title"])
    assert_sentence(verdict["summary"])
    for result in document["checks"]:
        check_result_format(result)


def check_result_format(result):
    """Assert that one result has the keys and types of schema 1, and no others."""
    assert list(result) == [
        *("id", "title", "category", "status", "summary", "evidence"),
        *("entry", "fix", "seconds", "blocked_by"),
    ]
    assert result["status"] in STATUSES
    assert type(result["evidence"]) is dict
    assert result["entry"] is None or catalogue().by_id(result["entry"]) is not None
    assert all(type(step) is str and step for step in result["fix"])
    assert type(result["seconds"]) is float
    assert result["blocked_by"] is None or result["status"] == "skip"
    for key in ("title", "category", "summary"):
        assert_sentence(result[key])


def assert_sentence(text):
    """Assert that a text is one line, and says something."""
    assert type(text) is str
    assert text.strip() == text != ""
    assert "\n" not in text


def assert_one_cause(document):
    """Assert that of the chain of checks of the wire one failed, and all behind it were skipped."""
    wire = [one for one in document["checks"] if one["id"].split(".")[0] in {"net", "api"}]
    wire = [one for one in wire if one["id"] != "net.port"]
    failed = [one for one in wire if one["status"] == "fail"]
    assert len(failed) <= 1
    blocker = failed[0]["id"] if failed else "host.address"
    assert {one["blocked_by"] for one in wire} <= {None, blocker}
    if failed:
        verdict = document["verdict"]["id"]
        assert failed[0]["entry"] in {verdict, ON_THE_WIRE.get(verdict)}


def test_every_fault_is_diagnosed():
    """No fault of the simulated gateway is without an expected verdict here."""
    assert set(OF_A_FAULT) == set(FAULTS)


@pytest.mark.parametrize(("fault", "verdict"), OF_A_FAULT.items())
def test_each_fault_of_the_simulated_gateway_has_its_verdict(broken_gateway, fault, verdict):
    """One connection tells each fault apart; no handshake is left half-finished by it."""
    gateway = broken_gateway(LASTING.get(fault, fault))
    patience = ["--timeout", "10"] if fault in SLOW else []
    document, status = diag(gateway.address, "--expect", "paper", *patience)
    assert document["verdict"]["id"] == verdict
    usual = "info" if verdict == "healthy" else "error"
    assert document["verdict"]["severity"] == ("warning" if verdict in WARNINGS else usual)
    assert status == (0 if verdict in {"healthy", *WARNINGS} else 1)
    assert document["target"] == {"host": "127.0.0.1", "port": gateway.port, "expects": "paper"}
    assert document["verdict"]["fix"]
    assert_one_cause(document)
    assert gateway.connections_accepted == 1
    # Who never gets an answer cannot finish the handshake.
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    assert gateway.handshakes_unfinished == (1 if fault == "silent" else 0)


@pytest.mark.library
def test_a_healthy_simulated_gateway(broken_gateway):
    """Everything passes, the exit status is 0, and one connection was made and completed."""
    gateway = broken_gateway()
    document, status = diag(gateway.address, run=ibnb)
    assert (document["verdict"]["id"], status) == ("healthy", 0)
    assert document["verdict"]["severity"] == "info"
    assert [one["id"] for one in document["checks"]] == [check.id for check in CHECKS]
    by_status = {one["id"]: one["status"] for one in document["checks"]}
    # A simulated gateway is not a Java process: whether a real one runs here is not for this test.
    assert by_status.pop("host.process") in {"pass", "warn"}
    assert set(by_status.values()) == {"pass", "skip"}
    # Without files of a gateway, and without a session, nothing can be said of these.
    unseen = {"host.login", "host.settings", "host.logs", "session.heartbeat", "session.pacing"}
    assert {name for name, status in by_status.items() if status == "skip"} <= unseen
    assert gateway.connections_accepted == gateway.handshakes_completed == 1
    assert gateway.handshakes_unfinished == 0


@pytest.mark.parametrize(("script", "verdict"), BY_FACTS.values(), ids=BY_FACTS)
def test_each_gateway_written_from_facts_has_its_verdict(script, verdict):
    """The same verdicts without the simulated gateway, and again with one connection each."""
    with Server(script) as server:
        document, status = diag(at(server.port), "--expect", "paper")
        client = server.only_client()
    assert document["verdict"]["id"] == verdict
    assert status == (0 if verdict in {"healthy", *WARNINGS} else 1)
    assert_one_cause(document)
    if client.messages:
        assert client.started_with in range(900, 1000)


def test_a_paper_account_where_live_was_expected():
    """The environment is checked in both directions."""
    with Server(servers.healthy) as server:
        document, status = diag(at(server.port), "--expect", "live")
    assert (document["verdict"]["id"], status) == ("wrong-environment", 1)


def test_a_port_without_expectation_takes_any_account():
    """Nothing is known of a port that is none of the usual four: a live account is healthy."""
    with Server(servers.starting_with(encode(15, 1, "U1234567"), NEXT_VALID_ID)) as server:
        document, status = diag(at(server.port))
    assert (document["verdict"]["id"], status) == ("healthy", 0)
    assert document["target"]["expects"] is None


def test_the_client_id_that_was_asked_for_is_used():
    """`--client-id` is what the session is started with."""
    with Server(servers.healthy) as server:
        diag(at(server.port), "--client-id", "31")
        assert server.only_client().started_with == 31


def test_a_refused_port(refused_port):
    """Nothing listens: the one cause, and every check of the API is skipped because of it."""
    document, status = diag(at(refused_port), run=ibnb)
    assert (document["verdict"]["id"], status) == ("connection-refused", 1)
    assert_one_cause(document)
    blocked = {one["id"]: one["blocked_by"] for one in document["checks"] if one["blocked_by"]}
    assert blocked == {check.id: "net.tcp" for check in CHECKS if check.category == "api"}


def test_a_name_that_does_not_resolve():
    """The name is the cause, named in the verdict; TCP and all behind it are skipped."""
    document, status = diag("no-such-gateway.invalid:4002")
    assert (document["verdict"]["id"], status) == ("host-unreachable", 1)
    assert "no-such-gateway.invalid" in document["verdict"]["summary"]
    blocked = {one["id"]: one["blocked_by"] for one in document["checks"] if one["blocked_by"]}
    wire = {"net.tcp", *(check.id for check in CHECKS if check.category == "api")}
    assert blocked == dict.fromkeys(wire, "host.address")


@pytest.mark.parametrize(
    ("only", "ran"),
    [
        (["host.address"], ["host.address"]),
        (["api.version"], ["host.address", "net.tcp", "api.version"]),
        (["env.loop", "net.tcp"], ["env.loop", "host.address", "net.tcp"]),
    ],
)
def test_only_runs_what_was_asked_for_and_what_that_requires(only, ran):
    """`--only` leaves the rest out, in the usual order."""
    with Server(servers.healthy) as server:
        document, status = diag(at(server.port), "--only", *only)
        assert len(server.clients) == (1 if "net.tcp" in ran else 0)
    assert [one["id"] for one in document["checks"]] == ran
    assert (document["verdict"]["id"], status) == ("healthy", 0)


def test_only_finds_what_the_shared_probe_has_seen(broken_gateway):
    """The verdict comes from the wire, also where the check that would tell it was left out."""
    document, status = diag(broken_gateway("connectivity-lost").address, "--only", "api.ready")
    assert (document["verdict"]["id"], status) == ("connectivity-lost", 1)


LIVE = "U1234567"


def with_account_everywhere(client):
    """Be a gateway that names its account wherever text can be."""
    servers.opened(client)
    accounts = encode(15, 1, f"{LIVE},U7654321")
    spoken = notice(2104, f"Data farm of {LIVE} is OK:farm-{LIVE}")
    client.send(accounts, NEXT_VALID_ID, spoken, notice(399, f"Order for {LIVE} held"))
    client.hold()


SAYING_ACCOUNTS = {
    "ready": with_account_everywhere,
    "refusal": servers.refusing(326, f"{LIVE} is connected"),
    "other service": servers.speaking(f"HELO {LIVE} and welcome\r\n".encode(), close=True),
    "version reply": lambda client: (
        client.read_greeting(),
        client.send(encode(176, f"time of {LIVE}")),
        client.hold(),
    ),
}


@pytest.mark.parametrize("script", SAYING_ACCOUNTS.values(), ids=SAYING_ACCOUNTS)
@pytest.mark.parametrize("options", [["--json"], []], ids=["JSON", "text"])
def test_no_account_number_is_shown(script, options):
    """Accounts are masked in JSON and in text, wherever a gateway may put them."""
    with Server(script) as server:
        words = ["diag", at(server.port), "--expect", "paper", "--timeout", "2", *options]
        shown = here(*words).stdout
    assert "verdict" in shown
    assert LIVE not in shown
    assert "U7654321" not in shown


@pytest.mark.parametrize("options", [["--json"], []], ids=["JSON", "text"])
@pytest.mark.parametrize(("value", "shown"), [("1", "DU1234567"), ("0", "DU•••567")])
def test_accounts_are_shown_where_the_setting_says_so(options, value, shown):
    """IBNB_SHOW_ACCOUNTS=1 gives the whole number, in JSON and in text."""
    with Server(servers.healthy) as server:
        ended = ibnb("diag", at(server.port), *options, IBNB_SHOW_ACCOUNTS=value)
    assert ended.returncode == 0
    assert shown in ended.stdout


def test_text_for_people_names_the_verdict_first():
    """Without `--json` the same report is text, and the exit status is the same."""
    with Server(servers.closing_after_start) as server:
        ended = ibnb("diag", at(server.port))
    assert ended.returncode == 1
    first = ended.stdout.splitlines()[0]
    assert catalogue().by_id("closed-after-start").title in first

"""The verification checklist: each item ticked by what was found, and only by that."""

import pytest
import servers
from diagnosing import TARGET
from servers import Server

from ibnb.diagnostics import CHECKS, Diagnostician, Question, Report, Result, Verdict, checklist
from ibnb.tws.own import LOOPBACK
from ibnb.tws.target import Target

FAR_TOO_LONG = 30.0
ITEMS = (
    *("process", "listening", "tcp", "enabled", "trusted", "port"),
    *("handshake", "accounts", "kind", "session"),
)


def report(*results, target=TARGET, seconds=0.3):
    """Return a report of these results."""
    verdict = Verdict("handshake-silent", "Silent", "error", "Silent.")
    return Report(target, verdict, results, CHECKS, seconds)


def states(*results, **more):
    """Return the state of each item by its name here."""
    return dict(zip(ITEMS, [one.state for one in checklist(report(*results, **more))], strict=True))


ANSWERED = Result("api.version", "pass", "It answered.", {"server_version": 176})
SILENT = Result("api.version", "fail", "Silent.", {"server_version": None}, "handshake-silent")
READY = Result("api.ready", "pass", "Ready.", {"managed_accounts": True})
ACCOUNTS = Result("api.accounts", "pass", "One.", {"accounts": ["DU•••567"]})


def test_nothing_found_is_nothing_known():
    """An empty report ticks nothing and denies nothing."""
    assert set(states().values()) == {"unknown"}


def test_items_name_checks_that_exist_and_the_port_that_was_tried():
    """Each item says what it rests on."""
    items = checklist(report())
    assert {name for item in items for name in item.checks} <= {check.id for check in CHECKS}
    assert all(item.checks for item in items)
    assert "port 4002" in items[1].text
    assert "paper" in items[8].text


def test_a_version_reply_proves_what_it_needs():
    """No gateway answers while socket clients are off, or to an address that it does not trust."""
    found = states(ANSWERED)
    for name in ("process", "enabled", "trusted", "port"):
        assert found[name] == "done"
    assert states(SILENT)["enabled"] == "unknown"


def test_an_old_version_is_a_reply_too():
    """The handshake failed, and yet socket clients are enabled."""
    found = states(
        Result("api.version", "fail", "Old.", {"server_version": 100}, "version-too-old")
    )
    assert (found["enabled"], found["handshake"]) == ("done", "open")


@pytest.mark.parametrize(
    ("status", "state"), [("pass", "done"), ("warn", "open"), ("skip", "unknown")]
)
def test_the_settings_file_tells_whom_the_gateway_trusts(status, state):
    """Where no reply came, the file decides; where it cannot be read, nobody knows."""
    assert states(SILENT, Result("host.settings", status, "So."))["trusted"] == state


@pytest.mark.parametrize(("ports", "state"), [([4002], "done"), ([4001], "open"), ([], "unknown")])
def test_the_socket_port_is_where_a_gateway_listens(ports, state):
    """A gateway that listens elsewhere has another socket port in its settings."""
    process = Result("host.process", "pass", "One runs.", {"processes": [{"ports": ports}]})
    assert states(process)["port"] == state
    assert states(process)["process"] == "done"


def test_a_process_that_cannot_be_seen_is_not_denied():
    """Where TCP opens, a gateway may run in a container."""
    unseen = Result("host.process", "warn", "None was found.", {"processes": []})
    assert states(unseen)["process"] == "open"
    assert states(unseen, Result("net.tcp", "pass", "Opens."))["process"] == "unknown"
    assert states(unseen, ANSWERED)["process"] == "done"


def test_an_open_connection_outweighs_the_list_of_ports():
    """What is listening is best shown by connecting to it."""
    unlisted = Result("net.port", "fail", "Nothing listens.", entry="connection-refused")
    assert states(unlisted)["listening"] == "open"
    assert states(unlisted, Result("net.tcp", "pass", "Opens."))["listening"] == "done"
    refused = Result("net.tcp", "fail", "Refused.", entry="connection-refused")
    assert states(refused)["listening"] == "open"


def test_the_handshake_has_five_seconds():
    """A slower one is not a healthy one; where its time is not known, nor is that."""
    slow = Result("api.ready", "pass", "Ready.", {"after_seconds": 6.0})
    quick = Result("api.ready", "pass", "Ready.", {"after_seconds": 0.1})
    assert states(ANSWERED, slow, seconds=7.0)["handshake"] == "open"
    assert states(ANSWERED, quick, seconds=7.0)["handshake"] == "done"
    assert states(ANSWERED, READY)["handshake"] == "done"
    assert states(ANSWERED, READY, seconds=7.0)["handshake"] == "unknown"


def test_accounts_and_their_kind_are_two_items():
    """The right number of the wrong kind is one done and one open."""
    wrong = Result("api.accounts", "fail", "Live.", {"accounts": ["U•••567"]}, "wrong-environment")
    found = states(ANSWERED, READY, wrong)
    assert (found["accounts"], found["kind"]) == ("done", "open")
    found = states(ANSWERED, READY, ACCOUNTS)
    assert (found["accounts"], found["kind"]) == ("done", "done")
    found = states(ANSWERED, READY, ACCOUNTS, target=Target(LOOPBACK, 5000))
    assert found["kind"] == "unknown"
    none = Result("api.accounts", "fail", "None.", {"accounts": []}, "no-accounts")
    assert states(ANSWERED, READY, none)["accounts"] == "open"
    unready = Result("api.ready", "fail", "None.", {"managed_accounts": True}, "no-accounts")
    assert states(ANSWERED, unready)["accounts"] == "open"


@pytest.mark.parametrize(
    ("state", "target", "entry", "ticked"),
    [
        ("ready", "127.0.0.1:4002", None, "done"),
        ("degraded", "127.0.0.1:4002", "sync-incomplete", "done"),
        ("ready", "127.0.0.1:7497", None, "open"),
        ("closed", None, None, "unknown"),
        ("closed", None, "client-id-in-use", "open"),
        ("lost", "127.0.0.1:4002", "not-connected", "open"),
    ],
)
def test_the_notebooks_session_counts_where_it_is_open_on_this_target(state, target, entry, ticked):
    """A session on another gateway says nothing of this one, and none that nobody tried either."""
    result = Result("session.state", "pass", "So.", {"state": state, "target": target}, entry)
    assert states(result)["session"] == ticked


def diagnosed(server):
    """Return the items of a diagnosis of a server, by name."""
    question = Question((Target(LOOPBACK, server.port, "paper"),), 901, timeout=1.0)
    found = Diagnostician().start(question, None, None).result(FAR_TOO_LONG)
    return dict(zip(ITEMS, [one.state for one in checklist(found)], strict=True))


def test_a_silent_server_leaves_the_settings_unknown():
    """What listens and opens is ticked, what a reply would prove is not known."""
    with Server(servers.silent) as server:
        found = diagnosed(server)
    assert (found["listening"], found["tcp"]) == ("done", "done")
    assert (found["enabled"], found["accounts"], found["kind"]) == ("unknown",) * 3
    assert (found["handshake"], found["session"]) == ("open", "unknown")


def test_a_healthy_server_leaves_only_the_session_to_do():
    """All that a diagnosis can prove is ticked; opening a session is up to the notebook."""
    with Server(servers.healthy) as server:
        found = diagnosed(server)
    assert {name for name, state in found.items() if state != "done"} == {"session"}

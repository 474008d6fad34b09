"""An answer beside a question answers it: which questions there are, and what answers each."""

import pytest

from ibnb.diagnostics import Result
from ibnb.diagnostics.explain.answers import ASKED, answer
from ibnb.knowledge import EntryCheck, catalogue
from ibnb.knowledge.loader import ASKS

QUESTIONS = {
    ("api.accounts", ""): {
        "Which accounts does the gateway report?",
        "Do the managed accounts arrive?",
    },
    ("api.accounts", "expected"): {"Are the accounts of the kind that was expected?"},
    ("api.clock", ""): {"Does this machine's clock agree with the gateway's?"},
    ("api.link", ""): {"Is the gateway linked to IBKR?"},
    ("api.link", "definitions"): {"Is the farm for contract definitions working?"},
    ("api.link", "farms"): {
        "Are the data farms working?",
        "What state are the data farms in now?",
    },
    ("api.link", "history"): {"Are the historical data farms working?"},
    ("api.link", "market"): {"Are the market data farms working?"},
    ("api.ready", ""): {"Did the next order ID and the accounts arrive?"},
    ("api.start", ""): {"Is the session start accepted, and if not, which notice refused it?"},
    ("api.version", ""): {
        "Is the handshake answered?",
        "Is the handshake answered? A healthy gateway takes far less than 5 seconds.",
        "Is there a server version that both speak, and which?",
        "What does the gateway answer?",
    },
    ("env.guard", "guard"): {"Is the guard on?"},
    ("env.kernel", ""): {"Which kernel and Python are these?"},
    ("env.library", ""): {"Which API library is installed, in which version?"},
    ("env.loop", "patch"): {"Is the kernel's loop patched, and by what?"},
    ("host.address", ""): {"Does the name resolve, and to which address?"},
    ("host.login", ""): {
        "How far did its login get?",
        "Is the gateway logged in, or does another session of the same user keep it out?",
    },
    ("host.logs", "logs"): {"Which logs are there, and can they be read?"},
    ("host.process", ""): {"Does TWS or Gateway run on this machine, and where does it listen?"},
    ("host.process", "since"): {"Since when has the gateway's process been running?"},
    ("host.settings", ""): {"Do the gateway's own files trust this machine's address?"},
    ("net.clients", ""): {"Has the gateway room for another client?"},
    ("net.clients", "half-closed"): {
        "Are the gateway's sockets in order, or do half-closed ones (CLOSE_WAIT) pile up?"
    },
    ("net.clients", "who"): {"Which clients are connected to this gateway?"},
    ("net.port", ""): {
        "Does anything listen on this port?",
        "Does anything listen on this port? Usual: 4002 and 4001 (Gateway), 7497 and 7496 (TWS).",
        "Which program listens on this port?",
    },
    ("net.tcp", ""): {"Does a TCP connection open?"},
    ("session.client-id", "holder"): {"Who has this client ID?"},
    ("session.heartbeat", ""): {"Does the open connection still answer?"},
    ("session.history", ""): {
        "Did every connection hold in the last hour?",
        "Did every connection hold in the last hour, and if not, when and why was it lost?",
    },
    ("session.pacing", ""): {
        "Do this notebook's requests keep within IBKR's limits?",
        "How many historical requests did this notebook make of late?",
        "How many historical requests are open?",
        "How many historical requests were made of late?",
        "How many messages does this notebook send a second?",
        "How many requests were made of late?",
    },
    ("session.state", "client-id"): {"Which client ID does this session have?"},
    ("session.state", "missing"): {"What is missing from this session?"},
    ("session.state", "open"): {
        "Is this notebook's session open?",
        "Is this notebook's session open, and if not, when did it end?",
        "Which connection is open now?",
    },
    ("session.state", "orders"): {
        "Which account is this session connected to, and are its orders locked?"
    },
}
"""Every question that a page may ask of a check: each is one that the answer beside it answers.

Whoever adds one looks first at what the check says in each of its states: a ✓ must be a yes.
"""


def test_pages_ask_only_what_the_check_answers():
    """A new question, or one for another check, has to be thought through here first."""
    found = {}
    for entry in catalogue().entries:
        for one in entry.checks:
            if one.check is not None:
                found.setdefault((one.check, one.asks), set()).add(one.text)
    assert found == QUESTIONS


def test_no_page_asks_a_question_twice():
    """Two rows with one answer tell no more than one."""
    for entry in catalogue().entries:
        texts = [one.text for one in entry.checks]
        assert len(texts) == len(set(texts)), entry.id
        asked = [(one.check, one.asks) for one in entry.checks if one.check is not None]
        assert len(asked) == len(set(asked)), entry.id


def test_what_may_be_asked_can_be_answered():
    """The format and the answers know the same words."""
    asked = {(check, asks) for check, asks in ASKED if asks}
    assert {(check, word) for check, words in ASKS.items() for word in words} == asked


READY = {
    "state": "ready",
    "target": "127.0.0.1:4002",
    "client_id": 7,
    "accounts": ["DU•••567"],
    "kind": "live",
    "orders": "locked",
    "missing": [],
}
STATE = Result("session.state", "pass", "Connected to 127.0.0.1:4002 as client ID 7.", READY)
CLOSED = Result(
    "session.state",
    "pass",
    "This notebook has no connection open. That to 127.0.0.1:4002 is closed since 00:37:06.",
    {"state": "closed", "target": "127.0.0.1:4002", "client_id": 7, "missing": []},
)
NONE_OPEN = "No connection of this notebook is open."


def changed(result, status=None, entry=None, **evidence):
    """Return a result with other evidence."""
    return Result(
        result.id, status or result.status, result.summary, {**result.evidence, **evidence}, entry
    )


LINK = Result(
    "api.link",
    "pass",
    "No loss of the link to IBKR was reported; 2 farms, none of them broken.",
    {
        "farms": {"usfarm": "ok", "ushmds": "asleep"},
        "kinds": {"usfarm": "market", "ushmds": "history"},
    },
)
SIMULATED = Result(
    "host.process",
    "pass",
    "Running here: simulator (process 7, listening on 40011).",
    {"processes": [{"pid": 7, "kind": "simulator", "ports": [40011], "started": 0.0}]},
)
PROCESS = Result(
    "host.process",
    "pass",
    "Running here: Gateway (process 4242, listening on 4002).",
    {"processes": [{"pid": 4242, "kind": "Gateway", "ports": [4002], "started": 0.0}]},
)
CLIENTS = Result(
    "net.clients",
    "pass",
    "2 of 32 places for clients are taken.",
    {"established": 2, "close_wait": 0, "clients": ["notebook a.ipynb (1)", "python (1)"]},
)
ID = Result(
    "session.client-id",
    "pass",
    "Client ID 7; no other process of this machine is connected to 127.0.0.1:4002.",
    {"client_id": 7, "clients": [], "holder": None, "own": False},
)


@pytest.mark.parametrize(
    ("asks", "result", "status", "said"),
    [
        ("orders", STATE, "warn", "DU•••567 (live), orders locked."),
        ("orders", changed(STATE, orders="unlocked"), "pass", "orders not locked."),
        ("orders", CLOSED, "skip", NONE_OPEN),
        ("open", STATE, "pass", "Connected to 127.0.0.1:4002 as client ID 7."),
        ("open", CLOSED, "fail", "is closed since 00:37:06"),
        ("open", changed(STATE, "warn", state="degraded"), "warn", "Connected"),
        ("open", changed(CLOSED, "fail", state="lost"), "fail", ""),
        ("open", changed(STATE, "warn", "stale-connection"), "pass", "as client ID 7."),
        ("open", changed(CLOSED, "warn", "stale-connection"), "fail", NONE_OPEN),
        ("missing", STATE, "pass", "Nothing is missing."),
        ("missing", changed(STATE, missing=["executions"]), "warn", "executions"),
        ("missing", CLOSED, "skip", NONE_OPEN),
        ("client-id", STATE, "pass", "Client ID 7."),
        ("client-id", CLOSED, "skip", NONE_OPEN),
        ("market", LINK, "pass", "usfarm OK."),
        ("history", LINK, "pass", "ushmds asleep until needed."),
        ("definitions", LINK, "skip", "No farm for definitions has reported"),
        ("farms", LINK, "pass", "usfarm OK, ushmds asleep until needed."),
        ("farms", changed(LINK, farms={}, kinds={}), "skip", "No data farm has reported"),
        ("market", changed(LINK, "warn", farms={"usfarm": "broken"}), "warn", "usfarm broken."),
        ("history", changed(LINK, "warn", farms={"usfarm": "broken"}), "skip", "No farm"),
        ("market", changed(LINK, "fail", "connectivity-lost"), "fail", "No loss"),
        ("", SIMULATED, "skip", "simulator"),
        ("", PROCESS, "pass", "Gateway"),
        ("since", PROCESS, "pass", "Gateway (process 4242) since "),
        ("since", SIMULATED, "fail", ""),
        ("who", CLIENTS, "pass", "Connected from this machine: notebook a.ipynb (1); python (1)."),
        ("who", changed(CLIENTS, clients=[]), "pass", "2 of 32"),
        ("half-closed", CLIENTS, "pass", "Half-closed sockets (CLOSE_WAIT): none."),
        ("half-closed", changed(CLIENTS, close_wait=2), "warn", "2."),
        ("holder", ID, "skip", "Nobody is known to have client ID 7."),
        ("holder", changed(ID, own=True), "pass", "This notebook's own connection"),
        ("holder", changed(ID, "warn", holder="unknown"), "skip", "Client ID 7"),
        ("holder", changed(ID, "warn", holder="notebook"), "warn", "Client ID 7"),
        ("logs", Result("host.logs", "pass", "None.", {"logs": []}), "fail", "None."),
        ("logs", Result("host.logs", "pass", "1.", {"logs": [{"encrypted": True}]}), "warn", "1."),
        ("logs", Result("host.logs", "pass", "1.", {"logs": [{"encrypted": False}]}), "pass", "1."),
        ("guard", Result("env.guard", "pass", "No notebook."), "skip", "No notebook."),
        ("guard", Result("env.guard", "pass", "Safe.", {"guard": True}), "pass", "Safe."),
        ("patch", Result("env.loop", "pass", "A terminal."), "skip", "A terminal."),
        ("expected", Result("api.accounts", "pass", "DU: paper.", {"expects": None}), "skip", "DU"),
        ("expected", Result("api.accounts", "pass", "DU.", {"expects": "paper"}), "pass", "DU."),
        ("open", Result("session.state", "crash", "It failed."), "crash", "It failed."),
        ("farms", Result("api.link", "skip", "Not reached."), "skip", "Not reached."),
    ],
)
def test_the_answer_is_to_the_question(asks, result, status, said):
    """Yes is ✓; no, and what is not known, never is; and what was asked for is said."""
    given = answer(EntryCheck("What?", result.id, asks), result)
    assert (given.status, given.asks) == (status, asks)
    assert said in given.summary


async def test_the_session_tells_its_account_and_lock(session):
    """What the question about the lock needs is in the check's evidence, the account masked."""
    from ibnb.diagnostics import Diagnostician, Question

    plan = session.connection.plan
    question = Question((plan.target,), 41, only=("session.state",))
    report = await Diagnostician(None).start(question, session, None).report()
    given = answer(EntryCheck("?", "session.state", "orders"), report.results[-1])
    assert given.summary == "DU•••567 (paper), orders not locked."


async def test_the_time_of_closing_is_told(session):
    """After `%ibdisconnect` the answer says when it was closed."""
    from ibnb.diagnostics import Diagnostician, Question

    target = session.connection.plan.target
    await session.disconnect()
    question = Question((target,), 41, only=("session.state",))
    report = await Diagnostician(None).start(question, session, None).report()
    given = answer(EntryCheck("?", "session.state", "open"), report.results[-1])
    assert given.status == "fail"
    assert f"That to {target} is closed since " in given.summary

"""Connections that the user's own code opened are known: badge, health, cards and `%ibdiag`."""

from __future__ import annotations

import json

import pytest
from bare_gateway import BareGateway

POSITIONS, EXECUTIONS, REQ_IDS = 61, 7, 8
TELL = "ib.client.reqIds(1)"
"""What a cell does to let the gateway know how far it is."""
LOST = "Connectivity between IB and TWS has been lost."
NOTHING_OPEN = "no connection open"


@pytest.fixture
def gateway():
    """A gateway without any code of ibnb."""
    with BareGateway() as gateway:
        yield gateway


@pytest.fixture
def notebook(notebook, library):
    """A notebook with the extension and the library at hand."""
    run = notebook.run(f"%load_ext ibnb\nimport asyncio\nfrom {library} import *\nheard = []")
    assert run.status == "ok", run.everything
    return notebook


def connect(notebook, port, client_id=7, name="ib", *, more=""):
    """Connect as the user's own code does."""
    run = notebook.run(
        f"{name} = IB()\n{name}.connect('127.0.0.1', {port}, clientId={client_id}{more})\n"
        f"{name}.errorEvent += lambda req, code, *_: heard.append(code)"
    )
    assert run.status == "ok", run.everything
    return run


def hears(notebook, *codes):
    """Wait until these notices came, in a cell."""
    run = notebook.run(f"while not {set(codes)} <= set(heard): await asyncio.sleep(0.01)")
    assert run.status == "ok", run.everything
    return run


def loses(notebook, name="ib"):
    """Wait until a connection is lost, in a cell."""
    return notebook.run(f"while {name}.isConnected(): await asyncio.sleep(0.01)")


def diagnosed(notebook, arguments=""):
    """Run `%ibdiag` and return its report."""
    run = notebook.run(f"%ibdiag {arguments} --json")
    assert run.status == "ok", run.everything
    return json.loads(run.stdout)


def state_of(report):
    """Return what a report says of the notebook's connection."""
    return next(one["summary"] for one in report["checks"] if one["id"] == "session.state")


def test_a_link_that_is_lost_between_cells(notebook, gateway):
    """Badge, health, card and diagnosis say so, and nobody else connects to find it out."""
    connect(notebook, gateway.port)
    assert "● Ready" in notebook.run("ib").text
    gateway.notice(1100, LOST)
    card = hears(notebook, 1100)
    assert NOTHING_OPEN not in card.everything
    for line in ("ib", "%ibhealth"):
        shown = notebook.run(line)
        assert "▲ Degraded" in shown.text
        assert "link to IBKR" in shown.text
        assert "1100" in shown.html
    report = diagnosed(notebook)
    assert report["target"]["port"] == gateway.port
    assert report["verdict"]["id"] == "connectivity-lost"
    assert "as client ID 7" in state_of(report)
    assert "%ibconnect" not in str(report["verdict"])
    assert gateway.connections == 1
    gateway.notice(1102, "restored")
    hears(notebook, 1102)
    assert "● Ready" in notebook.run("ib").text
    assert diagnosed(notebook)["verdict"]["id"] == "healthy"
    assert gateway.connections == 1


def test_2110_and_farms(notebook, gateway):
    """2110 ends with a farm that is OK; a farm that broke between cells degrades it."""
    connect(notebook, gateway.port)
    gateway.notice(2110, "TWS has lost its server")
    hears(notebook, 2110)
    assert "▲ Degraded" in notebook.run("ib").text
    gateway.notice(2103, "Market data farm connection is broken:eufarm")
    gateway.notice(2104, "Market data farm connection is OK:usfarm")
    hears(notebook, 2103, 2104)
    shown = notebook.run("ib").text
    assert "▲ Degraded" in shown
    assert "eufarm" in shown
    assert diagnosed(notebook)["verdict"]["id"] == "data-farm-down"
    gateway.notice(2104, "Market data farm connection is OK:eufarm")
    notebook.run("while heard.count(2104) < 2: await asyncio.sleep(0.01)")
    assert "● Ready" in notebook.run("ib").text
    assert gateway.connections == 1


def test_a_loss(notebook, gateway):
    """The badge says when and why; `%ibdiag` looks where it was, and says what happened."""
    connect(notebook, gateway.port)
    gateway.drop()
    loses(notebook)
    for line in ("ib", "%ibhealth"):
        shown = notebook.run(line)
        assert "✗ Lost" in shown.text
        assert "the other side closed the socket" in shown.text
        assert "since" in shown.html
        assert str(gateway.port) in shown.text
    report = diagnosed(notebook)
    assert report["target"]["port"] == gateway.port
    assert report["verdict"]["id"] == "not-connected"
    assert "was lost" in report["verdict"]["summary"]
    gateway.stop()
    assert diagnosed(notebook)["verdict"]["id"] == "connection-refused"
    gateway.start()
    connect(notebook, gateway.port)
    assert diagnosed(notebook)["verdict"]["id"] == "healthy"
    notebook.run("ib.disconnect()")
    shown = notebook.run("ib").text
    assert "○ Closed" in shown
    assert "own code closed" in shown


def test_beside_the_session_on_another_port(notebook, gateway, library):
    """Each is diagnosed through itself, and a card's evidence is about the connection it names."""
    with BareGateway() as other:
        connect(notebook, gateway.port)
        run = notebook.run(f"%ibconnect {other.port} --name ours --library {library}")
        assert run.status == "ok", run.everything
        sent = notebook.send(f"{TELL}\nwhile 1100 not in heard: await asyncio.sleep(0.01)")
        gateway.wait_for_frames(REQ_IDS)
        gateway.notice(1100, LOST)
        (card,) = notebook.collect([sent])
        assert "lost its link" in card.text
        assert "No loss of the link" not in card.everything
        assert f"127.0.0.1:{gateway.port}" in card.text
        assert diagnosed(notebook)["target"]["port"] == other.port
        assert diagnosed(notebook)["verdict"]["id"] == "healthy"
        report = diagnosed(notebook, str(gateway.port))
        assert report["verdict"]["id"] == "connectivity-lost"
        assert (gateway.connections, other.connections) == (1, 1)
        assert "▲ Degraded" in notebook.run("ib").text
        assert "● Ready" in notebook.run("ours").text
        gateway.drop()
        loses(notebook)
        assert "✗ Lost" in notebook.run("ib").text
        assert "● Ready" in notebook.run("%ibhealth").text
        assert diagnosed(notebook, str(gateway.port))["verdict"]["id"] == "not-connected"
        assert other.connections == 1


def test_a_name_that_is_bound_to_something_else(notebook, gateway):
    """What is open under another name is known all the same, and can be closed."""
    for count, bound in enumerate(("3", "IB", "IB()"), 1):
        connect(notebook, gateway.port, name="trade")
        notebook.run(f"ib = {bound}")
        assert "● Ready" in notebook.run("%ibhealth").text
        report = diagnosed(notebook)
        assert (report["target"]["port"], report["verdict"]["id"]) == (gateway.port, "healthy")
        assert gateway.connections == count
        said = notebook.run("%ibdisconnect").stdout
        assert said.startswith(f"Closed 127.0.0.1:{gateway.port} as client ID 7"), said
        gateway.wait_for_clients()
        assert "%ibdisconnect closed the connection" in notebook.run("trade").text


def test_several_of_which_none_is_at_hand(notebook, gateway):
    """The one that was opened last is meant; which one to close only the user can say."""
    with BareGateway() as other:
        connect(notebook, gateway.port, name="data")
        connect(notebook, other.port, 8, name="trade")
        assert f"127.0.0.1:{other.port}" in notebook.run("%ibhealth").text
        assert diagnosed(notebook)["target"]["port"] == other.port
        run = notebook.run("%ibdisconnect")
        assert "several connections are open" in run.stderr + run.error
        assert "Traceback" not in run.everything
        assert (gateway.open_clients, other.open_clients) == ((7,), (8,))


def test_two_on_one_gateway(notebook, gateway):
    """The one at hand is looked through, also if another was opened after it."""
    connect(notebook, gateway.port)
    connect(notebook, gateway.port, 8, name="trade")
    gateway.notice(1100, LOST, client_id=8)
    hears(notebook, 1100)
    report = diagnosed(notebook)
    assert report["verdict"]["id"] == "healthy"
    assert "as client ID 7" in state_of(report)
    assert "▲ Degraded" in notebook.run("trade").text
    notebook.run("ib.disconnect()")
    report = diagnosed(notebook)
    assert report["verdict"]["id"] == "connectivity-lost"
    assert "as client ID 8" in state_of(report)
    assert gateway.connections == 2


def test_executions_that_do_not_come(notebook, gateway, library):
    """ib_insync gives up, which is named, with the address; ib_async goes on, and is degraded."""
    gateway.unanswered = {EXECUTIONS}
    source = f"ib = IB(); ib.connect('127.0.0.1', {gateway.port}, clientId=7, timeout=1)"
    run = notebook.run(source)
    if library == "ib_async":
        assert "executions request timed out" in run.stderr
        assert "did not arrive: executions" in notebook.run("ib").text
        report = diagnosed(notebook)
        assert (report["verdict"]["id"], gateway.connections) == ("sync-incomplete", 1)
        return
    assert "[sync-incomplete]" in run.error
    assert "request for executions" in run.error
    assert f"%ibconnect 127.0.0.1:{gateway.port} --client-id 7" in run.error
    assert "already in use" not in run.everything
    assert "TimeoutError" not in run.error
    caught = f"try: {source.partition('; ')[2]}\nexcept TimeoutError: print('caught')"
    assert notebook.run(caught).stdout == "caught\n"
    report = diagnosed(notebook)
    assert report["target"]["port"] == gateway.port
    assert report["verdict"]["id"] == "sync-incomplete"
    assert "executions" in report["verdict"]["summary"]
    assert f"127.0.0.1:{gateway.port} --client-id 7" in report["verdict"]["fix"][0]
    gateway.wait_for_clients()
    gateway.unanswered = set()
    assert notebook.run(source).status == "ok"
    assert diagnosed(notebook)["verdict"]["id"] == "healthy"


def test_positions_that_do_not_come(notebook, gateway):
    """The library's line passes, the connection is open, and is known not to be complete."""
    gateway.unanswered = {POSITIONS}
    run = connect(notebook, gateway.port, more=", timeout=1")
    assert "positions request timed out" in run.stderr
    shown = notebook.run("ib").text
    assert "▲ Degraded" in shown
    assert "did not arrive: positions" in shown
    report = diagnosed(notebook)
    assert report["verdict"]["id"] == "sync-incomplete"
    assert "ib.reqPositions()" in report["verdict"]["fix"][0]
    assert gateway.connections == 1


def test_an_error_in_ones_own_code_within_a_connect(notebook, gateway):
    """It is raised as it is, and nothing of the network is blamed."""
    run = notebook.run(
        "class Mine(IB):\n"
        "    def reqExecutionsAsync(self, *_): raise KeyError('mine')\n"
        f"Mine().connect('127.0.0.1', {gateway.port}, clientId=7, timeout=1)"
    )
    assert run.error_name == "KeyError"
    assert "mine" in run.error
    gateway.wait_for_clients()


def test_a_badge_on_screen_follows(notebook, gateway):
    """What is shown of the user's own connection is drawn again when a notice or the end comes."""
    connect(notebook, gateway.port)
    cell = "display(ib)\ndrawn = get_ipython()._ibnb.badges._live[0]\n"
    for state in ("degraded", "lost"):
        cell += f"if ib.isConnected(): {TELL}\n"
        cell += f"while drawn.drawn[0].state != {state!r}: await asyncio.sleep(0.01)\n"
    sent = notebook.send(cell)
    gateway.wait_for_frames(REQ_IDS, 1)
    gateway.notice(1100, LOST)
    gateway.wait_for_frames(REQ_IDS, 2)
    gateway.drop()
    (run,) = notebook.collect([sent])
    assert run.status == "ok", run.everything
    updates = "\n".join(bundle["text/plain"] for bundle in run.updates)
    assert "▲ Degraded" in updates
    assert "✗ Lost" in updates

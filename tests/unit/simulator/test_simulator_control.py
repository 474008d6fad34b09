"""The verbs over HTTP, asked of the program as it is run in a terminal."""

import http.client
import json
import re
import subprocess
import sys

import pytest
from commands import environment, ibnb, python

from ibnb.simulator import VERBS


class Door:
    """A program's control port, and the port of its gateway."""

    def __init__(self, port, gateway):
        self.port, self.gateway = port, gateway

    def ask(self, method, path, body=None, **headers):
        """Ask for a path; return the status and what the JSON says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.getheader("Access-Control-Allow-Origin") is None
            assert text.count("\n") == (1 if text else 0)
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def do(self, verb, **given):
        """Do a verb; return what came of it."""
        status, said = self.ask(
            "POST", f"/{verb}", json.dumps(given), Content_Type="application/json"
        )
        assert status == 200, said
        return said["result"]


@pytest.fixture(scope="module")
def door():
    """A program that serves its verbs on a free port."""
    command = [sys.executable, "-m", "ibnb", "sim", "--port", "0", "--control", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as running:
        control = re.fullmatch(r"control on http://127\.0\.0\.1:(\d+)\n", running.stdout.readline())
        gateway = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", running.stdout.readline())
        yield Door(int(control[1]), int(gateway[1]))
        running.terminate()


def test_it_describes_every_verb(door):
    """With what it does, and what each parameter is, may be, and has to be."""
    status, said = door.ask("GET", "/")
    assert status == 200
    assert [one["verb"] for one in said["verbs"]] == list(VERBS)
    described = [one["about"] for verb in said["verbs"] for one in verb["parameters"].values()]
    assert all([*described, *(verb["about"] for verb in said["verbs"])])
    status, said = door.ask("GET", "/fill")
    assert said["verb"]["parameters"]["order_id"] == {
        "about": "its order ID.",
        "type": "a whole number",
        "required": True,
    }


async def test_a_program_is_steered_from_outside(door, library, until):
    """A library's order rests until a quote is set over HTTP, and the request is found there."""
    ib = library.IB()
    await ib.connectAsync("127.0.0.1", door.gateway, 31, timeout=20)
    try:
        assert door.do("set_quote", contract="AAPL", bid=200, ask=200.1)["held"] is True
        stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
        trade = ib.placeOrder(stock, library.LimitOrder("BUY", 5, 190.0))
        await until(lambda: trade.orderStatus.status == "Submitted")
        door.do("set_quote", contract="AAPL", bid=189.9, ask=190)
        await until(trade.isDone)
        assert trade.orderStatus.avgFillPrice == 190
        found = door.do("requests", name="placeOrder", symbol="AAPL", lmtPrice=190)
        assert [one["client_id"] for one in found] == [31]
        assert door.do("faults", names=["farms-down"]) == ["farms-down"]
        assert door.do("faults", names=[]) == []
    finally:
        ib.disconnect()


def test_every_verb_can_be_asked_for(door):
    """Those that need something say what, and all others are done."""
    for name in VERBS:
        status, said = door.ask("POST", f"/{name}", "{}", Content_Type="application/json")
        if status == 400:
            assert re.search(rf"{name} needs \w+: ", said["error"])
        else:
            assert (status, list(said)) == (200, ["result"])


JSON = {"Content_Type": "application/json"}


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        (("POST", "/fil", "{}", JSON), 404, "there is no verb 'fil': did you mean fill?"),
        (("GET", "/nothing", None, {}), 404, "there is no verb 'nothing'"),
        (("POST", "/", "{}", JSON), 405, "POST /VERB, or GET /"),
        (("DELETE", "/reset", None, {}), 405, "POST /VERB, or GET /"),
        (("POST", "/fill", "{", JSON), 400, "the body is not JSON"),
        (("POST", "/fill", "[1]", JSON), 400, "the body is not an object"),
        (("POST", "/fill", "[" * 100_000, JSON), 400, "the body is not JSON"),
        (
            ("POST", "/fill", '{"order": 1}', JSON),
            400,
            "has no parameter 'order': it takes order_id",
        ),
        (("POST", "/fill", '{"order_id": "1"}', JSON), 400, "'1': give a whole number"),
        (("POST", "/fill", '{"order_id": true}', JSON), 400, "True: give a whole number"),
        (("POST", "/cash", '{"amount": NaN}', JSON), 400, "nan: give a number or null"),
        (("POST", "/faults", '{"names": ["fire"]}', JSON), 400, "unknown fault 'fire'"),
        (("POST", "/on", '{"request": "reqX", "code": 1}', JSON), 400, "no request 'reqX'"),
        (("POST", "/reset", "{}", {"Content_Type": "text/plain"}), 415, "send application/json"),
        (("POST", "/reset", "{}", {}), 415, "send application/json"),
    ],
)
def test_what_makes_no_sense_gets_one_line(door, asked, status, said):
    """What is wrong, and what to do about it, as JSON; the status says whose fault it is."""
    method, path, body, headers = asked
    found, document = door.ask(method, path, body, **headers)
    assert found == status
    assert list(document) == ["error"]
    assert said in document["error"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:80"},
        {"Host": "127.0.0.1.evil.example"},
        {"Origin": "http://127.0.0.1"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_web_page_cannot_use_it(door, method, headers):
    """Neither under a name that leads here, nor as a page of another origin."""
    status, said = door.ask(method, "/requests", "{}", **JSON, **headers)
    assert status == 403
    assert "error" in said


def test_it_is_asked_by_any_name_of_the_loopback(door):
    """With the port or without."""
    for host in ("localhost", f"localhost:{door.port}", f"127.0.0.1:{door.port}", "127.0.0.1"):
        assert door.ask("GET", "/", Host=host)[0] == 200


def test_without_tornado_it_says_what_to_install():
    """In one line, before anything listens."""
    words = ["ibnb", "sim", "--port", "0", "--control", "0"]
    blocked = f"import sys; sys.modules['tornado'] = None; sys.argv = {words}"
    ended = python("-c", f"{blocked}; from ibnb.cli import main; sys.exit(main())")
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert "pip install 'ibnb[sim]'" in ended.stderr


def test_a_control_port_that_is_taken(door):
    """The error names it, and nothing is left listening."""
    ended = ibnb("sim", "--port", "0", "--control", str(door.port))
    assert ended.returncode == 2
    assert f"port {door.port} is taken" in ended.stderr

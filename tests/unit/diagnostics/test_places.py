"""Where a diagnosis works: in a terminal, a script, without Jupyter, for a user who sees little."""

import asyncio
import json
import re
from types import SimpleNamespace

import psutil
import pytest
from commands import at, python
from diagnosing import context

from ibnb.diagnostics.checks import host
from ibnb.simulator import SimulatedGateway

pytestmark = pytest.mark.library
WITHOUT_JUPYTER = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in {'IPython', 'ipykernel', 'ipywidgets', 'jupyter_client',
                                      'jupyter_server', 'jupyterlab', 'nbformat', 'nbclient'}:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Absent())
"""
WITHOUT_SIGHT = """
import psutil
def denied(*args, **kwargs):
    raise psutil.AccessDenied
psutil.net_connections = denied
for name in ('net_connections', 'connections', 'cmdline', 'exe', 'cwd', 'environ'):
    setattr(psutil.Process, name, denied)
"""
WITHOUT_PSUTIL = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'psutil':
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Absent())
"""
WITHOUT_PROC = """
import psutil
def refused(*args, **kwargs):
    raise PermissionError(13, 'Permission denied', '/proc')
psutil.net_connections = refused
psutil.process_iter = refused
psutil.net_if_addrs = refused
"""
WITHOUT_NAMES = """
import socket, sys, threading
known, asked = socket.getaddrinfo, []
def mute(host, *args, **kwargs):
    if host == 'gateway.example':
        asked.append(host)
        if len(asked) > 1:
            print('asked again', file=sys.stderr)
        threading.Event().wait()
    return known(host, *args, **kwargs)
socket.getaddrinfo = mute
"""
PROGRAM = "\nfrom ibnb.cli import main\nraise SystemExit(main(['diag', TARGET, '--json']))"
SCRIPT = "\nimport ibnb, json\nprint(json.dumps(ibnb.diagnose(TARGET).to_dict()))"
IN_A_LOOP = (
    "\nimport asyncio, ibnb, json\n"
    "print(json.dumps(asyncio.run(ibnb.diagnose_async(TARGET)).to_dict()))"
)


def diagnosed(gateway, source):
    """Run Python source that diagnoses a gateway and prints JSON; return the document."""
    ended = python("-c", f"TARGET = {at(gateway.port)!r}{source}")
    assert ended.stderr == ""
    return json.loads(ended.stdout)


@pytest.mark.parametrize(
    "source", [PROGRAM, SCRIPT, IN_A_LOOP], ids=["program", "script", "coroutine"]
)
@pytest.mark.parametrize("before", ["", WITHOUT_JUPYTER], ids=["with", "without"])
def test_with_and_without_jupyter(source, before):
    """The same report comes with a loop and without one, with Jupyter installed and without."""
    with SimulatedGateway() as gateway:
        document = diagnosed(gateway, f"\n{before}{source}")
        assert gateway.connections_accepted == gateway.handshakes_completed == 1
    assert document["verdict"]["id"] == "healthy"


def test_a_user_who_may_see_no_other_process():
    """What cannot be seen is skipped and says why; the wire still tells the cause."""
    with SimulatedGateway(faults=["id-held"]) as gateway:
        document = diagnosed(gateway, f"\n{WITHOUT_SIGHT}{PROGRAM}")
        assert gateway.connections_accepted == 1
    assert document["verdict"]["id"] == "client-id-in-use"
    by_id = {one["id"]: one for one in document["checks"]}
    assert "crash" not in {one["status"] for one in by_id.values()}
    for check in ("net.port", "net.clients"):
        assert (by_id[check]["status"], by_id[check]["blocked_by"]) == ("skip", None)
        assert "could not be" in by_id[check]["summary"]
    assert by_id["session.client-id"]["status"] == "skip"
    assert "no other process" not in json.dumps(document)


@pytest.mark.parametrize("blind", [WITHOUT_PSUTIL, WITHOUT_PROC], ids=["no psutil", "no access"])
def test_a_machine_that_shows_no_processes_at_all(blind):
    """No check crashes: what needs to see processes or sockets is skipped and says why."""
    with SimulatedGateway() as gateway:
        document = diagnosed(gateway, f"\n{blind}{PROGRAM}")
    assert document["verdict"]["id"] == "healthy"
    by_id = {one["id"]: one for one in document["checks"]}
    assert "crash" not in {one["status"] for one in by_id.values()}
    for check in ("host.process", "net.clients", "session.client-id"):
        assert (by_id[check]["status"], by_id[check]["blocked_by"]) == ("skip", None)
        assert re.search("could not be read|may not see", by_id[check]["summary"])


@pytest.mark.parametrize("blind", [WITHOUT_PSUTIL, WITHOUT_PROC], ids=["no psutil", "no access"])
def test_two_candidates_on_a_machine_that_shows_nothing(blind):
    """`ibnb diag paper` cannot choose by what listens: it takes the first, and says what it saw."""
    only = "main(['diag', 'paper', '--only', 'host.process', '--json'])"
    ended = python("-c", f"{blind}\nfrom ibnb.cli import main\nraise SystemExit({only})")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert json.loads(ended.stdout)["target"]["port"] == 4002


def test_a_java_program_that_may_not_be_read(monkeypatch):
    """Another user's Java program may be the gateway: that none runs would be a guess."""
    known = {"name": "java", "exe": None, "cmdline": None, "create_time": 1.0, "ppid": 1}
    hidden = SimpleNamespace(pid=4242, info=known)
    monkeypatch.setattr(psutil, "process_iter", lambda *_: [hidden])
    result = asyncio.run(host.process(context()[0]))
    assert (result.status, result.blocked_by) == ("skip", None)
    assert "some processes may not be read" in result.summary


def test_a_name_service_that_never_answers():
    """The name is asked for once, within the time-out; the report comes and the program ends."""
    words = ["diag", "gateway.example:4002", "--timeout", "0.5", "--json"]
    ended = python(
        "-c", f"{WITHOUT_NAMES}\nfrom ibnb.cli import main\nraise SystemExit(main({words}))"
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    document = json.loads(ended.stdout)
    assert document["verdict"]["id"] == "host-unreachable"
    assert "'gateway.example' was not resolved within 0.5 s" in document["verdict"]["summary"]
    assert "crash" not in {one["status"] for one in document["checks"]}

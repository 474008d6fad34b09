"""The same verbs from a plain script, without IPython."""

import pytest
import servers
from commands import python
from servers import TEXT_326, Server

from ibnb.simulator import SimulatedGateway

pytestmark = pytest.mark.library


@pytest.fixture
def gateway():
    """A healthy simulated gateway."""
    with SimulatedGateway() as running:
        yield running


@pytest.fixture
def script(tmp_path):
    """Run a script with the port and the library that it is to use; return what it printed."""

    def script(code, port, library):
        path = tmp_path / "script.py"
        path.write_text(f"import sys\nport = {port}\nlibrary = {library!r}\n{code}")
        ended = python(path, IBNB_STATE_DIR=str(tmp_path / "state"))
        assert (ended.returncode, ended.stderr) == (0, "")
        return ended.stdout.splitlines()

    return script


def test_connect_and_disconnect(script, gateway, library):
    """An `IB` object to work with, and a socket that is closed when `disconnect` returns."""
    code = """
import ibnb
ib = ibnb.connect(port, client_id=12, library=library)
print(type(ib).__module__, ib.isConnected(), ib.client.clientId)
print([value.account for value in ib.accountValues()][:1])
print(ibnb.connect(port, client_id=12, library=library) is ib, ib.isConnected())
ibnb.disconnect()
print(ib.isConnected())
ibnb.disconnect()
print("IPython" in sys.modules)
"""
    assert script(code, gateway.port, library) == [
        f"{library}.ib True 12",
        "['DU1234567']",
        "False False",
        "False",
        "False",
    ]
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    assert gateway.max_open_clients == 1
    assert gateway.refused_326 == 0


@pytest.mark.parametrize(
    "opening",
    [
        "ib = ibnb.connect(str(port), library=library)",
        "ib = asyncio.run(ibnb.connect_async(port, library=library))",
    ],
    ids=["plain", "on a loop that is closed"],
)
def test_a_script_may_end_without_closing(script, gateway, library, opening):
    """Its end is quiet, and the gateway has its client ID back."""
    code = f"""
import asyncio, ibnb
{opening}
print(1000 <= ib.client.clientId <= 9999)
"""
    assert script(code, gateway.port, library) == ["True"]
    assert gateway.wait_for(lambda: gateway.open_clients == ())


def test_connecting_in_code_that_awaits(script, gateway, library):
    """`connect_async` and `diagnose_async` on the caller's own loop."""
    code = """
import asyncio, ibnb
async def main():
    ib = await ibnb.connect_async(f"127.0.0.1:{port}", client_id=13, library=library)
    print(ib.isConnected(), len(await ib.reqPositionsAsync()) >= 0)
    report = await ibnb.diagnose_async()
    print(report.verdict.id, report.target.port == port, "13" in report.verdict.summary)
    await asyncio.to_thread(ibnb.disconnect)
    print(ib.isConnected(), len(asyncio.all_tasks()))
asyncio.run(main())
"""
    assert script(code, gateway.port, library) == ["True True", "healthy True True", "False 1"]
    assert gateway.connections_accepted == 1


def test_one_loop_after_the_other(script, gateway, library):
    """A connection whose loop was closed under it is not an obstacle to the next one."""
    code = """
import asyncio, ibnb
async def main():
    ib = await ibnb.connect_async(port, client_id=14, library=library)
    return ib.isConnected()
print(asyncio.run(main()))
print(asyncio.run(main()))
print(ibnb.connect(port, client_id=14, library=library).isConnected())
ibnb.disconnect()
"""
    assert script(code, gateway.port, library) == ["True", "True", "True"]
    assert gateway.wait_for(lambda: gateway.open_clients == ())


def test_diagnosing(script, library):
    """A report, as an object and as the documented JSON."""
    code = """
import ibnb
report = ibnb.diagnose(port, client_id=15, timeout=10, library=library)
print(type(report).__module__, type(report).__name__, report.exit_status)
print(report.verdict.id, report.to_dict()["verdict"]["id"])
report = ibnb.diagnose(port, only=("host.address",))
print([result.id for result in report.results])
"""
    with Server(servers.refusing(326, TEXT_326)) as server:
        assert script(code, server.port, library) == [
            "ibnb.diagnostics.model Report 1",
            "client-id-in-use client-id-in-use",
            "['host.address']",
        ]
        assert server.only_client().started_with == 15


def test_a_failure_is_an_error_with_its_explanation(script, library):
    """Caught as ConnectionError, with the verdict at hand."""
    code = """
import ibnb
try:
    ibnb.connect(port, wait=0, library=library)
except ConnectionError as error:
    print(type(error).__name__, error.verdict, error.explanation.entry.id)
    print("in use" in str(error).lower(), chr(10) in str(error))
"""
    with Server(servers.refusing(326, TEXT_326)) as server:
        assert script(code, server.port, library) == [
            "ConnectFailed client-id-in-use client-id-in-use",
            "True False",
        ]


def test_explaining(script):
    """A code, an id or words, with live evidence; words that match nothing are a LookupError."""
    code = """
import asyncio, ibnb
print(ibnb.explain(326).entry.id, ibnb.explain("326").entry.id, ibnb.explain("client id").entry.id)
print(ibnb.explain(99999).entry.id)
try:
    ibnb.explain("xyzzy")
except LookupError as error:
    print("xyzzy" in str(error))
print("net.port" in [answer.check for answer in ibnb.explain("connection-refused").answers])
print(asyncio.run(ibnb.explain_async(326)).entry.id)
print("ib_insync" in sys.modules, "ib_async" in sys.modules)
"""
    assert script(code, 0, "") == [
        "client-id-in-use client-id-in-use client-id-in-use",
        "code-99999",
        "True",
        "True",
        "client-id-in-use",
        "False False",
    ]


BAD = {
    "target": ('"moon"', "HOST:PORT"),
    "port": ("70000", "65535"),
    "expectation": ('port, expect="demo"', "paper or live"),
    "client ID": ("port, client_id=-1", "2147483647"),
    "timeout": ("port, timeout=0", "seconds"),
    "library": ('port, library="ibapi"', "ib_insync or ib_async"),
}


@pytest.mark.parametrize("verb", ["connect", "diagnose"])
def test_bad_input_is_a_value_error(script, verb):
    """One line that says what is accepted; nothing is opened."""
    calls = [
        f"""
try:
    ibnb.{verb}({arguments})
except ValueError as error:
    print(type(error).__name__, str(error))
"""
        for arguments, _ in BAD.values()
    ]
    lines = script("\n".join(["import ibnb", *calls]), 4999, "")
    for line, (arguments, accepted) in zip(lines, BAD.values(), strict=True):
        assert line.startswith("BadInputError "), arguments
        assert accepted in line, arguments

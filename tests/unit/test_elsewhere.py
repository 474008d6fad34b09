"""Without IPython: how values show themselves, and the guard for code of one's own."""

import os
from textwrap import dedent

import pytest
from commands import python

import ibnb
from ibnb.simulator import SimulatedGateway

CONNECTS = """
    from {library} import IB
    import ibnb

    {guard}

    def connect():
        ib = IB()
        ib.connect("127.0.0.1", {port}, clientId=7, timeout=5)
        # In a cycle: nobody has it any more, and Python does not know yet.
        ib.itself = ib
        return ib.isConnected()

    print(connect())
    print(connect())
"""

INSIDE_A_LOOP = """
    import asyncio
    from {library} import IB
    import ibnb

    async def cell():
        ibnb.guard()
        ib = IB()
        ib.connect("127.0.0.1", {port}, clientId=7, timeout=5)
        print(ib.isConnected(), len(ib.positions()) > 0)
        ib.disconnect()

    asyncio.run(cell())
"""
"""As marimo runs its cells, and every other notebook that is no IPython."""


def bundle(value):
    """Return what a front-end asks a value for, after looking that IPython's names work too."""
    forms = value._repr_mimebundle_(include=None, exclude=None)
    assert forms.keys() == {"text/plain", "text/html"}
    return forms


def test_an_explanation_shows_itself():
    """Its card as text and as HTML."""
    forms = bundle(ibnb.explain(326))
    for form in forms.values():
        assert "Client ID already in use" in form
    assert "<details" in forms["text/html"]


def test_a_report_shows_itself():
    """As the one that %ibdiag shows."""
    forms = bundle(ibnb.diagnose(1, only=("env.library",)))
    assert forms["text/plain"].startswith("✓ OK: Everything works")
    assert "Everything works" in forms["text/html"]


def test_a_simulated_gateway_of_this_program_is_not_taken_for_another_program():
    """The report says what listens, and its steps are those for a gateway that says nothing."""
    with SimulatedGateway(faults=["silent"]) as gateway:
        report = ibnb.diagnose(gateway.port, timeout=1)
    assert report.verdict.id == "handshake-silent"
    text = bundle(report)["text/plain"]
    assert "neither a TWS nor a Gateway" not in text
    (port,) = (one for one in report.results if one.id == "net.port")
    assert port.summary.startswith(f"A simulated gateway (process {os.getpid()}) listens")


def test_a_connection_shows_itself():
    """As the badge does: its health, and the session itself."""
    from ibnb.app import the_app

    health = ibnb.health()
    for value in (health, the_app().session):
        forms = bundle(value)
        assert forms["text/plain"].startswith("○ Closed")
        assert 'role="status"' in forms["text/html"]


@pytest.mark.parametrize("guarded", [True, False])
def test_the_guard_makes_connects_of_plain_python_safe_to_repeat(library, guarded, tmp_path):
    """What nobody has any more is closed before the ID is used again; without it: 326."""
    with SimulatedGateway() as gateway:
        source = dedent(CONNECTS).format(
            library=library,
            port=gateway.port,
            guard="ibnb.guard(); ibnb.guard()" if guarded else "import gc; gc.disable()",
        )
        ended = python("-c", source, IBNB_STATE_DIR=str(tmp_path))
    assert ended.stdout.splitlines() == (["True", "True"] if guarded else ["True"]), ended.stderr
    assert (ended.returncode == 0) == guarded


def test_the_guard_lets_blocking_calls_work_where_a_loop_runs(library, tmp_path):
    """As the extension does in a notebook; the library alone raises that a loop is running."""
    with SimulatedGateway() as gateway:
        source = dedent(INSIDE_A_LOOP).format(library=library, port=gateway.port)
        ended = python("-c", source, IBNB_STATE_DIR=str(tmp_path))
    assert ended.stdout == "True True\n", ended.stderr


def test_the_guard_ends_with_its_context(library):
    """The libraries are as they were."""
    from importlib import import_module

    ib_class = import_module(library).IB
    before = ib_class.connectAsync
    with ibnb.guard({}):
        assert ib_class.connectAsync is not before
    assert ib_class.connectAsync is before

"""A marimo app that connects, exported with its outputs; it runs where marimo is installed."""

import pytest
from commands import python

from ibnb.simulator import SimulatedGateway

pytest.importorskip("marimo", reason="it is none of the packages of the tests: see CONTRIBUTING")

APP = """
import marimo

app = marimo.App()


@app.cell
def _():
    from {library} import IB
    import ibnb
    ibnb.guard()
    return IB, ibnb


@app.cell
def _(IB):
    def connect():
        ib = IB()
        ib.connect("127.0.0.1", {port}, clientId=7, timeout=5)
        # In a cycle: nobody has it any more, and Python does not know yet.
        ib.itself = ib
        return ib.isConnected()

    print("own", connect(), connect())
    return


@app.cell
def _(ibnb):
    ib = ibnb.connect({port}, client_id=8)
    print("session", ib.isConnected())
    return (ib,)


@app.cell
def _(ib, ibnb):
    ib.isConnected()
    ibnb.health()
    return


@app.cell
async def _(ib, ibnb):
    ib.isConnected()
    await ibnb.diagnose_async({held})
    return


@app.cell
def _(ibnb):
    ibnb.explain(200)
    return
"""


def test_an_app_connects_and_shows_badge_report_and_explanation(library, tmp_path):
    """Its own connects can be repeated, blocking calls work, and what is shown is HTML of ours."""
    app, page = tmp_path / "app.py", tmp_path / "app.html"
    with SimulatedGateway() as gateway, SimulatedGateway(faults=["id-held"]) as held:
        app.write_text(APP.format(library=library, port=gateway.port, held=held.port))
        places = {f"XDG_{name}_HOME": str(tmp_path) for name in ("CONFIG", "CACHE", "STATE")}
        ended = python(
            *("-m", "marimo", "-y", "export", "html", app, "-o", page),
            **places,
            IBNB_STATE_DIR=str(tmp_path / "state"),
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = ended.stdout + ended.stderr
    assert "own True True" in said
    assert "session True" in said
    shown = page.read_text()
    for words in ("Ready", "PAPER", "Client ID already in use", "No such contract"):
        assert words in shown, words

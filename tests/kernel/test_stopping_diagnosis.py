"""Ending a diagnosis before its time: the stop button of the kernel, and the panel's own."""

from __future__ import annotations

import json
import re
import sys

import pytest

from ibnb.simulator import SimulatedGateway

PATIENCE = 60.0
CLICK = {"event": "click"}
LEFT_BEHIND = (
    "[thread.name for thread in __import__('threading').enumerate()"
    " if thread.name == 'ibnb-diagnosis']"
)
STOP_FROM_A_THREAD = """\
import threading
from ipywidgets.widgets import widget as widgets

def press(description, pressed):
    while not pressed.wait(0.05):
        for one in list(widgets._instances.values()):
            if getattr(one, "description", None) == description and not one.disabled:
                one.click()
                # It is there before it does anything.
                if one.description != description:
                    pressed.set()
"""
WAIT_FOR_IT = """\
import asyncio
thread.start()
while not pressed.is_set():
    await asyncio.sleep(0.01)
await asyncio.sleep(0)
"""
"""The loop goes on meanwhile."""


@pytest.fixture
def silent():
    """A gateway that accepts connections and says nothing."""
    with SimulatedGateway(faults=["silent"]) as gateway:
        yield gateway


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT of another process")
@pytest.mark.parametrize("options", ["", "--static", "--json"])
def test_the_kernels_stop_button_ends_the_diagnosis(notebook, silent, options):
    """The connection is closed and the thread over, and what was found is shown."""
    notebook.run("%load_ext ibnb")
    sent = notebook.send(f"%ibdiag {silent.port} --timeout 60 {options}")
    assert silent.wait_for(lambda: silent.connections_accepted == 1, PATIENCE)
    run = notebook.stop(sent)
    assert run.error_name == "KeyboardInterrupt", run.everything
    assert silent.wait_for(lambda: silent.handshakes_unfinished == 1, PATIENCE)
    assert notebook.value(LEFT_BEHIND) == "[]"
    assert ("The diagnosis was stopped" in run.html) == (options != "--json")
    assert "never retrieved" not in run.stderr
    assert "Exception in thread" not in run.stderr
    silent.set_faults([])
    assert "Everything works" in notebook.run(f"%ibdiag {silent.port}").text


def test_the_panels_stop_ends_the_diagnosis_while_the_cell_waits(notebook, silent):
    """Clicked on another thread, as some kernels do it; the cell ends with what is known."""
    notebook.run(f"%load_ext ibnb\n{STOP_FROM_A_THREAD}")
    run = notebook.run(
        "pressed = threading.Event()\n"
        "thread = threading.Thread(target=press, args=('■ Stop', pressed))\n"
        "thread.start()\n"
        f"%ibdiag {silent.port} --timeout 60\n"
        "pressed.set(); thread.join()"
    )
    assert run.status == "ok", run.everything
    # Clicked that soon, it may have had none to close yet.
    assert silent.wait_for(
        lambda: silent.handshakes_unfinished == silent.connections_accepted, PATIENCE
    )
    assert silent.connections_accepted <= 1
    assert "The diagnosis was stopped" in run.html
    assert re.search(r"took \d+(\.\d)? m?s ", run.text), run.text
    assert notebook.value(LEFT_BEHIND) == "[]"


def test_a_click_that_comes_over_a_subshell_ends_the_diagnosis(notebook, silent):
    """As JupyterLab sends clicks: they are handled although the cell keeps the main shell busy."""
    client, subshell = notebook.client, notebook.subshell()
    notebook.run("%load_ext ibnb")
    sent = notebook.send(f"%ibdiag {silent.port} --timeout 600")
    assert silent.wait_for(lambda: silent.connections_accepted == 1, PATIENCE)
    click = client.session.msg(
        "comm_msg",
        {"comm_id": _stop_button(client), "data": {"method": "custom", "content": CLICK}},
    )
    click["header"]["subshell_id"] = subshell
    client.shell_channel.send(click)
    (run,) = notebook.collect([sent])
    assert run.status == "ok", run.everything
    assert "The diagnosis was stopped" in run.html


def _stop_button(client):
    """Return the id of the Stop button when it is on the screen: before, nobody can click it."""
    button = None
    while True:
        message = client.get_iopub_msg(timeout=PATIENCE)
        state = message["content"].get("data", {}).get("state", {})
        if state.get("description") == "■ Stop":
            button = message["content"]["comm_id"]
        if button is not None and f"IPY_MODEL_{button}" in state.get("children", ()):
            return button


def test_the_report_holds_the_page_of_its_verdict(notebook, silent):
    """Why it is so can be unfolded without a kernel, with live answers; the text names the page."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibdiag {silent.port} --timeout 1")
    report = reports(run)[-1]
    page = report["text/html"].partition(">Why</summary>")[2]
    assert "with live answers" in page
    assert "What to check" in page
    assert "why: %iberror handshake-silent" in report["text/plain"]


def test_a_report_is_small_and_says_once_what_it_is_not(notebook, silent):
    """20 KB at most are stored for each; the legal text comes with the first of a notebook."""
    notebook.run("%load_ext ibnb")
    for number in range(2):
        run = notebook.run(f"%ibdiag {silent.port} --timeout 1")
        report = reports(run)[-1]
        assert len(json.dumps(report, ensure_ascii=False).encode()) < 20_000
        for form in report.values():
            assert ("not financial" in " ".join(form.split())) == (number == 0)


def test_the_report_takes_the_place_of_the_progress(notebook, silent):
    """One output, that is first what is under way and then the report: never both."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibdiag {silent.port} --timeout 1")
    shown = [one for one in run.displays if "text/html" in one]
    assert len(shown) == 1
    assert "Diagnosing" in shown[0]["text/html"]
    assert "0 of 23 checks" in shown[0]["text/html"]
    assert len(reports(run)) == 1
    assert reports(run)[0] is run.updates[-1]


def reports(run):
    """Return the reports that a cell came to show."""
    return [one for one in run.updates if "verdict <code" in one.get("text/html", "")]


def test_a_rerun_of_the_cell_ends_a_diagnosis_that_was_run_again(notebook, silent):
    """No two diagnoses of one cell go on at the same time."""
    notebook.run(f"%load_ext ibnb\n{STOP_FROM_A_THREAD}")
    sent = notebook.send(f"%ibdiag {silent.port} --timeout 60", "diagnosing")
    assert silent.wait_for(lambda: silent.connections_accepted == 1, PATIENCE)
    notebook.stop(sent)
    notebook.run(
        "pressed = threading.Event()\n"
        "thread = threading.Thread(target=press, args=('↻ Run again', pressed))\n"
        f"{WAIT_FOR_IT}"
    )
    assert silent.wait_for(lambda: silent.connections_accepted == 2, PATIENCE)
    silent.set_faults([])
    run = notebook.run(f"%ibdiag {silent.port}", "diagnosing")
    assert "Everything works" in run.text
    assert silent.handshakes_unfinished == 2
    assert notebook.value(LEFT_BEHIND) == "[]"

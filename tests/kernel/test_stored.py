"""A notebook that is executed without a frontend is stored as it was true at its end.

Such a program keeps of a cell's output only what comes with that cell as its parent.
"""

from __future__ import annotations

import json
import os
import sys

import pytest
from notice_server import NoticeServer, notice

from ibnb import demo
from ibnb.simulator import SimulatedGateway

SECONDS = 120


def execute(folder, *sources):
    """Execute a notebook as nbclient, papermill and nbconvert do; return the stored cells."""
    import nbformat
    from nbclient import NotebookClient

    for tries_left in (2, 1, 0):
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])
        resources = {"metadata": {"path": str(folder)}}
        client = NotebookClient(book, timeout=SECONDS, resources=resources, kernel_name="python3")
        try:
            client.execute(env=environment(folder))
        except RuntimeError as never_started:
            # While a kernel starts, another program may take a port that was found free for it.
            if not tries_left or "Kernel died before" not in str(never_started):
                raise
        else:
            break
    return book.cells


def environment(folder):
    """Return what a kernel needs to be one of its own."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "IPYTHONDIR": str(folder / "ipython"),
        "IBNB_STATE_DIR": str(folder / "state"),
    }


def text_of(cell):
    """Return all text that a stored cell has."""
    parts = [
        one.get("text", "") or one.get("data", {}).get("text/plain", "") for one in cell.outputs
    ]
    return "\n".join(parts)


@pytest.fixture
def gateway():
    """A simulated gateway that frees client IDs at once."""
    with SimulatedGateway() as gateway:
        yield gateway


def test_badges_are_stored_as_they_are_at_the_end(tmp_path, gateway, library):
    """One that was replaced says Stale, one that was closed says Closed; none says Ready."""
    connect = f"%ibconnect {gateway.port} --library {library}"
    cells = execute(tmp_path, "%load_ext ibnb", connect, connect, "%ibdisconnect", "pass")
    assert "Stale" in text_of(cells[1])
    assert "Closed" in text_of(cells[2])
    assert "Ready" not in "".join(map(text_of, cells))
    assert "Ready" not in "".join(map(json.dumps, cells))


def test_the_badge_of_an_object_that_is_gone_is_not_ready(tmp_path, gateway, library):
    """Nobody has it any more: what it was connected to is closed."""
    cells = execute(
        tmp_path,
        f"%load_ext ibnb\nfrom {library} import IB",
        f"import gc, IPython\nib = IB(); ib.connect('127.0.0.1', {gateway.port}, 7)\n"
        "IPython.display.display(ib)",
        "ib.disconnect(); del ib; gc.collect()",
    )
    assert "Ready" not in "".join(map(json.dumps, cells))
    assert "Closed" in text_of(cells[1])


def test_what_changed_between_two_cells_is_stored_by_the_next(tmp_path, library):
    """A link that is lost while no cell runs shows in the badge that is stored."""
    with NoticeServer({"49": lambda _: notice(1100, "Lost.")}) as server:
        cells = execute(
            tmp_path,
            "%load_ext ibnb",
            f"%ibconnect {server.port} --library {library}",
            # The answer comes when this cell is over, or soon.
            "ib.client.reqCurrentTime()",
            "import asyncio\n"
            "journal = get_ipython()._ibnb.app.session.journal\n"
            "while not journal.latest_of(1100): await asyncio.sleep(0.01)",
        )
    assert "Degraded" in text_of(cells[1])
    assert "Ready" not in json.dumps(cells[1])


LOSE = "import socket\nib.client.conn.transport.get_extra_info('socket').shutdown(socket.SHUT_RDWR)"
"""What follows comes from the socket, whose callbacks are those of the connecting cell."""
RESUMED = """
import asyncio
import ibnb.session.reconnect.reconnector as r
r.DELAYS = (0.05,)
"""
UNTIL_READY = (
    "session = get_ipython()._ibnb.app.session\n"
    "while session.connection.state != 'lost': await asyncio.sleep(0.01)\n"
    "while session.connection.state != 'ready': await asyncio.sleep(0.01)\n"
    "await asyncio.sleep(0)"
)


def test_the_line_of_a_resume_is_stored(tmp_path, gateway, library):
    """In the cell that runs when it happens."""
    cells = execute(
        tmp_path,
        "%load_ext ibnb",
        f"%ibconnect {gateway.port} --library {library}",
        RESUMED,
        f"{LOSE}\n{UNTIL_READY}\nprint('waited')",
        "pass",
    )
    stored = text_of(cells[3]) + text_of(cells[4])
    assert stored.count("ibnb: Resumed 127.0.0.1:") == 1, stored
    assert "Ready" in text_of(cells[1])


def test_the_line_of_a_resume_between_cells_is_stored_by_the_next(tmp_path, gateway, library):
    """Nothing runs when it happens: the next cell that ends has it."""
    cells = execute(
        tmp_path,
        "%load_ext ibnb",
        f"%ibconnect {gateway.port} --library {library}",
        RESUMED,
        LOSE,
        # Without an event of a cell, as when nobody runs any.
        "shell = get_ipython()\n"
        "running = shell._ibnb.cells._running\n"
        "running.end()\n"
        f"{UNTIL_READY}\n",
        "pass",
    )
    stored = text_of(cells[4]) + text_of(cells[5])
    assert stored.count("ibnb: Resumed 127.0.0.1:") == 1, stored


def test_the_quickstart_is_stored_truly(tmp_path, monkeypatch):
    """As `ibnb demo --headless` writes it: no false Ready, and the line of the resume."""
    pytest.importorskip("ib_insync", reason="the quickstart is written for it")
    import nbformat

    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert demo.run(headless=True, output=str(tmp_path / "out"), port=0) == 0
    book = nbformat.read(tmp_path / "out" / "quickstart.executed.ipynb", as_version=4)
    stored = [cell for cell in book.cells if cell.cell_type == "code"]
    everything = "\n".join(map(text_of, stored))
    assert "● Ready" not in everything
    assert everything.count("ibnb: Resumed 127.0.0.1:") == 1
    page = (tmp_path / "out" / "quickstart.html").read_text(encoding="utf-8")
    assert "● Ready" not in page

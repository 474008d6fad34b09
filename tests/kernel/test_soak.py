"""Many reruns: nothing grows, and nothing collides.

`IBNB_SOAK=1000` runs the full count; without it a shorter form runs, which finds the same growth.
"""

from __future__ import annotations

import json
import os
import time

import pytest

from ibnb.simulator import SimulatedGateway

RUNS = int(os.environ.get("IBNB_SOAK", "60"))
SLOW_RUNS = max(5, RUNS // 50)
SETTLED = 10
LOOKS, LOOK_SECONDS = 20, 0.2
# IPython's history keeps a second file open until the disk has synced, on a busy one for seconds.
SETTING = """
%config HistoryManager.enabled = False
%load_ext ibnb
import warnings; warnings.simplefilter('ignore')
"""
MEASURE = """
import asyncio, gc, json, logging, psutil
from ipywidgets import Widget
def measured():
    gc.collect()
    handlers = sum(len(getattr(ib, name)) for name in ib.events)
    return json.dumps({
        "descriptors": psutil.Process().num_fds(),
        "sockets": len(psutil.Process().net_connections(kind="tcp")),
        "tasks": len(asyncio.all_tasks()),
        "handlers": handlers,
        "widgets": len(Widget.widgets),
        "filters": sum(len(logging.getLogger(name).filters)
                       for name in list(logging.root.manager.loggerDict)),
    })
"""
WAYS = {
    "magic": "%ibconnect {port} --client-id 7 --library {library}",
    "raw": "from {library} import IB\nib = IB(); ib.connect('127.0.0.1', {port}, clientId=7)",
}


def measured(notebook):
    """Return what the kernel holds now, by name."""
    return json.loads(notebook.run("print(measured(), end='')").stdout)


def grown_since(notebook, early):
    """Yield what a kernel has more of than it had, looking several times."""
    for _ in range(LOOKS):
        late = measured(notebook)
        yield {name: (early[name], late[name]) for name in early if late[name] > early[name]}
        time.sleep(LOOK_SECONDS)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("way", list(WAYS))
def test_reruns_leave_nothing_behind(notebook, gateway, library, way):
    """However often the cell is rerun: no 326, one client, and nothing more than at the 10th."""
    notebook.run(SETTING)
    source = WAYS[way].format(port=gateway.port, library=library)
    early = None
    for number in range(1, RUNS + 1):
        run = notebook.run(source, "connecting")
        assert run.status == "ok", (number, run.everything)
        if number == 1:
            notebook.run(MEASURE)
        if number == SETTLED:
            early = measured(notebook)
    # What is written after a connect, on a thread, has a file open for a moment.
    grown = next((one for one in grown_since(notebook, early) if not one), None)
    assert grown == {}, list(grown_since(notebook, early))[-1]
    assert gateway.connections_accepted == RUNS
    assert gateway.refused_326 == 0
    assert gateway.max_open_clients == 1


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("way", list(WAYS))
def test_reruns_on_a_gateway_that_frees_ids_late(notebook, library, way):
    """Where an ID is freed a second late, every rerun ends connected with the same ID."""
    with SimulatedGateway(release_after=1.0) as gateway:
        notebook.run("%load_ext ibnb")
        source = WAYS[way].format(port=gateway.port, library=library)
        for _ in range(SLOW_RUNS):
            run = notebook.run(source, "connecting")
            assert run.status == "ok", run.everything
            assert notebook.value("(ib.isConnected(), ib.client.clientId)") == "(True, 7)"
        assert gateway.max_open_clients == 1

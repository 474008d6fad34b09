"""`%load_ext`, `%reload_ext`, `%unload_ext`: the shell is left as it was."""

from __future__ import annotations

import ast
import json

import pytest

# IPython makes its own extension magics when the first of them is used.
SNAPSHOT = """
%unload_ext nothing
import asyncio, json, os, psutil
def snapshot():
    shell = get_ipython()
    ipython_display = shell.display_formatter.ipython_display_formatter
    state = {
        "magics": sorted(shell.magics_manager.magics["line"]),
        "registry": sorted(shell.magics_manager.registry),
        "configurables": [type(c).__name__ for c in shell.configurables],
        "events": {name: len(found) for name, found in shell.events.callbacks.items()},
        "formatters": sorted(map(str, ipython_display.type_printers)),
        "deferred": sorted(map(str, ipython_display.deferred_printers)),
        "completion": sorted(map(str, shell.strdispatchers["complete_command"].strs)),
        "loop": [name for name in vars(asyncio.get_event_loop()) if name.startswith("run_")],
        "tasks": len(asyncio.all_tasks()),
        "sockets": len(psutil.Process().net_connections(kind="tcp")),
        "children": [child.pid for child in psutil.Process().children()],
        "attributes": sorted(name for name in vars(shell) if "ibnb" in name),
        "wrapped": sorted(name for name in vars(globals().get("ib", object)).keys()
                          if name in ("placeOrder", "connect", "connectAsync"))
                   if "ib" in globals() else [],
    }
    return json.dumps(state, sort_keys=True)
"""


def snapshot(notebook):
    return json.loads(ast.literal_eval(notebook.value("snapshot()")))


@pytest.mark.parametrize("widgets", [False, True])
def test_unload_leaves_everything_as_it_was(notebook, gateway, library, widgets):
    """After unloading, the shell, its tasks and its sockets are as before loading."""
    notebook.run(SNAPSHOT)
    notebook.run(f"import {library}, ipywidgets, nest_asyncio2; nest_asyncio2.apply()")
    before = snapshot(notebook)
    notebook.run("%load_ext ibnb")
    assert notebook.run(f"%ibconnect {gateway.port} --library {library}").status == "ok"
    notebook.run("shown = ib\nib")
    if widgets:
        notebook.run("from ipywidgets import Widget\n%ibdiag")
        assert int(notebook.value("len(Widget.widgets)")) > 0
    notebook.run("%unload_ext ibnb")
    assert snapshot(notebook) == before
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    wrapped = "vars(shown.client).keys() & {'send', 'placeOrder', 'sendMsg'}"
    assert notebook.value(wrapped) == "set()"
    if widgets:
        assert notebook.value("len(Widget.widgets)") == "0"


def test_unload_ends_the_simulated_gateway(notebook):
    """The process that `%ibconnect sim` started ends with the extension."""
    notebook.run(SNAPSHOT + "\nimport nest_asyncio2; nest_asyncio2.apply()")
    before = snapshot(notebook)
    notebook.run("%load_ext ibnb")
    assert notebook.run("%ibconnect sim").status == "ok"
    notebook.run("%unload_ext ibnb")
    assert snapshot(notebook) == before


def test_closed_ib_after_unload_is_the_users_again(notebook, gateway, library):
    """After unloading, the `ib` is an ordinary object that the user's code may connect."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port} --library {library}")
    notebook.run("%unload_ext ibnb")
    run = notebook.run(f"ib.connect('127.0.0.1', {gateway.port}, 77); print(ib.isConnected())")
    assert run.stdout.strip() == "True", run.everything


def test_reload_works_and_adds_nothing_twice(notebook, gateway):
    """`%reload_ext` closes the connection; magics, events and settings are there once."""
    notebook.run(SNAPSHOT)
    notebook.run("%load_ext ibnb")
    before = snapshot(notebook)
    notebook.run(f"%ibconnect {gateway.port}")
    notebook.run("del ib")
    run = notebook.run("%reload_ext ibnb")
    assert run.status == "ok", run.everything
    assert snapshot(notebook) == before
    assert gateway.wait_for(lambda: gateway.open_clients == ())
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"


def test_loading_twice_changes_nothing(notebook, gateway):
    """A second `%load_ext` keeps the connection, and doubles no setting."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%ibconnect {gateway.port}")
    notebook.run("%load_ext ibnb")
    assert notebook.value("ib.isConnected()") == "True"
    listed = notebook.run("%config").stdout
    assert listed.count("IbMagics") == 1


def test_original_nest_asyncio_is_repaired(notebook, gateway, library):
    """Where the original nest_asyncio came first, queued cells run again after loading."""
    if notebook.run("import nest_asyncio; nest_asyncio.apply()").status != "ok":
        pytest.skip("nest_asyncio is not installed here")
    loaded = notebook.run("%load_ext ibnb")
    assert "nest-asyncio2" in loaded.stdout
    runs = notebook.run_all(
        [f"%ibconnect {gateway.port} --library {library}"]
        + [f"print(len(ib.reqPositions()), {number})" for number in range(6)]
    )
    assert [run.status for run in runs] == ["ok"] * 7
    assert "nest_asyncio2" in notebook.run("%ibdiag --json --only env.loop").stdout


def test_start_loop_after_loading_is_harmless(notebook, gateway, library):
    """`util.startLoop()` in a copied cell changes nothing any more."""
    notebook.run("%load_ext ibnb")
    runs = notebook.run_all(
        [
            f"%ibconnect {gateway.port} --library {library}",
            f"from {library} import util; util.startLoop()",
            "print(len(ib.reqPositions()))",
            "print('last')",
        ]
    )
    assert [run.status for run in runs] == ["ok"] * 4, [run.everything for run in runs]


def test_simulator_dies_with_a_killed_kernel(notebook):
    """Also when the kernel is killed, its simulated gateway does not stay behind."""
    import psutil

    notebook.run("%load_ext ibnb")
    assert notebook.run("%ibconnect sim").status == "ok"
    children = psutil.Process(notebook.pid).children()
    simulators = [child for child in children if "sim" in child.cmdline()]
    assert len(simulators) == 1
    notebook.kill()
    gone, alive = psutil.wait_procs(simulators, timeout=30)
    assert not alive
    assert len(gone) == 1


def test_settings_are_listed_once_and_checked(notebook):
    """`%config IbMagics` shows every setting; a bad value is one line and changes nothing."""
    notebook.run("%load_ext ibnb")
    listed = notebook.run("%config IbMagics").stdout
    for name in ("target", "client_id", "timeout", "wait", "readonly", "library", "explain"):
        assert f"IbMagics.{name}" in listed
    notebook.run("%config IbMagics.timeout = -3")
    assert notebook.value("get_ipython().magics_manager.registry['IbMagics'].timeout") == "5.0"


def test_completion_of_targets_and_options(notebook):
    """Tab completes targets and options after the magics."""
    notebook.run("%load_ext ibnb")
    reply = notebook.client.complete("%ibconnect pa", reply=True, timeout=30)
    assert "paper" in reply["content"]["matches"]
    reply = notebook.client.complete("%ibconnect --cl", reply=True, timeout=30)
    assert "--client-id" in reply["content"]["matches"]


def test_what_was_connected_before_loading_is_the_session_afterwards(notebook, gateway, library):
    """`ibnb.connect` needs no extension; loading it later leaves one connection, not two."""
    connect = f"import ibnb; ib = ibnb.connect('{gateway.port}', library='{library}')"
    assert notebook.run(connect, "connecting").status == "ok"
    notebook.run("old = ib\n%load_ext ibnb")
    assert "Ready" in notebook.run("%ibhealth").text
    assert notebook.run(connect, "connecting").status == "ok"
    assert gateway.wait_for(lambda: len(gateway.open_clients) == 1)
    assert notebook.run("old.reqPositions()").error_name == "StaleConnection"


def test_loading_that_fails_leaves_nothing(notebook):
    """A bad setting is one line; `%config` has the settings once when it is mended."""
    notebook.run("import os; os.environ['IBNB_TIMEOUT'] = 'soon'")
    for _ in range(2):
        run = notebook.run("%load_ext ibnb")
        assert "IBNB_TIMEOUT" in run.everything
    notebook.run("del os.environ['IBNB_TIMEOUT']\n%load_ext ibnb")
    names = "[type(c).__name__ for c in get_ipython().configurables].count('IbMagics')"
    assert notebook.value(names) == "1"

"""`%load_ext`, `%reload_ext`, `%unload_ext`: the shell is left as it was."""

from __future__ import annotations

import ast
import json

import pytest
from kernels import Notebook

pytestmark = pytest.mark.not_warm

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
        "matchers": len(shell.Completer.custom_matchers),
        "manager": sorted(name for name in vars(shell.extension_manager) if name[0] != "_"),
        "config": sorted(shell.config.get("IbMagics", {})),
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
    """After unloading, the shell, its tasks and its sockets are as before loading.

    The `ib` keeps its order lock alone: it may be connected to a live account later.
    """
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
    assert notebook.value(wrapped) == "{'sendMsg'}"
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


BAD = [
    *("timeout = -5", "timeout = 'soon'", "timeout = [5]", "wait = b'5'", "wait = float('nan')"),
    *("wait = 1e999", "wait = '5'", "target = 'papr'", "target = 70000", "expect = 'foo'"),
    *("client_id = 'abc'", "client_id = -1", "client_id = True", "account = 'DU1\\nDU2'"),
    *("library = 'ibpy'", "guard = 'no'", "guard = None", "explain = 0", "state_dir = b'/x'"),
    "account = 'x' * 100000",
]


def test_a_setting_that_is_refused_changes_nothing(notebook, gateway):
    """One line names it, what was given and what it takes; a reload brings no second one."""
    notebook.run("%load_ext ibnb")
    notebook.run("%config IbMagics.timeout = 7\n%config IbMagics.explain = False")
    before = notebook.run("%config IbMagics").stdout
    for bad in BAD:
        run = notebook.run(f"%config IbMagics.{bad}")
        said = run.stderr.strip()
        name = bad.partition(" ")[0]
        assert f"IbMagics.{name} = " in said, (bad, run.everything)
        assert "it takes " in said
        assert len(said.splitlines()) == 1, said
        assert len(said) < 300, said
        assert notebook.run("%config IbMagics").stdout == before, bad
    run = notebook.run("%reload_ext ibnb")
    assert (run.status, run.stdout, run.stderr) == ("ok", "", ""), run.everything
    assert notebook.run("%config IbMagics").stdout == before
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"


def test_a_setting_can_be_unset(notebook):
    """With None, and with an empty text as ever."""
    notebook.run("%load_ext ibnb")
    before = notebook.run("%config IbMagics").stdout
    for name, value in (("client_id", "17"), ("expect", "'live'"), ("wait", "10"), ("target", "5")):
        for nothing in ("None",) if name == "wait" else ("None", "''"):
            assert notebook.run(f"%config IbMagics.{name} = {value}").stderr == ""
            assert notebook.run("%config IbMagics").stdout != before
            assert notebook.run(f"%config IbMagics.{name} = {nothing}").stderr == ""
            assert notebook.run("%config IbMagics").stdout == before


def test_a_wrong_value_in_a_configuration_file_costs_one_line(tmp_path, gateway):
    """It is left out, and everything else of the file counts."""
    profile = tmp_path / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(
        "c = get_config()\n"
        "c.InteractiveShellApp.extensions = ['ibnb']\n"
        "c.IbMagics.timeout = 'soon'\nc.IbMagics.wait = 3\nc.IbMagics.guard.append('x')\n"
        f"c.IbMagics.target = {gateway.port}\nc.IbSettings.expect = ['paper']\n"
    )
    book = Notebook(tmp_path, warm=False)
    try:
        assert book.run("%ibconnect").status == "ok"
        settings = "get_ipython().magics_manager.registry['IbMagics']"
        values = ("timeout", "wait", "guard", "expect")
        read = f"[getattr({settings}, name) for name in {values}]"
        assert book.value(read) == "[5.0, 3.0, True, None]"
        assert book.run("%reload_ext ibnb").stdout == ""
        book.run("get_ipython().config.IbMagics.timeout = -1")
        run = book.run("%reload_ext ibnb")
        assert run.status == "ok", run.everything
        (line,) = run.stdout.splitlines()
        assert line.startswith("ibnb: IbMagics.timeout = -1 was refused: it takes seconds")
        assert book.value(read) == "[5.0, 3.0, True, None]"
    finally:
        book.close()


FAILING = {
    "environment": "import os; os.environ['IBNB_TIMEOUT'] = 'soon'",
    "import": "import sys; kept = sys.modules.pop('ibnb.extension')\n"
    "sys.modules['ibnb.extension'] = None",
    "a part of the new one": "import ibnb.extension as e; kept = e.Badges\n"
    "def broken(*_): raise KeyError('badge')\ne.Badges = broken",
    "the module": "import ibnb; kept = ibnb.__spec__.loader\nclass Loader:\n"
    "    def create_module(self, spec): return None\n"
    "    def exec_module(self, module): raise SyntaxError('new code')\n"
    "import importlib.machinery as m, sys\nclass Finder:\n"
    "    @staticmethod\n"
    "    def find_spec(name, path=None, target=None):\n"
    "        if name != 'ibnb': return None\n"
    "        spec = m.ModuleSpec(name, Loader(), is_package=True)\n"
    "        spec.submodule_search_locations = ibnb.__path__\n"
    "        return spec\n"
    "sys.meta_path.insert(0, Finder)",
}
MENDING = {
    "environment": "del os.environ['IBNB_TIMEOUT']",
    "import": "sys.modules['ibnb.extension'] = kept",
    "a part of the new one": "e.Badges = kept",
    "the module": "sys.meta_path.remove(Finder)",
}


@pytest.mark.parametrize("failing", FAILING)
def test_a_reload_that_fails_leaves_the_old_one_working(notebook, gateway, library, failing):
    """Connection, handlers, magics, settings, completion and what is watched: all as before."""
    notebook.run(SNAPSHOT)
    notebook.run("%load_ext ibnb\n%config IbMagics.wait = 3")
    notebook.run(f"%ibconnect {gateway.port} --library {library}")
    notebook.run("heard = []\nib.errorEvent += lambda *said: heard.append(said[1])")
    notebook.run(FAILING[failing])
    before = snapshot(notebook)
    for _ in range(2):
        run = notebook.run("%reload_ext ibnb")
        assert run.status == "error", run.everything
        assert "it is loaded as before" in run.stdout
    assert snapshot(notebook) == before
    assert notebook.value("ib.isConnected()") == "True"
    assert len(gateway.open_clients) == 1
    assert "Ready" in notebook.run("%ibhealth").text
    run = notebook.run(f"import {library}; ib.qualifyContracts({library}.Stock('NOSUCH'))")
    assert "No such contract" in run.everything
    assert notebook.value("200 in heard") == "True"
    assert notebook.run("%config IbMagics.wait").result["text/plain"] == "3.0"
    notebook.run(MENDING[failing])
    run = notebook.run("%reload_ext ibnb")
    assert run.status == "ok", run.everything
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"
    assert notebook.run("%unload_ext ibnb").stdout == ""
    assert notebook.run("%ibhealth").status == "error"


def test_a_part_that_cannot_be_added_leaves_no_other(notebook):
    """Loading is all or nothing, a first time and again."""
    notebook.run(SNAPSHOT)
    before = snapshot(notebook)
    notebook.run("import ibnb.extension as e; kept = e.BlockingCalls.enter\n"
                 "def broken(self): raise KeyError('loop')\n"
                 "e.BlockingCalls.enter = broken")  # fmt: skip
    run = notebook.run("%load_ext ibnb")
    assert run.error_name == "KeyError"
    before["loop"] = snapshot(notebook)["loop"]
    assert snapshot(notebook) == before
    notebook.run("e.BlockingCalls.enter = kept\n%load_ext ibnb")
    notebook.run("def once(self):\n    e.BlockingCalls.enter = kept\n    raise KeyError('loop')")
    run = notebook.run("e.BlockingCalls.enter = once\n%reload_ext ibnb")
    assert run.error_name == "KeyError"
    assert notebook.run("%ibhealth").status == "ok"
    assert notebook.run("%reload_ext ibnb").status == "ok"
    run = notebook.run("e.BlockingCalls.enter = broken\n%reload_ext ibnb")
    assert run.error_name == "KeyError"
    notebook.run("e.BlockingCalls.enter = kept\n%load_ext ibnb")
    assert notebook.run("%ibhealth").status == "ok"
    notebook.run("%unload_ext ibnb")
    before["loop"] = snapshot(notebook)["loop"]
    assert snapshot(notebook) == before


def test_a_connection_that_cannot_be_closed_does_not_stop_a_reload(notebook, gateway):
    """The error is shown, and the new one is there."""
    notebook.run("from ibnb.app import App\nkept = App.close\n"
                 "def broken(self):\n    App.close = kept\n    raise KeyError('close')\n"
                 "App.close = broken\n%load_ext ibnb")  # fmt: skip
    notebook.run(f"%ibconnect {gateway.port}")
    assert notebook.run("%reload_ext ibnb").error_name == "KeyError"
    assert notebook.run(f"%ibconnect {gateway.port}").status == "ok"
    assert notebook.run("%reload_ext ibnb").status == "ok"


def test_unloading_gives_the_session_back_as_it_was(notebook):
    """What `ibnb.connect` made before goes by its own settings and leases again."""
    notebook.run(
        "import ibnb.app; app = ibnb.app.the_app(); before = app.session.hooks\n"
        "listeners = list(app.session.listeners), list(app.session.journal.tellers)"
    )
    notebook.run("%load_ext ibnb")
    assert notebook.value("app.session.hooks == before") == "False"
    notebook.run("%unload_ext ibnb")
    assert notebook.value("app.session.hooks == before") == "True"
    assert (
        notebook.value("(app.session.listeners, app.session.journal.tellers) == listeners")
        == "True"
    )


OF_OURS = "print(sorted(name for name in sys.modules if name.split('.')[0] == 'ibnb'))"
AFTER_A_CONNECT = {"ibnb.tws.folders", "ibnb.tws.jts_ini"}
"""What is remembered of a good connect is found out on a thread, when it is over."""


def test_loading_imports_no_more_than_it_needs(notebook):
    """Neither what opens a connection, nor what draws a card or diagnoses."""
    imported = notebook.run(f"%load_ext ibnb\nimport sys\n{OF_OURS}").stdout
    for later in ("connection", "opening.supervise", "library.snapshot", "client_ids.leases"):
        assert f"'ibnb.session.{later}'" not in imported
    for later in ("ibnb.options", "ibnb.ui.cards", "ibnb.ui.html", "ibnb.knowledge"):
        assert f"'{later}'" not in imported
    assert "'ibnb.diagnostics'" not in imported


@pytest.mark.parametrize("first", ["%load_ext ibnb", "import {library}"])
def test_a_first_connect_imports_nothing_once_a_library_is_there(notebook, gateway, library, first):
    """Whoever imports one is about to connect: what that needs is imported meanwhile."""
    steps = ["%load_ext ibnb", f"import {library}"]
    first = first.format(library=library)
    for step in sorted(steps, key=lambda step: step != first):
        notebook.run(step)
    notebook.run(
        "import sys, threading\n"
        "for thread in threading.enumerate():\n"
        "    if thread.name == 'ibnb-preparing':\n"
        "        thread.join(30)"
    )
    before = set(ast.literal_eval(notebook.run(OF_OURS).stdout))
    assert "ibnb.session.connection" in before
    read = "sorted(name for _, name in sys.modules['ibnb.ui.html']._environment().cache)"
    assert notebook.value(read) == "['badge.html.j2', 'style.html.j2']"
    run = notebook.run(f"%ibconnect {gateway.port} --library {library}")
    assert run.status == "ok", run.everything
    assert set(ast.literal_eval(notebook.run(OF_OURS).stdout)) - before <= AFTER_A_CONNECT


def test_unloading_ends_what_prepares(notebook, library):
    """At once: no module of ours is imported any more, and a reload prepares again."""
    names = "[thread.name for thread in threading.enumerate()].count('ibnb-preparing')"
    notebook.run("import threading, sys\n%load_ext ibnb")
    notebook.run(f"import {library}\nbegun = {names}\n%unload_ext ibnb")
    assert notebook.value("begun") == "1"
    notebook.run(
        "for thread in threading.enumerate():\n"
        "    if thread.name == 'ibnb-preparing':\n"
        "        thread.join(30)"
    )
    assert "'ibnb.session.connection'" not in notebook.run(OF_OURS).stdout
    notebook.run("%load_ext ibnb")
    assert notebook.value(names) == "1"

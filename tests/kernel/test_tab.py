"""Tab in a notebook: what the kernel answers to JupyterLab's `complete` requests."""

from __future__ import annotations


def offered(notebook, code, cursor=None):
    """Return what the kernel offers at a place, and from where to where it would stand."""
    reply = notebook.client.complete(code, cursor, reply=True, timeout=60)["content"]
    types = reply["metadata"]["_jupyter_types_experimental"]
    assert [one["text"] for one in types] == reply["matches"]
    return reply["matches"], (reply["cursor_start"], reply["cursor_end"])


def test_only_what_is_ours_is_offered(notebook):
    """First and exclusively, at the end of a line or within a cell, and no longer once unloaded."""
    notebook.run("%load_ext ibnb")
    words, place = offered(notebook, "%ibconnect ")
    assert words[:4] == ["paper", "live", "sim", "--expect"]
    assert all(word.startswith("--") for word in words[3:])
    assert place == (11, 11)
    assert offered(notebook, "%ibconnect --") == (words[3:], (11, 13))
    assert offered(notebook, "%ibconnect pa") == (["paper"], (11, 13))
    assert offered(notebook, "%ibconnect --expect ") == (["paper", "live"], (20, 20))
    assert offered(notebook, "%ibconnect --expect=li") == (["live"], (20, 22))
    assert offered(notebook, "%ibconnect --library ")[0] == ["ib_insync", "ib_async"]
    assert offered(notebook, "%ibconnect --client-id ")[0] == ["auto"]
    assert offered(notebook, "%ibconnect --account ") == ([], (21, 21))
    assert offered(notebook, "x = %ibconnect li") == (["live"], (15, 17))
    checks, place = offered(notebook, "%ibdiag --only net")
    assert (checks, place) == (["net.port", "net.tcp", "net.clients"], (15, 18))
    assert offered(notebook, "%iberror net.p")[0] == ["net.port"]
    assert offered(notebook, "SimulatedGateway(faults=['id-")[0] == ["id-held"]
    cell = "import ibnb\n%ibconnect pa --expect paper\nprint(1)"
    assert offered(notebook, cell, len("import ibnb\n%ibconnect pa")) == (["paper"], (23, 25))
    names, _ = offered(notebook, "import ibnb\nibnb.")
    assert names[:2] == ["connect", "connect_async"]
    assert not {"annotations", "Any", "cli", "evidence"} & set(names)
    notebook.run("%unload_ext ibnb\nimport ibnb")
    assert "paper" not in offered(notebook, "%ibconnect ")[0]
    names, _ = offered(notebook, "ibnb.")
    assert not {"annotations", "Any", "cli", "evidence"} & set(names)


def test_reloading_adds_no_second_completion(notebook):
    """The list of matchers is as long as after the first loading."""
    notebook.run("%load_ext ibnb")
    matchers = "len(get_ipython().Completer.custom_matchers)"
    before = notebook.value(matchers)
    assert notebook.run("%reload_ext ibnb").status == "ok"
    assert notebook.value(matchers) == before
    assert offered(notebook, "%ibconnect li")[0] == ["live"]

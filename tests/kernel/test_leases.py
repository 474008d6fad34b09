"""Client IDs among several kernels: stable, never shared, and an ID that is held is explained."""

from __future__ import annotations

import re
import sqlite3

import pytest
from kernels import Notebook

from ibnb.simulator import SimulatedGateway


@pytest.fixture
def books(tmp_path):
    """Opens notebooks by name, which share one state folder; closes them all."""
    opened = []

    def open_book(name, **environment):
        state = {"IBNB_STATE_DIR": str(tmp_path / "state"), **environment}
        opened.append(Notebook(tmp_path, path=str(tmp_path / name), **state))
        return opened[-1]

    yield open_book
    for book in opened:
        book.close()


def connected_id(book, gateway, options=""):
    book.run("%load_ext ibnb")
    run = book.run(f"%ibconnect {gateway.port} {options}")
    assert run.status == "ok", run.everything
    return int(re.search(r"Ready .* ID (\d+)", run.text)[1])


def crash(book):
    """Kill a kernel, once it is written whose ID it had: that is so a moment after a connect."""
    book.run("from ibnb.app import the_app; the_app().notebook_leases.close()")
    book.kill()


def test_killed_kernel_gets_its_id_back(books):
    """The gateway holds the ID for 20 s after a crash: the next kernel waits and gets it."""
    with SimulatedGateway(release_after=20.0) as gateway:
        book = books("book.ipynb")
        first = connected_id(book, gateway)
        crash(book)
        again = books("book.ipynb")
        assert connected_id(again, gateway) == first
        assert gateway.refused_326 > 0


def test_restarted_kernel_need_not_wait(books):
    """A restart in good order frees the ID at once, and the lease with it."""
    with SimulatedGateway() as gateway:
        book = books("book.ipynb")
        first = connected_id(book, gateway)
        book.restart()
        assert gateway.wait_for(lambda: gateway.open_clients == ())
        assert connected_id(book, gateway) == first
        assert gateway.refused_326 == 0


def test_copies_of_a_notebook_have_ids_of_their_own(books, gateway):
    """Two kernels on copies of one notebook are connected side by side."""
    ids = {connected_id(books(name), gateway) for name in ("a.ipynb", "a-Copy1.ipynb")}
    assert len(ids) == 2
    assert set(gateway.open_clients) == ids


def test_second_kernel_on_the_same_notebook_is_told_who_holds_it(books, gateway):
    """On the very same notebook the second kernel fails with the name of the first."""
    first = books("same.ipynb")
    client_id = connected_id(first, gateway)
    second = books("same.ipynb")
    second.run("%load_ext ibnb")
    run = second.run(f"%ibconnect {gateway.port} --wait 0")
    assert "[client-id-in-use]" in run.error
    assert f"Client ID {client_id} is held by notebook" in run.error
    assert "same.ipynb" in run.error
    assert f"process {first.pid}" in run.error
    assert "%ibdisconnect" in run.error
    assert first.value("ib.isConnected()") == "True"


def test_holder_without_a_lease_is_found_by_its_socket(books, gateway):
    """A script that ibnb knows nothing of is named by its process."""
    script = books("script.ipynb")
    script.run(f"import socket; s = socket.create_connection(('127.0.0.1', {gateway.port}))")
    gateway.set_faults(["id-held"])
    book = books("book.ipynb")
    book.run("%load_ext ibnb")
    run = book.run(f"%ibconnect {gateway.port} --wait 0")
    assert f"process {script.pid}" in run.error, run.everything


def test_holder_elsewhere_is_said_to_be_elsewhere(books, gateway):
    """Where no local process is connected, the holder must be somewhere else."""
    gateway.set_faults(["id-held"])
    book = books("book.ipynb")
    book.run("%load_ext ibnb")
    # The gateway runs in this very test process, which is not a client of it.
    run = book.run(f"%ibconnect {gateway.port} --wait 0")
    assert "another machine" in run.error, run.everything


def test_without_a_team_nothing_of_one_is_imported(books, gateway):
    """Who shares nothing pays nothing for it."""
    book = books("book.ipynb")
    connected_id(book, gateway)
    names = ("redis", "ibnb.session.client_ids.keeper", "ibnb.session.client_ids.shared_leases")
    assert book.value(f"[name for name in {names} if name in __import__('sys').modules]") == "[]"


def test_ten_notebooks_at_the_same_moment(books, gateway):
    """Ten kernels that connect at once all get IDs of their own."""
    ten = [books(f"book{number}.ipynb") for number in range(10)]
    for book in ten:
        book.run("%load_ext ibnb")
    sent = [book.send(f"%ibconnect {gateway.port}") for book in ten]
    runs = [book.collect([one])[0] for book, one in zip(ten, sent, strict=True)]
    assert [run.status for run in runs] == ["ok"] * 10, [run.everything for run in runs]
    assert len(set(gateway.open_clients)) == 10
    assert gateway.refused_326 == 0


def test_auto_moves_on_to_the_next_free_id(books, gateway):
    """`--client-id auto` takes another ID where the own one is held, and says what that means."""
    first = books("same.ipynb")
    held = connected_id(first, gateway)
    second = books("same.ipynb")
    second.run("%load_ext ibnb")
    run = second.run(f"%ibconnect {gateway.port} --client-id auto")
    assert run.status == "ok", run.everything
    assert f"Client ID {held} is in use by another connection" in run.stdout
    assert "cancelled only with" in run.stdout
    assert len(set(gateway.open_clients)) == 2


def test_a_rerun_of_auto_keeps_the_id_that_it_moved_on_to(books, gateway):
    """Orders belong to the ID that placed them: it does not change with each rerun."""
    held = connected_id(books("same.ipynb"), gateway)
    second = books("same.ipynb")
    ids = {connected_id(second, gateway, "--client-id auto") for _ in range(4)}
    assert len(ids) == 1
    assert ids != {held}
    assert gateway.max_open_clients == 2


@pytest.mark.parametrize("end", ["ib.disconnect()", "lost"])
def test_an_id_that_was_let_go_is_nobodys(books, gateway, end):
    """After the user's own disconnect, or a loss, no notebook is named as its holder."""
    first = books("first.ipynb")
    client_id = connected_id(first, gateway)
    if end == "lost":
        first.run("%config IbMagics.auto_resume = False")
        gateway.drop_clients()
        first.run("import asyncio\nwhile ib.isConnected(): await asyncio.sleep(0.01)")
    else:
        first.run(end)
    gateway.set_faults(["id-held"])
    other = books("other.ipynb")
    other.run("%load_ext ibnb")
    run = other.run(f"%ibconnect {gateway.port} --client-id {client_id} --wait 0")
    assert "[client-id-in-use]" in run.error
    assert "is held by notebook" not in run.error


def test_after_a_container_restart_the_wait_is_long_and_nobody_is_accused(books, gateway):
    """The last kernel ran under another host name: it may have died with the ID."""
    book = books("book.ipynb")
    client_id = connected_id(book, gateway)
    crash(book)
    gateway.set_faults(["id-held"])
    again = books("book.ipynb")
    again.run("import platform; platform.node = lambda: 'another-container'")
    again.run("%load_ext ibnb\nimport ibnb.app")
    address = f"('127.0.0.1', {gateway.port}, {client_id})"
    assert again.value(f"ibnb.app.the_app().planner.usual_wait({address})") == "90.0"
    run = again.run(f"%ibconnect {gateway.port} --wait 0")
    assert "[client-id-in-use]" in run.error
    assert "is held by notebook" not in run.error


def test_the_directory_that_a_notebook_changes_to_is_not_its_name(tmp_path, gateway):
    """Where no frontend tells a path, the ID stays the same after `os.chdir`, also to nowhere."""
    book = Notebook(tmp_path, JPY_SESSION_NAME="")
    try:
        first = connected_id(book, gateway)
        book.run("import os, tempfile; gone = tempfile.mkdtemp(); os.chdir(gone); os.rmdir(gone)")
        assert connected_id(book, gateway) == first
        assert book.run("%reload_ext ibnb").status == "ok"
        assert book.run(f"%ibconnect {gateway.port}").status == "ok"
    finally:
        book.close()


@pytest.mark.parametrize("client_id", [2**63, 2**31])
def test_an_id_beyond_every_store_is_no_crash(books, gateway, client_id):
    """A raw connect with an impossible ID that is held fails as a held one does."""
    gateway.set_faults(["id-held"])
    book = books("book.ipynb")
    book.run("%load_ext ibnb\n%config IbMagics.wait = 0")
    run = book.run(
        "from importlib import import_module\nimport importlib.util\n"
        "name = 'ib_insync' if importlib.util.find_spec('ib_insync') else 'ib_async'\n"
        f"import_module(name).IB().connect('127.0.0.1', {gateway.port}, {client_id})"
    )
    assert "[client-id-in-use]" in run.error, run.everything


def test_client_id_zero_says_what_it_binds(books, gateway):
    """0 is used only when asked for, and the line says what it takes over."""
    book = books("zero.ipynb")
    book.run("%load_ext ibnb")
    run = book.run(f"%ibconnect {gateway.port} --client-id 0")
    assert "orders placed manually" in run.stdout
    assert gateway.open_clients == (0,)


def test_remembered_id_survives_a_new_host_name(books, gateway):
    """What a container is called this time changes nothing: the notebook's ID is remembered."""
    first = connected_id(books("book.ipynb"), gateway, "--wait 0")
    book = books("book.ipynb")
    book.run("import platform; platform.node = lambda: 'another-container'")
    book.run("%load_ext ibnb")
    run = book.run(f"%ibconnect {gateway.port} --wait 0")
    assert f"refused client ID {first}" in run.error


@pytest.mark.parametrize(
    "trouble", ["corrupt", "locked", "unwritable", "a file in its place", "nobody's home"]
)
def test_broken_leases_cost_nothing_but_the_hint(books, gateway, tmp_path, trouble):
    """Whatever is wrong with the lease file, connecting works, and one line says so once."""
    state = tmp_path / "state"
    environment = {}
    lock = None
    if trouble == "a file in its place":
        state.write_text("no folder")
    elif trouble == "unwritable":
        # No one may write below a process's own memory file, not even root.
        environment["IBNB_STATE_DIR"] = "/proc/self/mem/state"
    elif trouble == "nobody's home":
        environment["IBNB_STATE_DIR"] = "~nosuchuser/state"
    else:
        state.mkdir()
        if trouble == "corrupt":
            (state / "leases.sqlite3").write_bytes(b"this is not a database" * 100)
        else:
            lock = sqlite3.connect(state / "leases.sqlite3", isolation_level=None)
            lock.execute("begin exclusive")
    try:
        book = books("book.ipynb", **environment)
        book.run("%load_ext ibnb")
        run = book.run(f"%ibconnect {gateway.port}")
        assert run.status == "ok", run.everything
        assert 1000 <= int(re.search(r"Ready .* ID (\d+)", run.text)[1]) <= 9999
        (line,) = run.stderr.splitlines()
        assert re.match("ibnb: .*client IDs are not remembered", line, re.IGNORECASE), line
        again = book.run(f"%ibconnect {gateway.port}")
        assert again.status == "ok", again.everything
        assert again.stderr == ""
    finally:
        if lock is not None:
            lock.close()


@pytest.mark.parametrize(
    "name",
    ["with space.ipynb", 'it\'s "quoted".ipynb', "émoji-\N{ROCKET}.ipynb", "x" * 4000 + ".ipynb"],
)
def test_any_path_gives_an_id(books, gateway, name):
    """Spaces, quotes, emoji or 4,000 characters in the path: an ID, and a connection."""
    assert 1000 <= connected_id(books(name), gateway) <= 9999

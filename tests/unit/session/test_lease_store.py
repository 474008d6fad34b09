"""Leases in SQLite: IDs that stay, holders that live, and a store that may break."""

from __future__ import annotations

import contextlib
import logging
import os
import platform
import socket
import sqlite3
import stat
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from commands import python

from ibnb.session.client_ids.ids import HIGHEST, LOWEST
from ibnb.session.client_ids.leases import SqliteLeases, new_lease
from ibnb.session.client_ids.notebook_leases import NotebookLeases
from ibnb.session.client_ids.owners import find_holders, tell_holders
from ibnb.tws.process_start import process_start
from ibnb.tws.target import Target


@pytest.fixture
def store(tmp_path):
    """An empty store."""
    return SqliteLeases(tmp_path)


def test_an_id_is_remembered_whatever_is_preferred_later(store, tmp_path):
    """What a notebook was given once it keeps, also for another process with the same file."""
    assert store.client_id("a.ipynb", 4711) == 4711
    assert SqliteLeases(tmp_path).client_id("a.ipynb", 5000) == 4711


def test_two_notebooks_never_share_an_id(store):
    """Where the preferred ID is another notebook's, the next free one is taken, round the end."""
    assert store.client_id("a.ipynb", HIGHEST) == HIGHEST
    assert store.client_id("b.ipynb", HIGHEST) == LOWEST
    assert store.client_id("c.ipynb", HIGHEST) == LOWEST + 1


def test_many_at_once_get_ids_of_their_own(tmp_path):
    """Concurrent kernels that prefer the same ID do not end with the same one."""

    def choose(number):
        return SqliteLeases(tmp_path).client_id(f"{number}.ipynb", 2000)

    SqliteLeases(tmp_path).client_id("first.ipynb", 1999)
    with ThreadPoolExecutor(8) as pool:
        chosen = list(pool.map(choose, range(24)))
    assert len(set(chosen)) == 24


def test_a_lease_is_found_until_it_is_given_back(store):
    """A lease is kept for host, port and ID, under any name of the loopback."""
    lease = new_lease("localhost", 4002, 4711, "a.ipynb")
    store.take(lease)
    assert store.find("127.0.0.1", 4002, 4711) == (lease,)
    assert store.find("127.0.0.1", 4002, 4712) == ()
    store.give_back(lease)
    assert store.find("127.0.0.1", 4002, 4711) == ()


def test_a_lease_lives_as_long_as_its_very_process():
    """A process that ended, or another one with its number, does not hold the ID any more."""
    lease = new_lease("127.0.0.1", 4002, 4711, "a.ipynb")
    assert lease.is_ours
    assert lease.is_alive
    assert not replace(lease, started=lease.started - 60).is_alive
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    theirs = replace(lease, pid=child.pid, started=process_start(child.pid))
    assert theirs.is_alive
    assert not theirs.is_ours
    child.communicate()
    assert not theirs.is_alive


def test_of_another_machine_nothing_is_known():
    """A lease of another machine may be alive: its processes cannot be seen from here."""
    lease = new_lease("gateway.example", 4002, 4711, "a.ipynb")
    assert replace(lease, machine=f"not-{platform.node()}", pid=1, started=1.0).is_alive


def test_a_crash_is_known_by_a_lease_that_was_left(store):
    """Only a dead process of the same notebook counts as its last kernel's crash."""
    notebook_leases = NotebookLeases(lambda: "a.ipynb", lambda: store)
    address = ("127.0.0.1", 4002, 4711)
    assert not notebook_leases.crashed_with(address)
    gone = replace(new_lease(*address, "a.ipynb"), started=1.0)
    store.take(gone)
    assert notebook_leases.crashed_with(address)
    store.take(replace(gone, notebook="b.ipynb"))
    assert not notebook_leases.crashed_with(address)


def test_a_tenant_writes_in_order_and_waits_at_the_end(store):
    """What was taken and given back is written in that order, and all of it by `close`."""
    notebook_leases = NotebookLeases(lambda: "a.ipynb", lambda: store)
    address = ("127.0.0.1", 4002, 4711)
    for _ in range(5):
        notebook_leases.acquired(address)
        notebook_leases.released(address)
    notebook_leases.acquired(address)
    notebook_leases.close()
    (lease,) = store.find(*address)
    assert lease.pid == os.getpid()


def test_an_id_that_could_not_be_looked_up_is_looked_up_again(store):
    """While the store does not answer the preferred ID serves; what it remembers counts later."""
    assert store.client_id("a.ipynb", 1234) == 1234

    class Locked:
        answers = None

        def client_id(self, notebook, preferred, gateway=None):
            return self.answers and self.answers.client_id(notebook, preferred, gateway)

        def provisional_id(self, _notebook, preferred):
            return preferred

    locked = Locked()
    notebook_leases = NotebookLeases(lambda: "a.ipynb", lambda: locked)
    assert notebook_leases.client_id(4711) == 4711
    locked.answers = store
    assert notebook_leases.client_id(4711) == 1234
    locked.answers = None
    assert notebook_leases.client_id(4711) == 1234


def test_a_kernel_under_another_host_name_may_have_died(store):
    """A container has another name each time: its lease is worth a long wait, and a doubt."""
    notebook_leases = NotebookLeases(lambda: "a.ipynb", lambda: store)
    address = ("gateway.example", 4002, 4711)
    lease = replace(new_lease(*address, "a.ipynb"), machine=f"not-{platform.node()}")
    store.take(lease)
    assert notebook_leases.crashed_with(address)
    target = Target(*address[:2])
    (sentence,) = tell_holders(target, 4711, find_holders(target, 4711, store))
    assert "if that is still there" in sentence
    store.take(replace(lease, user="somebody else"))
    assert not notebook_leases.crashed_with(address)


@pytest.mark.parametrize(
    ("sockets", "own", "kind"),
    [(0, "another", "kernel"), (1, "another", "unknown"), (0, "this", "unknown")],
)
def test_a_socket_of_this_kernel_may_have_the_id(sockets, own, kind):
    """One that nobody knows is named, also if a look of ours was there, and is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = Target("127.0.0.1", listener.getsockname()[1])
        with socket.create_connection(target.address) as raw:
            ours = raw.getsockname()[1]
            own_ports = {ours} if own == "this" else {ours % 60000 + 1025}
            found = find_holders(target, 7, None, None, sockets, own_ports=own_ports)
    assert found.kind == kind


@pytest.mark.parametrize("client_id", [2**31, 2**63, 2**70])
def test_an_impossible_id_is_in_no_store(store, client_id):
    """What a database cannot hold costs the hint alone."""
    assert store.find("127.0.0.1", 4002, client_id) == ()


def test_without_a_store_the_preferred_id_is_the_id():
    """A tenant without a store gives the preferred ID, and remembers nothing."""
    notebook_leases = NotebookLeases(lambda: "a.ipynb")
    assert notebook_leases.client_id(4711) == 4711
    notebook_leases.acquired(("127.0.0.1", 4002, 4711))
    assert not notebook_leases.crashed_with(("127.0.0.1", 4002, 4711))


FILE = "leases.sqlite3"
IN_ANOTHER_ORDER = """
    alter table leases rename to old;
    create table leases (
        more, since, machine, user, started, pid, notebook, client_id, port, host,
        primary key (host, port, client_id, machine)
    );
    insert into leases
    select 'more', since, machine, user, started, pid, notebook, client_id, port, host from old;
"""


@contextlib.contextmanager
def opened(folder):
    """The file of a store, as another program opens it."""
    with contextlib.closing(sqlite3.connect(folder / FILE, isolation_level=None)) as file:
        yield file


def make(folder):
    """Make a store with an ID and a lease, and return the lease."""
    store = SqliteLeases(folder)
    assert store.client_id("a.ipynb", 4711) == 4711
    lease = new_lease("127.0.0.1", 4002, 4711, "a.ipynb")
    store.take(lease)
    return lease


def said(caplog):
    """Return the lines in the log, each of which has to be a warning of ibnb's."""
    assert {(one.name, one.levelno) for one in caplog.records} <= {("ibnb", logging.WARNING)}
    return [one.getMessage() for one in caplog.records]


def works(folder, lease):
    """Say whether a store reads what was there, and remembers more."""
    store = SqliteLeases(folder)
    assert store.client_id("a.ipynb", 5000) == 4711
    assert store.find("127.0.0.1", 4002, 4711) == store.newest(5) == (lease,)
    assert store.client_id("b.ipynb", 4711) == 4712
    other = new_lease("127.0.0.1", 4002, 7, "b.ipynb")
    store.take(other)
    assert set(store.newest(5)) == {lease, other}
    store.give_back(other)
    return SqliteLeases(folder).client_id("b.ipynb", 5000) == 4712


def test_the_files_format_is_written_into_it(tmp_path):
    """As SQLite's own `user_version`, which a later ibnb can read."""
    make(tmp_path)
    with opened(tmp_path) as file:
        assert file.execute("pragma user_version").fetchone() == (1,)


def test_only_this_user_may_read_the_file(tmp_path):
    """It tells of notebooks and machines."""
    old = os.umask(0)
    try:
        make(tmp_path / "new folder")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "new folder" / FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "change",
    [
        "alter table leases add column note text",
        "alter table ids add column note text not null default 'x'",
        "pragma user_version = 0",
        "pragma user_version = 7; alter table leases add column note text",
        "pragma user_version = 7; create table more (a)",
        IN_ANOTHER_ORDER,
    ],
)
def test_a_file_of_another_version_is_used_if_its_columns_allow(tmp_path, caplog, change):
    """More columns, in any order, more tables or a higher version disturb nobody."""
    lease = make(tmp_path)
    with opened(tmp_path) as file:
        file.executescript(change)
        (version,) = file.execute("pragma user_version").fetchone()
    assert works(tmp_path, lease)
    assert said(caplog) == []
    with opened(tmp_path) as file:
        assert file.execute("pragma user_version").fetchone() == (version or 1,)


@pytest.mark.parametrize(
    "change",
    [
        "alter table leases rename column notebook to book",
        "alter table ids rename column client_id to client",
        "drop table leases",
    ],
)
def test_a_newer_file_without_what_is_needed_is_refused_in_one_line(tmp_path, caplog, change):
    """The line names the file, its format and what to do; the file stays as it is."""
    make(tmp_path)
    with opened(tmp_path) as file:
        file.execute(change)
        file.execute("pragma user_version = 7")
    before = (tmp_path / FILE).read_bytes()
    for _ in range(2):
        store = SqliteLeases(tmp_path)
        assert store.client_id("a.ipynb", 5000) is None
        assert store.newest(5) == ()
    (line,) = said(caplog)
    assert str(tmp_path / FILE) in line
    assert "format 7" in line
    assert "Upgrade ibnb" in line
    assert "\n" not in line
    assert (tmp_path / FILE).read_bytes() == before


def test_a_newer_file_that_takes_nothing_of_ours_is_read_all_the_same(tmp_path, caplog):
    """A column that must be filled, and that this version does not know, stops writing alone."""
    lease = make(tmp_path)
    with opened(tmp_path) as file:
        file.execute("alter table leases rename to old")
        file.execute(
            "create table leases (host, port, client_id, notebook, pid, started, user, machine,"
            " since, token text not null, primary key (host, port, client_id, machine))"
        )
        file.execute("insert into leases select *, 'x' from old")
    store = SqliteLeases(tmp_path)
    store.take(new_lease("127.0.0.1", 4002, 8, "a.ipynb"))
    assert store.newest(5) == (lease,)
    assert store.client_id("a.ipynb", 5000) == 4711
    (line,) = said(caplog)
    assert "token" in line


@pytest.mark.parametrize("table", ["ids", "leases"])
def test_a_table_that_is_missing_is_made_again(tmp_path, caplog, table):
    """As in a file whose making was interrupted."""
    make(tmp_path)
    with opened(tmp_path) as file:
        file.execute(f"drop table {table}")
    store = SqliteLeases(tmp_path)
    assert store.client_id("b.ipynb", 4800) == 4800
    lease = new_lease("127.0.0.1", 4002, 4800, "b.ipynb")
    store.take(lease)
    assert lease in store.newest(5)
    assert said(caplog) == []


def test_a_file_that_is_deleted_is_made_again(store, tmp_path, caplog):
    """The store goes on with the next one."""
    assert store.client_id("a.ipynb", 4711) == 4711
    (tmp_path / FILE).unlink()
    assert store.client_id("a.ipynb", 4800) == 4800
    assert SqliteLeases(tmp_path).client_id("a.ipynb", 4900) == 4800
    assert said(caplog) == []


@pytest.mark.parametrize("kept", [0, -1, 999, 10000, 2**40, "'seven'", 4711.5, "x'00'"])
def test_an_id_that_no_notebook_gets_is_not_believed(tmp_path, caplog, kept):
    """Whatever the file says, the ID is one from 1000 to 9999; the change is said."""
    make(tmp_path)
    with opened(tmp_path) as file:
        file.execute(f"update ids set client_id = {kept}")  # noqa: S608 - ours
    assert SqliteLeases(tmp_path).client_id("a.ipynb", 4800) == 4800
    assert SqliteLeases(tmp_path).client_id("a.ipynb", 4900) == 4800
    (line,) = said(caplog)
    assert "It is 4800 from now on" in line


@pytest.mark.parametrize("preferred", [0, 1, 10_000, -5])
def test_the_id_is_in_range_whatever_is_preferred(store, preferred):
    """0 binds orders that are placed by hand: it is used only when asked for."""
    assert LOWEST <= store.client_id("a.ipynb", preferred) <= HIGHEST


def test_the_id_is_in_range_when_none_is_free(store, tmp_path):
    """9,000 notebooks have them all."""
    make(tmp_path)
    with opened(tmp_path) as file:
        file.execute("begin")
        file.execute("delete from ids")
        rows = [("u", f"{one}.ipynb", one) for one in range(LOWEST, HIGHEST + 1)]
        file.executemany("insert into ids (user, notebook, client_id) values (?, ?, ?)", rows)
        file.execute("commit")
    assert LOWEST <= store.client_id("one-too-many.ipynb", 0) <= HIGHEST


@pytest.mark.parametrize(
    "wrong",
    [
        *("pid = 'many'", "since = 'today'", "since = 9e999", "started = -1", "port = x'00'"),
        "notebook = x'00'",
    ],
)
def test_a_lease_that_makes_no_sense_is_no_lease(tmp_path, caplog, wrong):
    """The others are found."""
    lease = make(tmp_path)
    store = SqliteLeases(tmp_path)
    store.take(new_lease("127.0.0.1", 4002, 8, "b.ipynb"))
    with opened(tmp_path) as file:
        file.execute(f"update leases set {wrong} where client_id = 8")  # noqa: S608 - ours
    assert store.newest(5) == (lease,)
    assert store.find("127.0.0.1", 4002, 8) == ()
    assert said(caplog) == []


def test_a_broken_store_is_left_alone_for_a_while_and_said_once(tmp_path, caplog):
    """A file that is not a database costs nothing but the hint, every time."""
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    for store in (SqliteLeases(tmp_path), SqliteLeases(tmp_path)):
        assert store.client_id("a.ipynb", 4711) is None
        store.take(new_lease("127.0.0.1", 4002, 4711, "a.ipynb"))
        assert store.find("127.0.0.1", 4002, 4711) == ()
    (line,) = said(caplog)
    assert f"{tmp_path / FILE} is damaged" in line
    assert "Delete it" in line


def test_a_locked_store_is_said_once(tmp_path, caplog):
    """Another process that holds it is named as the cause, and that it is tried again."""
    make(tmp_path)
    store = SqliteLeases(tmp_path)
    with opened(tmp_path) as file:
        file.execute("begin exclusive")
        assert store.find("127.0.0.1", 4002, 4711) == ()
        assert SqliteLeases(tmp_path).find("127.0.0.1", 4002, 4711) == ()
    (line,) = said(caplog)
    assert "locked by another process" in line
    assert SqliteLeases(tmp_path).client_id("a.ipynb", 5000) == 4711


def test_another_kernels_writing_delays_no_reading(tmp_path):
    """What is known is read while somebody else writes."""
    lease = make(tmp_path)
    with opened(tmp_path) as file:
        file.execute("begin immediate")
        store = SqliteLeases(tmp_path)
        assert store.client_id("a.ipynb", 5000) == 4711
        assert store.newest(5) == (lease,)


def test_a_text_that_is_none_costs_no_other_lease(tmp_path, caplog):
    """Bytes that are not text are read as far as they are."""
    lease = make(tmp_path)
    store = SqliteLeases(tmp_path)
    store.take(new_lease("127.0.0.1", 4002, 8, "b.ipynb"))
    with opened(tmp_path) as file:
        file.execute("update leases set notebook = cast(x'ff41' as text) where client_id = 8")
    (found,) = store.find("127.0.0.1", 4002, 8)
    assert found.notebook == "\N{REPLACEMENT CHARACTER}A"
    assert lease in store.newest(5)
    assert said(caplog) == []


AS_SOMEBODY_ELSE = """
import os, pathlib, sqlite3, sys
from ibnb.session.client_ids import lease
from ibnb.session.client_ids.leases import SqliteLeases, new_lease
lease.getpass.getuser = lambda: sys.argv[2]
taken = new_lease("127.0.0.1", 4002, 8, "a.ipynb")
if os.getuid() == 0:
    os.setuid(65534)
store = SqliteLeases(pathlib.Path(sys.argv[1]))
print(store.client_id("a.ipynb", 5000), len(store.newest(5)))
store.take(taken)
"""


def test_a_folder_in_which_nothing_can_be_written_is_read():
    """What was remembered counts there too; that no more is, is said in one line."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        lease = make(folder)
        with opened(folder) as file:
            file.execute("pragma user_version = 0")
        (folder / FILE).chmod(0o444)
        folder.chmod(0o555)
        ended = python("-c", AS_SOMEBODY_ELSE, made, lease.user)
        folder.chmod(0o755)
    assert ended.stdout == "4711 1\n", ended.stderr
    (line,) = ended.stderr.splitlines()
    assert "cannot be used (attempt to write a readonly database)" in line
    assert "state_dir" in line

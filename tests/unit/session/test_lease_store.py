"""Leases in SQLite: IDs that stay, holders that live, and a store that may break."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ibnb.session.client_id import HIGHEST, LOWEST
from ibnb.session.holders import find_holders, tell_holders
from ibnb.session.leases import SqliteLeases, Tenant, new_lease, process_start
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
    tenant = Tenant(lambda: "a.ipynb", lambda: store)
    address = ("127.0.0.1", 4002, 4711)
    assert not tenant.crashed_with(address)
    gone = replace(new_lease(*address, "a.ipynb"), started=1.0)
    store.take(gone)
    assert tenant.crashed_with(address)
    store.take(replace(gone, notebook="b.ipynb"))
    assert not tenant.crashed_with(address)


def test_a_tenant_writes_in_order_and_waits_at_the_end(store):
    """What was taken and given back is written in that order, and all of it by `close`."""
    tenant = Tenant(lambda: "a.ipynb", lambda: store)
    address = ("127.0.0.1", 4002, 4711)
    for _ in range(5):
        tenant.took(address)
        tenant.gave_back(address)
    tenant.took(address)
    tenant.close()
    (lease,) = store.find(*address)
    assert lease.pid == os.getpid()


def test_an_id_that_could_not_be_looked_up_is_looked_up_again(store):
    """While the store does not answer the preferred ID serves; what it remembers counts later."""
    assert store.client_id("a.ipynb", 1234) == 1234

    class Locked:
        answers = None

        def client_id(self, notebook, preferred):
            return self.answers and self.answers.client_id(notebook, preferred)

    locked = Locked()
    tenant = Tenant(lambda: "a.ipynb", lambda: locked)
    assert tenant.client_id(4711) == 4711
    locked.answers = store
    assert tenant.client_id(4711) == 1234
    locked.answers = None
    assert tenant.client_id(4711) == 1234


def test_a_kernel_under_another_host_name_may_have_died(store):
    """A container has another name each time: its lease is worth a long wait, and a doubt."""
    tenant = Tenant(lambda: "a.ipynb", lambda: store)
    address = ("gateway.example", 4002, 4711)
    lease = replace(new_lease(*address, "a.ipynb"), machine=f"not-{platform.node()}")
    store.take(lease)
    assert tenant.crashed_with(address)
    target = Target(*address[:2])
    (sentence,) = tell_holders(target, 4711, find_holders(target, 4711, store))
    assert "if that is still there" in sentence
    store.take(replace(lease, user="somebody else"))
    assert not tenant.crashed_with(address)


@pytest.mark.parametrize("client_id", [2**31, 2**63, 2**70])
def test_an_impossible_id_is_in_no_store(store, client_id):
    """What a database cannot hold costs the hint alone."""
    assert store.find("127.0.0.1", 4002, client_id) == ()


def test_without_a_store_the_preferred_id_is_the_id():
    """A tenant without a store gives the preferred ID, and remembers nothing."""
    tenant = Tenant(lambda: "a.ipynb")
    assert tenant.client_id(4711) == 4711
    tenant.took(("127.0.0.1", 4002, 4711))
    assert not tenant.crashed_with(("127.0.0.1", 4002, 4711))


def test_a_broken_store_is_left_alone_for_a_while(tmp_path):
    """A file that is no database costs nothing but the hint, every time."""
    (tmp_path / "leases.sqlite3").write_bytes(b"no database" * 1000)
    store = SqliteLeases(tmp_path)
    assert store.client_id("a.ipynb", 4711) is None
    store.take(new_lease("127.0.0.1", 4002, 4711, "a.ipynb"))
    assert store.find("127.0.0.1", 4002, 4711) == ()

"""What a team's store on Redis takes: 10,000 notebooks, 1,000 renewals a second, IDs meanwhile.

And what a connect takes longer while the store is not there.
"""

from __future__ import annotations

import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import absent_store
from measuring import MeasuringFailedError, Row, shown

from ibnb.session.client_ids.grants import SEATS, Grant, StoreDownError, id_name, new_token
from ibnb.session.client_ids.keeper import GrantKeeper
from ibnb.session.client_ids.lease import Lease, new_lease, shared
from ibnb.session.client_ids.owners import find_holders, tell_holders
from ibnb.session.client_ids.redis_grants import RedisGrants
from ibnb.session.client_ids.shared_leases import SharedLeases
from ibnb.session.client_ids.store_url import StoreUrl
from ibnb.tws.target import Target

NOTEBOOKS = 10_000
RENEWALS = 1_000
"""A second; 10,000 notebooks that renew every 10 seconds."""
ID_SECONDS = 0.005
OWNER_SECONDS = 0.1
LOOPBACK = "127.0.0.1"


def measure(*, long: bool) -> list[Row]:
    """Return the rows on a Redis server of our own."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        return [Row("leases on Redis", "not measured: there is no redis-server")]
    with running(program) as (url, _freeze):
        rows = _measured(url, seconds=20.0 if long else 5.0)
    return [*rows, *absent_store.measure(lambda: running(program), long=long)]


@contextmanager
def running(program: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Run a server for a while; hand out its URL, and what freezes it."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        words = ["--port", str(port), "--bind", LOOPBACK, "--dir", folder, "--save", ""]
        server = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)
        try:
            yield f"redis://{LOOPBACK}:{port}/0", lambda: server.send_signal(signal.SIGSTOP)
        finally:
            server.kill()
            server.wait()


def _measured(url: str, seconds: float) -> list[Row]:
    store, begun = RedisGrants(StoreUrl(url)), time.perf_counter()
    for _ in range(200):
        with suppress(StoreDownError):
            store.scopes()
            break
        time.sleep(0.05)
    empty = _memory(url)
    grants = [_granted(store, number) for number in range(NOTEBOOKS)]
    taking = time.perf_counter() - begun
    for number in range(NOTEBOOKS):
        store.client_id(_scope(number), f"{number}.ipynb", 1000 + number % 9000)
    each = (_memory(url) - empty) / NOTEBOOKS
    unhurried = _renewals(store, grants, RENEWALS)
    words = [sys.executable, __file__, url, str(seconds + 1)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as renewing:
        assert renewing.stdout is not None  # noqa: S101 - as asked for
        renewing.stdout.readline()
        waits = _waits(store, seconds / 2)
        looks = _looks(store, seconds / 2)
        rate = float(renewing.stdout.read())
    p99, owner_p99 = (statistics.quantiles(one, n=100)[98] for one in (waits, looks))
    store.close()
    return [
        Row(
            f"leases of {NOTEBOOKS:,} notebooks on one Redis",
            f"taken in {taking:.1f} s by one process, {each / 1024:.1f} kB each",
        ),
        Row(
            "renewals a second on Redis, by one process",
            f"{unhurried:,.0f}",
            f"at least {RENEWALS:,}",
            unhurried >= RENEWALS,
        ),
        Row(
            f"a notebook's ID while {rate:,.0f} leases a second are renewed",
            f"{shown(statistics.median(waits))}, p99 {shown(p99)} ({len(waits):,} times)",
            f"under {shown(ID_SECONDS)} (p99)",
            p99 < ID_SECONDS and rate >= RENEWALS * 0.95,
        ),
        Row(
            f"who has a client ID, among {NOTEBOOKS:,} leases, meanwhile",
            f"{shown(statistics.median(looks))}, p99 {shown(owner_p99)} ({len(looks):,} times)",
            f"under {shown(OWNER_SECONDS)} (p99)",
            owner_p99 < OWNER_SECONDS,
        ),
    ]


def _scope(number: int) -> str:
    return f"gateway-{number // SEATS}.example:4002"


def _lease(number: int) -> Lease:
    host, _, port = _scope(number).rpartition(":")
    lease = new_lease(host, int(port), 1000 + number % SEATS, f"/home/{number}.ipynb")
    return shared(replace(lease, user=f"user-{number}", machine=f"machine-{number}"))


def _granted(store: RedisGrants, number: int) -> Grant:
    lease = _lease(number)
    name = id_name(lease.client_id)
    got = store.acquire(_scope(number), name, lease, token=new_token(), take_over=True)
    if not isinstance(got, Grant):
        raise MeasuringFailedError(f"notebook {number} was refused")
    return got


def _renewals(store: RedisGrants, grants: list[Grant], count: int) -> float:
    begun = time.perf_counter()
    for number in range(count):
        if store.renew(grants[-1 - number], _lease(NOTEBOOKS - 1 - number)) is None:
            raise MeasuringFailedError("a lease was lost")
    return count / (time.perf_counter() - begun)


def _waits(store: RedisGrants, seconds: float) -> list[float]:
    """Ask for IDs of notebooks, old and new ones in turn; return how long each took."""
    waits, number, end = [], 0, time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        notebook = number // 2 if number % 2 else NOTEBOOKS + number
        store.client_id(_scope(number % 500), f"{notebook}.ipynb", 1000 + number % 9000)
        waits.append(time.perf_counter() - begun)
        number += 1
        time.sleep(0.002)
    return waits


def _looks(store: RedisGrants, seconds: float) -> list[float]:
    """Ask who has client IDs that another machine's notebooks have; return how long each took."""
    keeper = GrantKeeper(store)
    leases = SharedLeases(keeper, None, "here")
    looks, number, end = [], 0, time.perf_counter() + seconds
    while (begun := time.perf_counter()) < end:
        # Of those that were granted last: the first ones may have run out by now.
        lease = _lease(NOTEBOOKS - 1 - number % RENEWALS)
        target = Target(lease.host, lease.port)
        holders = find_holders(target, lease.client_id, leases)
        (told,) = tell_holders(target, lease.client_id, holders)
        looks.append(time.perf_counter() - begun)
        if not all(word in told for word in (lease.notebook, lease.user, lease.machine, "since")):
            raise MeasuringFailedError(f"it was said: {told}")
        number += 1
        time.sleep(0.002)
    keeper.close()
    return looks


def _memory(url: str) -> int:
    import redis

    with redis.Redis.from_url(url) as client:
        return int(client.info("memory")["used_memory"])


def _keep_renewing(url: str, seconds: float) -> float:
    """Renew leases of our own at `RENEWALS` a second; return how many a second there were."""
    store = RedisGrants(StoreUrl(url))
    grants = [_granted(store, number) for number in range(RENEWALS)]
    leases = [_lease(number) for number in range(RENEWALS)]
    print("renewing", flush=True)
    begun, done = time.perf_counter(), 0
    while (passed := time.perf_counter() - begun) < seconds:
        due = int(passed * RENEWALS)
        while done < due:
            at = done % RENEWALS
            store.renew(grants[at], leases[at])
            done += 1
        time.sleep(0.001)
    return done / seconds


if __name__ == "__main__":
    print(_keep_renewing(sys.argv[1], float(sys.argv[2])))

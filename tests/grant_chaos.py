"""Random operations on a store of grants by many processes, while everything around them fails.

    python tests/grant_chaos.py redis --operations 1000000
    python tests/grant_chaos.py sqlite --operations 100000

Processes ask for names and seats, renew and release them, and are stopped and killed; their clocks
jump by an hour, their connections are cut, and the server is restarted with and without what it
knew. Each writes down what it was granted and until when it believes so. The checker reads only
that: nothing may be believed by two at any moment, no more seats than there are, and fencing
numbers grow. Exit status 1 if any of that is wrong.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from redis_server import RedisServer

from ibnb.session.client_ids.grants import Grant, StoreDownError, new_token, steady
from ibnb.session.client_ids.lease import new_lease, shared
from ibnb.session.client_ids.redis_grants import RedisGrants
from ibnb.session.client_ids.sqlite_grants import SqliteGrants
from ibnb.session.client_ids.store_url import StoreUrl

TTL = 0.5
NAMES = ("trading", [f"account-{number}" for number in range(4)], 0)
SEATS = 5
SEATED = ("gateway:4002", [f"id:{number}" for number in range(12)], SEATS)
HOUR = 3600.0
PERSISTENT = ("--appendonly", "yes", "--appendfsync", "everysec")


@dataclass
class Belief:
    """From when until when one process believed that it had something."""

    fence: int
    begin: float
    end: float
    who: str


class Worker:
    """One process that asks for names and seats, uses them, and writes down what it believes."""

    def __init__(self, store, log, seed):
        self._store, self._log = store, log
        self._chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be kept secret
        self._lease = shared(new_lease("gateway", 4002, 41, f"{seed}.ipynb"))
        self._held, self._tokens = {}, {}

    def work(self, operations):
        """Do random operations until there have been so many, or somebody kills this process."""
        jump, true_time = [0.0], time.time
        time.time = lambda: true_time() + jump[0]
        for number in range(operations):
            if number % 50 == 0:
                self._log.write(f'["n", {number}]\n'.encode())
                jump[0] = self._chance.choice((-HOUR, 0.0, HOUR))
            try:
                self._step()
            except StoreDownError:
                time.sleep(0.01)
        self._log.write(f'["n", {operations}]\n'.encode())
        for key in tuple(self._held):
            with suppress(StoreDownError):
                self._release(key)

    def _step(self):
        scope, names, limit = self._chance.choice((NAMES, SEATED))
        key = scope, self._chance.choice(names)
        grant = self._held.get(key)
        if grant is None or not grant.holds:
            self._held.pop(key, None)
            self._acquire(key, limit)
        elif self._chance.random() < 0.5:
            self._keep(key, self._store.renew(grant, self._lease))
        elif self._chance.random() < 0.5:
            self._release(key)
        elif not self._store.is_held(grant):
            self._keep(key, None)

    def _acquire(self, key, limit):
        token = self._tokens.setdefault(key, new_token())
        got = self._store.acquire(*key, self._lease, token=token, limit=limit)
        if isinstance(got, Grant):
            self._keep(key, got)
        elif self._chance.random() < 0.3:
            self._store.leave(key[0], token)

    def _keep(self, key, grant):
        if grant is None:
            self._forget(key)
        else:
            self._held[key] = grant
            self._note("+", grant)

    def _release(self, key):
        # Written before it is done: from then on it is not believed any more.
        self._store.release(self._forget(key))

    def _forget(self, key):
        grant = self._held.pop(key)
        del self._tokens[key]
        self._note("-", grant)
        return grant

    def _note(self, what, grant):
        row = [what, grant.scope, grant.name, grant.fence, steady(), grant.until]
        self._log.write((json.dumps(row) + "\n").encode())


def work(open_store, folder, seed, operations):
    """Be one worker."""
    with (folder / f"{seed}.log").open("ab", buffering=0) as log:
        Worker(open_store(), log, seed).work(operations)


def read_log(path):
    """Return what one process wrote down, and how many operations it did."""
    rows, operations = [], 0
    for line in path.read_bytes().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            # Written while its process was killed.
            continue
        if row[0] == "n":
            operations = row[1]
        else:
            rows.append(row)
    return rows, operations


def beliefs(folder):
    """Return what was believed, by scope and name, and how many operations there were."""
    found, operations = defaultdict(list), 0
    for path in sorted(folder.glob("*.log")):
        open_ones = {}
        rows, count = read_log(path)
        for what, scope, name, fence, at, until in rows:
            known = open_ones.get((scope, name, fence))
            if what == "+" and known is not None and at <= known.end:
                known.end = max(known.end, until)
            elif what == "+":
                known = Belief(fence, at, until, path.stem)
                open_ones[scope, name, fence] = known
                found[scope, name].append(known)
            elif known is not None:
                known.end = min(known.end, at)
        operations += count
    return found, operations


def judge(found, limits):
    """Return what is wrong, in lines."""
    wrong, scopes, fences = [], defaultdict(list), defaultdict(set)
    for (scope, name), all_of_it in found.items():
        wrong += [f"{scope} {name}: {one}" for one in overlapping(all_of_it)]
        scopes[scope] += all_of_it
        for one in all_of_it:
            fences[scope, one.fence].add((name, one.who))
    for scope, limit in limits.items():
        most = most_at_once(scopes[scope])
        if most > limit:
            wrong.append(f"{scope}: {most} at once of {limit} seats")
    wrong += [f"{where}: given twice to {who}" for where, who in fences.items() if len(who) > 1]
    return wrong


def overlapping(all_of_it):
    """Return the beliefs in one name that contradict one before them."""
    wrong, longest = [], None
    # What had run out when its answer came, as after a pause, was never believed.
    believed = [one for one in all_of_it if one.end > one.begin]
    for one in sorted(believed, key=lambda one: one.begin):
        if longest is not None and one.begin < longest.end and one.who != longest.who:
            wrong.append(f"{longest} and {one} at once")
        if longest is not None and one.fence < longest.fence:
            wrong.append(f"{one} after {longest}")
        if longest is None or one.end > longest.end:
            longest = one
    return wrong


def most_at_once(all_of_it):
    """Return how many beliefs there were at one moment, at most."""
    changes = [(one.begin, 1) for one in all_of_it if one.end > one.begin]
    changes += [(one.end, -1) for one in all_of_it if one.end > one.begin]
    taken = most = 0
    for _, change in sorted(changes):
        taken += change
        most = max(most, taken)
    return most


class Chaos:
    """What happens to the workers and to their store; ends them all when it is left."""

    def __init__(self, kind, folder, operations, processes, seed):
        self._chance = random.Random(seed)  # noqa: S311 - as above
        self._folder, self._seed, self._most = folder, seed, 20 * processes
        self._started = 0
        self._context = multiprocessing.get_context("fork")
        self._alive, self._stopped, self._given = [], {}, {}
        self._server = RedisServer(folder, *PERSISTENT) if kind == "redis" else None
        self._restart_at = steady() + 6.0
        self.counts = defaultdict(int)
        for _ in range(processes):
            self._start(operations // processes)

    def __enter__(self):
        """Go on from here."""
        return self

    def __exit__(self, *_error):
        """End whoever works still."""
        for process in self._alive:
            process.kill()
        if self._server is not None:
            self._server.kill()

    def goes_on(self):
        """Let some time pass and something happen; say whether anybody works still."""
        time.sleep(0.05)
        self._alive = [one for one in self._alive if one.is_alive()]
        now = steady()
        for process in [one for one, until in self._stopped.items() if now >= until]:
            del self._stopped[process]
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
        if self._alive:
            self._harm_a_worker(now)
            if self._server is not None:
                self._harm_the_server(now)
        return bool(self._alive)

    def _start(self, operations):
        self._started += 1
        seed = self._seed * 100_000 + self._started
        arguments = (self._open_store, self._folder, seed, operations)
        process = self._context.Process(target=work, args=arguments, daemon=True)
        process.start()
        self._alive.append(process)
        self._given[process] = self._folder / f"{seed}.log", operations

    def _left(self, process):
        """Return how many of its operations a process has not done."""
        path, operations = self._given[process]
        return operations - (read_log(path)[1] if path.exists() else 0)

    def _open_store(self):
        if self._server is None:
            return SqliteGrants(self._folder, TTL)
        return RedisGrants(StoreUrl(self._server.url), TTL)

    def _harm_a_worker(self, now):
        victim, dice = self._chance.choice(self._alive), self._chance.random()
        if dice < 0.1 and victim not in self._stopped:
            os.kill(victim.pid, signal.SIGSTOP)
            self._stopped[victim] = now + self._chance.choice((0.1, TTL, 3 * TTL))
            self.counts["stopped"] += 1
        elif dice > 0.98 and self._started < self._most:
            victim.kill()
            victim.join()
            self._stopped.pop(victim, None)
            self.counts["killed"] += 1
            self._start(self._left(victim))

    def _harm_the_server(self, now):
        if self._chance.random() < 0.08:
            self._server.says("CLIENT KILL TYPE normal")
            self.counts["connections cut"] += 1
        if now < self._restart_at:
            return
        self._server.kill()
        keeps = self._chance.random() < 0.5
        self._server.set_options(*(PERSISTENT if keeps else ()))
        self._server.start()
        self.counts["server restarted with its data" if keeps else "server emptied"] += 1
        self._restart_at = steady() + self._chance.choice((4.0, 8.0, 20.0))


def run(kind, folder, operations, processes, seed=1):
    """Let processes work while things fail; return what is wrong, and how much there was."""
    with Chaos(kind, folder, operations, processes, seed) as chaos:
        while chaos.goes_on():
            pass
    found, done = beliefs(folder)
    wrong = judge(found, {SEATED[0]: SEATS})
    return wrong, done, sum(map(len, found.values())), dict(chaos.counts)


def main():
    """Run it from a command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("store", choices=("redis", "sqlite"))
    parser.add_argument("--operations", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        begun = time.monotonic()
        wrong, done, grants, counts = run(
            options.store, Path(made), options.operations, options.processes, options.seed
        )
    seconds = time.monotonic() - begun
    print(f"{done:,} operations, {grants:,} grants, {counts}, {seconds:.0f} s")  # noqa: T201
    print("\n".join(wrong[:20]) or "nothing was held twice")  # noqa: T201
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

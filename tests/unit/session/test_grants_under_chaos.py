"""Nothing is held twice, whatever fails: a short run of `grant_chaos`, and that it would notice."""

import os
import re
import subprocess
import sys

import grant_chaos
import pytest
from grant_chaos import SEATED, SEATS, Belief, judge
from redis_server import required_program

LONGEST = 170


@pytest.mark.parametrize(("store", "operations"), [("sqlite", 1_500), ("redis", 6_000)])
def test_nothing_is_held_twice(store, operations):
    """By six processes that are stopped and killed, while connections are cut and servers die."""
    if store == "redis":
        required_program()
    # Where servers die faster than they may grant anything, another course of events is taken.
    assert any(grants > 20 for grants in courses(store, operations))


def courses(store, operations):
    """Yield how much was granted in each of some runs, none of which held anything twice."""
    for seed in range(1, 5):
        words = [store, "--processes", "6", "--operations", str(operations), "--seed", str(seed)]
        ended = subprocess.run(
            [sys.executable, grant_chaos.__file__, *words],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=LONGEST,
            check=False,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "nothing was held twice" in ended.stdout
        yield int(re.search(r"(\d+) grants", ended.stdout.replace(",", ""))[1])


def believed(*spans):
    """Return beliefs in one name: fencing number, begin, end, and whose."""
    return {("gateway", "id:41"): [Belief(*span) for span in spans]}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (believed((1, 0.0, 2.0, "a"), (2, 1.9, 3.0, "b")), "at once"),
        (believed((1, 0.0, 9.0, "a"), (2, 1.0, 1.5, "a"), (3, 5.0, 6.0, "b")), "at once"),
        (believed((2, 0.0, 1.0, "a"), (1, 1.5, 2.0, "b")), "after"),
        (believed((1, 0.0, 1.0, "a"), (1, 1.5, 2.0, "b")), "given twice"),
        (believed((1, 0.0, 1.0, "a"), (2, 1.0, 2.0, "b")), ""),
        (believed((2, 0.0, 1.0, "a"), (1, 0.5, 0.2, "b")), ""),
    ],
)
def test_the_checker_sees_what_is_wrong(found, said):
    """Two at once, numbers that go back, and a number that was given twice."""
    assert said in " ".join(judge(found, {}))
    assert bool(judge(found, {})) == bool(said)


def test_the_checker_counts_seats():
    """One more than there are at one moment is too many."""
    scope = SEATED[0]
    found = {
        (scope, f"id:{number}"): [Belief(number, number / 10, 1.0, "a")]
        for number in range(SEATS + 1)
    }
    assert judge(found, {scope: SEATS + 1}) == []
    assert judge(found, {scope: SEATS}) != []

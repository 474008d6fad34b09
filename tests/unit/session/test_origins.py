"""Where code comes from that was under way when somebody began to look."""

import asyncio
import sys
import threading
import time

import pytest

from ibnb.session.notebook.cell_runs import EARLY, Runs
from ibnb.session.notebook.origins import Origins
from ibnb.session.notebook.succession import Succession

CHAINS = 8
ROUNDS = 30
PACE = 0.0005


@pytest.fixture
def _busy():
    """Threads that take turns after a few instructions each."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("_busy")
def test_what_threads_start_meanwhile_comes_from_before():
    """Threads that each start the next, as a timer does that sets itself again: none is missed."""
    loop = asyncio.new_event_loop()
    for _ in range(ROUNDS):
        runs, looks, over, found = Runs(), threading.Event(), threading.Semaphore(0), []

        def again(runs=runs, looks=looks, over=over, found=found):
            time.sleep(PACE)
            if looks.is_set():
                found.append(runs.origin())
                over.release()
            else:
                threading.Thread(target=again, args=(runs, looks, over, found), daemon=True).start()

        for _ in range(CHAINS):
            again()
        origins = Origins(Succession(runs), loop)
        origins.enter()
        looks.set()
        for _ in range(CHAINS):
            assert over.acquire(timeout=60)
        origins.leave()
        assert found == [EARLY] * CHAINS
    loop.close()


def test_what_starts_unseen_cannot_be_told(monkeypatch):
    """Somebody put his own in the place of `Thread.start`: that is no reason to call it older."""
    plain = threading.Thread.start
    runs, found = Runs(), []
    origins = Origins(Succession(runs), None)
    origins.enter()
    try:
        monkeypatch.setattr(threading.Thread, "start", plain)
        thread = threading.Thread(target=lambda: found.append(runs.origin()))
        thread.start()
        thread.join(60)
    finally:
        monkeypatch.undo()
        origins.leave()
    assert found == [None]
    assert threading.Thread.start is plain

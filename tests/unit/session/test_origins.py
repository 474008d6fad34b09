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
    sys.setswitchinterval(1e-4)
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

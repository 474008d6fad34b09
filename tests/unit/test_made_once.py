"""What is made when it is first asked for: one of it, whatever threads ask."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ibnb.app import App
from ibnb.made_once import made_once
from ibnb.session import Session
from ibnb.session.client_ids.notebook_leases import NotebookLeases
from ibnb.session.records.journal import Journal

THREADS = 8


class House:
    """Something with a part that takes its time."""

    def __init__(self):
        self.made = 0

    @made_once
    def part(self):
        """What several threads want."""
        time.sleep(0.05)
        self.made += 1
        return [self.made]

    @made_once
    def whole(self):
        """What needs the part."""
        return self.part


@pytest.mark.parametrize("name", ["part", "whole"])
def test_threads_that_ask_at_the_same_time_get_the_same(name):
    """It is made once; each object has its own."""
    house, together = House(), threading.Barrier(THREADS)

    def ask(_):
        together.wait()
        return getattr(house, name)

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(ask, range(THREADS)))
    assert all(one is found[0] for one in found)
    assert house.made == 1
    assert House().part is not house.part


def test_what_could_not_be_made_is_tried_again():
    """An error is raised to whoever asked; it is not kept."""
    fails = [False, True]

    class Shaky:
        @made_once
        def part(self):
            if fails.pop():
                raise OSError("not now")
            return 1

    shaky = Shaky()
    with pytest.raises(OSError, match="not now"):
        _ = shaky.part
    assert shaky.part == 1


def test_the_parts_that_threads_share_are_made_once():
    """Each has a state that two of it would tear apart."""
    shared = {
        App: {"planner", "explainer", "situations", "good", "pace", "_open_requests"},
        Session: {"_endings"},
        NotebookLeases: {"store", "right", "_writer"},
        Journal: {"requests"},
    }
    for owner, names in shared.items():
        assert {name for name, one in vars(owner).items() if isinstance(one, made_once)} == names

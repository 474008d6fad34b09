from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from lab import PATIENCE, own_group, own_places
from pages import MILLISECONDS, NotebookPage
from playwright.sync_api import expect

ADDRESS = "Open this address: "
EXIT_SECONDS = 60
pytest.importorskip("ib_insync", reason="the demo's notebook is written for it")


class Demo:
    """``ibnb demo`` as a child process, and what it prints."""

    def __init__(self, folder):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ibnb", "demo", "--output", str(folder / "output")],
            env=own_places(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **own_group(),
        )
        self.said = []
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.rstrip())
        self._lines.put(None)

    def address(self):
        """Return the address that it says to open."""
        deadline = time.monotonic() + PATIENCE
        while True:
            line = self._lines.get(timeout=max(0.1, deadline - time.monotonic()))
            assert line is not None, "\n".join(self.said)
            self.said.append(line)
            if line.startswith(ADDRESS):
                return line.removeprefix(ADDRESS)

    def descendants(self):
        """Return the processes that it started, and those that these started."""
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def demo(chromium, tmp_path):  # noqa: ARG001 - without a browser nothing is started
    """A running demo; whatever of it outlives the test is ended."""
    demo = Demo(tmp_path)
    yield demo
    if demo.process.poll() is None:
        left = demo.descendants()
        demo.process.kill()
        demo.process.wait()
        for process in left:
            if process.is_running():
                process.kill()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a process group of its own")
def test_the_demo_opens_the_quickstart_and_leaves_nothing_behind(demo, new_page):
    """The printed address opens the quickstart, which connects; Ctrl-C ends every process."""
    page = new_page()
    page.goto(demo.address())
    page = NotebookPage(page)
    expect(page.page.get_by_role("heading", name="ibnb in five minutes")).to_be_visible()
    expect(page.output(0)).to_be_empty()
    page.play(0)
    page.expect_executed(0, count=1)
    expect(page.output(0).get_by_role("status")).to_contain_text("Ready", timeout=MILLISECONDS)

    started = demo.descendants()
    commands = [" ".join(process.cmdline()) for process in started]
    for part in ("jupyterlab", "ipykernel", "ibnb sim"):
        assert any(part in command for command in commands), commands
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(EXIT_SECONDS) == 0
    _, left = psutil.wait_procs(started, timeout=EXIT_SECONDS)
    # A zombie has ended; only nobody has asked for its exit status yet.
    assert [one for one in left if one.is_running() and one.status() != "zombie"] == []

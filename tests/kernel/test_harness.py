"""What the tests of this folder are made with."""

import queue
from pathlib import Path

import kernels
import pytest
from kernels import OverlookedMessageError


def test_an_overlooked_message_is_told_from_all_else(notebook, monkeypatch):
    """A kernel that waits is asleep; one that works, or is dead, is not."""
    if not Path("/proc/self/wchan").exists():
        pytest.skip("only Linux tells where a thread waits")
    monkeypatch.setattr(kernels, "PATIENCE", 0.5)
    with pytest.raises(OverlookedMessageError):
        notebook.collect(["never sent"])
    notebook.send(
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire(timeout=5)"
    )
    with pytest.raises(queue.Empty):
        notebook.collect(["never sent"])
    notebook.manager.provisioner.process.kill()
    notebook.manager.provisioner.process.wait()
    with pytest.raises(queue.Empty):
        notebook.collect(["never sent"])

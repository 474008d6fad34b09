"""What the tests of this folder are made with."""

import queue
from pathlib import Path

import kernels
import pytest
from forked import CAN_FORK, IS_COLD
from kernels import Notebook, OverlookedMessageError

OURS = "[name for name in sys.modules if name.partition('.')[0] == 'ibnb']"
THEIRS = "[name for name in sys.modules if name.startswith(('ib_', 'eventkit'))]"


@pytest.mark.parametrize("warm", [True, False])
def test_what_a_kernel_begins_with(tmp_path, warm):
    """A forked one has no API library, and nothing of ibnb either if it is to be plain."""
    book = Notebook(tmp_path, warm=warm)
    try:
        book.run("import sys")
        assert book.value(THEIRS) == "[]"
        assert (book.value(OURS) != "[]") is (warm and CAN_FORK and not IS_COLD)
        assert book.value("'ibnb' in get_ipython().extension_manager.loaded") == "False"
    finally:
        book.close()


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

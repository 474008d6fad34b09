"""Kernels that begin where IPython is imported already: forked, so that starting one costs little.

What they have imported before their first cell is what every kernel has, and what takes long and
decides nothing: neither an API library nor its events. Kernels that will load ibnb have what that
and a first connect import of it, too (`warm`); they load and prepare it as others do. Set
``IBNB_COLD_KERNELS=1`` to start each from scratch.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import multiprocessing
import os
import pathlib
import signal
import sys
from multiprocessing import forkserver
from typing import Any
from unittest import mock

from jupyter_client.provisioning import LocalProvisioner
from traitlets import Bool

IMPORTED = [
    *("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "ipykernel.debugger"),
    *("numpy", "sqlite3", "psutil", "jinja2", "urllib.request", "xml.etree.ElementTree"),
]
FOR_IMPORTING = {
    # Otherwise the debugger complains of a Python that has its own modules built in.
    "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    "PYTHONPATH": os.pathsep.join(sys.path),
    # A kernel without a parent would print how to connect to it.
    "JPY_PARENT_PID": str(os.getpid()),
}
CAN_FORK = "forkserver" in multiprocessing.get_all_start_methods()
IS_COLD = "IBNB_COLD_KERNELS" in os.environ


@functools.cache
def _server(*imported: str) -> forkserver.ForkServer:
    server = forkserver.ForkServer()
    server.set_forkserver_preload(list(imported))
    return server


def start(
    command: list[str], environment: dict[str, str], folder: str, *, warm: bool
) -> ForkedProcess:
    """Start a kernel by the command that would start it from scratch."""
    server = _server(*IMPORTED, *(["warm"] if warm else []))
    context = multiprocessing.get_context("forkserver")
    begun, begins = context.Pipe(duplex=False)
    process = context.Process(
        target=_be_a_kernel, args=(command, environment, folder, begins), daemon=True
    )
    with (
        mock.patch.dict(os.environ, FOR_IMPORTING),
        mock.patch.object(forkserver, "connect_to_new_process", server.connect_to_new_process),
    ):
        process.start()
    begins.close()
    with begun, contextlib.suppress(EOFError):
        begun.recv()
    return ForkedProcess(process)


class ForkedProcess:
    """What the manager of a kernel needs of its process."""

    stdin = stdout = stderr = None

    def __init__(self, process: Any) -> None:
        self._process = process
        self.pid = process.pid

    def poll(self) -> int | None:
        """Return how it ended, or None."""
        return self._process.exitcode

    def wait(self) -> int | None:
        """Wait for its end, and return how it ended."""
        self._process.join()
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it is there."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class ForkingProvisioner(LocalProvisioner):
    """Starts a manager's kernels by forking."""

    warm = Bool(default_value=True, help="whether they begin with what loading ibnb imports")

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> Any:
        """Start a kernel."""
        self.cwd = pathlib.Path(kwargs["cwd"])
        self.process = start(cmd, kwargs["env"], kwargs["cwd"], warm=self.warm)
        # It leads a group of its own.
        self.pid = self.pgid = self.process.pid
        return self.connection_info


def _be_a_kernel(command: list[str], environment: dict[str, str], folder: str, begins: Any) -> None:
    # Collecting what all kernels have would only copy its pages. As the collector does not count it
    # any more, all generations would be collected far more often than in a user's kernel, and each
    # `IB` that nobody has is disconnected by that.
    gc.freeze()
    young, middle, _ = gc.get_threshold()
    gc.set_threshold(young, middle, 100)
    os.setsid()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = command[command.index("-m") + 1 :]
    begins.send(None)
    begins.close()

    from ipykernel import kernelapp

    try:
        kernelapp.launch_new_instance()
    finally:
        # A process that was forked ends without them.
        atexit._run_exitfuncs()

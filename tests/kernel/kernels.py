"""A notebook without a browser: a real kernel, and cells queued as a frontend queues them."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import sys
import tempfile
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from forked import CAN_FORK, IS_COLD, ForkingProvisioner
from jupyter_client.manager import KernelManager

PATIENCE = 60.0
STOP_AGAIN = 5.0
ASK_AGAIN = 0.1
WAITS_FOR_MESSAGES = frozenset({"do_epoll_wait", "ep_poll"})
"""Where Linux says that the main thread is when its event loop has nothing to do."""
# Ports that the manager picks are free until the kernel binds them: for tests that run side by
# side, too. Windows has nothing else.
TRANSPORT = "tcp" if sys.platform == "win32" else "ipc"


@dataclass
class CellRun:
    """What one execution of a cell came to: reply status, streams, displays and the error."""

    status: str = ""
    stdout: str = ""
    stderr: str = ""
    displays: list[dict[str, Any]] = field(default_factory=list)
    updates: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    error: str = ""
    error_name: str = ""

    @property
    def html(self) -> str:
        """All HTML that the cell displays, updates included."""
        shown = [*self.displays, *self.updates]
        return "\n".join(bundle["text/html"] for bundle in shown if "text/html" in bundle)

    @property
    def text(self) -> str:
        """All text that the cell displays or prints."""
        shown = [bundle.get("text/plain", "") for bundle in (*self.displays, *self.updates)]
        return "\n".join([self.stdout, *shown])

    @property
    def everything(self) -> str:
        """All that a user can read in the cell's output."""
        return f"{self.text}\n{self.html}\n{self.stderr}\n{self.error}"


class OverlookedMessageError(Exception):
    """A kernel is alive and waits for messages, although it was sent one.

    One of ipykernel 7 whose loop lets loops run within it may sleep over what it was sent, or over
    what it was to tell, once in some hundreds of kernels on a busy machine: without ibnb, too.
    """


class Notebook:
    """One kernel and its client; `run` executes cells as JupyterLab does, with cell ids.

    Args:
        folder: the kernel's working directory, with its IPython and state folders.
        path: of the notebook, as the server would name it.
        cold: start the kernel from scratch, and not by forking.
        warm: if it is forked, the kernel begins with what loading ibnb imports and reads.
        environment: variables that the kernel has besides this process's own.
    """

    def __init__(
        self,
        folder: Any,
        *,
        path: str | None = None,
        cold: bool = IS_COLD,
        warm: bool = True,
        **environment: str,
    ) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("IBNB_")}
        self.environment = {
            **kept,
            "JPY_SESSION_NAME": path or str(folder / "notebook.ipynb"),
            "PYTHONPATH": os.pathsep.join(sys.path),
            "IPYTHONDIR": str(folder / "ipython"),
            "IBNB_STATE_DIR": str(folder / "state"),
            **environment,
        }
        self.folder = folder
        self.strays: list[str] = []
        """What was printed into the output of cells that had ended already."""
        self.stray_displays: list[dict[str, Any]] = []
        """What was displayed, or changed, in the output of cells that had ended already."""
        # A socket's path has room for some 100 characters, which the folder of a test may exceed.
        self._sockets = tempfile.mkdtemp(prefix="ibnb-kernel-")
        self.manager = KernelManager(
            transport=TRANSPORT, connection_file=f"{self._sockets}/kernel.json"
        )
        self.manager.kernel_spec.argv[0] = sys.executable  # type: ignore[union-attr]
        if CAN_FORK and not cold:
            self.manager.provisioner = ForkingProvisioner(
                kernel_id=self.manager.kernel_id,
                kernel_spec=self.manager.kernel_spec,
                parent=self.manager,
                warm=warm,
            )
        self.manager.start_kernel(env=self.environment, cwd=str(self.folder))
        self._connect()

    def _connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        end = time.monotonic() + PATIENCE
        while not self._answers():
            if time.monotonic() > end:
                raise TimeoutError(f"the kernel {self.pid} did not answer")

    def _answers(self) -> bool:
        """Ask the kernel who it is, and say whether both its answer and that it is idle came.

        The client's own waiting goes on until nothing has come for 0.2 s, with each kernel.
        """
        asked = self.client.kernel_info()
        try:
            while self.client.get_shell_msg(timeout=ASK_AGAIN)["parent_header"]["msg_id"] != asked:
                pass
            while True:
                message = self.client.get_iopub_msg(timeout=ASK_AGAIN)
                is_its = message["parent_header"].get("msg_id") == asked
                if is_its and message["content"].get("execution_state") == "idle":
                    return True
        except queue.Empty:
            return False

    @property
    def pid(self) -> int:
        """The kernel's process id."""
        return int(self.manager.provisioner.pid)

    def run(self, source: str, cell_id: str | None = None) -> CellRun:
        """Run one cell to its end."""
        return self.run_all([source], [cell_id])[0]

    def run_all(
        self, sources: list[str], cell_ids: list[str | None] | None = None
    ) -> list[CellRun]:
        """Queue all cells at once, as Run All does, and return what each came to."""
        ids = cell_ids or [f"cell-{number}" for number in range(len(sources))]
        sent = [self.send(source, cell_id) for source, cell_id in zip(sources, ids, strict=True)]
        return self.collect(sent)

    def subshell(self) -> str:
        """Make a subshell beside the main shell and return its id; skip the test without any."""
        about = self.client.kernel_info(reply=True, timeout=PATIENCE)["content"]
        if "kernel subshells" not in about.get("supported_features", ()):
            pytest.skip("this kernel has no subshells")
        self.client.control_channel.send(self.client.session.msg("create_subshell_request"))
        return str(self.client.get_control_msg(timeout=PATIENCE)["content"]["subshell_id"])

    def send(self, source: str, cell_id: str | None = None, *, subshell: str | None = None) -> str:
        """Queue one cell, on the main shell or on a subshell; return the id of its request."""
        content = {
            "code": source,
            "silent": False,
            "store_history": True,
            "user_expressions": {},
            "allow_stdin": False,
            "stop_on_error": True,
        }
        message = self.client.session.msg("execute_request", content)
        message["metadata"] = {"cellId": cell_id or uuid.uuid4().hex}
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self.client.shell_channel.send(message)
        return str(message["header"]["msg_id"])

    def collect(self, sent: list[str]) -> list[CellRun]:
        """Wait until all these requests are answered and idle; return what each came to."""
        runs = {msg_id: CellRun() for msg_id in sent}
        displays: dict[str, CellRun] = {}
        idle: set[str] = set()
        end = time.monotonic() + PATIENCE
        while len(idle) < len(runs):
            message = self._heard(end)
            parent = message["parent_header"].get("msg_id")
            content, kind = message["content"], message["msg_type"]
            if kind == "update_display_data":
                run = displays.get(content["transient"]["display_id"]) or runs.get(parent)
                updates = self.stray_displays if run is None else run.updates
                updates.append(content["data"])
                continue
            run = runs.get(parent)
            if run is None:
                if kind == "stream":
                    self.strays.append(content["text"])
                elif kind == "display_data":
                    self.stray_displays.append(content["data"])
                continue
            if kind == "status" and content["execution_state"] == "idle":
                idle.add(parent)
            _take(run, kind, content, displays)
        answered: set[str] = set()
        while len(answered) < len(runs):
            reply = self.client.get_shell_msg(timeout=max(0.1, end - time.monotonic()))
            parent = reply["parent_header"].get("msg_id")
            if parent in runs:
                runs[parent].status = reply["content"]["status"]
                answered.add(parent)
        return [runs[msg_id] for msg_id in sent]

    def _heard(self, end: float) -> Any:
        """Return what the kernel tells next."""
        try:
            return self.client.get_iopub_msg(timeout=max(0.1, end - time.monotonic()))
        except queue.Empty:
            where = Path(f"/proc/{self.pid}/wchan")
            if where.exists() and where.read_text() in WAITS_FOR_MESSAGES:
                raise OverlookedMessageError from None
            raise

    def value(self, expression: str) -> str:
        """Return the printed form of an expression in the kernel."""
        run = self.run(f"print(repr(({expression})), end='')")
        assert run.status == "ok", run.error
        return run.stdout

    def stop(self, sent: str) -> CellRun:
        """Press the stop button, again every few seconds, until the cell has ended.

        Python drops an interrupt that falls into a weak reference's callback or a `__del__`.
        """
        over = threading.Event()

        def press() -> None:
            os.kill(self.pid, signal.SIGINT)
            while not over.wait(STOP_AGAIN):
                os.kill(self.pid, signal.SIGINT)

        thread = threading.Thread(target=press)
        thread.start()
        try:
            return self.collect([sent])[0]
        finally:
            over.set()
            thread.join()

    def restart(self) -> None:
        """Restart the kernel in good order."""
        self.client.stop_channels()
        self.manager.restart_kernel(now=False)
        self._connect()

    def kill(self) -> None:
        """End the kernel with SIGKILL, as a crash would."""
        self.manager.provisioner.process.kill()

    def close(self) -> None:
        """Shut the kernel down."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)
        shutil.rmtree(self._sockets, ignore_errors=True)


def _take(run: CellRun, kind: str, content: dict[str, Any], displays: dict[str, CellRun]) -> None:
    match kind:
        case "stream" if content["name"] == "stdout":
            run.stdout += content["text"]
        case "stream":
            run.stderr += content["text"]
        case "display_data":
            run.displays.append(content["data"])
            display_id = content.get("transient", {}).get("display_id")
            if display_id:
                displays[display_id] = run
        case "execute_result":
            run.result = content["data"]
        case "error":
            run.error = "\n".join(content["traceback"])
            run.error_name = content["ename"]

"""``ibnb demo``: the quickstart notebook beside a simulated gateway, in JupyterLab or headless."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .planner import SIMULATOR_VARIABLE
from .session import BadInputError
from .tws.own import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

QUICKSTART = "quickstart.ipynb"
NEEDED = ("jupyterlab", "nbclient", "nbconvert")
STOP_SECONDS = 20.0
POLL_SECONDS = 0.05
CELL_SECONDS = 120
LINE_LENGTH = 110
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def run(*, headless: bool, output: str, port: int) -> int:
    """Run the demo; return 0, or 1 where a cell of a headless run failed.

    Args:
        headless: execute the notebook without a browser and write what came of it.
        output: the folder for the working copy and for what a headless run writes.
        port: JupyterLab's port; 0 lets it pick a free one.

    Raises:
        BadInputError: what the demo needs is not installed, or the folder cannot be written.
    """
    from .simulator.process import start_simulator

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise BadInputError(
            f'ibnb demo: {", ".join(missing)} is not installed: run  pip install "ibnb[demo]"'
        )
    folder = Path(output).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        notebook = _notebooks() / QUICKSTART if headless else _working_copy(folder)
    except OSError as error:
        raise BadInputError(f"ibnb demo: cannot write to {folder}: {error.strerror}") from None
    simulator = start_simulator()
    address = f"{simulator.host}:{simulator.port}"
    print(f"Simulated gateway: {address}", flush=True)  # noqa: T201
    try:
        environment = {
            **os.environ,
            SIMULATOR_VARIABLE: address,
            "PYDEVD_DISABLE_FILE_VALIDATION": "1",
        }
        if headless:
            return _run_headless(notebook, folder, environment)
        return _run_lab(notebook, environment, port)
    finally:
        simulator.stop()


def _working_copy(folder: Path) -> Path:
    """Return the notebook to work in: one that is there already is somebody's, and is kept."""
    copy, fresh = folder / QUICKSTART, _without_outputs(_notebooks() / QUICKSTART)
    if not copy.exists():
        copy.write_bytes(fresh)
    elif copy.read_bytes() != fresh:
        print(  # noqa: T201
            f"{copy} is opened as you left it. For a fresh one, rename it or delete it first.",
            flush=True,
        )
    return copy


def _without_outputs(notebook: Path) -> bytes:
    """Return a notebook as it is before anything has run: what is stored ran elsewhere."""
    book = json.loads(notebook.read_bytes())
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"execution_count": None, "outputs": []}
    return json.dumps(book, indent=1, ensure_ascii=False).encode()


def _notebooks() -> Path:
    """Return the folder of the notebooks: inside an installed package, beside it in a clone."""
    package = Path(__file__).resolve().parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def _run_lab(notebook: Path, environment: Mapping[str, str], port: int) -> int:
    """Serve JupyterLab until it ends or Ctrl-C is pressed; leave no process behind."""
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.ip={LOOPBACK}", "--no-browser"]
    command += [f"--ServerApp.port={port}", f"--ServerApp.root_dir={notebook.parent}"]
    command += ["--ServerApp.open_browser=False", f"--LabApp.default_url=/lab/tree/{QUICKSTART}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--ServerApp.allow_root=True")
    # In a group of its own, so that Ctrl-C reaches this process alone, which ends it in order.
    lab = subprocess.Popen(  # noqa: S603 - this interpreter, with arguments made here
        command,
        env=dict(environment),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        **_own_group(),
    )
    announce = threading.Thread(target=_announce, args=(lab,), daemon=True)
    announce.start()
    previous = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return lab.wait()
    except KeyboardInterrupt:
        print("\nStopping JupyterLab and the simulated gateway.", flush=True)  # noqa: T201
        return 0
    finally:
        _stop(lab)
        signal.signal(signal.SIGTERM, previous)


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _own_group() -> dict[str, Any]:
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _announce(lab: subprocess.Popen[str]) -> None:
    """Print the address to open when JupyterLab tells it; keep the rest of its log for failures."""
    told = False
    log: list[str] = []
    for line in lab.stderr or ():
        log.append(line)
        address = line.strip().split(" ")[-1]
        if not told and address.startswith(f"http://{LOOPBACK}"):
            told = True
            _wait_until_it_listens(address, lab)
            print(f"Open this address: {address}\nCtrl-C stops.", flush=True)  # noqa: T201
    if not told:
        print("".join(log[-20:]), file=sys.stderr)  # noqa: T201


def _wait_until_it_listens(address: str, lab: subprocess.Popen[str]) -> None:
    """Wait until the address can be opened: Jupyter Server tells it before it listens there."""
    told = urlsplit(address)
    while lab.poll() is None:
        try:
            socket.create_connection((told.hostname or LOOPBACK, told.port or 80), 1.0).close()
        except OSError:
            time.sleep(POLL_SECONDS)
        else:
            return


def _stop(process: subprocess.Popen[str]) -> None:
    """End JupyterLab in good order, so that it ends its kernels; else end it for good."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _run_headless(notebook: Path, folder: Path, environment: Mapping[str, str]) -> int:
    """Execute the notebook, write it and its HTML, and say what happened in each step."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError
    from nbconvert import HTMLExporter

    book = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        book,
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(folder)}},
        kernel_name="python3",
        on_cell_executed=_reporter(book),
        # Newer kernels warn of their own sockets, which here are on this machine alone.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    failed = False
    try:
        client.execute(env=dict(environment))
    except CellExecutionError:
        failed = True
    executed = folder / "quickstart.executed.ipynb"
    page = folder / "quickstart.html"
    nbformat.write(book, executed)  # type: ignore[no-untyped-call]
    exporter = HTMLExporter()  # type: ignore[no-untyped-call]
    page.write_text(exporter.from_notebook_node(book)[0], encoding="utf-8")
    print(f"Executed notebook: {executed}\nHTML: {page}")  # noqa: T201
    if failed:
        print("A cell failed.", file=sys.stderr)  # noqa: T201
    return 1 if failed else 0


def _reporter(book: Any) -> Callable[..., None]:
    """Return what nbclient calls after each cell: a line on what happened in it."""
    told = ""

    def report(cell: Any, cell_index: int, execute_reply: Any) -> None:
        nonlocal told
        heading = _heading_before(book, cell_index)
        if heading != told:
            print(f"\n{heading}")  # noqa: T201
            told = heading
        error = next((out for out in cell.outputs if out.output_type == "error"), None)
        outcome = execute_reply["content"]["status"]
        if error is not None:
            expected = "raises-exception" in cell.metadata.get("tags", [])
            outcome = "ok, as announced" if expected else "FAILED"
        asked = cell.source.strip().partition("\n")[0]
        print(f"  {outcome}: {asked}", flush=True)  # noqa: T201
        for line in _first_lines(cell):
            print(f"      {line[:LINE_LENGTH]}", flush=True)  # noqa: T201

    return report


def _heading_before(book: Any, index: int) -> str:
    for cell in reversed(book.cells[:index]):
        if cell.cell_type == "markdown":
            for line in reversed(cell.source.splitlines()):
                if line.startswith("#"):
                    return str(line.lstrip("# "))
    return "start"


def _first_lines(cell: Any) -> list[str]:
    """Return the first line of each thing that a cell printed or shows as text, but widgets."""
    lines = []
    for out in cell.outputs:
        data = out.get("data", {})
        if WIDGET_VIEW in data:
            continue
        text = out.get("text") or data.get("text/plain", "")
        line = text.strip().partition("\n")[0]
        if line:
            lines.append(line)
    return lines

"""A JupyterLab of the tests' own: a child process that reads and writes nothing of the user's."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.error import URLError
from urllib.request import Request, urlopen

from forked import CAN_FORK, IS_COLD

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PATIENCE = 90.0
"""Seconds that a slow machine may take for anything that is waited for."""

LOOPBACK = "127.0.0.1"
FORKING = "forking_server.ForkingServerKernelManager"
OVERRIDES = {
    "@jupyterlab/apputils-extension:notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # The browser's colour scheme picks the theme.
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
    # Otherwise cells outside the window are not in the page, and cannot be read.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
}


def own_places(folder: Path) -> dict[str, str]:
    """Return an environment in which Jupyter and IPython keep to `folder`, with news off."""
    places = {
        "JUPYTER_CONFIG_DIR": folder / "config",
        "JUPYTER_DATA_DIR": folder / "data",
        "JUPYTER_RUNTIME_DIR": folder / "runtime",
        "JUPYTERLAB_SETTINGS_DIR": folder / "settings",
        "JUPYTERLAB_WORKSPACES_DIR": folder / "workspaces",
        "IPYTHONDIR": folder / "ipython",
        "IBNB_STATE_DIR": folder / "state",
    }
    for place in places.values():
        place.mkdir(parents=True, exist_ok=True)
    labconfig = places["JUPYTER_CONFIG_DIR"] / "labconfig"
    labconfig.mkdir(exist_ok=True)
    (labconfig / "default_setting_overrides.json").write_text(json.dumps(OVERRIDES))
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("IBNB_", "JUPYTER", "JPY_"))
    }
    return {
        **kept,
        **{name: str(place) for name, place in places.items()},
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


def own_group() -> dict[str, Any]:
    """Return what starts a child process in a group of its own."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def end(process: subprocess.Popen[Any]) -> None:
    """End a child process, in good order if it will."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Lab:
    """JupyterLab on a free port, serving `folder`; use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "notebooks"
        self.folder.mkdir()
        self.data = folder / "data"
        # Kernels talk through files, as ports are free only until another test takes them. The
        # path of one has room for some 100 characters.
        self._runtime = tempfile.mkdtemp(prefix="ibnb-lab-")
        self._environment = {**own_places(folder), "JUPYTER_RUNTIME_DIR": self._runtime}
        self._log = folder / "jupyterlab.log"
        self._token = secrets.token_hex(16)
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        """Start, and return when it answers."""
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            self._port = free.getsockname()[1]
        command = [sys.executable, "-m", "jupyterlab", "--no-browser"]
        command += [f"--ServerApp.ip={LOOPBACK}", f"--ServerApp.port={self._port}"]
        command += ["--ServerApp.port_retries=0", f"--IdentityProvider.token={self._token}"]
        command += [f"--ServerApp.root_dir={self.folder}", "--LabApp.news_url="]
        command += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
        command += ["--ServerApp.allow_root=True", "--LabApp.expose_app_in_browser=True"]
        if sys.platform != "win32":
            command += ["--KernelManager.transport=ipc"]
        if CAN_FORK and not IS_COLD:
            command += [f"--AsyncMappingKernelManager.kernel_manager_class={FORKING}"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=self._environment, stdout=log, stderr=log, **own_group()
            )
        self._wait_until_it_answers(self._process)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; its kernels end with it."""
        if self._process is not None:
            end(self._process)
        shutil.rmtree(self._runtime, ignore_errors=True)

    @property
    def address(self) -> str:
        """Return where a browser finds it, with the token that lets it in."""
        return f"{self.origin}/lab?reset&token={self._token}"

    @property
    def origin(self) -> str:
        """Return the origin of its pages, for permissions."""
        return f"http://{LOOPBACK}:{self._port}"

    def sessions(self) -> list[Mapping[str, Any]]:
        """Return the notebooks that have a kernel."""
        found: list[Mapping[str, Any]] = json.loads(self._ask("GET", "/api/sessions"))
        return found

    def shut_down_kernels(self) -> None:
        """Shut every kernel down in good order."""
        for session in self.sessions():
            self._ask("DELETE", f"/api/sessions/{session['id']}")

    def _ask(self, method: str, path: str) -> bytes:
        request = Request(  # noqa: S310 - our own server, over http
            f"{self.origin}{path}",
            method=method,
            headers={"Authorization": f"token {self._token}"},
        )
        with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310 - as above
            body: bytes = answer.read()
        return body

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            try:
                self._ask("GET", "/api/status")
            except (URLError, ConnectionError):
                time.sleep(0.1)  # between two questions; the answer is what is waited for
            else:
                return
        end(process)
        raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text()[-3000:]}")

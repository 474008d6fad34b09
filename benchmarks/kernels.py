"""A real kernel, without a browser: where what a notebook waits for is measured."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from typing import Any, Self

from jupyter_client.manager import KernelManager
from measuring import MeasuringFailedError

PATIENCE = 120.0
"""Seconds after which a cell counts as hung."""
LIBRARY = "ib_insync"
"""The library that the README recommends; all comparisons are with it."""
OURS = f"%load_ext ibnb\nimport {LIBRARY}"
PLAIN = f"import nest_asyncio2, {LIBRARY}; nest_asyncio2.apply()"
"""How a kernel is prepared, with ibnb and without: blocking calls need the loop patch there."""

TIMED = """
import time as _time
_begun = _time.perf_counter()
{source}
print({mark!r} + str(_time.perf_counter() - _begun))
"""
MARK = "seconds: "


class Kernel:
    """One kernel with settings and client IDs of its own; a context manager."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="ibnb-benchmark-")
        # What this process was started with must not change what a user's kernel does: without
        # PYTHONDONTWRITEBYTECODE every import after the first finds its bytecode, as it does there.
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("IBNB_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        environment["IBNB_STATE_DIR"] = self.folder
        environment["IPYTHONDIR"] = self.folder
        environment["JPY_SESSION_NAME"] = os.path.join(self.folder, "benchmark.ipynb")  # noqa: PTH118 - text for a variable
        self.manager = KernelManager()
        spec: Any = self.manager.kernel_spec
        spec.argv[0] = sys.executable
        self.manager.start_kernel(
            env=environment, cwd=self.folder, extra_arguments=["--log-level=ERROR"]
        )
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=PATIENCE)

    def __enter__(self) -> Self:
        """Hand out the kernel."""
        return self

    def __exit__(self, *_error: object) -> None:
        """End the kernel."""
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, source: str) -> str:
        """Run one cell and return what it printed.

        Raises:
            MeasuringFailedError: the cell raised something.
        """
        printed: list[str] = []

        def take(message: dict[str, Any]) -> None:
            if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
                printed.append(message["content"]["text"])

        reply = self.client.execute_interactive(source, output_hook=take, timeout=PATIENCE)
        content = reply["content"]
        if content["status"] != "ok":
            what = f"{content.get('ename')}: {content.get('evalue')}"
            raise MeasuringFailedError(f"{what}\nin the cell\n{source}")
        return "".join(printed)

    def seconds(self, source: str) -> float:
        """Run one cell and return how long `source` took in it, without the kernel's own part."""
        printed = self.run(TIMED.format(source=source, mark=MARK))
        return float(printed.rpartition(MARK)[2])

    def value(self, expression: str) -> Any:
        """Return the value of an expression, as far as JSON knows it."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def must_be_connected(self) -> None:
        """See to it that `ib` is a usable connection.

        Raises:
            MeasuringFailedError: it is not.
        """
        if self.value("[ib.isConnected(), len(ib.managedAccounts())]") != [True, 1]:
            raise MeasuringFailedError("there is no usable connection after connecting")

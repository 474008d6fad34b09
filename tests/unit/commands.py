"""Starting programs of our own as a user would: `python -m ibnb`, and scripts."""

import contextlib
import io
import os
import subprocess
import sys
from unittest import mock

import servers

from ibnb import cli

LONGEST = 60.0
"""Seconds after which a program is given up; only a broken one takes so long."""


def environment(**settings):
    """Return this process's environment without settings of ibnb, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("IBNB_")}
    return kept | {"PYTHONIOENCODING": "utf-8"} | settings


def ibnb(*words, **settings):
    """Run `python -m ibnb` with these words to its end; `settings` go into the environment."""
    return python("-m", "ibnb", *words, **settings)


def here(*words, **settings):
    """Run what `python -m ibnb` runs, in this process: nothing has to be started for it."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with (
        mock.patch.dict(os.environ, environment(**settings), clear=True),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        status = cli.main([str(word) for word in words])
    texts = []
    for stream in (out, err):
        stream.seek(0)
        texts.append(stream.read())
    return subprocess.CompletedProcess(words, status, *texts)


def python(*words, **settings):
    """Run this Python with these words to its end; `settings` go into the environment."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env=environment(**settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=LONGEST,
        check=False,
    )


@contextlib.contextmanager
def processes_stay(folder, *, alone=False):
    """Wait until no test that shares this folder makes believe that a gateway runs.

    With `alone`, until none looks at the processes either.
    """
    with (folder / "processes.lock").open("w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


def at(port):
    """Return a port of this machine as a target."""
    return f"{servers.LOOPBACK}:{port}"

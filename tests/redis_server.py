"""A real Redis server of a test's own, on a free port of this machine's loopback."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest

LOOPBACK = "127.0.0.1"
PROGRAMS = ("redis-server", "valkey-server")
REQUIRED = "IBNB_REQUIRE_REDIS"
LONGEST = 30.0
"""Seconds after which a server is given up; it needs some milliseconds."""


def required_program():
    """Return the server's program; the test is skipped, or fails, where it is missing."""
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    missing = []
    if found is None:
        missing.append("a server (apt-get install -y redis-server, or brew install valkey)")
    if importlib.util.find_spec("redis") is None:
        missing.append("redis-py (pip install redis)")
    if not missing:
        return found
    reason = f"Redis is missing: install {' and '.join(missing)}"
    if os.environ.get(REQUIRED):
        pytest.fail(reason)
    pytest.skip(reason)


class RedisServer:
    """A server that a test starts, stops, kills and holds up."""

    def __init__(self, folder, *options):
        self._program = required_program()
        self._folder = folder
        self._options = options
        with socket.create_server((LOOPBACK, 0)) as free:
            self.port = free.getsockname()[1]
        self._process = None
        self.start()

    @property
    def url(self):
        """Where it is, as the setting `leases` has it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    def start(self):
        """Start it, and wait until it answers."""
        words = ["--port", str(self.port), "--bind", LOOPBACK, "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [self._program, *words, "--save", "", *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + LONGEST
        while self.says("PING")[:1] not in {b"+", b"-"} or b"LOADING" in self.says("PING"):
            assert self._process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.01)

    def says(self, command):
        """Return the beginning of what it answers to one line; nothing if it does not answer."""
        try:
            with socket.create_connection((LOOPBACK, self.port), 5) as sock:
                sock.sendall(f"{command}\r\n".encode())
                return sock.recv(65536)
        except OSError:
            return b""

    def kill(self):
        """End it at once, as a crash does."""
        self._process.kill()
        self._process.wait()

    def pause(self):
        """Hold it up, as a machine does that is gone from the network."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def set_options(self, *options):
        """Start it with other options from now on."""
        self._options = options

    def restart(self):
        """Kill it and start it again."""
        self.kill()
        self.start()

"""What the tests of the simulated gateway share."""

import asyncio
import contextlib
import importlib
import logging
import queue
import socket
import struct
import subprocess
import sys
import threading

import pytest
from commands import environment

from ibnb.simulator import SimulatedGateway


class RawClient:
    """A client of the wire, written from what is known of the protocol, without ibnb."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._data = b""

    def send(self, *fields):
        """Send one message."""
        payload = b"".join(str(field).encode() + b"\0" for field in fields)
        self.socket.sendall(struct.pack(">I", len(payload)) + payload)

    def greet(self, low=157, high=176, options=""):
        """Send the greeting with the versions that this client speaks."""
        text = f"v{low}..{high}{options}".encode()
        self.socket.sendall(b"API\0" + struct.pack(">I", len(text)) + text)

    def read(self):
        """Return the fields of the next frame, or None when the peer has closed."""
        head = self._exactly(4)
        if head is None:
            return None
        payload = self._exactly(struct.unpack(">I", head)[0])
        return payload.decode().split("\0")[:-1]

    def read_until(self, message_id):
        """Return the frames up to the first one with this message id."""
        frames = []
        while not frames or frames[-1][0] != str(message_id):
            frame = self.read()
            assert frame is not None, f"closed before message {message_id}: {frames}"
            frames.append(frame)
        return frames

    def read_all(self):
        """Return the frames up to the close."""
        return list(iter(self.read, None))

    def says_nothing(self, seconds=0.3):
        """Say whether not a byte comes for so long, and the connection stays."""
        assert not self._data
        self.socket.settimeout(seconds)
        try:
            self._data = self.socket.recv(1)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(20)
        return False

    def drain(self):
        """Forget what was sent so far."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while self.socket.recv(65536):
                pass
        self.socket.settimeout(20)
        self._data = b""

    def rest(self):
        """Return the bytes up to the close."""
        while data := self.socket.recv(4096):
            self._data += data
        return self._data

    def open(self, client_id=1, **versions):
        """Greet, start a session, and return the frames of the ready session."""
        self.greet(**versions)
        version = self.read()
        self.send(71, 2, client_id, "")
        return [version, *self.read_until(9)]

    def close(self):
        """Close the connection."""
        self.socket.close()

    def _exactly(self, count):
        while len(self._data) < count:
            data = self.socket.recv(65536)
            if not data:
                return None
            self._data += data
        taken, self._data = self._data[:count], self._data[count:]
        return taken


class Program:
    """`ibnb sim` as it is run in a terminal."""

    def __init__(self, words):
        command = [sys.executable, "-m", "ibnb", "sim", "--port", "0", *words]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment(), encoding="utf-8"
        )
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.port = int(self.line().rpartition(":")[2])

    def line(self):
        """Return the next line that it prints."""
        return self._lines.get(timeout=20)

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.strip())


@pytest.fixture
def run_sim():
    """Run `ibnb sim` with these words, and end it at the end."""
    running = []

    def run_sim(*words):
        running.append(Program(words))
        return running[-1]

    yield run_sim
    for program in running:
        program.process.terminate()
        program.process.wait()
        program.process.stdout.close()


@pytest.fixture
def gateway():
    """A healthy simulated gateway."""
    with SimulatedGateway() as running:
        yield running


@pytest.fixture
def broken(broken_gateway):
    """Start gateways with faults, and stop them at the end."""
    return broken_gateway


@pytest.fixture
def dial():
    """Make raw clients, and close them at the end."""
    made = []

    def dial(where):
        made.append(RawClient(where.port))
        return made[-1]

    yield dial
    for client in made:
        client.close()


@pytest.fixture
def until():
    """Wait, on a running loop, until something holds that a gateway or a library brings about."""

    async def until(predicate):
        async with asyncio.timeout(20):
            # What the libraries know changes without an event that is common to all of it.
            while not predicate():  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    return until


@pytest.fixture
def library(library):
    """Each API library that is installed, as a module and not only by its name."""
    # Both look for a current loop when they are imported.
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield importlib.import_module(library)
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
async def connect(library, gateway):
    """Connect IB objects to the gateway, and disconnect them at the end."""
    made = []

    async def connect(client_id=7, max_version=None, **options):
        ib = library.IB()
        if max_version is not None:
            ib.client.MaxClientVersion = max_version
        await ib.connectAsync("127.0.0.1", gateway.port, client_id, timeout=20, **options)
        made.append(ib)
        return ib

    yield connect
    for ib in made:
        ib.disconnect()


@pytest.fixture
def misread(caplog):
    """Return the library's complaints about messages: all that it logs as errors but notices."""
    caplog.set_level(logging.WARNING)

    def misread():
        return [
            record.getMessage()
            for record in caplog.records
            if record.levelno >= logging.ERROR
            and not record.getMessage().startswith(("Error ", "Warning "))
        ] + [record.getMessage() for record in caplog.records if "Decoder" in record.name]

    return misread

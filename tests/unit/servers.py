"""Small servers that behave as gateways are known to, each on a port of its own.

Written from what is known of the wire, with the framing of the tests' own.
"""

import contextlib
import socket
import struct
import threading
from dataclasses import dataclass, field

from framing import VERSION, ZONE, encode, notice, read_exactly, read_frame

LOOPBACK = "127.0.0.1"
PATIENCE = 20.0
"""Seconds after which a server gives a client up; only a broken test waits so long."""

TEXT_326 = "Kann keine Verbindung herstellen, da die Kunden-ID schon benutzt wird."
NEXT_VALID_ID = encode(9, 1, 42)
ACCOUNTS = encode(15, 1, "DU1234567")
FARM_OK = notice(2104, "Market data farm connection is OK:usfarm")


@dataclass
class Client:
    """One connection as the server sees it, and what it saw of it."""

    sock: socket.socket
    greeting: str = ""
    messages: list = field(default_factory=list)
    ended: str = "by the server"
    done: threading.Event = field(default_factory=threading.Event)
    greeted: threading.Event = field(default_factory=threading.Event)

    @property
    def started_with(self):
        """The client ID of a complete session start, or None."""
        for fields in self.messages:
            if fields[:2] == ["71", "2"] and len(fields) == 4:
                return int(fields[2])
        return None

    def read_greeting(self):
        """Read what a client says first."""
        assert read_exactly(self.sock, 4) == b"API\0"
        self.greeting = read_frame(self.sock).decode()
        self.greeted.set()

    def read_message(self):
        """Read one message; its fields are kept."""
        fields = read_frame(self.sock).decode().split("\0")
        assert fields.pop() == ""
        self.messages.append(fields)

    def send(self, *parts):
        """Send frames or any other bytes."""
        self.sock.sendall(b"".join(parts))

    def hold(self):
        """Keep the connection open, reading, until the client ends it."""
        while True:
            self.read_message()

    def reset(self):
        """Close with RST instead of FIN."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Server:
    """Runs `script` for every connection, one after the other, until the end of the block."""

    def __init__(self, script):
        self.script = script
        self.clients = []
        self.failures = []
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port = self._listener.getsockname()[1]
        self._connected = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        """Start to accept."""
        self._thread.start()
        return self

    def __exit__(self, *_):
        """Stop to accept, and wait until the running script is over."""
        # Closing a socket does not wake its accept everywhere; a connection, not counted, does.
        self._stopping = True
        with contextlib.suppress(OSError):
            socket.create_connection((LOOPBACK, self.port), 1).close()
        self._thread.join(PATIENCE)
        self._listener.close()
        assert not self.failures, self.failures

    def client(self):
        """Return the first connection; wait until it came."""
        with self._connected:
            assert self._connected.wait_for(lambda: self.clients, PATIENCE)
        return self.clients[0]

    def wait_for_greeting(self):
        """Wait until the first connection has sent its greeting."""
        assert self.client().greeted.wait(PATIENCE)

    def only_client(self):
        """Return the one connection there was, when the server is through with it."""
        client = self.client()
        assert client.done.wait(PATIENCE)
        assert len(self.clients) == 1
        return client

    def _run(self):
        while True:
            sock, _ = self._listener.accept()
            if self._stopping:
                sock.close()
                return
            self._serve(sock)

    def _serve(self, sock):
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock)
        with self._connected:
            self.clients.append(client)
            self._connected.notify_all()
        try:
            self.script(client)
        except EOFError:
            client.ended = "by the client"
        except OSError as error:
            client.ended = f"broken: {error!r}"
        except Exception as error:  # noqa: BLE001 -- shown by the test itself, at the end
            self.failures.append(error)
        finally:
            sock.close()
            client.done.set()


def opened(client, version=VERSION, zone=ZONE):
    """Take a client to where its session has started."""
    client.read_greeting()
    client.send(encode(version, zone))
    client.read_message()


def healthy(client, *extra, version=VERSION, accounts=ACCOUNTS):
    """Open a session and answer the current time; `extra` frames follow the accounts."""
    opened(client, version)
    client.send(accounts, NEXT_VALID_ID, FARM_OK, *extra)
    client.hold()


def silent(client):
    """Take what comes, and say nothing."""
    client.read_greeting()
    client.hold()


def closing(client):
    """Close as soon as the greeting came."""
    client.read_greeting()


def resetting(client):
    """Reset as soon as the greeting came."""
    client.read_greeting()
    client.reset()


def speaking(data, *, close=False):
    """Return a script for a service of another kind: it sends `data` and goes, or stays."""

    def script(client):
        client.read_greeting()
        client.send(data)
        if not close:
            client.hold()

    return script


def refusing(code, text, *, close=True):
    """Return a script that answers the session start with a notice, and closes."""

    def script(client):
        opened(client)
        client.send(notice(code, text))
        if not close:
            client.hold()

    return script


def too_old(client):
    """Agree on a version from long ago."""
    opened(client, version=100)
    client.hold()


def closing_after_start(client):
    """Close on the session start, without a word."""
    opened(client)


def resetting_after_start(client):
    """Reset on the session start, without a word."""
    opened(client)
    client.reset()


def starting_with(*frames, close=False):
    """Return a script that opens a session, sends these frames, and goes, or stays."""

    def script(client):
        opened(client)
        client.send(*frames)
        if not close:
            client.hold()

    return script


def with_clock(seconds):
    """Return a healthy script whose clock stands at `seconds` since the epoch."""

    def script(client):
        opened(client)
        client.send(ACCOUNTS, NEXT_VALID_ID)
        client.read_message()
        client.send(encode(49, 1, seconds))
        client.hold()

    return script


def byte_by_byte(client):
    """Be healthy, in packets of one byte."""
    client.read_greeting()
    for byte in encode(VERSION, ZONE):
        client.send(bytes([byte]))
    client.read_message()
    for byte in ACCOUNTS + NEXT_VALID_ID:
        client.send(bytes([byte]))
    client.hold()


def answering(*unanswered):
    """Return a healthy script that also answers what a library synchronises.

    `unanswered` names what it stays silent on: positions, orders, completed, account, executions.
    """
    answers = {
        "61": ("positions", lambda _: encode(62, 1)),
        "5": ("orders", lambda _: encode(53, 1)),
        "99": ("completed", lambda _: encode(102)),
        "6": ("account", lambda fields: encode(54, 1, fields[3])),
        "76": ("account", lambda fields: encode(74, 1, fields[2])),
        "7": ("executions", lambda fields: encode(55, 1, fields[2])),
    }

    def script(client):
        opened(client)
        client.send(ACCOUNTS, NEXT_VALID_ID, FARM_OK)
        while True:
            client.read_message()
            fields = client.messages[-1]
            name, answer = answers.get(fields[0], ("", None))
            if answer is not None and name not in unanswered:
                client.send(answer(fields))

    return script

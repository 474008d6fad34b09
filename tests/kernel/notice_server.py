"""A server that opens one session and then sends whatever notices a test gives it.

Written from what is known of the wire, without the simulated gateway, whose writing of a hostile
text would be judged together with its reading.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from framing import VERSION, ZONE, encode, read_exactly, read_frame

PATIENCE = 60.0

ANSWERS = {
    "61": lambda _: encode(62, 1),
    "5": lambda _: encode(53, 1),
    "99": lambda _: encode(102),
    "6": lambda fields: encode(54, 1, fields[3]),
    "76": lambda fields: encode(74, 1, fields[2]),
    "7": lambda fields: encode(55, 1, fields[2]),
    "49": lambda _: encode(49, 1, 1_800_000_000),
}
"""What a library asks for as a session begins, and how it is ended: with nothing to tell."""


class NoticeServer:
    """Serves one client in threads of its own until the end of the block."""

    def __enter__(self):
        """Start to accept."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._client = None
        self._opened = threading.Event()
        self._sending = threading.Lock()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        """Close what is open, and wait for the threads."""
        for one in (self._client, self._listener):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for one in (self._client, self._listener):
            if one is not None:
                one.close()

    def send(self, data):
        """Send frames to the client, when its session has begun."""
        assert self._opened.wait(PATIENCE)
        with self._sending:
            self._client.sendall(data)

    def flood(self, block, stop, pause=0.0):
        """Send a block again and again in a thread, `pause` seconds apart, until `stop` is set."""

        def send():
            while not stop.is_set():
                self.send(block)
                stop.wait(pause)

        self._threads.append(threading.Thread(target=send))
        self._threads[-1].start()

    def _serve(self):
        with contextlib.suppress(OSError, EOFError):
            self._client, _ = self._listener.accept()
            read_exactly(self._client, 4)
            read_frame(self._client)
            self._client.sendall(encode(VERSION, ZONE))
            read_frame(self._client)
            self._client.sendall(encode(15, 1, "DU1234567") + encode(9, 1, 1))
            self._opened.set()
            while True:
                fields = read_frame(self._client).decode().split("\0")
                if fields[0] in ANSWERS:
                    self.send(ANSWERS[fields[0]](fields))

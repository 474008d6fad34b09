"""A server that opens sessions, answers as a test says, and sends whatever notices it is given.

Written from what is known of the wire, without the simulated gateway, whose writing of a hostile
text would be judged together with its reading.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from framing import VERSION, ZONE, encode, notice, read_exactly, read_frame

PATIENCE = 60.0
IN_USE = "Unable to connect as the client id is already in use. Retry with a unique client id."


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
    """Serves clients in threads of its own until the end of the block.

    `answers` has by message ID what a request gets, as bytes; a client ID in `held` gets 326.
    """

    def __init__(self, answers=(), held=()):
        self.answers = {**ANSWERS, **dict(answers)}
        self.held = set(held)
        self.requests = []

    def __enter__(self):
        """Start to accept."""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._clients = []
        self._sockets = []
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._threads = []
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        """Close what is open, and wait for the threads."""
        # The accepting thread first: it makes the others.
        for one in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
        for one in (self._listener, *self._sockets):
            one.close()

    def send(self, data, client=-1):
        """Send frames to a client, by default the last, when its session has begun."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._clients, PATIENCE)
        with self._sending:
            self._clients[client].sendall(data)

    def sent(self, message_id, count=1):
        """Wait for so many requests of a kind; return the fields of each that came."""

        def found():
            return [fields for fields in self.requests if fields[0] == str(message_id)]

        with self._changed:
            assert self._changed.wait_for(lambda: len(found()) >= count, PATIENCE)
            return found()

    def flood(self, block, stop, pause=0.0):
        """Send a block again and again in a thread, `pause` seconds apart, until `stop` is set."""

        def send():
            while not stop.is_set():
                self.send(block)
                stop.wait(pause)

        self._start(send)

    def _start(self, target, *args):
        self._threads.append(threading.Thread(target=target, args=args))
        self._threads[-1].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._sockets.append(sock)
                self._start(self._serve, sock)

    def _serve(self, sock):
        with contextlib.suppress(OSError, EOFError):
            read_exactly(sock, 4)
            read_frame(sock)
            sock.sendall(encode(VERSION, ZONE))
            client_id = read_frame(sock).decode().split("\0")[2]
            if int(client_id) in self.held:
                sock.sendall(notice(326, IN_USE))
                sock.shutdown(socket.SHUT_RDWR)
                return
            sock.sendall(encode(15, 1, "DU1234567") + encode(9, 1, 1))
            with self._changed:
                self._clients.append(sock)
                self._changed.notify_all()
            while True:
                fields = read_frame(sock).decode().split("\0")
                with self._changed:
                    self.requests.append(fields)
                    self._changed.notify_all()
                if fields[0] in self.answers:
                    with self._sending:
                        sock.sendall(self.answers[fields[0]](fields))

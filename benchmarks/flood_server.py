"""A server that sends market data or notices in masses, on a loopback port that it prints.

Written from what is known of the wire, without ibnb's own code. It opens sessions, answers what the
libraries synchronise, and answers a request for market data with a given number of price ticks, or
of notices, as fast as they are taken or at a given rate. It reads the next request only after the
last one is sent, so an answer to a request that follows tells the client that it has had them all.
It ends with its standard input. `running` starts it.
"""

from __future__ import annotations

import argparse
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BLOCK = 1000
"""Ticks or notices that are sent with one call."""
HOST = "127.0.0.1"
FLOOD = """
_ticker = ib.reqMktData(_contract)
await ib.reqCurrentTimeAsync()
"""
"""The cell that asks for a flood: the second request is answered only when all of it is sent."""
VERSION = b"176"
TICK_PRICE, CURRENT_TIME = 1, 49
BID, ASK = 1, 2
NOTICES = (
    (2104, "Market data farm connection is OK:usfarm"),
    (2103, "Market data farm connection is broken:usfarm.nj"),
    (354, "Requested market data is not subscribed."),
    (366, "No historical data query found for ticker id:3"),
    (10148, "OrderId 7 that needs to be cancelled cannot be cancelled, state: Filled."),
)
"""Good news, a warning and three errors, none of a request that is waited for."""


def encode(*fields: object) -> bytes:
    """Build a frame."""
    body = b"".join(str(value).encode() + b"\0" for value in fields)
    return struct.pack(">I", len(body)) + body


ENDS = {
    "61": lambda _: encode(62, 1),
    "5": lambda _: encode(53, 1),
    "99": lambda _: encode(102),
    "6": lambda fields: encode(54, 1, fields[3]),
    "76": lambda fields: encode(74, 1, fields[2]),
    "7": lambda fields: encode(55, 1, fields[2]),
    "49": lambda _: encode(CURRENT_TIME, 1, 1_800_000_000),
}
"""How each request that a session begins with is ended: with nothing to tell."""


def ticks(req_id: str) -> bytes:
    """Return a block of price ticks for a request: bid and ask, never twice the same in a row."""
    return b"".join(
        encode(TICK_PRICE, 6, req_id, ASK if number % 2 else BID, 100 + number / 100, 300, 1)
        for number in range(BLOCK)
    )


def notices(_req_id: str) -> bytes:
    """Return a block of notices of five codes, each equally often."""
    return b"".join(
        encode(4, 2, -1, *NOTICES[number % len(NOTICES)], "") for number in range(BLOCK)
    )


def serve(
    sock: socket.socket, block_for: Callable[[str], bytes], blocks: int, per_second: float
) -> None:
    """Serve one client to its end; `per_second` is the rate of what is sent, 0 for no limit."""
    stream = sock.makefile("rb")

    def frame() -> list[str]:
        (length,) = struct.unpack(">I", stream.read(4))
        return stream.read(length).decode().split("\0")

    stream.read(4)
    frame()
    sock.sendall(encode(VERSION.decode(), "20260830 12:00:00 UTC"))
    frame()
    sock.sendall(encode(15, 1, "DU1234567") + encode(9, 1, 1))
    while True:
        fields = frame()
        if fields[0] == "1":
            block = block_for(fields[2])
            begun = time.monotonic()
            for number in range(blocks):
                if per_second:
                    # When it is due, and not so long after the last one: no delay adds up.
                    due = begun + number * BLOCK / per_second
                    time.sleep(max(0.0, due - time.monotonic()))
                sock.sendall(block)
        elif fields[0] in ENDS:
            sock.sendall(ENDS[fields[0]](fields))


@contextmanager
def running(*arguments: str) -> Iterator[int]:
    """Run the server in a process of its own, with these arguments; hand out its port."""
    server = subprocess.Popen(
        [sys.executable, __file__, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None  # noqa: S101 - it was asked for
        yield int(server.stdout.readline())
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Listen, print the port, and serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, required=True, help=f"of {BLOCK}, per request")
    parser.add_argument("--notices", action="store_true", help="send notices instead of ticks")
    parser.add_argument("--per-second", type=float, default=0.0, help="the rate; 0: no limit")
    options = parser.parse_args()
    block_for = notices if options.notices else ticks
    listener = socket.create_server((HOST, 0))

    def one(sock: socket.socket) -> None:
        try:
            serve(sock, block_for, options.blocks, options.per_second)
        except (OSError, struct.error):
            # The client is gone: a short read, or a send into nothing.
            sock.close()

    def accept() -> None:
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=one, args=(sock,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

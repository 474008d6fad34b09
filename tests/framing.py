"""Frames as they go over the wire, written from what is known of it, without any code of ibnb.

A mistake in ibnb's reading cannot hide behind the same mistake in its writing.
"""

from __future__ import annotations

import struct

VERSION = 176
ZONE = "20260830 12:00:00 CET"


def encode(*fields):
    """Build a frame from fields; bytes are taken as they are."""
    body = b"".join(
        (value if isinstance(value, bytes) else str(value).encode()) + b"\0" for value in fields
    )
    return struct.pack(">I", len(body)) + body


def notice(code, text, req_id=-1):
    """Build a notice as server version 176 sends it."""
    return encode(4, 2, req_id, code, text, "")


def read_exactly(sock, count):
    """Read so many bytes from a socket; raise EOFError if it is closed before."""
    data = b""
    while len(data) < count:
        chunk = sock.recv(count - len(data))
        if not chunk:
            raise EOFError
        data += chunk
    return data


def read_frame(sock):
    """Read the body of one frame from a socket."""
    (length,) = struct.unpack(">I", read_exactly(sock, 4))
    return read_exactly(sock, length)

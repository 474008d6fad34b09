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


def binary(number, *fields):
    """Build a frame as from server version 201 on: its id is four bytes, the rest fields."""
    body = struct.pack(">I", number) + encode(*fields)[4:]
    return struct.pack(">I", len(body)) + body


def numbered(number, fields):
    """Build a protobuf frame of numbers and texts: its id is four bytes, and 200 more."""
    body = struct.pack(">I", number + 200)
    for key, value in fields.items():
        if isinstance(value, int):
            body += _varint(key << 3) + _varint(value % 2**64)
        else:
            text = value.encode()
            body += _varint(key << 3 | 2) + _varint(len(text)) + text
    return struct.pack(">I", len(body)) + body


def _varint(value):
    """Write a number in sevens of bits, the low ones first."""
    return bytes([value % 128 | 128]) + _varint(value // 128) if value > 127 else bytes([value])


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

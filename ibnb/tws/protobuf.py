"""As much of the protobuf wire format as a handshake needs: flat messages of numbers and texts."""

from __future__ import annotations

_MORE = 0x80
_LOW = 0x7F
_LONGEST_VARINT = 10
_BITS = 64


def read(data: bytes) -> dict[int, str]:
    """Return the fields of a message by their numbers, each as text; the last of doubles counts.

    Numbers are taken as signed. Values of a fixed width, which no message of a handshake has, are
    passed over.

    Raises:
        ValueError: the bytes are not a message.
    """
    fields: dict[int, str] = {}
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                value, at = _varint(data, at)
                fields[key >> 3] = str(value - (1 << _BITS) if value >> (_BITS - 1) else value)
            case 2:
                length, at = _varint(data, at)
                fields[key >> 3] = data[at : at + length].decode(errors="backslashreplace")
                at += length
            case 1:
                at += 8
            case 5:
                at += 4
            case kind:
                raise ValueError(f"there are no values of kind {kind}")
    if at > len(data):
        raise ValueError("the message ends inside a value")
    return fields


def number(field: int, value: int) -> bytes:
    """Return a field that holds a number; a negative one takes ten bytes, as in the format."""
    return _written(field << 3) + _written(value & ((1 << _BITS) - 1))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the number that begins at a place, and the place after it."""
    value = 0
    for position, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & _LOW) << 7 * position
        if not byte & _MORE:
            return value & ((1 << _BITS) - 1), at + position + 1
    raise ValueError("a number has no end")


def _written(value: int) -> bytes:
    out = bytearray()
    while value > _LOW:
        out.append(value & _LOW | _MORE)
        value >>= 7
    return bytes([*out, value])

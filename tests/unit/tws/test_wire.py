import struct

import pytest
from framing import binary, encode, numbered

from ibnb.tws import wire


def test_message_is_length_and_fields_that_end_in_nul():
    """A frame is a 4-byte big-endian length, then fields that each end in NUL."""
    assert wire.message(71, 2, 7, "") == b"\0\0\0\x08" + b"71\0" + b"2\0" + b"7\0" + b"\0"


def test_message_writes_flags_as_digits_and_none_as_empty():
    """True is 1, False is 0, None is empty; text is UTF-8."""
    assert wire.message(True, False, None, "ä")[4:] == b"1\0" + b"0\0" + b"\0" + b"\xc3\xa4\0"


def test_greeting_names_the_range_of_versions():
    """A client begins with API, NUL, and a frame that holds the versions it speaks, without NUL."""
    assert wire.greeting(157, 176) == b"API\0\0\0\0\x09v157..176"


def test_start_api_is_complete():
    """The session start is 71, version 2, the client ID, and empty capabilities."""
    assert wire.split_fields(wire.start_api(1234, 176)[4:]) == ("71", "2", "1234", "")


@pytest.mark.parametrize(
    ("version", "start", "clock"),
    [
        (200, encode(71, 2, 1234, ""), encode(49, 1)),
        (201, binary(71, 2, 1234, ""), binary(49, 1)),
        (212, binary(71, 2, 1234, ""), binary(49, 1)),
        (213, numbered(71, {1: 1234}), numbered(49, {})),
        (226, numbered(71, {1: 1234}), numbered(49, {})),
    ],
)
def test_requests_of_a_handshake_at_each_version(version, start, clock):
    """Ids are binary from 201 on, and the two requests protobuf from 213 on."""
    assert wire.start_api(1234, version) == start
    assert wire.request_time(version) == clock


def test_split_fields_keeps_empty_fields_and_loses_no_byte():
    """Empty fields count, and what is not an UTF-8 is escaped."""
    assert wire.split_fields(b"4\0\0\xff\0") == ("4", "", "\\xff")
    assert wire.split_fields(b"") == ()
    assert wire.split_fields(b"no end") == ("no end",)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100])
def test_reader_does_not_care_how_bytes_were_split(size):
    """The same payloads come out, however the stream was cut on the way."""
    payloads = [b"one\0", b"", b"three\0" * 10, b"\0"]
    stream = b"".join(wire.frame(payload) for payload in payloads)
    reader = wire.FrameReader()
    found = []
    for start in range(0, len(stream), size):
        found += reader.feed(stream[start : start + size])
    assert found == payloads
    assert reader.pending == b""


def test_reader_keeps_what_is_incomplete():
    """Bytes of an unfinished frame wait, and can be looked at."""
    reader = wire.FrameReader()
    assert reader.feed(b"\0\0\0\x05abc") == []
    assert reader.pending == b"\0\0\0\x05abc"
    assert reader.announced == 5


def test_reader_takes_the_longest_frame_and_refuses_one_byte_more():
    """16 MiB less one is a frame; a byte more is none."""
    reader = wire.FrameReader()
    assert reader.feed(struct.pack(">I", wire.MAX_FRAME)) == []
    with pytest.raises(wire.ImpossibleFrameError, match="16777216 bytes"):
        wire.FrameReader().feed(struct.pack(">I", wire.MAX_FRAME + 1))


def test_impossible_length_is_seen_on_its_first_byte():
    """One byte can be enough to know that no possible length begins so."""
    with pytest.raises(wire.ImpossibleFrameError):
        wire.FrameReader().feed(b"H")


def test_impossible_frame_does_not_take_the_good_ones_along():
    """What was complete before the impossible length is handed out with the error."""
    with pytest.raises(wire.ImpossibleFrameError) as caught:
        wire.FrameReader().feed(wire.frame(b"good\0") + b"\xff\xff\xff\xff")
    assert caught.value.payloads == (b"good\0",)

import struct
import time

import pytest
from framing import binary, numbered
from servers import ACCOUNTS, NEXT_VALID_ID, encode, notice

from ibnb.tws.handshake import Handshake, Stage
from ibnb.tws.notices import Notice

REPLY = encode(176, "20260830 12:00:00 CET")
OPEN_ORDER = encode(5, 42, 265598, "AAPL", "STK", *[""] * 120)


def fed(*frames, size=None):
    handshake = Handshake()
    stream = b"".join(frames)
    for start in range(0, len(stream), size or len(stream)):
        handshake.feed(stream[start : start + (size or len(stream))])
    return handshake


def test_stages_are_ordered_and_named():
    """Stages compare by how far they are, and their text is the word that people see."""
    assert [str(stage) for stage in sorted(Stage)] == [
        "resolve",
        "tcp",
        "version",
        "start",
        "ready",
        "sync",
    ]


@pytest.mark.parametrize("size", [1, 3, 17, None])
def test_healthy_opening_however_it_was_split(size):
    """Version, order ID, account and notice are read from any split of the stream."""
    handshake = fed(
        REPLY, NEXT_VALID_ID, ACCOUNTS, notice(2104, "Market data farm connection is OK:usfarm"),
        size=size,
    )  # fmt: skip
    assert (handshake.server_version, handshake.server_time) == (176, "20260830 12:00:00 CET")
    assert (handshake.next_valid_id, handshake.accounts) == (42, ("DU1234567",))
    assert [one.code for one in handshake.notices] == [2104]
    assert handshake.ready
    assert not handshake.is_foreign


@pytest.mark.parametrize("frames", [(NEXT_VALID_ID, ACCOUNTS), (ACCOUNTS, NEXT_VALID_ID)])
def test_ready_takes_both_messages_in_either_order(frames):
    """Neither nextValidId nor managedAccounts alone makes a session ready."""
    first, second = frames
    handshake = fed(REPLY, first)
    assert not handshake.ready
    handshake.feed(second)
    assert handshake.ready


def test_open_orders_may_come_before_the_accounts():
    """With an ID that has orders, these are pushed first, and they are longer than a version."""
    handshake = fed(REPLY, OPEN_ORDER * 20, NEXT_VALID_ID, OPEN_ORDER, ACCOUNTS)
    assert handshake.ready
    assert handshake.notices == []


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (b"12:00:00 Mitteleurop\xc3\xa4ische Zeit", "12:00:00 Mitteleuropäische Zeit"),
        (b"12:00:00 Mitteleurop\xe4ische Zeit", "12:00:00 Mitteleurop\\xe4ische Zeit"),
        (b"", ""),
    ],
)
def test_zone_text_may_hold_any_bytes(zone, text):
    """The zone depends on the locale: UTF-8, another encoding, or nothing at all."""
    handshake = fed(encode(176, zone))
    assert (handshake.server_version, handshake.server_time) == (176, text)


@pytest.mark.parametrize(
    ("version", "frame"),
    [
        (157, encode(4, 2, -1, 326, "in use")),
        (176, encode(4, 2, -1, 326, "in use", "")),
        (176, encode(4, 2, -1, 326, "in use", '{"reject":1}')),
        (193, encode(4, 2, -1, 326, "in use", "")),
        (194, encode(4, -1, 326, "in use", "", 1788000000000)),
        (200, encode(4, -1, 326, "in use", "", 1788000000000)),
        (201, binary(4, -1, 326, "in use", "", 1788000000000)),
        (213, numbered(4, {1: -1, 2: 1788000000000, 3: 326, 4: "in use", 5: "{}"})),
        (226, numbered(4, {4: "in use", 3: 326})),
    ],
)
def test_notice_of_every_shape(version, frame):
    """A notice gained a field with 166, lost its version with 194, and became protobuf later."""
    before = time.time()
    (found,) = fed(encode(version, "CET"), frame).notices
    assert (found.code, found.text, found.req_id) == (326, "in use", -1)
    assert before <= found.time <= time.time()


@pytest.mark.parametrize("size", [1, None])
@pytest.mark.parametrize("write", [binary, lambda number, _version, *rest: numbered(number, *rest)])
def test_a_session_starts_at_any_version(write, size):
    """Ids in four bytes, and fields in a row or in protobuf, make the same session."""
    in_a_row = write is binary
    account, order, clock = ("DU1,DU2", 42, 1788000000) if in_a_row else (
        {1: "DU1,DU2"}, {1: 42}, {1: 1788000000},
    )  # fmt: skip
    frames = write(15, 1, account), write(9, 1, order), write(49, 1, clock)
    handshake = fed(encode(215, "CET"), *frames, size=size)
    assert (handshake.next_valid_id, handshake.accounts) == (42, ("DU1", "DU2"))
    assert handshake.gateway_time == 1788000000
    assert handshake.ready


def test_text_ids_mean_nothing_where_ids_are_binary():
    """At 201 the bytes of a text are not message, and at 200 four bytes are none."""
    for version, frames in ((201, (NEXT_VALID_ID, ACCOUNTS)), (200, (binary(9, 1, 42),))):
        handshake = fed(encode(version, "CET"), *frames)
        assert (handshake.next_valid_id, handshake.accounts) == (None, None)
        assert not handshake.is_foreign


@pytest.mark.parametrize("body", [b"\x08", b"\x0a\x7fDU1", b"\x0f\x01", b"\xff" * 20, b"\x09\x01"])
def test_protobuf_that_is_none_leaves_the_rest_alone(body):
    """A message that ends inside a value, or holds one of no kind, is passed over."""
    bad = struct.pack(">II", len(body) + 4, 215) + body
    handshake = fed(encode(215, "CET"), bad, numbered(9, {1: 42}), numbered(15, {1: "DU1"}))
    assert handshake.ready


def test_protobuf_fields_that_are_not_known_are_passed_over():
    """Numbers of a fixed width, and fields of later builds, change nothing."""
    extra = b"\x4d\1\2\3\4" + b"\x51\1\2\3\4\5\6\7\x08" + b"\x98\x06\x05"
    body = extra + b"\x08\x2a" + extra
    handshake = fed(encode(215, "CET"), struct.pack(">II", len(body) + 4, 209) + body)
    assert handshake.next_valid_id == 42


def test_notice_without_reqid_belongs_to_no_request():
    """An empty reqId is none."""
    (found,) = fed(REPLY, encode(4, 2, "", 2104, "OK:usfarm", "")).notices
    assert found == Notice(2104, "OK:usfarm", -1, found.time)


@pytest.mark.parametrize(
    ("listed", "accounts"),
    [
        ("DU1,DU2,", ("DU1", "DU2")),
        ("DU1", ("DU1",)),
        ("", ()),
        (",", ()),
    ],
)
def test_account_list(listed, accounts):
    """Commas separate accounts, and a list may end in one; an empty list is seen as such."""
    assert fed(REPLY, encode(15, 1, listed)).accounts == accounts


def test_empty_account_list_is_not_ready():
    """No account, no session that could be used."""
    handshake = fed(REPLY, encode(15, 1, ""), NEXT_VALID_ID)
    assert handshake.accounts == ()
    assert not handshake.ready


def test_clock_is_read_with_the_moment_it_came():
    """The gateway's seconds and this machine's clock are kept side by side."""
    before = time.time()
    handshake = fed(REPLY, encode(49, 1, 1788000000))
    assert handshake.gateway_time == 1788000000
    assert before <= handshake.gateway_time_at <= time.time()


@pytest.mark.parametrize(
    "frame",
    [
        encode(9, 1, "many"),
        encode(9),
        encode(4, 2, -1),
        encode(4, 2, -1, "code", "text", ""),
        encode("x"),
        encode(49, 1),
        b"\0\0\0\0",
        b"\0\0\0\x04\xff\xfe\xfd\xfc",
    ],
)
def test_message_of_an_unknown_build_leaves_the_rest_alone(frame):
    """What cannot be understood is passed over, and the opening still becomes ready."""
    handshake = fed(REPLY, frame, NEXT_VALID_ID, ACCOUNTS)
    assert handshake.ready
    assert not handshake.is_foreign


@pytest.mark.parametrize("size", [1, None])
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x00\xff\xff\xff",
        b"\x7f\xff\xff\xffabcd",
        b"\0\0\x10\0",
        b"\0\0\0\x05hello",
        encode("hello", "world"),
        encode(176, "CET", "more"),
        encode("-1", "other.host"),
        encode("\uff11\uff17\uff16", "CET"),
        encode(""),
        b"\0\0\0\0",
        encode("9" * 900, "x" * 900),
    ],
)
def test_foreign_bytes_are_known_at_once(data, size):
    """Bytes that are not version reply are known as such without waiting for the peer to close."""
    handshake = fed(data, size=size)
    assert handshake.is_foreign
    assert handshake.server_version is None
    assert data.startswith(handshake.foreign)


def test_foreign_bytes_are_kept_to_be_shown():
    """Their beginning is evidence, so what follows the first of them is kept too, up to a limit."""
    text = b"HTTP/1.1 400 Bad Request\r\n" + b"x" * 500
    for size in (1, 9, None):
        assert fed(text, size=size).foreign == text[:200]


@pytest.mark.parametrize("size", [1, None])
def test_impossible_frame_after_the_version_keeps_the_version(size):
    """What was understood before the nonsense stands, however the bytes were split."""
    handshake = fed(REPLY, notice(2104, "OK:usfarm"), b"\xff\xff\xff\xff", size=size)
    assert handshake.is_foreign
    assert handshake.server_version == 176
    assert [one.code for one in handshake.notices] == [2104]


@pytest.mark.parametrize("part", [b"\0\0\0\x19hello", b"\0\0\0\x19\x00", b"\0\0\0\x19176\0CET\0x"])
def test_half_a_first_reply_is_foreign_once_the_peer_has_closed(part):
    """Until then it may become a version reply."""
    handshake = fed(part)
    assert not handshake.is_foreign
    handshake.close()
    assert handshake.foreign == part


@pytest.mark.parametrize("length", range(1, len(REPLY)))
def test_the_beginning_of_a_version_reply_is_not_foreign(length):
    """A gateway that closes in the middle of its first reply is a gateway all the same."""
    handshake = fed(REPLY[:length])
    handshake.close()
    assert not handshake.is_foreign
    assert handshake.server_version is None
    assert (handshake.received, handshake.beginning) == (length, REPLY[:length])


def test_bytes_are_counted_and_only_the_first_kept():
    """How much came is known whatever it was; of a flood no more than its beginning is kept."""
    handshake = fed(REPLY, notice(2104, "x" * 5000))
    assert handshake.received > 5000
    assert handshake.beginning == (REPLY + notice(2104, "x" * 5000))[:200]


def test_close_without_a_byte_is_not_foreign():
    """A peer that only closes said nothing that could be judged; nor did one after its version."""
    handshake = Handshake()
    handshake.close()
    assert not handshake.is_foreign
    handshake = fed(REPLY, b"\0\0\0\x09")
    handshake.close()
    assert not handshake.is_foreign

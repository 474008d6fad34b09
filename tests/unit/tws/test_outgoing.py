"""What a client sends, cut into pieces, and which of the pieces are orders."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibnb.tws import wire
from ibnb.tws.outgoing import OutgoingReader, is_what_if, may_be_order

VERSION = 176
PIECES = st.one_of(
    st.binary(max_size=40).map(wire.frame),
    st.lists(st.sampled_from(["3", "21", "61", "API", "API\0", ""]), max_size=4).map(
        lambda fields: wire.message(*fields)
    ),
    st.just(wire.greeting(157, 176)),
)
often = settings(max_examples=300, deadline=None, database=None)


@often
@given(st.lists(PIECES, max_size=8), st.data())
def test_however_it_is_split_the_same_pieces_come_out(pieces, data):
    """Several in one write, one over many writes: each comes out once, whole and in order."""
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    reader = OutgoingReader()
    found = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += reader.feed(stream[begin:end])
        assert stream.startswith(b"".join(found))
    assert found == pieces
    assert reader.feed(wire.message(61)) == [wire.message(61)]


@often
@given(st.lists(PIECES, max_size=4), st.binary(min_size=1, max_size=200))
def test_nothing_is_lost_of_what_makes_no_sense(pieces, noise):
    """What comes out is the beginning of what went in, and the good pieces stay good."""
    reader = OutgoingReader()
    stream = b"".join(pieces) + noise
    found = reader.feed(stream)
    assert stream.startswith(b"".join(found))
    assert found[: len(pieces)] == pieces


def test_an_impossible_length_is_a_piece_by_itself():
    """What was complete before it is as it was; what comes later is read anew."""
    reader = OutgoingReader()
    good, bad = wire.message(61, 1), b"\xff\xff\xff\xffxyz"
    assert reader.feed(good + bad) == [good, bad]
    assert reader.feed(good) == [good]
    assert not may_be_order(good)
    assert may_be_order(bad)


@pytest.mark.parametrize(
    "bad",
    [b"API\0\xff\xff\xff\xff3\0", b"API\0\1\0\0\0", b"3\0x\0yz", b"61\0001\0", b"\1\0\0\00061\0"],
)
def test_what_makes_no_sense_may_be_an_order(bad):
    """A greeting that is longer than any is none either."""
    assert OutgoingReader().feed(bad) == [bad]
    assert may_be_order(bad)
    assert not is_what_if(bad, VERSION)


@pytest.mark.parametrize("number", [*range(1, 3), *range(4, 21), *range(22, 110), 210, 300])
def test_messages_of_other_numbers_are_no_orders(number):
    """Requests and cancels, whatever their fields hold."""
    assert not may_be_order(wire.message(number, 3, 21))
    assert not may_be_order(wire.frame(b"%d" % number))


@pytest.mark.parametrize("number", [3, 21])
def test_placing_and_exercising_may_be_orders(number):
    """Whatever follows, nothing included."""
    assert may_be_order(wire.message(number, 45, 1))
    assert may_be_order(wire.frame(b"%d" % number))
    assert not is_what_if(wire.message(number), VERSION)


@pytest.mark.parametrize(
    "begin", ["03", "+3", " 3", "3 ", "3\n", "\uff13", "", "abc", "-1", "0", "\0\0\xcb", "61x"]
)
def test_what_has_no_plain_number_may_be_an_order(begin):
    """Nobody knows how a gateway reads it; it is not a what-if that passes."""
    for piece in (wire.message(begin, 1), wire.frame(begin.encode() or b"\0")):
        assert may_be_order(piece)
        assert not is_what_if(piece, VERSION)


def test_the_greeting_and_an_empty_message_are_no_orders():
    """Neither has fields; the greeting's text is the client's to choose."""
    greeting = wire.GREETING + wire.frame(b"v157..176 3\0003\0")
    assert OutgoingReader().feed(greeting) == [greeting]
    assert not may_be_order(greeting)
    assert not may_be_order(wire.frame(b""))

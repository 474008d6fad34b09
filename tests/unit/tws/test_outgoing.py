"""What a client sends, cut into pieces, and which of the pieces are orders."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibnb.tws import wire
from ibnb.tws.outgoing import OutgoingReader, is_order, is_order_message

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
    assert reader.release() == b""


@often
@given(st.lists(PIECES, max_size=4), st.binary(min_size=1, max_size=200))
def test_nothing_is_added_to_what_makes_no_sense(pieces, noise):
    """What comes out is the beginning of what went in, whatever follows."""
    reader = OutgoingReader()
    stream = b"".join(pieces) + noise
    try:
        found = reader.feed(stream)
    except wire.ImpossibleFrameError as error:
        found = list(error.payloads)
        assert reader.release() == b""
    assert stream.startswith(b"".join(found))
    assert found[: len(pieces)] == pieces


def test_what_is_incomplete_is_released_once():
    """The bytes of a piece that is not complete wait, and can be taken back."""
    reader = OutgoingReader()
    assert reader.feed(b"API\0\0\0\0\x09v157") == []
    assert reader.release() == b"API\0\0\0\0\x09v157"
    assert reader.release() == b""


def test_an_impossible_length_takes_no_good_piece_along():
    """What was complete before it is told with the error; what comes later is read anew."""
    reader = OutgoingReader()
    good = wire.message(61, 1)
    with pytest.raises(wire.ImpossibleFrameError) as caught:
        reader.feed(good + b"\xff\xff\xff\xff" + good)
    assert caught.value.payloads == (good,)
    assert reader.feed(good) == [good]


@pytest.mark.parametrize("number", [*range(1, 3), *range(4, 21), *range(22, 110)])
def test_messages_of_other_numbers_are_no_orders(number):
    """Requests and cancels, whatever their fields hold."""
    assert not is_order(wire.message(number, 3, "3", 21), VERSION)
    assert not is_order(wire.message(number), VERSION)


@pytest.mark.parametrize("number", [3, 21])
def test_placing_and_exercising_are_orders(number):
    """Whatever follows, nothing included."""
    assert is_order(wire.message(number, 45, 1), VERSION)
    assert is_order(wire.frame(b"%d" % number), VERSION)


@pytest.mark.parametrize(
    "begin", ["03", "+3", " 3", "3 ", "\uff13", "", "abc", "-1", "0", "\0\0\xcb"]
)
def test_what_has_no_plain_number_may_be_an_order(begin):
    """Nobody knows how a gateway reads it."""
    assert is_order(wire.message(begin, 1), VERSION)


def test_the_greeting_and_an_empty_message_are_no_orders():
    """Neither has fields; the greeting's text is the client's to choose."""
    assert not is_order(wire.GREETING + wire.frame(b"v157..176 3\0003\0"), VERSION)
    assert not is_order(wire.frame(b""), VERSION)
    assert not is_order_message(b"", VERSION)

r"""What a client sends: a greeting, then messages, some of which are orders.

Orders are recognised by what the gateway will read, whoever wrote it. If that is not certain, a
message may be one: this is for those who keep orders from going out.
"""

from __future__ import annotations

import re
from functools import lru_cache

from .wire import GREETING, LENGTH_BYTES, MAX_FRAME, OutgoingId

READABLE_VERSIONS = range(157, 179)
"""The server versions whose placeOrder is read here: those that the API libraries speak."""
NO_FA_PROFILE_SINCE = 177
"""From this server version on, an order has no faProfile."""
_LENGTH = rb"\0..."
"""Longer than three bytes can say is not a message."""
_PLACE = re.compile(rb"%b%d\0" % (_LENGTH, OutgoingId.PLACE_ORDER), re.DOTALL)
_ORDERS = rb"%d|%d" % (OutgoingId.PLACE_ORDER, OutgoingId.EXERCISE_OPTIONS)
_OTHER = rb"(?!(?:%b)(?:\0|\Z))[1-9][0-9]*(?:\0|\Z)" % _ORDERS
_HARMLESS = re.compile(
    rb"%b%b|%b(?:\Z|%b)" % (re.escape(GREETING), _LENGTH, _LENGTH, _OTHER), re.DOTALL
)
"""The beginning of a greeting, an empty message, and one that plainly has another number."""
_FLAGS = frozenset({b"", b"0", b"1"})
_BAG = b"BAG"
_UNSET = 1.7976931348623157e308
_MOST_DIGITS = 6


class OutgoingReader:
    """Cuts a stream of outgoing bytes into pieces: the greeting and each message, as they are.

    However the bytes were split, a piece comes out when it is complete, and not before.
    """

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes and return the pieces that are complete now, their lengths included.

        If a length is announced that no message has, all that is there is one piece.
        """
        if self._held:
            data = self._held + data
        pieces: list[bytes] = []
        begin, there = 0, len(data)
        while begin < there:
            end = _end(data, begin)
            if end is None or end > there:
                break
            pieces.append(data[begin:end])
            begin = end
        self._held = data[begin:]
        return pieces


def _end(data: bytes, begin: int) -> int | None:
    """Return where a piece ends; None if its length is not there yet."""
    head = begin + LENGTH_BYTES
    # No message is as long as the greeting's letters would say that it is.
    if data.startswith(GREETING, begin):
        head += len(GREETING)
    if len(data) < head:
        return None
    length = int.from_bytes(data[head - LENGTH_BYTES : head], "big")
    return head + length if length <= MAX_FRAME else len(data)


def may_be_order(piece: bytes) -> bool:
    """Say whether a piece, by its number alone, places an order or exercises options.

    It may do so as well if it does not begin with a plain number: "03" and "+3" may be read as 3,
    and newer gateways read numbers that are not text. What makes no sense may do anything.
    """
    return _HARMLESS.match(piece) is None


@lru_cache(maxsize=4)
def is_what_if(piece: bytes, server_version: int) -> bool:
    """Say whether a piece asks only what an order would do, in a way that leaves no doubt.

    Fields that are there or not are decided by the ones before them, as a gateway does it. Flags
    on the way and right after it have to be flags: where one field is out of step, all are.
    """
    if server_version not in READABLE_VERSIONS or _PLACE.match(piece) is None:
        return False
    try:
        return _what_if(_Fields(piece[LENGTH_BYTES:]), server_version)
    except _UnclearError:
        return False


class _UnclearError(ValueError):
    """The fields of an order are not what they should be at their places."""


class _Fields:
    """The fields of a message, taken one after the other."""

    def __init__(self, message: bytes) -> None:
        *self._fields, rest = message.split(b"\0")
        self._at = 0
        if rest:
            raise _UnclearError

    def take(self) -> bytes:
        self._at += 1
        if self._at > len(self._fields):
            raise _UnclearError
        return self._fields[self._at - 1]

    def skip(self, count: int) -> None:
        self._at += count

    def take_flag(self) -> bool:
        self.skip_flags(1)
        return self._fields[self._at - 1] == b"1"

    def skip_flags(self, count: int) -> None:
        flags = self._fields[self._at : self._at + count]
        if len(flags) < count or not _FLAGS.issuperset(flags):
            raise _UnclearError
        self._at += count

    def take_count(self) -> int:
        field = self.take()
        if not field.isdigit() or len(field) > _MOST_DIGITS:
            raise _UnclearError
        return int(field)

    def take_is_positive(self) -> bool:
        field = self.take()
        try:
            number = float(field or 0)
        except ValueError:
            raise _UnclearError from None
        if not abs(number) < _UNSET:
            raise _UnclearError
        return number > 0


def _what_if(fields: _Fields, server_version: int) -> bool:
    fields.skip(2)  # message and order ID
    fields.skip(2)  # contract: conId, symbol
    security = fields.take()
    fields.skip(9)  # the rest of the contract
    fields.skip(2)  # secIdType, secId
    fields.skip(11)  # action ... orderRef
    fields.take_flag()  # transmit
    fields.skip(1)  # parentId
    fields.skip_flags(2)  # blockOrder, sweepToFill
    fields.skip(2)  # displaySize, triggerMethod
    fields.skip_flags(2)  # outsideRth, hidden
    if security == _BAG:
        fields.skip(8 * fields.take_count())  # the contract's legs
        fields.skip(fields.take_count())  # the order's legs
        fields.skip(2 * fields.take_count())  # routing parameters
    elif security.strip().upper() == _BAG:
        raise _UnclearError
    fields.skip(7)  # sharesAllocation ... faPercentage
    if server_version < NO_FA_PROFILE_SINCE:
        fields.skip(1)
    fields.skip(7)  # modelCode ... settlingFirm
    fields.take_flag()  # allOrNone
    fields.skip(2)  # minQty, percentOffset
    fields.skip_flags(2)  # eTradeOnly, firmQuoteOnly
    fields.skip(7)  # nbboPriceCap ... stockRangeUpper
    fields.take_flag()  # overridePercentageConstraints
    fields.skip(2)  # volatility, volatilityType
    delta_neutral = fields.take()
    fields.skip(1)  # deltaNeutralAuxPrice
    if delta_neutral:
        fields.skip(8)
    fields.take_flag()  # continuousUpdate
    fields.skip(5)  # referencePriceType ... scaleSubsLevelSize
    if fields.take_is_positive():  # scalePriceIncrement
        fields.skip(7)
    fields.skip(3)  # scaleTable, activeStartTime, activeStopTime
    if fields.take():  # hedgeType
        fields.skip(1)
    fields.take_flag()  # optOutSmartRouting
    fields.skip(2)  # clearingAccount, clearingIntent
    fields.take_flag()  # notHeld
    if fields.take_flag():  # the contract is delta-neutral
        fields.skip(3)
    if fields.take():  # algoStrategy
        fields.skip(2 * fields.take_count())
    fields.skip(1)  # algoId
    what_if = fields.take_flag()
    fields.skip(1)  # orderMiscOptions
    fields.skip_flags(3)  # solicited, randomizeSize, randomizePrice
    return what_if

r"""What a client sends: a greeting, then messages, some of which are orders.

Orders are recognised by what the gateway will read, whoever wrote it. If that is not certain, a
message counts as an order: this is for those who keep orders from going out.
"""

from __future__ import annotations

from .wire import GREETING, LENGTH_BYTES, MAX_FRAME, ImpossibleFrameError, OutgoingId

READABLE_VERSIONS = range(157, 179)
"""The server versions whose placeOrder is read here: those that the API libraries speak."""
NO_FA_PROFILE_SINCE = 177
"""From this server version on, an order has no faProfile."""
_PLACE = b"%d" % OutgoingId.PLACE_ORDER
_EXERCISE = b"%d" % OutgoingId.EXERCISE_OPTIONS
_ZERO = ord("0")
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

        Raises:
            ImpossibleFrameError: a length is announced that no message has. `payloads` are the
                pieces before it; what comes after them is forgotten.
        """
        data = self.release() + data
        pieces: list[bytes] = []
        begin = 0
        while True:
            # No message is as long as the greeting's letters would say that it is.
            head = begin + len(GREETING) * data.startswith(GREETING, begin) + LENGTH_BYTES
            if len(data) < head:
                break
            length = int.from_bytes(data[head - LENGTH_BYTES : head], "big")
            if length > MAX_FRAME:
                raise ImpossibleFrameError(length, tuple(pieces))
            end = head + length
            if len(data) < end:
                break
            pieces.append(data[begin:end])
            begin = end
        self._held = data[begin:]
        return pieces

    def release(self) -> bytes:
        """Return the bytes that wait for the rest of their piece, and forget them."""
        held, self._held = self._held, b""
        return held


def is_order(piece: bytes, server_version: int) -> bool:
    """Say whether a piece of an outgoing stream sends an order, or may do so.

    A what-if order sends none, if it says for certain that it is one.
    """
    if piece.startswith(GREETING):
        return False
    return is_order_message(piece[LENGTH_BYTES:], server_version)


def is_order_message(payload: bytes, server_version: int) -> bool:
    """Say the same as `is_order` of a message without its length."""
    kind = payload.partition(b"\0")[0]
    if kind == _PLACE:
        return not _is_what_if(payload, server_version)
    if kind == _EXERCISE:
        return True
    # "03" and "+3" may be read as 3, and newer gateways read numbers that are not text.
    is_plain = kind.isdigit() and kind[0] != _ZERO
    return bool(payload) and not is_plain


class _UnclearError(ValueError):
    """The fields of an order are not what they should be at their places."""


class _Fields:
    """The fields of a message, taken one after the other."""

    def __init__(self, payload: bytes) -> None:
        *fields, rest = payload.split(b"\0")
        if rest:
            raise _UnclearError
        self._fields = iter(fields)

    def take(self) -> bytes:
        field = next(self._fields, None)
        if field is None:
            raise _UnclearError
        return field

    def skip(self, count: int) -> None:
        for _ in range(count):
            self.take()

    def take_flag(self) -> bool:
        field = self.take()
        if field not in {b"", b"0", b"1"}:
            raise _UnclearError
        return field == b"1"

    def skip_flags(self, count: int) -> None:
        for _ in range(count):
            self.take_flag()

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


def _is_what_if(payload: bytes, server_version: int) -> bool:
    """Say whether a placeOrder asks only what an order would do, in a way that leaves no doubt.

    Fields that are there or not are decided by the ones before them, as a gateway does it. Flags
    on the way and right after it have to be flags: where one field is out of step, all are.
    """
    if server_version not in READABLE_VERSIONS:
        return False
    try:
        return _what_if(_Fields(payload), server_version)
    except _UnclearError:
        return False


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

r"""Frames and fields of the TWS API socket, as bytes, without any socket.

Every message is a frame: a 4-byte big-endian length, then fields that each end in a NUL byte.
The client's greeting alone is preceded by ``API\0``. From server version 201 on, a message's id,
its first field, is four big-endian bytes instead, and message by message the fields become
protobuf: 200 is added to the id then.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from . import protobuf

GREETING = b"API\0"
LENGTH_BYTES = 4
MAX_FRAME = 0xFFFFFF
"""No message of either side is longer, in bytes (16 MiB less one: the limit of IBKR's client)."""
ID_BYTES = 4
BINARY_IDS_SINCE = 201
"""From this server version on, the id of a message after the greeting is not text."""
PROTOBUF_IDS = 200
"""A message with an id above this one is protobuf, and that of the id less this."""
PROTOBUF_START_SINCE = 213
"""From this server version on, the requests of a handshake are protobuf."""


class IncomingId:
    """Ids of the messages a gateway sends, where ibnb reads or writes them."""

    TICK_PRICE = 1
    TICK_SIZE = 2
    ORDER_STATUS = 3
    NOTICE = 4
    OPEN_ORDER = 5
    ACCOUNT_VALUE = 6
    PORTFOLIO_VALUE = 7
    ACCOUNT_UPDATE_TIME = 8
    NEXT_VALID_ID = 9
    CONTRACT_DETAILS = 10
    EXECUTION = 11
    MARKET_DEPTH = 12
    MARKET_DEPTH_L2 = 13
    MANAGED_ACCOUNTS = 15
    RECEIVE_ADVISOR = 16
    HISTORICAL_DATA = 17
    BOND_CONTRACT_DETAILS = 18
    SCANNER_PARAMETERS = 19
    SCANNER_DATA = 20
    TICK_OPTION_COMPUTATION = 21
    CURRENT_TIME = 49
    REAL_TIME_BAR = 50
    CONTRACT_DETAILS_END = 52
    OPEN_ORDER_END = 53
    ACCOUNT_DOWNLOAD_END = 54
    EXECUTION_END = 55
    TICK_SNAPSHOT_END = 57
    MARKET_DATA_TYPE = 58
    COMMISSION_REPORT = 59
    POSITION = 61
    POSITION_END = 62
    ACCOUNT_SUMMARY = 63
    ACCOUNT_SUMMARY_END = 64
    DISPLAY_GROUPS = 67
    DISPLAY_GROUP_UPDATED = 68
    POSITION_MULTI = 71
    POSITION_MULTI_END = 72
    ACCOUNT_UPDATE_MULTI = 73
    ACCOUNT_UPDATE_MULTI_END = 74
    OPTION_PARAMETERS = 75
    OPTION_PARAMETERS_END = 76
    SOFT_DOLLAR_TIERS = 77
    FAMILY_CODES = 78
    SYMBOL_SAMPLES = 79
    DEPTH_EXCHANGES = 80
    TICK_REQUEST_PARAMETERS = 81
    SMART_COMPONENTS = 82
    NEWS_ARTICLE = 83
    NEWS_PROVIDERS = 85
    HISTORICAL_NEWS = 86
    HISTORICAL_NEWS_END = 87
    HEAD_TIMESTAMP = 88
    HISTOGRAM = 89
    HISTORICAL_DATA_UPDATE = 90
    MARKET_RULE = 93
    PNL = 94
    PNL_SINGLE = 95
    HISTORICAL_TICKS = 96
    HISTORICAL_TICKS_BID_ASK = 97
    HISTORICAL_TICKS_LAST = 98
    TICK_BY_TICK = 99
    COMPLETED_ORDER = 101
    COMPLETED_ORDERS_END = 102
    HISTORICAL_SCHEDULE = 106
    USER_INFO = 107
    HISTORICAL_DATA_END = 108
    CURRENT_TIME_IN_MILLIS = 109


class OutgoingId:
    """Ids of the messages a client sends, where ibnb reads or writes them."""

    MARKET_DATA = 1
    CANCEL_MARKET_DATA = 2
    PLACE_ORDER = 3
    CANCEL_ORDER = 4
    OPEN_ORDERS = 5
    ACCOUNT_UPDATES = 6
    EXECUTIONS = 7
    IDS = 8
    CONTRACT_DETAILS = 9
    MARKET_DEPTH = 10
    CANCEL_MARKET_DEPTH = 11
    NEWS_BULLETINS = 12
    AUTO_OPEN_ORDERS = 15
    ALL_OPEN_ORDERS = 16
    MANAGED_ACCOUNTS = 17
    ADVISOR = 18
    REPLACE_ADVISOR = 19
    HISTORICAL_DATA = 20
    EXERCISE_OPTIONS = 21
    SCANNER = 22
    CANCEL_SCANNER = 23
    SCANNER_PARAMETERS = 24
    CANCEL_HISTORICAL_DATA = 25
    CURRENT_TIME = 49
    REAL_TIME_BARS = 50
    CANCEL_REAL_TIME_BARS = 51
    FUNDAMENTALS = 52
    IMPLIED_VOLATILITY = 54
    OPTION_PRICE = 55
    GLOBAL_CANCEL = 58
    MARKET_DATA_TYPE = 59
    POSITIONS = 61
    ACCOUNT_SUMMARY = 62
    CANCEL_ACCOUNT_SUMMARY = 63
    CANCEL_POSITIONS = 64
    DISPLAY_GROUPS = 67
    SUBSCRIBE_TO_GROUP = 68
    UPDATE_GROUP = 69
    START_API = 71
    POSITIONS_MULTI = 74
    ACCOUNT_UPDATES_MULTI = 76
    CANCEL_ACCOUNT_UPDATES_MULTI = 77
    OPTION_PARAMETERS = 78
    SOFT_DOLLAR_TIERS = 79
    FAMILY_CODES = 80
    MATCHING_SYMBOLS = 81
    DEPTH_EXCHANGES = 82
    SMART_COMPONENTS = 83
    NEWS_ARTICLE = 84
    NEWS_PROVIDERS = 85
    HISTORICAL_NEWS = 86
    HEAD_TIMESTAMP = 87
    HISTOGRAM = 88
    CANCEL_HISTOGRAM = 89
    CANCEL_HEAD_TIMESTAMP = 90
    MARKET_RULE = 91
    PNL = 92
    CANCEL_PNL = 93
    PNL_SINGLE = 94
    CANCEL_PNL_SINGLE = 95
    HISTORICAL_TICKS = 96
    TICK_BY_TICK = 97
    CANCEL_TICK_BY_TICK = 98
    COMPLETED_ORDERS = 99
    EVENT_CALENDAR = 100
    CALENDAR_EVENTS = 102
    USER_INFO = 104
    CURRENT_TIME_IN_MILLIS = 105


class ImpossibleFrameError(ValueError):
    """The bytes announce a frame that no TWS or Gateway sends: the peer speaks something else.

    `payloads` are those that were complete before it.
    """

    def __init__(self, length: int, payloads: tuple[bytes, ...] = ()) -> None:
        super().__init__(f"a frame of {length} bytes was announced")
        self.payloads = payloads


def frame(payload: bytes) -> bytes:
    """Put the length in front of a payload."""
    return struct.pack(">I", len(payload)) + payload


def message(*values: object) -> bytes:
    """Build one frame from fields; booleans become 1 and 0, None becomes empty, text is UTF-8."""
    return frame(fields(*values))


def fields(*values: object) -> bytes:
    """Return fields as `message` writes them, without a frame around them."""
    parts = []
    for value in values:
        if value is None:
            text = ""
        elif isinstance(value, bool):
            text = "1" if value else "0"
        else:
            text = str(value)
        parts.append(text.encode() + b"\0")
    return b"".join(parts)


def split_fields(payload: bytes) -> tuple[str, ...]:
    """Return the fields of a payload; bytes that are not UTF-8 are escaped, never lost."""
    fields = payload.decode(errors="backslashreplace").split("\0")
    if not fields[-1]:
        fields.pop()
    return tuple(fields)


def greeting(min_version: int, max_version: int) -> bytes:
    """Return what a client sends first: the server versions that it speaks."""
    return GREETING + frame(b"v%d..%d" % (min_version, max_version))


def start_api(client_id: int, server_version: int) -> bytes:
    """Return the session start that follows the version reply."""
    if server_version >= PROTOBUF_START_SINCE:
        return _binary(OutgoingId.START_API + PROTOBUF_IDS, protobuf.number(1, client_id))
    return request(server_version, OutgoingId.START_API, 2, client_id, "")


def request_time(server_version: int) -> bytes:
    """Return the question for the gateway's clock."""
    if server_version >= PROTOBUF_START_SINCE:
        return _binary(OutgoingId.CURRENT_TIME + PROTOBUF_IDS)
    return request(server_version, OutgoingId.CURRENT_TIME, 1)


def request(server_version: int, message_id: int, *fields: object) -> bytes:
    """Return a message of fields, with its id as this server version reads it."""
    if server_version < BINARY_IDS_SINCE:
        return message(message_id, *fields)
    return _binary(message_id, message(*fields)[LENGTH_BYTES:])


def _binary(message_id: int, body: bytes = b"") -> bytes:
    return frame(message_id.to_bytes(ID_BYTES, "big") + body)


@dataclass(frozen=True)
class Incoming:
    """A message of a gateway: its id, and its fields in a row or, if it was protobuf, by number."""

    id: int
    fields: tuple[str, ...] = ()
    numbered: Mapping[int, str] | None = None

    @classmethod
    def read(cls, payload: bytes, server_version: int) -> Incoming:
        """Return the message of a payload.

        Raises:
            ValueError: the payload is not a message of this server version.
        """
        if server_version < BINARY_IDS_SINCE:
            first, *fields = split_fields(payload) or ("",)
            return cls(int(first), tuple(fields))
        if len(payload) < ID_BYTES:
            raise ValueError("there is no id")
        number, body = int.from_bytes(payload[:ID_BYTES], "big"), payload[ID_BYTES:]
        if number > PROTOBUF_IDS:
            return cls(number - PROTOBUF_IDS, numbered=protobuf.read(body))
        return cls(number, split_fields(body))

    def value(self, position: int, number: int) -> str:
        """Return the field at a position, or of a number in protobuf; empty if it is not there."""
        if self.numbered is not None:
            return self.numbered.get(number, "")
        return self.fields[position] if position < len(self.fields) else ""


@dataclass
class FrameReader:
    """Cuts a stream of bytes into payloads, however the bytes were split on the way."""

    _buffer: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[bytes]:
        """Take received bytes and return the payloads that are complete now.

        Raises:
            ImpossibleFrameError: a length above `MAX_FRAME` was announced, or the part of a length
                that has come cannot become one below it.
        """
        self._buffer += data
        payloads: list[bytes] = []
        while self._buffer:
            length = self.announced
            if length > MAX_FRAME:
                raise ImpossibleFrameError(length, tuple(payloads))
            end = LENGTH_BYTES + length
            if len(self._buffer) < end:
                break
            payloads.append(bytes(self._buffer[LENGTH_BYTES:end]))
            del self._buffer[:end]
        return payloads

    @property
    def announced(self) -> int:
        """Length of the frame that is under way, in bytes; the least it can be while incomplete."""
        return int.from_bytes(self._buffer[:LENGTH_BYTES].ljust(LENGTH_BYTES, b"\0"), "big")

    @property
    def pending(self) -> bytes:
        """Bytes that wait for the rest of their frame."""
        return bytes(self._buffer)

"""A gateway that streams: twelve kinds of subscription, each with a number that only grows.

So whoever sees the numbers can tell whether one was lost, or came twice. Written without any code
of ibnb, as `bare_gateway` is, which it goes on from.
"""

from __future__ import annotations

import socket
import struct
import threading

import bare_messages as messages
from bare_gateway import BareGateway
from framing import encode

PAUSE = 0.03
"""Seconds between two updates of each subscription."""
SUBSCRIBING = {
    # By message ID: the kind, and which field has the number of the request, if it has one.
    1: ("market data", 2),
    97: ("ticks", 1),
    10: ("depth", 2),
    50: ("real-time bars", 2),
    20: ("bars", 1),
    22: ("scanner", 1),
    92: ("profit", 1),
    94: ("profit of one", 1),
    12: ("bulletins", None),
    6: ("account", None),
    62: ("summary", 2),
}
CANCELLING = {
    # By message ID: what it ends, and which field has the number.
    2: ("market data", 2),
    98: ("ticks", 1),
    11: ("depth", 2),
    51: ("real-time bars", 2),
    25: ("bars", 2),
    23: ("scanner", 2),
    93: ("profit", 1),
    95: ("profit of one", 1),
    13: ("bulletins", None),
    63: ("summary", 2),
}

DATA = ("market data", "ticks", "depth", "real-time bars", "bars", "scanner")


class StreamingGateway(BareGateway):
    """Streams to each session what it has subscribed to, until it cancels or the link is lost.

    `mute` are sessions whose socket stays open and says nothing any more.
    """

    def __init__(self, **answers):
        super().__init__(**answers)
        self.streams = {}
        self.mute = set()
        self.resumes_lost = 0
        """So many of the next sessions are lost as soon as they ask for positions."""
        self.number = 0
        self._streaming = None

    def start(self):
        """Listen, and stream."""
        super().start()
        self._streaming = self._start_thread(self._stream)
        return self

    def standing(self):
        """Return what the open sessions are subscribed to: kind and number of request, sorted."""
        with self._changed:
            return sorted(
                one for session in self._holders.values() for one in self.streams.get(session, {})
            )

    def forget_data(self):
        """Lose all subscriptions to data and no socket, as it is before notice 1101."""
        with self._changed:
            for standing in self.streams.values():
                for one in [one for one in standing if one[0] in DATA]:
                    del standing[one]

    def fall_silent(self):
        """Say nothing any more to the sessions that are open, on sockets that stay open."""
        with self._changed:
            self.mute.update(self._holders.values())

    def reset(self):
        """Lose the sockets by a reset instead of an orderly end."""
        with self._changed:
            gone = list(self._holders.values())
        for session in gone:
            linger = struct.pack("ii", 1, 0)
            session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            session.sock.shutdown(socket.SHUT_RD)
        self.wait_for(lambda: not any(one in gone for one in self._holders.values()))

    def _take(self, session):
        fields = super()._take(session)
        message_id = int(fields[0])
        if message_id == messages.POSITIONS and self.resumes_lost:
            self.resumes_lost -= 1
            raise EOFError
        with self._changed:
            standing = self.streams.setdefault(session, {})
            if message_id in SUBSCRIBING and is_lasting(message_id, fields):
                standing[_key(SUBSCRIBING[message_id], fields)] = None
            elif message_id in CANCELLING:
                standing.pop(_key(CANCELLING[message_id], fields), None)
            self._changed.notify_all()
        return fields

    def _current_time(self, session, fields):
        if session not in self.mute:
            super()._current_time(session, fields)

    _ANSWERS = {  # noqa: RUF012 -- never changed
        **BareGateway._ANSWERS,
        messages.CURRENT_TIME: lambda self, session, fields: self._current_time(session, fields),
        messages.MARKET_DATA: lambda *_: None,
    }

    def _stream(self):
        while self._accepting:
            threading.Event().wait(PAUSE)
            with self._changed:
                self.number += 1
                number = self.number
                told = [
                    (session, list(standing))
                    for session, standing in self.streams.items()
                    if self._holders.get(session.client_id) is session and session not in self.mute
                ]
            for session, standing in told:
                session.send(*(update(*one, number) for one in standing))


def is_lasting(message_id, fields):
    """Say whether a request goes on: bars only if they are kept up to date, accounts if asked."""
    if message_id == 20:
        return fields[-2] == "1"
    return message_id != 6 or fields[2] == "1"


def _key(found, fields):
    kind, place = found
    return kind, fields[place] if place is not None else ""


def update(kind, req_id, number):
    """Return one update of a subscription, in which the number is."""
    date = f"202609{1 + number // 3600:02}  17:{number // 60 % 60:02}:{number % 60:02}"
    scanned = (0, 1, "SPY", "STK", "", 0, "", "SMART", "USD", f"N{number}", "", "", "", "", "", "")
    return {
        "market data": lambda: messages.tick(req_id, messages.LAST, number),
        "ticks": lambda: encode(99, req_id, 1, 1_787_000_000, number, 1, 0, "ARCA", ""),
        # One level: the new one is put in front of the one before, which is deleted.
        "depth": lambda: (
            encode(12, 1, req_id, 0, 0, 1, number, 1) + encode(12, 1, req_id, 1, 2, 1, 0, 0)
        ),
        "real-time bars": lambda: encode(
            *(50, 1, req_id, 1_787_000_000 + 5 * number, 1, 2, 1, number, 1, 1, 1)
        ),
        "bars": lambda: encode(90, req_id, 1, date, 1, number, 2, 1, 1, 1),
        "scanner": lambda: encode(20, 3, req_id, 1, *scanned),
        "profit": lambda: encode(94, req_id, number, 0, 0),
        "profit of one": lambda: encode(95, req_id, 1, number, 0, 0, 1),
        "bulletins": lambda: encode(14, 1, number, 1, f"bulletin {number}", "NYSE"),
        "account": lambda: encode(6, 2, "NetLiquidation", number, "USD", "DU1234567"),
        "summary": lambda: encode(63, 1, req_id, "DU1234567", "NetLiquidation", number, "USD"),
    }[kind]()

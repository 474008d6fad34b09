"""What stands between a client's request and its answer: whatever was ordered to happen first."""

from __future__ import annotations

import asyncio

from ibnb.tws import wire
from ibnb.tws.wire import OutgoingId

from .answers import answer
from .answers.permissions import HISTORY_REQUESTS, refusal_of
from .client import Client
from .limits import Limits
from .links import HISTORY, Links, farm_for
from .protocol import texts
from .requests import Request, read_request
from .state import State
from .stubs import Stub
from .waiting import WaitingRequests

_HISTORY_SECONDS = 0.3
REQ_ID = "{reqId}"
"""Stands for a request's id in a reply that was ordered."""
_OF_MARKET = frozenset(
    {
        OutgoingId.MARKET_DATA,
        OutgoingId.MARKET_DEPTH,
        OutgoingId.REAL_TIME_BARS,
        OutgoingId.TICK_BY_TICK,
    }
)


class Interception:
    """Takes each request before it is answered.

    Args:
        state: the gateway's.
        links: its links, which a request may wake.
        waiting: takes the requests whose farm is not there.
    """

    def __init__(self, state: State, links: Links, waiting: WaitingRequests) -> None:
        self._state = state
        self._links = links
        self._waiting = waiting
        self._limits = Limits(state)
        self._open: dict[tuple[Client, int], asyncio.TimerHandle] = {}

    def ask(self, client: Client, fields: tuple[str, ...]) -> None:
        """Answer a request as it was ordered, as the faults in force want, or as ever."""
        if fields[0] == str(OutgoingId.MARKET_DATA_TYPE):
            client.data_type = int(fields[-1]) if fields[-1].isdecimal() else 1
        if not self._state.faults.active and not self._state.stubs:
            answer(client, fields)
            return
        request = read_request(client.client_id, fields, client.version)
        stub = self._state.stubs.take(request) if self._state.stubs else None
        if stub is None:
            self._serve(client, request, fields)
        elif stub.delay:
            loop = asyncio.get_running_loop()
            loop.call_later(stub.delay, self._follow, client, stub, request, fields)
        else:
            self._follow(client, stub, request, fields)

    def _follow(
        self, client: Client, stub: Stub, request: Request, fields: tuple[str, ...]
    ) -> None:
        if not client.is_open:
            return
        if stub.serves:
            self._serve(client, request, fields)
            return
        for message in stub.reply or ():
            given = [str(field).replace(REQ_ID, str(request.req_id)) for field in message]
            client.send(wire.message(*given))
        if stub.notice is not None:
            client.notify(stub.notice, request.req_id)
        if stub.close:
            client.close()

    def _serve(self, client: Client, request: Request, fields: tuple[str, ...]) -> None:
        message_id, key = int(fields[0]), (client, request.req_id)
        if self._limits.stop(client, message_id, request):
            return
        self._links.wake(_farm(message_id, request))
        if (refusal := refusal_of(client, message_id, request)) is not None:
            client.notify(refusal, request.req_id)
        elif message_id in HISTORY_REQUESTS and not self._state.links.serves(HISTORY):
            self._let_wait(client, request, fields)
        elif self._waiting.cancel(client, message_id, request.req_id):
            return
        elif message_id == OutgoingId.HISTORICAL_DATA and self._takes_time:
            self._serve_later(client, request, fields)
        elif message_id == OutgoingId.CANCEL_HISTORICAL_DATA and key in self._open:
            self._open.pop(key).cancel()
            client.notify(texts.history_cancelled(request.req_id), request.req_id)
        else:
            answer(client, fields)

    def _let_wait(self, client: Client, request: Request, fields: tuple[str, ...]) -> None:
        live = request.parameters.get("keepUpToDate") == "1"
        self._waiting.add(client, int(fields[0]), request.req_id, fields, live=live)

    @property
    def _takes_time(self) -> bool:
        """Whether history takes the time that it does on a real gateway."""
        return self._state.faults.limit("history-open") is not None

    def _serve_later(self, client: Client, request: Request, fields: tuple[str, ...]) -> None:
        req_id = request.req_id
        told = self._limits.beyond_open(len(self._open))
        if told is not None:
            client.notify(told, req_id)
            return

        def serve() -> None:
            self._open.pop((client, req_id), None)
            if not client.is_open:
                return
            if self._state.links.serves(HISTORY):
                answer(client, fields)
            else:
                self._let_wait(client, request, fields)

        loop = asyncio.get_running_loop()
        self._open[client, req_id] = loop.call_later(_HISTORY_SECONDS, serve)


def _farm(message_id: int, request: Request) -> str | None:
    """The farm that a request needs; None if it needs none."""
    if message_id in HISTORY_REQUESTS:
        return HISTORY
    if message_id not in _OF_MARKET:
        return None
    return farm_for(request.parameters.get("secType", "STK"))

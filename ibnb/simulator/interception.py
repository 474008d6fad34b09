"""What stands between a client's request and its answer: whatever was ordered to happen first."""

from __future__ import annotations

import asyncio

from ibnb.tws import wire

from .answers import answer
from .client import Client
from .requests import Request, read_request
from .stubs import Stub

REQ_ID = "{reqId}"
"""Stands for a request's id in a reply that was ordered."""


def intercept(client: Client, fields: tuple[str, ...]) -> None:
    """Answer a request as it was ordered, or as ever."""
    stubs = client.state.stubs
    if not stubs:
        answer(client, fields)
        return
    request = read_request(client.client_id, fields, client.version)
    stub = stubs.take(request)
    if stub is None:
        answer(client, fields)
    elif stub.delay:
        asyncio.get_running_loop().call_later(stub.delay, _follow, client, stub, request, fields)
    else:
        _follow(client, stub, request, fields)


def _follow(client: Client, stub: Stub, request: Request, fields: tuple[str, ...]) -> None:
    if not client.is_open:
        return
    if stub.serves:
        answer(client, fields)
        return
    for message in stub.reply or ():
        given = [str(field).replace(REQ_ID, str(request.req_id)) for field in message]
        client.send(wire.message(*given))
    if stub.notice is not None:
        client.notify(stub.notice, request.req_id)
    if stub.close:
        client.close()

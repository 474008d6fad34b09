"""The user's requests for the time, at a gateway that answers one a second, as recent ones do."""

import asyncio
import time

import pytest
import servers
from leftovers import others
from servers import Server, encode

from ibnb.session.library import time_requests
from ibnb.session.library.patches import has_layer

SOON = 10.0
SECOND = 1.0
ANSWER = encode(49, 1, 1_788_088_000)


def answering_once_a(seconds=SECOND, *, at_most=1000):
    """Return a script that answers the time unless it did within so many seconds.

    It answers `at_most` so often, and all else at once.
    """

    def script(client):
        rest, answered = servers.answering(), []

        class Turned:
            """The client, with what asks for the time taken out of what the usual script reads."""

            messages = client.messages

            def __getattr__(self, name):
                return getattr(client, name)

            def read_message(self):
                client.read_message()
                while client.messages[-1][0] == "49":
                    now = time.monotonic()
                    late = not answered or now - answered[-1] >= seconds
                    if late and len(answered) < at_most:
                        answered.append(now)
                        client.send(ANSWER)
                    client.read_message()

        rest(Turned())

    return script


def asked(server):
    """Return how often the server was asked for the time."""
    return sum(fields[0] == "49" for fields in server.client().messages)


@pytest.fixture
async def strict(connect, session):
    """Connect to a gateway that answers the time once a second; its server and the `ib`."""
    with Server(answering_once_a()) as server:
        yield server, (await connect(server.port)).connection.ib
        await session.disconnect()
        assert others() == set()


async def test_behind_a_heartbeat(strict, session):
    """The heartbeat had the second: the user's request is answered all the same."""
    _, ib = strict
    assert (await session.pulse()).gateway_time is not None
    answer = await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)
    assert answer.year >= 2020


async def test_two_of_the_users_in_a_row(strict):
    """The second one is answered too, which it is not with the plain library."""
    server, ib = strict
    for _ in range(3):
        assert (await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)).year >= 2020
    assert 3 <= asked(server) <= 6


async def test_without_ibnb_it_waits_for_ever(module):
    """What is mended here is there in the plain library."""
    with Server(answering_once_a()) as server:
        ib = module.IB()
        await ib.connectAsync("127.0.0.1", server.port, 7)
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), 2 * SECOND)
        ib.disconnect()


async def test_each_goes_out_at_once(strict, session):
    """Whatever the gateway does with it, no request is held back."""
    _, ib = strict
    for number in (1, 2):
        waiting = asyncio.ensure_future(ib.reqCurrentTimeAsync())
        sent = [one.method for one in session.journal.requests.all()]
        assert sent.count("reqCurrentTime") >= number
        assert sent[-1] == "reqCurrentTime"
        await asyncio.wait_for(waiting, SOON)


async def test_a_heartbeat_while_the_user_waits(strict, session):
    """It sends nothing of its own then: the user's answer shows that the gateway lives."""
    server, ib = strict
    await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)
    waiting = asyncio.ensure_future(ib.reqCurrentTimeAsync())
    await asyncio.sleep(0)
    pulse = await asyncio.wait_for(session.pulse(), SOON)
    assert (pulse.status, pulse.gateway_time) == ("answered", 1_788_088_000)
    assert (await asyncio.wait_for(waiting, SOON)).year >= 2020
    assert asked(server) == 3


async def test_a_heartbeat_right_after_the_user(strict, session):
    """It waits for its second, and its round trip is not longer for it."""
    server, ib = strict
    await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)
    pulse = await asyncio.wait_for(session.pulse(), SOON)
    assert pulse.gateway_time is not None
    assert pulse.round_trip < time_requests.APART / 2
    assert asked(server) == 2


async def test_a_slower_gateway(connect, session):
    """One that takes three seconds between its answers is asked until it gives the next."""
    with Server(answering_once_a(3 * SECOND)) as server:
        ib = (await connect(server.port)).connection.ib
        for _ in range(2):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)
        await session.disconnect()


async def test_a_gateway_that_never_answers(connect, session, monkeypatch):
    """It is asked a few times and no more; then the request waits as in the plain library."""
    monkeypatch.setattr(time_requests, "AGAIN", (0.02,) * 4)
    with Server(answering_once_a(at_most=0)) as server:
        ib = (await connect(server.port)).connection.ib
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.5)
        await session.disconnect()
        assert asked(server) == 5


async def test_who_gave_up_is_not_asked_for(strict, monkeypatch):
    """A request that was cancelled is not sent again."""
    server, ib = strict
    await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)
    due = asyncio.Event()
    looked_after = time_requests.time_requests(ib)
    again = looked_after._ask_again
    monkeypatch.setattr(looked_after, "_ask_again", lambda: (again(), due.set()))
    waiting = asyncio.ensure_future(ib.reqCurrentTimeAsync())
    waiting.cancel()
    await asyncio.wait({waiting})
    await asyncio.wait_for(due.wait(), SOON)
    assert not looked_after.is_asking
    await ib.reqPositionsAsync()
    assert asked(server) == 2


async def test_nothing_is_left_after_closing(strict, session):
    """The client is the library's own again, and nothing is due."""
    _, ib = strict
    await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)
    asyncio.ensure_future(ib.reqCurrentTimeAsync()).add_done_callback(lambda one: one.exception())
    await asyncio.sleep(0)
    looked_after = time_requests.time_requests(ib)
    assert looked_after.is_asking
    await session.disconnect()
    assert not looked_after.is_asking
    assert not has_layer(ib.client, "reqCurrentTime", time_requests.KIND)
    assert time_requests.time_requests(ib) is None


async def test_a_request_without_a_connection_fails_as_ever(strict, session):
    """What cannot be sent raises what the library raises, at once."""
    _, ib = strict
    await session.disconnect()
    with pytest.raises(ConnectionError):
        await ib.reqCurrentTimeAsync()


async def test_the_users_own_connection(guard, module, session):
    """It is looked after as the session's is, and its client is left alone once it is let go."""
    assert guard is not None
    with Server(answering_once_a()) as server:
        ib = module.IB()
        await ib.connectAsync("127.0.0.1", server.port, 7)
        for _ in range(2):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), SOON)
        await session.disconnect_users(ib, "x")
        assert not has_layer(ib.client, "reqCurrentTime", time_requests.KIND)

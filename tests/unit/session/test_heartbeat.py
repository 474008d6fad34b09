"""The pulse: a gateway that answers, one that is silent, and a kernel that cannot know."""

import asyncio
import socket
import threading
import time

import pytest
import servers
from leftovers import others
from servers import Server, encode

from ibnb.session.library import instrument
from ibnb.session.library.reading import heard_ago
from ibnb.simulator import SimulatedGateway

SOON = 10.0
LONG = 30.0
SHORT = 0.1
"""Seconds between heartbeats where nothing comes."""
CLOCK = 1_788_088_000


def beating(*answers):
    """Return a script that answers the n-th request for the time with the n-th of these frames.

    Where the frames are used up, or one is None, it stays silent. It answers all else.
    """
    left = list(answers)

    def script(client):
        rest = servers.answering()

        class Turned:
            """The client, with heartbeats taken out of what the usual script reads."""

            messages = client.messages

            def __getattr__(self, name):
                return getattr(client, name)

            def read_message(self):
                client.read_message()
                while client.messages[-1][0] == "49":
                    answer = left.pop(0) if left else None
                    if answer is not None:
                        client.send(answer)
                    client.read_message()

        rest(Turned())

    return script


def beats(server):
    """Return how many heartbeats the server has got."""
    return sum(fields[0] == "49" for fields in server.client().messages)


TIME = encode(49, 1, CLOCK)


async def test_a_gateway_that_answers(connect, session):
    """Known after one heartbeat: how long it took, and what the clocks said."""
    with Server(beating(TIME)) as server:
        await connect(server.port)
        begun = time.time()
        pulse = await asyncio.wait_for(session.pulse(apart=LONG), SOON)
        assert pulse.status == "answered"
        assert 0 < pulse.round_trip < SOON
        assert 0 <= pulse.heard_ago < SOON
        assert pulse.gateway_time == CLOCK
        assert begun <= pulse.local_time <= time.time()
        assert beats(server) == 1
        await session.disconnect()
        assert others() == set()


async def test_any_byte_is_life(connect, session):
    """A gateway that sends something else answers, without a round trip."""
    with Server(beating(servers.FARM_OK)) as server:
        await connect(server.port)
        pulse = await asyncio.wait_for(session.pulse(apart=LONG), SOON)
        assert (pulse.status, pulse.round_trip, pulse.gateway_time) == ("answered", None, None)
        await session.disconnect()


async def test_one_silence_is_no_death(connect, session):
    """A gateway that leaves the first heartbeat and answers the second one is alive."""
    with Server(beating(None, TIME)) as server:
        await connect(server.port)
        pulse = await asyncio.wait_for(session.pulse(apart=SHORT), SOON)
        assert pulse.status == "answered"
        assert pulse.round_trip is not None
        assert beats(server) == 2
        await session.disconnect()


async def test_two_silences_are_half_open(connect, session):
    """The socket is open, nobody was busy, and not a byte came: silent, after two heartbeats."""
    with Server(beating()) as server:
        ib = (await connect(server.port)).connection.ib
        begun = time.monotonic()
        pulse = await asyncio.wait_for(session.pulse(apart=SHORT), SOON)
        assert pulse.status == "silent"
        assert time.monotonic() - begun >= 2 * SHORT
        assert pulse.heard_ago >= SHORT
        assert beats(server) == 2
        assert ib.isConnected()
        assert "currentTime" not in vars(ib.wrapper)
        await session.disconnect()
        assert others() == set()


async def test_a_kernel_that_is_held_up_is_no_dead_gateway(connect, session):
    """Where the loop could not run during the wait, silence says nothing."""
    with Server(beating()) as server:
        await connect(server.port)
        asyncio.get_running_loop().call_later(SHORT / 2, time.sleep, 1.0)
        pulse = await asyncio.wait_for(session.pulse(apart=SHORT), SOON)
        assert pulse.status == "busy"
        await session.disconnect()


async def test_an_answer_that_waited_for_a_busy_kernel(connect, session):
    """What came while the loop was held up is read after it, and is an answer."""
    with Server(beating(TIME)) as server:
        await connect(server.port)
        asyncio.get_running_loop().call_soon(time.sleep, 1.0)
        pulse = await asyncio.wait_for(session.pulse(apart=SHORT), SOON)
        assert (pulse.status, pulse.gateway_time) == ("answered", CLOCK)
        await session.disconnect()


async def test_bytes_that_nobody_reads_are_no_silence(connect, session):
    """Where the socket has bytes that its reader does not get, the kernel is the one to blame."""
    with Server(beating(TIME)) as server:
        ib = (await connect(server.port)).connection.ib
        ib.client.conn.transport.pause_reading()
        pulse = await asyncio.wait_for(session.pulse(apart=SHORT), SOON)
        assert pulse.status == "busy"
        ib.client.conn.transport.resume_reading()
        await session.disconnect()


async def test_nothing_is_open(connect, session):
    """Before, after, and of an object that never was connected: closed, at once."""
    assert (await session.pulse()).status == "closed"
    with Server(beating()) as server:
        opened = await connect(server.port)
        await session.disconnect()
        assert (await session.pulse(opened.connection.ib)).status == "closed"
        fresh = opened.connection.plan.library.new_ib()
        pulse = await session.pulse(fresh)
        assert (pulse.status, pulse.heard_ago) == ("closed", None)
        assert heard_ago(fresh) is None


async def test_a_socket_that_closes_meanwhile(connect, session):
    """Who waits for an answer learns at once that none will come."""

    def closing(client):
        beating_once = servers.answering()

        class Turned:
            """The client, which closes on a heartbeat."""

            def __getattr__(self, name):
                return getattr(client, name)

            def read_message(self):
                client.read_message()
                if client.messages[-1][0] == "49":
                    client.sock.shutdown(socket.SHUT_RDWR)
                    raise EOFError

        beating_once(Turned())

    with Server(closing) as server:
        await connect(server.port)
        pulse = await asyncio.wait_for(session.pulse(apart=LONG), SOON)
        assert pulse.status == "closed"
        await session.disconnect()


async def test_two_at_once_share_one(connect, session):
    """One heartbeat answers both; one that gives up does not take it from the other."""
    with Server(beating(None, TIME)) as server:
        await connect(server.port)
        impatient, *patient = (
            asyncio.ensure_future(session.pulse(apart=2 * SHORT)) for _ in range(3)
        )
        await asyncio.sleep(0)
        impatient.cancel()
        found = await asyncio.wait_for(asyncio.gather(*patient), SOON)
        assert found[0] is found[1]
        assert found[0].status == "answered"
        assert beats(server) == 2
        await session.disconnect()


async def test_nobody_waits_any_more(connect, session):
    """A pulse that everybody gave up leaves no task, and the next one is taken anew."""
    with Server(beating(None, TIME)) as server:
        ib = (await connect(server.port)).connection.ib
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.pulse(apart=LONG), SHORT)
        while others():
            await asyncio.wait(others(), timeout=SOON)
        assert "currentTime" not in vars(ib.wrapper)
        assert (await session.pulse(apart=SHORT)).status == "answered"
        await session.disconnect()


async def test_an_answer_is_good_for_a_while(connect, session):
    """A gateway is asked no faster than it likes: a young answer is returned again."""
    with Server(beating(*[TIME] * 50)) as server:
        await connect(server.port)
        first = await session.pulse(apart=LONG)
        again = await session.pulse(apart=LONG)
        assert again.round_trip == first.round_trip
        assert again.local_time == first.local_time
        assert beats(server) == 1
        asked_again = time.monotonic() + SHORT
        while time.monotonic() < asked_again:
            again = await session.pulse(apart=SHORT)
        assert (await session.pulse(apart=SHORT)).local_time > first.local_time
        assert beats(server) > 1
        await session.disconnect()


async def test_the_users_own_question_is_not_disturbed(connect, session):
    """A heartbeat while the user asks for the time himself: his answer comes."""
    with SimulatedGateway() as gateway:
        ib = (await connect(gateway.port)).connection.ib
        asked = asyncio.ensure_future(ib.reqCurrentTimeAsync())
        await asyncio.sleep(0)
        assert (await session.pulse(apart=LONG)).status == "answered"
        assert (await asyncio.wait_for(asked, SOON)).year >= 2020
        assert "currentTime" not in vars(ib.wrapper)
        handlers = instrument.handler_counts(ib)
        await session.pulse(apart=SHORT)
        assert instrument.handler_counts(ib) == handlers


async def test_the_clock_comes_with_a_pulse(connect, session):
    """The gateway's time and this machine's; where no time comes there is none."""
    assert (await session.pulse()).gateway_time is None
    with Server(beating(TIME)) as server:
        await connect(server.port)
        pulse = await session.pulse()
        assert pulse.gateway_time == CLOCK
        assert abs(pulse.local_time - time.time()) < SOON
        await session.disconnect()


async def test_asked_from_another_loop(connect, session):
    """A diagnosis on a thread of its own gets the same answer."""
    with Server(beating(TIME)) as server:
        await connect(server.port)
        pulse = await asyncio.wait_for(asyncio.to_thread(asyncio.run, session.pulse()), SOON)
        assert (pulse.status, pulse.gateway_time) == ("answered", CLOCK)
        await session.disconnect()


async def test_another_loop_learns_that_the_kernel_is_busy(connect, session):
    """While a cell holds the connection's loop, a diagnosis is told so and does not wait."""
    with Server(beating(TIME)) as server:
        await connect(server.port)
        found = []
        thread = threading.Thread(target=lambda: found.append(asyncio.run(session.pulse())))
        thread.start()
        # The loop is held until the answer is there: it came although nothing else could run.
        thread.join(SOON)
        assert [pulse.status for pulse in found] == ["busy"]
        assert beats(server) == 0
        await session.disconnect()

"""What a library asks for by itself once a gateway is ready, where the answers do not come."""

import asyncio
import logging

import pytest
import servers
from leftovers import others, sockets_to
from servers import NEXT_VALID_ID, Server, answering, encode, notice

from ibnb.session import ConnectFailed
from ibnb.tws.attempt import cause
from ibnb.tws.handshake import Stage

LOOPBACK = "127.0.0.1"
SOON = 10.0
A_LITTLE = 1.0
"""Seconds after which a library gives up what nobody will answer."""


@pytest.fixture
async def raw(guard, module, session):  # noqa: ARG001 - the guard has to act
    """An `IB` object of the user's own, closed at the end."""
    ib = module.IB()
    yield ib
    held = session.registry.of(ib)
    if held is not None:
        await held.close()


def saying(*frames, unanswered=("executions",)):
    """Return a gateway that says more than is asked, and leaves something unanswered."""

    def script(client):
        send = client.send

        def send_more(*parts):
            client.send = send
            send(*parts)

        # With its first answer after the session has started.
        client.send = lambda *parts: send_more(*parts, *frames) if client.messages else send(*parts)
        answering(*unanswered)(client)

    return script


async def failure_of(ib, port, library, **more):
    """Connect where the executions do not come; return what is raised, by ib_async on demand."""
    if library == "ib_async":
        more["raiseSyncErrors"] = True
    with pytest.raises(ConnectFailed) as caught:
        await ib.connectAsync(LOOPBACK, port, 7, timeout=A_LITTLE, **more)
    return caught.value


async def test_a_connect_that_is_given_up_names_what_did_not_come(session, raw, library):
    """The cause is not one that the gateway's being ready rules out, and nothing stays behind."""
    with Server(answering("executions")) as server:
        error = await failure_of(raw, server.port, library)
        assert error.verdict == "sync-incomplete"
        assert isinstance(error, TimeoutError)
        assert isinstance(error, ConnectionError)
        told, way_out = error.explanation.facts
        assert f"{LOOPBACK}:{server.port} was ready for client ID 7" in told
        assert "request for executions:" in told
        assert f"%ibconnect {LOOPBACK}:{server.port} --client-id 7" in way_out
        failed = session.failed
        assert (failed.stage, failed.missing) == (Stage.READY, ("executions",))
        assert cause(failed) == "sync-incomplete"
        assert failed.target.port == server.port
        assert not raw.isConnected()
        assert sockets_to(server.port) == 0
        assert others() == set()
        assert "request for executions" in session.health(raw).reason


async def test_ib_async_goes_on_without_executions(session, raw, library, caplog):
    """Its line passes, the connection is open, and its health says what is missing."""
    if library != "ib_async":
        pytest.skip("ib_insync gives it up")
    with Server(answering("executions")) as server:
        await raw.connectAsync(LOOPBACK, server.port, 7, timeout=A_LITTLE)
        health = session.health(raw)
        assert (health.state, health.missing) == ("degraded", ("executions",))
        assert "executions request timed out" in caplog.text
        assert raw.isConnected()
        await session.registry.of(raw).close()


async def test_what_only_a_log_line_tells_degrades_the_connection(session, raw, caplog):
    """It stays open, as with the plain library; each missing thing is named, accounts by place."""
    caplog.set_level(logging.ERROR)
    with Server(answering("positions", "completed", "account")) as server:
        await raw.connectAsync(LOOPBACK, server.port, 7, timeout=A_LITTLE)
        health = session.health(raw)
        assert (health.state, raw.isConnected()) == ("degraded", True)
        assert health.missing == (
            "positions",
            "completed orders",
            "account updates",
            "account updates of account 1",
        )
        assert health.reason.startswith("did not arrive: positions, ")
        assert "DU1234567" not in health.reason
        assert "positions request timed out" in caplog.text
        assert session.failed is None
        await session.registry.of(raw).close()


async def test_what_came_is_not_missing(session, raw):
    """A synchronisation that is complete leaves nothing to be said, and nothing on the object."""
    with Server(answering()) as server:
        await raw.connectAsync(LOOPBACK, server.port, 7, timeout=SOON)
        assert session.health(raw).state == "ready"
        held = session.registry.of(raw)
        await held.close()
        held.unwatch()
        assert "startReq" not in vars(raw.wrapper)


async def test_read_only_asks_for_no_orders(session, raw):
    """What was not asked for is not missing."""
    with Server(answering("orders", "completed")) as server:
        await raw.connectAsync(LOOPBACK, server.port, 7, timeout=SOON, readonly=True)
        assert session.health(raw).missing == ()
        await session.registry.of(raw).close()


async def test_what_the_gateway_said_instead_is_told(raw, library):
    """A refusal that came meanwhile is likely to be why; a farm's state is not."""
    refusal = notice(321, "Error validating request.-'bN' : cause - Read-Only mode.")
    with Server(saying(refusal, servers.FARM_OK)) as server:
        error = await failure_of(raw, server.port, library)
    assert "Meanwhile it sent notice 321" in error.explanation.facts[0]
    with Server(answering("executions")) as server:
        error = await failure_of(raw, server.port, library)
    assert "Meanwhile" not in error.explanation.facts[0]


async def test_a_gateway_without_its_link_has_nothing_to_answer(raw, library):
    """Then that is the cause, and what did not come is told with it."""
    with Server(saying(notice(1100, "lost"))) as server:
        error = await failure_of(raw, server.port, library)
    assert error.verdict == "connectivity-lost"
    assert "request for executions" in error.explanation.facts[0]
    assert "notice 1100" in error.explanation.facts[0]


def closing_at(message_id):
    """Return a gateway that is ready, and closes as soon as something is asked for."""

    def script(client):
        servers.opened(client)
        client.send(servers.ACCOUNTS, NEXT_VALID_ID)
        while not client.messages or client.messages[-1][0] != message_id:
            client.read_message()

    return script


async def test_a_socket_that_is_lost_in_between(session, raw):
    """That is a gateway which closed, and no library that gave up."""
    with Server(closing_at("61")) as server:
        with pytest.raises(ConnectFailed) as caught:
            await raw.connectAsync(LOOPBACK, server.port, 7, timeout=SOON)
        assert caught.value.verdict == "closed-after-start"
        assert session.failed.missing == ()
    assert session.losses == ()


@pytest.mark.parametrize("error", [KeyError("key"), RuntimeError("loop"), OSError("disk")])
async def test_an_error_of_this_side_is_raised_as_it_is(guard, session, module, error):  # noqa: ARG001 - the guard has to act
    """No network is blamed for what code here raises, and nothing stays behind."""

    class Mine(module.IB):
        """A user's own, whose synchronisation is broken."""

        def reqExecutionsAsync(self, *_args):  # noqa: N802 - the library's name
            """Raise."""
            raise error

    ib = Mine()
    with Server(answering()) as server:
        with pytest.raises(type(error)) as caught:
            await ib.connectAsync(LOOPBACK, server.port, 7, timeout=SOON)
        assert caught.value is error
        assert sockets_to(server.port) == 0
    assert session.failed is None


async def test_two_accounts_are_told_apart_by_their_place(session, raw):
    """The one that did not come is named, and its number is not."""

    def script(client):
        servers.opened(client)
        client.send(encode(15, 1, "DU1234567,DU7654321"), NEXT_VALID_ID)
        answers = {"61": encode(62, 1), "5": encode(53, 1), "99": encode(102)}
        while True:
            client.read_message()
            fields = client.messages[-1]
            if fields[0] in answers:
                client.send(answers[fields[0]])
            elif fields[0] == "76" and fields[3] == "DU1234567":
                client.send(encode(74, 1, fields[2]))
            elif fields[0] == "7":
                client.send(encode(55, 1, fields[2]))

    with Server(script) as server:
        await raw.connectAsync(LOOPBACK, server.port, 7, timeout=A_LITTLE)
        assert session.health(raw).missing == ("account updates of account 2",)
        await session.registry.of(raw).close()


async def test_giving_up_waiting_is_no_failure_of_the_library(session, raw):
    """Whoever limits the time himself gets what he gets without ibnb."""
    with Server(answering("executions")) as server:
        with pytest.raises(TimeoutError) as caught:
            await asyncio.wait_for(
                raw.connectAsync(LOOPBACK, server.port, 7, timeout=SOON), A_LITTLE
            )
        assert not isinstance(caught.value, ConnectFailed)
        assert sockets_to(server.port) == 0
    assert session.failed is None


async def test_the_next_that_opens_ends_the_failure(session, raw, library):
    """What failed last is forgotten when something opened, and so is what was missing."""
    with Server(answering("executions")) as server:
        await failure_of(raw, server.port, library)
        server.script = answering()
        await raw.connectAsync(LOOPBACK, server.port, 7, timeout=SOON)
        assert session.failed is None
        health = session.health(raw)
        assert (health.state, health.reason) == ("ready", "")
        await session.registry.of(raw).close()

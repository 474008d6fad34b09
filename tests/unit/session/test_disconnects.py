"""How connections ended: lost, replaced, closed; what is remembered, and what is told of it."""

import asyncio
import gc
import time

import pytest
import servers
from servers import ACCOUNTS, NEXT_VALID_ID, Server, notice

from ibnb.session import ConnectFailed
from ibnb.session.reconnect.disconnects import CLOSED, KEPT, DisconnectLog, Loss
from ibnb.tws.notices import Notice

SOON = 10.0


@pytest.fixture
async def own(guard, gateway, module, session):  # noqa: ARG001 - the guard has to act
    """An `IB` object that the user's own code connected."""
    ib = module.IB()
    await ib.connectAsync("127.0.0.1", gateway.port, 7)
    yield ib
    held = session.registry.of(ib)
    if held is not None:
        await held.close()


async def told(session, ib):
    """Wait until the fate of an `IB` object is known; return it."""
    known = asyncio.Event()
    session.listeners.append(lambda: session.disconnect_reason(ib) and known.set())
    if session.disconnect_reason(ib) is None:
        await asyncio.wait_for(known.wait(), SOON)
    return session.disconnect_reason(ib)


async def test_a_lost_socket_is_a_loss(connect, session, gateway):
    """It has its time, its address, since when it was open, why, and what was heard last."""
    begun = time.time()
    ib = (await connect(gateway.port)).connection.ib
    assert (session.losses, session.disconnect_reason(ib)) == ((), None)
    gateway.drop_clients()
    sentence = await told(session, ib)
    (loss,) = session.losses
    assert loss.address == ("127.0.0.1", gateway.port, 41)
    assert loss.client_id == 41
    assert begun <= loss.opened_at <= loss.time <= time.time()
    assert loss.reason
    assert loss.last_notice == session.journal.latest()
    assert sentence == loss.tell()
    assert sentence.startswith(
        f"The connection of this `ib` to 127.0.0.1:{gateway.port} as client ID 41 was lost at "
    )
    assert "last notice before it was 2158" in sentence


async def test_the_users_own_connection_is_lost(session, gateway, own):
    """A connection of the user's that the guard watches is told of in the same way."""
    gateway.drop_clients()
    assert " as client ID 7 was lost at " in await told(session, own)
    (loss,) = session.losses
    assert loss.address == ("127.0.0.1", gateway.port, 7)
    assert loss.opened_at > 0


async def test_a_rerun_is_no_loss(connect, session, gateway):
    """The old object was replaced, and its fate says by what."""
    old = (await connect(gateway.port)).connection.ib
    fresh = (await connect(gateway.port)).connection.ib
    assert session.losses == ()
    assert session.disconnect_reason(fresh) is None
    assert "it was replaced at " in session.disconnect_reason(old)
    assert session.disconnect_reason(old) == session.health(old).stale


async def test_replacing_after_a_loss(connect, session, gateway):
    """What was lost and then replaced says that it was replaced; the loss is kept."""
    old = (await connect(gateway.port)).connection.ib
    gateway.drop_clients()
    await told(session, old)
    await connect(gateway.port)
    assert "it was replaced at " in session.disconnect_reason(old)
    assert len(session.losses) == 1


async def test_ibdisconnect_is_no_loss(connect, session, gateway):
    """The fate names it."""
    ib = (await connect(gateway.port)).connection.ib
    await session.disconnect()
    assert session.losses == ()
    assert "was closed at " in session.disconnect_reason(ib)
    assert session.disconnect_reason(ib).endswith(" by %ibdisconnect.")


async def test_the_users_own_disconnect_is_no_loss(connect, session, gateway):
    """`ib.disconnect()` in the notebook is what it is, on the session's object."""
    ib = (await connect(gateway.port)).connection.ib
    ib.disconnect()
    assert (await told(session, ib)).endswith(" by the notebook's own code.")
    assert session.losses == ()
    assert session.health().state == "closed"


async def test_disconnecting_ones_own_connection_is_no_loss(session, own):
    """And so it is on an object that the user connected."""
    own.disconnect()
    assert (await told(session, own)).endswith(" by the notebook's own code.")
    assert session.losses == ()


async def test_an_object_that_is_open_again_has_no_fate(session, gateway, own):
    """After a loss and a new connect of the same object, None; a second loss is a second one."""
    gateway.drop_clients()
    first = await told(session, own)
    await own.connectAsync("127.0.0.1", gateway.port, 7)
    assert session.disconnect_reason(own) is None
    gateway.drop_clients()
    await asyncio.wait_for(_lost_twice(session), SOON)
    assert session.disconnect_reason(own) >= first


async def _lost_twice(session):
    lost = asyncio.Event()
    session.listeners.append(lambda: len(session.losses) > 1 and lost.set())
    if len(session.losses) < 2:
        await lost.wait()


async def test_a_failed_opening_is_no_loss(connect, session):
    """Whoever never got ready was not lost."""

    def closing(client):
        servers.opened(client)
        client.send(ACCOUNTS, NEXT_VALID_ID)
        client.read_message()

    with Server(closing) as server, pytest.raises(ConnectFailed):
        await connect(server.port, timeout=SOON)
    assert session.losses == ()


async def test_nothing_is_known_of_other_objects(session, module):
    """An object that never was connected has no fate."""
    assert session.disconnect_reason(module.IB()) is None


async def test_a_notice_of_long_ago_has_nothing_to_do_with_it():
    """The sentence names the last notice only where it came in the minute before."""
    now = time.time()
    recent = Loss(now, ("h", 1, 2), now - 100, CLOSED, Notice(1100, "lost DU1234567", -1, now - 1))
    old = Loss(now, ("h", 1, 2), now - 100, CLOSED, Notice(1100, "lost", -1, now - 99))
    assert "1100" in recent.tell()
    assert "DU1234567" not in recent.tell()
    assert old.tell().endswith(": the other side closed the socket.")


async def test_a_reset_says_so(connect, session):
    """What the operating system says of it is the reason."""

    def resetting(client):
        servers.opened(client)
        client.send(ACCOUNTS, NEXT_VALID_ID, notice(2104, "OK:usfarm"))
        answers = {
            "61": servers.encode(62, 1),
            "5": servers.encode(53, 1),
            "99": servers.encode(102),
            "6": servers.encode(54, 1, "DU1234567"),
        }
        while True:
            client.read_message()
            fields = client.messages[-1]
            if fields[0] == "49":
                client.reset()
                return
            if fields[0] == "76":
                client.send(servers.encode(74, 1, fields[2]))
            elif fields[0] == "7":
                client.send(servers.encode(55, 1, fields[2]))
            elif fields[0] in answers:
                client.send(answers[fields[0]])

    with Server(resetting) as server:
        ib = (await connect(server.port)).connection.ib
        ib.client.reqCurrentTime()
        await told(session, ib)
        (loss,) = session.losses
        assert loss.reason != CLOSED
        await session.disconnect()


async def test_losses_are_bounded_and_keep_no_object(module):
    """The oldest are dropped, and an `ib` that nobody has is not kept for its fate."""
    endings = DisconnectLog()
    ib = module.IB()
    for number in range(KEPT + 3):
        endings.lost(ib, Loss(float(number), ("h", 1, 2), 0.0, CLOSED, None))
    assert [loss.time for loss in endings.losses] == [float(one) for one in range(3, KEPT + 3)]
    kind, before = type(ib), id(ib)
    del ib
    gc.collect()
    assert before not in {id(one) for one in gc.get_objects() if type(one) is kind}

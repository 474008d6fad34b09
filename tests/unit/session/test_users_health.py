"""The health of connections that the user's own code opened: as good as that of the session's."""

import asyncio
import socket
import time

import pytest
from servers import Server, answering, notice, silent

from ibnb.session import ConnectFailed
from ibnb.session.address import address_of
from ibnb.session.reconnect.disconnects import CLOSED
from ibnb.tws.target import Target

LOOPBACK = "127.0.0.1"
SOON = 10.0
BROKEN = "Market data farm connection is broken:eufarm"
BACK = "Market data farm connection is OK:eufarm"


@pytest.fixture
def server():
    """A gateway that answers all that a library synchronises, one client at a time."""
    with Server(answering()) as server:
        yield server


@pytest.fixture
async def own(guard, server, module, session):  # noqa: ARG001 - the guard has to act
    """An `IB` object that the user's own code connected."""
    ib = module.IB()
    await ib.connectAsync(LOOPBACK, server.port, 7)
    yield ib
    held = session.registry.of(ib)
    if held is not None:
        await held.close()


async def becomes(session, ib, condition):
    """Wait until the health of an object fulfils a condition, as listeners learn; return it."""
    changed = asyncio.Event()
    session.listeners.append(changed.set)
    async with asyncio.timeout(SOON):
        while not condition(session.health(ib)):
            changed.clear()
            await changed.wait()
    session.listeners.remove(changed.set)
    return session.health(ib)


def lose(server):
    """End the connection from the gateway's side."""
    server.client().sock.shutdown(socket.SHUT_RDWR)


def in_state(state):
    """Return the condition that a health is in a state."""
    return lambda health: health.state == state


async def test_an_open_connection(session, own, server, library):
    """It has all that the session's has, and says that it is the user's own."""
    health = session.health(own)
    assert (health.state, health.reason, health.missing) == ("ready", "", ())
    assert health.target == Target(LOOPBACK, server.port)
    assert (health.client_id, health.server_version) == (7, 176)
    assert (health.accounts, health.kind) == (("DU1234567",), "paper")
    assert health.library == library
    assert health.by_user
    assert health.orders == "unlocked"
    assert time.time() - SOON < health.opened_at <= health.changed_at <= time.time()
    assert [one.code for one in health.notices] == [2104]
    assert health.link.farms == {"usfarm": "ok"}


@pytest.mark.parametrize("end", [(1101, "back, data lost"), (1102, "back, data kept")])
async def test_a_lost_link_degrades_it_until_it_is_back(session, own, server, end):
    """1100 while no code runs is known at once, and only 1101 or 1102 end it."""
    server.client().send(notice(1100, "lost"), notice(2104, BACK))
    health = await becomes(session, own, in_state("degraded"))
    assert "link to IBKR" in health.reason
    assert health.link.lost_by.code == 1100
    server.client().send(notice(*end))
    health = await becomes(session, own, in_state("ready"))
    assert health.reason == ""
    assert health.notices[-1].code == end[0]


async def test_2110_ends_with_a_farm(session, own, server):
    """No code of its own ends it: a farm that is OK again does."""
    server.client().send(notice(2110, "lost"))
    assert (await becomes(session, own, in_state("degraded"))).link.lost_by.code == 2110
    server.client().send(notice(2104, BACK))
    await becomes(session, own, in_state("ready"))


async def test_a_broken_farm_degrades_it_until_that_farm_is_back(session, own, server):
    """Another farm that is OK says nothing of it, and no word of the gateway is in the reason."""
    server.client().send(notice(2103, BROKEN), notice(2104, "OK:usfarm"))
    health = await becomes(session, own, lambda one: len(one.notices) == 3)
    assert (health.state, health.reason) == ("degraded", "a data farm is broken")
    assert health.link.broken_farms == ("eufarm",)
    server.client().send(notice(2104, BACK))
    await becomes(session, own, in_state("ready"))


async def test_several_troubles_are_all_named(session, own, server):
    """The reason names the link and the farms."""
    server.client().send(notice(2103, BROKEN), notice(2105, "broken:hfarm"), notice(1100, "lost"))
    health = await becomes(session, own, lambda one: one.link.lost_by is not None)
    assert "link to IBKR" in health.reason
    assert "2 data farms are broken" in health.reason


async def test_a_lost_socket(session, own, server):
    """It says that it was lost, when and why, and still where it was connected."""
    server.client().send(notice(1100, "lost"))
    await becomes(session, own, in_state("degraded"))
    begun = time.time()
    lose(server)
    health = await becomes(session, own, in_state("lost"))
    assert health.reason == session.losses[-1].reason == CLOSED
    assert begun <= health.changed_at <= time.time()
    assert (health.target.port, health.client_id) == (server.port, 7)
    assert health.notices[-1].code == 1100
    # The link was that of a connection that is gone.
    assert health.link.lost_by is None


async def test_it_was_closed_by_the_users_own_code(session, own):
    """And so it says, and when."""
    own.disconnect()
    health = await becomes(session, own, lambda one: bool(one.reason))
    assert (health.state, health.reason) == (
        "closed",
        "the notebook's own code closed the connection",
    )
    assert time.time() - SOON < health.changed_at <= time.time()


async def test_it_was_closed_by_a_verb(session, own):
    """`%ibdisconnect` closes it, and is named."""
    await session.disconnect_users(own, "%ibdisconnect closed the connection.")
    health = session.health(own)
    assert (health.state, health.reason) == ("closed", "%ibdisconnect closed the connection")
    assert health.client_id == 7


async def test_it_was_replaced(session, own):
    """What took its place is named, once."""
    held = session.registry.of(own)
    await session.registry.retire(held, (LOOPBACK, 4002, 9), None)
    health = session.health(own)
    assert "as client ID 9" in health.stale
    assert (health.state, health.reason) == ("closed", "")


async def test_an_object_that_connects_again_begins_anew(session, own, server):
    """What its last socket was told of the link does not hold for the next."""
    server.client().send(notice(1100, "lost"))
    await becomes(session, own, in_state("degraded"))
    lose(server)
    await becomes(session, own, in_state("lost"))
    await own.connectAsync(LOOPBACK, server.port, 8)
    health = session.health(own)
    assert (health.state, health.reason, health.client_id) == ("ready", "", 8)
    assert [one.code for one in health.notices] == [2104]


async def test_what_was_lost_and_cannot_be_opened_is_lost_still(session, own, server, refused_port):
    """Why it was lost is told, and since when, and what the last try came to."""
    lose(server)
    lost = await becomes(session, own, in_state("lost"))
    with pytest.raises(ConnectFailed):
        await own.connectAsync(LOOPBACK, refused_port, 7)
    health = session.health(own)
    assert (health.state, health.changed_at) == ("lost", lost.changed_at)
    assert health.reason.startswith(lost.reason)
    assert f":{refused_port} refused the connection" in health.reason


async def test_what_was_lost_and_is_not_waited_for_is_lost_still(session, own, server):
    """A try that somebody gives up changes nothing."""
    lose(server)
    lost = await becomes(session, own, in_state("lost"))
    with Server(silent) as other:
        again = asyncio.ensure_future(own.connectAsync(LOOPBACK, other.port, 7, timeout=SOON))
        await asyncio.to_thread(other.wait_for_greeting)
        assert session.health(own).state == "opening"
        again.cancel()
        with pytest.raises(asyncio.CancelledError):
            await again
    health = session.health(own)
    assert (health.state, health.reason) == ("lost", lost.reason)


async def test_one_that_never_opened(session, guard, module, refused_port):  # noqa: ARG001 - it acts
    """What kept it from opening is its reason."""
    ib = module.IB()
    with pytest.raises(ConnectFailed):
        await ib.connectAsync(LOOPBACK, refused_port, 7)
    health = session.health(ib)
    assert health.state == "closed"
    assert "refused the connection" in health.reason


async def test_each_connection_has_its_own_notices(session, connect, own, server):
    """What one gateway says is not held against the other, on whichever side the session is."""
    with Server(answering()) as other:
        ours = (await connect(other.port)).connection.ib
        server.client().send(notice(1100, "lost"))
        assert (await becomes(session, own, in_state("degraded"))).link.lost_by is not None
        health = session.health(ours)
        assert (health.state, health.link.lost_by) == ("ready", None)
        assert [one.code for one in health.notices] == [2104]
        assert not health.by_user
        other.client().send(notice(2103, BROKEN))
        assert (await becomes(session, ours, in_state("degraded"))).link.broken_farms
        assert session.health(own).link.broken_farms == ()
        await session.disconnect()


async def test_one_that_was_open_before_it_was_watched(session, server, module):
    """Without its opening being known it has what it shows itself, and what is heard from then."""
    ib = module.IB()
    await ib.connectAsync(LOOPBACK, server.port, 7)
    held = session.hold(ib, address_of(LOOPBACK, server.port, 7), None)
    session.registry.add(ib, held)
    assert (session.health(ib).state, session.health(ib).opened_at) == ("ready", None)
    held.watch(lambda: False)
    held.hear()
    health = session.health(ib)
    assert (health.state, health.accounts, health.server_version) == ("ready", ("DU1234567",), 176)
    server.client().send(notice(1100, "lost"))
    await becomes(session, ib, in_state("degraded"))
    lose(server)
    await becomes(session, ib, in_state("lost"))


async def test_one_that_nobody_watches_is_as_it_shows_itself(session, server, module):
    """Ready while it is connected; nothing is known of its link."""
    ib = module.IB()
    assert session.health(ib).state == "closed"
    await ib.connectAsync(LOOPBACK, server.port, 7)
    health = session.health(ib)
    assert (health.state, health.client_id, health.accounts) == ("ready", 7, ("DU1234567",))
    ib.disconnect()


async def test_unwatched_again_it_is_as_it_shows_itself(session, own):
    """When ibnb is unloaded nothing more is heard: what was heard is not held against it."""
    session.registry.of(own).unwatch()
    assert session.health(own).state == "ready"
    own.disconnect()
    assert session.health(own).state == "closed"

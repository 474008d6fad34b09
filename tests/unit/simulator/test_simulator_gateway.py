"""The simulated gateway's life: start, stop, ports, and waiting."""

import asyncio
import socket

import pytest

from ibnb.simulator import PortTakenError, SimulatedGateway


def test_a_port_that_is_taken_is_named():
    """The error is one line that names the port and says what to do."""
    with SimulatedGateway() as first:
        with pytest.raises(PortTakenError) as caught:
            SimulatedGateway(first.port).start()
        assert isinstance(caught.value, OSError)
        text = str(caught.value)
        assert str(first.port) in text
        assert "\n" not in text
        assert "another port" in text


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_cannot_be_is_refused(port):
    """A port out of range is a ValueError before anything is started."""
    with pytest.raises(ValueError, match="out of range"):
        SimulatedGateway(port)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_release_that_cannot_be_is_refused(seconds):
    """A negative release time, or none at all, is a ValueError."""
    with pytest.raises(ValueError, match="release_after"):
        SimulatedGateway(release_after=seconds)


def test_it_can_be_started_twice_but_not_at_once(dial):
    """A second start while it runs is an error; after a stop it serves on the same port again."""
    gateway = SimulatedGateway()
    with gateway:
        port = gateway.port
        with pytest.raises(RuntimeError, match="running already"):
            gateway.start()
        dial(gateway).open(1)
    assert gateway.open_clients == ()
    with gateway:
        assert gateway.port == port
        assert dial(gateway).open(1)
    gateway.stop()


def test_stopping_closes_clients_and_port(dial):
    """A client that is connected sees the close, and the port refuses afterwards."""
    with SimulatedGateway() as gateway:
        client = dial(gateway)
        client.open()
    client.read_all()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gateway.port), timeout=20)


def test_the_accounts_can_be_chosen(dial):
    """All accounts that were given are told, in their order."""
    with SimulatedGateway(accounts=["DU1111111", "DU2222222"]) as gateway:
        assert dial(gateway).open()[1][2] == "DU1111111,DU2222222"


def test_waiting_ends_when_nothing_comes(gateway):
    """A predicate that never holds is given up after the time-out."""
    assert gateway.wait_for(lambda: False, 0.05) is False


def test_a_predicate_may_look_at_everything(gateway, dial):
    """Messages and orders can be used while waiting."""
    dial(gateway).open(3)
    assert gateway.wait_for(lambda: gateway.messages and gateway.orders == (), 20)


async def test_it_works_as_an_async_context_manager():
    """In a coroutine, the loop goes on while the gateway starts, serves and stops."""
    async with SimulatedGateway() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"API\0\0\0\0\x09v157..176")
        assert int.from_bytes(await reader.readexactly(4), "big") > 4
        writer.close()
        await writer.wait_closed()

"""What happens without a word: a restart at night, data that falls silent, another language."""

import socket

import pytest

from ibnb.simulator import FAULTS, UnknownFaultError

STOCK = ("265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")


async def test_a_night_changes_orders(library, gateway, until):
    """The oldest was filled, the newest cancelled, and the one between them is still open."""
    stock = library.Stock("AAPL", "SMART", "USD", conId=265598)
    gateway.set_quote("AAPL", bid=200.0, ask=200.1)
    ib = library.IB()
    await ib.connectAsync("127.0.0.1", gateway.port, 7, timeout=20)
    trades = [
        ib.placeOrder(stock, library.LimitOrder("BUY", 1, price)) for price in (190.0, 191.0, 192.0)
    ]
    await until(lambda: all(one.orderStatus.status == "Submitted" for one in trades))
    gateway.faults(["nightly-restart:0.05"])
    await until(lambda: not ib.isConnected())
    assert [one.status for one in gateway.orders] == ["Filled", "Submitted", "Cancelled"]
    assert [one.orderStatus.status for one in trades] == ["Submitted"] * 3
    again = library.IB()
    while not again.isConnected():
        try:
            await again.connectAsync("127.0.0.1", gateway.port, 7, timeout=1)
        except (OSError, TimeoutError):
            again.disconnect()
    try:
        assert [one.order.lmtPrice for one in again.openTrades()] == [191.0]
        assert [one.execution.price for one in again.fills()] == [190.0]
    finally:
        again.disconnect()


def test_at_night_it_refuses_and_then_logs_in(gateway, dial):
    """Nobody gets in at first; then whoever does is not answered; without the fault it is back."""
    client = dial(gateway)
    client.open()
    gateway.faults(["nightly-restart:3600"])
    client.read_all()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", gateway.port), timeout=20)
    gateway.faults([])
    assert dial(gateway).open()
    gateway.faults(["nightly-restart:1"])
    assert gateway.wait_for(lambda: gateway.is_listening)
    early = dial(gateway)
    early.greet()
    assert early.says_nothing(0.3)
    gateway.faults([])
    assert dial(gateway).open()


def test_a_night_from_the_start_waits_for_a_session(broken, dial):
    """It is ready and well first."""
    client = dial(broken("nightly-restart:0.05"))
    assert client.open()
    client.read_all()


def test_data_falls_silent(broken, dial):
    """A subscription has its first ticks and no others; the session answers as ever."""
    gateway = broken("silent-stream:0")
    client = dial(gateway)
    client.open()
    client.send(1, 11, 7, *STOCK, 0, "", 0, 0, "")
    client.read_until(1)
    gateway.set_quote("AAPL", bid=1.0, ask=1.1)
    client.send(49, 1)
    prices = [float(frame[4]) for frame in client.read_until(49) if frame[0] == "1"]
    assert 1.0 not in prices
    gateway.faults([])
    frame = client.read_until(1)[-1]
    assert float(frame[4]) == 1.0


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("de", "kein Wertpapier gefunden"),
        ("fr", "Aucune définition de titre"),
        ("es", "ninguna definición de valor"),
        ("ja", "銘柄定義が見つかりません"),
    ],
)
async def test_notices_come_in_another_language(library, gateway, connect, language, said):
    """The code is the same, letters beyond ASCII are escaped, and a farm's name stays."""
    gateway.faults([f"language:{language}"])
    ib = await connect()
    told = []
    ib.errorEvent += lambda _req_id, code, text, *_: told.append((code, text))
    assert not await ib.reqContractDetailsAsync(library.Stock("XXX", "SMART", "USD"))
    ((code, text),) = told
    assert code == 200
    assert said in text.encode("ascii").decode("unicode_escape")
    gateway.faults([f"language:{language}", "farm-down:cashfarm"])
    await ib.reqCurrentTimeAsync()
    code, text = told[-1]
    assert (code, text.endswith(":cashfarm")) == (2103, True)
    assert not text.startswith("Market data farm")


def test_a_language_that_is_not_there(gateway):
    """The error names those there are."""
    with pytest.raises(UnknownFaultError, match="names 'it': give one of de, fr, es, ja"):
        gateway.faults(["language:it"])


def test_every_fault_can_be_set_while_it_runs(gateway):
    """As it is listed, each in place of the one before; the gateway serves on in the end."""
    for name in FAULTS:
        assert [one.partition(":")[0] for one in gateway.faults([name])] == [name]
    assert gateway.faults([]) == []
    assert gateway.is_listening

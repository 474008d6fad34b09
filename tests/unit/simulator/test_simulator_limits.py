"""How much a gateway takes before it refuses, as `--strict` or one limit alone has it."""

import asyncio
import contextlib
import threading

import pytest

from ibnb.simulator import FAULTS, UnknownFaultError

STOCK = ("265598", "AAPL", "STK", "", "0.0", "", "", "SMART", "", "USD", "", "")


def notices_until(client, message_id):
    """Return the codes of the notices before an answer of a kind, or the close, with their ids."""
    found = []
    while (frame := client.read()) is not None and frame[0] != str(message_id):
        if frame[0] == "4" and not frame[3].startswith("21"):
            found.append((int(frame[2]), int(frame[3])))
    return found


def subscribe(client, req_id, *, snapshot=0):
    """Ask for market data."""
    client.send(1, 11, req_id, *STOCK, 0, "", snapshot, 0, "")


def history(client, req_id, size="5 secs", what="TRADES", *, end="", keep=0):
    """Ask for bars."""
    client.send(20, req_id, *STOCK, 0, end, size, "60 S", 0, what, 1, keep, "")


def test_too_many_messages_are_dropped_and_then_the_client_is(broken, dial):
    """100 once for each second of excess; the third time the connection is closed."""
    client = dial(broken("message-rate:20"))
    client.open()

    def flood():
        with contextlib.suppress(OSError):
            while True:
                client.send(17, 1)

    flooding = threading.Thread(target=flood)
    flooding.start()
    told = [frame for frame in frames_until_the_end(client) if frame[0] == "4"]
    flooding.join()
    said = [frame[4] for frame in told if frame[3] == "100"]
    assert [text.rpartition(" ")[2] for text in said] == ["(1)", "(2)", "(3)"]


def frames_until_the_end(client):
    """Return all frames up to the close, or the reset if we were still sending."""
    frames = []
    with contextlib.suppress(ConnectionResetError):
        frames.extend(iter(client.read, None))
    return frames


def test_what_is_below_the_rate_is_served(broken, dial):
    """As many as are allowed get their answers, without a word."""
    client = dial(broken("message-rate:50"))
    client.open()
    for req_id in range(50):
        client.send(78, req_id, "AAPL", "", "STK", 265598)
    ends = 0
    while ends < 50:
        assert notices_until(client, 76) == []
        ends += 1


@pytest.mark.parametrize("fault", ["history-pacing", "strict"])
def test_the_same_bars_twice_are_a_pacing_violation(broken, dial, fault):
    """162 within 15 seconds; other bars, and longer ones, are served."""
    client = dial(broken(fault))
    client.open()
    history(client, 1)
    assert notices_until(client, 17) == []
    history(client, 2)
    history(client, 3, what="MIDPOINT")
    assert notices_until(client, 17) == [(2, 162)]
    for req_id in (4, 5):
        history(client, req_id, "1 day")
        assert notices_until(client, 17) == []


def test_six_of_one_contract_at_once_are_a_pacing_violation(broken, dial):
    """The sixth within two seconds, and with bids and offers the third."""
    client = dial(broken("history-pacing"))
    client.open()
    for req_id in range(1, 7):
        history(client, req_id, end=f"20260701 15:3{req_id}:00 UTC")
    for req_id in range(11, 14):
        history(client, req_id, what="BID_ASK", end=f"20260701 15:3{req_id - 10}:00 UTC")
    client.send(49, 1)
    assert notices_until(client, 49) == [(6, 162), (13, 162)]


async def test_a_library_sees_a_pacing_violation(library, gateway, connect):
    """Its request ends without bars, and the error has the code."""
    gateway.faults(["strict"])
    ib = await connect()
    codes = []
    ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
    asked = (library.Stock("AAPL", "SMART", "USD", conId=265598), "", "60 S", "5 secs", "TRADES")
    assert await ib.reqHistoricalDataAsync(*asked, useRTH=False)
    assert not await ib.reqHistoricalDataAsync(*asked, useRTH=False)
    assert 162 in codes


def test_too_many_historical_requests_at_once(broken, dial):
    """322 for each beyond the number; those that are kept up to date count as long as they last."""
    client = dial(broken("history-open:3"))
    client.open()
    history(client, 1, keep=1)
    assert notices_until(client, 17) == []
    for req_id in range(2, 6):
        history(client, req_id)
    found = notices_until(client, 17) + notices_until(client, 17)
    assert found == [(4, 322), (5, 322)]
    client.send(25, 1, 1)
    for req_id in range(6, 9):
        history(client, req_id)
    assert [notices_until(client, 17) for _ in range(3)] == [[], [], []]


def test_a_historical_request_that_is_under_way_can_be_cancelled(broken, dial):
    """It ends with 162 and gives its place back."""
    client = dial(broken("history-open:1"))
    client.open()
    history(client, 1)
    client.send(25, 1, 1)
    history(client, 2)
    assert notices_until(client, 17) == [(1, 162)]


def test_market_data_lines_run_out_for_all_clients(broken, dial):
    """101 beyond the number, until one is given back; a snapshot takes no line."""
    gateway = broken("lines:2")
    first, second = dial(gateway), dial(gateway)
    first.open(1)
    second.open(2)
    subscribe(first, 1)
    first.read_until(1)
    subscribe(second, 2)
    subscribe(second, 3)
    subscribe(second, 4, snapshot=1)
    assert notices_until(second, 57) == [(3, 101)]
    first.send(2, 2, 1)
    assert gateway.wait_for(lambda: gateway.requests("cancelMktData"))
    subscribe(second, 5)
    second.send(49, 1)
    assert notices_until(second, 49) == []


def test_lines_of_ticks_and_of_depth_run_out(broken, dial):
    """10190 for the sixth, and 309 for the fourth."""
    client = dial(broken("lines"))
    client.open()
    for req_id in range(1, 7):
        client.send(97, req_id, *STOCK, "Last", 0, 0)
    for req_id in range(11, 15):
        client.send(10, 5, req_id, *STOCK, 5, 0, "")
    client.send(49, 1)
    assert notices_until(client, 49) == [(6, 10190), (14, 309)]


def test_a_request_id_twice_and_too_many_summaries(broken, dial):
    """322 for each, until the id, or the place, is free again."""
    client = dial(broken("no-duplicates"))
    client.open()
    subscribe(client, 1)
    subscribe(client, 1)
    for req_id in (11, 11, 12, 13):
        client.send(62, 1, req_id, "All", "NetLiquidation")
    client.send(63, 1, 12)
    client.send(62, 1, 14, "All", "NetLiquidation")
    client.send(49, 1)
    assert notices_until(client, 49) == [(1, 322), (11, 322), (13, 322)]


def test_the_clock_is_told_once_in_a_while(broken, dial):
    """What is asked too soon gets no answer at all, and everything else does."""
    client = dial(broken("time-throttled:60"))
    client.open()
    for _ in range(3):
        client.send(49, 1)
    client.send(61, 1)
    assert [frame[0] for frame in client.read_until(62)].count("49") == 1


def test_strict_is_an_option_of_the_command(run_sim, dial):
    """`ibnb sim --strict` keeps the limits."""
    client = dial(run_sim("--strict"))
    client.open()
    history(client, 1)
    history(client, 2)
    assert notices_until(client, 17) == [(2, 162)]


async def test_a_library_connects_to_a_strict_gateway(library, broken):
    """Its opening stays below every limit."""
    ib = library.IB()
    codes = []
    ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
    await ib.connectAsync("127.0.0.1", broken("strict").port, 3, timeout=20)
    try:
        async with asyncio.timeout(20):
            await ib.accountSummaryAsync()
        assert [code for code in codes if not 2100 <= code <= 2160] == []
    finally:
        ib.disconnect()


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "x", ""])
def test_a_limit_is_a_whole_number(gateway, value):
    """Above 0, and the error says how to write it."""
    with pytest.raises(UnknownFaultError, match="with a whole number above 0 as in lines:100"):
        gateway.faults([f"lines:{value}"])
    assert gateway.faults(["lines:7"]) == ["lines:7"]


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("strict", "100 101 162 309 322 10190"),
        ("message-rate", "100"),
        ("history-pacing", "162"),
        ("history-open", "322"),
        ("lines", "101 309 10190"),
        ("no-duplicates", "322"),
    ],
)
def test_a_limit_is_found_by_its_codes(name, codes):
    """Its line in the list names them."""
    assert all(code in FAULTS[name] for code in codes.split())

"""Replaying: what was recorded is told again by request, and what was not is refused at once."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_simulator_nobody_waits import CALLS, SOON

from ibnb.simulator import SimulatedGateway
from ibnb.simulator.recording import BadRecordingError, RecordingGateway, ReplayedGateway

CLOCK = 1_788_000_000


@pytest.fixture
def path(tmp_path):
    """Where recordings are in these tests."""
    return tmp_path / "recording.jsonl"


def write(path, *sessions, version=176):
    """Write a recording by hand: of each session its messages, as (seconds, side, fields)."""
    rows = [{"ibnb recording": 1, "made": "2026-11-27"}]
    for number, told in enumerate(sessions, 1):
        rows.append(
            {"session": number, "version": version, "time": "20261127 12:00:00 CET", "clock": CLOCK}
        )
        begin = [
            (0, "client", [71, 2, 7, ""]),
            (0, "gateway", [15, 1, "DU0000001"]),
            (0, "gateway", [9, 1, 1]),
        ]
        for at, side, fields in [*begin, *told]:
            texts = [str(one) for one in fields]
            rows.append({"session": number, "at": at, "from": side, "fields": texts})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def asked(at, *fields):
    """Return what a client sent."""
    return at, "client", fields


def told(at, *fields):
    """Return what the gateway sent."""
    return at, "gateway", fields


def details(req_id, symbol="AAPL"):
    """Return a request for contract details."""
    return (
        9,
        8,
        req_id,
        0,
        symbol,
        "STK",
        "",
        "",
        "",
        "",
        "SMART",
        "",
        "USD",
        *[""] * 2,
        0,
        "",
        "",
    )


def head_time(req_id, symbol):
    """Return a request for the beginning of a history."""
    return (87, req_id, 0, symbol, "STK", "", "", "", "", "SMART", "", "USD", "", "", 0, 1, "T", 1)


def test_a_request_is_known_by_what_it_asks_and_not_by_its_number_or_place(path, dial):
    """Other numbers, another order: each is told what its like was told, under its new number."""
    write(
        path,
        [
            asked(1, *head_time(11, "AAPL")),
            asked(1, *head_time(12, "MSFT")),
            told(1.01, 88, 12, "19860313-14:30:00"),
            told(1.02, 88, 11, "19801212-14:30:00"),
        ],
    )
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open(44)
        client.send(*head_time(5, "MSFT"))
        assert client.read() == ["88", "5", "19860313-14:30:00"]
        client.send(*head_time(3, "AAPL"))
        assert client.read() == ["88", "3", "19801212-14:30:00"]


def test_the_same_request_again_is_told_the_next_and_then_the_last(path, dial):
    """Two answers were recorded: a third request gets the second one again."""
    write(path, [asked(1, 49, 1), told(1, 49, 1, 100), asked(2, 49, 1), told(2, 49, 1, 200)])
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open()
        client.send(49, 1)
        client.send(49, 1)
        client.send(49, 1)
        assert [client.read()[2] for _ in range(3)] == ["100", "200", "200"]


def test_the_next_connection_is_told_what_the_next_one_was(path, dial):
    """As after a rerun; beyond the last it begins with the first again."""
    write(
        path,
        [asked(1, 49, 1), told(1, 49, 1, 100)],
        [asked(1, 49, 1), told(1, 49, 1, 200), asked(1, *head_time(1, "X")), told(1, 88, 1, "a")],
    )
    with ReplayedGateway(path, fast=True) as gateway:
        found = []
        for number in (1, 2, 3):
            client = dial(gateway)
            client.open(number)
            client.send(49, 1)
            found.append(client.read()[2])
        assert found == ["100", "200", "100"]
        client.send(*head_time(9, "X"))
        assert client.read() == ["88", "9", "a"]


def test_what_was_not_recorded_is_refused_at_once_under_its_number(path, dial):
    """Another parameter is another request; the notice names what was asked."""
    write(path, [asked(1, *head_time(11, "AAPL")), told(1, 88, 11, "x")])
    with ReplayedGateway(path) as gateway:
        client = dial(gateway)
        client.open()
        client.send(*head_time(5, "TSLA"))
        refused = client.read()
        assert refused[:4] == ["4", "2", "5", "90002"]
        assert "reqHeadTimeStamp: " in refused[4]
        assert "TSLA" in refused[4]


def test_an_answer_that_was_not_complete_is_not_recorded(path, dial):
    """The recording ended before the last of them came: nobody waits for the rest."""
    write(path, [asked(1, *details(4)), told(1, 10, 4, "AAPL", "STK")])
    with ReplayedGateway(path) as gateway:
        client = dial(gateway)
        client.open()
        client.send(*details(5))
        assert client.read()[2:4] == ["5", "90002"]


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"reqNewsArticleAsync"}))
async def test_each_call_that_waits_ends_without_a_recorded_answer(library, path, name):
    """A recording of nothing but a connect: no method of the library waits for ever on it."""
    with SimulatedGateway() as gateway, RecordingGateway([("127.0.0.1", gateway.port)], path) as on:
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", on.port, 7, timeout=20)
        ib.disconnect()
    with ReplayedGateway(path) as replayed:
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", replayed.port, 8, timeout=20)
        codes = []
        ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
        try:
            await asyncio.wait_for(CALLS[name](ib, library), SOON)
        except (IndexError, ValueError):
            # The test's own call works on an answer that is empty here.
            assert 90002 in codes
        assert ib.isConnected()
        ib.disconnect()


def test_streams_come_as_fast_as_they_were_recorded(path, dial):
    """The second tick is due much later: it has not come when a later request is answered."""
    write(
        path,
        [
            asked(1, 1, 11, 5, 265598, "x"),
            told(1.0, 2, 6, 5, 0, 100),
            told(500.0, 2, 6, 5, 0, 200),
        ],
    )
    request = (1, 11, 8, 265598, "x")
    with ReplayedGateway(path) as gateway:
        client = dial(gateway)
        client.open()
        client.send(*request)
        assert client.read() == ["2", "6", "8", "0", "100"]
        client.send(49, 1)
        assert client.read()[0] == "49"
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open()
        client.send(*request)
        assert [client.read()[4] for _ in range(2)] == ["100", "200"]


def test_a_cancelled_stream_ends(path, dial):
    """Nothing of it comes after its cancel, and what the cancel was told comes then."""
    write(
        path,
        [
            asked(1, 20, 5, "contract"),
            told(1.0, 17, 5, "bars"),
            told(1.1, 90, 5, "update"),
            asked(2, 25, 1, 5),
            told(2.0, 4, 2, 5, 162, "query cancelled", ""),
        ],
    )
    with ReplayedGateway(path) as gateway:
        client = dial(gateway)
        client.open()
        client.send(20, 8, "contract")
        assert client.read() == ["17", "8", "bars"]
        client.send(25, 1, 8)
        while (frame := client.read())[0] == "90":
            pass
        assert frame[:4] == ["4", "2", "8", "162"]


def place(order_id, limit, reference="", parent=0):
    """Return the fields of placeOrder at server version 176."""
    fields = [3, order_id, 0, "AAPL", "STK", "", "", "", "", "SMART", "", "USD", "", "", "", ""]
    fields += ["BUY", 5, "LMT", limit, "", "", "", "", "O", 0, reference, 1, parent, 0, 0, 0, 0, 0]
    fields += [0, "", 0, *[""] * 6, "", 0, "", -1, 0, "", "", 0, "", "", 0, 0, "", 0, *[""] * 5]
    fields += [
        0,
        "",
        "",
        "",
        "",
        0,
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        "",
        0,
        "",
        "",
        0,
        0,
        "",
        "",
    ]
    fields += [0, "", 0, 0, 0, 0, "", *[""] * 5, 0, *[""] * 8, 0, 0, 0, "", "", "", 0, "", ""]
    return tuple(fields)


def status(order_id, state, client_id=7, parent=0):
    """Return an orderStatus."""
    return 3, order_id, state, 0, 5, 0, 900, parent, 0, client_id, "", 0


def test_orders_have_the_numbers_and_the_client_id_of_this_connection(path, dial):
    """An order's answers name its new ID, its parent's new ID, and the client's own ID."""
    write(
        path,
        [
            asked(1, *place(3, 10.5)),
            told(1, *status(3, "Submitted")),
            asked(2, *place(4, 11, parent=3)),
            told(2, *status(4, "PreSubmitted", parent=3)),
        ],
    )
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open(66)
        client.send(*place(20, 10.5))
        assert client.read()[:3] == ["3", "20", "Submitted"]
        client.send(*place(25, 11, parent=20))
        assert client.read()[3] == "90002", "another distance to the parent is another order"


def test_brackets_keep_their_parents(path, dial):
    """The parent is known by how far its number is from the child's."""
    write(
        path,
        [
            asked(1, *place(3, 10.5)),
            asked(2, *place(4, 11, parent=3)),
            told(2, *status(3, "Submitted")),
            told(2, *status(4, "PreSubmitted", parent=3)),
        ],
    )
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open(66)
        client.send(*place(20, 10.5))
        client.send(*place(21, 11, parent=20))
        found = [client.read() for _ in range(2)]
    assert sorted((one[1], one[2], one[7], one[9]) for one in found) == [
        ("20", "Submitted", "0", "66"),
        ("21", "PreSubmitted", "20", "66"),
    ]


def test_an_order_is_there_once(path, dial):
    """A second one like the first was not recorded: it is refused, and nothing fills twice."""
    write(path, [asked(1, *place(3, 10.5)), told(1, *status(3, "Filled"))])
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open()
        client.send(*place(20, 10.5))
        assert client.read()[2] == "Filled"
        client.send(*place(21, 10.5))
        assert client.read()[2:4] == ["21", "90002"]


def test_what_an_order_brought_about_comes_only_after_it(path, dial):
    """A position that came of an order is not told before the order is placed again, even fast."""
    write(
        path,
        [
            asked(1, 61, 1),
            told(1, 61, 3, "DU0000001", "old"),
            told(1, 62, 1),
            asked(2, *place(3, 10.5)),
            told(2.1, *status(3, "Filled")),
            told(2.2, 61, 3, "DU0000001", "new"),
        ],
    )
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open()
        client.send(61, 1)
        assert [frame[-1] for frame in client.read_until(62)[:-1]] == ["old"]
        client.send(49, 1)
        assert client.read()[0] == "49"
        client.send(*place(8, 10.5))
        assert [client.read()[2] for _ in range(2)] == ["Filled", "DU0000001"]


@pytest.mark.parametrize("fast", [False, True])
def test_what_comes_of_an_order_comes_in_the_recorded_order(path, dial, fast):
    """Statuses, positions and values in turn, though they belong to different requests."""
    write(
        path,
        [
            asked(1, 61, 1),
            told(1, 62, 1),
            asked(1, 6, 2, 1, ""),
            told(1, 54, 1, "DU0000001"),
            asked(2, *place(3, 10.5)),
            told(2.01, *status(3, "Submitted")),
            told(2.01, 61, 3, "DU0000001", "first"),
            told(2.01, 6, 2, "NetLiquidation", 1, "USD", "DU0000001"),
            told(2.01, *status(3, "Filled")),
            told(2.01, 61, 3, "DU0000001", "second"),
        ],
    )
    with ReplayedGateway(path, fast=fast) as gateway:
        client = dial(gateway)
        client.open()
        client.send(6, 2, 1, "")
        client.send(61, 1)
        client.read_until(62)
        client.send(*place(8, 10.5))
        found = [client.read() for _ in range(5)]
    assert [one[0] for one in found] == ["3", "61", "6", "3", "61"]
    assert [one[-1] for one in found if one[0] == "61"] == ["first", "second"]


def test_the_cancel_of_an_order_is_that_order_s(path, dial):
    """Two orders, one cancelled: the cancel of the other was not recorded."""
    write(
        path,
        [
            asked(1, *place(3, 10.5)),
            told(1, *status(3, "Submitted")),
            asked(1, *place(4, 11.5)),
            told(1, *status(4, "Submitted")),
            asked(2, 4, 1, 4, ""),
            told(2, *status(4, "Cancelled")),
            told(2, 4, 2, 4, 202, "Order Canceled - reason:", ""),
        ],
    )
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open()
        client.send(*place(8, 11.5))
        client.send(*place(9, 10.5))
        assert [client.read()[1] for _ in range(2)] == ["8", "9"]
        client.send(4, 1, 9, "")
        assert client.read()[2:4] == ["9", "90002"]
        client.send(4, 1, 8, "")
        assert client.read()[:3] == ["3", "8", "Cancelled"]
        assert client.read()[2:4] == ["8", "202"]


def test_what_is_masked_may_be_anything_and_comes_back(path, dial):
    """A program's own order reference matches the masked one, and is told as the program's own."""
    opened = [5, 3, *[""] * 21, "masked-1", 7]
    write(path, [asked(1, *place(3, 10.5, "masked-1")), told(1, *opened)])
    with ReplayedGateway(path, fast=True) as gateway:
        client = dial(gateway)
        client.open(9)
        client.send(*place(8, 10.5, "my-reference"))
        told_back = client.read()
    assert told_back[1] == "8"
    assert told_back[23:25] == ["my-reference", "9"]


def test_a_range_without_the_recorded_version_is_told_and_closed(path, dial):
    """One line names both, and the connection is closed without a word, as a gateway does."""
    said = []
    with ReplayedGateway(write(path, [], version=178), tell=said.append) as gateway:
        client = dial(gateway)
        client.greet(157, 176)
        assert client.rest() == b""
        other = dial(gateway)
        other.greet(157, 200)
        assert other.read()[0] == "178"
    assert len(said) == 1
    assert "157 to 176" in said[0]
    assert "178" in said[0]
    assert "\n" not in said[0]


def test_a_client_id_is_one_client_s(path, dial):
    """The second client with an ID gets 326, as on a gateway; the ID is free when it is closed."""
    with ReplayedGateway(write(path, [])) as gateway:
        first = dial(gateway)
        first.open(5)
        second = dial(gateway)
        second.greet()
        second.read()
        second.send(71, 2, 5, "")
        assert second.read_all()[0][3] == "326"
        assert dial(gateway).open(6)


def test_the_clock_goes_on_where_the_time_was_not_recorded(path, dial):
    """A heartbeat is answered by the time at which it was recorded, and what has passed since."""
    with ReplayedGateway(write(path, [])) as gateway:
        client = dial(gateway)
        client.open()
        client.send(49, 1)
        (frame,) = client.read_until(49)
        assert CLOCK <= int(frame[2]) < CLOCK + 3600


def test_a_recording_without_a_ready_session_is_of_no_use(path):
    """It says so in one line."""
    path.write_text('{"ibnb recording": 1, "made": "2026-11-27"}\n')
    with pytest.raises(BadRecordingError, match="became ready"):
        ReplayedGateway(path)


FIELD = st.one_of(st.text(max_size=8), st.integers(-1, 300).map(str), st.just("1e400"))
FRAMES = st.lists(
    st.tuples(
        st.floats(0, 10),
        st.sampled_from(["client", "gateway"]),
        st.tuples(st.integers(0, 120), st.lists(FIELD, max_size=60)).map(
            lambda one: [one[0], *one[1]]
        ),
    ),
    max_size=12,
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(FRAMES, st.sampled_from([151, 176, 200]))
def test_whatever_is_in_a_recording_it_is_read_or_refused(path, frames, version):
    """Messages that no gateway sends, too short, too long, with other fields: no other error."""
    frames = [
        (at, side, [str(one).replace("\0", "") for one in fields]) for at, side, fields in frames
    ]
    write(path, frames, version=version)
    assert len(ReplayedGateway(path).scripts) == 1


def positions(ib):
    """Return what is held."""
    return sorted((one.contract.symbol, one.position) for one in ib.positions())


async def work(ib, api):
    """Do what a notebook does, and return what it would print; nothing that is an account."""
    stock = (await ib.qualifyContractsAsync(api.Stock("AAPL", "SMART", "USD")))[0]
    found = [stock, positions(ib)]
    bars = await ib.reqHistoricalDataAsync(stock, "", "2 D", "1 hour", "TRADES", True)
    found.append([(str(bar.date), bar.close) for bar in bars])
    rests = ib.placeOrder(stock, api.LimitOrder("BUY", 5, 10.25, orderRef="my-strategy-9"))
    while rests.orderStatus.status != "Submitted":
        await asyncio.wait_for(rests.statusEvent, SOON)
    ib.cancelOrder(rests.order)
    while rests.orderStatus.status != "Cancelled":
        await asyncio.wait_for(rests.statusEvent, SOON)
    fills = ib.placeOrder(stock, api.MarketOrder("BUY", 5, orderRef="my-strategy-9"))
    while not (fills.fills and fills.fills[0].commissionReport.commission):
        await asyncio.wait_for(fills.commissionReportEvent, SOON)
    while positions(ib) == found[1]:
        await asyncio.wait_for(ib.positionEvent, SOON)
    held = positions(ib)
    found += [rests.order.orderRef, fills.fills[0].execution.orderRef, held]
    found += [[entry.status for entry in trade.log] for trade in (rests, fills)]
    trades = await ib.reqExecutionsAsync()
    found.append([(fill.execution.execId, fill.execution.price) for fill in trades])
    found.append([one.tag for one in await ib.accountSummaryAsync()])
    return [repr(one) for one in found]


@pytest.mark.parametrize("fast", [False, True])
async def test_a_library_sees_the_same_again(library, path, fast):
    """Contracts, bars, orders with their statuses, fills, positions: from the recording alone."""
    with (
        SimulatedGateway(accounts=["DU7654322"]) as gateway,
        RecordingGateway([("127.0.0.1", gateway.port)], path) as on,
    ):
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", on.port, 7, timeout=20)
        expected = await work(ib, library)
        ib.disconnect()
    written = path.read_text()
    assert "DU7654322" not in written
    assert "my-strategy-9" not in written
    with ReplayedGateway(path, fast=fast) as replayed:
        for number in (55, 56):
            ib = library.IB()
            await ib.connectAsync("127.0.0.1", replayed.port, number, timeout=20)
            assert await work(ib, library) == expected
            ib.disconnect()


async def test_all_calls_are_told_the_same_in_another_order(library, path):
    """Every method of the library that waits: recorded one after the other, replayed backwards."""
    expected = {}
    # What a ticker says of itself depends on when the client has looked.
    told_again = sorted(set(CALLS) - {"reqTickersAsync"})

    async def call(ib, name):
        # What is served has no account in it but its values.
        return repr(await asyncio.wait_for(CALLS[name](ib, library), SOON))

    with (
        SimulatedGateway(accounts=["DU0000001"]) as gateway,
        RecordingGateway([("127.0.0.1", gateway.port)], path) as on,
    ):
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", on.port, 7, timeout=20)
        for name in told_again:
            expected[name] = await call(ib, name)
        ib.disconnect()
    with ReplayedGateway(path, fast=True) as replayed:
        ib = library.IB()
        await ib.connectAsync("127.0.0.1", replayed.port, 8, timeout=20)
        codes = []
        ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
        found = {name: await call(ib, name) for name in reversed(told_again)}
        ib.disconnect()
    assert found == expected
    assert 90002 not in codes

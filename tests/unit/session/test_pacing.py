"""Pacing: real requests, counted against the documented limits."""

import importlib

import pytest
import servers
from servers import Server

from ibnb.session.records.journal import Journal
from ibnb.session.records.pacing import pacing

SOON = 10.0
BARS = {
    "endDateTime": "",
    "durationStr": "1800 S",
    "barSizeSetting": "5 secs",
    "whatToShow": "TRADES",
    "useRTH": 1,
    "formatDate": 1,
    "keepUpToDate": False,
    "chartOptions": [],
}


@pytest.fixture
async def module(library):
    """The API library at hand; on a loop, which importing it needs."""
    return importlib.import_module(library)


@pytest.fixture
def journal():
    """An empty journal."""
    return Journal()


@pytest.fixture
async def client(module, journal):
    """A connected client of the library's whose requests are journalled, and not held back."""
    with Server(servers.answering()) as server:
        ib = module.IB()
        await ib.connectAsync(servers.LOOPBACK, server.port, 41, timeout=SOON)
        ib.client.MaxRequests = 0
        journal.requests.attach(ib, 1, 41)
        yield ib.client
        ib.disconnect()


@pytest.fixture
def ask(client, module):
    """Send a request for bars; what differs from the usual one is named."""
    ids = iter(range(1000, 3000))

    def ask(symbol="AAPL", exchange="SMART", **other):
        contract = module.Stock(symbol, exchange, "USD")
        client.reqHistoricalData(next(ids), contract, **(BARS | other))

    return ask


def now(journal):
    """Return the time of the latest request."""
    return journal.requests.all()[-1].time


async def test_nothing_was_requested(journal):
    """Zeros, the limits, and no violation."""
    found = pacing(journal, 1_000_000.0)
    assert (found.messages_last_second, found.messages_peak) == (0, 0)
    assert (found.message_limit, found.historical_limit) == (50, 60)
    assert found.historical_last_ten_minutes == 0
    assert found.violations == ()
    assert found.complete


async def test_messages_of_the_last_second_and_the_peak(journal, client):
    """The last second slides; the peak is the most of any second of the last minute."""
    for _ in range(55):
        client.reqManagedAccts()
    last = journal.requests.sent[-1]
    assert last - journal.requests.sent[0] < 1
    found = pacing(journal, last)
    assert (found.messages_last_second, found.messages_peak) == (55, 55)
    assert found.violations == ("55 messages went out within one second of the last minute.",)
    later = pacing(journal, last + 30)
    assert (later.messages_last_second, later.messages_peak) == (0, 55)
    assert pacing(journal, last + 61).messages_peak == 0


async def test_more_than_sixty_in_ten_minutes(journal, ask):
    """Each counts once, BID_ASK twice, and after ten minutes not at all."""
    for number in range(20):
        ask(f"S{number}")
        ask(f"T{number}", whatToShow="BID_ASK")
    assert pacing(journal, now(journal)).violations == ()
    ask("AAPL")
    found = pacing(journal, now(journal))
    assert found.historical_last_ten_minutes == 61
    assert found.violations == ("61 historical requests count for the last ten minutes.",)
    assert pacing(journal, now(journal) + 601).historical_last_ten_minutes == 0


async def test_the_same_request_again(journal, ask):
    """The second one within 15 seconds is a violation; one with another end is another request."""
    ask()
    ask(endDateTime="20260801 12:00:00")
    assert pacing(journal, now(journal)).identical == ()
    ask()
    (again,) = pacing(journal, now(journal)).identical
    assert again == journal.requests.all()[-1]
    (told,) = pacing(journal, now(journal)).violations
    assert told == (
        "1 historical request (the last for AAPL) went out within 15 seconds of the same one."
    )


async def test_six_for_one_contract_at_once(journal, ask):
    """The sixth within two seconds is one too many; other exchanges and ticks are counted apart."""
    for number in range(5):
        ask(durationStr=f"{100 + number} S")
        ask(exchange="NYSE", durationStr=f"{100 + number} S")
        ask(whatToShow="MIDPOINT", durationStr=f"{100 + number} S")
    assert pacing(journal, now(journal)).same_contract_burst == ()
    ask(durationStr="200 S")
    (sixth,) = pacing(journal, now(journal)).same_contract_burst
    assert sixth.parameters["durationStr"] == "200 S"
    for number in range(3):
        ask("MSFT", whatToShow="BID_ASK", durationStr=f"{100 + number} S")
    assert len(pacing(journal, now(journal)).same_contract_burst) == 2


async def test_long_bars_are_not_limited(journal, ask):
    """The limits hold for bars of up to 30 seconds, and for ticks."""
    for _ in range(70):
        ask(barSizeSetting="1 min")
    found = pacing(journal, now(journal))
    assert found.historical_last_ten_minutes == 0
    assert (found.identical, found.same_contract_burst) == ((), ())


async def test_ticks_are_limited(journal, client, module):
    """Requests for historical ticks count as those for short bars do."""
    contract = module.Stock("AAPL", "SMART", "USD")
    for number in (1, 2):
        client.reqHistoricalTicks(
            number, contract, "20260801 12:00:00", "", 1000, "BID_ASK", 1, False, []
        )
    found = pacing(journal, now(journal))
    assert found.historical_last_ten_minutes == 4
    assert len(found.identical) == 1

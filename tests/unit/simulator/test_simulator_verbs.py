"""What is done to a gateway while it runs, and what the API libraries see of it."""

import pytest

from ibnb.simulator import SimulatedGateway, UnknownFaultError, UnknownRequestError, VerbError
from ibnb.simulator.answers import KNOWN_REQUESTS
from ibnb.simulator.requests import NAMES, read_request


def spy(library):
    """Return the stock that the tests are about."""
    return library.Stock("AAPL", "SMART", "USD", conId=265598)


def codes_of(ib):
    """Return the codes of the notices that a library reports from now on."""
    codes = []
    ib.errorEvent += lambda _req_id, code, *_: codes.append(code)
    return codes


async def test_a_quote_that_is_set_holds_everywhere(library, gateway, connect, until):
    """Ticks, bars and the next fill have it; the price goes on by itself when it is let go."""
    ib = await connect()
    ticker = ib.reqMktData(spy(library))
    await until(lambda: ticker.bid > 0)
    shown = gateway.set_quote("AAPL", bid=300.10, ask=300.20, ask_size=5000)
    assert (shown["bid"], shown["ask"], shown["last"]) == (300.1, 300.2, 300.15)
    await until(lambda: (ticker.bid, ticker.ask, ticker.last) == (300.1, 300.2, 300.15))
    trade = ib.placeOrder(spy(library), library.MarketOrder("BUY", 10))
    await until(trade.isDone)
    assert trade.orderStatus.avgFillPrice == 300.2
    close = None
    # The second in which it was set has to be over.
    while close != 300.15:
        bars = await ib.reqHistoricalDataAsync(spy(library), "", "60 S", "1 secs", "TRADES", False)
        close = bars[-1].close
    released = gateway.set_quote("AAPL")
    assert not released["held"]
    assert released["last"] != 300.15


async def test_an_order_fills_when_a_quote_is_set_through_its_limit(
    library, gateway, connect, until
):
    """A resting order meets the quote that is set, without any waiting for the market."""
    ib = await connect()
    gateway.set_quote("AAPL", bid=200.0, ask=200.1)
    trade = ib.placeOrder(spy(library), library.LimitOrder("BUY", 5, 190.0))
    await until(lambda: trade.orderStatus.status == "Submitted")
    gateway.set_quote("AAPL", bid=189.9, ask=190.0)
    await until(trade.isDone)
    assert (trade.orderStatus.status, trade.orderStatus.avgFillPrice) == ("Filled", 190.0)


async def test_an_option_follows_a_quote_of_its_underlying(gateway):
    """Its price is one of the price that was set."""
    deep = {"symbol": "AAPL", "secType": "OPT", "right": "C", "strike": 150.0, "currency": "USD"}
    expiry = f"{gateway._state.world.expirations(gateway._state.world.by_con_id(265598))[4]}"
    option = {**deep, "lastTradeDateOrContractMonth": expiry}
    gateway.set_quote("AAPL", last=200.0)
    before = gateway.set_quote(option)["last"]
    gateway.set_quote("AAPL", last=300.0)
    assert gateway.set_quote(option)["last"] > before + 50


def test_two_gateways_of_one_seed_do_not_share_a_quote(gateway):
    """What is set in one is not seen in the other, which has the same prices otherwise."""
    with SimulatedGateway() as other:
        assert gateway.set_quote("MSFT", last=321.0)["last"] == 321.0
        assert other.set_quote("MSFT")["last"] != 321.0


async def test_an_instrument_that_is_added_can_be_traded(library, gateway, connect, until):
    """Its details, its price and its orders are as of any other."""
    added = gateway.add_instrument("WIDGET7", 50.0, name="Widgets Inc")
    gateway.set_quote(added["con_id"], bid=50.0, ask=50.02)
    ib = await connect()
    (details,) = await ib.reqContractDetailsAsync(library.Stock("WIDGET7", "SMART", "USD"))
    assert (details.longName, details.contract.conId) == ("Widgets Inc", added["con_id"])
    trade = ib.placeOrder(details.contract, library.MarketOrder("BUY", 3))
    await until(trade.isDone)
    assert trade.orderStatus.avgFillPrice == 50.02


async def test_an_order_is_filled_by_hand(library, gateway, connect, until):
    """In parts and at any price, whatever the market is; its client is told of each."""
    ib = await connect()
    gateway.set_quote("AAPL", bid=200.0, ask=200.1)
    trade = ib.placeOrder(spy(library), library.LimitOrder("BUY", 10, 190.0))
    await until(lambda: trade.orderStatus.status == "Submitted")
    done = gateway.fill(trade.order.orderId, shares=4, price=189.5)
    assert (done["status"], done["remaining"]) == ("Submitted", 6.0)
    await until(lambda: trade.orderStatus.filled == 4)
    gateway.fill(trade.order.orderId)
    await until(trade.isDone)
    assert [fill.execution.price for fill in trade.fills] == [189.5, 190.0]
    with pytest.raises(VerbError, match="no open order has the ID 99: open orders are none"):
        gateway.fill(99)


async def test_the_next_order_is_rejected_and_the_one_after_is_not(
    library, gateway, connect, until
):
    """With 201 and the reason, once."""
    ib = await connect()
    codes = codes_of(ib)
    gateway.set_quote("AAPL", bid=200.0, ask=200.1)
    assert gateway.reject_next("No shorts today") == 1
    first = ib.placeOrder(spy(library), library.LimitOrder("BUY", 1, 190.0))
    await until(first.isDone)
    assert codes == [201]
    assert "No shorts today" in first.log[-1].message
    second = ib.placeOrder(spy(library), library.LimitOrder("BUY", 1, 190.0))
    await until(lambda: second.orderStatus.status == "Submitted")


async def test_orders_are_cancelled_by_hand(library, gateway, connect, until):
    """As an exchange does it: cancelled, and 202 for each."""
    ib = await connect()
    codes = codes_of(ib)
    gateway.set_quote("AAPL", bid=200.0, ask=200.1)
    trades = [
        ib.placeOrder(spy(library), library.LimitOrder("BUY", 1, price)) for price in (190.0, 191.0)
    ]
    await until(lambda: all(one.orderStatus.status == "Submitted" for one in trades))
    assert [one["status"] for one in gateway.cancel()] == ["Cancelled", "Cancelled"]
    await until(lambda: all(one.isDone() for one in trades) and codes == [202, 202])


async def test_positions_and_cash_are_set(gateway, connect, until):
    """Whoever is subscribed is told at once; both can be read again."""
    ib = await connect()
    gateway.positions("MSFT", size=-7, price=400.0)
    await until(lambda: any(one.position == -7 for one in ib.positions()))
    assert [one["size"] for one in gateway.positions("MSFT")] == [-7]
    gateway.positions("AAPL", size=0)
    assert gateway.positions("AAPL") == []
    assert gateway.cash(1234.5, "EUR") == {"DU1234567": {"EUR": 1234.5, "USD": 1_000_000.0}}
    tags = ("CashBalance", "EUR", "1234.50")
    await until(
        lambda: any((one.tag, one.currency, one.value) == tags for one in ib.accountValues())
    )


async def test_accounts_are_set_for_sessions_to_come(gateway, connect):
    """A session that opens afterwards has them."""
    assert gateway.accounts() == ["DU1234567"]
    gateway.accounts(["DU1", "DU2"])
    ib = await connect(account="DU1")
    assert ib.managedAccounts() == ["DU1", "DU2"]
    with pytest.raises(VerbError, match="letters and digits"):
        gateway.accounts(["DU1,DU2"])


@pytest.mark.parametrize("accounts", ["DU1", ["DU1"], ("DU1",)])
def test_one_account_or_one_fault_is_itself(accounts):
    """A text is one name, and not its letters; what cannot be a name is refused from the start."""
    gateway = SimulatedGateway(accounts=accounts, faults="slow:2", strict=True)
    assert gateway.accounts() == ["DU1"]
    assert gateway.faults() == ["slow:2", "strict"]
    with pytest.raises(VerbError, match="letters and digits"):
        SimulatedGateway(accounts=["DU1", "DU 2"])


async def test_the_clock_is_set(library, gateway, connect):
    """The gateway's time is the one that was set, and goes on; subscriptions survive the jump."""
    ib = await connect()
    ib.reqMktData(spy(library))
    ib.reqRealTimeBars(spy(library), 5, "TRADES", useRTH=False)
    assert gateway.clock("2026-07-01T15:30:00").startswith("2026-07-01T15:30:0")
    assert f"{await ib.reqCurrentTimeAsync():%Y-%m-%d %H:%M}" == "2026-07-01 15:30"
    with pytest.raises(VerbError, match="clock 'noon': write a time, a zone"):
        gateway.clock("noon")


async def test_another_seed_is_another_world(gateway, dial):
    """Everybody is disconnected; the prices are those of the seed, and reset goes back."""
    client = dial(gateway)
    client.open()
    gateway.clock("2026-07-01T15:30:00")
    before = gateway.set_quote("AAPL")["last"]
    assert gateway.seed() == 1
    assert gateway.seed(7) == 7
    client.read_all()
    gateway.clock("2026-07-01T15:30:00")
    assert gateway.set_quote("AAPL")["last"] != before
    gateway.reset()
    assert gateway.seed() == 1


async def test_a_request_is_refused_by_name_and_parameter(library, gateway, connect):
    """Those that have the parameters get the notice; all others are served."""
    gateway.on("reqContractDetails", symbol="AAPL", code=200, text="not today")
    ib = await connect()
    codes = codes_of(ib)
    assert await ib.reqContractDetailsAsync(library.Stock("AAPL", "SMART", "USD")) == []
    assert codes == [200]
    assert len(await ib.reqContractDetailsAsync(library.Stock("MSFT", "SMART", "USD"))) == 1
    gateway.on("reqContractDetails", symbol="AAPL", times=0)
    assert len(await ib.reqContractDetailsAsync(library.Stock("AAPL", "SMART", "USD"))) == 1


async def test_a_request_is_answered_by_given_messages(library, gateway, connect):
    """What was ordered is sent as it is, under the request's own id, as often as it was said."""
    gateway.on("reqHeadTimeStamp", reply=[[88, "{reqId}", "19990101-00:00:00"]], times=1)
    ib = await connect()
    asked = (spy(library), "TRADES", False, 1)
    assert (await ib.reqHeadTimeStampAsync(*asked)).year == 1999
    assert (await ib.reqHeadTimeStampAsync(*asked)).year != 1999


def test_a_request_closes_the_connection_or_is_never_answered(gateway, dial):
    """What was ordered for one name leaves all others as they are."""
    gateway.on("reqCurrentTime", silent=True)
    gateway.on("reqPositions", close=True)
    client = dial(gateway)
    client.open()
    client.send(49, 1)
    client.send(17, 1)
    assert client.read_until(15)[-1][0] == "15"
    client.send(61, 1)
    assert "49" not in [frame[0] for frame in client.read_all()]


def test_an_answer_comes_later(gateway, dial):
    """What was asked after it is answered before it."""
    gateway.on("reqCurrentTime", delay=0.2)
    client = dial(gateway)
    client.open()
    client.send(49, 1)
    client.send(17, 1)
    kinds = [frame[0] for frame in client.read_until(49)]
    assert kinds.index("15") < kinds.index("49")


async def test_what_was_heard_is_found_by_name_and_parameter(library, gateway, connect, until):
    """Under the names of the API, orders too, of every client."""
    ib = await connect(client_id=5)
    ib.reqMktData(spy(library), "233")
    ib.placeOrder(spy(library), library.LimitOrder("BUY", 3, 150.0))
    await until(lambda: gateway.requests("placeOrder"))
    (order,) = gateway.requests("placeOrder", symbol="AAPL", totalQuantity=3, lmtPrice=150)
    assert (order.client_id, order.parameters["action"]) == (5, "BUY")
    (data,) = gateway.requests("reqMktData", genericTickList="233", conId=265598)
    assert data.req_id > 0
    assert gateway.requests("reqMktData", symbol="MSFT") == []
    assert gateway.requests()[0].name == "startApi"
    with pytest.raises(UnknownRequestError, match="did you mean reqMktData"):
        gateway.requests("reqMktDate")
    with pytest.raises(UnknownRequestError, match="no parameter 'ticker': give one of reqId"):
        gateway.requests("reqMktData", ticker="AAPL")


def test_every_request_that_a_gateway_knows_has_a_name():
    """Whatever is heard can be asked for."""
    assert set(NAMES) >= KNOWN_REQUESTS


@pytest.mark.parametrize(
    ("fields", "version", "said"),
    [
        (("4", "1", "7"), 178, "cancelOrder(orderId=7)"),
        (("4", "7", "", "", ""), 192, "cancelOrder(orderId=7)"),
        (("58", "1"), 178, "reqGlobalCancel()"),
        (("23", "1", "5"), 178, "cancelScannerSubscription(reqId=5)"),
        (("81", "5"), 178, "reqMatchingSymbols(reqId=5)"),
        (("3", "5", "x"), 178, "placeOrder(orderId=5)"),
        (("777", "5"), 178, "message 777()"),
        ((), 178, "message -1()"),
    ],
)
def test_a_request_is_read_by_its_version(fields, version, said):
    """What is missing is not there, and what cannot be read has what comes before it."""
    assert str(read_request(1, fields, version)) == said


def test_notices_and_closes_reach_whom_they_are_for(gateway, dial):
    """One client alone, or everybody."""
    first, second = dial(gateway), dial(gateway)
    first.open(1)
    second.open(2)
    assert gateway.notice(2104, "hello", client_id=2) == 1
    gateway.drop(1)
    first.read_all()
    assert gateway.wait_for(lambda: gateway.open_clients == (2,))
    assert ["4", "2", "-1", "2104", "hello", ""] in second.read_until(4)[-1:] + [
        second.read() for _ in range(5)
    ]


def test_a_restart_keeps_orders_and_a_reset_does_not(gateway, dial):
    """Both close all connections; a restart is over after its seconds, a reset at once."""
    client = dial(gateway)
    client.open()
    gateway.positions("MSFT", size=1)
    gateway.restart(0.1)
    client.read_all()
    assert gateway.wait_for(lambda: gateway.is_listening)
    assert gateway.positions("MSFT")[0]["size"] == 1
    gateway.on("reqIds", silent=True)
    gateway.faults(["slow:0"])
    client = dial(gateway)
    client.open()
    gateway.reset()
    client.read_all()
    assert gateway.positions("MSFT")[0]["size"] == 50
    assert (gateway.requests(), gateway.faults()) == ([], [])
    client = dial(gateway)
    client.open()
    client.send(8, 1, 1)
    assert client.read_until(9)


def test_faults_are_read_and_replaced(gateway):
    """As they are written; what does not exist changes nothing."""
    assert gateway.faults(["slow:0.5", "farms-down"]) == ["slow:0.5", "farms-down"]
    with pytest.raises(UnknownFaultError):
        gateway.faults(["fire"])
    assert gateway.faults() == ["slow:0.5", "farms-down"]
    assert gateway.faults([]) == []


@pytest.mark.parametrize(
    ("verb", "given", "said"),
    [
        ("set_quote", {"contract": "AAPL", "bid": 2.0, "ask": 1.0}, "bid 2 is above ask 1"),
        ("set_quote", {"contract": "AAPL", "bid": 1.005}, "give 1 or 1.01"),
        ("set_quote", {"contract": "not one", "bid": 1.0}, "there is no instrument 'not one'"),
        ("set_quote", {"contract": {"ticker": "A"}}, "a contract has no field 'ticker'"),
        ("set_quote", {"contract": {"symbol": "ES", "secType": "FUT"}}, "may be 4 instruments"),
        ("add_instrument", {"symbol": "A", "price": 1.0, "sec_type": "X"}, "sec_type 'X'"),
        ("positions", {"contract": "AAPL", "size": 1.0, "account": "U9"}, "no account 'U9'"),
        ("cash", {"amount": 1.0, "currency": "usd"}, "write it in capitals"),
        ("on", {"request": "reqIds"}, "how is reqIds answered"),
        ("reject_next", {"times": -1}, "give 0 or more"),
        ("restart", {"seconds": -1.0}, "give 0 or more"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_line(gateway, verb, given, said):
    """What is wrong and what to give instead; nothing has changed."""
    with pytest.raises(VerbError, match=said) as raised:
        getattr(gateway, verb)(**given)
    assert "\n" not in str(raised.value)
    assert gateway.requests() == []

"""The current official client on the simulated gateway, at every server version that is served.

It installs itself over the older ibapi that other tests need, so no environment has it. How to run
this file with it stands in CONTRIBUTING.
"""

import logging

import pytest

pytest.importorskip("ibapi.protobuf", reason="needs the current official client, ibapi-latest")

from ibapi import client as ibapi_client
from ibapi.execution import ExecutionFilter
from ibapi.order_cancel import OrderCancel
from official import App, connected, contract, order

CALLBACKS = (
    *("nextValidId", "managedAccounts", "error", "contractDetails", "contractDetailsEnd"),
    *("bondContractDetails", "position", "positionEnd", "openOrder", "openOrderEnd"),
    *("orderStatus", "execDetails", "execDetailsEnd", "commissionAndFeesReport"),
    *("completedOrder", "completedOrdersEnd", "tickPrice", "tickSnapshotEnd"),
    *("historicalData", "historicalDataEnd", "updateAccountValue", "updatePortfolio"),
    *("accountDownloadEnd", "accountSummary", "accountSummaryEnd", "currentTime"),
    *("currentTimeInMillis", "symbolSamples"),
)


@pytest.fixture(params=range(151, 201))
def version(request):
    """Each server version."""
    return request.param


@pytest.fixture
def app(version, gateway, monkeypatch, caplog):
    """The official client, connected at this version, with its messages read in a thread."""
    with connected(App(CALLBACKS), gateway.port, version, monkeypatch, caplog) as app:
        yield app


def test_a_session_is_read(app, version):
    """Handshake, accounts, notices and the clock."""
    calls = app.wait("nextValidId")
    assert ("managedAccounts", "DU1234567") in calls
    assert calls[-1] == ("nextValidId", 1)
    (_, req_id, time, code, text, _) = app.wait("error")[-1]
    assert (req_id, code) == (-1, 2104)
    assert text.endswith("usfarm")
    assert (time > 1_700_000_000_000) == (version >= 194)
    app.reqCurrentTime()
    app.wait("currentTime")
    if version >= 197:
        app.reqCurrentTimeInMillis()
        assert app.wait("currentTimeInMillis")[-1][1] > 1_700_000_000_000
    app.reqAccountUpdates(True, "")
    updates = app.wait("accountDownloadEnd")
    assert {"updateAccountValue", "updatePortfolio"} <= {call[0] for call in updates}


def test_contracts_and_bars_are_read(app, version):
    """A stock, a future, a bond; historical bars and their end; an unknown symbol."""
    app.reqContractDetails(1, contract())
    (_, req_id, details) = app.wait("contractDetails")[-1]
    assert (req_id, details.contract.conId, details.longName) == (1, 265598, "APPLE INC")
    assert details.stockType == ("COMMON" if version >= 152 else "")
    app.wait("contractDetailsEnd")
    app.reqContractDetails(2, contract("ES", "CONTFUT", "CME"))
    details = app.wait("contractDetails")[-1][2]
    assert details.contract.lastTradeDateOrContractMonth == details.realExpirationDate
    if version >= 182:
        assert details.contract.lastTradeDate == details.realExpirationDate
    app.wait("contractDetailsEnd")
    app.reqContractDetails(3, contract("US-T", "BOND"))
    details = app.wait("bondContractDetails")[-1][2]
    assert details.marketRuleIds
    assert bool(details.tradingHours) == (version >= 188)
    app.wait("contractDetailsEnd")
    app.reqContractDetails(4, contract("NOSUCH"))
    while (found := app.wait("error")[-1])[1] != 4:
        pass
    assert found[3] == 200
    app.reqHistoricalData(5, contract(), "", "5 D", "1 day", "TRADES", 1, 1, False, [])
    calls = app.wait("historicalDataEnd")
    bars = [call[2] for call in calls if call[0] == "historicalData"]
    assert 3 <= len(bars) <= 5
    assert all(bar.low <= bar.close <= bar.high for bar in bars)
    assert calls[-1][1] == 5
    assert " " in calls[-1][2]


def test_orders_are_written_and_read(app, version):
    """A limit order is told with all that was sent, cancelled, completed; a fill is told."""
    sent = order("LMT", 5, 10.25)
    sent.extOperator = "OP-1" if version >= 193 else ""
    sent.customerAccount = "C-7" if version >= 183 else ""
    sent.professionalCustomer = version >= 184
    sent.includeOvernight = version >= 189
    sent.imbalanceOnly = version >= 199
    app.placeOrder(1, contract(), sent)
    told = [app.wait("orderStatus")[-1][1:3] for _ in range(2)]
    assert told == [(1, "PreSubmitted"), (1, "Submitted")]
    app.reqOpenOrders()
    (opened,) = [call for call in app.wait("openOrderEnd") if call[0] == "openOrder"]
    back = opened[3]
    assert (opened[1], back.lmtPrice, opened[4].status) == (1, 10.25, "Submitted")
    for name in (
        *("extOperator", "customerAccount", "professionalCustomer", "includeOvernight"),
        "imbalanceOnly",
    ):
        assert getattr(back, name) == getattr(sent, name), name
    app.cancelOrder(1, OrderCancel())
    while app.wait("orderStatus")[-1][2] != "Cancelled":
        pass
    app.placeOrder(2, contract(), order("MKT", 5))
    report = app.wait("commissionAndFeesReport")[-1][1]
    assert report.commissionAndFees == 1.0
    app.reqExecutions(4, ExecutionFilter())
    (fill,) = [call for call in app.wait("execDetailsEnd") if call[0] == "execDetails"]
    assert (fill[1], fill[3].shares, fill[3].side) == (4, 5, "BOT")
    app.reqCompletedOrders(False)
    done = [call for call in app.wait("completedOrdersEnd") if call[0] == "completedOrder"]
    assert {call[3].status for call in done} == {"Filled", "Cancelled"}
    preview = order("LMT", 5, 10.25)
    preview.whatIf = True
    app.placeOrder(3, contract(), preview)
    state = app.wait("openOrder")[-1][4]
    assert float(state.initMarginAfter) > float(state.initMarginBefore) >= 0
    assert state.commissionAndFeesCurrency == "USD"
    if version >= 195:
        assert state.marginCurrency == "USD"


def test_a_range_above_what_is_served_is_closed(gateway, monkeypatch, caplog):
    """A client that begins at 201 is closed in its handshake."""
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr(ibapi_client, "MIN_CLIENT_VER", 201)
    app = App(CALLBACKS)
    app.connect("127.0.0.1", gateway.port, 9)
    assert not app.isConnected()
    assert not gateway.open_clients

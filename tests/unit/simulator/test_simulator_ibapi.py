"""The official API library on the simulated gateway."""

import pytest

pytest.importorskip("ibapi", reason="the official library is not installed")

from ibapi import server_versions
from ibapi.execution import ExecutionFilter
from official import App, connected, contract, order

CALLBACKS = (
    "nextValidId",
    "managedAccounts",
    "error",
    "contractDetails",
    "contractDetailsEnd",
    "position",
    "positionEnd",
    "openOrder",
    "openOrderEnd",
    "orderStatus",
    "execDetails",
    "execDetailsEnd",
    "commissionReport",
    "completedOrder",
    "completedOrdersEnd",
    "tickPrice",
    "tickSize",
    "tickSnapshotEnd",
    "historicalData",
    "historicalDataEnd",
    "updateAccountValue",
    "updatePortfolio",
    "accountDownloadEnd",
    "accountSummaryEnd",
    "currentTime",
)


@pytest.fixture(params=[151, 157])
def app(request, gateway, monkeypatch, caplog):
    """The official client, connected, with its messages read in a thread; 157 is its highest."""
    assert request.param <= server_versions.MAX_CLIENT_VER
    with connected(App(CALLBACKS), gateway.port, request.param, monkeypatch, caplog) as app:
        yield app


def test_a_session_becomes_ready(app):
    """The accounts and the next order ID arrive, and the farms as errors that are none."""
    calls = app.wait("nextValidId")
    assert ("managedAccounts", "DU1234567") in calls
    assert calls[-1] == ("nextValidId", 1)
    assert app.wait("error")[-1][1:3] == (-1, 2104)


def test_contract_details_are_read(app):
    """A stock and a future are described; an unknown symbol is notice 200."""
    app.reqContractDetails(1, contract())
    (_, req_id, details) = app.wait("contractDetails")[-1]
    assert (req_id, details.contract.conId, details.longName) == (1, 265598, "APPLE INC")
    app.wait("contractDetailsEnd")
    future = contract("ES")
    future.secType, future.exchange = "CONTFUT", "CME"
    app.reqContractDetails(2, future)
    details = app.wait("contractDetails")[-1][2]
    assert details.contract.lastTradeDateOrContractMonth == details.realExpirationDate
    app.wait("contractDetailsEnd")
    app.reqContractDetails(3, contract("NOSUCH"))
    while (found := app.wait("error")[-1])[1] != 3:
        pass
    assert found[2] == 200


def test_orders_positions_and_accounts_are_read(app):
    """A resting and a filled order, positions, executions and account updates all decode."""
    app.placeOrder(1, contract(), order("LMT", 5, 10.25))
    told = [app.wait("orderStatus")[-1][1:3] for _ in range(2)]
    assert told == [(1, "PreSubmitted"), (1, "Submitted")]
    app.placeOrder(2, contract(), order("MKT", 5))
    report = app.wait("commissionReport")[-1][1]
    assert report.commission == 1.0
    app.reqPositions()
    held = {call[2].symbol: call[3] for call in app.wait("positionEnd") if call[0] == "position"}
    assert held == {"AAPL": 105, "MSFT": 50}
    app.reqOpenOrders()
    (opened,) = [call for call in app.wait("openOrderEnd") if call[0] == "openOrder"]
    assert (opened[1], opened[3].lmtPrice, opened[4].status) == (1, 10.25, "Submitted")
    app.cancelOrder(1)
    while app.wait("orderStatus")[-1][2] != "Cancelled":
        pass
    app.reqCompletedOrders(False)
    done = [call for call in app.wait("completedOrdersEnd") if call[0] == "completedOrder"]
    assert {call[3].status for call in done} == {"Filled", "Cancelled"}
    app.reqExecutions(4, ExecutionFilter())
    (fill,) = [call for call in app.wait("execDetailsEnd") if call[0] == "execDetails"]
    assert (fill[1], fill[3].shares, fill[3].side) == (4, 5, "BOT")
    app.reqAccountUpdates(True, "")
    updates = app.wait("accountDownloadEnd")
    assert {"updateAccountValue", "updatePortfolio"} <= {call[0] for call in updates}


def test_market_data_and_bars_are_read(app):
    """A snapshot, historical bars and the time all decode."""
    app.reqMktData(1, contract(), "", True, False, [])
    kinds = {call[2] for call in app.wait("tickSnapshotEnd") if call[0] == "tickPrice"}
    assert {1, 2, 4} <= kinds
    app.reqHistoricalData(2, contract(), "", "5 D", "1 day", "TRADES", 1, 1, False, [])
    bars = [call for call in app.wait("historicalDataEnd") if call[0] == "historicalData"]
    assert 3 <= len(bars) <= 5
    app.reqCurrentTime()
    app.wait("currentTime")

"""A notebook that records and then runs without a gateway; gateways that ibnb did not write."""

from __future__ import annotations

import asyncio
import json

import pytest
from bare_gateway import BareGateway
from kernels import Notebook
from streaming_gateway import StreamingGateway

from ibnb.simulator.recording import RecordingGateway, ReplayedGateway

SOON = 30.0
CELLS = [
    "from {library} import Stock, LimitOrder, util",
    "aapl = Stock('AAPL', 'SMART', 'USD')\nib.qualifyContracts(aapl)",
    "sorted((one.contract.symbol, one.position) for one in ib.positions())",
    "[one.contract.conId for one in ib.reqContractDetails(aapl)]",
    """bars = ib.reqHistoricalData(aapl, '', '2 D', '1 hour', 'TRADES', True)
[(bar.date.isoformat(), bar.close) for bar in bars]""",
    """trade = ib.placeOrder(aapl, LimitOrder('BUY', 5, 10.25, orderRef='my-strategy-9'))
while trade.orderStatus.status != 'Submitted': ib.waitOnUpdate(1)
[entry.status for entry in trade.log], trade.order.orderRef""",
    """ib.cancelOrder(trade.order)
while trade.orderStatus.status != 'Cancelled': ib.waitOnUpdate(1)
[entry.status for entry in trade.log]""",
    "ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))",
    "[one.tag for one in ib.accountSummary()]",
]


def outputs(notebook, library):
    """Run the cells, and return what each shows as its value and its cards."""
    runs = [notebook.run(cell.replace("{library}", library)) for cell in CELLS]
    assert [run.error for run in runs if run.status != "ok"] == []
    return [run.result and run.result["text/plain"] for run in runs]


def test_a_notebook_runs_without_a_gateway_as_it_did_with_one(tmp_path, gateway, library):
    """`%ibrecord`, then `%ibreplay` in its place: each cell has the same value."""
    recording = Notebook(tmp_path, IBNB_TARGET=gateway.address)
    try:
        recording.run("%load_ext ibnb")
        run = recording.run("%ibrecord recording.jsonl")
        assert run.status == "ok", run.everything
        assert gateway.address in run.stdout
        opened = recording.run(f"%ibconnect --library {library}")
        assert opened.status == "ok", opened.everything
        assert gateway.address not in opened.stdout
        expected = outputs(recording, library)
        run = recording.run("%ibrecord --stop")
        assert run.status == "ok", run.everything
        assert recording.value("ib.isConnected()") == "False"
        assert gateway.open_clients == ()
    finally:
        recording.close()
    gateway.stop()
    written = (tmp_path / "recording.jsonl").read_text()
    assert not [one for one in ("DU1234567", "my-strategy-9") if one in written]
    replaying = Notebook(tmp_path, path=str(tmp_path / "another.ipynb"))
    try:
        replaying.run("%load_ext ibnb")
        run = replaying.run("%ibreplay recording.jsonl --fast")
        assert run.status == "ok", run.everything
        opened = replaying.run(f"%ibconnect --library {library}")
        assert opened.status == "ok", opened.everything
        assert outputs(replaying, library) == expected
        refused = replaying.run("ib.reqContractDetails(Stock('TSLA', 'SMART', 'USD'))")
        assert "90002" in refused.everything
        # A rerun of all is a rerun.
        replaying.run("%ibreplay recording.jsonl --fast")
        assert replaying.run(f"%ibconnect --library {library}").status == "ok"
        assert outputs(replaying, library) == expected
    finally:
        replaying.close()


def test_a_notebook_that_is_connected_already_can_be_recorded(notebook, gateway, library):
    """Its connection goes, and says why: through the recorder the same ID would be refused."""
    notebook.run("%load_ext ibnb")
    connect = f"--client-id 41 --wait 0 --library {library}"
    assert notebook.run(f"%ibconnect {gateway.port} {connect}").status == "ok"
    notebook.run("earlier = ib")
    assert notebook.run(f"%ibrecord recording.jsonl {gateway.address}").status == "ok"
    assert "%ibrecord closed it" in notebook.run("earlier").text
    run = notebook.run(f"%ibconnect {connect}")
    assert run.status == "ok", run.everything
    assert gateway.refused_326 == 0
    assert gateway.open_clients == (41,)


def test_what_cannot_be_recorded_or_replayed_is_one_line(notebook, tmp_path):
    """A file that is no recording, none at all, no name: one line, and nothing has changed."""
    (tmp_path / "notes.txt").write_text("mine")
    notebook.run("%load_ext ibnb")
    for line in (
        "%ibreplay notes.txt",
        "%ibreplay nowhere.jsonl",
        "%ibrecord notes.txt",
        "%ibrecord",
        "%ibrecord r.jsonl moon",
    ):
        run = notebook.run(line)
        assert "UsageError" in run.stderr, line
        assert len(run.stderr.strip().splitlines()) == 1, run.stderr
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert notebook.value("get_ipython().magics_manager.registry['IbMagics'].target") == "'paper'"
    assert "Nothing was" in notebook.run("%ibreplay --stop").stdout


@pytest.fixture
def path(tmp_path):
    """Where the recording is."""
    return tmp_path / "recording.jsonl"


async def looked(api, port, client_id, gateway=None):
    """Connect, look at what a notebook looks at, and return it without accounts."""
    ib = api.IB()
    await ib.connectAsync("127.0.0.1", port, client_id, timeout=20)
    details = await ib.reqContractDetailsAsync(api.Stock("AAPL", "SMART", "USD"))
    trade = ib.placeOrder(details[0].contract, api.LimitOrder("BUY", 5, 10.25, orderRef="a-secret"))
    while trade.orderStatus.status not in {"Submitted", "PreSubmitted"}:
        await trade.statusEvent
    if gateway is not None:
        gateway.notice(2109, "acct DU7654322 of jane@example.com at 10.1.2.3")
        await ib.errorEvent
    found = [
        [one.contract.conId for one in details],
        sorted((one.contract.symbol, one.position) for one in ib.positions()),
        trade.order.orderRef,
        trade.orderStatus.status,
        len(ib.managedAccounts()),
    ]
    ib.disconnect()
    return found


async def test_a_gateway_that_ibnb_did_not_write_is_recorded_and_replayed(library, path):
    """Several accounts, positions, an order: the same again, and no account in the file."""
    api = pytest.importorskip(library)
    accounts = "DU7654321,DU7654322,DF7654323"
    positions = {"DU7654321": {"AAPL": 5}, "DU7654322": {"MSFT": 7}}
    with (
        BareGateway(accounts=accounts, positions=positions) as gateway,
        RecordingGateway([("127.0.0.1", gateway.port)], path) as recorder,
    ):
        expected = await looked(api, recorder.port, 5, gateway)
        gateway.wait_for_clients()
    written = path.read_text()
    secrets = [*accounts.split(","), "a-secret", "jane@example.com", "10.1.2.3"]
    assert [one for one in secrets if one in written] == []
    assert "acct DU0000002 of <email> at <address>" in written
    with ReplayedGateway(path, fast=True) as replayed:
        assert await looked(api, replayed.port, 99) == expected


async def test_streams_that_ibnb_did_not_write_come_again_in_their_order(library, path):
    """Each number that was told is told again, none twice, and none after the cancel."""
    api = pytest.importorskip(library)

    async def follow(port, client_id, is_enough):
        ib = api.IB()
        await ib.connectAsync("127.0.0.1", port, client_id, timeout=20)
        contract = api.Contract(conId=265598, exchange="SMART")
        ticker = ib.reqMktData(contract)
        seen, enough = [], asyncio.Event()

        def take(ticker):
            # Those that come in one read are one update.
            seen.append(ticker.last)
            if is_enough(seen):
                enough.set()

        ticker.updateEvent += take
        await asyncio.wait_for(enough.wait(), SOON)
        ib.cancelMktData(contract)
        ib.disconnect()
        return seen

    with (
        StreamingGateway() as gateway,
        RecordingGateway([("127.0.0.1", gateway.port)], path) as recorder,
    ):
        expected = await follow(recorder.port, 5, lambda seen: len(seen) >= 8)
    told = [json.loads(line) for line in path.read_text().splitlines()]
    prices = [
        float(one["fields"][4])
        for one in told
        if one.get("from") == "gateway" and one["fields"][0] == "1"
    ]
    assert set(expected) <= set(prices)
    with ReplayedGateway(path) as replayed:
        seen = await follow(replayed.port, 6, lambda seen: max(seen, default=0.0) >= expected[-1])
    assert seen == sorted(seen)
    assert set(seen) <= set(prices)

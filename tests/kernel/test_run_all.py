"""Run All, queued at once and three times over, on whichever ipykernel is installed."""

from __future__ import annotations

import pytest

CELLS = {
    "magic": [
        "%load_ext ibnb",
        "%ibconnect {port} --library {library}",
        (
            "from {library} import Stock\n"
            "contract = ib.qualifyContracts(Stock('AAPL', 'SMART', 'USD'))[0]"
        ),
        (
            "events = globals().get('events', []); events.clear()\n"
            "def on_error(req_id, code, text, contract, run=object()):\n"
            "    events.append((id(run), code))\n"
            "ib.errorEvent += on_error"
        ),
        "ticker = ib.reqMktData(contract)\nticks = []\nticker.updateEvent += ticks.append",
        "ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))",
        "while not ticks: ib.sleep(0.01)",
        "print(len([code for _, code in events if code == 200]))",
    ],
}
CELLS["raw"] = [
    "%load_ext ibnb",
    (
        "from {library} import IB, util\nutil.startLoop()\n"
        "ib = IB()\nib.connect('127.0.0.1', {port}, clientId=7)"
    ),
    *CELLS["magic"][2:],
]


@pytest.mark.parametrize("way", list(CELLS))
def test_three_times_over(notebook, gateway, library, way):
    """Every cell runs, each handler fires once per event, and nothing of an earlier run acts."""
    cells = [cell.format(port=gateway.port, library=library) for cell in CELLS[way]]
    # All three at once: the queue is never empty while a blocking call runs inside the loop.
    ids = [f"cell-{number}" for number in range(len(cells))]
    runs = notebook.run_all(cells * 3, ids * 3)
    assert [run.status for run in runs] == ["ok"] * len(runs), [run.everything for run in runs]
    assert [run.stdout for run in runs[len(cells) - 1 :: len(cells)]] == ["1\n"] * 3
    assert gateway.max_open_clients == 1
    assert gateway.refused_326 == 0
    assert gateway.connections_accepted == 3

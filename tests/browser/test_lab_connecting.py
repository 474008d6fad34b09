from __future__ import annotations

import socket

from pages import MILLISECONDS, NOT_EXECUTED
from playwright.sync_api import expect


def test_a_failed_connect_stops_run_all(notebook):
    """The cell after a failing `%ibconnect` is not executed, and the card is under the failure."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        page = notebook(
            "%load_ext ibnb", f"%ibconnect {port}", "print('went on')", "print('later')"
        )
        page.run_all()
        expect(page.output(1).get_by_text("What to do")).to_be_visible(timeout=MILLISECONDS)
    page.expect_shown(1, "ConnectRefused")
    page.expect_shown(1, "connection-refused")
    # Its count tells that nothing was executed between the failure and this.
    page.play(3)
    page.expect_executed(3, count=3)
    expect(page.prompt(2)).to_have_text(NOT_EXECUTED)
    expect(page.output(2)).not_to_contain_text("went on")


def test_the_connecting_cell_reruns_as_often_as_one_likes(notebook, gateway):
    """Played six times, `%ibconnect` is connected each time, and the gateway has one client."""
    page = notebook("%load_ext ibnb", f"%ibconnect {gateway.port}", "print(ib.isConnected())")
    page.play(0)
    page.expect_executed(0)
    for turn in range(6):
        page.play(1)
        page.expect_executed(1, count=2 * turn + 2)
        expect(page.output(1).get_by_role("status")).to_contain_text("Ready", timeout=MILLISECONDS)
        page.play(2)
        page.expect_executed(2, count=2 * turn + 3)
        page.expect_shown(2, "True")
        assert len(gateway.open_clients) == 1
    assert gateway.max_open_clients == 1
    assert gateway.connections_accepted == 6
    page.expect_shown(1, "Closed 127.0.0.1:")

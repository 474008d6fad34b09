from __future__ import annotations

import pytest
from pages import MILLISECONDS
from playwright.sync_api import expect


@pytest.fixture
def connected(notebook, gateway):
    """A notebook with a connection and, in its third cell, a badge."""
    page = notebook("%load_ext ibnb", f"%ibconnect {gateway.port}", "ib")
    page.run_all()
    expect(page.output(2).get_by_role("status")).to_contain_text("Ready", timeout=MILLISECONDS)
    return page


def test_the_badge_follows_the_connection_while_no_cell_runs(connected, gateway):
    """A lost link to IBKR shows as Degraded, a lost socket as Lost, in the cell that ran before."""
    badge = connected.output(2)
    gateway.send_notice(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
    expect(badge.get_by_role("status")).to_contain_text("Degraded", timeout=MILLISECONDS)
    expect(badge).to_contain_text("1100")
    gateway.send_notice(1102, "Connectivity restored - data maintained.")
    expect(badge.get_by_role("status")).to_contain_text("Ready", timeout=MILLISECONDS)
    gateway.drop_clients()
    expect(badge.get_by_role("status")).to_contain_text("Lost", timeout=MILLISECONDS)
    expect(badge.get_by_role("status")).to_have_count(1)
    connected.expect_executed(2, count=3)

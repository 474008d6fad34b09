from __future__ import annotations

import pytest
from pages import MILLISECONDS
from playwright.sync_api import expect

from ibnb.completion import complete


@pytest.mark.parametrize(
    "line", ["%ibconnect --", "%ibdiag --only net", "x = %ibconnect --library "]
)
def test_tab_offers_what_is_ours_and_nothing_of_pythons(notebook, line):
    """First in JupyterLab's list, which itself adds no more than the words of the cell."""
    page = notebook("%load_ext ibnb", "")
    page.play(0)
    page.expect_executed(0)
    page.cell(1).locator(".cm-content").click()
    page.page.keyboard.type(line)
    page.page.keyboard.press("Tab")
    items = page.page.locator(".jp-Completer-item .jp-Completer-match")
    expect(items.first).to_be_visible(timeout=MILLISECONDS)
    shown, ours = items.all_inner_texts(), complete(line).words
    assert sorted(shown[: len(ours)]) == sorted(ours), shown
    assert all(word in line for word in shown[len(ours) :]), shown

"""What ibnb shows, in both themes of JupyterLab, as pictures.

Those of the README are made anew with::

    IBNB_SCREENSHOTS=docs/images python -m pytest tests/browser/test_lab_pictures.py
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

import pytest
from pages import MILLISECONDS
from playwright.sync_api import expect

from ibnb.simulator import PortTakenError, SimulatedGateway

LIBRARY = next(name for name in ("ib_insync", "ib_async") if find_spec(name))
SUBSCRIBE = f"""\
from {LIBRARY} import Stock
apple = Stock("AAPL", "SMART", "USD")
ib.pendingTickersEvent += lambda tickers: None
ib.reqMktData(apple)"""
NO_CONTRACT = 'ib.reqContractDetails(Stock("NOSUCH", "SMART", "USD"))'
MOST_BYTES = 300_000
MARGIN = 4
WINDOW = {"width": 1340, "height": 3000}
LEAST_CONTRAST = 4.0
CONTRASTS = """marks => {
  const part = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const light = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number).map(part)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = document.querySelector('.jp-Notebook');
  const page = light(getComputedStyle(behind).backgroundColor);
  // What was drawn anew meanwhile has no colour any more.
  return marks.filter(mark => mark.isConnected).map(mark => {
    const own = light(getComputedStyle(mark).color);
    return [mark.textContent, (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05)];
  });
}"""
"""The contrast of each mark with the page behind it, as WCAG defines it: 1 to 21."""


@pytest.fixture
def folder(tmp_path):
    """Where the pictures go: IBNB_SCREENSHOTS, or a folder that is thrown away."""
    folder = Path(os.environ.get("IBNB_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def paper_gateway():
    """A gateway on the port where paper gateways listen, if that is free."""
    try:
        gateway = SimulatedGateway(4002).start()
    except PortTakenError:
        gateway = SimulatedGateway().start()
    yield gateway
    gateway.stop()


@pytest.fixture
def scheme(request):
    """The theme: light or dark."""
    return request.param


@pytest.fixture
def take(folder, scheme):
    """Return a function that takes a picture of what one cell shows."""

    def take_picture(page, number, name):
        boxes = [
            box.bounding_box()
            for box in page.output(number).locator(".jp-OutputArea-output").all()
            if box.is_visible()
        ]
        left, top = min(box["x"] for box in boxes), min(box["y"] for box in boxes)
        right = max(box["x"] + box["width"] for box in boxes)
        bottom = max(box["y"] + box["height"] for box in boxes)
        path = folder / f"{name}{'-dark' if scheme == 'dark' else ''}.png"
        clip = {
            "x": left - MARGIN,
            "y": top - MARGIN,
            "width": right - left + 2 * MARGIN,
            "height": bottom - top + 2 * MARGIN,
        }
        page.page.mouse.move(0, 0)
        page.page.screenshot(path=path, clip=clip, animations="disabled")
        assert path.stat().st_size < MOST_BYTES

    return take_picture


def expect_readable(page, number):
    """Check that every coloured word of an output stands out from the page's own background."""
    marks = page.output(number).locator('span[style*="color:#"]:not([style*="background"])')
    contrasts = marks.evaluate_all(CONTRASTS)
    assert contrasts
    assert [mark for mark in contrasts if mark[1] < LEAST_CONTRAST] == []


@pytest.mark.parametrize("scheme", ["light", "dark"], indirect=True)
def test_what_is_shown_can_be_read_in_both_themes(notebook, paper_gateway, take, scheme):
    """Badge, panel, report and card keep a contrast of 4 in light and dark; pictures are taken."""
    with (
        SimulatedGateway(faults=["id-held"]) as held,
        SimulatedGateway(faults=["silent"]) as silent,
    ):
        page = notebook(
            "%load_ext ibnb",
            f"%ibconnect {paper_gateway.port}",
            SUBSCRIBE,
            NO_CONTRACT,
            f"%ibdiag {held.port}",
            f"%ibdiag {silent.port} --timeout 5",
            viewport=WINDOW,
            color_scheme=scheme,
            device_scale_factor=1.25,
        )
        light = "true" if scheme == "light" else "false"
        expect(page.page.locator("body")).to_have_attribute("data-jp-theme-light", light)
        for number in (0, 1, 2, 1):
            page.play(number)
        page.expect_executed(1, count=4)
        page.expect_shown(1, "which still had 1 handler on pendingTickersEvent, market data AAPL")
        expect(page.output(1).locator("summary")).to_contain_text("5 farms ✓ OK")
        take(page, 1, "badge")
        for number in (3, 4):
            page.play(number)
        page.expect_executed(4, count=6)
        expect(page.output(3).get_by_text("What to do")).to_be_visible()
        expect(page.output(4).get_by_text("Do this first")).to_be_visible()
        expect(page.output(4).get_by_role("button", name="Copy")).to_be_visible()
        take(page, 3, "card")
        take(page, 4, "report")
        for number in (1, 3, 4):
            expect_readable(page, number)
        page.play(5)
        expect(page.output(5).get_by_role("progressbar")).to_be_visible(timeout=MILLISECONDS)
        expect(page.output(5).get_by_role("row").filter(has_text="✓ OK").first).to_be_visible()
        expect_readable(page, 5)
        take(page, 5, "panel")
        page.expect_executed(5)

"""Cards as they are seen: how tall they are, and what a click on each fold shows."""

from __future__ import annotations

from importlib.util import find_spec

from pages import MILLISECONDS
from playwright.sync_api import expect

from ibnb.simulator import SimulatedGateway

LIBRARY = next(name for name in ("ib_insync", "ib_async") if find_spec(name))
TALLEST = 180
LINE = 50
LEAST_FOLDS = 8
"""Of a badge, a card, a line, a page that was looked up, three cards and a list."""
CARDS = {
    "200": 'ib.qualifyContracts(Stock("NOSUCH", "SMART", "USD"))\nNone',
    "200 of fifty": (
        '[ib.qualifyContracts(Stock(f"NO{n}", "SMART", "USD")) for n in range(50)]\nNone'
    ),
    "321": (
        'ib.reqHistoricalData(Stock("AAPL", "SMART", "USD"), "", "1 D", "7 mins", "TRADES", True)\n'
        "None"
    ),
    "201": (
        'trade = ib.placeOrder(Stock("AAPL", "SMART", "USD"), LimitOrder("BUY", 1e9, 1))\n'
        "import asyncio\n"
        "while not trade.isDone(): await asyncio.sleep(0.01)"
    ),
    "326": "%ibconnect {held} --wait 0",
    "2104": "%iberror 2104",
    "504": "ib.disconnect(); ib.reqPositions()",
}


def test_a_card_is_one_glance_and_everything_else_is_in_its_fold(notebook, gateway):
    """Each is under 180 pixels tall, says what to do, and a click unfolds the rest of it."""
    with SimulatedGateway(faults=["id-held"]) as held:
        page = notebook(
            "%load_ext ibnb",
            f"%ibconnect {gateway.port}",
            f"from {LIBRARY} import *",
            *(source.replace("{held}", str(held.port)) for source in CARDS.values()),
            CARDS["200"],
            viewport={"width": 1300, "height": 900},
        )
        for number in range(3):
            page.play(number)
            page.expect_executed(number)
        for number, name in enumerate(CARDS, start=3):
            page.play(number)
            page.expect_executed(number)
            fold = page.output(number).locator("summary", has_text="More: ")
            if name == "200 of fifty":
                line = page.output(number).locator("summary", has_text="shown before")
                expect(line).to_contain_text("NO9 and 40 more", timeout=MILLISECONDS)
                assert line.bounding_box()["height"] < LINE
                line.click()
                expect(page.output(number).get_by_text("NO48, NO49")).to_be_visible()
                continue
            expect(fold).to_be_visible(timeout=MILLISECONDS)
            expect(page.output(number).get_by_text("What to do", exact=True)).to_be_visible()
            card = fold.locator("xpath=ancestor::div[details]").last
            assert card.bounding_box()["height"] < TALLEST, name
            fold.click()
            expect(page.output(number).get_by_text("related: ")).to_be_visible()
            fold.click()
            expect(page.output(number).get_by_text("related: ")).to_be_hidden()
    marked = page.output(5).get_by_text("▲ barSizeSetting = '7 mins' is not a bar size")
    expect(marked).to_be_visible()
    expect(page.output(5).locator("pre").first).to_contain_text("barSizeSetting='5 mins'")


MANY_KINDS = {
    162: "Historical Market Data Service error message:HMDS query returned no data",
    10197: "No market data during competing live session",
    354: "Requested market data is not subscribed.",
    2110: "Connectivity between TWS and server is broken. It will be restored automatically.",
    1101: "Connectivity between IBKR and TWS has been restored - data lost.",
}


def test_every_fold_works_whatever_the_kernel_does(lab, notebook, gateway):
    """Of a badge, of cards, of a page seen before and of a list; the kernel may even be dead."""
    page = notebook(
        "%load_ext ibnb",
        f"%ibconnect {gateway.port}",
        f"from {LIBRARY} import *",
        CARDS["321"],
        CARDS["321"],
        "%iberror 201",
        "None",
        "while True: pass",
    )
    for number in range(6):
        page.play(number)
        page.expect_executed(number)
    for code, text in MANY_KINDS.items():
        gateway.send_notice(code, text)
    page.expect_shown(1, f"Last notice: {list(MANY_KINDS)[-1]}")
    page.play(6)
    page.expect_shown(6, "more kinds of notices")
    for kernel in ("idle", "busy", "restarted", "dead"):
        match kernel:
            case "busy":
                page.play(7)
                expect(page.prompt(7)).to_have_text("[*]:")
            case "restarted":
                page.restart()
            case "dead":
                lab.shut_down_kernels()
        card = page.output(3).locator("summary", has_text="More: ")
        badge = page.output(1).locator("summary").first
        for one, inside in (
            (card, page.output(3).get_by_text("related: ")),
            (badge, page.output(1).get_by_text("Farms: ")),
        ):
            one.click()
            expect(inside).to_be_visible()
            one.click()
            expect(inside).to_be_hidden()
        folds = page.page.locator(".jp-OutputArea-output summary")
        assert folds.count() >= LEAST_FOLDS
        for fold in folds.all():
            around = fold.locator("xpath=..")
            is_open = around.get_attribute("open")
            fold.click()
            expect(around).to_have_js_property("open", is_open is None)
            fold.click()
            expect(around).to_have_js_property("open", is_open is not None)
        if kernel == "busy":
            page.interrupt()
            page.expect_executed(7)

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from pages import MILLISECONDS, NARROW
from playwright.sync_api import expect

from ibnb.simulator import SimulatedGateway

MOST_TABS = 60
COPY = re.compile("Copy|Copied")
"""The Copy button, which says for a moment that it was pressed."""
HIGHEST_REPORT = 420
HIGHEST_JUMP = 40
FIRST_PAINT = 200
"""An output that is taller shows a diagnosis, and not only its buttons."""
WATCH_HEIGHTS = """() => {
  window.heights = [];
  const cell = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[1];
  const area = cell.querySelector('.jp-Cell-outputWrapper');
  new ResizeObserver(() => window.heights.push(area.getBoundingClientRect().height)).observe(area);
}"""
SOME_OF_THEM = re.compile(r"(?<!\d)[1-9]\d* of \d+ checks")


@pytest.fixture
def silent():
    """A gateway that accepts connections and says nothing."""
    with SimulatedGateway(faults=["silent"]) as gateway:
        yield gateway


@pytest.fixture
def diagnosed(notebook, silent):
    """A notebook whose second cell diagnoses the silent gateway, with its report."""
    page = notebook("%load_ext ibnb", f"%ibdiag {silent.port} --timeout 1")
    page.run_all()
    expect_report(page, "stays silent")
    return page


def expect_report(page, title):
    """Wait until the output holds one report with this verdict, and its toolbar."""
    verdict = page.output(1).get_by_role("status").filter(has_text=title)
    expect(verdict).to_be_visible(timeout=MILLISECONDS)
    expect(page.output(1).get_by_role("progressbar")).to_have_count(0)
    expect(page.output(1).get_by_role("status")).to_have_count(1)
    for name in ("Run again", COPY):
        expect(page.output(1).get_by_role("button", name=name)).to_have_count(1)


def test_checks_fill_in_while_a_diagnosis_runs(notebook, silent):
    """While the gateway is silent, the quick checks are done and the others are still pending."""
    page = notebook("%load_ext ibnb", f"%ibdiag {silent.port} --timeout 5")
    page.run_all()
    panel = page.output(1)
    expect(panel.get_by_text(SOME_OF_THEM)).to_be_visible(timeout=MILLISECONDS)
    expect(panel.get_by_role("progressbar")).to_be_visible()
    rows = panel.get_by_role("table", name="Checks").get_by_role("row")
    expect(rows.filter(has_text="Pending").first).to_contain_text("after: ")
    running = rows.filter(has_text="Running").filter(has_text="answers with a version")
    expect(running).to_contain_text("waiting for the gateway's version reply")
    expect(rows.filter(has_text="✓ OK").first).to_be_visible()
    expect_report(page, "stays silent")
    expect(panel.get_by_text("Do this first")).to_be_visible()


def test_copy_puts_the_plain_report_into_the_clipboard(diagnosed, silent):
    """A click on Copy copies the report as text, and the button says so."""
    copy = diagnosed.output(1).get_by_role("button", name=COPY)
    copy.click()
    expect(copy).to_contain_text("Copied")
    copied = diagnosed.page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("✗ Problem: Handshake timeout"), copied
    assert "Do this first\n  1. " in copied
    assert f"127.0.0.1:{silent.port} · took" in copied
    assert "<" not in copied


@pytest.fixture
def endless(notebook, silent):
    """A notebook that diagnoses the silent gateway for as long as nobody stops it."""
    page = notebook("%load_ext ibnb", f"%ibdiag {silent.port} --timeout 600")
    page.run_all()
    expect(page.output(1).get_by_text(SOME_OF_THEM)).to_be_visible(timeout=MILLISECONDS)
    return page


def test_stop_ends_a_diagnosis_while_its_cell_runs(endless, silent):
    """The connection is closed, the cell ends, and the report says what is known so far."""
    assert silent.wait_for(lambda: silent.connections_accepted == 1)
    endless.output(1).get_by_role("button", name="Stop").click()
    verdict = endless.output(1).get_by_role("status").filter(has_text="The diagnosis was stopped")
    expect(verdict).to_be_visible(timeout=MILLISECONDS)
    endless.expect_executed(1)
    assert silent.wait_for(lambda: silent.handshakes_unfinished == 1)
    expect(endless.output(1).get_by_role("button", name="Stop")).to_have_count(0)
    endless.output(1).locator("summary", has_text="skipped").click()
    skipped = endless.output(1).get_by_role("listitem").filter(has_text="Skipped")
    expect(skipped.filter(has_text="waited for the gateway's version reply")).to_be_visible()


def test_stop_ends_a_diagnosis_that_was_run_again(endless, silent):
    """No cell waits for it then; the toolbar comes back, and the focus is on it all the time."""
    output = endless.output(1)
    output.get_by_role("button", name="Stop").click()
    endless.expect_executed(1)
    output.get_by_role("button", name="Run again").press("Enter")
    assert silent.wait_for(lambda: silent.connections_accepted == 2)
    expect(output.get_by_role("button", name="Stop")).to_be_focused()
    output.get_by_role("button", name="Stop").press("Enter")
    expect(output.get_by_role("button", name="Run again")).to_be_visible(timeout=MILLISECONDS)
    expect(output.get_by_role("button", name="Run again")).to_be_focused()
    assert silent.wait_for(lambda: silent.handshakes_unfinished == 2)


def test_stop_breaks_nothing_beside_a_new_kernel(endless):
    """No kernel knows the button any more; what was found until then stays."""
    endless.restart()
    panel = endless.output(1)
    stop = panel.get_by_role("button", name="Stop")
    stop.click()
    expect(stop).to_be_focused()
    expect(panel.get_by_text(SOME_OF_THEM)).to_be_visible()
    expect(endless.page.locator(".jp-Dialog")).to_have_count(0)


def test_a_kernel_that_is_shut_down_reports_what_it_knows(lab, endless):
    """A diagnosis under way is stopped by that; a click on what is left of it breaks nothing."""
    lab.shut_down_kernels()
    expect_report(endless, "The diagnosis was stopped")
    endless.output(1).get_by_role("button", name="Run again").click()
    expect_report(endless, "The diagnosis was stopped")
    expect(endless.page.locator(".jp-Dialog")).to_have_count(0)


def test_why_and_checklist_unfold_in_the_report(diagnosed):
    """Both are folded at first; a click shows the page, and the items with their states."""
    output = diagnosed.output(1)
    page = output.get_by_text("What to do")
    expect(page).to_be_hidden()
    output.get_by_text("Why", exact=True).first.click()
    expect(page).to_be_visible()
    expect(output.get_by_text("with live answers")).to_be_visible()
    items = output.get_by_role("list", name="Verification checklist").get_by_role("listitem")
    output.get_by_text("Verification checklist").click()
    expect(items.filter(has_text="A TCP connection to it opens")).to_contain_text("✓ Yes")
    expect(items.filter(has_text="Socket clients are enabled")).to_contain_text("? Unknown")
    expect(items.filter(has_text="handshake")).to_contain_text("✗ No")


def test_run_again_replaces_the_report_in_place(diagnosed, silent):
    """Run again asks the gateway once more; the new verdict takes the old one's place."""
    before = silent.connections_accepted
    silent.set_faults([])
    diagnosed.output(1).get_by_role("button", name="Run again").click()
    expect_report(diagnosed, "Everything works")
    assert silent.connections_accepted == before + 1
    diagnosed.expect_executed(1, count=2)
    expect(diagnosed.output(1).get_by_text("stays silent")).to_have_count(0)
    copy = diagnosed.output(1).get_by_role("button", name=COPY)
    copy.click()
    expect(copy).to_contain_text("Copied")
    assert diagnosed.page.evaluate("navigator.clipboard.readText()").startswith("✓ OK: Every")


def test_the_toolbar_works_with_the_keyboard_alone(diagnosed, silent):
    """Tab reaches both buttons, Space and Enter press them."""
    keyboard = diagnosed.page.keyboard
    copy = diagnosed.output(1).get_by_role("button", name=COPY)
    again = diagnosed.output(1).get_by_role("button", name="Run again")

    def tab_to(button):
        for _ in range(MOST_TABS):
            keyboard.press("Tab")
            if button.evaluate("button => button === document.activeElement"):
                return
        pytest.fail(f"{MOST_TABS} presses of Tab do not reach {button}")

    diagnosed.prompt(1).click()
    tab_to(again)
    tab_to(copy)
    keyboard.press("Enter")
    expect(copy).to_contain_text("Copied")
    keyboard.press("Shift+Tab")
    expect(again).to_be_focused()
    silent.set_faults([])
    keyboard.press("Space")
    expect_report(diagnosed, "Everything works")
    expect(again).to_be_focused()


@pytest.mark.parametrize("width", [600, 1300])
def test_nothing_jumps_once_a_diagnosis_is_seen(notebook, silent, width):
    """From the first paint to the report, and when it is run again; 420 pixels are enough."""
    page = notebook(
        "%load_ext ibnb",
        f"%ibdiag {silent.port} --timeout 2",
        viewport={"width": width, "height": 900},
    )
    page.wait_for_kernel()
    expect(page.cell(1)).to_be_visible()
    page.page.evaluate(WATCH_HEIGHTS)
    page.run_all()
    expect_report(page, "stays silent")
    report = page.output(1).locator(".jp-OutputArea-output").last
    if width > NARROW:
        assert report.bounding_box()["height"] < HIGHEST_REPORT
    page.output(1).get_by_role("button", name="Run again").click()
    expect(page.output(1).get_by_role("progressbar")).to_be_visible()
    expect(page.output(1).get_by_text("stays silent")).to_have_count(0)
    expect_report(page, "stays silent")
    silent.set_faults([])
    page.output(1).get_by_role("button", name="Run again").click()
    expect_report(page, "Everything works")
    heights = page.page.evaluate("window.heights")
    shown = heights[next(n for n, height in enumerate(heights) if height > FIRST_PAINT) :]
    jumps = [abs(after - before) for before, after in pairwise(shown)]
    assert max(jumps) <= HIGHEST_JUMP, heights


@pytest.mark.parametrize("kernel", ["idle", "busy", "restarted", "dead"])
def test_every_fold_and_button_whatever_the_kernel_does(lab, notebook, gateway, kernel):
    """Folds and Copy need no kernel; Run again waits for one that is busy, and breaks nothing."""
    gateway.set_faults(["id-held"])
    page = notebook(
        "%load_ext ibnb",
        f"%ibdiag {gateway.port}",
        "import time\nwhile not __import__('os').path.exists('go'): time.sleep(0.01)",
    )
    for number in range(2):
        page.play(number)
        page.expect_executed(number)
    expect_report(page, "already in use")
    match kernel:
        case "busy":
            page.play(2)
            expect(page.prompt(2)).to_have_text("[*]:")
        case "restarted":
            page.restart()
        case "dead":
            lab.shut_down_kernels()
    output = page.output(1)
    folds = output.locator("summary")
    # Those within a fold can be clicked once that one is open.
    for number in range(folds.count()):
        fold = folds.nth(number)
        fold.click()
        expect(fold.locator("xpath=..")).to_have_attribute("open", "")
    copy = output.get_by_role("button", name=COPY)
    copy.click()
    expect(copy).to_contain_text("Copied")
    gateway.set_faults([])
    output.get_by_role("button", name="Run again").click()
    if kernel == "busy":
        (lab.folder / "go").touch()
        page.expect_executed(2)
        (lab.folder / "go").unlink()
    if kernel in {"idle", "busy"}:
        expect_report(page, "Everything works")
    else:
        # No kernel knows the button any more: what was found stays as it is.
        expect_report(page, "already in use")

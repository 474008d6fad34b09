"""Every view as a browser draws it: what axe says of it, and how much room it takes."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from views import COLOURS, FAULTS, WIDTHS, page_of

AXE = find_spec("axe_playwright_python")
TALLEST_CARD, TALLEST_REPORT = 180, 420
ONE_LINE = 50
HIGHEST_JUMP = 40
IN_PLACE = ("panel-running", "report-healthy", *(f"report-{fault}" for fault in FAULTS))
OPEN_ALL = "all => all.forEach(one => { one.open = true; })"

FOCUS_NOTHING = "() => document.activeElement.blur()"
STOPS = "summary, button, a, input, [tabindex]"
MOST_STOPS = 1000
NOTE_FOCUS = """() => {
  const one = document.activeElement;
  one.dataset.reached = one.parentElement.open ? 'open' : 'closed';
  return one.tagName;
}"""
KEPT_FOCUS = """() => {
  const one = document.activeElement;
  return one.tagName === 'SUMMARY' && one.parentElement.open !== (one.dataset.reached === 'open');
}"""
"""Whether the fold that has the focus is open now, if it was closed before, and the other way."""
MOVING = """all => all.filter(one => {
  const style = getComputedStyle(one);
  return style.animationName !== 'none' || parseFloat(style.transitionDuration) > 0;
}).map(one => one.outerHTML.slice(0, 200))"""


@pytest.mark.parametrize("forced", ["none", "active"])
@pytest.mark.parametrize("scheme", COLOURS)
def test_axe_finds_nothing_in_any_view(new_page, views, scheme, forced):
    """Light, dark and high contrast, closed and with every fold open."""
    if AXE is None:
        pytest.skip("axe-playwright-python is not installed")
    from axe_playwright_python.sync_playwright import Axe

    page = new_page(color_scheme=scheme, forced_colors=forced)
    page.set_content(page_of(views, COLOURS[scheme]))
    for _ in range(2):
        found = Axe().run(page).response["violations"]
        assert [(one["id"], one["nodes"][0]["html"][:300]) for one in found] == []
        page.locator("details").evaluate_all(OPEN_ALL)


def test_a_view_is_as_tall_as_a_glance(new_page, views):
    """At 1300 pixels: a card under 180, a report under 420, a page seen before in a line."""
    page = new_page(viewport={"width": 1300, "height": 900})
    page.set_content(page_of(views, COLOURS["light"]))
    heights = {
        name: page.locator(f"#{name} > div, #{name} > details").first.bounding_box()["height"]
        for name in views
        if name.startswith(("card", "report"))
    }
    limits = {
        name: ONE_LINE
        if name == "card-200-again"
        else (TALLEST_CARD if name.startswith("card") else TALLEST_REPORT)
        for name in heights
    }
    assert {name: height for name, height in heights.items() if height >= limits[name]} == {}


@pytest.mark.parametrize("width", [400, 470, 530, *WIDTHS])
def test_a_report_takes_the_place_of_its_panel(new_page, views, width):
    """Whatever it says and however short its lines are, what is below it moves 40 pixels at most.

    A cell of JupyterLab is some 130 pixels narrower than its window.
    """
    page = new_page(viewport={"width": width, "height": 900})
    page.set_content(page_of(views, COLOURS["light"]))
    heights = {
        name: page.locator(f"#{name} > div").last.bounding_box()["height"] for name in IN_PLACE
    }
    panel = heights.pop("panel-running")
    jumps = {name: height - panel for name, height in heights.items()}
    assert {name: jump for name, jump in jumps.items() if abs(jump) > HIGHEST_JUMP} == {}


@pytest.mark.parametrize("width", WIDTHS)
def test_no_view_is_wider_than_its_place(new_page, views, width):
    """Nothing is cut off or runs out of its box, with every fold open too."""
    page = new_page(viewport={"width": width, "height": 900})
    page.set_content(page_of(views, COLOURS["light"]))
    page.locator("details").evaluate_all(OPEN_ALL)
    wide = page.locator("section").evaluate_all(
        "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.id)"
    )
    assert wide == []


def test_every_fold_and_button_is_reached_by_tab(new_page, views):
    """Enter opens each fold, those within too, and the focus stays on it."""
    page = new_page()
    page.set_content(page_of(views, COLOURS["light"]))
    page.evaluate(FOCUS_NOTHING)
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        where = page.evaluate(NOTE_FOCUS)
        if where == "BODY":
            break
        if where == "SUMMARY":
            page.keyboard.press("Enter")
            assert page.evaluate(KEPT_FOCUS)
    assert page.locator("summary[data-reached]").count() > len(views)
    missed = page.locator(f":is({STOPS}):not([data-reached])")
    assert missed.evaluate_all("all => all.map(one => one.outerHTML.slice(0, 200))") == []


def test_nothing_moves_by_itself(new_page, views):
    """So whoever asks for less motion sees the same."""
    page = new_page(reduced_motion="no-preference")
    page.set_content(page_of(views, COLOURS["light"]))
    moving = page.locator("main *").evaluate_all(MOVING)
    assert moving == []

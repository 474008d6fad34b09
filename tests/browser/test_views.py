"""Every view as a browser draws it: what axe says of it, and pictures of it.

With IBNB_VIEWS=FOLDER the pictures are kept there, at 600 and 1300 pixels, light and dark. One that
is there already is compared: if it changed, the test fails and the new one lies beside it.
"""

from __future__ import annotations

import os
from dataclasses import replace
from html import escape
from importlib.util import find_spec
from pathlib import Path

import pytest

import ibnb
from ibnb.diagnostics import CHECKS, Result
from ibnb.knowledge import Asked, Parameter, UnknownQueryError
from ibnb.knowledge import explain as look_up
from ibnb.session import Health
from ibnb.simulator import SimulatedGateway
from ibnb.tws.notices import Link, Notice
from ibnb.tws.target import Target
from ibnb.ui.cards import LOOKED_UP, ONCE, Came
from ibnb.ui.html import (
    badge_html,
    explanation_html,
    progress_html,
    render,
    report_html,
    unknown_html,
)
from ibnb.ui.panel import COPY_SCRIPT

AXE = find_spec("axe_playwright_python")
WIDTHS = (600, 1300)
COLOURS = {"light": "background:#fff;color:#111", "dark": "background:#111;color:#eee"}
FAULTS = (
    *("silent", "garbage", "close", "id-held", "stall-ready", "no-accounts", "farms-down"),
    "connectivity-lost",
)
SAME_EVERY_TIME = ("badge", "card")
"""How the names of views begin that have no port, number or time of their own."""
TALLEST_CARD, TALLEST_REPORT = 180, 420
ONE_LINE = 50
HIGHEST_JUMP = 40
IN_PLACE = ("panel-running", "report-healthy", *(f"report-{fault}" for fault in FAULTS))
OPEN_ALL = "all => all.forEach(one => { one.open = true; })"


def card(code, *, came=ONCE, facts=(), asked=None):
    """Return the card of a code with this evidence."""
    return explanation_html(replace(look_up(code), facts=facts, asked=asked), came=came)


def cards():
    """Return the cards of the usual errors, as notices make them."""
    bars = (
        Parameter("durationStr", "'1 D'"),
        Parameter("barSizeSetting", "'7 mins'", 'is not a bar size such as "5 mins"'),
    )
    call = "ib.reqHistoricalData(Stock('AAPL', 'SMART', 'USD'), barSizeSetting='5 mins')"
    fifty = tuple((f"SYMBOL{number}", 1) for number in range(50))
    unknown = ("The gateway said: No security definition has been found for the request",)
    refused = ("127.0.0.1:4002 refused client ID 6744: notice 326.", "Nobody here has it.")
    return {
        "card-326": card(326, facts=refused),
        "card-200": card(200, came=Came(1, (("NOSUCH", 1),)), facts=unknown),
        "card-200-fifty": card(200, came=Came(50, fifty), facts=unknown),
        "card-200-again": card(200, came=Came(2, fifty[:2], again=True), facts=unknown),
        "card-321": card(321, asked=Asked("reqHistoricalData", bars, "ib.example()", call)),
        "card-504": card(504, facts=("The connection of this `ib` was closed at 12:00:00.",)),
        "card-2104": card(2104),
        "card-201": card(201, facts=("The gateway said: Order rejected - reason:margin.",)),
        "card-looked-up": explanation_html(look_up(201), came=LOOKED_UP),
        "card-guess": explanation_html(look_up("why is my order not filled")),
        "card-unknown": _unknown("Connectivity between IB and TWS has been"),
    }


def _unknown(query):
    with pytest.raises(UnknownQueryError) as raised:
        look_up(query)
    return unknown_html(raised.value)


def badges():
    """Return the badge in each of its states."""
    health = Health(
        "ready",
        Target("127.0.0.1", 4002, "paper"),
        6744,
        "ib_insync 0.9.86",
        server_version=176,
        accounts=("DU1234567",),
        kind="paper",
        link=Link(farms={"usfarm": "ok", "ushmds": "asleep"}),
        notices=(Notice(200, "No such contract", time=1.0), Notice(2104, "farm OK", time=2.0)),
        opened_at=1.0,
    )
    gone = {"state": "closed", "changed_at": 5.0, "reason": "%ibdisconnect closed it"}
    return {
        "badge-sim": _badge(replace(health, simulated=True)),
        "badge-paper": _badge(health),
        "badge-live": _badge(replace(health, kind="live", orders="locked")),
        "badge-live-closed": _badge(replace(health, kind="live", **gone)),
        "badge-lost": _badge(replace(health, state="lost", changed_at=5.0, reason="reset")),
        "badge-closed": _badge(replace(health, **gone)),
        "badge-degraded": _badge(
            replace(health, state="degraded", link=Link(farms={"usfarm": "broken"}))
        ),
        "badge-stale": _badge(replace(health, state="closed", stale="Replaced by cell [5].")),
    }


def _badge(health):
    return badge_html(health, now=10.0)


def reports():
    """Return the report of a healthy gateway and of each family of failure, and the panel."""
    found = {"report-refused": report_html(ibnb.diagnose(1))}
    for fault in ("", *FAULTS):
        with SimulatedGateway(faults=[fault] if fault else []) as gateway:
            report = ibnb.diagnose(gateway.port, timeout=1)
        found[f"report-{fault or 'healthy'}"] = report_html(report, in_place=True)
        if not fault:
            copy = render("copy", text="text", script=COPY_SCRIPT)
            found["panel-done"] = f"{copy}{found['report-healthy']}"
    ended = [Result(check.id, "pass", "Fine.") for check in CHECKS[:9]]
    found["panel-running"] = progress_html(CHECKS, ended, boundary=True)
    found["problem"] = render("problem", text="Could not stop: RuntimeError")
    return found


@pytest.fixture(scope="module")
def views():
    """All views, by name."""
    return {**badges(), **cards(), **reports()}


def page_of(views, colours):
    """Return a page that shows views one below the other, each in an element with its name."""
    shown = "".join(
        f'<section id="{name}" aria-label="{escape(name)}" style="padding:4px">{html}</section>'
        for name, html in views.items()
    )
    return (
        "<!doctype html><html lang='en'><head><title>Views</title></head>"
        f"<body style='margin:0;font-family:sans-serif;{colours}'><main><h1>Views</h1>{shown}"
        "</main></body></html>"
    )


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


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", COLOURS)
def test_pictures_of_every_view(new_page, views, scheme, width):
    """Made anew when asked for; what looks different is told by name."""
    folder = os.environ.get("IBNB_VIEWS")
    if not folder:
        pytest.skip("pictures are made with IBNB_VIEWS=FOLDER")
    Path(folder).mkdir(parents=True, exist_ok=True)
    page = new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.set_content(page_of(views, COLOURS[scheme]))
    changed = []
    for name in views:
        taken = page.locator(f"#{name}").screenshot()
        path = Path(folder, f"{name}-{width}-{scheme}.png")
        is_same = name.startswith(SAME_EVERY_TIME)
        if is_same and path.exists() and path.read_bytes() != taken:
            changed.append(path.name)
            path = path.with_suffix(".new.png")
        path.write_bytes(taken)
    assert changed == []

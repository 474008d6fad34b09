"""Every view in each of its states: cards, badges, reports and the panel, the same every time."""

from __future__ import annotations

import re
import socket
from dataclasses import replace
from html import escape

from lab import PATIENCE

import ibnb
from ibnb.diagnostics import CHECKS, Result
from ibnb.diagnostics.verdict.concluding import concluded
from ibnb.knowledge import Asked, Parameter, UnknownQueryError
from ibnb.knowledge import explain as look_up
from ibnb.session import Health
from ibnb.simulator import SimulatedGateway
from ibnb.tws.attempt import cause
from ibnb.tws.notices import Link, Notice
from ibnb.tws.target import Target
from ibnb.ui.cards import LOOKED_UP, ONCE, Came, listed_row
from ibnb.ui.html import (
    badge_html,
    explanation_html,
    progress_html,
    render,
    report_html,
    unknown_html,
)
from ibnb.ui.panel import COPY_SCRIPT

HOST = "127.0.0.1"
TARGET = Target(HOST, 4002, "paper")
CLIENT_ID = 6744
TIME = re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b")
ALWAYS = "2026-01-02 10:20:30"
WIDTHS = (600, 1300)
COLOURS = {"light": "background:#fff;color:#111", "dark": "background:#111;color:#eee"}
FAULTS = (
    *("silent", "garbage", "close", "id-held", "stall-ready", "no-accounts", "farms-down"),
    "connectivity-lost",
)
NEVER_ANSWERED = {"silent", "stall-ready"}
OF_THE_GATEWAY = {
    *("net.tcp", "api.version", "api.start", "api.ready", "api.accounts", "api.link", "api.clock"),
    "session.client-id",
}
USUAL = {
    result.id: result
    for result in (
        Result(
            "host.process",
            "warn",
            "No TWS or Gateway process was found on this machine.",
            fix=("Start TWS or IB Gateway and log in.",),
        ),
        Result("host.login", "skip", "No login log (launcher.log) was found here."),
        Result("host.settings", "skip", "No settings file (jts.ini) was found here."),
        Result("host.logs", "skip", "No settings folder of a gateway was found here."),
        Result("session.heartbeat", "skip", "No connection of this notebook is open."),
    )
}


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
        "list-more": _listed("2 more kinds of notices came while this cell ran", 162, 10197),
        "list-failed": _listed("Openings that failed while this cell ran", 326, 502, is_open=True),
    }


def _listed(heading, *codes, is_open=False):
    came = Came(3, (("AAPL", 2), ("IBM", 1)))
    rows = [listed_row(look_up(code), came, show_accounts=False) for code in codes]
    return render("folded", heading=heading, rows=rows, open=is_open)


def _unknown(query):
    try:
        look_up(query)
    except UnknownQueryError as error:
        return unknown_html(error)
    raise AssertionError(query)


def badges():
    """Return the badge in each of its states."""
    health = Health(
        "ready",
        TARGET,
        CLIENT_ID,
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
    return TIME.sub(ALWAYS, badge_html(health, now=10.0))


def reports():
    """Return the report of a healthy gateway and of each family of failure, and the panel."""
    found = {}
    with socket.socket() as closed:
        closed.bind((HOST, 0))
        found["report-refused"] = _report(closed.getsockname()[1])
    for fault in ("", *FAULTS):
        with SimulatedGateway(faults=[fault] if fault else []) as gateway:
            patience = 2.0 if fault in NEVER_ANSWERED else PATIENCE
            found[f"report-{fault or 'healthy'}"] = _report(gateway.port, patience)
    ended = [Result(check.id, "pass", "Fine.") for check in CHECKS[:9]]
    return {
        **found,
        "panel-running": progress_html(CHECKS, ended, boundary=True),
        "panel-done": f"{render('copy', text='text', script=COPY_SCRIPT)}{found['report-healthy']}",
        "problem": render("problem", text="Could not stop: RuntimeError"),
    }


def _report(port, patience=PATIENCE):
    """Return the report on a gateway, with nothing in it that the machine, port or time decides."""
    report = ibnb.diagnose(port, client_id=CLIENT_ID, timeout=patience)
    facts = report.facts
    results = tuple(_of_no_machine(result, facts.attempt) for result in report.results)
    html = report_html(concluded(replace(facts, results=results, seconds=0.3)), in_place=True)
    html = re.sub(rf"\b{port}\b", str(TARGET.port), html)
    html = TIME.sub(ALWAYS, html)
    return re.sub(r"\b\d+(\.\d)? m?s\b", "1.0 s", html)


def _of_no_machine(result, attempt):
    """Return a result as it is, if it is of the gateway, else as it is on a usual machine."""
    if result.id in OF_THE_GATEWAY:
        return result
    if result.id == "net.port" and cause(attempt) == "connection-refused":
        text = f"Nothing listens on port {TARGET.port}."
        return Result(result.id, "fail", text, entry="connection-refused")
    usual = USUAL.get(result.id, Result(result.id, "pass", "Fine."))
    return replace(usual, seconds=0.0)


def all_views():
    """Return all views, by name."""
    return {**badges(), **cards(), **reports()}


def page_of(views, colours, style=""):
    """Return a page that shows views one below the other, each in an element with its name."""
    shown = "".join(
        f'<section id="{name}" aria-label="{escape(name)}" style="padding:4px">{html}</section>'
        for name, html in views.items()
    )
    return (
        f"<!doctype html><html lang='en'><head><title>Views</title><style>{style}</style></head>"
        f"<body style='margin:0;font-family:sans-serif;{colours}'><main><h1>Views</h1>{shown}"
        "</main></body></html>"
    )

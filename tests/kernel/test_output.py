"""What appears where: cards, badges, reports and lines, in the cells they belong to."""

from __future__ import annotations

import json
import re

WHILE_IT_RUNS = """\
import asyncio
journal = get_ipython()._ibnb.app.session.journal
wanted = journal.count + {count}
ib.client.reqCurrentTime()
while journal.count < wanted: await asyncio.sleep(0.01)
"""


def while_a_cell_runs(notebook, gateway, *notices):
    """Send notices while a cell runs that waits for them; return what it came to."""

    def asked():
        return sum(fields[0] == "49" for _, fields in gateway.messages)

    before = asked()
    sent = notebook.send(WHILE_IT_RUNS.format(count=len(notices)))
    assert gateway.wait_for(lambda: asked() > before)
    for notice in notices:
        gateway.send_notice(*notice)
    (run,) = notebook.collect([sent])
    assert run.status == "ok", run.everything
    return run


def test_no_request_that_worked_gets_a_card(connected):
    """A cell without errors shows nothing of ours, though farm notices arrived on connecting."""
    run = connected.run("contracts = ib.qualifyContracts(Stock('AAPL', 'SMART', 'USD'))")
    assert run.displays == []


def test_notice_of_a_cell_is_explained_under_that_cell(connected):
    """An unknown contract's notice 200 becomes a card under the cell that asked."""
    run = connected.run("ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))")
    assert "200" in run.html
    assert len([bundle for bundle in run.displays if "text/html" in bundle]) == 1


def test_no_log_line_of_the_library_in_the_connecting_cell(connected):
    """The library's own red line for a notice is kept back, unless somebody set up logging."""
    run = connected.run("ib.qualifyContracts(Stock('NOSUCH', 'SMART', 'USD'))")
    assert "200" in run.html
    # What callbacks print goes to the cell that opened the socket, which has ended.
    connected.run("import asyncio\nawait asyncio.sleep(0)")
    assert (run.stderr, connected.strays) == ("", [])
    connected.run(
        "import logging\nlines = []\n"
        "class Lines(logging.Handler):\n"
        "    def emit(self, record): lines.append(record.getMessage())\n"
        "logging.getLogger().addHandler(Lines())\n"
        "ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))"
    )
    assert "Error 200" in connected.value("lines")


def test_a_refused_order_and_a_refused_handler_are_told_once(connected, gateway):
    """No line of the library's in another cell: it may call an order cancelled that is alive."""
    connected.run(
        "contract = Stock('AAPL', 'SMART', 'USD'); ib.qualifyContracts(contract)\n"
        "trade = ib.placeOrder(contract, LimitOrder('BUY', 1, 1.0)); ib.sleep(0.2)\n"
        "ib.orderStatusEvent += lambda _: ib.reqContractDetails(contract)"
    )
    order = int(connected.value("trade.order.orderId"))
    refused = 201, "Order rejected - reason:test", order
    run = while_a_cell_runs(connected, gateway, refused)
    # A card of ours for what the handler asked; the notice's own is the other one.
    assert "201" in run.html, run.everything
    assert (run.stderr, connected.strays) == ("", [])


def test_an_error_is_not_hidden_by_good_news_of_the_same_code(connected, gateway):
    """162 means several things: the worst of them has its card, each counted by itself."""
    said = "Historical Market Data Service error message:"
    pacing = 162, f"{said}Historical data request pacing violation", 4
    cancelled = 162, f"{said}API historical data query cancelled: 4", 4
    run = while_a_cell_runs(connected, gateway, pacing, pacing, cancelled)
    cards = [bundle["text/html"] for bundle in run.displays if "text/html" in bundle]
    assert len(cards) == 1
    assert "\N{MULTIPLICATION SIGN}2" in cards[0]
    assert "pacing" in cards[0].lower()


def test_a_card_of_a_notice_has_live_evidence(connected, gateway):
    """What the checks that its page names find is beside it, through the open connection."""
    broken = 2103, "Market data farm connection is broken:usfarm"
    run = while_a_cell_runs(connected, gateway, broken)
    assert "with live answers" in run.html
    assert "usfarm" in run.html
    assert gateway.connections_accepted == 1


def test_a_cell_on_a_subshell_leaves_the_main_cell_its_card(connected):
    """Two cells at once: the one that fails is explained."""
    subshell = connected.subshell()
    connected.run("import asyncio, ibnb")
    main = connected.send(
        "while 'beside' not in globals(): await asyncio.sleep(0.01)\nibnb.connect('127.0.0.1:1')"
    )
    beside = connected.send("beside = True", subshell=subshell)
    run, _ = connected.collect([main, beside])
    assert run.error_name == "ConnectRefused"
    assert "Nothing listens" in run.html


def test_a_blocking_request_on_a_subshell_is_refused(connected):
    """Its answer would be read on the main thread: it cannot work, and an error says so plainly."""
    beside = connected.send("ib.reqPositions()", subshell=connected.subshell())
    [run] = connected.collect([beside])
    assert run.error_name == "BlockingOnThread"
    assert connected.value("len(ib.reqPositions()) > 0") == "True"


def test_a_pasted_line_with_an_apostrophe_is_looked_up(connected):
    """Quotes that belong to the text group nothing."""
    run = connected.run("%iberror Error 300, reqId 4: Can't find EId with tickerId:4")
    assert run.status == "ok", run.everything
    assert "300" in run.html


def test_semicolon_hides_the_badge(connected, gateway):
    """`%ibconnect ...;` connects and shows the line alone."""
    run = connected.run(f"%ibconnect {gateway.port};")
    assert run.status == "ok", run.everything
    assert run.displays == []


def test_closed_ib_says_where_it_was(connected, gateway):
    """After `%ibdisconnect` the badge says closed, and where the connection was."""
    connected.run("%ibdisconnect")
    shown = connected.run("ib").text
    assert "Closed" in shown
    assert str(gateway.port) in shown


def test_one_card_per_code_counted(connected):
    """The same code many times is one card that says how often."""
    run = connected.run(
        "for name in ('NOSUCH', 'NOSUCHER', 'NOSUCHEST'):\n"
        "    ib.reqContractDetails(Stock(name, 'SMART', 'USD'))"
    )
    assert len([bundle for bundle in run.displays if "text/html" in bundle]) == 1
    assert "\N{MULTIPLICATION SIGN}3" in run.html


def test_notice_while_idle_is_in_the_badge_and_on_a_card_of_the_next_cell(connected, gateway):
    """What arrives while no cell runs: the library's line passes, and the next cell tells it."""
    connected.run("ib", "badge-cell")
    gateway.send_notice(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
    run = connected.run("import asyncio\nawait asyncio.sleep(1)\n1")
    [card] = [bundle for bundle in run.displays if "text/html" in bundle]
    assert "1100" in card["text/plain"]
    assert "Error 1100, reqId -1" in "".join(connected.strays)
    assert "Degraded" in connected.run("%ibhealth").text
    assert connected.run("1").displays == []


def test_explain_setting_switches_cards_off(connected):
    """With `explain` off, no card appears by itself; `%iberror` still tells the latest."""
    connected.run("%config IbMagics.explain = False")
    run = connected.run("ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))")
    assert run.displays == []
    assert "200" in connected.run("%iberror").html


def test_not_connected_gets_its_card(connected):
    """A request on a disconnected `ib` is explained under its own traceback."""
    connected.run("%ibdisconnect")
    run = connected.run("ib.reqContractDetails(Stock('AAPL', 'SMART', 'USD'))")
    assert run.error_name == "ConnectionError"
    assert "504" in run.html
    assert len([bundle for bundle in run.displays if "text/html" in bundle]) == 1


def test_other_exceptions_are_left_alone(connected):
    """An error of the user's own gets no card."""
    run = connected.run("1 / 0")
    assert run.error_name == "ZeroDivisionError"
    assert run.displays == []


def test_iberror_shows_code_words_and_unknown_numbers(connected):
    """A code, words, and a number that nobody knows all get an explanation."""
    assert "326" in connected.run("%iberror 326").html
    assert "326" in connected.run("%iberror client id").html
    assert "99999" in connected.run("%iberror 99999").text
    shown = json.loads(connected.run("%iberror 326 --json").stdout)
    assert shown["codes"] == [326]


def test_what_the_python_forms_return_shows_itself(connected):
    """A cell that ends with an explanation or a report shows it as the magics do."""
    run = connected.run("import ibnb\nibnb.explain(326)")
    assert "Client ID already in use" in run.html
    assert "Entry(" not in run.everything
    run = connected.run("ibnb.diagnose(only=('host.address',))")
    assert "host.address" in run.html
    assert "Verdict(" not in run.everything
    assert connected.run("ibnb.explain(326);").displays == []


def test_explanation_brings_live_evidence(connected):
    """The checks that an entry names are answered beside it."""
    html = connected.run("%iberror connection refused").html
    assert re.search(r"listens on port|Nothing listens", html)


def test_account_numbers_are_masked_everywhere(connected):
    """No output of ours holds an account number in full."""
    for line in ("ib", "%ibhealth", "%ibdiag", "%ibdiag --json", "%ibdiag --static"):
        assert "DU1234567" not in connected.run(line).everything, line
    connected.run("%config IbMagics.show_accounts = True")
    assert "DU1234567" in connected.run("%ibhealth").everything


def test_diagnosis_of_the_open_session_opens_no_connection(connected, gateway):
    """With a session alive on the target, `%ibdiag` looks through it and adds no connection."""
    report = json.loads(connected.run("%ibdiag --json").stdout)
    assert report["schema"] == 1
    assert report["verdict"]["id"] == "healthy"
    assert report["target"]["port"] == gateway.port
    statuses = {check["id"]: check["status"] for check in report["checks"]}
    assert statuses["session.state"] == "pass"
    assert statuses["api.clock"] == "pass"
    assert gateway.connections_accepted == 1
    assert connected.value("ib.isConnected()") == "True"


def test_diagnosis_panel_then_report(connected):
    """The panel is a widget while it runs; the report is plain HTML with all checks."""
    run = connected.run("%ibdiag")
    widgets = [b for b in run.displays if "application/vnd.jupyter.widget-view+json" in b]
    places = [b for b in run.displays if "text/html" in b]
    reports = [b for b in run.updates if "took " in b.get("text/html", "")]
    assert len(widgets) == 1
    assert len(places) == 1
    assert len(reports) == 1
    assert "api.link" in reports[0]["text/html"] or "data farms" in reports[0]["text/html"]
    assert "<script" not in reports[0]["text/html"]


def test_rerun_of_a_diagnosis_closes_the_widgets_of_the_last(connected):
    """Running the `%ibdiag` cell again leaves as many widgets as one run."""
    connected.run("from ipywidgets import Button, Widget")
    # The toolbar may be drawn up to a quarter of a second after the cell has ended.
    settled = (
        "import asyncio\n"
        "def again():\n"
        "    return [one for one in list(Widget.widgets.values())\n"
        "            if isinstance(one, Button) and 'again' in one.description]\n"
        "while not again(): await asyncio.sleep(0.01)\n"
        "await asyncio.sleep(0)"
    )
    counts = []
    for _ in range(4):
        connected.run("%ibdiag", "same")
        assert connected.run(settled).status == "ok"
        counts.append(connected.value("len(Widget.widgets)"))
    assert len(set(counts)) == 1


def test_run_again_updates_the_report_in_place(connected):
    """The panel's run-again runs the checks anew and updates the same report."""
    connected.run("import asyncio\nfrom ipywidgets import Button, Widget")
    ran = connected.send("%ibdiag", "diagnosis")
    clicked = connected.send(
        "def buttons():\n"
        "    return [w for w in list(Widget.widgets.values())\n"
        "            if isinstance(w, Button) and 'again' in w.description.lower()]\n"
        "while not buttons(): await asyncio.sleep(0.01)\n"
        "[again] = buttons()\n"
        "again.click()\n"
        "await asyncio.sleep(0)\n"
        "[diagnosing] = get_ipython()._ibnb.cells._diagnoses.values()\n"
        "while diagnosing._diagnosis is not None: await asyncio.sleep(0.01)\n"
        "await asyncio.sleep(0)\n"
    )
    diagnosed, click = connected.collect([ran, clicked])
    assert click.status == "ok", click.everything
    made = ["took " in bundle.get("text/html", "") for bundle in diagnosed.updates]
    assert sum(made) == 2
    assert made[-1]


def test_list_names_every_check(connected):
    """`%ibdiag --list` runs nothing and names the checks."""
    listed = connected.run("%ibdiag --list").stdout
    for name in ("env.loop", "host.address", "net.port", "api.ready", "session.client-id"):
        assert name in listed


def test_the_checks_can_be_listed_as_json(connected):
    """`%ibdiag --list --json` prints JSON and nothing else."""
    listed = json.loads(connected.run("%ibdiag --list --json").stdout)
    assert {one["id"] for one in listed} >= {"net.port", "api.ready"}
    assert all(set(one) == {"id", "title", "category", "requires"} for one in listed)


def test_only_runs_what_was_asked_for(connected):
    """`--only` runs the named checks and what they require."""
    report = json.loads(connected.run("%ibdiag --json --only net.port env.library").stdout)
    assert [check["id"] for check in report["checks"]] == ["env.library", "net.port"]


def test_output_of_a_widget_free_terminal_is_text(gateway):
    """In a terminal IPython the same magics print text."""
    import subprocess
    import sys

    script = (
        "from IPython.terminal.interactiveshell import TerminalInteractiveShell as S\n"
        "s = S.instance()\n"
        "s.run_line_magic('load_ext', 'ibnb')\n"
        f"s.run_cell('%ibconnect {gateway.port}')\n"
        "s.run_cell('%ibdiag')\n"
        "s.run_cell('%iberror 326')\n"
        "s.run_cell('%ibdisconnect')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Connected to 127.0.0.1" in done.stdout
    assert "Everything works" in done.stdout
    assert "Closed 127.0.0.1" in done.stdout

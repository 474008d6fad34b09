"""What appears where: cards, badges, reports and lines, in the cells they belong to."""

from __future__ import annotations

import json
import re


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
    connecting = connected.send("print('connecting again')", "connecting")
    asked = connected.send("ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))")
    for run in connected.collect([connecting, asked]):
        assert run.stderr == ""
    connected.run(
        "import logging\nlines = []\n"
        "class Lines(logging.Handler):\n"
        "    def emit(self, record): lines.append(record.getMessage())\n"
        "logging.getLogger().addHandler(Lines())\n"
        "ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))"
    )
    assert "Error 200" in connected.value("lines")


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


def test_notice_while_idle_prints_nowhere_and_is_in_the_badge(connected, gateway):
    """What arrives while no cell runs goes to the badge, not into some cell's output."""
    connected.run("ib", "badge-cell")
    gateway.send_notice(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
    run = connected.run("import asyncio\nawait asyncio.sleep(1)\n1")
    assert run.displays == []
    assert "Degraded" in connected.run("%ibhealth").text


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
    reports = [b for b in run.displays if "text/html" in b]
    assert len(widgets) == 1
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
    assert sum("text/html" in bundle for bundle in diagnosed.updates) == 1


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
    assert "Open: 127.0.0.1" in done.stdout
    assert "Everything works" in done.stdout
    assert "Closed 127.0.0.1" in done.stdout

"""No output of a notebook holds an account, whatever the accounts look like.

Against a gateway that was written without any code of ibnb.
"""

from __future__ import annotations

import json
import zipfile

import bare_messages as messages
import pytest
from bare_gateway import BareGateway

ODD = ("F7654321", "prop_desk-7", "Ünïcode1")
FUND = "Fund Ärgo 9"
"""An account that only a connection of the user's own tells of."""
SPELT = ", ".join(case(name) for name in ODD for case in (str, str.upper, str.lower))


def holds_one(text):
    """Say whether a text holds an account, in any case of letters or escaped."""
    folded = text.casefold()
    spelt = {way(name) for name in (*ODD, FUND) for way in (str, ascii)}
    return any(one.strip("'").casefold() in folded for one in spelt)


@pytest.fixture
def gateway():
    """A gateway whose login has accounts that look like none."""
    with BareGateway(accounts=",".join(ODD)) as gateway:
        yield gateway


class Reader:
    """Runs the cells of a notebook, and fails where one of them shows an account."""

    def __init__(self, notebook, gateway):
        self.notebook = notebook
        self.gateway = gateway

    def run(self, source):
        """Run a cell; return what it came to."""
        return self.read(self.notebook.run(source))

    def read(self, run):
        """Read what a cell came to as its user does."""
        everything = f"{run.everything}\n{run.displays}\n{run.updates}\n{run.result}"
        assert not holds_one(everything), everything
        assert not holds_one("".join(self.notebook.strays)), self.notebook.strays
        return run

    def notice(self, *notice, gateway=None):
        """Have a notice come while a cell runs; return what it came to."""
        gateway = gateway or self.gateway
        asked = len(gateway.frames(messages.CURRENT_TIME))
        sent = self.notebook.send(
            "import asyncio\njournal = get_ipython()._ibnb.app.session.journal\n"
            f"wanted = journal.count + 1\n{'own' if gateway is not self.gateway else 'ib'}"
            ".client.reqCurrentTime()\n"
            "while journal.count < wanted: await asyncio.sleep(0.01)"
        )
        gateway.wait_for_frames(messages.CURRENT_TIME, asked + 1)
        gateway.notice(*notice)
        (run,) = self.notebook.collect([sent])
        assert run.status == "ok", run.everything
        return self.read(run)


@pytest.fixture
def reader(notebook, gateway, library):
    """A reader of a notebook that is connected."""
    reader = Reader(notebook, gateway)
    reader.run("%load_ext ibnb")
    opened = reader.run(f"%ibconnect {gateway.port} --library {library}")
    assert opened.status == "ok", opened.everything
    for masked in ("F7•••321", "pr•••k-7", "Ün•••de1"):
        assert masked in opened.text
        assert masked in opened.html
    return reader


def test_cards_and_pages(reader):
    """Of what the gateway said and of the request with an account, as text, HTML and JSON."""
    reader.run("pnl = ib.reqPnL('prop_desk-7')")
    req_id = int(reader.notebook.value("next(iter(ib.wrapper.reqId2PnL))"))
    said = f"Error validating request.-'bO' : cause - Invalid account code '{SPELT}'."
    card = reader.notice(321, said, req_id)
    assert "pr•••k-7" in card.html
    assert "reqPnL" in card.html
    assert "F7•••321" in reader.notice(201, f"Order rejected - reason:{SPELT}", 5).html
    reader.notice(2103, f"Market data farm connection is broken:{SPELT}")
    for line in ("ib", "%ibhealth", "%iberror", "%iberror 321", "%iberror 321 --json"):
        assert reader.run(line).status == "ok", line
    answers = [
        reader.run(f"%iberror Error 99999, reqId 1: {SPELT}"),
        reader.run(f"%iberror Error 99999, reqId 1: {SPELT} --json"),
    ]
    assert all("PR•••K-7" in one.text for one in answers)


TYPED = (
    "%iberror qqq zzz prop_desk-7",
    "%iberror qqq zzz ÜNÏCODE1 f7654321 --json",
    "%ibconnect prop_desk-7",
    "%ibconnect --client-id f7654321",
    "%ibconnect --account x ünïcode1",
    "%ibconnect --name Prop_Desk-7",
    "%ibdiag --only prop_desk-7",
    "%ibdiag --bundle /no/such/folder/prop_desk-7.zip",
    "%ibdiag 4002 --timeout prop_desk-7",
    "%ibhealth Ünïcode1",
    "import ibnb; name = 'prop' + '_desk-7'; ibnb.connect(name)",
    "import ibnb; name = 'prop' + '_desk-7'; ibnb.explain(f'qqq zzz {name}')",
)


def test_what_was_typed_is_told_back_without_accounts(reader):
    """In every answer: one line of what is wrong, with the account masked."""
    for line in TYPED:
        run = reader.run(line)
        assert "•••" in run.everything, (line, run.everything)


def test_lines_and_exceptions(reader, gateway):
    """Of another expectation, a loss, a resume, a rerun and the end."""
    failed = reader.run(f"%ibconnect {gateway.port} --expect paper")
    assert failed.error_name == "ConnectFailed"
    assert "pr•••k-7" in failed.error
    assert "pr•••k-7" in reader.run("%ibhealth").text
    reader.run(f"%ibconnect {gateway.port} --client-id 55")
    reader.run("ticker = ib.reqMktData(__import__(ib.__module__.split('.')[0]).Stock('SPY'))")
    reader.run("%config IbMagics.auto_resume = False")
    gateway.notice(2110, f"Connectivity between TWS and server is broken: {SPELT}")
    gateway.drop()
    reader.run("import asyncio\nwhile ib.isConnected(): await asyncio.sleep(0.01)")
    assert "pr•••k-7" in reader.run("ib.reqPositions()").everything
    reader.run("ib")
    assert reader.run("%ibdiag --static").status == "ok"
    assert "Resumed" in reader.run("%ibconnect --resume").stdout
    reader.run("%ibdisconnect")
    reader.run("ib.reqPositions()")


def test_reports_and_bundles_of_all_connections(reader, gateway, library, tmp_path):
    """In a report, its JSON and each file of a bundle, a raw connection's accounts too."""
    with BareGateway(accounts=f"{FUND},gateway") as other:
        reader.run(f"import {library}; own = {library}.IB()")
        reader.run(f"own.connect('127.0.0.1', {other.port}, 6)")
        assert "Fu•••o 9" in reader.run("own").text
        told = reader.notice(321, f"Invalid account code '{FUND.upper()}'", gateway=other)
        assert "FU•••O 9" in told.html
        report = reader.run("%ibdiag --json").stdout
        assert "pr•••k-7" in report
        # An account that is called like a word of ours leaves our sentences whole.
        assert "The gateway answers" in report
        reader.run(f"%ibdiag {other.port} --json")
        reader.run("%ibdiag")
        path = tmp_path / "bundle.zip"
        reader.run(f"%ibdiag {gateway.port} --static --bundle {path}")
    with zipfile.ZipFile(path) as bundle:
        files = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert not [name for name, text in files.items() if holds_one(text)]
    assert json.loads(files["session.json"])["health"]["accounts"] == [
        *("F7•••321", "pr•••k-7", "Ün•••de1"),
    ]
    asked = [one["parameters"] for one in json.loads(files["journal.json"])["requests"]]
    assert {one["account"] for one in asked if "account" in one} >= {"F7•••321", "pr•••k-7"}
    assert path.stat().st_mode & 0o077 == 0


def test_what_ibnb_logs(reader):
    """Whoever writes to its log, and wherever the log goes."""
    reader.run("import logging; logging.basicConfig()")
    logged = reader.run("logging.getLogger('ibnb').error('of %s', 'prop_' + 'desk-7')")
    assert "of pr•••k-7" in logged.stderr


def test_accounts_are_shown_where_the_user_asked_for_them(notebook, gateway, library):
    """With `show_accounts` they are shown as the gateway gave them."""
    notebook.run("%load_ext ibnb\n%config IbMagics.show_accounts = True")
    lines = (f"%ibconnect {gateway.port} --library {library}", "ib", "%ibhealth")
    lines += (
        "%ibdiag --json",
        "%ibdiag --static",
        "%iberror qqq Error 99999, reqId 1: prop_desk-7",
    )
    for line in lines:
        run = notebook.run(line)
        assert "prop_desk-7" in f"{run.everything}{run.result}", line

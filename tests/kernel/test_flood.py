"""Notices in masses, notices while nothing runs, and notices whose text is meant to do harm."""

from __future__ import annotations

import re
import threading
import unicodedata

import pytest
from framing import notice
from notice_server import NoticeServer

# How many notices a second a kernel can take is the matter here.
pytestmark = pytest.mark.serial
PATIENCE = 60.0
LONG = "x" * 2000
"""Part of each text of the flood: that many kept would show in the memory."""
CODES = {
    2104: (40, f"Market data farm connection is OK:usfarm{LONG}"),
    354: (30, f"Requested market data is not subscribed. {LONG}"),
    366: (15, f"No historical data query found for ticker id:3 {LONG}"),
    200: (10, f"No security definition has been found for the request {LONG}"),
    2103: (5, f"Market data farm connection is broken:usfarm.nj{LONG}"),
}
"""How often each code comes in a block of 100, and its text."""
TROUBLES = (354, 200, 366, 2103)
"""Those that are shown: errors first, and no good news."""
UNPRINTED = (2103, 2105, 2157, 2108, 2119)
BLOCK = b"".join(notice(code, text) * times for code, (times, text) in CODES.items())
BLOCKS = 200
GROWTH = 15_000_000
"""Bytes; the notices of the flood would take twice as much if they were kept."""
MARKER = 2106
END = notice(MARKER, "HMDS data farm connection is OK:ushmds")
WAIT = f"""
import asyncio, psutil
over, seen, early, late = asyncio.Event(), 0, 0, 0
def note(_req_id, code, *_rest):
    global seen, early, late
    seen += 1
    if seen == {BLOCKS * 100 // 4}:
        early = psutil.Process().memory_info().rss
    if code == {MARKER}:
        late = psutil.Process().memory_info().rss
        over.set()
ib.errorEvent += note
print("waiting", flush=True)
await over.wait()
ib.errorEvent -= note
"""
BETWEEN = 0.25
"""Seconds between two updates of what the browser shows, at least."""

TAGS = "<script>alert(1)</script><img src=x onerror=alert(2)></div></details><b>bold"
RED = "\x1b[31mred\x1b[0m\x1b]0;title\x07\x9b2J"
CONTROLS = "a\x01\x02\x08\x08\x08b\rover\x7f\x0b\x0c"
TURNED = "safe\u202egnp.exe\u202c\u2066\u200f\u2069"
HUGE = TAGS + "y" * 1_000_000
HOSTILE = {354: TAGS + RED, 99_998: CONTROLS + TURNED + TAGS, 99_999: HUGE, 2104: f"farm:{HUGE}"}


class Browser:
    """Reads what the kernel publishes, in the order in which it comes."""

    def __init__(self, notebook):
        self._client = notebook.client
        self.messages = []

    def until(self, found):
        """Read until `found` is true of a message; return all that came since the last time."""
        new = []
        while not new or not found(new[-1]):
            new.append(self._client.get_iopub_msg(timeout=PATIENCE))
        self.messages += new
        return new

    def until_printed(self, cell):
        """Read until a cell prints something."""
        self.until(lambda one: one["msg_type"] == "stream" and is_of(one, cell))

    def until_idle(self, cell):
        """Read until a cell is over."""
        self.until(
            lambda one: (
                one["msg_type"] == "status"
                and one["content"]["execution_state"] == "idle"
                and is_of(one, cell)
            )
        )

    def outputs(self, cell):
        """Return what came as output of a cell, without its updates."""
        kinds = {"stream", "display_data", "execute_result", "error"}
        return [one for one in self.messages if one["msg_type"] in kinds and is_of(one, cell)]


def is_of(message, cell):
    """Say whether a message belongs to a cell."""
    return message["parent_header"].get("msg_id") == cell


def is_update(message):
    """Say whether a message changes what the browser shows already."""
    return message["msg_type"] in {"update_display_data", "comm_msg"}


def tells_the_marker(message):
    """Say whether a message is an update of a badge that has the last notice."""
    return is_update(message) and str(MARKER) in message["content"]["data"]["text/html"]


def is_line(message):
    """Say whether a message is something printed in red."""
    return message["msg_type"] == "stream" and message["content"]["name"] == "stderr"


def bundles(messages):
    """Return the texts and HTML that messages display."""
    return [one["content"]["data"] for one in messages if "data" in one["content"]]


@pytest.fixture
def server():
    """A server that sends what the test gives it."""
    with NoticeServer() as server:
        yield server


@pytest.fixture
def connected(notebook, server, library):
    """A notebook that is connected to the server, with the badge in two cells."""
    notebook.run("%load_ext ibnb")
    run = notebook.run(f"%ibconnect {server.port} --library {library}", "connecting")
    assert run.status == "ok", run.everything
    notebook.run("ib", "badge")
    return notebook


def test_flood_while_a_cell_runs_is_counted_exactly(connected, server):
    """20,000 notices: three counted cards and one folded list, memory flat, the next cell runs."""
    browser = Browser(connected)
    waiting, next_one = connected.send(WAIT), connected.send("6 * 7")
    browser.until_printed(waiting)
    for _ in range(BLOCKS):
        server.send(BLOCK)
    server.send(END)
    browser.until_idle(next_one)
    shown = [bundle for bundle in bundles(browser.outputs(waiting)) if "text/html" in bundle]
    # On a slow machine the cell lasts so long that a list is shown meanwhile.
    shown = shown[-len(TROUBLES) :]
    found = [re.search(r"\N{MULTIPLICATION SIGN}(\d+)", bundle["text/html"]) for bundle in shown]
    assert [int(one[1]) for one in found] == [CODES[code][0] * BLOCKS for code in TROUBLES]
    for bundle, code in zip(shown, TROUBLES, strict=True):
        assert str(code) in bundle["text/plain"]
    assert "1 more kind" in shown[-1]["text/plain"]
    assert not [one for one in browser.outputs(waiting)[1:] if one["msg_type"] == "stream"]
    assert bundles(browser.outputs(next_one))[0]["text/plain"] == "42"
    assert connected.value("seen") == str(BLOCKS * 100 + 1)
    growth = int(connected.value("late - early"))
    assert growth < GROWTH


def test_kernel_answers_and_the_browser_rests_while_a_flood_goes_on(connected, server):
    """With 10,000 notices a second cells run, and four updates a second serve all badges.

    What was told before the flood and still holds is not forgotten for it. These are notices that
    the libraries print no lines of: thousands of lines a second hold a kernel up without ibnb, too.
    """
    browser, stop = Browser(connected), threading.Event()
    server.send(notice(1100, "Connectivity between IBKR and TWS has been lost."))
    server.flood(b"".join(notice(code, "a text") for code in UNPRINTED) * 20, stop, pause=0.01)
    try:
        for number in range(3):
            cell = connected.send(f"{number} + 1")
            browser.until_idle(cell)
            assert bundles(browser.outputs(cell))[0]["text/plain"] == str(number + 1)
        updates = [browser.until(is_update)[-1] for _ in range(9)]
        assert not stop.is_set()
    finally:
        stop.set()
    assert "Degraded" in connected.run("%ibhealth").text
    took = (updates[-1]["header"]["date"] - updates[0]["header"]["date"]).total_seconds()
    # The last of nine comes eight pauses after the first, as exactly as the wall clock goes.
    assert took > 8 * BETWEEN * 0.95


def test_notices_while_nothing_runs_pass_and_are_told_in_the_next_cell(connected, server):
    """The badge shows what came, the library's own lines pass, and the next cell has the cards."""
    browser = Browser(connected)
    server.send(b"".join(notice(code, text) for code, (_, text) in CODES.items()) + END)
    new = browser.until(tells_the_marker)
    assert {one["msg_type"] for one in new} <= {"update_display_data", "stream", "status"}
    cell = connected.send("pass")
    browser.until_idle(cell)
    shown = [one for one in bundles(browser.outputs(cell)) if "text/html" in one]
    for bundle, code in zip(shown, TROUBLES, strict=True):
        assert str(code) in bundle["text/plain"]
        assert "since the last cell" in " ".join(bundle["text/plain"].split())
    lines = "".join(one["content"]["text"] for one in browser.messages if is_line(one))
    assert all(f"Error {code}, reqId -1" in lines for code in (354, 366, 200))


def test_hostile_texts_are_escaped_and_shortened(connected, server):
    """Tags, terminal codes, control and reordering characters do nothing, not in a saved page."""
    browser = Browser(connected)
    waiting = connected.send(WAIT)
    browser.until_printed(waiting)
    server.send(b"".join(notice(code, text) for code, text in HOSTILE.items()) + END)
    browser.until_idle(waiting)
    if not any(map(tells_the_marker, browser.messages)):
        browser.until(tells_the_marker)
    displayed = bundles(browser.outputs(waiting))
    updates = bundles(filter(is_update, browser.messages))
    assert len(displayed) == 3
    assert "(the first 4,000 characters)" in displayed[2]["text/plain"]
    for bundle in (*displayed, *updates):
        for form in bundle.values():
            assert len(form) < 60_000
            assert harmful(form) == []
        assert "<script" not in bundle["text/html"]
        assert "<img" not in bundle["text/html"]
        assert "<b>bold" not in bundle["text/html"]
    assert any("&lt;script&gt;" in bundle["text/html"] for bundle in displayed)
    assert any("\\x1b[31mred" in bundle["text/plain"] for bundle in displayed)
    assert any("\\u202e" in bundle["text/plain"] for bundle in displayed)
    page = saved_page([*displayed, *updates])
    assert "&lt;script&gt;alert(1)" in page
    for tag in ("<script>alert", "<img src=x", "<b>bold"):
        assert tag not in page


def harmful(text):
    """Return the characters of a text that do something else than be read."""
    return [
        char
        for char in text
        if char != "\n"
        and (unicodedata.category(char) == "Cc" or "\u202a" <= char <= "\u202e"
             or "\u2066" <= char <= "\u2069" or char in "\u200e\u200f")
    ]  # fmt: skip


def saved_page(displayed):
    """Return a notebook with these outputs as the HTML page that nbconvert makes of it."""
    nbconvert = pytest.importorskip("nbconvert")
    import nbformat

    cell = nbformat.v4.new_code_cell("ib")
    cell.outputs = [nbformat.v4.new_output("display_data", data=bundle) for bundle in displayed]
    notebook = nbformat.v4.new_notebook(cells=[cell])
    page, _ = nbconvert.HTMLExporter().from_notebook_node(notebook)
    return page

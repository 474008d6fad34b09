"""Explanations with what they are about, under the cells they belong to: in real kernels."""

from __future__ import annotations

import html
import json
import re

import pytest

BARS = (
    "ib.reqHistoricalData(Stock('AAPL', 'SMART', 'USD'), endDateTime='', durationStr='1 day', "
    "barSizeSetting='1 hour', whatToShow='TRADES', useRTH=True)"
)
UNKNOWN = "ib.reqContractDetails(Stock('NOSUCH', 'SMART', 'USD'))"
KNOWN = "ib.reqContractDetails(Stock('AAPL', 'SMART', 'USD'))"
LOST = (
    "import asyncio\n"
    "async def lost():\n"
    "    while ib.isConnected():\n"
    "        await asyncio.sleep(0.01)\n"
    "await asyncio.wait_for(lost(), 20)"
)
BLOCKING = (
    "import asyncio\n"
    "came = asyncio.Event()\n"
    "def handler(*args):\n"
    "    ib.{event} -= handler\n"
    "    came.set()\n"
    f"    {KNOWN}\n"
    "ib.{event} += handler\n"
)


def cards(run):
    """Return the cards of a cell, as HTML."""
    return [bundle["text/html"] for bundle in run.displays if "text/html" in bundle]


def texts(run):
    """Return the cards of a cell, as text on one line each."""
    shown = [bundle.get("text/plain", "") for bundle in run.displays if "text/html" in bundle]
    return [" ".join(text.split()) for text in shown]


def asked_for_details(gateway):
    """Say whether a request for contract details has arrived."""
    return any(fields[0] == "9" for _, fields in gateway.messages)


def test_a_refused_request_is_shown_in_its_card(connected):
    """A 321's card holds the request, what is wrong in it marked, and a call that works."""
    run = connected.run(BARS)
    [card], [text] = cards(run), texts(run)
    for part in ("durationStr", "barSizeSetting", "contract.symbol", "AAPL", "reqHistoricalData"):
        assert part in card
    assert card.count("▲ must be a number and a unit") == 1
    assert "durationStr = '1 day' <- must be a number and a unit (S, D, W, M or Y)" in text
    assert 'barSizeSetting="1 hour"' in text
    assert "was not qualified" in text
    for line in ("%iberror 321", "%iberror"):
        [again] = texts(connected.run(line))
        assert "durationStr = '1 day' <- must be a number" in again, line
        assert 'barSizeSetting="1 hour"' in again, line


def test_the_latest_of_a_code_and_the_latest_at_all(connected):
    """`%iberror 321` is this notebook's last 321; `%iberror` alone is the last error of all."""
    connected.run(BARS)
    connected.run(BARS.replace("AAPL", "MSFT"))
    connected.run(UNKNOWN)
    assert "MSFT" in texts(connected.run("%iberror 321"))[0]
    [latest] = texts(connected.run("%iberror"))
    assert "contract.symbol = 'NOSUCH'" in latest
    assert "durationStr" not in latest


def test_an_error_outranks_a_warning_of_the_same_cell(connected, gateway):
    """`%iberror` after a cell with an error and a warning shows the error."""
    connected.run(
        "import asyncio\nwarned = asyncio.Event()\n"
        "ib.errorEvent += lambda req_id, code, *rest: code == 2103 and warned.set()"
    )
    sent = connected.send(f"{UNKNOWN}\nawait asyncio.wait_for(warned.wait(), 20)")
    assert gateway.wait_for(lambda: asked_for_details(gateway))
    gateway.send_notice(2103, "Market data farm connection is broken:usfarm")
    [run] = connected.collect([sent])
    assert len(cards(run)) == 2, run.stderr
    assert "NOSUCH" in texts(connected.run("%iberror"))[0]


def test_what_came_while_nothing_ran_is_the_latest(connected, gateway):
    """An error that came between two cells is what `%iberror` alone shows."""
    connected.run(UNKNOWN)
    connected.run(
        "import asyncio\nlost = asyncio.Event()\n"
        "ib.errorEvent += lambda req_id, code, *rest: code == 1100 and lost.set()"
    )
    gateway.send_notice(1100, "Connectivity between IBKR and Trader Workstation has been lost.")
    # A cell that shows no card.
    connected.run("%config IbMagics.explain = False\nawait asyncio.wait_for(lost.wait(), 20)")
    assert "1100" in texts(connected.run("%iberror"))[0]


def test_an_unknown_contract_can_be_searched(connected):
    """A 200's card holds the line that finds matching symbols."""
    assert "ib.reqMatchingSymbols('NOSUCH')" in texts(connected.run(UNKNOWN))[0]


def test_a_request_on_a_lost_connection(connected, gateway):
    """The card of `Not connected` says when and why this `ib` was lost; so does `%iberror 504`."""
    # Otherwise the state is another one before a slow machine has shown all pages.
    connected.run("%config IbMagics.auto_resume = False")
    gateway.drop_clients()
    connected.run(LOST)
    run = connected.run(KNOWN)
    assert run.error_name == "ConnectionError"
    [card] = texts(run)
    assert "was lost at" in card
    assert "the other side closed the socket" in card
    for line in ("%iberror 504", "%iberror", "%iberror not-connected"):
        assert "was lost at" in texts(connected.run(line))[0], line


def test_a_request_that_waited_when_the_connection_was_lost(connected, gateway):
    """A request under way fails at the loss, and its card says when and why it was lost."""
    gateway.set_faults(["half-open"])
    sent = connected.send(KNOWN)
    assert gateway.wait_for(lambda: asked_for_details(gateway))
    gateway.drop_clients()
    [run] = connected.collect([sent])
    assert run.error_name == "ConnectionError", run.stderr
    assert "was lost at" in texts(run)[0]


def test_a_request_after_disconnecting(connected):
    """The card says that `%ibdisconnect` closed it, and when."""
    connected.run("%ibdisconnect")
    [card] = texts(connected.run(KNOWN))
    assert "was closed at" in card
    assert "by %ibdisconnect" in card


def test_a_request_on_a_replaced_ib(notebook, gateway, library):
    """An `ib` of the user's own that a rerun replaced says by what and when."""
    notebook.run(f"%load_ext ibnb\nfrom {library} import IB, Stock")
    connect = f"ib = IB(); ib.connect('127.0.0.1', {gateway.port}, 7)"
    assert notebook.run(connect, "connecting").status == "ok"
    notebook.run("old = ib")
    assert notebook.run(connect, "connecting").status == "ok"
    run = notebook.run(KNOWN.replace("ib.", "old.", 1))
    assert run.error_name == "StaleConnection"
    [card] = texts(run)
    assert "was replaced at" in card


def test_a_user_s_own_error_has_no_card(connected):
    """Only what the library raises is explained, though it ran the user's code."""
    own = "async def work():\n    raise {error}('of my own')\nib.run(work())"
    for error in ("ConnectionError", "TimeoutError", "ValueError", "KeyError"):
        for source in (own.format(error=error), f"raise {error}('of my own')"):
            run = connected.run(source)
            assert run.error_name == error
            assert run.displays == [], error


def test_a_request_error_has_its_request(connected):
    """With `RaiseRequestErrors` the exception's card holds the request, and there is but one."""
    connected.run("ib.RaiseRequestErrors = True")
    run = connected.run(BARS)
    assert run.error_name == "RequestError"
    [card] = texts(run)
    assert "durationStr = '1 day' <- must be a number" in card
    assert "ib.reqMatchingSymbols('NOSUCH')" in texts(connected.run(UNKNOWN))[0]


@pytest.mark.parametrize("event", ["updateEvent", "errorEvent"])
def test_blocking_in_a_handler(connected, event):
    """A blocking request in a handler is refused with a card, and the kernel does not hang."""
    connected.run(BLOCKING.format(event=event))
    connecting = connected.send("1", "connecting")
    sent = connected.send(f"{UNKNOWN}\nawait asyncio.wait_for(came.wait(), 20)")
    _, run = connected.collect([connecting, sent])
    assert run.status == "ok", run.error
    [refused] = [text for text in texts(run) if "event handler" in text]
    assert "handler (its line 4)" in refused
    assert len(cards(run)) == 2
    assert connected.value(f"len({KNOWN})") == "1"
    assert "handler (its line 4)" in texts(connected.run("%iberror"))[0]
    assert connected.run("1").displays == []


def test_capture_keeps_what_is_the_user_s(connected):
    """Of a captured cell the output is the user's, and the card is under the cell all the same."""
    run = connected.run(f"%%capture mine\nprint('of mine')\nfound = {UNKNOWN}")
    assert "NOSUCH" in texts(run)[0]
    assert connected.value("(mine.stdout, mine.stderr, mine.outputs)") == "('of mine\\n', '', [])"
    run = connected.run(f"%%capture failed\nib.RaiseRequestErrors = True\n{BARS}")
    assert "durationStr = '1 day'" in texts(run)[0]
    assert len(cards(run)) == 1


def test_nested_runs(connected, tmp_path):
    """What a script or a notebook that `%run` runs meets is explained under the cell, once."""
    import nbformat

    (tmp_path / "script.py").write_text(UNKNOWN)
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(one) for one in ("1", UNKNOWN, "2")]
    )
    nbformat.write(book, tmp_path / "inner.ipynb")
    for name in ("script.py", "inner.ipynb"):
        run = connected.run(f"%run -i {name}")
        assert len(cards(run)) == 1, run.stderr
        assert "NOSUCH" in texts(run)[0]


def test_nested_failures(connected, tmp_path):
    """An exception in a script or a notebook that `%run` runs has its card too."""
    import nbformat

    (tmp_path / "script.py").write_text(BARS)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(BARS)])
    nbformat.write(book, tmp_path / "inner.ipynb")
    connected.run("ib.RaiseRequestErrors = True")
    for name in ("script.py", "inner.ipynb"):
        run = connected.run(f"%run -i {name}")
        assert len(cards(run)) == 1, run.stderr
        assert "durationStr = '1 day'" in texts(run)[0]
    assert connected.run("1").displays == []


def test_a_printing_thread(connected):
    """A notice that comes while a background thread prints is explained under its own cell."""
    connected.run(
        "import threading, asyncio\n"
        "over = threading.Event()\n"
        "def chatter():\n"
        "    while not over.wait(0.01):\n"
        "        print('chatter', flush=True)\n"
        "thread = threading.Thread(target=chatter, daemon=True); thread.start()",
        "chatting",
    )
    run = connected.run(UNKNOWN)
    assert len(cards(run)) == 1
    assert "NOSUCH" in texts(run)[0]
    connected.run("over.set(); thread.join()")


def test_async_cells(connected):
    """An awaited request's notice and its exception are explained under their cell."""
    run = connected.run("await ib.reqContractDetailsAsync(Stock('NOSUCH', 'SMART', 'USD'))")
    assert "contract.symbol = 'NOSUCH'" in texts(run)[0]
    assert len(cards(run)) == 1
    connected.run("ib.RaiseRequestErrors = True")
    run = connected.run("await ib.reqContractDetailsAsync(Stock('NOSUCH', 'SMART', 'USD'))")
    assert run.error_name == "RequestError"
    assert len(cards(run)) == 1
    connected.run("%ibdisconnect")
    run = connected.run("await ib.reqContractDetailsAsync(Stock('NOSUCH', 'SMART', 'USD'))")
    assert "by %ibdisconnect" in texts(run)[0]


def test_explaining_sends_nothing(connected, gateway):
    """Cards and `%iberror` ask the gateway for nothing but the time, once each, at the most."""
    connected.run(BARS)
    before = len(gateway.messages)
    for line in ("%iberror", "%iberror 321", "%iberror 200", "%iberror 504", "%iberror 326"):
        connected.run(line)
        sent = gateway.messages[before:]
        assert len(sent) <= 1, sent
        assert {fields[0] for _, fields in sent} <= {"49"}, line
        before = len(gateway.messages)
    assert gateway.orders == ()
    assert gateway.connections_accepted == 1


def test_completion_after_iberror(connected):
    """Tab offers ids, codes and check ids, in the shell and as a frontend asks."""
    for beginning, word in (
        ("client-id-i", "client-id-in-use"),
        ("32", "326"),
        ("net.p", "net.port"),
    ):
        line = f"%iberror {beginning}"
        assert word in connected.value(f"get_ipython().complete({beginning!r}, {line!r})[1]")
        reply = connected.client.complete(line, len(line), reply=True, timeout=60)
        assert word in reply["content"]["matches"], reply["content"]


@pytest.mark.parametrize(
    ("words", "page"),
    [
        ("pacing", "pacing"),
        ("WinError 10061", "connection-refused"),
        ('"No market data permissions"', "history-no-permission"),
        ("ERROR:ib_insync.wrapper:Error 200, reqId 3: No security definition", "200"),
        ("client-id-in-us", "client-id-in-use"),
        ("conection refussed", "connection-refused"),
    ],
)
def test_searching(connected, words, page):
    """Words, pasted lines and what is mistyped lead to their page."""
    run = connected.run(f"%iberror {words} --json")
    found = json.loads(run.stdout)
    assert page in {found["id"], *map(str, found["codes"])}, found["id"]


def test_what_nothing_matches_is_no_error(connected):
    """Words that no page fits get an answer that says so, and nothing red: Run All goes on."""
    run = connected.run("%iberror xyzzy plugh")
    assert run.status == "ok"
    assert "Nothing in the catalogue matches" in run.everything
    assert run.stderr == ""


def test_a_saved_notebook_still_explains(gateway, library, tmp_path, monkeypatch):
    """Executed by nbclient and exported by nbconvert, it holds the cards without any kernel."""
    import nbformat

    nbclient = pytest.importorskip("nbclient")
    nbconvert = pytest.importorskip("nbconvert")
    monkeypatch.setenv("IBNB_STATE_DIR", str(tmp_path / "state"))
    sources = (
        "%load_ext ibnb",
        f"%ibconnect {gateway.port} --library {library}",
        f"from {library} import Stock\nbars = {BARS}",
        UNKNOWN,
        "%iberror 326",
        "%ibdisconnect",
        KNOWN,
    )
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in sources])
    book.cells[-1].metadata["tags"] = ["raises-exception"]
    nbclient.NotebookClient(
        book,
        timeout=60,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    nbformat.write(book, tmp_path / "saved.ipynb")
    saved = nbformat.read(tmp_path / "saved.ipynb", as_version=4)
    exported = nbconvert.HTMLExporter().from_notebook_node(saved)[0]
    page = " ".join(html.unescape(re.sub("<[^>]*>", " ", exported)).split())
    for part in (
        "▲ must be a number and a unit",
        "A working call to start from",
        "To see what there is: ib.reqMatchingSymbols('NOSUCH')",
        "client-id-in-use",
        "by %ibdisconnect",
    ):
        assert part in page, part
    shown = [
        sum("text/html" in out.get("data", {}) for out in cell.outputs) for cell in saved.cells
    ]
    assert shown[2:] == [1, 1, 1, 0, 1]


@pytest.mark.parametrize("setting", ["target = 'no such:99999'", "library = 'ib_async'"])
def test_a_setting_that_makes_no_sense_hides_no_page(notebook, setting):
    """A page without its evidence: a library may be named that is not installed."""
    notebook.run("%load_ext ibnb")
    notebook.run(f"%config IbMagics.{setting}")
    run = notebook.run("%iberror 326")
    assert run.status == "ok", run.everything
    assert "Client ID already in use" in run.html


def test_the_python_form_has_the_evidence_too(connected, gateway):
    """`ibnb.explain` returns what `%iberror` shows, also in code that awaits."""
    connected.run(UNKNOWN)
    connected.run("import ibnb; found = ibnb.explain(200)")
    assert connected.value("found.asked.method") == "'reqContractDetails'"
    connected.run("found = ibnb.explain(326)\nawaited = await ibnb.explain_async(326)")
    holders = "[one.summary for one in {}.answers if one.check == 'session.client-id']"
    assert str(connected.value("ib.client.clientId")) in connected.value(holders.format("found"))
    same = f"{holders.format('found')} == {holders.format('awaited')}"
    assert connected.value(same) == "True"
    assert gateway.connections_accepted == 1


def test_a_blocking_request_on_a_thread_is_explained(connected):
    """The cell that waits for the thread ends with an error and its page, instead of never."""
    connected.run("from concurrent.futures import ThreadPoolExecutor")
    run = connected.run("ThreadPoolExecutor(1).submit(ib.reqPositions).result()")
    assert run.error_name == "BlockingOnThread"
    assert "asyncio.gather" in run.html
    assert connected.value("len(ib.reqPositions()) > 0") == "True"

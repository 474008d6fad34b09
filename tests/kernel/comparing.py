"""The same cells in two notebooks, plain and with ibnb: what happens, and what is said.

The plain library is the yardstick: with ibnb nothing that happened, or was said, may be missing.
"""

from __future__ import annotations

import html
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bare_gateway import BareGateway
from kernels import PATIENCE, CellRun, Notebook

PREPARE = """
from LIBRARY import *
import asyncio, time
util.startLoop()

async def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await asyncio.sleep(0.01)
    return bool(condition())

def kind(error):
    return next(cls.__name__ for cls in type(error).__mro__ if cls.__module__ == 'builtins')

def order(symbol='TSLA', quantity=1, action='BUY'):
    contract = Stock(symbol, 'SMART', 'USD', conId=sum(map(ord, symbol)))
    return contract, LimitOrder(action, quantity, 100)
"""
"""What a notebook of both kinds begins with.

`until` waits without the libraries' own waiting, which a loss of any connection ends. `kind` is the
name by which an `except` of the user's would catch an error.
"""

CODE = re.compile(r"\b(?:Error|Warning) (\d+), reqId -?\d+: ")
SYMBOL = re.compile(r"symbol='([^']+)'")
ORDER_ID = re.compile(r"\borderId=([1-9]\d*)")
TIMED_OUT = re.compile(r"^(\w[\w ]*) request timed out", re.MULTILINE)
RAISED = re.compile(r"^(?:\w+\.)*(\w+(?:Error|Exception)): ", re.MULTILINE)
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
UNSEEN = re.compile(r"<style\b.*?</style>|<script\b.*?</script>|<[^>]*>", re.DOTALL)


def said(*runs, forms=("text/plain", "text/html")):
    """Return all that a user can read in these outputs: streams, displays, errors.

    Args:
        runs: `CellRun`s, texts, and bundles of what was displayed.
        forms: in which forms displays are read: pages by a notebook, texts by a terminal.
    """
    parts = []
    for run in runs:
        match run:
            case str():
                parts.append(run)
            case dict():
                parts += [UNSEEN.sub(" ", run[form]) for form in forms if form in run]
            case CellRun():
                shown = [*run.displays, *run.updates, *filter(None, [run.result])]
                parts += [run.stdout, run.stderr, run.error]
                parts += [said(one, forms=forms) for one in shown]
    return COLOUR.sub("", html.unescape("\n".join(part for part in parts if part)))


def says(text, *facts):
    """Say whether a text has each of these facts as a word of its own."""
    return not unsaid(text, *facts)


def unsaid(text, *facts):
    """Return which of these facts a text does not have as a word of its own."""
    return [one for one in facts if not re.search(rf"(?<!\w){re.escape(str(one))}(?!\w)", text)]


def facts_of(text):
    """Return what the library's own lines name: codes, symbols, order IDs, errors, requests."""
    kinds = (CODE, SYMBOL, ORDER_ID, TIMED_OUT, RAISED)
    return sorted({found for kind in kinds for found in kind.findall(text)})


@dataclass
class Cell:
    """A cell that was run on one side."""

    source: str
    run: CellRun
    common: bool
    """Whether the other side runs it too."""


class Side:
    """One notebook with a gateway of its own, plain or with ibnb.

    In the source of a cell, PORT is the gateway's and LIBRARY the API library.
    """

    def __init__(self, folder, library, *, plain, gateway):
        folder.mkdir()
        self.library = library
        self.plain = plain
        self.gateway = gateway
        # Of its own, because a socket's path has to be short.
        self.notebook = Notebook(folder, warm=not plain)
        self.cells: list[Cell] = []
        self.result = None
        """What the steps returned."""
        self.clients_at_end = ()
        """The client IDs that were open when the steps were over."""
        self.runs: dict[str, CellRun] = {}
        """The runs of the cells that the steps gave a name."""
        self.heard: dict[str, list] = {}
        """Of each such cell, all outputs of the notebook that were new when it had ended."""
        self._known = (0, 0, 0)

    @property
    def story(self):
        """Everything, for a test that fails."""
        return f"{'plain' if self.plain else 'ibnb'} {self.gateway!r}\n{self.said}"

    def prepare(self, *, load=True):
        """Run what the notebook begins with; with ibnb it is loaded first, unless told not to."""
        if load:
            self.run("%load_ext ibnb")
        run = self.notebook.run(PREPARE.replace("LIBRARY", self.library), "preparing")
        assert run.status == "ok", run.everything

    def run(self, source, cell_id=None, *, name="", fails=False):
        """Run a cell; one that only ibnb understands runs only there.

        Args:
            source: the cell's source.
            cell_id: under which it runs again; without it, it is a cell of its own.
            name: keeps the run, and what is new in all outputs since the last name was given.
            fails: whether the cell fails with the plain library; None if that depends.
        """
        run = CellRun()
        if not (is_of_ibnb(source) and self.plain):
            run = self._keep(source, self.notebook.run(self._fill(source), cell_id))
        if self.plain and run.status and fails is not None:
            assert run.status == ("error" if fails else "ok"), self.story
        if name:
            self.runs[name], self.heard[name] = run, self._news()
        return run

    def run_all(self, *sources):
        """Queue several cells at once, as Run All does; those of ibnb only there."""
        known = [one for one in sources if not (is_of_ibnb(one) and self.plain)]
        runs = self.notebook.run_all(list(map(self._fill, known)))
        return [self._keep(*pair) for pair in zip(known, runs, strict=True)]

    def connect(self, name, client_id, cell_id=None, *, how="raw", options=""):
        """Run a cell that connects: raw, or with ibnb by its "magic" or its "call"."""
        sources = {
            "raw": f"{name} = IB(); {name}.connect('127.0.0.1', PORT, {client_id})",
            "magic": f"%ibconnect PORT --library {self.library} --client-id {client_id} "
            f"--name {name} {options}",
            "call": f"import ibnb\n{name} = ibnb.connect(PORT, client_id={client_id}, "
            f"library={self.library!r})",
        }
        run = self.run(sources["raw" if self.plain else how], cell_id)
        # The same step of both sides, whatever its source.
        self.cells[-1].common = True
        assert run.status == "ok", run.everything
        return run

    def value(self, expression):
        """Return the printed form of an expression, which the two sides may differ in."""
        source = f"print(repr(({expression})), end='')"
        run = self.notebook.run(self._fill(source))
        self.cells.append(Cell(source, run, common=False))
        assert run.status == "ok", run.everything
        return run.stdout

    def settle(self):
        """Let the kernel take what its sockets have got, while no cell runs."""
        for _ in range(3):
            # Each answer comes from the loop that also reads the sockets.
            self.notebook.client.kernel_info(reply=True, timeout=PATIENCE)

    def told(self, code, count=1):
        """Wait until a notice was sent and has been taken, while no cell runs."""
        self.gateway.wait_for_told(code, count)
        self.settle()

    def notice(self, code, text, req_id=-1, client_id=None):
        """Send a notice while no cell runs, and let it be taken."""
        self.gateway.notice(code, text, req_id, client_id)
        self.settle()

    def lose(self, client_id=None):
        """Lose the sockets while no cell runs, and let that be noticed."""
        self.gateway.drop(client_id)
        self.settle()

    def next(self, name=""):
        """Run the cell that follows."""
        run = self.run("print('next')", name=name)
        assert run.stdout.endswith("next\n"), run.everything

    @property
    def outputs(self):
        """All outputs of this notebook by now, those that came when their cell had ended too."""
        runs = [cell.run for cell in self.cells]
        return [*runs, *self.notebook.strays, *self.notebook.stray_displays]

    @property
    def said(self):
        """All that a user can read in this notebook by now."""
        return said(*self.outputs)

    @property
    def logged(self):
        """All that went to stderr, and what was printed when its cell had ended."""
        return "\n".join([*(cell.run.stderr for cell in self.cells), *self.notebook.strays])

    @property
    def common(self):
        """The runs of the cells that both sides have."""
        return [cell.run for cell in self.cells if cell.common]

    @property
    def orders(self):
        """What was ordered, sorted: client ID, symbol, action, quantity, what-if."""
        return sorted(
            (one.client_id, one.symbol, one.action, one.quantity, one.what_if)
            for one in self.gateway.orders
        )

    def close(self):
        """End the kernel."""
        self.notebook.client.stop_channels()
        self.notebook.manager.shutdown_kernel(now=True)

    def _fill(self, source):
        return source.replace("PORT", str(self.gateway.port)).replace("LIBRARY", self.library)

    def _news(self):
        """Return the outputs that came since the last time, of cells that had ended too."""
        book = self.notebook
        all_three = [cell.run for cell in self.cells], book.strays, book.stray_displays
        known, self._known = self._known, tuple(map(len, all_three))
        return [one for kind, since in zip(all_three, known, strict=True) for one in kind[since:]]

    def _keep(self, source, run):
        self.cells.append(Cell(source, run, common=not is_of_ibnb(source)))
        return run


def is_of_ibnb(source):
    """Say whether a cell is one that only a notebook with ibnb can run."""
    return source.startswith("%ib") or "ibnb" in source or "IbMagics" in source


def compare(folder, library, steps, *, load=True, **options):
    """Take the same steps in both kinds of notebook; return both sides, the plain one first.

    A last cell that does nothing shows what is due under the cell that follows.

    Args:
        folder: where the notebooks have their files.
        library: the API library.
        steps: is called with each `Side`; what it returns is the side's `result`.
        load: whether ibnb is loaded at the beginning; if not, `steps` does it.
        options: those of the two gateways.
    """

    def take(name):
        with BareGateway(**options) as gateway:
            side = Side(folder / name, library, plain=name == "plain", gateway=gateway)
            try:
                side.prepare(load=load)
                side.result = steps(side)
                side.run("pass", "last")
                side.settle()
                side.clients_at_end = gateway.open_clients
                # Whatever the frontend was sent until here is read before the answer to this.
                side.value("0")
            finally:
                side.close()
        return side

    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(take, name) for name in ("plain", "ibnb")]
    return tuple(one.result() for one in both)


def assert_never_worse(plain, ours, *, but=()):
    """Fail if with ibnb something did not happen, or was not said, that happened or was said plain.

    Args:
        plain: the side without ibnb.
        ours: the side with ibnb.
        but: what may differ: "cells" (how they ended), "printed", "said", "orders", "clients",
            "refused".
    """
    compared = {
        "cells": lambda side: [run.status for run in side.common],
        "orders": lambda side: side.orders,
        "clients": lambda side: side.clients_at_end,
        "refused": lambda side: side.gateway.refused_326,
    }
    for name, of in compared.items():
        if name not in but:
            assert of(ours) == of(plain), (
                f"{name}: plain {of(plain)}, with ibnb {of(ours)}\n{ours.story}"
            )
    if "printed" not in but:
        for theirs, run in zip(plain.common, ours.common, strict=True):
            lost = [line for line in theirs.stdout.splitlines() if line not in run.stdout]
            assert not lost, f"not printed with ibnb: {lost}\n{ours.story}"
    if "said" not in but:
        lost = unsaid(ours.said, *facts_of(plain.logged))
        assert not lost, f"not said with ibnb: {lost}\nplain: {plain.logged}\n{ours.story}"

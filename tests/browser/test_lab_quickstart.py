from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest
from pages import MILLISECONDS, NotebookPage
from playwright.sync_api import expect

pytest.importorskip("ib_insync", reason="the quickstart is written for it")
QUICKSTART = Path(__file__).parents[2] / "notebooks" / "quickstart.ipynb"


def cells_beginning(sources: list[str], start: str) -> list[int]:
    """Return the numbers of the code cells that begin like this."""
    return [number for number, source in enumerate(sources) if source.startswith(start)]


def expect_nothing_broken(page: NotebookPage) -> None:
    """Check that no widget failed to show itself."""
    expect(page.page.get_by_text("Error displaying widget")).to_have_count(0)
    expect(page.page.get_by_text("Loading widget")).to_have_count(0)


def test_a_newcomer_runs_the_quickstart(lab, open_notebook):
    """Run All executes every cell; badges, cards and reports are seen, and no widget is broken."""
    shutil.copy(QUICKSTART, lab.folder)
    book = nbformat.read(QUICKSTART, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    sources = [cell.source for cell in code]
    page = open_notebook(QUICKSTART.name)
    page.run_all()
    for number, cell in enumerate(code):
        page.expect_executed(number, count=number + 1)
        # A cell that fails without being meant to would have stopped Run All.
        if "raises-exception" in cell.metadata.get("tags", ()):
            expect(page.output(number).get_by_text("What to do")).to_be_visible()

    connects = [
        number
        for number in cells_beginning(sources, "%ibconnect")
        if "raises-exception" not in code[number].metadata.get("tags", ())
    ]
    assert connects
    for number in connects:
        expect(page.output(number).get_by_role("status")).to_contain_text("as of")
        page.expect_shown(number, "Closed 127.0.0.1:")
    diagnoses = cells_beginning(sources, "%ibdiag")
    assert diagnoses
    for number in diagnoses:
        expect(page.output(number).get_by_role("status")).to_be_visible()
        expect(page.output(number).get_by_role("button", name="Run again")).to_be_visible(
            timeout=MILLISECONDS
        )
        page.expect_shown(number, "Checks")
    (lookup,) = cells_beginning(sources, "%iberror")
    page.expect_shown(lookup, "What to do")
    expect_nothing_broken(page)


def test_a_rerun_is_told_by_the_cell_that_the_user_sees(notebook, gateway):
    """The badge of the replaced `ib` names the number that stands beside the cell that did it."""
    page = notebook("%load_ext ibnb", f"%ibconnect {gateway.port}", f"%ibconnect {gateway.port}")
    page.run_all()
    page.expect_executed(2, count=3)
    page.expect_shown(1, "by cell [3]")

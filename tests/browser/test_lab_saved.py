from __future__ import annotations

from importlib.util import find_spec

import nbformat
import nbformat.sign
import pytest
from pages import MILLISECONDS
from playwright.sync_api import expect

from ibnb.simulator import SimulatedGateway

LIBRARY = next(name for name in ("ib_insync", "ib_async") if find_spec(name))
NO_CONTRACT = f"""\
from {LIBRARY} import Stock
ib.reqContractDetails(Stock("NOSUCH", "SMART", "USD"))"""


@pytest.fixture
def saved(lab, notebook, gateway):
    """A saved notebook with a badge, a card and a report, whose kernel was shut down."""
    with SimulatedGateway(faults=["id-held"]) as held:
        page = notebook(
            "%load_ext ibnb", f"%ibconnect {gateway.port}", NO_CONTRACT, f"%ibdiag {held.port}"
        )
        page.run_all()
        page.expect_executed(3)
        expect(page.output(3).get_by_role("button", name="Copy")).to_be_visible()
    page.save()
    page.close()
    lab.shut_down_kernels()
    (path,) = lab.folder.glob("test_*saved*.ipynb")
    yield path
    path.unlink()


def expect_all_shown(page):
    """Check that badge, card and report can be read, with the verdict and the first step."""
    badge, card, report = page.output(1), page.output(2), page.output(3)
    expect(badge.get_by_text("● Ready")).to_be_visible(timeout=MILLISECONDS)
    expect(badge.get_by_text("PAPER", exact=True)).to_be_visible()
    expect(card.get_by_text("No such contract")).to_be_visible()
    expect(card.get_by_text("What to do")).to_be_visible()
    expect(card.get_by_text("ib.reqMatchingSymbols('NOSUCH')")).to_be_visible()
    card.locator("summary", has_text="More: ").click()
    expect(card.get_by_role("listitem").first).to_be_visible()
    expect(report.get_by_text("✗ Problem")).to_be_visible()
    expect(report.get_by_text("Client ID already in use", exact=True).first).to_be_visible()
    expect(report.get_by_text("Do this first")).to_be_visible()
    report.locator("summary", has_text="more step").click()
    expect(report.get_by_role("listitem").first).to_be_visible()
    summary = report.locator("summary", has_text="Environment")
    summary.click()
    expect(report.get_by_text("An API library is installed")).to_be_visible()
    why = report.locator("summary").get_by_text("Why", exact=True)
    why.first.click()
    expect(report.get_by_text("What to check").first).to_be_visible()


def test_saved_results_are_shown_again_beside_a_fresh_kernel(saved, open_notebook):
    """A trusted notebook, reopened with another kernel, shows its badge, card and report."""
    page = open_notebook(saved.name)
    page.wait_for_kernel()
    expect_all_shown(page)
    expect(page.output(3).get_by_role("status")).to_have_count(1)


def test_saved_results_are_shown_again_without_a_kernel(lab, saved, open_notebook):
    """A trusted notebook whose kernel cannot be had here shows its badge, card and report."""
    book = nbformat.read(saved, as_version=4)
    book.metadata.kernelspec.name = "not-installed-here"
    book.metadata.kernelspec.language = book.metadata.language_info.name = "no language"
    nbformat.write(book, saved)
    notary = nbformat.sign.NotebookNotary(data_dir=str(lab.data))
    notary.sign(book)
    notary.store.close()
    page = open_notebook(saved.name)
    dialog = page.page.get_by_role("dialog")
    dialog.get_by_role("button", name="No Kernel").click()
    expect_all_shown(page)
    expect(page.output(3).get_by_role("status")).to_have_count(1)
    assert lab.sessions() == []


def test_saved_results_are_shown_again_when_nobody_trusts_them(saved, open_notebook):
    """An untrusted notebook, cleaned by JupyterLab's sanitiser, shows badge, card and report."""
    book = nbformat.read(saved, as_version=4)
    book.metadata.changed = "so that its signature is another"
    nbformat.write(book, saved)
    page = open_notebook(saved.name)
    expect_all_shown(page)
    page.expect_shown(3, "Run this cell again to diagnose again.")
    # The sanitiser drops roles: that they are gone shows that it was at work.
    expect(page.output(3).get_by_role("status")).to_have_count(0)

"""A notebook in JupyterLab, as a user's hands and eyes have it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import nbformat
from lab import PATIENCE
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Locator, Page

MILLISECONDS = PATIENCE * 1000
EXECUTED = re.compile(r"\[\d+\]:")
OPEN = "path => { jupyterapp.commands.execute('docmanager:open', { path }); }"
"""Does not return the promise, which waits for the kernel: some notebooks have none."""
EXPAND = "jupyterapp.shell.expandLeft()"
NARROW = 1000
CLOSE = """() => {
  const documents = [...jupyterapp.shell.widgets('main')].filter(one => one.context);
  documents.forEach(one => one.dispose());
}"""
NOT_EXECUTED = re.compile(r"\[ ?\]:")


def write_notebook(path: Path, sources: list[str], kernel: str = "python3") -> None:
    """Write a notebook of these code cells."""
    book: Any = nbformat.v4.new_notebook()
    book.metadata.kernelspec = {"name": kernel, "display_name": kernel, "language": "python"}
    book.cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(book, path)


class LabWindow:
    """JupyterLab in a browser's page, where notebooks are opened and closed: loading it is slow."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        page.set_default_timeout(MILLISECONDS)
        page.goto(address)
        page.wait_for_function("() => window.jupyterapp")
        page.evaluate("() => jupyterapp.restored")

    def open(self, notebook: str) -> NotebookPage:
        """Open a notebook of the server's folder, as a click in the file browser does."""
        # Whoever has little room hides the file browser.
        is_narrow = self.page.viewport_size["width"] < NARROW
        self.page.evaluate("jupyterapp.shell.collapseLeft()" if is_narrow else EXPAND)
        self.page.evaluate(OPEN, notebook)
        return NotebookPage(self.page)

    def close_notebooks(self) -> bool:
        """Close every notebook, saving none; return whether nothing else is left of them."""
        self.page.evaluate(CLOSE)
        left = self.page.locator(".jp-Notebook, .jp-Dialog, .lm-Menu")
        return left.count() == 0


class SharedWindow:
    """A window for one test after the other; one that was left in disorder is replaced."""

    def __init__(self, new: Callable[[], LabWindow]) -> None:
        self._new = new
        self._window: LabWindow | None = None

    def get(self) -> LabWindow:
        """Return it; it is loaded when it is first needed."""
        if self._window is None:
            self._window = self._new()
        return self._window

    def leave(self) -> None:
        """Close what a test has opened."""
        if self._window is not None and not self._window.close_notebooks():
            self._window.page.context.close()
            self._window = None


class NotebookPage:
    """An open notebook. Cells are counted from 0, and only code cells are."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cells: Locator = page.locator(".jp-Notebook .jp-CodeCell")
        expect(self.cells.first).to_be_visible(timeout=MILLISECONDS)

    def close(self) -> None:
        """Close the notebook; its kernel goes on."""
        self.page.evaluate(CLOSE)

    def cell(self, number: int) -> Locator:
        """Return a code cell."""
        return self.cells.nth(number)

    def output(self, number: int) -> Locator:
        """Return the output area of a code cell."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    def prompt(self, number: int) -> Locator:
        """Return what stands beside the input of a code cell: ``[3]:`` once it was executed."""
        return self.cell(number).locator(".jp-InputArea-prompt")

    def wait_for_kernel(self) -> None:
        """Wait until the kernel takes cells: one that is sent before it is there is lost."""
        # The indicator alone says idle before there is a kernel, too.
        expect(self.page.locator(".jp-Toolbar-kernelName")).to_contain_text(
            "Python 3", timeout=MILLISECONDS
        )
        expect(self.page.locator(".jp-Notebook-ExecutionIndicator")).to_have_attribute(
            "data-status", "idle", timeout=MILLISECONDS
        )

    def run_all(self) -> None:
        """Choose Run, Run All Cells; returns when all are sent, not when they are done."""
        self.wait_for_kernel()
        self._choose("Run", "runmenu:run-all")

    def play(self, number: int) -> None:
        """Select a code cell and press the play button of the toolbar."""
        self.wait_for_kernel()
        self.prompt(number).click()
        self.page.locator('[data-command="notebook:run-cell-and-select-next"]').first.click()

    def expect_executed(self, number: int, count: int | None = None) -> None:
        """Wait until a code cell has an execution count, or this one."""
        wanted = EXECUTED if count is None else f"[{count}]:"
        expect(self.prompt(number)).to_have_text(wanted, timeout=MILLISECONDS)

    def expect_shown(self, number: int, text: str | re.Pattern[str]) -> None:
        """Wait until the output of a code cell shows a text."""
        expect(self.output(number)).to_contain_text(text, timeout=MILLISECONDS)

    def save(self) -> None:
        """Press Ctrl-S and wait until the server has the notebook."""
        with self.page.expect_response(
            lambda answer: answer.request.method == "PUT" and "/api/contents/" in answer.url
        ):
            self.page.keyboard.press("Control+s")

    def heights(self, number: int) -> list[float]:
        """Return how tall each thing is that a code cell shows."""
        shown = self.output(number).locator(".jp-OutputArea-output")
        return [box["height"] for one in shown.all() if (box := one.bounding_box()) is not None]

    def restart(self) -> None:
        """Choose Kernel, Restart, and wait until the new kernel takes cells."""
        self._choose("Kernel", "kernelmenu:restart")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        self.wait_for_kernel()

    def interrupt(self) -> None:
        """Choose Kernel, Interrupt."""
        self._choose("Kernel", "kernelmenu:interrupt")

    def _choose(self, menu: str, command: str) -> None:
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.locator(f'.lm-Menu-item[data-command="{command}"]').click()

from __future__ import annotations

import os
import shutil

import pytest
from lab import Lab
from pages import NotebookPage, write_notebook
from playwright.sync_api import sync_playwright

from ibnb.simulator import SimulatedGateway

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = "IBNB_REQUIRE_BROWSER"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium():
    """A browser's path; without one the tests skip, or fail if IBNB_REQUIRE_BROWSER is set."""
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is not None:
        return path
    message = f"no browser was found: none of {', '.join(BROWSERS)} is on the PATH"
    if os.environ.get(REQUIRED):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):  # noqa: ARG001 - without a browser no server is started
    """One JupyterLab for all tests."""
    with Lab(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


# Playwright keeps an event loop running in this thread, which asynchronous tests cannot stand:
# so the browser goes before the next module's tests begin.
@pytest.fixture(scope="module")
def browser(chromium):
    """A headless browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser):
    """Return a function that opens an empty page in a profile of its own."""
    contexts = []

    def new(**options):
        options = {"viewport": {"width": 1200, "height": 900}, **options}
        contexts.append(browser.new_context(**options))
        return contexts[-1].new_page()

    yield new
    for context in contexts:
        context.close()


@pytest.fixture
def open_notebook(lab, new_page):
    """Return a function that opens a notebook of the server's folder."""

    def open_it(name, **options):
        return NotebookPage(new_page(**options), lab.address(name))

    yield open_it
    lab.shut_down_kernels()


@pytest.fixture
def notebook(lab, open_notebook, request):
    """Return a function that writes a notebook of these cells and opens it."""

    def make(*sources, **options):
        name = f"{request.node.name}.ipynb"
        write_notebook(lab.folder / name, list(sources))
        return open_notebook(name, **options)

    return make


@pytest.fixture
def gateway():
    """A simulated gateway in this process."""
    with SimulatedGateway() as gateway:
        yield gateway

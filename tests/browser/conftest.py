from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from lab import Lab
from pages import LabWindow, SharedWindow, write_notebook
from playwright.sync_api import sync_playwright
from views import all_views

from ibnb.simulator import SimulatedGateway

HERE = Path(__file__).parent
VIEWPORT = {"width": 1200, "height": 900}
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


def while_browsers_may_be_open(fixture_name, config):  # noqa: ARG001 - pytest's signature
    """Return how long a browser lives: all the time if no other tests than these are run.

    Playwright keeps an event loop running in this thread, which asynchronous tests cannot stand.
    """
    asked = (Path(arg.partition("::")[0]).resolve() for arg in config.args)
    return "session" if all(one.is_relative_to(HERE) for one in asked) else "module"


@pytest.fixture(scope=while_browsers_may_be_open)
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
        options = {"viewport": VIEWPORT, **options}
        contexts.append(browser.new_context(**options))
        return contexts[-1].new_page()

    yield new
    for context in contexts:
        context.close()


@pytest.fixture(scope=while_browsers_may_be_open)
def shared_window(browser, lab):
    """JupyterLab's window, in which one test after the other opens its notebooks."""

    def new():
        page = browser.new_context(viewport=VIEWPORT).new_page()
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        return LabWindow(page, lab.address)

    return SharedWindow(new)


@pytest.fixture
def open_notebook(lab, new_page, shared_window):
    """Return a function that opens a notebook of the server's folder.

    It is opened in the window of the tests before; with other options than the window's size, in
    one of its own.
    """

    def open_it(name, *, viewport=VIEWPORT, **options):
        if options:
            return LabWindow(new_page(viewport=viewport, **options), lab.address).open(name)
        window = shared_window.get()
        window.page.set_viewport_size(viewport)
        return window.open(name)

    yield open_it
    shared_window.leave()
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


@pytest.fixture(scope="session")
def views(chromium):  # noqa: ARG001 - without a browser no gateway is diagnosed
    """All views, by name."""
    return all_views()

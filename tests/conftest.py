"""What all levels of tests share."""

from __future__ import annotations

import gc
import importlib.util

import pytest

LIBRARIES = [
    name for name in ("ib_insync", "ib_async") if importlib.util.find_spec(name) is not None
]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark what uses an API library, so that `-m library` picks it; a test may do so itself."""
    for item in items:
        if "library" in getattr(item, "fixturenames", ()):
            item.add_marker("library")


def pytest_collection_finish():
    """Let no collection of garbage look through all tests again: there are thousands."""
    gc.freeze()


@pytest.fixture(params=LIBRARIES)
def library(request):
    """Each API library that is installed here, one after the other."""
    return request.param

"""What all levels of tests share."""

from __future__ import annotations

import importlib.util

import pytest

LIBRARIES = [
    name for name in ("ib_insync", "ib_async") if importlib.util.find_spec(name) is not None
]


@pytest.fixture(params=LIBRARIES)
def library(request):
    """Each API library that is installed here, one after the other."""
    return request.param

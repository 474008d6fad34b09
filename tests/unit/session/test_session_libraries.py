"""What ibnb knows of the two API libraries, compared with the libraries themselves."""

import importlib
from importlib import metadata

import pytest

from ibnb.session import BadInputError, NoLibraryError
from ibnb.session.library.libraries import (
    NAMES,
    SPEAKS,
    event_packages,
    find_library,
    installed,
    is_ib,
    library_functions,
    library_name,
)


async def test_the_versions_are_those_that_the_library_negotiates(library):
    """The probe offers what the library would offer: its verdict holds for the library."""
    client = importlib.import_module(library).IB().client
    assert SPEAKS[library] == (client.MinClientVersion, client.MaxClientVersion)


def test_installed_libraries_are_found_without_importing_them(library):
    """Each with its version, and ib_insync first where both are there."""
    found = {one.name: one for one in installed()}
    assert found[library].version == metadata.version(library)
    assert list(found) == [name for name in NAMES if name in found]
    assert event_packages()


def test_the_library_that_was_asked_for_is_used(library):
    """By its name; without one the preferred of those that are installed."""
    assert find_library(library).name == library
    assert find_library() == installed()[0]


def test_a_library_that_nobody_knows():
    """A name that is none of the two is bad input, and both are named."""
    with pytest.raises(BadInputError, match="unknown library 'ibapi': give ib_insync or ib_async"):
        find_library("ibapi")


@pytest.mark.library
@pytest.mark.skipif(len(installed()) == len(NAMES), reason="both libraries are installed")
def test_a_library_that_is_not_installed():
    """The explanation says which one is installed instead, and how to get the other."""
    other = next(name for name in NAMES if name not in {one.name for one in installed()})
    with pytest.raises(NoLibraryError) as caught:
        find_library(other)
    assert caught.value.verdict == "no-api-library"
    assert f"pip install {other}" in str(caught.value)
    assert installed()[0].name in str(caught.value)


async def test_an_ib_object_is_known_by_its_class(library):
    """Subclasses of the user's count; other things do not."""
    module = importlib.import_module(library)

    class Mine(module.IB):
        """What a user may derive."""

    assert all(is_ib(one) for one in (module.IB(), Mine()))
    assert not any(is_ib(one) for one in (module, module.IB, module.Stock("A"), None, "IB"))
    assert {library_name(one) for one in (module.IB(), Mine())} == {library}


async def test_the_functions_that_an_error_came_through(library):
    """Of the library's own, the outermost first; an error of other code came through none."""
    ib = importlib.import_module(library).IB()
    with pytest.raises(ConnectionError) as caught:
        ib.reqCurrentTime()
    assert library_functions(caught.value)[0] == "reqCurrentTime"
    with pytest.raises(ZeroDivisionError) as caught:
        1 / 0  # noqa: B018 - for its error
    assert library_functions(caught.value) == ()

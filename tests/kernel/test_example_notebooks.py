"""The notebooks that come with ibnb, run from top to bottom and then once more."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

if not all(map(find_spec, ("ib_insync", "matplotlib", "pandas"))):
    pytest.skip(
        "the notebooks are written for ib_insync, plot, and show tables", allow_module_level=True
    )

FOLDER = Path(__file__).parents[2] / "notebooks"
STORIES = ("quickstart", "reruns", "errors", "diagnostics", "resume", "testing")
EXAMPLES = sorted({path.stem for path in FOLDER.glob("*.ipynb")} - {*STORIES})
MOST_CELLS = 9
MOST_OF_A_REPORT = 20_000
PRIVATE = re.compile(r"/(?:home|root|tmp|Users|var)/|[A-Z]:\\\\|\b[DU]{1,2}\d{6,}\b")
"""What a path of somebody's machine looks like, and an account number."""
PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "ibnb.pytest_plugin"}


def read(name):
    """Return the cells of code of a notebook."""
    import nbformat

    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    return [cell for cell in book.cells if cell.cell_type == "code"]


def test_there_are_six():
    """History, streaming, options, depth, orders and the scanner each have one."""
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_twice_in_one_kernel(notebook, gateway, name):
    """Both times each cell works, with one connection at a time, and nothing is complained of."""
    notebook.run(f"import os; os.environ['IBNB_SIM'] = '127.0.0.1:{gateway.port}'")
    cells = [cell.source for cell in read(name)]
    runs = notebook.run_all(cells * 2, [f"cell-{number}" for number in range(len(cells))] * 2)
    assert [run.status for run in runs] == ["ok"] * len(runs), [run.everything for run in runs]
    # A cancelled order and the end of a scan are told as errors, and explained in the notebook.
    lines = [line for run in runs for line in run.stderr.splitlines() if "Error" in line]
    assert [line for line in lines if "ancel" not in line] == []
    assert gateway.max_open_clients == 1
    assert gateway.refused_326 == 0


def beginnings(texts):
    """Return the first line of each text without its numbers, which are others in every run."""
    lines = [text.strip().partition("\n")[0] for text in texts]
    return {re.sub(r"\d+", "0", line) for line in lines if line}


def stored(cell):
    """Return how all that a stored cell shows begins."""
    found = [one.get("data", {}).get("text/plain", "") for one in cell.outputs]
    printed = "".join(one.get("text", "") for one in cell.outputs)
    return beginnings([*found, *printed.splitlines()])


def shown(run):
    """Return how all that a run of a cell showed begins."""
    bundles = [*run.displays, *run.updates, *([run.result] if run.result else [])]
    found = [bundle.get("text/plain", "") for bundle in bundles]
    return beginnings([*found, *run.stdout.splitlines(), *run.stderr.splitlines()])


@pytest.mark.parametrize("name", STORIES)
def test_a_story_runs_twice_in_one_kernel_and_shows_what_is_stored(notebook, name, tmp_path):
    """It fails only where it means to, and leaves no connection, no gateway and no file behind."""
    cells = read(name)
    before = {*tmp_path.iterdir()}
    # The plugins of our own tests take seconds to load, in the tests that a notebook runs, too.
    notebook.run(f"import os; os.environ.update({PLUGINS})")
    # One by one: what is queued behind a cell that fails is not run.
    runs = [
        notebook.run(cell.source, f"cell-{number}")
        for _ in range(2)
        for number, cell in enumerate(cells)
    ]
    fails = ["raises-exception" in cell.metadata.get("tags", ()) for cell in cells]
    expected = ["error" if meant else "ok" for meant in fails]
    assert [run.status for run in runs] == expected * 2, [run.everything for run in runs]
    # What a cell shows may be drawn again by a later one, as a badge is when its `ib` is closed.
    drawn = [one for run in runs for one in run.updates] + notebook.stray_displays
    late = beginnings(one.get("text/plain", "") for one in drawn)
    for cell, run in zip(cells, runs, strict=False):
        assert stored(cell) <= shown(run) | late, cell.source
    assert notebook.value("ib.isConnected() if 'ib' in globals() else False") == "False"
    threads = notebook.value("sorted(t.name for t in __import__('threading').enumerate())")
    assert not re.search(r"ibnb-sim-\d", threads)
    assert {*tmp_path.iterdir()} - before <= {tmp_path / "state"}


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_short_and_stored_as_it_ran(name):
    """Every cell ran, in its order, on no machine in particular, and is small enough to keep."""
    import nbformat

    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    cells = read(name)
    # The quickstart is a tour of all the others.
    assert len(cells if name == "quickstart" else book.cells) <= MOST_CELLS
    assert [cell.execution_count for cell in cells] == [*range(1, len(cells) + 1)]
    assert "widgets" not in book.metadata
    for cell in cells:
        for one in cell.outputs:
            for text in (one.get("text", ""), *one.get("data", {}).values()):
                assert not PRIVATE.search(str(text)), cell.source
                # The kernel of a stored notebook has ended.
                assert "● Ready" not in str(text)
            assert len(one.get("data", {}).get("text/html", "").encode()) <= MOST_OF_A_REPORT

"""The example notebooks that come with ibnb, run from top to bottom and then once more."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

pytest.importorskip("ib_insync", reason="the examples are written for it")
pytest.importorskip("matplotlib", reason="some of the examples plot")
pytest.importorskip("pandas", reason="the examples show tables")

FOLDER = Path(__file__).parents[2] / "notebooks"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.ipynb") if path.stem != "quickstart")


def test_there_are_six():
    """History, streaming, options, depth, orders and the scanner each have one."""
    assert len(EXAMPLES) == 6


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs_twice_in_one_kernel(notebook, gateway, name):
    """Both times each cell works, with one connection at a time, and nothing is complained of."""
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    cells = [cell.source for cell in book.cells if cell.cell_type == "code"]
    notebook.run(f"import os; os.environ['IBNB_SIM'] = '127.0.0.1:{gateway.port}'")
    runs = notebook.run_all(cells * 2, [f"cell-{number}" for number in range(len(cells))] * 2)
    assert [run.status for run in runs] == ["ok"] * len(runs), [run.everything for run in runs]
    # A cancelled order and the end of a scan are told as errors, and explained in the notebook.
    lines = [line for run in runs for line in run.stderr.splitlines() if "Error" in line]
    assert [line for line in lines if "ancel" not in line] == []
    assert gateway.max_open_clients == 1
    assert gateway.refused_326 == 0

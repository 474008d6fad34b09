"""The demo's working copy: made where there is none, kept where there is one."""

import json

from ibnb.demo import QUICKSTART, _notebooks, _working_copy


def test_the_copy_is_made_and_what_a_newcomer_wrote_is_kept(tmp_path, capsys):
    """He is told that it is his own, and how to get a fresh one."""
    copy = _working_copy(tmp_path)
    fresh = copy.read_bytes()
    assert _working_copy(tmp_path) == copy
    assert capsys.readouterr().out == ""
    copy.write_text("mine")
    assert _working_copy(tmp_path) == copy
    assert copy.read_text() == "mine"
    assert f"{copy} is opened as you left it" in capsys.readouterr().out
    copy.unlink()
    assert _working_copy(tmp_path).read_bytes() == fresh


def test_the_copy_has_the_cells_and_nothing_that_was_run_elsewhere(tmp_path):
    """A newcomer sees what happened on his own machine, and nothing before he ran it."""
    stored = json.loads((_notebooks() / QUICKSTART).read_bytes())["cells"]
    cells = json.loads(_working_copy(tmp_path).read_bytes())["cells"]
    assert any(cell.get("outputs") for cell in stored)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    assert [cell["source"] for cell in cells] == [cell["source"] for cell in stored]

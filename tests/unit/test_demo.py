"""The demo's working copy: made where there is none, kept where there is one."""

from ibnb.demo import QUICKSTART, _notebooks, _working_copy


def test_the_copy_is_made_and_what_a_newcomer_wrote_is_kept(tmp_path, capsys):
    """He is told that it is his own, and how to get a fresh one."""
    copy = _working_copy(tmp_path)
    original = (_notebooks() / QUICKSTART).read_bytes()
    assert copy.read_bytes() == original
    assert _working_copy(tmp_path) == copy
    assert capsys.readouterr().out == ""
    copy.write_text("mine")
    assert _working_copy(tmp_path) == copy
    assert copy.read_text() == "mine"
    assert f"{copy} is opened as you left it" in capsys.readouterr().out
    copy.unlink()
    assert _working_copy(tmp_path).read_bytes() == original

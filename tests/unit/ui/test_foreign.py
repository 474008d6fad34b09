import pytest

from ibnb.ui.foreign import clean, clean_all, clean_value


def test_accounts_are_masked_in_the_middle_of_a_text():
    """Account numbers do not leave, wherever in a text they stand."""
    assert clean("order for DU1234567, not U7654321.") == "order for DU•••567, not U7•••321."


def test_accounts_are_kept_where_the_user_asked_for_them():
    """`show_accounts` shows them in full."""
    assert clean("DU1234567", show_accounts=True) == "DU1234567"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2Jgone", r"\x1b[2Jgone"),
        ("a\x00b\x9bc", r"a\x00b\x9bc"),
        ("ab\u202ecd", r"ab\u202ecd"),
        ("lone \ud800", r"lone \ud800"),
        ("two\r\nlines\tand\u2028more", "two lines and more"),
    ],
)
def test_a_text_can_only_be_read(text, shown):
    """Nothing moves a terminal's cursor, reorders a line, breaks it, or fails to be written."""
    assert clean(text) == shown
    shown.encode()


def test_ordinary_letters_of_any_language_stay():
    """Notices come in the user's language."""
    assert clean("Währung für 東京, Ошибка") == "Währung für 東京, Ошибка"


def test_empty_texts_are_left_out_of_a_list():
    """A blank step or fact makes no empty bullet."""
    assert clean_all(["a", " ", "", "b"]) == ("a", "b")


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (None, ("—",)),
        ("", ("—",)),
        (True, ("yes",)),
        (4002, ("4002",)),
        (0.0003, ("0.0003",)),
        (1795181411.25, ("1795181411.2",)),
        ([4001, 4002], ("4001, 4002",)),
        ([], ("none",)),
        ({"usfarm": "ok", "ushmds": None}, ("usfarm: ok", "ushmds: —")),
        ([{"pid": 1, "held": False}, {"pid": 2}], ("pid: 1, held: no", "pid: 2")),
        ("first\nU1234567", ("first", "U1•••567")),
        ([{"accounts": ["DU1234567"]}], ("accounts: DU•••567",)),
    ],
)
def test_evidence_is_written_for_people(value, lines):
    """Values that JSON can carry become short lines, masked like all else."""
    assert clean_value(value) == lines

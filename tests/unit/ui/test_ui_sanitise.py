import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibnb.tws import accounts
from ibnb.ui.sanitise import clean, clean_all, clean_value, harmless, json_text


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


ODD = ("prop_desk-7", "Ünïcode1", "main account", "order", "Gateway")
"""Accounts as a gateway listed them; the last three are nothing but words of ours."""


@pytest.fixture
def listed(monkeypatch):
    """A process that heard of odd accounts."""
    known = accounts.KnownAccounts()
    known.add(ODD)
    monkeypatch.setattr(accounts, "_known", known)


@pytest.mark.usefixtures("listed")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("for Prop_Desk-7 and ünïcode1", "for Pr•••k-7 and ün•••de1"),
        ("The main account of the gateway: order 7", "The main account of the gateway: order 7"),
        ("prop_desk-7\x1b[2J", r"pr•••k-7\x1b[2J"),
    ],
)
def test_listed_accounts_are_masked_and_our_sentences_stay(text, shown):
    """In every case of letters; a name that is a word of ours would damage what we say."""
    assert clean(text) == harmless(text) == shown
    assert json.loads(json_text({text: [text]})) == {shown: [shown]}
    full = shown.replace("Pr•••k-7", "Prop_Desk-7").replace("ün•••de1", "ünïcode1")
    full = full.replace("pr•••k-7", "prop_desk-7")
    assert clean(text, show_accounts=True) == full
    assert json.loads(json_text([text], show_accounts=True)) == [full]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    )
)
def test_json_for_people_holds_nothing_that_acts(document):
    """No control character is in it, neither as it is printed nor when it is read again."""
    for ascii_only in (False, True):
        printed = json_text(document, ascii_only=ascii_only)
        printed.encode("ascii" if ascii_only else "utf-8")
        for text in (*printed.split("\n"), *_texts(json.loads(printed))):
            assert not [char for char in text if _acts(char)], ascii(text)


def _texts(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield from (key, *_texts(item))
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _acts(char):
    bidi = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    return unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in bidi


def test_keys_that_become_the_same_are_all_kept():
    """What was two entries is two entries."""
    assert json.loads(json_text({"a\x9b": 1, r"a\x9b": 2})) == {r"a\x9b": 1, r"a\x9b (2)": 2}


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

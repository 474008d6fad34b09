import json
import unicodedata

import pytest
from framing import VERSION, ZONE, encode
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ibnb.tws import accounts
from ibnb.tws.accounts import KnownAccounts, is_paper, know, mask, mask_in
from ibnb.tws.handshake import Handshake


@pytest.mark.parametrize(
    ("accounts", "paper"),
    [
        (["DU1234567"], True),
        (["DF1234567", "DU1234568"], True),
        (["U1234567"], False),
        (["DU1234567", "U1234567"], False),
        ([], False),
    ],
)
def test_a_session_is_paper_when_all_its_accounts_are(accounts, paper):
    """Paper accounts begin with D; one live account makes the session live."""
    assert is_paper(accounts) is paper


@pytest.mark.parametrize(
    ("account", "shown"),
    [
        ("DU1234567", "DU•••567"),
        ("U12345678", "U1•••678"),
        ("U1234567", "U1•••567"),
        ("U123456", "U1•••56"),
        ("U12345", "U1•••5"),
        ("prop_desk-7", "pr•••k-7"),
        ("Ünïcode1", "Ün•••de1"),
        ("DU123", "•••"),
        ("A1", "•••"),
        ("", "•••"),
    ],
)
def test_mask_keeps_two_and_three_characters_at_most(account, shown):
    """Enough to recognise one's own account, too little to use it: three at least are hidden."""
    assert mask(account) == shown
    assert mask(shown) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("order for DU1234567 refused", "order for DU•••567 refused"),
        ("U1234567,F7654321", "U1•••567,F7•••321"),
        ("acct_DU1234567_x", "acct_DU•••567_x"),
        ("(DUM123456)", "(DU•••456)"),
        ("DF1234567A", "DF•••67A"),
        ("du1234567 u7654321 Du1234567a", "du•••567 u7•••321 Du•••67a"),
        (
            r"'first\nDU1234567\xe9U1234567\u2013F7654321'",
            r"'first\nDU•••567\xe9U1•••567\u2013F7•••321'",
        ),
        ("éDU1234567 DU1234567é", "éDU•••567 DU•••567é"),
        ("FORD U12 ID1234 MU1234567", "FORD U12 ID1234 MU1234567"),
        ("D1234567 DD1234567 ud1234567890", "D1234567 DD1234567 ud1234567890"),
        ("conId 265598, port 54321, u265598x1", "conId 265598, port 54321, u265598x1"),
    ],
)
def test_mask_in_finds_accounts_in_a_text(text, shown):
    """What looks like an account is masked wherever it stands; other words stay."""
    assert mask_in(text) == shown


@pytest.fixture
def known():
    """Names as advisors give them, and one that is a word."""
    known = KnownAccounts()
    known.add(["prop_desk-7", "Ünïcode1", "Smith Family 2", "straße-12", "propdesk", "order"])
    return known


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("prop_desk-7", "pr•••k-7"),
        ("to PROP_DESK-7, Prop_Desk-7.", "to PR•••K-7, Pr•••k-7."),
        ("x/prop_desk-7.csv", "x/pr•••k-7.csv"),
        ("prop_desk-70 xprop_desk-7 prop_desk", "prop_desk-70 xprop_desk-7 prop_desk"),
        ("ÜNÏCODE1 ünïcode1", "ÜN•••DE1 ün•••de1"),
        (r"\xc3\x9cn\xc3\xafcode1", r"\x•••de1"),
        (r"\u00dcn\u00efcode1", r"\u•••de1"),
        ("Smith Family 2, smith\n  family 2", "Sm•••y 2, sm•••y 2"),
        ("STRASSE-12 straße-12", "ST•••-12 st•••-12"),
        (r"'a\nprop_desk-7'", r"'a\npr•••k-7'"),
        ("propdesk, PROPDESK", "pr•••esk, PR•••ESK"),
        ("propdesks", "propdesks"),
    ],
)
def test_known_names_are_masked_whatever_they_look_like(known, text, shown):
    """In every case of letters and every way to write them, as whole words."""
    assert known.mask_in(text) == shown


def test_a_decomposed_letter_is_the_same_letter(known):
    """Some systems write an umlaut as two characters."""
    assert "code" not in known.mask_in(unicodedata.normalize("NFD", "Ünïcode1"))


@pytest.mark.parametrize(
    ("ours", "shown"),
    [
        (False, "An •••, ••• of pr•••esk and pr•••k-7"),
        (True, "An order, Order of propdesk and pr•••k-7"),
    ],
)
def test_a_name_that_could_be_a_word_damages_no_sentence_of_ours(known, ours, shown):
    """An account called like a common word is looked for where the words are not our own."""
    assert known.mask_in("An order, Order of propdesk and prop_desk-7", ours=ours) == shown


@pytest.mark.parametrize("name", ["", " ", "A", "DU", "All", "326", "4002", "65535"])
def test_a_name_that_would_be_found_in_half_of_the_texts_is_not_looked_for(name):
    """Three letters are a word or a currency, five digits a port or a code."""
    known = KnownAccounts()
    known.add([name])
    text = "Error 326 for All at 127.0.0.1:4002 by A DU, up to 65535"
    assert known.mask_in(text) == text


def test_the_longest_name_is_masked_whole():
    """One name may be a part of another."""
    known = KnownAccounts()
    known.add(["desk", "desk-west-1", "west"])
    assert known.mask_in("desk-west-1 desk west") == "de•••t-1 ••• •••"


def test_any_number_of_names_is_no_burden(monkeypatch):
    """A peer that lists a million accounts does not fill the memory."""
    monkeypatch.setattr(accounts, "MOST_NAMES", 10)
    known = KnownAccounts()
    for number in range(100):
        known.add([f"desk-{number:04}", f"book-{number:04}"])
    assert len(known._names) == 10


def test_a_list_of_accounts_is_known_as_soon_as_it_comes(monkeypatch):
    """Whatever reads a gateway's bytes reads them through the handshake: probe and session."""
    monkeypatch.setattr(accounts, "_known", KnownAccounts())
    handshake = Handshake()
    handshake.feed(encode(VERSION, ZONE))
    handshake.feed(encode(15, 1, "U1234567,prop_desk-7"))
    assert mask_in("for Prop_Desk-7") == "for Pr•••k-7"
    know(["fund-9"])
    assert mask_in("prop_desk-7 fund-9") == "pr•••k-7 fu•••9"


INSIDE = st.characters(categories=["L", "N"]) | st.sampled_from("_-. &<'/")
ODD = st.builds(
    "".join,
    st.tuples(
        st.characters(categories=["L"]),
        st.text(INSIDE, min_size=3),
        st.characters(categories=["L"]),
    ),
)
"""Names as an advisor may give them, without a comma, which stands between two of them."""
AROUND = st.text(" \t\n.,;:'\"()[]{}<>=|", min_size=1, max_size=9)


@example("A00'A", ":", '"', str)
@settings(deadline=None)
@given(ODD, AROUND, AROUND, st.sampled_from([str, str.upper, str.lower, str.casefold]))
def test_no_known_name_is_left_as_a_word_of_a_text(name, before, after, case):
    """Whatever it consists of, whatever its case, and however the text is written down."""
    known = KnownAccounts()
    known.add([name])
    text = f"{before}{case(name)}{after}"
    for shown in (known.mask_in(text), known.mask_in(repr(text)), known.mask_in(json.dumps(text))):
        assert "•••" in shown
        assert case(name).casefold() not in shown.casefold()


@settings(deadline=None)
@given(st.lists(st.text(), max_size=5), st.lists(st.text(), max_size=9))
def test_any_names_and_any_text_may_come(names, parts):
    """It never raises, and to do it again changes nothing."""
    known = KnownAccounts()
    known.add(names)
    shown = known.mask_in(" ".join([*parts, *names]))
    assert known.mask_in(shown) == shown

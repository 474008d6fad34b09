"""How a page was found is shown: a guess looks like one, and nothing about it is red."""

import io
from dataclasses import replace

import pytest
from ui_samples import explanation

from ibnb.knowledge import UnknownQueryError, catalogue, explain
from ibnb.ui import labels
from ibnb.ui.html import explanation_html, unknown_html
from ibnb.ui.text import explanation_text, print_explanation, unknown_text

RED = "#d73a49"
OTHERS = ("not-connected", "connection-refused")


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self):
        """Say so."""
        return True


def drawn(one, monkeypatch):
    """Return what a terminal gets."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    file = Terminal()
    print_explanation(one, file)
    return file.getvalue()


def unknown(query):
    with pytest.raises(UnknownQueryError) as raised:
        explain(query)
    return raised.value


def test_a_guess_is_said_to_be_one_in_every_form(monkeypatch):
    """The page may be about something else, whatever its severity."""
    guess = replace(explanation(), match="words", candidates=OTHERS)
    assert guess.entry.severity == "error"
    for shown in (explanation_text(guess), explanation_html(guess), drawn(guess, monkeypatch)):
        assert "Guess" in shown
        assert labels.FOUND["words"] in " ".join(shown.split())
        assert labels.SEVERITY["error"].word not in shown.partition("\n")[0]


def test_a_guess_is_not_red(monkeypatch):
    """Red says that something is wrong, and nobody knows that yet."""
    guess = replace(explanation(), match="words", answers=())
    assert RED in explanation_html(replace(guess, match="code"))
    assert RED not in explanation_html(guess)
    assert "\x1b[1;31m" not in drawn(guess, monkeypatch)


@pytest.mark.parametrize("match", ["text", "exception"])
def test_what_was_recognised_is_graded_and_says_how(match, monkeypatch):
    """It is certain, but not by a code that the reader could compare."""
    found = replace(explanation(), match=match)
    for shown in (explanation_text(found), explanation_html(found), drawn(found, monkeypatch)):
        assert labels.FOUND[match] in " ".join(shown.split())
        assert "Error" in shown


def test_a_code_needs_no_word_about_how_it_was_found():
    """Cards under cells come from codes, and stay as short as they were."""
    assert not any(said in explanation_text(explanation()) for said in labels.FOUND.values())


def test_other_pages_that_it_may_be_are_named_with_their_titles(monkeypatch):
    """So that who sees that the guess is wrong can go on."""
    guess = replace(explanation(), match="words", candidates=OTHERS)
    for shown in (explanation_text(guess), explanation_html(guess), drawn(guess, monkeypatch)):
        flat = " ".join(shown.split())
        for one in OTHERS:
            assert f"{one} ({catalogue().by_id(one).title})" in flat


def test_a_page_that_depends_on_a_build_says_when_it_was_true(monkeypatch):
    """A reader with a newer build knows that it may have changed."""
    page = explain(430)
    assert page.entry.as_of
    for shown in (explanation_text(page), explanation_html(page), drawn(page, monkeypatch)):
        assert page.entry.as_of in " ".join(shown.split())


def test_where_no_page_fits_the_three_nearest_are_listed():
    """Each with the command that opens it, as text and as HTML, and nothing is red."""
    error = unknown("Connectivity between IB and TWS has been")
    assert len(error.candidates) == 3
    text, html = unknown_text(error), unknown_html(error)
    for entry in error.candidates:
        for shown in (text, html):
            assert entry.title in shown
            assert f"%iberror {entry.id}" in shown
    assert labels.NEAREST in text
    assert RED not in html
    assert max(map(len, text.splitlines())) <= 80


def test_where_nothing_comes_near_only_the_advice_is_given():
    """A list of nothing is not a list."""
    error = unknown("xyzzy plugh")
    assert error.candidates == ()
    for shown in (unknown_text(error), unknown_html(error)):
        assert labels.NEAREST not in shown
        assert "326" in shown


def test_hostile_words_stay_text():
    """They are repeated, and come from anywhere."""
    error = unknown("<script>alert(1)</script> xyzzy \x1b[2J DU1234567")
    for shown in (unknown_text(error), unknown_html(error)):
        assert "<script>" not in unknown_html(error)
        assert "\x1b" not in shown
        assert "DU1234567" not in shown
    assert "DU1234567" in unknown_text(error, show_accounts=True)

"""Every page of the catalogue can be shown, in a notebook and in a terminal."""

import re

import pytest
from markupsafe import escape

from ibnb.knowledge import Explanation, catalogue
from ibnb.ui.html import explanation_html
from ibnb.ui.text import explanation_text

ENTRIES = catalogue().entries


def words_of(text):
    """Return the text with its line breaks and indents as single spaces."""
    return " ".join(text.split())


def without_code(html):
    """Return HTML without what marks code in it."""
    return re.sub(r"</?code[^>]*>", "", html)


def test_html_holds_every_entry():
    """Title and summary stand in the card as text, whatever characters they hold."""
    for entry in ENTRIES:
        page = words_of(without_code(explanation_html(Explanation(entry))))
        for said in (entry.title, entry.summary, *entry.symptoms, *entry.resolution):
            assert str(escape(said)).replace("`", "") in page.replace("`", ""), entry.id


def test_text_holds_every_entry():
    """Title and summary stand in the text, which is wrapped to the width of a terminal."""
    for entry in ENTRIES:
        page = words_of(explanation_text(Explanation(entry)))
        assert entry.title in page, entry.id
        assert words_of(entry.summary) in page, entry.id


@pytest.mark.parametrize("kind", [explanation_html, explanation_text])
def test_no_page_is_mistaken_for_one_that_holds_an_account(kind):
    """Masking what looks like an account changes nothing on our own pages."""
    for entry in ENTRIES:
        shown = kind(Explanation(entry))
        assert shown == kind(Explanation(entry), show_accounts=True), entry.id

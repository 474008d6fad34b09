"""The texts of known notices: data to compare with, complete, and never shown as ours."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

import ibnb.knowledge
from ibnb.knowledge import catalogue, explain
from ibnb.knowledge.texts import STAR, KnownTexts, words_of

FILE = Path(ibnb.knowledge.__file__).with_name("notices.tsv")
LINES = [
    line
    for line in FILE.read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
KNOWN = [(int(code), run) for code, run in (line.split("\t") for line in LINES)]
LONG = 6
"""Words from which on a run is somebody's sentence, and no phrase that anyone might use."""


def spoken(text):
    return " ".join(word for word in words_of(text) if word != STAR)


def test_each_text_is_stored_as_words_to_compare_and_not_as_prose():
    """Nothing of it could be shown, even by mistake: no capitals, no punctuation, no numbers."""
    assert len(KNOWN) > 600
    odd = [run for _, run in KNOWN if re.search(r"[A-Z.,:;!?\"\d]", run)]
    assert odd == []
    assert [run for _, run in KNOWN if " ".join(words_of(run)) != run] == []


def test_no_page_says_in_its_own_name_what_a_notice_says():
    """Symptoms quote the gateway, in quotation marks; everything else is in our words."""
    runs = {f" {spoken(run)} " for _, run in KNOWN if len(spoken(run).split()) >= LONG}
    copied = []
    for entry in catalogue().entries:
        symptoms = [re.sub(r'"[^"]*"', "", text) for text in entry.symptoms]
        checks = [check.text for check in entry.checks]
        for text in (
            *(entry.title, entry.summary, *symptoms, *entry.causes, *checks, *entry.every_step),
        ):
            ours = f" {spoken(text)} "
            copied += [(entry.id, run) for run in runs if run in ours]
    assert copied == []


def test_every_known_text_leads_to_its_code():
    """A text that leads elsewhere would be worse than one that is not known."""
    codes = defaultdict(set)
    for code, run in KNOWN:
        codes[spoken(run)].add(code)
    found = {run: explain(run) for run in codes}
    assert {run for run, one in found.items() if one.match not in {"text", "code"}} == set()
    assert {run for run, one in found.items() if not codes[run] <= {*one.entry.codes}} == set()


def test_every_code_with_a_text_has_a_page():
    """A text that is recognised and leads nowhere helps nobody."""
    assert [code for code, _ in KNOWN if catalogue().by_code(code) is None] == []


TEXTS = KnownTexts(
    [
        "# comment",
        "1\tthe red lamp of the machine is lit *",
        "2\tthe red lamp of the machine is broken",
        "3\tshort words",
        "4\tthe same text twice over again",
        "5\tthe same text twice over again",
    ]
)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("The RED lamp of the machine is lit.", (1,)),
        ("the red lamp of the machine is lit: 12 watt", (1,)),
        ("10:12 ERROR the red lamp of the machine is broken", (2,)),
        ("the red lamp of a machine is broken", (2,)),
        ("Short words!", (3,)),
        ("short words of mine", None),
        ("the same text twice over again", (4, 5)),
        ("the red lamp of the machine is not lit", None),
        ("lamp machine red", None),
        ("", None),
    ],
)
def test_a_text_is_known_whole_or_nearly(text, codes):
    """Case, punctuation and a word more or less do not matter; a negation does."""
    found = TEXTS.find(text)
    assert (None if found is None else found.codes) == codes


def test_a_beginning_that_two_texts_share_is_not_certain():
    """It names both."""
    found = TEXTS.find("the red lamp of the machine")
    assert {*found.codes} == {1, 2}
    assert not found.certain


def test_a_text_that_turns_the_sense_of_another_contradicts_it():
    """What has nearly the words of a notice and says the contrary is told from what is alike."""
    contradicted = TEXTS.contradicted("the red lamp of the machine is not broken")
    assert 2 in contradicted.codes
    assert contradicted.is_all
    assert not TEXTS.contradicted("the red lamp of the machine is broken").is_all

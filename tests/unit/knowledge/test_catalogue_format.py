"""The catalogue's format: each of its rules refuses the file that breaks it."""

import pytest

from ibnb.knowledge import Catalogue, CatalogueError, Situation
from ibnb.knowledge.loader import load

PAGE = """
[[entry]]
id = "one-page"
codes = [7001]
title = "A page"
category = "things"
severity = "error"
summary = "Something happened."
checks = ["Look.", {text = "Look there.", check = "net.port"}]
resolution = ["Do this first."]
"""


def load_text(folder, text, name="things.toml"):
    folder.joinpath(name).write_text(text, encoding="utf-8")
    return load(folder)


def test_a_well_formed_page_is_read_whole(tmp_path):
    """What the file says arrives in the entry; lists that are left out are empty."""
    (entry,) = load_text(tmp_path, PAGE)
    assert entry.id == "one-page"
    assert entry.codes == (7001,)
    assert entry.severity == "error"
    assert [(check.text, check.check) for check in entry.checks] == [
        ("Look.", None),
        ("Look there.", "net.port"),
    ]
    assert entry.resolution == ("Do this first.",)
    assert entry.symptoms == entry.causes == entry.related == ()


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ('summary = "Something', 'advice = "x"\nsummary = "Something', "unknown key advice"),
        ("codes = [7001]\n", "", "codes is missing"),
        ('id = "one-page"', 'id = "One Page"', "lower case with dashes"),
        ('title = "A page"', f'title = "{"x" * 61}"', "longer than 60"),
        ('title = "A page"', 'title = " "', "not empty"),
        ('severity = "error"', 'severity = "fatal"', "severity is one of"),
        ('category = "things"', 'category = "other"', "named for 'things'"),
        ("[7001]", '["7001"]', "list of numbers"),
        ("[7001]", "[true]", "list of numbers"),
        ("[7001]", "[-1]", "list of numbers"),
        ('"Look.", ', "7, ", "not empty, not 7"),
        ('check = "net.port"', 'check = "port"', "not a check id"),
        ('check = "net.port"', 'check = "net.shoe"', "not a check id"),
        ('check = "net.port"', "check = 7", "not empty, not 7"),
        ('["Do this first."]', '["Do"]\ncheck_ids = ["port"]', "not a check id"),
        ('["Do this first."]', '["Do"]\ntext = ["(open"]', "not a regular expression"),
        ('["Do this first."]', '["Do"]\ntext = "x"', "list of texts"),
        ('["Do this first."]', '["Do"]\ntext = ["x"]', "no entry without text patterns"),
        ("codes = [7001]", 'codes = []\ntext = ["x"]', "need the code that they belong to"),
        ('check = "net.port"', 'probe = "net.port"', "unknown key probe"),
        ('["Do this first."]', '"Do this first."', "list of texts"),
        ('["Do this first."]', "[]", "at least one step"),
        ('["Do this first."]', '[{text = "Do", then = "x"}]', "unknown key then in a step"),
        ('["Do this first."]', '[{when = ["session=open"]}]', "not empty, not None"),
        ('["Do this first."]', '[{text = "Do", when = "session=open"}]', "list of texts"),
        ('["Do this first."]', '[{text = "Do", when = ["session=odd"]}]', "session is one of"),
        ('["Do this first."]', '[{text = "Do", unless = ["odd=open"]}]', "no fact 'odd'"),
        ('["Do this first."]', '["See {odd}."]', "nothing is known as {odd}"),
        ('["Do this first."]', '["Do"]\nrelated = ["nowhere"]', "nowhere, which no file holds"),
        ('["Do this first."]', '["Do"]\nwords = "x"', "list of texts"),
        ("[[entry]]", "[entry]", "two brackets"),
        ("[[entry]]", 'owner = "x"\n[[entry]]', "only [[entry]] and [[family]] tables"),
        ('id = "one-page"', "id = one-page", "not valid TOML"),
    ],
)
def test_a_page_that_breaks_a_rule_is_refused(tmp_path, written, instead, complaint):
    """The message names the file and the rule that it breaks."""
    assert written in PAGE
    with pytest.raises(CatalogueError) as raised:
        load_text(tmp_path, PAGE.replace(written, instead, 1))
    assert complaint in str(raised.value)
    assert "things.toml" in str(raised.value)


@pytest.mark.parametrize("kind", ["entry", "family"])
def test_the_message_names_the_line(tmp_path, kind):
    """The line on which the faulty table begins, so that an editor can go there."""
    faulty = PAGE if kind == "entry" else FAMILY
    faulty = faulty.replace('severity = "error"', 'severity = "fatal"')
    text = PAGE.replace("one-page", "first").replace("7001", "7002") + "# a remark\n" + faulty
    line = text[: text.rindex(f"[[{kind}]]")].count("\n") + 1
    with pytest.raises(CatalogueError, match=rf"things\.toml, line {line}, {kind} "):
        load_text(tmp_path, text)


@pytest.mark.parametrize(
    "header", [" [[entry]]", "[[ entry ]]", "\t[[\tentry ]]  # a remark", '[["entry"]]']
)
def test_a_header_may_be_written_as_toml_allows(tmp_path, header):
    """No page is dropped for the spaces in its header, and its line is still named."""
    other = PAGE.replace("one-page", "another").replace("7001", "7002")
    text = PAGE + other.replace("[[entry]]", header)
    assert [entry.id for entry in load_text(tmp_path, text)] == ["one-page", "another"]
    line = text.count("\n", 0, text.index(header, 10)) + 1
    with pytest.raises(CatalogueError, match=rf"line {line}, entry Another"):
        load_text(tmp_path, text.replace('"another"', '"Another"'))


@pytest.mark.parametrize("kind", ["entry", "family"])
@pytest.mark.parametrize("value", ["[1]", "[{id = 'x'}]", "[[1]]"])
def test_pages_in_another_form_are_refused_with_their_line(tmp_path, kind, value):
    """A list of something else would load as no page at all."""
    with pytest.raises(
        CatalogueError, match=rf"things\.toml, line 3: write each {kind} as a table"
    ):
        load_text(tmp_path, f"# a remark\n\n{kind} = {value}\n")


def test_a_header_inside_of_a_text_is_refused(tmp_path):
    """It would be counted as a page, and shift the lines of those after it."""
    page = PAGE.replace('"Something happened."', '"""Something\n[[entry]]\nhappened."""')
    with pytest.raises(CatalogueError, match=r"things\.toml, line 2: write each entry as a table"):
        load_text(tmp_path, page)


def test_words_lead_to_one_page(tmp_path):
    """What users type has one answer; a page may repeat its own words in another case."""
    page = PAGE + 'words = ["No Bars", "no bars"]\n'
    assert load_text(tmp_path, page)[0].words == ("No Bars", "no bars")
    other = page.replace("one-page", "another").replace("7001", "7002")
    with pytest.raises(CatalogueError, match=r"the words 'No Bars' already lead to one-page"):
        load_text(tmp_path, page + other)


def test_two_pages_may_not_share_an_id(tmp_path):
    """An id is a contract: it names one page."""
    with pytest.raises(CatalogueError, match="two entries named one-page"):
        load_text(tmp_path, PAGE + PAGE.replace("7001", "7002"))


def test_two_pages_may_not_share_a_code(tmp_path):
    """A code leads to one page, also when the other one is in another file."""
    load_text(tmp_path, PAGE)
    with pytest.raises(CatalogueError, match="code 7001 already belongs to"):
        load_text(
            tmp_path,
            PAGE.replace("one-page", "another").replace('"things"', '"more"'),
            name="more.toml",
        )


def test_related_may_name_a_page_of_another_file(tmp_path):
    """References are checked when all files are read, not file by file."""
    page = PAGE.replace("one-page", "another").replace("7001", "7002").replace('"things"', '"more"')
    load_text(tmp_path, page, name="more.toml")
    entries = load_text(tmp_path, PAGE + 'related = ["another"]\n')
    assert [entry.id for entry in entries] == ["another", "one-page"]


BY_TEXT = PAGE.replace("one-page", "by-text").replace("A page", "A precise page")
BY_TEXT += "text = ['no (data|bars)', 'empty']\n"


def test_pages_that_share_a_code_are_told_apart_by_the_text(tmp_path):
    """Patterns are looked for anywhere and in any case; what none knows gets the code's page."""
    known = Catalogue(load_text(tmp_path, BY_TEXT + PAGE))
    assert known.by_code(7001).id == "one-page"
    assert known.by_code(7001, "Service: NO\n  DATA for AAPL").id == "by-text"
    assert known.by_code(7001, "An empty answer").id == "by-text"
    assert known.by_code(7001, "Etwas anderes").id == "one-page"
    assert known.by_code(7002, "no data") is None


def test_the_first_page_whose_pattern_fits_is_taken(tmp_path):
    """The order of the file decides, so the narrow patterns stand above the wide ones."""
    wide = BY_TEXT.replace("by-text", "wide").replace("empty", "e")
    assert (
        Catalogue(load_text(tmp_path, BY_TEXT + wide + PAGE)).by_code(7001, "empty").id == "by-text"
    )
    assert Catalogue(load_text(tmp_path, wide + BY_TEXT + PAGE)).by_code(7001, "empty").id == "wide"


def test_pages_that_share_a_code_stand_in_one_file(tmp_path):
    """Their order matters, and nobody would look for it across files."""
    load_text(tmp_path, PAGE)
    with pytest.raises(CatalogueError, match=r"other entries of code 7001 are in "):
        load_text(tmp_path, BY_TEXT, name="things-more.toml")


def test_a_family_can_hold_the_page_of_a_code_as_such(tmp_path):
    """The precise pages are entries; what is left may be one line of a family."""
    known = Catalogue(load_text(tmp_path, BY_TEXT.replace("7001", "7003") + FAMILY))
    assert known.by_code(7003).id == "clan-7003"
    assert known.by_code(7003, "empty").id == "by-text"


def test_a_check_belongs_to_one_page(tmp_path):
    """Looking up a check has one answer."""
    page = PAGE + 'check_ids = ["net.port", "net.tcp"]\n'
    assert Catalogue(load_text(tmp_path, page)).by_check("net.tcp").id == "one-page"
    other = page.replace("one-page", "another").replace("7001", "7002")
    with pytest.raises(CatalogueError, match=r"check net\.port already belongs to one-page"):
        load_text(tmp_path, page + other)


def test_a_category_may_have_several_files(tmp_path):
    """What follows the dash in a file's name is its subject, for whoever looks for a page."""
    (entry,) = load_text(tmp_path, PAGE, name="things-small.toml")
    assert entry.category == "things"


def test_files_of_other_kinds_are_left_alone(tmp_path):
    """Only TOML files are pages."""
    tmp_path.joinpath("notes.txt").write_text("not TOML", encoding="utf-8")
    assert [entry.id for entry in load_text(tmp_path, PAGE)] == ["one-page"]


FAMILY = """
[[family]]
id = "clan"
title = "A page of many"
category = "things"
severity = "error"
summary = "That is all."
resolution = ["Do this first."]
[family.codes]
7003 = "One thing happened."
7004 = "Another thing happened."
"""


def test_steps_are_chosen_by_the_situation(tmp_path):
    """What a step needs, and what rules it out, stands beside its text; so do its blanks."""
    written = """resolution = [
    "Look.",
    {text = "Reopen: %ibconnect {target|paper}.", when = ["session=lost|closed"]},
    {text = "Wait.", unless = ["session=open"]},
]"""
    page = PAGE.replace('resolution = ["Do this first."]', written)
    (entry,) = load_text(tmp_path, page)
    assert entry.resolution == ("Look.", "Wait.")
    assert entry.every_step == ("Look.", "Reopen: %ibconnect paper.", "Wait.")
    lost = Situation(session="lost", target="7497")
    assert lost.choose(entry.steps) == ("Reopen: %ibconnect 7497.", "Look.", "Wait.")
    assert Situation(session="open").choose(entry.steps) == ("Look.",)


def test_a_family_becomes_one_page_per_code(tmp_path):
    """Each code gets its own sentence, and shares what to do."""
    first, second = load_text(tmp_path, FAMILY)
    assert (first.id, first.codes) == ("clan-7003", (7003,))
    assert second.summary == "Another thing happened. That is all."
    assert first.resolution == second.resolution == ("Do this first.",)


@pytest.mark.parametrize(
    ("written", "instead", "complaint"),
    [
        ("7003 =", "seven =", "from code to sentence"),
        ('"One thing happened."', '""', "not empty"),
        ('severity = "error"', "", "severity is missing"),
        ('id = "clan"', 'id = "clan"\ntext = ["x"]', "a family has no text patterns"),
        ('id = "clan"', 'id = "clan"\nwords = ["x"]', "a family has no words of its own"),
        ("[[family]]", "[family]", "two brackets"),
    ],
)
def test_a_family_that_breaks_a_rule_is_refused(tmp_path, written, instead, complaint):
    """Families are held to the rules of entries."""
    assert written in FAMILY
    with pytest.raises(CatalogueError, match=complaint):
        load_text(tmp_path, FAMILY.replace(written, instead, 1))


def test_a_family_and_a_page_may_not_share_a_code(tmp_path):
    """A code leads to one page, whichever way it was written down."""
    with pytest.raises(CatalogueError, match="already belongs to"):
        load_text(tmp_path, PAGE.replace("7001", "7003") + FAMILY)

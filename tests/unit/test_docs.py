"""The documentation: its reference has all that the code has, and each link leads somewhere.

`make docs` builds it, which takes longer and needs packages of its own; a warning fails it.
"""

import fnmatch
import html
import importlib
import importlib.util
import re
from pathlib import Path

from markdown_it import MarkdownIt

import ibnb
from ibnb.cli import VERBS as COMMANDS
from ibnb.diagnostics import CHECKS
from ibnb.diagnostics.verdict import rules, since_good
from ibnb.knowledge import catalogue
from ibnb.magics import IbMagics
from ibnb.options import connect_parser, diagnose_parser, simulate_parser
from ibnb.settings import IbSettings
from ibnb.simulator import FAULTS, VERBS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
BESIDES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    ROOT / "benchmarks" / "README.md",
)
MARKDOWN = MarkdownIt("commonmark").enable("table")
KNOWN_VERDICTS = {"healthy", *rules.OF_THE_WIRE, *rules.MILD, *since_good.EXPLAINING}


def the_generator():
    """Return the module that makes the reference, which is in no package."""
    spec = importlib.util.spec_from_file_location("pages_from_code", DOCS / "pages_from_code.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = the_generator()
REFERENCE = GENERATOR.pages()
PAGES = {
    **{DOCS / "reference" / path: text for path, text in REFERENCE.items()},
    **{
        path: path.read_text(encoding="utf-8")
        for path in [*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md"), *BESIDES]
    },
}
"""Every page by its path, those of the reference as they will be written."""


def code_of(path):
    """Return all that a page of the reference shows as code, piece by piece."""
    tokens = MARKDOWN.parse(REFERENCE[path])
    inline = {child.content for token in tokens for child in token.children or () if child.tag}
    return inline | {token.content for token in tokens if token.type == "fence"}


def headings_of(text):
    """Return the names by which a page's headings are linked to."""
    lines = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE).splitlines()
    titles = [line.lstrip("# ") for line in lines if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links_of(path):
    """Yield the targets of a page's links and pictures that are no addresses of the Web."""
    for token in MARKDOWN.parse(PAGES[path]):
        for child in token.children or ():
            target = child.attrs.get("href") or child.attrs.get("src") or ""
            if target and not target.startswith(("http:", "https:")):
                yield html.unescape(target)
        if token.type == "html_block":
            yield from re.findall(r'(?:src|srcset|href)="([^":]+)"', token.content)


def listed_in(path):
    """Yield the pages that the lists of a page name, by which a reader finds them."""
    for body in re.findall(r"^```\{toctree\}\n(.*?)^```", PAGES[path], re.DOTALL | re.MULTILINE):
        for line in body.split():
            name = line.strip("<>")
            if not name.startswith(":"):
                below = [one for one in PAGES if one.is_relative_to(path.parent)]
                names = {one.relative_to(path.parent).as_posix(): one for one in below}
                yield from (names[one] for one in fnmatch.filter(names, f"{name}.md"))


def test_every_public_name_is_on_the_page_on_python():
    """With its docstring, from which Sphinx takes what it says."""
    for name in ibnb.__all__:
        assert re.search(rf"^\.\. auto\w+:: ibnb\.{name}$", REFERENCE["python.md"], re.MULTILINE)


def test_what_the_page_on_python_names_is_there():
    """Each by the path from which it is imported, with a docstring."""
    for paths in GENERATOR.PYTHON.values():
        for path in paths:
            module, _, name = path.rpartition(".")
            assert getattr(importlib.import_module(module), name).__doc__


def test_every_magic_and_option_is_there():
    """Each magic under a heading, each option in its table."""
    shown = code_of("magics.md")
    assert set(IbMagics.magics["line"]) <= headings_of(REFERENCE["magics.md"])
    for parser in (connect_parser("%ibconnect"), diagnose_parser("%ibdiag")):
        assert {flag for flag in parser.flags if not any(flag in code for code in shown)} == set()


def test_every_shell_command_is_there():
    """Those that the command has, and no others, with their options."""
    assert set(GENERATOR.COMMANDS) == set(COMMANDS)
    assert {f"ibnb-{name}" for name in COMMANDS} <= headings_of(REFERENCE["commands.md"])
    shown = code_of("commands.md")
    flags = set(simulate_parser("ibnb sim").flags) - {"-h", "--help"}
    assert {flag for flag in flags if not any(flag in code for code in shown)} == set()


def test_the_examples_of_a_verb_are_there():
    """As its own help has them."""
    assert any("%ibconnect live --trade" in code for code in code_of("magics.md"))
    assert any("ibnb diag --bundle help.zip" in code for code in code_of("commands.md"))


def test_every_setting_is_there():
    """With the variable of the environment that sets it."""
    names = set(IbSettings.by_name())
    assert names <= headings_of(REFERENCE["settings.md"])
    assert {f"IBNB_{name.upper()}" for name in names} <= code_of("settings.md")


def test_every_check_is_there():
    """With a link to its page."""
    assert {check.id for check in CHECKS} <= code_of("checks.md")
    pages = {f"codes/{catalogue().by_check(check.id).id}.md" for check in CHECKS}
    assert pages <= set(links_of(DOCS / "reference" / "checks.md"))


def test_every_verdict_is_there():
    """All that rules know by name, with a link to its page; and what is there has a page."""
    assert set(GENERATOR.verdict_ids()) >= KNOWN_VERDICTS
    assert set(GENERATOR.verdict_ids()) <= code_of("verdicts.md")
    links = set(links_of(DOCS / "reference" / "verdicts.md"))
    assert {f"codes/{name}.md" for name in KNOWN_VERDICTS} <= links


def test_what_a_login_log_shows_is_not_taken_for_a_verdict():
    """A phase of a login may be called as a page is."""
    assert "competing-session" not in GENERATOR.verdict_ids()


def test_every_entry_of_the_catalogue_has_its_page():
    """With its title and codes on top, and a place in the list and in the index."""
    linked = set(links_of(DOCS / "reference" / "codes" / "index.md"))
    for entry in catalogue().entries:
        page = REFERENCE[f"codes/{entry.id}.md"]
        (title,) = re.findall(r"^# (.*)$", page, re.MULTILINE)
        codes = ", ".join(map(str, entry.codes))
        assert shown(title) == (f"{codes}: {entry.title}" if codes else entry.title)
        assert f"{entry.id}.md" in linked
        (index,) = re.findall(r"^```\{index\} (.*)$", page, re.MULTILINE)
        assert index.split(", ") == [*map(str, entry.codes), entry.id]


def test_every_fault_and_verb_is_there():
    """As `ibnb sim --list` has them."""
    assert {*FAULTS, *VERBS} <= code_of("faults.md")


def shown(markdown):
    """Return what a reader sees of a line of Markdown."""
    (inline,) = [token for token in MARKDOWN.parse(markdown) if token.type == "inline"]
    assert {child.type for child in inline.children} <= {"text", "text_special", "code_inline"}
    return "".join(child.content for child in inline.children)


def test_texts_are_shown_as_they_are():
    """Whatever Markdown makes of their characters; what is code in them, without its backticks."""
    texts = {
        text
        for entry in catalogue().entries
        for text in (
            *(entry.title, entry.summary, *entry.symptoms, *entry.causes, *entry.every_step),
            *(check.text for check in entry.checks),
        )
    }
    texts |= {*FAULTS.values(), "a_b *c* <d> [e](f) {g} C:\\h | `i|j` & &amp;"}
    changed = {text for text in texts if shown(GENERATOR.prose(text)) != text.replace("`", "")}
    assert changed == set()


def leads_somewhere(path, link):
    """Say whether a link of a page leads to a page or file, and to a heading that it has."""
    file, _, heading = link.partition("#")
    target = (path.parent / file).resolve() if file else path
    if target in PAGES:
        return not heading or heading in headings_of(PAGES[target])
    return target.exists() and target.suffix != ".md" and not heading


def test_every_link_leads_somewhere():
    """To what is stored, or to a page that will be made, and to a heading that it has."""
    broken = [
        (str(path.relative_to(ROOT)), link)
        for path in PAGES
        for link in links_of(path)
        if not leads_somewhere(path, link)
    ]
    assert broken == []


def test_the_links_are_looked_at():
    """The test above would pass on pages in which none is found."""
    assert "docs/figures.md" in set(links_of(ROOT / "README.md"))
    assert "docs/images/card-dark.png" in set(links_of(ROOT / "README.md"))
    assert "images/report.png" in set(links_of(DOCS / "diagnose.md"))


def test_every_page_has_its_place():
    """From the first page one goes through the lists to every other, and to codes by their list."""
    reached, following = set(), [DOCS / "index.md"]
    while following:
        page = following.pop()
        if page not in reached:
            reached.add(page)
            following += listed_in(page)
    codes = {DOCS / "reference" / "codes" / f"{entry.id}.md" for entry in catalogue().entries}
    assert set(PAGES) - reached - codes == set(BESIDES)


def test_pages_that_are_gone_are_taken_away(tmp_path):
    """What was made of an earlier catalogue is not left in the site; what has not changed stays."""
    GENERATOR.write(tmp_path)
    page, gone = tmp_path / "codes" / "client-id-in-use.md", tmp_path / "codes" / "no-such-page.md"
    gone.write_text("# Gone\n", encoding="utf-8")
    written = page.stat().st_mtime_ns
    GENERATOR.write(tmp_path)
    assert not gone.exists()
    assert page.stat().st_mtime_ns == written
    assert page.read_text(encoding="utf-8") == REFERENCE["codes/client-id-in-use.md"]

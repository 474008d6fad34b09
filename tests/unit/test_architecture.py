"""What docs/architecture.md says is there: rooms, modules, and the few concepts of a rerun."""

import importlib
import re
from pathlib import Path

import pytest

import ibnb

PACKAGE = Path(ibnb.__file__).parent
PAGE = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
MOST_CONCEPTS = 12
CONCEPT = re.compile(r"^\| (?!concept|-)(?P<what>[^|]+) \| (?P<where>`[^|]+`) \|$", re.MULTILINE)


def section(heading):
    """Return the text under a heading of the page."""
    return PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


CONCEPTS = [match.groups() for match in CONCEPT.finditer(section("What a rerun is made of"))]
NAMES = [name for _, where in CONCEPTS for name in re.findall(r"`([\w.]+)`", where)]
ROOMS = section("The rooms").partition("```\nibnb/\n")[2].partition("```")[0]


def test_a_rerun_takes_few_concepts():
    """Whoever changes how a rerun behaves has so many to learn, and each is a thing of its own."""
    assert 0 < len(CONCEPTS) <= MOST_CONCEPTS
    assert len({what for what, _ in CONCEPTS}) == len(CONCEPTS)
    assert len(set(NAMES)) == len(NAMES) >= len(CONCEPTS)


@pytest.mark.parametrize("name", NAMES)
def test_each_concept_is_where_the_page_says(name):
    """A module of the session or of another room, or a class in one."""
    module, _, last = name.rpartition(".")
    is_class = last[:1].isupper()
    tail = f"{(module if is_class else name).replace('.', '/')}.py"
    found = [path for path in (PACKAGE / tail, PACKAGE / "session" / tail) if path.is_file()]
    assert len(found) == 1
    inside = ".".join(("ibnb", *found[0].relative_to(PACKAGE).with_suffix("").parts))
    assert not is_class or isinstance(getattr(importlib.import_module(inside), last), type)


def listed():
    """Yield the path of each room and module that the tree of the page names."""
    folders = []
    for line in ROOMS.splitlines():
        name = line.split()[0]
        if not re.fullmatch(r"[a-z_]+(?:/|\.py)", name):
            continue
        depth = (len(line) - len(line.lstrip())) // 2 - 1
        if depth > len(folders):
            continue  # a line of a description
        folders[depth:] = [name]
        yield "/".join(part.rstrip("/") for part in folders)


def test_each_room_of_the_page_is_there():
    """A newcomer who follows the tree finds each folder and file of it."""
    paths = list(listed())
    assert {"app.py", "ui", "session", "session/guard.py", "diagnostics/verdict"} <= {*paths}
    assert not [path for path in paths if not (PACKAGE / path).exists()]
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}
    assert rooms <= {*paths}

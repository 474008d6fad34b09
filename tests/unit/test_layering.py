"""What each room may import and know, read from the source: imports go downward only."""

import ast
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
from commands import python

import ibnb

PACKAGE = Path(ibnb.__file__).parent
LONGEST = 600
"""Lines; a module beyond that is two rooms with no wall between them."""

BELOW = {
    "tws": set(),
    "knowledge": set(),
    "simulator": {"tws"},
    "session": {"tws", "knowledge"},
    "diagnostics": {"session", "tws", "knowledge"},
    "ui": {"diagnostics", "session", "simulator", "tws", "knowledge"},
}
"""Of each room, the rooms that it may import besides itself; modules outside may import all."""
BENEATH_ALL = {"handing_out", "made_once"}
"""What a room is made with."""
FOR_TYPES_ONLY = {"ui": {"app"}}
"""What a room names in annotations and is handed at run time: the app, to the widgets that act."""
MAY_KNOW = {
    "IPython": {"ui", "magics", "extension", "__init__"},
    "ipykernel": {"ui", "extension"},
    "ipywidgets": {"ui"},
    "jupyter_client": set(),
    "jinja2": {"ui"},
    "rich": {"ui"},
    "traitlets": {"settings"},
    "nest_asyncio2": {"session"},
    "nest_asyncio": set(),
    "nbformat": {"demo"},
    "nbclient": {"demo"},
    "nbconvert": {"demo"},
    "platformdirs": {"settings"},
    "psutil": {"tws", "session", "simulator"},
    "pytest": {"pytest_plugin"},
    "exchange_calendars": {"simulator"},
    "tornado": {"simulator"},
    "redis": {"session"},
}
"""Of each package from elsewhere, the rooms and modules that import it."""
API_LIBRARIES = {"ib_insync", "ib_async", "ibapi", "eventkit"}
LATE = {
    *(
        "exchange_calendars",
        "tornado",
        "psutil",
        "redis",
        "jinja2",
        "ipywidgets",
        "rich",
        "nest_asyncio2",
        "nbformat",
        "nbclient",
    ),
    *API_LIBRARIES,
}
"""What is slow to import, and needed by some verbs only."""


@dataclass(frozen=True)
class Import:
    """One import of a module, as found in the source of another."""

    importer: str
    imported: str
    for_types: bool

    @property
    def room(self):
        """The room or top-level module that imports."""
        return room_of(self.importer)


def room_of(module):
    """Return the room, or the module outside all rooms, that a module of ours is in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def name_of(path):
    """Return the name of the module in a file of ours."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
"""The file of every module of ours, by name."""


@cache
def modules():
    """Return the name, the path and the tree of every module of ours."""
    return [
        (name, path, ast.parse(path.read_text(encoding="utf-8"))) for name, path in PATHS.items()
    ]


def imports_in(name, path, tree):
    """Yield what a module imports, wherever in it, relative imports in full."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *base.split(".")]).strip(".")
            found = [base]
            if base == "ibnb":
                found = [f"ibnb.{alias.name}" for alias in node.names]
        else:
            continue
        for imported in found:
            yield Import(name, imported, id(node) in for_types)


@cache
def all_imports():
    """Return every import of every module of ours."""
    return [one for module in modules() for one in imports_in(*module)]


@cache
def ours():
    """Return the imports of modules of ours."""
    return [one for one in all_imports() if one.imported.split(".")[0] == "ibnb"]


def foreign():
    """Return the imports of what is neither ours nor Python's."""
    known = {"ibnb", "__future__", *sys.stdlib_module_names}
    return [one for one in all_imports() if one.imported.split(".")[0] not in known]


def test_the_source_was_read():
    """The tests below would pass on nothing at all."""
    assert len(all_imports()) > 300
    assert {one.room for one in ours()} >= set(BELOW)
    assert any(one.for_types for one in ours())
    assert (
        Import("ibnb.diagnostics.verdict.concluding", "ibnb.tws.redaction", for_types=False)
        in ours()
    )


def test_every_folder_is_a_room():
    """A new one has to say what it may import."""
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders == set(BELOW)


@pytest.mark.parametrize("room", BELOW)
def test_a_room_imports_downward_only(room):
    """At run time, wherever in a function the import stands."""
    found = {
        (one.importer, one.imported)
        for one in ours()
        if one.room == room
        and not one.for_types
        and room_of(one.imported) not in {room, *BELOW[room], *BENEATH_ALL}
    }
    assert found == set()


def test_no_module_imports_one_that_imports_it():
    """Not for annotations either: each can be read after those that it names."""
    names = set(PATHS)
    reached = {name: {one for one in named_by(name) if one in names} for name in names}
    order = list(names)
    # Those that name nothing more go first, until none can go.
    while free := [name for name in order if not reached[name] & set(order)]:
        order = [name for name in order if name not in free]
    in_circles = {name for name in order if name in _behind(name, reached)}
    assert in_circles == set()


def _behind(name, reached):
    """Return all modules that a module leads to."""
    found, following = set(), [name]
    while following:
        for one in reached[following.pop()] - found:
            found.add(one)
            following.append(one)
    return found


def named_by(name):
    """Yield the modules that a module imports from, a module itself where that is imported."""
    path, tree = next((path, tree) for found, path, tree in modules() if found == name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = node.module or ""
        if node.level:
            above = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*above, *base.split(".")]).strip(".")
        for alias in node.names:
            full = f"{base}.{alias.name}"
            if (found := full if full in PATHS else base) != name:
                yield found


def test_what_is_imported_upward_for_annotations_alone():
    """Exactly the app, and only by the ui: at run time it is handed down, never fetched."""
    upward = {
        (one.room, room_of(one.imported))
        for one in ours()
        if one.for_types
        and one.room in BELOW
        and room_of(one.imported) not in {one.room, *BELOW[one.room]}
    }
    assert upward == {(room, name) for room, names in FOR_TYPES_ONLY.items() for name in names}


def test_settings_are_imported_by_nobody_below():
    """They are handed down as plain values."""
    importers = {one.room for one in ours() if room_of(one.imported) == "settings"}
    assert importers & set(BELOW) == set()


def test_who_knows_which_package():
    """Jupyter stays above the rooms that work without it, and each other package in its place."""
    found = {}
    for one in foreign():
        found.setdefault(one.imported.split(".")[0], set()).add(one.room)
    assert set(found) <= set(MAY_KNOW)
    assert {name: rooms - MAY_KNOW[name] for name, rooms in found.items()} == {
        name: set() for name in found
    }


def test_only_one_module_knows_the_api_libraries():
    """None is imported by name anywhere, and only `session.library` has their names to use."""
    assert not [one for one in all_imports() if one.imported.split(".")[0] in API_LIBRARIES]
    named = {
        name
        for name, _, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and node.value.split(".")[0] in API_LIBRARIES
    }
    assert named == {f"ibnb.session.library.{one}" for one in ("libraries", "names")}


def test_only_one_room_touches_what_the_api_libraries_have():
    """No module outside `session.library` reads, sets or calls what an `IB` object has."""
    theirs = {"client", "wrapper", "conn"} | {
        name
        for name, _, tree in modules()
        if name == "ibnb.session.library.protocols"
        for node in ast.walk(tree)
        for name in named_in(node)
        if name != name.lower() and name[0].islower()
    }
    assert {"isConnected", "errorEvent", "ticker2ReqId", "hasData"} <= theirs
    touched = {
        (name, node.attr)
        for name, _, tree in modules()
        if not name.startswith(("ibnb.session.library", "ibnb.simulator"))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in theirs
    }
    assert touched == set()


def named_in(node):
    """Yield the attribute or the method that a statement of a class declares."""
    if isinstance(node, ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.AnnAssign):
        yield node.target.id


@pytest.mark.parametrize("name", PATHS)
def test_a_module_is_small(name):
    """Beyond some 600 lines it has more than one job."""
    assert len(PATHS[name].read_text(encoding="utf-8").splitlines()) <= LONGEST


def loaded_after(statement):
    """Return the top-level names of all modules after a statement, in a Python of its own."""
    show = "import sys; print(*{name.split('.')[0] for name in sys.modules})"
    ended = python("-c", f"{statement}\n{show}")
    assert ended.returncode == 0, ended.stderr
    return set(ended.stdout.split())


@pytest.mark.parametrize("module", ["ibnb", "ibnb.extension", "ibnb.cli", "ibnb.pytest_plugin"])
def test_importing_is_quick(module):
    """`%load_ext ibnb`, `ibnb --help` and other people's pytest load nothing only some need."""
    assert loaded_after(f"import {module}") & LATE == set()


@pytest.mark.parametrize("room", ["diagnostics", "knowledge", "simulator"])
def test_loading_the_extension_leaves_rooms_alone(room):
    """What diagnosing, explaining and simulating need is imported when they are first asked for."""
    show = f"import sys; print([name for name in sys.modules if name.startswith('ibnb.{room}')])"
    assert python("-c", f"import ibnb.extension\n{show}").stdout == "[]\n"


@pytest.mark.parametrize("room", ["tws", "knowledge", "simulator", "session", "diagnostics"])
def test_a_room_without_jupyter_loads_none(room):
    """Neither by itself nor by what it imports."""
    modules = ", ".join(name for name, _, _ in _of(room))
    loaded = loaded_after(f"import {modules}")
    assert loaded & {"IPython", "ipykernel", "ipywidgets", "jupyter_client", "traitlets"} == set()
    assert loaded & API_LIBRARIES == set()


def _of(room):
    return [module for module in modules() if room_of(module[0]) == room]


def test_the_package_is_clean_under_ruff():
    """Docstrings on everything public are among what it looks at."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", str(PACKAGE)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if "No module named ruff" in ended.stderr:
        pytest.skip("ruff is not installed here")
    assert ended.returncode == 0, ended.stdout

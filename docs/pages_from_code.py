"""The reference of the documentation site, made from the code each time the site is built.

Nothing of it is stored, so nothing of it can be out of date. `pages` returns all of it: Markdown by
path, for `conf.py` to write. It needs ibnb and nothing else, so that a unit test can look at it.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import ibnb
from ibnb.diagnostics import CHECKS, verdict
from ibnb.diagnostics import checks as all_checks
from ibnb.knowledge import Entry, EntryCheck, Situation, catalogue
from ibnb.knowledge.situation import CODE
from ibnb.magics import IbMagics
from ibnb.options import PARSERS as MAGICS
from ibnb.options import (
    Parser,
    connect_parser,
    demo_parser,
    diagnose_parser,
    explain_parser,
    simulate_parser,
    team_parser,
)
from ibnb.settings import IbSettings, Setting
from ibnb.simulator import FAULTS, VERBS, SimulatedGateway
from ibnb.tws import attempt

COMMANDS: Mapping[str, Callable[[str], Parser]] = {
    "diag": diagnose_parser,
    "explain": explain_parser,
    "sim": simulate_parser,
    "demo": demo_parser,
    "team": team_parser,
}
"""The verbs of the command `ibnb`, and what parses what follows them."""
PYTHON: Mapping[str, Sequence[str]] = {
    "The verbs": [f"ibnb.{name}" for name in ibnb.__all__],
    "What they return": [
        "ibnb.diagnostics.Report",
        "ibnb.diagnostics.Verdict",
        "ibnb.diagnostics.Result",
        "ibnb.knowledge.Explanation",
        "ibnb.knowledge.Entry",
        "ibnb.session.Health",
    ],
    "What they raise": [
        "ibnb.session.IbnbError",
        "ibnb.session.ConnectFailed",
        "ibnb.session.StaleConnection",
        "ibnb.session.OrdersLocked",
        "ibnb.session.BlockingInHandler",
        "ibnb.session.BlockingOnThread",
        "ibnb.session.NoLibraryError",
        "ibnb.session.BadInputError",
        "ibnb.knowledge.UnknownQueryError",
    ],
    "The simulated gateway": [
        "ibnb.simulator.SimulatedGateway",
        "ibnb.simulator.start_simulator",
        "ibnb.simulator.SimulatorProcess",
        "ibnb.simulator.recording.RecordingGateway",
        "ibnb.simulator.recording.ReplayedGateway",
    ],
}
"""What Python code imports of ibnb, by heading."""
CATEGORIES = {
    "connection": "Connecting",
    "orders": "Orders",
    "requests": "Requests",
    "data": "Market data and history",
    "notices": "Notices",
    "python": "Python and the system",
}
"""The categories of the catalogue, in the order of the list, and what each is called there."""

_SPECIAL = re.compile(r"[\\`*_{}\[\]<>|&]")
_BACKTICKS = re.compile(r"``.+?``|`[^`]+`")
_CODE_TO_COPY = re.compile(rf"(?P<code>{CODE.pattern})")


def pages() -> dict[str, str]:
    """Return every page of the reference as Markdown, by its path below the reference's folder."""
    made = {
        "index.md": _INDEX,
        "magics.md": _joined(_MAGICS, *map(_magic, MAGICS)),
        "commands.md": _joined(_COMMANDS, *map(_command, COMMANDS)),
        "settings.md": _joined(_SETTINGS, *map(_setting, IbSettings.by_name().items())),
        "checks.md": _joined(_CHECKS, *_checks()),
        "verdicts.md": _joined(_VERDICTS, _verdicts()),
        "faults.md": _joined(_FAULTS, _faults(), _VERBS, _verbs()),
        "python.md": _joined(_PYTHON, *map(_objects, PYTHON)),
        "codes/index.md": _joined(_CODES, *_listed()),
    }
    return made | {f"codes/{entry.id}.md": _entry(entry) for entry in catalogue().entries}


def write(folder: Path) -> None:
    """Write the pages into a folder, and take out what is there of an earlier time.

    A page that has not changed is left as it is, so that it is not built again.
    """
    made = {folder / path: text for path, text in pages().items()}
    for path in {*folder.rglob("*.md")} - made.keys():
        path.unlink()
    for path, text in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")


def verdict_ids() -> tuple[str, ...]:
    """Return the pages that a verdict may be, in alphabetical order.

    Those are the pages that a rule, a check or the end of an attempt has by name. The key of a
    table is not meant: it is what was found, and may be called as a page is.
    """
    folders = [Path(one.__file__ or "").parent for one in (verdict, all_checks)]
    sources = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    known = {entry.id for entry in catalogue().entries}
    found = {
        name
        for path in [*sources, Path(attempt.__file__)]
        for name in _values(ast.parse(path.read_text(encoding="utf-8")))
    }
    return tuple(sorted(known & found))


def _values(tree: ast.AST) -> Iterator[str]:
    keys = {id(key) for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in keys:
            yield node.value


# Markdown.


def _joined(*parts: str) -> str:
    return "\n\n".join(part.strip() for part in parts if part.strip()) + "\n"


def prose(text: str, code: re.Pattern[str] = _CODE_TO_COPY) -> str:
    """Return a text as Markdown that shows just that: what is code in it as code."""
    shown, end = [], 0
    for found in code.finditer(text):
        shown += [_escaped(text[end : found.start()]), f"`{found[0].strip('`')}`"]
        end = found.end()
    return "".join([*shown, _escaped(text[end:])])


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda found: f"\\{found[0]}", text)


def _cell(text: str) -> str:
    # Within code a bar would end the cell, whatever stands before it.
    return " ".join(text.split()).replace("\\|", "|").replace("|", "\\|")


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ("---",) * len(head), *([_cell(one) for one in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _block(text: str) -> str:
    return f"```text\n{text.rstrip()}\n```"


def _items(texts: Iterable[str], mark: str = "-") -> str:
    return "\n".join(f"{mark} {text}" for text in texts)


def _section(heading: str, body: str) -> str:
    return f"## {heading}\n\n{body}" if body else ""


# Magics, commands and settings.


def _magic(name: str) -> str:
    magic = getattr(IbMagics, name)
    # Without what `?` shows below it: the options are in the table.
    about = inspect.cleandoc(inspect.unwrap(magic).__doc__ or "")
    return _verb(MAGICS[name](f"%{name}"), about)


def _command(name: str) -> str:
    parser = COMMANDS[name](f"ibnb {name}")
    return _verb(parser, parser.description or "")


def _verb(parser: Parser, about: str) -> str:
    begun = "usage: "
    usage = parser.format_usage().removeprefix(begun).replace(f"\n{' ' * len(begun)}", "\n")
    rows = [(_spelled(one), _meaning(one)) for one in _arguments(parser)]
    options = _table(("argument", "what it does"), rows) if rows else ""
    _, is_list, examples = (parser.epilog or "").partition("examples:\n")
    shown = f"For example:\n\n{_block(inspect.cleandoc(examples))}" if is_list else ""
    return _joined(f"## {parser.prog}", prose(about, _BACKTICKS), _block(usage), options, shown)


def _arguments(parser: Parser) -> list[argparse.Action]:
    options = {id(one): one for one in parser.flags.values() if one.dest != "help"}
    return [*parser.arguments, *options.values()]


def _spelled(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.dest.upper()}`"
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    if action.nargs == 0:
        return names
    takes = action.metavar or "|".join(map(str, action.choices or (action.dest.upper(),)))
    words = " ".join(takes) if isinstance(takes, tuple) else takes
    more = " ..." if action.nargs == "+" else ""
    return f"{names[:-1]} {words}{more}`"


def _meaning(action: argparse.Action) -> str:
    default = action.default
    is_shown = default not in (None, False, "", 0.0) and default != []
    return prose(action.help or "") + (f" (default: `{default}`)" if is_shown else "")


def _setting(named: tuple[str, Setting]) -> str:
    name, setting = named
    flag = f"--{name.replace('_', '-')}"
    default = setting.default_value
    facts = [
        f"takes: {prose(setting.takes)}",
        f"default: {'not set' if default is None else f'`{default}`'}",
        f"environment: `IBNB_{name.upper()}`"
        + (f", as {prose(setting.takes_text)}" if setting.takes_text else ""),
        f"in a notebook: `%config IbMagics.{name} = ...`",
    ]
    if flag in connect_parser("%ibconnect").flags:
        facts.append(f"for one call: `{flag}`")
    return _joined(f"## {name}", prose(setting.help), _items(facts))


# Checks, verdicts and faults.


def _checks() -> Iterator[str]:
    for category in dict.fromkeys(check.category for check in CHECKS):
        rows = [
            (
                f"`{check.id}`",
                prose(check.title),
                ", ".join(f"`{one}`" for one in check.requires),
                _link(catalogue().by_check(check.id), "codes/"),
            )
            for check in CHECKS
            if check.category == category
        ]
        head = ("check", "what it makes sure of", "needs", "its page")
        yield _section(f"`{category}`", _table(head, rows))


def _link(entry: Entry | None, folder: str) -> str:
    return f"[{prose(entry.title)}]({folder}{entry.id}.md)" if entry is not None else ""


def _verdicts() -> str:
    entries = [entry for name in verdict_ids() if (entry := catalogue().by_id(name)) is not None]
    rows = [
        (f"`{one.id}`", _link(one, "codes/"), one.severity, prose(one.summary)) for one in entries
    ]
    return _table(("verdict", "page", "severity", "what it says"), rows)


def _faults() -> str:
    return _table(
        ("fault", "the gateway"), [(f"`{name}`", prose(what)) for name, what in FAULTS.items()]
    )


def _verbs() -> str:
    rows = [
        (f"`{one.name}`", prose(one.about, _BACKTICKS), ", ".join(f"`{name}`" for name in takes))
        for one, takes in ((verb, verb.parameters) for verb in VERBS.values())
    ]
    return _table(("verb", "what it does", "takes"), rows)


# Python.


def _objects(heading: str) -> str:
    return _section(heading, "\n\n".join(map(_directive, PYTHON[heading])))


def _directive(path: str) -> str:
    module, _, name = path.rpartition(".")
    found: Any = getattr(__import__(module, fromlist=[name]), name)
    kind, options = "autofunction", ""
    if inspect.isclass(found) and issubclass(found, Exception):
        # What it is also caught as.
        kind, options = "autoexception", "\n   :show-inheritance:"
    elif inspect.isclass(found):
        # What can be done to it is written down in the classes above its own.
        inherited = "\n   :inherited-members:" if found is SimulatedGateway else ""
        kind, options = "autoclass", f"\n   :members:{inherited}"
    return f"```{{eval-rst}}\n.. {kind}:: {path}{options}\n```"


# The catalogue.


def _listed() -> Iterator[str]:
    entries = catalogue().in_order
    for category, heading in CATEGORIES.items():
        rows = [
            (", ".join(map(str, one.codes)) or f"`{one.id}`", _link(one, ""), one.severity)
            for one in entries
            if one.category == category
        ]
        yield _section(heading, _table(("code or name", "page", "severity"), rows))


def _entry(entry: Entry) -> str:
    codes = ", ".join(map(str, entry.codes))
    heading = f"{codes}: {prose(entry.title)}" if codes else prose(entry.title)
    about = f"`{entry.id}` · {entry.severity} · [all pages](index.md)"
    if entry.as_of:
        about += f" · last true of {prose(entry.as_of)}"
    here = Situation(place="notebook").choose(entry.steps)
    elsewhere = Situation(place="terminal").choose(entry.steps)
    known = {*here, *elsewhere}
    return _joined(
        # Not in the side bar, which would have hundreds of lines.
        f"---\norphan: true\n---\n\n# {heading}",
        # The search of the site passes over numbers, but not in its index.
        f"```{{index}} {', '.join([*map(str, entry.codes), entry.id])}\n```",
        about,
        prose(entry.summary),
        _section("What to do", _items(map(prose, here), "1.")),
        _section("What to do outside a notebook", _steps(elsewhere, besides=here)),
        _section("What to do if more is known", _steps(entry.every_step, besides=known)),
        _section("What to check", _items(map(_asked, entry.checks))),
        _section("Why this happens", _items(map(prose, entry.causes))),
        _section("Symptoms", _items(map(prose, entry.symptoms))),
        _section("Related", _items(_related(entry))),
    )


def _steps(steps: Iterable[str], *, besides: Collection[str]) -> str:
    return _items(prose(step) for step in dict.fromkeys(steps) if step not in besides)


def _asked(check: EntryCheck) -> str:
    done = f" ([`{check.check}`](../checks.md) looks)" if check.check else ""
    return f"{prose(check.text)}{done}"


def _related(entry: Entry) -> Iterator[str]:
    for name in entry.related:
        found = catalogue().by_id(name)
        codes = "".join(f"{code}: " for code in found.codes[:1]) if found is not None else ""
        if found is not None:
            yield f"[{codes}{prose(found.title)}]({found.id}.md)"


_INDEX = """
# Reference

Each of these pages is made from the code when the site is built:

| page | what is there |
| --- | --- |
| [Magics](magics.md) | `%ibconnect`, `%ibdiag` and the others, with each option |
| [Shell commands](commands.md) | `ibnb diag`, `ibnb explain`, `ibnb sim` and the others |
| [Settings](settings.md) | what each takes, its default, and where it is set |
| [Codes and errors](codes/index.md) | a page for each code, and for what Python raises instead |
| [Checks](checks.md) | what a diagnosis looks at |
| [Verdicts](verdicts.md) | the causes that a diagnosis may name |
| [Faults and verbs](faults.md) | how the simulated gateway can be broken, and steered |
| [Python](python.md) | functions, results, errors, the simulated gateway |

```{toctree}
:hidden:

magics
commands
settings
codes/index
checks
verdicts
faults
python
```
"""
_MAGICS = """
# Magics

`%load_ext ibnb` brings them. `%ibconnect?` and `%ibconnect --help` say the same in a notebook, and
Tab completes options, targets, checks, codes and faults. A semicolon at the end shows no badge.
"""
_COMMANDS = """
# Shell commands

`ibnb --version` says which version this is, `ibnb VERB --help` what a verb takes. The exit status
of `ibnb diag` is 0 if the gateway is healthy, 1 if a problem was found and 2 if it could not run;
that of `ibnb explain` is 1 if nothing fits.
"""
_SETTINGS = """
# Settings

`%config IbMagics` lists them in a notebook. An option beats `%config`, and `%config` beats the
environment. In `ipython_config.py` a setting is `c.IbMagics.name`. A value is checked when it is
set: what a setting does not take is refused in one line, and the old value stays.
"""
_CHECKS = """
# Checks

What `%ibdiag` and `ibnb diag` look at. A check runs once those that it needs have passed, side by
side with others; `--only ID` runs one, with what it needs. `%iberror ID` shows its page.
"""
_VERDICTS = """
# Verdicts

A diagnosis names one cause. `%iberror VERDICT` shows its page. With `healthy`, and with warnings
alone, the exit status of `ibnb diag` is 0.
"""
_FAULTS = """
# Faults and verbs

## Faults

The ways in which the simulated gateway can be broken: `ibnb sim --fault NAME`,
`%ibconnect sim --fault NAME`, `SimulatedGateway(faults=["NAME"])`; `ibnb sim --list` has the same
list. Some take a value, as in `NAME:VALUE`. In brackets are the codes that a client sees.
"""
_VERBS = """
## Verbs

What can be done to it while it runs: methods of
[`SimulatedGateway`](python.md#the-simulated-gateway) and of pytest's fixture, words of the marker
of that fixture, calls over HTTP with `ibnb sim --control PORT`, and steps of a file with
`ibnb sim --scenario FILE`. [What it serves](../simulator.md) has examples.
"""
_PYTHON = """
# Python

What may be imported. Everything else is ibnb's own, and may change. pytest's fixture
`simulated_gateway`, which comes with ibnb, is a `SimulatedGateway`.
"""
_CODES = """
# Codes and errors

A page for each code that TWS and Gateway send, and for what Python raises instead. `%iberror 326`
in a notebook and `ibnb explain 326` in a terminal show the same page, the notebook's with what was
found out here and now.
"""

"""Reads the catalogue and checks its format, so that a slip in a page is found at once.

A file ``catalogue/<category>.toml``, or ``catalogue/<category>-<subject>.toml``, holds entries of
one category, each an ``[[entry]]``::

    [[entry]]
    id = "client-id-in-use"             # lower case, words joined by dashes; unique; a contract
    codes = [326]                       # notice codes
    title = "Client ID already in use"  # the headline, at most 60 characters
    category = "connection"             # the name of the file, up to its dash
    severity = "error"                  # info, warning or error
    summary = "What happened, and why, in one to three sentences."
    symptoms = ["What the user sees."]
    causes = ["What may lie behind it, most likely first."]
    checks = [
        "What to look at.",
        {text = "What the summary of a check answers?", check = "host.process"},
        {text = "What else it can be asked?", check = "session.state", asks = "orders"},
    ]
    resolution = [
        "What to do first.",
        {text = "What to do if this is known: %ibconnect {target}.", when = ["session=lost"]},
        {text = "What to do unless this is known.", unless = ["session=open|lost"]},
    ]
    related = ["not-connected"]         # ids of other entries
    check_ids = ["session.client-id"]   # the diagnostic checks that this page explains
    text = ["read-?only"]               # only where several entries share a code, see below
    words = ["client id"]               # what users type for this page first of all; not shown
    raised = ["ECONNREFUSED"]           # exceptions and errors of systems, see below
    as_of = "Gateway 10.51"             # only where the page depends on it: with what it was true

If a code means several things that its text tells apart, each gets an entry of its own, with
the same code and a `text`: regular expressions, looked for anywhere in the notice's text, whatever
the case. They are tried in the order of the file. One entry of each code has no `text`; it explains
the code as such, and is taken when no pattern matches, as with texts in another language. Entries
that share a code stand in one file.

What a program or its operating system raises is told by `raised`: regular expressions, looked for
whatever the case in the message of an exception, with the name of its class. Under the message of a
pasted traceback stands a line ``in connect, connectAsync``: the functions of an API library that
were running. The first entry that has a fitting pattern is taken, in the order of the files.

A step of `resolution` may depend on the `Situation` in which it is shown; the module
`ibnb.knowledge.situation` has the facts and their values. With `when` it is shown only if all of
its conditions are known to hold, and then before the others; with `unless` it is left out if one of
them is known to hold. In its text ``{target}``, ``{address}``, ``{without_id}``, ``{client_id}``,
``{name}``, ``{open_at}`` and ``{trusted}`` are filled in; ``{target|live}`` says what stands there
while that is not known. ``{diag}``, ``{explain 326}`` and ``{pip install NAME}`` are spelled as a
notebook or a terminal spells them. A step that names a magic is left out in a terminal, one that
names a terminal's command (`` `ibnb sim` ``, in backticks) is left out in a notebook, and one that
names a command which has just failed is left out anywhere: none of that has to be written down.

Codes that differ in what happened but not in what to do share a ``[[family]]``. It has the keys of
an entry, but its `codes` is a table from code to the sentence that says what happened; each becomes
an entry of its own, ``<family id>-<code>``, whose summary is that sentence and the family's::

    [[family]]
    id = "order-price"
    ...
    summary = "The order was not accepted because of a price in it."
    [family.codes]
    110 = "The price does not fit the contract's smallest price step (tick)."

`id`, `codes`, `title`, `category`, `severity`, `summary` and `resolution` are required, the others
default to nothing. All texts are searched by `explain`, so a word that users will type belongs into
one of them. If it leads to another page first, put it into `words`: a query that is one of them,
or that holds one of three words and more, leads to its page before any other. The texts of notices
that are known without their code stand in ``notices.tsv``, and are never shown.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast, get_args

from .model import Entry, EntryCheck, Severity
from .situation import Condition, Step, StepError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

TITLE_LENGTH = 60
"""Longest title, in characters: it is the headline of a failure and must fit one line."""

SEVERITIES: tuple[str, ...] = get_args(Severity)
CHECK_IDS = (
    *("env.loop", "env.library", "env.kernel", "env.guard"),
    *("host.address", "host.process", "host.login", "host.settings", "host.logs"),
    *("net.port", "net.tcp", "net.clients"),
    *("api.version", "api.start", "api.ready", "api.accounts", "api.link", "api.clock"),
    *("session.state", "session.heartbeat", "session.history", "session.pacing"),
    "session.client-id",
)
"""The diagnostic checks that an entry may name, as ``%ibdiag --list`` shows them."""

ASKS = {
    "session.state": ("open", "orders", "missing", "client-id"),
    "session.client-id": ("holder",),
    "api.accounts": ("expected",),
    "api.link": ("farms", "market", "history", "definitions"),
    "host.process": ("since",),
    "host.logs": ("logs",),
    "net.clients": ("who", "half-closed"),
    "env.guard": ("guard",),
    "env.loop": ("patch",),
}
"""What an entry may ask of a check beside what its summary tells."""

REQUIRED = ("id", "codes", "title", "category", "severity", "summary", "resolution")
OPTIONAL = (
    "symptoms",
    "causes",
    "checks",
    "related",
    "text",
    "check_ids",
    "words",
    "raised",
    "as_of",
)

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*[\"']?(entry|family)[\"']?[ \t]*\]\]", re.MULTILINE)


class CatalogueError(ValueError):
    """A catalogue file breaks the format. Who edits the catalogue meets it; users never do."""


class _Placed(NamedTuple):
    """An entry, the file that it stands in, and how messages name that place."""

    entry: Entry
    file: str
    where: str


def load(folder: Path, code: int | None = None) -> tuple[Entry, ...]:
    """Read every ``*.toml`` file of a folder, by name, and return the entries in their order.

    Args:
        folder: where the files are.
        code: read no other files than those in which this number stands; all entries of one code
            are in one file.

    Raises:
        CatalogueError: A file breaks the format; the message names file, line, entry and rule.
    """
    sources = {
        file.name: file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.toml"))
    }
    if code is not None:
        number = re.compile(rf"(?<!\d){abs(code)}(?!\d)")
        sources = {name: source for name, source in sources.items() if number.search(source)}
    placed = [one for name, source in sources.items() for one in _entries_of(name, source)]
    _check_unique(placed)
    _check_codes(placed)
    if code is None:
        _check_related(placed)
    return tuple(one.entry for one in placed)


@cache
def _entries_of(name: str, source: str) -> tuple[_Placed, ...]:
    return tuple(_parsed(name, source))


def _parsed(name: str, source: str) -> Iterator[_Placed]:
    import tomllib

    try:
        document = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise CatalogueError(f"{name} is not valid TOML: {error}.") from error
    pages, families = document.pop("entry", []), document.pop("family", [])
    if document:
        raise CatalogueError(
            f"{name}: only [[entry]] and [[family]] tables belong here, not {_list(document)}."
        )
    if not isinstance(pages, list) or not isinstance(families, list):
        raise CatalogueError(f"{name}: write [[entry]] and [[family]] with two brackets.")
    category = name.removesuffix(".toml").partition("-")[0]
    for kind, tables in (("entry", pages), ("family", families)):
        lines = _lines(source, kind)
        if len(lines) != len(tables) or not all(isinstance(table, dict) for table in tables):
            raise CatalogueError(
                f"{name}, line {_line_of_other_form(source, kind, lines)}: write each {kind} "
                f"as a table under its own [[{kind}]]."
            )
        for line, table in zip(lines, tables, strict=True):
            where = f"{name}, line {line}, {kind} {table.get('id', 'without id')}"
            parsed = [parse_entry(table, where)] if kind == "entry" else _members(table, where)
            for entry in parsed:
                if entry.category != category:
                    raise CatalogueError(
                        f"{where}: category is {entry.category!r}, but the file is named for "
                        f"{category!r}."
                    )
                yield _Placed(entry, name, where)


def _lines(source: str, kind: str) -> list[int]:
    """Return the numbers of the lines on which the tables of this kind begin."""
    return [
        source.count("\n", 0, header.start()) + 1
        for header in _HEADER.finditer(source)
        if header[1] == kind
    ]


def _line_of_other_form(source: str, kind: str, lines: Sequence[int]) -> int:
    """Return the line of the tables that were written in another way than under a header each."""
    assigned = re.search(rf"^[ \t]*[\"']?{kind}[\"']?[ \t]*=", source, re.MULTILINE)
    if assigned is None:
        return lines[0] if lines else 1
    return source.count("\n", 0, assigned.end()) + 1


def _members(table: dict[str, Any], where: str) -> Iterator[Entry]:
    """Yield a family's entries; what they share is read once."""
    codes = table.get("codes")
    if not isinstance(codes, dict) or not all(code.isdecimal() for code in codes):
        raise CatalogueError(f"{where}: codes must be a table from code to sentence.")
    for key, meaning in (
        ("text", "text patterns"),
        ("words", "words of its own"),
        ("raised", "exceptions of its own"),
    ):
        if key in table:
            raise CatalogueError(f"{where}: a family has no {meaning}; write an entry instead.")
    shared = parse_entry(table | {"codes": []}, where)
    for code, happened in codes.items():
        sentence = _text(happened, f"{where}: {code}")
        yield replace(
            shared,
            id=f"{shared.id}-{code}",
            codes=(int(code),),
            summary=f"{sentence} {shared.summary}",
            family=shared.id,
        )


def parse_entry(table: dict[str, Any], where: str) -> Entry:
    """Return one ``[[entry]]`` table as an entry; `where` names it in messages.

    Raises:
        CatalogueError: The table breaks the format.
    """
    unknown = set(table) - {*REQUIRED, *OPTIONAL}
    if unknown:
        raise CatalogueError(f"{where}: unknown key {_list(unknown)}.")
    missing = [key for key in REQUIRED if key not in table]
    if missing:
        raise CatalogueError(f"{where}: {_list(missing)} is missing.")
    entry_id = _text(table["id"], f"{where}: id")
    if not _ID.fullmatch(entry_id):
        raise CatalogueError(f"{where}: an id is lower case with dashes, not {entry_id!r}.")
    title = _text(table["title"], f"{where}: title")
    if len(title) > TITLE_LENGTH:
        raise CatalogueError(f"{where}: the title is longer than {TITLE_LENGTH} characters.")
    if table["severity"] not in SEVERITIES:
        raise CatalogueError(
            f"{where}: severity is one of {_list(SEVERITIES)}, not {table['severity']!r}."
        )
    steps = _steps(table["resolution"], f"{where}: resolution")
    return Entry(
        id=entry_id,
        codes=_codes(table["codes"], f"{where}: codes"),
        title=title,
        category=_text(table["category"], f"{where}: category"),
        severity=cast("Severity", table["severity"]),
        summary=_text(table["summary"], f"{where}: summary"),
        symptoms=_texts(table.get("symptoms", []), f"{where}: symptoms"),
        causes=_texts(table.get("causes", []), f"{where}: causes"),
        checks=_checks(table.get("checks", []), f"{where}: checks"),
        steps=steps,
        related=_texts(table.get("related", []), f"{where}: related"),
        text=_patterns(table.get("text", []), f"{where}: text"),
        check_ids=_check_ids(table.get("check_ids", []), f"{where}: check_ids"),
        words=_texts(table.get("words", []), f"{where}: words"),
        raised=_texts(table.get("raised", []), f"{where}: raised"),
        as_of=_text(table["as_of"], f"{where}: as_of") if "as_of" in table else "",
    )


def _text(value: object, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise CatalogueError(f"{where} must be a text that is not empty, not {value!r}.")
    return value


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise CatalogueError(f"{where} must be a list of texts, not {value!r}.")
    return tuple(_text(item, where) for item in value)


def _codes(value: object, where: str) -> tuple[int, ...]:
    # bool is an int to Python, and TOML has `true`.
    if not isinstance(value, list) or not all(type(code) is int and code >= 0 for code in value):
        raise CatalogueError(f"{where} must be a list of numbers from 0 on, not {value!r}.")
    return tuple(value)


def _patterns(value: object, where: str) -> tuple[str, ...]:
    patterns = _texts(value, where)
    for pattern in patterns:
        try:
            re.compile(pattern, re.IGNORECASE)
        except re.error as error:
            raise CatalogueError(
                f"{where}: {pattern!r} is not a regular expression: {error}."
            ) from error
    return patterns


def _checks(value: object, where: str) -> tuple[EntryCheck, ...]:
    if not isinstance(value, list):
        raise CatalogueError(f"{where} must be a list, not {value!r}.")
    return tuple(_check(item, where) for item in value)


def _check(value: object, where: str) -> EntryCheck:
    if not isinstance(value, dict):
        return EntryCheck(_text(value, where))
    unknown = set(value) - {"text", "check", "asks"}
    if unknown:
        raise CatalogueError(f"{where}: unknown key {_list(unknown)} in a check.")
    text = _text(value.get("text"), f"{where}: text")
    if "check" not in value:
        return EntryCheck(text)
    (check_id,) = _check_ids([value["check"]], where)
    if "asks" not in value:
        return EntryCheck(text, check_id)
    asks = _text(value["asks"], f"{where}: asks")
    if asks not in ASKS.get(check_id, ()):
        known = _list(ASKS.get(check_id, ())) or "nothing"
        raise CatalogueError(f"{where}: {check_id} cannot be asked {asks!r}, but {known}.")
    return EntryCheck(text, check_id, asks)


def _steps(value: object, where: str) -> tuple[Step, ...]:
    if not isinstance(value, list):
        raise CatalogueError(f"{where} must be a list of texts or tables, not {value!r}.")
    if not value:
        raise CatalogueError(f"{where} needs at least one step.")
    return tuple(_step(item, where) for item in value)


def _step(value: object, where: str) -> Step:
    table = value if isinstance(value, dict) else {"text": value}
    unknown = set(table) - {"text", "when", "unless"}
    if unknown:
        raise CatalogueError(f"{where}: unknown key {_list(unknown)} in a step.")
    text = _text(table.get("text"), f"{where}: text")
    try:
        when, unless = (
            tuple(map(Condition.parse, _texts(table.get(key, []), f"{where}: {key}")))
            for key in ("when", "unless")
        )
        return Step(text, when, unless)
    except StepError as error:
        raise CatalogueError(f"{where}: {error}.") from error


def _check_ids(value: object, where: str) -> tuple[str, ...]:
    ids = _texts(value, where)
    for check_id in ids:
        if check_id not in CHECK_IDS:
            raise CatalogueError(
                f"{where}: {check_id!r} is not a check id; they are {_list(CHECK_IDS)}."
            )
    return ids


def _check_unique(placed: Sequence[_Placed]) -> None:
    ids: set[str] = set()
    checks: dict[str, str] = {}
    words: dict[str, str] = {}
    for entry, _, where in placed:
        if entry.id in ids:
            raise CatalogueError(f"{where}: there are two entries named {entry.id}.")
        ids.add(entry.id)
        for typed in entry.words:
            other = words.setdefault(typed.lower(), entry.id)
            if other != entry.id:
                raise CatalogueError(f"{where}: the words {typed!r} already lead to {other}.")
        for check_id in entry.check_ids:
            if check_id in checks:
                raise CatalogueError(
                    f"{where}: check {check_id} already belongs to {checks[check_id]}."
                )
            checks[check_id] = entry.id


def _check_codes(placed: Sequence[_Placed]) -> None:
    owners: dict[int, str] = {}
    for entry, _, where in placed:
        for code in () if entry.text else entry.codes:
            if code in owners:
                raise CatalogueError(
                    f"{where}: code {code} already belongs to {owners[code]}; give one of the two "
                    "text patterns."
                )
            owners[code] = entry.id
    files: dict[int, str] = {}
    for entry, file, where in placed:
        if entry.text and not entry.codes:
            raise CatalogueError(f"{where}: text patterns need the code that they belong to.")
        for code in entry.codes:
            if code not in owners:
                raise CatalogueError(f"{where}: no entry without text patterns has code {code}.")
            if files.setdefault(code, file) != file:
                raise CatalogueError(
                    f"{where}: the other entries of code {code} are in {files[code]}."
                )


def _check_related(placed: Sequence[_Placed]) -> None:
    ids = {one.entry.id for one in placed}
    for entry, _, where in placed:
        strangers = [other for other in entry.related if other not in ids]
        if strangers:
            raise CatalogueError(f"{where}: related names {_list(strangers)}, which no file holds.")


def _list(words: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, words)))

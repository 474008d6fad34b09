"""The coloured forms for a terminal, drawn by rich, which knows its width and what it can show."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from . import labels
from .cards import card_title, why_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from .cards import AnsweredCheck, AskedView, CardView
    from .labels import Mark, Tone
    from .views import ReportView, Row

WIDEST = 110
_STYLES: dict[Tone, str] = {
    "good": "bold green",
    "warn": "bold yellow",
    "bad": "bold red",
    "info": "bold blue",
    "muted": "dim",
}


def draw_report(view: ReportView, file: TextIO) -> None:
    """Draw a report; the content is that of the plain text."""
    console = _console(file)
    _head(console, view.mark, view.title, view.summary)
    if view.why is not None:
        console.print(_text(why_line(view.why), "dim"))
    if view.origin:
        _section(console, view.origin)
    if view.changes:
        _section(console, view.since_good, _list(view.changes))
    if view.fix:
        _section(console, "Do this first", _list(view.fix, numbered=True))
    _section(console, f"Checks: {view.counts}")
    for group in view.groups:
        grid = _grid(9)
        for row in group.rows:
            grid.add_row(_marked(row.mark), _row(row))
        _section(console, group.heading, grid)
    if view.checklist:
        grid = _grid(9)
        for tick in view.checklist:
            grid.add_row(_marked(tick.mark), _text(tick.text))
        _section(console, f"Verification checklist: {view.ticked}", grid)
    console.print()
    console.print(_text(f"{view.target} · {view.took} · verdict {view.id}", "dim"))
    console.print(_text(view.boundary, "dim"))


def draw_card(view: CardView, file: TextIO) -> None:
    """Draw an explanation; the content is that of the plain text."""
    console = _console(file)
    _draw_card_head(console, view)
    if view.facts:
        _section(console, "What happened here", _list(view.facts))
    if view.asked is not None:
        _draw_asked(console, view.asked)
    if view.resolution:
        _section(console, "What to do", _list(view.resolution, numbered=True))
    if view.checks:
        _section(console, "What to check", _checked(view.checks))
    for heading, texts in (("Why this happens", view.causes), ("Symptoms", view.symptoms)):
        if texts:
            _section(console, heading, _list(texts))
    if view.last:
        console.print()
    for text in view.last:
        console.print(_text(text, "dim"))


def _draw_card_head(console: Console, view: CardView) -> None:
    _head(console, view.mark, card_title(view), *view.said)
    if view.command:
        console.print(_text(f"{view.do}: ").append(view.command, "bold"), soft_wrap=True)
    if view.everything:
        console.print(_text(f"Full list: {view.everything}"))


def _checked(checks: Iterable[AnsweredCheck]) -> Table:
    grid = _grid(1)
    for check in checks:
        said = _text(check.text)
        if check.mark is not None:
            said.append("\n").append(_marked(check.mark)).append(f"  {check.answer}")
        grid.add_row(_text("-", "dim"), said)
    return grid


def _draw_asked(console: Console, view: AskedView) -> None:
    grid = _grid(1)
    for name, value, problem in view.parameters:
        said = _text(value)
        if problem:
            said.append(f"  <- {problem}", "bold red")
        grid.add_row(_text(name), said)
    _section(console, f"The request: {view.method}", grid)
    if view.example:
        console.print(_text("A working call to start from", "bold"))
        console.print(_text(f"  {view.example}"))


def _row(row: Row) -> Text:
    said = _text(row.title)
    if row.summary:
        said.append(f"\n{row.summary}", "dim" if row.mark == labels.STATUS["pass"] else "")
    if row.mark == labels.STATUS["pass"]:
        return said
    for key, values in row.evidence:
        said.append(f"\n{key}: ", "dim").append("; ".join(values))
    for number, step in enumerate(row.fix, start=1):
        said.append(f"\nFix {number}. ", "bold").append(step)
    if row.why is not None:
        said.append(f"\n{why_line(row.why)}", "dim")
    return said


def _head(console: Console, mark: Mark, title: str, *texts: str) -> None:
    console.print(_marked(mark).append(f"  {title}", "bold"))
    for text in texts:
        console.print(_text(text))


def _section(console: Console, heading: str, body: Table | None = None) -> None:
    console.print()
    console.print(_text(heading, "bold"))
    if body is not None:
        console.print(body)


def _list(texts: Iterable[str], *, numbered: bool = False) -> Table:
    grid = _grid(2 if numbered else 1)
    for number, text in enumerate(texts, start=1):
        grid.add_row(_text(f"{number}." if numbered else "-", "dim"), _text(text))
    return grid


def _grid(first: int) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 2))
    grid.add_column(min_width=first, no_wrap=True)
    grid.add_column(ratio=1)
    return grid


def _marked(mark: Mark) -> Text:
    return _text("").append(str(mark), _STYLES[mark.tone])


def _text(content: str, style: str = "") -> Text:
    # Text objects and never strings: rich would read brackets in a string as its markup.
    from rich.text import Text

    return Text(content, style=style)


def _console(file: TextIO) -> Console:
    from rich.console import Console

    console = Console(file=file, highlight=False)
    console.width = min(console.width, WIDEST)
    return console

"""Reports, explanations and badges as plain text, for 80 columns and without colour codes.

The same input gives the same text, with no time of day in it: so it can stand as ``text/plain``
beside the HTML, and be compared. In a terminal `print_report` and `print_explanation` draw with
colour instead.
"""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, TextIO

from . import labels
from .cards import (
    ONCE,
    AnsweredCheck,
    AskedView,
    Came,
    CardView,
    ListedRow,
    card_title,
    card_view,
    page_rows,
    why_line,
)
from .sanitise import clean
from .views import BadgeView, Group, ReportView, Row, Skipped, badge_view, report_view

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ibnb.diagnostics.bundle import BundleFile
    from ibnb.diagnostics.model import Report
    from ibnb.knowledge import UnknownQueryError
    from ibnb.knowledge.model import Explanation
    from ibnb.session.health import Health

    from .labels import Mark

WIDTH = 80
UNBROKEN = "\N{NO-BREAK SPACE}"
MOST_CODES = 3
"""Codes of one page that a list of pages names."""
_INDENT = 13


def report_text(
    report: Report, *, magics: bool = False, boundary: bool = True, show_accounts: bool = False
) -> str:
    """Return a diagnosis: verdict, first steps, every check; evidence where a check is not OK.

    `magics` says that the reader has ibnb's magics at hand: then those that explain are named too.
    `boundary` adds what it is not.
    """
    view = report_view(report, boundary=boundary, show_accounts=show_accounts)
    return _report(view, magics=magics)


def explanation_text(
    explanation: Explanation, *, came: Came = ONCE, show_accounts: bool = False
) -> str:
    """Return the card of an explanation. `came`: how often its notice came, and about what."""
    return _card(card_view(explanation, came=came, show_accounts=show_accounts))


def bundle_text(path: object, files: Iterable[BundleFile]) -> str:
    """Return where a support bundle is, and what is in it: each file's name, size and contents."""
    shown = [(clean(file.name), labels.size(file.bytes), clean(file.what)) for file in files]
    if not shown:
        return f"The bundle {clean(path)} is empty."
    names = max(len(name) for name, _, _ in shown)
    sizes = max(len(size) for _, size, _ in shown)
    lines = [f"The bundle {clean(path)} holds {labels.counted(len(shown), 'file')}:"]
    for name, size, what in shown:
        start = f"  {name:<{names}}  {size:>{sizes}}  "
        lines += _wrap(what, start, " " * len(start))
    return "\n".join(lines)


def listed_text(heading: str, rows: Iterable[ListedRow]) -> str:
    """Return a list of what has no card of its own: its code and title, how often, about what."""
    lines = [f"{heading}:"]
    for row in rows:
        said = " ".join(part for part in (row.code, row.title, row.times) if part)
        about = f": {row.about}" if row.about else ""
        # A command that is broken over two lines cannot be copied.
        lines += _wrap(f"{said}{about} - %iberror{UNBROKEN}{row.code}", "  ", "    ")
    return "\n".join(lines).replace(UNBROKEN, " ")


def pages_text() -> str:
    """Return a list of every page of the catalogue: its codes, its id and its title."""
    from ibnb.knowledge import catalogue

    entries = catalogue().in_order
    width = max(len(entry.id) for entry in entries)
    codes = [
        ", ".join(map(str, entry.codes[:MOST_CODES]))
        + (", …" if len(entry.codes) > MOST_CODES else "")
        for entry in entries
    ]
    first = max(map(len, codes))
    return "\n".join(
        f"{said:{first}}  {entry.id:{width}}  {entry.title}"
        for said, entry in zip(codes, entries, strict=True)
    )


def unknown_text(error: UnknownQueryError, *, show_accounts: bool = False) -> str:
    """Return what is said where no page fits: the pages that come nearest, and what to try."""
    lines = _wrap(clean(error.happened, show_accounts=show_accounts), "", "  ")
    rows = page_rows(entry.id for entry in error.candidates)
    if rows:
        lines.append(f"{labels.NEAREST}:")
    for row in rows:
        lines += _wrap(f"{row.title}: %iberror{UNBROKEN}{row.code}", "  ", "    ")
    return "\n".join([*lines, *_wrap(error.advice, "", "")]).replace(UNBROKEN, " ")


def badge_text(health: Health, *, show_accounts: bool = False) -> str:
    """Return the badge of a session, without any time of day."""
    return _badge(badge_view(health, show_accounts=show_accounts, now=0.0))


def print_report(
    report: Report, file: TextIO | None = None, *, show_accounts: bool = False
) -> None:
    """Print a diagnosis: coloured and as wide as the terminal, or plain where `file` is none."""
    view = report_view(report, show_accounts=show_accounts)
    out = sys.stdout if file is None else file
    if _is_terminal(out):
        from .terminal import draw_report

        draw_report(view, out)
    else:
        _write(_report(view), out)


def print_explanation(explanation: Explanation, file: TextIO | None = None) -> None:
    """Print a card: coloured and as wide as the terminal, or plain where `file` is none."""
    view = card_view(explanation)
    out = sys.stdout if file is None else file
    if _is_terminal(out):
        from .terminal import draw_card

        draw_card(view, out)
    else:
        _write(_card(view), out)


def _report(view: ReportView, *, magics: bool = False) -> str:
    lines = [*_wrap(f"{view.mark}: {view.title}", "", "  "), *_wrap(view.summary, "  ", "  ")]
    if view.why is not None:
        lines += _wrap(why_line(view.why, magics=magics), "  ", "    ")
    if view.origin:
        lines += ["", *_wrap(view.origin, "  ", "  ")]
    if view.changes:
        lines += ["", view.since_good, *_bulleted(view.changes)]
    if view.fix:
        lines += ["", "Do this first", *_numbered(view.fix, "  ")]
    lines += ["", f"Checks: {view.counts}"]
    for group in view.groups:
        lines += ["", group.heading, *_group(group, magics=magics)]
    if view.checklist:
        lines += ["", f"Verification checklist: {view.ticked}"]
        for tick in view.checklist:
            lines += _wrap(tick.text, f"  {tick.mark!s:<{_INDENT - 1}} ", " " * (_INDENT + 2))
    lines += ["", *_wrap(f"{view.target} · {view.took} · verdict {view.id}", "", "")]
    if view.boundary:
        lines += _wrap(view.boundary, "", "")
    return "\n".join(lines)


def _group(group: Group, *, magics: bool) -> list[str]:
    ran = (row for row in group.rows if row.mark != labels.STATUS["skip"])
    lines = [line for row in ran for line in _row(row, magics=magics)]
    return lines + [line for one in group.skipped for line in _skipped(one)]


def _row(row: Row, *, magics: bool) -> list[str]:
    lines = _said(row.mark, row.title, row.summary)
    if row.mark == labels.STATUS["pass"]:
        return lines
    lines += _seen(row.evidence, row.fix)
    if row.why is not None:
        lines += _wrap(why_line(row.why, magics=magics), " " * _INDENT, " " * (_INDENT + 2))
    return lines


def _skipped(one: Skipped) -> list[str]:
    lines = _said(labels.STATUS["skip"], "; ".join(one.titles), one.why)
    return lines + _seen(one.evidence, one.fix)


def _said(mark: Mark, title: str, summary: str) -> list[str]:
    said = f"{title} — {summary}" if summary else title
    return _wrap(said, f"  {mark!s:<{_INDENT - 2}}", " " * _INDENT)


def _seen(evidence: Iterable[tuple[str, tuple[str, ...]]], fix: tuple[str, ...]) -> list[str]:
    indent = " " * _INDENT
    lines: list[str] = []
    for key, values in evidence:
        lines += _wrap(f"{key}: {'; '.join(values)}", indent, indent + "  ")
    return [*lines, f"{indent}Fix", *_numbered(fix, indent + "  ")] if fix else lines


def _card(view: CardView) -> str:
    if view.again:
        return "\n".join(_card_again(view))
    lines = _card_head(view, view.said)
    if view.everything:
        lines += ["", *_wrap(f"Full list: {view.everything}", "", "  ")]
    if view.facts:
        lines += ["", "What happened here", *_bulleted(view.facts)]
    if view.asked is not None:
        lines += ["", f"The {'last ' if view.times else ''}request: {view.asked.method}"]
        lines += _asked(view.asked)
    if view.resolution:
        lines += ["", "What to do", *_numbered(view.resolution, "  ")]
    if view.checks:
        lines += ["", "What to check", *_checked(view.checks)]
    for heading, texts in (("Why this happens", view.causes), ("Symptoms", view.symptoms)):
        if texts:
            lines += ["", heading, *_bulleted(texts)]
    if view.last:
        lines += ["", *(line for text in view.last for line in _wrap(text, "", "  "))]
    return "\n".join(lines)


def _card_again(view: CardView) -> list[str]:
    """Return what happened this time; the page stands above."""
    lines = _card_head(view, [one for one in view.said if one != view.summary])
    everything = (f"Full list: {view.everything}",) if view.everything else ()
    lines += _bulleted((*view.facts, *everything))
    return [*lines, f"  {view.shown_before}"]


def _card_head(view: CardView, said: Iterable[str]) -> list[str]:
    lines = _wrap(f"{view.mark}: {card_title(view)}", "", "  ")
    lines += [line for text in said for line in _wrap(text, "  ", "  ")]
    # Not wrapped: it is there to be copied.
    return [*lines, f"  {view.do}: {view.command}"] if view.command else lines


def _checked(checks: Iterable[AnsweredCheck]) -> list[str]:
    lines = []
    for check in checks:
        lines += _wrap(check.text, "  - ", "    ")
        if check.mark is not None:
            lines += _wrap(f"{check.mark}: {check.answer}", "    ", "      ")
    return lines


def _asked(view: AskedView) -> list[str]:
    lines = []
    for name, value, problem in view.parameters:
        marked = f"   <- {problem}" if problem else ""
        lines += _wrap(f"{name} = {value}{marked}", "  ", "      ")
    if view.example:
        # Not wrapped: it is there to be copied.
        lines += ["A working call to start from", f"  {view.example}"]
    return lines


def _badge(view: BadgeView) -> str:
    kind = "◆ LIVE ◆" if view.live else view.kind
    link = f"{view.link_text} {view.link}" if view.link is not None else ""
    lines = _packed((str(view.mark), f"{kind} {view.orders}".strip(), *view.facts), "")
    lines += _packed((*view.details, link), "  ")
    if view.replaced:
        lines += _wrap(view.replaced, "  ", "  ")
    if view.reason:
        lines += _wrap(f"Why: {view.reason}", "  ", "  ")
    if view.missing:
        lines += _wrap(f"Missing: {', '.join(view.missing)}", "  ", "    ")
    for notice in view.notices:
        if not notice.news:
            # That a farm works is said already.
            continue
        head = " ".join(part for part in (notice.code, notice.times) if part)
        lines += _wrap(f"{head}: {notice.text}", "  notice ", "    ")
    return "\n".join(lines)


def _packed(parts: Iterable[str], indent: str) -> list[str]:
    """Return short parts with dots between them, on as few lines as they need."""
    lines: list[str] = []
    for part in filter(None, parts):
        if lines and len(lines[-1]) + len(part) + len(" · ") <= WIDTH:
            lines[-1] += f" · {part}"
        else:
            lines.append((indent if not lines else "  ") + part)
    return lines


def _numbered(texts: Iterable[str], indent: str) -> list[str]:
    lines: list[str] = []
    for number, text in enumerate(texts, start=1):
        start = f"{indent}{number}. "
        lines += _wrap(text, start, " " * len(start))
    return lines


def _bulleted(texts: Iterable[str]) -> list[str]:
    return [line for text in texts for line in _wrap(text, "  - ", "    ")]


def _wrap(text: str, first: str, rest: str) -> list[str]:
    # A command or an address that is cut in two cannot be copied: long words stay whole.
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [first.rstrip()]


def _is_terminal(out: TextIO) -> bool:
    return out.isatty() and _can_write(str(labels.STATUS["fail"]), out)


def _can_write(text: str, out: TextIO) -> bool:
    try:
        text.encode(out.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _write(text: str, out: TextIO) -> None:
    if not _can_write(text, out):
        plain = text.translate(labels.ASCII)
        text = plain.encode(out.encoding, "backslashreplace").decode(out.encoding)
    out.write(text + "\n")

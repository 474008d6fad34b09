"""Reports, explanations and badges as HTML that needs nothing but itself.

No script, no style sheet, no drawing: what is here survives a saved notebook, and JupyterLab's
sanitiser for notebooks that are not trusted. Text from outside is escaped by the templates.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from . import labels
from .cards import ONCE, Came, card_view, page_rows
from .sanitise import clean
from .views import badge_view, report_view

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from jinja2 import Environment, Template

    from ibnb.diagnostics.model import Check, Report, Result
    from ibnb.knowledge import UnknownQueryError
    from ibnb.knowledge.model import Explanation
    from ibnb.session.health import Health

    from .progress import Repeat


PANEL_HEIGHT = "clamp(300px, 770px - 66cqi, 560px)"
"""The height of a diagnosis under way, by the width of its place: a report is taller where lines
are short, and takes that same place, so that nothing below jumps."""
LEAST_HEIGHT = f"calc({PANEL_HEIGHT} - 30px)"
"""Most reports are as tall as the panel or taller."""


def report_html(
    report: Report, *, boundary: bool = True, in_place: bool = False, show_accounts: bool = False
) -> str:
    """Return a diagnosis: the verdict with its first step, then every check with its evidence.

    `boundary` adds what it is not, and `in_place` says that it takes the place of the progress.
    Accounts are masked unless `show_accounts` is set; so they are in every form below.
    """
    view = report_view(report, boundary=boundary, show_accounts=show_accounts)
    return render("report", view=view, least=LEAST_HEIGHT if in_place else "")


def explanation_html(
    explanation: Explanation, *, came: Came = ONCE, show_accounts: bool = False
) -> str:
    """Return the card of an explanation. `came`: how often its notice came, and about what."""
    return render(
        "explanation", view=card_view(explanation, came=came, show_accounts=show_accounts)
    )


def unknown_html(error: UnknownQueryError, *, show_accounts: bool = False) -> str:
    """Return what is said where no page fits: the pages that come nearest, and what to try."""
    return render(
        "unknown",
        happened=clean(error.happened, show_accounts=show_accounts),
        heading=labels.NEAREST,
        rows=page_rows(entry.id for entry in error.candidates),
        advice=error.advice,
    )


def badge_html(health: Health, *, show_accounts: bool = False, now: float | None = None) -> str:
    """Return the badge of a session.

    `now` is the moment it shows, in seconds since the epoch: this one by default.
    """
    return render("badge", view=badge_view(health, show_accounts=show_accounts, now=now))


def progress_html(
    checks: Sequence[Check],
    results: Iterable[Result],
    *,
    repeat: Repeat | None = None,
    boundary: bool = False,
    show_accounts: bool = False,
) -> str:
    """Return a diagnosis under way: a bar, and a row for each check, ended, running or pending.

    `repeat` is there while the diagnosis is repeated until the gateway is healthy, and `boundary`
    says what its report will say too, so that it does not add to the height then.
    """
    from .progress import progress_view

    view = progress_view(checks, results, repeat=repeat, show_accounts=show_accounts)
    said = labels.BOUNDARY if boundary else ""
    return render("progress", view=view, boundary=said, height=PANEL_HEIGHT)


def render(template: str, **values: object) -> str:
    """Return a template of this room filled in; every value is escaped."""
    return read_template(template).render(values).strip()


def read_template(name: str) -> Template:
    """Return a template of this room; reading one takes longer than filling it in."""
    return _environment().get_template(f"{name}.html.j2")


def parts(text: str) -> list[tuple[bool, str]]:
    """Return the parts of a text, each with whether it is code: commands, and what is quoted so."""
    from ibnb.knowledge.situation import CODE

    found, place = [], 0
    for code in CODE.finditer(text):
        found += [(False, text[place : code.start()]), (True, code[0].strip("`"))]
        place = code.end()
    return [(is_code, part) for is_code, part in (*found, (False, text[place:])) if part]


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ibnb.ui"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["parts"] = parts
    return environment

"""The support bundle of this process: gathers what goes into one, and writes it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ibnb.settings import IbSettings

if TYPE_CHECKING:
    from ibnb.app import App
    from ibnb.diagnostics import Report
    from ibnb.diagnostics.bundle import BundleFile

OF_THE_MACHINE = "host."
"""How the ids of the checks begin that look at the gateway's processes, files and logs."""


def write_support_bundle(app: App, report: Report, path: Path) -> tuple[BundleFile, ...]:
    """Write one zip with a report and what belongs to it, redacted; return what is in it.

    Raises:
        BadInputError: the file cannot be written; nothing half-written is left.
    """
    from ibnb.diagnostics.bundle import Bundle, versions, write_bundle
    from ibnb.ui.text import report_text

    session = app.session
    bundle = Bundle(
        report=report,
        text=report_text(report),
        versions=versions(),
        health=session.health(),
        losses=[asdict(loss) for loss in session.losses],
        notices=session.journal.since(0),
        requests=[asdict(request) for request in session.journal.requests.all()],
        settings={name: getattr(app.settings, name) for name in IbSettings.class_own_traits()},
        gateway={
            result.id: dict(result.evidence)
            for result in report.results
            if result.id.startswith(OF_THE_MACHINE)
        },
    )
    return write_bundle(path, bundle)

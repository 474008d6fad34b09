"""The support bundle of this process: gathers what goes into one, and writes it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING

from .settings import IbSettings

if TYPE_CHECKING:
    from .app import App
    from .diagnostics import Report
    from .diagnostics.bundle import BundleFile

OF_THE_MACHINE = "host."
"""How the ids of the checks begin that look at the gateway's processes, files and logs."""

NOTEBOOK = ".ipynb"
MOST_LEASES = 500
"""So many leases are looked through for names."""


def write_support_bundle(app: App, report: Report, path: Path) -> tuple[BundleFile, ...]:
    """Write one zip with a report and what belongs to it, redacted; return what is in it.

    Raises:
        BadInputError: the file cannot be written; nothing half-written is left.
    """
    from .diagnostics.bundle import Bundle, versions, without_names, write_bundle
    from .ui.text import report_text

    session = app.session
    names = _names(app)
    bundle = Bundle(
        report=report,
        text=report_text(without_names(report, names)),
        versions=versions(),
        health=app.health(),
        losses=[asdict(loss) for loss in session.losses],
        notices=session.journal.since(0),
        requests=[asdict(request) for request in session.journal.requests.all()],
        settings={name: getattr(app.settings, name) for name in IbSettings.class_own_traits()},
        gateway={
            result.id: dict(result.evidence)
            for result in report.results
            if result.id.startswith(OF_THE_MACHINE)
        },
        names=names,
    )
    return write_bundle(path, bundle)


def _names(app: App) -> tuple[str, ...]:
    """Return words that tell of people and notebooks, and that no pattern would find."""
    found = {_full_name(), app.context.notebook}
    store = app.session.notebook_leases.store
    for lease in store.newest(MOST_LEASES) if store is not None else ():
        host = lease.machine.partition(".")[0]
        found |= {lease.user, lease.machine, host, lease.notebook}
    paths = [PureWindowsPath(text) if "\\" in text else PurePosixPath(text) for text in found]
    # Without a notebook it is a folder, whose last part may be any word.
    files = (path.name for path in paths if path.suffix == NOTEBOOK)
    return tuple(sorted({*found, *files} - {""}))


def _full_name() -> str:
    """Return the name of the person whose login this is, where the system has one."""
    with suppress(ImportError, KeyError, OSError):
        import pwd

        return pwd.getpwuid(os.getuid()).pw_gecos.partition(",")[0]
    return ""

"""Judging a support bundle again: its facts are read, and everything else of it is left alone.

A bundle is foreign data. It is read within bounds and in memory; nothing is unpacked, and nothing
is contacted.
"""

from __future__ import annotations

import json
import stat
import zipfile
import zlib
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

from ibnb.diagnostics.model import Facts, Origin, Report
from ibnb.diagnostics.verdict.checklist import checklist
from ibnb.diagnostics.verdict.concluding import concluded
from ibnb.knowledge import catalogue
from ibnb.session import BadInputError
from ibnb.tws.escaping import visible
from ibnb.tws.target import HIGHEST_PORT

from .archive import FACTS, FORMAT, MOST_BYTES
from .codec import SHOWN, FactsError, load

LARGEST_FILE = 4 * MOST_BYTES
"""So many bytes of a zip are looked at; a bundle has a quarter of them at most."""
OF_ANY = "report.json"
"""What every bundle has, those too that were written before there were facts in it."""
ASK = "ask whoever sent it for a new one (ibnb diag --bundle FILE)"
JUDGE_THERE = f"judge it with that version, or {ASK}"
GIVE_ONE = "give the file that ibnb diag --bundle FILE or %ibdiag --bundle FILE wrote"
LATEST = 250_000_000_000.0
"""Seconds since the epoch; a calendar has no date for what is much later."""


def judge_bundle(path: Path) -> Report:
    """Return the report on the facts in a bundle, judged by the rules of this version.

    Raises:
        BadInputError: it cannot be read or judged; one line that says why and what to do.
    """
    document = _document(path)
    version = f"ibnb {_told(document, 'ibnb') or 'of an unknown version'}"
    written = document.get("format")
    if isinstance(written, bool) or not isinstance(written, int):
        _refuse(path, f"has no format number in its {FACTS}: {ASK}")
    if written > FORMAT:
        _refuse(
            path,
            f"was written by {version} in format {written}, and this ibnb "
            f"{metadata.version('ibnb')} reads format {FORMAT}: update ibnb to judge it "
            "(pip install --upgrade ibnb)",
        )
    if "left_out" in document:
        _refuse(path, "has no facts, as they were too large for it: read its report.txt")
    try:
        return _judged(load(document.get("facts")), document)
    except FactsError as error:
        what = visible(str(error))
        _refuse(
            path, f"has facts that cannot be judged here: {what}; {version} wrote it: {JUDGE_THERE}"
        )
    # Whatever stands in evidence, rules and the checklist look at it, and none of them expects it.
    except Exception as error:  # noqa: BLE001 - foreign data may break them in any way
        _refuse(
            path,
            f"has evidence that no check of this ibnb writes ({type(error).__name__}); {version} "
            f"wrote it: {JUDGE_THERE}",
        )


def _judged(facts: Facts, document: dict[str, Any]) -> Report:
    for result in facts.results:
        if result.entry is not None and catalogue().by_id(result.entry) is None:
            raise FactsError(f"{result.id} names the page {result.entry[:SHOWN]!r}, unknown here")
    around = replace(facts.surroundings, show_accounts=False)
    for one in (around.target, *(seen.target for seen in (facts.attempt, around.failed) if seen)):
        if not 1 <= one.port <= HIGHEST_PORT:
            raise FactsError(f"{one.port} is not a port")
    if not 0 <= facts.at <= LATEST or not facts.seconds >= 0:
        raise FactsError("the time of its collection is none")
    origin = Origin(
        facts.at,
        ibnb=_told(document, "ibnb"),
        system=_told(document, "platform"),
        python=_told(document, "python"),
    )
    facts = replace(facts, surroundings=around)
    report = concluded(facts, keep={around.target.host}, origin=origin)
    checklist(report)
    return report


def _document(path: Path) -> dict[str, Any]:
    """Return what the file of facts in a bundle holds."""
    try:
        place = path.expanduser()
        mode, size = place.stat().st_mode, place.stat().st_size
        if not stat.S_ISREG(mode):
            _refuse(path, "is not a file: give the zip that --bundle wrote")
        if size > LARGEST_FILE:
            _refuse(path, f"has {size:,} bytes, which no bundle has: {GIVE_ONE}")
        with zipfile.ZipFile(place) as archive:
            data = _facts_of(path, archive)
    except BadInputError:
        raise
    except OSError as error:
        _refuse(path, f"cannot be read: {error.strerror or error}: give a file that exists")
    except RuntimeError as error:
        _refuse(path, f"cannot be read: {_brief(error)}: {GIVE_ONE}")
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        _refuse(path, f"is not a zip that can be read ({_brief(error)}): {GIVE_ONE}")
    try:
        document = json.loads(data.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"has a {FACTS} that is not JSON ({_brief(error)}): {ASK}")
    if not isinstance(document, dict):
        _refuse(path, f"has a {FACTS} that holds no facts: {ASK}")
    return document


def _facts_of(path: Path, archive: zipfile.ZipFile) -> bytes:
    """Return the bytes of the file of facts, and of no other."""
    names = archive.namelist()
    if FACTS not in names:
        if OF_ANY in names:
            _refuse(
                path,
                "was written by an ibnb that kept no facts in it to judge again: read its "
                "report.txt, or update ibnb there and write a new one",
            )
        _refuse(path, f"is a zip, but not a support bundle: {GIVE_ONE}")
    found = archive.getinfo(FACTS)
    if found.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        _refuse(path, f"has a {FACTS} that is packed as no bundle is: {GIVE_ONE}")
    # What a zip says of a size may be wrong: so much is read, and not more.
    with archive.open(found) as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        _refuse(path, f"has more than {MOST_BYTES:,} bytes in its {FACTS}, which no bundle has")
    return data


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _brief(error: Exception) -> str:
    said = " ".join(str(error).split()) or type(error).__name__
    return visible(said if len(said) <= 2 * SHOWN else f"{said[: 2 * SHOWN]}…")


def _told(document: dict[str, Any], name: str) -> str:
    """Return a text about where the bundle was written, as it may be shown."""
    told = document.get(name)
    return visible(told[: 2 * SHOWN]) if isinstance(told, str) else ""


def _refuse(path: Path, why: str) -> NoReturn:
    raise BadInputError(f"bundle {str(path)!r} {why}") from None

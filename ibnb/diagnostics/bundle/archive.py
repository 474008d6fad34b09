"""The support bundle: one zip that tells somebody else what a diagnosis saw, and not whose it was.

It gathers nothing but versions: what goes in is handed in as plain data, and all of it is redacted
here, whatever was masked before.
"""

from __future__ import annotations

import io
import json
import os
import platform
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ibnb.diagnostics.checks.env import versions_of
from ibnb.diagnostics.json_safe import Scale, shorten, whole_words
from ibnb.diagnostics.model import Report
from ibnb.session import BadInputError, Health
from ibnb.session.library.libraries import EVENT_PACKAGES
from ibnb.session.library.names import NAMES
from ibnb.tws.escaping import edited, visible
from ibnb.tws.notices import Notice

from .cleaning import FACTS_BYTES, Cleaner, shown_host, without_names
from .codec import dump

NEWEST = 500
"""Of notices, and of requests: older ones are left out."""
MOST_BYTES = 1_000_000
"""No bundle is larger, packed or unpacked."""
FORMAT = 1
"""The format of `FACTS`: a number that grows when an older ibnb could not read it rightly."""
FACTS = "facts.json"
_LIST_BYTES = 150_000
_REPORT_BYTES = 150_000
_TEXT_BYTES = 100_000
_OTHER_BYTES = 64_000
_LINE = 1000
_FILE = Scale(_LINE, nodes=4000, characters=120_000)
_ENTRY = Scale(_LINE, nodes=100, characters=4000)
_SHORTER = (_LINE, 200, 50, 10)
_PACKAGES = (
    *("ibnb", *NAMES, *EVENT_PACKAGES.values(), "nest-asyncio", "nest-asyncio2", "ipython"),
    *("ipykernel", "ipywidgets", "jupyterlab", "jupyter-server", "notebook", "jinja2"),
    *("platformdirs", "psutil", "pyzmq", "rich", "tornado", "traitlets"),
)
_OF_A_MACHINE = ("ibnb", "python", "platform")
_MADE = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip can hold: the same content is always the same file."""

_ABOUT = {
    "README.txt": "what is in this bundle, and how it was redacted",
    "report.txt": "the diagnosis, to be read",
    "report.json": "the diagnosis, for programs",
    FACTS: "what the verdict rests on: ibnb diag --from judges it again",
    "versions.json": "versions of Python, of this system and of the packages that matter",
    "session.json": "the state of the notebook's connection, and when and why it was lost",
    "journal.json": "the newest notices of the gateway and the newest requests sent to it",
    "settings.json": "the settings of ibnb",
    "gateway.json": "what the gateway's files and settings told: numbers and words, no raw lines",
}

_README = """\
ibnb support bundle
===================

This file was made on your machine, at your request. Nothing was sent anywhere.

What is in it
-------------
{files}

What was taken out
------------------
Every text in every file was redacted before it was written:

- accounts keep at most their first two and last three characters, as in DU•••567: what looks like
  an account number, and the accounts that your gateway lists
- <address>  an IPv4 or IPv6 address; this machine's own loopback (127.0.0.1, ::1) stays
- <mac>      a hardware address
- <host>     the host of a target that is not this machine
- <name>     the name of this machine, or another name that was known
- <user>     a login name, also inside a path such as /home/<user>/notebook.ipynb
- <email>    an e-mail address
- <token>    a session id, a hash, or another long run of random characters
- <secret>   the value of something called password, pw, token, cookie or the like

A version of four numbers looks like an IPv4 address and was taken out with them. Long texts end in
"…"; of notices and requests only the newest are here.

Before you send it
------------------
Please read every file first. Patterns decided what to take out, and they know neither the names of
people nor those of other machines. Contracts, order sizes and prices in requests were left in.
"""


@dataclass(frozen=True)
class Bundle:
    """What goes into a support bundle, as plain data.

    `text` is the report as text; `losses` and `requests` are in the order in which they came, as
    `notices` are. `gateway` holds numbers and words only, never a line of a log. `names` are words
    to take out that cannot be known here, such as users and machines that leases tell of.
    """

    report: Report
    text: str
    versions: Mapping[str, str]
    health: Health
    losses: Sequence[Mapping[str, Any]] = ()
    notices: Sequence[Notice] = ()
    requests: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    gateway: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class BundleFile:
    """One file of a bundle: its name, its size in bytes (unpacked), and a line on what it is."""

    name: str
    bytes: int
    what: str


def versions() -> dict[str, str]:
    """Return the versions of Python, of the system and of the packages that are installed.

    No package is imported for it.
    """
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "platform": platform.platform(),
        **versions_of(_PACKAGES),
    }


def write_bundle(path: Path, bundle: Bundle) -> tuple[BundleFile, ...]:
    """Write a support bundle as a zip, and return what is in it.

    Everything in it is redacted and bounded: `NEWEST` notices and requests, `MOST_BYTES` in all.
    A file that is there already is replaced, but only when the new one is complete.

    Raises:
        BadInputError: the file cannot be written; one line that says why and what to give. Nothing
            half-written is left.
    """
    place = check_bundle_path(path)
    contents = _contents(bundle)
    try:
        _replace(place, _zipped(contents))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"bundle {str(path)!r} could not be written: {_reason(error)}: give a file in a folder "
            "that you may write to, on a disk with room for it"
        ) from None
    return tuple(BundleFile(name, len(data), _ABOUT[name]) for name, data in contents.items())


def check_bundle_path(path: Path) -> Path:
    """Return the place that a bundle would be written to, links followed; leaves nothing there.

    Raises:
        BadInputError: no file can be written at this path; one line that says why and what to give.
    """
    try:
        place = Path(os.path.realpath(path.expanduser()))
        problem = _problem(path, place)
    except (OSError, ValueError, RuntimeError) as error:
        problem = f"cannot be a file: {_reason(error)}: give a file in a folder that exists"
    if problem:
        raise BadInputError(f"bundle {str(path)!r} {problem}")
    return place


def _reason(error: Exception) -> str:
    # An OSError's own text repeats the path, of the temporary file even.
    return getattr(error, "strerror", None) or str(error)


def _problem(path: Path, place: Path) -> str:
    """Return why there can be no file at a place, and what to give; empty where there can."""
    folder = place.parent
    if place.is_dir():
        return f"is a folder: give a file in it, as {str(path / 'ibnb-support.zip')!r}"
    if folder.exists() and not folder.is_dir():
        return f"is below {str(folder)!r}, which is a file: give a file in a folder"
    if not folder.exists():
        return (
            f"is in a folder that does not exist, {str(folder)!r}: make it first, or give a file "
            "in a folder that exists"
        )
    if place.exists() and not place.is_file():
        return "is a device or a pipe: give the name of a file"
    try:
        # Whether a folder may be written to, only writing tells, on each of the systems.
        with tempfile.TemporaryFile(prefix=".ibnb-", dir=folder):
            return ""
    except OSError as error:
        return (
            f"is in a folder that cannot be written to, {str(folder)!r}: {_reason(error)}: give a "
            "file in a folder that you may write to"
        )


def _replace(place: Path, data: bytes) -> None:
    """Put the bytes at a place, completely or not at all."""
    # Only its owner may read it, as a temporary file is made; and beside the place, so that the
    # move at the end stays on one disk.
    handle, name = tempfile.mkstemp(prefix=".ibnb-", suffix=".part", dir=place.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(place)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _zipped(contents: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents.items():
            entry = zipfile.ZipInfo(name, _MADE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o600 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def _contents(bundle: Bundle) -> dict[str, bytes]:
    """Return every file's name and bytes, in the order in which they are best read."""
    report = without_names(bundle.report, bundle.names)
    heard = (*bundle.health.notices, *bundle.notices[-NEWEST:])
    cleaner = Cleaner(report, bundle.health, heard, bundle.settings, bundle.names)
    document = report.to_dict()
    document["target"] |= {"host": shown_host(report.target)}
    lost = {"health": cleaner.health(bundle.health), "losses": list(bundle.losses[-NEWEST:])}
    files = {
        "report.txt": _lines(bundle.text, cleaner),
        "report.json": _json(cleaner.told(document, _FILE), _REPORT_BYTES),
        **_facts(report, bundle.versions, cleaner),
        "versions.json": _json(cleaner.data(bundle.versions, _FILE)),
        "session.json": _json(cleaner.told(lost, _FILE)),
        "journal.json": _journal(bundle.notices, bundle.requests, cleaner),
        "settings.json": _json(cleaner.data(bundle.settings, _FILE)),
        "gateway.json": _json(cleaner.evidence(bundle.gateway, _FILE)),
    }
    listed = "\n".join(f"{name:<15}{_ABOUT[name]}" for name in ("README.txt", *files))
    return {"README.txt": _README.format(files=listed).encode(), **files}


def _facts(report: Report, known: Mapping[str, str], cleaner: Cleaner) -> dict[str, bytes]:
    """Return the file of the facts; none of a report that was not made of any."""
    if report.facts is None:
        return {}
    of = {name: visible(cleaner.foreign(known.get(name, ""))) for name in _OF_A_MACHINE}
    head = {"format": FORMAT, **of}
    data = _dumped({**head, "facts": dump(report.facts, cleaner)})
    if len(data) > FACTS_BYTES:
        data = _dumped({**head, "left_out": f"They had {len(data)} bytes."})
    return {FACTS: data}


def _json(redacted: Any, most: int = _OTHER_BYTES) -> bytes:
    """Return a value as JSON of at most so many bytes, cut down the more it holds."""
    for length in _SHORTER:
        data = _dumped(_shortened(redacted, length))
        if len(data) <= most:
            return data
    return _dumped({"left_out": "This was too large for a bundle."})


def _lines(text: str, cleaner: Cleaner) -> bytes:
    """Return a long text, line by line, of at most so many bytes."""
    whole = cleaner.sentence(whole_words(text, 2 * _TEXT_BYTES))
    lines = [shorten(visible(line), _LINE) for line in whole.splitlines()]
    data = _encoded("\n".join(lines) + "\n")
    if len(data) <= _TEXT_BYTES:
        return data
    return data[:_TEXT_BYTES].rpartition(b"\n")[0] + "\n…\n".encode()


def _journal(
    notices: Sequence[Notice], requests: Sequence[Mapping[str, Any]], cleaner: Cleaner
) -> bytes:
    """Return the newest notices and requests, oldest first, and how many were left out."""
    kept_notices = _newest([asdict(one) for one in notices[-NEWEST:]], cleaner)
    kept_requests = _newest(requests[-NEWEST:], cleaner)
    return _dumped(
        {
            "notices_left_out": len(notices) - len(kept_notices),
            "notices": kept_notices,
            "requests_left_out": len(requests) - len(kept_requests),
            "requests": kept_requests,
        }
    )


def _newest(entries: Sequence[Mapping[str, Any]], cleaner: Cleaner) -> list[Any]:
    kept: list[Any] = []
    left = _LIST_BYTES
    for entry in reversed(entries):
        fitted = _shortened(cleaner.data(entry, _ENTRY), _LINE)
        # As it stands in the file, two levels further in than here.
        left -= len(_dumped([[fitted]]))
        if left < 0:
            break
        kept.append(fitted)
    kept.reverse()
    return kept


def _shortened(value: Any, length: int) -> Any:
    return edited(value, lambda text: shorten(text, length), lambda key: key)


def _dumped(value: Any) -> bytes:
    return _encoded(json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def _encoded(text: str) -> bytes:
    # Half a surrogate pair can come with a foreign text, and no file can hold it.
    return text.encode(errors="replace")

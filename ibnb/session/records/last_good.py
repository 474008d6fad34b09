"""The last good connect to each gateway: what was so then, for comparing with what is so now.

One small file for each target, in the state folder. It is a help for people and nothing rests on
it: whatever happens to it, a connect goes on.
"""

from __future__ import annotations

import _thread
import contextlib
import hashlib
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ibnb.session.library.libraries import EVENT_PACKAGES, Library
from ibnb.session.library.names import NAMES
from ibnb.tws.accounts import is_paper, mask, mask_in
from ibnb.tws.attempt import Attempt
from ibnb.tws.files import head, private
from ibnb.tws.handshake import Stage
from ibnb.tws.notices import link_after
from ibnb.tws.target import Target

FOLDER = "last-good"
FORMAT = 1
MOST_BYTES = 300_000
"""What is larger is not ours."""
MOST_FILES = 100
"""So many targets are remembered: those of the last good connects."""
MOST_VALUES = 60
LONGEST = 200
"""So many characters of a value are kept."""
PAUSE_SECONDS = 0.1
"""So long the work waits: a connect that is about to return need not share a processor with it."""
MOST_SHOWN = 20
"""So many accounts and farms are kept."""
PACKAGES = (
    *("ibnb", *NAMES, *EVENT_PACKAGES.values(), "nest-asyncio", "nest-asyncio2"),
    *("ipykernel", "ipython"),
)
ABSENT = "not installed"
HIDDEN = "#"
"""What follows it in a value is compared, and never shown."""
_NOT_OURS = "it is not what ibnb writes"

LOG = logging.getLogger("ibnb")
_said: set[str] = set()


@dataclass(frozen=True)
class Known:
    """What is known of a target and of this machine at one moment, as texts for people.

    The keys of `values` are subjects: ``server_version``, ``library``, ``package:NAME``,
    ``farm:NAME`` and so on. `since` says when one became what it is, if that is known. Times are
    in seconds since the epoch.
    """

    at: float
    values: Mapping[str, str] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)


def known_of(attempt: Attempt, farms: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what an attempt shows of a gateway, accounts masked.

    `farms` are the states of its data farms, if more is known of them than the attempt tells.
    """
    states = link_after(attempt.notices).farms if farms is None else farms
    accounts = attempt.accounts or ()
    found = {
        "server_version": str(attempt.server_version or ""),
        "gateway_zone": _zone(attempt.server_time),
        "accounts": ", ".join(sorted(map(mask, accounts))[:MOST_SHOWN]),
        "account_kind": ("paper" if is_paper(accounts) else "live") if accounts else "",
        **{f"farm:{mask_in(name)}": state for name, state in [*states.items()][:MOST_SHOWN]},
    }
    taken = attempt.seconds.get(str(Stage.READY))
    if taken is not None:
        found["ready_seconds"] = f"{taken:.3f}"
    return {name: text for name, text in found.items() if text}


def connect_settings(timeout: float, *, readonly: bool) -> dict[str, str]:
    """Return the settings of ibnb that what comes of a connect depends on."""
    return {"timeout": f"{timeout:g}", "readonly": "yes" if readonly else "no"}


def known_here(target: Target, library: Library | None, settings: Mapping[str, str]) -> Known:
    """Return what is so on this machine: packages, zones, and the settings file of a gateway here.

    `settings` are those of ibnb that a connect depends on. Takes some milliseconds.
    """
    values = {
        "python": sys.version.split()[0],
        "machine_zone": _own_zone(),
        "library": f"{library.name} {library.version}" if library is not None else "",
        **{f"package:{name}": _version(name) for name in PACKAGES},
        **settings,
    }
    since: dict[str, float] = {}
    if target.is_local:
        of_file, written = _of_settings_file()
        values |= of_file
        since = dict.fromkeys(of_file, written)
    return Known(time.time(), {name: text for name, text in values.items() if text}, since)


class GoodConnects:
    """What is remembered of the last good connects; other processes write to the same folder.

    Args:
        folder: returns the state folder, None if there is none.
    """

    def __init__(self, folder: Callable[[], Path | None]) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, int], Callable[[], Known]] = {}
        self._idle = threading.Event()
        self._idle.set()

    def __repr__(self) -> str:
        """Say how many are still to be written."""
        return f"<GoodConnects: {len(self._waiting)} to be written>"

    def find(self, target: Target) -> Known | None:
        """Return what was known at the last good connect to a target, None without any."""
        folder = self._folder()
        if folder is None:
            return None
        path = folder / FOLDER / _name(target)
        data = head(path, MOST_BYTES + 1)
        return None if data is None else _read(path, data)

    def remember_soon(self, target: Target, known: Callable[[], Known]) -> None:
        """Remember a good connect, on a thread: whoever connects does not wait for it.

        `known` is called there. Of several for one target the newest alone is written.
        """
        with self._lock:
            self._waiting[target.address] = known
            if not self._idle.is_set():
                return
            self._idle.clear()
        try:
            # Not by `threading`, whose start waits until the thread runs: that is for whoever
            # connects to do without.
            _thread.start_new_thread(self._write_all, ())
        except RuntimeError:  # none can be started any more: the process ends
            self._idle.set()

    def wait(self, seconds: float) -> bool:
        """Wait until all that is to be remembered is written; say whether it is."""
        return self._idle.wait(seconds)

    def remember(self, target: Target, known: Known) -> None:
        """Remember a good connect now."""
        folder = self._folder()
        if folder is None:
            return
        path = folder / FOLDER / _name(target)
        kept = {
            name[:LONGEST]: text[:LONGEST] for name, text in [*known.values.items()][:MOST_VALUES]
        }
        since = {name: moment for name, moment in known.since.items() if name in kept}
        document = {"format": FORMAT, **asdict(Known(known.at, kept, since))}
        data = head(path, MOST_BYTES + 1)
        if data is not None and _format(data) > FORMAT:
            return  # a newer ibnb reads it, and has said more than this one knows
        try:
            _replace(path, json.dumps(document, ensure_ascii=False).encode(errors="replace"))
            _drop_oldest(path.parent)
        except OSError as error:
            # That nothing can be remembered there the leases say already.
            LOG.info("ibnb: %s was not written: %s", path, error.strerror or error)

    def _write_all(self) -> None:
        time.sleep(PAUSE_SECONDS)
        while True:
            with self._lock:
                if not self._waiting:
                    self._idle.set()
                    return
                address, known = self._waiting.popitem()
            target = Target(*address)
            # Nobody waits for it, and nobody may be troubled by it.
            try:
                self.remember(target, known())
            except Exception as error:  # noqa: BLE001 - as above; it is in the log
                LOG.info("ibnb: the last good connect to %s was not noted: %s", target, error)


def _name(target: Target) -> str:
    host, port = target.address
    return f"{hashlib.sha256(f'{host}:{port}'.encode()).hexdigest()[:24]}.json"


def _format(data: bytes) -> int:
    try:
        document = json.loads(data)
        written = document.get("format") if isinstance(document, dict) else None
    except (ValueError, RecursionError):
        return 0
    return written if isinstance(written, int) else 0


def _read(path: Path, data: bytes) -> Known | None:
    written = _format(data)
    if written > FORMAT:
        _say(path, f"a newer ibnb wrote it, in format {written}; this one reads {FORMAT}")
        return None
    if written != FORMAT or len(data) > MOST_BYTES:
        _say(path, f"{_NOT_OURS}; the next good connect replaces it")
        return None
    document = json.loads(data)
    try:
        return Known(
            float(document["at"]),
            {_text(name): _text(text) for name, text in document["values"].items()},
            {_text(name): float(moment) for name, moment in document["since"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        _say(path, f"{_NOT_OURS}; the next good connect replaces it")
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value[:LONGEST]


def _say(path: Path, why: str) -> None:
    """Say in the log, once for each file and reason, that a last good connect is not known."""
    line = f"{path} tells of no last good connect: {why}."
    if line not in _said:
        _said.add(line)
        LOG.warning("ibnb: %s", line)


def _replace(path: Path, data: bytes) -> None:
    """Put the bytes at a path, completely or not at all."""
    part = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    try:
        with os.fdopen(private(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _drop_oldest(folder: Path) -> None:
    # What a process left half-written that was killed is dropped as it grows old.
    found = [one for one in os.scandir(folder) if one.name.endswith((".json", ".part"))]
    if len(found) <= MOST_FILES:
        return
    newest_first = sorted(found, key=_written, reverse=True)
    for one in newest_first[MOST_FILES:]:
        with contextlib.suppress(OSError):
            Path(one.path).unlink()


def _written(entry: os.DirEntry[str]) -> float:
    try:
        return entry.stat().st_mtime
    except OSError:  # another process has just dropped it
        return 0.0


def _zone(server_time: str) -> str:
    """Return the zone that a version reply names behind date and time."""
    return mask_in(" ".join(server_time.split()[2:]))[:LONGEST]


def _own_zone() -> str:
    """Return this machine's zone; the same in winter and in summer."""
    names = "/".join(dict.fromkeys(time.tzname))
    minutes = -time.timezone // 60
    sign = "-" if minutes < 0 else "+"
    return f"{names} (UTC{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02})"


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ABSENT


def _of_settings_file() -> tuple[dict[str, str], float]:
    """Return what the settings file of a gateway here says, and when it was written.

    Nothing if there are several: which of them is that of a port is not known here.
    """
    from ibnb.tws.folders import settings_folders
    from ibnb.tws.jts_ini import NAME, read_jts_ini

    read = [(folder, read_jts_ini(folder)) for folder in settings_folders()]
    found = [(folder, one) for folder, one in read if one is not None]
    if len(found) != 1:
        return {}, 0.0
    folder, settings = found[0]
    try:
        written = (folder / NAME).stat().st_mtime
    except OSError:
        return {}, 0.0
    # Which addresses are trusted is nobody else's business; that they are others shows.
    digest = hashlib.sha256(" ".join(sorted(settings.trusted_ips)).encode()).hexdigest()
    trusted = f"{len(settings.trusted_ips)}{HIDDEN}{digest}" if settings.trusted_known else None
    values = {
        "settings_port": settings.local_server_port,
        "trading_mode": settings.trading_mode,
        "settings_zone": settings.time_zone,
        "trusted": trusted,
    }
    return {name: str(value) for name, value in values.items() if value is not None}, written

"""What changed since the last good connect to a target, and which of it explains a verdict."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ibnb.diagnostics.model import Change, Facts
from ibnb.diagnostics.sanitise import said
from ibnb.session.library.libraries import Library
from ibnb.session.library.names import NAMES
from ibnb.session.records.last_good import HIDDEN, GoodConnects, Known, known_here, known_of
from ibnb.tws.target import Target

LOG = logging.getLogger("ibnb")
HEALTHY = "healthy"
BROKEN = "broken"
FARM = "farm:"
"""How the subject of a data farm begins."""
ZONE = "_zone"
"""How the subject of a time zone ends."""
_VERSIONS = ("server_version", "library", *(f"package:{name}" for name in NAMES))
_PACKAGES = (*(f"package:{name}" for name in NAMES), "python")
_LOGIN = ("accounts", "account_kind", "trading_mode")
EXPLAINING: Mapping[str, tuple[str, ...]] = {
    "connection-refused": ("settings_port", "gateway_ports", "trading_mode"),
    "handshake-silent": ("trusted", "timeout"),
    "closed-before-version": ("trusted",),
    "client-too-old": _VERSIONS,
    "version-too-old": _VERSIONS,
    "client-socket-505": _VERSIONS,
    "client-socket-507": _VERSIONS,
    "client-socket-508": _VERSIONS,
    "closed-after-start": _VERSIONS,
    "not-ready": ("server_version", "timeout"),
    "sync-incomplete": ("readonly", "timeout", "ready_seconds", *_VERSIONS),
    "no-accounts": _LOGIN,
    "wrong-environment": _LOGIN,
    "no-api-library": _PACKAGES,
    "event-loop-running": ("package:nest-asyncio", "package:nest-asyncio2", "package:ipykernel"),
    "clock-skew": ("gateway_zone", "machine_zone", "settings_zone"),
    "data-farm-down": (FARM,),
}
"""What may be why, by verdict; a subject that ends in a colon stands for all that begin so."""
TIMED = "timeout"
"""A time-out explains a wait that ended if it was longer at the last good connect."""
TAKEN = "ready_seconds"
SLOWER = 10.0
"""So many times as long, or as short, is a difference."""


@dataclass(frozen=True)
class LastGood:
    """Where good connects are remembered, and what of a question a connect depends on."""

    good: GoodConnects
    target: Target
    library: Library | None
    settings: Mapping[str, str]

    async def here(self) -> Known:
        """Return what is so on this machine now; nothing if that cannot be found out."""
        try:
            return await asyncio.to_thread(known_here, self.target, self.library, self.settings)
        except Exception as error:  # noqa: BLE001 - no diagnosis may fail because of it
            LOG.info("ibnb: what is so here could not be compared: %s", error)
            return Known(time.time())

    def compared(self, facts: Facts, here: Known) -> Facts:
        """Return facts with the differences from the last good connect, if one is known."""
        before = self.good.find(self.target)
        if before is None:
            return facts
        return replace(facts, good_at=before.at, changes=differences(before, _now(facts, here)))

    def note(self, facts: Facts, here: Known) -> None:
        """Remember what a diagnosis found well."""
        self.good.remember(self.target, _now(facts, here))


def _now(facts: Facts, here: Known) -> Known:
    """Return what is known with what a diagnosis found."""
    values = dict(here.values)
    if facts.attempt is not None:
        values |= known_of(facts.attempt)
    process = next((one for one in facts.results if one.id == "host.process"), None)
    running = process.evidence.get("processes", ()) if process is not None else ()
    ports = {port for one in running if one["kind"] != "simulator" for port in one["ports"]}
    if ports:
        values["gateway_ports"] = ", ".join(map(str, sorted(ports)))
    return replace(here, values=values)


def differences(before: Known, now: Known) -> tuple[Change, ...]:
    """Return what is otherwise now; what is not known of both times is no difference."""
    return tuple(
        _change(name, before, now)
        for name, then in before.values.items()
        if name in now.values and _differs(name, then, now.values[name])
    )


def _change(name: str, before: Known, now: Known) -> Change:
    then, today = (_told(name, one.values[name]) for one in (before, now))
    since = now.since.get(name)
    known = since if since is not None and since > before.at else None
    return Change(_subject(name), then, "as many others" if then == today else today, known)


def _told(name: str, value: str) -> str:
    """Return a value as it may be shown; what a zone is called stands in files of others."""
    shown = value.partition(HIDDEN)[0]
    return said(shown) if name.endswith(ZONE) else shown


def _subject(name: str) -> str:
    """Return a subject as it may be shown; what a farm is called is the gateway's."""
    kind, colon, farm = name.partition(":")
    return f"{kind}{colon}{said(farm)}" if f"{kind}{colon}" == FARM else name


def _differs(name: str, then: str, now: str) -> bool:
    if name != TAKEN:
        return then != now
    return not 1 / SLOWER < (_seconds(now) or 1) / (_seconds(then) or 1) < SLOWER


def explained(verdict: str, changes: tuple[Change, ...]) -> tuple[Change, ...]:
    """Return changes of which those are marked that explain a verdict; they come first."""
    subjects = EXPLAINING.get(verdict, ())
    marked = [replace(one, explains=_explains(one, subjects)) for one in changes]
    return tuple(sorted(marked, key=lambda one: not one.explains))


def _explains(change: Change, subjects: tuple[str, ...]) -> bool:
    kind = change.subject.partition(":")[0] + ":"
    if change.subject not in subjects and kind not in subjects:
        return False
    if change.subject == TIMED:
        return _seconds(change.now) < _seconds(change.before)
    return change.now == BROKEN if kind == FARM else True


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
